"""Networks as sequences of matrices and activations, whose secants are bounded."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from empirical.spectral import SHAPES, UNIT, normalisation, weights


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
        scale, offset = (np.repeat(a, n // len(a)) for a in normalisation(part))
        return Layer(np.diag(scale), offset, None)
    if not isinstance(part, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        raise ValueError(f"the layer must be affine or an activation, got {part}")
    bias = np.zeros(m)
    if part.bias is not None:
        b = weights(part.bias)
        bias = np.repeat(b, m // len(b))
        part.bias = None  # so that the images of the basis are columns of the matrix, unrounded
    with torch.no_grad():
        columns = part(torch.eye(n, dtype=torch.float64).reshape(n, *shape))
    return Layer(columns.reshape(n, m).numpy().T.copy(), bias, None)


def _leaves(module: nn.Module) -> list[nn.Module]:
    if isinstance(module, nn.Sequential):
        return [leaf for part in module for leaf in _leaves(part)]
    return [module]
