"""Which class is nearest: searches towards several at once, the slow ones dropped on the way.

Each search goes, again and again, to the point nearest to x on the linearised boundary with its
class (DeepFool's step, taken from x).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from empirical.attacks.descent import refined
from empirical.attacks.margin import Margin, nearest_on_plane, norm

# Who starts: this many classes, within this multiple of the least distance by linearisation.
RUNNERS, FARTHEST = 6, 4.0
# Rounds: steps, whether they are taken from x, and what then stays: classes within this multiple
# of the best radius so far.
ROUNDS = ((6, True, 2.0), (2, False, 1.5), (2, False, 1.3))
SETTLED = 0.03  # a search rests until the next round when its step is shorter, in radii
REFINEMENT = ((0.25, 1.1), (0.75, 1.0))  # rounds of the fine search: share of its steps, what stays
LONGEST = 3.0  # a step may multiply the distance to x by this


@dataclass
class _Pairs:
    """Searches in progress, each from one point (`row`) towards one class (`target`)."""

    row: torch.Tensor
    target: torch.Tensor
    point: torch.Tensor
    best: torch.Tensor  # nearest adversarial point seen, +inf before there is one
    radius: torch.Tensor  # its distance from x

    def at(self, index: torch.Tensor) -> _Pairs:
        return _Pairs(*(values[index] for values in self._columns()))

    def put(self, index: torch.Tensor, part: _Pairs) -> None:
        for values, new in zip(self._columns(), part._columns(), strict=True):
            values[index] = new

    def _columns(self) -> tuple[torch.Tensor, ...]:
        return self.row, self.target, self.point, self.best, self.radius


def race_winners(
    margin: Margin, origin: torch.Tensor, start: torch.Tensor, label: torch.Tensor, steps: int
) -> torch.Tensor:
    """Return the nearest adversarial points found by searches towards the nearest classes, +inf
    where there is none.

    Parameters
    ----------
    margin : Margin
        Built at `origin`.
    origin, start : tensor
        Shape (n, d): x, and where the boundaries are linearised first.
    label : tensor
        Shape (n,): the decision at x.
    steps : int
        Of the fine search, per class still in play.
    """
    n = len(origin)
    pairs = _first_steps(margin, origin, start, label)
    for count, from_x, kept in ROUNDS:
        estimate = _run(margin, origin, label, pairs, count, from_x=from_x)
        score = torch.minimum(estimate, pairs.radius)
        pairs = pairs.at(score <= kept * _least(score, pairs.row, n)[pairs.row])
    pairs = _one_per_decision(margin, pairs.at(torch.isfinite(pairs.radius)), n)
    for share, kept in REFINEMENT:
        x, own = origin[pairs.row], label[pairs.row]
        pairs.best = refined(margin, x, pairs.best, own, math.ceil(share * steps))
        pairs.radius = norm(pairs.best - x)
        pairs = pairs.at(pairs.radius <= kept * _least(pairs.radius, pairs.row, n)[pairs.row])
    first = torch.ones_like(pairs.row, dtype=torch.bool)  # of equally near ones; rows ascend
    first[1:] = pairs.row[1:] != pairs.row[:-1]
    result = torch.full_like(origin, torch.inf)
    result[pairs.row[first]] = pairs.best[first]
    return result


def _least(values: torch.Tensor, group: torch.Tensor, n: int) -> torch.Tensor:
    """Return the least of `values` in each of n groups, +inf in empty ones."""
    least = torch.full((n,), torch.inf, dtype=values.dtype, device=values.device)
    return least.scatter_reduce(0, group, values, "amin")


def _first_steps(
    margin: Margin, origin: torch.Tensor, start: torch.Tensor, label: torch.Tensor
) -> _Pairs:
    gap, slope, target = margin.linearised(start, label)
    n, count = target.shape
    row = torch.arange(n, device=origin.device).repeat_interleave(count)
    slope = slope.flatten(0, 1)
    rise = gap.flatten() + ((start - origin)[row] * slope).sum(1)
    point = nearest_on_plane(origin[row], slope, rise, margin.bounds)
    nowhere = torch.full_like(point, torch.inf)
    radius = torch.full_like(rise, torch.inf)
    distance = norm(point - origin[row])
    distance = torch.where(torch.isfinite(distance), distance, torch.inf)
    rank = distance.reshape(n, count).argsort(stable=True, dim=1).argsort(1).flatten()
    near = distance <= FARTHEST * _least(distance, row, n)[row]
    runs = (rank < RUNNERS) & near & torch.isfinite(distance)
    return _Pairs(row, target.flatten(), point, nowhere, radius).at(runs)


def _run(
    margin: Margin,
    origin: torch.Tensor,
    label: torch.Tensor,
    pairs: _Pairs,
    count: int,
    *,
    from_x: bool,
) -> torch.Tensor:
    """Take the steps of a round, in place; return the distances that `_newton` returns."""
    estimate = torch.full_like(pairs.radius, torch.inf)
    reached = _least(pairs.radius, pairs.row, len(origin))
    live = torch.arange(len(pairs.row), device=origin.device)
    for _ in range(count):
        part = pairs.at(live)
        before = part.point
        estimate[live] = _newton(margin, origin, label, part, reached, from_x=from_x)
        pairs.put(live, part)
        live = live[norm(part.point - before) > SETTLED * estimate[live]]
        if not len(live):
            break
    return estimate


def _newton(
    margin: Margin,
    origin: torch.Tensor,
    label: torch.Tensor,
    pairs: _Pairs,
    reached: torch.Tensor,
    *,
    from_x: bool,
) -> torch.Tensor:
    """Step to the linearised boundary: to its point nearest to x, or midway between that and its
    point nearest to the current one, which settles where the boundary is bent. Return the
    distances from x to the linearised boundaries; keep the least radius of each x in `reached`.
    """
    x = origin[pairs.row]
    gap, slope, fooled = margin.towards(pairs.point, label[pairs.row], pairs.target)
    size = norm(pairs.point - x)
    better = fooled & (size < pairs.radius)
    pairs.best = torch.where(better[:, None], pairs.point, pairs.best)
    pairs.radius = torch.where(better, size, pairs.radius)
    reached.scatter_reduce_(0, pairs.row, pairs.radius, "amin")
    rise = gap + ((pairs.point - x) * slope).sum(1)
    goal = nearest_on_plane(x, slope, rise, margin.bounds)
    estimate = norm(goal - x)
    longest = torch.minimum(reached[pairs.row], LONGEST * size)
    goal = x + (goal - x) * (longest / estimate).clamp_max(1.0)[:, None]
    if not from_x:
        goal = (goal + nearest_on_plane(pairs.point, slope, gap, margin.bounds)) / 2
    usable = torch.isfinite(goal).all(1)
    pairs.point = torch.where(usable[:, None], margin.clip(goal), pairs.point)
    return torch.where(usable, estimate, torch.inf)


def _one_per_decision(margin: Margin, pairs: _Pairs, n: int) -> _Pairs:
    """Return the nearest search of those that ended in the same class, for each x."""
    with torch.no_grad():
        decided = margin.logits(pairs.best).argmax(1)
    group = pairs.row * margin.classes + decided
    return pairs.at(pairs.radius <= _least(pairs.radius, group, n * margin.classes)[group])
