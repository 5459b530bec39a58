"""Generators of small images: a variational autoencoder, and an adversarial network."""

from __future__ import annotations

import math

import torch
from torch import nn

from empirical.resnets import Shape


class Autoencoder(nn.Module):
    """A variational autoencoder; `decoder` is the generator, from (n, d) to (n, c, h, w) in [0, 1].

    The latent prior is the standard normal distribution on R^d.
    """

    def __init__(self, shape: Shape, latent_dimension: int, width: int) -> None:
        super().__init__()
        pixels = math.prod(shape)
        self.latent_dimension = latent_dimension
        self.encoder = nn.Sequential(
            nn.Flatten(),
            nn.Linear(pixels, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, 2 * latent_dimension),
        )
        self.decoder = nn.Sequential(
            nn.Linear(latent_dimension, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, pixels),
            nn.Sigmoid(),
            nn.Unflatten(1, shape),
        )

    def encode(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return mean and log variance of the latent of each image, each of shape (n, d)."""
        mean, log_variance = self.encoder(images).chunk(2, dim=1)
        return mean, log_variance


class Adversarial(nn.Module):
    """A generative adversarial network; `decoder` is the generator, from (n, d) to (n, c, h, w).

    Its images lie in [0, 1]: the sigmoid is the tanh of the DCGAN paper, rescaled. `discriminator`
    takes images in [-1, 1] to one logit, large for real ones. The latent prior is the standard
    normal distribution on R^d.
    """

    def __init__(self, shape: Shape, latent_dimension: int, width: int) -> None:
        super().__init__()
        c, h, w = shape
        doublings = 0
        while h % 2 == w % 2 == 0 and (doublings < 2 or max(h, w) > 4):
            h, w, doublings = h // 2, w // 2, doublings + 1
        if doublings == 0:
            raise ValueError(f"height and width of images must be even, got {shape[1:]}")
        self.latent_dimension = latent_dimension
        channels = [width * 2**k for k in reversed(range(doublings))]
        decoder: list[nn.Module] = [
            nn.Linear(latent_dimension, channels[0] * h * w, bias=False),
            nn.Unflatten(1, (channels[0], h, w)),
        ]
        for before, after in zip(channels, [*channels[1:], c], strict=True):
            decoder += [
                nn.BatchNorm2d(before),
                nn.ReLU(),
                nn.ConvTranspose2d(before, after, 4, 2, 1, bias=after == c),
            ]
        self.decoder = nn.Sequential(*decoder, nn.Sigmoid())
        layers: list[nn.Module] = []
        for before, after in zip([c, *channels[:0:-1]], channels[::-1], strict=True):
            layers.append(nn.Conv2d(before, after, 4, 2, 1, bias=before == c))
            if before != c:
                layers.append(nn.BatchNorm2d(after))
            layers.append(nn.LeakyReLU(0.2))
        self.discriminator = nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels[0] * h * w, 1))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                nn.init.normal_(layer.weight, 0.0, 0.02)


def dcgan(shape: Shape, latent_dimension: int = 100, width: int = 64) -> Adversarial:
    """Return a DCGAN for images whose height and width are even (8x8, 28x28, 32x32, ...)."""
    return Adversarial(shape, latent_dimension, width)


def vae(shape: Shape, latent_dimension: int = 16, width: int = 256) -> Autoencoder:
    """Return a variational autoencoder with two hidden layers on each side."""
    return Autoencoder(shape, latent_dimension, width)
