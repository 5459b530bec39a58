"""Closed bounds on the tail of the standard normal law."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from robust_theory import gaussian, isoperimetry
from robust_theory.arguments import broken, budgets, exact_rational
from robust_theory.arithmetic import enclose, statement
from robust_theory.claim import A_PROBABILITY, Claim, Interval

_U = 2.0**-53


def tail_lower_bound(x: Any) -> Any:
    """Lower bound on P(Z > x) for a standard normal Z and x >= 0.

    2 density(x) / (x + sqrt(x^2 + 4)).

    Parameters
    ----------
    x : number or array
        At least 0: below 0 the companion `tail_upper_bound` would be false.

    Returns
    -------
    float or array, in the shape of `x`
        Rounded down, within 1e-14 relatively where it is above 1e-300.

    Raises
    ------
    ValueError
        If some x is negative or no number.

    Notes
    -----
    Source: fawzi2018, Lemma 1, eq. (8).
    """
    return _tail(x, 4.0, -1)


def tail_upper_bound(x: Any) -> Any:
    """Upper bound on P(Z > x) for a standard normal Z and x >= 0, with equality at 0.

    2 density(x) / (x + sqrt(x^2 + 8 / pi)).

    Parameters
    ----------
    x : number or array
        At least 0: already at x = -0.1 the bound is false.

    Returns
    -------
    float or array, in the shape of `x`
        Rounded up, within 1e-14 relatively where it is above 1e-300.

    Raises
    ------
    ValueError
        If some x is negative or no number.

    Notes
    -----
    Source: fawzi2018, Lemma 1, eq. (8).
    """
    return _tail(x, 8 / math.pi, 1)


def _tail(x: Any, spread: float, side: int) -> Any:
    point = budgets(x, "x")
    value = np.empty(point.size)
    for i, original in enumerate(np.asarray(x, dtype=object).ravel()):
        value[i] = _one_tail(float(point.ravel()[i]), original, spread)
    # Relatively, and by two of the least doubles where relative accuracy is lost.
    rounded = value * (1 + side * 32 * _U) + side * 1e-323
    return isoperimetry.shaped(np.maximum(rounded, 0), point)


def _one_tail(x: float, original: Any, spread: float) -> float:
    if x > 39:
        return 0.0
    # density(x) magnifies the rounding of x by x^2, up to 1500; so what x lost is put back.
    lost = float(exact_rational(original, "x") - Fraction(x))
    factor = math.exp(-lost * (x + lost / 2))
    return float(gaussian.density(np.array(x))) * factor * 2 / (x + math.sqrt(x * x + spread))


# The formulas, each read with balls and with symbols.


def _lower(m: Any, x: Any) -> Any:
    x = m.number(x)
    return 2 * m.density(x) / (x + m.sqrt(x * x + 4))


def _upper(m: Any, x: Any) -> Any:
    x = m.number(x)
    return 2 * m.density(x) / (x + m.sqrt(x * x + 8 / m.pi))


def _enclosure(formula: Callable[..., Any], x: Any) -> Interval:
    if float(budgets(x, "x")) == math.inf:
        return Interval(0.0, 0.0)
    return enclose(formula, exact_rational(x))


def _broken_tail(x: Any) -> tuple[str, ...]:
    return broken(lambda: budgets(x, "x"))


TAIL_LOWER_BOUND = Claim(
    name="normal-tail-lower-bound",
    source="fawzi2018, Lemma 1, eq. (8)",
    formula=lambda: statement(r"1 - \Phi(x) \ge", _lower, "x"),
    relation=">=",
    value=tail_lower_bound,
    enclosure=partial(_enclosure, _lower),
    broken_hypotheses=_broken_tail,
    possible=A_PROBABILITY,
)
TAIL_UPPER_BOUND = Claim(
    name="normal-tail-upper-bound",
    source="fawzi2018, Lemma 1, eq. (8)",
    formula=lambda: statement(r"1 - \Phi(x) \le", _upper, "x"),
    relation="<=",
    value=tail_upper_bound,
    enclosure=partial(_enclosure, _upper),
    broken_hypotheses=_broken_tail,
    possible=A_PROBABILITY,
)
