"""Theorem 1 without class measures: only how large the largest class may be."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any, Literal

import numpy as np

from robust_theory import isoperimetry, latent
from robust_theory.arguments import (
    Floats,
    broken,
    budgets,
    exact_measures,
    exact_rational,
    probability,
)
from robust_theory.arithmetic import enclose, statement
from robust_theory.claim import A_PROBABILITY, Claim, Interval

Form = Literal["sharp", "paper"]

LOG_ROOT_HALF_PI = math.log(math.pi / 2) / 2
_U = 2.0**-53
_HALVES = ("1/2", "1/2")


def balanced_fooling_probability(eps: Any, form: Form = "sharp", *, measures: Any = None) -> Any:
    """Lower bound on P(r_Z <= eps) for every classifier with all classes at most 1/2.

    sharp: 1 - 2 sf(eps) = erf(eps / sqrt 2), attained by a half-space through the origin.
    paper: 1 - sqrt(pi/2) exp(-eps^2/2), negative below eps = 0.671999.

    Parameters
    ----------
    eps : number or array
        Budgets, L2 distance in latent space, at least 0.
    form : {"sharp", "paper"}
        Which bound.
    measures : sequence (K,), optional
        Class measures, to have the hypothesis checked; they do not enter the bound.

    Returns
    -------
    float or array, in the shape of `eps`
        Rounded down, within 1e-14 relatively.

    Raises
    ------
    ValueError
        If some class exceeds 1/2, or an argument is not as described.

    Notes
    -----
    Source: fawzi2018, Theorem 1, eq. (2).
    """
    radius = budgets(eps)
    _require_balanced(measures)
    if chosen(form) == "sharp":
        return latent.fooling_probability(_HALVES, eps)
    values = one_minus_exp(LOG_ROOT_HALF_PI, 0.0, radius.ravel())
    return isoperimetry.shaped(
        near_zero(values, eps, partial(_balanced_enclosure, form="paper")), radius
    )


def largest_class_fooling_probability(largest: Any, eps: Any) -> Any:
    """Lower bound on P(r_Z <= eps) for every classifier whose classes are at most `largest`.

    1 - m I(largest) - I(1 - m largest), m = floor(1 / largest): the bound of Theorem 1 is least
    when as many classes as possible are as large as possible. It falls as `largest` grows, so an
    upper confidence limit of the largest class may stand for it.

    Parameters
    ----------
    largest : number
        In (0, 1].
    eps : number or array
        Budgets, L2 distance in latent space, at least 0.

    Returns
    -------
    float or array, in the shape of `eps`
        Rounded down, within 1e-14 relatively.

    Raises
    ------
    ValueError
        If `largest` lies outside (0, 1], or an argument is not as described.

    Notes
    -----
    Source: fawzi2018, Theorem 1, eq. (1), and Schur concavity.
    """
    radius = budgets(eps)
    sets = _worst_classes(largest)
    if sets[-1][0] == 1:
        return isoperimetry.shaped(np.zeros(radius.size), radius)
    return isoperimetry.shaped(
        np.maximum(isoperimetry.margin(sets, Fraction(0), radius.ravel()), 0), radius
    )


def one_minus_exp(constant: float, threshold: float, eps: Floats) -> Floats:
    """1 - exp(constant - eps^2/2 - eps threshold), rounded down; inputs within 14 roundings."""
    with np.errstate(over="ignore", invalid="ignore"):
        exponent = np.where(np.isinf(eps), np.inf, eps * (eps / 2 + threshold))
    value = -np.expm1(constant - exponent)
    # Each term of the exponent carries at most 20 roundings, its constant two.
    reached = np.minimum(eps, 1e6)
    size = reached * (reached / 2 + abs(threshold))
    with np.errstate(over="ignore"):
        error = np.exp(constant - np.minimum(exponent, 1e13)) * (20 * size + 3 * abs(constant))
    return value - error * _U - 3 * _U * np.abs(value) + 0.0


def near_zero(values: Floats, eps: Any, enclosed: Callable[[Any], Interval]) -> Floats:
    """The bounds, those near 0 taken from balls: there the doubles have cancelled."""
    originals = np.asarray(eps, dtype=object).ravel()
    for i in np.nonzero(np.abs(values) < 0.2)[0]:
        values[i] = enclosed(originals[i]).lo
    return values


def chosen(form: str) -> str:
    """The form, if it is one of the two."""
    if form not in ("sharp", "paper"):
        raise ValueError(f"form must be 'sharp' or 'paper', got {form!r}")
    return form


def _require_balanced(measures: Any) -> None:
    if measures is not None and (largest := exact_measures(measures)[-1][0]) > Fraction(1, 2):
        raise ValueError(f"every class measure must be at most 1/2, got {float(largest)}")


def _worst_classes(largest: Any) -> isoperimetry.Groups:
    c = probability(largest, "largest")
    if c == 0:
        raise ValueError(f"largest must be above 0, got {largest}")
    times = math.floor(1 / c)
    rest = 1 - times * c
    return [(rest, 1), (c, times)] if rest else [(c, times)]


# The formulas, each read with balls and with symbols.


def _balanced(m: Any, eps: Any) -> Any:
    return 1 - 2 * m.sf(m.number(eps))


def elementary(m: Any, eps: Any, threshold: Any, constant: Any) -> Any:
    """The formula 1 - constant exp(-eps^2/2 - eps threshold)."""
    e = m.number(eps)
    return 1 - constant * m.exp(-e * e / 2 - e * threshold)


def _balanced_paper(m: Any, eps: Any) -> Any:
    return elementary(m, eps, 0, m.sqrt(m.pi / 2))


def _largest(m: Any, c: Any, times: Any, eps: Any) -> Any:
    rest = 1 - times * c
    last = 0 if rest == 0 else isoperimetry.kept(m, rest, eps)
    return 1 - times * isoperimetry.kept(m, c, eps) - last


def _balanced_enclosure(eps: Any, form: Form = "sharp", *, measures: Any = None) -> Interval:
    isoperimetry.require(_broken_balanced(eps, measures=measures))
    e = float(budgets(eps))
    if e == math.inf or (e == 0 and form == "sharp"):
        return Interval(float(e > 0), float(e > 0))
    formula = _balanced if form == "sharp" else _balanced_paper
    return enclose(formula, exact_rational(eps), within=isoperimetry.AT_MOST_ONE)


def _largest_enclosure(largest: Any, eps: Any) -> Interval:
    c, times = _worst_classes(largest)[-1]
    e = float(budgets(eps))
    if c == 1 or e in (0, math.inf):
        value = float(c < 1 and e > 0)
        return Interval(value, value)
    return enclose(_largest, c, times, exact_rational(eps), within=isoperimetry.AT_MOST_ONE)


def _broken_balanced(eps: Any, *, measures: Any = None) -> tuple[str, ...]:
    return broken(lambda: budgets(eps), lambda: _require_balanced(measures))


def _broken_largest(largest: Any, eps: Any = 0) -> tuple[str, ...]:
    return broken(lambda: _worst_classes(largest), lambda: budgets(eps))


BALANCED_FOOLING_PROBABILITY = Claim(
    name="balanced-fooling-probability",
    source="fawzi2018, Theorem 1, eq. (2)",
    formula=lambda: statement(r"P(r_Z \le \varepsilon) \ge", _balanced, r"\varepsilon"),
    relation=">=",
    value=balanced_fooling_probability,
    enclosure=_balanced_enclosure,
    broken_hypotheses=_broken_balanced,
    possible=A_PROBABILITY,
)
BALANCED_PAPER_BOUND = Claim(
    name="balanced-paper-bound",
    source="fawzi2018, Theorem 1, eq. (2)",
    formula=lambda: statement(r"P(r_Z \le \varepsilon) \ge", _balanced_paper, r"\varepsilon"),
    relation=">=",
    value=partial(balanced_fooling_probability, form="paper"),
    enclosure=partial(_balanced_enclosure, form="paper"),
    broken_hypotheses=_broken_balanced,
    possible=A_PROBABILITY,
)
LARGEST_CLASS_FOOLING_PROBABILITY = Claim(
    name="largest-class-fooling-probability",
    source="fawzi2018, Theorem 1, eq. (1), and Schur concavity",
    formula=lambda: (
        statement(r"P(r_Z \le \varepsilon) \ge", _largest, "c", "m", r"\varepsilon")
        + r",\quad c_i \le c,\ m = \lfloor 1/c \rfloor"
    ),
    relation=">=",
    value=largest_class_fooling_probability,
    enclosure=_largest_enclosure,
    broken_hypotheses=_broken_largest,
    possible=A_PROBABILITY,
)
