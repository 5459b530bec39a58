"""Pages written from the code and from committed runs, so that no number on them is typed."""

import functools
import inspect
import json
from pathlib import Path

from robust_theory.catalogue import CLAIMS
from robust_theory.claim import Claim
from validation.experiment import Experiment
from validation.experiments import EXPERIMENTS

WORDS = {"<=": "at most", ">=": "at least", "==": "equal to"}


def write(docs: Path) -> None:
    """Write every generated page below `docs` and remove those of claims that are gone."""
    pages = {docs / "theory" / "claims" / f"{claim.name}.md": claim_page(claim) for claim in CLAIMS}
    pages[docs / "theory" / "claims" / "index.md"] = claim_index()
    for stale in set((docs / "theory" / "claims").glob("*.md")) - set(pages):
        stale.unlink()
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
    link = f"{{py:func}}`robust_theory.{function.__name__} <{function.__module__}.{function.__name__}>`"
    options = "".join(f", with `{name}={value!r}`" for name, value in keywords.items())
    parts = [
        f"# {title(claim)}",
        "<!-- formula -->",
        f"$$\n{claim.statement}\n$$",
        "<!-- end of formula -->",
        f"{source(claim)}.",
        f"The measured quantity is {WORDS[claim.relation]} the value of {link}{options}: "
        f"{summary(function)}",
        "```console",
        f"$ validate run {claim.name}",
        "```",
        "## How it is tested",
        *(experiment_entry(e) for e in experiments),
    ]
    return "\n\n".join(parts).replace("```console\n\n", "```console\n").replace("\n\n```\n", "\n```\n")


def experiment_entry(experiment: Experiment) -> str:
    norm = f" ({experiment.norm})" if experiment.norm else ""
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


def title(claim: Claim) -> str:
    return claim.name.replace("-", " ").capitalize()


def source(claim: Claim) -> str:
    key, _, place = claim.source.partition(", ")
    return f"{{cite:t}}`{key}`, {place}" if place else f"{{cite:t}}`{key}`"


def summary(function) -> str:
    return (inspect.getdoc(function) or "").partition("\n\n")[0].replace("\n", " ")
