"""Feed-forward and convolutional ReLU networks as plain arrays, which the bounds take."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from robust_theory.arguments import Floats, positive_integer

Matrix: TypeAlias = Any  # an array (m, n), or a SciPy CSR array for convolutions

UNIT = 2.0**-53  # relative error of one rounding to double precision


@dataclass(frozen=True, eq=False)
class Layer:
    """``relu(weight @ x + bias)``, or without the ReLU.

    Parameters
    ----------
    weight : array or CSR array (m, n)
        Float64; the exact numbers, taken as given.
    bias : array (m,)
        Float64.
    relu : bool
        Whether max(0, .) follows.
    """

    weight: Matrix
    bias: Floats
    relu: bool

    @property
    def size(self) -> Matrix:
        """Absolute values of the weight."""
        return abs(self.weight)

    @property
    def terms(self) -> int:
        """The most non-zero products that a value of this layer sums, and one for the bias."""
        W = self.weight
        entries = W.indptr[1:] - W.indptr[:-1] if hasattr(W, "indptr") else (W != 0).sum(axis=1)
        return int(entries.max(initial=0)) + 1

    @property
    def fan_out(self) -> int:
        """The most non-zero products that a value of the transposed layer sums."""
        W = self.weight
        entries = (W != 0).sum(axis=0)
        return int(np.asarray(entries).max(initial=0))


@dataclass(frozen=True, eq=False)
class Network:
    """Layers that chain; the last one has no ReLU."""

    layers: tuple[Layer, ...]

    @property
    def inputs(self) -> int:
        """Number of inputs d."""
        return int(self.layers[0].weight.shape[1])

    @property
    def outputs(self) -> int:
        """Number of logits K."""
        return len(self.layers[-1].bias)

    def logits(self, points: Any) -> Floats:
        """Logits (n, K) at points (n, d) in double precision, rounding errors not counted."""
        x = np.asarray(points, np.float64).T
        for layer in self.layers:
            x = layer.weight @ x + layer.bias[:, None]
            if layer.relu:
                x = np.maximum(x, 0.0)
        return np.asarray(x.T)


def read_network(layers: Any) -> Network:
    """Read a network from its weights.

    Parameters
    ----------
    layers : Network or sequence
        Pairs ``(weight, bias)``, with a ReLU between each two; or records with the attributes
        ``weight``, ``bias`` and ``activation``, which is "relu" or "identity". A weight has shape
        (m, n), dense or sparse; `convolution_layer` makes the pair of a convolution.

    Raises
    ------
    ValueError
        If there is no layer, shapes do not chain, a number is not finite, an activation is
        another one, or the last layer has one.
    """
    if isinstance(layers, Network):
        return layers
    if isinstance(layers, str) or not isinstance(layers, Iterable):
        raise ValueError(f"layers must be a sequence of (weight, bias), got {layers!r}")
    given = list(layers)
    if not given:
        raise ValueError("layers must contain at least one layer, got none")
    read = []
    for k, layer in enumerate(given):
        if hasattr(layer, "activation"):
            weight, bias, activation = layer.weight, layer.bias, layer.activation
            if activation not in ("relu", "identity"):
                raise ValueError(f"activation must be 'relu' or 'identity', got {activation!r}")
            relu = activation == "relu"
        else:
            try:
                weight, bias = layer
            except (TypeError, ValueError):
                raise ValueError(
                    f"a layer must be a pair (weight, bias), layer {k} is not"
                ) from None
            relu = k < len(given) - 1
        read.append(Layer(_weight(weight, k), _numbers(bias, f"bias of layer {k}"), relu))
    _check(read)
    return Network(tuple(read))


def read_point(point: Any, network: Network) -> Floats:
    """Read a point (d,) as finite doubles that the network takes."""
    x = _numbers(point, "point")
    if x.shape != (network.inputs,):
        raise ValueError(f"point must have shape ({network.inputs},), got {x.shape}")
    return x


def read_label(label: Any, network: Network) -> int:
    """Read a label below the number of logits, of which there must be two at least."""
    if isinstance(label, bool) or not isinstance(label, int | np.integer):
        raise ValueError(f"label must be an integer, got {label!r}")
    if network.outputs < 2 or not 0 <= label < network.outputs:
        raise ValueError(
            f"label must be one of at least 2 logits, got {label} for {network.outputs}"
        )
    return int(label)


def convolution_layer(
    kernel: Any,
    bias: Any,
    shape: Sequence[int],
    *,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
) -> tuple[Matrix, Floats]:
    """The pair (weight, bias) of a convolution of images, flattened row by row.

    Parameters
    ----------
    kernel : array (o, i / groups, h, w)
        Cross-correlation, as torch stores it.
    bias : array (o,)
        Added to every pixel of a channel.
    shape : (int, int, int)
        Channels i, rows and columns of the input.
    stride, padding, dilation, groups : int
        Of both axes; the padding is zeros.
    """
    K = np.asarray(kernel, np.float64)
    if K.ndim != 4:
        raise ValueError(f"kernel must have shape (o, i, h, w), got {K.shape}")
    weight = convolution_matrix(
        K, shape, stride=(stride, stride), padding=(padding, padding),
        dilation=(dilation, dilation), groups=groups,
    )  # fmt: skip
    b = _numbers(bias, "bias")
    if b.shape != (len(K),):
        raise ValueError(f"bias must have shape ({len(K)},), got {b.shape}")
    return weight, np.repeat(b, weight.shape[0] // len(K))


def convolution_matrix(
    kernel: Floats,
    shape: Sequence[int],
    *,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] = (0, 0),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
) -> Matrix:
    """CSR matrix of a convolution with zero padding; its entries are those of the kernel.

    Shapes as in `convolution_layer`; stride, padding and dilation of rows and columns.
    """
    from scipy.sparse import csr_array

    o, i, h, w = kernel.shape
    channels, rows, columns = (positive_integer(n, "shape") for n in shape)
    if channels != i * groups or o % groups:
        raise ValueError(f"kernel of shape {kernel.shape}, groups {groups}: no input {shape}")
    high = (rows + 2 * padding[0] - dilation[0] * (h - 1) - 1) // stride[0] + 1
    wide = (columns + 2 * padding[1] - dilation[1] * (w - 1) - 1) // stride[1] + 1
    if high < 1 or wide < 1:
        raise ValueError(f"kernel of shape {kernel.shape} must fit into the image {shape}")
    q, c, a, b, r, s = np.indices((o, i, h, w, high, wide))
    y = r * stride[0] + a * dilation[0] - padding[0]
    x = s * stride[1] + b * dilation[1] - padding[1]
    channel = c + q // (o // groups) * i
    inside = (y >= 0) & (y < rows) & (x >= 0) & (x < columns)
    row = (q * high + r) * wide + s
    column = (channel * rows + y) * columns + x
    entries = np.broadcast_to(kernel[:, :, :, :, None, None], q.shape)
    places = (row[inside], column[inside])
    return csr_array((entries[inside], places), shape=(o * high * wide, channels * rows * columns))


def _weight(weight: Any, k: int) -> Matrix:
    if hasattr(weight, "tocsr"):
        W = weight.tocsr().astype(np.float64)
        if not np.isfinite(W.data).all():
            raise ValueError(f"weight of layer {k} must be finite")
        return W
    W = _numbers(weight, f"weight of layer {k}")
    if W.ndim != 2 or W.size == 0:
        raise ValueError(f"weight of layer {k} must have shape (m, n), got {W.shape}")
    return W


def _numbers(values: Any, name: str) -> Floats:
    if np.iscomplexobj(values):
        raise ValueError(f"{name} must be real, got complex numbers")
    try:
        array = np.array(values, np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be an array of numbers") from None
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got {array[~np.isfinite(array)][0]}")
    array.flags.writeable = False
    return array


def _check(layers: Sequence[Layer]) -> None:
    if layers[-1].relu:
        raise ValueError("the last layer must have no activation, got 'relu'")
    for k, layer in enumerate(layers):
        if layer.bias.shape != layer.weight.shape[:1]:
            raise ValueError(
                f"bias of layer {k} must have shape ({layer.weight.shape[0]},), "
                f"got {layer.bias.shape}"
            )
    for before, after in itertools.pairwise(layers):
        if after.weight.shape[1] != len(before.bias):
            raise ValueError(
                f"layers must chain, got {len(before.bias)} outputs before "
                f"{after.weight.shape[1]} inputs"
            )
