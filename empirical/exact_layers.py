"""Small networks read as plain arrays, with bounds on their values and rounding errors."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import special
from torch import nn

from empirical.layers import read_layers

Floats = NDArray[np.float64]
Activation = Literal["identity", "relu", "sigmoid"]

UNIT = 2.0**-53  # relative error of one rounding to double precision


@dataclass(frozen=True, eq=False)
class AffineLayer:
    """``activation(weight @ x + bias)``, with weight of shape (m, n) and bias of shape (m,)."""

    weight: Floats
    bias: Floats
    activation: Activation = "identity"

    def __post_init__(self) -> None:
        for name in ("weight", "bias"):
            array = np.array(getattr(self, name), dtype=np.float64)
            if not np.isfinite(array).all():
                raise ValueError(f"{name} of a layer must be finite, got {array}")
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        if self.weight.ndim != 2 or self.bias.shape != self.weight.shape[:1]:
            raise ValueError(
                "weight and bias of a layer must have shapes (m, n) and (m,), "
                f"got {self.weight.shape} and {self.bias.shape}"
            )
        if self.activation not in ("identity", "relu", "sigmoid"):
            raise ValueError(
                f"activation must be 'identity', 'relu' or 'sigmoid', got {self.activation!r}"
            )


def affine_layers(*modules: nn.Module) -> tuple[AffineLayer, ...]:
    """Return the layers of ``modules[-1](... modules[0](z))`` on vectors z, weights in float64.

    As `empirical.layers.read_layers`, with all weights dense. The first layer must be Linear.

    Raises
    ------
    ValueError
        Another kind of module or activation, or sizes that do not chain.
    """
    layers = []
    for layer in read_layers(nn.Sequential(*modules)):
        if layer.activation not in ("identity", "relu", "sigmoid"):
            name = layer.activation.title()
            raise ValueError(f"modules must be made of Linear, ReLU and Sigmoid, got {name}")
        layers.append(AffineLayer(layer.dense().weight, layer.bias, layer.activation))
    check_layers(layers)
    return tuple(layers)


def check_layers(layers: Sequence[AffineLayer]) -> None:
    """Raise ValueError unless there is a layer and the sizes chain."""
    if not layers:
        raise ValueError("layers must contain at least one affine layer, got none")
    for before, after in itertools.pairwise(layers):
        if after.weight.shape[1] != len(before.bias):
            raise ValueError(
                f"layers must chain, got one of {len(before.bias)} outputs before one of "
                f"{after.weight.shape[1]} inputs"
            )


def points(z: ArrayLike, layers: Sequence[AffineLayer]) -> Floats:
    """Read z as finite float64 rows that the layers take; ValueError otherwise."""
    check_layers(layers)
    dimension = layers[0].weight.shape[1]
    rows = np.asarray(z, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != dimension or not np.isfinite(rows).all():
        raise ValueError(f"z must be finite, of shape (n, {dimension}), got shape {rows.shape}")
    return rows


def logits(layers: Sequence[AffineLayer], z: Floats) -> Floats:
    """Return the outputs of the last layer, shape (n, K), at the rows of z."""
    for layer in layers:
        z = z @ layer.weight.T + layer.bias
        if layer.activation == "relu":
            z = np.maximum(z, 0.0)
        elif layer.activation == "sigmoid":
            z = special.expit(z)
    return z


def torch_function(layers: Sequence[AffineLayer]) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return the layers as a differentiable float64 function, as attacks take it."""
    tensors = [
        (torch.from_numpy(layer.weight.T.copy()), torch.from_numpy(layer.bias.copy()))
        for layer in layers
    ]

    def function(z: torch.Tensor) -> torch.Tensor:
        for (weight, bias), layer in zip(tensors, layers, strict=True):
            z = z @ weight + bias
            if layer.activation != "identity":
                z = torch.relu(z) if layer.activation == "relu" else torch.sigmoid(z)
        return z

    return function


def magnitudes(layers: Sequence[AffineLayer], size: Floats) -> tuple[list[Floats], list[Floats]]:
    """Return bounds on values before each activation, and on their rounding errors.

    Parameters
    ----------
    layers : sequence of AffineLayer
        The network.
    size : ndarray
        Shape (d,): bounds on ``|z_k|``.

    Returns
    -------
    sizes : list of ndarray
        Shape (m,) each: ``|x| <= S`` componentwise, S' = |W| S + |b|; every product of entries
        along a path through the network is summed in it.
    errors : list of ndarray
        Shape (m,) each: double precision, summing in any order, is off by at most this. A sum of
        n products and a bias errs by at most gamma = (n + 1) u / (1 - (n + 1) u) times S
        (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1), and an error that
        comes in is multiplied by |W|. Both bounds are stated in doubles, with room of a factor 2
        for their own roundings.
    """
    S, E = np.abs(size), np.zeros(len(size))
    sizes, errors = [], []
    for layer in layers:
        W = np.abs(layer.weight)
        gamma = 2 * (W.shape[1] + 2) * UNIT
        S_next = (W @ S + np.abs(layer.bias)) * (1 + gamma)
        E = (W @ E + gamma * S_next) * (1 + gamma)
        S = S_next
        sizes.append(S)
        errors.append(E)
        if layer.activation == "sigmoid":  # 1/4-Lipschitz; its evaluation is good to a few ulp
            S, E = np.ones_like(S), E / 4 + 16 * UNIT
    return sizes, errors


def never_overtaken(layers: Sequence[AffineLayer], label: int, rival: int) -> bool:
    """Return whether `rival` provably reaches `label` nowhere in the whole space.

    By interval arithmetic on ReLU networks, rounded outwards; False says nothing.
    """
    last = layers[-1]
    W, b = last.weight[[rival]] - last.weight[label], last.bias[[rival]] - last.bias[label]
    low, high = np.full(layers[0].weight.shape[1], -np.inf), np.full(1, np.inf)
    for layer in (*layers[:-1], AffineLayer(W, b)):
        W, relative = layer.weight, 2 * (layer.weight.shape[1] + 3) * UNIT
        with np.errstate(invalid="ignore"):  # 0 times infinity, not chosen
            upper = np.where(W == 0, 0.0, W * np.where(W > 0, high, low))
            lower = np.where(W == 0, 0.0, W * np.where(W > 0, low, high))
        high = upper.sum(1) + layer.bias
        high = high + relative * (np.abs(upper).sum(1) + np.abs(layer.bias))
        low = lower.sum(1) + layer.bias
        low = low - relative * (np.abs(lower).sum(1) + np.abs(layer.bias))
        if layer.activation == "relu":
            low, high = np.maximum(low, 0.0), np.maximum(high, 0.0)
    return bool(high[0] < 0)


def possible_rivals(layers: Sequence[AffineLayer], label: int) -> list[int]:
    """Return the classes that are not proved never to overtake `label`."""
    others = (j for j in range(len(layers[-1].bias)) if j != label)
    return [j for j in others if not never_overtaken(layers, label, j)]
