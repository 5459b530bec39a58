"""Special functions that a few formulas need, each read with balls and with symbols."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from robust_theory.arithmetic import Balls, enclose
from robust_theory.claim import Interval


def gamma(m: Any, x: Any) -> Any:
    """Euler's Gamma function."""
    if isinstance(m, Balls):
        return m.number(x).gamma()
    import sympy

    return sympy.gamma(x)


def beta_cdf(m: Any, x: Any, a: Any, b: Any) -> Any:
    """Regularised incomplete beta function I_x(a, b)."""
    if isinstance(m, Balls):
        return m.number(x).beta_lower(m.number(a), m.number(b), regularized=1)
    import sympy

    return sympy.Function(f"I_{{{sympy.latex(x)}}}")(a, b)


def chi_cdf(m: Any, x: Any, d: Any) -> Any:
    """P(norm of a standard normal vector of length d <= x)."""
    if isinstance(m, Balls):
        x = m.number(x)
        return (x * x / 2).gamma_lower(m.number(d) / 2, regularized=1)
    import sympy

    return sympy.Function(f"F_{{\\chi_{{{sympy.latex(d)}}}}}")(x)


def positive_part(m: Any, x: Any) -> Any:
    """max(0, x)."""
    if isinstance(m, Balls):
        return m.number(0).max(x)
    import sympy

    return sympy.Max(0, x)


def increasing_inverse(
    m: Any, function: Callable[[Any], Any], level: Any, lo: Any, hi: Any, name: str
) -> Any:
    """The x in [lo, hi] where an increasing `function` reaches `level`; symbols print `name`."""
    if not isinstance(m, Balls):
        import sympy

        return sympy.Function(name)(level)
    from flint import arb, ctx

    target, least = m.number(level), arb(2) ** (8 - ctx.prec)
    lo, hi = m.number(lo).mid(), m.number(hi).mid()
    while hi - lo > least * abs(hi):
        middle = ((lo + hi) / 2).mid()
        there = function(middle)
        if there < target:
            lo = middle
        elif there > target:
            hi = middle
        else:
            return _around_root(function, target, middle, least)
    return lo.union(hi)


def _around_root(function: Callable[[Any], Any], target: Any, x: Any, width: Any) -> Any:
    """A ball around x at whose ends the function is certainly below and above the target."""
    while not (function(x - width) < target < function(x + width)):
        width = 4 * width
    return (x - width).union(x + width)


def enclose_positive(formula: Callable[..., Any], *arguments: Any) -> Interval:
    """Doubles around a probability or, where the formula is negative, around 0.

    A value of exactly 0 has no relative accuracy; then the interval is as wide as the spacing of
    doubles at 1.
    """
    try:
        exact = enclose(formula, *arguments)
    except ArithmeticError:
        shifted = enclose(lambda m, *numbers: 1 + formula(m, *numbers), *arguments)
        exact = Interval(shifted.lo - 1, shifted.hi - 1)
    return Interval(max(exact.lo, 0.0), min(max(exact.hi, 0.0), 1.0))
