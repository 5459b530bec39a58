"""Transport plans between the pixels of a batch of images, within a reach, and convex sets of them.

A plan says how much mass goes from each pixel that has some to each pixel within reach. Whatever
the plan, its image has the mass of the source, no negative pixel, and a Wasserstein distance from
the source of at most the plan's cost: sets of plans are how attacks stay inside a ball.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

_FAR = -1e30  # in place of values at targets outside of the image
_CUTS = 60  # at most, of the bracket of the price of transport
_SPENT = 1e-9  # share of the budget that may be left before the rest is mixed in


@dataclass(frozen=True, eq=False)
class Plans:
    """All plans from m source images of shape (c, h, w), as rows: one per pixel that has mass.

    Parameters
    ----------
    shape : tuple of int
        (m, c, h, w).
    owner : Tensor
        Shape (r,), which image a row belongs to.
    mass : Tensor
        Shape (r,), the mass of its pixel, positive.
    targets : Tensor
        Shape (r, t), flat indices into all pixels of all images; those outside repeat the source.
    costs : Tensor
        Shape (r, t), ground distances.
    inside : Tensor
        Shape (r, t), whether there is such a target.
    """

    shape: tuple[int, int, int, int]
    owner: torch.Tensor
    mass: torch.Tensor
    targets: torch.Tensor
    costs: torch.Tensor
    inside: torch.Tensor

    def still(self) -> torch.Tensor:
        """Return the plan that moves nothing, shape (r, t)."""
        return self.mass[:, None] * ((self.costs == 0) & self.inside)

    def image(self, plan: torch.Tensor) -> torch.Tensor:
        """Return the images, shape (m, c, h, w), that plans make of the sources."""
        flat = torch.zeros(int(np.prod(self.shape)), dtype=plan.dtype, device=plan.device)
        return flat.index_add_(0, self.targets.reshape(-1), plan.reshape(-1)).reshape(self.shape)

    def at_targets(self, values: torch.Tensor) -> torch.Tensor:
        """Return values per pixel, shape (m, c, h, w), at the targets of every row, (r, t)."""
        return values.reshape(-1)[self.targets]

    def per_image(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the sums over the rows of each image, shape (m,)."""
        zeros = torch.zeros(self.shape[0], dtype=rows.dtype, device=rows.device)
        return zeros.index_add_(0, self.owner, rows)

    def largest(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the largest of nonnegative values of the rows of each image, shape (m,)."""
        zeros = torch.zeros(self.shape[0], dtype=rows.dtype, device=rows.device)
        return zeros.scatter_reduce_(0, self.owner, rows, "amax")

    def cost(self, plan: torch.Tensor) -> torch.Tensor:
        """Return the cost of transport of each image, shape (m,)."""
        return self.per_image((plan * self.costs).sum(1))

    def nearest(self, values: torch.Tensor, budget: torch.Tensor) -> torch.Tensor:
        """Return the plans of cost at most `budget`, (m,), that are nearest to `values`, (r, t).

        For a price p of transport, every row is the projection of ``values - p * costs`` onto its
        simplex; the price is found by bisection.
        """
        return self._priced(values, budget, self._simplex)[0]

    def best(
        self, values: torch.Tensor, budget: torch.Tensor, *, cuts: int = _CUTS
    ) -> torch.Tensor:
        """Return the plans of cost at most `budget` with the largest product with `values`.

        For a price of transport, every row goes to its best target; the plan is a mixture of two
        such ones with the budget spent exactly. Few `cuts` of the bracket of the price give a
        plan that is nearly best.
        """
        return self._priced(values, budget, self._vertex, cuts)[0]

    def most(self, values: torch.Tensor, budget: torch.Tensor) -> torch.Tensor:
        """Return no less than the largest product of `values` with plans of cost at most `budget`.

        The Lagrange function at the price found, which is an upper bound at any price.
        """
        price = self._priced(values, budget, self._vertex)[1]
        masked = torch.where(self.inside, values, _FAR)
        dearest = (masked - price[self.owner][:, None] * self.costs).amax(1)
        return self.per_image(dearest * self.mass) + price * budget

    def _simplex(self, values: torch.Tensor) -> torch.Tensor:
        ordered = values.sort(1, descending=True).values
        excess = ordered.cumsum(1) - self.mass[:, None]
        rank = torch.arange(1, values.shape[1] + 1, device=values.device)
        support = (ordered * rank > excess).sum(1, keepdim=True)
        level = excess.gather(1, support - 1) / support
        return (values - level).clamp_(min=0)

    def _vertex(self, values: torch.Tensor) -> torch.Tensor:
        chosen = values.argmax(1, keepdim=True)
        return torch.zeros_like(values).scatter_(1, chosen, self.mass[:, None])

    def _priced(
        self,
        values: torch.Tensor,
        budget: torch.Tensor,
        rows: Callable[[torch.Tensor], torch.Tensor],
        cuts: int = _CUTS,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Plans of the rows' problem with the budget kept, and the price of transport.

        The cost falls as the price grows. The bracket of the price is cut at the chord and in the
        middle by turns; a mixture of the plans at both ends spends what is left of the budget.
        """
        masked = torch.where(self.inside, values, _FAR)

        def at(price: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            plan = rows(masked - price[self.owner][:, None] * self.costs)
            return plan, self.cost(plan)

        low = torch.zeros_like(budget)
        dear, dear_cost = at(low)
        if (dear_cost <= budget).all():
            return dear, low
        # Nothing moves once the price exceeds the spread of the values per least distance.
        spread = torch.where(self.inside, values, 0.0).abs().amax(1) + self.mass
        high = 2 * self.largest(spread) + 1e-300
        cheap, cheap_cost = self.still(), torch.zeros_like(budget)
        for k in range(cuts):
            open_ = (dear_cost > budget) & (cheap_cost < budget * (1 - _SPENT))
            if not open_.any():
                break
            drop = (dear_cost - cheap_cost).clamp(min=1e-300)
            chord = low + (high - low) * ((dear_cost - budget) / drop).clamp(0.01, 0.99)
            middle = chord if k % 2 else (low + high) / 2
            plan, cost = at(middle)
            fits = cost <= budget
            low, high = torch.where(fits, low, middle), torch.where(fits, middle, high)
            fits_row = fits[self.owner][:, None]
            cheap, dear = torch.where(fits_row, plan, cheap), torch.where(fits_row, dear, plan)
            cheap_cost = torch.where(fits, cost, cheap_cost)
            dear_cost = torch.where(fits, dear_cost, cost)
        share = ((budget - cheap_cost) / (dear_cost - cheap_cost)).clamp(0, 1)
        share = torch.where(dear_cost > budget, share, 1.0)[self.owner][:, None]
        return cheap + share * (dear - cheap), high


def plans_from(images: torch.Tensor, *, ground: str = "l2", reach: int | None = None) -> Plans:
    """Return the plans from images of shape (m, c, h, w), float64, nonnegative.

    Mass stays in its channel.

    Parameters
    ----------
    images : Tensor
        The sources.
    ground : {"l1", "l2"}
        Distance between pixels.
    reach : int, optional
        Greatest number of pixels that mass moves, in either direction; all by default. The plans
        within a reach are some of all, so what they reach lies in the ball of all.

    Raises
    ------
    ValueError
        Another ground distance, a reach below 1, negative or non-finite pixels.
    """
    if ground not in ("l1", "l2"):
        raise ValueError(f"ground must be 'l1' or 'l2', got {ground!r}")
    if reach is not None and reach < 1:
        raise ValueError(f"reach must be at least 1, got {reach}")
    if images.ndim != 4 or not (torch.isfinite(images) & (images >= 0)).all():
        raise ValueError("images must have shape (m, c, h, w) and finite pixels of at least 0")
    m, c, h, w = images.shape
    source = torch.nonzero(images.reshape(-1)).squeeze(1)
    y, x = source[:, None] // w % h, source[:, None] % w
    if reach is None or (2 * reach + 1) ** 2 >= h * w:
        pixels = torch.arange(h * w, device=images.device)
        ty, tx = pixels // w, pixels % w
        ty, tx = ty.expand(len(source), -1), tx.expand(len(source), -1)
    else:
        steps = torch.arange(-reach, reach + 1, device=images.device)
        offsets = torch.cartesian_prod(steps, steps)
        ty, tx = y + offsets[:, 0], x + offsets[:, 1]
    moves = torch.stack([ty - y, tx - x], 2)
    inside = (ty >= 0) & (ty < h) & (tx >= 0) & (tx < w)
    if reach is not None:
        inside &= moves.abs().amax(2) <= reach
    plane = (source // (h * w) * (h * w))[:, None]
    return Plans(
        (m, c, h, w),
        source // (c * h * w),
        images.reshape(-1)[source].double(),
        torch.where(inside, plane + ty * w + tx, source[:, None]),
        moves.double().norm(p=1 if ground == "l1" else 2, dim=2),
        inside,
    )
