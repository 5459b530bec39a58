"""Bounds on the integral of T(t) = sum_i sf(a_i + t) over a modulus of which nothing is known.

Nothing, that is, but that it is nondecreasing; where it jumps is not known either.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from robust_theory import latent
from robust_theory.arguments import Floats, class_measures
from robust_theory.claim import Interval
from robust_theory.images import Modulus, power

_U = 2.0**-53
_CELLS = (1 << 10, 1 << 13, 1 << 16, 1 << 19)
_WORK = 1 << 22  # cells times distinct measures: a second or two


def tail_integral(measures: Any, modulus: Modulus, tolerance: float) -> Interval:
    """Lower and upper sums of T over omega, on a partition refined where they differ.

    The upper sum takes T at the left end of each cell, as if omega rose at once, and the lower
    sum at the right end; between the points where omega is read nothing is assumed of it but that
    it does not decrease.
    """
    distinct = class_measures(measures).measures.size
    cells = sorted({min(n, max(_CELLS[0], _WORK // distinct)) for n in _CELLS})
    end = max(latent.fooling_quantile(measures, tail="1e-25"), 1.0)
    t = np.concatenate([[0.0], np.geomspace(end * 1e-12, end, _CELLS[0])])
    t = np.union1d(t, np.linspace(0, end, _CELLS[0]))
    for finer in (*cells[1:], 0):
        tail, omega = _tail(measures, t), read(modulus, t)
        if math.isinf(omega[-1]):
            return Interval(0.0, math.inf)
        steps = np.diff(omega)
        lower = float(omega[0] + tail[1:] @ steps) * (1 - 1e-11)
        upper = float(omega[0] + tail[:-1] @ steps) * (1 + 100 * _U)
        # k steps of length `end` reach k end; T falls at least threefold with each.
        beyond = 1.5 * float(tail[-1] * omega[-1])
        if finer == 0 or upper - lower <= tolerance * lower:
            break
        t = _refined(t, -np.diff(tail) * steps, finer)
    return Interval(max(min(lower, upper), 0.0), (upper + beyond) * (1 + 4 * _U))


def read(modulus: Modulus, t: Floats) -> Floats:
    """The modulus at increasing t, if it is nonnegative and nondecreasing there."""
    omega = np.asarray(modulus(t), np.float64)  # type: ignore[operator]
    if omega.shape != t.shape:
        raise ValueError(f"modulus must keep the shape {t.shape}, got {omega.shape}")
    wrong = ~(omega >= 0)
    if wrong.any():
        raise ValueError(f"modulus must be at least 0, got {omega[wrong][0]} at {t[wrong][0]}")
    falls = omega[1:] < omega[:-1]
    if falls.any():
        # The rounding of a modulus may make it fall by a little; its running maximum is above it.
        i = int(np.argmax(falls))
        if omega[i + 1] < omega[i] * (1 - 1e-12):
            raise ValueError(f"modulus must not decrease, but does after t = {t[i]}")
        omega = np.maximum.accumulate(omega)
    return omega


def require_concave(modulus: Modulus) -> None:
    """Raise ValueError where a modulus is seen not to be concave."""
    pair = power(modulus, "modulus")
    if pair is not None:
        if pair[1] > 1:
            raise ValueError(f"form='paper' needs a concave modulus, got L t^{float(pair[1])}")
        return
    t = np.concatenate([[0.0], np.geomspace(1e-6, 64, 200)])
    omega = read(modulus, t)
    slopes = np.diff(omega) / np.diff(t)
    # A slope that rises by more than rounding can explain.
    rises = slopes[1:] > slopes[:-1] * (1 + 1e-9) + 1e-13 * omega[2:] / np.diff(t)[:-1]
    if rises.any():
        where = float(t[1:-1][rises][0])
        raise ValueError(f"form='paper' needs a concave modulus, but it is convex near t = {where}")


def _refined(t: Floats, gaps: Floats, cells: int) -> Floats:
    """Cells cut into equal parts, in number as the roots of their gaps: least sum for `cells`."""
    roots = np.sqrt(np.maximum(gaps, 0))
    parts = np.maximum(np.ceil(roots * (cells / roots.sum())), 1).astype(np.int64)
    starts = np.repeat(t[:-1], parts)
    order = np.arange(parts.sum()) - np.repeat(np.cumsum(parts) - parts, parts)
    inner = starts + order * np.repeat(np.diff(t) / parts, parts)
    return np.unique(np.append(inner, t[-1]))


def _tail(measures: Any, t: Floats) -> Floats:
    """T from above, within 1e-12 relatively, and nonincreasing."""
    tail = np.exp(np.asarray(latent.fooling_log_tail(measures, t))) * (1 + 4 * _U)
    return np.minimum(np.maximum.accumulate(tail[::-1])[::-1], 1.0)
