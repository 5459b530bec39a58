"""The checkerboard classifier of z ~ N(0, I): its exact robustness and the published bound."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import partial
from typing import Any, Literal

import numpy as np

from robust_theory.arguments import Floats, broken, budgets, positive_integer
from robust_theory.arithmetic import enclose, statement
from robust_theory.claim import A_DISTANCE, A_PROBABILITY, Claim, Interval
from robust_theory.models import (
    FOOLED,
    MEAN_RADIUS,
    ExactModel,
    checked_rows,
    enclosed_law,
    of_budgets,
)

Form = Literal["sharp", "paper"]


def checkerboard(dimension: int) -> ExactModel:
    """The class is the parity of the sum of the coordinates' integer parts (rounded down)."""
    d = positive_integer(dimension, "dimension")
    return ExactModel(
        name="checkerboard",
        dimension=d,
        measures=(0.5, 0.5),
        label=lambda z: ((np.floor(checked_rows(z, d)) % 2).sum(axis=1) % 2).astype(np.int64),
        radius=lambda z: np.abs(checked_rows(z, d) - np.rint(z)).min(axis=1),
        survival=lambda eps: of_budgets(lambda e: np.exp(d * _log_cell(e)), eps),
        mean_radius=checkerboard_expected_radius(d),
    )


def checkerboard_fooling_probability(d: int, eps: Any, form: Form = "sharp") -> Any:
    """P(r_Z <= eps) of the checkerboard in `d` dimensions, for `eps` of any shape.

    Parameters
    ----------
    d : int
        Dimension, at least 1.
    eps : number or array
        Budgets, L2 distance.
    form : {"sharp", "paper"}
        "sharp" is the law 1 - q(eps)^d, where a coordinate is further than eps from every
        integer with probability q(eps). "paper" is the lower bound 1 - (1 - eps)^d, which needs
        eps <= 1: beyond that it exceeds 1 in odd dimensions.

    Returns
    -------
    float or array
        Within 1e-14 of the exact value, relatively; the paper's lower bound never above it.

    Raises
    ------
    ValueError
        If d < 1, eps < 0, `form` is another word, or eps > 1 with the paper's form.

    Notes
    -----
    Source: fawzi2018, Example 1; "paper" is its eq. (4), given there without a range.
    """
    d = positive_integer(d, "d")
    if form == "paper":
        _check_paper(eps)
        return of_budgets(lambda e: -np.expm1(d * np.log1p(-e)) * (1 - 8 * 2.0**-53), eps)
    if form != "sharp":
        raise ValueError(f"form must be 'sharp' or 'paper', got {form!r}")
    return of_budgets(lambda e: -np.expm1(d * _log_cell(e)), eps)


def checkerboard_expected_radius(d: int) -> float:
    """E r_Z of the checkerboard in `d` dimensions, within 1e-14, relatively.

    The integral of q(x)^d over 0 <= x <= 1/2.

    Notes
    -----
    Source: fawzi2018, Example 1.
    """
    d = positive_integer(d, "d")
    # With t = 1 - 2 x, q = t - k sin(pi t) and k = 1.7e-9. To first order in k the integral is
    # 1/(2(d+1)) - (d k/2) J, where J integrates t^(d-1) sin(pi (1-t)); Taylor's series of the
    # sine about t = 1 gives Beta integrals. The second order and the other sines of q are below
    # 1e-16 of the result.
    integral, term = 0.0, math.pi / (d * (d + 1))
    for n in range(2, 40, 2):
        integral += term
        term *= -(math.pi**2) / ((d + n) * (d + n + 1))
    return 1 / (2 * (d + 1)) - d * _RIPPLES[0] / 2 * integral


# q(e) = 1 - 2 e - sum_n ripple_n sin(2 pi n e); the third is 1e-77.
_RIPPLES = tuple(2 / math.pi * math.exp(-2 * math.pi**2 * n * n) / n for n in (1, 2))


def _log_cell(eps: Floats) -> Floats:
    """log q(eps), the probability that a coordinate is further than eps from every integer."""
    e = np.minimum(eps, 0.5)
    outside = 2 * e + sum(
        ripple * np.sin(2 * np.pi * n * e) for n, ripple in enumerate(_RIPPLES, start=1)
    )
    return np.where(eps >= 0.5, -np.inf, np.log1p(-outside))


def _check_paper(eps: Any) -> None:
    e = budgets(eps)
    if (e > 1).any():
        raise ValueError(f"eps must be at most 1 in eq. (4), got {e[e > 1].flat[0]}")


# The formulas, each read with balls and with symbols.


def _cell(m: Any, eps: Any) -> Any:
    eps = m.number(eps)
    y = m.imaginary_size(eps)
    ripples = m.series(
        lambda n: m.exp(-2 * m.pi**2 * n**2) * m.sin(2 * m.pi * n * eps) / n,
        lambda n: m.exp(-2 * m.pi**2 * n**2 + 2 * m.pi * n * y),
    )
    return 1 - 2 * eps - 2 / m.pi * ripples


def _checkerboard_law(m: Any, d: Any, eps: Any) -> Any:
    return 1 - _cell(m, eps) ** d


def _checkerboard_mean(m: Any, d: Any) -> Any:
    return m.integral(lambda x: _cell(m, x) ** d, 0, m.number(Fraction(1, 2)))


def _checkerboard_paper(m: Any, d: Any, eps: Any) -> Any:
    return 1 - (1 - m.number(eps)) ** d


def _checkerboard_mean_enclosure(d: int) -> Interval:
    return enclose(_checkerboard_mean, positive_integer(d, "d"))


def _checkerboard_enclosure(d: int, eps: Any) -> Interval:
    return enclosed_law(_checkerboard_law, positive_integer(d, "d"), eps, certain=Fraction(1, 2))


def _paper_enclosure(d: int, eps: Any) -> Interval:
    _check_paper(eps)
    return enclosed_law(_checkerboard_paper, positive_integer(d, "d"), eps, certain=Fraction(1))


def _broken_checkerboard(d: Any, eps: Any = 0) -> tuple[str, ...]:
    return broken(lambda: positive_integer(d, "d"), lambda: budgets(eps))


CHECKERBOARD_LAW = Claim(
    name="checkerboard-law",
    source="fawzi2018, Example 1",
    formula=lambda: statement(FOOLED + " =", _checkerboard_law, "d", r"\varepsilon"),
    relation="==",
    value=checkerboard_fooling_probability,
    enclosure=_checkerboard_enclosure,
    broken_hypotheses=_broken_checkerboard,
    possible=A_PROBABILITY,
)
CHECKERBOARD_EXPECTED_RADIUS = Claim(
    name="checkerboard-expected-radius",
    source="fawzi2018, Example 1",
    formula=lambda: statement(MEAN_RADIUS + " =", _checkerboard_mean, "d"),
    relation="==",
    value=checkerboard_expected_radius,
    enclosure=_checkerboard_mean_enclosure,
    broken_hypotheses=lambda d: _broken_checkerboard(d),
    possible=A_DISTANCE,
)
CHECKERBOARD_PAPER_BOUND = Claim(
    name="checkerboard-paper-bound",
    source="fawzi2018, Example 1, eq. (4)",
    formula=lambda: (
        statement(FOOLED + r" \ge", _checkerboard_paper, "d", r"\varepsilon")
        + r",\quad 0 \le \varepsilon \le 1"
    ),
    relation=">=",
    value=partial(checkerboard_fooling_probability, form="paper"),
    enclosure=_paper_enclosure,
    broken_hypotheses=lambda d, eps: broken(
        lambda: positive_integer(d, "d"), lambda: _check_paper(eps)
    ),
    possible=A_PROBABILITY,
)
