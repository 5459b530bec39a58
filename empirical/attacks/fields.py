"""Displacement fields of images: applying, measuring and smoothing them.

A field has shape (m, 2, h, w), in pixels, down and to the right: it says for every pixel from where
its value is taken.
"""

from __future__ import annotations

import torch
from torch.nn import functional


def warp(x: torch.Tensor, field: torch.Tensor) -> torch.Tensor:
    """Return the images whose pixel (i, j) is the bilinear value of x at (i, j) + field_ij.

    Places outside the image take the nearest pixel's value. Differentiable in both.
    """
    h, w = x.shape[2:]
    rows = (torch.arange(h).to(x)[:, None] + field[:, 0]).clamp(0, h - 1)
    columns = (torch.arange(w).to(x)[None, :] + field[:, 1]).clamp(0, w - 1)
    top = rows.detach().floor().long().clamp(max=max(0, h - 2))
    left = columns.detach().floor().long().clamp(max=max(0, w - 2))
    flat = x.flatten(2)

    def at(i: torch.Tensor, j: torch.Tensor) -> torch.Tensor:
        index = (i * w + j).flatten(1)[:, None].expand(-1, x.shape[1], -1)
        return flat.gather(2, index).reshape(x.shape)

    down, right = (rows - top)[:, None], (columns - left)[:, None]
    below, beside = (top + 1).clamp(max=h - 1), (left + 1).clamp(max=w - 1)
    upper = (1 - right) * at(top, left) + right * at(top, beside)
    lower = (1 - right) * at(below, left) + right * at(below, beside)
    return (1 - down) * upper + down * lower


def variation(field: torch.Tensor) -> torch.Tensor:
    """Return the sum over neighbouring pixels of the distance of their displacements, (m,)."""
    down = (field[:, :, 1:] - field[:, :, :-1]).square().sum(1)
    right = (field[:, :, :, 1:] - field[:, :, :, :-1]).square().sum(1)
    # The root of 0 has no slope.
    return sum((d + 1e-12).sqrt().flatten(1).sum(1) for d in (down, right))  # type: ignore[return-value]


def longest(field: torch.Tensor) -> torch.Tensor:
    """Return the l2 length of the longest displacement of each field, shape (m,)."""
    return field.detach().norm(dim=1).flatten(1).amax(1)


def smooth(field: torch.Tensor, deviation: float) -> torch.Tensor:
    """Return the fields under a Gaussian filter, symmetric as a matrix: 0 outside the image."""
    if deviation == 0:
        return field
    reach = max(1, round(3 * deviation))
    taps = torch.exp(-(torch.arange(-reach, reach + 1).to(field) ** 2) / (2 * deviation**2))
    taps = (taps / taps.sum()).expand(2, 1, -1)
    down = functional.conv2d(field, taps[..., None], padding=(reach, 0), groups=2)
    return functional.conv2d(down, taps[:, :, None], padding=(0, reach), groups=2)
