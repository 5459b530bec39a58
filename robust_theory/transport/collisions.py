"""How likely two of n independent points lie close: when balls around the data are disjoint."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from robust_theory.arguments import broken, budgets, exact_rational, positive_integer
from robust_theory.arithmetic import around, enclose
from robust_theory.claim import A_PROBABILITY, Claim, Interval


def collision_probability_bound(n: Any, d: Any, eps: Any, density: Any = 1.0) -> Any:
    """Upper bound on P(two of n points are within eps of each other in linf); rounded up.

    ``n(n-1)/2 M min(min(1, 2 eps)^d, M (2r - r^2)^d)`` with r = min(1, eps), and 1 at most. For
    the uniform law, M = 1, each pair has exactly the probability (2r - r^2)^d.

    Parameters
    ----------
    n, d : int
        Number of points, independent draws, and their dimension.
    eps : number or array
        Distance, linf. The balls of radius eps around the points are disjoint when no two are
        within *twice* that: give 2 eps then.
    density : number
        An upper bound M >= 1 on the density of the points on the unit cube.

    Source: anonymous2022, Proposition 3.6, whose volume eps^d must be (2 eps)^d.
    """
    points, dimension, most = _read(n, d, density)
    radii = np.asarray(eps)
    if radii.ndim:
        budgets(eps)
        each = [collision_probability_bound(n, d, r, density) for r in radii.ravel().tolist()]
        return np.array(each).reshape(radii.shape)
    if budgets(eps) >= 1:
        return 1.0 if points > 1 else 0.0
    r = exact_rational(eps, "eps")
    pair = most * min(min(Fraction(1), 2 * r) ** dimension, most * (2 * r - r * r) ** dimension)
    return around(min(Fraction(1), Fraction(points * (points - 1), 2) * pair)).hi


def log_collision_bound(n: Any, d: Any, eps: Any, density: Any = 1.0) -> float:
    """Natural logarithm of the same bound, for probabilities that no double can hold."""
    points, dimension, most = _read(n, d, density)
    if budgets(eps) >= 1:
        return 0.0 if points > 1 else -math.inf
    r = float(exact_rational(eps, "eps"))
    pairs, M = points * (points - 1) / 2, float(most)
    if not pairs or not r:
        return -math.inf
    box = dimension * math.log(min(1.0, 2 * r))
    average = math.log(M) + dimension * (math.log(r) + math.log(2 - r))
    bound = math.log(pairs) + math.log(M) + min(box, average)
    return min(0.0, bound + 2.0**-50 * (abs(box) + 40))


def uniform_collision_probability(n: Any, radius: Any) -> float:
    """Exact probability that two of n uniform points on [0, 1] are within `radius`.

    ``1 - (1 - (n-1) radius)_+^n``; to the nearest double.
    """
    points, r = positive_integer(n, "n"), exact_rational(radius, "radius")
    if r < 0:
        raise ValueError(f"radius must be at least 0, got {radius!r}")
    left = max(Fraction(0), 1 - (points - 1) * r)
    return float(1 - left**points)


def _read(n: Any, d: Any, density: Any) -> tuple[int, int, Fraction]:
    most = exact_rational(density, "density")
    if most < 1:
        raise ValueError(f"density must be at least 1, since it has integral 1, got {density!r}")
    return positive_integer(n, "n"), positive_integer(d, "d"), most


def _bound(m: Any, pairs: Fraction, d: int, r: Fraction, most: Fraction) -> Any:
    box = m.exp(d * m.log(min(Fraction(1), 2 * r)))
    average = m.number(most) * m.exp(d * m.log(2 * r - r * r))
    return m.number(pairs * most) * (box if box < average else average)


def _enclosure(n: Any, d: Any, eps: Any, density: Any = 1.0) -> Interval:
    points, dimension, most = _read(n, d, density)
    pairs = Fraction(points * (points - 1), 2)
    if budgets(eps) >= 1 or not pairs or not exact_rational(eps):
        return Interval(*(float(bool(pairs) and budgets(eps) >= 1),) * 2)
    box = enclose(_bound, pairs, dimension, exact_rational(eps), most)
    return Interval(min(1.0, box.lo), min(1.0, box.hi))


def _broken(n: Any, d: Any, eps: Any, density: Any = 1.0) -> tuple[str, ...]:
    return broken(lambda: _read(n, d, density), lambda: budgets(eps))


COLLISION_PROBABILITY = Claim(
    name="collision-probability",
    source="anonymous2022, Proposition 3.6, with the right volume and a constant",
    formula=lambda: (
        r"P(\exists\,i\ne j : \Vert x_i-x_j\Vert_\infty\le\varepsilon)"
        r" \le \frac{n(n-1)}{2}\,M\,\min\{(2\varepsilon)^d, M(2\varepsilon-\varepsilon^2)^d\}"
    ),
    relation="<=",
    value=collision_probability_bound,
    enclosure=_enclosure,
    broken_hypotheses=_broken,
    possible=A_PROBABILITY,
)
