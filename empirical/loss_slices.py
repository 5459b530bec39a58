"""Two-dimensional slices of the loss around an image, and how well the slope predicts them."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from empirical.attacks.losses import loss_values


@dataclass(frozen=True, eq=False)
class LossSlice:
    """The loss on a grid ``x + a v1 + b v2``, with v1 and v2 orthonormal.

    Parameters
    ----------
    offsets : ndarray
        Shape (p,): the values of a and of b, l2 lengths, 0 in the middle.
    losses : ndarray
        Shape (p, p), float64: entry (i, j) belongs to a = offsets[i] and b = offsets[j].
    wrong : ndarray
        Shape (p, p): where another logit than the label's is the greatest.
    directions : ndarray
        Shape (2, c, h, w): v1 and v2.
    slope : tuple of float
        Derivatives of the loss at the image along v1 and v2.
    unpredicted : float
        Largest distance of the losses from ``loss(x) + slope . (a, b)``, over their range: near 0
        where the surface is a plane; not below 1/2 where a slope of 0 hides a loss that varies.
        0 for a constant loss.
    """

    offsets: np.ndarray
    losses: np.ndarray
    wrong: np.ndarray
    directions: np.ndarray
    slope: tuple[float, float]
    unpredicted: float


def loss_slice(
    network: nn.Module,
    image: np.ndarray,
    label: int,
    first: np.ndarray | None = None,
    second: np.ndarray | None = None,
    *,
    extent: float = 1.0,
    points: int = 41,
    loss: str = "cross-entropy",
    seed: int = 0,
    device: str = "cpu",
) -> LossSlice:
    """Return the loss on a square around an image, in double precision; pixels may leave the box.

    Parameters
    ----------
    network : Module
        Takes (m, c, h, w) to logits (m, K). Copied, in evaluation mode.
    image : ndarray
        Shape (c, h, w).
    label : int
        Its class.
    first, second : ndarray, optional
        Shape (c, h, w): directions, made orthonormal in this order. By default the slope of the
        loss at the image (a random one where it is 0), and a random one.
    extent : float
        Positive: the offsets go from -extent to extent.
    points : int
        Odd, at least 3, per side.
    loss : {"cross-entropy", "margin"}
        Which.
    seed, device
        Of the random directions; where to work.

    Raises
    ------
    ValueError
        Arguments outside these ranges, logits that are not finite, or directions that are 0 or
        parallel.

    Source: chapter17, section 17.2.2.
    """
    if not 0 < extent < float("inf"):
        raise ValueError(f"extent must be positive and finite, got {extent!r}")
    if points < 3 or points % 2 == 0:
        raise ValueError(f"points must be odd and at least 3, got {points}")
    if image.ndim != 3 or not np.isfinite(image).all():
        raise ValueError(f"image must be finite, of shape (c, h, w), got shape {image.shape}")
    f = copy.deepcopy(network).to(device).double().eval()
    x = torch.tensor(image[None], dtype=torch.float64, device=device).requires_grad_()
    value = _loss(f, x, label, loss)[0]
    (slope,) = torch.autograd.grad(value.sum(), x)
    gradient, x = slope[0].cpu().numpy(), x.detach()
    draws = np.random.default_rng(seed)
    if first is None:
        first = gradient if gradient.any() else draws.standard_normal(image.shape)
    if second is None:
        second = draws.standard_normal(image.shape)
    v1, v2 = _orthonormal(first, second, image.shape)
    offsets = np.linspace(-extent, extent, points)
    offsets[points // 2] = 0.0
    a, b = np.meshgrid(offsets, offsets, indexing="ij")
    moves = torch.from_numpy(a[..., None, None, None] * v1 + b[..., None, None, None] * v2)
    losses, wrong = np.zeros(points**2), np.zeros(points**2, dtype=bool)
    flat = moves.reshape(-1, *image.shape).to(device)
    with torch.no_grad():
        for start in range(0, len(flat), 500):
            part = slice(start, start + 500)
            found, other = _loss(f, x + flat[part], label, loss)
            losses[part], wrong[part] = found.cpu().numpy(), other.cpu().numpy()
    grid = losses.reshape(points, points)
    rate = (float((gradient * v1).sum()), float((gradient * v2).sum()))
    plane = grid[points // 2, points // 2] + rate[0] * a + rate[1] * b
    span = float(np.ptp(grid))
    unpredicted = float(np.abs(grid - plane).max()) / span if span > 0 else 0.0
    return LossSlice(
        offsets, grid, wrong.reshape(points, points), np.stack([v1, v2]), rate, unpredicted
    )


def draw_slice(found: LossSlice, axes: Any = None) -> Any:
    """Draw the losses as filled contours with the boundary of the decision, and return the axes."""
    from matplotlib import pyplot

    plotted = pyplot.figure().add_subplot() if axes is None else axes
    # Transposed: the first direction goes to the right.
    area = plotted.contourf(found.offsets, found.offsets, found.losses.T, levels=20, cmap="viridis")
    if found.wrong.any() and not found.wrong.all():
        edge = found.wrong.T.astype(float)
        plotted.contour(found.offsets, found.offsets, edge, levels=[0.5], colors="w")
    plotted.plot(0, 0, "r+")
    plotted.set_aspect("equal")
    plotted.figure.colorbar(area, ax=plotted, label="loss")
    return plotted


def _loss(
    f: nn.Module, x: torch.Tensor, label: int, loss: str
) -> tuple[torch.Tensor, torch.Tensor]:
    logits = f(x)
    if logits.ndim != 2 or not 0 <= label < logits.shape[1]:
        raise ValueError(f"label must be one of the logits, shape {logits.shape}, got {label}")
    if not bool(torch.isfinite(logits).all()):
        raise ValueError("network must return finite logits, got NaN or infinity")
    if loss not in ("cross-entropy", "margin"):
        raise ValueError(f"loss must be 'cross-entropy' or 'margin', got {loss!r}")
    y = torch.full((len(x),), label, device=x.device)
    return loss_values(logits, y, loss), loss_values(logits.detach(), y, "margin") > 0


def _orthonormal(
    first: np.ndarray, second: np.ndarray, shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    for name, direction in (("first", first), ("second", second)):
        if direction.shape != shape or not np.isfinite(direction).all():
            raise ValueError(f"{name} must be finite, of shape {shape}, got {direction.shape}")
    u, v = first.astype(np.float64), second.astype(np.float64)
    sizes = np.linalg.norm(u), np.linalg.norm(v)
    if not min(sizes) > 0:
        raise ValueError("directions must not be 0")
    u, v = u / sizes[0], v / sizes[1]
    for _ in range(2):  # once more, for what rounding left
        v = v - (u * v).sum() * u
    size = np.linalg.norm(v)
    if size < 1e-9:
        raise ValueError("directions must not be parallel")
    return u, v / size
