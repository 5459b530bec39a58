"""What a 2x2 block of pixels hides of the flow: upper bounds, by directed rounding, on its scores.

A flow round the four pixels changes no image, so of four independent Laplace(1) edge values only
their differences are seen. Given those, let S be the mean sign of one edge and S_d that of two
neighbouring edges together, the score of a diagonal transport. With the order statistics' gaps
g1, g2, g3 and ``a = exp(-2 g1)``, ``c = exp(-2 g3)``, ``T = 1 + g2 - (a + c)/4``, each of the
equally likely values of T S and T S_d is linear in (a, c, g2), and the gaps have the density
``1.5 exp(-2 g2) T`` where exp(-g1) and exp(-g3) are uniform coordinates on [0, 1].
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from robust_theory.arguments import Floats

Move = Literal["edge", "diagonal"]

# Each value of T times the score, as coefficients of (1, a, c, g2).
SCORES: dict[Move, tuple[tuple[float, float, float, float], ...]] = {
    "edge": (
        (1, -0.75, -0.25, 1),
        (0, 0.25, -0.25, 1),
        (0, 0.25, -0.25, -1),
        (-1, 0.25, 0.75, -1),
    ),
    "diagonal": (
        (1, -0.5, -0.5, 2),
        (1, -0.5, -0.5, 0),
        (0, -0.5, 0.5, 0),
        (0, 0.5, -0.5, 0),
        (-1, 0.5, 0.5, 0),
        (-1, 0.5, 0.5, -2),
    ),
}
# Of the linear forms, at most 3 in size: fewer than 16 roundings of numbers below 4.
_FORM_ERROR = 2.0**-46
# Of exp and of sums of some 10^7 positive terms by pairs: far below this.
_RELATIVE = 2.0**-40


def excess_limits(thresholds: Floats, move: Move, cells: int) -> tuple[Floats, Floats]:
    """Bounds, below and above, on E (S - s)^+ for each threshold s in [0, 2].

    The inner mean over g2 is a convex function of (a, c). On a rectangle of the two uniform
    coordinates, with the exact conditional means of a and c, its mean is at least its value at
    the means (Jensen) and at most that of the two-point laws on the corners with these means
    (Edmundson and Madansky). Both differ from the truth by about ``cells^-2``.

    Parameters
    ----------
    thresholds : array (k,)
        The s, at least 0.
    move : {"edge", "diagonal"}
        Which score.
    cells : int
        Rectangles along each axis.

    Returns
    -------
    lower, upper : array (k,)
        Rounding errors included.
    """
    ends = np.linspace(0.0, 1.0, cells + 1)
    squares = ends**2
    means = (squares[:-1] + ends[:-1] * ends[1:] + squares[1:]) / 3
    # Mass of a cell that its two-point law puts on the upper end.
    upper_share = (means - squares[:-1]) / (squares[1:] - squares[:-1]) / cells
    weights = np.zeros(cells + 1)
    weights[1:] += upper_share
    weights[:-1] += 1 / cells - upper_share
    flat = np.full(cells, 1 / cells)
    lower, upper = [], []
    for s in np.asarray(thresholds, np.float64):
        below = _mean_excess(float(s), move, means, flat, -_FORM_ERROR)
        above = _mean_excess(float(s), move, squares, weights, _FORM_ERROR)
        lower.append(below * (1 - _RELATIVE))
        # The two-point weights carry a rounding of size 2^-52 cells each.
        upper.append(above * (1 + _RELATIVE) + 2.0**-40)
    return np.array(lower), np.array(upper)


def _mean_excess(s: float, move: Move, squares: Floats, weights: Floats, shift: float) -> float:
    """Sum over pairs (a, c) of the squares with product weights, forms moved by `shift`."""
    total = 0.0
    forms = SCORES[move]
    for one, a, c, g in forms:
        # T S - s T, with T = 1 + g2 - (a + c)/4.
        constant, on_a, on_c, slope = one - s, a + s / 4, c + s / 4, g - s
        if max(constant, constant + on_a, constant + on_c, constant + on_a + on_c) <= 0 >= slope:
            continue
        for start in range(0, len(squares), 256):
            rows = squares[start : start + 256, None]
            form = constant + on_a * rows + on_c * squares + shift
            total += float(weights[start : start + 256] @ _laplace_mean(form, slope) @ weights)
    return 1.5 / len(forms) * total


def _laplace_mean(form: Floats, slope: float) -> Floats:
    """Integral over g >= 0 of exp(-2 g) (form + slope g)^+."""
    value = np.where(form >= 0, form / 2 + slope / 4, 0.0)
    if slope != 0:
        # The part of the line beyond its zero, if it has one.
        crossing = form * slope < 0
        exponent = np.where(crossing, 2 * form / slope, -np.inf)
        value = value + abs(slope) / 4 * np.exp(exponent)
    return np.maximum(value, 0.0)
