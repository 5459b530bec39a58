"""Pages written from the code and from committed runs, so that no number on them is typed."""

import functools
import inspect
import json
import shutil
from pathlib import Path

from sphinx.util import logging

from robust_theory.catalogue import CLAIMS
from robust_theory.claim import Claim
from validation import report
from validation.display import cell_text, duration, percent
from validation.experiment import Experiment
from validation.experiments import EXPERIMENTS

WORDS = {"<=": "at most", ">=": "at least", "==": "equal to"}


def write(docs: Path) -> None:
    """Write every generated page below `docs`, and remove those of what is gone."""
    pages = {docs / "theory" / "claims" / f"{claim.name}.md": claim_page(claim) for claim in CLAIMS}
    pages[docs / "theory" / "claims" / "index.md"] = claim_index()
    pages[docs / "benchmarks.md"] = benchmarks(docs.parent / "benchmarks" / "results")
    pages[docs / "results.md"] = results(docs / "runs")
    for stale in set((docs / "theory" / "claims").glob("*.md")) - set(pages):
        stale.unlink()
    # Written anew by autosummary; a stub of a module that is gone would stop the build.
    shutil.rmtree(docs / "api" / "generated", ignore_errors=True)
    for path, text in pages.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    told = "".join(page.read_text(encoding="utf-8") for page in (docs / "theory").glob("*.md"))
    for claim in CLAIMS:
        if f"(claims/{claim.name}.md)" not in told:
            logging.getLogger(__name__).warning("no page of docs/theory links to %s", claim.name)


def claim_page(claim: Claim) -> str:
    """One claim: the formula, its source, the function, and the experiments that test it."""
    experiments = [e for e in EXPERIMENTS if e.claim.name == claim.name]
    function, keywords = claim.value, {}
    if isinstance(function, functools.partial):
        function, keywords = function.func, function.keywords
    name = function.__name__
    link = f"{{py:func}}`robust_theory.{name} <{function.__module__}.{name}>`"
    options = "".join(f", with `{key}={value!r}`" for key, value in keywords.items())
    parts = [
        f"# {title(claim)}",
        "<!-- formula -->",
        f"$$\n{claim.statement}\n$$",
        "<!-- end of formula -->",
        f"{source(claim)}.",
        f"The measured quantity is {WORDS[claim.relation]} the value of {link}{options}: "
        f"{summary(function)}",
        f"```console\n$ validate run {claim.name}\n```",
        "## How it is tested",
        *(experiment_entry(e) for e in experiments),
    ]
    return (
        "\n\n".join(parts).replace("```console\n\n", "```console\n").replace("\n\n```\n", "\n```\n")
    )


def experiment_entry(experiment: Experiment) -> str:
    stated = not experiment.norm or experiment.norm in experiment.unit
    norm = "" if stated else f" ({experiment.norm})"
    return (
        f"`{experiment.name}`\n"
        f": Measures {experiment.quantity}; unit: {experiment.unit}{norm}. {experiment.reading}"
    )


def claim_index() -> str:
    """All claims, one line each, and the navigation to their pages."""
    rows = [
        f"| [{title(claim)}]({claim.name}.md) | {source(claim)} | {WORDS[claim.relation]} |"
        for claim in CLAIMS
    ]
    return "\n".join(
        [
            "# All claims",
            "",
            "What the package states and `validate` tests. Each page is written from the code.",
            "",
            "| claim | source | the measured quantity is … the value |",
            "|---|---|---|",
            *rows,
            "",
            "```{toctree}",
            ":hidden:",
            "",
            *(claim.name for claim in CLAIMS),
            "```",
            "",
        ]
    )


def benchmarks(results: Path) -> str:
    """Every committed run: what it says about itself, and each list of records as a table."""
    parts = [
        "# Benchmarks",
        "Accuracy and speed, beside other packages where there are some, measured in one run each. "
        "Compare ratios: absolute times belong to the machine. The scripts are in `benchmarks/`, "
        "and the tables below are the files in `benchmarks/results/`.",
    ]
    for path in sorted(results.glob("*.json")):
        run = json.loads(path.read_text(encoding="utf-8"))
        parts.append(f"## {run.get('title', path.stem.replace('_', ' ').capitalize())}")
        facts, tables = {}, {}
        for name, value in run.items():
            records = isinstance(value, list) and value and all(isinstance(v, dict) for v in value)
            (tables if records else facts)[name] = value
        facts.pop("title", None)
        parts.append("\n".join(f"{words(name)}\n: {shown(fact)}\n" for name, fact in facts.items()))
        for name, records in tables.items():
            parts += [f"**{words(name)}**", table(records)]
    return "\n\n".join(parts) + "\n"


def results(runs: Path) -> str:
    """Every committed report: where it comes from, its verdicts, and its tables."""
    parts = [
        "# Results",
        "What `validate` found in the runs below, one section each. The words are explained in "
        "[how to read a report](report.md).",
    ]
    for path in sorted(runs.glob("*/report.json")):
        run = report.load(path.parent)
        parts += [f"## {path.parent.name}", *run_summary(run)]
        for item in run["tables"]:
            cells = [[cell_text(cell) for cell in row] for row in item["rows"]]
            parts += [f"**{item['title']}**", grid(item["columns"], cells), item["note"]]
    if len(parts) == 2:
        parts.append("No report is committed yet.")
    return "\n\n".join(parts) + "\n"


def run_summary(run: dict) -> list[str]:
    about, hardware = run["about"], run["about"]["hardware"]
    others = {name: v for name, v in about["versions"].items() if name != "robust-theory"}
    facts = {
        "command": f"`{about['command']}`",
        "started": f"{about['started']}, took {duration(about['wall_seconds'])}",
        "hardware": f"{hardware['processor']}, {hardware['cores']} cores, "
        f"{hardware['memory_gib']} GiB, {hardware['platform']}; networks on "
        f"{about['options']['device']}",
        "version": f"{about['version']}, with {shown(others)}",
        "level": f"{percent(run['alpha'])} for all rows together",
    }
    counted = [[word, str(number)] for word, number in run["counts"].items() if number]
    parts = [
        "\n".join(f"{name}\n: {fact}\n" for name, fact in facts.items()),
        grid(["verdict", "rows"], counted),
        *budget(run),
    ]
    rest = [row for row in run["rows"] if row["verdict"] != "holds"]
    if rest:
        columns = ["claim", "experiment", "instance", "verdict", "reason"]
        parts += ["Rows with another verdict than *holds*:"]
        parts += [grid(columns, [[cell_text(row[name]) for name in columns] for row in rest])]
    return parts


def budget(run: dict) -> list[str]:
    """What the run expected to take before it started, beside what it took."""
    found = run.get("budget")
    if not found or not found["expected"]:
        return []
    wall = f", {duration(found['wall'])} of wall time" if found["wall"] is not None else ""
    rows = [
        [part["name"], duration(part["expected"]), duration(part["taken"])]
        for part in (*found["parts"], {**found, "name": "in all"})
        if part["expected"] or part["taken"]
    ]
    return [
        f"Expected before it started: {duration(found['expected'])} of processor time{wall}.",
        grid(["", "expected", "taken"], rows),
    ]


def table(records: list[dict]) -> str:
    columns = list(dict.fromkeys(name for record in records for name in record))
    rows = [[shown(record.get(name)) for name in columns] for record in records]
    return grid([words(name) for name in columns], rows)


def grid(columns: list[str], rows: list[list[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    lines = [[cell.replace("|", r"\|").replace("\n", " ") for cell in line] for line in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def words(name: str) -> str:
    return name.replace("_", " ")


def shown(value) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{words(name)} {shown(item)}" for name, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(shown, value))
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def title(claim: Claim) -> str:
    return claim.name.replace("-", " ").capitalize()


def source(claim: Claim) -> str:
    key, _, place = claim.source.partition(", ")
    return f"{{cite:t}}`{key}`, {place}" if place else f"{{cite:t}}`{key}`"


def summary(function) -> str:
    return (inspect.getdoc(function) or "").partition("\n\n")[0].replace("\n", " ")
