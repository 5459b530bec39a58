"""The internal Wasserstein distance of two images: how different their bags of patches are.

It is the least mean l1 distance over couplings of the two uniform laws on patches: an assignment
where both images have the same number of patches, else a small transport problem. Either is solved
exactly in milliseconds. It is a pseudo-metric: images with the same patches in other places have
distance 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust_theory.arguments import Floats, broken, exact_rational, positive_integer
from robust_theory.arithmetic import around
from robust_theory.claim import A_DISTANCE, Claim, Interval
from robust_theory.risks.samples import Indices
from robust_theory.transport.patches import patch_table, read_image


@dataclass(frozen=True, eq=False)
class InternalTransport:
    """The distance, an optimal plan, and the images.

    ``value, plan = internal_wasserstein(...)`` and ``float(...)`` work too.

    Parameters
    ----------
    value : float
        Least mean l1 distance of coupled patches.
    rows, columns, mass : array (k,)
        The plan: patch ``rows[i]`` of x sends ``mass[i]`` to patch ``columns[i]`` of y.
    x, y : array (H, W, C)
        The images.
    patch, stride : int
        Side of the patches, and distance between them, in pixels.
    """

    value: float
    rows: Indices
    columns: Indices
    mass: Floats
    x: Floats
    y: Floats
    patch: int
    stride: int

    def __iter__(self) -> Iterator[Any]:
        return iter((self.value, self.plan))

    def __float__(self) -> float:
        return self.value

    @property
    def tables(self) -> tuple[Floats, Floats]:
        """The patches of both images."""
        return patch_table(self.x, self.patch, self.stride), patch_table(
            self.y, self.patch, self.stride
        )

    @property
    def plan(self) -> Floats:
        """The plan as a matrix (N, N')."""
        u, v = self.tables
        table = np.zeros((len(u), len(v)))
        table[self.rows, self.columns] = self.mass
        return table

    @property
    def per_entry(self) -> float:
        """The value divided by the number of entries of a patch: comparable between sizes."""
        return self.value / int(self.patch**2 * self.x.shape[2])

    def potentials(self) -> tuple[Floats, Floats]:
        """Numbers f, g with f_i + g_j at most the distance of patches i and j, and best so."""
        cost = _cost(*self.tables)
        return dual_potentials(cost, self.rows, self.columns)

    def verify(self) -> bool:
        """Whether plan and potentials prove the value, up to the rounding of the distances."""
        u, v = self.tables
        cost = _cost(u, v)
        f, g = dual_potentials(cost, self.rows, self.columns)
        tiny = 2.0**-44
        slack = tiny * max(1.0, float(cost.max()))
        sums = [
            np.bincount(self.rows, self.mass, len(u)) * len(u) - 1,
            np.bincount(self.columns, self.mass, len(v)) * len(v) - 1,
        ]
        reached = float(self.mass @ cost[self.rows, self.columns])
        return bool(
            (self.mass >= 0).all()
            and max(float(np.abs(part).max()) for part in sums) <= tiny
            and (f[:, None] + g <= cost + slack).all()
            and abs(reached - self.value) <= slack
            and reached - (f.mean() + g.mean()) <= slack
        )


def internal_wasserstein(
    x: Any, y: Any, patch: Any, stride: Any = 1, *, per_entry: bool = False
) -> InternalTransport:
    """Internal Wasserstein distance of two images, exactly, with a plan.

    Parameters
    ----------
    x, y : array (H, W) or (H, W, C)
        Images with the same number of channels; their sizes may differ.
    patch, stride : int
        Side of the square patches, and the distance between neighbours, in pixels.
    per_entry : bool
        Divide by the number of entries of a patch, ``patch^2 C``. Without it the distance of two
        patches is the sum over their entries, as in the paper's Definition 3.

    Raises
    ------
    ValueError
        If a patch does not fit, channels differ, or an entry is NaN.

    Source: li2021, Definition 3, for all patches of one size.
    """
    first, second = _read(x, y, patch, stride)
    u, v = (patch_table(image, int(patch), int(stride)) for image in (first, second))
    cost = _cost(u, v)
    if not np.isfinite(cost).all():
        raise ValueError("x and y must be small enough for distances of patches to be doubles")
    rows, columns, mass = _solve(cost)
    value = math.fsum(mass * cost[rows, columns])
    if len(u) == len(v):  # the sum first: the masses 1/N are rounded
        value = math.fsum(cost[rows, columns]) / len(u)
    if per_entry:
        value /= u.shape[1]
    return InternalTransport(value, rows, columns, mass, first, second, int(patch), int(stride))


def internal_distance(x: Any, y: Any, patch: Any, stride: Any = 1) -> float:
    """``internal_wasserstein(x, y, patch, stride).value``."""
    return internal_wasserstein(x, y, patch, stride).value


def dual_potentials(
    cost: NDArray[Any], rows: Indices, columns: Indices
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Potentials f, g with ``f_i + g_j <= cost_ij``, and equality on the support of a plan.

    By shortest paths in the residual graph; there are such potentials exactly when the plan is
    optimal. In doubles f + g is feasible up to rounding, and equality holds as far as they allow.
    """
    distance = np.zeros(len(cost), cost.dtype)
    for _ in range(len(cost) + 1):
        g = (distance[:, None] + cost).min(axis=0)
        better = distance.copy()
        np.minimum.at(better, rows, g[columns] - cost[rows, columns])
        if (better == distance).all():
            break
        distance = better
    f = -distance
    return f, (cost - f[:, None]).min(axis=0)


def _solve(cost: NDArray[Any]) -> tuple[Indices, Indices, Floats]:
    n, m = cost.shape
    if n == m:
        from scipy.optimize import linear_sum_assignment

        rows, columns = linear_sum_assignment(cost)
        return rows.astype(np.int64), columns.astype(np.int64), np.full(n, 1 / n)
    import ot

    plan = ot.emd(np.full(n, 1 / n), np.full(m, 1 / m), cost, numItermax=10_000_000)
    # Flows are whole multiples of 1/(n m); the simplex's rounding is removed.
    units = np.rint(plan * (n * m))
    rows, columns = np.nonzero(units)
    return rows, columns, units[rows, columns] / (n * m)


def _cost(u: Floats, v: Floats) -> Floats:
    from scipy.spatial.distance import cdist

    return np.asarray(cdist(u, v, "cityblock"))


def _read(x: Any, y: Any, patch: Any, stride: Any) -> tuple[Floats, Floats]:
    first, second = read_image(x, "x"), read_image(y, "y")
    if first.shape[2] != second.shape[2]:
        raise ValueError(
            f"x and y must have the same number of channels, got {first.shape[2]} and "
            f"{second.shape[2]}"
        )
    p = positive_integer(patch, "patch")
    positive_integer(stride, "stride")
    for name, image in (("x", first), ("y", second)):
        if p > min(image.shape[:2]):
            raise ValueError(
                f"patch must fit into {name}, got {p} for a shape of {image.shape[:2]}"
            )
    return first, second


def exact_images(x: Any, y: Any) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Both images as integers over one denominator; decimals are read as printed."""
    tables = [
        np.array([exact_rational(v) for v in np.asarray(image, object).ravel()] + [None], object)
        for image in (x, y)
    ]
    unit = math.lcm(*(v.denominator for table in tables for v in table[:-1]))
    shapes = [read_image(image, "image").shape for image in (x, y)]
    whole = [
        np.array([int(v * unit) for v in table[:-1]], np.int64).reshape(shape)
        for table, shape in zip(tables, shapes, strict=True)
    ]
    return whole[0], whole[1], unit


def _enclosure(x: Any, y: Any, patch: Any, stride: Any = 1) -> Interval:
    """By integers: the plan's cost and the potentials' value must agree exactly."""
    _read(x, y, patch, stride)
    first, second, unit = exact_images(x, y)
    u, v = patch_table(first, patch, stride), patch_table(second, patch, stride)
    cost = np.abs(u[:, None, :] - v[None, :, :]).sum(axis=2)
    rows, columns, mass = _solve(cost.astype(np.float64))
    units = np.rint(mass * (len(u) * len(v))).astype(np.int64)
    f, g = dual_potentials(cost, rows, columns)
    n, m = cost.shape
    reached = sum(int(k) * int(c) for k, c in zip(units, cost[rows, columns], strict=True))
    proved = sum(f.tolist()) * m + sum(g.tolist()) * n
    balanced = (np.bincount(rows, units, n) == m).all() and (
        np.bincount(columns, units, m) == n
    ).all()
    if reached != proved or not balanced or (f[:, None] + g > cost).any():
        raise ArithmeticError("the plan and the potentials do not prove the distance")
    return around(Fraction(reached, n * m * unit))


def _broken(x: Any, y: Any, patch: Any, stride: Any = 1) -> tuple[str, ...]:
    return broken(lambda: _read(x, y, patch, stride))


INTERNAL_WASSERSTEIN = Claim(
    name="internal-wasserstein",
    source="li2021, Definition 3",
    formula=lambda: (
        r"\min_{\sigma} \frac{1}{N}\sum_i \Vert u_i - v_{\sigma(i)}\Vert_1 = W(x,\tilde x)"
    ),
    relation="==",
    value=internal_distance,
    enclosure=_enclosure,
    broken_hypotheses=_broken,
    possible=A_DISTANCE,
)
