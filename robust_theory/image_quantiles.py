"""Quantiles of image radii, and the best trade of the modulus against its failure probability."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from robust_theory import latent
from robust_theory.arguments import broken, exact_measures, probability
from robust_theory.arithmetic import enclose
from robust_theory.claim import A_DISTANCE, Claim, Interval
from robust_theory.images import Modulus, image_distance, power


def image_fooling_quantile(measures: Any, q: Any, modulus: Modulus, failure: Any = 0.0) -> float:
    """Upper bound on the q-quantile of r_X, for every classifier with these class measures.

    omega(t) at the least t with B(t) >= q + failure.

    Parameters
    ----------
    measures : sequence (K,)
        Class measures of the generated images.
    q : number
        Strictly between 0 and 1.
    modulus : callable or pair
        t -> omega(t); with `failure`, a bound that holds with probability at least 1 - failure on
        how far g(z) moves when z moves by at most t.
    failure : number
        At least 0 and below 1 - q.

    Returns
    -------
    float
        Distance in image space, rounded up; a callable is evaluated just above the least t.

    Raises
    ------
    ValueError
        If q + failure is not between 0 and 1, or an argument is not as described.

    Notes
    -----
    Source: fawzi2018, Theorem 4, eq. (6), footnote 6 and Table 1.
    """
    level = _level(q, failure)
    return image_distance(modulus, latent.fooling_quantile(measures, level))


@dataclass(frozen=True)
class ImageQuantile:
    """A bound on a quantile of r_X and what it came from.

    Parameters
    ----------
    radius : float
        The bound, distance in image space.
    latent_radius : float
        The t at which the modulus was taken.
    failure : float
        The failure probability that gave the least bound.
    """

    radius: float
    latent_radius: float
    failure: float


def best_image_fooling_quantile(
    measures: Any, q: Any, modulus: Callable[[float, float], float], *, tries: int = 33
) -> ImageQuantile:
    """The least `image_fooling_quantile` found over the failure probability.

    Each failure probability gives a valid bound when it and its modulus are fixed in advance, or
    when modulus(t, failure) holds for all of them together; so the search only affects how small
    the bound is.

    Parameters
    ----------
    measures, q
        As for `image_fooling_quantile`.
    modulus : callable
        (t, failure) -> omega, nondecreasing in t and nonincreasing in failure.
    tries : int
        Failure probabilities on the grid; as many more are tried next to the best.

    Returns
    -------
    ImageQuantile
        Its radius is never below the bound at its failure probability.

    Notes
    -----
    Source: fawzi2018, footnote 6.
    """
    rest = float(1 - probability(q, "q", open=True))

    def at(failure: float) -> ImageQuantile:
        t = latent.fooling_quantile(measures, _level(q, failure))
        return ImageQuantile(image_distance(lambda s: modulus(s, failure), t), t, failure)

    # Dense near both ends, where moduli and quantiles change fastest.
    grid = rest * np.sin(np.pi / 2 * np.linspace(0, 1, tries)[:-1]) ** 4
    found = [at(float(failure)) for failure in grid]
    best = min(range(len(found)), key=lambda i: found[i].radius)
    lo, hi = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    found += [at(float(failure)) for failure in np.linspace(lo, hi, tries)[1:-1]]
    return min(found, key=lambda each: each.radius)


def _level(q: Any, failure: Any) -> Fraction:
    level = probability(q, "q", open=True) + probability(failure, "failure")
    if level >= 1:
        raise ValueError(f"q plus failure must be below 1, got {q} and {failure}")
    return level


# The enclosure takes the modulus at both ends of the enclosed latent radius.


def _power(m: Any, L: Any, alpha: Any, t: Any) -> Any:
    return m.number(L) * m.number(t) ** m.number(alpha)


def _enclosure(measures: Any, q: Any, modulus: Modulus, failure: Any = 0.0) -> Interval:
    t = latent.FOOLING_QUANTILE.enclosure(measures, _level(q, failure))
    pair = power(modulus, "modulus")
    if pair is None or t.hi == math.inf:
        return Interval(*sorted((image_distance(modulus, t.lo), image_distance(modulus, t.hi))))
    lo, hi = (enclose(_power, *pair, Fraction(end)) for end in (t.lo, t.hi))
    return Interval(lo.lo, hi.hi)


def _broken(measures: Any, q: Any, modulus: Any, failure: Any = 0.0) -> tuple[str, ...]:
    return broken(
        lambda: exact_measures(measures),
        lambda: _level(q, failure),
        lambda: image_distance(modulus, 1.0),
    )


IMAGE_FOOLING_QUANTILE = Claim(
    name="image-fooling-quantile",
    source="fawzi2018, Theorem 4, eq. (6), footnote 6 and Table 1",
    formula=lambda: (
        r"\inf\{x : P(r_X \le x) \ge q\} \le \omega(t),\quad "
        r"t = \min\{t : B(t) \ge q + \eta\}"
    ),
    relation="<=",
    value=image_fooling_quantile,
    enclosure=_enclosure,
    broken_hypotheses=_broken,
    possible=A_DISTANCE,
)
