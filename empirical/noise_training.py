"""Training on changed images: noise as at test time, or an attack on the network in training."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from empirical.data import Dataset
from empirical.noise import Noise
from empirical.precision import in_full
from empirical.smoothing import BLOCK, noised, totals
from empirical.train import Progress, Training, accuracy, descend, run_epochs

# Images, labels and a generator on the CPU to changed images; the network is the caller's.
Change = Callable[[torch.Tensor, torch.Tensor, torch.Generator], torch.Tensor]


def train_with_noise(
    network: nn.Module,
    dataset: Dataset,
    noise: Noise,
    *,
    indices: np.ndarray | None = None,
    epochs: int = 8,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress | None = None,
    batch: int = 128,
    rate: float = 3e-3,
    augmented: bool = False,
    scale: float = 1.0,
) -> Training:
    """Train `network` in place on noised images, fresh noise for every image, and tell how it went.

    Parameters
    ----------
    network : Module
        Trained by cross-entropy.
    dataset : Dataset
        With images of positive total.
    noise : Noise
        The one of the smoothed classifier.
    indices : ndarray, optional
        Images to train on; ``dataset.train`` by default.
    epochs, seed, device, progress, batch, rate
        As in `train_on_changes`.
    augmented : bool
        Whether images are first shifted and mirrored by chance, as `shifted_and_mirrored` does.
    scale : float
        Positive. While it is trained the network sees the noised images times this, and its first
        layer takes the factor over in the end: noise far larger than the image otherwise keeps
        its weights from being learned.

    Raises
    ------
    ValueError
        A scale that is not positive and finite, and as `train_on_changes` does.
    """
    if not 0 < scale < math.inf:
        raise ValueError(f"scale must be positive and finite, got {scale!r}")

    def change(images: torch.Tensor, _: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        if augmented:
            images = shifted_and_mirrored(images, generator)
        return noised(images, noise, generator)

    record = train_on_changes(
        network if scale == 1 else _Scaled(network, scale),
        dataset,
        change,
        indices=indices,
        epochs=epochs,
        seed=seed,
        device=device,
        progress=progress,
        batch=batch,
        rate=rate,
    )
    if scale != 1:
        layers = (m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear))
        with torch.no_grad():
            next(layers).weight.mul_(scale)
    return record


class _Scaled(nn.Module):
    def __init__(self, network: nn.Module, scale: float) -> None:
        super().__init__()
        self.network, self.scale = network, scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.network(x * self.scale)
        return answer


def shifted_and_mirrored(
    images: torch.Tensor, generator: torch.Generator, most: int = 4
) -> torch.Tensor:
    """Return images of shape (m, c, h, w), each shifted by up to `most` pixels both ways, and
    every second one mirrored; what enters is black.

    Source: levine2020, Table 4 (padding, random cropping and horizontal flips).
    """
    m, c, h, w = images.shape
    device = images.device

    def chance(high: int) -> torch.Tensor:
        return torch.randint(high, (m, 1, 1, 1), generator=generator, device=device)

    padded = functional.pad(images, (most, most, most, most))
    across = torch.arange(w, device=device)
    mirrored = torch.where(chance(2) == 1, w - 1 - across, across)
    rows = chance(2 * most + 1) + torch.arange(h, device=device)[:, None]
    columns = chance(2 * most + 1) + mirrored
    first = torch.arange(m, device=device)[:, None, None, None]
    channels = torch.arange(c, device=device)[:, None, None]
    return padded[first, channels, rows, columns]


def train_on_changes(
    network: nn.Module,
    dataset: Dataset,
    change: Change,
    *,
    indices: np.ndarray | None = None,
    epochs: int = 8,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress | None = None,
    batch: int = 128,
    rate: float = 3e-3,
) -> Training:
    """Train `network` in place by cross-entropy on ``change(images, labels, generator)``.

    Adam under one cycle of learning rates up to `rate`. The network, which may be
    `empirical.precision.mixed`, is left on `device` in evaluation mode; the accuracy of the record
    is that on unchanged test images, in full precision.

    Raises
    ------
    ValueError
        ``epochs < 1``, or a loss that is not finite.
    """
    start = time.perf_counter()
    order = torch.Generator().manual_seed(seed)
    draws = torch.Generator(device).manual_seed(seed + 1)
    chosen = torch.from_numpy(dataset.train if indices is None else indices)
    images = torch.from_numpy(dataset.images).to(device)
    labels = torch.from_numpy(dataset.labels).to(device)
    network.to(device).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)
    updates = max(1, epochs * -(-len(chosen) // batch))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, updates)

    def step(part: torch.Tensor) -> float:
        x, y = images[part.to(device)], labels[part.to(device)]
        loss = functional.cross_entropy(network(change(x, y, draws)), y)
        return descend(optimizer, loss, schedule)

    mean = run_epochs(step, chosen, epochs, batch, order, progress)
    network.eval()
    seconds = time.perf_counter() - start
    return Training(mean, accuracy(in_full(network), dataset, device=device), epochs, seconds)


def margin_sensitivity(
    network: nn.Module,
    noise: Noise,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    seed: int = 0,
    floor: float = 0.5,
    ridge: float = 1e-3,
    device: str = "cpu",
) -> np.ndarray:
    """Return W with xi' W xi, to first order, the mean squared relative change of margins by xi.

    W = E[g g'] + ridge tr(E[g g']) / N, where g is the gradient of the margin (true logit minus
    the largest other) at a noised image with respect to the image of unit mass, divided by the
    margin or by `floor`, whichever is larger.

    Parameters
    ----------
    network, noise : Module, Noise
        A network, and the noise to measure it under.
    images, labels : ndarray
        Shapes (m, c, h, w) and (m,): training images, never those to be certified. Channels, which
        have noise of the same covariance each, add up.
    seed : int
        Of the noise.
    floor : float
        Positive, in logits.
    ridge : float
        Positive: makes W positive definite.
    device : str
        Where to work.

    Returns
    -------
    ndarray
        Shape (h w, h w), float64.

    Raises
    ------
    ValueError
        `floor` or `ridge` not positive.
    """
    for name, value in (("floor", floor), ("ridge", ridge)):
        if not value > 0:
            raise ValueError(f"{name} must be positive, got {value!r}")
    network = network.to(device).eval()
    generator = torch.Generator(device).manual_seed(seed)
    pixels = noise.shape[0] * noise.shape[1]
    moment = np.zeros((pixels, pixels))
    for part in torch.arange(len(images)).split(BLOCK):
        clean = torch.from_numpy(images[part.numpy()]).to(device)
        truth = torch.from_numpy(labels[part.numpy()]).to(device)[:, None]
        x = noised(clean, noise, generator).requires_grad_()
        logits = network(x)
        own = logits.gather(1, truth).squeeze(1)
        margin = own - logits.scatter(1, truth, -torch.inf).amax(1)
        (slope,) = torch.autograd.grad(margin.sum(), x)
        weight = totals(clean) / margin.detach().double().clamp(min=floor)
        g = (slope.double() * weight[:, None, None, None]).reshape(-1, pixels).cpu().numpy()
        moment += g.T @ g
    moment /= len(images)
    return moment + ridge * np.trace(moment) / pixels * np.eye(pixels)
