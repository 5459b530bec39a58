"""The attack of li2021: a generator against a critic of patches, one pair for each image.

The critic estimates the internal Wasserstein distance by its dual; the generator lowers that
estimate and makes the classifier wrong. The paper adds the gradient penalty with the wrong sign to
what the critic ascends, which makes it diverge; here it is subtracted. Nothing keeps the result
inside a ball: its exact distance is measured afterwards. `empirical.attacks.internal` needs no
networks and stays inside.
"""

from __future__ import annotations

import math
from typing import TypeAlias, get_args

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from empirical.attacks.couplings import Couplings
from empirical.attacks.internal import InternalAttacked, Progress, checked_goal
from empirical.attacks.steps import Loss

Weights: TypeAlias = list[torch.Tensor]


def critic_attack(
    network: nn.Module,
    images: np.ndarray,
    labels: np.ndarray,
    patch: int,
    *,
    targets: np.ndarray | None = None,
    steps: int = 200,
    critic_steps: int = 3,
    tau: float = 0.1,
    loss: str = "cross-entropy",
    penalty: float = 10.0,
    rate: float = 5e-4,
    width: int = 32,
    look: int = 5,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress | None = None,
) -> InternalAttacked:
    """Train a generator and a patch critic for each image; keep the nearest wrong image.

    Parameters
    ----------
    network : Module
        In evaluation mode; takes (m, c, h, w) to (m, K). Pixels lie in [0, 1].
    images, labels : ndarray
        Shapes (m, c, h, w) and (m,).
    patch : int
        Side of the patches, taken at every pixel.
    targets : ndarray, optional
        Shape (m,): classes that are wanted, none of them the label; without them any wrong one
        will do.
    steps, critic_steps : int
        Updates of the generator, and of the critic before each, at least 1.
    tau : float
        Weight of the classification loss.
    loss : {"cross-entropy", "margin"}
        The classification loss. The paper's cross-entropy has no slope, without targets, at
        images that the network is sure of; the margin has.
    penalty : float
        Weight of ``(|grad f| - 1)^2`` at patches between those of both images, l2.
    rate : float
        Of both Adam optimisers, first moment 0.5.
    width : int
        Of both networks: small relatives of those of shaham2019.
    look : int
        How many updates lie between two measurements of the distance.
    seed : int
        Of weights and draws.

    Returns
    -------
    InternalAttacked
        Of the images seen, the wrong one (for targets, the one of that class) with the least exact
        internal distance; the last one where none was.

    Raises
    ------
    ValueError
        Arguments outside these ranges, or a critic that diverges.

    Source: li2021, Algorithm 1, with the sign of the penalty corrected; gulrajani2017.
    """
    for name, count in (("steps", steps), ("critic_steps", critic_steps), ("look", look)):
        if count < 1:
            raise ValueError(f"{name} must be at least 1, got {count}")
    for name, size in (("tau", tau), ("penalty", penalty)):
        if not 0 <= size < math.inf:
            raise ValueError(f"{name} must be at least 0 and finite, got {size!r}")
    if loss not in get_args(Loss):
        raise ValueError(f"loss must be one of {get_args(Loss)}, got {loss!r}")
    goal = checked_goal(network, images, labels, targets, device)
    couplings = Couplings(images, patch)
    draws = torch.Generator().manual_seed(seed)
    x = torch.as_tensor(np.asarray(images, dtype=np.float32), device=device)
    m, c = x.shape[:2]
    generator = _generator(m, c, width, draws, device)
    critic = _critic(m, c * patch * patch, width, draws, device)
    moving, judging = (
        torch.optim.Adam(weights, lr=rate, betas=(0.5, 0.999)) for weights in (generator, critic)
    )
    real = _patches(x, patch)
    best, distances = x.clone(), np.full(m, np.inf)
    for k in range(steps):
        for _ in range(critic_steps):
            with torch.no_grad():
                forged = _patches(_forge(generator, x, draws), patch)
            share = torch.rand((m, 1, 1), generator=draws).to(device)
            between = (share * real + (1 - share) * forged).requires_grad_()
            (slope,) = torch.autograd.grad(
                _judge(critic, between).sum(), between, create_graph=True
            )
            bound = (slope.norm(dim=2) - 1).square().mean(1)
            gap = _judge(critic, real).mean(1) - _judge(critic, forged).mean(1)
            judging.zero_grad(set_to_none=True)
            (penalty * bound - gap).sum().backward()
            judging.step()
        made = _forge(generator, x, draws)
        logits = network(made)
        moving.zero_grad(set_to_none=True)
        near = _judge(critic, _patches(made, patch)).mean(1)
        gain = goal.values(logits, loss)
        (-tau * gain - near).sum().backward()
        moving.step()
        if not bool(torch.isfinite(near).all()):
            raise ValueError(f"the critic must stay finite, got {near.detach().cpu().tolist()[0]}")
        if (k + 1) % look == 0 or k + 1 == steps:
            reached = goal.reached(logits.detach())
            for i in torch.nonzero(reached).squeeze(1).tolist():
                distance = couplings.distance(i, made[i].detach().cpu().numpy())
                if distance < distances[i]:
                    distances[i], best[i] = distance, made[i].detach()
        if progress is not None:
            progress((k + 1) / steps, f"{int(np.isfinite(distances).sum())} of {m} fooled")
    fooled = np.isfinite(distances)
    with torch.no_grad():
        last = _forge(generator, x, draws)
    for i in np.flatnonzero(~fooled).tolist():
        best[i] = last[i]
        distances[i] = couplings.distance(i, last[i].cpu().numpy())
    return InternalAttacked(best.cpu().numpy(), fooled, distances, steps)


def _generator(m: int, c: int, width: int, draws: torch.Generator, device: str) -> Weights:
    """Three convolutions for each image; the last starts at nearly 0, so at the image itself."""
    sizes = [(width, c, 1.0), (width, width, 1.0), (c, width, 0.05)]
    weights = [
        torch.randn((m * a, b, 3, 3), generator=draws) * (scale * math.sqrt(2 / (9 * b)))
        for a, b, scale in sizes
    ]
    return [w.to(device).requires_grad_() for w in weights]


def _forge(weights: Weights, x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
    """g(x, z) = x + h(x + z), in [0, 1]."""
    m, c, h, w = x.shape
    z = 0.1 * torch.randn(x.shape, generator=draws).to(x.device)
    y = (x + z).reshape(1, m * c, h, w)
    for weight in weights[:-1]:
        y = functional.leaky_relu(functional.conv2d(y, weight, padding=1, groups=m), 0.2)
    move = functional.conv2d(y, weights[-1], padding=1, groups=m).tanh()
    return (x + move.reshape(x.shape)).clamp(0, 1)


def _critic(m: int, entries: int, width: int, draws: torch.Generator, device: str) -> Weights:
    sizes = [(entries, width), (width, width), (width, 1)]
    weights = []
    for a, b in sizes:
        weights.append(torch.randn((m, a, b), generator=draws) * math.sqrt(2 / a))
        weights.append(torch.zeros((m, 1, b)))
    return [w.to(device).requires_grad_() for w in weights]


def _judge(weights: Weights, patches: torch.Tensor) -> torch.Tensor:
    """Values of the critics, from patches (m, N, entries) to (m, N)."""
    y = patches
    for i in range(0, len(weights), 2):
        y = torch.baddbmm(weights[i + 1], y, weights[i])
        if i + 2 < len(weights):
            y = functional.leaky_relu(y, 0.2)
    return y.squeeze(2)


def _patches(x: torch.Tensor, patch: int) -> torch.Tensor:
    return functional.unfold(x, patch).transpose(1, 2)
