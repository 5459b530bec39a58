"""Two Gaussian classes: the least adversarial risk that any classifier can have on them.

With one covariance and equal priors the adversary can move both laws towards each other by any z
within its ball; what is left of half the difference of the means, measured by the covariance, is
the margin. A linear classifier attains it, so the margin is a minimum over z and a maximum over
weight vectors w, and any z and any w enclose it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from robust_theory.arguments import Floats, broken, exact_rational
from robust_theory.arithmetic import enclose
from robust_theory.claim import A_PROBABILITY, Claim, Interval
from robust_theory.risks.gaussian_line import Doubles
from robust_theory.risks.samples import Norm, read_norm
from robust_theory.risks.shifts import best_shift, shortened, size_of


def gaussian_optimal_risk(
    mean0: Any, mean1: Any, covariance: Any, eps: Any, norm: str = "l2"
) -> Any:
    """Least adversarial risk on N(mean0, C) against N(mean1, C) at equal priors.

    ``sf(alpha)`` with alpha the least of ``||C^(-1/2) ((mean1 - mean0) / 2 - z)||_2`` over
    ``||z|| <= eps``: 1/2 as soon as eps reaches half the distance of the means.

    Parameters
    ----------
    mean0, mean1 : number or sequence (d,)
        Means of the classes.
    covariance : number, sequence (d,) or (d, d)
        Variance of every coordinate, variances, or a positive definite matrix.
    eps : number or array
        Radius of the adversary's ball, at least 0.
    norm : {"l2", "linf", "l1"}
        Its norm.

    Returns
    -------
    float or array, in the shape of `eps`
        Off by rounding, and by the solver's gap for norms and covariances without closed form;
        `gaussian_optimal_risk_enclosure` bounds both.

    Notes
    -----
    Source: bhagoji2019, Theorem 2; chapter17, section 17.6.3, for one dimension, where the printed
    formula holds up to eps = half the distance of the means only.
    """
    if np.ndim(eps):
        each = [gaussian_optimal_risk(mean0, mean1, covariance, e, norm) for e in np.ravel(eps)]
        return np.reshape(each, np.shape(eps))
    return Doubles.sf(_read(mean0, mean1, covariance, eps, norm).margin())


def gaussian_neighbourhood_distance(
    mean0: Any, mean1: Any, covariance: Any, eps: Any, norm: str = "l2"
) -> float:
    """D_N: the least mass that a coupling of the two laws has on pairs more than 2 eps apart.

    ``erf(alpha / sqrt 2)``, that is 1 - 2 `gaussian_optimal_risk`, without its cancellation.
    """
    return math.erf(_read(mean0, mean1, covariance, eps, norm).margin() / math.sqrt(2))


def gaussian_optimal_risk_enclosure(
    mean0: Any, mean1: Any, covariance: Any, eps: Any, norm: str = "l2"
) -> Interval:
    """An interval that provably contains the optimal risk; arguments as in it.

    In Arb balls: the closed form where there is one, else the risk of a linear classifier above
    and a shift of both laws below.
    """
    return _read(mean0, mean1, covariance, eps, norm).enclosure()


@dataclass(frozen=True)
class _Problem:
    """Half the difference of the means, a covariance and a ball, in exact numbers."""

    half_gap: tuple[Fraction, ...]
    variances: tuple[Fraction, ...]  # empty if the covariance is not diagonal
    covariance: tuple[tuple[Fraction, ...], ...]  # empty if it is
    eps: Fraction
    norm: Norm

    @property
    def reached(self) -> bool:
        """Whether the ball contains half the difference, so that nothing is left."""
        size = size_of(self.half_gap, self.norm)
        return size <= (self.eps**2 if self.norm == "l2" else self.eps)

    @property
    def closed_form(self) -> bool:
        return bool(self.variances) and (
            self.norm == "linf" or (self.norm == "l2" and len(set(self.variances)) == 1)
        )

    def margin(self) -> float:
        if self.reached:
            return 0.0
        if self.closed_form:
            return float(math.sqrt(self._closed_square(Doubles())))
        # The margin of a classifier is flat at the best one: rounding in the weights is squared.
        return max(0.0, float(self._linear_margin(Doubles(), self.best_weights(self.shift()))))

    def enclosure(self) -> Interval:
        if self.reached:
            return Interval(0.5, 0.5)
        if self.closed_form:
            return enclose(lambda m: m.sf(m.sqrt(self._closed_square(m))))
        found = self.shift()
        shift = shortened([Fraction(float(z)) for z in found], self.eps, self.norm)
        rest = [m - z for m, z in zip(self.half_gap, shift, strict=True)]
        weights = self.best_weights(found)
        low = enclose(lambda m: m.sf(m.sqrt(self._shifted_square(m, rest))))
        high = enclose(lambda m: m.sf(self._linear_margin(m, weights)))
        return Interval(low.lo, min(0.5, high.hi))

    def matrix(self) -> Floats:
        if self.variances:
            return np.diag([float(v) for v in self.variances])
        return np.array([[float(v) for v in row] for row in self.covariance])

    def shift(self) -> Floats:
        """The best z in doubles, to the accuracy of a solver."""
        m, S, eps = np.array([float(x) for x in self.half_gap]), self.matrix(), float(self.eps)
        if eps == 0:
            return np.zeros(len(m))
        return best_shift(m, S, eps, self.norm)

    def best_weights(self, shift: Floats) -> list[Fraction]:
        """Weights of the linear classifier that is best if this shift is."""
        rest = [float(m - Fraction(float(z))) for m, z in zip(self.half_gap, shift, strict=True)]
        return [Fraction(float(x)) for x in np.linalg.solve(self.matrix(), np.array(rest))]

    def _closed_square(self, m: Any) -> Any:
        if self.norm == "linf":
            left = [max(Fraction(0), abs(x) - self.eps) for x in self.half_gap]
            return m.number(
                sum((x * x / v for x, v in zip(left, self.variances, strict=True)), Fraction(0))
            )
        size = size_of(self.half_gap, "l2")
        # (|m| - eps) = (|m|^2 - eps^2) / (|m| + eps): no cancellation.
        left = m.number(size - self.eps**2) / (m.sqrt(m.number(size)) + m.number(self.eps))
        return left * left / m.number(self.variances[0])

    def _shifted_square(self, m: Any, rest: list[Fraction]) -> Any:
        if self.variances:
            return m.number(
                sum((x * x / v for x, v in zip(rest, self.variances, strict=True)), Fraction(0))
            )
        from flint import arb_mat

        column = arb_mat([[m.number(x)] for x in rest])
        solved = arb_mat([[m.number(x) for x in row] for row in self.covariance]).solve(column)
        return (column.transpose() * solved)[0, 0]

    def _linear_margin(self, m: Any, w: list[Fraction]) -> Any:
        """Margin of the classifier with weights w; any w will do."""
        along = sum((a * b for a, b in zip(w, self.half_gap, strict=True)), Fraction(0))
        if self.variances:
            spread = sum((a * a * v for a, v in zip(w, self.variances, strict=True)), Fraction(0))
        else:
            products = [
                sum((a * b for a, b in zip(w, row, strict=True)), Fraction(0))
                for row in self.covariance
            ]
            spread = sum((a * b for a, b in zip(w, products, strict=True)), Fraction(0))
        dual: Norm = {"l2": "l2", "linf": "l1", "l1": "linf"}[self.norm]  # type: ignore[assignment]
        size = m.number(size_of(w, dual))
        lost = m.number(self.eps) * (m.sqrt(size) if dual == "l2" else size)
        return (m.number(along) - lost) / m.sqrt(m.number(spread))


def _read(mean0: Any, mean1: Any, covariance: Any, eps: Any, norm: Any) -> _Problem:
    first, second = _vector(mean0, "mean0"), _vector(mean1, "mean1")
    if len(first) != len(second):
        raise ValueError(
            f"mean0 and mean1 must have the same length, got {len(first)} and {len(second)}"
        )
    radius = exact_rational(eps, "eps")
    if radius < 0:
        raise ValueError(f"eps must be at least 0, got {eps!r}")
    gap = tuple((b - a) / 2 for a, b in zip(first, second, strict=True))
    table = np.asarray(covariance, object)
    d = len(gap)
    if table.shape in ((), (d,)) and not (table.shape == (1,) and d > 1):
        variances = tuple(
            exact_rational(v, "covariance") for v in np.broadcast_to(table, d).tolist()
        )
        if min(variances) <= 0:
            raise ValueError(f"covariance must be positive, got {float(min(variances))}")
        return _Problem(gap, variances, (), radius, read_norm(norm))
    if table.shape != (d, d):
        raise ValueError(f"covariance must have shape (), ({d},) or ({d}, {d}), got {table.shape}")
    matrix = tuple(tuple(exact_rational(v, "covariance") for v in row) for row in table.tolist())
    if any(matrix[i][j] != matrix[j][i] for i in range(d) for j in range(i)):
        raise ValueError("covariance must be symmetric")
    if all(not matrix[i][j] for i in range(d) for j in range(i)):
        return _read(mean0, mean1, [matrix[i][i] for i in range(d)], eps, norm)
    try:
        np.linalg.cholesky(np.array([[float(v) for v in row] for row in matrix]))
    except np.linalg.LinAlgError as error:
        raise ValueError("covariance must be positive definite") from error
    return _Problem(gap, (), matrix, radius, read_norm(norm))


def _vector(values: Any, name: str) -> list[Fraction]:
    table = np.asarray(values, object)
    if table.ndim > 1 or not table.size:
        raise ValueError(f"{name} must be a number or have shape (d,), got {table.shape}")
    return [exact_rational(x, name) for x in table.ravel().tolist()]


def _check(*arguments: Any, **named: Any) -> tuple[str, ...]:
    return broken(lambda: _read(*arguments, **{"norm": "l2", **named}))


GAUSSIAN_OPTIMAL_RISK = Claim(
    name="gaussian-optimal-risk",
    source="bhagoji2019, Theorem 2",
    formula=lambda: (
        r"\inf_h R_\varepsilon(h) = \Phi\Bigl(-\min_{\lVert z\rVert\le\varepsilon}"
        r"\bigl\lVert\Sigma^{-1/2}\bigl(\tfrac{\mu_1-\mu_0}{2}-z\bigr)\bigr\rVert_2\Bigr)"
    ),
    relation="==",
    value=gaussian_optimal_risk,
    enclosure=gaussian_optimal_risk_enclosure,
    broken_hypotheses=_check,
    possible=A_PROBABILITY,
)
