"""Data g(z) with z ~ N(0, I): no classifier keeps its latent radii large.

r_Z(z) is the distance from z to the nearest latent vector that is classified otherwise, in the
Euclidean norm of the latent space; +inf where there is none.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from scipy import special

from robust_theory import gaussian
from robust_theory.arguments import (
    ClassMeasures,
    Floats,
    budgets,
    class_measures,
    exact_measures,
    exact_rational,
    probability,
)
from robust_theory.arithmetic import Balls, enclose, latex, symbols
from robust_theory.claim import A_DISTANCE, A_PROBABILITY, Claim, Interval

_SLACK = 40 * 2.0**-53
_BLOCK = 1 << 20


def fooling_probability(measures: Any, eps: Any) -> Any:
    """Least probability, over all classifiers with these class measures, of r_Z <= eps.

    Returns
    -------
    float or array
        In the shape of `eps`; rounded down: it never exceeds the exact value.
    """
    radius = budgets(eps)
    increments, tails = _sums(class_measures(measures), radius.ravel())
    return _shaped(_lower(increments, tails), radius)


def fooling_log_tail(measures: Any, eps: Any) -> Any:
    """log(1 - fooling_probability), rounded up."""
    radius = budgets(eps)
    classes = class_measures(measures)
    return _shaped(_log_tail(classes, radius.ravel()), radius)


def fooling_quantile(measures: Any, q: Any, *, tail: Any = None) -> float:
    """Least eps with ``fooling_probability(measures, eps) >= q``, rounded up."""
    level = probability(q, "q", open=True)
    classes = class_measures(measures)
    if tail is not None:
        level = 1 - probability(tail, "tail", open=True)
    if classes.complements[-1] == 0:
        return math.inf
    if level <= Fraction(1, 2):
        target = float(level)

        def reached(eps: float) -> bool:
            return bool(_lower(*_sums(classes, np.array([eps])))[0] >= target)
    else:
        log_target = math.log(float(1 - level)) * (1 + 4 * 2.0**-53)

        def reached(eps: float) -> bool:
            return bool(_log_tail(classes, np.array([eps]))[0] <= log_target)

    hi = 1.0
    while not reached(hi):
        hi *= 2
    lo = 0.0
    while True:
        middle = (lo + hi) / 2
        if not lo < middle < hi:
            return hi
        if reached(middle):
            hi = middle
        else:
            lo = middle


def expected_radius(measures: Any) -> float:
    """Upper bound on E r_Z, over all classifiers with these class measures, rounded up."""
    classes = class_measures(measures)
    if classes.complements[-1] == 0:
        return math.inf
    a = gaussian.isf(classes.measures, classes.complements)
    terms = gaussian.expected_excess(classes.measures, classes.complements, a)
    return float(math.fsum(terms * classes.multiplicities) * (1 + _SLACK))


def fooling_probability_limits(lower: Any, upper: Any, eps: Any) -> tuple[Any, Any]:
    """Range of the bound over all class measures between simultaneous confidence limits."""
    lo, hi = _box(lower, upper)
    radius = budgets(eps)
    e = radius.reshape(-1, 1)
    peak = np.clip(special.ndtr(e / 2), lo, hi)
    least = np.minimum(_increment(lo, e), _increment(hi, e)).sum(axis=-1)
    most = _increment(peak, e).sum(axis=-1)
    least = np.clip(least * (1 - _SLACK), 0, 1)
    most = np.clip(most * (1 + _SLACK), 0, 1)
    return _shaped(least, radius), _shaped(most, radius)


def fooling_quantile_limits(lower: Any, upper: Any, q: Any) -> Interval:
    """Range of the quantile over all class measures between the limits."""
    level = float(probability(q, "q", open=True))
    ends = []
    for side in (1, 0):
        lo, hi = 0.0, 1.0
        while fooling_probability_limits(lower, upper, hi)[side] < level and hi < 128:
            hi *= 2
        if hi >= 128:
            ends.append(math.inf)
            continue
        while True:
            middle = (lo + hi) / 2
            if not lo < middle < hi:
                break
            if fooling_probability_limits(lower, upper, middle)[side] >= level:
                hi = middle
            else:
                lo = middle
        ends.append(lo if side == 1 else hi)
    return Interval(ends[0], ends[1])


def expected_radius_limits(lower: Any, upper: Any) -> Interval:
    """Range of the bound on the mean radius over all class measures between the limits."""
    lo, hi = _box(lower, upper)
    ends = []
    for c, factor in ((lo, 1 - _SLACK), (hi, 1 + _SLACK)):
        with np.errstate(invalid="ignore"):
            a = gaussian.isf(c, 1 - c)
            terms = gaussian.expected_excess(c, 1 - c, a)
        terms = np.where(c <= 0, 0.0, np.where(c >= 1, np.inf, terms))
        ends.append(float(terms.sum() * factor))
    return Interval(ends[0], ends[1])


def _box(lower: Any, upper: Any) -> tuple[Floats, Floats]:
    lo, hi = np.asarray(lower, np.float64), np.asarray(upper, np.float64)
    if lo.ndim != 1 or lo.shape != hi.shape or lo.size == 0:
        raise ValueError(f"limits must both have shape (K,), got {lo.shape} and {hi.shape}")
    if not ((lo >= 0) & (lo <= hi) & (hi <= 1)).all():
        raise ValueError("limits must satisfy 0 <= lower <= upper <= 1")
    return lo, hi


def _increment(c: Floats, eps: Floats) -> Floats:
    c = np.asarray(c, np.float64)
    inside = (c > 0) & (c < 1)
    safe = np.where(inside, c, 0.5)
    a = gaussian.isf(safe, 1 - safe)
    increments, _ = gaussian.increment_and_tail(safe, 1 - safe, a, eps)
    return np.where(inside, increments, 0.0)


def _sums(classes: ClassMeasures, eps: Floats) -> tuple[Floats, Floats]:
    c, q, m = classes.measures, classes.complements, classes.multiplicities
    a = gaussian.isf(c, q)
    increments, tails = np.empty(eps.shape), np.empty(eps.shape)
    step = max(1, _BLOCK // c.size)
    for start in range(0, eps.size, step):
        block = slice(start, start + step)
        increment, tail = gaussian.increment_and_tail(c, q, a, eps[block, None])
        increments[block] = (increment * m).sum(axis=-1)
        tails[block] = (tail * m).sum(axis=-1)
    if classes.complements[-1] == 0:
        increments[:], tails[:] = 0.0, 1.0
    return increments, tails


def _lower(increments: Floats, tails: Floats) -> Floats:
    return np.clip(np.maximum(increments * (1 - _SLACK), 0), 0, 1)


def _log_tail(classes: ClassMeasures, eps: Floats) -> Floats:
    c, q, m = classes.measures, classes.complements, classes.multiplicities
    if q[-1] == 0:
        return np.zeros(eps.shape)
    a = gaussian.isf(c, q)
    near = np.log1p(-_lower(*_sums(classes, eps)))
    far = special.logsumexp(gaussian.log_tail(c, q, a, eps[:, None]), b=m, axis=-1)
    return np.where(near > math.log(0.5), near, far * (1 - _SLACK))


def _shaped(values: Floats, like: Floats) -> Any:
    return values.reshape(like.shape) if like.ndim else float(values.reshape(()))


# The formulas, each read with balls and with symbols.


def _probability(m: Any, c: Any, eps: Any) -> Any:
    return m.sum(lambda ci: m.cdf(m.isf(ci) + m.number(eps)) - m.cdf(m.isf(ci)), c)


def _tail(m: Any, c: Any, eps: Any) -> Any:
    return m.log(m.sum(lambda ci: m.sf(m.isf(ci) + m.number(eps)), c))


def _mean(m: Any, c: Any) -> Any:
    return m.sum(lambda ci: m.density(m.isf(ci)) - m.isf(ci) * m.sf(m.isf(ci)), c)


def _probability_enclosure(measures: Any, eps: Any) -> Interval:
    e, c = exact_rational(eps, "eps"), exact_measures(measures)
    if e == 0 or c[-1][0] == 1:
        return Interval(0.0, 0.0)
    return enclose(_probability, c, e)


def _log_tail_enclosure(measures: Any, eps: Any) -> Interval:
    e, c = exact_rational(eps, "eps"), exact_measures(measures)
    if e == 0 or c[-1][0] == 1:
        return Interval(0.0, 0.0)
    return enclose(_tail, c, e)


def _quantile_enclosure(measures: Any, q: Any, *, tail: Any = None) -> Interval:
    c = exact_measures(measures)
    level = probability(q, "q") if tail is None else 1 - probability(tail, "tail")
    if c[-1][0] == 1:
        return Interval(math.inf, math.inf)
    lo, hi = 0.0, 1.0
    while enclose(_probability, c, Fraction(hi)).lo < level:
        lo, hi = hi, 2 * hi
    while True:
        middle = (lo + hi) / 2
        if not lo < middle < hi:
            return Interval(lo, hi)
        there = enclose(_probability, c, Fraction(middle))
        if there.lo >= level:
            hi = middle
        elif there.hi < level:
            lo = middle
        else:
            return Interval(lo, hi)


def _mean_enclosure(measures: Any) -> Interval:
    c = exact_measures(measures)
    return Interval(math.inf, math.inf) if c[-1][0] == 1 else enclose(_mean, c)


def _broken_measures(measures: Any, **_: Any) -> tuple[str, ...]:
    try:
        exact_measures(measures)
    except ValueError as error:
        return (str(error),)
    return ()


def _broken(measures: Any, eps: Any = 0, q: Any = 0.5, tail: Any = None) -> tuple[str, ...]:
    sentences = list(_broken_measures(measures))
    for read in (
        lambda: budgets(eps),
        lambda: probability(q, "q", open=True),
        lambda: None if tail is None else probability(tail, "tail", open=True),
    ):
        try:
            read()
        except ValueError as error:
            sentences.append(str(error))
    return tuple(sentences)


def _statement(left: str, relation: str, formula: Any, *names: str) -> str:
    m = symbols()
    return f"{left} {relation} {latex(formula(m, *(m.symbol(name) for name in names)))}"


FOOLING_PROBABILITY = Claim(
    name="latent-fooling-probability",
    source="fawzi2018, Theorem 1, eq. (1)",
    formula=lambda: _statement(
        r"P(r_Z \le \varepsilon)", r"\ge", _probability, "c_", r"\varepsilon"
    ),
    relation=">=",
    value=fooling_probability,
    enclosure=_probability_enclosure,
    broken_hypotheses=_broken,
    possible=A_PROBABILITY,
)
FOOLING_LOG_TAIL = Claim(
    name="latent-fooling-log-tail",
    source="fawzi2018, Theorem 1, eq. (1)",
    formula=lambda: _statement(
        r"\log P(r_Z > \varepsilon)", r"\le", _tail, "c_", r"\varepsilon"
    ),
    relation="<=",
    value=fooling_log_tail,
    enclosure=_log_tail_enclosure,
    broken_hypotheses=_broken,
    possible=Interval(-math.inf, 0.0),
)
FOOLING_QUANTILE = Claim(
    name="latent-fooling-quantile",
    source="fawzi2018, Theorem 1, eq. (1)",
    formula=lambda: r"Q_q(r_Z) \le \min\left\{\varepsilon : q \le "
    + _statement("", "", _probability, "c_", r"\varepsilon")
    + r"\right\}",
    relation="<=",
    value=fooling_quantile,
    enclosure=_quantile_enclosure,
    broken_hypotheses=_broken,
    possible=A_DISTANCE,
)
EXPECTED_RADIUS = Claim(
    name="latent-expected-radius",
    source="fawzi2018, Theorem 2",
    formula=lambda: _statement(r"E\, r_Z", r"\le", _mean, "c_"),
    relation="<=",
    value=expected_radius,
    enclosure=_mean_enclosure,
    broken_hypotheses=_broken,
    possible=A_DISTANCE,
)
