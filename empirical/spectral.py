"""Proved norms of layers: matrices, convolutions, activations, and whole networks as their product.

Every number is an upper bound in exact arithmetic of the weights in double precision.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from empirical.resnets import Residual
from robust_theory.networks.operator_norms import spectral_norm_above

UNIT = 2.0**-53
GRID = 24  # frequencies per period, over the degree of the symbol: 1/cos^2 of pi/24 is 1.7 %
SHAPES = (nn.Flatten, nn.Unflatten, nn.Identity, nn.Dropout, nn.Dropout2d)


def convolution_norm_above(kernel: np.ndarray, stride: tuple[int, int] = (1, 1)) -> float:
    """Return an upper bound of the norm of a convolution with zero padding, images of any size.

    Padding and cutting have norm at most 1, so the convolution on Z^2 counts: the supremum over
    frequencies of the norm of its symbol, a matrix of trigonometric polynomials. A stride s is a
    convolution of s^2 times as many channels. For unit u, v, Re u* S(.) v has degree
    D = (a - 1) / 2 in each variable, so within pi/N of its maximum M it is at least
    M cos(pi D / N) (Riesz); hence M <= maximum over an N x N grid / cos^2.

    Parameters
    ----------
    kernel : ndarray
        Shape (channels out, channels in, h, w); for a transposed convolution, as torch stores it,
        (channels in, channels out, h, w): it is the adjoint.
    stride : (int, int)
        Of both axes.
    """
    o, i, h, w = kernel.shape
    s, r = stride
    a, b = -(-h // s), -(-w // r)
    padded = np.zeros((o, i, a * s, b * r))
    padded[:, :, :h, :w] = kernel
    phases = padded.reshape(o, i, a, s, b, r).transpose(0, 1, 3, 5, 2, 4).reshape(o, -1, a, b)
    n, m = (max(1, math.ceil(GRID * (k - 1) / 2)) for k in (a, b))
    rows = np.exp(-2j * np.pi / n * np.outer(np.arange(n // 2 + 1), np.arange(a)))  # S(-t) = S(t)*
    columns = np.exp(-2j * np.pi / m * np.outer(np.arange(m), np.arange(b)))
    symbol = np.einsum("oiab,ka,lb->kloi", phases, rows, columns, optimize=True)
    largest = float(spectral_norm_above(symbol if a * b > 1 else symbol.real).max())
    frobenius = math.sqrt(float(np.square(kernel).sum()))
    largest += 8 * (a * b + 16) * UNIT * math.sqrt(a * b) * frobenius  # rounding of the symbol
    between = math.cos(math.pi * (a - 1) / 2 / n) * math.cos(math.pi * (b - 1) / 2 / m)
    return largest / between * (1 + 16 * UNIT)


def lipschitz_bound(module: nn.Module) -> float:
    """Return the product of the bounds of all layers; see `modulus.lipschitz_from_above`."""
    if isinstance(module, nn.Sequential):
        return math.prod(lipschitz_bound(layer) for layer in module) * (1 + len(module) * 2 * UNIT)
    if isinstance(module, Residual):
        total = lipschitz_bound(module.body) + lipschitz_bound(module.shortcut)
        return total * (1 + 2 * UNIT)
    if isinstance(module, nn.Linear):
        return float(spectral_norm_above(weights(module.weight)))
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        if module.padding_mode != "zeros":
            raise ValueError(f"convolutions must pad with zeros, got {module.padding_mode!r}")
        stride = (module.stride[0], module.stride[1])
        groups = np.split(weights(module.weight), module.groups)
        return max(convolution_norm_above(kernel, stride) for kernel in groups)
    if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
        return float(np.abs(normalisation(module)[0]).max()) * (1 + 8 * UNIT)
    if isinstance(module, nn.LeakyReLU):
        return max(1.0, abs(module.negative_slope))
    if isinstance(module, nn.Sigmoid):
        return 0.25
    if isinstance(module, (nn.ReLU, nn.Tanh, *SHAPES)):
        return 1.0
    if isinstance(module, nn.AdaptiveAvgPool2d) and module.output_size in (1, (1, 1)):
        return 1.0
    if isinstance(module, nn.MaxPool2d | nn.AvgPool2d) and module.stride == module.kernel_size:
        return 1.0
    raise ValueError(f"no Lipschitz constant is known for the layer {module}")


def weights(weight: torch.Tensor) -> np.ndarray:
    """Return weights in double precision. ValueError if some are not finite."""
    array = weight.detach().cpu().double().numpy()
    if not np.isfinite(array).all():
        raise ValueError("weights must be finite")
    return array


def normalisation(module: nn.BatchNorm1d | nn.BatchNorm2d) -> tuple[np.ndarray, np.ndarray]:
    """Return scale and offset of batch normalisation in evaluation mode."""
    if module.running_mean is None or module.running_var is None:
        raise ValueError(f"batch normalisation must keep running statistics, got {module}")
    mean, variance = weights(module.running_mean), weights(module.running_var)
    scale = 1 / np.sqrt(variance + module.eps)
    if module.affine:
        scale = scale * weights(module.weight)
        return scale, weights(module.bias) - scale * mean
    return scale, -scale * mean
