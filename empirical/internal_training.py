"""Adversarial training within balls of the internal Wasserstein distance."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from empirical.adversarial_loop import AdversarialTraining, Budget, Watch, train_against
from empirical.attacks.internal import internal_attack
from empirical.data import Dataset
from empirical.train import Progress


def train_on_internal(
    network: nn.Module,
    dataset: Dataset,
    radius: float,
    patch: int,
    budget: Budget,
    *,
    stride: int = 1,
    steps: int = 3,
    step: float = 1.0,
    shift: int = 0,
    clean: float = 0.1,
    device: str = "cpu",
    progress: Progress | None = None,
    watch: Watch | None = None,
) -> AdversarialTraining:
    """Train `network` in place on images of exact internal balls, and on the unchanged ones.

    The loss is ``clean L(h(x)) + L(h(x~))``, with x~ from `internal_attack` on the network in
    training instead of a generator; images that are wrong by themselves stay as they are.

    Parameters
    ----------
    network, dataset, budget, device, progress, watch
        As in `empirical.adversarial_loop.train_against`. An image costs at most ``steps + 3``
        gradients, all of which are counted.
    radius, patch, stride, steps, step, shift
        As in `empirical.attacks.internal.internal_attack`; a larger stride is another distance,
        and much cheaper.
    clean : float
        beta of the paper, at least 0.

    Raises
    ------
    ValueError
        Arguments outside these ranges.

    Source: li2021, Algorithm 2 and eq. (8).
    """
    if not 0 <= clean < float("inf"):
        raise ValueError(f"clean must be at least 0 and finite, got {clean!r}")

    def attack(
        _: torch.Tensor, x: torch.Tensor, y: torch.Tensor, eps: float, draws: torch.Generator
    ) -> tuple[torch.Tensor, int]:
        found = internal_attack(
            network,
            x.cpu().numpy(),
            y.cpu().numpy(),
            eps,
            patch,
            stride=stride,
            steps=steps,
            step=step,
            shift=shift,
            device=device,
        )
        network.train()
        return torch.from_numpy(found.images).to(x), found.gradients

    def objective(
        network: nn.Module, x: torch.Tensor, z: torch.Tensor, y: torch.Tensor
    ) -> tuple[torch.Tensor, int]:
        attacked = functional.cross_entropy(network(z), y)
        return attacked + clean * functional.cross_entropy(network(x), y), 1

    return train_against(
        network,
        dataset,
        radius,
        attack,
        budget,
        objective=objective,
        device=device,
        progress=progress,
        watch=watch,
    )
