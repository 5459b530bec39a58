"""What the latent bounds can be when the class measures are known between limits only.

With simultaneous confidence limits of estimated measures, the results hold with that confidence.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from robust_theory import gaussian, rounded
from robust_theory.arguments import Floats, budgets
from robust_theory.claim import Interval
from robust_theory.latent import quantile_levels, shaped

_U = 2.0**-53


def fooling_probability_limits(lower: Any, upper: Any, eps: Any) -> tuple[Any, Any]:
    """Range of the bound B(eps) over all class measures between two limits.

    The term sf(a) - sf(a + eps) of a class is concave in its measure c, with its greatest value
    2 Phi(eps/2) - 1 at c = Phi(eps/2), and the term sf(a + eps) of T increases with c. So B lies
    between the sums of least and of greatest terms, and between 1 - T(upper) and 1 - T(lower);
    the better of each is taken.

    Parameters
    ----------
    lower, upper : array (K,)
        Simultaneous limits of the class measures, 0 <= lower <= upper <= 1; they need not sum
        to 1, but some measures between them must.
    eps : number or array
        Budgets, L2 distance in latent space.

    Returns
    -------
    lo, hi : float or array, in the shape of `eps`
        Rounded outwards, within [0, 1].
    """
    low, high = _box(lower, upper)
    radius = budgets(eps)
    lo, hi = rounded.limits(low, high, radius.ravel())
    return shaped(lo, radius), shaped(hi, radius)


def fooling_quantile_limits(lower: Any, upper: Any, q: Any) -> Interval:
    """Range of `fooling_quantile` over all class measures between two limits.

    Parameters
    ----------
    lower, upper : array (K,)
        As for `fooling_probability_limits`.
    q : number
        Strictly between 0 and 1.

    Returns
    -------
    Interval
        Rounded outwards; `hi` is inf when measures between the limits may never reach q.
    """
    low, high = _box(lower, upper)
    below, above = quantile_levels(q, None)
    least, most = math.nextafter(float(below), 0), math.nextafter(float(above), 1)

    def limits(eps: float) -> tuple[float, float]:
        lo, hi = rounded.limits(low, high, np.array([eps]))
        return float(lo[0]), float(hi[0])

    # The quantile is least for the measures with the greatest B.
    return Interval(
        rounded.crossing(lambda eps: limits(eps)[1] - least)[0],
        rounded.crossing(lambda eps: limits(eps)[0] - most)[1],
    )


def expected_radius_limits(lower: Any, upper: Any) -> Interval:
    """Range of `expected_radius` over all class measures between two limits.

    The term of a class increases with its measure c: by dc = -density(a) da, the derivative of
    density(a) - a c with respect to c is c / density(a) > 0. So both ends are at a limit.

    Parameters
    ----------
    lower, upper : array (K,)
        As for `fooling_probability_limits`.

    Returns
    -------
    Interval
        Rounded outwards; `hi` is inf when some upper limit is 1.
    """
    low, high = _box(lower, upper)
    ends = []
    for c, factor in ((low, 1 - 64 * _U), (high, 1 + 64 * _U)):
        inner = c[(c > 0) & (c < 1)]
        terms = gaussian.expected_excess(inner, 1 - inner, gaussian.isf(inner, 1 - inner))
        ends.append(math.inf if (c == 1).any() else math.fsum(terms) * factor)
    return Interval(ends[0], ends[1])


def _box(lower: Any, upper: Any) -> tuple[Floats, Floats]:
    low, high = budgets(lower, "lower"), budgets(upper, "upper")
    if low.ndim != 1 or low.shape != high.shape or low.size == 0:
        raise ValueError(
            f"lower and upper must both have shape (K,), got {low.shape} and {high.shape}"
        )
    if (low > high).any() or (high > 1).any():
        i = int(np.argmax((low > high) | (high > 1)))
        raise ValueError(f"limits must satisfy lower <= upper <= 1, got {low[i]} and {high[i]}")
    slack = low.size * 4 * _U
    if math.fsum(low) > 1 + slack or math.fsum(high) < 1 - slack:
        raise ValueError(
            "limits must admit measures that sum to 1, "
            f"got sums {math.fsum(low)} of lower and {math.fsum(high)} of upper"
        )
    return low, high
