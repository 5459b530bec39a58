"""Votes of a classifier on noised images: what certificates of smoothed classifiers are made of.

The classifier sees the noised image and nothing else. Images are divided by their total, so that
noise and radii are those of unit mass, and the classifier gets the noised image times the total.
Arithmetic is in single precision, whose uniform draws have 24 bits: the certificates speak of the
real-valued law that these draws stand for.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from empirical.noise import Noise

Progress = Callable[[float, str], None]

BLOCK = 250  # samples at once: the network's time per sample is least between 64 and 256
_LARGEST_BLOCK = 31 << 20  # bytes; the C library's threshold follows freed blocks up to 32 MiB


@dataclass(frozen=True, eq=False)
class Votes:
    """How often each class was chosen for each image, on two independent samples of noise.

    Parameters
    ----------
    pilot, votes : ndarray
        Shape (m, K), int64; the pilot chooses the class, the votes bound its probability.
    """

    pilot: np.ndarray
    votes: np.ndarray


def totals(images: torch.Tensor) -> torch.Tensor:
    """Return the sums of images of shape (m, c, h, w), over channels and pixels, shape (m,).

    Raises
    ------
    ValueError
        An image whose total is not positive: it cannot be divided by it.
    """
    sums = images.sum((1, 2, 3), dtype=torch.float64)
    if not (torch.isfinite(sums) & (sums > 0)).all():
        raise ValueError("every image must have a positive and finite total")
    return sums


def noised(images: torch.Tensor, noise: Noise, generator: torch.Generator) -> torch.Tensor:
    """Return images of shape (m, c, h, w) with fresh noise each, channels independent."""
    m, c = images.shape[:2]
    change = noise.draw(m * c, generator).reshape(m, c, *noise.shape)
    return images + totals(images).to(images.dtype)[:, None, None, None] * change


def vote_blocks(
    network: nn.Module,
    noise: Noise,
    image: torch.Tensor,
    *,
    seed: int,
    index: int,
    stage: str = "votes",
) -> Iterator[np.ndarray]:
    """Yield the labels of `image`, shape (c, h, w), under noise, `BLOCK` at a time, without end.

    The draws depend on `seed`, `index`, `stage` and the type of device, and on nothing else.
    """
    device = image.device
    generator = torch.Generator(device).manual_seed(_seed_of(seed, index, stage))
    c = image.shape[0]
    total = totals(image[None]).to(image.dtype)
    while True:
        with torch.inference_mode():
            change = noise.draw(BLOCK * c, generator).reshape(BLOCK, c, *noise.shape)
            labels = network(change.mul_(total).add_(image)).argmax(1)
        yield labels.cpu().numpy()


def count_votes(
    network: nn.Module,
    noise: Noise,
    images: np.ndarray,
    n: int,
    classes: int,
    *,
    seed: int,
    stage: str = "votes",
    first: int = 0,
    device: str = "cpu",
    progress: Progress | None = None,
) -> np.ndarray:
    """Return how often `network` gives each class to each image under `n` draws of noise.

    Parameters
    ----------
    network : Module
        To at least `classes` logits.
    noise : Noise
        For images of unit mass.
    images : ndarray
        Shape (m, c, h, w), float32, each of positive total.
    n : int
        Draws per image, at least 1. Votes with fewer draws count the first of them.
    classes : int
        K.
    seed, stage, first : int, str, int
        The draws of image i depend on `seed`, `stage` and ``first + i`` only, so a set of images
        may be cut into pieces, of which `first` is the offset.
    device : str
        Where to work.
    progress : callable, optional
        Told the share of images done.

    Returns
    -------
    ndarray
        Shape (m, K), int64, every row of sum `n`.

    Raises
    ------
    ValueError
        ``n < 1``, images of another size than the noise, or one whose total is not positive.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    if images.ndim != 4 or images.shape[2:] != tuple(noise.shape):
        raise ValueError(
            f"images must have shape (m, c, {noise.shape[0]}, {noise.shape[1]}), got {images.shape}"
        )
    _keep_freed_memory()
    network = network.to(device).eval()
    counts = np.zeros((len(images), classes), dtype=np.int64)
    for i, image in enumerate(torch.from_numpy(images).to(device)):
        left = n
        for labels in vote_blocks(network, noise, image, seed=seed, index=first + i, stage=stage):
            counts[i] += np.bincount(labels[:left], minlength=classes)
            left -= len(labels)
            if left <= 0:
                break
        if progress is not None:
            progress((i + 1) / len(images), f"{stage} of image {first + i}")
    return counts


def certification_votes(
    network: nn.Module,
    noise: Noise,
    images: np.ndarray,
    classes: int,
    *,
    pilot: int = 1_000,
    votes: int = 10_000,
    seed: int,
    first: int = 0,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Votes:
    """Return pilot and votes of every image, as `count_votes` counts them.

    The two samples are independent: the class that certificates speak of may be chosen on the
    pilot.
    """

    def count(n: int, stage: str, start: float, share: float) -> np.ndarray:
        def told(fraction: float, words: str) -> None:
            if progress is not None:
                progress(start + share * fraction, words)

        return count_votes(
            network,
            noise,
            images,
            n,
            classes,
            seed=seed,
            stage=stage,
            first=first,
            device=device,
            progress=told,
        )

    share = pilot / (pilot + votes)
    return Votes(count(pilot, "pilot", 0.0, share), count(votes, "votes", share, 1 - share))


def correct_shares(
    network: nn.Module,
    noise: Noise,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    draws: int = 1,
    seed: int,
    device: str = "cpu",
) -> np.ndarray:
    """Return for each image the share of the draws under which `network` is right, shape (m,)."""
    network = network.to(device).eval()
    generator = torch.Generator(device).manual_seed(_seed_of(seed, 0, "base"))
    truth = torch.from_numpy(labels).to(device)
    correct = np.zeros(len(images), dtype=np.int64)
    with torch.inference_mode():
        for _ in range(draws):
            for part in torch.arange(len(images)).split(BLOCK):
                clean = torch.from_numpy(images[part.numpy()]).to(device)
                guess = network(noised(clean, noise, generator)).argmax(1)
                correct[part.numpy()] += (guess == truth[part.to(device)]).cpu().numpy()
    return correct / draws


def base_accuracy(
    network: nn.Module,
    noise: Noise,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    draws: int = 1,
    seed: int,
    device: str = "cpu",
) -> float:
    """Return the share of (image, draw) pairs that `network` classifies correctly."""
    shares = correct_shares(network, noise, images, labels, draws=draws, seed=seed, device=device)
    return float(shares.mean())


@functools.cache
def _keep_freed_memory() -> None:
    """Free one large block, after which smaller ones are reused instead of handed back.

    glibc returns freed memory to the system, and pays for every page of it when a network asks
    again, unless a larger block was freed before: half of the time of small networks. Elsewhere
    this does nothing.
    """
    torch.empty(_LARGEST_BLOCK, dtype=torch.uint8)


def _seed_of(seed: int, index: int, stage: str) -> int:
    digest = hashlib.sha256(f"{seed}/{stage}/{index}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1  # manual_seed takes 63 bits
