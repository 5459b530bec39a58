"""Training on the natural loss and the divergence around it: TRADES."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from empirical.adversarial_loop import AdversarialTraining, Budget, Watch, train_against
from empirical.attacks.projections import project
from empirical.attacks.sparse import ascended
from empirical.attacks.steps import random_point
from empirical.data import Dataset
from empirical.train import Progress


def train_trades(
    network: nn.Module,
    dataset: Dataset,
    eps: float,
    budget: Budget,
    norm: str = "linf",
    *,
    weight: float = 6.0,
    steps: int = 10,
    step: float | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
    watch: Watch | None = None,
) -> AdversarialTraining:
    """Train `network` in place on ``loss(x, y) + weight KL(h(x) || h(z))``, z in the ball.

    z climbs the divergence's slope in its second argument, from a random start: at x itself that
    slope is 0. The weights get the divergence's slope through both arguments. The attack sees the
    network in evaluation mode, and the record's loss is the whole one.

    Parameters
    ----------
    network : Module
        Left on `device` in evaluation mode.
    dataset : Dataset
        Images in [0, 1].
    eps : float
        Full radius, at least 0.
    budget : Budget
        Length and pace; an image costs ``steps + 2`` gradients.
    norm : {"linf", "l2", "l1"}
        Of the ball.
    weight : float
        1/lambda of the paper, at least 0.
    steps : int
        At least 1.
    step : float, optional
        Length as a share of the radius in force; by default ``2.5 / steps``, at most 1.25.
    device, progress, watch
        As in `empirical.adversarial.train_against`.

    Raises
    ------
    ValueError
        Arguments outside these ranges, or a loss that is not finite.

    Source: zhang2019, eq. (5) and Algorithm 1; chapter17, section 17.3, corrected: its slope in the
    first argument of the divergence points the other way.
    """
    if not 0 <= weight < float("inf"):
        raise ValueError(f"weight must be at least 0 and finite, got {weight!r}")
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    share = min(1.25, 2.5 / steps) if step is None else step

    def attack(
        _: torch.Tensor, x: torch.Tensor, y: torch.Tensor, eps: float, draws: torch.Generator
    ) -> tuple[torch.Tensor, int]:
        network.eval()
        z = most_divergent(network, x, eps, norm, steps, share * eps, draws)
        network.train()
        return z, steps

    def objective(
        network: nn.Module, x: torch.Tensor, z: torch.Tensor, y: torch.Tensor
    ) -> tuple[torch.Tensor, int]:
        return trades_loss(network(x), network(z), y, weight), 1

    return train_against(
        network,
        dataset,
        eps,
        attack,
        budget,
        norm,
        objective=objective,
        device=device,
        progress=progress,
        watch=watch,
    )


def trades_loss(
    natural: torch.Tensor, attacked: torch.Tensor, y: torch.Tensor, weight: float
) -> torch.Tensor:
    """Return the mean of ``cross-entropy + weight KL(softmax(natural) || softmax(attacked))``.

    Differentiable in both logits, shape (m, K) each. Source: zhang2019, eq. (5).
    """
    p, q = functional.log_softmax(natural, dim=1), functional.log_softmax(attacked, dim=1)
    divergence = (p.exp() * (p - q)).sum(1).mean()
    return functional.cross_entropy(natural, y) + weight * divergence


def most_divergent(
    network: nn.Module,
    x: torch.Tensor,
    eps: float,
    norm: str,
    steps: int,
    length: float,
    draws: torch.Generator,
) -> torch.Tensor:
    """Return the end of `steps` steps up ``KL(h(x) || h(z))`` in z, inside ball and unit box."""
    with torch.no_grad():
        p = functional.softmax(network(x), dim=1)
    z = random_point(x, eps, norm, draws, (0.0, 1.0))
    for _ in range(steps):
        z = z.detach().requires_grad_()
        # The entropy of p does not depend on z.
        crossed = -(p * functional.log_softmax(network(z), dim=1)).sum()
        (slope,) = torch.autograd.grad(crossed, z)
        z = project(ascended(z.detach(), slope, length, norm), x, eps, norm)
    return z.detach()
