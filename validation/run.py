"""A run: carry out the units of a plan in a directory, continue there, and report."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from validation.budget import account, announcement, wall
from validation.engine import Watcher, carry_out
from validation.experiment import Json, Options, Outcome, Table
from validation.machine import hardware, version, versions
from validation.rows import CATALOGUE, Plan, command, in_order, plan
from validation.store import Store, write_atomically
from validation.unit import Failed

_INTERRUPTED = "the run was interrupted before this row"
_FORMAT = 1  # of run.json and units.sqlite


def execute(
    chosen: Plan,
    directory: Path,
    watcher: Watcher,
    *,
    seed: int,
    jobs: int,
    scheduler: str | None = None,
    resume: bool = False,
) -> dict[str, Json]:
    """Carry out `chosen` in `directory`, write the report there and return it.

    Raises
    ------
    ValueError
        In one line, if the directory holds a run already, or with `resume` none or another one;
        if another process uses it; if the cluster cannot be used.
    OSError
        If the directory cannot be written.
    ClusterLostError
        If it went away; what was finished is kept.
    """
    from validation import report

    clock = time.perf_counter()
    config = _configuration(chosen, seed)
    store, started = (_continue if resume else _begin)(directory, config)
    with store:
        for line in store.damaged:
            watcher.note(f"{line}: it is done again")
        (directory / "report.json").unlink(missing_ok=True)  # of a run that was shorter
        workers = None if scheduler else jobs
        for line in announcement(chosen, store, workers):
            watcher.note(line)
        left = [unit for unit in chosen.units if unit not in store]
        watcher.stored(len(chosen.units) - len(left))
        expected = None if workers is None else wall(left, workers)
        try:
            failures = carry_out(
                chosen.units,
                store,
                seed,
                watcher,
                options=chosen.options,
                jobs=jobs,
                scheduler=scheduler,
            )
        except ValueError:
            if not resume and not len(store):  # refused: the directory is still free
                (directory / "run.json").unlink()
            raise
        _keep_traces(directory / "failures.txt", failures)
        about = _about(chosen, config, started, time.perf_counter() - clock)
        about["jobs"] = workers
        found = report.assemble(
            about,
            _outcomes(chosen, store, failures),
            _tables(chosen, store),
            account(chosen, store, expected),
        )
    report.write(found, directory)
    return found


def rebuild(directory: Path, catalogue: str = CATALOGUE) -> dict[str, Json]:
    """Return the report of an interrupted run: what it has not measured is skipped.

    Raises
    ------
    ValueError
        In one line, if there is no such run, or it is of another version or catalogue.
    """
    from validation import report

    config, started = _read(directory)
    try:
        options = Options(**{**config["options"], "eps": tuple(config["options"]["eps"])})
        names, seed = config["names"], config["seed"]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{directory / 'run.json'} is damaged: {error}") from None
    chosen = plan(names, options, catalogue)
    _same(directory, config, _configuration(chosen, seed))
    with Store(directory, create=False) as store:
        begin = datetime.fromisoformat(started).timestamp()
        seconds = max(0.0, store.last_finished(begin) - begin)
        about = {**_about(chosen, config, started, seconds), "jobs": None}
        return report.assemble(
            about, _outcomes(chosen, store, {}), _tables(chosen, store), account(chosen, store)
        )


def _outcomes(chosen: Plan, store: Store, failures: Mapping[str, Failed]) -> list[Outcome]:
    outcomes = []
    for row in chosen.rows:
        unit = chosen.unit(row)
        own = in_order([unit])
        values = store.get(unit).result.values if unit in store else None
        error = failures[unit.key].message if unit.key in failures else None
        missing = values is None and error is None
        outcomes.append(
            Outcome(
                row,
                values,
                error=error,
                skipped=(row.instance.skipped or _INTERRUPTED) if missing else None,
                seconds=sum(map(store.seconds, own)),
                artifacts=tuple(name for u in own if (name := store.artifact(u))),
            )
        )
    return outcomes


def _tables(chosen: Plan, store: Store) -> list[Table]:
    """The tables whose makers have finished."""
    done = (store.get(unit).result.values for unit in chosen.tables if unit in store)
    return [
        Table(
            values["title"],
            tuple(values["columns"]),
            tuple(tuple(cells) for cells in values["rows"]),
            values["note"],
        )
        for values in done
    ]


def _keep_traces(path: Path, failures: Mapping[str, Failed]) -> None:
    path.unlink(missing_ok=True)
    if failures:
        traces = [f"{key!r}\n{f.trace or f.message}\n" for key, f in failures.items()]
        write_atomically(path, "\n".join(traces).encode("utf-8", "replace"))


def _about(
    chosen: Plan, config: Mapping[str, Json], started: str, seconds: float
) -> dict[str, Json]:
    seed = config["seed"]
    return {
        "version": config["version"],
        "seed": seed,
        "suite": chosen.options.suite,
        "options": config["options"],
        "names": config["names"],
        "alpha": chosen.options.alpha,
        "row_alpha": chosen.row_alpha,
        "rows_in_catalogue": chosen.rows_in_catalogue,
        "command": command(chosen.names, chosen, seed),
        "commands": {row.key: command([row.key], chosen, seed) for row in chosen.rows},
        "started": started,
        "wall_seconds": seconds,
        "hardware": hardware(),
        "versions": versions(),
    }


# -------------------------------------------------------------------------------- its directory


def _configuration(chosen: Plan, seed: int) -> dict[str, Json]:
    """All that must agree for a run to be continued."""
    options = asdict(chosen.options)
    return {
        "format": _FORMAT,
        "version": version(),
        "seed": seed,
        "options": {**options, "eps": list(chosen.options.eps)},
        "names": list(chosen.names),
        "catalogue": chosen.catalogue,
        "fingerprint": chosen.fingerprint,
    }


def holds_run(directory: Path) -> bool:
    """Return whether a run was started in `directory`."""
    return (directory / "run.json").exists()


def _begin(directory: Path, config: Mapping[str, Json]) -> tuple[Store, str]:
    if holds_run(directory):
        raise ValueError(f"{directory} holds a run already; add --resume or choose another --out")
    directory.mkdir(parents=True, exist_ok=True)
    store = Store(directory, create=True)
    # Asked again, now that nobody else can write it.
    if holds_run(directory) or len(store):
        store.close()
        raise ValueError(f"{directory} holds a run already; add --resume or choose another --out")
    started = datetime.now(UTC).isoformat(timespec="seconds")
    content = {**config, "started": started}
    content["checksum"] = _checksum(content)
    text = json.dumps(content, indent=1, sort_keys=True) + "\n"
    write_atomically(directory / "run.json", text.encode())
    return store, started


def _continue(directory: Path, config: Mapping[str, Json]) -> tuple[Store, str]:
    found, started = _read(directory)
    _same(directory, found, config)
    return Store(directory, create=False), started


def _read(directory: Path) -> tuple[dict[str, Json], str]:
    path = directory / "run.json"
    if not holds_run(directory):
        raise ValueError(f"there is no run in {directory}")
    try:
        content = json.loads(path.read_bytes())
        if content.pop("checksum") != _checksum(content):
            raise ValueError("it fails its checksum")
        return content, content.pop("started")
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged: {error}") from None


def _checksum(content: Mapping[str, Json]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _same(directory: Path, found: Mapping[str, Json], config: Mapping[str, Json]) -> None:
    for name, value in config.items():
        if found.get(name) != value:
            there = f"{found.get(name)!r} there, {value!r} now"
            what = "experiments" if name == "fingerprint" else f"{name}: {there}"
            raise ValueError(f"the run in {directory} was started with other {what}")
