import math
from fractions import Fraction

import numpy as np
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st
from references import below, close, encloses, values

from robust_theory.vulnerability import parallel, transfer, transfer_limits
from robust_theory.vulnerability.latent import fooling_probability

TENTHS = [Fraction(1, 10)] * 10
classes = transfer.transfer_probability
unions = transfer.transfer_probability_from_unions


@pytest.mark.parametrize(("params", "exact"), values("thm3_paper"))
def test_paper_against_reference(params, exact):
    bound = classes(TENTHS, params["delta"], params["eps"], "paper")
    assert close(bound, exact)
    assert below(bound, exact)
    box = transfer.TRANSFER_PAPER_BOUND.enclosure(TENTHS, params["delta"], params["eps"])
    assert encloses(box, exact)


@pytest.mark.parametrize(("params", "exact"), values("thm3_classes"))
def test_classes_against_reference(params, exact):
    arguments = params["classes"], params["delta"], params["eps"]
    assert close(classes(*arguments), exact)
    assert below(classes(*arguments), exact)
    assert encloses(transfer.TRANSFER_PROBABILITY.enclosure(*arguments), exact)


@pytest.mark.parametrize(("params", "exact"), values("thm3_unions"))
def test_unions_against_reference(params, exact):
    arguments = params["unions"], "1/20", params["eps"]
    assert close(unions(*arguments), exact)
    assert below(unions(*arguments), exact)
    assert encloses(transfer.TRANSFER_FROM_UNIONS.enclosure(*arguments), exact)


@pytest.mark.parametrize(("params", "exact"), values("thm3_halfspaces_exact"))
def test_parallel_half_spaces_against_reference(params, exact):
    assert close(parallel.parallel_transfer_probability(params["s"], params["eps"]), exact)
    box = parallel.PARALLEL_TRANSFER_LAW.enclosure(params["s"], params["eps"])
    assert encloses(box, exact)


@pytest.mark.parametrize("s", [0.0, 0.3, 1.0])
def test_parallel_half_spaces_attain_the_bound(s):
    arguments = parallel.parallel_transfer_arguments(s)
    for eps in (s, s + 0.01, s + 0.5, s + 3):
        exact = parallel.parallel_transfer_probability(s, eps)
        # Three roundings of measures near 1/2 and the bound's own 1e-14.
        assert unions(eps=eps, **arguments) == pytest.approx(exact, abs=2e-14)
    # Without the delta it would be false.
    if s:
        assert unions(eps=1.5, **arguments) + arguments["delta"] > (
            parallel.parallel_transfer_probability(s, 1.5)
        )


def test_radii_of_parallel_half_spaces():
    z = np.random.default_rng(5).standard_normal((4000, 3))
    radii = parallel.parallel_transfer_radius(z, 0.3)
    f, h = z[:, 0] > 0, z[:, 0] > 0.3
    assert np.isinf(radii[f != h]).all()
    # One step further than the radius changes both labels, one step less does not.
    step = np.where(f & h, -1.0, 1.0)
    for factor, changed in ((1 + 1e-9, True), (1 - 1e-9, False)):
        with np.errstate(invalid="ignore"):
            moved = z[:, 0] + step * radii * factor
        both = ((moved > 0) != f) & ((moved > 0.3) != h)
        assert (both[f == h] == changed).all()


@given(
    measures=strategies.rational_measures(),
    delta=st.fractions(0, Fraction(1, 2), max_denominator=1000),
    eps=strategies.budgets(),
)
@settings(max_examples=80)
def test_bounds_lie_on_their_side_of_the_balls(measures, delta, eps):
    value = classes(measures, delta, eps)
    box = transfer.TRANSFER_PROBABILITY.enclosure(measures, delta, eps)
    # The bound is a difference of numbers of size 1, so its accuracy is absolute.
    assert box.lo - 1e-13 <= value <= box.hi
    spread = [c + delta / len(measures) for c in measures]
    if max(spread) <= 1:
        value = unions(spread, delta, eps)
        box = transfer.TRANSFER_FROM_UNIONS.enclosure(spread, delta, eps)
        assert box.lo - 1e-13 <= value <= box.hi
        # All of delta with the largest class is the worst case.
        assert value >= classes(measures, delta, eps) - 1e-13


@given(measures=strategies.rational_measures(min_classes=3), eps=strategies.budgets())
@settings(max_examples=50)
def test_sharp_is_at_least_as_strong_as_paper(measures, eps):
    room = Fraction(1, 2) - max(measures)
    if room >= 0:
        for delta in (Fraction(0), room / 3, room):
            sharp, paper = classes(measures, delta, eps), classes(measures, delta, eps, "paper")
            assert sharp >= paper - 1e-14
            box = transfer.TRANSFER_PAPER_BOUND.enclosure(measures, delta, eps)
            assert box.lo - 1e-14 <= paper <= box.hi
    else:
        with pytest.raises(ValueError, match="every class measure plus delta"):
            classes(measures, 0, eps, "paper")


def test_agreeing_models_give_theorem_1():
    eps = np.array([1e-8, 0.1, 1, 5])
    for measures in ([0.2, 0.3, 0.5], [0.9, 0.1], TENTHS):
        expected = fooling_probability(measures, eps)
        assert classes(measures, 0, eps) == pytest.approx(expected, rel=2e-14)
        assert unions(measures, 0, eps) == pytest.approx(expected, rel=2e-14)


def test_a_thousand_models():
    # Three classes, all unions 0.4: delta can be 0.2 for two models, or 0.1 for three.
    assert not transfer.TRANSFER_FROM_UNIONS.broken_hypotheses([0.4] * 3, 0.2, 1)
    assert transfer.TRANSFER_FROM_UNIONS.broken_hypotheses([0.4] * 3, 0.1, 1)
    assert not transfer.TRANSFER_FROM_UNIONS.broken_hypotheses([0.4] * 3, 0.1, 1, models=3)
    assert unions([0.4] * 3, 0.1, 1, models=1000) == unions([0.4] * 3, 0.1, 1, models=3)


def test_many_and_tiny_classes():
    assert unions([Fraction(1, 10**6)] * 10**6, 0, 1) == pytest.approx(
        fooling_probability(np.ones(10**6, int), 1), rel=1e-13
    )
    tiny = ["1e-300", 1 - Fraction("1e-300")]
    assert classes(tiny, "1e-301", 38) > 0.1
    assert (
        classes(tiny, "1e-301", 38)
        <= transfer.TRANSFER_PROBABILITY.enclosure(tiny, "1e-301", 38).hi
    )


@pytest.mark.parametrize("eps", [0.0, 0.1, 1.0, 3.0])
def test_limits_hold_the_bounds_between_them(eps):
    rng = np.random.default_rng(3)
    measures = np.array([0.15, 0.25, 0.6])
    low, high = measures - 0.02, measures + 0.02
    lo, hi = transfer_limits.transfer_probability_limits(low, high, 0.01, 0.03, eps)
    for _ in range(50):
        shift = rng.uniform(-0.01, 0.01, 3)
        inside = measures + shift - shift.mean()
        delta = rng.uniform(0.01, 0.03)
        inside[-1] = 1 - inside[:-1].sum()
        assert lo <= classes(inside, delta, eps) <= hi
        spread = inside + delta / 3
        within = transfer_limits.transfer_probability_from_unions_limits(
            low, high + 0.02, 0.01, 0.03, eps
        )
        assert within[0] <= unions(spread, delta, eps) <= within[1]
    same = transfer_limits.transfer_probability_limits(measures, measures, 0.02, 0.02, eps)
    assert same[1] - same[0] < 1e-13
    assert same[0] - 1e-13 <= classes(measures, 0.02, eps) <= same[1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: classes([0.5, 0.5], -0.1, 1), "delta must lie in"),
        (lambda: classes([0.5, 0.5], math.nan, 1), "delta must be a finite number"),
        (lambda: classes([0.5, 0.6], 0, 1), "must sum to 1"),
        (lambda: classes([0.5, 0.5], 0, 1, "best"), "form must be"),
        (lambda: unions([0.5, 0.4], 0, 1), "unions must sum to between 1"),
        (lambda: unions([], 0, 1), "unions must hold at least one"),
        (lambda: unions("ab", 0, 1), "unions must be a sequence"),
        (lambda: unions([[0.5]], 0, 1), "unions must be a sequence of numbers, got nested"),
        (lambda: unions([0.5, 0.5], 0, 1, models=1), "models must be an integer of at least 2"),
        (
            lambda: transfer_limits.transfer_probability_limits([0.5] * 2, [0.5] * 2, 0.2, 0.1, 1),
            "delta_lower must be at most delta_upper",
        ),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
