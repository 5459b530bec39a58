"""The shift within a ball that leaves least of a vector, measured by a covariance."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from robust_theory.arguments import Floats
from robust_theory.risks.samples import Norm


def best_shift(m: Floats, S: Floats, eps: float, norm: Norm) -> Floats:
    """The z with norm at most eps > 0 and least ``(m - z)^T S^-1 (m - z)``, as solvers find it.

    The ball must not contain m.
    """
    return _best_l2_shift(m, S, eps) if norm == "l2" else _best_polyhedral_shift(m, S, eps, norm)


def size_of(x: Any, norm: Norm) -> Fraction:
    """The norm of exact numbers, squared for l2."""
    if norm == "l2":
        return sum((v * v for v in x), Fraction(0))
    return max(map(abs, x)) if norm == "linf" else sum(map(abs, x), Fraction(0))


def shortened(z: list[Fraction], eps: Fraction, norm: Norm) -> list[Fraction]:
    """The vector shortened into the ball, exactly."""
    if norm == "linf":
        return [max(-eps, min(eps, v)) for v in z]
    size = size_of(z, norm)
    if norm == "l1":
        return [v * eps / size for v in z] if size > eps else z
    if size <= eps**2:
        return z
    ratio = eps**2 / size
    root = Fraction(math.isqrt((ratio.numerator << 200) // ratio.denominator), 1 << 100)
    return [v * root for v in z]


def _best_l2_shift(m: Floats, S: Floats, eps: float) -> Floats:
    """z = (I + t S)^-1 m with the t > 0 at which its length is eps."""
    from scipy.optimize import brentq

    v, U = np.linalg.eigh(S)
    a = U.T @ m

    def excess(log_t: float) -> float:
        return float(np.linalg.norm(a / (1 + math.exp(log_t) * v)) - eps)

    low, high = (
        -50.0 - math.log(v[-1]),
        50.0 - math.log(v[0]) + abs(math.log(np.linalg.norm(m) / eps)),
    )
    if excess(low) <= 0:
        return m * (eps / np.linalg.norm(m))
    t = math.exp(brentq(excess, low, high, xtol=1e-15, rtol=1e-15))
    return np.asarray(U @ (a / (1 + t * v)))


def _best_polyhedral_shift(m: Floats, S: Floats, eps: float, norm: Norm) -> Floats:
    """By a cone program, then exactly on the face of the ball that it found."""
    import cvxpy

    # Its functions come without annotations.
    cp: Any = cvxpy
    z = cp.Variable(len(m))
    root = np.linalg.cholesky(S)
    rest = np.linalg.solve(root, np.eye(len(m)))
    ball = cp.norm(z, "inf" if norm == "linf" else 1) <= eps
    cp.Problem(cp.Minimize(cp.norm(rest @ (m - z), 2)), [ball]).solve(solver="CLARABEL")
    found = np.asarray(z.value, np.float64)
    P = np.linalg.inv(S)
    force = np.abs(P @ (m - found))
    force /= force.max()
    # Of a gap and the force that closes it one is 0; the solver leaves both a little above.
    if norm == "linf":
        on = 1 - np.abs(found) / eps < force
        better = np.where(on, np.copysign(eps, found), 0.0)
        # The gradient P (m - z) vanishes where z is free.
        if (~on).any():
            right = P[np.ix_(~on, on)] @ (m[on] - better[on])
            better[~on] = m[~on] + np.linalg.solve(P[np.ix_(~on, ~on)], right)
    else:
        on = np.abs(found) / eps > 1 - force
        sign = np.sign(found[on])
        # P (m - z) = t sign where z is not 0, and the sizes sum to eps.
        k = int(on.sum())
        system = np.zeros((k + 1, k + 1))
        system[:k, :k], system[:k, k], system[k, :k] = P[np.ix_(on, on)], sign, sign
        better = np.zeros(len(m))
        better[on] = np.linalg.solve(system, np.append((P @ m)[on], eps))[:k]
    value = [float((m - x) @ P @ (m - x)) for x in (found, better)]
    size = np.abs(better).max() if norm == "linf" else np.abs(better).sum()
    good = size <= eps * (1 + 1e-12) and value[1] <= value[0] * (1 + 1e-6)
    return better if good else found
