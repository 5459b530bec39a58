"""Exact radii of small ReLU networks by branch and bound; every lower bound carries its proof.

Search the ball around z out to the nearest differently decided point that is known. A node of
the search names a rival class and fixes the signs of some ReLUs; where the rival wins in it,
linear inequalities hold, one from the logits and one from each fixed sign. They add up to a
half-space, whose distance bounds the radius there; the cap it cuts from the ball tightens the
intervals of the ReLUs in the node's children. With all signs decided the inequalities are exact.
"""

from __future__ import annotations

import heapq
import itertools
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

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
    Reachable,
    localise,
    nearest_half_space,
    planes_above,
    reachable,
)

BATCH = 64  # nodes bounded together
MOST_OPEN = 300_000  # nodes kept, about 2 kB each


@dataclass(frozen=True, eq=False)
class Node:
    """A part of the ball: ``bound <= direction.u``, inputs of ReLUs in [low, high].

    Parameters
    ----------
    rival : int
        The class that must win.
    signs : ndarray
        Shape (units,): -1 and 1 where the sign of the input of a ReLU is fixed, 0 where free.
    low, high : ndarray
        Shape (units,).
    direction : ndarray
        Shape (d,), a unit vector, or 0 with bound 0.
    bound : float
        At most |u| for every u of this part where the rival wins.
    guess : ndarray
        Shape (d,): where the nearest of them may be.
    split : int or None
        The ReLU whose sign to fix next; None where all are decided.
    """

    rival: int
    signs: Floats
    low: Floats
    high: Floats
    direction: Floats
    bound: float
    guess: Floats
    split: int | None = None


def relu_radius(
    layers: Sequence[AffineLayer],
    z: ArrayLike,
    *,
    time_limit: float = 60.0,
    gap: float = 1e-3,
    reach: float = 100.0,
) -> ExactRadius:
    """Return radii of a ReLU network, with ``lower >= (1 - gap) upper`` unless time runs out.

    Both bounds hold in exact arithmetic for the given weights: rounding errors are bounded and
    counted. Where z is a tie within rounding errors, `lower` is 0.

    Parameters
    ----------
    layers : sequence of AffineLayer
        From `affine_layers`: ReLU or nothing between the layers, nothing at the end.
    z : array_like
        Shape (n, d), the points.
    time_limit : float
        Seconds per point, > 0. After that the bounds are wider than `gap`, but no less true.
    gap : float
        In (0, 1), relative.
    reach : float
        L2 distance, > 0: how far to look where the attack finds no other decision. If there is
        provably none within it, `lower` is `reach`, or +inf where there is none at all because
        no logit can overtake; `upper` is +inf.

    Raises
    ------
    ValueError
        z or limits outside these ranges; layers that are not affine with ReLU between them.
    """
    check_limits(time_limit, gap, reach)
    z = points(z, layers)
    start = attack(layers, z)
    parts = [
        _solve(layers, z[k], int(start.label[k]), start.radius[k], start.point[k], limits)
        for k, limits in enumerate([(time_limit, gap, reach)] * len(z))
    ]
    lower, upper, point = zip(*parts, strict=True) if parts else ((), (), ())
    return ExactRadius(np.array(lower), np.array(upper), np.array(point).reshape(z.shape))


def _solve(
    layers: Sequence[AffineLayer],
    z: Floats,
    label: int,
    upper: float,
    point: Floats,
    limits: tuple[float, float, float],
) -> tuple[float, float, Floats]:
    time_limit, gap, reach = limits
    deadline = time.monotonic() + time_limit
    closed = radius = upper if math.isfinite(upper) else reach
    local = localise(layers, z, radius)
    size = np.concatenate([*local.size[:-1], np.zeros(0)])
    free, centre = np.zeros(len(size)), np.zeros(len(z))
    rivals = possible_rivals(layers, label)
    if not rivals:
        return math.inf, upper, point
    fresh = [Node(j, free, -size, size, centre, 0.0, centre) for j in rivals]
    heap: list[tuple[float, int, Node]] = []
    count = itertools.count()
    while fresh:
        bounded = bound_nodes(local, label, fresh)
        # Just beyond the guesses; in a node that is decided they are within the winning part.
        tries = z + np.stack([node.guess for node in bounded]) * (1 + 1e-9)
        for candidate in tries[decided_differently(layers, tries, label)]:
            distance = distance_above(candidate, z)
            if distance < upper:
                upper, point = distance, candidate
        radius = min(radius, upper)
        local = replace(local, reach=radius)
        for node in bounded:
            if node.split is None or node.bound >= (1 - gap) * radius:
                closed = min(closed, node.bound)
            else:
                heapq.heappush(heap, (node.bound, next(count), node))
        fresh = []
        if time.monotonic() > deadline or len(heap) > MOST_OPEN:
            break
        while heap and len(fresh) < BATCH and heap[0][0] < (1 - gap) * radius:
            fresh += _halves(heapq.heappop(heap)[2])
    return min([closed, radius, *(node[0] for node in heap[:1])]), upper, point


def _halves(node: Node) -> list[Node]:
    halves = []
    for sign in (-1.0, 1.0):
        signs = node.signs.copy()
        signs[node.split] = sign
        halves.append(replace(node, signs=signs, split=None))
    return halves


def bound_nodes(local: Local, label: int, nodes: Sequence[Node]) -> list[Node]:
    """Return the nodes with tighter intervals, greater bounds, new guesses and where to split."""
    signs, low, high, direction = (
        np.stack([getattr(node, name) for node in nodes])
        for name in ("signs", "low", "high", "direction")
    )
    bound = np.array([node.bound for node in nodes])
    inputs = reachable(local, signs, low, high, direction, bound)
    margin, constant, cost = _margins(local, label, nodes, inputs)
    crossing = (inputs.low < 0) & (inputs.high > 0)
    result = []
    for k, node in enumerate(nodes):
        decided = not crossing[k].any()
        positive, negative = signs[k] > 0, signs[k] < 0
        if decided:  # intervals came from caps of ancestors: state all signs again
            positive = inputs.low[k] >= 0
            negative = ~positive
        rows, constants = [margin[k], direction[k : k + 1]], [constant[k], -bound[k : k + 1]]
        for part, a, c in zip(local.hidden, inputs.a, inputs.c, strict=True):
            chosen = np.concatenate([positive[part], negative[part]])
            rows.append(a[k, chosen])
            constants.append(c[k, chosen])
        A, C = np.vstack(rows), np.concatenate(constants)
        found, towards, u = nearest_half_space(A, C, local.reach)
        if (inputs.low[k] > inputs.high[k]).any():
            found = local.reach
        elif decided and found < local.reach:
            # Where the rival wins by more than rounding errors.
            C[0] -= 4 * (local.slack[-1][node.rival] + local.slack[-1][label])
            u = nearest_half_space(A, C, local.reach)[2]
        if found <= node.bound:
            found, towards = node.bound, node.direction
        split = None if decided else int(cost[k].argmax())
        result.append(
            Node(node.rival, signs[k], inputs.low[k], inputs.high[k], towards, found, u, split)
        )
    return result


def _margins(
    local: Local, label: int, nodes: Sequence[Node], inputs: Reachable
) -> tuple[Floats, Floats, Floats]:
    """Return linear bounds (B, 1, d), (B, 1) on the rival's lead, and what each ReLU costs them.

    The lower lines are chosen to touch relu at the guess, where the bound should be close; the
    cost of a ReLU, shape (B, units), is the gap between the line used and relu there, -1 where
    the sign of its input is decided.
    """
    rivals = np.array([node.rival for node in nodes])
    W, b, slack = local.weights[-1], local.offsets[-1], local.slack[-1]
    x = local.inputs(np.stack([node.guess for node in nodes]))[:-1]
    crossing = [(inputs.low[:, p] < 0) & (inputs.high[:, p] > 0) for p in local.hidden]
    touching = [
        (upper, intercept, np.where(crosses, value > 0, lower).astype(np.float64))
        for (upper, intercept, lower), crosses, value in zip(
            inputs.slopes, crossing, x, strict=True
        )
    ]
    a, c, passed = planes_above(
        local, (W[rivals] - W[label])[:, None, :], (b[rivals] - b[label])[:, None], touching
    )
    cost = np.zeros(inputs.low.shape)
    for k, part in enumerate(local.hidden):
        (upper, intercept, _), weight = touching[k], passed[k][:, 0]
        gap = np.maximum(upper * x[k] + intercept - np.maximum(x[k], 0.0), 0.0)
        # The intercept, the largest gap there can be, ranks ReLUs whose line is exact there.
        price = np.abs(weight) * (np.where(weight > 0, gap, 0.0) + 0.05 * intercept)
        cost[:, part] = np.where(crossing[k], price + 1e-12 * intercept, -1.0)
    return a, c + (slack[rivals] + slack[label])[:, None], cost
