"""Latent vectors uniform on a sphere, where caps take the part of half-spaces (Lévy)."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from scipy import special

from robust_theory import isoperimetry
from robust_theory.arguments import (
    ClassMeasures,
    Floats,
    broken,
    budgets,
    class_measures,
    exact_measures,
    exact_rational,
    positive_integer,
)
from robust_theory.arithmetic import Balls, enclose, statement
from robust_theory.claim import A_PROBABILITY, Claim, Interval
from robust_theory.latents import positive
from robust_theory.special import gamma, increasing_inverse

Distance = Literal["geodesic", "chord"]

_U = 2.0**-53
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)
_NODES, _WEIGHTS = (_NODES + 1) / 2, _WEIGHTS / 2


def sphere_fooling_probability(
    measures: Any, eps: Any, d: int, radius: Any = 1, *, distance: Distance = "geodesic"
) -> Any:
    """Lower bound on P(r <= eps) for latent vectors uniform on a sphere in d dimensions.

    sum_i [c_i - cap(theta_i - eps / radius)], where cap(theta) is the measure of a cap of angle
    theta and cap(theta_i) = c_i. Attained by two caps.

    Parameters
    ----------
    measures : sequence (K,)
        Class measures under the uniform law.
    eps : number or array
        Budgets, at least 0: geodesic distances on the sphere, or lengths of chords.
    d : int
        Dimension of the space around the sphere, at least 2.
    radius : number
        Of the sphere.
    distance : {"geodesic", "chord"}
        What eps measures; a chord eps spans the angle 2 asin(eps / (2 radius)).

    Returns
    -------
    float or array, in the shape of `eps`
        Rounded down, within (2 + d) 1e-15 relatively for classes between 0.1 and 0.9, and within
        1e-11 for classes down to 1e-6 and d up to 100.

    Raises
    ------
    ValueError
        If d is below 2 or the radius not positive, or another argument is not as described.

    Notes
    -----
    Source: levy1951, isoperimetry on the sphere; fawzi2018, Theorem 1.
    """
    budget = budgets(eps)
    n, classes = positive_integer(d, "d", least=2), class_measures(measures)
    if classes.complements[-1] == 0:
        return isoperimetry.shaped(np.zeros(budget.size), budget)
    angle = _angles(budget.ravel(), float(positive(radius, "radius")), distance)
    grown = np.zeros(angle.size)
    for c, q, times in _each(classes):
        grown += times * _growth(c, q, angle, n)
    additions = 4 * len(classes.measures) * _U
    return isoperimetry.shaped(np.clip(grown * (1 - additions), 0, 1), budget)


def _each(classes: ClassMeasures) -> list[tuple[float, float, float]]:
    columns = (classes.measures, classes.complements, classes.multiplicities)
    return [(float(c), float(q), float(n)) for c, q, n in zip(*columns, strict=True)]


def _angles(eps: Floats, radius: float, distance: str) -> Floats:
    """Angles that the budgets span, at most pi, rounded down."""
    if distance == "geodesic":
        angle = np.minimum(eps / radius, math.pi)
    elif distance == "chord":
        angle = 2 * np.arcsin(np.minimum(eps / (2 * radius), 1.0))
    else:
        raise ValueError(f"distance must be 'geodesic' or 'chord', got {distance!r}")
    return np.asarray(angle * (1 - 8 * _U))


def _growth(c: float, q: float, angle: Floats, d: int) -> Floats:
    """c - cap(theta - angle), rounded down, where cap(theta) = c and q = 1 - c."""
    half = (d - 1) / 2
    small = min(c, q)
    sine = math.sqrt(special.betaincinv(half, 0.5, 2 * small))
    cosine = math.sqrt(special.betainccinv(0.5, half, 2 * small))
    # The angle from the equator, positive for a cap larger than a half-sphere.
    height = math.copysign(math.atan2(cosine, sine), c - q)
    reach = math.pi / 2 + height
    # The smaller of the cap and its complement, so that nothing is lost of it.
    if c <= q:
        direct = c - _cap(np.maximum(height - angle, -math.pi / 2), half)
    else:
        direct = _cap(np.minimum(angle - height, math.pi / 2), half) - q
    direct = np.where(angle >= reach, c, direct)
    # Small steps: the integral of the density cos^(d-2), which hardly changes over them.
    near = (d * angle < 2) & (angle < min(reach, math.pi - reach) / 4)
    t = height - angle[:, None] * _NODES
    density = np.exp((d - 2) * np.log(np.cos(np.where(near[:, None], t, 0.0))))
    integral = angle * (density @ _WEIGHTS) / special.beta(half, 0.5)
    # The density at the edge is as far off as d - 2 times its angle, relatively.
    slack = 60 + 6 * d + 8 * (d - 2) * cosine / sine
    return np.asarray(np.where(near, integral, direct) * (1 - slack * _U))


def _cap(height: Floats, half: float) -> Floats:
    """Measure of the cap that ends at this angle above the equator."""
    below = special.betainc(half, 0.5, np.cos(height) ** 2) / 2
    centre = special.betainc(0.5, half, np.sin(height) ** 2) / 2
    small = np.where(below > 0.1, 0.5 - centre, below)
    return np.asarray(np.where(height <= 0, small, 1 - small))


# The formulas, each read with balls and with symbols.


def _cap_measure(m: Any, theta: Any, d: Any) -> Any:
    if not isinstance(m, Balls):
        import sympy

        return sympy.Function(r"\mathrm{cap}")(theta)
    # An odd function of the cosine: the hypergeometric form of the incomplete beta function.
    x, half = m.number(theta).cos(), (m.number(d) - 1) / 2
    one = m.number(1)
    series = (x * x).hypgeom_2f1(one / 2, 1 - half, 3 * one / 2)
    scale = gamma(m, half + one / 2) / (gamma(m, half) * m.sqrt(m.pi))
    return (1 - 2 * x * series * scale) / 2


def _cap_angle(m: Any, c: Any, d: Any) -> Any:
    if isinstance(m, Balls) and 2 * c == 1:
        return m.pi / 2
    return increasing_inverse(
        m, lambda theta: _cap_measure(m, theta, d), c, 0, m.pi, r"\mathrm{cap}^{-1}"
    )


def _grown(m: Any, c: Any, angle: Any, d: Any) -> Any:
    theta = _cap_angle(m, c, d)
    if not isinstance(m, Balls):
        return c - _cap_measure(m, theta - angle, d)
    left = theta - angle
    if left <= 0:
        return m.number(c)
    return m.number(c) - _cap_measure(m, left, d)


def _probability(m: Any, c: Any, eps: Any, radius: Any, d: Any = None, chord: bool = False) -> Any:
    angle = m.number(eps) / m.number(radius)
    if chord:
        angle = 2 * (angle / 2).asin()
    return m.sum(lambda ci: _grown(m, ci, angle, d), c)


def _enclosure(
    measures: Any, eps: Any, d: int, radius: Any = 1, *, distance: Distance = "geodesic"
) -> Interval:
    c, e, rho = exact_measures(measures), float(budgets(eps)), positive(radius, "radius")
    if e == 0 or c[-1][0] == 1:
        return Interval(0.0, 0.0)
    isoperimetry.require(_broken(measures, eps, d, radius, distance=distance))
    chord = distance == "chord"
    if e == math.inf or exact_rational(eps) >= (2 * rho if chord else 4 * rho):
        return Interval(1.0, 1.0)
    n = positive_integer(d, "d", least=2)
    return enclose(_probability, c, exact_rational(eps), rho, n, chord, within=A_PROBABILITY)


def _broken(
    measures: Any, eps: Any, d: Any, radius: Any = 1, *, distance: Any = "geodesic"
) -> tuple[str, ...]:
    return broken(
        lambda: exact_measures(measures),
        lambda: budgets(eps),
        lambda: positive_integer(d, "d", least=2),
        lambda: positive(radius, "radius"),
        lambda: _angles(np.zeros(1), 1.0, distance),
    )


SPHERE_FOOLING_PROBABILITY = Claim(
    name="sphere-fooling-probability",
    source="levy1951, isoperimetry on the sphere",
    formula=lambda: statement(
        r"P(r \le \varepsilon) \ge", _probability, "c_", r"\varepsilon", r"\rho"
    ),
    relation=">=",
    value=sphere_fooling_probability,
    enclosure=_enclosure,
    broken_hypotheses=_broken,
    possible=A_PROBABILITY,
)
