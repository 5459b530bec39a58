"""Scales psi on which a smoothed score g moves no faster than the image.

For images at Wasserstein distance W, ``|psi(g(x)) - psi(g(x'))| <= W``.

Each scale is odd about 1/2 and increasing. A score of at least pA and a rival's of at most pB
cannot meet before ``(psi(pA) - psi(pB)) / 2``, the number that the functions below return twice
of: for doubles rounded down, and as a ball.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from robust_theory.wasserstein.cycles import rate

_HALF = Fraction(1, 2)
_U = 2.0**-53


@dataclass(frozen=True)
class Scale:
    """psi(pA) - psi(pB) for exact probabilities pA > pB.

    Parameters
    ----------
    difference : callable
        In doubles, never above the exact value; infinite where pA = 1 or pB = 0 leave no limit.
    ball : callable
        ``(m, pA, pB)``, with `robust_theory.arithmetic.Balls` as m, inside of (0, 1).
    """

    difference: Callable[[Fraction, Fraction], float]
    ball: Callable[[Any, Fraction, Fraction], Any]


def _odd(
    distance: Callable[[Fraction], float], ball: Callable[[Any, Fraction], Any], roundings: int
) -> Scale:
    """The scale whose psi(1 - t) = -psi(t) is ``distance(t)`` for 0 < t <= 1/2."""

    def psi(p: Fraction) -> float:
        t = min(p, 1 - p)
        size = math.inf if t == 0 else distance(t)
        return size if p > _HALF else -size

    def difference(pA: Fraction, pB: Fraction) -> float:
        a, b = psi(pA), psi(pB)
        if math.isinf(a) or math.isinf(b):
            return math.inf
        return max(0.0, (a - b) - (roundings + 2) * _U * (abs(a) + abs(b)))

    def of_balls(m: Any, pA: Fraction, pB: Fraction) -> Any:
        a, b = (
            ball(m, 1 - p) if p > _HALF else -ball(m, p) if p < _HALF else m.number(0)
            for p in (pA, pB)
        )
        return a - b

    return Scale(difference, of_balls)


def _laplace(t: Fraction) -> float:
    # -log(2 t), accurate near t = 1/2 too.
    return -math.log1p(float(2 * t - 1)) if 4 * t > 1 else -math.log(float(2 * t))


def _gaussian(t: Fraction) -> float:
    from scipy.special import erfinv, ndtri

    x = float(1 - 2 * t)
    return float(math.sqrt(2) * erfinv(x)) if x < 0.5 else float(-ndtri(float(t)))


def _log_ratio(pA: Fraction, pB: Fraction) -> float:
    if pB == 0:
        return math.inf
    ratio = min(pA / pB, Fraction(2**1000))
    value = math.log1p(float(ratio - 1)) if ratio < 2 else math.log(ratio)
    return value * (1 - 6 * _U)


# The paper's, from the ratio of scores: not odd about 1/2.
PAPER = Scale(_log_ratio, lambda m, pA, pB: m.log(pA / pB))
LAPLACE = _odd(_laplace, lambda m, t: -m.log(2 * t), 4)
GAUSSIAN = _odd(_gaussian, lambda m, t: m.isf(t), 16)
CYCLES_L1 = _odd(lambda t: rate("l1").integral(t), lambda m, t: rate("l1").integral_ball(m, t), 32)
CYCLES_L2 = _odd(lambda t: rate("l2").integral(t), lambda m, t: rate("l2").integral_ball(m, t), 32)
UNIFORM = Scale(
    lambda pA, pB: math.nextafter(float(pA - pB), 0.0), lambda m, pA, pB: m.number(pA - pB)
)
