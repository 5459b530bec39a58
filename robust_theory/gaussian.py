"""Tails of the standard normal law in double precision, good to the last bits, vectorised.

A class of measure c has the threshold a = sf^-1(c), where sf(x) = P(Z > x). All formulas go
through the Mills ratio R(x) = sf(x) / density(x) at x >= 0, which neither under- nor overflows.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from robust_theory.arguments import Floats

_ROOT_HALF_PI = np.sqrt(np.pi / 2)
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
# Gauss's rule moved from [-1, 1] to [0, 1].
_NODES, _WEIGHTS = (_NODES + 1) / 2, _WEIGHTS / 2


def log_sf(x: Floats) -> Floats:
    """log P(Z > x)."""
    return np.asarray(special.log_ndtr(-x))


def mills(x: Floats) -> Floats:
    """Mills ratio sf(x) / density(x)."""
    return np.asarray(_ROOT_HALF_PI * special.erfcx(x / np.sqrt(2)))


def isf(c: Floats, complement: Floats) -> Floats:
    """The x with P(Z > x) = c, from the smaller one of c and its complement 1 - c."""
    return np.where(c <= 0.5, -special.ndtri(c), special.ndtri(complement))


def increment_and_tail(
    c: Floats, complement: Floats, a: Floats, eps: Floats
) -> tuple[Floats, Floats]:
    """Phi(a + eps) - Phi(a) and sf(a + eps), where a = sf^-1(c); the arguments broadcast.

    Neither subtracts numbers that are close to each other.
    """
    c, complement, a, eps = np.broadcast_arrays(c, complement, a, eps)
    increment, tail = np.empty(c.shape), np.empty(c.shape)
    with np.errstate(invalid="ignore", under="ignore", over="ignore"):
        small = eps * (np.abs(a) + eps / 2 + 1) < 1
        large = ~small & (c <= 0.5)
        if small.any():
            increment[small], tail[small] = _small(c[small], a[small], eps[small])
        if large.any():
            increment[large], tail[large] = _ratio(c[large], a[large], eps[large])
        rest = ~small & (c > 0.5)
        if rest.any():
            increment[rest], tail[rest] = _majority(
                c[rest], complement[rest], -a[rest], eps[rest]
            )
    return increment, tail


def _small(c: Floats, a: Floats, eps: Floats) -> tuple[Floats, Floats]:
    # density(a) * int_0^eps exp(-a t - t^2/2) dt; the exponent stays within [-1, 1].
    t = eps[..., None] * _NODES
    integral = eps * (np.exp(-t * (a[..., None] + t / 2)) @ _WEIGHTS)
    density = np.exp(-a * a / 2) / np.sqrt(2 * np.pi)
    density = np.where(a >= 0, c / mills(np.maximum(a, 0)), density)
    increment = density * integral
    return increment, c - increment


def _ratio(c: Floats, a: Floats, eps: Floats) -> tuple[Floats, Floats]:
    # sf(a + eps) = sf(a) exp(-a eps - eps^2/2) R(a + eps) / R(a), and the factor is below 0.6.
    factor = np.exp(-eps * (a + eps / 2)) * np.nan_to_num(mills(a + eps) / mills(a))
    return c * (1 - factor), c * factor


def _majority(c: Floats, q: Floats, b: Floats, eps: Floats) -> tuple[Floats, Floats]:
    # sf(b) = q, the complement, and b > 0: the increment is sf(b - eps) - sf(b).
    tail_beyond = special.ndtr(b - eps)
    factor = np.exp(eps * (b - eps / 2)) * mills(np.maximum(b - eps, 0)) / mills(b)
    increment = np.where(eps >= b, c - tail_beyond, q * (factor - 1))
    return increment, np.where(eps >= b, tail_beyond, c - increment)


def log_tail(c: Floats, complement: Floats, a: Floats, eps: Floats) -> Floats:
    """log sf(a + eps), where a = sf^-1(c); the arguments broadcast."""
    with np.errstate(invalid="ignore", divide="ignore", under="ignore"):
        ratio = np.log(mills(np.maximum(a, 0) + eps) / mills(np.maximum(a, 0)))
        direct = np.log(c) - eps * (a + eps / 2) + ratio
    return np.where(np.isinf(eps), -np.inf, np.where(c <= 0.5, direct, log_sf(a + eps)))


def expected_excess(c: Floats, complement: Floats, a: Floats) -> Floats:
    """E (Z - a)^+ = density(a) - a sf(a), where a = sf^-1(c)."""
    a_positive = np.abs(a)
    smaller = np.minimum(c, complement)
    upper = smaller * _mean_excess(a_positive)
    # E (Z + b)^+ = b + E (Z - b)^+.
    return np.where(c <= 0.5, upper, upper + a_positive)


def _mean_excess(a: Floats) -> Floats:
    """E(Z - a | Z > a) = 1 / (a + 2 / (a + 3 / ...)) for a >= 0."""
    fraction = np.zeros_like(a)
    far = np.maximum(a, 2.0)
    for k in range(120, 0, -1):
        fraction = k / (far + fraction)
    return np.where(a >= 2, fraction, 1 / mills(a) - a)
