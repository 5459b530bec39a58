"""What an attack asks about images of unit mass: slopes of losses, and which are misclassified.

Networks get the image times its total. A smoothed classifier answers by votes, which have no
slope; the expectation of the softmax stands in for them.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import nn

from empirical.noise import Noise
from empirical.smoothing import BLOCK, count_votes
from robust_theory.wasserstein.votes import predict

# Images of unit mass (m, c, h, w), float64, their labels, and their numbers in the batch of the
# attack, to the slope of a loss that grows as labels become wrong.
Slope = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
# The same, to whether each image is classified wrongly.
Fooled = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]

# Numbers of votes after which a lead of _LEAD sqrt(n) ends the vote.
_EARLY = (BLOCK, 4 * BLOCK)
_LEAD = 9.5


def plain_slope(network: nn.Module, totals: ArrayLike) -> Slope:
    """Return the slope of the cross-entropy of a network.

    Parameters
    ----------
    network : Module
        Of images of shape (m, c, h, w), float32.
    totals : array_like
        Shape (m,): what images of unit mass are multiplied by.
    """
    return smoothed_slope(network, None, totals)


def smoothed_slope(
    network: nn.Module, noise: Noise | None, totals: ArrayLike, *, samples: int = 128, seed: int = 0
) -> Slope:
    """Return the slope of -log E[softmax of the label] under noise, estimated from `samples` draws.

    The hard votes have no slope; the expectation of the softmax stands in for them.

    Parameters
    ----------
    network : Module
        Of images of shape (m, c, h, w), float32.
    noise : Noise or None
        None: no noise, one evaluation.
    totals : array_like
        Shape (m,): what images of unit mass are multiplied by.
    samples : int
        Fresh draws in every step.
    seed : int
        Of the draws.

    Source: levine2020, section 6.2, after salmanli2019.
    """
    scale = torch.as_tensor(np.asarray(totals, dtype=np.float32))
    generator = torch.Generator().manual_seed(seed)
    network.eval()
    draws = 1 if noise is None else samples

    def slope(x: torch.Tensor, y: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        parts = []
        for part in torch.arange(len(x)).split(max(1, 8 * BLOCK // draws)):
            image = x[part].float().requires_grad_()
            n, c = image.shape[:2]
            many = image[:, None].expand(n, draws, *image.shape[1:])
            if noise is not None:
                many = many + noise.draw(n * draws * c, generator).reshape(
                    n, draws, c, *noise.shape
                )
            many = many * scale[numbers[part]].reshape(n, 1, 1, 1, 1)
            log_shares = network(many.flatten(0, 1)).log_softmax(1)
            own = log_shares.gather(1, y[part].repeat_interleave(draws)[:, None]).reshape(n, draws)
            (gradient,) = torch.autograd.grad(-own.logsumexp(1).sum(), image)
            parts.append(gradient.double())
        return torch.cat(parts)

    return slope


def plain_fooled(network: nn.Module, totals: ArrayLike) -> Fooled:
    """Return whether a network's label of the image, times its total, is another one."""
    scale = torch.as_tensor(np.asarray(totals, dtype=np.float32))
    network.eval()

    def fooled(x: torch.Tensor, y: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            labels = network(x.float() * scale[numbers].reshape(-1, 1, 1, 1)).argmax(1)
        return (labels != y).clone()

    return fooled


def smoothed_fooled(
    network: nn.Module,
    noise: Noise,
    totals: ArrayLike,
    classes: int,
    *,
    votes: int = 10_000,
    alpha: float = 0.05,
    seed: int = 0,
) -> Fooled:
    """Return whether the smoothed classifier answers another class, or abstains, on fresh votes.

    Votes are drawn in three stages, and no more are when one class leads every other by so much
    that the whole number would hardly decide otherwise: by the inequality of Hoeffding, less than
    once in 10^6 times with 10,000 votes.

    Parameters
    ----------
    network, noise, totals
        As in `smoothed_slope`.
    classes : int
        K.
    votes : int
        At least 1000.
    alpha : float
        Level of the test of the first two classes.
    seed : int
        Of the votes, which are new in every call.

    Source: levine2020, section 6.2; the test is cohen2019's.
    """
    scale = torch.as_tensor(np.asarray(totals, dtype=np.float32))
    calls = 0

    def fooled(x: torch.Tensor, y: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        shown = (x.float() * scale[numbers].reshape(-1, 1, 1, 1)).numpy()
        wrong = torch.zeros(len(x), dtype=torch.bool)
        for i, number in enumerate(numbers.tolist()):
            label = int(y[i])
            count = functools.partial(
                count_votes,
                network,
                noise,
                shown[i : i + 1],
                classes=classes,
                seed=seed,
                stage=f"attack {calls}",
                first=number,
            )
            for n in (*_EARLY, votes):
                counts = count(n=n)[0]
                second, first = np.sort(counts)[-2:]
                if n < votes and first - second >= _LEAD * math.sqrt(n):
                    break
            answer = predict(counts, alpha=alpha)
            wrong[i] = answer.abstain or answer.label != label
        return wrong

    return fooled
