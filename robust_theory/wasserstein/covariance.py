"""Gaussian noise of any covariance on images of fixed total: what it certifies, and the best one.

Noise of covariance S changes a smoothed score by a shift y as far as ``|y| = sqrt(y' S^+ y)``
allows, exactly. Moving unit mass from pixel s to t costs their distance d, so the certified radius
in units of PhiInv(p) is ``kappa``, the least d / |e_t - e_s| over all pairs of pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from robust_theory.arguments import Floats
from robust_theory.wasserstein.resistance import Shape, edge_ends, grid_shape
from robust_theory.wasserstein.score_scales import GAUSSIAN
from robust_theory.wasserstein.smoothing import Certificate, Ground, check_ground, over_scores

_U = 2.0**-53
_SMALL = 64  # pixels, up to which ball arithmetic costs nothing


@dataclass(frozen=True, eq=False)
class Inverse:
    """An approximate inverse of a covariance on differences of zero sum, with what it may miss.

    Parameters
    ----------
    matrix : array (N, N)
        Approximates the pseudo-inverse; symmetric.
    residual : float
        Bound on the spectral norm of ``P - S matrix``, P the projection to zero sum, rounding
        included; below 1.
    norm : float
        Bound on the spectral norm of the pseudo-inverse.
    """

    matrix: Floats
    residual: float
    norm: float

    def squares(self, energy: Floats, size: Floats, length: Floats) -> Floats:
        """Bounds on y' S^+ y from y' x, |x| and |y|, where ``x = matrix y``, in doubles.

        With ``r = y - S x``, exactly ``y' S^+ y = y'x + x'r + r' S^+ r``.
        """
        left = self.residual * length
        rounding = 8 * len(self.matrix) * _U * length * self.norm * length
        return np.asarray(energy + size * left * (1 + 1e-9) + self.norm * left**2 + rounding)


def gaussian_smoothing_radius(
    p: Any,
    covariance: Any,
    shape: Any,
    *,
    p_other: Any = None,
    ground: Ground = "l2",
    normalised: bool = True,
) -> Any:
    """Wasserstein radius certified by Gaussian noise of any covariance and zero total.

    ``kappa PhiInv(p)``, or ``kappa (PhiInv(pA) - PhiInv(pB)) / 2``. Over all classifiers and all
    images of the same total no larger radius is true, up to the rounding of kappa.

    Parameters
    ----------
    p, p_other : number or array
        As in `robust_theory.wasserstein.smoothing.smoothing_radius`.
    covariance : array (N, N)
        Of the noise of the N = n m pixels, row by row, in units of mass squared; rows sum to 0.
        Its diagonal holds the variances of pixels.
    shape : tuple
        (n, m), (n, m, channels) or (n,); channels have independent noise of this covariance each.
    ground : {"l2", "l1"}
        Metric between pixels.

    Returns
    -------
    float or array
        Rounded down. See `certified_scale` for the error analysis.

    Raises
    ------
    ValueError
        If the covariance is not symmetric and positive definite on differences of zero sum.

    Notes
    -----
    Source: cohen2019, Theorem 1, for the Gaussian case; levine2020 for the Wasserstein metric.
    """
    kappa = certified_scale(covariance, shape, ground=ground)
    certificate = Certificate(GAUSSIAN, Fraction(1, 4))
    return over_scores(
        lambda pA, pB: certificate.radius(Fraction(kappa), pA, pB),
        p,
        p_other,
        normalised=normalised,
    )


def certified_scale(covariance: Any, shape: Any, *, ground: Ground = "l2") -> float:
    """kappa: least distance of two pixels over the norm of their unit transport, rounded down.

    All pairs are compared; for l1, neighbours are enough. The inverse is checked by its residual,
    so the result holds whatever the solver did.
    """
    check_ground(ground)
    size = grid_shape(shape)
    inverse = checked_inverse(covariance, size)
    if size[0] * size[1] <= _SMALL:
        return _scale_by_balls(covariance, size, ground)
    X = inverse.matrix
    diagonal, lengths = np.diag(X), np.linalg.norm(X, axis=1) * (1 + 1e-9)
    worst = 0.0
    if ground == "l1":
        u, v = edge_ends(size)
        energy = diagonal[u] + diagonal[v] - 2 * X[u, v]
        squares = inverse.squares(energy, lengths[u] + lengths[v], np.full(len(u), math.sqrt(2)))
        worst = float(squares.max())
    else:
        rows, columns = np.divmod(np.arange(len(X)), size[1])
        for s in range(len(X) - 1):
            others = slice(s + 1, None)
            energy = diagonal[s] + diagonal[others] - 2 * X[s, others]
            squares = inverse.squares(
                energy, lengths[s] + lengths[others], np.full(len(energy), math.sqrt(2))
            )
            distance = (rows[others] - rows[s]) ** 2 + (columns[others] - columns[s]) ** 2
            worst = max(worst, float((squares / distance).max()))
    return (1 - 8 * _U) / math.sqrt(worst)


def _scale_by_balls(covariance: Any, shape: Shape, ground: str) -> float:
    from flint import arb, arb_mat, ctx

    S = np.asarray(covariance, np.float64)
    N = len(S)
    with ctx.workprec(256):
        matrix = arb_mat([[(arb(S[i, j]) + arb(S[j, i])) / 2 for j in range(N)] for i in range(N)])
        centre = arb_mat([[arb(int(i == j)) - arb(1) / N for j in range(N)] for i in range(N)])
        lift = arb(float(np.trace(S)) / N / N)
        lifted = centre * matrix * centre + arb_mat([[lift] * N for _ in range(N)])
        X = lifted.inv()
        worst = max(
            ((X[s, s] + X[t, t] - X[s, t] - X[t, s]) / square).abs_upper()
            for s, t, square in pixel_pairs(shape, ground)
        )
        return math.nextafter(float((1 / worst.sqrt()).lower()), 0.0)


def pixel_pairs(shape: Shape, ground: str) -> list[tuple[int, int, int]]:
    """Pairs of pixels with the square of their distance: all for l2, neighbours for l1."""
    places = [(i, j) for i in range(shape[0]) for j in range(shape[1])]
    found = []
    for s, (i, j) in enumerate(places):
        for t in range(s + 1, len(places)):
            di, dj = places[t][0] - i, places[t][1] - j
            if ground == "l2" or abs(di) + abs(dj) == 1:
                found.append((s, t, di * di + dj * dj))
    return found


def covariance_distance(difference: Any, covariance: Any, shape: Any) -> float:
    """The norm ``sqrt(y' S^+ y)`` of an image difference y of zero sum, from above.

    An image x + y has the label of x if it is below ``(PhiInv(pA) - PhiInv(pB)) / 2``: the exact
    certified set, an ellipsoid that contains the certified Wasserstein ball. Channels, if any,
    come last, have independent noise and must each sum to 0.
    """
    size = grid_shape(shape)
    y = np.asarray(difference, np.float64)
    N = size[0] * size[1]
    if y.size % N or not np.isfinite(y).all():
        raise ValueError(f"difference must be finite numbers of shape {shape}, got {y.shape}")
    y = y.reshape(N, -1)
    if (np.abs(y.sum(axis=0)) > 1e-9 * np.abs(y).sum(axis=0)).any():
        raise ValueError(f"difference must sum to 0, got {np.abs(y.sum(axis=0)).max()!r}")
    inverse = checked_inverse(covariance, size)
    x = inverse.matrix @ y
    lengths = np.linalg.norm(y, axis=0) * (1 + 1e-9)
    # x is rounded, but only r = y - S x of the rounded x counts.
    size_of_x = np.linalg.norm(x, axis=0) * (1 + 1e-9)
    squares = inverse.squares((x * y).sum(axis=0), size_of_x, lengths)
    return float(math.sqrt(max(0.0, float(squares.sum())))) * (1 + 8 * _U)


def checked_inverse(covariance: Any, shape: Shape) -> Inverse:
    """Invert a covariance on differences of zero sum, and bound by its residual what is missing."""
    N = shape[0] * shape[1]
    S = np.asarray(covariance, np.float64)
    if S.shape != (N, N) or not np.isfinite(S).all():
        raise ValueError(f"covariance must be finite numbers of shape {(N, N)}, got {S.shape}")
    top = float(np.abs(S).max())
    if np.abs(S - S.T).max() > 1e-12 * top:
        raise ValueError("covariance must be symmetric")
    if np.abs(S.sum(axis=1)).max() > 1e-9 * N * top:
        raise ValueError(
            "covariance must have rows that sum to 0, because noise must keep the total, got "
            f"{np.abs(S.sum(axis=1)).max()!r}"
        )
    # The noise is the centred part P S P; adding a constant changes nothing on zero sums.
    S = (S + S.T) / 2
    means, lift = S.mean(axis=1), float(np.trace(S)) / N / N
    M = S - (means[:, None] + means[None, :]) + S.mean() + lift
    forming = 16 * _U * (top + abs(lift)) * N
    try:
        np.linalg.cholesky(M)
        X = np.linalg.inv(M)
    except np.linalg.LinAlgError:
        raise ValueError(
            "covariance must be positive definite on differences of zero sum"
        ) from None
    X = (X + X.T) / 2
    product = M @ X
    product[np.diag_indices(N)] -= 1
    # An entry of the product is a sum of N terms: N + 2 roundings of the sum of their sizes.
    entries = float(np.linalg.norm(M)) * float(np.linalg.norm(X))
    error = float(np.linalg.norm(product)) + (N + 4) * _U * entries
    size = float(np.linalg.eigvalsh(X)[-1]) * (1 + 1e-6)
    residual = (error + forming * size) * (1 + 1e-6)
    if not residual < 0.01:
        raise ValueError(
            f"covariance must be better conditioned: its inverse is known to {residual!r} only"
        )
    return Inverse(X, residual, size / (1 - residual))
