"""The best bound that the convex outer polytope of a ReLU network gives: linear programs.

Each ReLU that can be on either side is relaxed to the triangle between its chord, 0 and x; the
least margin over the resulting polytope is a linear program, solved by HiGHS. HiGHS works to
tolerances and proves nothing here: what is taken from it is, for each ReLU, the share of the two
lower lines in the dual solution. A line of that slope is also below the ReLU, so carrying it
backwards in `affine_bounds` proves a bound, and by duality this bound is the program's optimum up
to the accuracy of the slopes.

An l2 ball is approximated from outside by tangents, added where solutions were found; the bound
that is proved uses the ball itself.

Source: wong2018 for the program and its dual; salman2019 for the equivalence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from robust_theory.arguments import Floats
from robust_theory.networks.affine_bounds import linear_margins, planes_below
from robust_theory.networks.relaxations import Bounds, Lines, Region, relu_lines
from robust_theory.networks.relu_networks import Network

_TANGENTS = 40  # rounds of them, for l2


@dataclass(frozen=True, eq=False)
class PolytopeMargins:
    """Margins over the outer polytope.

    Parameters
    ----------
    lower : array (K,)
        Proved lower bounds of the margins, infinity for the label.
    optimum : array (K,)
        What HiGHS reports as the least margin over the polytope, within its tolerances.
    """

    lower: Floats
    optimum: Floats


def polytope_margins(
    network: Network,
    label: int,
    before: list[Bounds],
    region: Region,
    *,
    enough: float = np.inf,
) -> PolytopeMargins:
    """Solve a linear program for each rival of `label`, between the given bounds of the layers.

    Where a linear bound is at least `enough` no program is solved, and `optimum` is that bound.
    """
    lower = linear_margins(network, label, before, region)
    optimum = np.where(lower >= enough, lower, np.inf)
    usual = [relu_lines(bounds) for bounds in before]
    program = _Program(network, before, usual, region)
    for rival in range(network.outputs):
        if rival == label or lower[rival] >= enough:
            continue
        row = np.zeros((1, network.outputs))
        row[0, label], row[0, rival] = 1.0, -1.0
        solved = program.minimise(row[0])
        if solved is None:
            optimum[rival] = lower[rival]
            continue
        optimum[rival], slopes = solved
        lines = [
            Lines(line.upper, line.intercept, slope)
            for line, slope in zip(usual, slopes, strict=True)
        ]
        planes = planes_below(network, len(before), row, before, lines, region)
        lower[rival] = max(lower[rival], planes.bound[0])
    return PolytopeMargins(lower, optimum)


class _Program:
    """Variables: the displacement u, split in two for l1; then the values after each layer."""

    def __init__(
        self, network: Network, before: list[Bounds], lines: list[Lines], region: Region
    ) -> None:
        self.network, self.before, self.lines, self.region = network, before, lines, region
        self.d = d = network.inputs
        self.split = region.norm == "l1"
        self.ends = np.cumsum([d * (1 + self.split), *(len(b.low) for b in before)]).tolist()
        self.low = np.full(self.ends[-1], -region.eps)
        self.high = np.full(self.ends[-1], region.eps)
        if self.split:
            self.low[: 2 * d] = 0.0
        self.rows: list[Floats] = []  # rows @ v <= right
        self.right: list[float] = []
        self.equal: list[Floats] = []
        self.value: list[float] = []
        self.above_x: list[list[tuple[int, int]]] = []  # units, and the row that says y >= x
        for k, (bounds, line) in enumerate(zip(before, lines, strict=True)):
            self._layer(k, bounds, line)
        if self.split:
            self.rows.append((np.arange(self.ends[-1]) < 2 * d).astype(np.float64))
            self.right.append(region.eps)

    def _inputs(self, k: int) -> tuple[Floats, Floats]:
        """x_k = rows @ v + offset."""
        layer = self.network.layers[k]
        W = layer.weight.toarray() if hasattr(layer.weight, "toarray") else layer.weight
        rows = np.zeros((len(W), self.ends[-1]))
        if k:
            rows[:, self.ends[k - 1] : self.ends[k]] = W
            return rows, layer.bias
        rows[:, : self.d] = W
        if self.split:
            rows[:, self.d : 2 * self.d] = -W
        return rows, W @ self.region.centre + layer.bias

    def _layer(self, k: int, bounds: Bounds, line: Lines) -> None:
        rows, offset = self._inputs(k)
        low, high = bounds.after
        start, pairs = self.ends[k], []
        self.low[start : self.ends[k + 1]], self.high[start : self.ends[k + 1]] = low, high
        for i, crosses in enumerate(bounds.crossing):
            y = np.zeros(self.ends[-1])
            y[start + i] = 1.0
            if crosses:
                pairs.append((i, len(self.rows)))
                self.rows += [rows[i] - y, y - line.upper[i] * rows[i]]
                self.right += [-offset[i], line.upper[i] * offset[i] + line.intercept[i]]
                self.high[start + i] = np.inf
            elif high[i] > 0 or not bounds.relu:
                self.equal.append(y - rows[i])
                self.value.append(offset[i])
                # The equation says it all; its bounds would only be further dual variables.
                self.low[start + i], self.high[start + i] = -np.inf, np.inf
        self.above_x.append(pairs)

    def minimise(self, row: Floats) -> tuple[float, list[Floats]] | None:
        """The least value of ``row @ logits``, and the slopes of the lower lines; None: failed."""
        numbers: tuple[Any, ...] = (
            *self.rows,
            *self.equal,
            self.right,
            self.value,
            self.high[: self.d],
        )
        if not all(np.isfinite(part).all() for part in numbers):
            return None  # bounds that say nothing
        rows, offset = self._inputs(len(self.before))
        objective, constant = row @ rows, float(row @ offset)
        more: list[Floats] = []
        found: Any = None
        for _ in range(_TANGENTS if self.region.norm == "l2" else 1):
            answer = self._solve(objective, more)
            if answer.status != 0:
                break
            found = answer
            if self.region.norm != "l2":
                break
            u = answer.x[: self.d]
            length = float(np.linalg.norm(u))
            if length <= self.region.eps * (1 + 1e-6):
                break
            more.append(np.append(u / length, np.zeros(self.ends[-1] - self.d)))
        if found is None:
            return None
        return float(found.fun) + constant, self._slopes(found)

    def _solve(self, objective: Floats, more: list[Floats]) -> Any:
        from scipy.optimize import linprog

        right = self.right + [self.region.eps] * len(more)
        return linprog(
            objective,
            A_ub=np.array(self.rows + more) if right else None,
            b_ub=right or None,
            A_eq=np.array(self.equal) if self.equal else None,
            b_eq=self.value or None,
            bounds=np.column_stack([self.low, self.high]),
            method="highs",
        )

    def _slopes(self, answer: Any) -> list[Floats]:
        """Of two lower lines with multipliers p for y >= x and q for y >= 0: slope p / (p + q)."""
        slopes = []
        for k, pairs in enumerate(self.above_x):
            lower = self.lines[k].lower.copy()
            for i, row in pairs:
                p = max(-float(answer.ineqlin.marginals[row]), 0.0)
                q = max(float(answer.lower.marginals[self.ends[k] + i]), 0.0)
                if p + q > 0:
                    lower[i] = min(p / (p + q), 1.0)
            slopes.append(lower)
        return slopes
