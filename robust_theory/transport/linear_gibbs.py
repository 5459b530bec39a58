"""Linear losses on boxes: free energy and mean of the Gibbs law in closed form.

The coordinates are independent under the Gibbs law, so everything is a sum over coordinates of a
function of z_j = lam * slope_j * half-width_j.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from robust_theory.arguments import Floats, broken, exact_rational, positive_integer, real
from robust_theory.arithmetic import around, enclose
from robust_theory.claim import Claim, Interval
from robust_theory.transport.log_mean_exp import finite_array, inverse_temperature


def linear_free_energy(slopes: Any, lam: Any, lower: Any, upper: Any) -> float:
    """Free energy of the loss ``sum_j slopes_j x_j`` under the uniform law on a box.

    ``sum_j [slopes_j m_j + log(sinh(z_j) / z_j) / lam]`` with the middle m_j of side j.

    Parameters
    ----------
    slopes : array (d,)
        Gradient of the loss.
    lam : number or "inf"
        Inverse temperature, at least 0.
    lower, upper : array (d,)
        The box; for a data point x the ball of radius eps has ``x - eps`` and ``x + eps``, cut
        where the space of inputs ends.
    """
    a, low, high = _read(slopes, lower, upper)
    rate = inverse_temperature(lam)
    half, middle = high / 2 - low / 2, low / 2 + high / 2
    reach = np.abs(a) * half
    if math.isinf(rate):
        return math.fsum(a * middle + reach)
    with np.errstate(over="ignore"):
        z = rate * reach
    # lam log(sinh z / z) / lam^2 without a quotient of tiny numbers: reach * (log(sinh z/z) / z).
    return math.fsum(a * middle) + math.fsum(reach * log_sinhc_ratio(z))


def linear_gibbs_mean(slopes: Any, lam: Any, lower: Any, upper: Any) -> Floats:
    """Mean of the Gibbs law of a linear loss on a box: middle + half-width (coth z - 1/z)."""
    a, low, high = _read(slopes, lower, upper)
    rate = inverse_temperature(lam)
    half, middle = high / 2 - low / 2, low / 2 + high / 2
    if math.isinf(rate):
        return middle + half * np.sign(a)
    with np.errstate(over="ignore"):
        z = rate * np.abs(a) * half
    return middle + half * np.sign(a) * langevin(z)


def gained_fraction(dimension: Any, reach: Any, lam: Any) -> float:
    """Share of the adversary's greatest gain that the Gibbs law attains, on average.

    For a linear loss whose gain `reach` (eps times the l1 norm of the gradient) is spread evenly
    over `dimension` coordinates: coth z - 1/z with z = lam * reach / dimension.

    Parameters
    ----------
    dimension : int
        At least 1.
    reach : number
        The greatest gain, at least 0; where it is 0, so is the share.
    lam : number or "inf"
        Inverse temperature, at least 0.
    """
    count, gain = positive_integer(dimension, "dimension"), real(reach, "reach")
    if gain < 0:
        raise ValueError(f"reach must be at least 0, got {reach!r}")
    rate = inverse_temperature(lam)
    return float(langevin(np.array(rate * (gain / count)))) if gain else 0.0


def log_sinhc_ratio(z: Floats) -> Floats:
    """``log(sinh(z) / z) / z`` for z >= 0, to a few roundings; 0 at 0 and 1 at infinity."""
    small = np.minimum(z, 1.0)
    square, series = small * small, np.zeros_like(small)
    for k in range(11, 0, -1):  # sinh(z)/z - 1 = sum_k z^2k / (2k+1)!
        series = (1.0 + series) * square / ((2 * k) * (2 * k + 1))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        near = np.where(small > 1e-100, np.log1p(series) / small, small / 6)
        far = 1 - (np.log(2 * z) - np.log1p(-np.exp(-2 * z))) / z
    return np.where(np.isinf(z), 1.0, np.where(z <= 1.0, near, far))


def langevin(z: Floats) -> Floats:
    """``coth(z) - 1/z`` for z >= 0, by its continued fraction where the two cancel."""
    small = np.minimum(z, 2.0)
    fraction = np.zeros_like(small)
    for k in range(25, 1, -2):  # z / (3 + z^2 / (5 + z^2 / (7 + ...)))
        fraction = small * small / (k + 2 + fraction)
    near = small / (3 + fraction)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        far = 1 / np.tanh(z) - 1 / z
    return np.where(z <= 2.0, near, np.where(np.isinf(z), 1.0, far))


def _read(slopes: Any, lower: Any, upper: Any) -> tuple[Floats, Floats, Floats]:
    a, low, high = (
        finite_array(v, n) for v, n in ((slopes, "slopes"), (lower, "lower"), (upper, "upper"))
    )
    if a.ndim != 1 or low.shape != a.shape or high.shape != a.shape:
        raise ValueError(
            f"slopes, lower and upper must have one shape (d,), got {a.shape}, {low.shape}, "
            f"{high.shape}"
        )
    if (low > high).any():
        raise ValueError(f"lower must be at most upper, got {low[low > high][0]}")
    return a, low, high


def log_sinhc_ball(m: Any, z: Any) -> Any:
    """Ball around ``log(sinh(z) / z)`` for z > 0."""
    return m.log((m.exp(z) - m.exp(-z)) / (2 * m.number(z)))


def _linear(m: Any, slopes: Any, rate: Any, lower: Any, upper: Any) -> Any:
    total = m.number(0)
    for a, low, high in zip(slopes, lower, upper, strict=True):
        total += m.number(a * (low + high) / 2)
        if a and high > low:
            total += log_sinhc_ball(m, rate * abs(a) * (high - low) / 2) / m.number(rate)
    return total


def _exact(slopes: Any, lower: Any, upper: Any) -> list[list[Fraction]]:
    _read(slopes, lower, upper)
    return [[exact_rational(x) for x in row] for row in (slopes, lower, upper)]


def _enclosure(slopes: Any, lam: Any, lower: Any, upper: Any) -> Interval:
    a, low, high = _exact(slopes, lower, upper)
    rate = inverse_temperature(lam)
    if rate == 0 or math.isinf(rate):
        ends = zip(a, low, high, strict=True)
        exact = [max(s * x, s * y) if rate else s * (x + y) / 2 for s, x, y in ends]
        return around(sum(exact, Fraction(0)))
    return enclose(_linear, a, exact_rational(lam), low, high)


def _broken(slopes: Any, lam: Any, lower: Any, upper: Any) -> tuple[str, ...]:
    return broken(lambda: _read(slopes, lower, upper), lambda: inverse_temperature(lam))


LINEAR_FREE_ENERGY = Claim(
    name="linear-free-energy",
    source="anonymous2022, eq. (15), for linear losses and the normalised volume of a box",
    formula=lambda: (
        r"F_\lambda = \sum_j a_j m_j + \frac{1}{\lambda}\log\frac{\sinh z_j}{z_j},"
        r"\quad z_j = \lambda a_j w_j"
    ),
    relation="==",
    value=linear_free_energy,
    enclosure=_enclosure,
    broken_hypotheses=_broken,
)
