"""Coverage is checked by exact binomial sums in rationals or in mpmath, never by simulation."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from empirical.estimate import (
    cdf_band,
    lipschitz_mean_interval,
    proportion_interval,
    quantile_interval,
    simultaneous_proportions,
)

mpmath.mp.dps = 40
LEVELS = st.sampled_from([0.5, 0.05, 0.01, 1e-6])


def tail(n, p, first, last):
    """P(first <= Bin(n, p) <= last), to 40 digits."""
    p = mpmath.mpf(p)
    return mpmath.fsum(
        mpmath.binomial(n, k) * p**k * (1 - p) ** (n - k) for k in range(first, last + 1)
    )


@given(st.integers(1, 60), st.data(), LEVELS)
def test_limits_of_a_proportion_are_the_exact_ones_and_err_outwards(n, data, alpha):
    k = data.draw(st.integers(0, n))
    limits = proportion_interval(k, n, alpha)
    if k == 0:
        assert limits.lo == 0
    else:
        # P(Bin(n, lo) >= k) <= alpha/2, and no more than the documented 1e-12 of lo below the
        # solution: the tail has relative slope at most n in lo.
        reached = tail(n, limits.lo, k, n)
        assert reached <= alpha / 2
        assert reached >= alpha / 2 * (1 - 1e-11 * n)
    if k == n:
        assert limits.hi == 1
    else:
        # 1 - hi is only known to rounding, 2^-53, and the tail's relative slope in it is at most
        # n / (1 - hi).
        reached = tail(n, limits.hi, 0, k)
        assert reached <= alpha / 2 * (1 + n * 2.0**-52 / (1 - limits.hi))
        assert reached >= alpha / 2 * (1 - 1e-11 * n - n * 2.0**-52 / (1 - limits.hi))


@pytest.mark.parametrize("alpha", [0.2, 0.05])
@pytest.mark.parametrize("n", [1, 7, 30])
def test_proportion_covers_for_every_p(n, alpha):
    limits = [proportion_interval(k, n, alpha) for k in range(n + 1)]
    for p in [0.0, 1e-3, 0.1, 0.31, 0.5, 0.77, 0.999, 1.0]:
        below = sum(tail(n, p, k, k) for k in range(n + 1) if limits[k].lo > p)
        above = sum(tail(n, p, k, k) for k in range(n + 1) if limits[k].hi < p)
        assert below <= alpha / 2
        assert above <= alpha / 2


@pytest.mark.parametrize("alpha", [0.2, 0.05])
@pytest.mark.parametrize("n", [1, 5, 20, 100])
@pytest.mark.parametrize("q", [0.1, 0.25, 0.5, 0.75])
def test_quantile_covers_and_is_the_narrowest(n, q, alpha):
    limits = quantile_interval(np.arange(1, n + 1), q, alpha)  # order statistics are their ranks
    lower = 0 if limits.lo == -math.inf else int(limits.lo)
    upper = n + 1 if limits.hi == math.inf else int(limits.hi)
    # A continuous distribution: the quantile lies below X_(l) iff fewer than l samples are <= it.
    # Levels met exactly are given away, for rounding's sake: hence the 2e-12.
    assert tail(n, q, 0, lower - 1) <= alpha / 2 < tail(n, q, 0, lower) * (1 + 2e-12)
    assert tail(n, q, upper, n) <= alpha / 2 < tail(n, q, upper - 1, n) * (1 + 2e-12)


@pytest.mark.parametrize("q", [0.1, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("p", [0.1, 0.3, 0.5, 0.9])
def test_quantile_covers_for_two_atoms_one_of_them_infinite(p, q):
    n, alpha = 20, 0.1
    quantile = 0.0 if p >= q else math.inf  # F is p from 0 on
    above = below = mpmath.mpf(0)
    for k in range(n + 1):
        limits = quantile_interval([0.0] * k + [math.inf] * (n - k), q, alpha)
        above += tail(n, p, k, k) * (limits.lo > quantile)
        below += tail(n, p, k, k) * (limits.hi < quantile)
    assert above <= alpha / 2
    assert below <= alpha / 2


def test_quantile_of_too_few_samples_is_unknown():
    limits = quantile_interval([1.0, 2.0], 0.5, 0.05)
    assert (limits.lo, limits.hi) == (-math.inf, math.inf)


def test_quantile_of_failures_only():
    limits = quantile_interval([math.inf] * 100, 0.25, 0.05)
    assert (limits.lo, limits.hi) == (math.inf, math.inf)


@given(st.lists(st.integers(0, 500), min_size=1, max_size=12).filter(any), LEVELS)
def test_simultaneous_limits_are_single_limits_at_a_share_of_the_level(counts, alpha):
    lower, upper = simultaneous_proportions(counts, alpha)
    for k, lo, hi in zip(counts, lower, upper, strict=True):
        single = proportion_interval(k, sum(counts), alpha / len(counts))
        # alpha/(2K) and (alpha/K)/2 may differ by a rounding; the limits move by less than that.
        assert lo == pytest.approx(single.lo, rel=1e-14, abs=0)
        assert hi == pytest.approx(single.hi, rel=1e-14, abs=0)
        assert lo <= k / sum(counts) <= hi


def test_mean_of_a_linear_function_is_missed_no_more_often_than_promised():
    # For f(z) = z_1 the mean of n values is N(0, 1/n): each miss has probability
    # Phi(-sqrt(2 log(2/alpha))), which must not exceed alpha/2.
    for alpha in (0.5, 0.05, 1e-6):
        for n in (1, 10, 1000):
            limits = lipschitz_mean_interval(np.zeros(n), alpha)
            assert limits.hi == -limits.lo
            assert mpmath.ncdf(-limits.hi * mpmath.sqrt(n)) <= alpha / 2
            assert limits.hi == pytest.approx(math.sqrt(2 * math.log(2 / alpha) / n), rel=1e-11)


def test_mean_scales_with_the_lipschitz_constant_and_knows_no_failures():
    one = lipschitz_mean_interval([1.0, 2.0], 0.05)
    three = lipschitz_mean_interval([1.0, 2.0], 0.05, lipschitz=3)
    assert three.hi - 1.5 == pytest.approx(3 * (one.hi - 1.5), rel=1e-14)
    failed = lipschitz_mean_interval([1.0, math.inf], 0.05)
    assert (failed.lo, failed.hi) == (-math.inf, math.inf)


def exact_band_miss(n, slack):
    """P(sup |F_n - F| > slack) for a uniform sample, by Steck's determinant over order statistics.

    Stays within the band iff i/n - slack <= U_(i) <= (i-1)/n + slack for all i.
    """
    low = [max(mpmath.mpf(0), mpmath.mpf(i) / n - slack) for i in range(1, n + 1)]
    high = [min(mpmath.mpf(1), mpmath.mpf(i - 1) / n + slack) for i in range(1, n + 1)]
    matrix = mpmath.matrix(n, n)
    for i in range(n):
        for j in range(n):
            if j - i + 1 >= 0:
                reach = max(high[i] - low[j], mpmath.mpf(0))
                matrix[i, j] = reach ** (j - i + 1) / mpmath.factorial(j - i + 1)
    return 1 - mpmath.factorial(n) * mpmath.det(matrix)


@pytest.mark.parametrize("n", [2, 5, 12])
@pytest.mark.parametrize("alpha", [0.3, 0.05, 0.01])
def test_band_holds_with_the_promised_probability(n, alpha):
    grid = np.linspace(0, 1, 5)
    lower, _ = cdf_band(np.full(n, -1.0), grid, alpha)  # F_n = 1 on the grid
    slack = mpmath.mpf(1 - lower[0])
    miss = exact_band_miss(n, slack) if slack < 1 else 0
    assert miss <= alpha


def test_band_of_samples_with_failures():
    lower, upper = cdf_band([0.0, 1.0, math.inf], [[-1.0, 0.0], [1.0, math.inf]], 0.999)
    slack = math.sqrt(math.log(2 / 0.999) / 6)
    share = np.array([[0, 1 / 3], [2 / 3, 1]])
    assert np.allclose(lower, np.maximum(share - slack, 0), rtol=1e-11, atol=0)
    assert np.allclose(upper, np.minimum(share + slack, 1), rtol=1e-11, atol=0)


@pytest.mark.parametrize(
    ("call", "rule"),
    [
        (lambda: proportion_interval(0, 0, 0.1), "successes must lie in 0..n"),
        (lambda: proportion_interval(3, 2, 0.1), "successes must lie in 0..n"),
        (lambda: proportion_interval(-1, 2, 0.1), "successes must lie in 0..n"),
        (lambda: proportion_interval(1, 2, 0.0), "alpha must lie in"),
        (lambda: proportion_interval(1, 2, math.nan), "alpha must lie in"),
        (lambda: simultaneous_proportions([], 0.1), "counts must be integers"),
        (lambda: simultaneous_proportions([0, 0], 0.1), "counts must be integers"),
        (lambda: simultaneous_proportions([0.5, 1], 0.1), "counts must be integers"),
        (lambda: simultaneous_proportions([-1, 3], 0.1), "counts must be integers"),
        (lambda: quantile_interval([], 0.5, 0.1), "samples must be"),
        (lambda: quantile_interval([math.nan], 0.5, 0.1), "samples must be"),
        (lambda: quantile_interval([1.0], 1.0, 0.1), "q must lie in"),
        (lambda: lipschitz_mean_interval([1.0], 0.1, lipschitz=-1), "lipschitz must be"),
        (lambda: lipschitz_mean_interval([1.0], 0.1, lipschitz=math.inf), "lipschitz must be"),
        (lambda: lipschitz_mean_interval([-math.inf], 0.1), "samples must not contain -inf"),
        (lambda: cdf_band([1.0], [math.nan], 0.1), "grid must not contain NaN"),
    ],
)
def test_wrong_arguments_are_named(call, rule):
    with pytest.raises(ValueError, match=rule):
        call()
