"""Tails of the standard normal law in double precision, good to the last bits, vectorised.

Notation: sf(x) = P(Z > x), density(x), Mills ratio R(x) = sf(x) / density(x), and for a class of
measure c the threshold a = sf^-1(c). Every formula goes through R at x >= 0, which neither under-
nor overflows. With u = 2^-53, scipy's erfcx gives R within 9 u and its ndtri gives a within 6 u
(the tests compare both with balls); the errors below follow from these.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from robust_theory.arguments import Floats

_U = 2.0**-53
_ROOT_HALF_PI = math.sqrt(math.pi / 2)
_ROOT_TWO_PI = math.sqrt(2 * math.pi)

# Gauss's rule on [0, 1]. For exp(-y(s)) with y within [-2, 2] its error is far below u.
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(10)
_NODES, _WEIGHTS = (_NODES + 1) / 2, _WEIGHTS / 2


def mills(x: Floats) -> Floats:
    """R(x) for x >= 0, within 9 u."""
    return np.asarray(_ROOT_HALF_PI * special.erfcx(x * math.sqrt(0.5)))


def density(x: Floats) -> Floats:
    """exp(-x^2/2) / sqrt(2 pi), within 8 u for |x| <= 40."""
    # Cody: the square of a multiple of 1/16 is exact, so no rounding is magnified by it.
    far = np.minimum(np.abs(x), 40.0)
    near = np.floor(far * 16) / 16
    values: Floats = (
        np.exp(-near * near / 2) * np.exp(-(far - near) * (far + near) / 2) / _ROOT_TWO_PI
    )
    return np.where(np.abs(x) > 40, 0.0, values)


def sf(x: Floats) -> Floats:
    """P(Z > x), within 18 u where it is above 1e-300."""
    upper = density(x) * mills(np.abs(x))
    return np.where(x >= 0, upper, 1 - upper)


def log_sf(x: Floats) -> Floats:
    """log P(Z > x), within 40 u."""
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        upper = -x * x / 2 + np.log(mills(np.maximum(x, 0)) / _ROOT_TWO_PI)
        return np.asarray(np.where(x >= 0, upper, np.log1p(-sf(np.maximum(-x, 0)))))


def isf(c: Floats, complement: Floats) -> Floats:
    """The x with P(Z > x) = c, from the smaller one of c and its complement 1 - c."""
    return np.asarray(np.where(c <= 0.5, -special.ndtri(c), special.ndtri(complement)))


def increments(c: Floats, complement: Floats, a: Floats, eps: Floats) -> tuple[Floats, Floats]:
    """Return Phi(a + eps) - Phi(a) and sf(a + eps) without subtracting close numbers.

    Parameters
    ----------
    c, complement, a : array (m,)
        Class measures, strictly between 0 and 1, their complements, and their thresholds.
    eps : array (n,)
        At least 0; may be infinite.

    Returns
    -------
    increments, tails : array (n, m)
        Their relative errors are at most those of `errors`.
    """
    shape = (eps.size, c.size)
    increment, tail = np.empty(shape), np.empty(shape)
    e = eps[:, None]
    minor = c <= 0.5
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        for part, formula in ((minor, _minority), (~minor, _majority)):
            if part.all():
                return formula(c, complement, a, e)
            increment[:, part], tail[:, part] = formula(c[part], complement[part], a[part], e)
    return increment, tail


def errors(c: Floats, a: Floats, eps: Floats, increments: Floats) -> tuple[Floats, Floats]:
    """Return bounds on the relative errors of `increments` and its tails, to broadcast with them.

    The errors are against the exact values at inputs within u of `c` and `eps`, because a float
    stands for the decimal that Python prints.
    """
    e = eps[:, None]
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        exponent = np.minimum(e * (np.abs(a).max(initial=0.0) + e / 2), 1e6)
        of_tail = (48 + 12 * exponent) * _U
        if not (c > 0.5).any():
            return np.full((1, 1), 40 * _U), of_tail
        # eps times the derivative, relative to the value: at most 1 for c <= 1/2.
        magnified = np.where(np.isinf(e), 0, e * density(a + e) / increments)
    return (40 + np.nan_to_num(magnified)) * _U, of_tail


def _minority(c: Floats, _: Floats, a: Floats, eps: Floats) -> tuple[Floats, Floats]:
    # sf(a + eps) = sf(a) exp(-a eps - eps^2/2) R(a + eps) / R(a). The factor is at most 0.4
    # outside `near`, so its 20 u are at most 14 u in one minus it.
    exponent = eps * (a + eps / 2)
    factor = np.exp(-exponent) * (mills(a + eps) / mills(a))
    increment, tail = c * (1 - factor), c * factor
    near = exponent + eps < 2
    if near.any():
        row, column = np.nonzero(near)
        increment[near] = _integral((c / mills(a))[column], a[column], eps[row, 0])
        tail[near] = c[column] - increment[near]
    return increment, tail


def _majority(c: Floats, q: Floats, a: Floats, eps: Floats) -> tuple[Floats, Floats]:
    # sf(b) = q for b = -a > 0, and the increment is sf(b - eps) - q.
    b = np.abs(a)
    correction = _correction(q, b)
    beyond = (eps - b) - correction
    tail = sf(np.maximum(beyond, 0))

    # q exp(eps (b - eps/2)) R(b - eps) / R(b) for eps < b. The exponent reaches 700, so its own
    # rounding errors and that of b are carried along.
    middle = b - eps / 2
    exponent = eps * middle
    lost = _product_error(eps, middle) + eps * (((b - middle) - eps / 2) + correction)
    root = np.exp(np.where(beyond < 0, exponent, 0) / 2)  # q exp(exponent) may have no exp alone
    ratio = mills(np.maximum(-beyond, 0)) / mills(b)
    before = q * root * root * ratio * (1 + np.where(beyond < 0, lost, 0))

    increment = np.where(beyond < 0, before - q, c - tail)
    near = eps * (b + eps / 2 + 1) < 2
    if near.any():
        row, column = np.nonzero(near)
        increment[near] = _integral((q / mills(b))[column], -b[column], eps[row, 0])
    return increment, np.where(beyond < 0, c - increment, tail)


def _integral(density_at_a: Floats, a: Floats, eps: Floats) -> Floats:
    """density(a) times the integral of exp(-a t - t^2/2) over 0 <= t <= eps."""
    total = np.zeros_like(a)
    for node, weight in zip(_NODES, _WEIGHTS, strict=True):
        t = eps * node
        total += weight * np.exp(-t * (a + t / 2))
    return density_at_a * (eps * total)


def _correction(q: Floats, b: Floats) -> Floats:
    """What is missing from b = sf^-1(q) after rounding: a Newton step."""
    return np.asarray((sf(b) / q - 1) * mills(b))


def _product_error(x: Floats, y: Floats) -> Floats:
    """x y minus its rounded value, exactly (Veltkamp and Dekker)."""
    x, y = np.minimum(x, 1e100), np.clip(y, -1e100, 1e100)
    x_high, y_high = (134217729 * v - (134217729 * v - v) for v in (x, y))
    x_low, y_low = x - x_high, y - y_high
    return np.asarray(((x_high * y_high - x * y) + x_high * y_low + x_low * y_high) + x_low * y_low)


def log_tails(c: Floats, complement: Floats, a: Floats, eps: Floats) -> Floats:
    """log sf(a + eps), shape (n, m), for the arguments of `increments`."""
    e = eps[:, None]
    b = np.abs(a)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        direct = np.log(c) - e * (b + e / 2) + np.log(mills(b + e) / mills(b))
        beyond = (e - b) - _correction(complement, b)
        return np.where(c <= 0.5, direct, log_sf(beyond))


def expected_excess(c: Floats, complement: Floats, a: Floats) -> Floats:
    """E (Z - a)^+ = density(a) - a sf(a), within 50 u, for the arguments of `increments`."""
    b = np.abs(a)
    # E (Z + b)^+ = b + E (Z - b)^+.
    return np.where(c <= 0.5, c * _mean_excess(b), complement * _mean_excess(b) + b)


def _mean_excess(x: Floats) -> Floats:
    """E(Z - x | Z > x) = 1 / R(x) - x = 1 / (x + 2 / (x + 3 / (x + ...))) for x >= 0."""
    excess = 1 / mills(x) - x
    far = x >= 1.5  # below it, the subtraction costs a factor of at most 4.4
    y = x[far]
    # The fraction beyond its k-th level tends to (sqrt(x^2 + 4 k) - x) / 2.
    fraction = (np.sqrt(y * y + 604) - y) / 2
    for k in range(150, 0, -1):
        fraction = k / (y + fraction)
    excess[far] = fraction
    return np.asarray(excess)
