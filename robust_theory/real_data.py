"""Theorem 4 for real data: close to the generated images, but not equal to them.

The data have the law mu, at Wasserstein distance delta from the law of g(z), in the norm of the
image space. Radii are unconstrained: r* at x is the least distance to any image of another class.
Class measures are those of the generated images, not of the data.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from robust_theory import isoperimetry, latent
from robust_theory.arguments import broken, budgets, exact_measures, exact_rational
from robust_theory.arithmetic import enclose
from robust_theory.claim import A_PROBABILITY, Claim, Interval
from robust_theory.images import (
    IMAGE_FOOLING_PROBABILITY,
    Modulus,
    image_fooling_probability,
    latent_radii,
)

_U = 2.0**-53
_TRIES = 200


def real_data_fooling_probability(
    measures: Any,
    eps: Any,
    inverse_modulus: Modulus,
    wasserstein: Any,
    order: Any = "inf",
    *,
    split: Any = None,
) -> Any:
    """Lower bound on P(r* <= eps) over data within a Wasserstein distance of the generated ones.

    order "inf": B(t) with t = inverse_modulus(eps - delta), or 0 where eps < delta.
    order p >= 1: B(t) - (delta / s)^p with t = inverse_modulus(eps - s), for any s in (0, eps]:
    all but that share of the data lie within s of a generated image.

    Parameters
    ----------
    measures : sequence (K,)
        Class measures of the generated images.
    eps : number or array
        Budgets, distance in image space, at least 0 and finite.
    inverse_modulus : callable or pair
        As for `image_fooling_probability`.
    wasserstein : number
        delta, an upper bound on the Wasserstein distance of that order.
    order : number or "inf"
        p, at least 1.
    split : number, optional
        s; by default the best one found.

    Returns
    -------
    float or array, in the shape of `eps`
        Rounded down, by at most 1e-13 absolutely; at least 0.

    Raises
    ------
    ValueError
        If the order is below 1, the split outside (0, eps], or another argument is wrong.

    Notes
    -----
    Source: fawzi2018, Theorem 5, second part, in probability.
    """
    budget = budgets(eps)
    values = [
        _one(measures, each, inverse_modulus, wasserstein, order, split)
        for each in np.asarray(eps, dtype=object).ravel()
    ]
    return isoperimetry.shaped(np.array(values), budget)


def _one(
    measures: Any, eps: Any, inverse_modulus: Modulus, wasserstein: Any, order: Any, split: Any
) -> float:
    e, delta, p = _arguments(eps, wasserstein, order)
    s = _split(measures, e, inverse_modulus, delta, p, split)
    if s is None:
        return 0.0
    # A float stands for its decimal; the difference is taken exactly and rounded down.
    fooled = _fooled(measures, isoperimetry.rounded(e - s, -1), inverse_modulus)
    far = 0.0 if p is None or delta == 0 else (float(delta) / float(s)) ** float(p)
    return float(max(0.0, fooled - far * (1 + 1e-14 * (1 + float(p or 0))) - 2 * _U))


def _fooled(measures: Any, eps: float, inverse_modulus: Modulus) -> float:
    return float(image_fooling_probability(measures, eps, inverse_modulus))


def _arguments(
    eps: Any, wasserstein: Any, order: Any
) -> tuple[Fraction, Fraction, Fraction | None]:
    e, delta = exact_rational(eps, "eps"), exact_rational(wasserstein, "wasserstein")
    for name, value in (("eps", e), ("wasserstein", delta)):
        if value < 0:
            raise ValueError(f"{name} must be at least 0, got {float(value)}")
    if order in ("inf", math.inf):
        return e, delta, None
    p = exact_rational(order, "order")
    if p < 1:
        raise ValueError(f"order must be at least 1 or 'inf', got {order}")
    return e, delta, p


def _split(
    measures: Any,
    e: Fraction,
    inverse_modulus: Modulus,
    delta: Fraction,
    p: Fraction | None,
    split: Any,
) -> Fraction | None:
    """s, or None where the bound says nothing."""
    exact_measures(measures)
    if p is None or delta == 0:
        return delta if e >= delta else None
    if split is not None:
        s = exact_rational(split, "split")
        if not 0 < s <= e:
            raise ValueError(f"split must lie in (0, eps], got {split}")
        return s
    if e <= delta:
        return None
    grid = np.linspace(float(delta), float(e), _TRIES + 1)
    for _ in range(2):
        t = latent_radii(inverse_modulus, np.maximum(float(e) - grid, 0))
        values = np.asarray(latent.fooling_probability(measures, t))
        values = values - (float(delta) / grid) ** float(p)
        best = int(np.argmax(values))
        near = grid[max(best - 1, 0)], grid[min(best + 1, _TRIES)]
        found, grid = grid[best], np.linspace(*near, _TRIES + 1)
    return min(exact_rational(float(found)), e)


def _far(m: Any, delta: Any, s: Any, p: Any) -> Any:
    return (m.number(delta) / m.number(s)) ** m.number(p)


def _enclosure(
    measures: Any,
    eps: Any,
    inverse_modulus: Modulus,
    wasserstein: Any,
    order: Any = "inf",
    *,
    split: Any = None,
) -> Interval:
    e, delta, p = _arguments(eps, wasserstein, order)
    s = _split(measures, e, inverse_modulus, delta, p, split)
    if s is None:
        return Interval(0.0, 0.0)
    near = IMAGE_FOOLING_PROBABILITY.enclosure(measures, e - s, inverse_modulus)
    if p is None or delta == 0:
        return near
    far = enclose(_far, delta, s, p)
    lo, hi = near.lo - far.hi, near.hi - far.lo
    return Interval(max(lo - _U, 0.0), max(hi + _U, 0.0))


def _broken(
    measures: Any,
    eps: Any,
    inverse_modulus: Any,
    wasserstein: Any,
    order: Any = "inf",
    *,
    split: Any = None,
) -> tuple[str, ...]:
    return broken(
        lambda: exact_measures(measures),
        lambda: latent_radii(inverse_modulus, budgets(eps)),
        lambda: _arguments(eps, wasserstein, order),
    ) or broken(
        lambda: real_data_fooling_probability(
            measures, eps, inverse_modulus, wasserstein, order, split=split
        )
    )


REAL_DATA_FOOLING_PROBABILITY = Claim(
    name="real-data-fooling-probability",
    source="fawzi2018, Theorem 5, second part, in probability",
    formula=lambda: (
        r"P_\mu(r^* \le \varepsilon) \ge B(\omega^{-1}(\varepsilon - s)) - (\delta / s)^p"
        r",\quad W_p(g_*\nu, \mu) \le \delta"
    ),
    relation=">=",
    value=real_data_fooling_probability,
    enclosure=_enclosure,
    broken_hypotheses=_broken,
    possible=A_PROBABILITY,
)
