"""Linear bounds of ReLU networks over a ball, carried backwards from the outputs to the input.

A linear function of one layer's values is bounded from below by one of the layer before: a ReLU
under a positive coefficient is replaced by its lower line, under a negative one by its chord. At
the input a linear function has its minimum over the ball in closed form. Each step bounds its own
rounding error by the absolute values that the layer can have; the errors are subtracted at the
end, so the bounds hold in exact arithmetic of the given weights.

Source: zhang2018; wong2018 for the same bounds as a dual feasible point; salman2019 for both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from robust_theory.arguments import Floats
from robust_theory.networks.relaxations import (
    LEAST,
    TINY,
    Bounds,
    Lines,
    Region,
    gamma,
    interval_margins,
    next_interval,
    relu_lines,
)
from robust_theory.networks.relu_networks import UNIT, Network

_ROWS = 512  # carried together


@dataclass(frozen=True, eq=False)
class Planes:
    """``value >= slope @ z + constant`` at every z of the region; bound: its minimum there."""

    slope: Floats
    constant: Floats
    bound: Floats


def linear_bounds(network: Network, region: Region) -> list[Bounds]:
    """Bounds of all layers but the last: intervals, and linear bounds where a sign is open."""
    found: list[Bounds] = []
    lines: list[Lines] = []
    for k, layer in enumerate(network.layers[:-1]):
        bounds = next_interval(layer, found, region)
        open_ = np.flatnonzero(bounds.crossing) if k else np.zeros(0, np.int64)
        low, high = bounds.low.copy(), bounds.high.copy()
        for start in range(0, len(open_), _ROWS):
            units = open_[start : start + _ROWS]
            rows = np.zeros((2 * len(units), len(low)))
            rows[np.arange(len(units)), units] = 1.0
            rows[np.arange(len(units)) + len(units), units] = -1.0
            below, above = np.split(planes_below(network, k, rows, found, lines, region).bound, 2)
            low[units] = np.fmax(low[units], below)
            high[units] = np.fmin(high[units], -above)
        # Nothing is below a number that is above it but for rounding errors.
        found.append(Bounds(low, np.maximum(high, low), layer.relu))
        lines.append(relu_lines(found[-1]))
    return found


def linear_margins(network: Network, label: int, before: list[Bounds], region: Region) -> Floats:
    """Lower bounds (K,) of the margins: the better of interval and linear bound."""
    lines = [relu_lines(bounds) for bounds in before]
    planes = margin_planes(network, label, before, lines, region)
    intervals = interval_margins(network, label, before, region)
    margins = np.fmax(intervals, planes.bound)
    margins[label] = np.inf
    return np.asarray(margins)


def margin_planes(
    network: Network, label: int, before: list[Bounds], lines: Sequence[Lines], region: Region
) -> Planes:
    """Planes below the margins f_y - f_j, one for each j (0 for j = y)."""
    rows = -np.eye(network.outputs)
    rows[:, label] += 1.0
    return planes_below(network, len(network.layers) - 1, rows, before, lines, region)


def planes_below(
    network: Network,
    k: int,
    rows: Floats,
    before: Sequence[Bounds],
    lines: Sequence[Lines],
    region: Region,
) -> Planes:
    """Planes below ``rows @ x_k``, x_k the values of layer k before its ReLU.

    Parameters
    ----------
    network, region
        Where.
    rows : array (r, n_k)
        What to bound.
    before, lines : sequence
        Bounds and lines of the layers before k; lines of shape (n,), or (r, n) for each row.
    """
    A = rows
    constant, total, error = (np.zeros(len(rows)) for _ in range(3))
    with np.errstate(over="ignore", invalid="ignore"):
        for j in range(k, -1, -1):
            layer = network.layers[j]
            size = before[j - 1].size_after if j else region.size
            absolute = np.abs(A)
            error += gamma(layer.fan_out) * (absolute @ (layer.size @ size))
            offsets = absolute @ np.abs(layer.bias)
            error += gamma(len(layer.bias)) * offsets
            constant += A @ layer.bias
            total += offsets
            A = A @ layer.weight
            error += LEAST * len(layer.bias) * size.sum()
            if j == 0:
                break
            line, bounds = lines[j - 1], before[j - 1]
            negative, positive = np.minimum(A, 0.0), np.maximum(A, 0.0)
            step = (negative * line.intercept).sum(axis=1)
            constant += step
            total -= step
            error -= gamma(A.shape[1]) * step
            A = positive * line.lower + negative * line.upper
            error += 2 * UNIT * (np.abs(A) @ bounds.size) + LEAST * bounds.size.sum()
        reach = region.reach(A)
        last = gamma(A.shape[1]) * (np.abs(A) @ region.size + reach) + gamma(4 * k) * total
        error = (error + last) * (1 + gamma(4 * k + A.shape[1])) + TINY
        bound = A @ region.centre + constant - reach - error
    bound = np.where(np.isnan(bound), -np.inf, bound)
    return Planes(A, constant - error, bound)
