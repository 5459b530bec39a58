"""One printed formula, two readings: Arb balls (proof) and SymPy symbols (page).

A formula is a plain function whose first argument is one of the two namespaces below, `Balls` or
`Symbols`; they offer the same names. Read with balls it gives an interval that provably contains
the exact value; read with symbols it gives the expression that the documentation prints.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any, TypeVar

from robust_theory.claim import ANY_NUMBER, Interval

_Read = TypeVar("_Read")
_MOST_BITS = 1 << 14


class Balls:
    """Ball arithmetic: every result contains the exact one. Numbers may be exact rationals.

    Use it inside the precision context that its constants are to be built at.
    """

    def __init__(self) -> None:
        from flint import acb, arb, ctx, fmpq

        self._arb, self._acb, self._context, self._fmpq = arb, acb, ctx, fmpq
        self.pi = arb.pi()

    def number(self, x: Any) -> Any:
        """The ball of an exact number; balls pass through."""
        if isinstance(x, Fraction):
            return self._arb(self._fmpq(x.numerator, x.denominator))
        return self._arb(x) if isinstance(x, int) else x

    def exp(self, x: Any) -> Any:
        return self.number(x).exp()

    def log(self, x: Any) -> Any:
        return self.number(x).log()

    def sqrt(self, x: Any) -> Any:
        return self.number(x).sqrt()

    def sin(self, x: Any) -> Any:
        return self.number(x).sin()

    def imaginary_size(self, x: Any) -> Any:
        """Greatest absolute value of the imaginary part."""
        return x.imag.abs_upper() if isinstance(x, self._acb) else self._arb(0)

    def density(self, x: Any) -> Any:
        """Density of the standard normal law."""
        x = self.number(x)
        return (-x * x / 2).exp() / (2 * self.pi).sqrt()

    def sf(self, x: Any) -> Any:
        """P(Z > x) of the standard normal law."""
        return (self.number(x) / self.sqrt(2)).erfc() / 2

    def cdf(self, x: Any) -> Any:
        """P(Z <= x) of the standard normal law."""
        return self.sf(-self.number(x))

    def isf(self, c: Fraction) -> Any:
        """The x with P(Z > x) = c, for an exact 0 < c < 1."""
        # Close to 1 a ball would hold few bits of 1 - c; the rational holds them all.
        return -self.isf(1 - c) if 2 * c > 1 else self.sqrt(2) * self.number(2 * c).erfcinv()

    def sum(self, term: Callable[[Any], Any], measures: Iterable[tuple[Fraction, int]]) -> Any:
        """Sum of `term` over classes, each measure given with its multiplicity."""
        return sum((times * term(c) for c, times in measures), self._arb(0))

    def series(self, term: Callable[[int], Any], bound: Callable[[int], Any]) -> Any:
        """Sum of ``term(n)`` over n >= 1, where ``abs(term(n)) <= bound(n)``, log-concave in n.

        Not a number where a hundred terms are too few.
        """
        negligible = self._arb(2) ** -self._context.prec
        total = self._arb(0)
        for n in range(1, 100):
            total += term(n)
            following, second = bound(n + 1), bound(n + 2)
            # From here on, each bound is at most half the one before, so they add up to `rest`.
            if following < negligible and 2 * second < following:
                rest = self._arb(0, 2 * following.abs_upper())
                return total + (self._acb(rest, rest) if isinstance(total, self._acb) else rest)
        return total + self._arb.nan()

    def integral(self, integrand: Callable[[Any], Any], lo: Any, hi: Any) -> Any:
        """Integral over a bounded interval of a function that is analytic everywhere."""
        a, b = self._acb(self.number(lo)), self._acb(self.number(hi))
        return self._acb.integral(lambda x, _: integrand(x), a, b).real

    def line_integral(self, integrand: Callable[[Any], Any], factor: Any) -> Any:
        """Integral over the line of a function that is analytic everywhere.

        Beyond every L >= 1 both ends together must hold at most `factor` times P(Z > L).
        """
        L = math.ceil(math.sqrt(2 * math.log(2) * self._context.prec))
        rest = (self.number(factor) * self.sf(L)).abs_upper()
        return self.integral(integrand, -L, L) + self._arb(0, rest)


class Symbols:
    """SymPy expressions with the names of `Balls`, for printing."""

    def __init__(self) -> None:
        import sympy

        self._sympy = sympy
        self.pi = sympy.pi
        self.exp, self.log, self.sqrt, self.sin = sympy.exp, sympy.log, sympy.sqrt, sympy.sin
        self.number = sympy.sympify
        self.density = sympy.Function(r"\varphi")
        self.cdf = sympy.Function(r"\Phi")
        self._inverse = sympy.Function(r"\Phi^{-1}")

    def sf(self, x: Any) -> Any:
        return self.cdf(-x)

    def isf(self, c: Any) -> Any:
        return self._inverse(1 - c)

    def imaginary_size(self, x: Any) -> Any:
        return self._sympy.Abs(self._sympy.im(x))

    def sum(self, term: Callable[[Any], Any], measures: Any) -> Any:
        i, K = (self._sympy.Symbol(name, integer=True) for name in "iK")
        return self._sympy.Sum(term(measures[i]), (i, 1, K))

    def series(self, term: Callable[[Any], Any], bound: Callable[[Any], Any]) -> Any:
        n = self._sympy.Symbol("n", integer=True, positive=True)
        return self._sympy.Sum(term(n), (n, 1, self._sympy.oo))

    def integral(self, integrand: Callable[[Any], Any], lo: Any, hi: Any) -> Any:
        x = self._sympy.Symbol("x", real=True)
        return self._sympy.Integral(integrand(x), (x, lo, hi))

    def line_integral(self, integrand: Callable[[Any], Any], factor: Any) -> Any:
        return self.integral(integrand, -self._sympy.oo, self._sympy.oo)

    def symbol(self, name: str) -> Any:
        """A positive number, or, with a trailing underscore, a family with one per class."""
        if name.endswith("_"):
            return self._sympy.IndexedBase(name[:-1])
        return self._sympy.Symbol(name, positive=True)


def enclose(
    formula: Callable[..., Any], *arguments: Any, within: Interval = ANY_NUMBER
) -> Interval:
    """Return doubles around ``formula(Balls(), *arguments)``, rounded outwards.

    The precision grows until the ball is narrower than the spacing of doubles at its middle. What
    lies outside of `within`, which contains the value for another reason, is cut off.

    Raises
    ------
    ArithmeticError
        If 2^14 bits do not suffice, as for a value of exactly 0.
    """
    box = _refined(formula, arguments, _narrow)
    return Interval(max(box.lo, within.lo), min(box.hi, within.hi))


def exceeds(formula: Callable[..., Any], *arguments: Any, level: Fraction) -> bool:
    """Whether ``formula(Balls(), *arguments)`` is above `level`, which it must not equal."""

    def decide(ball: Any) -> bool | None:
        difference = ball - Balls().number(level)
        return None if difference.contains(0) else bool(difference > 0)

    return _refined(formula, arguments, decide)


def _refined(
    formula: Callable[..., Any], arguments: tuple[Any, ...], read: Callable[[Any], _Read | None]
) -> _Read:
    from flint import ctx

    bits = 128
    while bits <= _MOST_BITS:
        with ctx.workprec(bits):
            result = read(formula(Balls(), *arguments))
        if result is not None:
            return result
        bits *= 2
    raise ArithmeticError(f"{_MOST_BITS} bits do not separate the value from a number")


def _narrow(ball: Any) -> Interval | None:
    if ball.rel_accuracy_bits() < 64:
        return None
    return Interval(_down(ball.lower()), -_down((-ball).lower()))


def _down(x: Any) -> float:
    number = float(x)
    return math.nextafter(number, -math.inf) if number > x else number


def rounded(number: Fraction, side: int) -> float:
    """The double next to a rational number on the given side, or the double that it is."""
    near = float(number)
    beyond = near > number if side < 0 else near < number
    return math.nextafter(near, side * math.inf) if beyond else near


def around(number: Fraction) -> Interval:
    """The doubles next to a rational number, or the number itself if it is one."""
    return Interval(rounded(number, -1), rounded(number, 1))


def statement(left: str, formula: Callable[..., Any], *names: str) -> str:
    """LaTeX of `formula` read with symbols of the given `names`, after the text `left`."""
    m = Symbols()
    return f"{left} {latex(formula(m, *(m.symbol(name) for name in names)))}"


def latex(expression: Any) -> str:
    """LaTeX of an expression, in each sum the long positive terms first, negative ones last."""
    from sympy.printing.latex import LatexPrinter

    class Printer(LatexPrinter):  # type: ignore[misc]
        def _as_ordered_terms(self, expr: Any, order: Any = None) -> list[Any]:
            terms = [(term.could_extract_minus_sign(), term) for term in expr.args]
            return [
                term
                for _, term in sorted(
                    terms, key=lambda t: (t[0], t[1].count_ops() * (1 if t[0] else -1))
                )
            ]

    return str(Printer().doprint(expression))
