"""Radii relative to the norm of the latent vector: what remains of r_Z when d is large.

The norm of z ~ N(0, I) in d dimensions is close to sqrt(d); `normalised_fooling_quantile` divides
by that number, `normalised_fooling_probability` by the random norm itself.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from scipy import optimize, special

from robust_theory import latent
from robust_theory.arguments import (
    broken,
    budgets,
    exact_measures,
    exact_rational,
    positive_integer,
)
from robust_theory.arithmetic import enclose, statement
from robust_theory.claim import A_DISTANCE, A_PROBABILITY, Claim, Interval
from robust_theory.special import beta_cdf, chi_cdf, enclose_positive

_U = 2.0**-53


def normalised_fooling_quantile(measures: Any, q: Any, dimension: int) -> float:
    """Upper bound on the q-quantile of r_Z / sqrt(d), for every classifier with these measures.

    Parameters
    ----------
    measures : sequence (K,)
        Class measures.
    q : number
        Strictly between 0 and 1.
    dimension : int
        d, the length of the latent vectors.

    Returns
    -------
    float
        Rounded up, within 1e-14 relatively.

    Notes
    -----
    Source: fawzi2018, Remark 1, Figure 2a and Table 1.
    """
    d = positive_integer(dimension, "dimension")
    return latent.fooling_quantile(measures, q) / math.sqrt(d) * (1 + 4 * _U)


def normalised_fooling_probability(
    measures: Any, ratio: Any, dimension: int, *, norm: Any = None
) -> float:
    """Lower bound on P(r_Z <= ratio * norm of z), for every classifier with these measures.

    B(ratio s) - P(norm of z < s), for any s: a radius of at most ratio s and a norm of at least s
    suffice. At d = 100, ratio = 1/10 and classes of at most 1/2 it gives 0.5882; a half-space has
    0.680252.

    Parameters
    ----------
    measures : sequence (K,)
        Class measures.
    ratio : number
        At least 0.
    dimension : int
        d, the length of the latent vectors.
    norm : number, optional
        s; by default the best one found.

    Returns
    -------
    float
        Rounded down, by at most 1e-13 absolutely; at least 0.

    Notes
    -----
    Source: fawzi2018, Remark 1, with the random norm.
    """
    t, s = _ratio(ratio), _norm(measures, ratio, dimension, norm)
    shorter = float(special.gammainc(positive_integer(dimension, "dimension") / 2, s * s / 2))
    fooled = latent.fooling_probability(measures, t * s * (1 - 4 * _U))
    # The incomplete gamma function and the rounding of s: checked against balls.
    return float(max(0.0, fooled - shorter * (1 + 1e-13) - 2 * _U))


def half_space_normalised_probability(ratio: Any, dimension: int) -> float:
    """P(r_Z <= ratio * norm of z) of a half-space through the origin: I_{ratio^2}(1/2, (d-1)/2).

    Parameters
    ----------
    ratio : number
        At least 0.
    dimension : int
        d, at least 2.

    Returns
    -------
    float
        Within 1e-13 of the exact value.

    Notes
    -----
    Source: fawzi2018, Remark 1, with the random norm.
    """
    t, d = _ratio(ratio), positive_integer(dimension, "dimension", least=2)
    return float(special.betainc(0.5, (d - 1) / 2, min(t * t, 1.0)))


def _ratio(ratio: Any) -> float:
    value = budgets(ratio, "ratio")
    if value.ndim or not np.isfinite(value):
        raise ValueError(f"ratio must be one finite number, got {ratio}")
    return float(value)


def _norm(measures: Any, ratio: Any, dimension: Any, norm: Any) -> float:
    d, t = positive_integer(dimension, "dimension"), _ratio(ratio)
    if norm is not None:
        return _ratio(norm)
    exact_measures(measures)

    def loss(s: float) -> float:
        shorter = float(special.gammainc(d / 2, s * s / 2))
        return shorter - float(latent.fooling_probability(measures, t * s))

    centre = math.sqrt(d)
    best = optimize.minimize_scalar(loss, bounds=(max(0.0, centre - 6), centre), method="bounded")
    return float(best.x)


# The formulas, each read with balls and with symbols.


def _difference(m: Any, c: Any, t: Any, d: Any, s: Any) -> Any:
    s, t = m.number(s), m.number(t)
    grown = m.sum(lambda ci: m.cdf(m.isf(ci) + t * s) - m.cdf(m.isf(ci)), c)
    return grown - chi_cdf(m, s, d)


def _half_space(m: Any, t: Any, d: Any) -> Any:
    t = m.number(t)
    return beta_cdf(m, t * t, m.number(1) / 2, (m.number(d) - 1) / 2)


def _root(m: Any, q: Any, d: Any) -> Any:
    return m.number(q) / m.sqrt(d)


def _quantile_enclosure(measures: Any, q: Any, dimension: int) -> Interval:
    eps = latent.FOOLING_QUANTILE.enclosure(measures, q)
    if eps.hi == math.inf:
        return eps
    d = positive_integer(dimension, "dimension")
    ends = [enclose(_root, Fraction(end), d) for end in (eps.lo, eps.hi)]
    return Interval(ends[0].lo, ends[1].hi)


def _probability_enclosure(
    measures: Any, ratio: Any, dimension: int, *, norm: Any = None
) -> Interval:
    c, t = exact_measures(measures), exact_rational(ratio, "ratio")
    s = exact_rational(_norm(measures, ratio, dimension, norm))
    if c[-1][0] == 1 or t * s == 0:
        return Interval(0.0, 0.0)
    return enclose_positive(_difference, c, t, positive_integer(dimension, "dimension"), s)


def _half_space_enclosure(ratio: Any, dimension: int) -> Interval:
    _ratio(ratio)
    t = exact_rational(ratio, "ratio")
    if t == 0 or t >= 1:
        return Interval(float(t > 0), float(t > 0))
    return enclose(_half_space, t, positive_integer(dimension, "dimension", least=2))


def _broken_probability(
    measures: Any, ratio: Any, dimension: Any, *, norm: Any = None
) -> tuple[str, ...]:
    return broken(
        lambda: exact_measures(measures),
        lambda: _ratio(ratio),
        lambda: positive_integer(dimension, "dimension"),
        lambda: _ratio(0 if norm is None else norm),
    )


def _broken_quantile(measures: Any, q: Any, dimension: Any) -> tuple[str, ...]:
    return latent.FOOLING_QUANTILE.broken_hypotheses(measures, q) + broken(
        lambda: positive_integer(dimension, "dimension")
    )


def _broken_half_space(ratio: Any, dimension: Any) -> tuple[str, ...]:
    return broken(lambda: _ratio(ratio), lambda: positive_integer(dimension, "dimension", least=2))


NORMALISED_FOOLING_QUANTILE = Claim(
    name="normalised-fooling-quantile",
    source="fawzi2018, Remark 1, Figure 2a and Table 1",
    formula=lambda: statement(r"Q_q(r_Z / \sqrt{d}) \le", _root, r"\varepsilon_q", "d"),
    relation="<=",
    value=normalised_fooling_quantile,
    enclosure=_quantile_enclosure,
    broken_hypotheses=_broken_quantile,
    possible=A_DISTANCE,
)
NORMALISED_FOOLING_PROBABILITY = Claim(
    name="normalised-fooling-probability",
    source="fawzi2018, Remark 1, with the random norm",
    formula=lambda: statement(r"P(r_Z \le t \|z\|) \ge", _difference, "c_", "t", "d", "s"),
    relation=">=",
    value=normalised_fooling_probability,
    enclosure=_probability_enclosure,
    broken_hypotheses=_broken_probability,
    possible=A_PROBABILITY,
)
HALF_SPACE_NORMALISED_LAW = Claim(
    name="half-space-normalised-law",
    source="fawzi2018, Remark 1, with the random norm",
    formula=lambda: statement(r"P(|z_1| \le t \|z\|) =", _half_space, "t", "d"),
    relation="==",
    value=half_space_normalised_probability,
    enclosure=_half_space_enclosure,
    broken_hypotheses=_broken_half_space,
    possible=A_PROBABILITY,
)
