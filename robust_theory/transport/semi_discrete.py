"""Finitely many data points, any input: the density of the optimal adversarial law.

Each data point spreads its weight over its ball by its own Gibbs law, and keeps its label. Where
balls of points with the same label overlap, the densities add up.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust_theory.arguments import Floats, broken, exact_rational, real
from robust_theory.arithmetic import enclose
from robust_theory.claim import Claim, Interval
from robust_theory.transport.linear_gibbs import log_sinhc_ball
from robust_theory.transport.log_mean_exp import finite_array, inverse_temperature


def linear_adversarial_density(
    x: Any, points: Any, slope: Any, lam: Any, radius: Any, weights: Any = None
) -> float:
    """Density at x of the optimal adversarial law on the line, for the loss ``slope * x``.

    Each data point spreads its weight over the interval of the given radius by its own Gibbs law;
    where intervals overlap the densities add up. All points have the same label.

    Source: anonymous2022, Theorem 3.2, eq. (19), which counts one of the overlapping terms only
    and does not ask for the label.
    """
    place, a, r = (
        exact_rational(x, "x"),
        exact_rational(slope, "slope"),
        exact_rational(radius, "radius"),
    )
    if r <= 0:
        raise ValueError(f"radius must be positive, got {radius!r}")
    if math.isinf(inverse_temperature(lam)):
        raise ValueError("lam must be finite for a density to exist, got infinity")
    _, w = _points(points, weights)
    tilt = exact_rational(lam) * a
    z = float(min(abs(tilt) * r, Fraction(10**9)))
    # z exp(tilt gap) / sinh(z), from the greatest density on the ball, where nothing overflows
    peak = -2 * float(abs(tilt) * r) / math.expm1(-2 * z) if z else 1.0
    gaps = [(place - exact_rational(v), share) for v, share in zip(points, w, strict=True)]
    inside = [(tilt * gap - abs(tilt) * r, float(share)) for gap, share in gaps if abs(gap) <= r]
    terms = [share * math.exp(max(below, Fraction(-800))) for below, share in inside]
    return math.fsum(terms) * (peak / float(2 * r))


def semi_discrete_log_density(
    x: Any,
    y: Any,
    points: Any,
    labels: Any,
    loss: Any,
    free_energies: Any,
    lam: Any,
    eps: Any,
    weights: Any = None,
) -> float:
    """Logarithm of the optimal adversarial density at the input x with label y, for any loss.

    Parameters
    ----------
    x, y : array (d,), label
        Where; `loss` is the loss there.
    points, labels : array (n, d), (n,)
        The data.
    free_energies : array (n,)
        Of the loss with each point's label on its ball, under the normalised volume.
    eps : float
        Radius of the balls, linf; none of them is cut.

    Returns
    -------
    float
        ``log sum_i w_i 1[y = y_i, |x - x_i| <= eps] exp(lam (loss - F_i)) / (2 eps)^d``, which is
        -inf outside of all balls.

    Raises
    ------
    ValueError
        If shapes differ, there is no point, weights are no probability vector, a number is not
        finite, or eps is not positive.
    """
    place, data = finite_array(x, "x"), finite_array(points, "points")
    energies, rate = finite_array(free_energies, "free_energies"), inverse_temperature(lam)
    radius, height = exact_rational(eps, "eps"), real(loss, "loss")
    if data.ndim != 2 or place.shape != data.shape[1:] or energies.shape != data.shape[:1]:
        raise ValueError(
            f"x, points and free_energies must have shapes (d,), (n, d) and (n,), got "
            f"{place.shape}, {data.shape} and {energies.shape}"
        )
    if radius <= 0 or math.isinf(rate):
        raise ValueError(f"eps must be positive and lam finite, got eps={eps!r}, lam={lam!r}")
    if not len(data):
        raise ValueError("points must hold at least one point, got none")
    w, given = _shares(len(data), weights), np.asarray(labels)
    if given.shape != w.shape:
        raise ValueError(f"labels must hold one label per point, {len(w)}, got {given.shape}")
    near = _reached(data, place, radius) & (given == y) & (w > 0)
    if not near.any():
        return -math.inf
    terms = np.log(w[near]) + rate * (height - energies[near])
    top = float(terms.max())
    volume = int(data.shape[1]) * math.log(2 * radius)
    return top + math.log(np.exp(terms - top).sum()) - volume


def _reached(data: Floats, place: Floats, radius: Fraction) -> NDArray[np.bool_]:
    """Which balls contain the place; compared as printed decimals where doubles cannot tell."""
    away = np.abs(data - place).max(axis=1, initial=0.0)
    band = 2.0**-50 * (np.abs(data).max(axis=1, initial=0.0) + np.abs(place).max(initial=0.0))
    near: NDArray[np.bool_] = away <= float(radius)
    for i in np.flatnonzero(np.abs(away - float(radius)) <= band).tolist():
        row = zip(data[i].tolist(), place.tolist(), strict=True)
        near[i] = all(abs(exact_rational(v) - exact_rational(t)) <= radius for v, t in row)
    return near


def _points(points: Any, weights: Any) -> tuple[Floats, Floats]:
    data = finite_array(points, "points")
    if data.ndim != 1 or not data.size:
        raise ValueError(f"points must have shape (n,), n >= 1, got {data.shape}")
    return data, _shares(data.size, weights)


def _shares(n: int, weights: Any) -> Floats:
    w = np.full(n, 1 / n) if weights is None else finite_array(weights, "weights")
    if w.shape != (n,) or (w < 0).any() or abs(w.sum() - 1) > 1e-12:
        raise ValueError("weights must be one number of at least 0 per point, of sum 1")
    return w


def _density(m: Any, x: Any, points: Any, slope: Any, rate: Any, radius: Any, w: Any) -> Any:
    z = rate * abs(slope) * radius
    total = m.number(0)
    for point, weight in zip(points, w, strict=True):
        if abs(point - x) <= radius:
            scale = log_sinhc_ball(m, z) if z else m.number(0)
            total += m.number(weight) * m.exp(m.number(rate * slope * (x - point)) - scale)
    return total / (2 * m.number(radius))


def _density_enclosure(
    x: Any, points: Any, slope: Any, lam: Any, radius: Any, weights: Any = None
) -> Interval:
    linear_adversarial_density(x, points, slope, lam, radius, weights)
    data = [exact_rational(v) for v in points]
    w = [Fraction(1, len(data))] * len(data) if weights is None else [
        exact_rational(v) for v in weights]  # fmt: skip
    given = exact_rational(x), exact_rational(slope), exact_rational(lam), exact_rational(radius)
    if all(abs(point - given[0]) > given[3] for point in data):
        return Interval(0.0, 0.0)
    return enclose(_density, given[0], data, given[1], given[2], given[3], w)


LINEAR_ADVERSARIAL_DENSITY = Claim(
    name="linear-adversarial-density",
    source="anonymous2022, Theorem 3.2, summed over overlapping balls",
    formula=lambda: (
        r"p_{adv}(x) = \sum_i w_i\,1[|x-x_i|\le\varepsilon]\,"
        r"\frac{\lambda a\,e^{\lambda a(x-x_i)}}{2\sinh(\lambda a\varepsilon)}"
    ),
    relation="==",
    value=linear_adversarial_density,
    enclosure=_density_enclosure,
    broken_hypotheses=lambda **arguments: broken(lambda: linear_adversarial_density(**arguments)),
)
