"""Special functions that a few formulas need, each read with balls and with symbols."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from robust_theory.arithmetic import Balls


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


def excess_moment(m: Any, a: Any, power: Any) -> Any:
    """E max(Z - a, 0)^power for a standard normal Z: the integral of sf(a + t) over t^power."""
    if not isinstance(m, Balls):
        import sympy

        t = sympy.Symbol("t", positive=True)
        integrand = power * t ** (power - 1) * m.sf(a + t)
        return sympy.Integral(integrand, (t, 0, sympy.oo))
    a, power = m.number(a), m.number(power)
    half = a * a / 2
    # The two solutions of the parabolic cylinder equation, even and odd in a.
    even = ((power + 1) / 2).gamma() * half.hypgeom_1f1((power + 1) / 2, m.number(1) / 2)
    odd = (power / 2 + 1).gamma() * half.hypgeom_1f1(power / 2 + 1, m.number(3) / 2)
    return m.density(a) * m.number(2) ** ((power - 1) / 2) * (even - a * m.sqrt(2) * odd)


def increasing_inverse(
    m: Any, function: Callable[[Any], Any], level: Any, lo: Any, hi: Any, name: str
) -> Any:
    """The x in [lo, hi] where an increasing `function` reaches `level`; symbols print `name`."""
    if not isinstance(m, Balls):
        import sympy

        return sympy.Function(name)(level)
    from flint import arb, ctx

    target = m.number(level)
    lo, hi = m.number(lo).mid(), m.number(hi).mid()
    for _ in range(2 * ctx.prec):
        middle = ((lo + hi) / 2).mid()
        there = function(middle)
        if there < target:
            lo = middle
        elif there > target:
            hi = middle
        else:
            break
        if (hi - lo) < abs(hi) * arb(2) ** (4 - ctx.prec):
            break
    return lo.union(hi)
