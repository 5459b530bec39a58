"""Largest singular values bounded from above, and least eigenvalues from below, with proof.

A Cholesky factorisation of a symmetric matrix A that runs to completion in floating point proves
that no eigenvalue of A is below -gamma trace(A), with gamma = (n + 1) u / (1 - 2 (n + 1) u).

Source: rump2006, Theorem 2.3.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from robust_theory.arguments import Floats

_U = 2.0**-53
_MARGIN = 1e-9  # above the computed eigenvalue, where the factorisation is tried


def spectral_norm_above(matrices: Any) -> Floats:
    """Upper bounds of the largest singular values of (..., m, n) matrices, real or complex.

    With G = A^H A and c a little above its largest eigenvalue, the factorisation of c I - G proves
    |A|^2 <= c + gamma trace(c I - G) + the error of G.

    Raises
    ------
    ValueError
        If an entry is not finite.
    """
    A = np.asarray(matrices)
    A = A.astype(np.complex128 if A.dtype.kind == "c" else np.float64)
    if not np.isfinite(A).all():
        raise ValueError("weights must be finite")
    if A.shape[-1] > A.shape[-2]:
        A = A.swapaxes(-1, -2).conj()
    flat = A.reshape(-1, *A.shape[-2:])
    return np.array([_norm_above(a) for a in flat]).reshape(A.shape[:-2])


def least_eigenvalue_below(A: Floats, error: float = 0.0) -> float:
    """A lower bound of the eigenvalues of every symmetric matrix within `error` of A, spectrally.

    -inf where the factorisation fails at every shift tried.
    """
    n = len(A)
    least = float(np.linalg.eigvalsh(A)[0])
    size = float(np.abs(A).max(initial=0.0))
    for excess in (1e-14, 1e-12, 1e-9, 1e-6):
        shift = max(-least, 0.0) * (1 + 1e-9) + excess * n * size + 1e-300
        shifted = A + shift * np.eye(n)
        try:
            np.linalg.cholesky(shifted)
        except np.linalg.LinAlgError:
            continue
        gamma = 8 * (n + 4) * _U
        return -(shift + gamma * (float(np.trace(shifted)) + n * size) + error) * (1 + 8 * _U)
    return -math.inf


def _norm_above(A: Any) -> float:
    m, n = A.shape
    scale = float(np.abs(A).max(initial=0.0))
    if scale == 0:
        return 0.0
    scale = 2.0 ** math.frexp(scale)[1]  # a power of 2: dividing by it is exact
    A = A / scale
    frobenius = float(np.square(np.abs(A)).sum()) * (1 + 8 * (m * n + 1) * _U)
    G = A.conj().T @ A
    # 4: a complex product counts as four real ones and their sums.
    forming = 4 * (m + 4) * _U * frobenius
    top = float(np.linalg.eigvalsh(G)[-1])
    for excess in (_MARGIN, 1e-7, 1e-5):
        c = top * (1 + excess) + 1e-300
        try:
            np.linalg.cholesky(c * np.eye(n) - G)
        except np.linalg.LinAlgError:
            continue
        gamma = 8 * (n + 4) * _U
        square = c + gamma * n * c * (1 + gamma) + forming
        return _scaled_up(math.sqrt(min(square, frobenius)), scale)
    return _scaled_up(math.sqrt(frobenius), scale)


def _scaled_up(norm: float, scale: float) -> float:
    """The product, rounded up; among the subnormal numbers a factor alone would be rounded away."""
    return math.nextafter(norm * (1 + 8 * _U) * scale, math.inf)
