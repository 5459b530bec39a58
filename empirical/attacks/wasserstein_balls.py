"""Nearest images in balls of the exact Wasserstein distance W1, by plans of transport."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike

from empirical.plans import plans_from


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


def _budget(radius: ArrayLike, m: int, device: torch.device) -> torch.Tensor:
    budget = np.broadcast_to(np.asarray(radius, dtype=np.float64), (m,))
    if not (budget >= 0).all():
        raise ValueError(f"radius must be at least 0, got {radius!r}")
    return torch.from_numpy(budget.copy()).to(device)
