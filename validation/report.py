"""What a run found, as one JSON document; read, compared, and shown in the terminal."""

from __future__ import annotations

import inspect
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from validation.display import (
    band,
    cell_text,
    clean,
    counted,
    duration,
    natural,
    number,
    percent,
)
from validation.experiment import Json, Outcome, Table
from validation.store import write_atomically
from validation.strict_json import decode, encode, strict
from validation.verdict import WORDS

if TYPE_CHECKING:
    from rich.console import Console

LARGEST = 64 * 2**20  # bytes of a report.json that `load` agrees to read
_CURVE = ("x", "theory", "observed", "lo", "hi")
_LIMITS = ("value", "lo", "hi")
# What two runs of the same work may differ in.
_INCIDENTAL = ("started", "wall_seconds", "jobs", "hardware", "command")


def assemble(
    about: Mapping[str, Json],
    outcomes: Sequence[Outcome],
    tables: Sequence[Table] = (),
    budget: Mapping[str, Json] | None = None,
) -> dict[str, Json]:
    """Return the content of ``report.json``: strict JSON, the same for any order of `outcomes`.

    Parameters
    ----------
    about : mapping
        ``version, seed, suite, options, names, alpha, row_alpha, rows_in_catalogue, command,
        started, wall_seconds, jobs, hardware, versions``, and in ``commands``, for each row key,
        the command that reproduces the row alone.
    outcomes : sequence of Outcome
        One per row; a failed one becomes an ``error``, one left out ``skipped``.
    tables : sequence of Table
        Shown as they are, in this order.
    budget : mapping, optional
        Time expected and taken, as `validation.budget.account` gives it.

    Returns
    -------
    dict
        ``about``, ``alpha`` (the family-wise level), ``counts`` of verdicts, ``tables``,
        ``budget`` if there is one, and ``rows``, worst verdict first, then by subject, claim,
        experiment and instance.

    Raises
    ------
    ValueError
        If a number is NaN or two outcomes have the same key.
    """
    statements: dict[str, str] = {}
    rows = [_row(about, outcome, statements) for outcome in outcomes]
    rows.sort(
        key=lambda row: (
            WORDS.index(row["verdict"]),
            row["subject"],
            row["claim"],
            row["experiment"],
            natural(row["instance"]),
        )
    )
    counts = Counter(row["verdict"] for row in rows)
    report: dict[str, Json] = {
        "about": strict({name: about[name] for name in about if name != "commands"}),
        "alpha": about["alpha"],
        "counts": {word: counts[word] for word in WORDS},
        "tables": [strict(vars(table)) for table in tables],
        "rows": rows,
    }
    if budget is not None:
        report["budget"] = strict(budget)
    _check_consistent(report)
    return report


def _row(
    about: Mapping[str, Json], outcome: Outcome, statements: dict[str, str]
) -> dict[str, Json]:
    experiment, instance = outcome.row.experiment, outcome.row.instance
    claim, values = experiment.claim, outcome.values
    if claim.name not in statements:  # printing needs SymPy, so once per claim
        statements[claim.name] = claim.statement
    if values is not None:
        verdict, reason = values["verdict"], values["reason"]
    elif outcome.error is not None:
        verdict, reason = "error", outcome.error
    else:
        verdict, reason = "skipped", outcome.skipped or "left out"
    values = values or {}
    arguments = values.get("arguments")
    evidence = values.get("evidence") or {}
    theory = values.get("theory") or {}
    row: dict[str, Json] = strict(
        {
            "claim": claim.name,
            "experiment": experiment.name,
            "instance": instance.name,
            "subject": experiment.subject,
            "source": claim.source,
            "statement": statements[claim.name],
            "relation": claim.relation,
            "quantity": experiment.quantity,
            "unit": experiment.unit,
            "norm": experiment.norm,
            "reading": experiment.reading,
            "x_label": experiment.x_label,
            "parameters": instance.parameters,
            "arguments": arguments,
            "theory": {
                **{name: theory.get(name) for name in _LIMITS},
                "form": _form(claim.value, arguments or {}),
            },
            "observed": {
                **{name: evidence.get(name) for name in (*_LIMITS, "side", "method")},
                "n": evidence.get("n", 0),
                "censored": evidence.get("censored", 0),
            },
            "curve": values.get("curve"),
            "alpha": evidence.get("alpha"),
            "verdict": verdict,
            "reason": reason,
            "detectable": values.get("detectable"),
            "command": about["commands"][outcome.row.key],
            "seed_key": outcome.row.key,
            "seconds": outcome.seconds,
            "artifacts": sorted(outcome.artifacts),
        }
    )
    return row


def _form(value: Any, arguments: Mapping[str, Json]) -> str | None:
    """Which form of the bound was computed; None where there is only one."""
    if "form" in arguments:
        return str(arguments["form"])
    parameter = inspect.signature(value).parameters.get("form")
    return None if parameter is None or parameter.default is parameter.empty else parameter.default


def write(report: Mapping[str, Json], directory: str | os.PathLike[str]) -> None:
    """Write ``report.json``, ``report.html`` and ``junit.xml`` below `directory`.

    Each file appears whole or not at all. The bytes depend on `report` alone.
    """
    from validation.junit_xml import junit
    from validation.page import html

    place = Path(directory)
    write_atomically(place / "report.json", encode(report))
    write_atomically(place / "report.html", html(report).encode("utf-8"))
    write_atomically(place / "junit.xml", junit(report))


def load(directory: str | os.PathLike[str]) -> dict[str, Json]:
    """Return the report below `directory`, checked against the schema; nothing in it is executed.

    Raises
    ------
    ValueError
        In one line, if there is no readable report, or it is not one.
    """
    import jsonschema

    path = Path(directory) / "report.json"
    schema = json.loads(Path(__file__).with_name("report.schema.json").read_text("utf-8"))
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise ValueError(f"it has {size} bytes, more than the {LARGEST} that are read")
        report = decode(path.read_bytes())
        problem = jsonschema.exceptions.best_match(
            jsonschema.Draft202012Validator(schema).iter_errors(report)
        )
        if problem is not None:
            place = "/".join(str(step) for step in problem.absolute_path) or "the top"
            raise ValueError(f"at {place}: {clean(problem.message, 200)}")
        _check_consistent(report)
    except OSError as error:
        raise ValueError(f"no readable report at {path}: {error.strerror}") from None
    except RecursionError:
        raise ValueError(f"{path} is not a report: nested too deeply") from None
    except ValueError as error:
        message = " ".join(clean(error, 300).split())
        raise ValueError(f"{path} is not a report: {message}") from None
    return dict(report)


def _check_consistent(report: Mapping[str, Json]) -> None:
    """What a schema cannot say: counts are the rows', keys unique, curves of one length."""
    found = Counter(row["verdict"] for row in report["rows"])
    if any(found[word] != report["counts"][word] for word in WORDS):
        raise ValueError(f"counts of verdicts must be those of the rows, got {report['counts']}")
    keys = Counter(row["seed_key"] for row in report["rows"])
    if repeated := [key for key, times in keys.items() if times > 1]:
        raise ValueError(f"seed_key must be unique, got {repeated[0]!r} twice")
    for table in report["tables"]:
        if any(len(cells) != len(table["columns"]) for cells in table["rows"]):
            raise ValueError(
                f"rows of a table need a cell for each column, not so in {table['title']!r}"
            )
    for row in report["rows"]:
        if row["curve"] and len({len(row["curve"][name]) for name in _CURVE}) > 1:
            raise ValueError(f"a curve needs equally many numbers, not so in {row['seed_key']!r}")


def compare(a: Mapping[str, Json], b: Mapping[str, Json]) -> list[str]:
    """Return what two reports differ in, one line each, apart from times, jobs and hardware.

    Budgets are times.
    """
    lines = list(_differences("about", _essential(a["about"]), _essential(b["about"])))
    lines += _differences("tables", a["tables"], b["tables"])
    first = {row["seed_key"]: row for row in a["rows"]}
    second = {row["seed_key"]: row for row in b["rows"]}
    for key in sorted(first.keys() | second.keys(), key=natural):
        if key not in second or key not in first:
            lines.append(f"{clean(key)}: only in the {'first' if key in first else 'second'}")
            continue
        rows = [{**rows[key], "seconds": None} for rows in (first, second)]
        lines += _differences(clean(key), *rows)
    return lines


def _essential(about: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in about.items() if name not in _INCIDENTAL}


def _differences(place: str, a: Json, b: Json) -> Iterator[str]:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for name in sorted(a.keys() | b.keys()):
            yield from _differences(f"{place}: {clean(name)}", a.get(name), b.get(name))
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b) > 8:
        if differing := sum(x != y for x, y in zip(a, b, strict=True)):
            yield f"{place}: {differing} of {len(a)} entries differ"
    elif a != b:
        first, second = (clean(json.dumps(value), 200) for value in (a, b))
        yield f"{place}: {first} in the first, {second} in the second"


def show(report: Mapping[str, Json], console: Console) -> None:
    """Print the report as a table, worst verdict first, ending with the counts and the level."""
    from rich import table as rich_table
    from rich.text import Text

    tones = ("bold red", "magenta", "yellow", "cyan", "blue", "dim", "green")
    colours = dict(zip(WORDS, tones, strict=True))
    for given in report["tables"]:
        console.print(Text(clean(given["title"]), style="bold"))
        shown = rich_table.Table(box=None)
        for name in given["columns"]:
            shown.add_column(Text(clean(name)), overflow="fold")
        for cells in given["rows"]:
            shown.add_row(*(Text(cell_text(cell)) for cell in cells))
        console.print(shown)
        console.print(Text(clean(given["note"]), style="dim"), end="\n\n")
    table = rich_table.Table(box=None, header_style="bold", pad_edge=False)
    for name, fold in (("verdict", False), ("claim, experiment", True), ("theory", True)):
        table.add_column(name, overflow="fold", no_wrap=not fold)
    table.add_column("observed", overflow="fold")
    for row in report["rows"]:
        what = Text(clean(row["claim"]))
        what.append(f"\n{clean(row['seed_key'])}", style="dim")
        if row["verdict"] != "holds":
            what.append(f"\n{clean(row['reason'])}", style="italic")
        theory, observed = row["theory"], row["observed"]
        table.add_row(
            Text(row["verdict"], style=colours[row["verdict"]]),
            what,
            f"{row['relation']} {number(theory['value'])}" if theory["value"] is not None else "–",
            f"{number(observed['value'])}\n{band(observed['lo'], observed['hi'])}".strip(),
        )
    console.print(table)
    summary = (
        f"{counted(report['counts'], WORDS)}; family-wise error level {percent(report['alpha'])}"
    )
    console.print(Text(summary, style="bold"), soft_wrap=True)
    budget = report.get("budget") or {}
    if budget.get("expected"):
        text = f"{duration(budget['taken'])} of work, {duration(budget['expected'])} expected"
        console.print(Text(text), soft_wrap=True)
