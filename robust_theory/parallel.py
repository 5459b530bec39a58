"""Two parallel half-spaces: the pair of models on which the transfer bound is attained.

f = 1 where z_1 > 0, h = 1 where z_1 > offset. They disagree between 0 and the offset, and there no
perturbation changes both.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from robust_theory import gaussian
from robust_theory.arguments import Floats, broken, budgets, exact_rational
from robust_theory.arithmetic import enclose, statement
from robust_theory.claim import A_PROBABILITY, Claim, Interval
from robust_theory.isoperimetry import shaped


def parallel_transfer_probability(offset: Any, eps: Any) -> Any:
    """P(some perturbation within eps changes both labels): 0 for eps < offset, and from there on

    Phi(eps) - Phi(offset) + Phi(eps - offset) - 1/2.

    Parameters
    ----------
    offset : number
        Distance of the half-spaces' edges, at least 0.
    eps : number or array
        Budgets, L2 distance, at least 0.

    Returns
    -------
    float or array, in the shape of `eps`
        Within 1e-14 of the exact value, relatively, for offsets up to 5.
    """
    s, radius = _offset(offset), budgets(eps)
    # Budgets next to the offset: the difference of the decimals, not of the doubles.
    edge, originals = exact_rational(offset), np.asarray(eps, dtype=object).ravel()
    beyond = np.array(
        [
            math.inf if math.isinf(double) else max(0.0, float(exact_rational(e) - edge))
            for double, e in zip(radius.ravel(), originals, strict=True)
        ]
    )
    total = np.zeros(beyond.shape)
    for a in (0.0, s):
        point = np.array([a])
        c, q = gaussian.sf(point), gaussian.sf(-point)
        total += gaussian.increments(c, q, point, beyond)[0][:, 0]
    return shaped(total, radius)


def parallel_transfer_radius(z: Any, offset: Any) -> Floats:
    """Least L2 norm of a perturbation of each row that changes both labels; inf between the edges.

    Parameters
    ----------
    z : array (n, d)
        Latent vectors.
    offset : number
        Distance of the half-spaces' edges, at least 0.
    """
    first, s = np.asarray(z, np.float64)[:, 0], _offset(offset)
    return np.where(first > s, first, np.where(first > 0, np.inf, s - first))


def parallel_transfer_arguments(offset: Any) -> dict[str, Any]:
    """The unions (two) and the delta of this pair, for `transfer_probability_from_unions`."""
    s = _offset(offset)
    upper = float(gaussian.sf(np.array([-s]))[0])
    return {"unions": [0.5, upper], "delta": upper - 0.5}


def _offset(offset: Any) -> float:
    s = budgets(offset, "offset")
    if s.ndim or not np.isfinite(s):
        raise ValueError(f"offset must be one finite number, got {offset}")
    return float(s)


def _law(m: Any, s: Any, eps: Any) -> Any:
    s, e = m.number(s), m.number(eps)
    return m.cdf(e) - m.cdf(s) + m.cdf(e - s) - m.cdf(m.number(0))


def _enclosure(offset: Any, eps: Any) -> Interval:
    _offset(offset)
    s, e = exact_rational(offset), float(budgets(eps))
    if e != math.inf and exact_rational(eps) <= s:
        return Interval(0.0, 0.0)
    # Beyond 1000 the probability is that at 1000, up to what no double can show.
    reached = exact_rational(eps) if e < 1e3 else Fraction(1000)
    return enclose(_law, s, reached, within=A_PROBABILITY)


PARALLEL_TRANSFER_LAW = Claim(
    name="parallel-transfer-law",
    source="fawzi2018, Theorem 3, for parallel half-spaces",
    formula=lambda: (
        statement(
            r"P(\exists v: \|v\| \le \varepsilon,\ f \ne f(z),\ h \ne h(z) \text{ at } z + v) =",
            _law,
            "s",
            r"\varepsilon",
        )
        + r",\quad \varepsilon \ge s"
    ),
    relation="==",
    value=parallel_transfer_probability,
    enclosure=_enclosure,
    broken_hypotheses=lambda offset, eps: broken(lambda: _offset(offset), lambda: budgets(eps)),
    possible=A_PROBABILITY,
)
