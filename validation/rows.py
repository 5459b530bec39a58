"""Which rows a run has, and the unit that measures each of them."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import json
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from validation.experiment import (
    Experiment,
    Json,
    Options,
    Progress,
    Result,
    Row,
    Unit,
    json_number,
)
from validation.store import unit_digest
from validation.verdict import decide

CATALOGUE = "validation.experiments:EXPERIMENTS"


@dataclass(frozen=True)
class Plan:
    """The rows of a run, and what their numbers depend on besides the seed.

    Parameters
    ----------
    names : tuple of str
        What was asked for, sorted; nothing for everything.
    options : Options
        What the user asked for.
    catalogue : str
        ``"module:name"`` of the tuple of experiments.
    rows : tuple of Row
        The rows asked for, in the catalogue's order.
    rows_in_catalogue : int
        How many there are in all under these options.
    fingerprint : str
        SHA-256 of every unit of the catalogue under these options.
    tables : tuple of Unit
        Makers of the tables that belong to the rows' experiments.
    papers : tuple of str
        For each of them, the bibliography key of the first experiment that it belongs to.
    """

    names: tuple[str, ...]
    options: Options
    catalogue: str
    rows: tuple[Row, ...]
    rows_in_catalogue: int
    fingerprint: str
    tables: tuple[Unit, ...] = ()
    papers: tuple[str, ...] = ()

    @property
    def units(self) -> tuple[Unit, ...]:
        """All that is to be carried out, each after what it needs."""
        measured = (self.unit(row) for row in self.rows if not row.instance.skipped)
        return in_order((*measured, *self.tables))

    @property
    def reads_data(self) -> bool:
        """Whether a unit reads the data of the options, which it then has as a parameter."""
        return any("data_dir" in unit.parameters for unit in self.units)

    @property
    def row_alpha(self) -> float:
        """Error level of one row: the same alone as in the full report."""
        return self.options.alpha / max(1, self.rows_in_catalogue)

    def unit(self, row: Row) -> Unit:
        """Return the row's own unit, which measures it and gives the verdict."""
        return _row_unit(row, self.catalogue, self.row_alpha)


def load_catalogue(catalogue: str = CATALOGUE) -> tuple[Experiment, ...]:
    """Return the experiments at ``"module:name"``; ValueError if there are none."""
    module, _, attribute = catalogue.partition(":")
    try:
        found = tuple(getattr(importlib.import_module(module), attribute))
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"no experiments at {catalogue!r}: {error}") from None
    return found


def plan(names: Iterable[str], options: Options, catalogue: str = CATALOGUE) -> Plan:
    """Return the rows that `names` stand for; no name stands for all.

    Parameters
    ----------
    names : iterable of str
        Claims, experiments, subjects, bibliography keys of papers (all experiments on claims of
        that paper), or ``experiment/instance`` for a single row.
    options : Options
        What the user asked for.
    catalogue : str
        ``"module:name"`` of the tuple of experiments.

    Raises
    ------
    ValueError
        If a name is none of these, with those that resemble it, or the catalogue is not sound.
    """
    wanted = tuple(sorted(set(names)))
    experiments = load_catalogue(catalogue)
    taken = [e for e in experiments if options.norm in e.norms]
    rows = [Row(e, instance) for e in taken for instance in e.instances(options)]
    alpha = options.alpha / max(1, len(rows))
    try:
        key, times = Counter(row.key for row in rows).most_common(1)[0] if rows else ("", 1)
        if times > 1:
            raise ValueError(f"{times} rows have the key {key!r}")
        tables = {e.name: e.tables(options) for e in taken}
        made = [unit for units in tables.values() for unit in units]
        units = in_order([*(_row_unit(row, catalogue, alpha) for row in rows), *made])
        digests = [[unit.key.encode().hex(), unit_digest(unit)] for unit in units]
    except (TypeError, ValueError) as error:
        raise ValueError(f"the experiments at {catalogue!r} are not sound: {error}") from None
    known = {name for e in taken for name in _names(e)}
    known |= {row.key for row in rows}
    for name in wanted:
        if name not in known:
            _refuse(name, experiments, options)
            raise ValueError(unknown(name, known))
    chosen = [
        row
        for row in rows
        if not wanted or not {row.key, *_names(row.experiment)}.isdisjoint(wanted)
    ]
    fingerprint = hashlib.sha256(json.dumps(digests).encode()).hexdigest()
    shown = {row.experiment.name: paper(row.experiment) for row in chosen}
    papers: dict[str, str] = {}
    for name, units in tables.items():
        for unit in units if name in shown else ():
            papers.setdefault(unit.key, shown[name])
    wanted_tables = in_order(unit for name in tables if name in shown for unit in tables[name])
    makers = tuple(unit for unit in wanted_tables if unit.key in papers)
    return Plan(
        wanted,
        options,
        catalogue,
        tuple(chosen),
        len(rows),
        fingerprint,
        makers,
        tuple(papers[unit.key] for unit in makers),
    )


def paper(experiment: Experiment) -> str:
    """Return the bibliography key that the source of an experiment's claim starts with."""
    return re.split("[,; ]", experiment.claim.source, maxsplit=1)[0]


def _names(experiment: Experiment) -> tuple[str, ...]:
    """What stands for all rows of an experiment."""
    return (experiment.claim.name, experiment.name, experiment.subject, paper(experiment))


def _refuse(name: str, experiments: Iterable[Experiment], options: Options) -> None:
    """Raise ValueError if it is the norm that leaves nothing of that name."""
    for e in experiments:
        if (name in _names(e) or name.startswith(f"{e.name}/")) and options.norm not in e.norms:
            norms = " or ".join(e.norms)
            raise ValueError(f"--norm must be {norms} for {name!r}, got {options.norm!r}")


def unknown(name: str, known: Iterable[str]) -> str:
    """Return a line that says a name is unknown, and which ones resemble it."""
    close = difflib.get_close_matches(name, sorted(known), n=3)
    hint = f"did you mean {' or '.join(map(repr, close))}?" if close else "see: validate list"
    return f"unknown name {name!r}; {hint}"


def in_order(units: Iterable[Unit]) -> tuple[Unit, ...]:
    """Return the units and all that they need, once each, every one after what it needs.

    Raises
    ------
    ValueError
        If two different units have the same key.
    """
    found: dict[str, Unit] = {}

    def add(unit: Unit) -> None:
        if found.get(unit.key) is unit:
            return
        for need in unit.needs:
            add(need)
        if found.setdefault(unit.key, unit) != unit:
            raise ValueError(f"two different units have the key {unit.key!r}")

    for unit in units:
        add(unit)
    return tuple(found.values())


def command(names: Sequence[str], chosen: Plan, seed: int, *more: str) -> str:
    """Return the command line that gives the same numbers for `names`, with `more` flags."""
    words = ["validate", "run"]
    defaults = asdict(Options())
    for name, value in asdict(chosen.options).items():
        if value != defaults[name]:
            text = ",".join(value) if name == "eps" else str(value)
            words.append(f"--{name.replace('_', '-')}={text}")
    if seed != 0:
        words.append(f"--seed={seed}")
    if chosen.catalogue != CATALOGUE:
        words.append(f"--catalogue={chosen.catalogue}")
    guard = ["--"] if any(name.startswith("-") for name in names) else []
    return shlex.join([*words, *more, *guard, *names])


# -------------------------------------------------------------------------------- one row


def _row_unit(row: Row, catalogue: str, alpha: float) -> Unit:
    parameters = {
        "catalogue": catalogue,
        "experiment": row.experiment.name,
        "instance": row.instance.parameters,
        "alpha": alpha,
    }
    needs, cost = row.instance.needs, row.instance.cost
    return Unit(row.key, "validation.rows:measure_row", parameters, needs, cost=cost)


def measure_row(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Measure a row and decide; the values are those that `Outcome` describes."""
    experiments = load_catalogue(parameters["catalogue"])
    experiment = next(e for e in experiments if e.name == parameters["experiment"])
    claim = experiment.claim
    measured = experiment.measure(parameters["instance"], inputs, seed, parameters["alpha"])
    arguments, evidence = measured.arguments, measured.evidence
    if evidence.alpha > parameters["alpha"] * (1 + 1e-9):  # a few roundings
        raise ValueError(
            f"the evidence's alpha must be at most the row's, {parameters['alpha']!r}, "
            f"got {evidence.alpha!r}"
        )
    theory, limits = measured.theory, dict.fromkeys(("value", "lo", "hi"))
    if not claim.broken_hypotheses(**arguments):
        theory = theory or claim.enclosure(**arguments)
        value = float(claim.value(**arguments))
        limits = {"value": _number(value), "lo": _number(theory.lo), "hi": _number(theory.hi)}
    verdict = decide(claim, arguments, evidence, theory=theory, resolution=experiment.resolution)
    curve = measured.curve and {
        name: axis if name == "label" else [_number(number) for number in axis]
        for name, axis in vars(measured.curve).items()
    }
    return Result(
        {
            "arguments": arguments,
            "evidence": {name: _number(field) for name, field in vars(evidence).items()},
            "theory": limits,
            "verdict": verdict.word,
            "reason": verdict.reason,
            "detectable": _number(verdict.detectable),
            "curve": curve,
        }
    )


def _number(value: Any) -> Json:
    return json_number(float(value)) if isinstance(value, float) else value
