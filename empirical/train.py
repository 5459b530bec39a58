"""Training loops. On a CPU the weights depend on the arguments alone.

Weights are reproducible for one version of torch and one thread count, which is the caller's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from empirical.data import Dataset
from empirical.generators import Adversarial, Autoencoder
from empirical.precision import in_full

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Training:
    """What a training ended with.

    Parameters
    ----------
    loss : float
        Mean training loss of the last epoch.
    accuracy : float or None
        Share of test images that are classified correctly; None where there is no classifier.
    epochs : int
        Passes over the training images.
    seconds : float
        Wall-clock time.
    """

    loss: float
    accuracy: float | None
    epochs: int
    seconds: float


def train_classifier(
    network: nn.Module,
    dataset: Dataset,
    *,
    epochs: int = 30,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress | None = None,
    batch: int = 64,
    rate: float = 3e-3,
) -> Training:
    """Train `network` in place by cross-entropy (Adam, rate decaying to 0) and return the record.

    The network is left on `device` in evaluation mode. It may be `empirical.precision.mixed`; the
    accuracy is that in full precision.

    Raises
    ------
    ValueError
        ``epochs < 1``, or a loss that is not finite.
    """
    labels = torch.from_numpy(dataset.labels).to(device)

    def loss(images: torch.Tensor, indices: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(network(images), labels[indices])

    last, seconds = _fit(network, dataset, loss, 0, epochs, seed, device, progress, batch, rate)
    return Training(last, accuracy(in_full(network), dataset, device=device), epochs, seconds)


def train_vae(
    vae: Autoencoder,
    dataset: Dataset,
    *,
    epochs: int = 200,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress | None = None,
    batch: int = 64,
    rate: float = 3e-3,
) -> Training:
    """Train `vae` in place on the negative evidence lower bound and return the record.

    Loss per image: Bernoulli cross-entropy of the pixels, plus the Kullback-Leibler divergence
    of the encoder's normal distribution from the standard one.

    Raises
    ------
    ValueError
        ``epochs < 1``, or a loss that is not finite.
    """

    def loss(images: torch.Tensor, _: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        mean, log_variance = vae.encode(images)
        decoded = vae.decoder(mean + noise * (log_variance / 2).exp())
        pixels = functional.binary_cross_entropy(decoded, images, reduction="sum")
        divergence = (log_variance.exp() + mean**2 - 1 - log_variance).sum() / 2
        return (pixels + divergence) / len(images)

    latent = vae.latent_dimension
    last, seconds = _fit(vae, dataset, loss, latent, epochs, seed, device, progress, batch, rate)
    return Training(last, None, epochs, seconds)


def train_dcgan(
    gan: Adversarial,
    dataset: Dataset,
    *,
    epochs: int = 50,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress | None = None,
    batch: int = 128,
    rate: float = 2e-4,
) -> Training:
    """Train `gan` in place, one step of each player in turn, and return the record.

    Both minimise a logistic loss with Adam (first moment 0.5), the generator the non-saturating
    one, whose mean over the last epoch is the loss of the record. The network is left on `device`
    in evaluation mode.

    Raises
    ------
    ValueError
        ``epochs < 1``, or a loss that is not finite.
    """
    start = time.perf_counter()
    draws = torch.Generator().manual_seed(seed)  # on the CPU: the same draws on every device
    images = torch.from_numpy(dataset.images).to(device)
    gan.to(device).train()
    judge, decoder = gan.discriminator, gan.decoder
    judging, decoding = (
        torch.optim.Adam(player.parameters(), lr=rate, betas=(0.5, 0.999))
        for player in (judge, decoder)
    )

    def step(indices: torch.Tensor) -> float:
        z = torch.randn(len(indices), gan.latent_dimension, generator=draws).to(device)
        forged = 2 * decoder(z) - 1
        real = 2 * images[indices.to(device)] - 1
        # softplus(-x): the logistic loss of calling an image real.
        judged = functional.softplus(-judge(real)) + functional.softplus(judge(forged.detach()))
        descend(judging, judged.mean())
        return descend(decoding, functional.softplus(-judge(forged)).mean())

    train = torch.from_numpy(dataset.train)
    mean = run_epochs(step, train, epochs, batch, draws, progress)
    gan.eval()
    return Training(mean, None, epochs, time.perf_counter() - start)


def accuracy(network: nn.Module, dataset: Dataset, *, device: str = "cpu") -> float:
    """Return the share of test images that `network`, on `device`, classifies correctly."""
    correct = 0
    with torch.no_grad():
        for indices in np.array_split(dataset.test, -(-len(dataset.test) // 1000)):
            images = torch.from_numpy(dataset.images[indices]).to(device)
            predicted = network(images).argmax(1).cpu().numpy()
            correct += int((predicted == dataset.labels[indices]).sum())
    return correct / len(dataset.test)


def run_epochs(
    step: Callable[[torch.Tensor], float],
    train: torch.Tensor,
    epochs: int,
    batch: int,
    order: torch.Generator,
    progress: Progress | None,
) -> float:
    """Take `step` on every batch, in a new order in each epoch; return the last epoch's mean loss.

    Parameters
    ----------
    step : callable
        From the indices of a batch, on the CPU, to its mean loss; it changes the weights.
    train : Tensor
        Indices of the training images.
    epochs, batch, order, progress
        Passes, images at once, what the order is drawn from, whom to tell.

    Raises
    ------
    ValueError
        ``epochs < 1``, or a loss that is not finite.
    """
    if epochs < 1:
        raise ValueError(f"epochs must be at least 1, got {epochs}")
    mean = float("nan")
    for epoch in range(epochs):
        total = 0.0
        for indices in train[torch.randperm(len(train), generator=order)].split(batch):
            total += step(indices) * len(indices)
        mean = total / len(train)
        if not np.isfinite(mean):
            raise ValueError(f"training loss must stay finite, got {mean} in epoch {epoch + 1}")
        if progress is not None:
            progress((epoch + 1) / epochs, f"epoch {epoch + 1} of {epochs}, loss {mean:.4g}")
    return mean


def descend(
    optimizer: torch.optim.Optimizer,
    loss: torch.Tensor,
    schedule: torch.optim.lr_scheduler.LRScheduler | None = None,
) -> float:
    """Take one step of the optimiser down the loss, and of its schedule; return the loss."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    if schedule is not None:
        schedule.step()
    return float(loss.detach())


def _fit(
    network: nn.Module,
    dataset: Dataset,
    loss_of: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor],
    noise_dimension: int,
    epochs: int,
    seed: int,
    device: str,
    progress: Progress | None,
    batch: int,
    rate: float,
) -> tuple[float, float]:
    """Minimise ``loss_of(images, indices, noise)``; return the last epoch's loss and the time."""
    start = time.perf_counter()
    generator = torch.Generator().manual_seed(seed)  # on the CPU: the same draws on every device
    images = torch.from_numpy(dataset.images).to(device)
    train = torch.from_numpy(dataset.train)
    network.to(device).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)
    updates = max(1, epochs * -(-len(train) // batch))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates)

    def step(indices: torch.Tensor) -> float:
        noise = torch.randn(len(indices), noise_dimension, generator=generator).to(device)
        on_device = indices.to(device)
        return descend(optimizer, loss_of(images[on_device], on_device, noise), schedule)

    mean = run_epochs(step, train, epochs, batch, generator, progress)
    network.eval()
    return mean, time.perf_counter() - start
