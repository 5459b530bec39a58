"""How far an affine margin can rise inside a ball that a box cuts: what no attack exceeds.

A ball cut by a box is where attacks on images search, and an affine classifier is where they can be
held against the truth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from robust_theory.arguments import broken, exact_rational
from robust_theory.arithmetic import around, enclose
from robust_theory.claim import A_DISTANCE, Claim, Interval
from robust_theory.risks.samples import Norm, read_norm

Slopes = list[tuple[Fraction, Fraction]]  # |w_j| and the room c_j of each coordinate


def affine_rise(weight: Any, point: Any, eps: Any, norm: Any = "linf", box: Any = (0, 1)) -> Any:
    """Largest rise of w.z from x to a z of the box with ||z - x|| <= eps, rounded up.

    With c_j the room of coordinate j in the direction of w_j, and at most eps,

        max w.(z - x) = min over v of  sum_j c_j |v_j| + eps ||w - v||_*

    Parameters
    ----------
    weight, point : sequence (d,)
        w and x; numbers, Fractions or strings, a float being its printed decimal.
    eps : number or array
        Radius, at least 0; the result has its shape.
    norm : {"linf", "l2", "l1"}
        Of the ball.
    box : pair or None
        Ends of all coordinates, x between them; None for no box.

    Raises
    ------
    ValueError
        If an argument is none of these.

    Notes
    -----
    Source: chapter17, eq. (1) for an affine loss, with the range of the data; madry2018,
    section 2.1, without it.
    """
    if isinstance(eps, np.ndarray | list | tuple):
        radii = np.asarray(eps, dtype=object)
        found = [affine_rise(weight, point, e, norm, box) for e in radii.ravel()]
        return np.array(found, dtype=float).reshape(radii.shape)
    slopes, radius, kind = _read(weight, point, eps, norm, box)
    if kind == "linf":
        return around(sum((w * c for w, c in slopes), Fraction(0))).hi
    if kind == "l1":
        return around(_greedily(slopes, radius)).hi
    stopped, square = _by_stops(slopes, radius)
    return enclose(_sum, stopped, square).hi


def _greedily(slopes: Slopes, radius: Fraction) -> Fraction:
    """Spend the budget where the slope is steepest."""
    total, left = Fraction(0), radius
    for w, c in sorted(slopes, reverse=True):
        total, left = total + w * min(c, left), max(Fraction(0), left - c)
    return total


def _by_stops(slopes: Slopes, radius: Fraction) -> tuple[Fraction, Fraction]:
    """Numbers a and b with rise = a + sqrt(b) for l2: coordinates go on as t |w_j| until they stop.

    At t, the stopped ones have moved by c_j, the others by t |w_j|.
    """
    moving = sum((w * w for w, _ in slopes), Fraction(0))
    gain, used = Fraction(0), Fraction(0)
    for w, c in sorted(((w, c) for w, c in slopes if w), key=lambda pair: pair[1] / pair[0]):
        if used + (c / w) ** 2 * moving > radius**2:
            break
        gain, used, moving = gain + w * c, used + c * c, moving - w * w
    return gain, (radius**2 - used) * moving


def _sum(m: Any, a: Any, b: Any) -> Any:
    return m.number(a) + m.sqrt(m.number(b))


def _read(weight: Any, point: Any, eps: Any, norm: Any, box: Any) -> tuple[Slopes, Fraction, Norm]:
    kind = read_norm(norm)
    columns = []
    for name, column in (("weight", weight), ("point", point)):
        if isinstance(column, str) or not hasattr(column, "__len__") or not len(column):
            raise ValueError(f"{name} must be a sequence of numbers, got {column!r}")
        columns.append([exact_rational(value, name) for value in column])
    w, x = columns
    if len(w) != len(x):
        raise ValueError(f"weight and point must be equally long, got {len(w)} and {len(x)}")
    radius = exact_rational(eps, "eps")
    if radius < 0:
        raise ValueError(f"eps must be at least 0, got {eps}")
    if box is None:
        return [(abs(a), radius) for a in w], radius, kind
    if isinstance(box, str) or not hasattr(box, "__len__") or len(box) != 2:
        raise ValueError(f"box must be a pair of numbers or None, got {box!r}")
    low, high = (exact_rational(end, "box") for end in box)
    if not all(low <= value <= high for value in x):
        raise ValueError(f"point must lie in the box [{low}, {high}]")
    room = [high - b if a > 0 else b - low for a, b in zip(w, x, strict=True)]
    return [(abs(a), min(c, radius)) for a, c in zip(w, room, strict=True)], radius, kind


def _enclosure(
    weight: Any, point: Any, eps: Any, norm: Any = "linf", box: Any = (0, 1)
) -> Interval:
    """The least of the upper bounds: v for l1 and linf from its candidates, for l2 by growing."""
    slopes, radius, kind = _read(weight, point, eps, norm, box)
    if kind != "l2":
        return around(min(_bounds(slopes, radius, kind)))
    stopped: set[int] = set()
    while True:
        moving = sum((w * w for j, (w, _) in enumerate(slopes) if j not in stopped), Fraction(0))
        left = radius**2 - sum((slopes[j][1] ** 2 for j in stopped), Fraction(0))
        # Where t |w_j| > c_j with the t of those that move, j must stop.
        more = {
            j
            for j, (w, c) in enumerate(slopes)
            if j not in stopped and left * w * w > c * c * moving
        }
        if not more:
            break
        stopped |= more
    a, b = sum((slopes[j][0] * slopes[j][1] for j in stopped), Fraction(0)), left * moving
    return _root(a, b)


def _bounds(slopes: Slopes, radius: Fraction, kind: Norm) -> Iterator[Fraction]:
    """Upper bounds for v = (|w| - mu)_+ (l1) or v_j in {0, |w_j|} (linf), the least one exact."""
    if kind == "linf":
        yield sum((min(c * w, radius * w) for w, c in slopes), Fraction(0))
        return
    for mu in {Fraction(0), *(w for w, _ in slopes)}:
        yield mu * radius + sum((c * max(w - mu, Fraction(0)) for w, c in slopes), Fraction(0))


def _root(a: Fraction, b: Fraction) -> Interval:
    """The doubles next to a + sqrt(b)."""
    low = high = float(a) + math.sqrt(b)

    def above(x: float) -> bool:
        return Fraction(x) >= a and (Fraction(x) - a) ** 2 >= b

    def below(x: float) -> bool:
        return Fraction(x) <= a or (Fraction(x) - a) ** 2 <= b

    low = _moved(low, below, -math.inf)
    return Interval(low, _moved(high, above, math.inf))


def _moved(x: float, fits: Callable[[float], bool], towards: float) -> float:
    while not fits(x):
        x = math.nextafter(x, towards)
    return x


def _broken(
    weight: Any, point: Any, eps: Any, norm: Any = "linf", box: Any = (0, 1)
) -> tuple[str, ...]:
    return broken(lambda: _read(weight, point, eps, norm, box))


AFFINE_RISE = Claim(
    name="affine-rise",
    source="chapter17, eq. (1), for an affine loss in a box",
    formula=lambda: (
        r"w^T (z - x) \le \min_v \sum_j c_j |v_j| + \varepsilon \|w - v\|_*,\quad "
        r"\|z - x\| \le \varepsilon,\ \mathrm{room}\ c_j\ \mathrm{towards}\ w_j"
    ),
    relation="<=",
    value=affine_rise,
    enclosure=_enclosure,
    broken_hypotheses=_broken,
    possible=A_DISTANCE,
)
