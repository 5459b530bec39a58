"""From latent radii to image radii, through the modulus of continuity of the generator.

||g(z) - g(z')|| <= omega(||z - z'||_2) for all z and z', in any norm of the image space; omega is
nondecreasing. r_X is the least image distance to a generated image of another class, r* the least
distance to any image of another class; r* <= r_X, so each bound on r_X holds for r* too.

A modulus is a callable t -> omega(t), or a pair (L, alpha) standing for L t^alpha, which JSON can
hold and balls can read. An inverse modulus is a callable eps -> sup{t : omega(t) <= eps}, or the
pair of the modulus that it inverts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np

from robust_theory import isoperimetry, latent
from robust_theory.arguments import (
    Floats,
    broken,
    budgets,
    exact_measures,
    exact_rational,
    probability,
)
from robust_theory.arithmetic import Balls, statement
from robust_theory.claim import A_PROBABILITY, Claim, Interval
from robust_theory.special import enclose_positive, positive_part

Modulus: TypeAlias = Callable[[Any], Any] | tuple[Any, Any] | list[Any]

_U = 2.0**-53


def image_fooling_probability(
    measures: Any, eps: Any, inverse_modulus: Modulus, failure: Any = 0.0
) -> Any:
    """Lower bound on P(r_X <= eps), for every classifier with these class measures.

    B(t) - failure with t = inverse_modulus(eps) and B the bound of Theorem 1, or 0.

    Parameters
    ----------
    measures : sequence (K,)
        Class measures of the generated images.
    eps : number or array
        Budgets, distance in image space, at least 0.
    inverse_modulus : callable or pair
        eps -> t >= 0, vectorised. With `failure` 0: every change of z by at most t moves g(z) by
        at most eps. Otherwise: with probability at least 1 - failure over z, no change of z by at
        most t moves g(z) by more than eps.
    failure : number
        In [0, 1]. An attack that searches for the largest move gives no such probability.

    Returns
    -------
    float or array, in the shape of `eps`
        Rounded down, by at most 1e-14 absolutely; t is taken as it comes from a callable.

    Raises
    ------
    ValueError
        If t comes out negative, NaN or in another shape, or an argument is not as described.

    Notes
    -----
    Source: fawzi2018, Theorem 4, eq. (6), and footnote 6.
    """
    radius = budgets(eps)
    eta = probability(failure, "failure")
    grown = np.asarray(latent.fooling_probability(measures, latent_radii(inverse_modulus, radius)))
    loss = isoperimetry.rounded(eta, 1)
    values = np.where(loss > 0, grown - loss - _U * (grown + loss), grown)
    return isoperimetry.shaped(np.maximum(values, 0).ravel(), radius)


def image_fooling_probability_inside(
    measures: Any, eps: Any, inverse_modulus: Modulus, failure: Any
) -> Any:
    """Lower bound on P(r_X <= eps) when the modulus holds between the points of a likely set.

    sum_i max(0, c_i - I(c_i + failure)) - failure, or 0 if that is negative, with
    I(u) = sf(sf^-1(u) + t) and t = inverse_modulus(eps).

    Parameters
    ----------
    measures, eps
        As for `image_fooling_probability`.
    inverse_modulus : callable or pair
        eps -> t: points of the set within t of each other have images within eps.
    failure : number
        The set has probability at least 1 - failure.

    Returns
    -------
    float or array, in the shape of `eps`
        Rounded down, by at most 1e-14 absolutely for each class.

    Raises
    ------
    ValueError
        As `image_fooling_probability` does.

    Notes
    -----
    Source: fawzi2018, Theorem 4, eq. (6), and footnote 6.
    """
    radius = budgets(eps)
    eta = probability(failure, "failure")
    t = latent_radii(inverse_modulus, radius).ravel()
    c = exact_measures(measures)
    values = np.full(t.size, -isoperimetry.rounded(eta, 1))
    for ci, times in c:
        if ci + eta < 1:
            grown = isoperimetry.margin([(ci + eta, 1)], 1 - ci, t)
            values += times * np.maximum(grown, 0) * (1 - 4 * _U)
    # No partial sum is larger than this in size.
    additions = (4 + len(c)) * _U * (np.abs(values) + 2 * float(eta))
    return isoperimetry.shaped(np.maximum(values - additions, 0), radius)


def power(modulus: Any, name: str) -> tuple[Fraction, Fraction] | None:
    """The pair (L, alpha) as rationals, or None for a callable."""
    if callable(modulus):
        return None
    if not isinstance(modulus, tuple | list) or len(modulus) != 2:
        raise ValueError(f"{name} must be a callable or a pair (L, alpha), got {modulus!r}")
    L, alpha = (exact_rational(value, name) for value in modulus)
    if L <= 0 or alpha <= 0:
        raise ValueError(f"{name} (L, alpha) must be positive, got {modulus!r}")
    return L, alpha


def latent_radii(inverse_modulus: Modulus, eps: Floats) -> Floats:
    """t for each eps, rounded down where it is computed here."""
    pair = power(inverse_modulus, "inverse_modulus")
    if pair is not None:
        L, alpha = float(pair[0]), float(pair[1])
        # The rounding of the exponent is magnified by the logarithm of the base.
        exact = Fraction(1 / alpha) == 1 / pair[1]
        size = 0.0 if exact else np.abs(np.log(np.clip(eps / L, 1e-308, 1e308)))
        return np.asarray((eps / L) ** (1 / alpha) * (1 - (4 + (4 + 3 * size) / alpha) * _U))
    t = np.asarray(inverse_modulus(eps if eps.ndim else float(eps)), np.float64)  # type: ignore[operator]
    return _checked(t, eps, "inverse_modulus")


def image_distance(modulus: Modulus, t: float) -> float:
    """omega(t), rounded up where it is computed here; inf at an infinite t."""
    if t == math.inf:
        return math.inf
    pair = power(modulus, "modulus")
    if pair is not None:
        L, alpha = float(pair[0]), float(pair[1])
        size = 0.0 if Fraction(alpha) == pair[1] else abs(math.log(max(t, 1e-308)))
        return float(L * t**alpha * (1 + (6 + (2 + 3 * size) * alpha) * _U))
    value = np.asarray(modulus(t), np.float64)  # type: ignore[operator]
    return float(_checked(value, np.asarray(t), "modulus"))


def _checked(values: Floats, like: Floats, name: str) -> Floats:
    if values.shape != like.shape:
        raise ValueError(f"{name} must keep the shape {like.shape}, got {values.shape}")
    if not (values >= 0).all():
        raise ValueError(f"{name} must be at least 0, got {values[~(values >= 0)].ravel()[0]}")
    return values


# The formulas, each read with balls and with symbols.


def _inverse(m: Any, eps: Any, inverse_modulus: Any) -> Any:
    if not isinstance(m, Balls):
        import sympy

        return sympy.Function(r"\omega^{-1}")(eps)
    pair = power(inverse_modulus, "inverse_modulus")
    if pair is None:
        return m.number(Fraction(float(latent_radii(inverse_modulus, np.asarray(float(eps))))))
    return (m.number(eps) / m.number(pair[0])) ** m.number(1 / pair[1])


def _fooled(m: Any, c: Any, eps: Any, eta: Any, inverse_modulus: Any = None) -> Any:
    t = _inverse(m, eps, inverse_modulus)
    return m.sum(lambda ci: m.cdf(m.isf(ci) + t) - m.cdf(m.isf(ci)), c) - m.number(eta)


def _enclosure(measures: Any, eps: Any, inverse_modulus: Modulus, failure: Any = 0.0) -> Interval:
    c, eta, e = exact_measures(measures), probability(failure, "failure"), budgets(eps)
    t = float(latent_radii(inverse_modulus, e))
    if c[-1][0] == 1 or t == 0 or eta == 1:
        return Interval(0.0, 0.0)
    if t == math.inf:
        return Interval(isoperimetry.rounded(1 - eta, -1), isoperimetry.rounded(1 - eta, 1))
    return enclose_positive(_fooled, c, exact_rational(eps), eta, inverse_modulus)


def _inside(m: Any, c: Any, eps: Any, eta: Any, inverse_modulus: Any = None) -> Any:
    t = _inverse(m, eps, inverse_modulus)
    return m.sum(
        lambda ci: positive_part(m, m.number(ci) - m.sf(m.isf(ci + eta) + t)), c
    ) - m.number(eta)


def _inside_enclosure(measures: Any, eps: Any, inverse_modulus: Modulus, failure: Any) -> Interval:
    c, eta, e = exact_measures(measures), probability(failure, "failure"), budgets(eps)
    t = float(latent_radii(inverse_modulus, e))
    small = [(ci, times) for ci, times in c if ci + eta < 1]
    if not small or t == 0:
        return Interval(0.0, 0.0)
    if t == math.inf:
        value = max(sum((ci * times for ci, times in small), Fraction(0)) - eta, Fraction(0))
        return Interval(isoperimetry.rounded(value, -1), isoperimetry.rounded(value, 1))
    return enclose_positive(_inside, small, exact_rational(eps), eta, inverse_modulus)


def _broken(measures: Any, eps: Any, inverse_modulus: Any, failure: Any = 0.0) -> tuple[str, ...]:
    return broken(
        lambda: exact_measures(measures),
        lambda: latent_radii(inverse_modulus, budgets(eps)),
        lambda: probability(failure, "failure"),
    )


_NAMES = ("c_", r"\varepsilon", r"\eta")

IMAGE_FOOLING_PROBABILITY = Claim(
    name="image-fooling-probability",
    source="fawzi2018, Theorem 4, eq. (6), and footnote 6",
    formula=lambda: statement(r"P(r_X \le \varepsilon) \ge", _fooled, *_NAMES),
    relation=">=",
    value=image_fooling_probability,
    enclosure=_enclosure,
    broken_hypotheses=_broken,
    possible=A_PROBABILITY,
)
IMAGE_FOOLING_PROBABILITY_INSIDE = Claim(
    name="image-fooling-probability-inside",
    source="fawzi2018, Theorem 4, eq. (6), and footnote 6",
    formula=lambda: statement(r"P(r_X \le \varepsilon) \ge", _inside, *_NAMES),
    relation=">=",
    value=image_fooling_probability_inside,
    enclosure=_inside_enclosure,
    broken_hypotheses=_broken,
    possible=A_PROBABILITY,
)
