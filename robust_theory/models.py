"""Classifiers of z ~ N(0, I) whose robustness is known exactly, to test attacks and bounds on.

The radius of a point is its Euclidean distance to the nearest point of another class.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust_theory import gaussian
from robust_theory.arguments import (
    Floats,
    broken,
    budgets,
    exact_rational,
    positive_integer,
    real,
)
from robust_theory.arithmetic import enclose, statement
from robust_theory.claim import A_DISTANCE, A_PROBABILITY, Claim, Interval


@dataclass(frozen=True)
class ExactModel:
    """A classifier of standard normal vectors with its exact robustness.

    Parameters
    ----------
    name : str
        In words.
    dimension : int
        Length of the vectors.
    measures : tuple of float
        Probability of each class.
    label : callable
        Rows (n, dimension) to classes (n,), integers from 0.
    radius : callable
        Rows (n, dimension) to their exact radii (n,), L2 distance.
    survival : callable
        Budgets eps, a number or an array, to P(radius > eps) in the shape of eps.
    mean_radius : float
        Expectation of the radius.
    """

    name: str
    dimension: int
    measures: tuple[float, ...]
    label: Callable[[Floats], NDArray[np.int64]]
    radius: Callable[[Floats], Floats]
    survival: Callable[[Any], Any]
    mean_radius: float


def half_space(dimension: int, offset: float = 0.0) -> ExactModel:
    """Class 1 where the first coordinate exceeds `offset`: no two classes are more robust."""
    d, t = positive_integer(dimension, "dimension"), real(offset, "offset")
    below, above = gaussian.sf(np.array([-t, t])).tolist()
    return ExactModel(
        name="half-space",
        dimension=d,
        measures=(below, above),
        label=lambda z: (checked_rows(z, d)[:, 0] > t).astype(np.int64),
        radius=lambda z: np.abs(checked_rows(z, d)[:, 0] - t),
        survival=lambda eps: of_budgets(lambda e: _half_space(t, e)[1], eps),
        mean_radius=math.sqrt(2 / math.pi) * math.exp(-t * t / 2) + t * math.erf(t / math.sqrt(2)),
    )


def simplex(classes: int) -> ExactModel:
    """The class is the index of the largest of `classes` coordinates."""
    K = positive_integer(classes, "classes", least=2)

    def radius(z: Floats) -> Floats:
        top = np.partition(checked_rows(z, K), K - 2, axis=1)[:, K - 2 :]
        return np.asarray((top[:, 1] - top[:, 0]) / math.sqrt(2))

    return ExactModel(
        name="simplex",
        dimension=K,
        measures=(1 / K,) * K,
        label=lambda z: np.argmax(checked_rows(z, K), axis=1),
        radius=radius,
        survival=lambda eps: of_budgets(partial(_simplex_survival, K), eps),
        mean_radius=simplex_expected_radius(K),
    )


def half_space_fooling_probability(offset: Any, eps: Any) -> Any:
    """P(r_Z <= eps) of the half-space z_1 > offset, for `eps` of any shape.

    Phi(offset + eps) - Phi(offset - eps), to the nearest double within 1e-14, relatively, for
    offsets up to 10.

    Notes
    -----
    Source: fawzi2018, Remark 4.
    """
    t = real(offset, "offset")
    return of_budgets(lambda e: _half_space(t, e)[0], eps)


def simplex_fooling_probability(classes: int, eps: Any) -> Any:
    """P(r_Z <= eps) of the largest of `classes` >= 2 coordinates, for `eps` of any shape.

    1 - K int density(x) Phi(x - sqrt(2) eps)^(K-1) dx, within 1e-14, relatively.

    Notes
    -----
    The radius is the gap between the two largest coordinates over sqrt(2). Bounds for K classes
    are within a factor of 1.42 of what this classifier reaches. Source: milman2022.
    """
    K = positive_integer(classes, "classes", least=2)
    return of_budgets(partial(_simplex_fooling, K), eps)


def simplex_expected_radius(classes: int) -> float:
    """E r_Z of the largest of `classes` >= 2 coordinates, within 1e-14, relatively.

    K int Phi(x)^(K-1) sf(x) dx / sqrt(2).

    Notes
    -----
    Source: milman2022.
    """
    K = positive_integer(classes, "classes", least=2)
    x = np.arange(-40 / _STEP, 40 / _STEP) * _STEP
    return math.fsum(np.exp((K - 1) * gaussian.log_sf(-x)) * gaussian.sf(x)) * (
        _STEP * K / math.sqrt(2)
    )


# The trapezoidal rule on a smooth function that dies out at both ends: the narrowest one below
# has a standard deviation of 0.06, for which this step's error is exp(-70).
_STEP = 1 / 32


def _half_space(offset: float, eps: Floats) -> tuple[Floats, Floats]:
    """P(r <= eps) and P(r > eps): both classes' increments and tails."""
    a = np.array([abs(offset), -abs(offset)])
    c = gaussian.sf(a)
    if c[0] == 0:  # the boundary is out of sight
        return (eps >= abs(offset)).astype(np.float64), (eps < abs(offset)).astype(np.float64)
    increments, tails = gaussian.increments(c, c[::-1], a, eps)
    return increments.sum(axis=1), tails.sum(axis=1)


def _simplex_nodes(K: int, shift: Floats) -> Floats:
    # The integrand lives within 10 standard deviations of its peak, which is between
    # shift (K-1)/K and sqrt(2 log K) above it. Multiples of the step make x exact.
    start = np.floor(shift * (K - 1) / K / _STEP)
    stop = math.ceil((math.sqrt(2 * math.log(K)) + 10) / _STEP)
    return np.asarray((start[:, None] + np.arange(-10 / _STEP, stop)) * _STEP)


def _simplex_survival(K: int, eps: Floats) -> Floats:
    """P(r > eps) = K int density(x) Phi(x - shift)^(K-1) dx."""
    result = np.empty(eps.shape)
    for block in _blocks(eps.size):
        shift = math.sqrt(2) * np.minimum(eps[block], 60.0)  # 0 in doubles from eps = 39 on
        x = _simplex_nodes(K, shift)
        power = np.exp((K - 1) * gaussian.log_sf(shift[:, None] - x))
        result[block] = (gaussian.density(x) * power).sum(axis=1) * (K * _STEP)
    return np.where(eps == 0, 1.0, np.minimum(result, 1.0))


def _simplex_fooling(K: int, eps: Floats) -> Floats:
    """P(r <= eps), from the increments of Phi(x)^(K-1) over the shift, all positive."""
    x = _simplex_nodes(K, np.zeros(1))[0]
    c, complement, log_cdf = gaussian.sf(-x), gaussian.sf(x), gaussian.log_sf(-x)
    weights = gaussian.density(x) * np.exp((K - 1) * log_cdf) * (K * _STEP)
    result = np.empty(eps.shape)
    for block in _blocks(eps.size):
        # sf(-x) - sf(-x + shift) is what Phi loses between x and x - shift.
        lost, _ = gaussian.increments(c, complement, -x, math.sqrt(2) * eps[block])
        power = (K - 1) * np.log1p(-np.minimum(lost / c, 1.0))
        result[block] = (weights * -np.expm1(power)).sum(axis=1)
    return np.minimum(result, 1.0)


def _blocks(n: int) -> Iterator[slice]:
    return (slice(start, start + 64) for start in range(0, n, 64))


def of_budgets(law: Callable[[Floats], Floats], eps: Any) -> Any:
    """A law of flat budgets, applied to budgets of any shape."""
    radius = budgets(eps)
    with np.errstate(divide="ignore"):
        values = law(radius.ravel())
    return values.reshape(radius.shape) if radius.ndim else float(values[0])


def checked_rows(z: Any, dimension: int) -> Floats:
    """Finite points (n, dimension), or ValueError."""
    rows = np.asarray(z, np.float64)
    if rows.ndim != 2 or rows.shape[1] != dimension:
        raise ValueError(f"z must have shape (n, {dimension}), got {rows.shape}")
    if not np.isfinite(rows).all():
        raise ValueError("z must be finite, got NaN or infinity")
    return rows


# The formulas, each read with balls and with symbols.


def _half_space_law(m: Any, t: Any, eps: Any) -> Any:
    t, eps = m.number(t), m.number(eps)
    return m.cdf(t + eps) - m.cdf(t - eps)


def _simplex_law(m: Any, K: Any, eps: Any) -> Any:
    shift = m.sqrt(2) * m.number(eps)
    return 1 - m.line_integral(lambda x: K * m.density(x) * m.cdf(x - shift) ** (K - 1), 2 * K)


def _simplex_mean(m: Any, K: Any) -> Any:
    return m.line_integral(lambda x: K * m.cdf(x) ** (K - 1) * m.sf(x), 2 * K) / m.sqrt(2)


def enclosed_law(
    law: Callable[..., Any], *arguments: Any, certain: Fraction | None = None
) -> Interval:
    """Enclosure of a law whose last argument is eps; it is 1 from eps = `certain` on."""
    *others, eps = arguments
    radius = float(budgets(eps))
    if radius == 0:
        return Interval(0.0, 0.0)
    if radius == math.inf or (certain is not None and exact_rational(eps) >= certain):
        return Interval(1.0, 1.0)
    return enclose(law, *others, exact_rational(eps), within=A_PROBABILITY)


def _half_space_enclosure(offset: Any, eps: Any) -> Interval:
    return enclosed_law(_half_space_law, exact_rational(offset, "offset"), eps)


def _simplex_enclosure(classes: int, eps: Any) -> Interval:
    return enclosed_law(_simplex_law, positive_integer(classes, "classes", least=2), eps)


def _simplex_mean_enclosure(classes: int) -> Interval:
    return enclose(_simplex_mean, positive_integer(classes, "classes", least=2))


def _broken_simplex(classes: Any, eps: Any = 0) -> tuple[str, ...]:
    return broken(lambda: positive_integer(classes, "classes", least=2), lambda: budgets(eps))


FOOLED = r"P(r_Z \le \varepsilon)"
MEAN_RADIUS = r"\mathbb{E}\, r_Z"

HALF_SPACE_LAW = Claim(
    name="half-space-law",
    source="fawzi2018, Remark 4",
    formula=lambda: statement(FOOLED + " =", _half_space_law, "t", r"\varepsilon"),
    relation="==",
    value=half_space_fooling_probability,
    enclosure=_half_space_enclosure,
    broken_hypotheses=lambda offset, eps: broken(
        lambda: real(offset, "offset"), lambda: budgets(eps)
    ),
    possible=A_PROBABILITY,
)
SIMPLEX_LAW = Claim(
    name="simplex-law",
    source="milman2022, Gaussian simplicial clusters",
    formula=lambda: statement(FOOLED + " =", _simplex_law, "K", r"\varepsilon"),
    relation="==",
    value=simplex_fooling_probability,
    enclosure=_simplex_enclosure,
    broken_hypotheses=_broken_simplex,
    possible=A_PROBABILITY,
)
SIMPLEX_EXPECTED_RADIUS = Claim(
    name="simplex-expected-radius",
    source="milman2022, Gaussian simplicial clusters",
    formula=lambda: statement(MEAN_RADIUS + " =", _simplex_mean, "K"),
    relation="==",
    value=simplex_expected_radius,
    enclosure=_simplex_mean_enclosure,
    broken_hypotheses=lambda classes: _broken_simplex(classes),
    possible=A_DISTANCE,
)
