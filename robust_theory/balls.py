"""Latent vectors uniform in a ball."""

from __future__ import annotations

import math
from typing import Any

from robust_theory.arguments import positive_integer
from robust_theory.arithmetic import enclose
from robust_theory.claim import Interval
from robust_theory.latents import positive, stretched_claim, stretched_probability
from robust_theory.special import gamma

_U = 2.0**-53


def ball_fooling_probability(measures: Any, eps: Any, d: int, radius: Any = 1) -> Any:
    """Lower bound on P(r <= eps) for latent vectors uniform in a ball: B(eps / k).

    k is `ball_lipschitz_constant`.

    Parameters
    ----------
    measures : sequence (K,)
        Class measures under the uniform law.
    eps : number or array
        Budgets, L2 distance, at least 0.
    d : int
        Dimension of the ball.
    radius : number
        Of the ball.

    Returns
    -------
    float or array, in the shape of `eps`
        Rounded down, within 2e-14 relatively.

    Raises
    ------
    ValueError
        If the radius is not positive, or another argument is not as described.

    Notes
    -----
    Source: fawzi2018, footnote 1, for the ball.
    """
    return stretched_probability(measures, eps, (1 - 2 * _U) / ball_lipschitz_constant(d, radius))


def ball_lipschitz_constant(d: int, radius: Any = 1) -> float:
    """How far the radial map from the normal law to the uniform law in a ball can stretch.

    radius (2^(d/2) Gamma(d/2 + 1))^(-1/d), the slope of that map at 0, its greatest.

    Parameters
    ----------
    d : int
        Dimension of the ball.
    radius : number
        Of the ball.

    Returns
    -------
    float
        Rounded up, within 1e-14 relatively.

    Notes
    -----
    Source: fawzi2018, footnote 1, for the ball.
    """
    n = positive_integer(d, "d")
    log = math.log(2) / 2 + math.lgamma(n / 2 + 1) / n
    # lgamma within 4 u of its size, or of 1 where it vanishes; exp carries that over.
    return float(positive(radius, "radius")) * math.exp(-log) * (1 + (16 + 8 * log) * _U)


# The formulas, each read with balls and with symbols.


def ball_lipschitz_enclosure(d: int, radius: Any = 1) -> Interval:
    """Interval that contains the exact `ball_lipschitz_constant`."""
    return enclose(_ball_constant, positive_integer(d, "d"), positive(radius, "radius"))


def _ball_constant(m: Any, d: Any, radius: Any) -> Any:
    half = m.number(d) / 2
    volume = m.number(2) ** half * gamma(m, half + 1)
    return m.number(radius) * volume ** (-1 / m.number(d))


def _ball(m: Any, d: Any, radius: Any) -> Any:
    return 1 / _ball_constant(m, d, radius)


BALL_FOOLING_PROBABILITY = stretched_claim(
    "ball-fooling-probability",
    "fawzi2018, footnote 1, for the ball",
    _ball,
    ball_fooling_probability,
    d=("d", positive_integer),
    radius=(r"\rho", positive),
)
