"""Evidence from radii: what a sample of exact radii, or of attack radii, says about their law.

An attack radius is that of a verified misclassified point, so it is never below the true radius.
Hence the share of points that an attack fools within eps stands below the true share, and
quantiles and means of attack radii stand above the true ones. Failed attacks are +inf and count.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from empirical.estimate import (
    cdf_band,
    lipschitz_mean_interval,
    proportion_interval,
    quantile_interval,
)
from robust_theory.claim import Interval
from validation.verdict import Evidence, Side

Source = Literal["exact", "attack"]

GRID_POINTS = 121  # enough for a smooth plot, small in the report


def share_within(radii: np.ndarray, eps: float, alpha: float, source: Source) -> Evidence:
    """Share of points with radius at most `eps`, with Clopper-Pearson limits."""
    inside = int(np.count_nonzero(radii <= eps))
    band = proportion_interval(inside, radii.size, alpha)
    return _evidence(inside / radii.size, band, radii, alpha, source, "Clopper-Pearson", "lower")


def log_share_beyond(radii: np.ndarray, eps: float, alpha: float) -> Evidence:
    """Logarithm of the share of points with exact radius above `eps`, Clopper-Pearson limits."""
    beyond = int(np.count_nonzero(radii > eps))
    band = proportion_interval(beyond, radii.size, alpha)
    with np.errstate(divide="ignore"):
        value, lo, hi = np.log([beyond / radii.size, band.lo, band.hi])
    return _evidence(
        float(value),
        Interval(float(lo), float(hi)),
        radii,
        alpha,
        "exact",
        "Clopper-Pearson",
        "lower",
    )


def quantile(radii: np.ndarray, q: float, alpha: float, source: Source) -> Evidence:
    """The q-quantile of the radii, between two order statistics."""
    value = float(np.sort(radii)[max(0, int(np.ceil(q * radii.size)) - 1)])
    band = quantile_interval(radii, q, alpha)
    return _evidence(value, band, radii, alpha, source, "order statistics", "upper")


def mean(radii: np.ndarray, alpha: float, source: Source, lipschitz: float = 1.0) -> Evidence:
    """Mean radius; its limits rest on the radius being Lipschitz in the latent point.

    With the constant `lipschitz`, which is 1 for distances in latent space.

    For attack radii only the upper limit means anything, and only it is used: their sample mean
    is at least the sample mean of the true radii, which is within the stated distance of E r.
    """
    band = lipschitz_mean_interval(radii, alpha, lipschitz)
    return _evidence(
        float(np.mean(radii)), band, radii, alpha, source, "Gaussian concentration", "upper"
    )


def distribution(
    radii: np.ndarray, grid: np.ndarray, alpha: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Share of radii within each grid point with its simultaneous band (DKW)."""
    observed = np.searchsorted(np.sort(radii), grid, side="right") / radii.size
    lo, hi = cdf_band(radii, grid, alpha)
    return observed, lo, hi


def grid_to(last: float) -> np.ndarray:
    """Axis of a plot from 0 to `last`."""
    return np.linspace(0.0, last, GRID_POINTS)


def _evidence(
    value: float,
    band: Interval,
    radii: np.ndarray,
    alpha: float,
    source: Source,
    limits: str,
    attack_side: Side,
) -> Evidence:
    radius_words = {"exact": "exact radii", "attack": "least-norm attack, verified in float64"}
    return Evidence(
        value=value,
        lo=min(band.lo, value),
        hi=max(band.hi, value),
        side="exact" if source == "exact" else attack_side,
        method=f"{radius_words[source]}; {limits}",
        n=int(radii.size),
        censored=int(np.count_nonzero(np.isinf(radii))),
        alpha=alpha,
    )
