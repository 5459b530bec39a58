"""One-sided confidence limits for a free energy from samples.

From below, any unbiased estimate of Z = exp(lam F) will do: by Markov's inequality it exceeds Z by
the factor 1/delta with probability delta at most. From above the loss must be bounded, by B say:
then w = (exp(lam loss) - 1) / (exp(lam B) - 1) lies in [0, 1], and an upper confidence limit for
its mean is one for F. Sizes are fixed before the draw; stopping when the limit looks good is not
covered.
"""

from __future__ import annotations

import math
import sys
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from robust_theory.arguments import Floats, broken, exact_rational, probability
from robust_theory.arithmetic import enclose
from robust_theory.claim import Claim, Interval
from robust_theory.transport.log_mean_exp import finite_array, free_energy, inverse_temperature

Method = Literal["chernoff", "bernstein", "hoeffding"]
_METHODS = ("chernoff", "bernstein", "hoeffding")
_U = 2.0**-53
_STRAIGHT = 2.0**-60  # lam times the greatest loss: below, exp(lam l) is 1 + lam l for a double


def free_energy_lower_limit(losses: Any, lam: Any, delta: Any) -> float:
    """With probability at least 1 - delta, no greater than the (mean) free energy.

    ``mean_i [log mean_j exp(lam losses_ij)] / lam - log(1/delta) / (n lam)``; rounded down.

    Parameters
    ----------
    losses : array (m,) or (n, m)
        Losses at m independent draws from the reference, for each of n points. The draws of
        different points are independent; the limit is for the mean of their free energies.
    lam, delta : number
        Inverse temperature and error probability, positive and finite; delta below 1.

    Notes
    -----
    For the logarithms of other unbiased estimates of Z use `free_energy_limit_from_weights`.
    """
    table, rate, level = _read(losses, lam, delta)
    estimate = float(np.mean(np.atleast_1d(free_energy(table, rate))))
    slack = -math.log(float(level)) / (len(table) * rate)
    size = max(float(np.abs(table).max()), slack)
    return estimate - slack - 8 * _U * size


def free_energy_limit_from_weights(log_weights: Any, lam: Any, delta: Any) -> float:
    """`free_energy_lower_limit` from logarithms of unbiased estimates of Z, shape (n, m).

    Row i holds m estimates of the same Z_i, independent between rows; annealed importance sampling
    makes them.
    """
    rate = inverse_temperature(lam)
    if not 0 < rate < math.inf:
        raise ValueError(f"lam must be positive and finite, got {lam!r}")
    return free_energy_lower_limit(finite_array(log_weights, "log_weights") / rate, rate, delta)


def free_energy_upper_limit(
    losses: Any, lam: Any, delta: Any, greatest: Any, method: Method = "chernoff"
) -> float:
    """With probability at least 1 - delta, no less than the free energy; rounded up.

    Parameters
    ----------
    losses : array (m,)
        At m independent draws from the reference, in [0, greatest].
    lam, delta : number
        Inverse temperature, positive and finite, and error probability.
    greatest : number
        A bound on the loss that holds everywhere; itself the limit if that is less.
    method : {"chernoff", "bernstein", "hoeffding"}
        Limit for the mean of w: by the relative entropy of Bernoulli laws, by the empirical
        variance (maurer2009), or by the range alone.
    """
    table, rate, level = _read(losses, lam, delta)
    top = _greatest(table, greatest, method)
    straight = rate * top < _STRAIGHT
    if straight:  # the chord l / B lies above, by less than its rounding
        w = table[0] / top
    else:  # (exp(lam l) - 1) / (exp(lam B) - 1) without overflow and without cancellation
        w = np.exp(rate * (table[0] - top)) * np.expm1(-rate * table[0]) / math.expm1(-rate * top)
    w = np.clip(w, 0.0, 1.0)
    m, log_level = w.size, -math.log(float(level))
    average = math.fsum(w) / m
    if method == "hoeffding":
        limit = average + math.sqrt(log_level / (2 * m))
    elif method == "bernstein":
        log_twice = log_level + math.log(2)
        variance = math.fsum((w - average) ** 2) / (m - 1) if m > 1 else 1.0
        limit = average + math.sqrt(2 * variance * log_twice / m) + 7 * log_twice / (3 * (m - 1))
    else:
        limit = bernoulli_upper_limit(average, log_level / m)
    limit = min(limit, 1.0)
    if straight:
        bound = math.nextafter(top * limit * (1 + 24 * _U), math.inf)
    elif rate * top < 1:
        bound = math.log1p(math.expm1(rate * top) * limit) / rate * (1 + 24 * _U)
    else:  # the same without the overflow of its exponential
        bound = top + math.log(math.exp(-rate * top) - limit * math.expm1(-rate * top)) / rate
        bound += 10 * _U / rate + 4 * _U * top
    # Every step is accurate to a few roundings of its own size.
    return min(bound, top)


def bernoulli_upper_limit(average: float, level: float) -> float:
    """The greatest q with kl(average, q) <= level, rounded up; kl of Bernoulli laws in nats."""
    low, high = average, 1.0
    while high - low > 2.0**-52 * high:
        middle = (low + high) / 2
        if not low < middle < high:
            break
        low, high = (middle, high) if _kl(average, middle) <= level else (low, middle)
    return high


def _kl(p: float, q: float) -> float:
    """kl(p, q) for p <= q < 1, from below: less than its true value by a few roundings."""
    first = p * math.log(p / q) if p > 0 else 0.0
    terms = (first, (1 - p) * math.log1p(-p) if p < 1 else 0.0, -(1 - p) * math.log1p(-q))
    return math.fsum(terms) - 6 * _U * math.fsum(map(abs, terms))


def _read(losses: Any, lam: Any, delta: Any) -> tuple[Floats, float, Fraction]:
    table = np.atleast_2d(finite_array(losses, "losses"))
    if table.ndim != 2 or not table.size:
        raise ValueError(f"losses must have shape (m,) or (n, m), got {np.shape(losses)}")
    rate = inverse_temperature(lam)
    if not 0 < rate < math.inf:
        raise ValueError(f"lam must be positive and finite, got {lam!r}")
    return table, rate, probability(delta, "delta", open=True)


def _greatest(table: Floats, greatest: Any, method: Any) -> float:
    if method not in _METHODS:
        raise ValueError(f"method must be one of {_METHODS}, got {method!r}")
    if len(table) != 1 or (method == "bernstein" and table.size < 2):
        raise ValueError(f"losses must be the draws for one point, got shape {table.shape}")
    top = float(exact_rational(greatest, "greatest"))
    if top <= 0 or table.min() < 0 or table.max() > top:
        raise ValueError(
            f"losses must lie in [0, greatest], greatest > 0, got {table.min()} to {table.max()} "
            f"for {greatest!r}"
        )
    return top


# ---------------------------------------------------------------- enclosures


def _lower_ball(m: Any, rows: list[list[Fraction]], rate: Fraction, level: Fraction) -> Any:
    total = m.log(level)
    for row in rows:
        total += m.log(sum((m.exp(rate * x) for x in row), m.number(0)) / len(row))
    return total / (m.number(rate) * len(rows))


def _lower_enclosure(losses: Any, lam: Any, delta: Any) -> Interval:
    _read(losses, lam, delta)
    table = np.atleast_2d(np.asarray(losses, object))
    rows = [[exact_rational(x) for x in row] for row in table.tolist()]
    return enclose(_lower_ball, rows, exact_rational(lam), exact_rational(delta))


def _upper_ball(
    m: Any, row: list[Fraction], rate: Fraction, level: Fraction, top: Fraction, method: Method
) -> Any:
    scale = m.exp(rate * top) - 1
    w = [(m.exp(rate * x) - 1) / scale for x in row]
    n = len(w)
    average = sum(w, m.number(0)) / n
    if method == "hoeffding":
        limit = average + m.sqrt(-m.log(level) / (2 * n))
    elif method == "bernstein":
        log_twice = m.log(2 / level)
        variance = sum(((x - average) ** 2 for x in w), m.number(0)) / (n - 1)
        limit = average + m.sqrt(2 * variance * log_twice / n) + 7 * log_twice / (3 * (n - 1))
    else:
        limit = _bernoulli_ball(m, average, -m.log(level) / n)
    return m.log(1 + scale * limit) / m.number(rate)


def _bernoulli_ball(m: Any, average: Any, level: Any) -> Any:
    """Bisection on dyadic rationals; what a comparison cannot decide is left in the ball."""
    low, high = Fraction(0), Fraction(1)
    for _ in range(100):
        q = (low + high) / 2
        divergence = (average * m.log(average / m.number(q)) if average > 0 else 0) + (
            1 - average
        ) * m.log((1 - average) / m.number(1 - q))
        if average > m.number(q) or divergence < level:
            low = q
        elif average < m.number(q) and divergence > level:
            high = q
        else:
            break
    return m.number(low).union(m.number(high))


def _upper_enclosure(
    losses: Any, lam: Any, delta: Any, greatest: Any, method: Method = "chernoff"
) -> Interval:
    table, _, level = _read(losses, lam, delta)
    _greatest(table, greatest, method)
    row = [exact_rational(x) for x in np.asarray(losses, object).ravel().tolist()]
    top = exact_rational(greatest)
    box = enclose(_upper_ball, row, exact_rational(lam), level, top, method)
    return Interval(min(box.lo, float(top)), min(box.hi, float(top)))


def _broken_below(losses: Any, lam: Any, delta: Any) -> tuple[str, ...]:
    return broken(lambda: _read(losses, lam, delta))


def _broken_above(
    losses: Any, lam: Any, delta: Any, greatest: Any, method: Any = "chernoff"
) -> tuple[str, ...]:
    return broken(lambda: _greatest(_read(losses, lam, delta)[0], greatest, method))


FREE_ENERGY_LOWER_LIMIT = Claim(
    name="free-energy-lower-limit",
    source="anonymous2022, Theorem 3.2, with Markov's inequality",
    formula=lambda: (
        r"P\Bigl(\frac{1}{n}\sum_i F_i \ge \frac{1}{n\lambda}\sum_i"
        r"\log\frac{1}{m}\sum_j e^{\lambda\ell_{ij}} - \frac{\log(1/\delta)}{n\lambda}\Bigr)"
        r" \ge 1-\delta"
    ),
    relation=">=",
    value=free_energy_lower_limit,
    enclosure=_lower_enclosure,
    broken_hypotheses=_broken_below,
    possible=Interval(-sys.float_info.max, math.inf),  # finite, as the losses are
)
FREE_ENERGY_UPPER_LIMIT = Claim(
    name="free-energy-upper-limit",
    source="anonymous2022, Theorem 3.2, with Chernoff's inequality",
    formula=lambda: (
        r"P\Bigl(F \le \frac{1}{\lambda}\log\bigl(1+(e^{\lambda B}-1)\,\bar w\bigr)\Bigr)"
        r" \ge 1-\delta,\quad \mathrm{kl}(\hat w,\bar w) = \frac{\log(1/\delta)}{m}"
    ),
    relation="<=",
    value=free_energy_upper_limit,
    enclosure=_upper_enclosure,
    broken_hypotheses=_broken_above,
    possible=Interval(0.0, math.inf),
)
