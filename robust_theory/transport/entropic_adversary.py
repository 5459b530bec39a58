"""Two more values of adversaries on finitely many points: without entropy, and with Shannon's.

Without entropy the adversary may choose any law within eps of the data in the infinity-Wasserstein
distance. Splitting a point's mass gains nothing there: the value is the mean of the greatest losses
within reach, as in ordinary adversarial training. With the counting measure as its reference the
entropy also counts candidates and weights, which moves the value but not the plan.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust_theory.arguments import Floats, broken, exact_rational
from robust_theory.arithmetic import around, enclose
from robust_theory.claim import Claim, Interval
from robust_theory.transport.gibbs import gibbs_value
from robust_theory.transport.gibbs_balls import free_energy_ball
from robust_theory.transport.log_mean_exp import finite_array, inverse_temperature


def transport_adversarial_risk(p: Any, losses: Any, reach: Any) -> float:
    """Greatest mean loss over all laws that the adversary can transport the data to.

    Parameters
    ----------
    p : array (n,)
        Weights of the data points, of sum 1.
    losses : array (n, m)
        Loss of candidate j with the label of point i.
    reach : array (n, m)
        Nonzero where the candidate is within eps of the point and keeps its label.

    Source: anonymous2022, Propositions 2.1, 3.1 and 3.2: maps, plans, and the ball of W_infinity
    all have this value.
    """
    return gibbs_value(p, losses, math.inf, uniform_reference(reach))


def entropic_transport_value(p: Any, losses: Any, lam: Any, reach: Any) -> float:
    """Greatest value of <P, losses> + H(P) / lam, with H(P) = -sum P (log P - 1).

    Equal to ``sum_i p_i log(sum_j exp(lam L_ij)) / lam + (H(p) + 1) / lam``, where j runs over the
    candidates in reach and H(p) is the Shannon entropy of the weights; lam is positive and finite.

    Source: anonymous2022, eq. (12), whose value eq. (15) states without the last term.
    """
    q = uniform_reference(reach)
    rate = _positive(lam)
    weights = finite_array(p, "p")
    base = gibbs_value(weights, losses, rate, q)
    counts = (q > 0).sum(axis=1)
    w = weights / weights.sum()
    entropy = -float(np.sum(w * np.log(np.where(w > 0, w, 1.0))))
    return base + (float(w @ np.log(counts)) + entropy + 1) / rate


def uniform_reference(reach: Any) -> Floats:
    """The reference that is uniform on the candidates in reach of each point."""
    table: NDArray[np.bool_] = finite_array(reach, "reach") != 0
    if table.ndim != 2:
        raise ValueError(f"reach must have shape (n, m), got {table.shape}")
    if not table.any(axis=1).all():
        row = int(np.flatnonzero(~table.any(axis=1))[0])
        raise ValueError(f"reach must let every point reach a candidate, row {row} is 0")
    return np.asarray(table / table.sum(axis=1, keepdims=True), np.float64)


def _positive(lam: Any) -> float:
    rate = inverse_temperature(lam)
    if not 0 < rate < math.inf:
        raise ValueError(f"lam must be positive and finite, got {lam!r}")
    return rate


def exact_reach(p: Any, losses: Any, reach: Any) -> Any:
    """Weights, and the losses that each point can reach, as rationals."""
    gibbs_value(p, losses, 0, uniform_reference(reach))  # raises where an argument has no meaning
    weights = [exact_rational(x) for x in p]
    total = sum(weights, Fraction(0))
    rows = [
        [exact_rational(x) for x, near in zip(row, inside, strict=True) if near]
        for row, inside in zip(losses, np.asarray(reach) != 0, strict=True)
    ]
    return [x / total for x in weights], rows


def _risk_enclosure(p: Any, losses: Any, reach: Any) -> Interval:
    weights, rows = exact_reach(p, losses, reach)
    greatest = (w * max(row) for w, row in zip(weights, rows, strict=True))
    return around(sum(greatest, Fraction(0)))


def _entropic(m: Any, weights: list[Fraction], rows: list[list[Fraction]], rate: Fraction) -> Any:
    total = m.number(1) / m.number(rate)
    for w, row in zip(weights, rows, strict=True):
        if w:
            k = Fraction(len(row))
            inner = free_energy_ball(m, row, rate, [1 / k] * len(row))
            total += m.number(w) * (inner + (m.log(k) - m.log(w)) / m.number(rate))
    return total


def _entropic_enclosure(p: Any, losses: Any, lam: Any, reach: Any) -> Interval:
    _positive(lam)
    return enclose(_entropic, *exact_reach(p, losses, reach), exact_rational(lam))


def _broken(p: Any, losses: Any, reach: Any, lam: Any = 1) -> tuple[str, ...]:
    return broken(lambda: exact_reach(p, losses, reach), lambda: _positive(lam))


TRANSPORT_ADVERSARIAL_RISK = Claim(
    name="transport-adversarial-risk",
    source="anonymous2022, Propositions 2.1, 3.1 and 3.2",
    formula=lambda: (
        r"\max_{W_\infty(\mu,\,\hat\mu)\le\varepsilon} E_{(x,y)\sim\mu}\,\ell(x,y)"
        r" = \sum_i p_i \max_{j\,:\,\Vert x_i - x_j\Vert\le\varepsilon} L_{ij}"
    ),
    relation="==",
    value=transport_adversarial_risk,
    enclosure=_risk_enclosure,
    broken_hypotheses=_broken,
)
ENTROPIC_TRANSPORT_VALUE = Claim(
    name="entropic-transport-value",
    source="anonymous2022, eq. (12) and Theorem 3.1, with the constant that eq. (15) leaves out",
    formula=lambda: (
        r"\max_{P\mathbf{1}=p}\ \langle P, L\rangle + \frac{H(P)}{\lambda}"
        r" = \frac{1}{\lambda}\Bigl(\sum_i p_i\log\sum_j e^{\lambda L_{ij}} + h(p) + 1\Bigr)"
    ),
    relation="==",
    value=entropic_transport_value,
    enclosure=_entropic_enclosure,
    broken_hypotheses=_broken,
)
