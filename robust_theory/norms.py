"""Gaussian latent vectors of any covariance, with perturbations measured in any l_p norm.

z = S^(1/2) y + mean with y ~ N(0, I). The perturbations within eps of z contain the images of those
of y within rho eps, where rho = 1 / sup over ||u||_2 <= 1 of ||S^(1/2) u||: the inradius of the
norm's unit ball in the space of y. Theorem 1 holds at rho eps, and is attained by a half-space.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from robust_theory import latents
from robust_theory.arguments import Floats, broken, budgets, exact_measures, exact_rational
from robust_theory.arithmetic import Balls
from robust_theory.claim import A_PROBABILITY, Claim, Interval

_U = 2.0**-53
_SIGNS = 16  # l1: all 2^15 sign patterns are tried up to this dimension


def gaussian_fooling_probability(measures: Any, eps: Any, covariance: Any, norm: Any = "l2") -> Any:
    """Lower bound on P(r <= eps) for latent vectors N(mean, covariance): B(rho eps).

    Parameters
    ----------
    measures : sequence (K,)
        Class measures under that law.
    eps : number or array
        Budgets in the norm, at least 0.
    covariance : array (d, d)
        Symmetric and positive semidefinite, not 0. For a linear generator A and radii in image
        space, A A^T.
    norm : "l1", "l2", "linf" or number
        The l_p norm of the radii, p >= 1.

    Returns
    -------
    float or array, in the shape of `eps`
        Rounded down.

    Raises
    ------
    ValueError
        If the covariance or the norm is not as described, or another argument is wrong.

    Notes
    -----
    Source: fawzi2018, Theorem 1; prescott2021 for p >= 2.
    """
    rho = gaussian_inradius(covariance, norm)
    return latents.stretched_probability(measures, eps, rho)


def gaussian_inradius(covariance: Any, norm: Any = "l2") -> float:
    """Lower bound on the inradius rho, tight for the norms l2 and linf and diagonal covariances.

    1 / sqrt(largest eigenvalue) for l2, 1 / sqrt(largest variance) for linf. For l1, tight up to
    16 dimensions (all sign patterns). In between and above, rho is bounded through l2:
    ||x||_p <= ||x||_2 for p >= 2 and <= d^(1/p - 1/2) ||x||_2 for p <= 2.

    Parameters
    ----------
    covariance, norm
        As for `gaussian_fooling_probability`.

    Returns
    -------
    float
        Rounded down, within 1e-13 relatively of the number described.
    """
    S, p = _covariance(covariance), _order(norm)
    return 1 / math.sqrt(_squared_reach(S, p)) * (1 - 4 * _U)


def _squared_reach(S: Floats, p: float) -> float:
    """sup of ||S^(1/2) u||^2 over ||u||_2 <= 1, or an upper bound, rounded up."""
    d, variances = len(S), np.diag(S)
    up = 1 + 8 * (d + 2) * _U
    if np.count_nonzero(S - np.diag(variances)) == 0:
        if p >= 2:
            return float(variances.max()) * up
        # Hoelder's inequality, with equality for the right u.
        r = p / (2 - p)
        largest = float(variances.max())
        return float(largest * math.fsum((variances / largest) ** r) ** (1 / r) * (up + 32 * _U))
    if p == math.inf:
        return float(variances.max()) * up
    if p == 1:
        return _l1_reach(S) * up
    return float(_eigenvalue(S) * d ** max(0.0, 2 / p - 1) * (up + 16 * _U))


def _l1_reach(S: Floats) -> float:
    """Largest s^T S s over sign vectors s; for many dimensions a bound on it."""
    d = len(S)
    if d <= _SIGNS:
        s = _signs(d)
        # Each of d^2 products may be off by d roundings of its size.
        return float(np.einsum("ni,ij,nj->n", s, S, s, optimize=True).max()) + (
            4 * d * _U * float(np.abs(S).sum())
        )
    # s^T S s <= largest eigenvalue of W^(-1/2) S W^(-1/2) times trace W, for diagonal W > 0.
    bounds = [_eigenvalue(S) * d]
    root = np.sqrt(np.diag(S))
    if (root > 0).all():
        bounds.append(_eigenvalue(S / root[:, None] / root) * float((root**2).sum()))
    return min(bounds) * (1 + 4 * d * _U)


def _signs(d: int) -> Floats:
    """All sign vectors that start with +1."""
    bits = (np.arange(2 ** (d - 1))[:, None] >> np.arange(d - 1)) & 1
    return np.hstack([np.ones((len(bits), 1)), 1.0 - 2.0 * bits])


def _eigenvalue(S: Floats) -> float:
    """Largest eigenvalue, rounded up by what the solver, which is backward stable, can lose."""
    return float(np.linalg.eigvalsh(S)[-1]) * (1 + 16 * len(S) * _U)


def _covariance(covariance: Any) -> Floats:
    S = np.asarray(covariance, np.float64)
    if S.ndim != 2 or S.shape[0] != S.shape[1] or S.size == 0:
        raise ValueError(f"covariance must have shape (d, d), got {S.shape}")
    if not np.isfinite(S).all():
        raise ValueError(f"covariance must be finite, got {S[~np.isfinite(S)][0]}")
    scale = float(np.abs(S).max())
    if np.abs(S - S.T).max() > 1e-12 * scale:
        raise ValueError("covariance must be symmetric, and differs from its transpose")
    S = (S + S.T) / 2
    least = float(np.linalg.eigvalsh(S)[0])
    if scale == 0 or least < -1e-10 * scale:
        raise ValueError(f"covariance must be positive semidefinite and not 0, got {least}")
    return S


def _order(norm: Any) -> float:
    named = {"l1": 1.0, "l2": 2.0, "linf": math.inf}
    if isinstance(norm, str) and norm in named:
        return named[norm]
    p = math.inf if norm in ("inf", math.inf) else float(exact_rational(norm, "norm"))
    if not p >= 1:
        raise ValueError(f"norm must be 'l1', 'l2', 'linf' or a number of at least 1, got {norm}")
    return p


def _reach_enclosure(S: Floats, p: float) -> tuple[Fraction, Fraction]:
    """Rationals around what `_squared_reach` bounds: exact, or with a certificate."""
    d = len(S)
    exact = [[Fraction(float(x)) for x in row] for row in S]
    diagonal = np.count_nonzero(S - np.diag(np.diag(S))) == 0
    if p == math.inf or (diagonal and p >= 2):
        largest = max(exact[i][i] for i in range(d))
        return largest, largest
    if diagonal or (p == 1 and d > _SIGNS) or p not in (1, 2):
        # Powers and products of doubles: rounded up by less than 1e-12 in all.
        bound = Fraction(_squared_reach(S, p))
        return bound * (1 - Fraction(1, 10**12)), bound
    if p == 1:
        signs = _signs(d)
        s = signs[np.einsum("ni,ij,nj->n", signs, S, signs, optimize=True).argmax()]
        best = [int(sign) for sign in s]
        reached = sum(exact[i][j] * best[i] * best[j] for i in range(d) for j in range(d))
        return Fraction(reached), Fraction(_l1_reach(S))
    return _eigenvalue_enclosure(S, exact)


def _eigenvalue_enclosure(S: Floats, exact: list[list[Fraction]]) -> tuple[Fraction, Fraction]:
    """A Rayleigh quotient, and a number whose difference with S is proved positive definite."""
    d = len(S)
    v = [Fraction(float(x)) for x in np.linalg.eigh(S)[1][:, -1]]
    zero = Fraction(0)
    product = sum((v[i] * exact[i][j] * v[j] for i in range(d) for j in range(d)), zero)
    lo = product / sum((x * x for x in v), zero)
    for digits in range(20, 8, -1):
        hi = lo * (1 + Fraction(1, 10**digits))
        if _positive_definite(exact, hi):
            return lo, hi
    raise ArithmeticError("no upper bound on the largest eigenvalue could be proved")


def _positive_definite(S: list[list[Fraction]], shift: Fraction) -> bool:
    """Whether the pivots of shift I - S are certainly positive."""
    from flint import ctx

    with ctx.workprec(512):
        m, d = Balls(), len(S)
        rows = [[m.number((shift if i == j else 0) - S[i][j]) for j in range(d)] for i in range(d)]
        for k in range(d):
            if not rows[k][k] > 0:
                return False
            for i in range(k + 1, d):
                factor = rows[i][k] / rows[k][k]
                for j in range(k + 1, d):
                    rows[i][j] = rows[i][j] - factor * rows[k][j]
    return True


def _root(m: Any, square: Any) -> Any:
    return 1 / m.sqrt(square)


def _enclosure(measures: Any, eps: Any, covariance: Any, norm: Any = "l2") -> Interval:
    lo, hi = _reach_enclosure(_covariance(covariance), _order(norm))
    least = latents.stretched_enclosure(measures, eps, _root, hi)
    most = latents.stretched_enclosure(measures, eps, _root, lo)
    return Interval(least.lo, most.hi)


def _broken(measures: Any, eps: Any, covariance: Any, norm: Any = "l2") -> tuple[str, ...]:
    return broken(
        lambda: exact_measures(measures),
        lambda: budgets(eps),
        lambda: _covariance(covariance),
        lambda: _order(norm),
    )


GAUSSIAN_FOOLING_PROBABILITY = Claim(
    name="gaussian-fooling-probability",
    source="prescott2021, for p >= 2; fawzi2018, Theorem 1",
    formula=lambda: (
        latents.INRADIUS_FOOLING_PROBABILITY.statement
        + r",\quad 1/\rho = \sup_{\|u\|_2 \le 1} \|\Sigma^{1/2} u\|"
    ),
    relation=">=",
    value=gaussian_fooling_probability,
    enclosure=_enclosure,
    broken_hypotheses=_broken,
    possible=A_PROBABILITY,
)
