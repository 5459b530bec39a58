"""Transfer bounds when class measures are only known between simultaneous confidence limits."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from robust_theory import isoperimetry, measure_limits
from robust_theory.arguments import Floats, budgets, probability


def transfer_probability_limits(
    lower: Any, upper: Any, delta_lower: Any, delta_upper: Any, eps: Any
) -> tuple[Any, Any]:
    """Range of the sharp `transfer_probability` over all measures and deltas between limits.

    The bound is that of Theorem 1 less delta + I(c_max + delta) - I(c_max), which grows with both
    c_max and delta because I is convex and increasing.

    Parameters
    ----------
    lower, upper : array (K,)
        Simultaneous confidence limits of the class measures.
    delta_lower, delta_upper : number
        Confidence limits of delta.
    eps : number or array
        Budgets, L2 distance in latent space.

    Returns
    -------
    lo, hi : float or array, in the shape of `eps`
        Rounded outwards, within [0, 1].
    """
    radius = budgets(eps)
    low, high = measure_limits.fooling_probability_limits(lower, upper, radius.ravel())
    least = probability(delta_lower, "delta_lower")
    most = probability(delta_upper, "delta_upper")
    if least > most:
        raise ValueError(f"delta_lower must be at most delta_upper, got {least} and {most}")
    smallest, largest = (max(Fraction(float(c)) for c in ends) for ends in (lower, upper))
    lo = np.clip(low - _penalty(largest, most, radius.ravel(), 1) - 2.0**-52, 0, 1)
    hi = np.clip(high - _penalty(smallest, least, radius.ravel(), -1) + 2.0**-52, 0, 1)
    return isoperimetry.shaped(lo, radius), isoperimetry.shaped(hi, radius)


def transfer_probability_from_unions_limits(
    lower: Any, upper: Any, delta_lower: Any, delta_upper: Any, eps: Any
) -> tuple[Any, Any]:
    """Range of `transfer_probability_from_unions` over all unions and deltas between limits.

    Parameters
    ----------
    lower, upper : array (K,)
        Simultaneous confidence limits of the unions.
    delta_lower, delta_upper : number
        Confidence limits of delta.
    eps : number or array
        Budgets, L2 distance in latent space.

    Returns
    -------
    lo, hi : float or array, in the shape of `eps`
        Rounded outwards, within [0, 1].
    """
    radius = budgets(eps)
    low, high = isoperimetry.groups(lower, "lower"), isoperimetry.groups(upper, "upper")
    least = probability(delta_lower, "delta_lower")
    most = probability(delta_upper, "delta_upper")
    # Both I and delta are subtracted, so the bound falls as each of them grows.
    lo = isoperimetry.margin(high, most, radius.ravel(), side=-1)
    hi = isoperimetry.margin(low, least, radius.ravel(), side=1)
    return (
        isoperimetry.shaped(np.clip(lo, 0, 1), radius),
        isoperimetry.shaped(np.clip(hi, 0, 1), radius),
    )


def _penalty(c: Fraction, delta: Fraction, eps: Floats, side: int) -> Floats:
    """delta + I(c + delta) - I(c), moved to the given side."""
    if c + delta >= 1:
        return np.ones(eps.size) if side > 0 else np.full(eps.size, float(delta))
    zero = Fraction(0)
    after = 1 - isoperimetry.margin([(c + delta, 1)], zero, eps, side=-side)
    before = 1 - isoperimetry.margin([(c, 1)], zero, eps, side=side) if c > 0 else 0
    return np.asarray(float(delta) + after - before + side * 2.0**-51)
