"""Pages written from the code and from committed runs, so that no number on them is typed."""

import functools
import inspect
import json
import shutil
from pathlib import Path

from robust_theory.catalogue import CLAIMS
from robust_theory.claim import Claim
from validation.experiment import Experiment
from validation.experiments import EXPERIMENTS

WORDS = {"<=": "at most", ">=": "at least", "==": "equal to"}


def write(docs: Path) -> None:
    """Write every generated page below `docs`, and remove those of what is gone."""
    pages = {docs / "theory" / "claims" / f"{claim.name}.md": claim_page(claim) for claim in CLAIMS}
    pages[docs / "theory" / "claims" / "index.md"] = claim_index()
    pages[docs / "benchmarks.md"] = benchmarks(docs.parent / "benchmarks" / "results")
    for stale in set((docs / "theory" / "claims").glob("*.md")) - set(pages):
        stale.unlink()
    # Written anew by autosummary; a stub of a module that is gone would stop the build.
    shutil.rmtree(docs / "api" / "generated", ignore_errors=True)
    for path, text in pages.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


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
        parts.append(f"## {run.get('title', path.stem.replace('-', ' ').capitalize())}")
        facts, tables = {}, {}
        for name, value in run.items():
            records = isinstance(value, list) and value and all(isinstance(v, dict) for v in value)
            (tables if records else facts)[name] = value
        facts.pop("title", None)
        parts.append("\n".join(f"{words(name)}\n: {shown(fact)}\n" for name, fact in facts.items()))
        for name, records in tables.items():
            parts += [f"**{words(name)}**", table(records)]
    return "\n\n".join(parts) + "\n"


def table(records: list[dict]) -> str:
    columns = list(dict.fromkeys(name for record in records for name in record))
    rows = [[words(name) for name in columns], ["---"] * len(columns)]
    rows += [[shown(record.get(name)) for name in columns] for record in records]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


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
