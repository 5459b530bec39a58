"""Rates at which Laplace flow noise lets a score change, when only the noised image is seen.

Flow round a cycle of pixels changes no image, so part of the noise on each edge stays unknown and
the score changes more slowly than the noise alone would allow. The rates are above Phi of an edge
(ground metric l1) and above lambda (l2); both are kept as corners of a continuous function that is
linear in between, so that ``psi(p)``, the integral of its reciprocal, is a finite sum of
logarithms. The corners are exact numbers: multiples of 2^-52.

Source: levine2020, Theorem 1, sharpened; proofs on the page on Wasserstein smoothing.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

Ground = Literal["l1", "l2"]

UNIT = 2.0**-52
_HALF = Fraction(1, 2)


@dataclass(frozen=True)
class Rate:
    """A piecewise linear function from 0 at 0 to its value at 1/2, by its corners.

    Parameters
    ----------
    q, v : tuple of float
        Corners, increasing from 0 to 1/2, and the values there; exact, as are differences.
    beyond : tuple of float
        Integral of 1/v from each corner but the first to 1/2.
    """

    q: tuple[float, ...]
    v: tuple[float, ...]
    beyond: tuple[float, ...]

    def integral(self, t: Fraction) -> float:
        """Integral of 1/v from t to 1/2, for 0 < t <= 1/2, within 16 roundings."""
        k = min(bisect_right(self.q, t), len(self.q) - 1)
        if k == 1:
            slope = self.v[1] / self.q[1]
            return _log_ratio(self.q[1], t) / slope + self.beyond[0]
        slope = (self.v[k] - self.v[k - 1]) / (self.q[k] - self.q[k - 1])
        width = float(Fraction(self.q[k]) - t)
        return _piece(width, self.v[k] - slope * width, slope * width) + self.beyond[k - 1]

    def integral_ball(self, m: Any, t: Fraction) -> Any:
        """The same integral by ball arithmetic."""
        total = m.number(0)
        for (a, b), (u, w) in zip(pairwise(self.q), pairwise(self.v), strict=True):
            lo, hi, at_lo, at_hi = Fraction(a), Fraction(b), Fraction(u), Fraction(w)
            if hi <= t:
                continue
            slope = (at_hi - at_lo) / (hi - lo)
            if lo < t:
                lo, at_lo = t, at_lo + slope * (t - lo)
            total += (
                m.log(at_hi / at_lo) / m.number(slope) if slope else m.number((hi - lo) / at_lo)
            )
        return total


@cache
def rate(ground: Ground) -> Rate:
    """The rate for the ground metric, on grids with at least two rows and two columns."""
    nodes = constants()["edge_nodes" if ground == "l1" else "l2_nodes"]
    q = (0.0, *(place * UNIT for place, _ in nodes))
    v = (0.0, *(value * UNIT for _, value in nodes))
    pieces = [_piece(q[k + 1] - q[k], v[k], v[k + 1] - v[k]) for k in range(len(q) - 2, 0, -1)]
    beyond = [math.fsum(pieces[:k]) for k in range(len(pieces), -1, -1)]
    return Rate(q, v, tuple(beyond))


@cache
def constants() -> dict[str, list[list[int]]]:
    """Lines and corners as ``docs/tools/smoothing_constants.py`` computed them."""
    path = Path(__file__).with_name("smoothing_constants.json")
    tables: dict[str, list[list[int]]] = json.loads(path.read_text(encoding="utf-8"))
    return tables


def rate_per_distance(axis: float, diagonal: float) -> float:
    """Greatest rate per l2 distance of axis and diagonal unit transports together.

    The largest of ``((1 - t) axis + t diagonal) / sqrt(1 + t^2)`` over 0 <= t <= 1.
    """
    if diagonal <= axis:
        return axis
    if diagonal >= 2 * axis:
        return diagonal / math.sqrt(2)
    return math.hypot(axis, diagonal - axis)


def problems() -> tuple[str, ...]:
    """Corners that are not above the lines of the constants, as sentences; none if all are.

    Between two corners one line of each kind must be below the function at both ends; the
    function is then above it in between: for an edge as both are linear, for lambda because it is
    convex along lines. Exact arithmetic.
    """
    unit = Fraction(UNIT)
    tables = constants()
    edge, diagonal = (
        [(Fraction(s) * unit, Fraction(K) * unit) for s, K in tables[name]]
        for name in ("edge_lines", "diagonal_lines")
    )
    found = []
    for name in ("edge_nodes", "l2_nodes"):
        nodes = [(Fraction(0), Fraction(0))]
        nodes += [(q * unit, v * unit) for q, v in tables[name]]
        if nodes[-1][0] != _HALF:
            found.append(f"{name}: the last corner is not at 1/2")
        for (a, u), (b, w) in pairwise(nodes):
            middle = (a + b) / 2
            s, K = min(edge, key=lambda line: line[1] + line[0] * middle)
            ends = [K + s * a, K + s * b]
            if name == "edge_nodes":
                above = ends[0] <= u and ends[1] <= w
            else:
                s, K = min(diagonal, key=lambda line: line[1] + line[0] * middle)
                above = _rate_at_most(ends[0], K + s * a, u) and _rate_at_most(
                    ends[1], K + s * b, w
                )
            if not (a < b and 0 <= u <= w and above):
                found.append(f"{name}: not above the lines between {float(a)} and {float(b)}")
    return tuple(found)


def _rate_at_most(axis: Fraction, diagonal: Fraction, value: Fraction) -> bool:
    if diagonal <= axis:
        return axis <= value
    if diagonal >= 2 * axis:
        return diagonal**2 <= 2 * value**2
    return axis**2 + (diagonal - axis) ** 2 <= value**2


def _piece(width: float, start: float, rise: float) -> float:
    """Integral of 1/v over a width on which v rises linearly from start by rise."""
    x = rise / start
    return width / start * (math.log1p(x) / x if x else 1.0)


def _log_ratio(q: float, t: Fraction) -> float:
    return math.log1p(float(Fraction(q) - t) / float(t)) if 2 * t > q else math.log(q / t)
