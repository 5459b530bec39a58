"""What every attack within a ball asks of its arguments, and how they become tensors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from empirical.attacks.projections import Box

BLOCK = 1000  # images at once


def blocks(
    network: nn.Module,
    images: np.ndarray,
    labels: np.ndarray,
    eps: float,
    *,
    box: Box = (0.0, 1.0),
    device: str = "cpu",
) -> Iterator[tuple[slice, torch.Tensor, torch.Tensor]]:
    """Check an attack's arguments, then yield images and labels as tensors, block by block.

    The network is moved to `device` and put in evaluation mode; the images get its precision.

    Raises
    ------
    ValueError
        eps negative or not finite; images that are not of shape (m, c, h, w), not finite or
        outside the box; labels that are not whole numbers of shape (m,) below the number of
        logits; logits that are not of shape (m, K) or not finite at the images.
    """
    if not 0 <= eps < float("inf"):
        raise ValueError(f"eps must be at least 0 and finite, got {eps!r}")
    if not box[0] < box[1]:
        raise ValueError(f"box must be a pair (low, high) with low < high, got {box}")
    if images.ndim != 4 or labels.shape != (len(images),) or labels.dtype.kind not in "iu":
        raise ValueError(
            "images must have shape (m, c, h, w) and labels must be m whole numbers, got "
            f"{images.shape} and {labels.shape} of {labels.dtype}"
        )
    if images.size and not (images.min() >= box[0] and images.max() <= box[1]):
        raise ValueError(
            f"images must be finite and lie in the box {box}, got values in "
            f"[{images.min()}, {images.max()}]"
        )
    network.to(device).eval()
    dtype = next((p.dtype for p in network.parameters()), torch.float32)
    return _blocks(network, images, labels, dtype, device)


def _blocks(
    network: nn.Module, images: np.ndarray, labels: np.ndarray, dtype: torch.dtype, device: str
) -> Iterator[tuple[slice, torch.Tensor, torch.Tensor]]:
    for start in range(0, len(images), BLOCK):
        part = slice(start, start + BLOCK)
        # A copy: attacks write into what they get.
        x = torch.tensor(images[part], dtype=dtype, device=device)
        y = torch.tensor(labels[part].astype(np.int64), device=device)
        with torch.no_grad():
            logits = network(x)
        if logits.ndim != 2 or len(logits) != len(x):
            raise ValueError(f"network must return logits (m, K), got shape {tuple(logits.shape)}")
        if not bool(torch.isfinite(logits).all()):
            raise ValueError("network must return finite logits at the images, got NaN or infinity")
        if not bool(((y >= 0) & (y < logits.shape[1])).all()):
            raise ValueError(
                f"labels must lie in 0..{logits.shape[1] - 1}, got {int(y.min())}..{int(y.max())}"
            )
        yield part, x, y
