"""The mean image radius: Theorem 5, by Jensen's inequality or by the whole tail of r_Z.

sharp: E r_X <= omega(0) + integral of T d omega with T(t) = sum_i sf(a_i + t), for any
nondecreasing modulus. paper: E r_X <= omega(integral of T), for concave ones. If data mu lie
within W_1(law of g(z), mu) <= delta, then E r* over mu is at most delta more.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from robust_theory import gaussian, isoperimetry, latent
from robust_theory.arguments import (
    ClassMeasures,
    broken,
    budgets,
    class_measures,
    exact_measures,
    exact_rational,
)
from robust_theory.arithmetic import Balls, enclose, statement
from robust_theory.claim import A_DISTANCE, Claim, Interval
from robust_theory.explicit import Form, chosen
from robust_theory.images import Modulus, image_distance, power
from robust_theory.stieltjes import read, require_concave, tail_integral

_U = 2.0**-53


def image_expected_radius(
    measures: Any,
    modulus: Modulus,
    wasserstein: Any = 0.0,
    form: Form = "sharp",
    *,
    tolerance: float = 1e-5,
) -> float:
    """Upper bound on E r_X, and on E r* over data near the generated ones.

    Parameters
    ----------
    measures : sequence (K,)
        Class measures of the generated images, not of the data near them.
    modulus : callable or pair
        t -> omega(t), vectorised and nondecreasing (with form "paper" also concave); or (L, alpha)
        for L t^alpha.
    wasserstein : number
        Upper bound on W_1 between the law of g(z) and the data, in the norm of the radii.
    form : {"sharp", "paper"}
        Which bound.
    tolerance : float
        Relative excess at which refinement stops, for a sharp bound with a callable.

    Returns
    -------
    float
        Distance in image space, rounded up. A pair gives the exact bound within 1e-14,
        relatively. A callable gives form "paper" within 1e-14, and form "sharp" an upper
        Riemann-Stieltjes sum: never below the integral, whatever the modulus does between the
        points where it is read, and above it by at most `tolerance`, relatively, unless 2^19
        cells (2^22 cells times distinct measures) do not suffice, which
        `image_radius_enclosure` tells. Inf when a class has measure 1.

    Raises
    ------
    ValueError
        If the modulus is seen to be negative, decreasing or (paper) not concave, or an argument is
        not as described.

    Notes
    -----
    Source: fawzi2018, Theorem 5. Beyond the t with T(t) = 1e-25 the modulus is not read:
    ||g(z) - g(z')|| <= k omega(t) up to the distance k t, by k steps.
    """
    classes = class_measures(measures)
    shift = _shift(wasserstein)
    pair = power(modulus, "modulus")
    if chosen(form) == "paper":
        require_concave(modulus)
        return _raised(image_distance(modulus, latent.expected_radius(measures)), shift)
    if classes.complements[-1] == 0:
        return math.inf
    if pair is None:
        return _raised(tail_integral(measures, modulus, tolerance).hi, shift)
    L, alpha = float(pair[0]), float(pair[1])
    return _raised(L * _moments(classes, alpha) * (1 + 4 * _U), shift)


def image_radius_enclosure(
    measures: Any,
    modulus: Modulus,
    wasserstein: Any = 0.0,
    form: Form = "sharp",
    *,
    tolerance: float = 1e-5,
) -> Interval:
    """Interval that contains the exact bound of `image_expected_radius`, for the same arguments.

    Balls for a pair; for a callable and form "sharp", lower and upper Riemann-Stieltjes sums.
    """
    broken_here = _broken_paper if chosen(form) == "paper" else _broken
    isoperimetry.require(broken_here(measures, modulus, wasserstein))
    c, shift = exact_measures(measures), exact_rational(wasserstein, "wasserstein")
    pair = power(modulus, "modulus")
    if c[-1][0] == 1:
        return Interval(math.inf, math.inf)
    if pair is not None:
        return enclose(_jensen if form == "paper" else _moment_sum, c, *pair, shift)
    if form == "paper":
        mean = latent.EXPECTED_RADIUS.enclosure(measures)
        ends = [image_distance(modulus, end) for end in (mean.lo, mean.hi)]
    else:
        sums = tail_integral(measures, modulus, tolerance)
        ends = [sums.lo, sums.hi]
    lo, hi = sorted(ends)
    return Interval(lo + float(shift) * (1 - 2 * _U), _raised(hi, _shift(wasserstein)))


def _moments(classes: ClassMeasures, alpha: float) -> float:
    """Sum over classes of E max(Z - a, 0)^alpha, rounded up."""
    c, q = classes.measures, classes.complements
    a = gaussian.isf(c, q)
    return math.fsum(
        times * _moment(ci, ai, alpha)
        for ci, ai, times in zip(c, a, classes.multiplicities, strict=True)
    ) * (1 + 64 * _U)


def _moment(c: float, a: float, alpha: float) -> float:
    # density(a) int t^alpha exp(-a t - t^2/2) dt with t = e^u: analytic, and small in a strip of
    # half-width 1/2 (1 / b for a < 0, where the mass is a bump at b), so equal weights converge
    # like exp(-2 pi width / step).
    b = abs(a)
    step = 0.06 if a >= 0 else min(0.06, 0.4 / b)
    lo = -40 / (alpha + 1) - math.log1p(b)
    hi = math.log(12 + 2 * math.sqrt(alpha) + (0 if a >= 0 else b))
    u = np.arange(math.floor(lo / step), math.ceil(hi / step) + 1) * step
    t = np.exp(u)
    if a >= 0:
        scale = c / float(gaussian.mills(np.array([b]))[0])
        return float(scale * step * math.fsum(np.exp((alpha + 1) * u - t * (a + t / 2))))
    exponent = (alpha + 1) * u - (t - b) ** 2 / 2
    return float(step / math.sqrt(2 * math.pi) * math.fsum(np.exp(exponent)))


def _shift(wasserstein: Any) -> float:
    shift = budgets(wasserstein, "wasserstein")
    if shift.ndim:
        raise ValueError(f"wasserstein must be one number, got shape {shift.shape}")
    return float(shift)


def _raised(value: float, shift: float) -> float:
    return (value + shift) * (1 + 4 * _U) if shift > 0 else value


# The formulas, each read with balls and with symbols.


def _mean(m: Any, c: Any) -> Any:
    return m.sum(lambda ci: m.density(m.isf(ci)) - m.isf(ci) * m.sf(m.isf(ci)), c)


def _jensen(m: Any, c: Any, L: Any, alpha: Any, shift: Any) -> Any:
    return m.number(L) * _mean(m, c) ** m.number(alpha) + m.number(shift)


def _moment_sum(m: Any, c: Any, L: Any, alpha: Any, shift: Any) -> Any:
    return m.number(L) * m.sum(lambda ci: _excess(m, ci, alpha), c) + m.number(shift)


def _excess(m: Any, c: Any, alpha: Any) -> Any:
    """E max(Z - a, 0)^alpha, which is the integral of sf(a + t) over t^alpha."""
    a = m.isf(c)
    if not isinstance(m, Balls):
        import sympy

        t = sympy.Symbol("t", positive=True)
        return sympy.Integral(m.sf(a + t) * alpha * t ** (alpha - 1), (t, 0, sympy.oo))
    alpha, half = m.number(alpha), a * a / 2
    # The even and the odd solution of the parabolic cylinder equation.
    even = ((alpha + 1) / 2).gamma() * half.hypgeom_1f1((alpha + 1) / 2, m.number(1) / 2)
    odd = (alpha / 2 + 1).gamma() * half.hypgeom_1f1(alpha / 2 + 1, m.number(3) / 2)
    return m.density(a) * m.number(2) ** ((alpha - 1) / 2) * (even - a * m.sqrt(2) * odd)


def _broken(
    measures: Any, modulus: Any, wasserstein: Any = 0.0, *, tolerance: float = 1e-5
) -> tuple[str, ...]:
    return broken(
        lambda: exact_measures(measures),
        lambda: power(modulus, "modulus") or read(modulus, np.array([0.0, 1.0])),
        lambda: _shift(wasserstein),
    )


def _broken_paper(measures: Any, modulus: Any, wasserstein: Any = 0.0) -> tuple[str, ...]:
    return _broken(measures, modulus, wasserstein) or broken(lambda: require_concave(modulus))


_NAMES = ("c_", "L", r"\alpha", r"\delta")
_CASE = r",\quad \omega(t) = L t^\alpha"

IMAGE_EXPECTED_RADIUS = Claim(
    name="image-expected-radius",
    source="fawzi2018, Theorem 5",
    formula=lambda: statement(r"\mathbb{E}\, r^* \le", _moment_sum, *_NAMES) + _CASE,
    relation="<=",
    value=image_expected_radius,
    enclosure=image_radius_enclosure,
    broken_hypotheses=_broken,
    possible=A_DISTANCE,
)
IMAGE_EXPECTED_RADIUS_PAPER = Claim(
    name="image-expected-radius-paper",
    source="fawzi2018, Theorem 5",
    formula=lambda: statement(r"\mathbb{E}\, r^* \le", _jensen, *_NAMES) + _CASE,
    relation="<=",
    value=partial(image_expected_radius, form="paper"),
    enclosure=partial(image_radius_enclosure, form="paper"),
    broken_hypotheses=_broken_paper,
    possible=A_DISTANCE,
)
