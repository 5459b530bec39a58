"""Proved norms of layers: matrices, convolutions, activations, and whole networks as their product.

Every number is an upper bound in exact arithmetic of the weights in double precision.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from empirical.resnets import Residual

UNIT = 2.0**-53
MARGIN = 1e-9  # above the computed eigenvalue, where the factorisation is tried
GRID = 24  # frequencies per period, over the degree of the symbol: 1/cos^2 of pi/24 is 1.7 %
SHAPES = (nn.Flatten, nn.Unflatten, nn.Identity, nn.Dropout, nn.Dropout2d)


def spectral_norm_above(matrices: np.ndarray) -> np.ndarray:
    """Return upper bounds of the largest singular values of (..., m, n) matrices, real or complex.

    With G = A^H A and c a little above its largest eigenvalue, the Cholesky factorisation of
    c I - G runs to completion only if no eigenvalue of c I - G is less than minus
    gamma trace(c I - G); so |A|^2 <= c + gamma trace(c I - G) + the error of G.

    Notes
    -----
    Source: rump2006, Theorem 2.3.
    """
    A = np.asarray(matrices)
    A = A.astype(np.complex128 if A.dtype.kind == "c" else np.float64)
    if not np.isfinite(A).all():
        raise ValueError("weights must be finite")
    if A.shape[-1] > A.shape[-2]:
        A = A.swapaxes(-1, -2).conj()
    flat = A.reshape(-1, *A.shape[-2:])
    return np.array([_norm_above(a) for a in flat]).reshape(A.shape[:-2])


def _norm_above(A: np.ndarray) -> float:
    m, n = A.shape
    scale = float(np.abs(A).max(initial=0.0))
    if scale == 0:
        return 0.0
    scale = 2.0 ** math.frexp(scale)[1]  # a power of 2: dividing by it is exact
    A = A / scale
    frobenius = float(np.square(np.abs(A)).sum()) * (1 + 8 * (m * n + 1) * UNIT)
    G = A.conj().T @ A
    # 4: a complex product counts as four real ones and their sums.
    forming = 4 * (m + 4) * UNIT * frobenius
    top = float(np.linalg.eigvalsh(G)[-1])
    for excess in (MARGIN, 1e-7, 1e-5):
        c = top * (1 + excess) + 1e-300
        try:
            np.linalg.cholesky(c * np.eye(n) - G)
        except np.linalg.LinAlgError:
            continue
        gamma = 8 * (n + 4) * UNIT
        square = c + gamma * n * c * (1 + gamma) + forming
        return float(math.sqrt(min(square, frobenius)) * (1 + 8 * UNIT) * scale)
    return float(math.sqrt(frobenius) * (1 + 8 * UNIT) * scale)


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
        return float(spectral_norm_above(_array(module.weight)))
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        if module.padding_mode != "zeros":
            raise ValueError(f"convolutions must pad with zeros, got {module.padding_mode!r}")
        stride = (module.stride[0], module.stride[1])
        groups = np.split(_array(module.weight), module.groups)
        return max(convolution_norm_above(kernel, stride) for kernel in groups)
    if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
        return float(np.abs(_normalisation(module)[0]).max()) * (1 + 8 * UNIT)
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


@dataclass(frozen=True, eq=False)
class Layer:
    """x -> activation(W x + b).

    Parameters
    ----------
    weight, bias : ndarray
        Shapes (m, n) and (m,), float64.
    activation : Module or None
        ReLU, leaky ReLU, tanh, sigmoid; None for none.
    """

    weight: np.ndarray
    bias: np.ndarray
    activation: nn.Module | None

    def apply(self, value: np.ndarray) -> np.ndarray:
        """Return the activations of values W x + b."""
        if self.activation is None:
            return value
        with torch.no_grad():
            return np.asarray(self.activation(torch.from_numpy(value)).numpy())

    def secants(
        self, value: np.ndarray, reach: np.ndarray, error: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the least and the largest slope of the secants of the activation from a to b, and
        the largest move, over all |a - value| <= error and |b - a| <= reach.
        """
        if self.activation is None:
            return np.ones_like(value), np.ones_like(value), reach
        if isinstance(self.activation, nn.ReLU | nn.LeakyReLU):
            # Convex: the slopes grow with b.
            alpha = getattr(self.activation, "negative_slope", 0.0)
            size = np.maximum(reach, 1e-300)
            low = alpha + (1 - alpha) * np.clip((value - error) / size, 0, 1)
            high = alpha + (1 - alpha) * np.clip((value + error) / size + 1, 0, 1)
            low, high = low * (1 - 8 * UNIT), np.minimum(high * (1 + 8 * UNIT), 1.0)
            return low, high, high * reach
        near = np.maximum(np.abs(value) - reach - error, 0.0)
        far = np.abs(value) + reach + error
        rounding = 1 + 32 * UNIT
        if isinstance(self.activation, nn.Tanh):
            low, high = np.cosh(np.minimum(far, 300.0)) ** -2.0, np.cosh(near) ** -2.0
        else:
            low, high = (np.cosh(np.minimum(x, 600.0) / 2) ** -2.0 / 4 for x in (far, near))
        low = np.where(far < 300, low / rounding, 0.0)
        high = high * rounding
        up, down = self.apply(value + reach), self.apply(value - reach)
        middle = self.apply(value)
        move = np.maximum(up - middle, middle - down) + 2 * error + 32 * UNIT
        return low, high, np.minimum(move, high * reach)


def dense_layers(module: nn.Module, inputs: int, most: int) -> list[Layer]:
    """Return a sequence of affine layers and activations, with matrices instead of convolutions.

    Raises
    ------
    ValueError
        A layer of another kind, or one with more than `most` units.
    """
    layers: list[Layer] = []
    shape: tuple[int, ...] = (inputs,)
    for part in _leaves(module):
        if isinstance(part, nn.ReLU | nn.LeakyReLU | nn.Tanh | nn.Sigmoid):
            if isinstance(part, nn.LeakyReLU) and not 0 <= part.negative_slope <= 1:
                raise ValueError(f"slopes must lie in [0, 1], got {part.negative_slope}")
            if not layers or layers[-1].activation is not None:
                n = math.prod(shape)
                layers.append(Layer(np.eye(n), np.zeros(n), None))
            layers[-1] = Layer(layers[-1].weight, layers[-1].bias, part)
            continue
        part = copy.deepcopy(part).cpu().double().eval()
        with torch.no_grad():
            after = tuple(part(torch.zeros(1, *shape, dtype=torch.float64)).shape[1:])
        if max(math.prod(shape), math.prod(after)) > most:
            raise ValueError(f"a layer must have at most {most} units, got {shape} to {after}")
        if not isinstance(part, SHAPES):
            layers.append(_affine(part, shape, after))
        shape = after
    return layers


def _affine(part: nn.Module, shape: tuple[int, ...], after: tuple[int, ...]) -> Layer:
    n, m = math.prod(shape), math.prod(after)
    if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
        scale, offset = (np.repeat(a, n // len(a)) for a in _normalisation(part))
        return Layer(np.diag(scale), offset, None)
    if not isinstance(part, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        raise ValueError(f"the layer must be affine or an activation, got {part}")
    bias = np.zeros(m)
    if part.bias is not None:
        b = _array(part.bias)
        bias = np.repeat(b, m // len(b))
        part.bias = None  # so that the images of the basis are columns of the matrix, unrounded
    with torch.no_grad():
        columns = part(torch.eye(n, dtype=torch.float64).reshape(n, *shape))
    return Layer(columns.reshape(n, m).numpy().T.copy(), bias, None)


def _leaves(module: nn.Module) -> list[nn.Module]:
    if isinstance(module, nn.Sequential):
        return [leaf for part in module for leaf in _leaves(part)]
    return [module]


def _array(weight: torch.Tensor) -> np.ndarray:
    array = weight.detach().cpu().double().numpy()
    if not np.isfinite(array).all():
        raise ValueError("weights must be finite")
    return array


def _normalisation(module: nn.BatchNorm1d | nn.BatchNorm2d) -> tuple[np.ndarray, np.ndarray]:
    """Return scale and offset of batch normalisation in evaluation mode."""
    if module.running_mean is None or module.running_var is None:
        raise ValueError(f"batch normalisation must keep running statistics, got {module}")
    mean, variance = _array(module.running_mean), _array(module.running_var)
    scale = 1 / np.sqrt(variance + module.eps)
    if module.affine:
        scale = scale * _array(module.weight)
        return scale, _array(module.bias) - scale * mean
    return scale, -scale * mean
