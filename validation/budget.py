"""What a run is expected to take, table by table, and what it took.

Expected are the processor seconds that units declare, for one ordinary core. A unit that several
tables need counts once, for the first of them. Taken are the seconds that units were at work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from validation.display import duration
from validation.experiment import Json, Unit
from validation.machine import cores
from validation.rows import Plan, in_order
from validation.store import Store

LEAST = 60.0  # seconds: a run that is expected to take less says nothing


@dataclass(frozen=True)
class Part:
    """Units that are counted together: those of a table, or all that no table needs."""

    name: str
    units: tuple[Unit, ...]


def parts(chosen: Plan) -> tuple[Part, ...]:
    """Return every unit of the plan once: table by table, then the rows that no table needs."""
    seen: set[str] = set()
    found = []
    for maker, paper in zip(chosen.tables, chosen.papers, strict=True):
        own = tuple(unit for unit in in_order([maker]) if unit.key not in seen)
        seen.update(unit.key for unit in own)
        found.append(Part(f"table {maker.key} of {paper}", own))
    rest = tuple(unit for unit in chosen.units if unit.key not in seen)
    return (*found, Part("rows that need no table" if found else "rows", rest))


def tails(units: Sequence[Unit]) -> dict[str, float]:
    """Return the seconds from the start of each unit to the end of the longest chain of needs.

    `units` come each after what it needs. Who starts the longest tail first ends early.
    """
    found: dict[str, float] = {}
    for unit in reversed(units):  # after all that need it
        found[unit.key] = unit.cost + found.get(unit.key, 0.0)
        for need in unit.needs:
            found[need.key] = max(found.get(need.key, 0.0), found[unit.key])
    return found


def wall(left: Sequence[Unit], jobs: int) -> float:
    """Return the wall seconds that the units left to do cannot fall below on so many processes.

    The greater of their sum over the processes at work and their longest chain of needs. `left`
    is in the order of needs.
    """
    share = sum(unit.cost for unit in left) / max(1, min(jobs, cores()))
    return max(share, max(tails(left).values(), default=0.0))


def announcement(chosen: Plan, store: Store, jobs: int | None) -> tuple[str, ...]:
    """Return what is left to do, a line for each table, then in all; nothing below a minute.

    Parameters
    ----------
    chosen : Plan
        What is run.
    store : Store
        What is done already, which no longer counts.
    jobs : int or None
        Processes at work; None for a cluster of unknown size.
    """
    left = [unit for unit in chosen.units if unit not in store]
    total = sum(unit.cost for unit in left)
    if total < LEAST:
        return ()
    if chosen.options.device != "cpu":
        return ("how long it takes is known for --device cpu only, so no budget is printed",)
    todo = {unit.key for unit in left}
    lines = []
    for part in parts(chosen):
        if seconds := sum(unit.cost for unit in part.units if unit.key in todo):
            lines.append(f"{part.name}: about {duration(seconds)}")
    what = f"in all about {duration(total)} of processor time"
    if jobs is not None:
        processes = max(1, min(jobs, cores()))
        many = "one process" if processes == 1 else f"{processes} processes"
        what += f", about {duration(wall(left, jobs))} on {many}"
    return (*lines, what)


def account(chosen: Plan, store: Store, expected_wall: float | None = None) -> dict[str, Json]:
    """Return what was expected and taken so far, by part and in all, for ``report.json``.

    Of a run that was continued all counts, whichever process did it. Expected is None where the
    run had no budget: on another device, or below a minute in all, which few units declare.

    Parameters
    ----------
    chosen : Plan
        What is run.
    store : Store
        What is done.
    expected_wall : float, optional
        Wall seconds that this process was expected to take.
    """
    declared = sum(unit.cost for unit in chosen.units)
    known = chosen.options.device == "cpu" and declared >= LEAST
    found: list[dict[str, Json]] = [
        {
            "name": part.name,
            "expected": sum(unit.cost for unit in part.units) if known else None,
            "taken": sum(map(store.seconds, part.units)),
        }
        for part in parts(chosen)
    ]
    return {
        "parts": found,
        "expected": sum(part["expected"] for part in found) if known else None,
        "taken": sum(part["taken"] for part in found),
        "wall": expected_wall if known else None,
    }
