"""The optimal adversarial risk of two classes as a function of eps: an exact step function."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from robust_theory.arguments import Floats, exact_rational
from robust_theory.risks import matching
from robust_theory.risks.conflict import find_conflicts, greatest_key, threshold
from robust_theory.risks.distances import Keys
from robust_theory.risks.samples import Norm, read_norm, read_samples
from robust_theory.risks.weights import two_class_weights


@dataclass(frozen=True, eq=False)
class RiskCurve:
    """The optimal adversarial risk for every eps from 0 to `eps_max`.

    Parameters
    ----------
    keys : array (m,)
        Where the risk rises, increasing: distances of pairs in the unit of the samples, squared for
        the norm l2; integers if the samples are exact, else distances off by rounding.
    risk : tuple of Fraction
        The risk from each of those on, exactly.
    norm : {"l2", "linf", "l1"}
        Norm of the distances.
    unit : Fraction
        Unit of the keys.
    eps_max : Fraction
        Where the curve ends.
    closed : bool
        Whether the risk rises at its breakpoints (closed balls) or just behind them.
    """

    keys: Keys
    risk: tuple[Fraction, ...]
    norm: Norm
    unit: Fraction
    eps_max: Fraction
    closed: bool

    @property
    def eps(self) -> Floats:
        """The breakpoints, in doubles, rounded."""
        squared = self.norm == "l2" and self.keys.dtype.kind == "i"
        distances = np.sqrt(self.keys) if squared else self.keys.astype(np.float64)
        return distances / float(2 * self.unit)

    @property
    def first_eps(self) -> float:
        """The least eps at which every classifier errs; infinite if there is none to `eps_max`."""
        return float(self.eps[0]) if len(self.keys) else math.inf

    def __call__(self, eps: Any) -> Any:
        """The risk at `eps`: a Fraction, or an array of them in the shape of `eps`.

        Exact for exact samples; for others up to the rounding of the breakpoints.

        Raises
        ------
        ValueError
            If an eps is negative or beyond `eps_max`.
        """
        if isinstance(eps, str) or np.ndim(eps) == 0:
            return self._at(eps)
        table = np.asarray(eps, object)
        values = [self._at(radius) for radius in table.ravel()]
        return np.array([*values, None], object)[:-1].reshape(table.shape)

    def plot(self, axes: Any = None) -> Any:
        """Draw the steps; returns the Matplotlib axes."""
        if axes is None:
            import matplotlib.pyplot as plt

            axes = plt.figure().add_subplot()
        x = [0.0, *self.eps, float(self.eps_max)]
        y = [0.0, *map(float, self.risk)]
        axes.step(x, [*y, y[-1]], where="post")
        axes.set_xlabel(f"eps ({self.norm})")
        axes.set_ylabel("least adversarial risk of any classifier")
        return axes

    def _at(self, eps: Any) -> Fraction:
        radius = exact_rational(eps, "eps")
        limit = threshold(self.norm, radius, self.unit)
        if radius > self.eps_max:
            raise ValueError(f"eps must be at most eps_max = {self.eps_max}, got {eps!r}")
        bound: Any
        if self.keys.dtype.kind == "i":
            bound, side = greatest_key(limit, self.closed), "right"
        else:
            bound = float(2 * radius * self.unit)
            side = "right" if self.closed else "left"
        k = int(np.searchsorted(self.keys, bound, side))  # type: ignore[call-overload]
        return self.risk[k - 1] if k else Fraction(0)


def risk_curve(
    X0: Any,
    X1: Any,
    norm: str = "l2",
    *,
    eps_max: Any,
    weights0: Any = None,
    weights1: Any = None,
    prior0: Any = 0.5,
    closed: bool = True,
    scale: Any = None,
) -> RiskCurve:
    """The whole curve eps -> `optimal_risk`, with its exact breakpoints, in one sweep.

    Arguments as in `optimal_risk`. Conflicts arrive by distance and a maximum matching (flow, for
    unequal weights) is kept up to date; memory grows with the number of conflicts at `eps_max`.
    Equal weights, as with ``prior0="sample"``, are quickest; unequal ones take some ten times
    longer, and more where the risk is close to 1/2. So it does without numba (the extra ``fast``),
    ten to twenty times. `optimal_risks` is the alternative for a few eps.
    """
    first, second = read_samples({"X0": X0, "X1": X1}, scale)
    metric, end = read_norm(norm), exact_rational(eps_max, "eps_max")
    weights = two_class_weights((len(first), len(second)), weights0, weights1, prior0)
    found = find_conflicts(first, second, metric, end, closed=closed)
    order = np.argsort(found.keys, kind="stable")
    keys = found.keys[order]
    # All shares in lowest terms: equal weights become units, whose flow is a matching.
    divisor = math.gcd(*weights.shares)
    shares = [share // divisor for share in weights.shares]
    gains, _ = matching.growing_flow(
        found.rows[order], found.columns[order], shares[: len(first)], shares[len(first) :]
    )
    flow = np.cumsum(gains)
    last = np.flatnonzero(keys[1:] != keys[:-1])
    last = np.append(last, len(keys) - 1) if len(keys) else last
    before = np.concatenate([np.zeros(1, flow.dtype), flow[last][:-1]])[: len(last)]
    rises = last[flow[last] != before]
    risks = tuple(Fraction(int(flow[k]) * divisor, weights.total) for k in rises)
    return RiskCurve(keys[rises], risks, metric, first.unit, end, closed)
