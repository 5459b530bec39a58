"""Imports point one way. Read from the syntax tree, so an import inside a function counts too."""

import ast
import functools
import graphlib
import importlib
import inspect
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("robust_theory", "empirical", "validation")
FORBIDDEN = {
    "robust_theory": {"torch", "empirical", "validation"},
    "empirical": {"validation"},
    "validation": set(),
}
OUTSIDE = {"tests", "docs", "benchmarks", "foolbox", "art"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    module_name(path): path for package in PACKAGES for path in (ROOT / package).rglob("*.py")
}


@functools.cache
def imports(module: str) -> tuple[tuple[str, str | None], ...]:
    """Every import of a module as (module, name), the name None for ``import module``."""
    path = MODULES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found: list[tuple[str, str | None]] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parent = package.rsplit(".", node.level - 1)[0] if node.level else ""
            source = ".".join(part for part in (parent, node.module) if part)
            for alias in node.names:
                whole = f"{source}.{alias.name}"
                found.append((whole, None) if whole in MODULES else (source, alias.name))
    return tuple(found)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_no_import_points_the_wrong_way(module: str) -> None:
    reached = {source.partition(".")[0] for source, _ in imports(module)}
    assert not reached & (FORBIDDEN[module.partition(".")[0]] | OUTSIDE)


@pytest.mark.parametrize("module", sorted(m for m in MODULES if m.startswith("empirical")))
def test_empirical_takes_only_intervals_and_functions_from_the_theory(module: str) -> None:
    for source, name in imports(module):
        if source.partition(".")[0] == "robust_theory":
            assert name is not None, f"import names from {source}, not the module"
            value = getattr(importlib.import_module(source), name)
            assert name == "Interval" or inspect.isfunction(value), f"{source}.{name}"


def test_no_modules_import_each_other() -> None:
    graph = {
        module: {source for source, _ in imports(module) if source in MODULES} - {module}
        for module in MODULES
    }
    graphlib.TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("module", sorted(MODULES))
def test_no_module_is_named_like_its_function(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert module.rpartition(".")[2] not in functions


def test_no_public_name_of_the_theory_is_a_module() -> None:
    # Otherwise the package's attribute is one or the other, depending on what was imported first.
    exported = set(importlib.import_module("robust_theory").__all__)
    assert not exported & {module.rpartition(".")[2] for module in MODULES}


def loaded_after(statements: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after the statements."""
    code = f"{statements}\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in json.loads(run.stdout)}


def test_the_theory_package_loads_nothing_until_asked() -> None:
    heavy = {"numpy", "scipy", "sympy", "cvxpy", "ot", "flint", "matplotlib", "torch"}
    assert not loaded_after("import robust_theory") & heavy


def test_no_module_of_the_theory_loads_torch_or_a_slow_library() -> None:
    names = sorted(m for m in MODULES if m.startswith("robust_theory"))
    slow = {"torch", "sympy", "cvxpy", "ot", "matplotlib", "dask", "distributed"}
    assert not loaded_after(f"import {', '.join(names)}") & slow


def test_every_public_name_of_the_theory_is_there_without_torch() -> None:
    everything = "import robust_theory\nfor n in robust_theory.__all__: getattr(robust_theory, n)"
    assert not loaded_after(everything) & {"torch", "empirical", "validation"}


def test_the_command_line_answers_before_anything_slow_is_loaded() -> None:
    slow = {"torch", "scipy", "sympy", "cvxpy", "ot", "matplotlib", "distributed"}
    assert not loaded_after("import validation.cli") & slow


def test_the_checks_above_see_an_import_inside_a_function(monkeypatch, tmp_path: Path) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text("def f():\n    from torch.nn import Linear\n    import validation.run\n")
    monkeypatch.setitem(MODULES, "robust_theory.planted", planted)
    with pytest.raises(AssertionError):
        test_no_import_points_the_wrong_way("robust_theory.planted")
    assert [source for source, _ in imports("robust_theory.planted")] == [
        "torch.nn",
        "validation.run",
    ]


def used_of(package: str) -> Iterator[str]:
    for module in MODULES:
        if module.startswith(package):
            yield from (source.partition(".")[0] for source, _ in imports(module))


@pytest.mark.parametrize("package", PACKAGES)
def test_every_import_is_a_declared_dependency(package: str) -> None:
    core = {
        "numpy", "scipy", "sympy", "cvxpy", "ot", "flint", "rich", "matplotlib", "jinja2",
        "markupsafe", "jsonschema", "dask", "distributed",
    }  # fmt: skip
    extras = {"torch", "safetensors", "sklearn", "pyarrow", "PIL", "numba"}
    undeclared = set(used_of(package)) - set(sys.stdlib_module_names) - set(PACKAGES) - core
    assert undeclared <= (set() if package == "robust_theory" else extras) | {"numba"}
