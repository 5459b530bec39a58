"""Other defences that a smoothed classifier is compared with: what they train on, what they see."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from empirical.noise_training import Change
from empirical.plans import plans_from
from empirical.smoothing import totals


class Binarised(nn.Module):
    """A network that sees pixels above `threshold` as 1 and all others as 0.

    The slope of a pixel is passed through the threshold unchanged, so that attacks by gradients
    still see the network behind it.
    """

    def __init__(self, network: nn.Module, threshold: float = 0.5) -> None:
        super().__init__()
        self.network = network
        self.threshold = threshold

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        binary = (images > self.threshold).to(images.dtype)
        logits: torch.Tensor = self.network(images + (binary - images).detach())
        return logits


def unchanged(x: torch.Tensor, _: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return the images as they are, for a network that is not defended."""
    return x


def linf_change(network: nn.Module, eps: float, *, steps: int = 5) -> Change:
    """Return projected gradient ascent of the loss in the l-infinity ball of radius `eps`.

    From a random start, with pixels kept in [0, 1].
    """

    def change(x: torch.Tensor, y: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        start = torch.rand(x.shape, generator=generator, device=x.device)
        z = x + eps * (2 * start - 1)
        for _ in range(steps):
            z = z.clamp(0, 1).requires_grad_()
            (slope,) = torch.autograd.grad(functional.cross_entropy(network(z), y), z)
            z = z.detach() + 2.5 * eps / steps * slope.sign()
            z = torch.minimum(torch.maximum(z, x - eps), x + eps)
        return z.clamp(0, 1)

    return change


def wasserstein_change(
    network: nn.Module, radius: float, *, steps: int = 2, reach: int = 2
) -> Change:
    """Return Frank-Wolfe steps of the loss in W1 balls (l2 ground metric), images of unit mass.

    Radii are uniform in [0, radius], so that small and large perturbations are both trained on.
    """

    def change(x: torch.Tensor, y: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        mass = totals(x)[:, None, None, None]
        plans = plans_from(x.double() / mass, reach=reach)
        plan = plans.still()
        budget = radius * torch.rand(len(x), generator=generator, device=x.device).double()
        for k in range(steps):
            z = (plans.image(plan) * mass).float().requires_grad_()
            (slope,) = torch.autograd.grad(
                functional.cross_entropy(network(z), y, reduction="sum"), z
            )
            best = plans.best(plans.at_targets(slope.double()), budget, cuts=12)
            plan = plan + 2 / (k + 2) * (best - plan)
        return (plans.image(plan) * mass).float()

    return change
