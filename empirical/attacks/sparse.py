"""Steps in l1: the pixels of largest slope, as many as the box allows to be worth moving.

Without a box the best move of l1 norm r puts all on one pixel. In a box that pixel ends at 0 or 1
long before, so that the best move has many. Pixels that are at their end already are pushed beyond
it: the projection that follows shortens all moves alike, and would take them back otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import nn

from empirical.attacks.losses import Goal, rising
from empirical.attacks.projections import Box, project, steepest

_FIRST_SHARE = 5  # the first steps of APGD move one in so many pixels
_FEWER = 1.5  # later ones move the number of pixels that the best point has moved, over this
_SETTLED = 0.95  # of that number at the last checkpoint: above, the step is shortened
_SHORTER = 1.5
_LEAST = 10  # the step is never shorter than the radius over this
_PERIOD = 0.04  # of the steps, between two checkpoints


def ascended(
    points: torch.Tensor,
    slope: torch.Tensor,
    length: float | torch.Tensor,
    norm: str,
    *,
    box: Box = (0.0, 1.0),
) -> torch.Tensor:
    """Return the points after the steepest step of that length, not projected.

    For l1 it is the best move within an l1 ball of that radius and the box: from the largest slope
    down, each pixel goes to its end, until the length is used up. Those that get there are then
    pushed beyond by the length.

    Parameters
    ----------
    points, slope : Tensor
        Shape (m, ...).
    length : float or Tensor
        At least 0; a tensor must be broadcastable to `points`, one value for each of the m.
    norm : {"linf", "l2", "l1"}
        Of the step.
    box : pair of float
        Ends of the values of every coordinate.
    """
    if norm != "l1":
        return points + length * steepest(slope, points, norm, box=box)
    flat = slope.flatten(1)
    order = flat.abs().argsort(1, descending=True)
    room = _room(points, slope, box).gather(1, order)
    filled = room.cumsum(1)
    used = torch.cat([torch.zeros_like(filled[:, :1]), filled[:, :-1]], 1)
    budget = torch.as_tensor(length, dtype=flat.dtype, device=flat.device).reshape(-1, 1)
    left = (budget - used).clamp(min=0)
    size = torch.where(left > room, budget, left)
    move = torch.zeros_like(flat).scatter(1, order, size) * flat.sign()
    return points + move.reshape(points.shape)


def spread(
    points: torch.Tensor,
    slope: torch.Tensor,
    length: torch.Tensor,
    count: torch.Tensor,
    *,
    box: Box = (0.0, 1.0),
) -> torch.Tensor:
    """Return the points after a step that moves pixels of largest slope by equal amounts.

    Parameters
    ----------
    points, slope : Tensor
        Shape (m, ...).
    length, count : Tensor
        Shape (m,): the step's l1 norm, and the number of pixels, not yet at their end, that share
        it. Those of larger slope that are at their end are pushed beyond it by as much.
    box : pair of float
        Ends of the values of every coordinate.
    """
    flat = slope.flatten(1)
    size, order = flat.abs().sort(1, descending=True)
    free = _room(points, slope, box).gather(1, order) > 0
    so_far = free.cumsum(1)
    moved = torch.where(free, so_far <= count[:, None], so_far < count[:, None]) & (size > 0)
    number = (moved & free).sum(1).clamp(min=1)
    each = (length.to(flat) / number)[:, None] * moved
    move = torch.zeros_like(flat).scatter(1, order, each) * flat.sign()
    return points + move.reshape(points.shape)


def _room(points: torch.Tensor, slope: torch.Tensor, box: Box) -> torch.Tensor:
    """How far each coordinate can go in the direction of its slope, shape (m, d)."""
    return torch.where(slope > 0, box[1] - points, points - box[0]).clamp(min=0).flatten(1)


@dataclass
class _State:
    """The images that are not fooled yet; all fields have one row for each of them."""

    row: torch.Tensor  # place among all
    z: torch.Tensor
    slope: torch.Tensor  # there
    best: torch.Tensor
    best_slope: torch.Tensor
    top: torch.Tensor  # loss at best
    length: torch.Tensor  # of the next step
    count: torch.Tensor  # of the pixels that it moves
    support: torch.Tensor  # pixels that the best point had moved at the last checkpoint

    def at(self, kept: torch.Tensor) -> _State:
        return _State(*(getattr(self, field.name)[kept] for field in fields(self)))


def climb(
    network: nn.Module,
    x: torch.Tensor,
    goal: Goal,
    start: torch.Tensor,
    eps: float,
    loss: str,
    steps: int,
    box: Box,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """One run of APGD in l1: best points, their losses, and whether the goal is reached there.

    Steps move ever fewer pixels, as many as the best point has needed, not counting those at the
    end of the box: these cost nothing to keep there. (The paper counts them.)

    Source: croce2021, Algorithm 1.
    """
    result, reached = start.clone(), torch.full((len(x),), -torch.inf).to(x)
    wrong = torch.zeros(len(x), dtype=torch.bool, device=x.device)
    value, slope, now = rising(network, start, goal, loss)
    pixels = torch.full((len(x),), x[0].numel(), device=x.device)
    state = _State(
        torch.arange(len(x), device=x.device), start, slope, start, slope, value,
        torch.full_like(value, eps), (pixels // _FIRST_SHARE).clamp(min=1), pixels,
    )  # fmt: skip
    period = max(1, int(_PERIOD * steps))
    for step in range(steps + 1):
        result[state.row], reached[state.row], wrong[state.row] = state.best, state.top, now
        state = state.at(~now)
        if step == steps or not len(state.row):
            break
        centre = x[state.row]
        if step and step % period == 0:
            _think(state, centre, eps, box)
        moved = spread(state.z, state.slope, state.length, state.count, box=box)
        state.z = project(moved, centre, eps, "l1", box=box)
        value, state.slope, now = rising(network, state.z, goal.at(state.row), loss)
        _keep(state, now | (value > state.top), value)
    return result, reached, wrong


def _keep(state: _State, better: torch.Tensor, value: torch.Tensor) -> None:
    rows = better.reshape(-1, *(1,) * (state.z.ndim - 1))
    state.best = torch.where(rows, state.z, state.best)
    state.best_slope = torch.where(rows, state.slope, state.best_slope)
    state.top = torch.where(better, value, state.top)


def _think(state: _State, centre: torch.Tensor, eps: float, box: Box) -> None:
    """Adapt the number of pixels; go back to the best point, with long steps, while it falls."""
    inside = (state.best > box[0]) & (state.best < box[1])
    support = ((state.best != centre) & inside).flatten(1).sum(1)
    falls = support < _SETTLED * state.support
    shorter = (state.length / _SHORTER).clamp(min=eps / _LEAST)
    state.length = torch.where(falls, torch.full_like(shorter, eps), shorter)
    state.count = (support / _FEWER).long().clamp(min=1)
    state.support = support
    back = falls.reshape(-1, *(1,) * (state.z.ndim - 1))
    state.z = torch.where(back, state.best, state.z)
    state.slope = torch.where(back, state.best_slope, state.slope)
