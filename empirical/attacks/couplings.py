"""The patches of images, coupled: exact internal distances, and projections onto what is near.

With the patches of two images coupled in a fixed way, the mean distance of the coupled patches is a
sum over pixels of convex, piecewise linear functions, and at least the internal distance. So the
images of cost at most the radius form a convex part of the ball, onto which a point is projected by
bisection of one multiplier.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from robust_theory.transport.internal import internal_distance, internal_wasserstein
from robust_theory.transport.patches import patch_starts

Array: TypeAlias = NDArray[Any]

_HALVINGS = 18


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
