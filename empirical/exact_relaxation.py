"""Linear bounds of ReLU networks around a point, and what they prove about distances.

All bounds are inequalities ``a.u + c >= 0`` in the displacement u, with |u| <= reach, rounding
errors included. The linear bounds of a ReLU on the interval [l, h] that its input can reach,
l < 0 < h, are its chord and any line through 0 of slope between 0 and 1.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize

from empirical.exact_layers import UNIT, AffineLayer, Floats, magnitudes

Slopes = tuple[Floats, Floats, Floats]  # of upper line, its intercept, of lower line; each (B, n)


@dataclass(frozen=True, eq=False)
class Local:
    """A ReLU network as a function of u = z' - z: x_1 = W_1 u + b_1, x_k = W_k relu(x_k-1) + b_k.

    Parameters
    ----------
    weights, offsets : tuple of ndarray
        W_k, shape (m, n), and b_k, shape (m,); b_1 holds the values at z.
    slack : tuple of ndarray
        Shape (m,) each: covers all rounding errors of a linear bound of x_k computed here.
    size : tuple of ndarray
        Shape (m,) each: ``|x_k| <= size`` while ``|u| <= reach``.
    reach : float
        L2 distance.
    """

    weights: tuple[Floats, ...]
    offsets: tuple[Floats, ...]
    slack: tuple[Floats, ...]
    size: tuple[Floats, ...]
    reach: float

    @property
    def hidden(self) -> tuple[slice, ...]:
        """Where the ReLUs of each layer stand in a row of all of them."""
        ends = np.cumsum([0] + [len(b) for b in self.offsets[:-1]]).tolist()
        return tuple(slice(a, b) for a, b in itertools.pairwise(ends))

    def inputs(self, u: Floats) -> list[Floats]:
        """Return x_1, x_2, ... at the rows of u."""
        values = [u @ self.weights[0].T + self.offsets[0]]
        for W, b in zip(self.weights[1:], self.offsets[1:], strict=True):
            values.append(np.maximum(values[-1], 0.0) @ W.T + b)
        return values


def localise(layers: Sequence[AffineLayer], z: Floats, reach: float) -> Local:
    """Return the network around z, shape (d,); layers without activation are multiplied out.

    Raises
    ------
    ValueError
        An activation other than ReLU, or one after the last layer.
    """
    if any(layer.activation == "sigmoid" for layer in layers) or layers[-1].activation == "relu":
        raise ValueError("layers must be affine with ReLU between them and nothing at the end")
    sizes, _ = magnitudes(layers, np.abs(z) + reach)
    weights, offsets, size = [], [], []
    W, b = np.eye(len(z)), z
    for index, (layer, S) in enumerate(zip(layers, sizes, strict=True)):
        W, b = layer.weight @ W, layer.weight @ b + layer.bias
        if layer.activation == "relu" or index == len(layers) - 1:
            weights.append(W)
            offsets.append(b)
            size.append(S)
            W, b = np.eye(len(b)), np.zeros(len(b))
    # A bound is a sum over paths through the network. The product along one path is rounded at
    # most n + 8 times per layer of n inputs, slopes and intercepts included. The absolute values
    # of all paths and of all intercepts sum to at most k S in layer k, as each layer adds
    # intercepts of at most S. Twice that for first-order bounds, twice for the maximum in a cap.
    roundings = sum(layer.weight.shape[1] + 8 for layer in layers)
    slack = tuple(4 * k * roundings * UNIT * S for k, S in enumerate(size, start=1))
    return Local(tuple(weights), tuple(offsets), slack, tuple(size), reach)


def relu_slopes(low: Floats, high: Floats) -> Slopes:
    """Return the lines above and below relu on [low, high], the lower one the closer in area."""
    crossing = (low < 0) & (high > 0)
    width = np.where(crossing, high - low, 1.0)
    active = (low >= 0).astype(np.float64)
    upper = np.where(crossing, high / width, active)
    intercept = np.where(crossing, -low * high / width, 0.0)
    lower = np.where(crossing, high > -low, active).astype(np.float64)
    return upper, intercept, lower


def planes_above(
    local: Local, rows: Floats, constant: Floats, slopes: Sequence[Slopes]
) -> tuple[Floats, Floats, list[Floats]]:
    """Return (a, c) with ``rows . relu(x_k) + constant <= a.u + c``, k = len(slopes), before slack.

    Parameters
    ----------
    local : Local
        The network.
    rows, constant : ndarray
        Shapes (B, r, n) and (B, r).
    slopes : sequence
        Lines above and below the ReLUs of layers 1 to k.

    Returns
    -------
    a, c : ndarray
        Shapes (B, r, d) and (B, r).
    passed : list of ndarray
        Shape (B, r, n) each: the coefficients of the ReLUs of layers 1 to k on the way.
    """
    passed = []
    for k in range(len(slopes) - 1, -1, -1):
        upper, intercept, lower = (line[:, None, :] for line in slopes[k])
        passed.append(rows)
        positive = np.maximum(rows, 0.0)
        constant = constant + (positive * intercept).sum(2)
        rows = positive * upper + (rows - positive) * lower
        constant = constant + rows @ local.offsets[k]
        rows = rows @ local.weights[k]
    return rows, constant, passed[::-1]


@dataclass(frozen=True, eq=False)
class Reachable:
    """What the inputs of the ReLUs can be in each of B parts of the ball.

    Parameters
    ----------
    low, high : ndarray
        Shape (B, units): bounds on them; ``low > high`` where the part is empty.
    slopes : list
        Lines above and below the ReLUs, for each layer.
    a, c : list of ndarray
        Shapes (B, 2 n, d) and (B, 2 n) for each layer: ``x <= a.u + c`` for the first n rows,
        ``-x <= a.u + c`` for the others, slack included.
    """

    low: Floats
    high: Floats
    slopes: list[Slopes]
    a: list[Floats]
    c: list[Floats]


def reachable(
    local: Local, signs: Floats, low: Floats, high: Floats, direction: Floats, bound: Floats
) -> Reachable:
    """Return tighter intervals than [low, high], in parts given by fixed signs and a cap.

    signs has shape (B, units), -1 and 1 where the sign of an input is fixed and 0 elsewhere; low
    and high are the intervals known so far; ``direction.u >= bound``, shapes (B, d) and (B,).
    """
    low = np.where(signs > 0, np.maximum(low, 0.0), low)
    high = np.where(signs < 0, np.minimum(high, 0.0), high)
    result = Reachable(low, high, [], [], [])
    for k, part in enumerate(local.hidden):
        W, b, slack = local.weights[k], local.offsets[k], local.slack[k]
        rows = np.broadcast_to(np.concatenate([W, -W]), (len(low), 2 * len(b), W.shape[1]))
        constant = np.broadcast_to(np.concatenate([b, -b]), rows.shape[:2])
        a, c, _ = planes_above(local, rows, constant, result.slopes)
        c = c + np.concatenate([slack, slack])
        top, bottom = np.split(largest_in_cap(a, direction, bound, local.reach) + c, 2, axis=1)
        high[:, part] = np.minimum(high[:, part], top)
        low[:, part] = np.maximum(low[:, part], -bottom)
        result.slopes.append(relu_slopes(low[:, part], high[:, part]))
        result.a.append(a)
        result.c.append(c)
    return result


def largest_in_cap(a: Floats, direction: Floats, bound: Floats, reach: float) -> Floats:
    """Return max a.u over |u| <= reach and direction.u >= bound, shape (B, r).

    a has shape (B, r, d), direction (B, d), of unit rows or zero ones, bound (B,) in [0, reach].
    """
    along = np.einsum("brd,bd->br", a, direction)
    # Not by Pythagoras: the difference of squares would lose half the digits.
    across = np.linalg.norm(a - along[:, :, None] * direction[:, None, :], axis=2)
    length = np.linalg.norm(a, axis=2)
    share = (bound / reach * (1 - 4 * UNIT))[:, None]
    rim = along * share + across * np.sqrt((1 - share) * (1 + share))
    return np.asarray(reach * np.where(along >= share * length, length, rim))


def nearest_half_space(a: Floats, c: Floats, reach: float) -> tuple[float, Floats, Floats]:
    """Return (bound, direction, u): ``a @ u + c >= 0`` implies direction.u >= bound.

    For any multipliers m >= 0 the inequalities add up to one, so

        |u| >= - m.c / |m a|.

    The best multipliers solve a nonnegative least-squares problem (Lawson and Hanson, Solving
    Least Squares Problems, chapter 23), but the bound is proved by whatever comes out.

    Parameters
    ----------
    a, c : ndarray
        Shapes (m, d) and (m,).
    reach : float
        Only ``|u| <= reach`` counts.

    Returns
    -------
    bound : float
        In [0, reach]; reach where no u within reach satisfies the inequalities.
    direction : ndarray
        Unit vector, or 0 where the bound is 0 or reach.
    u : ndarray
        The nearest point that satisfies them, up to the solver's accuracy; proves nothing.
    """
    d = a.shape[1]
    nowhere = np.zeros(d)
    length = np.linalg.norm(a, axis=1)
    if (c + length * reach * (1 + 4 * (d + 4) * UNIT) < 0).any():
        return reach, nowhere, nowhere
    useful = length > 0
    a, c, length = a[useful], c[useful], length[useful]
    if (c >= 0).all():
        return 0.0, nowhere, nowhere
    E = np.vstack([a.T, -c / reach]) / length
    target = np.append(nowhere, 1.0)
    try:
        multipliers, _ = optimize.nnls(E, target)
    except RuntimeError:  # iteration limit: the inequality that is violated most stands alone
        multipliers = (np.arange(len(c)) == np.argmin(c / length)).astype(np.float64)
    residual = E @ multipliers - target
    multipliers = multipliers / length
    g = multipliers @ a
    # Inner products of at most len(c) + d terms, the norm included.
    relative = 4 * (len(c) + d + 4) * UNIT
    short = -float(multipliers @ c) - relative * float(multipliers @ np.abs(c))
    size = math.hypot(*g) + relative * float(multipliers @ length)
    if short <= 0:
        return 0.0, nowhere, nowhere
    if short * (1 - relative) >= reach * size:
        return reach, nowhere, nowhere
    # The direction is a unit vector up to roundings, which move the plane by that times reach.
    bound = max(short / size * (1 - relative) - relative * reach, 0.0)
    u = -residual[:d] / residual[d] * reach if residual[d] < 0 else nowhere
    return bound, g / math.hypot(*g), u
