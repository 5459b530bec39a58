"""Adversarial training within a ball, by five ways of attacking, at equal cost in gradients.

`train_naturally` does not attack; `train_on_pgd` attacks anew with every batch; `train_for_free`
reuses one backward pass for weights and attack, and replays batches; `train_on_particles` keeps an
attack for every training image and moves it on whenever the image comes up again, with noise (the
algorithm that anonymous2022 calls Langevin) or without.
"""

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


def train_naturally(
    network: nn.Module,
    dataset: Dataset,
    budget: Budget,
    *,
    device: str = "cpu",
    progress: Progress | None = None,
    watch: Watch | None = None,
) -> AdversarialTraining:
    """Train `network` in place on the images as they are, by the loop of the other functions."""

    def attack(
        _: torch.Tensor, x: torch.Tensor, y: torch.Tensor, eps: float, draws: torch.Generator
    ) -> tuple[torch.Tensor, int]:
        return x, 0

    return train_against(
        network, dataset, 0.0, attack, budget, device=device, progress=progress, watch=watch
    )


def train_on_pgd(
    network: nn.Module,
    dataset: Dataset,
    eps: float,
    budget: Budget,
    norm: str = "linf",
    *,
    steps: int = 7,
    step: float | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
    watch: Watch | None = None,
) -> AdversarialTraining:
    """Train `network` in place on projected gradient ascent of the loss from random starts.

    Parameters
    ----------
    network, dataset, budget, device, progress, watch
        As in `empirical.adversarial_loop.train_against`.
    eps, norm
        Of the ball.
    steps : int
        At least 1; an image costs ``steps + 1`` gradients. With one step of length 1.25 eps it is
        the fast method that is known to fail at times.
    step : float, optional
        Length as a share of the radius in force; by default ``2.5 / steps``, at most 1.25.

    Source: madry2018, section 2.1.
    """
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    share = min(1.25, 2.5 / steps) if step is None else step

    def attack(
        _: torch.Tensor, x: torch.Tensor, y: torch.Tensor, eps: float, draws: torch.Generator
    ) -> tuple[torch.Tensor, int]:
        z = random_point(x, eps, norm, draws, (0.0, 1.0))
        for _step in range(steps):
            slope = _slope(network, z, y)
            z = project(ascended(z, slope, share * eps, norm), x, eps, norm)
        return z, steps

    return train_against(
        network,
        dataset,
        eps,
        attack,
        budget,
        norm,
        device=device,
        progress=progress,
        watch=watch,
    )


def train_for_free(
    network: nn.Module,
    dataset: Dataset,
    eps: float,
    budget: Budget,
    norm: str = "linf",
    *,
    replays: int = 8,
    device: str = "cpu",
    progress: Progress | None = None,
    watch: Watch | None = None,
) -> AdversarialTraining:
    """Train `network` in place with one backward pass per update for weights and attack.

    Every batch is taken `replays` times in a row. The perturbation moves by a step of length eps
    each time, and the next batch starts from that of the one before.

    Source: shafahi2019, Algorithm 1.
    """
    kept = torch.zeros(budget.batch, *dataset.shape, device=device)

    def attack(
        _: torch.Tensor, x: torch.Tensor, y: torch.Tensor, eps: float, draws: torch.Generator
    ) -> tuple[torch.Tensor, int]:
        return project(x + kept[: len(x)], x, eps, norm), 0

    def learn(
        indices: torch.Tensor,
        x: torch.Tensor,
        slope: torch.Tensor,
        eps: float,
        draws: torch.Generator,
    ) -> None:
        z, box = x + kept[: len(x)], (-9.0, 9.0)
        if norm == "l1":
            # The best move is that of the attacked image in its box, which bounds it as well.
            z, box = project(z, x, eps, norm), (0.0, 1.0)
        move = project(ascended(z, slope, eps, norm), x, eps, norm, box=box) - x
        kept[: len(x)] = move

    return train_against(
        network,
        dataset,
        eps,
        attack,
        budget,
        norm,
        learn=learn,
        replays=replays,
        device=device,
        progress=progress,
        watch=watch,
    )


def train_on_particles(
    network: nn.Module,
    dataset: Dataset,
    eps: float,
    budget: Budget,
    norm: str = "linf",
    *,
    step: float = 2 / 3,
    noise: float = 2 / 3,
    steps: int = 1,
    particles: int = 1,
    shared: bool = False,
    device: str = "cpu",
    progress: Progress | None = None,
    watch: Watch | None = None,
) -> AdversarialTraining:
    """Train `network` in place on stored attacks that go on from where they were: Algorithm 1.

    Each particle of an image takes `steps` steps ``project(z + step steepest + noise xi)`` when
    the image comes up. With `shared` it takes one instead, after the update, along the slope that
    the update's own backward pass has at the inputs, so that an image costs one gradient.

    Parameters
    ----------
    network, dataset, budget, device, progress, watch
        As in `empirical.adversarial_loop.train_against`.
    eps, norm
        Of the ball.
    step, noise : float
        eta and sigma as shares of the radius in force, at least 0. The paper's 0.2 at 0.3 are the
        default; 0 noise leaves projected gradient ascent that starts where it ended.
    steps, particles : int
        T and K of the paper, at least 1.
    shared : bool
        See above.

    Source: anonymous2022, Algorithm 1, whose noise does not make it a sampler of the Gibbs law.
    """
    for name, number in (("steps", steps), ("particles", particles)):
        if number < 1:
            raise ValueError(f"{name} must be at least 1, got {number}")
    for name, size in (("step", step), ("noise", noise)):
        if not size >= 0:
            raise ValueError(f"{name} must be at least 0, got {size!r}")
    store = torch.from_numpy(dataset.images).to(device).repeat_interleave(particles, dim=0)

    def places(indices: torch.Tensor) -> torch.Tensor:
        return (indices[:, None] * particles + torch.arange(particles, device=device)).flatten()

    def moved(
        z: torch.Tensor,
        slope: torch.Tensor,
        x: torch.Tensor,
        eps: float,
        draws: torch.Generator,
    ) -> torch.Tensor:
        z = ascended(z, slope, step * eps, norm)
        if noise:
            normal = torch.randn(z.shape, generator=draws).to(z.device)
            z = z + noise * eps * normal
        return project(z, x, eps, norm)

    def attack(
        indices: torch.Tensor,
        x: torch.Tensor,
        y: torch.Tensor,
        eps: float,
        draws: torch.Generator,
    ) -> tuple[torch.Tensor, int]:
        many = x.repeat_interleave(particles, dim=0)
        z = project(store[places(indices)], many, eps, norm)
        if shared:
            return z, 0
        labels = y.repeat_interleave(particles)
        for _ in range(steps):
            z = moved(z, _slope(network, z, labels), many, eps, draws)
        store[places(indices)] = z
        return z, steps

    def learn(
        indices: torch.Tensor,
        x: torch.Tensor,
        slope: torch.Tensor,
        eps: float,
        draws: torch.Generator,
    ) -> None:
        many = x.repeat_interleave(particles, dim=0)
        z = project(store[places(indices)], many, eps, norm)
        store[places(indices)] = moved(z, slope, many, eps, draws)

    return train_against(
        network,
        dataset,
        eps,
        attack,
        budget,
        norm,
        learn=learn if shared else None,
        device=device,
        progress=progress,
        watch=watch,
    )


def _slope(network: nn.Module, z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The loss's slope at the images, in the network's present mode."""
    z = z.detach().requires_grad_()
    loss = functional.cross_entropy(network(z), y, reduction="sum")
    (slope,) = torch.autograd.grad(loss, z)
    return slope
