import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from robust_theory import (
    checkerboard,
    checkerboard_expected_radius,
    checkerboard_fooling_probability,
    expected_radius,
    fooling_probability,
    half_space,
    half_space_fooling_probability,
    simplex,
    simplex_expected_radius,
    simplex_fooling_probability,
)
from robust_theory.vulnerability.checkerboards import (
    CHECKERBOARD_EXPECTED_RADIUS,
    CHECKERBOARD_LAW,
    CHECKERBOARD_PAPER_BOUND,
)
from robust_theory.vulnerability.models import HALF_SPACE_LAW, SIMPLEX_EXPECTED_RADIUS, SIMPLEX_LAW

REFERENCE = json.loads((Path(__file__).parent / "reference/gaussian.json").read_text())["values"]
MODELS = [
    half_space(3),
    half_space(1, offset=-1.3),
    half_space(2, offset=0.4),
    simplex(2),
    simplex(3),
    simplex(10),
    checkerboard(1),
    checkerboard(2),
    checkerboard(10),
]
NAMES = [f"{model.name}-{i}" for i, model in enumerate(MODELS)]


def reference(formula):
    return [
        pytest.param(entry["params"], Fraction(entry["value"]), id=entry["id"])
        for entry in REFERENCE
        if entry["formula"] == formula
    ]


def agrees(value, enclosure, exact):
    """The value within 1e-14, and the enclosure around 30 printed digits."""
    assert abs(Fraction(value) - exact) <= abs(exact) * Fraction(1, 10**14)
    rounding = abs(exact) * Fraction(1, 10**29)
    assert Fraction(enclosure.lo) - rounding <= exact <= Fraction(enclosure.hi) + rounding


@pytest.mark.parametrize(("params", "exact"), reference("checkerboard_exact"))
def test_checkerboard_law(params, exact):
    d, eps = params["d"], params["eps"]
    agrees(checkerboard_fooling_probability(d, eps), CHECKERBOARD_LAW.enclosure(d, eps), exact)


@pytest.mark.parametrize(("params", "exact"), reference("checkerboard_eq4"))
def test_checkerboard_paper_bound(params, exact):
    d, eps = params["d"], params["eps"]
    value = checkerboard_fooling_probability(d, eps, form="paper")
    agrees(value, CHECKERBOARD_PAPER_BOUND.enclosure(d, eps), exact)


@pytest.mark.parametrize(("params", "exact"), reference("checkerboard_mean"))
def test_checkerboard_mean(params, exact):
    d = params["d"]
    agrees(checkerboard_expected_radius(d), CHECKERBOARD_EXPECTED_RADIUS.enclosure(d), exact)


@pytest.mark.parametrize(("params", "exact"), reference("simplex_tail"))
def test_simplex_law(params, exact):
    K, eps = params["K"], params["eps"]
    agrees(simplex_fooling_probability(K, eps), SIMPLEX_LAW.enclosure(K, eps), 1 - exact)
    survival = simplex(K).survival(eps)
    assert abs(Fraction(survival) - exact) <= exact * Fraction(1, 10**14)


@pytest.mark.parametrize(("params", "exact"), reference("simplex_mean"))
def test_simplex_mean(params, exact):
    K = params["K"]
    agrees(simplex_expected_radius(K), SIMPLEX_EXPECTED_RADIUS.enclosure(K), exact)


def test_a_ratio_of_the_simplex_to_the_bound():
    """Bound over true mean: 1 for K = 2, and never above sqrt(2) (theory of the clusters)."""
    for K, ratio in [(2, 1.0), (3, 1.1030), (5, 1.1818), (10, 1.2459), (100, 1.3332)]:
        found = expected_radius([1] * K) / simplex_expected_radius(K)
        assert found == pytest.approx(ratio, abs=5e-5)
    for K in (10**3, 10**6):
        assert 1 <= expected_radius(np.ones(K, int)) / simplex_expected_radius(K) <= math.sqrt(2)


@settings(max_examples=40)
@given(st.floats(-8, 8), strategies.budgets(12.0))
def test_half_space_law_lies_in_its_enclosure(offset, eps):
    value = half_space_fooling_probability(offset, eps)
    # Both inputs stand for printed decimals; the law magnifies their rounding by at most
    # |offset| times the hazard rate there, 70, and so 70 * 2^-53 < 1e-14.
    assert HALF_SPACE_LAW.enclosure(offset, eps).contains(value, relative=1e-14)


@settings(max_examples=40)
@given(st.sampled_from([2, 3, 10, 1000, 10**6]), strategies.budgets(4.0))
def test_simplex_law_lies_in_its_enclosure(classes, eps):
    value = simplex_fooling_probability(classes, eps)
    assert SIMPLEX_LAW.enclosure(classes, eps).contains(value, relative=1e-14)


@settings(max_examples=40)
@given(st.sampled_from([1, 2, 3, 10, 784, 10**6]), strategies.budgets(0.6))
def test_checkerboard_law_lies_in_its_enclosure(d, eps):
    value = checkerboard_fooling_probability(d, eps)
    assert CHECKERBOARD_LAW.enclosure(d, eps).contains(value, relative=1e-14)


@pytest.mark.parametrize("d", [1, 2, 3, 10, 784, 10**5])
def test_checkerboard_mean_lies_in_its_enclosure(d):
    value = checkerboard_expected_radius(d)
    assert CHECKERBOARD_EXPECTED_RADIUS.enclosure(d).contains(value, relative=1e-14)


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_laws_against_samples(model):
    """Kolmogorov's test of the radii, 9 models: a false alarm in one run out of 10^7."""
    rng = np.random.default_rng(0)
    radii = model.radius(rng.standard_normal((5000, model.dimension)))
    test = stats.kstest(radii, lambda eps: 1 - model.survival(eps))
    assert test.pvalue > 1e-8
    # The radius has a standard deviation below 1; six of the mean's err once in 10^8 runs.
    assert abs(radii.mean() - model.mean_radius) < 6 / math.sqrt(len(radii))


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_measures_against_samples(model):
    """A chi-squared test per model; a false alarm in one run out of 10^7."""
    rng = np.random.default_rng(1)
    labels = model.label(rng.standard_normal((20000, model.dimension)))
    counts = np.bincount(labels, minlength=len(model.measures))
    assert len(counts) == len(model.measures)
    expected = np.array(model.measures) * 20000
    assert stats.chisquare(counts, expected).pvalue > 1e-8
    assert math.fsum(model.measures) == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_the_radius_of_a_point_against_brute_force(model):
    """No label changes within the radius, and one does just beyond it."""
    rng = np.random.default_rng(2)
    d = model.dimension
    axes = np.concatenate([np.eye(d), -np.eye(d)])
    pairs = [axes[i] - axes[j] for i in range(d) for j in range(d) if i != j]
    random = rng.standard_normal((2000, d))
    directions = np.concatenate([axes, *([pairs] if pairs else []), random])
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    for z in rng.standard_normal((20, d)):
        (radius,), (label,) = model.radius(z[None]), model.label(z[None])
        # Moving costs a few roundings of numbers up to 5, against which 1e-12 is ample.
        inside = z + directions * (radius - 1e-12) * rng.uniform(0, 1, (len(directions), 1))
        assert (model.label(inside) == label).all()
        beyond = z + directions * (radius + 1e-12)
        assert (model.label(beyond) != label).any()


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_exact_laws_obey_theorems_1_and_2(model):
    eps = np.array([1e-3, 0.05, 0.3, 1.0, 3.0])
    bound = fooling_probability(model.measures, eps)
    assert (1 - model.survival(eps) >= bound - 1e-15).all()
    assert model.mean_radius <= expected_radius(model.measures) * (1 + 1e-14)


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_survival_falls_from_1_to_0(model):
    survival = model.survival(np.array([0, 1e-300, 0.1, 1, 10, 60, math.inf]))
    assert survival[0] == 1
    assert survival[-1] == 0
    assert (np.diff(survival) <= 0).all()
    assert isinstance(model.survival("1/2"), float)
    assert model.survival(np.zeros((2, 0))).shape == (2, 0)


def test_probability_and_survival_are_complements():
    eps = np.array([[1e-8, 0.1], [0.4, 2.0]])
    for model, law in [
        (half_space(1, 0.7), half_space_fooling_probability(0.7, eps)),
        (simplex(5), simplex_fooling_probability(5, eps)),
        (checkerboard(3), checkerboard_fooling_probability(3, eps)),
    ]:
        np.testing.assert_allclose(law + model.survival(eps), 1, rtol=1e-14)


def test_small_budgets_keep_their_digits():
    """For eps -> 0 the law is eps times the density of the radius at 0."""
    for law in (
        lambda eps: half_space_fooling_probability(0.3, eps),
        lambda eps: simplex_fooling_probability(10, eps),
        lambda eps: checkerboard_fooling_probability(10, eps),
    ):
        assert law(1e-200) * 1e100 == pytest.approx(law(1e-100), rel=1e-13)


def test_the_papers_form_is_weaker_and_has_a_range():
    eps = np.linspace(0, 1, 21)
    for d in (1, 2, 7):
        sharp = checkerboard_fooling_probability(d, eps)
        assert (checkerboard_fooling_probability(d, eps, form="paper") <= sharp + 1e-15).all()
    with pytest.raises(ValueError, match=r"eps must be at most 1 in eq. \(4\), got 1.5"):
        checkerboard_fooling_probability(1, 1.5, form="paper")
    assert CHECKERBOARD_PAPER_BOUND.broken_hypotheses(d=1, eps=1.5)
    assert not CHECKERBOARD_PAPER_BOUND.broken_hypotheses(d=1, eps=1)
    with pytest.raises(ValueError, match="form must be 'sharp' or 'paper', got 'exact'"):
        checkerboard_fooling_probability(1, 0.5, form="exact")


def test_a_distant_half_space():
    assert half_space_fooling_probability(50, [49, 50, 51]).tolist() == [0, 1, 1]
    assert half_space(1, 50).mean_radius == 50
    assert half_space(1, 50).measures == (1.0, 0.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: half_space(0), "dimension must be an integer of at least 1, got 0"),
        (lambda: half_space(2, math.nan), "offset must be a finite number, got nan"),
        (lambda: simplex(1), "classes must be an integer of at least 2, got 1"),
        (lambda: checkerboard(1.5), "dimension must be an integer of at least 1, got 1.5"),
        (lambda: checkerboard_fooling_probability(0, 0.1), "d must be an integer of at least 1"),
        (lambda: simplex_fooling_probability(3, -1), "eps must be at least 0, got -1.0"),
        (lambda: half_space(2).label(np.zeros(2)), r"z must have shape \(n, 2\), got \(2,\)"),
        (lambda: simplex(3).radius(np.zeros((5, 2))), r"z must have shape \(n, 3\), got \(5, 2\)"),
        (lambda: checkerboard(1).radius([[math.nan]]), "z must be finite"),
    ],
)
def test_wrong_arguments_are_rejected(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_points_on_a_boundary_have_radius_0():
    assert half_space(1).radius([[0.0]]) == 0
    assert simplex(3).radius([[1.0, 1.0, 0.0]]) == 0
    assert checkerboard(2).radius([[0.3, -2.0]]) == 0
    assert simplex(3).radius(np.empty((0, 3))).shape == (0,)
