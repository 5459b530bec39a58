"""How far a set of known Gaussian measure must reach: the lemma behind the closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from robust_theory import gaussian, isoperimetry
from robust_theory.arguments import broken, budgets, exact_rational, probability
from robust_theory.arithmetic import enclose, statement
from robust_theory.claim import A_DISTANCE, A_PROBABILITY, Claim, Interval
from robust_theory.equiprobable import class_number, closed_threshold, threshold
from robust_theory.explicit import LOG_ROOT_HALF_PI, Form, chosen, elementary, one_minus_exp

_U = 2.0**-53


def neighbourhood_measure(measure: Any, eps: Any, form: Form = "sharp") -> Any:
    """Lower bound on the Gaussian measure of the eps-neighbourhood of any set of known measure.

    1 - C (1 - p) exp(-eps^2/2 - eps b) for a set of measure p = Phi(b), with C = 1 (sharp, for
    every p) or C = sqrt(pi/2) (paper, for p >= 1/2).

    Parameters
    ----------
    measure : number
        p, above 0, and at least 1/2 with form "paper".
    eps : number or array
        L2 distance, at least 0.
    form : {"sharp", "paper"}
        Which constant.

    Returns
    -------
    float or array, in the shape of `eps`
        Rounded down; negative where the bound says nothing.

    Raises
    ------
    ValueError
        If the measure lies outside its range, or an argument is not as described.

    Notes
    -----
    Source: fawzi2018, Lemma 2, eq. (9).
    """
    radius = budgets(eps)
    rest = 1 - _set_measure(measure, chosen(form))
    if rest == 0:
        return isoperimetry.shaped(np.ones(radius.size), radius)
    constant = (LOG_ROOT_HALF_PI if form == "paper" else 0.0) + math.log(rest)
    b = float(gaussian.isf(np.array([float(rest)]), np.array([float(1 - rest)]))[0])
    return isoperimetry.shaped(one_minus_exp(constant, b, radius.ravel()), radius)


def equiprobable_neighbourhood_measure(K: int, eps: Any, form: Form = "sharp") -> Any:
    """Lower bound on the measure of the eps-neighbourhood of any set of measure 1 - 1/K.

    1 - (C / K) exp(-eps^2/2 - eps x_K) with C = 1 (sharp) or C = sqrt(pi/2) (paper), for K >= 5.

    Parameters
    ----------
    K : int
        At least 5.
    eps : number or array
        L2 distance, at least 0.
    form : {"sharp", "paper"}
        Which constant.

    Returns
    -------
    float or array, in the shape of `eps`
        Rounded down, within 1e-14 relatively.

    Raises
    ------
    ValueError
        If K is below 5, or an argument is not as described.

    Notes
    -----
    Source: fawzi2018, Lemma 2, eq. (10), with the exponent meant, -eps sqrt(...); true for all
    eps >= 0.
    """
    radius = budgets(eps)
    constant = (LOG_ROOT_HALF_PI if chosen(form) == "paper" else 0.0) - math.log(class_number(K, 5))
    return isoperimetry.shaped(one_minus_exp(constant, closed_threshold(K), radius.ravel()), radius)


def equiprobable_threshold(K: int) -> float:
    """Lower bound x_K on a_K, the threshold of a class of measure 1/K.

    Parameters
    ----------
    K : int
        At least 5; below 4.27154 there is no real x_K, or a false one.

    Returns
    -------
    float
        Rounded down, within 1e-14 relatively.

    Raises
    ------
    ValueError
        If K is no integer of at least 5.

    Notes
    -----
    Source: fawzi2018, Lemma 2, eq. (11).
    """
    return closed_threshold(K) * (1 - 32 * _U)


def _set_measure(measure: Any, form: str) -> Fraction:
    p = probability(measure, "measure")
    if p == 0 or (form == "paper" and 2 * p < 1):
        least = "at least 1/2 with form='paper'" if form == "paper" else "above 0"
        raise ValueError(f"measure must be {least}, got {measure}")
    return p


# The formulas, each read with balls and with symbols.


def _grown(m: Any, p: Any, eps: Any) -> Any:
    return elementary(m, eps, m.isf(1 - p), m.number(1 - p))


def _grown_paper(m: Any, p: Any, eps: Any) -> Any:
    return elementary(m, eps, m.isf(1 - p), m.number(1 - p) * m.sqrt(m.pi / 2))


def _neighbourhood(m: Any, K: Any, eps: Any) -> Any:
    return elementary(m, eps, threshold(m, K), 1 / m.number(K))


def _neighbourhood_paper(m: Any, K: Any, eps: Any) -> Any:
    return elementary(m, eps, threshold(m, K), m.sqrt(m.pi / 2) / m.number(K))


def _grown_enclosure(measure: Any, eps: Any, form: Form = "sharp") -> Interval:
    p = _set_measure(measure, form)
    if p == 1 or float(budgets(eps)) == math.inf:
        return Interval(1.0, 1.0)
    formula = _grown if form == "sharp" else _grown_paper
    return enclose(formula, p, exact_rational(eps), within=isoperimetry.AT_MOST_ONE)


def _neighbourhood_enclosure(K: int, eps: Any, form: Form = "sharp") -> Interval:
    class_number(K, 5)
    if float(budgets(eps)) == math.inf:
        return Interval(1.0, 1.0)
    formula = _neighbourhood if form == "sharp" else _neighbourhood_paper
    return enclose(formula, Fraction(K), exact_rational(eps), within=isoperimetry.AT_MOST_ONE)


def _broken_set(form: Form) -> Callable[..., tuple[str, ...]]:
    return lambda measure, eps=0: broken(lambda: _set_measure(measure, form), lambda: budgets(eps))


def _broken_number(K: Any, eps: Any = 0) -> tuple[str, ...]:
    return broken(lambda: class_number(K, 5), lambda: budgets(eps))


def _set_growth(name: str, formula: Callable[..., Any], form: Form) -> Claim:
    return Claim(
        name=name,
        source="fawzi2018, Lemma 2, eq. (9)",
        formula=lambda: statement(
            r"\Phi(\Phi^{-1}(p) + \varepsilon) \ge", formula, "p", r"\varepsilon"
        ),
        relation=">=",
        value=partial(neighbourhood_measure, form=form),
        enclosure=partial(_grown_enclosure, form=form),
        broken_hypotheses=_broken_set(form),
        possible=A_PROBABILITY,
    )


def _class_growth(name: str, formula: Callable[..., Any], form: Form) -> Claim:
    return Claim(
        name=name,
        source="fawzi2018, Lemma 2, eq. (10)",
        formula=lambda: statement(
            r"\Phi(\Phi^{-1}(1 - 1/K) + \varepsilon) \ge", formula, "K", r"\varepsilon"
        ),
        relation=">=",
        value=partial(equiprobable_neighbourhood_measure, form=form),
        enclosure=partial(_neighbourhood_enclosure, form=form),
        broken_hypotheses=_broken_number,
        possible=A_PROBABILITY,
    )


NEIGHBOURHOOD_MEASURE = _set_growth("neighbourhood-measure", _grown, "sharp")
NEIGHBOURHOOD_MEASURE_PAPER = _set_growth("neighbourhood-measure-paper", _grown_paper, "paper")
EQUIPROBABLE_NEIGHBOURHOOD = _class_growth(
    "equiprobable-neighbourhood-measure", _neighbourhood, "sharp"
)
EQUIPROBABLE_NEIGHBOURHOOD_PAPER = _class_growth(
    "equiprobable-neighbourhood-measure-paper", _neighbourhood_paper, "paper"
)
EQUIPROBABLE_THRESHOLD = Claim(
    name="equiprobable-threshold",
    source="fawzi2018, Lemma 2, eq. (11)",
    formula=lambda: statement(r"\Phi^{-1}(1 - 1/K) \ge", threshold, "K"),
    relation=">=",
    value=equiprobable_threshold,
    enclosure=lambda K: enclose(threshold, Fraction(class_number(K, 5))),
    broken_hypotheses=_broken_number,
    possible=A_DISTANCE,
)
