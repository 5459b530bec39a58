"""What isoperimetry says of sets whose Gaussian measures need not sum to one.

A set of measure u has, within eps of its complement, at least the part u - I(u), where
I(u) = sf(sf^-1(u) + eps) is what a half-space of that measure keeps further away. I is convex and
increasing in u, with I(0) = 0 and I(1) = 1.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import numpy as np

from robust_theory import gaussian
from robust_theory.arguments import Floats, probability
from robust_theory.claim import Interval

_U = 2.0**-53
_TINY = 2.0**-1070
_BLOCK = 1 << 15

Groups = list[tuple[Fraction, int]]

# Where a lower bound on a probability lies; those of the paper may be negative.
AT_MOST_ONE = Interval(-math.inf, 1.0)


def groups(measures: Any, name: str) -> Groups:
    """Read measures in [0, 1], of any sum, as rationals with multiplicities; zeros left out.

    Raises
    ------
    ValueError
        If they are not a sequence of at least one number in [0, 1].
    """
    if isinstance(measures, str) or not isinstance(measures, Iterable):
        raise ValueError(f"{name} must be a sequence of numbers, got {measures!r}")
    occurrences: Counter[Fraction] = Counter()
    try:
        for value, times in Counter(measures).items():
            occurrences[probability(value, name)] += times
    except TypeError:  # not hashable
        raise ValueError(f"{name} must be a sequence of numbers, got nested ones") from None
    if not occurrences:
        raise ValueError(f"{name} must hold at least one number, got none")
    return [(u, times) for u, times in sorted(occurrences.items()) if u > 0]


def total(sets: Groups) -> Fraction:
    """Sum of the measures."""
    return sum((u * times for u, times in sets), Fraction(0))


def margin(sets: Groups, loss: Fraction, eps: Floats, *, side: int = -1) -> Floats:
    """1 - loss - sum of I(u), from below, or from above with ``side=1``; shape of `eps`.

    Where 1 - loss - sum of u is small it is exact before rounding, so the sum of u - I(u), which
    is small with eps, keeps its relative accuracy.
    """
    grown, kept = _sums(sets, eps, side)
    start = rounded(1 - loss - total(sets), side)
    from_growth, from_kept = grown + start, rounded(1 - loss, side) - kept
    # One rounding of each sum.
    from_growth += side * _U * (np.abs(grown) + abs(start))
    from_kept += side * _U * (1 + kept)
    return np.maximum(from_growth, from_kept) if side < 0 else np.minimum(from_growth, from_kept)


def _sums(sets: Groups, eps: Floats, side: int) -> tuple[Floats, Floats]:
    """Sum of u - I(u), moved by its error to the given side, and of I(u), to the other."""
    inner = [(u, times) for u, times in sets if u < 1]
    whole = float(sum(times for u, times in sets if u == 1))
    grown, kept = np.zeros(eps.size), np.full(eps.size, whole)
    if not inner:
        return grown, kept
    # Rationals too small for a double count as the least one, on the safe side of I.
    c = np.array([max(float(u), 5e-324) for u, _ in inner])
    q = np.array([max(float(1 - u), 5e-324) for u, _ in inner])
    times = np.array([float(n) for _, n in inner])
    a = gaussian.isf(c, q)
    additions = min(c.size, 24 + math.log2(c.size)) * _U
    step = max(1, _BLOCK // c.size)
    for start in range(0, eps.size, step):
        block = slice(start, start + step)
        e = eps[block]
        growth, tails = gaussian.increments(c, q, a, e)
        # 36 u, or 48 u above 1/2, and 4 u for the inputs; eps itself is magnified above 1/2 by
        # at most 1 + eps abs(a) while the set is not yet covered, and by nothing much after.
        stretch = np.minimum(e[:, None], np.abs(a) + 10) * np.abs(a) * (c > 0.5)
        error = (60 + 4 * stretch) * _U + additions
        grown[block] += (growth * times * (1 + side * error)).sum(axis=1) + side * (
            times.sum() * _TINY
        )
        with np.errstate(over="ignore"):
            exponent = np.minimum(e * (np.abs(a).max() + e / 2), 1e6)
        tails = np.where(np.isinf(e)[:, None], 0.0, tails)
        rounding = -side * ((60 + 16 * exponent) * _U + additions)
        kept[block] += (tails * times).sum(axis=1) * (1 + rounding) - side * times.sum() * _TINY
    return np.maximum(grown, 0), np.maximum(kept, 0)


def rounded(number: Fraction, side: int) -> float:
    """The double next to a rational on the given side, or the double that it is."""
    double = float(number)
    exact = Fraction(double)
    if (side < 0 and exact > number) or (side > 0 and exact < number):
        return math.nextafter(double, side * math.inf)
    return double


def kept(m: Any, u: Any, eps: Any) -> Any:
    """The formula I(u), read with balls or with symbols; u = 1 is kept whole."""
    if isinstance(u, Fraction) and u == 1:
        return m.number(1)
    return m.sf(m.isf(u) + m.number(eps))


def require(sentences: tuple[str, ...]) -> None:
    """Raise ValueError with the hypotheses that are broken, if any are."""
    if sentences:
        raise ValueError("; ".join(sentences))


def shaped(values: Floats, like: Floats) -> Any:
    """The values in the shape of `like`; a float where it is a number."""
    return values.reshape(like.shape) if like.ndim else float(values.reshape(())[()])
