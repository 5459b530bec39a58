"""W_infinity: brute force, a linear program, bisection, certificates that catch corruption."""

import bisect
import dataclasses
import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching
from scipy.spatial.distance import cdist
from transport_references import agrees

from robust_theory.transport.bottleneck import (
    bottleneck_coupling,
    wasserstein_inf,
    within_wasserstein_inf,
)

METRICS = {"linf": "chebyshev", "l2": "euclidean", "l1": "cityblock"}


def pts(n, k):
    i, j = np.ogrid[:n, :2]
    return ((13 * i * i + 7 * i * j + 5 * i + 11 * j + k * (3 * i + j + 1)) % 29 / 28).tolist()


def test_references():
    assert agrees("C01", wasserstein_inf([0, 1, 3], [0.5, 2.8, 1.1]))
    assert agrees("C02", wasserstein_inf(pts(7, 1), pts(7, 4)))
    assert agrees("C03", wasserstein_inf(pts(7, 1), pts(7, 4), norm="l2"))
    weighted = [0.5, 0.3, 0.2], [0.25, 0.25, 0.5]
    assert agrees("C04", wasserstein_inf([0, 1, 2.5], [0.2, 0.9, 2], *weighted))
    assert agrees("C05", wasserstein_inf(pts(6, 2), pts(5, 3), range(1, 7), [5, 4, 3, 2, 1]))
    assert agrees("C06", wasserstein_inf([[0, 0], [0.1, 1]], [[0.05, 0], [0.1, 0]]))
    assert agrees("C07", wasserstein_inf([0], [-1, 1]))


@given(st.integers(0, 2**32), st.sampled_from(list(METRICS)), st.booleans())
def test_all_matchings(seed, norm, integers):
    draw = np.random.default_rng(seed)
    n = draw.integers(1, 6)
    # Ties on purpose: few values.
    X, Y = (draw.integers(0, 6, (n, 2)) / (1 if integers else 10) for _ in range(2))
    distances = cdist(X, Y, METRICS[norm])
    orders = itertools.permutations(range(n))
    expected = min(distances[np.arange(n), list(order)].max() for order in orders)
    result = bottleneck_coupling(X, Y, norm=norm)
    assert result.distance == pytest.approx(expected, abs=1e-14)
    assert result.verify_least()
    assert result.plan.sum() == pytest.approx(1, abs=1e-14)


@given(st.integers(0, 2**32))
def test_weighted_thresholds_by_a_linear_program(seed):
    draw = np.random.default_rng(seed)
    n, m = draw.integers(1, 5, 2)
    X, Y = draw.integers(0, 8, (n, 1)), draw.integers(0, 8, (m, 1))
    a, b = draw.integers(0, 5, n), draw.integers(0, 5, m)
    a[0], b[0] = a[0] + 1, b[0] + 1
    result = bottleneck_coupling(X, Y, a, b)
    assert result.verify_least()
    distances = np.abs(X - Y.T)
    marginals = np.concatenate([np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))])
    sums = np.concatenate([a / a.sum(), b / b.sum()])

    def possible(limit):
        bounds = [(0, 1 if near else 0) for near in (distances <= limit).ravel()]
        return linprog(np.zeros(n * m), A_eq=marginals, b_eq=sums, bounds=bounds).status == 0

    assert possible(result.distance)
    assert result.distance == 0 or not possible(result.distance - 0.5)


@given(st.integers(0, 2**32), st.sampled_from([0, 1, 2, 3, Fraction(5, 2)]))
def test_balls_have_witnesses_on_either_side(seed, eps):
    draw = np.random.default_rng(seed)
    X, Y = draw.integers(0, 9, (6, 2)), draw.integers(0, 9, (5, 2))
    result = within_wasserstein_inf(X, Y, eps)
    assert result.verify()
    assert result.coupled == (wasserstein_inf(X, Y) <= eps)


def test_thresholds_are_exact():
    assert within_wasserstein_inf([0.1], [0.3], 0.2).coupled  # 0.3 - 0.1 > 0.2 in doubles
    assert wasserstein_inf([0.1], [0.3]) == 0.2
    assert within_wasserstein_inf([0], [1], "8/255").coupled is False
    # Two distances that doubles cannot tell apart, of which only the larger one will do.
    X, Y = [0.1, 10], [0.3, 10 + 2**-40]
    assert bottleneck_coupling(X, Y).key == Fraction(1, 5)
    images = np.zeros((1, 4), np.uint8), np.full((1, 4), 8, np.uint8)
    assert within_wasserstein_inf(*images, 8).coupled


def test_corrupted_proofs_are_caught():
    X, Y = pts(7, 1), pts(7, 4)
    result = bottleneck_coupling(X, Y)
    assert result.verify_least()
    smaller = dataclasses.replace(result, key=result.key - Fraction(1, 1000))
    assert not smaller.verify()
    larger = dataclasses.replace(result, key=result.key + Fraction(1, 10))
    assert larger.verify()
    assert not larger.verify_least()
    assert not dataclasses.replace(result, mass=2 * result.mass).verify()
    assert not dataclasses.replace(result, pairs=result.pairs[1:], mass=result.mass[1:]).verify()
    everything = np.arange(7)
    assert not dataclasses.replace(result, cover0=everything).verify_least()
    outside = within_wasserstein_inf(X, Y, "0.1")
    assert outside.verify()
    assert not dataclasses.replace(outside, cover0=outside.cover0[1:], cover1=everything).verify()
    none = np.zeros(0, np.int64)
    assert not dataclasses.replace(outside, cover0=none, cover1=none).verify()


def test_points_without_weight_do_not_count():
    assert wasserstein_inf([0, 100], [1, -50], [1, 0], [1, 0]) == 1
    assert wasserstein_inf([5], [5]) == 0


@pytest.mark.parametrize("kind", ["real", "integer"])
@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_many_points_by_bisection_over_all_their_distances(kind, norm):
    draw = np.random.default_rng(0)
    X, Y = draw.normal(size=(2, 300, 8))
    if kind == "integer":
        X, Y = np.rint(100 * X).astype(int), np.rint(100 * Y).astype(int)
    distances = cdist(X, Y, METRICS[norm])
    values = np.unique(distances)

    def matched(limit):
        partners = maximum_bipartite_matching(csr_array(distances <= limit))
        return bool((partners >= 0).all())

    least = values[bisect.bisect_left(values, True, key=matched)]
    result = bottleneck_coupling(X, Y, norm=norm)
    # cdist rounds 8 squares and their sum, a root, and ours once more: by 2^-53 each.
    assert result.distance == pytest.approx(least, rel=12 * 2.0**-53)
    assert result.verify_least()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], [1]), "X must hold at least one point"),
        (([1], []), "Y must hold at least one point"),
        (([math.nan], [1]), "X must be finite"),
        (([[1, 2]], [[1]]), "same dimension"),
        (([1], [1], [0]), "a must have a positive sum"),
        (([1], [1], None, [-1]), "b must be at least 0"),
        (([1], [1], None, None, "l3"), "norm must be"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        wasserstein_inf(*arguments)
    if len(arguments) == 2:
        with pytest.raises(ValueError, match="eps must be at least 0"):
            within_wasserstein_inf([1], [1], -1)


def test_points_on_a_line_meet_in_order():
    # SciPy's matching takes hours on such graphs. On a line the sorted points are optimal partners.
    X, Y = np.random.default_rng(0).random((2, 2000))
    result = bottleneck_coupling(X, Y)
    assert result.distance == pytest.approx(np.abs(np.sort(X) - np.sort(Y)).max(), abs=1e-15)
    assert result.verify_least()
