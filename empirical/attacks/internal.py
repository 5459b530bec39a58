"""Attacks inside exact balls of the internal Wasserstein distance, by direct optimisation.

With the patches of two images coupled in a fixed way, the mean distance of the coupled patches is a
sum over pixels of convex, piecewise linear functions, and at least the internal distance. So the
images of cost at most the radius form a convex part of the ball, onto which a gradient step is
projected by bisection of one multiplier; the coupling is the best one at the step's start. Every
iterate lies in the exact ball. Shifts of the image, which often cost nothing, may be tried first.
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

from empirical.attacks.losses import loss_values
from robust_theory.internal import internal_distance, internal_wasserstein
from robust_theory.patches import patch_starts

Array: TypeAlias = NDArray[Any]
Progress: TypeAlias = Callable[[float, str], None]

_INSIDE = 1 - 1e-6  # of the radius: images are rounded to the network's precision afterwards
_HALVINGS = 18


@dataclass(frozen=True, eq=False)
class InternalAttacked:
    """What an attack ended with.

    Parameters
    ----------
    images : ndarray
        Shape (m, c, h, w), of the network's precision: wrong ones where they were found.
    fooled : ndarray
        Shape (m,), whether one was; images that are wrong by themselves are.
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
    network.to(device).eval()
    couplings = Couplings(images, patch, stride)
    dtype = next((p.dtype for p in network.parameters()), torch.float32)
    y = torch.as_tensor(np.asarray(labels, dtype=np.int64), device=device)

    def answers(z: Array, of: Array) -> tuple[Array, Array]:
        """Greatest wrong logit minus the right one, and its slope."""
        x = torch.as_tensor(z, dtype=dtype, device=device).requires_grad_()
        lead = loss_values(network(x), y[torch.as_tensor(of, device=device)], "margin")
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


class Couplings:
    """The patches of some images, and projections onto images of low coupled cost."""

    def __init__(self, images: Array, patch: int, stride: int = 1) -> None:
        if images.ndim != 4:
            raise ValueError(f"images must have shape (m, c, h, w), got {images.shape}")
        self.images = np.asarray(images, dtype=np.float64)
        self.patch, self.stride = patch, stride
        _, c, h, w = images.shape
        rows, columns = patch_starts(h, patch, stride), patch_starts(w, patch, stride)
        self.count = rows * columns
        # Every pixel with the patches that contain it, and its place among their entries.
        numbers = np.arange(c * h * w).reshape(c, h, w)
        windows = np.lib.stride_tricks.sliding_window_view(numbers, (patch, patch), axis=(1, 2))
        kept = windows[:, ::stride, ::stride].transpose(1, 2, 0, 3, 4)
        self.table = kept.reshape(self.count, -1)  # pixel of each entry of each patch
        order = np.argsort(self.table.ravel(), kind="stable")
        pixels = self.table.ravel()[order]
        counts = np.bincount(pixels, minlength=c * h * w)
        self.most = int(counts.max())
        place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        self.entries = np.full((c * h * w, self.most), -1)
        self.entries[pixels, place] = order

    def distance(self, i: int, z: Array) -> float:
        """Exact internal distance of an image from the original number i."""
        return internal_distance(
            self.images[i].transpose(1, 2, 0),
            np.asarray(z, dtype=np.float64).transpose(1, 2, 0),
            self.patch,
            self.stride,
        )

    def targets(self, i: int, z: Array) -> Array:
        """Value that the best coupling at z wants of each pixel, for each patch, (pixels, most).

        NaN where a pixel lies in fewer patches than others.
        """
        best = internal_wasserstein(
            self.images[i].transpose(1, 2, 0), z.transpose(1, 2, 0), self.patch, self.stride
        )
        partner = np.empty(self.count, dtype=np.int64)
        partner[best.columns] = best.rows
        wanted = self.images[i].ravel()[self.table][partner].ravel()
        return np.where(self.entries >= 0, wanted[self.entries], np.nan)

    def nearest(self, chosen: Array, at: Array, points: Array, radius: float) -> Array:
        """The points nearest to `points` of cost at most `radius` under the couplings at `at`.

        Minimises |z - point|^2 / 2 + mu sum |z - target|, pixel by pixel, with the least mu that
        the radius allows. Each solution is a median of targets and of shifted points.
        """
        wanted = np.stack([self.targets(i, z) for i, z in zip(chosen, at, strict=True)])
        known = ~np.isnan(wanted)
        targets = np.where(known, wanted, 0.0)
        rising = np.pad(np.sort(wanted, axis=2), ((0, 0), (0, 0), (1, 0)), constant_values=-np.inf)
        rising[np.isnan(rising)] = np.inf
        slopes = known.sum(axis=2, keepdims=True) - 2 * np.arange(self.most + 1)
        flat = points.reshape(len(points), -1, 1)
        ladder, gaps = np.empty(rising.shape), np.empty(wanted.shape)

        def solve(mu: Array) -> Array:
            # Of K targets and K + 1 shifted points, each sorted, number K + 1 is the least over j
            # of the larger one of target j and shifted point K + 1 - j.
            np.multiply(mu[:, None, None], slopes, out=ladder)
            np.maximum(np.add(ladder, flat, out=ladder), rising, out=ladder)
            return np.clip(ladder.min(axis=2), 0.0, 1.0)

        def cost(z: Array) -> Array:
            np.abs(np.subtract(z[..., None], targets, out=gaps), out=gaps)
            total: Array = np.einsum("ijk,ijk->i", gaps, known) / self.count
            return total

        low, high = np.zeros(len(points)), np.full(len(points), 1e-3)
        best = solve(low)
        free = cost(best) <= radius
        while True:
            z = solve(high)
            over = ~free & (cost(z) > radius)
            if not over.any() or high.max() > 1e6:
                break
            low, high = np.where(over, high, low), np.where(over, 4 * high, high)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            inside = cost(solve(middle)) <= radius
            low, high = np.where(inside, low, middle), np.where(inside, middle, high)
        z = np.where(free[:, None], best, solve(high))
        # Where not even the targets themselves are within reach, nothing moves.
        stuck = cost(z) > radius
        z = np.where(stuck[:, None], at.reshape(len(at), -1), z)
        return z.reshape(points.shape)


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
