"""Attacks inside balls of the exact Wasserstein distance W1 between images of unit mass.

All iterates are images of transport plans, so they have exactly the mass of the source (up to
rounding), no negative pixel, and a cost of at most the radius; the distance itself may be smaller
and is the caller's to measure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import ArrayLike

from empirical.attacks.smoothed import Fooled, Slope
from empirical.plans import Plans, plans_from

Progress = Callable[[float, str], None]

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
        Slope of the loss, see `empirical.attacks.smoothed`.
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
