"""The semidefinite relaxation of a small ReLU network, with bounds that trust no solver.

With v = (1, z, y) for the input z and the values y after each ReLU, all hypotheses are products
of two linear functions of v: y >= 0, y >= x, y (y - x) = 0 for y = relu(x), (x - l)(h - x) >= 0
for a value x in [l, h]. In the matrix P = v v^T they are linear; the relaxation asks of P only
that it be positive semidefinite with P_00 = 1.

cvxpy solves it. Its multipliers m_i >= 0 (of any sign for equations) prove, for M = the margin's
matrix less the sum of m_i times the matrices of the hypotheses,

    margin >= v^T M v >= t + (least eigenvalue of S (M - t E_00) S) * len(v),

S the largest absolute values of v. The eigenvalue is bounded by a Cholesky factorisation, and all
entries with their rounding errors, so the bound holds whatever the solver did.

Source: raghunathan2018; jansson2007 for the rigorous bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from robust_theory.arguments import Floats
from robust_theory.networks.operator_norms import least_eigenvalue_below
from robust_theory.networks.polytope import polytope_margins
from robust_theory.networks.relaxations import Bounds, Region, relu_lines
from robust_theory.networks.relu_networks import UNIT, Network

MOST_UNITS = 120  # the solver's time grows with the sixth power


@dataclass(frozen=True, eq=False)
class SemidefiniteMargins:
    """Margins over the semidefinite relaxation.

    Parameters
    ----------
    lower : array (K,)
        Proved lower bounds of the margins, infinity for the label; never below the polytope's.
    optimum : array (K,)
        What the solver reports, within its tolerances.
    """

    lower: Floats
    optimum: Floats


@dataclass(frozen=True, eq=False)
class _Linear:
    """A linear function of v: coefficients, and the sums of absolute values they came from."""

    value: Floats
    size: Floats

    def minus(self, other: _Linear) -> _Linear:
        return _Linear(self.value - other.value, self.size + other.size)


def semidefinite_margins(
    network: Network,
    label: int,
    before: list[Bounds],
    region: Region,
    *,
    enough: float = np.inf,
) -> SemidefiniteMargins:
    """Solve a semidefinite program for each rival whose bound by the polytope is below `enough`.

    Raises
    ------
    ValueError
        If the norm is l1, or the network has more than 120 inputs and units.
    """
    if region.norm == "l1":
        raise ValueError("norm must be 'l2' or 'linf' for the semidefinite relaxation, got 'l1'")
    n = 1 + network.inputs + sum(len(bounds.low) for bounds in before)
    if n > MOST_UNITS:
        raise ValueError(f"the network must have at most {MOST_UNITS} units, got {n}")
    program = _Program(network, before, region, n)
    lower = polytope_margins(network, label, before, region, enough=enough).lower
    optimum = np.where(lower >= enough, lower, np.inf)
    for rival in range(network.outputs):
        if rival != label and lower[rival] < enough:
            proved, optimum[rival] = program.minimise(program.margin(label, rival))
            lower[rival] = max(lower[rival], proved)
    return SemidefiniteMargins(lower, optimum)


class _Program:
    """The hypotheses as symmetric matrices, and the sizes of v."""

    def __init__(self, network: Network, before: list[Bounds], region: Region, n: int) -> None:
        self.network, self.n = network, n
        self.matrices: list[Floats] = []
        self.sizes: list[Floats] = []
        self.equations: list[bool] = []
        self.bounds = np.concatenate(
            [np.ones(1), region.size, *(bounds.size_after for bounds in before)]
        )
        one = self.one = self._unit(0)
        coordinates = [self._unit(1 + i) for i in range(network.inputs)]
        if region.norm == "linf":
            for z, x in zip(coordinates, region.centre, strict=True):
                self._between(z, np.nextafter(x - region.eps, -np.inf),
                              np.nextafter(x + region.eps, np.inf))  # fmt: skip
        else:
            shifts = [self._shifted(z, -x) for z, x in zip(coordinates, region.centre, strict=True)]
            squared = float(np.square(region.eps)) * (1 + 4 * UNIT)
            self._require([(squared, one, one),
                           *((-1.0, s, s) for s in shifts)])  # fmt: skip
        start, source = 1, slice(1, 1 + network.inputs)
        start += network.inputs
        for layer, bounds in zip(network.layers[:-1], before, strict=True):
            W = layer.weight.toarray() if hasattr(layer.weight, "toarray") else layer.weight
            lines = relu_lines(bounds)
            for i in range(len(bounds.low)):
                x, y = self._row(W[i], layer.bias[i], source), self._unit(start + i)
                low, high = float(bounds.low[i]), float(bounds.high[i])
                if bounds.crossing[i]:
                    self._require([(1.0, y, one)])
                    self._require([(1.0, y.minus(x), one)])
                    self._require([(1.0, y, y.minus(x))], equation=True)
                    self._require([(float(lines.upper[i]), x, one),
                                   (float(lines.intercept[i]), one, one),
                                   (-1.0, y, one)])  # fmt: skip
                    self._between(x, low, high)
                    self._between(y, 0.0, high)
                elif high > 0 or not bounds.relu:
                    self._require([(1.0, y.minus(x), one)], equation=True)
                    self._require([(1.0, y.minus(x), y)], equation=True)
                    self._between(y, low, high)
                else:
                    self._require([(1.0, y, one)], equation=True)
                    self._require([(1.0, y, y)], equation=True)
            source = slice(start, start + len(bounds.low))
            start = source.stop
        self.source = source

    def _unit(self, index: int) -> _Linear:
        e = np.zeros(self.n)
        e[index] = 1.0
        return _Linear(e, e)

    def _row(self, weights: Floats, offset: float, source: slice) -> _Linear:
        row = np.zeros(self.n)
        row[source], row[0] = weights, offset
        return _Linear(row, np.abs(row))

    def _shifted(self, f: _Linear, number: float) -> _Linear:
        constant = np.zeros(self.n)
        constant[0] = number
        return _Linear(f.value + constant, f.size + np.abs(constant))

    def _between(self, f: _Linear, low: float, high: float) -> None:
        above = self._shifted(f, -low)
        below = self._shifted(_Linear(-f.value, f.size), high)
        self._require([(1.0, above, below)])
        self._require([(1.0, above, self.one)])
        self._require([(1.0, below, self.one)])

    def _require(
        self, terms: list[tuple[float, _Linear, _Linear]], *, equation: bool = False
    ) -> None:
        matrix, size = (np.zeros((self.n, self.n)) for _ in range(2))
        for factor, p, q in terms:
            matrix += factor * _symmetric(p.value, q.value)
            size += abs(factor) * _symmetric(p.size, q.size)
        self.matrices.append(matrix)
        self.sizes.append(size)
        self.equations.append(equation)

    def margin(self, label: int, rival: int) -> tuple[Floats, Floats]:
        """Matrix of the margin and its sizes."""
        last = self.network.layers[-1]
        W = last.weight.toarray() if hasattr(last.weight, "toarray") else last.weight
        own, other = (self._row(W[j], last.bias[j], self.source) for j in (label, rival))
        lead = own.minus(other)
        return _symmetric(lead.value, self.one.value), _symmetric(lead.size, self.one.size)

    def minimise(self, objective: tuple[Floats, Floats]) -> tuple[float, float]:
        """A proved lower bound of the objective, and the solver's optimum."""
        import cvxpy

        cp: Any = cvxpy  # its annotations leave out what is used here

        matrix, size = objective
        scale = np.outer(self.bounds, self.bounds)
        flat = np.array([(G * scale).ravel() for G in self.matrices])
        length = np.maximum(np.linalg.norm(flat, axis=1), 1e-300)
        flat /= length[:, None]
        if not (np.isfinite(flat).all() and np.isfinite(matrix * scale).all()):
            return -np.inf, -np.inf
        equal = np.array(self.equations)
        P = cp.Variable((self.n, self.n), PSD=True)  # in units of the bounds of v
        v = cp.vec(P, order="C")
        rules = [flat[~equal] @ v >= 0, P[0, 0] == 1]
        if equal.any():
            rules.append(flat[equal] @ v == 0)
        problem = cp.Problem(cp.Minimize((matrix * scale).ravel() @ v), rules)
        try:
            problem.solve(solver=cp.CLARABEL)
        except cp.error.SolverError:
            return -np.inf, -np.inf
        except BaseException as error:
            # Numbers too far apart make the solver panic, which is no Exception.
            if type(error).__name__ != "PanicException":
                raise
            return -np.inf, -np.inf
        if problem.status not in ("optimal", "optimal_inaccurate"):
            return -np.inf, -np.inf
        m = np.zeros(len(flat))
        m[~equal] = np.maximum(np.asarray(rules[0].dual_value), 0.0)
        if equal.any():
            m[equal] = -np.asarray(rules[2].dual_value)
        m /= length
        return self._proved(matrix, size, m, -float(rules[1].dual_value)), float(problem.value)

    def _proved(self, matrix: Floats, size: Floats, m: Floats, t: float) -> float:
        M, total = matrix.copy(), size.copy()
        for multiplier, G, S in zip(m, self.matrices, self.sizes, strict=True):
            M -= multiplier * G
            total += abs(multiplier) * S
        M[0, 0] -= t
        total[0, 0] += abs(t)
        # Each entry of a hypothesis is a sum of few products, added to as many more as there are.
        relative = 2 * (len(m) + 2 * self.n + 40) * UNIT
        error = relative * float(self.bounds @ total @ self.bounds) * (1 + 1e-9)
        scaled = M * np.outer(self.bounds, self.bounds)
        least = min(least_eigenvalue_below((scaled + scaled.T) / 2), 0.0)
        bound = t + least * self.n - error
        return float(bound - 8 * UNIT * abs(bound)) if np.isfinite(bound) else -np.inf


def _symmetric(p: Floats, q: Floats) -> Any:
    return (np.outer(p, q) + np.outer(q, p)) / 2
