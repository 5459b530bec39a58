"""How far the free energy is from the greatest loss, at most, for Lipschitz losses on a box.

On a box with sides of at most 2 eps, a loss whose change is at most `lipschitz` times the linf
distance stays close to its maximum on the shrunken copies of the box around a maximiser. Their
volume fractions are those of a Beta(d, 1) variable S, so with k = 2 eps * lipschitz * lam

    max loss - free energy <= -log(E exp(-k S)) / lam,

with equality for a cone whose tip is a corner of the cube.
"""

from __future__ import annotations

import functools
import math
import sys
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from scipy import special

from robust_theory.arguments import broken, budgets, exact_rational, positive_integer, real
from robust_theory.arithmetic import around, enclose
from robust_theory.claim import A_DISTANCE, Claim, Interval
from robust_theory.transport.log_mean_exp import inverse_temperature

Form = Literal["sharp", "simple"]

_U = 2.0**-53


def free_energy_gap_bound(d: Any, lipschitz: Any, eps: Any, lam: Any, form: Form = "sharp") -> Any:
    """Upper bound on max loss - free energy; rounded up.

    Parameters
    ----------
    d : int
        Dimension of the box.
    lipschitz : number
        Of the loss in linf: the greatest l1 norm of its gradient.
    eps : number or array
        Half of the longest side, linf.
    lam : number
        Inverse temperature, positive and finite.
    form : {"sharp", "simple"}
        The bound that a cone attains, or ``(d / lam) (1 + log(k / d))``, and 2 eps lipschitz for
        k < d.

    Source: anonymous2022, Proposition 3.3, which states the limit only.
    """
    dimension, slope, rate = _read(d, lipschitz, lam, form)
    radii = budgets(eps)
    result = np.array([_bound(dimension, slope, r, rate, form) for r in radii.ravel().tolist()])
    return float(result[0]) if radii.ndim == 0 else result.reshape(radii.shape)


def temperature_for_gap(d: Any, lipschitz: Any, eps: Any, gap: Any) -> float:
    """A lam at which the sharp bound is at most `gap`, to a relative 2^-40 of the least such.

    0 where the bound is that small at every lam.
    """
    goal, radius = real(gap, "gap"), real(eps, "eps")
    if goal <= 0:
        raise ValueError(f"gap must be positive, got {gap!r}")
    if free_energy_gap_bound(d, lipschitz, radius, sys.float_info.min) <= goal:
        return 0.0
    low, high = 0.0, 1.0
    while free_energy_gap_bound(d, lipschitz, radius, high) > goal:
        low, high = high, 2 * high
        if math.isinf(high):
            raise ValueError(f"gap must not be below what a lam of 1e308 attains, got {gap!r}")
    while high - low > 2.0**-40 * high:
        middle = (low + high) / 2
        if free_energy_gap_bound(d, lipschitz, radius, middle) <= goal:
            high = middle
        else:
            low = middle
    return high


def _bound(d: int, slope: float, radius: float, rate: float, form: Form) -> float:
    whole = 2 * radius * slope
    k = whole * rate
    if k == 0:
        return 0.0
    if form == "simple":
        bound = d / rate * (1 + math.log(k / d)) if k >= d else whole
        return bound * (1 + 8 * _U)
    # Roundings of k count as such, since the bound grows no faster than k.
    return min(_log_moment(d, k) / rate * (1 + 32 * _U), whole * (1 + 4 * _U))


def _log_moment(d: int, k: float) -> float:
    """``-log E exp(-k S)``, S ~ Beta(d, 1), to a relative 16 roundings."""
    if math.isinf(k):
        return math.inf
    if k < 1:
        # E exp(-k S) = 1 - k d/(d+1) + ... = 1 + sum_j (-k)^j d / ((d + j) j!)
        term, total = 1.0, 0.0
        for j in range(1, 30):
            term *= -k / j
            total += term * (d / (d + j))
        return -math.log1p(total)
    if k <= d:
        # exp(-k) sum_j k^j / ((d+1) ... (d+j)): no term is negative, and its logarithm at most
        # k^2 / d^2 of k.
        term = total = 1.0
        j = 1
        while term > total * _U / 4:
            term *= k / (d + j)
            total += term
            j += 1
        return k - math.log(total)
    return float(d * math.log(k) - special.gammaln(d + 1) - np.log(special.gammainc(d, k)))


def _read(d: Any, lipschitz: Any, lam: Any, form: Any) -> tuple[int, float, float]:
    slope = float(exact_rational(lipschitz, "lipschitz"))
    if slope < 0:
        raise ValueError(f"lipschitz must be at least 0, got {lipschitz!r}")
    rate = inverse_temperature(lam)
    if not 0 < rate < math.inf:
        raise ValueError(f"lam must be positive and finite, got {lam!r}")
    if form not in ("sharp", "simple"):
        raise ValueError(f"form must be 'sharp' or 'simple', got {form!r}")
    return positive_integer(d, "d"), slope, rate


def _sharp_ball(m: Any, d: int, k: Fraction, rate: Fraction) -> Any:
    """E exp(-k S) is a confluent hypergeometric function."""
    return -m.log((-m.number(k)).hypgeom_1f1(d, d + 1)) / m.number(rate)


def _simple_ball(m: Any, d: int, k: Fraction, rate: Fraction) -> Any:
    return m.number(d / rate) * (1 + m.log(k / d))


def _enclosure(d: Any, lipschitz: Any, eps: Any, lam: Any, form: Form = "sharp") -> Interval:
    dimension, _, _ = _read(d, lipschitz, lam, form)
    rate = exact_rational(lam)
    whole = 2 * exact_rational(eps, "eps") * exact_rational(lipschitz)
    k = whole * rate
    if k < 0:
        raise ValueError(f"eps must be at least 0, got {eps!r}")
    if k == 0:
        return Interval(0.0, 0.0)
    if form == "simple":
        return enclose(_simple_ball, dimension, k, rate) if k >= dimension else around(whole)
    return enclose(_sharp_ball, dimension, k, rate)


def _broken(d: Any, lipschitz: Any, eps: Any, lam: Any, form: Any = "sharp") -> tuple[str, ...]:
    return broken(
        lambda: _read(d, lipschitz, lam, form), lambda: budgets(eps), lambda: exact_rational(eps)
    )


FREE_ENERGY_GAP = Claim(
    name="free-energy-gap",
    source="anonymous2022, Proposition 3.3, with a sharp rate",
    formula=lambda: (
        r"\max \ell - F_\lambda \le -\frac{1}{\lambda}\log E\,e^{-kS},"
        r"\quad S\sim\mathrm{Beta}(d,1),\ k = 2\varepsilon L\lambda"
    ),
    relation="<=",
    value=free_energy_gap_bound,
    enclosure=_enclosure,
    broken_hypotheses=_broken,
    possible=A_DISTANCE,
)
FREE_ENERGY_GAP_SIMPLE = Claim(
    name="free-energy-gap-simple",
    source="anonymous2022, Proposition 3.3, with a rate",
    formula=lambda: (
        r"\max \ell - F_\lambda \le \frac{d}{\lambda}\Bigl(1+\log\frac{k}{d}\Bigr),"
        r"\quad k = 2\varepsilon L\lambda \ge d"
    ),
    relation="<=",
    value=functools.partial(free_energy_gap_bound, form="simple"),
    enclosure=functools.partial(_enclosure, form="simple"),
    broken_hypotheses=functools.partial(_broken, form="simple"),
    possible=A_DISTANCE,
)
