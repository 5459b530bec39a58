"""Latent laws that are images of the standard normal one under a map that stretches little.

If z = G(y) with y ~ N(0, I) and ||G(y) - G(y')|| <= k ||y - y'||_2, then a perturbation of y within
eps / k is one of z within eps: the bound B of Theorem 1 holds at eps / k, for the class measures
under the law of z, and the perturbed point stays in its support.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from robust_theory import latent
from robust_theory.arguments import (
    broken,
    budgets,
    exact_measures,
    exact_rational,
)
from robust_theory.arithmetic import enclose, statement
from robust_theory.claim import A_PROBABILITY, Claim, Interval

_U = 2.0**-53


def cube_fooling_probability(measures: Any, eps: Any, side: Any = 1) -> Any:
    """Lower bound on P(r <= eps) for latent vectors uniform on a cube: B(eps sqrt(2 pi) / side).

    Parameters
    ----------
    measures : sequence (K,)
        Class measures under the uniform law.
    eps : number or array
        Budgets, L2 distance, at least 0.
    side : number
        Length of the cube's edges; 2 for [-1, 1]^d.

    Returns
    -------
    float or array, in the shape of `eps`
        Rounded down, within 1e-14 relatively.

    Raises
    ------
    ValueError
        If the side is not positive, or another argument is not as described.

    Notes
    -----
    Source: fawzi2018, footnote 1; each coordinate is side times Phi of a normal one.
    """
    factor = math.sqrt(2 * math.pi) / float(positive(side, "side"))
    return stretched_probability(measures, eps, factor * (1 - 4 * _U))


def log_concave_fooling_probability(measures: Any, eps: Any, curvature: Any) -> Any:
    """Lower bound on P(r <= eps) for a latent density exp(-V) with V'' >= curvature times I.

    B(eps sqrt(curvature)); truncating such a law to a convex set keeps its curvature.

    Parameters
    ----------
    measures : sequence (K,)
        Class measures under that law.
    eps : number or array
        Budgets, L2 distance, at least 0.
    curvature : number
        Positive.

    Returns
    -------
    float or array, in the shape of `eps`
        Rounded down, within 1e-14 relatively; attained by N(0, I / curvature) and a half-space.

    Raises
    ------
    ValueError
        If the curvature is not positive, or another argument is not as described.

    Notes
    -----
    Source: caffarelli2000, contraction theorem, with fawzi2018, Theorem 1.
    """
    factor = math.sqrt(float(positive(curvature, "curvature")))
    return stretched_probability(measures, eps, factor * (1 - 4 * _U))


def inradius_fooling_probability(measures: Any, eps: Any, inradius: Any) -> Any:
    """Lower bound on P(r <= eps) in any norm, for z = A y + b with y ~ N(0, I): B(inradius eps).

    Parameters
    ----------
    measures : sequence (K,)
        Class measures.
    eps : number or array
        Budgets, distance in that norm, at least 0.
    inradius : number
        Radius of a Euclidean ball in the space of y that A maps into the unit ball of the norm;
        attained by a half-space when it is the largest (see `gaussian_fooling_probability`).

    Returns
    -------
    float or array, in the shape of `eps`
        Rounded down, within 1e-14 relatively.

    Raises
    ------
    ValueError
        If the inradius is not positive, or another argument is not as described.

    Notes
    -----
    Source: prescott2021 for l_p norms with p >= 2; fawzi2018, Theorem 1.
    """
    return stretched_probability(
        measures, eps, float(positive(inradius, "inradius")) * (1 - 2 * _U)
    )


def stretched_probability(measures: Any, eps: Any, factor: float) -> Any:
    """B(eps factor), rounded down, for a factor that is."""
    return latent.fooling_probability(measures, budgets(eps) * factor * (1 - 2 * _U))


def positive(value: Any, name: str) -> Fraction:
    """Read a positive number exactly."""
    number = exact_rational(value, name)
    if number <= 0:
        raise ValueError(f"{name} must be positive, got {value}")
    return number


# The formulas, each read with balls and with symbols: 1 / k for each law.


def _cube(m: Any, side: Any) -> Any:
    return m.sqrt(2 * m.pi) / m.number(side)


def _log_concave(m: Any, curvature: Any) -> Any:
    return m.sqrt(curvature)


def _inradius(m: Any, inradius: Any) -> Any:
    return m.number(inradius)


def _probability(
    m: Any, c: Any, eps: Any, factor: Callable[..., Any], numbers: tuple[Any, ...]
) -> Any:
    e = m.number(eps) * factor(m, *numbers)
    return m.sum(lambda ci: m.cdf(m.isf(ci) + e) - m.cdf(m.isf(ci)), c)


def stretched_enclosure(
    measures: Any, eps: Any, factor: Callable[..., Any], *numbers: Any
) -> Interval:
    """Enclosure of B(eps factor), for a factor read with balls."""
    c, e = exact_measures(measures), float(budgets(eps))
    if e == 0 or c[-1][0] == 1:
        return Interval(0.0, 0.0)
    if e == math.inf:
        return Interval(1.0, 1.0)
    return enclose(_probability, c, exact_rational(eps), factor, numbers, within=A_PROBABILITY)


def stretched_claim(
    name: str, source: str, factor: Callable[..., Any], value: Any, **readers: tuple[str, Any]
) -> Claim:
    """The claim of a law whose parameters `readers` name, with their letter and their check."""

    def formula() -> str:
        return statement(
            r"P(r \le \varepsilon) \ge",
            lambda m, c, e, *rest: _probability(m, c, e, factor, rest),
            "c_",
            r"\varepsilon",
            *(letter for letter, _ in readers.values()),
        )

    def numbers(given: dict[str, Any]) -> list[Any]:
        return [check(given.get(key, 1), key) for key, (_, check) in readers.items()]

    def named(arguments: tuple[Any, ...], given: dict[str, Any]) -> dict[str, Any]:
        return {**dict(zip(readers, arguments, strict=False)), **given}

    return Claim(
        name=name,
        source=source,
        formula=formula,
        relation=">=",
        value=value,
        enclosure=lambda measures, eps, *rest, **given: stretched_enclosure(
            measures, eps, factor, *numbers(named(rest, given))
        ),
        broken_hypotheses=lambda measures, eps=0, *rest, **given: broken(
            lambda: exact_measures(measures),
            lambda: budgets(eps),
            lambda: numbers(named(rest, given)),
        ),
        possible=A_PROBABILITY,
    )


CUBE_FOOLING_PROBABILITY = stretched_claim(
    "cube-fooling-probability",
    "fawzi2018, footnote 1",
    _cube,
    cube_fooling_probability,
    side=("s", positive),
)
LOG_CONCAVE_FOOLING_PROBABILITY = stretched_claim(
    "log-concave-fooling-probability",
    "caffarelli2000, contraction theorem",
    _log_concave,
    log_concave_fooling_probability,
    curvature=(r"\kappa", positive),
)
INRADIUS_FOOLING_PROBABILITY = stretched_claim(
    "inradius-fooling-probability",
    "prescott2021, Gaussian measures in any norm",
    _inradius,
    inradius_fooling_probability,
    inradius=(r"\rho", positive),
)
