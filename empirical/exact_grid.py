"""Exact radii of Lipschitz functions of few variables: decide cells, measure distances to them.

A box around the origin is cut into cells. If the largest logit leads at a cell's centre by more
than a difference of logits can change within the cell, the decision is constant there; otherwise
the cell is halved along each axis, down to a smallest size. The cells that stay undecided contain
every decision boundary in the box.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import spatial

from empirical.exact_layers import UNIT, AffineLayer, Floats, check_layers, magnitudes

COARSEST = 16  # cells per side to begin with
MOST_CELLS = 4_000_000  # undecided cells before refinement stops early
CHUNK = 100_000  # points evaluated at once


@dataclass(frozen=True, eq=False)
class GridRadius:
    """Two-sided bounds on radii, l2 distance. Row i belongs to point i.

    Parameters
    ----------
    lower, upper : ndarray
        Shape (n,): ``lower <= r <= upper``.
    point : ndarray
        Shape (n, d): a point decided differently at distance at most `upper`; NaN where that is
        infinite.
    undecided : float
        Share of the box's volume whose decision was not settled.
    cell : float
        Side of the undecided cells.
    """

    lower: Floats
    upper: Floats
    point: Floats
    undecided: float
    cell: float


def grid_radii(
    function: Callable[[Floats], Floats],
    lipschitz: float,
    z: ArrayLike,
    *,
    half_width: float,
    cells: int,
    rounding: float = 0.0,
) -> GridRadius:
    """Return radii r(z) = inf{|u| : argmax f(z + u) != argmax f(z)} from both sides.

    Below: the distance from z to the nearest undecided cell, or the lead of the decision at z
    divided by `lipschitz`, whichever is greater, but no more than the distance to the outside of
    the box, of which nothing is known (0 for z outside). Above: the distance to the nearest
    centre of a cell that is decided differently; +inf where there is none in the box.

    Parameters
    ----------
    function : callable
        Takes float64 rows (m, d) to logits (m, K).
    lipschitz : float
        Bound, within the box, on ``|(f_i - f_j)(x) - (f_i - f_j)(y)| / |x - y|`` for all pairs of
        logits; see `margin_lipschitz`.
    z : array_like
        Shape (n, d), d <= 3.
    half_width : float
        The box is [-half_width, half_width]^d.
    cells : int
        Undecided cells are refined until there are at least so many along each side of the box
        (a power of 2), or until there are more than `MOST_CELLS`.
    rounding : float
        Bound, within the box, on the error of a computed difference of logits; see
        `margin_rounding`. With the default the bounds hold for the function as computed.

    Raises
    ------
    ValueError
        Arguments outside these ranges; logits that are not finite or not of shape (m, K).
    """
    z = np.asarray(z, dtype=np.float64)
    if z.ndim != 2 or not 1 <= z.shape[1] <= 3 or not np.isfinite(z).all():
        raise ValueError(f"z must be finite, of shape (n, d) with d <= 3, got shape {z.shape}")
    for name, value in (("lipschitz", lipschitz), ("rounding", rounding)):
        if not 0 <= value < math.inf:
            raise ValueError(f"{name} must be finite and at least 0, got {value}")
    if not 0 < half_width < math.inf:
        raise ValueError(f"half_width must be positive and finite, got {half_width}")
    if cells < 1:
        raise ValueError(f"cells must be at least 1, got {cells}")
    d = z.shape[1]
    labels, lead = _decide(function, z)
    tree = _refine(function, d, half_width, cells, lipschitz, rounding)
    outwards = 1 + 4 * (d + 4) * UNIT

    lower = np.maximum(half_width - np.abs(z).max(1), 0.0)
    if len(tree.undecided):
        to_centre, _ = spatial.KDTree(tree.undecided).query(z)
        # Coordinates of centres are rounded too.
        free = to_centre / outwards - tree.radius * outwards - 8 * UNIT * half_width
        if lipschitz > 0:
            alone = np.maximum(lead - rounding, 0.0) / (lipschitz * outwards)
            free = np.maximum(free, alone)
        lower = np.minimum(lower, np.maximum(free, 0.0))
    lower[lead <= rounding] = 0.0

    upper, point = np.full(len(z), np.inf), np.full(z.shape, np.nan)
    for label in np.unique(tree.labels):
        others = labels != label
        centres = tree.centres[tree.labels == label]
        distance, index = spatial.KDTree(centres).query(z[others])
        nearer = distance * outwards < upper[others]
        rows = np.flatnonzero(others)[nearer]
        upper[rows], point[rows] = distance[nearer] * outwards, centres[index[nearer]]
    return GridRadius(lower, upper, point, tree.share, tree.cell)


@dataclass(frozen=True, eq=False)
class _Cells:
    undecided: Floats  # their centres
    radius: float  # from their centres to their corners
    centres: Floats  # of all cells where the decision at the centre is certain
    labels: np.ndarray  # those decisions
    share: float
    cell: float


def _refine(
    function: Callable[[Floats], Floats],
    d: int,
    half_width: float,
    cells: int,
    lipschitz: float,
    rounding: float,
) -> _Cells:
    sides = min(COARSEST, 2 ** math.ceil(math.log2(cells)))
    side = 2 * half_width / sides
    axis = -half_width + side * (np.arange(sides) + 0.5)
    open_cells = np.stack(np.meshgrid(*[axis] * d, indexing="ij"), axis=-1).reshape(-1, d)
    halves = np.array(list(itertools.product((-0.25, 0.25), repeat=d)))
    known, labels = [], []
    while True:
        radius = side / 2 * math.sqrt(d)
        label, lead = _decide(function, open_cells)
        certain = lead > rounding
        known.append(open_cells[certain])
        labels.append(label[certain])
        # The centre as rounded may be off the true one by some 2^-52 of the box.
        constant = lead > lipschitz * (radius + 8 * UNIT * half_width) * (1 + 8 * UNIT) + rounding
        open_cells = open_cells[~constant]
        if sides >= cells or len(open_cells) * 2**d > MOST_CELLS:
            break
        open_cells = (open_cells[:, None, :] + halves * side).reshape(-1, d)
        side, sides = side / 2, sides * 2
    return _Cells(
        open_cells,
        radius,
        np.concatenate(known),
        np.concatenate(labels),
        len(open_cells) / sides**d,
        side,
    )


def _decide(function: Callable[[Floats], Floats], z: Floats) -> tuple[np.ndarray, Floats]:
    """Return decisions and by how much they lead, +inf for a single class."""
    label, lead = np.zeros(len(z), dtype=np.int64), np.zeros(len(z))
    for start in range(0, len(z), CHUNK):
        part = slice(start, start + CHUNK)
        values = np.asarray(function(z[part]), dtype=np.float64)
        if values.ndim != 2 or len(values) != len(z[part]) or not np.isfinite(values).all():
            raise ValueError(
                f"function must return finite logits of shape (m, K), got shape {values.shape}"
            )
        label[part] = values.argmax(1)
        others = values.copy()
        others[np.arange(len(values)), label[part]] = -np.inf
        lead[part] = values.max(1) - others.max(1)
    return label, lead * (1 - 2 * UNIT)


def margin_lipschitz(layers: Sequence[AffineLayer]) -> float:
    """Return L with ``|(f_i - f_j)(x) - (f_i - f_j)(y)| <= L |x - y|`` for all logits i, j.

    The product of the spectral norms, the last one replaced by the largest difference of two rows,
    times 1/4 per sigmoid; layers without activation are multiplied out first. Rounded up.

    Raises
    ------
    ValueError
        Layers that do not chain, or an activation after the last one.
    """
    check_layers(layers)
    if layers[-1].activation != "identity":
        raise ValueError(f"the last layer must be affine, got {layers[-1].activation!r} after it")
    product, W, error = 1.0, np.eye(layers[0].weight.shape[1]), 0.0
    for layer in layers[:-1]:
        W, error = _product(layer.weight, W, error)
        if layer.activation != "identity":
            product *= _spectral_norm(W) + error
            product *= 0.25 if layer.activation == "sigmoid" else 1.0
            W, error = np.eye(len(W)), 0.0
    W, error = _product(layers[-1].weight, W, error)
    pairs = spatial.distance.pdist(W) if len(W) > 1 else np.zeros(1)
    relative = 8 * (max(layer.weight.shape[1] for layer in layers) + len(layers) + 8) * UNIT
    return float((pairs.max() + 2 * error) * product * (1 + relative))


def margin_rounding(layers: Sequence[AffineLayer], half_width: float) -> float:
    """Return a bound on the error of a difference of logits in double precision, in a box.

    The box is [-half_width, half_width]^d.
    """
    sizes, errors = magnitudes(layers, np.full(layers[0].weight.shape[1], half_width))
    return float(2 * errors[-1].max() + 4 * UNIT * sizes[-1].max())


def _product(A: Floats, B: Floats, error: float) -> tuple[Floats, float]:
    """Return A @ B and the Frobenius norm of its error, if B is off by one of norm `error`."""
    size = float(np.linalg.norm(A))
    rounded = 2 * (A.shape[1] + 2) * UNIT * float(np.linalg.norm(np.abs(A) @ np.abs(B)))
    return A @ B, rounded + (error * size) * (1 + 4 * A.size * UNIT)


def _spectral_norm(W: Floats) -> float:
    """Return an upper bound on the largest singular value.

    W = U S V' + E with computed factors: |W| <= |U| |V| max S + |E|, and |U|^2 <= 1 + |U'U - I|,
    in Frobenius norms, plus their own rounding errors (n products summed: n u each).
    """
    U, S, V = np.linalg.svd(W, full_matrices=False)
    n = max(W.shape) + 4
    residual = float(np.linalg.norm(W - (U * S) @ V))
    residual += 4 * n * UNIT * float(np.linalg.norm(np.abs(U) * S @ np.abs(V)))
    skew = [
        float(np.linalg.norm(Q.T @ Q - np.eye(len(S))) + 4 * n * UNIT * len(S) * 2)
        for Q in (U, V.T)
    ]
    factor = math.sqrt((1 + skew[0]) * (1 + skew[1]))
    return (factor * float(S.max(initial=0.0)) + residual) * (1 + n * UNIT)
