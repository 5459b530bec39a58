"""The certified accuracy of a whole test set, over all radii at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from robust_theory.arguments import Floats, probability


@dataclass(frozen=True, eq=False)
class CertifiedAccuracy:
    """Shares of right and certified images over a grid of radii, with what they prove.

    All limits hold for all radii at once, each array with probability at least 1 - delta.

    Parameters
    ----------
    grid : array (r,)
        Radii.
    share : array (r,)
        Share of test images with the right label and a certificate of at least the radius.
    on_test_set : array (r,)
        Lower limit on the share of these test images that are right and truly robust at the
        radius: certificates may be false, each with probability alpha.
    population : array (r,)
        Lower limit on the probability that a new image is right and truly robust at the radius.
    procedure : array (r, 2)
        Limits on the probability that a new image gets such a certificate.
    """

    grid: Floats
    share: Floats
    on_test_set: Floats
    population: Floats
    procedure: Floats

    @property
    def median(self) -> float:
        """The paper's median: the largest radius of the grid with a share of at least 1/2.

        NaN ("N/A" in its tables) where no radius of the grid has it.
        """
        reached = np.flatnonzero(self.share >= 0.5)
        return float(self.grid[reached].max()) if len(reached) else math.nan


def certified_accuracy(
    radii: Any, right: Any, *, alpha: Any, delta: Any, grid: Any = None
) -> CertifiedAccuracy:
    """Curve of certified accuracy with simultaneous bands.

    Parameters
    ----------
    radii : array (N,)
        Certified radius of each image; 0 with abstention, which then is not `right`.
    right : array of bool (N,)
        Whether the image was given its true label, without abstaining.
    alpha : number
        Probability, for each image, that its certificate is false; images independent.
    delta : number
        Probability that a band misses anywhere.
    grid : array (r,), optional
        Radii to report; by default 0 and the distinct radii of right images.

    Raises
    ------
    ValueError
        If shapes differ, or a radius is negative or NaN.

    Notes
    -----
    The number of false certificates is at most binomial(N, alpha). For the population, the mean
    share of certified images is within ``sqrt(log(2/delta) / (2 N))`` of the observed one at all
    radii (one-sided: ``log(1/delta)``), and at most alpha of it is false.

    Source: levine2020, section 6, for the curve; massart1990 for the band.
    """
    r, ok = np.asarray(radii, np.float64), np.asarray(right)
    if r.ndim != 1 or r.size == 0 or r.shape != ok.shape or ok.dtype != np.bool_:
        raise ValueError(f"radii and right must be arrays (N,), the second of bool, got {r.shape}")
    if not (r >= 0).all():
        raise ValueError(f"radii must be at least 0, got {r[~(r >= 0)][0]}")
    level, miss = probability(alpha, "alpha"), float(probability(delta, "delta", open=True))
    kept = np.sort(np.where(ok, r, -1.0))
    points = np.unique(np.append(kept[kept >= 0], 0.0)) if grid is None else np.asarray(grid, float)
    N = len(r)
    share = (N - np.searchsorted(kept, points, side="left")) / N
    false = _most_false(N, float(level), miss) / N
    one_sided = math.sqrt(math.log(1 / miss) / (2 * N)) * (1 + 1e-12)
    two_sided = math.sqrt(math.log(2 / miss) / (2 * N)) * (1 + 1e-12)
    band = np.stack([share - two_sided, share + two_sided], axis=-1)
    return CertifiedAccuracy(
        points,
        share,
        np.maximum(share - false, 0.0),
        np.maximum(share - one_sided - float(level), 0.0),
        np.clip(band, 0.0, 1.0),
    )


def _most_false(N: int, alpha: float, delta: float) -> int:
    """Least k with P(Bin(N, alpha) > k) <= delta."""
    from scipy.special import bdtrc

    tails = bdtrc(np.arange(N), N, alpha)
    return int(np.argmax(tails <= delta * (1 - 1e-9))) if (tails <= delta).any() else N
