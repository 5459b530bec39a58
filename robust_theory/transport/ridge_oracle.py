"""The free energy of a loss psi(a.u + b) on a cube, in any dimension, to about ten digits.

The density of s = a.u is a product of boxes in the frequency domain. Tilted by exp(t s) it is
concentrated where the Gibbs law lives, so a fast Fourier transform gives the tail of the density
to the relative accuracy of doubles there, however improbable it is under the uniform law.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust_theory.arguments import Floats, real
from robust_theory.transport.linear_gibbs import langevin, log_sinhc_ratio
from robust_theory.transport.log_mean_exp import finite_array, inverse_temperature

_POINTS = 1 << 16
_TILTS = 17


@dataclass(frozen=True)
class RidgeFreeEnergy:
    """A free energy by two grids, and the Gibbs mean of the loss.

    Parameters
    ----------
    value : float
        The free energy.
    error : float
        Its difference from the same sum on every other frequency: an estimate, not a bound.
    mean : float
        Mean of the loss under the Gibbs law.
    """

    value: float
    error: float
    mean: float


def ridge_free_energy(
    psi: Callable[[Floats], Floats], direction: Any, offset: Any, eps: Any, lam: Any
) -> RidgeFreeEnergy:
    """Free energy of ``psi(direction . u + offset)`` for u uniform on [-eps, eps]^d.

    Parameters
    ----------
    psi : callable
        Vectorised and smooth on the interval that the argument can take.
    direction : array (d,)
        At least eight entries other than 0, or the density of the sum is not smooth enough.
    offset, eps, lam : number
        Positive and finite `lam`.
    """
    a = np.abs(finite_array(direction, "direction"))
    if a.ndim != 1 or np.count_nonzero(a) < 8:
        raise ValueError(
            f"direction must have at least 8 entries other than 0, got {np.count_nonzero(a)}"
        )
    b, radius, rate = real(offset, "offset"), real(eps, "eps"), inverse_temperature(lam)
    if not (0 < rate < math.inf and radius > 0):
        raise ValueError(f"lam and eps must be positive and finite, got {lam!r} and {eps!r}")
    if not 1e-150 < radius * a.max() < 1e150:  # its square must be a double
        raise ValueError(f"eps times direction must be of size 1e-150 to 1e150, got eps={eps!r}")
    half, counts = np.unique(a[a > 0] * radius, return_counts=True)
    times = counts.astype(np.float64)
    fine, mean = _summed(psi, half, times, b, rate, _POINTS)
    coarse, _ = _summed(psi, half, times, b, rate, _POINTS // 2)
    return RidgeFreeEnergy(fine, abs(fine - coarse), mean)


@dataclass(frozen=True)
class _Rates:
    """The cumulant function K of s on a grid of tilts, and the rate I at s = K'(tilt)."""

    tilt: Floats
    cumulant: Floats
    s: Floats
    rate: Floats


def _rates(half: Floats, times: Floats) -> _Rates:
    scale = float(np.sqrt(times @ half**2))
    tilt = np.sinh(np.linspace(-30, 30, 6001)) / scale
    z = np.abs(tilt[:, None] * half)
    slope = np.sign(tilt) * ((half * times) * langevin(z)).sum(axis=1)
    cumulant = (times * z * log_sinhc_ratio(z)).sum(axis=1)
    return _Rates(tilt, cumulant, slope, tilt * slope - cumulant)


def _summed(
    psi: Callable[[Floats], Floats], half: Floats, times: Floats, b: float, rate: float, n: int
) -> tuple[float, float]:
    """Free energy and Gibbs mean from densities on n points."""
    table, reach = _rates(half, times), float(times @ half)
    # The density of s lives on [-reach, reach]; on [-2 reach, 2 reach) it does not wrap around.
    step = 4 * reach / n
    s = (np.arange(n) - n // 2) * step
    s = s[np.abs(s) < reach]
    loss = finite_array(psi(s + b), "losses")
    if loss.shape != s.shape:
        raise ValueError(f"psi must return one loss per number, {s.shape}, got {loss.shape}")
    decay = np.interp(s, table.s, table.rate)
    # By Chernoff's bound the Gibbs law has nothing to speak of beyond.
    kept = rate * loss - decay >= (rate * loss - decay).max() - 60
    s, loss, decay = s[kept], loss[kept], decay[kept]
    tilts = np.interp(np.linspace(s[0], s[-1], _TILTS), table.s, table.tilt)
    cumulants = np.interp(tilts, table.tilt, table.cumulant)
    # Doubles hold the density under a tilt to 1e-16 of its peak: take it where it peaks.
    nearest = (cumulants[:, None] - tilts[:, None] * s).argmin(axis=0)
    log_terms = np.full(len(s), -np.inf)
    for k in np.unique(nearest).tolist():
        here = nearest == k
        t = float(tilts[k])
        base = float((times * log_sinhc_ratio(np.abs(t * half)) * np.abs(t * half)).sum())
        density = _tilted_density(half, times, t, base, step, n)
        place = np.rint(s[here] / step).astype(np.int64) + n // 2
        with np.errstate(divide="ignore"):
            log_density = np.log(np.maximum(density[place], 0.0))
        log_terms[here] = log_density + base - t * s[here] + rate * loss[here]
    top = float(log_terms.max())
    mass = np.exp(log_terms - top)
    value = (top + math.log(mass.sum() * step)) / rate
    return value, float((mass * loss).sum() / mass.sum())


def _tilted_density(
    half: Floats, times: Floats, t: float, base: float, step: float, n: int
) -> Floats:
    frequency = 2 * np.pi * np.fft.rfftfreq(n, step)
    values = np.zeros(len(frequency), complex)
    block = 1 << 10
    for start in range(0, len(frequency), block):
        w = frequency[start : start + block]
        values[start : start + block] = np.exp(_log_transform(half, times, t - 1j * w) - base)
        if np.abs(values[start : start + block]).max() < 1e-18:
            break  # nothing is left of the transform beyond
    return np.asarray(np.fft.fftshift(np.fft.irfft(values, n)) / step)


def _log_transform(half: Floats, times: Floats, t: NDArray[Any]) -> Any:
    """``log prod_j sinh(z_j) / z_j`` for z_j = half_j t, at an array of complex t."""
    total = np.zeros(t.shape, complex)
    for h, k in zip(half.tolist(), times.tolist(), strict=True):
        z = h * t
        z = np.where(z.real < 0, -z, z)  # an even function
        small = np.abs(z) < 1e-4
        safe = np.where(small, 1.0, z)
        with np.errstate(divide="ignore"):  # a zero of the transform
            far = safe + np.log(-np.expm1(-2 * safe)) - np.log(2 * safe)
        total = total + k * np.where(small, z * z / 6, far)
    return total
