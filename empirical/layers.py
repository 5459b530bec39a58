"""Torch modules read as affine layers and activations, once for all who take them as arrays.

Exact solvers, bounds of slopes and `robust_theory.networks.propagation` start here.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from scipy import sparse, special
from torch import nn

from empirical.spectral import SHAPES, UNIT, normalisation, weights

Activation = Literal["identity", "relu", "leaky relu", "tanh", "sigmoid"]

NAMES: dict[type[nn.Module], Activation] = {
    nn.ReLU: "relu",
    nn.LeakyReLU: "leaky relu",
    nn.Tanh: "tanh",
    nn.Sigmoid: "sigmoid",
}
_BASIS = 256  # inputs whose images are computed together


@dataclass(frozen=True, eq=False)
class Layer:
    """x -> activation(W x + b).

    Parameters
    ----------
    weight : ndarray or CSR array
        Shape (m, n), float64; sparse if it was read from a convolution.
    bias : ndarray
        Shape (m,), float64.
    activation : str
        "identity" for none.
    slope : float
        Of the leaky ReLU below 0, in [0, 1].
    """

    weight: Any
    bias: np.ndarray
    activation: Activation = "identity"
    slope: float = 0.0

    def dense(self) -> Layer:
        """Return the layer with an array as its weight."""
        if not sparse.issparse(self.weight):
            return self
        return Layer(self.weight.toarray(), self.bias, self.activation, self.slope)

    def apply(self, value: np.ndarray) -> np.ndarray:
        """Return the activations of values W x + b."""
        if self.activation == "identity":
            return value
        if self.activation in ("relu", "leaky relu"):
            return np.where(value > 0, value, self.slope * value)
        return np.tanh(value) if self.activation == "tanh" else special.expit(value)

    def secants(
        self, value: np.ndarray, reach: np.ndarray, error: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the least and the largest slope of the secants of the activation from a to b, and
        the largest move, over all |a - value| <= error and |b - a| <= reach.
        """
        if self.activation == "identity":
            return np.ones_like(value), np.ones_like(value), reach
        if self.activation in ("relu", "leaky relu"):
            # Convex: the slopes grow with b.
            alpha = self.slope
            size = np.maximum(reach, 1e-300)
            low = alpha + (1 - alpha) * np.clip((value - error) / size, 0, 1)
            high = alpha + (1 - alpha) * np.clip((value + error) / size + 1, 0, 1)
            low, high = low * (1 - 8 * UNIT), np.minimum(high * (1 + 8 * UNIT), 1.0)
            return low, high, high * reach
        near = np.maximum(np.abs(value) - reach - error, 0.0)
        far = np.abs(value) + reach + error
        rounding = 1 + 32 * UNIT
        if self.activation == "tanh":
            low, high = np.cosh(np.minimum(far, 300.0)) ** -2.0, np.cosh(near) ** -2.0
        else:
            low, high = (np.cosh(np.minimum(x, 600.0) / 2) ** -2.0 / 4 for x in (far, near))
        low = np.where(far < 300, low / rounding, 0.0)
        high = high * rounding
        up, down = self.apply(value + reach), self.apply(value - reach)
        middle = self.apply(value)
        move = np.maximum(up - middle, middle - down) + 2 * error + 32 * UNIT
        return low, high, np.minimum(move, high * reach)


def read_layers(
    module: nn.Module, shape: Sequence[int] | None = None, most: int | None = None
) -> list[Layer]:
    """Return a sequence of affine layers and activations, on row-major vectors, in float64.

    Reads Linear, convolutions, transposed convolutions, average pooling, batch normalisation
    (evaluation mode), ReLU, leaky ReLU, tanh, sigmoid and, without effect on the vector, Flatten,
    Unflatten, Identity and Dropout, in Sequential modules of any depth. If all activations are
    ReLUs, `robust_theory.networks.propagation` takes the result.

    Parameters
    ----------
    module : Module
        The network; it is not changed.
    shape : sequence of int, optional
        Of one input; by default that of the first Linear.
    most : int, optional
        Largest number of units of a layer.

    Raises
    ------
    ValueError
        A layer of another kind, sizes that do not chain, or a layer with more than `most` units.
    """
    layers: list[Layer] = []
    now = None if shape is None else tuple(shape)
    for part in leaves(module):
        if type(part) in NAMES:
            slope = getattr(part, "negative_slope", 0.0)
            if not 0 <= slope <= 1:
                raise ValueError(f"slopes must lie in [0, 1], got {slope}")
            if now is None:
                raise ValueError(f"modules must begin with a Linear layer, got {part}")
            if not layers or layers[-1].activation != "identity":
                n = math.prod(now)
                layers.append(Layer(np.eye(n), np.zeros(n)))
            layers[-1] = Layer(layers[-1].weight, layers[-1].bias, NAMES[type(part)], slope)
            continue
        if now is None:
            if isinstance(part, SHAPES):
                continue
            if not isinstance(part, nn.Linear):
                raise ValueError(f"modules must begin with a Linear layer, got {part}")
            now = (part.in_features,)
        if not isinstance(part, (nn.Linear, *_AFFINE, *SHAPES)):
            raise ValueError(f"the layer must be affine or an activation, got {part}")
        part = copy.deepcopy(part).cpu().double().eval()
        after = _shape_after(part, now)
        if most is not None and max(math.prod(now), math.prod(after)) > most:
            raise ValueError(f"a layer must have at most {most} units, got {now} to {after}")
        if not isinstance(part, SHAPES):
            layers.append(_affine(part, now, after))
        now = after
    return layers


def dense_layers(module: nn.Module, inputs: int, most: int) -> list[Layer]:
    """Return `read_layers` of inputs of shape (inputs,), with arrays instead of sparse matrices."""
    return [layer.dense() for layer in read_layers(module, (inputs,), most)]


def leaves(module: nn.Module) -> list[nn.Module]:
    """Return the modules inside Sequential ones, in order."""
    if isinstance(module, nn.Sequential):
        return [leaf for part in module for leaf in leaves(part)]
    return [module]


_AFFINE = (
    nn.Conv2d,
    nn.ConvTranspose2d,
    nn.AvgPool2d,
    nn.BatchNorm1d,
    nn.BatchNorm2d,
)


def _shape_after(part: nn.Module, shape: tuple[int, ...]) -> tuple[int, ...]:
    try:
        with torch.no_grad():
            return tuple(part(torch.zeros(1, *shape, dtype=torch.float64)).shape[1:])
    except RuntimeError:
        raise ValueError(f"layers must chain, got an input of shape {shape} for {part}") from None


def _affine(part: nn.Module, shape: tuple[int, ...], after: tuple[int, ...]) -> Layer:
    n, m = math.prod(shape), math.prod(after)
    if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
        scale, offset = (np.repeat(a, n // len(a)) for a in normalisation(part))
        return Layer(sparse.diags_array(scale).tocsr() if n > _BASIS else np.diag(scale), offset)
    bias, given = np.zeros(m), getattr(part, "bias", None)
    if given is not None:
        b = weights(given)
        # Of each channel's pixels; a Linear adds its bias to each row that it is applied to.
        bias = np.tile(b, m // len(b)) if isinstance(part, nn.Linear) else np.repeat(b, m // len(b))
        part.register_parameter(
            "bias", None
        )  # so that the images of the basis are columns of the matrix, unrounded
    if isinstance(part, nn.Linear) and len(shape) == 1:
        return Layer(weights(part.weight).copy(), bias)
    columns = []
    for start in range(0, n, _BASIS):
        basis = torch.zeros(min(_BASIS, n - start), n, dtype=torch.float64)
        basis[torch.arange(len(basis)), start + torch.arange(len(basis))] = 1.0
        with torch.no_grad():
            image = part(basis.reshape(-1, *shape)).reshape(-1, m).numpy()
        columns.append(sparse.csr_array(image))
    return Layer(sparse.vstack(columns).T.tocsr(), bias)
