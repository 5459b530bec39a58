"""Patches of an image: all windows of one size as rows of a table, and how they cover pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust_theory.arguments import Floats, positive_integer
from robust_theory.transport.log_mean_exp import finite_array


def read_image(image: Any, name: str) -> Floats:
    """Read an image of shape (H, W) or (H, W, C) as doubles with channels.

    Raises
    ------
    ValueError
        If it has another shape, no pixel, or an entry that is NaN or infinite.
    """
    array = finite_array(image, name)
    if array.ndim not in (2, 3) or not array.size:
        raise ValueError(f"{name} must have shape (H, W) or (H, W, C), got {array.shape}")
    return array[..., None] if array.ndim == 2 else array


def read_shape(shape: Any) -> tuple[int, int, int]:
    """Read the shape of an image, (H, W) or (H, W, C)."""
    if isinstance(shape, str) or not isinstance(shape, Sequence) or len(shape) not in (2, 3):
        raise ValueError(f"shape must be (H, W) or (H, W, C), got {shape!r}")
    H, W, C = (positive_integer(side, "every side of shape") for side in (*shape, 1)[:3])
    return H, W, C


def patch_starts(side: int, patch: Any, stride: Any) -> int:
    """How many windows of length `patch` lie on a line of `side` pixels, every `stride` pixels."""
    p, s = positive_integer(patch, "patch"), positive_integer(stride, "stride")
    if p > side:
        raise ValueError(f"patch must fit into the image, got {p} for a side of {side}")
    return (side - p) // s + 1


def patch_table(image: NDArray[Any], patch: int, stride: int) -> NDArray[Any]:
    """All patches of an image (H, W, C), shape (N, patch * patch * C)."""
    H, W, C = image.shape
    rows, columns = patch_starts(H, patch, stride), patch_starts(W, patch, stride)
    windows = np.lib.stride_tricks.sliding_window_view(image, (patch, patch), axis=(0, 1))
    kept = windows[::stride, ::stride][:rows, :columns]
    return np.ascontiguousarray(kept).reshape(rows * columns, C * patch * patch)


def unfold_sum(table: Floats, shape: tuple[int, int, int], patch: int, stride: int) -> Floats:
    """The adjoint of `patch_table`: every entry of every patch added to its pixel."""
    H, W, C = shape
    rows, columns = patch_starts(H, patch, stride), patch_starts(W, patch, stride)
    parts = table.reshape(rows, columns, C, patch, patch)
    total = np.zeros(shape)
    for i in range(patch):
        for j in range(patch):
            here = np.s_[i : i + stride * rows : stride, j : j + stride * columns : stride]
            total[here] += parts[..., i, j]
    return total


def coverage(shape: tuple[int, int, int], patch: int, stride: int) -> NDArray[np.int64]:
    """Number of patches that contain each pixel, shape (H, W); the same in every channel."""
    lines = []
    for side in shape[:2]:
        line = np.zeros(side, np.int64)
        for k in range(patch_starts(side, patch, stride)):
            line[k * stride : k * stride + patch] += 1
        lines.append(line)
    return np.outer(*lines)
