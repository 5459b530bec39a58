import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from flint import arb, ctx, fmpq
from scipy import special

from robust_theory.arithmetic import Balls
from robust_theory.vulnerability import gaussian

U = 2.0**-53
REFERENCE = json.loads((Path(__file__).parent / "reference/gaussian.json").read_text())["values"]


def values(*formulas):
    return [
        pytest.param(entry["formula"], entry["params"], Fraction(entry["value"]), id=entry["id"])
        for entry in REFERENCE
        if entry["formula"] in formulas
    ]


def one_class(params):
    """The class of a reference value: (c, complement, threshold), each of shape (1,)."""
    if "comp" in params:
        c, q = 1 - Fraction(params["comp"]), Fraction(params["comp"])
    else:
        c, q = Fraction(params["c"]), 1 - Fraction(params["c"])
    c, q = np.array([float(c)]), np.array([float(q)])
    return c, q, gaussian.isf(c, q)


def relative(number, exact):
    return abs(float((Fraction(np.ravel(number).item()) - exact) / exact))


def ulps(numbers, balls):
    """Greatest relative error in units of 2^-53."""
    return max(
        float(abs((arb(float(x)) - ball) / ball).upper()) / U
        for x, ball in zip(np.ravel(numbers), balls, strict=True)
    )


@pytest.mark.parametrize(("formula", "params", "exact"), values("eq1_term", "eq1_term_comp"))
def test_increments(formula, params, exact):
    c, q, a = one_class(params)
    eps = np.array([float(Fraction(params["eps"]))])
    increment, _ = gaussian.increments(c, q, a, eps)
    assert relative(increment, exact) <= 1e-14
    error, _ = gaussian.errors(c, a, eps, increment)
    assert relative(increment, exact) <= error


@pytest.mark.parametrize(("formula", "params", "exact"), values("eq1_log_tail_term"))
def test_log_tails(formula, params, exact):
    eps = np.array([float(Fraction(params["eps"]))])
    assert relative(gaussian.log_tails(*one_class(params), eps), exact) <= 1e-14


@pytest.mark.parametrize(("formula", "params", "exact"), values("er_term", "er_term_comp"))
def test_expected_excess(formula, params, exact):
    assert relative(gaussian.expected_excess(*one_class(params)), exact) <= 1e-14


@pytest.mark.parametrize(("formula", "params", "exact"), values("a_neq"))
def test_thresholds(formula, params, exact):
    c, _, a = one_class(params)
    # Reading c as a double moves it by u c, and the threshold by that over the density.
    reading = U * float(c[0]) / float(gaussian.density(a)[0]) / float(exact)
    assert relative(a, exact) <= 6 * U + reading


def draws(n=300):
    rng = np.random.default_rng(0)
    c = np.concatenate(
        [10 ** rng.uniform(-300, np.log10(0.5), n), rng.uniform(0, 0.5, n), [0.5, 1e-300]]
    )
    x = np.concatenate([rng.uniform(0, 37, n), rng.uniform(0, 2, n), [0.0, 37.0]])
    return c, x


def test_library_functions_are_as_accurate_as_the_error_bounds_suppose():
    """9 u for the Mills ratio and 6 u for the inverse: what the derivations start from."""
    c, x = draws()
    with ctx.workprec(200):
        balls = Balls()
        numbers = [arb(float(t)) for t in x]
        assert ulps(gaussian.mills(x), [balls.sf(t) / balls.density(t) for t in numbers]) <= 9
        inverse = [balls.isf(Fraction(float(p))) for p in c if p < 0.5]
        assert ulps(-special.ndtri(c[c < 0.5]), inverse) <= 6
    assert gaussian.isf(np.array([0.5]), np.array([0.5]))[0] == 0


def test_tails_keep_their_promises():
    _, x = draws(150)
    with ctx.workprec(1300):  # log P(Z <= 37) is -6e-300
        balls = Balls()
        numbers = [arb(float(t)) for t in x]
        assert ulps(gaussian.density(x), map(balls.density, numbers)) <= 8
        assert ulps(gaussian.sf(x), map(balls.sf, numbers)) <= 18
        assert ulps(gaussian.sf(-x), map(balls.cdf, numbers)) <= 18
        log_sf = [balls.log(balls.sf(t)) for t in numbers]
        assert ulps(gaussian.log_sf(x), log_sf) <= 40
        log_cdf = [balls.log(balls.cdf(t)) for t in numbers]
        assert ulps(gaussian.log_sf(-x), log_cdf) <= 40


def test_extreme_arguments():
    x = np.array([0.0, 40.0, 1e10, 1e200, np.inf])
    with np.errstate(all="raise", under="ignore"):
        assert gaussian.sf(np.array([-np.inf, 0.0, np.inf])).tolist() == [1.0, 0.5, 0.0]
        assert (gaussian.density(x)[2:] == 0).all()
        assert gaussian.log_sf(x)[-1] == -np.inf
        assert gaussian.log_sf(-x)[-1] == 0
        a = np.array([37.0])
        increments, tails = gaussian.increments(gaussian.sf(a), 1 - gaussian.sf(a), a, x)
        assert increments[-1, 0] == gaussian.sf(a)[0]
        assert tails[-1, 0] == 0
        assert increments[0, 0] == 0


@pytest.mark.parametrize("major", [False, True])
def test_increments_stay_within_their_error_bounds(major):
    rng = np.random.default_rng(1)
    small = np.concatenate([10 ** rng.uniform(-300, -0.31, 40), rng.uniform(0.01, 0.5, 40)])
    worst = 0.0
    for p in small:
        c, q = np.array([p]), np.array([1 - p])
        c, q = (q, c) if major else (c, q)
        a = gaussian.isf(c, q)
        near_a = abs(a[0]) * rng.uniform(0.5, 1.1, 8)
        eps = np.concatenate([10 ** rng.uniform(-8, 1.6, 8), rng.uniform(0.1, 4, 8), near_a])
        increments, tails = gaussian.increments(c, q, a, eps)
        error, tail_error = gaussian.errors(c, a, eps, increments)
        error = np.broadcast_to(error, increments.shape)
        with ctx.workprec(2300):
            balls = Balls()
            b = balls.isf(Fraction(float(p)))
            p_ball = arb(fmpq(*float(p).as_integer_ratio()))
            for i, e in enumerate(eps):
                if major:
                    exact, tail = balls.sf(b - arb(e)) - p_ball, balls.sf(arb(e) - b)
                else:
                    tail = balls.sf(b + arb(e))
                    exact = p_ball - tail
                used = ulps(increments[i], [exact]) * U / float(error[i, 0])
                worst = max(worst, used)
                if tails[i, 0] > 1e-300:
                    assert ulps(tails[i], [tail]) * U <= tail_error[i, 0]
    # The bounds are first-order worst cases; half of them has never been seen.
    assert worst <= 0.5


def test_expected_excess_keeps_its_promise():
    c, _ = draws(150)
    a = gaussian.isf(c, 1 - c)
    excess = gaussian.expected_excess(c, 1 - c, a)
    with ctx.workprec(2300):
        balls = Balls()
        exact = []
        for p in c:
            threshold = balls.isf(Fraction(float(p)))
            exact.append(balls.density(threshold) - threshold * arb(float(p)))
        assert ulps(excess, exact) <= 50
