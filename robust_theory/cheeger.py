"""Latent laws of which only a Cheeger constant is known, as for log-concave ones.

mu has the Cheeger constant h when the boundary measure of every set A is at least
h min(mu(A), 1 - mu(A)). Then an eps-neighbourhood grows as that of a half-line under the Laplace
law F with density exp(-|x|) / 2, run at the speed h.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from robust_theory import isoperimetry
from robust_theory.arguments import (
    broken,
    budgets,
    class_measures,
    exact_measures,
    exact_rational,
)
from robust_theory.arithmetic import Balls, enclose, statement
from robust_theory.claim import A_PROBABILITY, Claim, Interval
from robust_theory.latents import positive

_U = 2.0**-53


def cheeger_fooling_probability(measures: Any, eps: Any, h: Any) -> Any:
    """Lower bound on P(r <= eps) for a latent law with the Cheeger constant h.

    sum_i [F(b_i + h eps) - F(b_i)] with F(b_i) = 1 - c_i; when no class exceeds 1/2, this is
    1 - exp(-h eps). Attained by the Laplace law on the line, with h = 1, and a half-line.

    Parameters
    ----------
    measures : sequence (K,)
        Class measures under that law.
    eps : number or array
        Budgets, in the distance that h belongs to, at least 0.
    h : number
        Cheeger constant, positive.

    Returns
    -------
    float or array, in the shape of `eps`
        Rounded down, within 1e-14 relatively.

    Raises
    ------
    ValueError
        If h is not positive, or another argument is not as described.

    Notes
    -----
    Source: bobkov1997, Cheeger-type isoperimetry.
    """
    budget, speed = budgets(eps), float(positive(h, "h"))
    classes = class_measures(measures)
    if classes.complements[-1] == 0:
        return isoperimetry.shaped(np.zeros(budget.size), budget)
    x = budget.ravel() * speed
    minor = classes.measures <= 0.5
    share = float((classes.measures * classes.multiplicities)[minor].sum())
    grown = share * -np.expm1(-x)
    if not minor.all():
        c, q = float(classes.measures[-1]), float(classes.complements[-1])
        # Up to the median the other side grows exponentially; beyond it this one decays.
        until = -math.log(2 * q)
        growing = q * np.expm1(np.minimum(x, until))
        decaying = c - np.exp(-np.maximum(x, until)) / (4 * q)
        grown = grown + np.where(x < until, growing, decaying)
        # exp magnifies the rounding of its exponent, in the part that it makes.
        share_of_exp = np.where(x < until, 1.0, (c - decaying) / decaying)
        slack = (24 + 4 * np.minimum(x, 1e6) * share_of_exp) * _U
    else:
        slack = np.full(x.shape, 24 * _U)
    return isoperimetry.shaped(np.clip(grown * (1 - slack), 0, 1), budget)


def _laplace_growth(m: Any, c: Any, x: Any) -> Any:
    """F(b + x) - F(b) with F(b) = 1 - c."""
    if not isinstance(m, Balls):
        import sympy

        F, inverse = sympy.Function("F"), sympy.Function("F^{-1}")
        return F(inverse(1 - c) + x) - F(inverse(1 - c))
    if 2 * c <= 1:
        return m.number(c) * (1 - m.exp(-x))
    q = m.number(1 - c)
    growing = q * (m.exp(x) - 1)
    decaying = m.number(c) - m.exp(-x) / (4 * q)
    until = -m.log(2 * q)
    if x <= until:
        return growing
    return decaying if x > until else growing.union(decaying)


def _probability(m: Any, c: Any, eps: Any, h: Any) -> Any:
    x = m.number(h) * m.number(eps)
    return m.sum(lambda ci: _laplace_growth(m, ci, x), c)


def _enclosure(measures: Any, eps: Any, h: Any) -> Interval:
    c, e, speed = exact_measures(measures), float(budgets(eps)), positive(h, "h")
    if e == 0 or c[-1][0] == 1:
        return Interval(0.0, 0.0)
    if e == math.inf:
        return Interval(1.0, 1.0)
    return enclose(_probability, c, exact_rational(eps), speed, within=A_PROBABILITY)


CHEEGER_FOOLING_PROBABILITY = Claim(
    name="cheeger-fooling-probability",
    source="bobkov1997, Cheeger-type isoperimetry",
    formula=lambda: statement(r"P(r \le \varepsilon) \ge", _probability, "c_", r"\varepsilon", "h"),
    relation=">=",
    value=cheeger_fooling_probability,
    enclosure=_enclosure,
    broken_hypotheses=lambda measures, eps, h: broken(
        lambda: exact_measures(measures), lambda: budgets(eps), lambda: positive(h, "h")
    ),
    possible=A_PROBABILITY,
)
