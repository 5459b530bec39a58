"""Radii of small ReLU networks by mixed-integer programming: a second road to the same number.

Each ReLU whose input can have both signs within the ball gets a binary variable, each rival class
one that says it wins. The distance t is approximated by tangents t >= g.u, |g| = 1, added where
solutions were found: at the point of the solution's linear piece that is nearest to z, one
tangent settles the whole piece (outer approximation), so few rounds are needed.

The solver is HiGHS in floating point. Its lower bounds are numerical: right if HiGHS keeps its
tolerances, which are allowed for. `empirical.exact_branch` proves its bounds, and is faster.
"""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, sparse

from empirical.exact import (
    ExactRadius,
    attack,
    check_limits,
    decided_differently,
    distance_above,
)
from empirical.exact_layers import AffineLayer, Floats, points, possible_rivals
from empirical.exact_relaxation import (
    Local,
    Slopes,
    localise,
    nearest_half_space,
    planes_above,
    reachable,
)

# HiGHS: dual_feasibility_tolerance, and the larger of mip_feasibility_tolerance and mip_abs_gap.
DUAL_TOLERANCE = 1e-7
MIP_TOLERANCE = 1e-6


def milp_radius(
    layers: Sequence[AffineLayer],
    z: ArrayLike,
    *,
    time_limit: float = 60.0,
    gap: float = 2e-3,
    reach: float = 100.0,
) -> ExactRadius:
    """Return radii of a ReLU network, with ``lower >= (1 - gap) upper`` unless time runs out.

    The upper bounds are verified in double precision with room for its rounding errors. The lower
    bounds are those of HiGHS, less what its tolerances can amount to (see `Program.allowance`).

    Parameters
    ----------
    layers, z, time_limit, reach
        As in `empirical.exact_branch.relu_radius`.
    gap : float
        In (0, 1), relative. The allowance is a part of it: below some 1e-4 it cannot be reached.

    Raises
    ------
    ValueError
        As `empirical.exact_branch.relu_radius`.
    """
    check_limits(time_limit, gap, reach)
    z = points(z, layers)
    start = attack(layers, z)
    lower, upper, point = np.zeros(len(z)), start.radius.copy(), start.point.copy()
    for k in range(len(z)):
        label = int(start.label[k])
        radius = upper[k] if math.isfinite(upper[k]) else reach
        rivals = possible_rivals(layers, label)
        lower[k] = 0.0 if rivals else math.inf
        local = localise(layers, z[k], radius)
        if rivals:
            program = Program(local, label, rivals)
            deadline = time.monotonic() + time_limit
            for bound, u in program.rounds(deadline, gap / 4):
                lower[k] = max(lower[k], min(bound, radius))
                tries = z[k] + np.outer(1 + 10.0 ** np.arange(-9, -4), u)
                for candidate in tries[decided_differently(layers, tries, label)]:
                    if distance_above(candidate, z[k]) < upper[k]:
                        point[k], upper[k] = candidate, distance_above(candidate, z[k])
                if lower[k] >= (1 - gap) * min(radius, upper[k]):
                    break
        lower[k] = min(lower[k], upper[k])
    return ExactRadius(lower, upper, point)


class Program:
    """The mixed-integer program around one point, in units in which every variable is in [-1, 1].

    Columns: t, u, then the outputs of the ReLUs, their binaries, the rivals' binaries.
    """

    def __init__(self, local: Local, label: int, rivals: Sequence[int]) -> None:
        self.local, self.label, self.rivals = local, label, rivals
        d, units = local.weights[0].shape[1], sum(len(b) for b in local.offsets[:-1])
        self.u = slice(1, 1 + d)
        self.output = slice(1 + d, 1 + d + units)
        self.binary = slice(self.output.stop, self.output.stop + units)
        self.winner = slice(self.binary.stop, self.binary.stop + len(rivals))
        self.columns = self.winner.stop
        self.rows: list[Floats] = []
        self.least: list[float] = []
        self.low, self.high = np.zeros(self.columns), np.ones(self.columns)
        self.low[self.u] = -1.0
        size = np.concatenate([*local.size[:-1], np.zeros(0)])[None]
        centre = np.zeros((1, d))
        inputs = reachable(local, np.zeros(size.shape), -size, size, centre, np.zeros(1))
        source, scale = self.u, np.full(d, local.reach)  # units of the inputs of a layer
        for k, part in enumerate(local.hidden):
            low, high = inputs.low[0, part], inputs.high[0, part]
            x = np.zeros((len(low), self.columns))
            x[:, source] = local.weights[k] * scale
            source = slice(self.output.start + part.start, self.output.start + part.stop)
            gates = range(self.binary.start + part.start, self.binary.start + part.stop)
            for i, (output, gate) in enumerate(
                zip(range(self.columns)[source], gates, strict=True)
            ):
                self._relu(x[i], local.offsets[k][i], low[i], high[i], output, gate)
            scale = np.maximum(high, 0.0)
        W, b = local.weights[-1], local.offsets[-1]
        lead = self.lead = np.zeros((len(rivals), self.columns))
        lead[:, source] = (W[rivals] - W[label]) * scale
        self.lead_offset = b[rivals] - b[label]
        self.network_rows = len(self.rows)  # those before say what the network does
        self._leads(lead, self.lead_offset)
        for g in np.vstack([np.eye(d), -np.eye(d)]):
            self._tangent(g)

    def _row(self, coefficients: Floats, least: float) -> None:
        """Add ``coefficients . x >= least``, divided by the range of its left side."""
        size = float(np.abs(coefficients) @ (self.high - self.low)) or 1.0
        self.rows.append(coefficients / size)
        self.least.append(least / size)

    def _relu(self, x: Floats, b: float, l: float, h: float, output: int, gate: int) -> None:
        """y = relu(x + b), y in units of h: y >= x + b, y <= x + b - l (1 - a), y <= h a."""
        if h <= 0:
            self.high[[output, gate]] = 0.0
            return
        y, a = np.zeros(self.columns), np.zeros(self.columns)
        y[output], a[gate] = h, 1.0
        self._row(y - x, b)
        if l >= 0:
            self.low[gate] = 1.0
            self._row(x - y, -b)
        else:
            self._row(x - y + l * a, l - b)
            self._row(h * a - y, 0.0)

    def _leads(self, lead: Floats, b: Floats) -> None:
        """Some rival leads: lead_j + b_j >= l_j (1 - a_j), sum of a_j at least 1."""
        winner = np.zeros((len(b), self.columns))
        winner[:, self.winner] = np.eye(len(b))
        least = np.minimum(np.minimum(lead * self.low, lead * self.high).sum(1) + b, 0.0)
        for row, a, l, offset in zip(lead, winner, least, b, strict=True):
            self._row(row + l * a, l - offset)
        self._row(winner.sum(0), 1.0)

    def _tangent(self, g: Floats) -> None:
        row = np.zeros(self.columns)
        row[0], row[self.u] = 1.0, -g / np.linalg.norm(g)
        self._row(row, 0.0)

    def allowance(self) -> float:
        """How far a bound of HiGHS can lie above the optimum of an objective of size 1.

        A dual solution whose reduced costs have the wrong sign by at most the dual tolerance
        proves the objective less that tolerance times the ranges of columns and rows, all at most
        2 here; subtrees within the tolerance of the incumbent are dropped.
        """
        return MIP_TOLERANCE + 2 * DUAL_TOLERANCE * (self.columns + len(self.rows))

    def solve(self, objective: Floats, rows: int, time_limit: float, gap: float) -> Any:
        """Return the answer of HiGHS for an objective and the first `rows` rows."""
        integral = np.zeros(self.columns)
        integral[self.binary.start :] = 1
        with _silence():
            return optimize.milp(
                objective,
                integrality=integral,
                bounds=optimize.Bounds(self.low, self.high),
                constraints=optimize.LinearConstraint(
                    sparse.csr_array(np.array(self.rows[:rows]).reshape(rows, self.columns)),
                    np.array(self.least[:rows]),
                    np.inf,
                ),
                options={"time_limit": time_limit, "mip_rel_gap": gap},
            )

    def rounds(self, deadline: float, gap: float) -> Iterator[tuple[float, Floats]]:
        """Yield lower bounds on |u| and points to try, until time runs out or t is a distance."""
        objective = np.zeros(self.columns)
        objective[0] = 1.0
        while (left := deadline - time.monotonic()) > 0:
            answer = self.solve(objective, len(self.rows), left, gap)
            nowhere = np.zeros(self.u.stop - 1)
            if answer.status == 2:  # nobody wins within reach
                yield self.local.reach, nowhere
                return
            if answer.mip_dual_bound is None or not math.isfinite(answer.mip_dual_bound):
                return
            bound = max(answer.mip_dual_bound - self.allowance(), 0.0) * self.local.reach
            if answer.x is None:
                yield bound, nowhere
                return
            reached = answer.x[self.u]
            u = self._nearest(answer.x)
            yield bound, u
            if np.linalg.norm(reached) <= answer.x[0] + MIP_TOLERANCE:
                return  # no tangent could cut this solution off
            for g in (u, reached):
                if g.any():
                    self._tangent(g)

    def _nearest(self, x: Floats) -> Floats:
        """Return the point nearest to z of the linear piece that the binaries of x describe."""
        active = [np.round(x[self.binary][part])[None] for part in self.local.hidden]
        rival = self.rivals[int(np.argmax(x[self.winner]))]
        slopes: list[Slopes] = []
        a, c = [], []
        for k, (W, b) in enumerate(zip(self.local.weights, self.local.offsets, strict=True)):
            if k == len(active):
                W, b = W[[rival]] - W[self.label], b[[rival]] - b[self.label]
            rows, constant, _ = planes_above(self.local, W[None], b[None], slopes)
            sign = 1.0 if k == len(active) else 2 * active[k][0] - 1
            a.append(rows[0] * np.reshape(sign, (-1, 1)))
            c.append(constant[0] * sign)
            if k < len(active):
                slopes.append((active[k], np.zeros_like(active[k]), active[k]))
        return nearest_half_space(np.vstack(a), np.concatenate(c), self.local.reach)[2]


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Send file descriptor 1 to nowhere: HiGHS prints debugging lines past Python's stdout."""
    sys.stdout.flush()
    try:
        kept = os.dup(1)
    except OSError:  # no standard output at all
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
