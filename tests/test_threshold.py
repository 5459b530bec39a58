"""Gaussian classes: reference values, enclosures, weak duality, other roads to the same number."""

import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, special

from robust_theory.risks.gaussian_line import (
    gaussian_optimal_risk_1d,
    gaussian_optimal_risk_1d_enclosure,
)
from robust_theory.risks.threshold import (
    gaussian_neighbourhood_distance,
    gaussian_optimal_risk,
    gaussian_optimal_risk_enclosure,
)

REFERENCE = json.loads(
    (Path(__file__).parent / "reference" / "gaussian.json").read_text(encoding="utf-8")
)["values"]
# Values pass through some ten roundings, and sf multiplies those of its argument x by x^2 < 40.
CLOSE = 1e-13


def cases(formula):
    return [
        pytest.param(case["params"], float(case["value"]), id=case["id"])
        for case in REFERENCE
        if case["formula"] == formula
    ]


@pytest.mark.parametrize(("p", "value"), cases("gauss_optimal"))
def test_reference_with_one_variance(p, value):
    arguments = (p["mu0"], p["mu1"], Fraction(p["sigma"]) ** 2, p["eps"])
    assert gaussian_optimal_risk(*arguments) == pytest.approx(value, rel=1e-15)
    assert gaussian_optimal_risk_enclosure(*arguments).contains(value)


@pytest.mark.parametrize(("p", "value"), cases("D_gauss"))
def test_reference_of_the_transport_distance(p, value):
    arguments = (p["mu0"], p["mu1"], Fraction(p["sigma"]) ** 2, p["eps"])
    assert gaussian_neighbourhood_distance(*arguments) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(("p", "value"), cases("gauss_general"))
def test_reference_on_the_line(p, value):
    arguments = (p["mu0"], p["s0"], p["mu1"], p["s1"], p["eps"], p["pi0"])
    assert gaussian_optimal_risk_1d(*arguments) == pytest.approx(value, rel=2e-15)
    assert gaussian_optimal_risk_1d_enclosure(*arguments).contains(value)


@pytest.mark.parametrize("norm", ["l2", "linf", "l1"])
@pytest.mark.parametrize("kind", ["number", "diagonal", "matrix"])
@pytest.mark.parametrize("d", [1, 2, 5, 20])
def test_linear_classifier_and_shift_enclose_the_risk(norm, kind, d):
    draw = np.random.default_rng(d)
    half = np.round(draw.normal(size=d), 3)
    root = draw.normal(size=(d, d))
    S = np.round(root @ root.T + np.eye(d) / 10, 6)
    covariance = {"number": 1.7, "diagonal": np.diag(S).tolist(), "matrix": S.tolist()}[kind]
    for eps in (0, 0.01, 0.35, 1, 30):
        arguments = ([0] * d, (2 * half).tolist(), covariance, eps, norm)
        value, limits = (
            gaussian_optimal_risk(*arguments),
            gaussian_optimal_risk_enclosure(*arguments),
        )
        assert limits.hi - limits.lo <= CLOSE * limits.hi
        assert limits.contains(value, relative=CLOSE)
        assert value == 0.5 or eps < 30


def test_known_value_in_three_dimensions():
    S = [[1.0, 0.3, 0.1], [0.3, 2.0, -0.2], [0.1, -0.2, 0.5]]
    m = np.array([0.8, -0.5, 0.3])
    eps = 0.35
    root = np.linalg.inv(np.linalg.cholesky(S))
    best = optimize.lsq_linear(root, root @ m, bounds=(-eps, eps), tol=1e-14)
    expected = special.ndtr(-math.sqrt(2 * best.cost))
    assert gaussian_optimal_risk([0, 0, 0], 2 * m, S, eps, "linf") == pytest.approx(
        expected,
        rel=1e-9,  # the tolerance of lsq_linear, squared and more
    )


@pytest.mark.parametrize("eps", [1, 1.5, 2, 100])
def test_nothing_is_left_beyond_half_the_distance(eps):
    # The chapter's formula has .841345 at eps = 2.
    assert gaussian_optimal_risk(0, 2, 1, eps) == 0.5
    assert gaussian_neighbourhood_distance(0, 2, 1, eps) == 0
    assert gaussian_optimal_risk_1d(0, 1, 2, 1, eps) == 0.5


@given(
    st.floats(-3, 3),
    st.floats(0.1, 5),
    st.floats(-3, 3),
    st.floats(0.1, 5),
    st.floats(0, 2),
    st.floats(0.01, 0.99),
)
def test_no_interval_on_the_line_is_better(mean0, std0, mean1, std1, eps, prior0):
    least = gaussian_optimal_risk_1d_enclosure(mean0, std0, mean1, std1, eps, prior0)
    value = gaussian_optimal_risk_1d(mean0, std0, mean1, std1, eps, prior0)
    assert least.contains(value, relative=CLOSE)
    ends = np.linspace(-12, 12, 97)
    a, b = np.meshgrid(ends, np.append(ends, np.inf))
    risks = [min(prior0, 1 - prior0)]
    laws = ((prior0, mean0, std0), (1 - prior0, mean1, std1))
    for (p, m, s), (q, k, r) in (laws, laws[::-1]):
        # The first class inside [a, b]; one end infinite is a threshold.
        outside = special.ndtr((a + eps - m) / s) + special.ndtr((m - b + eps) / s)
        inside = special.ndtr((b + eps - k) / r) - special.ndtr((a - eps - k) / r)
        risks.append((p * outside + q * inside)[b - a >= 2 * eps].min())
    # A grid cannot be better than the best; sums of four doubles are off by their roundings.
    assert min(risks) >= least.lo - 1e-15


def test_densities_that_only_touch_have_no_threshold():
    # N(0, 1) and N(0, 4) with priors 1 : 2 touch at 0; the best answer is constant.
    arguments = (0, 1, 0, 2, 0, Fraction(1, 3))
    assert gaussian_optimal_risk_1d(*arguments) == pytest.approx(1 / 3, rel=1e-15)
    assert gaussian_optimal_risk_1d_enclosure(*arguments).contains(1 / 3)


@pytest.mark.parametrize("prior0", [0, 1])
def test_one_class_alone_is_no_risk(prior0):
    assert gaussian_optimal_risk_1d(0, 1, 2, 1, 1, prior0) == 0
    assert gaussian_optimal_risk_1d_enclosure(0, 1, 2, 1, 1, prior0).hi == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, [1, 2], 1, 1), "the same length"),
        ((0, 1, -1, 1), "covariance must be positive"),
        ((0, 1, 1, -1), "eps must be at least 0"),
        ((0, 1, 1, math.nan), "eps must be a finite number"),
        ((0, math.inf, 1, 1), "mean1 must be a finite number"),
        (([0, 0], [1, 1], [[1, 2], [2, 1]], 1), "positive definite"),
        (([0, 0], [1, 1], [[1, 2], [1, 1]], 1), "symmetric"),
        (([0, 0], [1, 1], [1, 1, 1], 1), "covariance must have shape"),
        ((0, 1, 1, 1, "l3"), "norm must be"),
        (([], [], 1, 1), "mean0 must be a number"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        gaussian_optimal_risk(*arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 0, 1, 1, 1), "std0 and std1 must be positive"),
        ((0, 1, 1, 1, -1), "eps must be at least 0"),
        ((0, 1, 1, 1, 1, 2), "prior0 must lie in"),
    ],
)
def test_wrong_arguments_on_the_line_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        gaussian_optimal_risk_1d(*arguments)
