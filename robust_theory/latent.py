"""Data g(z) with z ~ N(0, I): no classifier keeps its latent radii large.

r_Z(z) is the distance from z to the nearest latent vector that is classified otherwise, in the
Euclidean norm of the latent space; +inf where there is none. A class of measure c has the
threshold a with P(Z > a) = c for a standard normal Z; sf(x) = P(Z > x).
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from robust_theory import gaussian, rounded
from robust_theory.arguments import (
    Floats,
    broken,
    budgets,
    class_measures,
    exact_measures,
    exact_rational,
    probability,
)
from robust_theory.arithmetic import enclose, exceeds, statement
from robust_theory.claim import A_DISTANCE, A_PROBABILITY, Claim, Interval

_U = 2.0**-53
_A_LOG_PROBABILITY = Interval(-math.inf, 0.0)


def fooling_probability(measures: Any, eps: Any) -> Any:
    """Lower bound on P(r_Z <= eps) that holds for every classifier with these class measures.

    B(eps) = sum_i [sf(a_i) - sf(a_i + eps)], attained by a half-space when K = 2.

    Parameters
    ----------
    measures : sequence (K,)
        Class measures, floats, Fractions or strings that sum to 1; or integer counts.
    eps : number or array
        Budgets, L2 distance in latent space, at least 0; infinity is allowed.

    Returns
    -------
    float or array, in the shape of `eps`
        Never above the exact B(eps), and within 1e-14 of it, relatively, unless a class is
        within 1e-17 of measure 1 (then within 1e-13).

    Raises
    ------
    ValueError
        If `measures` or `eps` are not as described.

    Notes
    -----
    Source: fawzi2018, Theorem 1, eq. (1).
    """
    radius = budgets(eps)
    return shaped(rounded.lower(class_measures(measures), radius.ravel()), radius)


def fooling_log_tail(measures: Any, eps: Any) -> Any:
    """Upper bound on log P(r_Z > eps), accurate where `fooling_probability` rounds to 1.

    log T(eps) with T(eps) = 1 - B(eps) = sum_i sf(a_i + eps).

    Parameters
    ----------
    measures, eps
        As for `fooling_probability`.

    Returns
    -------
    float or array, in the shape of `eps`
        Never below the exact log T(eps), and within 1e-14 of it, relatively.

    Notes
    -----
    Source: fawzi2018, Theorem 1, eq. (1).
    """
    radius = budgets(eps)
    return shaped(rounded.log_tail(class_measures(measures), radius.ravel()), radius)


def fooling_quantile(measures: Any, q: Any = None, *, tail: Any = None) -> float:
    """Least eps at which `fooling_probability` is at least q: an upper bound on a quantile of r_Z.

    Parameters
    ----------
    measures : sequence (K,)
        As for `fooling_probability`.
    q : number
        Strictly between 0 and 1.
    tail : number, optional
        1 - q, for a q so close to 1 that it is better said by its complement; then leave `q` out.

    Returns
    -------
    float
        An eps with B(eps) >= q, within 1e-14 of the least one, relatively; inf when a class has
        measure 1. Above 1/2, a float q is served both as the double and as its printed decimal.

    Raises
    ------
    ValueError
        If q lies outside (0, 1), if both or none of `q` and `tail` are given, or if `measures`
        are not as for `fooling_probability`.

    Notes
    -----
    Source: fawzi2018, Theorem 1, eq. (1).
    """
    _, level = quantile_levels(q, tail)
    classes = class_measures(measures)
    if rounded.constant(classes):
        return math.inf

    def bound(eps: float) -> float:
        return float(rounded.lower(classes, np.array([eps]))[0])

    if level <= Fraction(1, 2):
        target = float(level)
        if Fraction(target) < level:
            target = math.nextafter(target, 1)
        return rounded.crossing(lambda eps: bound(eps) - target)[1]
    log_target = _log(1 - level) * (1 + 8 * _U)
    least = rounded.crossing(
        lambda eps: log_target - float(rounded.log_tail(classes, np.array([eps]))[0])
    )[1]
    if isinstance(q, float) and bound(least) < q:
        return rounded.crossing(lambda eps: bound(eps) - q)[1]
    return least


def expected_radius(measures: Any) -> float:
    """Upper bound on E r_Z that holds for every classifier with these class measures.

    sum_i [density(a_i) - a_i sf(a_i)], which is the integral of T(eps) over eps >= 0.

    Parameters
    ----------
    measures : sequence (K,)
        As for `fooling_probability`.

    Returns
    -------
    float
        L2 distance in latent space, never below the exact value and within 1.5e-14 of it,
        relatively; inf exactly when a class has measure 1.

    Notes
    -----
    Source: fawzi2018, Theorem 2.
    """
    classes = class_measures(measures)
    if rounded.constant(classes):
        return math.inf
    c, q = classes.measures, classes.complements
    terms = gaussian.expected_excess(c, q, gaussian.isf(c, q)) * classes.multiplicities
    # 50 u per term, 10 u for the inputs' and the products' rounding; fsum adds none.
    return math.fsum(terms) * (1 + 64 * _U)


def quantile_levels(q: Any, tail: Any) -> tuple[Fraction, Fraction]:
    """The least and the greatest number that the level stands for."""
    if (q is None) == (tail is None):
        raise ValueError(f"give one of q and tail, got q={q!r} and tail={tail!r}")
    if q is None:
        level = 1 - probability(tail, "tail", open=True)
        return level, level
    level = probability(q, "q", open=True)
    double = Fraction(q) if isinstance(q, float) else level
    return min(level, double), max(level, double)


def _log(p: Fraction) -> float:
    """log p of a rational that may be below the least double."""
    shift = p.denominator.bit_length() - p.numerator.bit_length()
    return math.log(p * 2**shift) - shift * math.log(2)


def shaped(values: Floats, like: Floats) -> Any:
    """Values in the shape of `like`; a float if that has none."""
    return values.reshape(like.shape) if like.ndim else float(values[0])


# The formulas, each read with balls and with symbols.


def _probability(m: Any, c: Any, eps: Any) -> Any:
    return m.sum(lambda ci: m.cdf(m.isf(ci) + m.number(eps)) - m.cdf(m.isf(ci)), c)


def _log_of_tail(m: Any, c: Any, eps: Any) -> Any:
    return m.log(m.sum(lambda ci: m.sf(m.isf(ci) + m.number(eps)), c))


def _mean(m: Any, c: Any) -> Any:
    return m.sum(lambda ci: m.density(m.isf(ci)) - m.isf(ci) * m.sf(m.isf(ci)), c)


def _probability_enclosure(measures: Any, eps: Any) -> Interval:
    c, e = exact_measures(measures), float(budgets(eps))
    if e == 0 or c[-1][0] == 1:
        return Interval(0.0, 0.0)
    if e == math.inf:
        return Interval(1.0, 1.0)
    return enclose(_probability, c, exact_rational(eps), within=A_PROBABILITY)


def _log_tail_enclosure(measures: Any, eps: Any) -> Interval:
    c, e = exact_measures(measures), float(budgets(eps))
    if e == 0 or c[-1][0] == 1:
        return Interval(0.0, 0.0)
    if e == math.inf:
        return Interval(-math.inf, -math.inf)
    return enclose(_log_of_tail, c, exact_rational(eps), within=_A_LOG_PROBABILITY)


def _quantile_enclosure(measures: Any, q: Any = None, *, tail: Any = None) -> Interval:
    c = exact_measures(measures)
    if c[-1][0] == 1:
        return Interval(math.inf, math.inf)
    below, above = quantile_levels(q, tail)
    lo, hi = _bracket(c, below)
    return Interval(lo, hi if above == below else _bracket(c, above)[1])


def _bracket(c: list[tuple[Fraction, int]], level: Fraction) -> tuple[float, float]:
    lo, hi = 0.0, 1.0
    while not exceeds(_probability, c, Fraction(hi), level=level):
        lo, hi = hi, 2 * hi
    while lo < (middle := math.sqrt(lo * hi) if lo > 0 and hi > 2 * lo else (lo + hi) / 2) < hi:
        if exceeds(_probability, c, Fraction(middle), level=level):
            hi = middle
        else:
            lo = middle
    return lo, hi


def _mean_enclosure(measures: Any) -> Interval:
    c = exact_measures(measures)
    return Interval(math.inf, math.inf) if c[-1][0] == 1 else enclose(_mean, c)


def _broken(measures: Any, eps: Any = 0) -> tuple[str, ...]:
    return broken(lambda: exact_measures(measures), lambda: budgets(eps))


def _broken_quantile(measures: Any, q: Any = None, *, tail: Any = None) -> tuple[str, ...]:
    return broken(lambda: exact_measures(measures), lambda: quantile_levels(q, tail))


_SOURCE = "fawzi2018, Theorem 1, eq. (1)"

FOOLING_PROBABILITY = Claim(
    name="latent-fooling-probability",
    source=_SOURCE,
    formula=lambda: statement(r"P(r_Z \le \varepsilon) \ge", _probability, "c_", r"\varepsilon"),
    relation=">=",
    value=fooling_probability,
    enclosure=_probability_enclosure,
    broken_hypotheses=_broken,
    possible=A_PROBABILITY,
)
FOOLING_LOG_TAIL = Claim(
    name="latent-fooling-log-tail",
    source=_SOURCE,
    formula=lambda: statement(r"\log P(r_Z > \varepsilon) \le", _log_of_tail, "c_", r"\varepsilon"),
    relation="<=",
    value=fooling_log_tail,
    enclosure=_log_tail_enclosure,
    broken_hypotheses=_broken,
    possible=_A_LOG_PROBABILITY,
)
FOOLING_QUANTILE = Claim(
    name="latent-fooling-quantile",
    source=_SOURCE,
    formula=lambda: (
        statement(
            r"\inf\{t : P(r_Z \le t) \ge q\} \le \min\Bigl\{\varepsilon :",
            _probability,
            "c_",
            r"\varepsilon",
        )
        + r" \ge q\Bigr\}"
    ),
    relation="<=",
    value=fooling_quantile,
    enclosure=_quantile_enclosure,
    broken_hypotheses=_broken_quantile,
    possible=A_DISTANCE,
)
EXPECTED_RADIUS = Claim(
    name="latent-expected-radius",
    source="fawzi2018, Theorem 2",
    formula=lambda: statement(r"\mathbb{E}\, r_Z \le", _mean, "c_"),
    relation="<=",
    value=expected_radius,
    enclosure=_mean_enclosure,
    broken_hypotheses=lambda measures: _broken(measures),
    possible=A_DISTANCE,
)
