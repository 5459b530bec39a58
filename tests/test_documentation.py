"""Every example in the README, on the pages and in docstrings prints what it says."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import robust_theory

ROOT = Path(__file__).parent.parent
PAGES = [
    page
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if ">>> " in page.read_text(encoding="utf-8") and "_build" not in page.parts
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_examples_on_pages_print_what_they_say(page: Path) -> None:
    # A closing fence would read as expected output.
    text = re.sub(r"^```.*$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    examples = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    assert examples.examples
    assert doctest.DocTestRunner().run(examples).failed == 0


MODULES = [m.name for m in pkgutil.walk_packages(robust_theory.__path__, "robust_theory.")]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_print_what_they_say(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("claim", robust_theory.CLAIMS, ids=lambda claim: claim.name)
def test_every_source_is_in_the_bibliography(claim: robust_theory.Claim) -> None:
    bibliography = (ROOT / "docs" / "references.bib").read_text(encoding="utf-8")
    assert f"{{{claim.source.partition(',')[0]}," in bibliography


def cited_in(text: str) -> set[str]:
    """Keys in the paragraphs of a file that begin with "Source:"."""
    paragraphs = re.findall(r"^ *Source: (.*?)(?=\n\s*\n|\"\"\")", text, re.DOTALL | re.MULTILINE)
    return {key for part in paragraphs for key in re.findall(r"\b[a-z]+\d{4}\b|chapter17", part)}


def test_every_source_in_a_docstring_is_in_the_bibliography() -> None:
    assert cited_in("    Source: fawzi2018, Theorem 1;\n    levy1951.\n\n    cole1999") == {
        "fawzi2018",
        "levy1951",
    }
    bibliography = (ROOT / "docs" / "references.bib").read_text(encoding="utf-8")
    listed = set(re.findall(r"^@\w+\{(\w+),", bibliography, re.MULTILINE))
    missing = {}
    for package in ("robust_theory", "empirical", "validation"):
        for path in sorted((ROOT / package).rglob("*.py")):
            lost = cited_in(path.read_text(encoding="utf-8")) - listed
            if lost:
                missing[str(path.relative_to(ROOT))] = lost
    assert not missing
