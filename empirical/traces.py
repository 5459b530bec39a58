"""What an attack passes through on its way, whatever attack it is: a network that keeps notes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from empirical.attacks.losses import loss_values
from empirical.attacks.steps import Attacked
from empirical.checks import read_images, read_labels

Attack = Callable[[nn.Module, np.ndarray, np.ndarray], Attacked]


@dataclass(frozen=True, eq=False)
class Trace:
    """What the network saw of an attack, run on one image after the other.

    Parameters
    ----------
    margins : ndarray
        Shape (runs, m): the greatest wrong logit less the right one, at each run of the network,
        the greatest of several points that were run at once. An attack that ended before others
        keeps its last.
    on_the_way : ndarray
        Shape (m,): whether one of them was positive.
    returned : ndarray
        Shape (m,): whether it is at the image that the attack returned.
    """

    margins: np.ndarray
    on_the_way: np.ndarray
    returned: np.ndarray


def trace(network: nn.Module, images: np.ndarray, labels: np.ndarray, attack: Attack) -> Trace:
    """Attack the images one by one and note the margin each time the network is run.

    Parameters
    ----------
    network : Module
        On the CPU, not changed; attacked in evaluation mode.
    images, labels : ndarray
        Shapes (m, c, h, w), m >= 1, and (m,).
    attack : callable
        ``(network, images, labels) -> Attacked``; only what it returns as images is looked at.

    Raises
    ------
    ValueError
        No images, labels that do not fit, or an attack that never runs the network.
    """
    x = read_images(images)
    y = read_labels(labels, len(x))
    noting = _Noting(copy.deepcopy(network).eval())
    rows, returned = [], []
    for k in range(len(x)):
        noting.label, noting.margins = int(y[k]), []
        found = attack(noting, x[k : k + 1], y[k : k + 1])
        if not noting.margins:
            raise ValueError("attack must run the network that it is given")
        rows.append(noting.margins.copy())
        dtype = next((p.dtype for p in noting.parameters()), torch.float32)
        with torch.no_grad():
            noting(torch.tensor(found.images, dtype=dtype))
        returned.append(noting.margins[-1] > 0)
    longest = max(map(len, rows))
    margins = np.array([row + row[-1:] * (longest - len(row)) for row in rows]).T
    return Trace(margins, np.asarray((margins > 0).any(axis=0)), np.array(returned))


class _Noting(nn.Module):
    """A network that notes the margin of each batch, all images of which have one label."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.label = 0
        self.margins: list[float] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.network(x)
        y = torch.full((len(logits),), self.label, device=logits.device)
        self.margins.append(float(loss_values(logits.detach(), y, "margin").max()))
        return logits
