"""The entropic adversary on finitely many points: its plan, its value, and what proves them.

Data point i weighs p_i and may be sent to candidate j with the reference probability q_ij, zero
where j is out of reach. Among all plans P with first marginal p, the one that maximises
<P, losses> - KL(P || p x q) / lam sends each point by its own Gibbs law, and the value is the mean
of the points' free energies. At lam = infinity it is the adversary of ordinary adversarial
training, on the ball of the infinity-Wasserstein distance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from robust_theory.arguments import Floats, broken, exact_rational
from robust_theory.arithmetic import around, enclose
from robust_theory.claim import Claim, Interval
from robust_theory.transport.gibbs_balls import (
    dual_ball,
    exact_problem,
    primal_ball,
    value_ball,
)
from robust_theory.transport.log_mean_exp import (
    finite_array,
    free_energy,
    gibbs_weights,
    inverse_temperature,
)


@dataclass(frozen=True, eq=False)
class GibbsPlan:
    """An optimal plan with its value and the dual value that proves it optimal.

    ``plan, value, dual = gibbs_plan(...)`` works too.

    Parameters
    ----------
    plan : array (n, m)
        Mass sent from point i to candidate j; rows sum to the weights of the points.
    value : float
        <plan, losses> - KL(plan || p x reference) / lam, the greatest of all plans.
    dual : float
        Dual value at `potentials`: an upper bound on every plan's value.
    potentials : array (n,)
        The points' free energies.
    p, losses, lam, reference
        The problem, as it was given.
    """

    plan: Floats
    value: float
    dual: float
    potentials: Floats
    p: Floats
    losses: Floats
    lam: float
    reference: Floats

    def __iter__(self) -> Iterator[Any]:
        return iter((self.plan, self.value, self.dual))

    @property
    def adversarial(self) -> Floats:
        """The optimal adversarial distribution: mass of each candidate, shape (m,)."""
        return np.asarray(self.plan.sum(axis=0))

    def bracket(self) -> Interval:
        """Limits of the greatest value of any plan, in ball arithmetic and without the solver.

        The lower one is attained by `plan`, its rows rescaled to the weights; the upper one is
        the dual value at `potentials`.
        """
        given = self.p, self.losses, self.lam, self.reference
        low = enclose(primal_ball, *given, self.plan)
        high = enclose(dual_ball, *given, self.potentials)
        return Interval(min(low.lo, high.hi), max(low.lo, high.hi))

    def verify(self) -> bool:
        """Whether the plan respects its support and both bounds agree with the value.

        Doubles can prove it for a `lam` of 0 or at least 1e-16.
        """
        reachable = (self.reference > 0) & (self.p[:, None] > 0)
        rows = np.abs(self.plan.sum(axis=1) - self.p)
        if (self.plan < 0).any() or (self.plan[~reachable] != 0).any():
            return False
        if not (rows <= 4 * self.plan.shape[1] * 2.0**-53).all() or math.isinf(self.lam):
            return math.isinf(self.lam) and self._verify_maximum()
        box = self.bracket()
        # Roundings of the potentials count twice in the exponent and are divided by lam again.
        slack = 2.0**-44 * max(1.0, float(np.abs(self.losses).max()))
        return bool(box.hi - box.lo <= slack and box.lo - slack <= self.value <= box.hi + slack)

    def _verify_maximum(self) -> bool:
        greatest = np.where(self.reference > 0, self.losses, -np.inf).max(axis=1)
        attained = self.losses == greatest[:, None]
        value = float(self.p @ greatest)
        slack = 4 * len(self.p) * 2.0**-53 * max(1.0, float(np.abs(self.losses).max()))
        return bool((self.plan[~attained] == 0).all() and abs(value - self.value) <= slack)


def gibbs_plan(p: Any, losses: Any, lam: Any, reference: Any) -> GibbsPlan:
    """Optimal plan of the entropic adversary on finitely many points.

    Parameters
    ----------
    p : array (n,)
        Weights of the data points, at least 0, of sum 1.
    losses : array (n, m)
        Loss of candidate j with the label of point i; finite, also out of reach.
    lam : number or "inf"
        Inverse temperature, at least 0: at 0 the reference itself, at infinity the maximum.
    reference : array (n, m)
        Each row sums to 1 and is zero where the point cannot be sent.

    Raises
    ------
    ValueError
        If p or a row of `reference` is no probability vector (a point that can be sent nowhere
        has a row of zeros), shapes differ, or lam is negative.

    Source: anonymous2022, Propositions 3.4 and 3.5 and Theorem 3.1, with a normalised reference:
    the paper's plan must be normalised for each data point by itself.
    """
    weights, l, q = _read(p, losses, reference)
    rate = inverse_temperature(lam)
    conditional = gibbs_weights(l, rate, q)
    potentials = np.atleast_1d(free_energy(l, rate, q))
    plan = weights[:, None] * conditional
    value = float(weights @ potentials)
    dual = gibbs_dual_value(weights, l, rate, q, potentials)
    return GibbsPlan(plan, value, dual, potentials, weights, l, rate, q)


def gibbs_value(p: Any, losses: Any, lam: Any, reference: Any) -> float:
    """The greatest value of a plan, ``gibbs_plan(...).value``: the mean of the free energies."""
    weights, l, q = _read(p, losses, reference)
    return float(weights @ np.atleast_1d(free_energy(l, inverse_temperature(lam), q)))


def gibbs_dual_value(p: Any, losses: Any, lam: Any, reference: Any, potentials: Any) -> float:
    """An upper bound on the value of every plan, from any potentials alpha.

    ``sum_i p_i alpha_i + (sum_ij p_i q_ij exp(lam (L_ij - alpha_i)) - 1) / lam``, which is least,
    and equal to the value, where every alpha_i is the free energy of point i.
    """
    weights, l, q = _read(p, losses, reference)
    rate = inverse_temperature(lam)
    alpha = finite_array(potentials, "potentials")
    if alpha.shape != weights.shape:
        raise ValueError(f"potentials must have the shape of p, {weights.shape}, got {alpha.shape}")
    gap = np.where(q > 0, l - alpha[:, None], 0.0)
    if math.isinf(rate):
        return float(weights @ alpha) if (gap[weights > 0] <= 0).all() else math.inf
    if rate == 0:
        return float(weights @ (q * l).sum(axis=1))
    with np.errstate(over="ignore"):
        excess = (q * np.expm1(rate * gap)).sum(axis=1) / rate
    return float(weights @ (alpha + excess))


def _read(p: Any, losses: Any, reference: Any) -> tuple[Floats, Floats, Floats]:
    weights, l, q = (
        finite_array(array, name)
        for array, name in ((p, "p"), (losses, "losses"), (reference, "reference"))
    )
    if weights.ndim != 1 or not weights.size or l.ndim != 2 or len(l) != len(weights):
        raise ValueError(
            f"p and losses must have shapes (n,) and (n, m), got {weights.shape} and {l.shape}"
        )
    if q.shape != l.shape:
        raise ValueError(f"reference must have the shape of losses, {l.shape}, got {q.shape}")
    _check_law(weights, "p")
    for i, row in enumerate(q):
        if not row.any():
            raise ValueError(f"reference must let every point reach a candidate, row {i} is 0")
        _check_law(row, f"row {i} of reference")
    return weights / weights.sum(), l, q / q.sum(axis=1, keepdims=True)


def _check_law(row: Floats, name: str) -> None:
    if (row < 0).any():
        raise ValueError(f"{name} must be at least 0, got {row.min()}")
    # Each entry may carry a rounding of its own, and the sum by which it was divided n more.
    if not abs(math.fsum(row) - 1) <= (row.size + 4) * 2.0**-52:
        raise ValueError(f"{name} must sum to 1, got {math.fsum(row)!r}")


def _enclosure(p: Any, losses: Any, lam: Any, reference: Any) -> Interval:
    _read(p, losses, reference)
    weights, l, rows = exact_problem(p, losses, reference)
    rate = inverse_temperature(lam)
    if rate == 0 or math.isinf(rate):
        exact = Fraction(0)
        for w, a, q in zip(weights, l, rows, strict=True):
            terms = [x if rate else x * y for x, y in zip(a, q, strict=True) if y]
            exact += w * (max(terms) if rate else sum(terms, Fraction(0)))
        return around(exact)
    return enclose(value_ball, weights, l, exact_rational(lam), rows)


def _broken(p: Any, losses: Any, lam: Any, reference: Any) -> tuple[str, ...]:
    return broken(lambda: _read(p, losses, reference), lambda: inverse_temperature(lam))


GIBBS_VALUE = Claim(
    name="gibbs-plan-value",
    source="anonymous2022, Proposition 3.4 and Theorem 3.1, normalised",
    formula=lambda: (
        r"\max_{P\mathbf{1}=p}\ \langle P, L\rangle - \frac{1}{\lambda}"
        r"\mathrm{KL}(P\,\Vert\,p\times q)"
        r" = \sum_i \frac{p_i}{\lambda}\log\sum_j q_{ij}\,e^{\lambda L_{ij}}"
    ),
    relation="==",
    value=gibbs_value,
    enclosure=_enclosure,
    broken_hypotheses=_broken,
)
