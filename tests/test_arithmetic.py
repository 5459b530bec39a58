import math
from fractions import Fraction

import mpmath
import pytest
from flint import arb, ctx

from robust_theory.arithmetic import Balls, Symbols, enclose, exceeds, latex
from robust_theory.claim import Interval


def contains(ball, number):
    """Whether the ball contains a decimal of 60 digits, up to its last digit."""
    return ball.overlaps(arb(mpmath.nstr(number, 60)) + arb(0, 1e-55) * abs(ball))


@pytest.fixture(autouse=True)
def high_precision():
    with mpmath.workdps(70), ctx.workprec(300):
        yield


@pytest.mark.parametrize("c", ["1e-300", "1e-100", "1e-20", "1/10", "49999/100000", "1/2"])
def test_the_inverse_is_right_on_both_sides(c):
    c = Fraction(c)
    for exact in (c, 1 - c):
        # The difference of two numbers of size 1 that agree to 1e-300 needs their 1000 bits.
        with ctx.workprec(1500):
            balls = Balls()
            x = balls.isf(exact)
            back = balls.sf(x) if exact == c else 1 - balls.cdf(x)
            assert back.overlaps(balls.number(exact))
            assert back.rel_accuracy_bits() > 300


def test_functions_agree_with_mpmath():
    balls = Balls()
    for text in ("-3", "0", "1/3", "5/2", "37"):
        x = Fraction(text)
        high = mpmath.mpf(x.numerator) / x.denominator
        assert contains(balls.density(x), mpmath.npdf(high))
        assert contains(balls.cdf(x), mpmath.ncdf(high))
        assert contains(balls.sf(x), mpmath.ncdf(-high))
        assert contains(balls.exp(x), mpmath.exp(high))
        assert contains(balls.sin(x), mpmath.sin(high))


def test_constants_have_the_precision_of_their_context():
    for bits in (64, 256, 1024):
        with ctx.workprec(bits):
            assert Balls().pi.rel_accuracy_bits() >= bits - 2


def test_intervals_are_rounded_outwards():
    third = enclose(lambda m, x: m.number(x) / 3, 1)
    assert Fraction(third.lo) < Fraction(1, 3) < Fraction(third.hi)
    assert math.nextafter(third.lo, 1) == third.hi
    assert enclose(lambda m, x: m.number(x), Fraction(1, 2)) == Interval(0.5, 0.5)
    huge = enclose(lambda m, x: m.exp(x), 1000)
    assert huge.lo == pytest.approx(1.7976931348623157e308)
    assert huge.hi == math.inf
    tiny = enclose(lambda m, x: m.exp(x), -1000)
    assert tiny == Interval(0.0, 5e-324)


def test_precision_grows_until_a_difference_has_its_digits():
    x = Fraction(1, 10**300)
    box = enclose(lambda m, x: m.exp(x) - 1, x)
    assert Fraction(box.lo) <= x <= Fraction(box.hi)
    assert box.hi <= math.nextafter(box.lo, 1)


def test_what_no_precision_decides_is_an_error():
    with pytest.raises(ArithmeticError, match="bits do not separate"):
        enclose(lambda m, x: m.exp(m.log(x)) - 2, 2)
    with pytest.raises(ArithmeticError, match="bits do not separate"):
        exceeds(lambda m, x: m.sqrt(x), 4, level=Fraction(2))


def test_exceeds_decides_beyond_doubles():
    level = 1 + Fraction(1, 10**300)
    assert exceeds(lambda m, x: m.exp(x), 2 * (level - 1), level=level)
    assert not exceeds(lambda m, x: m.exp(x), (level - 1) / 2, level=level)


def test_series_contain_their_limit_on_and_off_the_real_line():
    balls = Balls()

    def theta(x):
        y = balls.imaginary_size(x)
        return balls.series(
            lambda n: balls.exp(-(n**2)) * balls.sin(n * x),
            lambda n: balls.exp(-(n**2) + n * y),
        )

    def exact(x):
        return mpmath.nsum(lambda n: mpmath.exp(-n * n) * mpmath.sin(n * x), [1, 30])

    assert contains(theta(balls.number(Fraction(1, 2))), exact(mpmath.mpf(1) / 2))
    from flint import acb

    z = theta(acb(1, 2))
    high = exact(mpmath.mpc(1, 2))
    assert contains(z.real, high.real)
    assert contains(z.imag, high.imag)
    assert theta(acb(0, 10**6)).real.is_nan()


def test_integrals_contain_the_exact_value():
    balls = Balls()
    assert contains(balls.integral(balls.exp, 0, 1), mpmath.e - 1)
    # The whole of a density; both ends beyond L hold 2 P(Z > L).
    assert contains(balls.line_integral(balls.density, 2), mpmath.mpf(1))


def test_both_namespaces_offer_the_same_names():
    def names(namespace):
        return {name for name in dir(namespace) if not name.startswith("_")}

    assert names(Symbols()) - names(Balls()) == {"symbol"}
    assert names(Balls()) <= names(Symbols())


def test_positive_terms_are_printed_first():
    m = Symbols()
    x, y = m.symbol("x"), m.symbol("y")
    assert latex(m.cdf(y) - m.cdf(x)) == r"\Phi{\left(y \right)} - \Phi{\left(x \right)}"
    assert latex(1 - 2 * x) == "1 - 2 x"
