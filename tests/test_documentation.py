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


@pytest.mark.parametrize("name", [m.name for m in pkgutil.iter_modules(robust_theory.__path__)])
def test_examples_in_docstrings_print_what_they_say(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"robust_theory.{name}")).failed == 0


@pytest.mark.parametrize("claim", robust_theory.CLAIMS, ids=lambda claim: claim.name)
def test_every_source_is_in_the_bibliography(claim: robust_theory.Claim) -> None:
    bibliography = (ROOT / "docs" / "references.bib").read_text(encoding="utf-8")
    assert f"{{{claim.source.partition(',')[0]}," in bibliography
