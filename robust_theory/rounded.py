"""The bound B(eps) and its tail T = 1 - B in doubles, moved to a side by their error.

B(eps) = sum_i [sf(a_i) - sf(a_i + eps)] and T(eps) = sum_i sf(a_i + eps); errors of the terms are
those that `robust_theory.gaussian` promises, and u = 2^-53.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from scipy import optimize, special

from robust_theory import gaussian
from robust_theory.arguments import ClassMeasures, Floats

_U = 2.0**-53
_TINY = 2.0**-1070  # above the few roundings that a term can suffer among the subnormal numbers
_BLOCK = 1 << 15  # doubles per block: the temporaries of a block fit into a core's cache


def constant(classes: ClassMeasures) -> bool:
    """Whether a class has measure 1."""
    return bool(classes.complements[-1] == 0)


def lower(classes: ClassMeasures, eps: Floats) -> Floats:
    """B(eps) from below: the better of its sum of increments and of one minus its tails."""
    if constant(classes):
        return np.zeros(eps.shape)
    c, q, times = classes.measures, classes.complements, classes.multiplicities
    a = gaussian.isf(c, q)
    added = _additions(c.size)
    lost = np.where(np.isinf(eps), 0.0, times.sum() * _TINY)
    result = np.empty(eps.shape)
    for block in _blocks(eps.size, c.size):
        increments, tails = gaussian.increments(c, q, a, eps[block])
        error, tail_error = gaussian.errors(c, a, eps[block], increments)
        least = (increments * ((1 - error) * times)).sum(axis=1) * (1 - added) - lost[block]
        tail = (tails * ((1 + tail_error) * times)).sum(axis=1) * (1 + added) + lost[block]
        result[block] = np.maximum(np.maximum(least, 0), _one_minus(tail))
    return result


def log_tail(classes: ClassMeasures, eps: Floats) -> Floats:
    """log T(eps) from above: from B while that is below 1/2, then from the tails' logarithms."""
    if constant(classes):
        return np.zeros(eps.shape)
    c, q, times = classes.measures, classes.complements, classes.multiplicities
    a = gaussian.isf(c, q)
    below = lower(classes, eps)
    result = np.log1p(-np.minimum(below, 0.5)) * (1 - 4 * _U)
    far = np.flatnonzero(below > 0.5)
    for block in _blocks(far.size, c.size):
        e = eps[far[block]]
        total = _log_sum(gaussian.log_tails(c, q, a, e) + np.log(times))
        # At most (24 + |log c| + 12 x) u for a term exp(-x), and x at most about |total|. No
        # double stands for less than -1.8e308, except that the tail of an infinite eps is 0.
        total = np.maximum(total * (1 - 64 * _U), -np.finfo(np.float64).max)
        result[far[block]] = np.where(np.isinf(e), -np.inf, total)
    return result


def limits(low: Floats, high: Floats, eps: Floats) -> tuple[Floats, Floats]:
    """B(eps) over all measures between the limits: from below, and from above."""
    added = _additions(low.size)
    lost = np.where(np.isinf(eps), 0.0, low.size * _TINY)
    lo, hi = np.empty(eps.shape), np.empty(eps.shape)
    for block in _blocks(eps.size, low.size):
        e = eps[block]
        at_low, tails_low, error_low, tail_error_low = _terms(low, e)
        at_high, tails_high, error_high, tail_error_high = _terms(high, e)
        least = np.minimum(at_low * (1 - error_low), at_high * (1 - error_high))
        most = np.maximum(at_low * (1 + error_low), at_high * (1 + error_high))
        top = special.ndtr(e / 2)[:, None]
        greatest = special.erf(e / math.sqrt(8))[:, None] * (1 + 8 * _U)
        most = np.where((low <= top) & (top <= high), greatest, most)
        tail_high = (tails_high * (1 + tail_error_high)).sum(axis=1) * (1 + added) + lost[block]
        tail_low = (tails_low * np.maximum(1 - tail_error_low, 0)).sum(axis=1) * (1 - added)
        lo[block] = np.maximum(least.sum(axis=1) * (1 - added) - lost[block], _one_minus(tail_high))
        hi[block] = np.minimum(
            most.sum(axis=1) * (1 + added) + lost[block], np.nextafter(1 - tail_low, np.inf)
        )
    return np.clip(lo, 0, 1), np.where(eps == 0, 0.0, np.clip(hi, 0, 1))


def _terms(c: Floats, eps: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Increments and tails of all classes, (n, K), with their errors; c may be 0 or 1."""
    shape = (eps.size, c.size)
    increments, error = np.zeros(shape), np.zeros(shape)
    tails, tail_error = np.broadcast_to(c, shape).copy(), np.zeros(shape)
    inner = (c > 0) & (c < 1)
    if inner.any():
        p = c[inner]
        a = gaussian.isf(p, 1 - p)
        increments[:, inner], tails[:, inner] = gaussian.increments(p, 1 - p, a, eps)
        found = gaussian.errors(p, a, eps, increments[:, inner])
        error[:, inner], tail_error[:, inner] = found
    return increments, tails, error, tail_error


def _one_minus(tail: Floats) -> Floats:
    """1 - tail rounded down, 0 for a tail above 1."""
    tail = np.minimum(tail, 1.0)
    result = 1 - tail
    return np.where(1 - result < tail, np.nextafter(result, 0), result)


def _log_sum(logs: Floats) -> Floats:
    """log of the sum of exp over the last axis; -inf where all of them are."""
    peak = np.maximum(logs.max(axis=-1), -np.finfo(np.float64).max)
    with np.errstate(divide="ignore", under="ignore"):
        return np.asarray(peak + np.log(np.exp(logs - peak[..., None]).sum(axis=-1)))


def _additions(terms: int) -> float:
    """Relative rounding of NumPy's pairwise sum of positive terms."""
    return (min(terms, 24 + math.log2(terms)) + 4) * _U


def _blocks(rows: int, columns: int) -> Iterator[slice]:
    step = max(1, _BLOCK // columns)
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))


def crossing(gap: Callable[[float], float]) -> tuple[float, float]:
    """Neighbouring doubles with gap(lo) < 0 <= gap(hi), for an increasing `gap` of eps >= 0.

    Both ends are inf where even an infinite eps has a negative gap.
    """
    if gap(math.inf) < 0:
        return math.inf, math.inf
    hi = 1.0
    while gap(hi) < 0:
        hi *= 2
    near = optimize.brentq(gap, 0.0, hi, xtol=5e-324, rtol=4 * np.finfo(np.float64).eps)
    lo = hi = float(near)
    step = math.ulp(near)
    while gap(hi) < 0:
        lo, hi, step = hi, hi + step, 2 * step
    while lo > 0 and gap(lo) >= 0:
        lo, hi, step = max(lo - step, 0.0), lo, 2 * step
    while lo < (middle := (lo + hi) / 2) < hi:
        lo, hi = (lo, middle) if gap(middle) >= 0 else (middle, hi)
    return lo, hi
