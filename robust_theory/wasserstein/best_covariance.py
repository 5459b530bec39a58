"""The Gaussian noise that does the least harm at a given certificate.

Harm is ``tr(W S)`` for a sensitivity W: the variance that noise of covariance S gives, to first
order, to a quantity with the mean squared gradient W. Among all S that certify PhiInv(p) the least
harmful one is a geometric mean of the inverse of W and a weighted Laplacian.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust_theory.arguments import Floats, positive_integer
from robust_theory.wasserstein.covariance import certified_scale
from robust_theory.wasserstein.resistance import Shape, edge_ends, grid_shape
from robust_theory.wasserstein.smoothing import Ground, check_ground

# The dual bound is computed in doubles; this is far above their rounding for matrices that
# Cholesky's method accepts, and far below what a search leaves.
_ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class OptimalCovariance:
    """A covariance that certifies PhiInv(p), and a proof that hardly any does less harm.

    Parameters
    ----------
    covariance : array (N, N)
        Rows sum to 0; its certified scale is 1 up to rounding. Noise of k^2 times it certifies k
        times as much.
    harm : float
        ``tr(W S)``.
    least_harm : float
        Lower bound on the harm of every covariance with a certified scale of at least 1.
    weights : array (k,)
        Dual variable of each pair.
    pairs : array (k, 2)
        Pixels, as indices into the flattened image: neighbours, for l2 also diagonal ones.
    """

    covariance: Floats
    harm: float
    least_harm: float
    weights: Floats
    pairs: NDArray[np.int64]

    @property
    def excess(self) -> float:
        """By how much the harm may exceed the least possible, relatively."""
        return self.harm / self.least_harm - 1


def optimal_covariance(
    sensitivity: Any,
    shape: Any,
    *,
    ground: Ground = "l2",
    iterations: int = 40,
    tolerance: float = 1e-3,
) -> OptimalCovariance:
    """The covariance of least harm ``tr(W S)`` among those that certify PhiInv(p) in W1.

    ``S = W^-1 # L_c``, where the weights c of the Laplacian are such that pairs of pixels with
    positive weight have exactly the allowed norm; found by the fixed point
    ``c <- c (y' S^-1 y)^2``, each step with its proof of how near it is.

    Parameters
    ----------
    sensitivity : array (N, N)
        W, symmetric and positive definite on differences of zero sum: a power of the Laplacian,
        or a mean of outer products of gradients on training images. Choose it before the images
        are seen that are to be certified.
    shape : tuple
        (n, m), (n, m, channels) or (n,); W is that of one channel.
    ground : {"l2", "l1"}
        Metric between pixels. For l2 the dual bound comes from neighbours and diagonals only, so
        it is loose where farther pairs decide.
    iterations : int
        At most so many steps.
    tolerance : float
        Stop when neighbours exceed the allowed norm by no more than this, relatively.

    Raises
    ------
    ValueError
        If the sensitivity is not as described.
    """
    check_ground(ground)
    size = grid_shape(shape)
    N = size[0] * size[1]
    W = np.asarray(sensitivity, np.float64)
    if W.shape != (N, N) or not np.isfinite(W).all() or np.abs(W - W.T).max() > 1e-9 * abs(W).max():
        raise ValueError(f"sensitivity must be symmetric of shape {(N, N)}, got {W.shape}")
    limit = positive_integer(iterations, "iterations")
    basis = _zero_sum_basis(N)
    try:
        R = np.linalg.cholesky(basis.T @ ((W + W.T) / 2) @ basis)
    except np.linalg.LinAlgError:
        rule = "sensitivity must be positive definite on differences of zero sum"
        raise ValueError(rule) from None
    pairs, distances = _pairs(size, ground)
    # Rows y'U R / d of the unit transports in the coordinates where W is the identity.
    rows = (basis[pairs[:, 1]] - basis[pairs[:, 0]]) @ R / distances[:, None]
    weights, roots, vectors = np.ones(len(pairs)), np.empty(0), np.empty((0, 0))
    for step in range(limit):
        values, vectors = np.linalg.eigh(rows.T @ (weights[:, None] * rows))
        roots = np.sqrt(np.maximum(values, values[-1] * 1e-30))
        # Scaled so that the dual bound is best: sum c = tr A^1/2.
        factor = (roots.sum() / weights.sum()) ** 2
        weights, roots = weights * factor, roots * np.sqrt(factor)
        norms = ((rows @ vectors) ** 2 / roots).sum(axis=1)
        if norms.max() <= 1 + tolerance or step == limit - 1:
            break
        weights = weights * norms**2
    # S = R^-T A^1/2 R^-1 in the basis; then scaled by what all pairs allow, rounding included.
    half = np.linalg.solve(R.T, vectors * np.sqrt(roots))
    covariance = basis @ (half @ half.T) @ basis.T
    covariance = (covariance + covariance.T) / 2
    covariance /= certified_scale(covariance, size, ground=ground) ** 2
    nuclear = float(np.linalg.svd(rows * np.sqrt(weights)[:, None], compute_uv=False).sum())
    return OptimalCovariance(
        covariance,
        float((W * covariance).sum()),
        nuclear**2 / float(weights.sum()) * (1 - _ROUNDING),
        weights,
        pairs,
    )


def _zero_sum_basis(N: int) -> Floats:
    """Orthonormal columns (N, N - 1) that sum to 0: cosines."""
    from scipy.fft import dct

    return np.ascontiguousarray(dct(np.eye(N), axis=0, norm="ortho")[1:].T)


def _pairs(shape: Shape, ground: str) -> tuple[NDArray[np.int64], Floats]:
    """Pairs of pixels whose constraints enter the dual, (k, 2), and their distances."""
    pairs = np.stack(edge_ends(shape), axis=1)
    if ground == "l1":
        return pairs, np.ones(len(pairs))
    pixels = np.arange(shape[0] * shape[1]).reshape(shape)
    falling = np.stack([pixels[:-1, :-1].ravel(), pixels[1:, 1:].ravel()], axis=1)
    rising = np.stack([pixels[1:, :-1].ravel(), pixels[:-1, 1:].ravel()], axis=1)
    both = np.concatenate([pairs, falling, rising])
    return both, np.concatenate([np.ones(len(pairs)), np.full(2 * len(falling), np.sqrt(2))])
