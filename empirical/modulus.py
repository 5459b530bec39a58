"""How far a generator moves an image when its latent moves by t: from below and from above.

M_t(z) = sup over |h| <= t of |g(z + h) - g(z)|, l2 norms. A search gives numbers below it, a proof
numbers above it; every record says which side it is on.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from empirical.attacks.images import images_with_jacobian
from empirical.attacks.margin import ROUNDING, norm
from empirical.layers import dense_layers
from empirical.local_bounds import ALLOWANCE, move_above
from empirical.spectral import lipschitz_bound

FREE = 4096  # units of a layer that may be written as a matrix


@dataclass(frozen=True, eq=False)
class Modulus:
    """Bounds of M_t(z), one per latent.

    Parameters
    ----------
    value : ndarray
        Shape (n,), float64: at most M_t(z) if `side` is "lower", at least if it is "upper".
    side : str
        ``"lower"`` (found by a search) or ``"upper"`` (proved).
    t : float
        Radius of the latent ball, l2.
    """

    value: np.ndarray
    side: str
    t: float


@dataclass(frozen=True)
class Lipschitz:
    """A bound of sup |g(z) - g(z')| / |z - z'|, l2 norms, over all z != z'.

    Parameters
    ----------
    value : float
        At least the constant.
    side : str
        ``"upper"``: proved.
    """

    value: float
    side: str


def modulus_from_below(
    generator: nn.Module,
    z: torch.Tensor | np.ndarray,
    t: float,
    *,
    steps: int = 20,
    directions: int = 4,
    batch: int = 250,
    device: str = "cpu",
    progress: Callable[[float, str], None] | None = None,
) -> Modulus:
    """Return |g(z + h) - g(z)| for the best h found, |h| <= t: numbers below M_t(z).

    Projected gradient ascent from both ends of the directions in which the Jacobian at z stretches
    most.

    Parameters
    ----------
    generator : Module
        g, latents of shape (m, d) to images; copied in double precision and evaluation mode.
    z : tensor or ndarray
        Shape (n, d).
    t : float
        Finite, at least 0.
    steps : int
        Of the ascent.
    directions : int
        Of the start, at least 1; more than the latent has are not used.
    batch, device, progress
        As in `minimal_perturbation`.

    Raises
    ------
    ValueError
        Arguments outside these ranges.
    """
    points = _latents(z, t).to(device)
    if steps < 0 or directions < 1 or batch < 1:
        raise ValueError(
            "steps must be at least 0, directions and batch at least 1, "
            f"got {steps}, {directions} and {batch}"
        )
    g = copy.deepcopy(generator).to(device).double().eval().requires_grad_(False)
    parts = []
    for start in range(0, len(points), batch):
        parts.append(_ascend(g, points[start : start + batch], t, steps, directions))
        if progress is not None:
            done = min(start + batch, len(points))
            progress(done / len(points), f"{done} of {len(points)} latent balls searched")
    value = torch.cat(parts).cpu().numpy() if parts else np.zeros(0)
    return Modulus(value, "lower", t)


def lipschitz_from_above(module: nn.Module) -> Lipschitz:
    """Return a bound of the Lipschitz constant of `module`: the product over its layers.

    Layers count with the largest singular value of their matrix, bounded through a Cholesky
    factorisation of their Gram matrix; convolutions, also strided and transposed ones, with the
    maximum of the norm of their symbol, bounded between the points of a frequency grid by Riesz's
    inequality; batch normalisation in evaluation mode with its largest scale; sigmoid with 1/4,
    ReLU, leaky ReLU and tanh with 1. Rounding errors are included.

    Raises
    ------
    ValueError
        A layer whose constant is not known, or weights that are not finite.
    """
    return Lipschitz(lipschitz_bound(module), "upper")


def local_modulus_from_above(
    generator: nn.Module,
    z: torch.Tensor | np.ndarray,
    t: float,
    *,
    batch: int = 50,
    progress: Callable[[float, str], None] | None = None,
) -> Modulus:
    """Return proved upper bounds of M_t(z), tight for small t: t |Jacobian| as t -> 0.

    With A_k = W_k D_(k-1) W_(k-1) ... D_1 W_1, where D_k holds the slopes of the secants of the
    activations between z and z + h, g(z + h) - g(z) = D_L A_L h. Each slope lies in an interval
    C +- R that the reach of the unit decides; R is 0 for a ReLU that cannot switch. Replacing D
    by C layer by layer, with the rows of all A_k bounded on the way,

        |g(z+h) - g(z)| <= |C_L W_L ... C_1 W_1| t + sum_k |C_L W_L ... C_(k+1) W_(k+1) R_k a_k|,

    a_k the bounds of the moves of the units of layer k. Where they are less, t times
    `lipschitz_from_above` and the move that the range of the last activation admits are taken.

    Parameters
    ----------
    generator : Module
        A sequence of affine layers of at most 4096 units, ReLU, leaky ReLU, tanh and sigmoid.
    z : tensor or ndarray
        Shape (n, d).
    t : float
        Finite, at least 0.
    batch : int
        Points treated at once.
    progress : callable, optional
        Called with the fraction done and words.

    Raises
    ------
    ValueError
        A layer of another kind, one with too many units, or arguments outside these ranges.
    """
    points = _latents(z, t)
    if batch < 1:
        raise ValueError(f"batch must be at least 1, got {batch}")
    layers = dense_layers(generator, points.shape[1], FREE)
    everywhere = t * lipschitz_bound(generator)
    parts = []
    for start in range(0, len(points), batch):
        parts.append(move_above(layers, points[start : start + batch].cpu().numpy(), t))
        if progress is not None:
            done = min(start + batch, len(points))
            progress(done / len(points), f"{done} of {len(points)} latent balls bounded")
    value = np.concatenate(parts) if parts else np.zeros(0)
    return Modulus(np.minimum(value, everywhere), "upper", t)


def _latents(z: torch.Tensor | np.ndarray, t: float) -> torch.Tensor:
    points = torch.as_tensor(z).to(dtype=torch.float64)
    if points.ndim != 2 or not torch.isfinite(points).all():
        raise ValueError(f"z must be finite, of shape (n, d), got shape {tuple(points.shape)}")
    if not 0 <= t < math.inf:
        raise ValueError(f"t must be finite and at least 0, got {t!r}")
    return points


def _ascend(g: nn.Module, z: torch.Tensor, t: float, steps: int, directions: int) -> torch.Tensor:
    images, jacobian = images_with_jacobian(g, z)
    _, vectors = torch.linalg.eigh(jacobian.transpose(1, 2) @ jacobian)
    stretch = vectors[:, :, -directions:].permute(2, 0, 1)  # eigenvalues ascend
    starts = 2 * len(stretch)
    origin, x = z.repeat(starts, 1), images.repeat(starts, 1)
    move = t * torch.cat([stretch, -stretch]).flatten(0, 1)
    inside = 1 - (z.shape[1] + 8) * torch.finfo(z.dtype).eps  # of the ball, rounding included
    best = torch.zeros_like(origin[:, 0])
    for i in range(steps + 1):
        move = move * (inside * t / norm(move).clamp_min(1e-300)).clamp_max(1.0)[:, None]
        point = (origin + move).requires_grad_()
        change = norm(g(point).flatten(1) - x)
        best = torch.maximum(best, change.detach())
        (slope,) = torch.autograd.grad(change.sum(), point)
        rate = t * (1.0 - i / (steps + 1)) / norm(slope).clamp_min(1e-300)
        move = point.detach() - origin + rate[:, None] * torch.nan_to_num(slope)
    # z + h is rounded, and the images are.
    error = ROUNDING * (1 + images.abs().amax(1)) * images.shape[1] ** 0.5
    return (best.reshape(starts, -1).amax(0) * (1 - ALLOWANCE) - error).clamp_min(0.0)
