"""Many classes: the published-size digits example, exact optima, half-integrality, proofs."""

import dataclasses
import math
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from robust_theory.risks import matching
from robust_theory.risks.hypergraph import Reach, are_conflict_sets
from robust_theory.risks.multiclass import (
    optimal_risk_multiclass,
    optimal_risks_multiclass,
    pairwise_optimal_risks,
)
from robust_theory.risks.risk import optimal_risk
from robust_theory.risks.sample_limits import population_lower_bound
from robust_theory.risks.samples import read_samples

# An equilateral triangle of side 1 to 12 digits, its circumradius 1 / sqrt 3 = .57735.
TRIANGLE = [["0", "0"], ["1", "0"], ["0.5", "0.866025403784"]]


@pytest.fixture(scope="module")
def digits():
    from sklearn.datasets import load_digits

    return load_digits(return_X_y=True)


@pytest.mark.parametrize(
    ("norm", "eps", "degree", "risk"),
    [
        ("l2", "0.9", 2, Fraction(242, 1797)),
        ("l2", "0.9", None, Fraction(242, 1797)),
        ("l2", 1, 2, Fraction(1004, 3594)),
        ("l2", 1, 3, Fraction(1013, 3594)),
        ("l2", 1, None, Fraction(1013, 3594)),
        ("l2", "1.1", 3, Fraction(34487, 79068)),
        ("l2", "1.1", None, Fraction(34487, 79068)),
        ("linf", "0.30", None, Fraction(55, 1797)),
        ("linf", "0.32", None, Fraction(147, 1797)),
    ],
)
def test_digits(digits, norm, eps, degree, risk):
    result = optimal_risk_multiclass(*digits, eps, norm, degree=degree, scale=16)
    assert result.lower == risk
    assert result.upper == risk or degree == 2
    assert result.upper >= risk
    assert result.problems() == ()


def test_digits_that_meet_in_threes_fours_and_fives(digits):
    # Fractions of many denominators, so the exact optimum is known to the 2^-60 of its bounds.
    result = optimal_risk_multiclass(*digits, "1.2", degree=None, scale=16)
    assert max(table.shape[1] for table in result.sets) >= 4
    assert result.upper - result.lower < Fraction(1, 10**15)
    assert round(float(result.lower), 6) == round(float(result.upper), 6) == 0.561215
    assert result.verify()


def test_digits_at_exactly_two_eps(digits):
    # 44 pairs are at distance 2.
    assert optimal_risk_multiclass(*digits, 1, scale=16, closed=False).lower == Fraction(1001, 3594)
    X, y = digits
    assert optimal_risks_multiclass(X / 16, y, ["0.9", 1]) == (
        Fraction(242, 1797),
        Fraction(1004, 3594),
    )


@pytest.mark.parametrize(
    ("eps", "lower", "upper"),
    [(0.49, 0, 0), (0.55, Fraction(1, 2), Fraction(1, 2)), (0.58, Fraction(2, 3), Fraction(2, 3))],
)
def test_three_points_meet_beyond_their_circumradius_only(eps, lower, upper):
    X = np.array([[Fraction(x) for x in row] for row in TRIANGLE], object)
    result = optimal_risk_multiclass(X, [0, 1, 2], eps, degree=None)
    assert (result.lower, result.upper) == (lower, upper)
    assert result.verify()
    # Pairs alone never prove more than 1/2.
    pairs = optimal_risk_multiclass(X, [0, 1, 2], eps)
    assert pairs.lower == min(lower, Fraction(1, 2))
    assert pairs.upper >= lower
    assert pairs.verify()


def test_boxes_meet_as_soon_as_each_two_do():
    X = [[0, 0], [2, 0], [1, 2]]
    result = optimal_risk_multiclass(X, [0, 1, 2], 1, "linf", degree=None)
    assert result.lower == result.upper == Fraction(2, 3)
    assert optimal_risk_multiclass(X, [0, 1, 2], 1, degree=None).lower < Fraction(2, 3)


@pytest.mark.parametrize("d", [1, 2, 3, 5])
def test_common_points_of_sets_are_those_of_cone_programs(d):
    import cvxpy

    draw = np.random.default_rng(d)
    X = draw.integers(-6, 7, (24, d))
    (sample,) = read_samples({"X": X})
    for members in draw.permuted(np.tile(np.arange(24), (20, 1)), axis=1)[:, :4]:
        centre = cvxpy.Variable(d)
        radius = cvxpy.Problem(
            cvxpy.Minimize(
                cvxpy.max(cvxpy.norm(X[members] - cvxpy.reshape(centre, (1, d), "C"), axis=1))
            )
        ).solve()
        for factor in (1 - 1e-5, 1 + 1e-5):
            # Three orders of magnitude wider than the accuracy of the cone program.
            limit = Fraction(4 * (radius * factor) ** 2)
            reach = Reach(sample, "l2", limit, True)
            sets = np.sort(members)[None]
            pairs = all(
                ((X[i] - X[j]) ** 2).sum() <= limit for i, j in combinations(members.tolist(), 2)
            )
            assert (pairs and bool(are_conflict_sets(sets, reach)[0])) == (factor > 1)


@pytest.mark.parametrize(
    "points",
    [
        [[0, 0], [0, 0], [2, 0]],  # coincident
        [[0, 0], [1, 0], [2, 0]],  # on a line
        [[0, 0], [2, 0], [0, 2], [2, 2]],  # a square: four points of one sphere in a plane
        [[0, 0], [2, 0], [1, 1], [1, 0]],  # a right angle, and a point inside
    ],
)
def test_degenerate_sets_meet_at_the_radius_of_their_ball(points):
    points = np.array(points)
    (sample,) = read_samples({"X": points})
    squared = Fraction(int(((points[:, None] - points[None]) ** 2).sum(-1).max()))
    sets = np.arange(len(points))[None]
    assert are_conflict_sets(sets, Reach(sample, "l2", squared, True))[0]
    result = optimal_risk_multiclass(points, range(len(points)), 3, degree=None)
    assert result.lower == result.upper == 1 - Fraction(1, len(points))
    assert result.verify()


@st.composite
def labelled(draw):
    n = draw(st.integers(2, 9))
    points = draw(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=n, max_size=n))
    labels = draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    prior = draw(st.sampled_from(["sample", "uniform", "given"]))
    if prior == "given":
        prior = [Fraction(k + 1, 10**20 + 39) for k in range(len(set(labels)))]
    return points, labels, prior, draw(st.integers(0, 8)) / 2, draw(st.sampled_from(["l2", "linf"]))


@settings(max_examples=50)
@given(labelled())
def test_bounds_are_ordered_proved_and_meet_when_all_sets_are_listed(problem):
    points, labels, prior, eps, norm = problem
    by_degree = [
        optimal_risk_multiclass(points, labels, eps, norm, degree=degree, prior=prior)
        for degree in (2, 3, None)
    ]
    lowers = [float(result.lower) for result in by_degree]
    # Candidates are rounded to 2^-60 and then repaired, so exact optima may be missed by that.
    assert lowers[0] <= lowers[1] + 1e-9
    assert lowers[1] <= lowers[2] + 1e-9
    assert all(result.upper >= by_degree[-1].lower for result in by_degree)
    assert all(result.problems() == () for result in by_degree)
    assert by_degree[-1].upper - by_degree[-1].lower <= Fraction(1, 10**9)
    if len(set(labels)) == 2:
        X = [
            [p for p, k in zip(points, labels, strict=True) if k == c] for c in sorted(set(labels))
        ]
        share = by_degree[0].weights
        prior0 = sum(
            Fraction(s, share.total)
            for s, k in zip(share.shares, labels, strict=True)
            if k == min(labels)
        )
        two = optimal_risk(*X, eps, norm, prior0=prior0).risk
        assert all(result.lower == result.upper == two for result in by_degree)


@settings(max_examples=50)
@given(labelled(), st.booleans())
def test_pairs_are_half_integral_and_optimal(problem, compiled):
    points, labels, prior, eps, norm = problem
    with pytest.MonkeyPatch.context() as patch:
        if not compiled:
            patch.setattr(matching, "compile_if_possible", lambda function: None)
        result = optimal_risk_multiclass(points, labels, eps, norm, prior=prior)
    w = np.array([float(Fraction(s, result.weights.total)) for s in result.weights.shares])
    gaps = np.abs(np.array(points)[:, None] - np.array(points)[None])
    near = (gaps**2).sum(-1) <= 4 * eps**2 if norm == "l2" else gaps.max(-1) <= 2 * eps
    edges = [
        (i, j)
        for i, j in combinations(range(len(labels)), 2)
        if near[i, j] and labels[i] != labels[j]
    ]
    table = np.zeros((len(edges) + 1, len(labels)))
    for k, (i, j) in enumerate(edges):
        table[k, i] = table[k, j] = 1
    program = linprog(-w, A_ub=table, b_ub=np.ones(len(edges) + 1), bounds=(0, 1), method="highs")
    # HiGHS's tolerance of 1e-7 per constraint.
    assert float(result.lower) == pytest.approx(1 + program.fun, abs=1e-6)


@settings(max_examples=40)
@given(labelled(), st.data())
def test_corrupted_proofs_are_caught(problem, data):
    points, labels, prior, eps, norm = problem
    result = optimal_risk_multiclass(points, labels, eps, norm, degree=None, prior=prior)
    step = Fraction(1, 10**6)
    assert not dataclasses.replace(result, lower=result.lower + step).verify()
    assert not dataclasses.replace(result, upper=result.upper - step).verify()
    k = data.draw(st.integers(0, len(labels) - 1))
    raised = list(result.survival)
    if raised[k] < 1:
        raised[k] += step
        assert not dataclasses.replace(result, survival=tuple(raised)).verify()
    lowered = list(result.survival)
    lowered[k] = Fraction(0)
    if result.survival[k] and result.weights.shares[k]:
        assert not dataclasses.replace(result, survival=tuple(lowered)).verify()
    if result.lower:
        nothing = (Fraction(0),) * len(result.mass)
        assert not dataclasses.replace(result, mass=nothing).verify()
        negative = (-result.mass[0], *result.mass[1:])
        assert not dataclasses.replace(result, mass=negative).verify()
        apart = result.sample.values.copy()
        first = next(table for table in result.sets if len(table))
        apart[first[0, 0]] += 1000
        moved = dataclasses.replace(result.sample, values=apart)
        assert not dataclasses.replace(result, sample=moved).verify()
    shares = dataclasses.replace(result.weights, total=result.weights.total + 1)
    assert not dataclasses.replace(result, weights=shares).verify()


def test_soft_classifier_attains_its_survivals(digits):
    X, y = digits
    X, y = X[:600], y[:600]
    result = optimal_risk_multiclass(X, y, 1, scale=16, degree=None)
    survival = np.array([float(q) for q in result.survival])
    draw = np.random.default_rng(0)
    step = draw.normal(size=X.shape)
    step /= np.linalg.norm(step, axis=1, keepdims=True)
    moves = [X / 16, X / 16 + (1 - 1e-9) * step]
    for members in (table for table in result.sets if table.shape[1] == 2):
        middle = (X[members[:, 0]] + X[members[:, 1]]) / 32
        for side in (0, 1):
            probabilities = result.classifier(middle)
            right = probabilities[np.arange(len(middle)), y[members[:, side]]]
            assert (right >= survival[members[:, side]] - 1e-12).all()
    for points in moves:
        probabilities = result.classifier(points)
        assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-12)
        assert (probabilities[np.arange(len(y)), y] >= survival - 1e-12).all()


def test_each_two_classes():
    table = pairwise_optimal_risks([[0], [1], [9], [10]], ["a", "b", "b", "c"], "1/2")
    assert table.tolist() == [
        [0, Fraction(1, 4), 0],
        [Fraction(1, 4), 0, Fraction(1, 4)],
        [0, Fraction(1, 4), 0],
    ]


def test_population_bound_of_a_labelled_sample():
    result = optimal_risk_multiclass([[0]] * 15, [k % 5 for k in range(15)], 1, degree=None)
    assert result.lower == Fraction(4, 5)
    expected = 0.8 - math.sqrt(math.log(20) / 30)
    assert population_lower_bound(result, 0.05) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([[1], [2]], [0], 1), {}, "y must hold one label"),
        (([], [], 1), {}, "at least one point"),
        (([[1], [2]], [0, math.nan], 1), {}, "NaN"),
        (([[1], [2]], [0, 1], 1), {"degree": 1}, "degree must be an integer of at least 2"),
        (([[1], [2]], [0, 1], 1, "l1"), {"degree": 3}, "degree must be 2 for the norm l1"),
        (([[1], [2]], [0, 1], 1), {"prior": "equal"}, "prior must be 'sample'"),
        (([[1], [2]], [0, 1], 1), {"prior": [1]}, "one number per point, 2"),
    ],
)
def test_wrong_arguments_are_refused(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        optimal_risk_multiclass(*arguments, **options)


def test_one_class_or_one_point_is_no_risk():
    for X, y in (([[1], [1]], [3, 3]), ([[1]], [0])):
        result = optimal_risk_multiclass(X, y, 5, degree=None)
        assert result.lower == result.upper == 0
        assert result.verify()
        assert result.classifier([[7]]).tolist() == [[1.0]]
