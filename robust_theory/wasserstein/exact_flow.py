"""Least-cost flow between neighbouring pixels in integers, proved optimal.

The primal-dual method: a potential that falls by at most 1 along each edge, and a flow that uses
only edges along which it falls by exactly 1, so that the flow is the cheapest for what it carries.
From any start, mass is sent along such edges until all of it has arrived; when it cannot get on,
the potential is raised on all that it reaches. Nothing is ever rounded, so whatever a solver in
double precision found is a good start and no more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust_theory.arguments import Floats
from robust_theory.wasserstein.flow import Flow, ends, flow_arrays, flow_vector, pixel_edges


@dataclass(frozen=True, eq=False)
class IntegerFlow:
    """A least-cost flow and what proves it.

    Parameters
    ----------
    flow : tuple of arrays of Python integers
        Carries off the supply: outflow less inflow of a pixel is its supply.
    potential : array (n, m) of int64
        Differs by at most 1 between neighbours, and falls by 1 along all that flows.
    repairs : int
        How many paths were changed after the start was rounded.
    """

    flow: Flow
    potential: NDArray[np.int64]
    repairs: int


def integer_flow(
    supply: NDArray[Any], flow: Floats | None = None, potential: Floats | None = None
) -> IntegerFlow:
    """A least-cost flow that carries off an integer supply.

    Parameters
    ----------
    supply : array (n, m) of Python integers
        Sums to 0; of any size.
    flow : array, optional
        A flat plan to start from, in the same unit; rounded.
    potential : array (n, m), optional
        A potential to start from; rounded, and lowered where it is too steep.
    """
    amounts = [int(amount) for amount in supply.ravel().tolist()]
    if sum(amounts) != 0:
        raise ValueError(f"supply must sum to 0, got {sum(amounts)}")
    heights = lipschitz(np.zeros(supply.shape) if potential is None else potential)
    tails, heads = (edge.tolist() for edge in pixel_edges(supply.shape))
    start = [0] * len(tails) if flow is None else [round(amount) for amount in flow.tolist()]
    network = _Network(tails, heads, heights.ravel().tolist(), amounts)
    network.start(start)
    repairs = network.settle()
    carried = np.empty(len(tails), object)
    carried[:] = network.flow
    final = np.array(network.heights, np.int64).reshape(supply.shape)
    return IntegerFlow(flow_arrays(carried, supply.shape), final, repairs)


def lipschitz(potential: NDArray[Any]) -> NDArray[np.int64]:
    """The potential in integers, lowered where it falls by more than 1 between neighbours."""
    values = potential.astype(np.float64)
    # Solvers fix the potential up to a constant.
    heights: NDArray[np.int64] = np.rint(values - values.flat[0]).astype(np.int64)
    changed = True
    while changed:
        changed = False
        for tail, head in ends(heights.shape):
            for high, low in ((tail, head), (head, tail)):
                allowed = heights[low] + 1
                if (heights[high] > allowed).any():
                    heights[high] = np.minimum(heights[high], allowed)
                    changed = True
    return heights


def proves_optimal(supply: NDArray[Any], flow: Flow, potential: NDArray[np.int64]) -> bool:
    """Whether a flow and a potential prove each other optimal, in integers."""
    moved = flow_vector(flow).tolist()
    heights = [int(height) for height in potential.ravel().tolist()]
    tails, heads = (edge.tolist() for edge in pixel_edges(supply.shape))
    left = [int(amount) for amount in supply.ravel().tolist()]
    for tail, head, amount in zip(tails, heads, moved, strict=True):
        fall = heights[tail] - heights[head]
        # The cost |amount| of an edge equals what the potential pays for it.
        if abs(fall) > 1 or abs(amount) != amount * fall:
            return False
        left[tail] -= amount
        left[head] += amount
    return not any(left)


class _Network:
    """Edges between pixels, the flow on them, the potential, and what has not arrived yet."""

    def __init__(
        self,
        tails: Sequence[int],
        heads: Sequence[int],
        heights: list[int],
        excess: list[int],
    ) -> None:
        self.tails, self.heads, self.heights, self.excess = tails, heads, heights, excess
        self.flow = [0] * len(tails)
        # Edges at each pixel, with the pixel at the other end and the sign of flow towards it.
        self.edges: list[list[tuple[int, int, int]]] = [[] for _ in heights]
        for edge, (tail, head) in enumerate(zip(tails, heads, strict=True)):
            self.edges[tail].append((edge, head, 1))
            self.edges[head].append((edge, tail, -1))

    def start(self, flow: Sequence[int]) -> None:
        """Take over what a flow sends down along edges where the potential falls by 1."""
        for edge, amount in enumerate(flow):
            tail, head = self.tails[edge], self.heads[edge]
            if amount * (self.heights[tail] - self.heights[head]) > 0:
                self._send(edge, amount)

    def settle(self) -> int:
        """Send all excess to where it lacks, along edges that keep the flow cheapest."""
        paths = 0
        while any(amount > 0 for amount in self.excess):
            self._augment()
            paths += 1
        return paths

    def _send(self, edge: int, amount: int) -> None:
        self.flow[edge] += amount
        self.excess[self.tails[edge]] -= amount
        self.excess[self.heads[edge]] += amount

    def _augment(self) -> None:
        """Find the cheapest path from an excess to a lack, and fill it."""
        heights, flow = self.heights, self.flow
        sources = [pixel for pixel, amount in enumerate(self.excess) if amount > 0]
        came: dict[int, tuple[int, int]] = dict.fromkeys(sources, (-1, 0))
        queue = deque(sources)
        while True:
            while queue:
                pixel = queue.popleft()
                if self.excess[pixel] < 0:
                    return self._fill(pixel, came)
                for edge, other, sign in self.edges[pixel]:
                    if other in came:
                        continue
                    # Down one step at no loss, or against a flow that may be taken back.
                    if heights[pixel] - heights[other] == 1 or flow[edge] * sign < 0:
                        came[other] = (edge, sign)
                        queue.append(other)
            # Across the border of what was reached nothing flows, and the potential falls by 0 or
            # rises: it can be raised until the first edge out falls by 1.
            border = [
                (pixel, heights[other] + 1 - heights[pixel])
                for pixel in came
                for _, other, _ in self.edges[pixel]
                if other not in came
            ]
            least = min(gap for _, gap in border)
            for pixel in came:
                heights[pixel] += least
            queue.extend(dict.fromkeys(pixel for pixel, gap in border if gap == least))

    def _fill(self, pixel: int, came: dict[int, tuple[int, int]]) -> None:
        amount = -self.excess[pixel]
        path = []
        while came[pixel][0] >= 0:
            edge, sign = came[pixel]
            path.append((edge, sign))
            if self.flow[edge] * sign < 0:
                amount = min(amount, abs(self.flow[edge]))
            pixel = self.tails[edge] if sign > 0 else self.heads[edge]
        amount = min(amount, self.excess[pixel])
        for edge, sign in path:
            self._send(edge, sign * amount)
