"""The classifier against the entropic adversary, when classifiers can be mixed: a game's value.

Prediction by a mixture of two classifiers, one of them drawn before the loss is counted, has the
loss (1 - w) first + w second, which is linear in w. So the least over w of the greatest over plans
is the greatest over plans of the least over w, and both are found from one convex function of w.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from robust_theory.arguments import Floats, broken, exact_rational
from robust_theory.arithmetic import enclose
from robust_theory.claim import Claim, Interval
from robust_theory.transport.gibbs import gibbs_plan
from robust_theory.transport.gibbs_balls import exact_problem
from robust_theory.transport.log_mean_exp import finite_array, inverse_temperature


@dataclass(frozen=True, eq=False)
class MixtureGame:
    """A solution of the game with what proves it.

    Parameters
    ----------
    weight : float
        Weight of the second classifier in the best mixture.
    plan : array (n, m)
        The adversary's best plan, against that mixture and against both classifiers.
    upper : float
        What the adversary gets from the mixture at most: an upper bound on the value.
    lower : float
        What it gets with the plan from either classifier at least: a lower bound.
    """

    weight: float
    plan: Floats
    upper: float
    lower: float


def mixture_game(p: Any, first: Any, second: Any, lam: Any, reference: Any) -> MixtureGame:
    """Solve the game between mixtures of two classifiers and the entropic adversary.

    Parameters
    ----------
    p, lam, reference
        As in `gibbs_plan`, lam positive and finite.
    first, second : array (n, m)
        The losses of the two classifiers.

    Source: anonymous2022, Proposition 3.5, for a loss that is convex in the prediction.
    """
    a, b = finite_array(first, "first"), finite_array(second, "second")
    if a.shape != b.shape:
        raise ValueError(f"first and second must have one shape, got {a.shape} and {b.shape}")
    rate = inverse_temperature(lam)
    if not 0 < rate < math.inf:
        raise ValueError(f"lam must be positive and finite, got {lam!r}")

    def slope(w: float) -> float:
        return float((gibbs_plan(p, (1 - w) * a + w * b, rate, reference).plan * (b - a)).sum())

    low, high = 0.0, 1.0
    if slope(low) >= 0:
        high = low
    elif slope(high) <= 0:
        low = high
    while high - low > 2.0**-53:
        middle = (low + high) / 2
        if not low < middle < high:
            break
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    solved = gibbs_plan(p, (1 - low) * a + low * b, rate, reference)
    # Against a fixed plan the mixtures' losses lie on a line of this slope.
    change = float((solved.plan * (b - a)).sum())
    return MixtureGame(
        low, solved.plan, solved.value, solved.value + min(-low * change, (1 - low) * change)
    )


def mixture_game_value(p: Any, first: Any, second: Any, lam: Any, reference: Any) -> float:
    """Value of the game: least over mixtures of the mean free energy."""
    return mixture_game(p, first, second, lam, reference).upper


def _game(
    m: Any, weights: Any, a: Any, b: Any, rate: Fraction, rows: Any, w: Fraction
) -> tuple[Any, Any]:
    """The adversary's gain from the mixture w, and its derivative in w."""
    value, change = m.number(0), m.number(0)
    for p, x, y, q in zip(weights, a, b, rows, strict=True):
        mass = slope = m.number(0)
        mixed = [(1 - w) * s + w * t for s, t in zip(x, y, strict=True)]
        shift = max(z for z, r in zip(mixed, q, strict=True) if r)
        for s, t, z, r in zip(x, y, mixed, q, strict=True):
            if r:
                term = m.number(r) * m.exp(rate * (z - shift))
                mass, slope = mass + term, slope + term * m.number(t - s)
        value += m.number(p) * (m.number(shift) + m.log(mass) / m.number(rate))
        change += m.number(p) * slope / mass
    return value, change


def _value(m: Any, weights: Any, a: Any, b: Any, rate: Fraction, rows: Any) -> Any:
    """Between what the mixture concedes and what the plan extracts, after bisection."""
    low, high = Fraction(0), Fraction(1)
    if _game(m, weights, a, b, rate, rows, low)[1] >= 0:
        high = low
    elif _game(m, weights, a, b, rate, rows, high)[1] <= 0:
        low = high
    for _ in range(90):
        middle = (low + high) / 2
        if low == high:
            break
        negative = _game(m, weights, a, b, rate, rows, middle)[1] < 0
        low, high = (middle, high) if negative else (low, middle)
    value, change = _game(m, weights, a, b, rate, rows, low)
    ends = (-m.number(low) * change, m.number(1 - low) * change)
    return value.union(value + (ends[0] if ends[0] < ends[1] else ends[1]))


def _enclosure(p: Any, first: Any, second: Any, lam: Any, reference: Any) -> Interval:
    mixture_game(p, first, second, lam, reference)
    weights, a, rows = exact_problem(p, first, reference)
    b = [[exact_rational(x) for x in row] for row in np.asarray(second, object)]
    return enclose(_value, weights, a, b, exact_rational(lam), rows)


MIXTURE_GAME_VALUE = Claim(
    name="mixture-game-value",
    source="anonymous2022, Proposition 3.5, for losses convex in the prediction",
    formula=lambda: (
        r"\max_P \min_w \varphi(w, P) = \min_{0\le w\le 1} \sum_i \frac{p_i}{\lambda}"
        r"\log\sum_j q_{ij}\,e^{\lambda((1-w)L^0_{ij}+wL^1_{ij})}"
    ),
    relation="==",
    value=mixture_game_value,
    enclosure=_enclosure,
    broken_hypotheses=lambda **arguments: broken(lambda: mixture_game(**arguments)),
)
