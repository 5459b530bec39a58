"""Attacks inside balls of the exact Wasserstein distance W1 between images of unit mass.

All iterates are images of transport plans, so they have exactly the mass of the source (up to
rounding), no negative pixel, and a cost of at most the radius; the distance itself may be smaller
and is the caller's to measure.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import nn

from empirical.noise import Noise
from empirical.plans import Plans, plans_from
from empirical.smoothing import BLOCK, count_votes
from robust_theory.votes import predict

# Images of unit mass (m, c, h, w), float64, their labels, and their numbers in the batch of the
# attack, to the slope of a loss that grows as labels become wrong.
Slope = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
# The same, to whether each image is classified wrongly.
Fooled = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
Progress = Callable[[float, str], None]

# Numbers of votes after which a lead of _LEAD sqrt(n) ends the vote.
_EARLY = (BLOCK, 4 * BLOCK)
_LEAD = 9.5
_STEP = 0.2  # of a projected gradient, in units of the largest pixel


@dataclass(frozen=True, eq=False)
class Adversarial:
    """What an attack ended with.

    Parameters
    ----------
    images : ndarray
        Shape (m, c, h, w), float64, unit mass: the first that was classified wrongly, otherwise
        the last.
    found : ndarray
        Shape (m,), whether one was.
    radius : ndarray
        Shape (m,), of the ball in force then, +inf where none was found.
    steps : ndarray
        Shape (m,), number of steps until then; 0 for images that are wrong from the start.
    """

    images: np.ndarray
    found: np.ndarray
    radius: np.ndarray
    steps: np.ndarray


@dataclass(frozen=True, eq=False)
class Projection:
    """Nearest points of balls, by a plan, and how far from optimal.

    Parameters
    ----------
    images : Tensor
        Shape (m, c, h, w).
    gap : Tensor
        Shape (m,): half the squared l2 distance to the point exceeds the least possible value by
        at most this, so the point is within sqrt(2 gap) of the projection.
    """

    images: torch.Tensor
    gap: torch.Tensor


def wasserstein_projection(
    points: torch.Tensor,
    centres: torch.Tensor,
    radius: ArrayLike,
    *,
    ground: str = "l2",
    reach: int | None = None,
    steps: int = 2_000,
    tolerance: float = 1e-10,
) -> Projection:
    """Return the points of W1 balls nearest in l2 to `points`.

    Minimises |image of P - point|^2 / 2 over the plans P from the centre of cost at most the
    radius, by accelerated projected gradients; each projection onto the set of plans bisects the
    price of transport. With a `reach`, the ball is that of transport within it.

    Parameters
    ----------
    points, centres : Tensor
        Shape (m, c, h, w), float64; centres nonnegative.
    radius : array_like
        One number, or shape (m,), at least 0.
    ground : {"l1", "l2"}
        Distance between pixels.
    reach : int, optional
        As in `empirical.plans.plans_from`.
    steps : int
        At most.
    tolerance : float
        Stops when every gap is below it.

    Raises
    ------
    ValueError
        Shapes that differ, a negative radius, and what `plans_from` refuses.
    """
    if points.shape != centres.shape:
        raise ValueError(
            f"points must have shape {tuple(centres.shape)}, got {tuple(points.shape)}"
        )
    plans = plans_from(centres, ground=ground, reach=reach)
    budget = _budget(radius, len(centres), centres.device)
    target = points.double()
    # As many rows may reach one pixel as a row has targets: the largest eigenvalue is at most that.
    rate = 1 / plans.targets.shape[1]
    plan = ahead = plans.still()
    momentum = 1.0
    while True:
        residual = plans.image(plan) - target
        slope = plans.at_targets(residual)
        # Frank-Wolfe gap, which bounds the distance to the optimum.
        gap = plans.per_image((slope * plan).sum(1)) + plans.most(-slope, budget)
        if steps <= 0 or (gap <= tolerance).all():
            return Projection(plans.image(plan), gap)
        for _ in range(min(steps, 20)):
            descent = plans.at_targets(plans.image(ahead) - target)
            following = plans.nearest(ahead - rate * descent, budget)
            grown = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
            ahead = following + (momentum - 1) / grown * (following - plan)
            plan, momentum = following, grown
        steps -= 20


def wasserstein_attack(
    slope: Slope,
    fooled: Fooled,
    images: ArrayLike,
    labels: ArrayLike,
    radii: ArrayLike,
    *,
    ground: str = "l2",
    method: str = "pgd",
    reach: int | None = None,
    step: float = _STEP,
    progress: Progress | None = None,
) -> Adversarial:
    """Look for images inside W1 balls that are classified wrongly.

    Parameters
    ----------
    slope : callable
        Slope of the loss, see `plain_slope` and `smoothed_slope`.
    fooled : callable
        Whether images are classified wrongly; asked before the first and after every step.
    images : array_like
        Shape (m, c, h, w), nonnegative, of positive totals, by which they are divided.
    labels : array_like
        Shape (m,), the labels that are right.
    radii : array_like
        Radius in force at each step, shape (steps,), or (steps, m) for one of each image.
    ground : {"l1", "l2"}
        Distance between pixels.
    method : {"pgd", "frank-wolfe"}
        Projected gradients of plans, or steps towards the best plan for the slope.
    reach : int, optional
        As in `empirical.plans.plans_from`.
    step : float
        Length of a projected gradient: the most a pixel's mass changes, in units of the largest.
    progress : callable, optional
        Told the share of steps done.

    Raises
    ------
    ValueError
        An unknown method, a step that is not positive, radii of another shape or negative, images
        that have no positive total, and what `plans_from` refuses.

    Source: wu2020, for steps in the space of plans; levine2020, section 6.2, for growing balls.
    """
    if method not in ("pgd", "frank-wolfe"):
        raise ValueError(f"method must be 'pgd' or 'frank-wolfe', got {method!r}")
    if not step > 0:
        raise ValueError(f"step must be positive, got {step!r}")
    x = torch.as_tensor(np.asarray(images, dtype=np.float64))
    y = torch.as_tensor(np.asarray(labels, dtype=np.int64))
    mass = x.sum((1, 2, 3), keepdim=True)
    if not (torch.isfinite(mass) & (mass > 0)).all():
        raise ValueError("every image must have a positive and finite total")
    x = x / mass
    schedule = np.asarray(radii, dtype=np.float64)
    if schedule.ndim == 1:
        schedule = np.repeat(schedule[:, None], len(x), axis=1)
    if schedule.shape[1:] != (len(x),) or not (schedule >= 0).all():
        raise ValueError(f"radii must be at least 0, shape (steps,) or (steps, {len(x)})")
    alive = torch.arange(len(x))
    result = x.clone()
    radius, steps = np.full(len(x), np.inf), np.zeros(len(x), dtype=np.int64)

    def settle(current: torch.Tensor, wrong: torch.Tensor, k: int) -> None:
        done = alive[wrong].numpy()
        result[alive] = current
        radius[done] = schedule[k - 1, done] if k else 0.0
        steps[done] = k

    wrong = fooled(x, y, alive)
    settle(x, wrong, 0)
    alive = alive[~wrong]
    plans = plans_from(x[alive], ground=ground, reach=reach)
    plan, current = plans.still(), x[alive]
    for k, in_force in enumerate(schedule, start=1):
        if not len(alive):
            break
        budget = torch.from_numpy(in_force[alive.numpy()])
        rows = plans.at_targets(slope(current, y[alive], alive))
        if method == "pgd":
            size = _largest(plans, (rows - _at_source(plans, rows)).abs())
            pixel = plans.largest(plans.mass)
            towards = plan + rows * (step * pixel / size.clamp(min=1e-300))[plans.owner][:, None]
            plan = plans.nearest(towards, budget)
        else:
            # Steps start anew when the ball grows.
            since = k - max(
                (j for j in range(1, k) if (schedule[j] != schedule[j - 1]).any()), default=0
            )
            plan = plan + 2 / (since + 1) * (plans.best(rows, budget, cuts=24) - plan)
        current = plans.image(plan)
        wrong = fooled(current, y[alive], alive)
        settle(current, wrong, k)
        if wrong.any():
            plans, plan = _without(plans, plan, wrong)
            alive, current = alive[~wrong], current[~wrong]
        if progress is not None:
            progress(k / len(schedule), f"step {k}, {len(x) - len(alive)} of {len(x)} fooled")
    return Adversarial(result.numpy(), np.isfinite(radius), radius, steps)


def plain_slope(network: nn.Module, totals: ArrayLike) -> Slope:
    """Return the slope of the cross-entropy of a network.

    Parameters
    ----------
    network : Module
        Of images of shape (m, c, h, w), float32.
    totals : array_like
        Shape (m,): what images of unit mass are multiplied by.
    """
    return smoothed_slope(network, None, totals)


def smoothed_slope(
    network: nn.Module, noise: Noise | None, totals: ArrayLike, *, samples: int = 128, seed: int = 0
) -> Slope:
    """Return the slope of -log E[softmax of the label] under noise, estimated from `samples` draws.

    The hard votes have no slope; the expectation of the softmax stands in for them.

    Parameters
    ----------
    network : Module
        Of images of shape (m, c, h, w), float32.
    noise : Noise or None
        None: no noise, one evaluation.
    totals : array_like
        Shape (m,): what images of unit mass are multiplied by.
    samples : int
        Fresh draws in every step.
    seed : int
        Of the draws.

    Source: levine2020, section 6.2, after salmanli2019.
    """
    scale = torch.as_tensor(np.asarray(totals, dtype=np.float32))
    generator = torch.Generator().manual_seed(seed)
    network.eval()
    draws = 1 if noise is None else samples

    def slope(x: torch.Tensor, y: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        parts = []
        for part in torch.arange(len(x)).split(max(1, 8 * BLOCK // draws)):
            image = x[part].float().requires_grad_()
            n, c = image.shape[:2]
            many = image[:, None].expand(n, draws, *image.shape[1:])
            if noise is not None:
                many = many + noise.draw(n * draws * c, generator).reshape(
                    n, draws, c, *noise.shape
                )
            many = many * scale[numbers[part]].reshape(n, 1, 1, 1, 1)
            log_shares = network(many.flatten(0, 1)).log_softmax(1)
            own = log_shares.gather(1, y[part].repeat_interleave(draws)[:, None]).reshape(n, draws)
            (gradient,) = torch.autograd.grad(-own.logsumexp(1).sum(), image)
            parts.append(gradient.double())
        return torch.cat(parts)

    return slope


def plain_fooled(network: nn.Module, totals: ArrayLike) -> Fooled:
    """Return whether a network's label of the image, times its total, is another one."""
    scale = torch.as_tensor(np.asarray(totals, dtype=np.float32))
    network.eval()

    def fooled(x: torch.Tensor, y: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            labels = network(x.float() * scale[numbers].reshape(-1, 1, 1, 1)).argmax(1)
        return (labels != y).clone()

    return fooled


def smoothed_fooled(
    network: nn.Module,
    noise: Noise,
    totals: ArrayLike,
    classes: int,
    *,
    votes: int = 10_000,
    alpha: float = 0.05,
    seed: int = 0,
) -> Fooled:
    """Return whether the smoothed classifier answers another class, or abstains, on fresh votes.

    Votes are drawn in three stages, and no more are when one class leads every other by so much
    that the whole number would hardly decide otherwise: by the inequality of Hoeffding, less than
    once in 10^6 times with 10,000 votes.

    Parameters
    ----------
    network, noise, totals
        As in `smoothed_slope`.
    classes : int
        K.
    votes : int
        At least 1000.
    alpha : float
        Level of the test of the first two classes.
    seed : int
        Of the votes, which are new in every call.

    Source: levine2020, section 6.2; the test is cohen2019's.
    """
    scale = torch.as_tensor(np.asarray(totals, dtype=np.float32))
    calls = 0

    def fooled(x: torch.Tensor, y: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        shown = (x.float() * scale[numbers].reshape(-1, 1, 1, 1)).numpy()
        wrong = torch.zeros(len(x), dtype=torch.bool)
        for i, number in enumerate(numbers.tolist()):
            label = int(y[i])
            count = functools.partial(
                count_votes,
                network,
                noise,
                shown[i : i + 1],
                classes=classes,
                seed=seed,
                stage=f"attack {calls}",
                first=number,
            )
            for n in (*_EARLY, votes):
                counts = count(n=n)[0]
                second, first = np.sort(counts)[-2:]
                if n < votes and first - second >= _LEAD * math.sqrt(n):
                    break
            answer = predict(counts, alpha=alpha)
            wrong[i] = answer.abstain or answer.label != label
        return wrong

    return fooled


def _budget(radius: ArrayLike, m: int, device: torch.device) -> torch.Tensor:
    budget = np.broadcast_to(np.asarray(radius, dtype=np.float64), (m,))
    if not (budget >= 0).all():
        raise ValueError(f"radius must be at least 0, got {radius!r}")
    return torch.from_numpy(budget.copy()).to(device)


def _largest(plans: Plans, rows: torch.Tensor) -> torch.Tensor:
    """Largest of the values inside, per image."""
    return plans.largest(torch.where(plans.inside, rows, 0.0).amax(1))


def _at_source(plans: Plans, rows: torch.Tensor) -> torch.Tensor:
    here = (plans.costs == 0) & plans.inside
    return (rows * here).sum(1, keepdim=True)


def _without(plans: Plans, plan: torch.Tensor, gone: torch.Tensor) -> tuple[Plans, torch.Tensor]:
    """The plans of the other images, renumbered."""
    kept = ~gone[plans.owner]
    number = torch.cumsum(~gone, 0) - 1
    pixels = int(np.prod(plans.shape[1:]))
    owner = number[plans.owner[kept]]
    targets = plans.targets[kept] % pixels + owner[:, None] * pixels
    left = replace(
        plans,
        shape=(int((~gone).sum()), *plans.shape[1:]),
        owner=owner,
        mass=plans.mass[kept],
        targets=targets,
        costs=plans.costs[kept],
        inside=plans.inside[kept],
    )
    return left, plan[kept]
