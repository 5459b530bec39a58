import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st
from references import above, below, close, encloses, measures_of, values
from scipy import special, stats

from robust_theory.vulnerability import equiprobable, explicit, neighbourhoods, normalised, tails
from robust_theory.vulnerability.latent import EXPECTED_RADIUS, expected_radius, fooling_probability

balanced = explicit.balanced_fooling_probability
equal = equiprobable.equiprobable_fooling_probability
radius = equiprobable.equiprobable_expected_radius
CLASS_NUMBERS = st.one_of(st.integers(5, 1000), st.sampled_from([5, 10**6, 10**30, 10**300]))


@pytest.mark.parametrize(
    ("formula", "claim"),
    [
        ("eq2", explicit.BALANCED_PAPER_BOUND),
        ("eq2_sharp", explicit.BALANCED_FOOLING_PROBABILITY),
        ("eq3", equiprobable.EQUIPROBABLE_PAPER_BOUND),
        ("eq3_const1", equiprobable.EQUIPROBABLE_ELEMENTARY_BOUND),
        ("eq11_rhs", neighbourhoods.EQUIPROBABLE_THRESHOLD),
        ("lemma1_lower_sf", tails.TAIL_LOWER_BOUND),
        ("lemma1_upper_sf", tails.TAIL_UPPER_BOUND),
        ("er_explicit", equiprobable.EQUIPROBABLE_EXPECTED_RADIUS_PAPER),
        ("er_birnbaum", equiprobable.EQUIPROBABLE_EXPECTED_RADIUS),
        ("halfspace_normalised", normalised.HALF_SPACE_NORMALISED_LAW),
    ],
)
def test_against_reference(formula, claim):
    renamed = {"t": "ratio", "d": "dimension"}
    for case in values(formula):
        params, exact = case.values
        arguments = {renamed.get(name, name): value for name, value in params.items()}
        value = claim.value(**arguments)
        assert close(value, exact), (arguments, value)
        assert encloses(claim.enclosure(**arguments), exact)
        side = {">=": below, "<=": above, "==": lambda *_: True}[claim.relation]
        assert side(value, exact), (arguments, value)


@pytest.mark.parametrize(("params", "exact"), values("cmax_bound"))
def test_largest_class_against_reference(params, exact):
    bound = explicit.largest_class_fooling_probability(params["cmax"], params["eps"])
    assert close(bound, exact)
    assert below(bound, exact)


@pytest.mark.parametrize(("params", "exact"), values("quantile_normalised"))
def test_normalised_quantile_against_reference(params, exact):
    arguments = measures_of(params), params["q"], params["d"]
    bound = normalised.normalised_fooling_quantile(*arguments)
    assert close(bound, exact)
    assert above(bound, exact)
    assert encloses(normalised.NORMALISED_FOOLING_QUANTILE.enclosure(*arguments), exact)


def side_holds(claim, value, box, accuracy=2e-14):
    scale = accuracy * max(abs(box.lo), abs(box.hi))
    if claim.relation == ">=":
        return box.lo - scale <= value <= box.hi
    return box.lo <= value <= box.hi + scale


@given(eps=strategies.budgets(), K=CLASS_NUMBERS)
@settings(max_examples=60)
def test_closed_forms_lie_on_their_side_of_the_balls(eps, K):
    for claim in (
        equiprobable.EQUIPROBABLE_FOOLING_PROBABILITY,
        equiprobable.EQUIPROBABLE_ELEMENTARY_BOUND,
        equiprobable.EQUIPROBABLE_PAPER_BOUND,
        neighbourhoods.EQUIPROBABLE_NEIGHBOURHOOD,
        neighbourhoods.EQUIPROBABLE_NEIGHBOURHOOD_PAPER,
    ):
        value, box = claim.value(K, eps), claim.enclosure(K, eps)
        assert side_holds(claim, value, box), (claim.name, value, box)
    for claim in (
        equiprobable.EQUIPROBABLE_EXPECTED_RADIUS,
        equiprobable.EQUIPROBABLE_EXPECTED_RADIUS_PAPER,
        neighbourhoods.EQUIPROBABLE_THRESHOLD,
    ):
        assert side_holds(claim, claim.value(K), claim.enclosure(K)), claim.name


@given(eps=strategies.budgets(), p=st.fractions(Fraction(1, 2), 1, max_denominator=10**9))
@settings(max_examples=60)
def test_growth_lies_on_its_side_of_the_balls(eps, p):
    for claim in (
        neighbourhoods.NEIGHBOURHOOD_MEASURE,
        neighbourhoods.NEIGHBOURHOOD_MEASURE_PAPER,
    ):
        assert side_holds(claim, claim.value(p, eps), claim.enclosure(p, eps))
    # Below 1/2: 20 roundings of an exponent of at most 8, magnified by at most e^2, against 1.
    small, near = p / 8 + Fraction(1, 100), min(eps, 3)
    value = neighbourhoods.neighbourhood_measure(small, near)
    box = neighbourhoods.NEIGHBOURHOOD_MEASURE.enclosure(small, near)
    assert box.lo - 2e-13 * (1 + abs(box.lo)) <= value <= box.hi


@given(eps=strategies.budgets(), c=st.fractions(Fraction(1, 10**9), 1))
@settings(max_examples=60)
def test_bound_by_the_largest_class(eps, c):
    claim = explicit.LARGEST_CLASS_FOOLING_PROBABILITY
    value, box = claim.value(c, eps), claim.enclosure(c, eps)
    assert side_holds(claim, value, box)
    times = math.floor(1 / c)
    if times < 1000:
        rest = 1 - times * c
        worst = [c] * times + ([rest] if rest else [])
        assert value == pytest.approx(fooling_probability(worst, eps), rel=1e-13, abs=1e-300)


@given(measures=strategies.rational_measures(), eps=st.floats(0, 5))
@settings(max_examples=60)
def test_the_largest_class_gives_no_more_than_all_classes(measures, eps):
    # Both are within 1e-14 below their exact values.
    least = explicit.largest_class_fooling_probability(max(measures), eps)
    assert least <= fooling_probability(measures, eps) * (1 + 1e-13)
    if 2 * max(measures) <= 1:
        assert balanced(eps, measures=measures) <= fooling_probability(measures, eps) * (1 + 1e-13)


@pytest.mark.parametrize("K", [5, 6, 10, 100, 10**6])
def test_sharp_is_at_least_as_strong_as_paper(K):
    eps = np.concatenate([[0, 1e-8], np.linspace(0.01, 6, 200)])
    slack = 1e-14
    best = fooling_probability(np.ones(K, int), eps)
    sharp, elementary, paper = (equal(K, eps, form) for form in ("sharp", "elementary", "paper"))
    for stronger, weaker in itertools.pairwise((best, sharp, elementary, paper)):
        assert (stronger >= weaker - slack).all()
    assert (balanced(eps) >= balanced(eps, "paper")).all()
    assert expected_radius(np.ones(K, int)) <= radius(K) <= radius(K, "paper")
    grown = neighbourhoods.equiprobable_neighbourhood_measure
    assert (grown(K, eps) >= grown(K, eps, "paper")).all()
    measure = neighbourhoods.neighbourhood_measure
    p = 1 - Fraction(1, K)
    assert (measure(p, eps) >= measure(p, eps, "paper")).all()
    # The exact neighbourhood of a half-space, Lemma 2's middle term.
    exact = stats.norm.cdf(stats.norm.isf(1 / K) + eps)
    assert (measure(p, eps) <= exact + 1e-14).all()


@pytest.mark.parametrize("K", [2, 3, 4])
def test_few_equal_classes(K):
    eps = np.linspace(0, 6, 100)
    assert (equal(K, eps) <= fooling_probability([1] * K, eps) + 1e-15).all()
    assert radius(K, "paper") >= EXPECTED_RADIUS.enclosure([1] * K).hi
    for wrong in (
        lambda: equal(K, 1, "paper"),
        lambda: equal(K, 1, "elementary"),
        lambda: radius(K),
    ):
        with pytest.raises(ValueError, match="K must be an integer of at least 5"):
            wrong()
    assert equiprobable.EQUIPROBABLE_PAPER_BOUND.broken_hypotheses(K, 1)
    assert not equiprobable.EQUIPROBABLE_FOOLING_PROBABILITY.broken_hypotheses(K, 1)


def test_a_class_above_one_half_breaks_the_balanced_bound():
    # Half-space of measures .95 and .05, eps = 2: exact .63863 against .83038 of the paper's form.
    assert fooling_probability([0.95, 0.05], 2) < 0.6387 < balanced(2, "paper") < balanced(2)
    with pytest.raises(ValueError, match="every class measure must be at most 1/2"):
        balanced(2, measures=[0.95, 0.05])
    assert explicit.BALANCED_PAPER_BOUND.broken_hypotheses(2, measures=[0.95, 0.05])


def test_constant_one_is_the_least():
    # With 0.9 instead, the bound at eps = 0 would be 0.1 for a probability of 0.
    assert equal(5, 0) == 0
    assert 1 - 0.9 * math.exp(-(1e-3**2) / 2) > fooling_probability([1] * 5, 1e-3)


def test_literal_reading_of_equation_10_is_false():
    # exp(-eps) sqrt(log(...)) instead of exp(-eps sqrt(log(...))), K = 5 and eps = 1.
    x = neighbourhoods.equiprobable_threshold(5)
    literal = 1 - math.sqrt(math.pi / 2) / 5 * math.exp(-0.5) * math.exp(-1) * x
    assert stats.norm.cdf(stats.norm.isf(0.2) + 1) < literal


@given(x=st.floats(0, 37))
def test_tail_bounds_hold_their_tail(x):
    lower, upper = tails.tail_lower_bound(x), tails.tail_upper_bound(x)
    exact = special.ndtr(-x)
    assert lower <= exact * (1 + 1e-12)  # what scipy may lose at x = 37
    assert upper >= exact * (1 - 1e-12)
    assert lower <= tails.TAIL_LOWER_BOUND.enclosure(x).hi
    assert upper >= tails.TAIL_UPPER_BOUND.enclosure(x).lo


def test_tail_bounds_beyond_the_least_double():
    assert tails.tail_lower_bound([50, np.inf]).tolist() == [0, 0]
    assert (tails.tail_upper_bound([38.5, 50]) > 0).all()
    with pytest.raises(ValueError, match="x must be at least 0"):
        tails.tail_upper_bound(-0.1)


def test_normalised_radius_with_the_random_norm():
    # Remark 1: 0.5882 is provable for all classifiers; a half-space reaches 0.680252.
    halves = [0.5, 0.5]
    bound = normalised.normalised_fooling_probability(halves, 0.1, 100)
    assert bound == pytest.approx(0.58826, abs=1e-5)
    box = normalised.NORMALISED_FOOLING_PROBABILITY.enclosure(halves, 0.1, 100)
    assert box.lo - 1e-13 <= bound <= box.hi
    assert bound < normalised.half_space_normalised_probability(0.1, 100)
    # No other norm is better by more than the search's tolerance.
    others = [
        normalised.normalised_fooling_probability(halves, 0.1, 100, norm=s)
        for s in np.linspace(4, 12, 200)
    ]
    assert max(others) <= bound + 1e-9


@pytest.mark.parametrize("d", [1, 2, 10, 1000])
@pytest.mark.parametrize("ratio", [0, 1e-3, 0.1, 1, 3])
def test_normalised_bound_against_balls(d, ratio):
    for measures in ([0.5, 0.5], [0.9, 0.1], [1, 1, 1, 1, 1], [1.0]):
        value = normalised.normalised_fooling_probability(measures, ratio, d)
        box = normalised.NORMALISED_FOOLING_PROBABILITY.enclosure(measures, ratio, d)
        assert box.lo - 1e-12 <= value <= box.hi


@pytest.mark.parametrize("eps", [-1, math.nan, "far", None])
def test_wrong_budgets_are_named(eps):
    for call in (
        lambda: balanced(eps),
        lambda: equal(5, eps),
        lambda: explicit.largest_class_fooling_probability(0.5, eps),
        lambda: neighbourhoods.neighbourhood_measure(0.5, eps),
    ):
        with pytest.raises(ValueError, match="eps"):
            call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: balanced(1, "best"), "form must be 'sharp' or 'paper', got 'best'"),
        (lambda: equal(5, 1, "best"), "form must be"),
        (lambda: equal(1, 1), "K must be an integer of at least 2"),
        (lambda: equal(10**301, 1), "K must be at most"),
        (lambda: radius(2.0), "K must be an integer"),
        (lambda: explicit.largest_class_fooling_probability(0, 1), "largest must be above 0"),
        (lambda: explicit.largest_class_fooling_probability(1.1, 1), "largest must lie in"),
        (lambda: neighbourhoods.neighbourhood_measure(0.4, 1, "paper"), "at least 1/2"),
        (lambda: neighbourhoods.neighbourhood_measure(0, 1), "above 0"),
        (lambda: normalised.normalised_fooling_probability([1, 1], [0.1], 3), "one finite number"),
        (lambda: normalised.half_space_normalised_probability(0.1, 1), "at least 2"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_shapes_and_infinity():
    eps = np.array([[0.0, 0.5], [1.0, np.inf]])
    for function in (balanced, lambda e: balanced(e, "paper"), lambda e: equal(7, e)):
        result = function(eps)
        assert result.shape == eps.shape
        assert result[1, 1] == pytest.approx(1, abs=1e-15)
        assert isinstance(function("1/2"), float)
        assert function("1/2") == function(0.5)
