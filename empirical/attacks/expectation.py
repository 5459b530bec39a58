"""Attacks on chance (EOT): a classifier that sees its images turned and shifted at random."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from empirical.attacks.fields import warp

Transform = Callable[[torch.Tensor, torch.Generator], torch.Tensor]


class Expected(nn.Module):
    """The classifier that decides by its mean probability over random transformations (EOT).

    Its logits are ``log mean_k softmax(network(transform(x, draws)))``, with fresh draws in every
    call; so any attack here attacks the expectation. By Jensen's inequality its cross-entropy is
    at most the mean cross-entropy of the source.

    Parameters
    ----------
    network : Module
        Takes (m, c, h, w) to (m, K).
    transform : callable
        Images and a generator on the CPU to images of that shape, differentiable; what is random
        about the classifier.
    draws : int
        At least 1.
    seed : int
        Of the transformations.

    Raises
    ------
    ValueError
        ``draws < 1``.

    Source: athalyesynthesizing2018, section 2.2.
    """

    def __init__(
        self, network: nn.Module, transform: Transform, *, draws: int = 16, seed: int = 0
    ) -> None:
        super().__init__()
        if draws < 1:
            raise ValueError(f"draws must be at least 1, got {draws}")
        self.network, self.transform, self.draws = network, transform, draws
        self.generator = torch.Generator().manual_seed(seed)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logarithm of the mean probabilities, shape (m, K)."""
        many = [self.transform(x, self.generator) for _ in range(self.draws)]
        logs = functional.log_softmax(self.network(torch.cat(many)), dim=1)
        return logs.reshape(self.draws, len(x), -1).logsumexp(0) - np.log(self.draws)


def turned_and_shifted(degrees: float, pixels: float) -> Transform:
    """Return a transformation: turn each image around its centre, then shift it, at random.

    Values between pixels are bilinear, and the nearest pixel's outside the image; differentiable.

    Parameters
    ----------
    degrees, pixels : float
        At least 0: angles are uniform up to so many degrees in either direction, shifts uniform up
        to so many pixels in each of the two coordinates.

    Raises
    ------
    ValueError
        Negative or infinite numbers.
    """
    for name, most in (("degrees", degrees), ("pixels", pixels)):
        if not 0 <= most < math.inf:
            raise ValueError(f"{name} must be at least 0 and finite, got {most!r}")

    def transform(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        # On the CPU: the same draws on every device.
        draws = (2 * torch.rand((len(x), 3), generator=generator) - 1).to(x)
        angle = draws[:, 0] * math.radians(degrees)
        h, w = x.shape[2:]
        down = (torch.arange(h).to(x) - (h - 1) / 2).reshape(1, h, 1).expand(len(x), h, w)
        right = (torch.arange(w).to(x) - (w - 1) / 2).reshape(1, 1, w).expand(len(x), h, w)
        cosine, sine = (f(angle).reshape(-1, 1, 1) for f in (torch.cos, torch.sin))
        field = torch.stack(
            [cosine * down - sine * right - down, sine * down + cosine * right - right], 1
        )
        return warp(x, field + pixels * draws[:, 1:].reshape(-1, 2, 1, 1))

    return transform
