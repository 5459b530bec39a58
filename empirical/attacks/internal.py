"""Attacks inside exact balls of the internal Wasserstein distance, by direct optimisation.

A gradient step is projected onto a convex part of the ball, which the best coupling at the step's
start gives (`empirical.attacks.couplings`). Every iterate lies in the exact ball. Shifts of the
image, which often cost nothing, may be tried first.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from empirical.attacks.arguments import aimed
from empirical.attacks.couplings import Couplings
from empirical.attacks.losses import Goal

Array: TypeAlias = NDArray[Any]
Progress: TypeAlias = Callable[[float, str], None]

_INSIDE = 1 - 1e-6  # of the radius: images are rounded to the network's precision afterwards


@dataclass(frozen=True, eq=False)
class InternalAttacked:
    """What an attack ended with.

    Parameters
    ----------
    images : ndarray
        Shape (m, c, h, w), of the network's precision: wrong ones, or of their targets, where
        they were found.
    fooled : ndarray
        Shape (m,), whether one was; images that are so by themselves are.
    distances : ndarray
        Shape (m,): exact internal distance of each image from its original.
    gradients : int
        Backward passes per image, at most.
    """

    images: Array
    fooled: Array
    distances: Array
    gradients: int


def internal_attack(
    network: nn.Module,
    images: Array,
    labels: Array,
    radius: float,
    patch: int,
    *,
    targets: Array | None = None,
    stride: int = 1,
    steps: int = 40,
    step: float = 1.0,
    shift: int = 1,
    device: str = "cpu",
    progress: Progress | None = None,
) -> InternalAttacked:
    """Look for wrong images within an internal distance of at most `radius`.

    Parameters
    ----------
    network : Module
        In evaluation mode; takes (m, c, h, w) to (m, K). Pixels lie in [0, 1].
    images, labels : ndarray
        Shapes (m, c, h, w) and (m,).
    radius : float
        At least 0; the distance of two patches is the sum over their entries.
    targets : ndarray, optional
        Shape (m,): classes that are wanted, none of them the label; without them any wrong one
        will do.
    patch, stride : int
        As in `robust_theory.internal_wasserstein`.
    steps : int
        At least 1. Images that are fooled take no further steps.
    step : float
        l2 length of the first steps, falling to a tenth of it.
    shift : int
        All shifts by up to so many pixels, black coming in, are tried first where they lie inside
        the ball.

    Returns
    -------
    InternalAttacked
        All images within `radius`, by the exact distance of what is returned.

    Raises
    ------
    ValueError
        Arguments outside these ranges, a patch that does not fit.
    """
    for name, number, least in (("steps", steps, 1), ("shift", shift, 0)):
        if number < least:
            raise ValueError(f"{name} must be at least {least}, got {number}")
    if not 0 <= radius < float("inf") or not 0 < step < float("inf"):
        raise ValueError(
            f"radius must be at least 0 and step positive, both finite, got {radius!r} and {step!r}"
        )
    goal = checked_goal(network, images, labels, targets, device)
    couplings = Couplings(images, patch, stride)
    dtype = next((p.dtype for p in network.parameters()), torch.float32)

    def answers(z: Array, of: Array) -> tuple[Array, Array]:
        """Greatest wrong logit minus the right one, or the target's less the rest; its slope."""
        x = torch.as_tensor(z, dtype=dtype, device=device).requires_grad_()
        lead = goal.at(torch.as_tensor(of, device=device)).values(network(x), "margin")
        (slope,) = torch.autograd.grad(lead.sum(), x)
        return lead.detach().cpu().numpy(), slope.cpu().numpy().astype(np.float64)

    kind = np.float64 if dtype == torch.float64 else np.float32
    x = np.asarray(images, dtype=kind)
    found = x.copy()
    alive = np.arange(len(x))
    lead, slope = answers(x, alive)
    wrong = lead > 0
    for move in _shifts(shift):
        left = np.flatnonzero(~wrong)
        moved = _shifted(x[left], move)
        ahead = answers(moved, left)[0] > 0 if len(left) else np.zeros(0, bool)
        for i, z in zip(left[ahead], moved[ahead], strict=True):
            if couplings.distance(i, z) <= radius:
                found[i], wrong[i] = z, True
    current = x.astype(np.float64)
    alive = np.flatnonzero(~wrong)
    slope = slope[alive]
    for k in range(steps):
        if not len(alive):
            break
        length = step * (1 - 0.9 * k / steps)
        norms = np.sqrt((slope**2).sum(axis=(1, 2, 3), keepdims=True))
        ahead = current[alive] + length * slope / np.maximum(norms, 1e-30)
        current[alive] = couplings.nearest(alive, current[alive], ahead, radius * _INSIDE)
        rounded = current[alive].astype(kind)
        lead, slope = answers(rounded, alive)
        now = lead > 0
        done = alive[now]
        found[done], wrong[done] = rounded[now], True
        alive, slope = alive[~now], slope[~now]
        if progress is not None:
            progress((k + 1) / steps, f"{int(wrong.sum())} of {len(x)} fooled")
    found[alive] = current[alive].astype(kind)
    distances = np.array([couplings.distance(i, z) for i, z in enumerate(found)])
    outside = distances > radius
    found[outside], wrong[outside], distances[outside] = x[outside], False, 0.0
    # What was right at the original stays the judge where nothing else is left.
    if outside.any():
        wrong[outside] = answers(x[outside], np.flatnonzero(outside))[0] > 0
    return InternalAttacked(found, wrong, distances, steps + 1)


def checked_goal(
    network: nn.Module, images: Array, labels: Array, targets: Array | None, device: str
) -> Goal:
    """Check arguments as `empirical.attacks.arguments.aimed` does; say what is wanted of all."""
    for _ in aimed(network, images, labels, 0.0, targets, device=device):
        pass
    y = torch.from_numpy(labels.astype(np.int64)).to(device)
    t = None if targets is None else torch.from_numpy(targets.astype(np.int64)).to(device)
    return Goal(y, t)


def _shifts(most: int) -> list[tuple[int, int]]:
    """Shifts by up to `most` pixels, shorter ones first."""
    around = range(-most, most + 1)
    return sorted(
        ((a, b) for a, b in itertools.product(around, around) if (a, b) != (0, 0)),
        key=lambda move: move[0] ** 2 + move[1] ** 2,
    )


def _shifted(images: Array, move: tuple[int, int]) -> Array:
    """The images moved down and right, with black where nothing comes in."""
    h, w = images.shape[2:]
    down, right = move
    result = np.zeros_like(images)
    rows, columns = slice(max(0, down), min(h, h + down)), slice(max(0, right), min(w, w + right))
    back = slice(max(0, -down), min(h, h - down)), slice(max(0, -right), min(w, w - right))
    result[:, :, rows, columns] = images[:, :, back[0], back[1]]
    return result
