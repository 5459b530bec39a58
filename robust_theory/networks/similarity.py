"""How alike two sets of features are: the Hilbert-Schmidt independence criterion and CKA.

Features of the same n inputs, (n, d) and (n, d'), widths free; the kernels are linear. With the
Gram matrices K and L, and H = I - 1 1^T / n the centring, the biased version is

    HSIC = tr(K H L H) / (n - 1)^2

and, with K~ and L~ those matrices with zero diagonals, the unbiased one

    HSIC = [tr(K~ L~) + 1^T K~ 1 1^T L~ 1 / ((n-1)(n-2)) - 2 1^T K~ L~ 1 / (n-2)] / (n (n-3)).

From either, CKA(Z, Z') = HSIC(Z, Z') / sqrt(HSIC(Z, Z) HSIC(Z', Z')).

Both Gram matrices must be centred: without it, a common offset alone brings CKA close to 1. The
biased version is close to 1 for wide features, dependent or not, once d is larger than n; for
n = 2 it is always 1. The unbiased one is 0 in the mean for independent features, and may be
negative.
"""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np

from robust_theory.arguments import Floats, broken
from robust_theory.arithmetic import around
from robust_theory.claim import Claim, Interval


def hsic(first: Any, second: Any, *, unbiased: bool = False, centred: bool = True) -> float:
    """Hilbert-Schmidt independence criterion of two sets of features, in double precision.

    Parameters
    ----------
    first, second : array (n, ...)
        Features of the same inputs, flattened.
    unbiased : bool
        The U-statistic, for n >= 4; it is invariant to offsets by itself.
    centred : bool
        False leaves the Gram matrices of the biased version as they are: tr(K L) / (n - 1)^2.

    Raises
    ------
    ValueError
        If features are not finite, not of equally many inputs, or too few.

    Notes
    -----
    Source: gretton2005, Definition 2; song2012, Theorem 2, for the unbiased version.
    """
    X, Y = _features(first, second, unbiased)
    if unbiased:
        return _unbiased(_gram(X), _gram(Y))
    if centred:
        X, Y = _centred(X), _centred(Y)
    return _inner(X, Y) / (len(X) - 1) ** 2


def cka(first: Any, second: Any, *, unbiased: bool = False, centred: bool = True) -> float:
    """Centred kernel alignment with linear kernels; at most 1.

    Parameters
    ----------
    first, second, unbiased, centred
        As for `hsic`.

    Returns
    -------
    float
        0 where a set of features has no HSIC with itself: constant features are like nothing,
        themselves included. (Unbiased: also where that HSIC is not positive.)

    Notes
    -----
    Source: kornblith2019, section 3; chapter17, section 17.5, which leaves HSIC undefined.
    """
    X, Y = _features(first, second, unbiased)
    if unbiased:
        K, L = (_gram(Z) for Z in (_scaled(X), _scaled(Y)))
        return _quotient(_unbiased(K, L), _unbiased(K, K), _unbiased(L, L))
    if centred:
        X, Y = _centred(X), _centred(Y)
    X, Y = _scaled(X), _scaled(Y)
    return _quotient(_inner(X, Y), _inner(X, X), _inner(Y, Y))


def cka_map(first: Any, second: Any, *, unbiased: bool = False) -> Floats:
    """CKA of each set of features in `first` with each in `second`: a matrix.

    Parameters
    ----------
    first, second : sequence of arrays (n, ...)
        The layers of two networks on the same inputs.
    """
    layers = [[np.asarray(Z, np.float64) for Z in network] for network in (first, second)]
    table = np.array([[cka(X, Y, unbiased=unbiased) for Y in layers[1]] for X in layers[0]])
    return table.reshape(len(layers[0]), len(layers[1]))


def unbiased_hsic(first: Any, second: Any) -> float:
    """`hsic` of its unbiased kind: the mean of the same number over all samples of 4 inputs."""
    return hsic(first, second, unbiased=True)


def _features(first: Any, second: Any, unbiased: bool) -> tuple[Floats, Floats]:
    read = []
    for name, features in (("first", first), ("second", second)):
        try:
            Z = np.asarray(features, np.float64)
        except (TypeError, ValueError):
            raise ValueError(f"{name} must be an array of numbers, (n, d)") from None
        if Z.ndim == 0 or Z.size == 0:
            raise ValueError(f"{name} must have shape (n, ...), got {Z.shape}")
        if not np.isfinite(Z).all():
            raise ValueError(f"{name} must be finite, got {Z[~np.isfinite(Z)][0]}")
        read.append(Z.reshape(len(Z), -1))
    least = 4 if unbiased else 2
    if not len(read[0]) == len(read[1]) >= least:
        raise ValueError(
            f"first and second must hold the same inputs, at least {least}, "
            f"got {len(read[0])} and {len(read[1])}"
        )
    return read[0], read[1]


def _centred(Z: Floats) -> Floats:
    # Less the first row before the mean, so that constant features become exactly 0.
    Z = Z - Z[0]
    return np.asarray(Z - Z.mean(axis=0))


def _scaled(Z: Floats) -> Floats:
    """Divided by a power of 2 that brings the largest entry near 1: nothing overflows."""
    top = float(np.abs(Z).max())
    return np.ldexp(Z, -math.frexp(top)[1]) if top > 0 else Z


def _inner(X: Floats, Y: Floats) -> float:
    """tr(X X^T Y Y^T), through the smaller of the matrices that give it."""
    if len(X) <= min(X.shape[1], Y.shape[1]):
        return float(np.vdot(X @ X.T, Y @ Y.T))
    return float(np.square(X.T @ Y).sum())


def _gram(Z: Floats) -> Floats:
    Z = _centred(Z)  # changes nothing but the rounding
    K = Z @ Z.T
    np.fill_diagonal(K, 0.0)
    return np.asarray(K)


def _unbiased(K: Floats, L: Floats) -> float:
    n = len(K)
    rows, columns = K.sum(axis=1), L.sum(axis=1)
    total = float(np.vdot(K, L)) + float(rows.sum()) * float(columns.sum()) / ((n - 1) * (n - 2))
    return (total - 2 * float(rows @ columns) / (n - 2)) / (n * (n - 3))


def _quotient(joint: float, first: float, second: float) -> float:
    if not (first > 0 and second > 0):
        return 0.0
    return min(joint / (math.sqrt(first) * math.sqrt(second)), 1.0)


def _enclosure(first: Any, second: Any) -> Interval:
    """The mean of k_ij (l_ij + l_qr - 2 l_iq) over all distinct i, j, q, r, in rationals."""
    X, Y = _features(first, second, True)
    k, l = (
        [[sum(Fraction(a) * Fraction(b) for a, b in zip(z, w, strict=True)) for w in Z] for z in Z]
        for Z in (X.tolist(), Y.tolist())
    )
    total, count = Fraction(0), 0
    for i, j, q, r in itertools.permutations(range(len(X)), 4):
        total += k[i][j] * (l[i][j] + l[q][r] - 2 * l[i][q])
        count += 1
    return around(total / count)


def _broken(first: Any, second: Any) -> tuple[str, ...]:
    return broken(lambda: _features(first, second, True))


UNBIASED_HSIC = Claim(
    name="unbiased-hsic",
    source="song2012, Theorem 2; chapter17, section 17.5",
    formula=lambda: (
        r"E_{|S| = m} \widehat{HSIC}(Z_S, Z'_S) = \frac{1}{n(n-3)} \Bigl[ tr(\tilde K \tilde L) + "
        r"\frac{1^\top \tilde K 1\, 1^\top \tilde L 1}{(n-1)(n-2)} - "
        r"\frac{2}{n-2} 1^\top \tilde K \tilde L 1 \Bigr]"
    ),
    relation="==",
    value=unbiased_hsic,
    enclosure=_enclosure,
    broken_hypotheses=_broken,
)
