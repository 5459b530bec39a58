"""Classifiers of z ~ N(0, I) whose robustness is known exactly, to test attacks and bounds on.

The radius of a point is its Euclidean distance to the nearest point of another class.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any, Literal

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

Form = Literal["sharp", "paper"]


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
        label=lambda z: (_rows(z, d)[:, 0] > t).astype(np.int64),
        radius=lambda z: np.abs(_rows(z, d)[:, 0] - t),
        survival=lambda eps: _of_budgets(lambda e: _half_space(t, e)[1], eps),
        mean_radius=math.sqrt(2 / math.pi) * math.exp(-t * t / 2) + t * math.erf(t / math.sqrt(2)),
    )


def simplex(classes: int) -> ExactModel:
    """The class is the index of the largest of `classes` coordinates."""
    K = positive_integer(classes, "classes", least=2)

    def radius(z: Floats) -> Floats:
        top = np.partition(_rows(z, K), K - 2, axis=1)[:, K - 2 :]
        return np.asarray((top[:, 1] - top[:, 0]) / math.sqrt(2))

    return ExactModel(
        name="simplex",
        dimension=K,
        measures=(1 / K,) * K,
        label=lambda z: np.argmax(_rows(z, K), axis=1),
        radius=radius,
        survival=lambda eps: _of_budgets(partial(_simplex_survival, K), eps),
        mean_radius=simplex_expected_radius(K),
    )


def checkerboard(dimension: int) -> ExactModel:
    """The class is the parity of the sum of the coordinates' integer parts (rounded down)."""
    d = positive_integer(dimension, "dimension")
    return ExactModel(
        name="checkerboard",
        dimension=d,
        measures=(0.5, 0.5),
        label=lambda z: ((np.floor(_rows(z, d)) % 2).sum(axis=1) % 2).astype(np.int64),
        radius=lambda z: np.abs(_rows(z, d) - np.rint(z)).min(axis=1),
        survival=lambda eps: _of_budgets(lambda e: np.exp(d * _log_cell(e)), eps),
        mean_radius=checkerboard_expected_radius(d),
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
    return _of_budgets(lambda e: _half_space(t, e)[0], eps)


def simplex_fooling_probability(classes: int, eps: Any) -> Any:
    """P(r_Z <= eps) of the largest of `classes` >= 2 coordinates, for `eps` of any shape.

    1 - K int density(x) Phi(x - sqrt(2) eps)^(K-1) dx, within 1e-14, relatively.

    Notes
    -----
    The radius is the gap between the two largest coordinates over sqrt(2). Bounds for K classes
    are within a factor of 1.42 of what this classifier reaches. Source: milman2022.
    """
    K = positive_integer(classes, "classes", least=2)
    return _of_budgets(partial(_simplex_fooling, K), eps)


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


def checkerboard_fooling_probability(d: int, eps: Any, form: Form = "sharp") -> Any:
    """P(r_Z <= eps) of the checkerboard in `d` dimensions, for `eps` of any shape.

    Parameters
    ----------
    d : int
        Dimension, at least 1.
    eps : number or array
        Budgets, L2 distance.
    form : {"sharp", "paper"}
        "sharp" is the law 1 - q(eps)^d, where a coordinate is further than eps from every
        integer with probability q(eps). "paper" is the lower bound 1 - (1 - eps)^d, which needs
        eps <= 1: beyond that it exceeds 1 in odd dimensions.

    Returns
    -------
    float or array
        Within 1e-14 of the exact value, relatively; the paper's lower bound never above it.

    Raises
    ------
    ValueError
        If d < 1, eps < 0, `form` is another word, or eps > 1 with the paper's form.

    Notes
    -----
    Source: fawzi2018, Example 1; "paper" is its eq. (4), given there without a range.
    """
    d = positive_integer(d, "d")
    if form == "paper":
        _check_paper(eps)
        return _of_budgets(lambda e: -np.expm1(d * np.log1p(-e)) * (1 - 8 * 2.0**-53), eps)
    if form != "sharp":
        raise ValueError(f"form must be 'sharp' or 'paper', got {form!r}")
    return _of_budgets(lambda e: -np.expm1(d * _log_cell(e)), eps)


def checkerboard_expected_radius(d: int) -> float:
    """E r_Z of the checkerboard in `d` dimensions, within 1e-14, relatively.

    The integral of q(x)^d over 0 <= x <= 1/2.

    Notes
    -----
    Source: fawzi2018, Example 1.
    """
    d = positive_integer(d, "d")
    # With t = 1 - 2 x, q = t - k sin(pi t) and k = 1.7e-9. To first order in k the integral is
    # 1/(2(d+1)) - (d k/2) J, where J integrates t^(d-1) sin(pi (1-t)); Taylor's series of the
    # sine about t = 1 gives Beta integrals. The second order and the other sines of q are below
    # 1e-16 of the result.
    integral, term = 0.0, math.pi / (d * (d + 1))
    for n in range(2, 40, 2):
        integral += term
        term *= -(math.pi**2) / ((d + n) * (d + n + 1))
    return 1 / (2 * (d + 1)) - d * _RIPPLES[0] / 2 * integral


# The trapezoidal rule on a smooth function that dies out at both ends: the narrowest one below
# has a standard deviation of 0.06, for which this step's error is exp(-70).
_STEP = 1 / 32

# q(e) = 1 - 2 e - sum_n ripple_n sin(2 pi n e); the third is 1e-77.
_RIPPLES = tuple(2 / math.pi * math.exp(-2 * math.pi**2 * n * n) / n for n in (1, 2))


def _log_cell(eps: Floats) -> Floats:
    """log q(eps), the probability that a coordinate is further than eps from every integer."""
    e = np.minimum(eps, 0.5)
    outside = 2 * e + sum(
        ripple * np.sin(2 * np.pi * n * e) for n, ripple in enumerate(_RIPPLES, start=1)
    )
    return np.where(eps >= 0.5, -np.inf, np.log1p(-outside))


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


def _check_paper(eps: Any) -> None:
    e = budgets(eps)
    if (e > 1).any():
        raise ValueError(f"eps must be at most 1 in eq. (4), got {e[e > 1].flat[0]}")


def _of_budgets(law: Callable[[Floats], Floats], eps: Any) -> Any:
    """A law of flat budgets, applied to budgets of any shape."""
    radius = budgets(eps)
    with np.errstate(divide="ignore"):
        values = law(radius.ravel())
    return values.reshape(radius.shape) if radius.ndim else float(values[0])


def _rows(z: Any, dimension: int) -> Floats:
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


def _cell(m: Any, eps: Any) -> Any:
    eps = m.number(eps)
    y = m.imaginary_size(eps)
    ripples = m.series(
        lambda n: m.exp(-2 * m.pi**2 * n**2) * m.sin(2 * m.pi * n * eps) / n,
        lambda n: m.exp(-2 * m.pi**2 * n**2 + 2 * m.pi * n * y),
    )
    return 1 - 2 * eps - 2 / m.pi * ripples


def _checkerboard_law(m: Any, d: Any, eps: Any) -> Any:
    return 1 - _cell(m, eps) ** d


def _checkerboard_mean(m: Any, d: Any) -> Any:
    return m.integral(lambda x: _cell(m, x) ** d, 0, m.number(Fraction(1, 2)))


def _checkerboard_paper(m: Any, d: Any, eps: Any) -> Any:
    return 1 - (1 - m.number(eps)) ** d


def _enclosed(
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
    return _enclosed(_half_space_law, exact_rational(offset, "offset"), eps)


def _simplex_enclosure(classes: int, eps: Any) -> Interval:
    return _enclosed(_simplex_law, positive_integer(classes, "classes", least=2), eps)


def _simplex_mean_enclosure(classes: int) -> Interval:
    return enclose(_simplex_mean, positive_integer(classes, "classes", least=2))


def _checkerboard_mean_enclosure(d: int) -> Interval:
    return enclose(_checkerboard_mean, positive_integer(d, "d"))


def _checkerboard_enclosure(d: int, eps: Any) -> Interval:
    return _enclosed(_checkerboard_law, positive_integer(d, "d"), eps, certain=Fraction(1, 2))


def _paper_enclosure(d: int, eps: Any) -> Interval:
    _check_paper(eps)
    return _enclosed(_checkerboard_paper, positive_integer(d, "d"), eps, certain=Fraction(1))


def _broken_simplex(classes: Any, eps: Any = 0) -> tuple[str, ...]:
    return broken(lambda: positive_integer(classes, "classes", least=2), lambda: budgets(eps))


def _broken_checkerboard(d: Any, eps: Any = 0) -> tuple[str, ...]:
    return broken(lambda: positive_integer(d, "d"), lambda: budgets(eps))


_FOOLED = r"P(r_Z \le \varepsilon)"
_MEAN = r"\mathbb{E}\, r_Z"

HALF_SPACE_LAW = Claim(
    name="half-space-law",
    source="fawzi2018, Remark 4",
    formula=lambda: statement(_FOOLED + " =", _half_space_law, "t", r"\varepsilon"),
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
    formula=lambda: statement(_FOOLED + " =", _simplex_law, "K", r"\varepsilon"),
    relation="==",
    value=simplex_fooling_probability,
    enclosure=_simplex_enclosure,
    broken_hypotheses=_broken_simplex,
    possible=A_PROBABILITY,
)
SIMPLEX_EXPECTED_RADIUS = Claim(
    name="simplex-expected-radius",
    source="milman2022, Gaussian simplicial clusters",
    formula=lambda: statement(_MEAN + " =", _simplex_mean, "K"),
    relation="==",
    value=simplex_expected_radius,
    enclosure=_simplex_mean_enclosure,
    broken_hypotheses=lambda classes: _broken_simplex(classes),
    possible=A_DISTANCE,
)
CHECKERBOARD_LAW = Claim(
    name="checkerboard-law",
    source="fawzi2018, Example 1",
    formula=lambda: statement(_FOOLED + " =", _checkerboard_law, "d", r"\varepsilon"),
    relation="==",
    value=checkerboard_fooling_probability,
    enclosure=_checkerboard_enclosure,
    broken_hypotheses=_broken_checkerboard,
    possible=A_PROBABILITY,
)
CHECKERBOARD_EXPECTED_RADIUS = Claim(
    name="checkerboard-expected-radius",
    source="fawzi2018, Example 1",
    formula=lambda: statement(_MEAN + " =", _checkerboard_mean, "d"),
    relation="==",
    value=checkerboard_expected_radius,
    enclosure=_checkerboard_mean_enclosure,
    broken_hypotheses=lambda d: _broken_checkerboard(d),
    possible=A_DISTANCE,
)
CHECKERBOARD_PAPER_BOUND = Claim(
    name="checkerboard-paper-bound",
    source="fawzi2018, Example 1, eq. (4)",
    formula=lambda: (
        statement(_FOOLED + r" \ge", _checkerboard_paper, "d", r"\varepsilon")
        + r",\quad 0 \le \varepsilon \le 1"
    ),
    relation=">=",
    value=partial(checkerboard_fooling_probability, form="paper"),
    enclosure=_paper_enclosure,
    broken_hypotheses=lambda d, eps: broken(
        lambda: positive_integer(d, "d"), lambda: _check_paper(eps)
    ),
    possible=A_PROBABILITY,
)
