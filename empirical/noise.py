"""Random changes of images in which mass moves between neighbouring pixels, drawn in torch.

Noise is for images of total mass 1; its draws are changes of the image, never flows, because a
classifier that saw the flow would not be the one that the certificates are about. Mass is kept by
all of them but `laplace_pixels`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike

# Uniform draws are multiples of 2^-24; zero would be an infinite Laplace variable.
_LARGEST = 0.5 - 2.0**-25


@dataclass(frozen=True, eq=False)
class Noise:
    """A law of changes of images with `shape` pixels (h, w).

    Parameters
    ----------
    shape : tuple of int
        Height and width.
    draw : callable
        ``(n, generator)`` to n independent changes, shape (n, h, w), float32, on the generator's
        device. Consecutive calls give consecutive draws.
    """

    shape: tuple[int, int]
    draw: Callable[[int, torch.Generator], torch.Tensor]


def laplace_flow(shape: tuple[int, int], sigma: float) -> Noise:
    """Return noise from Laplace flows along all edges, each of standard deviation `sigma`.

    Raises
    ------
    ValueError
        A side below 1, or `sigma` not positive.

    Source: levine2020, Definition 3.2 (whose sigma is the standard deviation of a component).
    """
    scale = _positive(sigma, "sigma") / math.sqrt(2)
    return _flow_noise(shape, lambda n, generator: _laplace(n, generator).mul_(scale))


def uniform_flow(shape: tuple[int, int], sigma: float) -> Noise:
    """Return noise from uniform flows along all edges, each of standard deviation `sigma`.

    Raises
    ------
    ValueError
        A side below 1, or `sigma` not positive.
    """
    width = 2 * math.sqrt(3) * _positive(sigma, "sigma")
    return _flow_noise(shape, lambda n, generator: _uniform(n, generator).sub_(0.5).mul_(width))


def gaussian_flow(
    shape: tuple[int, int], sigma: float, variances: ArrayLike | None = None
) -> Noise:
    """Return noise from Gaussian flows of variance ``sigma**2 * variances`` along the edges.

    Parameters
    ----------
    shape : tuple of int
        Height and width.
    sigma : float
        Standard deviation of a component of variance 1.
    variances : array_like, optional
        Shape (edges,), positive: first the (h-1) w edges down, then the h (w-1) edges to the
        right, row by row; 1 by default.

    Raises
    ------
    ValueError
        A side below 1, `sigma` not positive, or variances of another shape or not positive.
    """
    edges = edge_count(shape)
    c = np.ones(edges) if variances is None else np.asarray(variances, dtype=np.float64)
    if c.shape != (edges,) or not (np.isfinite(c) & (c > 0)).all():
        raise ValueError(f"variances must be {edges} positive numbers, got shape {c.shape}")
    scales = torch.from_numpy((_positive(sigma, "sigma") * np.sqrt(c)).astype(np.float32))

    def flows(n: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
        return _normal(n, generator).mul_(scales.to(generator.device))

    return _flow_noise(shape, flows)


def gaussian_noise(shape: tuple[int, int], covariance: ArrayLike) -> Noise:
    """Return Gaussian noise of that covariance, of rank at most h w - 1: it must keep the mass.

    Parameters
    ----------
    shape : tuple of int
        Height and width.
    covariance : array_like
        Shape (h w, h w), symmetric, positive semidefinite, every row of sum 0; pixels row by row.

    Raises
    ------
    ValueError
        A matrix that is none of this, beyond rounding.
    """
    pixels = shape[0] * shape[1]
    C = np.asarray(covariance, dtype=np.float64)
    if C.shape != (pixels, pixels) or not np.isfinite(C).all():
        raise ValueError(f"covariance must have shape {(pixels, pixels)}, got {C.shape}")
    size = np.abs(C).max(initial=0.0)
    # Rows are sums of `pixels` terms, and callers compute them from matrix products.
    if np.abs(C - C.T).max() > 1e-9 * size or np.abs(C.sum(1)).max() > 1e-9 * pixels * size:
        raise ValueError("covariance must be symmetric with rows of sum 0")
    values, vectors = np.linalg.eigh((C + C.T) / 2)
    if values[0] < -1e-9 * pixels * size:
        raise ValueError(
            f"covariance must be positive semidefinite, got {values[0]} among eigenvalues"
        )
    factor = torch.from_numpy((np.sqrt(values.clip(0))[:, None] * vectors.T).astype(np.float32))

    def draw(n: int, generator: torch.Generator) -> torch.Tensor:
        mixed = _normal((n, pixels), generator) @ factor.to(generator.device)
        return mixed.reshape(n, *shape)

    return Noise(shape, draw)


def laplace_pixels(shape: tuple[int, int], sigma: float) -> Noise:
    """Return independent Laplace noise on every pixel, of standard deviation `sigma`.

    Source: levine2020, section 6.1.
    """
    scale = _positive(sigma, "sigma") / math.sqrt(2)
    edge_count(shape)
    return Noise(shape, lambda n, generator: _laplace((n, *shape), generator).mul_(scale))


def edge_count(shape: tuple[int, int]) -> int:
    """Return the number of pairs of neighbouring pixels, (h-1) w + h (w-1)."""
    h, w = shape
    if min(h, w) < 1:
        raise ValueError(f"shape must have sides of at least 1, got {shape}")
    return (h - 1) * w + h * (w - 1)


def moved(flows: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    """Return what flows of shape (n, edges) do to an image: inflow minus outflow, (n, h, w).

    A positive flow takes mass down or to the right.

    Source: levine2020, Definition 3.1.
    """
    h, w = shape
    n = len(flows)
    down = flows[:, : (h - 1) * w].reshape(n, h - 1, w)
    right = flows[:, (h - 1) * w :].reshape(n, h, w - 1)
    change = torch.zeros((n, h, w), dtype=flows.dtype, device=flows.device)
    change[:, 1:] += down
    change[:, :-1] -= down
    change[:, :, 1:] += right
    change[:, :, :-1] -= right
    return change


def _flow_noise(
    shape: tuple[int, int], flows: Callable[[tuple[int, ...], torch.Generator], torch.Tensor]
) -> Noise:
    edges = edge_count(shape)
    return Noise(shape, lambda n, generator: moved(flows((n, edges), generator), shape))


def _uniform(size: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    return torch.rand(size, generator=generator, device=generator.device)


def _normal(size: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    return torch.randn(size, generator=generator, device=generator.device)


def _laplace(size: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    """Standard Laplace variables (scale 1) by the inverse of their distribution function."""
    centred = _uniform(size, generator).sub_(0.5)
    sizes = centred.abs().clamp_(max=_LARGEST).mul_(-2).log1p_()  # minus the absolute value
    return sizes.copysign_(centred)


def _positive(value: float, name: str) -> float:
    if not 0 < value < math.inf:
        raise ValueError(f"{name} must be positive and finite, got {value!r}")
    return float(value)
