"""The loop of adversarial training, its cost counted in gradients.

One backward pass counts once, whether it goes to the inputs, the weights or both. The radius may
grow from 0 over a first share of the budget. Without that ramp networks can collapse to a
constant; the record says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from empirical.attacks.projections import read_norm
from empirical.data import Dataset
from empirical.precision import in_full
from empirical.train import Progress, accuracy, descend

# Numbers of images, images, labels, radius in force, random draws -> images to train on, of
# shape (n k, c, h, w) in the order of the images, and the backward passes that they cost each.
Attack = Callable[
    [torch.Tensor, torch.Tensor, torch.Tensor, float, torch.Generator],
    tuple[torch.Tensor, int],
]
# The same, with the slope of the loss that the training step got anyway.
Learn = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, float, torch.Generator], None]
# Network, images, what the attack made of them, labels -> the loss to descend, and how often each
# image is passed backwards for it beside the attacked ones.
Objective = Callable[
    [nn.Module, torch.Tensor, torch.Tensor, torch.Tensor],
    tuple[torch.Tensor, int],
]
Watch = Callable[[nn.Module], float]

_CONSTANT = 0.99  # share of test images with one label from which on a classifier is constant


@dataclass(frozen=True)
class AdversarialTraining:
    """What an adversarial training ended with.

    Parameters
    ----------
    loss : float
        Mean of what was descended over the last tenth of the updates.
    accuracy : float
        Share of unchanged test images that are classified correctly.
    collapsed : bool
        Whether nearly all test images get one label: a constant classifier keeps its accuracy
        under every attack, and is worthless.
    gradients : int
        Backward passes, summed over images.
    updates : int
        Of the weights.
    seconds : float
        Wall-clock time, without that of `watch`.
    history : tuple of (int, float)
        Gradients spent and what `watch` saw then.
    """

    loss: float
    accuracy: float
    collapsed: bool
    gradients: int
    updates: int
    seconds: float
    history: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Budget:
    """How long to train, and how.

    Parameters
    ----------
    gradients : int
        Backward passes in all, summed over images; training ends with the batch that reaches it.
    ramp : float
        Share of them over which the radius rises linearly from 0.
    batch : int
        Images at once.
    rate : float
        Learning rate of Adam; it falls linearly to 0 in the second half.
    seed : int
        Of order and draws.
    looks : int
        How often `watch` is asked, at equal distances, the end included.
    """

    gradients: int
    ramp: float = 0.15
    batch: int = 100
    rate: float = 1e-3
    seed: int = 0
    looks: int = 0

    def __post_init__(self) -> None:
        for name, least in (("gradients", 1), ("batch", 1), ("looks", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not 0 <= self.ramp <= 1:
            raise ValueError(f"ramp must lie in [0, 1], got {self.ramp}")
        if not self.rate > 0:
            raise ValueError(f"rate must be positive, got {self.rate}")


def attacked_loss(
    network: nn.Module, x: torch.Tensor, z: torch.Tensor, y: torch.Tensor
) -> tuple[torch.Tensor, int]:
    """The cross-entropy of the attacked images."""
    return functional.cross_entropy(network(z), y.repeat_interleave(len(z) // len(y))), 0


def train_against(
    network: nn.Module,
    dataset: Dataset,
    eps: float,
    attack: Attack,
    budget: Budget,
    norm: str = "linf",
    *,
    learn: Learn | None = None,
    objective: Objective = attacked_loss,
    replays: int = 1,
    device: str = "cpu",
    progress: Progress | None = None,
    watch: Watch | None = None,
) -> AdversarialTraining:
    """Train `network` in place on what `attack` makes of the training images.

    Parameters
    ----------
    network : Module
        Left on `device` in evaluation mode; attacked in training mode. In mixed precision if it
        is `empirical.precision.mixed`; it is looked at, and judged in the end, in full.
    dataset : Dataset
        Images in [0, 1].
    eps : float
        Full radius, at least 0; the attack is given the one in force.
    attack : callable
        See `Attack`.
    budget : Budget
        Length and pace.
    norm : {"linf", "l2", "l1"}
        Checked only.
    learn : callable, optional
        Told the slope at the inputs, from the same backward pass, after each update.
    objective : callable
        See `Objective`; by default the cross-entropy of the attacked images.
    replays : int
        How often each batch is taken in a row.
    device, progress
        As in `empirical.train`.
    watch : callable, optional
        From the network, in evaluation mode, to a number for the history.

    Raises
    ------
    ValueError
        Arguments outside these ranges, or a loss that is not finite.
    """
    read_norm(norm)
    if not 0 <= eps < float("inf"):
        raise ValueError(f"eps must be at least 0 and finite, got {eps!r}")
    if replays < 1:
        raise ValueError(f"replays must be at least 1, got {replays}")
    start, watched = time.perf_counter(), 0.0
    order = torch.Generator().manual_seed(budget.seed)
    draws = torch.Generator().manual_seed(budget.seed + 1)
    images = torch.from_numpy(dataset.images).to(device)
    labels = torch.from_numpy(dataset.labels).to(device)
    train = torch.from_numpy(dataset.train)
    network.to(device).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=budget.rate)
    spent, losses = 0, list[float]()
    history: list[tuple[int, float]] = []
    while spent < budget.gradients:
        for part in train[torch.randperm(len(train), generator=order)].split(budget.batch):
            for _ in range(replays):
                if spent >= budget.gradients:
                    break
                done = spent / budget.gradients
                radius = eps * min(1.0, done / budget.ramp) if budget.ramp else eps
                for group in optimizer.param_groups:
                    group["lr"] = budget.rate * min(1.0, 2 - 2 * done)
                indices = part.to(device)
                x, y = images[indices], labels[indices]
                z, passes = attack(indices, x, y, radius, draws)
                z = z.detach().requires_grad_(learn is not None)
                loss, more = objective(network, x, z, y)
                losses.append(descend(optimizer, loss))
                if learn is not None and z.grad is not None:
                    learn(indices, x, z.grad, radius, draws)
                spent += (passes + 1) * len(z) + more * len(x)
                if not np.isfinite(losses[-1]):
                    raise ValueError(f"training loss must stay finite, got {losses[-1]}")
                due = int(min(1.0, spent / budget.gradients) * budget.looks)
                if watch is not None and due > len(history):
                    before = time.perf_counter()
                    network.eval()
                    history.append((spent, watch(in_full(network))))
                    network.train()
                    watched += time.perf_counter() - before
        if progress is not None:
            progress(min(1.0, spent / budget.gradients), f"loss {losses[-1]:.4g}")
    network.eval()
    seconds = time.perf_counter() - start - watched
    last = float(np.mean(losses[-max(1, len(losses) // 10) :]))
    decides = in_full(network)
    return AdversarialTraining(
        last,
        accuracy(decides, dataset, device=device),
        is_constant(decides, dataset, device=device),
        spent,
        len(losses),
        seconds,
        tuple(history),
    )


def is_constant(network: nn.Module, dataset: Dataset, *, device: str = "cpu") -> bool:
    """Return whether the network gives one label to 99 % of the test images or more."""
    counts = np.zeros(dataset.classes, dtype=np.int64)
    with torch.no_grad():
        for indices in np.array_split(dataset.test, -(-len(dataset.test) // 1000)):
            predicted = network(torch.from_numpy(dataset.images[indices]).to(device)).argmax(1)
            counts += np.bincount(predicted.cpu().numpy(), minlength=len(counts))
    return bool(counts.max() >= _CONSTANT * counts.sum())
