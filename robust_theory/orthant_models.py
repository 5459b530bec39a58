"""Orthants: 2^k classes by the signs of k coordinates, with exact radii."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np

from robust_theory import gaussian
from robust_theory.arguments import Floats, broken, budgets, exact_rational, positive_integer
from robust_theory.arithmetic import Balls, enclose, statement
from robust_theory.claim import A_DISTANCE, A_PROBABILITY, Claim, Interval
from robust_theory.isoperimetry import shaped
from robust_theory.models import ExactModel

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(80)


def orthants(k: int) -> ExactModel:
    """2^k classes by the signs of k coordinates, at most 16 of them."""
    n = positive_integer(k, "k")
    if n > 16:
        raise ValueError(f"k must be at most 16 for a model with 2^k classes, got {k}")

    def label(z: Floats) -> Any:
        return (_rows(z, n) > 0) @ (1 << np.arange(n))

    return ExactModel(
        name="orthants",
        dimension=n,
        measures=(0.5**n,) * 2**n,
        label=label,
        radius=lambda z: np.abs(_rows(z, n)).min(axis=1),
        survival=lambda eps: 1 - np.asarray(orthant_fooling_probability(n, eps)),
        mean_radius=orthant_expected_radius(n),
    )


def orthant_fooling_probability(k: int, eps: Any) -> Any:
    """P(r_Z <= eps) of the 2^k orthants of k coordinates: 1 - (2 sf(eps))^k.

    Parameters
    ----------
    k : int
        Number of coordinates.
    eps : number or array
        Budgets, L2 distance, at least 0.

    Returns
    -------
    float or array, in the shape of `eps`
        Within 1e-14 of the exact value, relatively.
    """
    n, radius = positive_integer(k, "k"), budgets(eps)
    return shaped(-np.expm1(n * _log_survival(radius.ravel())) + 0.0, radius)


def orthant_expected_radius(k: int) -> float:
    """E r_Z of the 2^k orthants of k coordinates: the integral of (2 sf(t))^k over t >= 0.

    Parameters
    ----------
    k : int
        Number of coordinates.

    Returns
    -------
    float
        Within 1e-13 of the exact value, relatively.
    """
    n = positive_integer(k, "k")
    # (2 sf)^k falls like exp(-0.8 k t) or faster; panels of that length, 80 nodes each.
    ends = np.unique(np.minimum(np.linspace(0, 60, 7) / n, 39.0))
    total = 0.0
    for lo, hi in pairwise(ends):
        t = lo + (hi - lo) * (_NODES + 1) / 2
        total += float((hi - lo) / 2 * (_WEIGHTS @ np.exp(n * _log_survival(t))))
    return total


def _log_survival(eps: Floats) -> Floats:
    """log(2 sf(eps))."""
    half = np.full(1, 0.5)
    within, beyond = gaussian.increments(half, half, np.zeros(1), eps)
    with np.errstate(divide="ignore"):
        return np.where(eps < 1, np.log1p(-2 * within[:, 0]), np.log(2 * beyond[:, 0]))


def _rows(z: Any, dimension: int) -> Floats:
    rows = np.asarray(z, np.float64)
    if rows.ndim != 2 or rows.shape[1] != dimension:
        raise ValueError(f"z must have shape (n, {dimension}), got {rows.shape}")
    return rows


# The formulas, each read with balls and with symbols.


def _orthant_law(m: Any, k: Any, eps: Any) -> Any:
    return 1 - (2 * m.sf(m.number(eps))) ** k


def _orthant_mean(m: Any, k: Any) -> Any:
    if not isinstance(m, Balls):
        import sympy

        return m.integral(lambda t: (2 * m.sf(t)) ** k, 0, sympy.oo)
    # Beyond 64 the integral is below sf(64)^k times 2^k, and at most 2 sf(64).
    rest = (2 * m.sf(64)).abs_upper()
    return m.integral(lambda t: (2 * m.sf(t)) ** k, 0, 64) + m.number(0).union(m.number(rest))


def _orthant_enclosure(k: int, eps: Any) -> Interval:
    n, e = positive_integer(k, "k"), float(budgets(eps))
    if e in (0, math.inf):
        return Interval(float(e > 0), float(e > 0))
    return enclose(_orthant_law, n, exact_rational(eps), within=A_PROBABILITY)


ORTHANT_LAW = Claim(
    name="orthant-law",
    source="fawzi2018, Remark 4, for orthants",
    formula=lambda: statement(r"P(r_Z \le \varepsilon) =", _orthant_law, "k", r"\varepsilon"),
    relation="==",
    value=orthant_fooling_probability,
    enclosure=_orthant_enclosure,
    broken_hypotheses=lambda k, eps: broken(lambda: positive_integer(k, "k"), lambda: budgets(eps)),
    possible=A_PROBABILITY,
)
ORTHANT_EXPECTED_RADIUS = Claim(
    name="orthant-expected-radius",
    source="fawzi2018, Remark 4, for orthants",
    formula=lambda: statement(r"\mathbb{E}\, r_Z =", _orthant_mean, "k"),
    relation="==",
    value=orthant_expected_radius,
    enclosure=lambda k: enclose(_orthant_mean, positive_integer(k, "k")),
    broken_hypotheses=lambda k: broken(lambda: positive_integer(k, "k")),
    possible=A_DISTANCE,
)
