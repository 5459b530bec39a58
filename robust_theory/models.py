"""Classifiers of z ~ N(0, I) whose robustness is known exactly, to test attacks and bounds on.

The radius of a point is its Euclidean distance to the nearest point of another class.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from scipy import special

from robust_theory import gaussian
from robust_theory.arguments import Floats, budgets, exact_rational, positive_integer, real
from robust_theory.arithmetic import Balls, enclose, latex, symbols
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
        eps to P(radius > eps), in the shape of eps.
    mean_radius : float
        Expectation of the radius.
    """

    name: str
    dimension: int
    measures: tuple[float, ...]
    label: Callable[[Floats], np.ndarray]
    radius: Callable[[Floats], Floats]
    survival: Callable[[Any], Any]
    mean_radius: float


def half_space(dimension: int, offset: float = 0.0) -> ExactModel:
    """Class 1 where the first coordinate exceeds `offset`: the most robust pair of classes."""
    d, t = positive_integer(dimension, "dimension"), real(offset, "offset")
    return ExactModel(
        name="half-space",
        dimension=d,
        measures=(float(special.ndtr(t)), float(special.ndtr(-t))),
        label=lambda z: (_rows(z, d)[:, 0] > t).astype(np.int64),
        radius=lambda z: np.abs(_rows(z, d)[:, 0] - t),
        survival=lambda eps: _shaped(_half_space(t, budgets(eps))[1]),
        mean_radius=math.sqrt(2 / math.pi) * math.exp(-t * t / 2) + t * math.erf(t / math.sqrt(2)),
    )


def simplex(classes: int) -> ExactModel:
    """The class is the index of the largest of `classes` coordinates."""
    K = positive_integer(classes, "classes", least=2)

    def radius(z: Floats) -> Floats:
        top = np.partition(_rows(z, K), K - 2, axis=1)[:, -2:]
        return np.asarray((top[:, 1] - top[:, 0]) / math.sqrt(2))

    return ExactModel(
        name="simplex",
        dimension=K,
        measures=(1 / K,) * K,
        label=lambda z: np.argmax(_rows(z, K), axis=1),
        radius=radius,
        survival=lambda eps: np.exp(simplex_log_survival(K, eps)),
        mean_radius=simplex_expected_radius(K),
    )


def checkerboard(dimension: int) -> ExactModel:
    """The class is the parity of the sum of the coordinates' integer parts (rounded down)."""
    d = positive_integer(dimension, "dimension")
    return ExactModel(
        name="checkerboard",
        dimension=d,
        measures=(0.5, 0.5),
        label=lambda z: np.floor(_rows(z, d)).sum(axis=1).astype(np.int64) % 2,
        radius=lambda z: np.abs(_rows(z, d) - np.rint(z)).min(axis=1),
        survival=lambda eps: _shaped(np.exp(d * _checkerboard_log_cell(budgets(eps)))),
        mean_radius=checkerboard_expected_radius(d),
    )


def half_space_fooling_probability(offset: Any, eps: Any) -> Any:
    """P(r_Z <= eps) of the half-space, to the nearest double or two."""
    return _shaped(_half_space(real(offset, "offset"), budgets(eps))[0])


def simplex_fooling_probability(classes: int, eps: Any) -> Any:
    """P(r_Z <= eps) of the largest-coordinate classifier."""
    return -np.expm1(simplex_log_survival(classes, eps))


def simplex_log_survival(classes: int, eps: Any) -> Any:
    """log P(r_Z > eps) of the largest-coordinate classifier."""
    K = positive_integer(classes, "classes", least=2)
    radius = budgets(eps)
    shift = np.sqrt(2) * np.minimum(radius.ravel(), 1e150)[:, None]
    top = math.sqrt(2 * math.log(K)) + 10
    u = np.arange(-10 * 32, math.ceil(top) * 32) / 32
    x = u + shift * (K - 1) / K
    values = -x * x / 2 + (K - 1) * special.log_ndtr(x - shift)
    result = special.logsumexp(values, axis=-1) + math.log(K / 32 / math.sqrt(2 * math.pi))
    result = np.where(radius.ravel() == 0, 0.0, np.minimum(result, 0.0))
    return _shaped(result.reshape(radius.shape))


def simplex_expected_radius(classes: int) -> float:
    """E r_Z of the largest-coordinate classifier."""
    K = positive_integer(classes, "classes", least=2)
    x = np.arange(-40 * 32, 40 * 32) / 32
    values = np.exp((K - 1) * special.log_ndtr(x)) * special.ndtr(-x)
    return float(math.fsum(values) * K / 32 / math.sqrt(2))


def checkerboard_fooling_probability(d: int, eps: Any, form: Form = "sharp") -> Any:
    """P(r_Z <= eps) of the checkerboard in d dimensions, or with form "paper" a lower bound."""
    d = positive_integer(d, "d")
    radius = budgets(eps)
    if form == "paper":
        if (radius > 1).any():
            raise ValueError(f"eps must be at most 1 with form='paper', got {radius.max()}")
        with np.errstate(divide="ignore"):
            return _shaped(-np.expm1(d * np.log1p(-radius)))
    if form != "sharp":
        raise ValueError(f"form must be 'sharp' or 'paper', got {form!r}")
    return _shaped(-np.expm1(d * _checkerboard_log_cell(radius)))


def checkerboard_expected_radius(d: int) -> float:
    """E r_Z of the checkerboard in d dimensions."""
    d = positive_integer(d, "d")
    nodes, weights = np.polynomial.legendre.leggauss(40)
    # E r = int_0^1 q^d dt / 2 with q = t - ..., t = 1 - 2 eps; v = t^(d+1) flattens it.
    t = ((nodes + 1) / 2) ** (1 / (d + 1))
    ripple = sum(
        (-1) ** (n + 1) * _ripple(n) * np.sin(n * np.pi * (1 - t)) / t * (-1) ** (n + 1)
        for n in (1, 2)
    )
    return float((np.exp(d * np.log1p(-ripple)) @ weights) / 2 / (2 * (d + 1)))


def _ripple(n: int) -> float:
    return 2 / math.pi * math.exp(-2 * math.pi**2 * n * n) / n


def _checkerboard_log_cell(eps: Floats) -> Floats:
    """log P(a coordinate is further than eps from every integer)."""
    near = np.minimum(eps, 0.5)
    within = 2 * near + sum(_ripple(n) * np.sin(2 * np.pi * n * near) for n in (1, 2))
    with np.errstate(divide="ignore"):
        return np.asarray(np.where(eps >= 0.5, -np.inf, np.log1p(-within)))


def _half_space(offset: float, eps: Floats) -> tuple[Floats, Floats]:
    c = special.ndtr(np.array([-offset, offset]))
    increments, tails = gaussian.increment_and_tail(
        c, c[::-1], np.array([offset, -offset]), eps[..., None]
    )
    return increments.sum(axis=-1), tails.sum(axis=-1)


def _rows(z: Any, dimension: int) -> Floats:
    rows = np.asarray(z, np.float64)
    if rows.ndim != 2 or rows.shape[1] != dimension:
        raise ValueError(f"z must have shape (n, {dimension}), got {rows.shape}")
    return rows


def _shaped(values: Any) -> Any:
    values = np.asarray(values)
    return values if values.ndim else float(values)


# The formulas, each read with balls and with symbols.


def _half_space_law(m: Any, t: Any, eps: Any) -> Any:
    return m.cdf(m.number(t) + m.number(eps)) - m.cdf(m.number(t) - m.number(eps))


def _simplex_law(m: Any, K: Any, eps: Any) -> Any:
    shift = m.sqrt(2) * m.number(eps)
    return 1 - m.line_integral(lambda x: K * m.density(x) * m.cdf(x - shift) ** (K - 1), 2 * K)


def _simplex_mean(m: Any, K: Any) -> Any:
    return m.line_integral(lambda x: K * m.cdf(x) ** (K - 1) * m.sf(x) / m.sqrt(2), 2 * K)


def _cell(m: Any, eps: Any) -> Any:
    eps = m.number(eps)
    ripple = m.series(
        lambda n: m.exp(-2 * m.pi**2 * n**2) * m.sin(2 * m.pi * n * eps) / n,
        lambda n: m.exp(-2 * m.pi**2 * (n + 1) ** 2) * 2,
    )
    return 1 - 2 * eps - 2 / m.pi * ripple


def _checkerboard_law(m: Any, d: Any, eps: Any) -> Any:
    return 1 - _cell(m, eps) ** d


def _checkerboard_mean(m: Any, d: Any) -> Any:
    return m.integral(lambda x: _cell(m, x) ** d, 0, m.number(1) / 2)


def _checkerboard_paper(m: Any, d: Any, eps: Any) -> Any:
    return 1 - (1 - m.number(eps)) ** d


def _half_space_enclosure(offset: Any, eps: Any) -> Interval:
    e = exact_rational(eps, "eps")
    return Interval(0, 0) if e == 0 else enclose(
        _half_space_law, exact_rational(offset, "offset"), e
    )


def _simplex_enclosure(classes: int, eps: Any) -> Interval:
    e = exact_rational(eps, "eps")
    return Interval(0, 0) if e == 0 else enclose(_simplex_law, classes, e)


def _checkerboard_enclosure(d: int, eps: Any, form: Form = "sharp") -> Interval:
    e = exact_rational(eps, "eps")
    if e == 0:
        return Interval(0, 0)
    if form == "paper":
        return enclose(_checkerboard_paper, d, e)
    return Interval(1, 1) if 2 * e >= 1 else enclose(_checkerboard_law, d, e)


def _broken(**arguments: Any) -> tuple[str, ...]:
    readers: dict[str, Callable[[Any], Any]] = {
        "eps": budgets,
        "offset": lambda t: real(t, "offset"),
        "classes": lambda K: positive_integer(K, "classes", least=2),
        "d": lambda d: positive_integer(d, "d"),
    }
    sentences = []
    for name, value in arguments.items():
        try:
            readers[name](value)
        except ValueError as error:
            sentences.append(str(error))
    return tuple(sentences)


def _paper_broken(d: Any, eps: Any) -> tuple[str, ...]:
    broken = _broken(d=d, eps=eps)
    if not broken and (budgets(eps) > 1).any():
        return (f"eq. (4) needs eps at most 1, got {eps}",)
    return broken


def _statement(left: str, relation: str, formula: Any, *names: str) -> str:
    m = symbols()
    return f"{left} {relation} {latex(formula(m, *(m.symbol(name) for name in names)))}"


_FOOLED = r"P(r_Z \le \varepsilon)"

HALF_SPACE_LAW = Claim(
    name="half-space-law",
    source="fawzi2018, Remark 4",
    formula=lambda: _statement(_FOOLED, "=", _half_space_law, "t", r"\varepsilon"),
    relation="==",
    value=half_space_fooling_probability,
    enclosure=_half_space_enclosure,
    broken_hypotheses=lambda offset, eps: _broken(offset=offset, eps=eps),
    possible=A_PROBABILITY,
)
SIMPLEX_LAW = Claim(
    name="simplex-law",
    source="milman2022, Gaussian simplicial clusters",
    formula=lambda: _statement(_FOOLED, "=", _simplex_law, "K", r"\varepsilon"),
    relation="==",
    value=simplex_fooling_probability,
    enclosure=_simplex_enclosure,
    broken_hypotheses=lambda classes, eps: _broken(classes=classes, eps=eps),
    possible=A_PROBABILITY,
)
SIMPLEX_EXPECTED_RADIUS = Claim(
    name="simplex-expected-radius",
    source="milman2022, Gaussian simplicial clusters",
    formula=lambda: _statement(r"E\, r_Z", "=", _simplex_mean, "K"),
    relation="==",
    value=simplex_expected_radius,
    enclosure=lambda classes: enclose(_simplex_mean, classes),
    broken_hypotheses=lambda classes: _broken(classes=classes),
    possible=A_DISTANCE,
)
CHECKERBOARD_LAW = Claim(
    name="checkerboard-law",
    source="fawzi2018, Example 1",
    formula=lambda: _statement(_FOOLED, "=", _checkerboard_law, "d", r"\varepsilon"),
    relation="==",
    value=checkerboard_fooling_probability,
    enclosure=_checkerboard_enclosure,
    broken_hypotheses=lambda d, eps: _broken(d=d, eps=eps),
    possible=A_PROBABILITY,
)
CHECKERBOARD_EXPECTED_RADIUS = Claim(
    name="checkerboard-expected-radius",
    source="fawzi2018, Example 1",
    formula=lambda: _statement(r"E\, r_Z", "=", _checkerboard_mean, "d"),
    relation="==",
    value=checkerboard_expected_radius,
    enclosure=lambda d: enclose(_checkerboard_mean, d),
    broken_hypotheses=lambda d: _broken(d=d),
    possible=A_DISTANCE,
)
CHECKERBOARD_PAPER_BOUND = Claim(
    name="checkerboard-paper-bound",
    source="fawzi2018, Example 1, eq. (4)",
    formula=lambda: _statement(_FOOLED, r"\ge", _checkerboard_paper, "d", r"\varepsilon")
    + r",\quad 0 \le \varepsilon \le 1",
    relation=">=",
    value=partial(checkerboard_fooling_probability, form="paper"),
    enclosure=partial(_checkerboard_enclosure, form="paper"),
    broken_hypotheses=_paper_broken,
    possible=A_PROBABILITY,
)
