"""What every attack within a ball asks of its arguments, and how they become tensors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from empirical.attacks.losses import Goal
from empirical.attacks.projections import Box

BLOCK = 1000  # images at once
KNOWN = (torch.float16, torch.float32, torch.float64)  # precisions that numpy has too


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

    As `aimed`, without targets.
    """
    found = aimed(network, images, labels, eps, None, box=box, device=device)
    return ((part, x, goal.labels) for part, x, goal in found)


def aimed(
    network: nn.Module,
    images: np.ndarray,
    labels: np.ndarray,
    eps: float,
    targets: np.ndarray | None,
    *,
    box: Box = (0.0, 1.0),
    device: str = "cpu",
) -> Iterator[tuple[slice, torch.Tensor, Goal]]:
    """Check an attack's arguments, then yield images and what is wanted of them, block by block.

    The network is moved to `device` and put in evaluation mode; the images get its precision.

    Raises
    ------
    ValueError
        eps negative or not finite; images that are not of shape (m, c, h, w), not finite or
        outside the box; labels or targets that are not whole numbers of shape (m,) below the
        number of logits; targets equal to the label; logits that are not of shape (m, K) or not
        finite at the images; weights of a precision that numpy lacks.
    """
    check_precision(network)
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
    if targets is not None:
        _check_targets(targets, labels)
    network.to(device).eval()
    dtype = next((p.dtype for p in network.parameters()), torch.float32)
    return _blocks(network, images, labels, targets, dtype, device)


def check_precision(network: nn.Module) -> None:
    """Refuse weights of a precision that numpy, in which images come and go, does not have."""
    other = {p.dtype for p in network.parameters() if p.dtype not in KNOWN}
    if other:
        raise ValueError(f"network must have weights of type {KNOWN}, got {other.pop()}")


def kept_rows(skip: np.ndarray | None, count: int) -> np.ndarray:
    """Which images are to be attacked, shape (m,): those that are not to be skipped.

    Raises
    ------
    ValueError
        `skip` is not of shape (m,) and truth values.
    """
    if skip is None:
        return np.ones(count, dtype=bool)
    if skip.shape != (count,) or skip.dtype != bool:
        raise ValueError(
            f"skip must be {count} truth values, got shape {skip.shape} of {skip.dtype}"
        )
    return ~skip


def _check_targets(targets: np.ndarray, labels: np.ndarray) -> None:
    if not isinstance(targets, np.ndarray):
        raise ValueError(f"targets must be an array, got {type(targets).__name__}")
    if targets.shape != labels.shape or targets.dtype.kind not in "iu":
        raise ValueError(
            f"targets must be {len(labels)} whole numbers, got shape {targets.shape} of "
            f"{targets.dtype}"
        )
    same = np.flatnonzero(targets == labels)
    if same.size:
        raise ValueError(
            f"targets must differ from the labels, got {targets[same[0]]} for both at {same[0]}"
        )


def _blocks(
    network: nn.Module,
    images: np.ndarray,
    labels: np.ndarray,
    targets: np.ndarray | None,
    dtype: torch.dtype,
    device: str,
) -> Iterator[tuple[slice, torch.Tensor, Goal]]:
    for start in range(0, len(images), BLOCK):
        part = slice(start, start + BLOCK)
        # A copy: attacks write into what they get.
        x = torch.tensor(images[part], dtype=dtype, device=device)
        y = torch.tensor(labels[part].astype(np.int64), device=device)
        t = None if targets is None else torch.tensor(targets[part].astype(np.int64), device=device)
        with torch.no_grad():
            logits = network(x)
        if logits.ndim != 2 or len(logits) != len(x):
            raise ValueError(f"network must return logits (m, K), got shape {tuple(logits.shape)}")
        if not bool(torch.isfinite(logits).all()):
            raise ValueError("network must return finite logits at the images, got NaN or infinity")
        for name, classes in (("labels", y), ("targets", y if t is None else t)):
            if not bool(((classes >= 0) & (classes < logits.shape[1])).all()):
                raise ValueError(
                    f"{name} must lie in 0..{logits.shape[1] - 1}, "
                    f"got {int(classes.min())}..{int(classes.max())}"
                )
        yield part, x, Goal(y, t)
