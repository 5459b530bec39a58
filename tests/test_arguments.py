from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from robust_theory.arguments import (
    broken,
    budgets,
    class_measures,
    exact_measures,
    exact_rational,
    positive_integer,
    probability,
    real,
)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (3, Fraction(3)),
        (np.int64(3), Fraction(3)),
        (0.1, Fraction(1, 10)),
        (np.float64(0.1), Fraction(1, 10)),
        (np.array(0.1), Fraction(1, 10)),
        (1e-300, Fraction(1, 10**300)),
        ("8/255", Fraction(8, 255)),
        ("0.1", Fraction(1, 10)),
        ("1e-3", Fraction(1, 1000)),
        (Fraction(2, 3), Fraction(2, 3)),
        (Decimal("0.3"), Fraction(3, 10)),
    ],
)
def test_a_number_stands_for_what_is_printed(value, number):
    assert exact_rational(value) == number


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), "a", "1/0", "", None, True, [1], 1j, np.array([1.0])]
)
def test_what_is_no_number_is_named(value):
    with pytest.raises(ValueError, match="radius must be a finite number, got"):
        exact_rational(value, "radius")


@pytest.mark.parametrize(
    ("measures", "message"),
    [
        ([0.3, 0.3], "class measures must sum to 1, got 0.6"),
        ([0.3, float("nan")], r"class measures must lie in \[0, 1\], got nan"),
        ([-0.5, 1.5], r"class measures must lie in \[0, 1\], got -0.5"),
        ([1.5], r"class measures must lie in \[0, 1\], got 1.5"),
        ([50.0, 50.0], r"class measures must lie in \[0, 1\], got 50.0"),
        ([Fraction(3, 2), Fraction(-1, 2)], r"class measures must lie in \[0, 1\], got -0.5"),
        ([Fraction(1, 2), Fraction(1, 3)], "class measures must sum to 1, got 0.8333"),
        ([-1, 2], r"class measures must lie in \[0, 1\], got -1.0"),
        ([0, 0], "class measures must sum to 1, got 0.0"),
        ([], r"class measures must have shape \(K,\), K >= 1, got \(0,\)"),
        ([[0.5, 0.5]], r"class measures must have shape \(K,\), K >= 1, got \(1, 2\)"),
        ([[0.5], [0.25, 0.25]], "measures must be an array of one shape"),
        (np.array(1.0), "class measures must"),
        (1.0, "class measures must be a sequence of numbers, got 1.0"),
        ("0.5", "class measures must be a sequence of numbers, got '0.5'"),
        (["half", "half"], "class measures must be a finite number, got 'half'"),
        ([None, 1.0], "class measures must be a finite number, got None"),
        ([True, False], "class measures must be a finite number, got True"),
        ([0.333333, 0.333333, 0.333333], "class measures must sum to 1, got 0.999999"),
        ([{}, {}], "class measures must be a sequence of numbers"),
    ],
)
def test_wrong_measures_are_rejected_by_both_readings(measures, message):
    for read in (class_measures, exact_measures):
        with pytest.raises(ValueError, match=message):
            read(measures)


def test_the_complement_of_a_large_class_is_the_sum_of_the_others():
    classes = class_measures([1 - 1e-16, 1e-16])
    assert classes.measures.tolist() == [1e-16, 1 - 1e-16]
    assert classes.complements[-1] == 1e-16
    assert class_measures([1.0, 1e-300]).complements[-1] == 1e-300


def test_equal_classes_are_grouped():
    measures = np.full(10**6, 1e-6)
    classes = class_measures(measures)
    assert classes.multiplicities.tolist() == [10**6]
    assert exact_measures(measures) == [(Fraction(1, 10**6), 10**6)]
    assert exact_measures(["1/4", 0.5, 0.25, 0]) == [(Fraction(1, 4), 2), (Fraction(1, 2), 1)]


@pytest.mark.parametrize("counts", [[3, 1], (3, 1), np.array([3, 1]), [np.int32(3), np.int32(1)]])
def test_integers_are_counts(counts):
    assert exact_measures(counts) == [(Fraction(1, 4), 1), (Fraction(3, 4), 1)]
    assert class_measures(counts).measures.tolist() == [0.25, 0.75]


def test_counts_may_be_larger_than_any_machine_integer():
    assert exact_measures([10**400, 10**400]) == [(Fraction(1, 2), 2)]


def test_sums_may_be_off_by_rounding():
    rng = np.random.default_rng(0)
    for dtype in (np.float64, np.float32):
        for K in (2, 10, 10**5):
            scores = rng.exponential(size=K).astype(dtype)
            measures = scores / scores.sum()
            classes = class_measures(measures)
            total = (classes.measures * classes.multiplicities).sum()
            # One rounding per normalised measure and per addition.
            assert total == pytest.approx(1, abs=K * 2.0**-52)


def test_printed_decimals_are_divided_by_their_sum():
    assert sum(c * m for c, m in exact_measures([0.1, 0.2, 0.7])) == 1
    assert sum(c * m for c, m in exact_measures([1 / 3, 1 / 3, 1 / 3])) == 1


def test_budgets_keep_their_shape():
    assert budgets(0.5).shape == ()
    assert budgets([[0, 1, 2]]).shape == (1, 3)
    assert budgets([]).shape == (0,)
    assert budgets("8/255") == 8 / 255
    assert budgets(["1/2", Fraction(1, 4), 1, np.inf]).tolist() == [0.5, 0.25, 1.0, np.inf]


@pytest.mark.parametrize(
    ("eps", "message"),
    [
        (-0.1, "eps must be at least 0, got -0.1"),
        ([0.1, np.nan], "eps must be at least 0, got nan"),
        ("-1/2", "eps must be at least 0, got -0.5"),
        (None, "eps must be a finite number, got None"),
        ("far", "eps must be a finite number, got 'far'"),
        (True, "eps must be a finite number, got True"),
        (1j, "eps must be a finite number"),
        ([[1], [1, 2]], "eps must be an array of one shape"),
        (10**400, "eps must be below 1.8e308"),
    ],
)
def test_wrong_budgets_are_rejected(eps, message):
    with pytest.raises(ValueError, match=message):
        budgets(eps)


@pytest.mark.parametrize("q", [-0.1, 1.1, 0, 1, "2", float("nan"), None])
def test_wrong_probabilities_are_rejected(q):
    with pytest.raises(ValueError, match=r"^q must"):
        probability(q, "q", open=True)
    assert probability(1, "q") == 1


@pytest.mark.parametrize("value", [0, -1, 1.0, "1", True, None])
def test_wrong_integers_are_rejected(value):
    with pytest.raises(ValueError, match="K must be an integer of at least 1, got"):
        positive_integer(value, "K")
    assert positive_integer(np.int64(3), "K") == 3


def test_broken_collects_messages():
    sentences = broken(lambda: budgets(-1), lambda: real("x", "offset"), lambda: budgets(1))
    assert sentences == (
        "eps must be at least 0, got -1.0",
        "offset must be a finite number, got 'x'",
    )
