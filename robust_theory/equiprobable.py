"""Theorems 1 and 2 for K classes of equal measure, by closed forms in K.

Each class has the threshold a_K = sf^-1(1/K), which is at least
x_K = sqrt(log(K^2 / (4 pi log K))) for K >= 5.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any, Literal

import numpy as np

from robust_theory import gaussian, isoperimetry
from robust_theory.arguments import broken, budgets, exact_rational, positive_integer
from robust_theory.arithmetic import enclose, statement
from robust_theory.claim import A_DISTANCE, A_PROBABILITY, Claim, Interval
from robust_theory.explicit import (
    LOG_ROOT_HALF_PI,
    Form,
    chosen,
    elementary,
    near_zero,
    one_minus_exp,
)

AnyForm = Literal["sharp", "elementary", "paper"]

_U = 2.0**-53


def equiprobable_fooling_probability(K: int, eps: Any, form: AnyForm = "sharp") -> Any:
    """Lower bound on P(r_Z <= eps) for every classifier with K classes of equal measure.

    sharp: 1 - exp(-eps^2/2 - eps a_K), for every K >= 2, never negative.
    elementary: 1 - exp(-eps^2/2 - eps x_K), for K >= 5.
    paper: 1 - sqrt(pi/2) exp(-eps^2/2 - eps x_K), for K >= 5; negative for small eps.
    `fooling_probability` of K equal measures is stronger than all three.

    Parameters
    ----------
    K : int
        Number of classes.
    eps : number or array
        Budgets, L2 distance in latent space, at least 0.
    form : {"sharp", "elementary", "paper"}
        Which bound.

    Returns
    -------
    float or array, in the shape of `eps`
        Rounded down, within 1e-14 relatively.

    Raises
    ------
    ValueError
        If K is below 2 (or 5), or an argument is not as described.

    Notes
    -----
    Source: fawzi2018, Theorem 1, eq. (3); true for all eps >= 0.
    """
    radius = budgets(eps)
    flat = radius.ravel()
    if form == "sharp":
        classes = class_number(K, 2)
        threshold = float(gaussian.isf(np.array([1 / classes]), np.array([1 - 1 / classes]))[0])
        return isoperimetry.shaped(one_minus_exp(0.0, threshold, flat), radius)
    if form not in ("elementary", "paper"):
        raise ValueError(f"form must be 'sharp', 'elementary' or 'paper', got {form!r}")
    constant = LOG_ROOT_HALF_PI if form == "paper" else 0.0
    values = one_minus_exp(constant, closed_threshold(K), flat)
    if form == "paper":
        values = near_zero(values, eps, partial(_fooled_enclosure, K, form="paper"))
    return isoperimetry.shaped(values, radius)


def equiprobable_expected_radius(K: int, form: Form = "sharp") -> float:
    """Upper bound on E r_Z for every classifier with K classes of equal measure.

    sharp: 2 / (x_K + sqrt(x_K^2 + 4)), for K >= 5.
    paper: log(4 pi log K) / sqrt(2 log K), stated for K >= 5, true for every K >= 2.

    Parameters
    ----------
    K : int
        Number of classes.
    form : {"sharp", "paper"}
        Which bound.

    Returns
    -------
    float
        L2 distance in latent space, rounded up, within 1e-14 relatively.

    Raises
    ------
    ValueError
        If K is too small for the form.

    Notes
    -----
    Source: fawzi2018, Theorem 2, second part.
    """
    if chosen(form) == "paper":
        L = math.log(class_number(K, 2))
        return math.log(4 * math.pi * L) / math.sqrt(2 * L) * (1 + 16 * _U)
    x = closed_threshold(K)
    return 2 / (x + math.sqrt(x * x + 4)) * (1 + 32 * _U)


def closed_threshold(K: int) -> float:
    """x_K for an integer K >= 5, within 14 roundings."""
    # The difference is least at K = 5, where it cancels 15-fold.
    L = math.log(class_number(K, 5))
    return math.sqrt(2 * L - math.log(4 * math.pi * L))


def class_number(K: Any, least: int) -> int:
    """The number of classes, if it is an integer from `least` to 10^300."""
    classes = positive_integer(K, "K", least=least)
    if classes > 10**300:
        raise ValueError(f"K must be at most 10^300, got a number of {len(str(K))} digits")
    return classes


# The formulas, each read with balls and with symbols.


def threshold(m: Any, K: Any) -> Any:
    """The formula x_K."""
    return m.sqrt(m.log(m.number(K) ** 2 / (4 * m.pi * m.log(K))))


def _fooled(m: Any, K: Any, eps: Any) -> Any:
    return elementary(m, eps, m.isf(1 / K), 1)


def _fooled_elementary(m: Any, K: Any, eps: Any) -> Any:
    return elementary(m, eps, threshold(m, K), 1)


def _fooled_paper(m: Any, K: Any, eps: Any) -> Any:
    return elementary(m, eps, threshold(m, K), m.sqrt(m.pi / 2))


def _radius(m: Any, K: Any) -> Any:
    x = threshold(m, K)
    return 2 / (x + m.sqrt(x * x + 4))


def _radius_paper(m: Any, K: Any) -> Any:
    return m.log(4 * m.pi * m.log(K)) / m.sqrt(2 * m.log(K))


_FOOLED = {"sharp": _fooled, "elementary": _fooled_elementary, "paper": _fooled_paper}


def _fooled_enclosure(K: int, eps: Any, form: AnyForm = "sharp") -> Interval:
    class_number(K, 2 if form == "sharp" else 5)
    e = float(budgets(eps))
    if e == math.inf or (e == 0 and form != "paper"):
        return Interval(float(e > 0), float(e > 0))
    return enclose(_FOOLED[form], Fraction(K), exact_rational(eps), within=isoperimetry.AT_MOST_ONE)


def _radius_enclosure(K: int, form: Form = "sharp") -> Interval:
    class_number(K, 5 if form == "sharp" else 2)
    return enclose(_radius if form == "sharp" else _radius_paper, Fraction(K))


def _broken(least: int) -> Callable[..., tuple[str, ...]]:
    return lambda K, eps=0: broken(lambda: class_number(K, least), lambda: budgets(eps))


def _bound(name: str, formula: Callable[..., Any], form: AnyForm, least: int) -> Claim:
    return Claim(
        name=name,
        source="fawzi2018, Theorem 1, eq. (3)",
        formula=lambda: statement(r"P(r_Z \le \varepsilon) \ge", formula, "K", r"\varepsilon"),
        relation=">=",
        value=partial(equiprobable_fooling_probability, form=form),
        enclosure=partial(_fooled_enclosure, form=form),
        broken_hypotheses=_broken(least),
        possible=A_PROBABILITY,
    )


def _mean(name: str, formula: Callable[..., Any], form: Form, least: int) -> Claim:
    return Claim(
        name=name,
        source="fawzi2018, Theorem 2, second part",
        formula=lambda: statement(r"\mathbb{E}\, r_Z \le", formula, "K"),
        relation="<=",
        value=partial(equiprobable_expected_radius, form=form),
        enclosure=partial(_radius_enclosure, form=form),
        broken_hypotheses=_broken(least),
        possible=A_DISTANCE,
    )


EQUIPROBABLE_FOOLING_PROBABILITY = _bound("equiprobable-fooling-probability", _fooled, "sharp", 2)
EQUIPROBABLE_ELEMENTARY_BOUND = _bound(
    "equiprobable-elementary-bound", _fooled_elementary, "elementary", 5
)
EQUIPROBABLE_PAPER_BOUND = _bound("equiprobable-paper-bound", _fooled_paper, "paper", 5)
EQUIPROBABLE_EXPECTED_RADIUS = _mean("equiprobable-expected-radius", _radius, "sharp", 5)
EQUIPROBABLE_EXPECTED_RADIUS_PAPER = _mean(
    "equiprobable-expected-radius-paper", _radius_paper, "paper", 2
)
