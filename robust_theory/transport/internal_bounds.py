"""What the internal Wasserstein distance has to do with ordinary norms, and its gradient.

Coupling every patch with the one at the same place gives W <= (1/N) sum_j c_j |x_j - y_j|, where
c_j of the N patches contain pixel j, and so W <= (|c|_q / N) |x - y|_r for conjugate exponents.
The constant is the best possible. No inequality holds the other way, since W is a pseudo-metric.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from robust_theory.arguments import Floats, broken, budgets, exact_rational
from robust_theory.arithmetic import around, enclose
from robust_theory.claim import A_DISTANCE, Claim, Interval
from robust_theory.risks.samples import read_norm
from robust_theory.transport.internal import _read, exact_images, internal_wasserstein
from robust_theory.transport.patches import (
    coverage,
    patch_starts,
    patch_table,
    read_shape,
    unfold_sum,
)


def internal_wasserstein_constant(shape: Any, patch: Any, norm: str, stride: Any = 1) -> float:
    """The least c with ``internal_wasserstein(x, y) <= c |x - y|`` for all images; rounded up.

    Parameters
    ----------
    shape : sequence
        (H, W) or (H, W, C).
    patch, stride : int
        As in `internal_wasserstein`.
    norm : {"l1", "l2", "linf"}
        Of the difference of the images. For linf the constant is the number of entries of a
        patch, and for l1 at most 1.
    """
    return _constant(shape, patch, norm, stride).hi


def internal_wasserstein_bound(
    x: Any, y: Any, patch: Any, norm: str = "l2", stride: Any = 1
) -> float:
    """Upper bound on the internal distance of two images of one shape: c |x - y|; rounded up."""
    first, second = _same_shape(x, y, patch, stride)
    c = internal_wasserstein_constant(first.shape, patch, norm, stride)
    order = {"l1": 1, "l2": 2, "linf": np.inf}[read_norm(norm)]
    # Entries mean their decimals, which a difference of doubles may miss by more than its rounding.
    gaps = np.abs(first - second) + _misread(first, second)
    size = float(np.linalg.norm(gaps.ravel(), order))
    return c * size * (1 + 8 * 2.0**-53)  # the sum of a norm is pairwise or shorter


def internal_radius(shape: Any, patch: Any, eps: Any, norm: str = "linf", stride: Any = 1) -> Any:
    """The least internal radius whose ball contains the ball of radius eps, at every image.

    With it the paper's Theorem 1 is true: the set of points near a decision boundary, and its
    diameter, are then at least as large for the internal distance as for the norm. Rounded up.

    Source: li2021, Theorem 1, which does not relate the two radii.
    """
    c = internal_wasserstein_constant(shape, patch, norm, stride)
    radii = budgets(eps)
    if np.isinf(radii).any():
        raise ValueError("eps must be finite, got inf")
    result = c * radii * (1 + 4 * 2.0**-53)
    return float(result) if radii.ndim == 0 else result


def identity_matching_cost(x: Any, y: Any, patch: Any, stride: Any = 1) -> float:
    """Mean l1 distance of the patches at the same places: an upper bound for one shape."""
    first, second = _same_shape(x, y, patch, stride)
    c = coverage(first.shape, int(patch), int(stride))
    return math.fsum((c[..., None] * np.abs(first - second)).ravel()) / _count(first, patch, stride)


def internal_wasserstein_lower_bound(x: Any, y: Any, patch: Any, stride: Any = 1) -> float:
    """A lower bound on the internal distance without solving anything; rounded down.

    Sum over the entries of a patch of the one-dimensional Wasserstein distances of that entry,
    which sorting finds. It is at least the difference of the mean patch sums.
    """
    first, second = _read(x, y, patch, stride)
    u, v = (patch_table(image, int(patch), int(stride)) for image in (first, second))
    total = math.fsum(_line_distances(u, v))
    if not total:
        return 0.0
    rounding = 8 if len(u) == len(v) else u.shape[1] + len(u) + 8
    # Reading an entry as a double costs half a spacing; a distance changes by their mean.
    read = sum(float(np.abs(t).sum()) / len(t) for t in (u, v)) * 2.0**-53
    return max(0.0, (total - read) * (1 - rounding * 2.0**-53))


def internal_wasserstein_gradient(
    x: Any, y: Any, patch: Any, stride: Any = 1
) -> tuple[float, Floats]:
    """The internal distance, and a derivative of it in the second image, of its shape.

    The plan is held fixed: where the optimal plan is unique and no entry of coupled patches is
    equal, this is the gradient; elsewhere an element of the directional derivatives' range.
    """
    result = internal_wasserstein(x, y, patch, stride)
    u, v = result.tables
    table = np.zeros_like(v)
    signs = np.sign(v[result.columns] - u[result.rows])
    np.add.at(table, result.columns, result.mass[:, None] * signs)
    H, W, C = result.y.shape
    gradient = unfold_sum(table, (H, W, C), result.patch, result.stride)
    return result.value, gradient.reshape(np.shape(y))


def _line_distances(u: Floats, v: Floats) -> Floats:
    """W1 between the columns of two tables."""
    a, b = np.sort(u, axis=0), np.sort(v, axis=0)
    n, m = len(a), len(b)
    if n == m:
        gaps: Floats = np.abs(a - b)
        return np.array([math.fsum(column) / n for column in gaps.T])
    # Both quantile functions are constant between the multiples of 1/n and 1/m.
    ends = np.unique(np.concatenate([np.arange(n + 1) * m, np.arange(m + 1) * n]))
    width, middle = np.diff(ends), ends[:-1]
    result: Floats = (width / (n * m)) @ np.abs(a[middle // m] - b[middle // n])
    return result


def _misread(first: Floats, second: Floats) -> Floats:
    """How far differences of doubles may be from those of the decimals; 0 for equal ones."""
    return np.where(first != second, np.abs(first) + np.abs(second), 0.0) * 2.0**-53


def _same_shape(x: Any, y: Any, patch: Any, stride: Any) -> tuple[Floats, Floats]:
    first, second = _read(x, y, patch, stride)
    if first.shape != second.shape:
        raise ValueError(f"x and y must have one shape, got {first.shape} and {second.shape}")
    return first, second


def _count(image: Floats, patch: Any, stride: Any) -> int:
    return math.prod(patch_starts(side, patch, stride) for side in image.shape[:2])


def _square_and_count(shape: Any, patch: Any, norm: str, stride: Any) -> tuple[int, int]:
    """Square of |c|_q, an integer, and N."""
    sides = read_shape(shape)
    count = math.prod(patch_starts(side, patch, stride) for side in sides[:2])
    c = coverage(sides, int(patch), int(stride))
    if read_norm(norm) == "l1":
        return int(c.max()) ** 2, count
    if norm == "linf":
        return int(c.sum() * sides[2]) ** 2, count
    return int((c * c).sum()) * sides[2], count


def _constant(shape: Any, patch: Any, norm: str, stride: Any) -> Interval:
    square, count = _square_and_count(shape, patch, norm, stride)
    root = math.isqrt(square)
    if root * root == square:
        return around(Fraction(root, count))
    return enclose(lambda m, s, n: m.sqrt(m.number(s)) / n, square, count)


def _bound_enclosure(x: Any, y: Any, patch: Any, norm: str = "l2", stride: Any = 1) -> Interval:
    first, _ = _same_shape(x, y, patch, stride)
    a, b, unit = exact_images(x, y)
    square, count = _square_and_count(first.shape, patch, norm, stride)
    gaps = [abs(g) for g in (a - b).ravel().tolist()]
    if not any(gaps):
        return Interval(0.0, 0.0)
    size = {"l1": sum(gaps) ** 2, "l2": sum(g * g for g in gaps), "linf": max(gaps) ** 2}[norm]
    whole = Fraction(square * size, (count * unit) ** 2)
    return enclose(lambda m, s: m.sqrt(m.number(s)), whole)


def _radius_enclosure(
    shape: Any, patch: Any, eps: Any, norm: str = "linf", stride: Any = 1
) -> Interval:
    internal_radius(shape, patch, eps, norm, stride)
    square, count = _square_and_count(shape, patch, norm, stride)
    radius = exact_rational(eps, "eps")
    if not radius:
        return Interval(0.0, 0.0)
    whole = Fraction(square, count * count) * radius**2
    return enclose(lambda m, s: m.sqrt(m.number(s)), whole)


def _lower_enclosure(x: Any, y: Any, patch: Any, stride: Any = 1) -> Interval:
    """The same sum in integers, through distribution functions instead of sorting."""
    _read(x, y, patch, stride)
    first, second, unit = exact_images(x, y)
    u, v = patch_table(first, patch, stride), patch_table(second, patch, stride)
    n, m = len(u), len(v)
    total = 0
    for a, b in zip(u.T, v.T, strict=True):
        places = np.unique(np.concatenate([a, b]))
        below = [np.searchsorted(np.sort(w), places[:-1], "right") for w in (a, b)]
        total += int((np.abs(below[0] * m - below[1] * n) * np.diff(places)).sum())
    return around(Fraction(total, n * m * unit))


INTERNAL_WASSERSTEIN_BOUND = Claim(
    name="internal-wasserstein-bound",
    source="li2021, Section 3.1, with the sharp constant",
    formula=lambda: (
        r"W(x,\tilde x) \le \frac{\Vert c\Vert_q}{N}\,\Vert x-\tilde x\Vert_r,"
        r"\quad \frac{1}{q}+\frac{1}{r}=1"
    ),
    relation="<=",
    value=internal_wasserstein_bound,
    enclosure=_bound_enclosure,
    broken_hypotheses=lambda x, y, patch, norm="l2", stride=1: broken(
        lambda: _same_shape(x, y, patch, stride), lambda: read_norm(norm)
    ),
    possible=A_DISTANCE,
)
INTERNAL_RADIUS = Claim(
    name="internal-radius",
    source="li2021, Theorem 1, with radii that are related",
    formula=lambda: (
        r"\max_{x,\ \Vert d\Vert_r\le\varepsilon} W(x,x+d)"
        r" = \frac{\Vert c\Vert_q}{N}\,\varepsilon"
    ),
    relation="==",
    value=internal_radius,
    enclosure=_radius_enclosure,
    broken_hypotheses=lambda shape, patch, eps, norm="linf", stride=1: broken(
        lambda: internal_radius(shape, patch, eps, norm, stride)
    ),
    possible=A_DISTANCE,
)
INTERNAL_LOWER_BOUND = Claim(
    name="internal-wasserstein-lower-bound",
    source="li2021, Definition 3, projected onto the entries of a patch",
    formula=lambda: r"W(x,\tilde x) \ge \sum_k W_1\bigl((u_{ik})_i,\,(v_{ik})_i\bigr)",
    relation=">=",
    value=internal_wasserstein_lower_bound,
    enclosure=_lower_enclosure,
    broken_hypotheses=lambda x, y, patch, stride=1: broken(lambda: _read(x, y, patch, stride)),
    possible=A_DISTANCE,
)
