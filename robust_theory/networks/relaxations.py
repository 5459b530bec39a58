"""Intervals of the units of a ReLU network over a ball, and lines above and below each ReLU.

Every number is rounded outwards. A sum of n products errs by at most n u / (1 - n u) times the
sum of their absolute values, in any order of summation (Higham, Accuracy and Stability of Numerical
Algorithms, section 3.1). `gamma` counts five roundings more, for what is added to the sum and for
its difference with the error bound, and a thousandth for the roundings of the error bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from robust_theory.arguments import Floats, exact_rational
from robust_theory.arithmetic import rounded
from robust_theory.networks.relu_networks import UNIT, Layer, Matrix, Network
from robust_theory.risks.samples import Norm, read_norm

TINY = 2.0**-1000  # above what products can lose among the subnormal numbers
LEAST = 2.0**-1073  # above what two of them lose in a number that is multiplied again


@dataclass(frozen=True, eq=False)
class Region:
    """The closed ball of radius `eps` around `centre` (d,), in the norm."""

    centre: Floats
    eps: float
    norm: Norm

    @property
    def size(self) -> Floats:
        """Bounds (d,) of the absolute values of the coordinates."""
        return np.asarray((np.abs(self.centre) + self.eps) * (1 + 4 * UNIT))

    def reach(self, rows: Matrix) -> Floats:
        """Bounds (r,) of ``row @ u`` over ``|u| <= eps``: eps times the dual norm, rounded up."""
        return dual_norms(rows, self.norm) * (self.eps * (1 + 4 * UNIT))


@dataclass(frozen=True, eq=False)
class Bounds:
    """``low <= x_k <= high`` for the values x_k of one layer before its ReLU, over the region."""

    low: Floats
    high: Floats
    relu: bool

    @property
    def crossing(self) -> Any:
        """Where a ReLU can be on either side."""
        return (self.low < 0) & (self.high > 0) & self.relu

    @property
    def after(self) -> tuple[Floats, Floats]:
        """Bounds of the values after the ReLU."""
        if not self.relu:
            return self.low, self.high
        return np.maximum(self.low, 0.0), np.maximum(self.high, 0.0)

    @property
    def size(self) -> Floats:
        """Bounds of the absolute values before the ReLU."""
        return np.maximum(np.abs(self.low), np.abs(self.high))

    @property
    def size_after(self) -> Floats:
        """Bounds of the absolute values after it."""
        low, high = self.after
        return np.maximum(np.abs(low), np.abs(high))


@dataclass(frozen=True, eq=False)
class Lines:
    """``lower x <= relu(x) <= upper x + intercept`` on the interval; shapes (n,) or (r, n)."""

    upper: Floats
    intercept: Floats
    lower: Floats


def read_region(centre: Floats, eps: Any, norm: Any) -> Region:
    """The ball; its radius in doubles is rounded up.

    Raises
    ------
    ValueError
        If eps is negative or no finite number, or the norm is not "l2", "linf" or "l1".
    """
    radius = exact_rational(eps, "eps")
    if radius < 0:
        raise ValueError(f"eps must be at least 0, got {eps}")
    return Region(centre, rounded(radius, 1), read_norm(norm))


def gamma(terms: int) -> float:
    """Bound of the relative error of a sum of products, and of five operations around it."""
    return (terms + 5) * UNIT * 1.001


def dual_norms(rows: Matrix, norm: Norm) -> Floats:
    """Dual norms (r,) of the rows, rounded up: l2 for l2, l1 for linf, linf for l1."""
    size = abs(rows)
    up = 1 + gamma(int(size.shape[1]))
    if norm == "l1":
        largest = size.max(axis=1)
        return np.asarray(largest.toarray() if hasattr(largest, "toarray") else largest).ravel()
    if norm == "linf":
        return np.asarray(size.sum(axis=1)).ravel() * up
    largest = dual_norms(size, "l1")
    scale = np.where(largest > 0, largest, 1.0)  # so that no square underflows
    if hasattr(size, "multiply"):
        squares = size.multiply(1 / scale[:, None]).power(2).sum(axis=1)
    else:
        squares = ((size / scale[:, None]) ** 2).sum(axis=1)
    lost = np.where(largest > 0, LEAST, 0.0)
    return np.asarray(np.sqrt(np.asarray(squares).ravel()) * scale * up + lost)


def parts(W: Matrix) -> tuple[Matrix, Matrix]:
    """Positive and negative part, exactly."""
    return (W + abs(W)) * 0.5, (W - abs(W)) * 0.5


def image_of_ball(W: Matrix, b: Floats, size: Matrix, offset: Floats, region: Region) -> Bounds:
    """Bounds of ``W z + b`` over the ball; W and b rounded, of absolute values <= size, offset."""
    middle, reach = W @ region.centre + b, region.reach(W)
    error = gamma(W.shape[1]) * (size @ region.size + offset + reach) + TINY
    return Bounds(middle - reach - error, middle + reach + error, False)


def image_of_box(
    W: Matrix, b: Floats, size: Matrix, offset: Floats, low: Floats, high: Floats
) -> Bounds:
    """Bounds of ``W y + b`` over ``low <= y <= high``; W and b as in `image_of_ball`."""
    positive, negative = parts(W)
    largest = np.maximum(np.abs(low), np.abs(high))
    error = gamma(W.shape[1]) * (size @ largest + offset) + TINY
    return Bounds(
        positive @ low + negative @ high + b - error,
        positive @ high + negative @ low + b + error,
        False,
    )


def interval_bounds(network: Network, region: Region) -> list[Bounds]:
    """Bounds of all layers but the last by interval arithmetic."""
    found: list[Bounds] = []
    for layer in network.layers[:-1]:
        found.append(next_interval(layer, found, region))
    return found


def next_interval(layer: Layer, before: list[Bounds], region: Region) -> Bounds:
    """Bounds of a layer from those of the layers before it."""
    W, b, size, offset = layer.weight, layer.bias, layer.size, np.abs(layer.bias)
    if before:
        found = image_of_box(W, b, size, offset, *before[-1].after)
    else:
        found = image_of_ball(W, b, size, offset, region)
    return Bounds(found.low, found.high, layer.relu)


def interval_margins(network: Network, label: int, before: list[Bounds], region: Region) -> Floats:
    """Lower bounds (K,) of the margins f_y - f_j from intervals of the last hidden layer.

    The difference of the two rows is bounded, not each row; infinity for j = y.
    """
    last = network.layers[-1]
    W = last.weight.toarray() if hasattr(last.weight, "toarray") else last.weight
    rows, offsets = W[label] - W, last.bias[label] - last.bias
    size, offset = np.abs(W[label]) + np.abs(W), np.abs(last.bias[label]) + np.abs(last.bias)
    if before:
        low = image_of_box(rows, offsets, size, offset, *before[-1].after).low
    else:
        low = image_of_ball(rows, offsets, size, offset, region).low
    low = np.where(np.isnan(low), -np.inf, low)
    low[label] = np.inf
    return np.asarray(low)


def relu_lines(bounds: Bounds) -> Lines:
    """The chord above, and below the one of the lines 0 and x that leaves the smaller triangle.

    The intercept is rounded up, so that the chord holds at both ends with its rounded slope, and
    therefore in between.
    """
    low, high = bounds.low, bounds.high
    crossing = bounds.crossing
    active = ((low >= 0) | (not bounds.relu)).astype(np.float64)
    width = np.where(crossing, high - low, 1.0)
    upper = np.where(crossing, np.minimum(high / width, 1.0), active)
    above = np.maximum(-upper * low, high * (1 - upper)) * (1 + 4 * UNIT) + TINY
    lower = np.where(crossing, high > -low, active).astype(np.float64)
    return Lines(upper, np.where(crossing, above, 0.0), lower)
