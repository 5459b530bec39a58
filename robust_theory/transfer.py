"""Perturbations that fool several models at once, for data g(z) with z ~ N(0, I).

A perturbation of z within eps is transferable when every model changes its label under it.
I(u) = sf(sf^-1(u) + eps) is the part of a half-space of measure u further than eps from its edge.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from robust_theory import isoperimetry
from robust_theory.arguments import (
    Floats,
    broken,
    budgets,
    exact_measures,
    exact_rational,
    positive_integer,
    probability,
)
from robust_theory.arithmetic import enclose, statement
from robust_theory.claim import A_PROBABILITY, Claim, Interval
from robust_theory.explicit import Form, balanced_fooling_probability, chosen, near_zero
from robust_theory.special import enclose_positive

_SPACING = Fraction(1, 2**52)


def transfer_probability(measures: Any, delta: Any, eps: Any, form: Form = "sharp") -> Any:
    """Lower bound on the probability of a perturbation within eps that fools two models at once.

    sharp: 1 - delta - I(c_max + delta) - sum of I(c_i) over the other classes, or 0 if that is
    negative; for any class measures.
    paper: 1 - sqrt(pi/2) exp(-eps^2/2) - 2 delta, when c_max + delta <= 1/2.

    Parameters
    ----------
    measures : sequence (K,)
        Class measures of one of the models.
    delta : number
        Upper bound on the probability that the models disagree.
    eps : number or array
        Budgets, L2 distance in latent space, at least 0.
    form : {"sharp", "paper"}
        Which bound.

    Returns
    -------
    float or array, in the shape of `eps`
        Rounded down, by at most 1e-14 absolutely.

    Raises
    ------
    ValueError
        If some class and delta exceed 1/2 together (paper), or an argument is not as described.

    Notes
    -----
    Source: fawzi2018, Theorem 3. For K = 2 its hypothesis leaves only delta = 0.
    """
    radius = budgets(eps)
    d = probability(delta, "delta")
    c = exact_measures(measures)
    if chosen(form) == "paper":
        _require_half(c, d)
        values = np.asarray(balanced_fooling_probability(eps, "paper")).ravel() - float(2 * d)
        # One rounding of delta and one of the difference.
        values -= 2.0**-53 * (np.abs(values) + float(4 * d))
        exactly = partial(_classes_enclosure, measures, delta, form="paper")
        return isoperimetry.shaped(near_zero(values, eps, exactly), radius)
    sets = _worst_unions(c, d)
    if sets is None:
        return isoperimetry.shaped(np.zeros(radius.size), radius)
    return isoperimetry.shaped(_positive_margin(sets, d, radius.ravel()), radius)


def transfer_probability_from_unions(unions: Any, delta: Any, eps: Any, *, models: int = 2) -> Any:
    """Lower bound on the probability of a perturbation within eps that fools all models at once.

    1 - delta - sum of I(u_i), or 0 if that is negative; attained by two parallel half-spaces.

    Parameters
    ----------
    unions : sequence (K,)
        u_i, the probability that at least one of the models says class i. Any sum that `models`
        models can have: from 1 to 1 + (models - 1) delta.
    delta : number
        Probability that not all models agree, or an upper bound on it.
    eps : number or array
        Budgets, L2 distance in latent space, at least 0.
    models : int
        How many models.

    Returns
    -------
    float or array, in the shape of `eps`
        Rounded down, by at most 1e-14 absolutely.

    Raises
    ------
    ValueError
        If the sum of the unions is impossible, or an argument is not as described.

    Notes
    -----
    Source: fawzi2018, Theorem 3, in the general form that its footnote leaves to the reader.
    """
    radius = budgets(eps)
    sets, d = _unions(unions, delta, models)
    return isoperimetry.shaped(_positive_margin(sets, d, radius.ravel()), radius)


def _positive_margin(sets: isoperimetry.Groups, delta: Fraction, eps: Floats) -> Floats:
    return np.maximum(isoperimetry.margin(sets, delta, eps), 0)


def _worst_unions(c: isoperimetry.Groups, delta: Fraction) -> isoperimetry.Groups | None:
    """All disagreement with the largest class; None where that makes the bound vacuous."""
    largest, times = c[-1]
    if largest + delta >= 1:
        return None
    others = [(largest, times - 1)] if times > 1 else []
    return [*c[:-1], *others, (largest + delta, 1)]


def _unions(unions: Any, delta: Any, models: Any) -> tuple[isoperimetry.Groups, Fraction]:
    d = probability(delta, "delta")
    sets = isoperimetry.groups(unions, "unions")
    most = 1 + (positive_integer(models, "models", least=2) - 1) * d
    # A few roundings for each union and for delta.
    slack = (sum(times for _, times in sets) + 4) * _SPACING
    if not 1 - slack <= isoperimetry.total(sets) <= most + slack:
        raise ValueError(
            f"unions must sum to between 1 and 1 + (models - 1) delta = {float(most)}, "
            f"got {float(isoperimetry.total(sets))}"
        )
    return sets, d


def _require_half(c: isoperimetry.Groups, delta: Fraction) -> None:
    if 2 * (c[-1][0] + delta) > 1:
        raise ValueError(
            "every class measure plus delta must be at most 1/2, "
            f"got {float(c[-1][0])} and delta={float(delta)}"
        )


# The formulas, each read with balls and with symbols.


def _from_classes(m: Any, c: Any, largest: Any, delta: Any, eps: Any) -> Any:
    kept = partial(isoperimetry.kept, m, eps=eps)
    return (
        1
        - m.number(delta)
        - (kept(largest + delta) - kept(largest))
        - m.sum(lambda ci: kept(ci), c)
    )


def _from_unions(m: Any, u: Any, delta: Any, eps: Any) -> Any:
    return 1 - m.number(delta) - m.sum(lambda ui: isoperimetry.kept(m, ui, eps), u)


def _paper(m: Any, delta: Any, eps: Any) -> Any:
    e = m.number(eps)
    return 1 - m.sqrt(m.pi / 2) * m.exp(-e * e / 2) - 2 * m.number(delta)


def _classes_enclosure(measures: Any, delta: Any, eps: Any, form: Form = "sharp") -> Interval:
    c, d, e = exact_measures(measures), probability(delta, "delta"), float(budgets(eps))
    if form == "paper":
        _require_half(c, d)
        if e == math.inf:
            return _around(1 - 2 * d)
        return enclose(_paper, d, exact_rational(eps), within=isoperimetry.AT_MOST_ONE)
    if c[-1][0] + d >= 1 or e == 0:
        return Interval(0.0, 0.0)
    if e == math.inf:
        return _around(1 - d)
    return enclose_positive(_from_classes, c, c[-1][0], d, exact_rational(eps))


def _unions_enclosure(unions: Any, delta: Any, eps: Any, *, models: int = 2) -> Interval:
    (sets, d), e = _unions(unions, delta, models), float(budgets(eps))
    if e == 0 or sets[-1][0] == 1:
        return Interval(0.0, 0.0)
    if e == math.inf:
        return _around(1 - d)
    return enclose_positive(_from_unions, sets, d, exact_rational(eps))


def _around(number: Fraction) -> Interval:
    return Interval(isoperimetry.rounded(number, -1), isoperimetry.rounded(number, 1))


def _broken(measures: Any, delta: Any, eps: Any = 0) -> tuple[str, ...]:
    return broken(
        lambda: exact_measures(measures),
        lambda: probability(delta, "delta"),
        lambda: budgets(eps),
    )


def _broken_paper(measures: Any, delta: Any, eps: Any = 0) -> tuple[str, ...]:
    return _broken(measures, delta, eps) or broken(
        lambda: _require_half(exact_measures(measures), probability(delta, "delta"))
    )


def _broken_unions(unions: Any, delta: Any, eps: Any = 0, *, models: int = 2) -> tuple[str, ...]:
    return broken(lambda: _unions(unions, delta, models), lambda: budgets(eps))


_FOOLED = r"P(\exists v: \|v\| \le \varepsilon,\ f(z + v) \ne f(z),\ h(z + v) \ne h(z)) \ge"
_NAMES = (r"\delta", r"\varepsilon")

TRANSFER_PROBABILITY = Claim(
    name="transfer-probability",
    source="fawzi2018, Theorem 3",
    formula=lambda: statement(_FOOLED, _from_classes, "c_", r"c_{\max}", *_NAMES),
    relation=">=",
    value=transfer_probability,
    enclosure=_classes_enclosure,
    broken_hypotheses=_broken,
    possible=A_PROBABILITY,
)
TRANSFER_PAPER_BOUND = Claim(
    name="transfer-paper-bound",
    source="fawzi2018, Theorem 3",
    formula=lambda: statement(_FOOLED, _paper, *_NAMES),
    relation=">=",
    value=partial(transfer_probability, form="paper"),
    enclosure=partial(_classes_enclosure, form="paper"),
    broken_hypotheses=_broken_paper,
    possible=A_PROBABILITY,
)
TRANSFER_FROM_UNIONS = Claim(
    name="transfer-probability-from-unions",
    source="fawzi2018, Theorem 3, general form",
    formula=lambda: statement(_FOOLED, _from_unions, "u_", *_NAMES),
    relation=">=",
    value=transfer_probability_from_unions,
    enclosure=_unions_enclosure,
    broken_hypotheses=_broken_unions,
    possible=A_PROBABILITY,
)
