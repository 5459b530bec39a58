"""How much noise a region of the image collects: flow noise only across its border."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from robust_theory.arguments import broken, exact_rational, positive_integer
from robust_theory.arithmetic import around
from robust_theory.claim import A_DISTANCE, Claim, Interval


def patch_variance(
    rows: int, columns: int, height: int, width: int, top: int, left: int, sigma: Any = 1
) -> float:
    """Variance of the total of a rectangle of pixels under flow noise of variance sigma^2.

    sigma^2 times the number of edges that leave the rectangle: ``4 k`` for a k x k patch inside,
    ``3 k`` at one side of the image, ``2 k`` in a corner, 0 for the whole image. Pixel noise of
    the same variance gives ``k^2``, which is less for k < 4.

    Parameters
    ----------
    rows, columns : int
        Size of the image.
    height, width, top, left : int
        Size of the rectangle, and its first row and column, from 0.
    sigma : number
        Standard deviation of the flow over each edge, independent over edges.

    Returns
    -------
    float
        Exact up to one rounding.

    Raises
    ------
    ValueError
        If the rectangle is not inside the image.

    Notes
    -----
    Source: levine2020, section 6.1, which says 4 k sigma^2 without the border cases.
    """
    return float(_variance(rows, columns, height, width, top, left, sigma))


def _variance(
    rows: int, columns: int, height: int, width: int, top: int, left: int, sigma: Any
) -> Fraction:
    n, m = positive_integer(rows, "rows"), positive_integer(columns, "columns")
    h, w = positive_integer(height, "height"), positive_integer(width, "width")
    i, j = positive_integer(top, "top", least=0), positive_integer(left, "left", least=0)
    if i + h > n or j + w > m:
        raise ValueError(f"the rectangle must be inside the image, got {h} x {w} at ({i}, {j})")
    crossing = w * ((i > 0) + (i + h < n)) + h * ((j > 0) + (j + w < m))
    return exact_rational(sigma, "sigma") ** 2 * crossing


def _enclosure(
    rows: int, columns: int, height: int, width: int, top: int, left: int, sigma: Any = 1
) -> Interval:
    """By counting edges with one end inside."""
    _variance(rows, columns, height, width, top, left, sigma)

    def inside(i: int, j: int) -> bool:
        return top <= i < top + height and left <= j < left + width

    crossing = sum(
        inside(i, j) != inside(i + di, j + dj)
        for i in range(rows)
        for j in range(columns)
        for di, dj in ((1, 0), (0, 1))
        if i + di < rows and j + dj < columns
    )
    exact = exact_rational(sigma, "sigma") ** 2 * crossing
    return around(exact)


def _broken(
    rows: int, columns: int, height: int, width: int, top: int, left: int, sigma: Any = 1
) -> tuple[str, ...]:
    return broken(lambda: _variance(rows, columns, height, width, top, left, sigma))


PATCH_VARIANCE = Claim(
    name="flow-noise-patch-variance",
    source="levine2020, section 6.1",
    formula=lambda: (
        r"\mathrm{Var}\Bigl(\sum_{i \in A} \bigl(x + D\delta\bigr)_i\Bigr) = "
        r"\sigma^2 |\partial A|"
    ),
    relation="==",
    value=patch_variance,
    enclosure=_enclosure,
    broken_hypotheses=_broken,
    possible=A_DISTANCE,
)
