"""From counts and samples to intervals that hold for every distribution, at every sample size.

An interval at level `alpha` misses on each side with probability at most ``alpha / 2``.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from robust_theory.claim import Interval

# The inverse beta function is good to about 1e-14 (relative); ends are moved outwards by more.
_OUTWARDS = 1e-12


def proportion_interval(successes: int, n: int, alpha: float) -> Interval:
    """Return limits that contain the probability of success with probability >= 1 - alpha.

    Clopper-Pearson: the lower end is the p with P(Bin(n, p) >= successes) = alpha/2, the upper
    end the one with P(Bin(n, p) <= successes) = alpha/2; 0 and 1 where there is none.

    Parameters
    ----------
    successes, n : int
        ``0 <= successes <= n``, ``n >= 1``.
    alpha : float
        In (0, 1).

    Raises
    ------
    ValueError
        Arguments outside these ranges.
    """
    _check_level(alpha)
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"successes must lie in 0..n with n >= 1, got {successes} of {n}")
    lower, upper = _clopper_pearson(np.array([successes]), n, alpha / 2)
    return Interval(float(lower[0]), float(upper[0]))


def simultaneous_proportions(
    counts: ArrayLike, alpha: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (lower, upper), shape (K,), that contain all class measures at once.

    Clopper-Pearson limits at level alpha / K (Bonferroni): all K intervals hold together with
    probability >= 1 - alpha, all lower ends, or all upper ends, with probability >= 1 - alpha/2.

    Parameters
    ----------
    counts : array_like of int
        Shape (K,), how often each class occurred among ``counts.sum() >= 1`` samples.
    alpha : float
        In (0, 1).

    Raises
    ------
    ValueError
        Negative or fractional counts, none at all, or alpha outside (0, 1).
    """
    _check_level(alpha)
    c = np.asarray(counts)
    if c.ndim != 1 or c.size == 0 or c.dtype.kind not in "iu" or c.min() < 0 or c.sum() < 1:
        raise ValueError(f"counts must be integers >= 0 with a positive sum, got {counts!r}")
    return _clopper_pearson(c, int(c.sum()), alpha / (2 * c.size))


def quantile_interval(samples: ArrayLike, q: float, alpha: float) -> Interval:
    """Return order statistics that contain the q-quantile with probability >= 1 - alpha.

    The quantile is inf{x : F(x) >= q}. The ends are X_(l) and X_(u) with the largest l such that
    P(Bin(n, q) < l) <= alpha/2 and the smallest u such that P(Bin(n, q) >= u) <= alpha/2; any
    distribution, atoms and an atom at +inf included.

    Parameters
    ----------
    samples : array_like
        Shape (n,), independent; +inf stands for "nothing was found".
    q : float
        In (0, 1).
    alpha : float
        In (0, 1).

    Returns
    -------
    Interval
        With too few samples an end is infinite: -inf below, +inf above.

    Raises
    ------
    ValueError
        NaN among the samples, no sample, q or alpha outside (0, 1).
    """
    _check_level(alpha)
    if not 0 < q < 1:
        raise ValueError(f"q must lie in (0, 1), got {q!r}")
    x = np.sort(_sample(samples))
    n = x.size
    ranks = np.arange(n + 2)  # candidate l and u; 0 and n + 1 are the infinite ends
    below = np.where(ranks == 0, 0.0, special.bdtr(np.maximum(ranks - 1, 0), n, q))
    above = np.where(ranks == 0, 1.0, special.bdtrc(np.maximum(ranks - 1, 0), n, q))
    below[n + 1] = 1.0
    above[n + 1] = 0.0
    level = alpha / 2 * (1 - _OUTWARDS)
    lower = int(ranks[below <= level].max())
    upper = int(ranks[above <= level].min())
    ends = np.concatenate([[-math.inf], x, [math.inf]])
    return Interval(float(ends[lower]), float(ends[upper]))


def lipschitz_mean_interval(samples: ArrayLike, alpha: float, lipschitz: float = 1.0) -> Interval:
    """Return limits for the mean of a Lipschitz function of a standard normal vector.

    Gaussian concentration, at every n and in every dimension:
    |mean - E| <= L sqrt(2 log(2/alpha) / n) with probability >= 1 - alpha.

    Parameters
    ----------
    samples : array_like
        Shape (n,): values at independent standard normal points. The upper end also holds for
        values that lie above those of the Lipschitz function (such as radii found by an attack),
        the lower end for values below.
    alpha : float
        In (0, 1).
    lipschitz : float
        L >= 0, with respect to the l2 norm; 1 for the distance to any set.

    Returns
    -------
    Interval
        If any sample is +inf, (-inf, inf): a Lipschitz function is finite everywhere or nowhere,
        so such a sample is one where an attack found nothing, and no mean is known.

    Raises
    ------
    ValueError
        NaN or -inf among the samples, no sample, alpha outside (0, 1), L negative or not finite.
    """
    _check_level(alpha)
    x = _sample(samples)
    if not 0 <= lipschitz < math.inf:
        raise ValueError(f"lipschitz must be finite and >= 0, got {lipschitz!r}")
    if (x == -math.inf).any():
        raise ValueError("samples must not contain -inf")
    if (x == math.inf).any():
        return Interval(-math.inf, math.inf)
    mean = math.fsum(x) / x.size
    slack = lipschitz * math.sqrt(2 * math.log(2 / alpha) / x.size) * (1 + _OUTWARDS)
    return Interval(mean - slack, mean + slack)


def cdf_band(
    samples: ArrayLike, grid: ArrayLike, alpha: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (lower, upper) that contain P(X <= x) for all x in `grid` at once.

    Dvoretzky-Kiefer-Wolfowitz with Massart's constant: the empirical share plus and minus
    sqrt(log(2/alpha) / (2n)), cut at 0 and 1; simultaneous with probability >= 1 - alpha.

    Parameters
    ----------
    samples : array_like
        Shape (n,), independent; +inf allowed.
    grid : array_like
        Any shape; the result has it.
    alpha : float
        In (0, 1).

    Raises
    ------
    ValueError
        NaN in samples or grid, no sample, or alpha outside (0, 1).
    """
    _check_level(alpha)
    x = np.sort(_sample(samples))
    points = np.asarray(grid, dtype=np.float64)
    if np.isnan(points).any():
        raise ValueError("grid must not contain NaN")
    share = np.searchsorted(x, points, side="right") / x.size
    slack = math.sqrt(math.log(2 / alpha) / (2 * x.size)) * (1 + _OUTWARDS)
    return np.maximum(share - slack, 0.0), np.minimum(share + slack, 1.0)


def _clopper_pearson(
    successes: NDArray[np.integer], n: int, tail: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    k = np.asarray(successes, dtype=np.float64)
    with np.errstate(invalid="ignore"):  # the beta parameters 0 are replaced below
        lower = special.betaincinv(k, n - k + 1, tail)
        complement = special.betaincinv(n - k, k + 1, tail)  # no cancellation near 1
    lower = np.where(k == 0, 0.0, lower * (1 - _OUTWARDS))
    upper = np.where(k == n, 1.0, 1 - complement * (1 - _OUTWARDS))
    return lower, upper


def _check_level(alpha: float) -> None:
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie in (0, 1), got {alpha!r}")


def _sample(samples: ArrayLike) -> NDArray[np.float64]:
    x = np.asarray(samples, dtype=np.float64)
    if x.ndim != 1 or x.size == 0 or np.isnan(x).any():
        raise ValueError(f"samples must be at least one number, none NaN, got shape {x.shape}")
    return x
