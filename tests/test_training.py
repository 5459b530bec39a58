"""Risks of finite problems against sets and exhaustive search; surrogates; KL and its gradients."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robust_theory.arithmetic import around
from robust_theory.risks.divergence import (
    ascent_slopes,
    kl_divergence,
    kl_gradients,
    logistic_logits,
    trades_gradient,
)
from robust_theory.risks.finite_problems import (
    adversarial_risk,
    benign_risk,
    boundary_risk,
    finite_problem,
)
from robust_theory.risks.surrogate import SURROGATE_BOUND, surrogate_risk_bound
from robust_theory.risks.training import (
    excess_risk_bound,
    natural_and_boundary_risk,
    risk_parts,
    robustness_price,
)


@st.composite
def problems(draw, labels=(-1, 1)):
    m, n = draw(st.integers(1, 4)), draw(st.integers(1, 6))
    inputs = st.integers(0, m - 1)
    return finite_problem(
        draw(st.lists(inputs, min_size=n, max_size=n)),
        draw(st.lists(st.sampled_from(labels), min_size=n, max_size=n)),
        draw(st.lists(st.lists(inputs, max_size=3), min_size=m, max_size=m)),
        draw(st.none() | st.lists(st.integers(0, 5), min_size=n, max_size=n).filter(any)),
    )


def robust_by_hand(problem, h):
    """From the definition: the best answer of an adversary who tries every move."""
    risk = Fraction(0)
    for x, y, w in zip(problem.points, problem.labels, problem.weights, strict=True):
        reached = {h[z] for z in {x, *problem.neighbours[x]}}
        risk += w * int(reached != {y})
    return risk


@given(problems(labels=(0, 1, 2)), st.data())
def test_natural_and_boundary_risk_add_up(problem, data):
    m = len(problem.neighbours)
    h = data.draw(st.lists(st.integers(0, 2), min_size=m, max_size=m))
    robust = robust_by_hand(problem, h)
    assert adversarial_risk(problem, h) == robust
    assert benign_risk(problem, h) + boundary_risk(problem, h) == robust
    assert benign_risk(problem, h) <= robust <= 1
    assert natural_and_boundary_risk(
        h, problem.points, problem.labels, problem.neighbours, problem.weights
    ) == float(robust)


@given(problems())
def test_benign_equals_adversarial_exactly_when_a_best_classifier_has_no_boundary_risk(problem):
    found = robustness_price(problem)
    H = list(itertools.product(sorted(set(problem.labels)), repeat=len(problem.neighbours)))
    assert found.benign == min(benign_risk(problem, h) for h in H)
    assert found.adversarial == min(robust_by_hand(problem, h) for h in H)
    assert found.benign <= found.adversarial
    assert (found.benign == found.adversarial) == (found.witness is not None)


def test_overlap_alone_does_not_make_it_strict():
    """The chapter's condition: neighbourhoods that meet, and the same law for both classes."""
    same = finite_problem([0, 0, 1, 1], [0, 1, 0, 1], [[0, 1], [0, 1]])
    assert robustness_price(same).benign == robustness_price(same).adversarial == Fraction(1, 2)
    # Two points at -3 and 3 and the threshold -2.5 in between: its neighbourhoods overlap, too.
    apart = finite_problem([0, 3], [0, 1], [[0, 1], [0, 1, 2], [1, 2, 3], [2, 3]])
    assert robustness_price(apart).adversarial == 0
    # And strict: two points next to each other, and nothing else.
    near = finite_problem([0, 1], [0, 1], [[0, 1], [0, 1]])
    found = robustness_price(near)
    assert (found.benign, found.adversarial, found.witness) == (0, Fraction(1, 2), None)


@given(problems(), st.data())
def test_parts_of_the_risk(problem, data):
    atoms = st.integers(0, len(problem.points) - 1)
    sample = data.draw(st.lists(atoms, min_size=1, max_size=6))
    H = list(itertools.product((-1, 1), repeat=len(problem.neighbours)))
    parts = risk_parts(problem, sample, H)
    drawn = problem.sampled(sample)
    assert parts.empirical_risk == min(robust_by_hand(drawn, h) for h in H)
    assert parts.optimal_risk == min(robust_by_hand(problem, h) for h in H)
    assert parts.risk == robust_by_hand(problem, H[parts.minimiser])
    assert parts.optimal_risk + parts.optimisation_error == parts.risk
    assert parts.empirical_risk + parts.generalisation_gap == parts.risk
    assert parts.optimisation_error >= 0
    bound = excess_risk_bound(
        H, sample, problem.points, problem.labels, problem.neighbours, problem.weights
    )
    assert parts.optimisation_error <= bound


def test_all_functions_are_tried_unless_there_are_too_many():
    problem = finite_problem([0, 1], [0, 1], [[1], [0]])
    assert risk_parts(problem, [0], None) == risk_parts(
        problem, [0], list(itertools.product((0, 1), repeat=2))
    )
    with pytest.raises(ValueError, match=r"2\^20 functions, too many"):
        robustness_price(finite_problem([0, 1], [0, 1], [[]] * 20))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: finite_problem([], [], []), "number of inputs"),
        (lambda: finite_problem([1], [0], [[0]]), "points must name inputs"),
        (lambda: finite_problem([0], [0.5], [[0]]), "labels must be integers"),
        (lambda: finite_problem([0], [0], [[1]]), "neighbours must name inputs"),
        (lambda: finite_problem([0], [0], [[0]], [-1]), "weights must be at least 0"),
        (lambda: finite_problem("0", [0], [[0]]), "points must be a sequence"),
        (lambda: benign_risk(finite_problem([0], [0], [[0]]), [0, 1]), "one label for each"),
        (lambda: finite_problem([0], [0], [[0]]).sampled([]), "sample must be indices"),
        (lambda: finite_problem([0], [0], [[0]]).sampled([1]), "sample must be indices"),
        (lambda: finite_problem([0], [0], [[0]]).sampled([0.0]), "sample must be indices"),
        (lambda: finite_problem([0], [0], [[0]]).sampled([False]), "sample must be indices"),
    ],
)
def test_wrong_arguments_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@given(st.fractions(max_denominator=10**6))
def test_a_rational_lies_between_neighbouring_doubles(x):
    box = around(x)
    assert Fraction(box.lo) <= x <= Fraction(box.hi)
    assert box.hi in (box.lo, math.nextafter(box.lo, math.inf))
    assert (box.lo == box.hi) == (Fraction(float(x)) == x)


# ------------------------------------------------------------------------------- surrogates

SCORES = st.fractions(-3, 3, max_denominator=8)


@given(problems(), st.data(), st.sampled_from(["hinge", "exponential", "logistic"]))
@settings(max_examples=60)
def test_the_surrogate_is_never_below_the_adversarial_risk(problem, data, loss):
    m = len(problem.neighbours)
    s = data.draw(st.lists(SCORES, min_size=m, max_size=m))
    scale = data.draw(st.fractions(Fraction(1, 8), 4, max_denominator=8))
    risk = Fraction(0)
    for x, y, w in zip(problem.points, problem.labels, problem.weights, strict=True):
        risk += w * any(s[z] * y <= 0 for z in problem.neighbours[x])
    arguments = {
        "scores": s,
        "points": problem.points,
        "labels": problem.labels,
        "neighbours": problem.neighbours,
        "weights": problem.weights,
        "scale": scale,
        "loss": loss,
    }
    bound = surrogate_risk_bound(**arguments)
    assert risk <= bound <= 1
    try:
        box = SURROGATE_BOUND.enclosure(**arguments)
    except ArithmeticError:  # a root of exactly 0: the best score of all, which balls cannot tell
        return
    # Terms of size 1 in all, 16 roundings of them under a root of the excess: 2^-53 * 32 at most
    # under it, so at most its root, 6e-8, beside an excess of 0.
    assert box.lo <= bound <= box.hi + (1e-14 if loss == "hinge" else 2e-7)


def test_the_surrogate_is_attained_and_needs_both_terms():
    problem = {"points": [0, 2], "labels": [1, 1], "neighbours": [[0, 1], [1], [2]]}
    tight = surrogate_risk_bound([1, 0, 1], **problem, weights=[3, 7])
    assert 0.3 <= tight <= 0.3 * (1 + 2**-48)
    # On the wrong side everywhere, with stable answers: only the first term sees it.
    assert surrogate_risk_bound([-1, -1, -1], **problem, scale="1/9") == 1.0


@pytest.mark.parametrize("loss", ["hinge", "exponential", "logistic"])
def test_scores_of_any_size_give_a_bound(loss):
    """Products of such scores are beyond the doubles; weights may be 0, or below them."""
    problem = {"points": [0, 1, 1], "labels": [1, 1, -1], "neighbours": [[1], [0]]}
    assert surrogate_risk_bound([1e308, -1e308], **problem, scale="1e-30", loss=loss) == 1.0
    same = {**problem, "neighbours": [[0], [1]], "weights": [1, 0, Fraction(1, 10**400)]}
    bound = surrogate_risk_bound([1e308, 1e308], **same, scale="1e-30", loss=loss)
    assert Fraction(1, 10**400) <= bound


def test_exponentials_of_large_margins_are_rounded_up():
    """A double near 690 is off by 2^-44, and so, relatively, is its exponential."""
    for k in range(40):
        score = Fraction(-690) + Fraction(k, 97)
        weights = [Fraction(1, 10**301), 1 - Fraction(1, 10**301)]
        problem = {"points": [0, 1], "labels": [1, 1], "neighbours": [[0], [1]]}
        arguments = {**problem, "weights": weights, "loss": "exponential"}
        bound = surrogate_risk_bound([score, 40], **arguments)
        assert SURROGATE_BOUND.enclosure([score, 40], **arguments).lo <= bound < 1


def test_logistic_inverse_is_pinskers_bound():
    """psi(theta) = 1 - H((1 + theta) / 2) >= theta^2 / (2 log 2), on a grid."""
    for theta in np.linspace(0.01, 0.99, 99):
        p = (1 + theta) / 2
        psi = 1 + p * math.log2(p) + (1 - p) * math.log2(1 - p)
        assert psi >= theta**2 / (2 * math.log(2))


# --------------------------------------------------------------------- Kullback-Leibler, twice

LOGITS = st.lists(st.floats(-4, 4), min_size=3, max_size=3)


@given(LOGITS, LOGITS)
def test_gradients_against_differences(a, b):
    a, b = np.array(a), np.array(b)
    found = kl_gradients(a, b)
    h = 1e-5
    for k, e in enumerate(np.eye(3)):
        first = (kl_divergence(a + h * e, b) - kl_divergence(a - h * e, b)) / (2 * h)
        second = (kl_divergence(a, b + h * e) - kl_divergence(a, b - h * e)) / (2 * h)
        # h^2 times third derivatives, below 10 for logits within 4; rounding 1e-15 / h.
        assert first == pytest.approx(found.first[k], abs=5e-9)
        assert second == pytest.approx(found.second[k], abs=5e-9)
    assert kl_divergence(a, b) >= 0
    # Both are orthogonal to shifts of all logits.
    assert abs(found.first.sum()) < 1e-13
    assert abs(found.second.sum()) < 1e-13


@given(
    st.lists(st.floats(-2, 2), min_size=6, max_size=6),
    st.lists(st.floats(-1, 1), min_size=4, max_size=4),
)
def test_at_linear_logits_the_two_gradients_point_opposite_ways(entries, points):
    A = np.array(entries).reshape(3, 2)
    x, moved = np.array(points[:2]), np.array(points[2:])
    towards, literal = ascent_slopes(A @ x, A @ moved, A, moved - x)
    divergence = kl_divergence(A @ x, A @ moved)
    # Numbers of size 10 at most, a few roundings each.
    assert towards >= divergence - 1e-13
    assert literal <= 1e-13


def test_numbers_of_the_logistic_example():
    """w = 1.3, x = .4, x^k = .1; the long ones are in tests/reference/gaussian.json."""
    w, x, moved = 1.3, 0.4, 0.1
    a, b = logistic_logits(w * x), logistic_logits(w * moved)
    assert kl_divergence(a, b) == pytest.approx(0.0182727293792189243, rel=1e-13)
    assert kl_divergence(b, a) == pytest.approx(0.0186577, abs=5e-8)
    gradients = kl_gradients(a, b)
    assert gradients.second[1] * w == pytest.approx(-0.1231, abs=5e-5)
    assert gradients.first[1] * w == pytest.approx(0.1186, abs=5e-5)
    whole, detached = trades_gradient(a, b, [[0.0], [x]], [[0.0], [moved]])
    assert whole[0] == pytest.approx(0.0270086715087764586, rel=1e-12)
    assert detached[0] == pytest.approx(-0.0094693, abs=5e-8)


def test_at_the_clean_point_both_gradients_vanish():
    gradients = kl_gradients([1.0, -2.0, 0.5], [1.0, -2.0, 0.5])
    assert not gradients.first.any()
    assert not gradients.second.any()
    assert kl_divergence([[1.0, 2.0]], [[1.0, 2.0]]).tolist() == [0.0]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: kl_divergence([1.0], [1.0]), "first must be finite logits"),
        (lambda: kl_divergence([1.0, 2.0], [math.nan, 0.0]), "second must be finite logits"),
        (lambda: kl_gradients([1.0, 2.0], [1.0, 2.0, 3.0]), "the same shape"),
        (lambda: trades_gradient([1.0, 2.0], [1.0, 3.0], [[1.0]], [[1.0]]), "jacobians must"),
        (lambda: ascent_slopes([1.0, 2.0], [1.0, 3.0], [[1.0]], [1.0]), "jacobian must"),
        (lambda: logistic_logits(math.inf), "score must be finite"),
        (lambda: kl_divergence([1e308, -1e308], [0.0, 0.0]), "first must be logits that differ"),
        (lambda: ascent_slopes([1.0, 2.0], [1.0, 3.0], [[1.0], [2.0]], [math.nan]), "finite"),
        (
            lambda: trades_gradient([1.0, 2.0], [1.0, 3.0], [[1.0], [math.inf]], [[1.0], [2.0]]),
            "jacobians must be finite",
        ),
    ],
)
def test_wrong_logits_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
