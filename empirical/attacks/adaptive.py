"""Gradient ascent that chooses its own steps (APGD), with losses that no scaling can hide from."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, TypeAlias, get_args

import numpy as np
import torch
from torch import nn

from empirical.attacks.arguments import aimed, kept_rows
from empirical.attacks.losses import Goal, rising
from empirical.attacks.projections import Box, project, read_norm, steepest
from empirical.attacks.sparse import climb
from empirical.attacks.steps import Attacked, Progress, random_point

AdaptiveLoss: TypeAlias = Literal["cross-entropy", "dlr", "targeted dlr"]

_ENOUGH = 0.75  # rho: share of rising steps from which on a step is not too long
_PULL = 0.75  # alpha: weight of the new step against the momentum


def apgd(
    network: nn.Module,
    images: np.ndarray,
    labels: np.ndarray,
    eps: float,
    norm: str = "linf",
    *,
    loss: str = "cross-entropy",
    steps: int = 100,
    restarts: int = 1,
    targets: np.ndarray | None = None,
    skip: np.ndarray | None = None,
    seed: int = 0,
    box: Box = (0.0, 1.0),
    device: str = "cpu",
    progress: Progress | None = None,
) -> Attacked:
    """Return what APGD finds: steps with momentum, halved where the loss does not rise enough.

    Parameters
    ----------
    network : Module
        Takes (m, c, h, w) to logits (m, K). Put in evaluation mode; gives the precision.
    images, labels : ndarray
        Shapes (m, c, h, w), inside the box, and (m,).
    eps : float
        Radius, at least 0.
    norm : {"linf", "l2", "l1"}
        Of the ball and of the steps; for l1 these are sparse, see `empirical.attacks.sparse`.
    loss : {"cross-entropy", "dlr", "targeted dlr"}
        What rises; "dlr" needs at least three classes, "targeted dlr" at least four.
    steps, restarts : int
        At least 1; restarts start at random points of the ball. Images that are fooled stop.
    targets : ndarray, optional
        Shape (m,), the class wanted of each image, never its label: a success is then that class's
        logit above all others, and the loss, not "dlr", rises towards it. Without targets,
        "targeted dlr" goes in each restart towards another of the classes whose logits are
        greatest at the image, and any wrong answer is a success.
    skip : ndarray of bool, optional
        Shape (m,), images to leave alone; the random numbers of the others stay the same.
    seed : int
        Of the starts.
    box : pair of float
        Ends of the pixels' values.
    device : str
        Where to work; the network is moved there.
    progress : callable, optional
        Called with the fraction done and words.

    Returns
    -------
    Attacked
        All images inside ball and box, up to rounding.

    Raises
    ------
    ValueError
        Arguments outside these ranges, images outside the box, logits that are not finite.

    Source: croce2020, Algorithm 1, eqs. (6) and (7); for l1 croce2021, Algorithm 1.
    """
    read_norm(norm)
    if loss not in get_args(AdaptiveLoss):
        raise ValueError(f"loss must be one of {get_args(AdaptiveLoss)}, got {loss!r}")
    for name, count in (("steps", steps), ("restarts", restarts)):
        if count < 1:
            raise ValueError(f"{name} must be at least 1, got {count}")
    if targets is not None and loss == "dlr":
        raise ValueError("loss must be 'cross-entropy' or 'targeted dlr' with targets, got 'dlr'")
    kept = torch.from_numpy(kept_rows(skip, len(images)))
    draws = torch.Generator().manual_seed(seed)
    found, fooled = [], []
    for part, x, goal in aimed(network, images, labels, eps, targets, box=box, device=device):
        with torch.no_grad():
            logits = network(x)
        aims = [goal] if targets is not None or loss != "targeted dlr" else _aims(goal, logits)
        best, wrong = x.clone(), goal.reached(logits)
        top = torch.full_like(wrong, -torch.inf, dtype=x.dtype)
        for restart in range(restarts):
            start = random_point(x, eps, norm, draws, box)
            alive = torch.nonzero(~wrong & kept[part].to(device)).squeeze(1)
            if not len(alive):
                break
            aim = aims[restart % len(aims)].at(alive)
            z, value, now = _climb(
                network, x[alive], aim, start[alive], eps, norm, loss, steps, box
            )
            better = now | (value > top[alive])
            best[alive[better]], top[alive[better]] = z[better], value[better]
            wrong[alive[now]] = True
        found.append(best.cpu().numpy())
        fooled.append(wrong.cpu().numpy())
        if progress is not None:
            done = min(1.0, part.stop / len(images))
            progress(done, f"{sum(int(f.sum()) for f in fooled)} fooled")
    if not found:
        return Attacked(images.copy(), np.zeros(0, dtype=bool), steps * restarts)
    return Attacked(np.concatenate(found), np.concatenate(fooled), steps * restarts)


def _aims(goal: Goal, logits: torch.Tensor) -> list[Goal]:
    """One goal for each wrong class, those of greatest logits first; any wrong answer will do."""
    others = logits.scatter(1, goal.labels[:, None], -torch.inf).argsort(1, descending=True)
    return [Goal(goal.labels, others[:, k], wanted=False) for k in range(others.shape[1] - 1)]


def checkpoints(steps: int) -> list[int]:
    """Return the steps after which APGD thinks about its step size: ever shorter periods.

    Source: croce2020, section 3.1, "Step size selection".
    """
    shares = [0, 22]  # hundredths
    while shares[-1] < 100:
        shares.append(shares[-1] + max(shares[-1] - shares[-2] - 3, 6))
    return sorted({min(steps, -(-p * steps // 100)) for p in shares[1:]})


@dataclass
class _State:
    """The images that are not fooled yet; all fields have one row each of them."""

    row: torch.Tensor  # place among all
    z: torch.Tensor
    before: torch.Tensor  # z one step earlier
    best: torch.Tensor
    slope: torch.Tensor  # at z
    best_slope: torch.Tensor
    value: torch.Tensor  # loss at z
    top: torch.Tensor  # loss at best
    length: torch.Tensor  # eta
    rises: torch.Tensor  # since the last checkpoint
    last_top: torch.Tensor  # there
    shortened: torch.Tensor  # whether eta was halved there

    def at(self, kept: torch.Tensor) -> _State:
        return _State(*(getattr(self, field.name)[kept] for field in fields(self)))


def _climb(
    network: nn.Module,
    x: torch.Tensor,
    goal: Goal,
    start: torch.Tensor,
    eps: float,
    norm: str,
    loss: str,
    steps: int,
    box: Box,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """One run: best points, their losses, and whether the goal is reached there."""
    if norm == "l1":
        return climb(network, x, goal, start, eps, loss, steps, box)
    result, reached = start.clone(), torch.full((len(x),), -torch.inf).to(x)
    wrong = torch.zeros(len(x), dtype=torch.bool, device=x.device)
    value, slope, now = rising(network, start, goal, loss)
    full = torch.full_like(value, 2 * eps)
    none = torch.zeros_like(now)
    state = _State(
        torch.arange(len(x), device=x.device), start, start, start.clone(), slope, slope.clone(),
        value, value.clone(), full, torch.zeros_like(value), value.clone(), none,
    )  # fmt: skip
    state = _leave(state, now, result, reached, wrong)
    marks, since = checkpoints(steps), 0
    for step in range(1, steps + 1):
        if not len(state.row):
            break
        centre, aim = x[state.row], goal.at(state.row)
        state, now = _move(network, state, centre, aim, eps, norm, loss, box, step == 1)
        state = _leave(state, now, result, reached, wrong)
        if step in marks:  # only those that go on: an image that is fooled must not be moved back
            _think(state, step - since)
            since = step
    return result, reached, wrong


def _leave(
    state: _State,
    now: torch.Tensor,
    result: torch.Tensor,
    reached: torch.Tensor,
    wrong: torch.Tensor,
) -> _State:
    """Write the results down, and drop those that are fooled."""
    adversarial = now.reshape(-1, *(1,) * (state.z.ndim - 1))
    result[state.row] = torch.where(adversarial, state.z, state.best)
    reached[state.row] = torch.where(now, state.value, state.top)
    wrong[state.row] = now
    return state.at(~now)


def _move(
    network: nn.Module,
    state: _State,
    centre: torch.Tensor,
    goal: Goal,
    eps: float,
    norm: str,
    loss: str,
    box: Box,
    first: bool,
) -> tuple[_State, torch.Tensor]:
    length = state.length.reshape(-1, *(1,) * (centre.ndim - 1))
    z = state.z + length * steepest(state.slope, state.z, norm, box=box)
    z = project(z, centre, eps, norm, box=box)
    if not first:
        z = state.z + _PULL * (z - state.z) + (1 - _PULL) * (state.z - state.before)
        z = project(z, centre, eps, norm, box=box)
    value, slope, now = rising(network, z, goal, loss)
    state.rises += value > state.value
    better = value > state.top
    state.best[better], state.best_slope[better] = z[better], slope[better]
    state.top = torch.where(better, value, state.top)
    state.before, state.z, state.slope, state.value = state.z, z, slope, value
    return state, now


def _think(state: _State, period: int) -> None:
    """Halve the steps, and go back to the best point, where the last period brought too little."""
    rare = state.rises < _ENOUGH * period
    stuck = ~state.shortened & (state.last_top >= state.top)
    halve = rare | stuck
    state.length = torch.where(halve, state.length / 2, state.length)
    back = halve.reshape(-1, *(1,) * (state.z.ndim - 1))
    state.z = torch.where(back, state.best, state.z)
    state.before = torch.where(back, state.best, state.before)
    state.slope = torch.where(back, state.best_slope, state.slope)
    state.value = torch.where(halve, state.top, state.value)
    state.rises, state.last_top = torch.zeros_like(state.rises), state.top.clone()
    state.shortened = halve
