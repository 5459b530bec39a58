"""Gaussian flow noise on a pixel grid: effective resistances, and the variances that suit best.

Edges are vertical ones first, ``(n - 1, m)``, then horizontal ones, ``(n, m - 1)``, each row by
row. With independent noise of variance c_e on edge e, the image gets noise of covariance
``L = sum c_e y_e y_e'``, the weighted grid Laplacian, where y_e is +1 and -1 at the ends of e. The
largest of the resistances ``y_e' L^+ y_e`` decides which Wasserstein radius is certified, and
since ``sum c_e R_e = N - 1`` it is at least (N - 1)/|E| when the variances have mean 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust_theory.arguments import Floats, positive_integer

Shape = tuple[int, int]
_U = 2.0**-53
_BLOCK = 1 << 22  # doubles in a block of potentials


@dataclass(frozen=True, eq=False)
class EdgeVariances:
    """Variances of Gaussian flow noise with mean 1, and a proved bound on their resistances.

    Parameters
    ----------
    vertical, horizontal : array (n - 1, m), (n, m - 1)
        Variance of the flow between neighbours above each other, and beside each other. For
        colour, of every channel.
    largest_resistance : float
        An upper bound, rounding included, on the effective resistance of every edge, hence on
        ``R(s, t)`` over the distance for all pairs of pixels, and over its square: Rmax.
    least_possible : Fraction
        (N - 1)/|E|: no variances of mean 1 have a smaller largest resistance.
    """

    vertical: Floats
    horizontal: Floats
    largest_resistance: float
    least_possible: Fraction

    @property
    def shape(self) -> Shape:
        """Rows and columns."""
        return self.horizontal.shape[0], self.vertical.shape[1]

    @property
    def variances(self) -> Floats:
        """All of them, vertical ones first."""
        return np.concatenate([self.vertical.ravel(), self.horizontal.ravel()])

    @property
    def excess(self) -> float:
        """How far `largest_resistance` may be above the least possible, relatively."""
        return self.largest_resistance / float(self.least_possible) - 1


def edge_variances(shape: Any) -> EdgeVariances:
    """Variances of mean 1 whose largest effective resistance is least (D-optimal design).

    Any variances are sound with their own bound; these make it (N - 1)/|E| up to rounding, which
    is the least possible (Kiefer and Wolfowitz).

    Parameters
    ----------
    shape : (n, m), (n, m, channels) or (n,)
        Of the image, at least two pixels. The variances are those of each channel.

    Raises
    ------
    ValueError
        If the shape is not as described.

    Notes
    -----
    Source: kiefer1960; resistances after foster1949.
    """
    return _designed(grid_shape(shape))


def uniform_variances(shape: Any) -> EdgeVariances:
    """Variance 1 on every edge, with the bound that is proved of its resistances."""
    size = grid_shape(shape)
    return _with_bound(size, np.ones(edge_count(size)))


def grid_shape(shape: Any) -> Shape:
    """Rows and columns of an image shape; a line is one row. At least two pixels."""
    numbers = tuple(shape) if np.iterable(shape) else (shape,)
    if not 1 <= len(numbers) <= 3 or isinstance(shape, str):
        raise ValueError(f"shape must be (n,), (n, m) or (n, m, channels), got {shape!r}")
    sizes = [positive_integer(size, "shape") for size in numbers]
    rows, columns = (1, sizes[0]) if len(sizes) == 1 else (sizes[0], sizes[1])
    if rows * columns < 2:
        raise ValueError(f"shape must have at least two pixels, got {shape!r}: no flow in it")
    return rows, columns


def edge_count(shape: Shape) -> int:
    """Number of pairs of neighbours."""
    n, m = shape
    return (n - 1) * m + n * (m - 1)


def edge_ends(shape: Shape) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and second pixel of each edge, as indices into the flattened image."""
    pixels = np.arange(shape[0] * shape[1]).reshape(shape)
    first = np.concatenate([pixels[:-1].ravel(), pixels[:, :-1].ravel()])
    second = np.concatenate([pixels[1:].ravel(), pixels[:, 1:].ravel()])
    return first, second


def laplacian(shape: Shape, variances: Floats) -> Any:
    """Weighted grid Laplacian, a sparse array (N, N): the covariance of the image's noise."""
    from scipy.sparse import csr_array

    u, v = edge_ends(shape)
    N = shape[0] * shape[1]
    ends = np.concatenate([u, v, u, v])
    others = np.concatenate([u, v, v, u])
    values = np.concatenate([variances, variances, -variances, -variances])
    return csr_array((values, (ends, others)), shape=(N, N))


def resistance_bounds(shape: Shape, variances: Floats) -> Floats:
    """Upper bounds on the effective resistance of each edge, rounding included.

    With any x and ``r = y - L x``, exactly ``y' L^+ y = y'x + x'r + r' L^+ r``; the last term is
    at most ``|r|^2`` over the least eigenvalue, and that is at least the smallest variance times
    the one of the unweighted grid, ``2 - 2 cos(pi / max(n, m))``.
    """
    u, v = edge_ends(shape)
    X = _inverse(shape, variances)
    gap = float(variances.min()) * (2 - 2 * math.cos(math.pi / max(shape))) * (1 - 1e-6)
    bounds = []
    step = max(1, _BLOCK // len(X))
    for start in range(0, len(u), step):
        first, second = u[start : start + step], v[start : start + step]
        x = X[second] - X[first]  # symmetric: rows instead of columns
        flows = variances * (x[:, v] - x[:, u])
        residual = -_divergence(flows, u, v, len(X))
        columns = np.arange(len(first))
        residual[columns, first] -= 1
        residual[columns, second] += 1
        # Two roundings of each flow, and four of its sums with up to four others.
        rounding = _U * (7 * np.linalg.norm(_passing(flows, u, v, len(X)), axis=1) + 3)
        left = np.linalg.norm(residual, axis=1) * (1 + 1e-9) + rounding
        size = np.linalg.norm(x, axis=1) * (1 + 1e-9)
        energy = x[columns, second] - x[columns, first]
        bounds.append((energy + size * left + left**2 / gap) * (1 + 8 * _U))
    return np.concatenate(bounds)


def flow_distance(difference: Any, variances: EdgeVariances) -> float:
    """The norm ``sqrt(y' L^+ y)`` of an image difference y of zero sum, from above.

    With Gaussian flow noise of these variances times sigma^2, an image x + y has the label of x
    if it is below ``sigma (PhiInv(pA) - PhiInv(pB)) / 2``: the exact certified set, an ellipsoid
    that contains the certified Wasserstein ball. Channels, if any, come last and are independent.

    Raises
    ------
    ValueError
        If a channel's difference does not sum to 0 up to rounding, or the shape differs.
    """
    shape = variances.shape
    y = np.asarray(difference, np.float64)
    if y.size % (shape[0] * shape[1]) or not np.isfinite(y).all():
        raise ValueError(f"difference must be finite numbers of shape {shape}, got {y.shape}")
    y = y.reshape(shape[0] * shape[1], -1)
    off = np.abs(y.sum(axis=0))
    if (off > 1e-9 * np.abs(y).sum(axis=0)).any():
        raise ValueError(f"difference must sum to 0, got {off.max()!r}")
    c = variances.variances
    u, v = edge_ends(shape)
    X = _inverse(shape, c)
    x = (X @ y).T
    flows = c * (x[:, v] - x[:, u])
    residual = y.T - _divergence(flows, u, v, len(X))
    rounding = 7 * np.linalg.norm(_passing(flows, u, v, len(X)), axis=1)
    left = np.linalg.norm(residual, axis=1) * (1 + 1e-9) + _U * (
        rounding + 3 * np.linalg.norm(y, axis=0)
    )
    gap = float(c.min()) * (2 - 2 * math.cos(math.pi / max(shape))) * (1 - 1e-6)
    energy = (x * y.T).sum(axis=1) + np.linalg.norm(x, axis=1) * left + left**2 / gap
    return float(np.sqrt(max(energy.sum() * (1 + len(y) * 4 * _U), 0.0)))


def _divergence(flows: Floats, u: Any, v: Any, N: int) -> Floats:
    """What flows (k, E) add to each pixel: in at the second end, out at the first; (k, N)."""
    return np.ascontiguousarray((_incidence(u, v, N, -1.0) @ flows.T).T)


def _passing(flows: Floats, u: Any, v: Any, N: int) -> Floats:
    """Sum of the sizes of the flows at each pixel, (k, N)."""
    return np.ascontiguousarray((_incidence(u, v, N, 1.0) @ np.abs(flows).T).T)


def _incidence(u: Any, v: Any, N: int, sign: float) -> Any:
    from scipy.sparse import csr_array

    E = len(u)
    signs = np.concatenate([np.full(E, sign), np.ones(E)])
    return csr_array((signs, (np.concatenate([u, v]), np.tile(np.arange(E), 2))), shape=(N, E))


def _inverse(shape: Shape, variances: Floats) -> Floats:
    """Pseudo-inverse of the Laplacian, in doubles, symmetric."""
    N = shape[0] * shape[1]
    X = np.linalg.inv(laplacian(shape, variances).toarray() + 1 / N) - 1 / N
    return (X + X.T) / 2


def _with_bound(shape: Shape, variances: Floats) -> EdgeVariances:
    n, m = shape
    split = (n - 1) * m
    vertical, horizontal = variances[:split].reshape(n - 1, m), variances[split:].reshape(n, m - 1)
    vertical.flags.writeable = horizontal.flags.writeable = False
    bound = float(resistance_bounds(shape, variances).max())
    # Foster: the mean of c_e R_e is (N - 1)/|E|, and the mean of c_e is 1.
    return EdgeVariances(vertical, horizontal, bound, Fraction(n * m - 1, edge_count(shape)))


@lru_cache(maxsize=32)
def _designed(shape: Shape) -> EdgeVariances:
    """Newton's method for the largest log det L, one variable for each orbit of edges."""
    u, v = edge_ends(shape)
    E, N = len(u), shape[0] * shape[1]
    orbit, first, sizes = _orbits(shape)
    weight = np.ones(len(sizes))
    target = (N - 1) / E
    for _ in range(30):
        X = _inverse(shape, weight[orbit])
        x = X[v[first]] - X[u[first]]
        across = x[:, v] - x[:, u]  # y_f' L^+ y_e for one edge of each orbit
        R = across[np.arange(len(first)), first]
        off = np.abs(R / target - 1).max()
        if off < 4e-15 * N:
            break
        H = np.zeros((len(sizes), len(sizes)))
        for k, row in enumerate(across):
            H[k] = sizes[k] * np.bincount(orbit, row**2, len(sizes))
        system = np.block([[H, sizes[:, None]], [sizes[None, :], np.zeros((1, 1))]])
        step = np.linalg.lstsq(system, np.append(sizes * R, 0.0), rcond=None)[0][:-1]
        while (weight + step <= weight / 4).any():
            step /= 2
        weight = weight + step
        if off < 1e-7:  # the step that was just made leaves about its square
            break
    weight = weight * E / (weight @ sizes)
    return _with_bound(shape, weight[orbit])


def _orbits(shape: Shape) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Orbit of each edge under the mirrors of the grid, one edge of each, and their sizes."""
    n, m = shape
    split = (n - 1) * m
    ids = np.arange(edge_count(shape))
    vertical, horizontal = ids[:split].reshape(n - 1, m), ids[split:].reshape(n, m - 1)
    least_v, least_h = (
        np.minimum(np.minimum(a, a[::-1]), np.minimum(a[:, ::-1], a[::-1, ::-1]))
        for a in (vertical, horizontal)
    )
    if n == m:
        least_h = least_v.T
    found = np.concatenate([least_v.ravel(), least_h.ravel()])
    first, orbit, sizes = np.unique(found, return_inverse=True, return_counts=True)
    return orbit, first, sizes.astype(np.float64)
