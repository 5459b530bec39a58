import itertools
import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from robust_theory import (
    expected_radius,
    expected_radius_limits,
    fooling_log_tail,
    fooling_probability,
    fooling_probability_limits,
    fooling_quantile,
    fooling_quantile_limits,
)
from robust_theory.vulnerability.latent import (
    EXPECTED_RADIUS,
    FOOLING_LOG_TAIL,
    FOOLING_PROBABILITY,
    FOOLING_QUANTILE,
)

REFERENCE = json.loads((Path(__file__).parent / "reference/gaussian.json").read_text())["values"]
U = 2.0**-53


def values(*formulas):
    return [
        pytest.param(entry["params"], Fraction(entry["value"]), id=entry["id"])
        for entry in REFERENCE
        if entry["formula"] in formulas
    ]


def measures_of(params):
    if "K" in params:
        return np.ones(params["K"], int)
    return params.get("counts") or params["classes"]


def encloses(interval, exact):
    """Whether the interval holds a value that was printed with 30 digits."""
    rounding = abs(exact) * Fraction(1, 10**29)
    lo, hi = interval.lo, interval.hi
    return Fraction(lo) - rounding <= exact <= Fraction(hi) + rounding


def close(number, exact):
    return abs(Fraction(number) - exact) <= abs(exact) * Fraction(1, 10**14)


@pytest.mark.parametrize(("params", "exact"), values("eq1_bound"))
def test_probability_against_reference(params, exact):
    measures = measures_of(params)
    bound = fooling_probability(measures, params["eps"])
    assert close(bound, exact)
    assert Fraction(bound) <= exact
    assert encloses(FOOLING_PROBABILITY.enclosure(measures, params["eps"]), exact)


@pytest.mark.parametrize(("params", "exact"), values("eq1_log_tail"))
def test_log_tail_against_reference(params, exact):
    measures = measures_of(params)
    bound = fooling_log_tail(measures, params["eps"])
    assert close(bound, exact)
    assert Fraction(bound) >= exact
    assert encloses(FOOLING_LOG_TAIL.enclosure(measures, params["eps"]), exact)


@pytest.mark.parametrize(("params", "exact"), values("quantile", "quantile_normalised"))
def test_quantile_against_reference(params, exact):
    measures = measures_of(params)
    unit = Fraction(math.isqrt(params.get("d", 1) * 10**80), 10**40)  # sqrt(d), 40 digits
    exact *= unit
    for arguments in ({"q": params["q"]}, {"tail": 1 - Fraction(params["q"])}):
        eps = fooling_quantile(measures, **arguments)
        assert close(eps, exact)
        assert Fraction(eps) >= exact * (1 - Fraction(1, 10**28))
        assert encloses(FOOLING_QUANTILE.enclosure(measures, **arguments), exact)
    # A float level holds as a double too, which 1e-14 still allows here.
    assert close(fooling_quantile(measures, float(Fraction(params["q"]))), exact)


@pytest.mark.parametrize(("params", "exact"), values("er_bound"))
def test_expected_radius_against_reference(params, exact):
    measures = measures_of(params)
    bound = expected_radius(measures)
    assert close(bound, exact)
    assert Fraction(bound) >= exact
    assert encloses(EXPECTED_RADIUS.enclosure(measures), exact)


def test_the_paper_prints_048_for_ten_classes():
    assert math.ceil(expected_radius([0.1] * 10) * 100) / 100 == 0.48


@given(strategies.rational_measures(), strategies.budgets())
def test_bounds_are_never_on_the_wrong_side(measures, eps):
    exact = FOOLING_PROBABILITY.enclosure(measures, eps)
    bound = fooling_probability(measures, eps)
    largest = max(measures)
    if eps > 1e-290:
        # Beyond 1 - 1e-17 the input's own rounding is magnified.
        accuracy = 1e-14 if 1 - largest > 1e-17 else 1e-13
        assert exact.lo * (1 - accuracy) <= bound
    assert bound <= exact.hi <= 1
    log_exact = FOOLING_LOG_TAIL.enclosure(measures, eps)
    assert fooling_log_tail(measures, eps) >= log_exact.lo
    radius = EXPECTED_RADIUS.enclosure(measures)
    assert radius.lo <= expected_radius(measures) <= radius.hi * (1 + 1.5e-14)


@given(strategies.rational_measures(), strategies.budgets(), st.floats(1.0, 1.5))
def test_the_bound_grows_with_eps(measures, eps, factor):
    less, more = fooling_probability(measures, [eps, factor * eps])
    assert less <= more * (1 + 1e-13)
    less, more = fooling_log_tail(measures, [factor * eps, eps])
    assert less <= more * (1 - 1e-13)


@settings(max_examples=50)
@given(strategies.rational_measures(), strategies.levels())
def test_the_quantile_holds_and_is_least(measures, q):
    eps = fooling_quantile(measures, q)
    assert fooling_probability(measures, eps) >= q
    assert FOOLING_PROBABILITY.enclosure(measures, eps).hi >= q
    box = FOOLING_QUANTILE.enclosure(measures, q)
    # A double may be 1e-16 away from its print, which near 1 is a part of the tail.
    assert box.lo <= eps <= box.hi * (1 + (1e-14 if 1 - max(measures) > 1e-17 else 1e-13))


@given(strategies.rational_measures(), st.integers(1, 300))
def test_a_tail_may_be_far_below_the_spacing_of_doubles_at_1(measures, exponent):
    tail = Fraction(1, 10**exponent)
    eps = fooling_quantile(measures, tail=tail)
    assert fooling_log_tail(measures, eps) <= math.log(tail.numerator) - math.log(tail.denominator)


@given(strategies.rational_measures(), strategies.budgets(), st.randoms(use_true_random=False))
def test_the_order_of_classes_does_not_matter(measures, eps, random):
    shuffled = list(measures)
    random.shuffle(shuffled)
    assert fooling_probability(shuffled, eps) == fooling_probability(measures, eps)
    assert expected_radius([*shuffled, 0]) == expected_radius(measures)


@given(strategies.rational_measures(), strategies.budgets(), st.floats(0.0, 1.0))
def test_more_even_classes_give_stronger_bounds(measures, eps, weight):
    """T is Schur-convex: moving two measures towards each other strengthens the bound."""
    first, *others, last = sorted(measures)
    moved = Fraction(weight) * (last - first) / 2
    even = [first + moved, *others, last - moved]
    slack = 1 + 1e-13  # both bounds are rounded down
    assert fooling_probability(measures, eps) <= fooling_probability(even, eps) * slack
    assert expected_radius(even) <= expected_radius(measures) * slack
    K = len(measures)
    equal = fooling_probability([Fraction(1, K)] * K, eps)
    assert fooling_probability(measures, eps) <= equal * slack


@pytest.mark.parametrize(
    "measures", [[0.5, 0.5], [0.9, 0.1], [0.1] * 10, [0.5, 0.3, 0.2], [0.999, 0.001]]
)
def test_theorem_2_is_the_integral_of_the_tail(measures):
    area, error = integrate.quad(
        lambda eps: math.exp(fooling_log_tail(measures, eps)), 0, 20, epsabs=1e-12, limit=200
    )
    assert expected_radius(measures) == pytest.approx(area, abs=error + 1e-12)


@given(st.floats(-5, 5), strategies.budgets(10.0))
def test_two_classes_are_attained_by_a_half_space(offset, eps):
    measures = stats.norm.sf([offset, -offset])
    law = stats.norm.cdf(offset + eps) - stats.norm.cdf(offset - eps)
    # scipy's difference of two numbers up to 1 is only that accurate.
    assert fooling_probability(measures, eps) == pytest.approx(law, abs=1e-15, rel=1e-13)


def test_a_million_classes():
    measures = np.full(10**6, 1e-6)
    assert fooling_probability(measures, 1.0) == pytest.approx(0.9956273192809129, rel=1e-14)
    assert fooling_quantile(measures, 0.9) == pytest.approx(0.445913273369917983, rel=1e-14)
    assert expected_radius(measures) == pytest.approx(0.194908407739125021, rel=1e-14)
    counts = np.random.default_rng(0).integers(1, 2**40, 20000)
    eps = np.linspace(0, 3, 31)
    bounds = fooling_probability(counts, eps)
    assert (np.diff(bounds) > 0).all()
    assert bounds[0] == 0
    assert bounds[-1] < 1


def test_tiny_and_huge_classes():
    # a = 37.047... for c = 1e-300, in reference a_neq; each class gives half of the bound.
    assert fooling_probability([1.0, 1e-300], 1e-8) == pytest.approx(
        2 * 3.707405664416554e-307, rel=1e-12
    )
    assert fooling_probability([1.0, 1e-300], 1e-320) >= 0
    assert fooling_quantile([1.0, 1e-300], 0.5) == pytest.approx(37.0470962993612, rel=1e-12)
    assert math.isfinite(expected_radius([1.0, 1e-300]))


@pytest.mark.parametrize("measures", [[1.0], [1], [0, 7, 0], [1.0, 0.0]])
def test_a_constant_classifier_cannot_be_fooled(measures):
    assert fooling_probability(measures, [0, 1, math.inf]).tolist() == [0, 0, 0]
    assert fooling_log_tail(measures, 5) == 0
    assert fooling_quantile(measures, 0.5) == math.inf
    assert expected_radius(measures) == math.inf
    assert FOOLING_QUANTILE.enclosure(measures, 0.5).lo == math.inf
    assert EXPECTED_RADIUS.enclosure(measures).lo == math.inf


def test_the_ends_of_eps():
    measures = [0.5, 0.3, 0.2]
    assert fooling_probability(measures, 0) == 0
    assert fooling_log_tail(measures, 0) == 0
    assert fooling_probability(measures, [40, 1e200]).tolist() == [1 - U, 1 - U]
    assert fooling_probability(measures, math.inf) == 1
    assert fooling_log_tail(measures, math.inf) == -math.inf
    # Rounded up: the tail of a finite eps is not 0.
    assert fooling_log_tail(measures, 1e200) == -np.finfo(float).max
    assert fooling_log_tail(measures, 1e100) == pytest.approx(-5e199)


def test_shapes_follow_eps():
    assert isinstance(fooling_probability([0.5, 0.5], "8/255"), float)
    assert isinstance(fooling_log_tail([0.5, 0.5], np.float64(1)), float)
    for shape in [(0,), (3,), (2, 3)]:
        eps = np.ones(shape)
        assert fooling_probability([0.5, 0.5], eps).shape == shape
        assert fooling_log_tail([0.5, 0.5], eps).shape == shape
    rng = np.random.default_rng(0)
    eps = rng.exponential(size=(50, 40))  # several blocks at 100 classes
    counts = np.arange(1, 101)
    each = [[fooling_probability(counts, e) for e in row] for row in eps[:2]]
    np.testing.assert_array_equal(fooling_probability(counts, eps)[:2], each)


@pytest.mark.parametrize("q", [0, 1, -0.1, 1.5, math.nan, "2"])
def test_levels_outside_the_open_interval_are_rejected(q):
    for read in (lambda: fooling_quantile([0.5, 0.5], q), lambda: fooling_quantile([1.0], q)):
        with pytest.raises(ValueError, match=r"^q must .*, got"):
            read()
    with pytest.raises(ValueError, match=r"^tail must .*, got"):
        fooling_quantile([0.5, 0.5], tail=q)


def test_a_level_is_given_once():
    with pytest.raises(ValueError, match="give one of q and tail"):
        fooling_quantile([0.5, 0.5])
    with pytest.raises(ValueError, match="give one of q and tail"):
        fooling_quantile([0.5, 0.5], 0.5, tail=0.5)


@st.composite
def boxes(draw):
    """Limits around exact measures, and the measures."""
    measures = draw(strategies.rational_measures(max_classes=5))
    below = draw(st.lists(st.floats(0, 1), min_size=len(measures), max_size=len(measures)))
    above = draw(st.lists(st.floats(0, 0.2), min_size=len(measures), max_size=len(measures)))
    lower = [float(c) * f for c, f in zip(measures, below, strict=True)]
    upper = [min(1.0, float(c) + f) for c, f in zip(measures, above, strict=True)]
    # The float of a rational may be a rounding away on the wrong side.
    lower = [min(v, math.nextafter(float(c), 0)) for v, c in zip(lower, measures, strict=True)]
    upper = [
        max(v, min(1.0, math.nextafter(float(c), 2))) for v, c in zip(upper, measures, strict=True)
    ]
    return measures, lower, upper


@given(boxes(), strategies.budgets())
def test_limits_contain_every_bound_between_them(box, eps):
    measures, lower, upper = box
    exact = FOOLING_PROBABILITY.enclosure(measures, eps)
    lo, hi = fooling_probability_limits(lower, upper, eps)
    assert 0 <= lo <= exact.hi
    assert exact.lo <= hi <= 1
    radius = EXPECTED_RADIUS.enclosure(measures)
    limits = expected_radius_limits(lower, upper)
    assert limits.lo <= radius.hi
    assert radius.lo <= limits.hi


@settings(max_examples=30)
@given(boxes(), st.sampled_from([0.01, 0.25, 0.5, 0.75, 0.99]))
def test_quantile_limits_contain_every_quantile_between_them(box, q):
    measures, lower, upper = box
    limits = fooling_quantile_limits(lower, upper, q)
    exact = FOOLING_QUANTILE.enclosure(measures, q)
    assert limits.lo <= exact.hi
    assert exact.lo <= limits.hi


@pytest.mark.parametrize("eps", [0.1, 1.0, 3.0])
def test_limits_are_not_wider_than_the_box_explains(eps):
    """Against the extreme terms over a fine grid of each class's measure."""
    lower, upper = np.array([0.1, 0.2, 0.3]), np.array([0.3, 0.4, 0.7])
    grid = np.linspace(lower, upper, 2001)
    terms = stats.norm.cdf(stats.norm.isf(grid) + eps) - stats.norm.cdf(stats.norm.isf(grid))
    tails = grid - terms
    lo, hi = fooling_probability_limits(lower, upper, eps)
    # A grid of step 2e-4 misses a smooth maximum by less than 1e-6.
    least = max(terms.min(axis=0).sum(), 1 - tails.max(axis=0).sum())
    most = min(terms.max(axis=0).sum(), 1 - tails.min(axis=0).sum(), 1)
    assert lo == pytest.approx(least, abs=1e-12)
    assert hi == pytest.approx(most, abs=1e-6)


def test_limits_that_touch_give_the_bound_itself():
    measures = [0.5, 0.25, 0.25]
    eps = np.array([1e-8, 0.1, 1, 5])
    lo, hi = fooling_probability_limits(measures, measures, eps)
    bound = fooling_probability(measures, eps)
    np.testing.assert_allclose(lo, bound, rtol=1e-14)
    np.testing.assert_allclose(hi, bound, rtol=2e-14)
    quantile = fooling_quantile_limits(measures, measures, 0.25)
    assert quantile.lo < fooling_quantile(measures, 0.25) <= quantile.hi * (1 + 1e-14)
    radius = expected_radius_limits(measures, measures)
    assert radius.lo < expected_radius(measures) <= radius.hi * (1 + 1e-14)


def test_limits_without_knowledge():
    lo, hi = fooling_probability_limits([0, 0], [1, 1], [0, 1, math.inf])
    assert lo.tolist() == [0, 0, 0]
    assert hi[0] == 0
    assert hi[-1] == 1
    limits = fooling_quantile_limits([0, 0], [1, 1], 0.5)
    assert 0 < limits.lo < limits.hi == math.inf
    assert expected_radius_limits([0, 0], [1, 1]).hi == math.inf
    assert expected_radius_limits([0, 0], [1, 1]).lo == 0


@pytest.mark.parametrize(
    ("lower", "upper", "message"),
    [
        ([0.5], [0.5, 0.5], r"lower and upper must both have shape \(K,\)"),
        ([], [], r"lower and upper must both have shape \(K,\)"),
        ([0.6, 0.1], [0.5, 0.9], "limits must satisfy lower <= upper <= 1, got 0.6 and 0.5"),
        ([0.1, 0.1], [0.5, 1.9], "limits must satisfy lower <= upper <= 1, got 0.1 and 1.9"),
        ([-0.1, 0.1], [0.5, 0.9], "lower must be at least 0, got -0.1"),
        ([0.1, 0.1], [0.2, 0.3], "limits must admit measures that sum to 1"),
        ([0.6, 0.6], [0.7, 0.7], "limits must admit measures that sum to 1"),
        ([math.nan, 0.6], [0.7, 0.7], "lower must be at least 0, got nan"),
    ],
)
def test_wrong_limits_are_rejected(lower, upper, message):
    for read in (
        lambda: fooling_probability_limits(lower, upper, 1),
        lambda: fooling_quantile_limits(lower, upper, 0.5),
        lambda: expected_radius_limits(lower, upper),
    ):
        with pytest.raises(ValueError, match=message):
            read()


def test_every_classifier_made_of_ten_intervals_obeys_the_bound():
    """Brute force: all ways to give 10 intervals of equal mass to two classes."""
    cells = 10
    edges = stats.norm.ppf(np.arange(cells + 1) / cells)
    eps = 0.4
    for labels in itertools.product([0, 1], repeat=cells):
        if labels[0] != 0 or sum(labels) == 0:
            continue  # the mirror image, or constant
        fooled = 0.0
        changes = [edges[i] for i in range(1, cells) if labels[i] != labels[i - 1]]
        covered = -math.inf
        for edge in changes:
            start, stop = max(edge - eps, covered), edge + eps
            fooled += stats.norm.cdf(stop) - stats.norm.cdf(start)
            covered = stop
        bound = fooling_probability([sum(labels), cells - sum(labels)], eps)
        assert bound <= fooled * (1 + 1e-12)
