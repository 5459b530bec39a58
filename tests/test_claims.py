"""What every claim of the catalogue must satisfy, whatever it says."""

import ast
import importlib
import inspect
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import robust_theory
from robust_theory import CLAIMS, Claim, Interval
from robust_theory.claim import ANY_NUMBER
from tests import (
    chapter_arguments,
    gaussian_arguments,
    grid_arguments,
    smoothing_arguments,
    transport_arguments,
)

ROOT = Path(__file__).parent.parent

# For each claim, arguments as JSON holds them: ordinary, extreme, and outside its hypotheses.
MEASURES = [
    [0.5, 0.5],
    [0.1] * 10,
    [0.9, 0.1],
    [0.5, 0.3, 0.2, 0.0],
    [0.999, 0.001],
    [1.0, 1e-30],
    [13861, 10585, 8497, 7458, 6882, 5727, 5595, 5045, 4659, 4948],
    ["1/3", "1/3", "1/3"],
    [1.0],
]
BUDGETS = [0, 1e-8, "8/255", 0.3, 1.0, 2.5, 7, 40.0]
NO_MEASURES = [[0.3, 0.3], [], [-1, 2], [math.nan, 1.0], None, "x", [[1.0]], [None]]
NO_BUDGETS = [-1, math.nan, "far", None, [[1], [1, 2]]]
NO_LEVELS = [0, 1, -0.5, 2.0, math.nan, "q", None]
NO_COUNTS = [0, -1, 1.5, "3", None, math.nan]

ARGUMENTS = {
    "latent-fooling-probability": [{"measures": m, "eps": e} for m in MEASURES for e in BUDGETS],
    "latent-fooling-log-tail": [{"measures": m, "eps": e} for m in MEASURES for e in BUDGETS],
    "latent-fooling-quantile": [
        *({"measures": m, "q": q} for m in MEASURES for q in (1e-12, 0.25, 0.5, 0.9, 0.999999)),
        {"measures": [0.5, 0.5], "tail": 1e-100},
    ],
    "latent-expected-radius": [{"measures": m} for m in MEASURES],
    "half-space-law": [{"offset": t, "eps": e} for t in (0, -1.5, 3.0) for e in BUDGETS],
    "simplex-law": [{"classes": K, "eps": e} for K in (2, 3, 100) for e in (0, 0.1, "1/2", 2)],
    "simplex-expected-radius": [{"classes": K} for K in (2, 3, 10, 1000)],
    "checkerboard-law": [{"d": d, "eps": e} for d in (1, 2, 784) for e in BUDGETS],
    "checkerboard-expected-radius": [{"d": d} for d in (1, 2, 784)],
    "checkerboard-paper-bound": [{"d": d, "eps": e} for d in (1, 2, 784) for e in BUDGETS[:5]],
}
OUTSIDE = {
    "latent-fooling-probability": [
        *({"measures": m, "eps": 1} for m in NO_MEASURES),
        *({"measures": [0.5, 0.5], "eps": e} for e in NO_BUDGETS),
    ],
    "latent-fooling-log-tail": [
        *({"measures": m, "eps": 1} for m in NO_MEASURES),
        *({"measures": [0.5, 0.5], "eps": e} for e in NO_BUDGETS),
    ],
    "latent-fooling-quantile": [
        *({"measures": m, "q": 0.5} for m in NO_MEASURES),
        *({"measures": [0.5, 0.5], "q": q} for q in NO_LEVELS),
        {"measures": [0.5, 0.5], "q": 0.5, "tail": 0.5},
    ],
    "latent-expected-radius": [{"measures": m} for m in NO_MEASURES],
    "half-space-law": [
        *({"offset": t, "eps": 1} for t in (math.nan, math.inf, None, "x")),
        *({"offset": 0, "eps": e} for e in NO_BUDGETS),
    ],
    "simplex-law": [
        *({"classes": K, "eps": 1} for K in (*NO_COUNTS, 1)),
        *({"classes": 3, "eps": e} for e in NO_BUDGETS),
    ],
    "simplex-expected-radius": [{"classes": K} for K in (*NO_COUNTS, 1)],
    "checkerboard-law": [
        *({"d": d, "eps": 0.1} for d in NO_COUNTS),
        *({"d": 3, "eps": e} for e in NO_BUDGETS),
    ],
    "checkerboard-expected-radius": [{"d": d} for d in NO_COUNTS],
    "checkerboard-paper-bound": [
        *({"d": d, "eps": 0.1} for d in NO_COUNTS),
        *({"d": 3, "eps": e} for e in (*NO_BUDGETS, 1.5, "3/2")),
    ],
}

# Adversarial risk.
LINE = {"mean0": 0, "std0": 1, "mean1": 1, "std1": 2, "eps": 0.3}
GAUSSIANS = {"mean0": [0, 0], "mean1": [2, 1], "covariance": [1, 4], "eps": "1/2"}
PAIRS = {"conflicts": [[0, 0], [0, 1], [2, 1]], "n0": 3, "n1": 2}
HELD_OUT = {
    "conflicts": [[i, i] for i in range(90)],
    "n0": 100,
    "n1": 90,
    "m0": 200,
    "m1": 150,
    "delta": 0.1,
}
ARGUMENTS.update(
    {
        "gaussian-optimal-risk": [GAUSSIANS, {**GAUSSIANS, "eps": 0}, {**GAUSSIANS, "eps": 9}],
        "gaussian-optimal-risk-on-the-line": [LINE, {**LINE, "eps": 0}, {**LINE, "prior0": "0.3"}],
        "sample-risk-of-every-classifier": [PAIRS, {**PAIRS, "conflicts": []}],
        "sample-risk-of-the-optimal-classifier": [PAIRS, {**PAIRS, "prior0": "1/3"}],
        "population-risk-of-every-classifier": [{**PAIRS, "delta": d} for d in (0.001, 0.5, 0.99)],
        "held-out-risk-of-every-classifier": [
            {**HELD_OUT, "delta": d} for d in (0.01, 0.5, "0.99")
        ],
        "mean-sample-risk-of-gaussian-classes": [GAUSSIANS, {**GAUSSIANS, "norm": "linf"}],
        "mean-sample-risk-of-gaussian-classes-on-the-line": [LINE, {**LINE, "prior0": "0.3"}],
        "sample-risk-from-conflict-sets": [
            {"mass": "1/7", "rest": 0.5},
            {"mass": 0, "rest": 1},
            {"mass": "0.6", "rest": "3/5"},
            {"mass": 0, "rest": 0},
        ],
    }
)
OUTSIDE.update(
    {
        "gaussian-optimal-risk": [
            {**GAUSSIANS, "eps": -1},
            {**GAUSSIANS, "covariance": [1, -1]},
            {**GAUSSIANS, "norm": "l3"},
            {**GAUSSIANS, "mean1": [1]},
        ],
        "gaussian-optimal-risk-on-the-line": [
            {**LINE, "eps": math.nan},
            {**LINE, "std0": 0},
            {**LINE, "prior0": 1.5},
        ],
        "sample-risk-of-every-classifier": [{**PAIRS, "n0": 2}, {**PAIRS, "n1": 0}],
        "sample-risk-of-the-optimal-classifier": [{**PAIRS, "prior0": 2}, {**PAIRS, "n0": 1.5}],
        "population-risk-of-every-classifier": [
            {**PAIRS, "delta": 0},
            {**PAIRS, "delta": 0.1, "conflicts": [[-1, 0]]},
        ],
        "held-out-risk-of-every-classifier": [
            {**HELD_OUT, "m1": 0},
            {**HELD_OUT, "n0": 3},
            {**HELD_OUT, "delta": 1},
            {**HELD_OUT, "prior0": -1},
        ],
        "mean-sample-risk-of-gaussian-classes": [{**GAUSSIANS, "covariance": [1, 0]}],
        "mean-sample-risk-of-gaussian-classes-on-the-line": [{**LINE, "std1": -1}],
        "sample-risk-from-conflict-sets": [
            {"mass": -0.1, "rest": 0},
            {"mass": "3/2", "rest": 0},
            {"mass": 0, "rest": math.nan},
        ],
    }
)
ARGUMENTS.update(gaussian_arguments.ARGUMENTS)
OUTSIDE.update(gaussian_arguments.OUTSIDE)
ARGUMENTS.update(grid_arguments.ARGUMENTS)
OUTSIDE.update(grid_arguments.OUTSIDE)
ARGUMENTS.update(chapter_arguments.ARGUMENTS)
OUTSIDE.update(chapter_arguments.OUTSIDE)
ARGUMENTS.update(transport_arguments.ARGUMENTS)
OUTSIDE.update(transport_arguments.OUTSIDE)
ARGUMENTS.update(smoothing_arguments.ARGUMENTS)
OUTSIDE.update(smoothing_arguments.OUTSIDE)

each_claim = pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)


def test_every_claim_has_arguments_to_be_tested_with():
    names = {claim.name for claim in CLAIMS}
    assert names == ARGUMENTS.keys() == OUTSIDE.keys()


def test_names_are_unique_words():
    names = [claim.name for claim in CLAIMS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in names)


def test_every_claim_of_the_package_is_in_the_catalogue():
    for path in (ROOT / "robust_theory").rglob("*.py"):
        if path.stem in ("__init__", "catalogue"):
            continue
        tree = ast.parse(path.read_text())
        stated = {
            target.id
            for node in tree.body
            if isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Call)
            and getattr(node.value.func, "id", None) == "Claim"
            for target in node.targets
        }
        module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        missing = {name for name in stated if getattr(module, name) not in CLAIMS}
        assert not missing, f"{path.name}: {missing}"


@each_claim
def test_the_value_is_in_the_enclosure_and_on_its_side(claim):
    # 1e-14 is the accuracy that the functions promise; 1e-13 next to a class of measure 1.
    for arguments in ARGUMENTS[claim.name]:
        value, box = claim.value(**arguments), claim.enclosure(**arguments)
        accuracy = 1e-13 if 1e-30 in arguments.get("measures", []) else 1.5e-14
        assert isinstance(value, float), arguments
        assert box.contains(value, relative=accuracy), (arguments, value, box)
        if claim.relation == ">=":
            assert value <= box.hi, (arguments, value, box)
        elif claim.relation == "<=":
            assert value >= box.lo, (arguments, value, box)


@each_claim
def test_the_enclosure_is_as_tight_as_doubles_are(claim):
    for arguments in ARGUMENTS[claim.name]:
        box = claim.enclosure(**arguments)
        if box.lo == box.hi:
            continue
        if isinstance(arguments.get("q"), float):  # serves two numbers, see fooling_quantile
            assert box.hi <= box.lo * (1 + 1e-10), (arguments, box)
        else:
            assert box.hi <= math.nextafter(math.nextafter(box.lo, math.inf), math.inf)


@each_claim
def test_the_value_is_possible(claim):
    for arguments in ARGUMENTS[claim.name]:
        box = claim.enclosure(**arguments)
        assert claim.possible.lo <= box.lo <= box.hi <= claim.possible.hi, (arguments, box)
    assert claim.possible != ANY_NUMBER or claim.relation == "=="


@each_claim
def test_hypotheses_hold_for_arguments_inside(claim):
    for arguments in ARGUMENTS[claim.name]:
        assert claim.broken_hypotheses(**arguments) == (), arguments


@each_claim
def test_hypotheses_are_enforced(claim):
    """Outside of them the claim says which is broken, and the function rejects the arguments."""
    for arguments in OUTSIDE[claim.name]:
        sentences = claim.broken_hypotheses(**arguments)
        assert sentences, arguments
        assert all(sentence.isprintable() and len(sentence) < 200 for sentence in sentences)
        for function in (claim.value, claim.enclosure):
            with pytest.raises(ValueError, match=r"\S"):
                function(**arguments)


@each_claim
def test_functions_of_a_claim_take_the_same_arguments(claim):
    for arguments in ARGUMENTS[claim.name]:
        for function in (claim.value, claim.enclosure, claim.broken_hypotheses):
            inspect.signature(function).bind(**arguments)


@each_claim
def test_the_statement_renders(claim):
    from matplotlib.mathtext import MathTextParser

    statement = claim.statement
    assert statement.isascii()
    assert statement.isprintable()
    assert "$" not in statement
    assert statement.count("{") == statement.count("}")
    # Matplotlib's subset of TeX lacks these; everything else of a statement it can set.
    known = re.sub(r"\\([lg])e\b", r"\\\1eq", statement)
    known = re.sub(r"\\limits|\\[Bb]ig[lr]", "", known)
    known = re.sub(r"\\[lr]Vert", r"\\|", known).replace(r"\tfrac", r"\frac")
    MathTextParser("path").parse(f"${known}$")


@each_claim
def test_the_source_is_in_the_bibliography(claim):
    key, _, place = claim.source.partition(", ")
    entries = re.findall(r"^@\w+\{(\w+),", (ROOT / "docs/references.bib").read_text(), re.M)
    assert key in entries
    assert place


@pytest.mark.parametrize(
    "claim",
    [claim for claim in CLAIMS if "eps" in inspect.signature(claim.value).parameters],
    ids=lambda claim: claim.name,
)
def test_functions_accept_an_array_of_budgets(claim):
    rows = ARGUMENTS[claim.name]
    # The paper's forms say something from eps = .7 on only.
    arguments = next((a for a in rows if a["eps"] in (1e-8, 0.1)), rows[0])
    eps = np.array([[0.1, 0.2], [0.3, 0.4]])
    result = claim.value(**{**arguments, "eps": eps})
    assert result.shape == eps.shape
    assert result[1, 0] == pytest.approx(claim.value(**{**arguments, "eps": 0.3}), rel=1e-14)


# The package's namespace, which is filled on first use.


def test_public_names_are_those_that_type_checkers_see():
    tree = ast.parse(Path(robust_theory.__file__).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    homes = {
        alias.asname: node.module.removeprefix("robust_theory.")
        for node in block.body
        for alias in node.names
        if alias.asname == alias.name
    }
    assert homes == robust_theory._HOME
    assert sorted(homes) == robust_theory.__all__ == dir(robust_theory)
    for name in homes:
        value = getattr(robust_theory, name)
        assert getattr(value, "__module__", "robust_theory").startswith("robust_theory")
    assert robust_theory.Claim is Claim
    assert robust_theory.Interval is Interval


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="has no attribute 'fooling_chance'"):
        robust_theory.fooling_chance  # noqa: B018


def test_importing_the_package_loads_nothing_else():
    code = (
        "import sys; before = set(sys.modules); import robust_theory; "
        "print(*sorted(set(sys.modules) - before))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    roots = {name.partition(".")[0] for name in loaded}
    assert roots <= {"robust_theory", "importlib", "warnings", "_warnings"}
    assert not any(name.startswith("robust_theory.") for name in loaded)
