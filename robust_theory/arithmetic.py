"""One printed formula, two readings: Arb balls (proof) and SymPy symbols (page).

A formula is a plain function whose first argument is one of the two namespaces below, `Balls` or
`Symbols`; they offer the same names. Read with balls it gives an interval that provably contains
the exact value; read with symbols it gives the expression that the documentation prints.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import lru_cache
from typing import Any

from robust_theory.claim import Interval


class Balls:
    """Ball arithmetic: every result contains the exact one. Arguments may be exact rationals."""

    def __init__(self) -> None:
        from flint import acb, arb, fmpq

        self._arb, self._acb, self._fmpq = arb, acb, fmpq

    def number(self, x: Any) -> Any:
        """The ball of an exact number; balls pass through."""
        if isinstance(x, Fraction):
            return self._arb(self._fmpq(x.numerator, x.denominator))
        if isinstance(x, int | float):
            return self._arb(x)
        return x

    @property
    def pi(self) -> Any:
        return self._arb.pi()

    def exp(self, x: Any) -> Any:
        return self.number(x).exp()

    def log(self, x: Any) -> Any:
        return self.number(x).log()

    def sqrt(self, x: Any) -> Any:
        return self.number(x).sqrt()

    def sin(self, x: Any) -> Any:
        return self.number(x).sin()

    def density(self, x: Any) -> Any:
        """Density of the standard normal law."""
        x = self.number(x)
        return (-x * x / 2).exp() / (2 * self.pi).sqrt()

    def sf(self, x: Any) -> Any:
        """P(Z > x) of the standard normal law."""
        return (self.number(x) / self._arb(2).sqrt()).erfc() / 2

    def cdf(self, x: Any) -> Any:
        """P(Z <= x) of the standard normal law."""
        return self.sf(-self.number(x))

    def isf(self, c: Fraction) -> Any:
        """The x with P(Z > x) = c, for an exact 0 < c < 1."""
        if 2 * c > 1:
            return -self.isf(1 - c)
        return self._arb(2).sqrt() * self.number(2 * c).erfcinv()

    def sum(self, term: Callable[[Any], Any], measures: Iterable[tuple[Fraction, int]]) -> Any:
        """Sum over classes, each given with its multiplicity."""
        return sum((multiplicity * term(c) for c, multiplicity in measures), self._arb(0))

    def series(self, term: Callable[[int], Any], remainder: Callable[[int], Any]) -> Any:
        """Sum over n >= 1, cut where the `remainder` bound on the rest is below the precision."""
        from flint import ctx

        total, n = self._arb(0), 0
        while True:
            n += 1
            total += term(n)
            rest = self.number(remainder(n)).abs_upper()
            if rest < self._arb(2) ** -ctx.prec:
                return total + self._arb(0, rest)

    def integral(self, integrand: Callable[[Any], Any], lo: Any, hi: Any) -> Any:
        """Integral of an entire function over a bounded interval."""
        ends = [self._acb(self.number(end)) for end in (lo, hi)]
        return self._acb.integral(lambda x, _: integrand(x), *ends).real

    def line_integral(self, integrand: Callable[[Any], Any], factor: Any) -> Any:
        """Integral of an entire function over the line.

        Beyond every L >= 1, both ends together hold at most `factor` times P(Z > L).
        """
        from flint import ctx

        L = math.ceil(math.sqrt(2 * math.log(2) * ctx.prec))
        rest = (self.number(factor) * self.sf(L)).abs_upper()
        return self.integral(integrand, -L, L) + self._arb(0, rest)


def enclose(formula: Callable[..., Any], *arguments: Any) -> Interval:
    """Return doubles around ``formula(balls, *arguments)``, rounded outwards.

    The precision grows until the ball is narrower than a double, relative to its middle.

    Parameters
    ----------
    formula : callable
        Takes the namespace `Balls` and `arguments`.
    arguments
        Exact numbers.
    """
    from flint import ctx

    precision = 128
    while True:
        # Constants are built here, inside the precision that they are used at.
        with ctx.workprec(precision):
            ball = formula(Balls(), *arguments)
            if ball.rel_accuracy_bits() >= 60 or precision >= 8192:
                return to_interval(ball)
        precision *= 2


def to_interval(ball: Any) -> Interval:
    """The smallest interval of doubles around a ball."""
    if ball.is_nan():
        raise ArithmeticError("a ball lost all accuracy")
    return Interval(_down(ball.lower()), -_down(-ball.upper()))


def _down(x: Any) -> float:
    number = float(x)
    return math.nextafter(number, -math.inf) if number > x else number


class Symbols:
    """SymPy expressions, for printing. Functions that SymPy prints badly are given their names."""

    def __init__(self) -> None:
        import sympy

        self._sympy = sympy
        self.pi = sympy.pi
        self.exp, self.log, self.sqrt, self.sin = sympy.exp, sympy.log, sympy.sqrt, sympy.sin
        self.density = sympy.Function(r"\varphi")
        self.sf = sympy.Function(r"\bar\Phi")
        self.cdf = sympy.Function(r"\Phi")
        self.isf = sympy.Function(r"\bar\Phi^{-1}")

    def number(self, x: Any) -> Any:
        return self._sympy.sympify(x)

    def sum(self, term: Callable[[Any], Any], measures: Any) -> Any:
        i, K = self._sympy.Symbol("i", integer=True), self._sympy.Symbol("K", integer=True)
        return self._sympy.Sum(term(measures[i]), (i, 1, K))

    def series(self, term: Callable[[Any], Any], remainder: Callable[[int], Any]) -> Any:
        n = self._sympy.Symbol("n", integer=True, positive=True)
        return self._sympy.Sum(term(n), (n, 1, self._sympy.oo))

    def integral(self, integrand: Callable[[Any], Any], lo: Any, hi: Any) -> Any:
        x = self._sympy.Symbol("x", real=True)
        return self._sympy.Integral(integrand(x), (x, lo, hi))

    def line_integral(self, integrand: Callable[[Any], Any], factor: Any) -> Any:
        return self.integral(integrand, -self._sympy.oo, self._sympy.oo)

    def symbol(self, name: str) -> Any:
        """A positive real symbol, or with a trailing underscore a family indexed by class."""
        if name.endswith("_"):
            return self._sympy.IndexedBase(name[:-1])
        return self._sympy.Symbol(name, positive=True)


@lru_cache(maxsize=1)
def symbols() -> Symbols:
    """The symbolic namespace."""
    return Symbols()


def latex(expression: Any) -> str:
    """LaTeX of an expression, terms in the order in which the formula writes them."""
    import sympy

    return str(sympy.latex(expression, order="none"))
