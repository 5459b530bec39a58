"""Cells of tables: what they print, and that the printed limits hold what they must."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from empirical.estimate import quantile_interval
from validation.experiments.cells import (
    heads,
    mean_interval,
    quantile_cell,
    share_cell,
    skipped_cell,
    value_cell,
)


def numbers(cell: str) -> list[float]:
    words = re.findall(r"-?(?:∞|[0-9.]+)", cell)
    return [float(word.replace("∞", "inf")) for word in words]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.floats(0.001, 0.9))
def test_share_cell_encloses_the_limits(shares: list[float], alpha: float) -> None:
    mean, lo, hi = mean_interval(shares, alpha)
    shown, low, high = numbers(share_cell(shares, alpha))
    assert low <= 100 * lo <= 100 * mean <= 100 * hi <= high
    # A tenth of a per cent: what is printed is rounded to one digit.
    assert abs(shown - 100 * mean) <= 0.05 + 1e-9
    assert 100 * lo - low < 0.1 + 1e-9
    assert high - 100 * hi < 0.1 + 1e-9


def test_limits_of_a_share_keep_their_level() -> None:
    """Exact law: the limits fail for at most alpha of all draws of 30 images, each one in five."""
    n, p, alpha = 30, 0.8, 0.1
    failing = 0.0
    for k in range(n + 1):
        _, lo, hi = mean_interval([1.0] * k + [0.0] * (n - k), alpha)
        failing += stats.binom.pmf(k, n, p) * (not lo <= p <= hi)
    assert 0 < failing <= alpha


def test_cells_as_printed() -> None:
    # kl(0.931, q) = ln(2 / 0.05) / 1000 = 0.003689 at q = 0.90710... and 0.95066...
    assert share_cell(np.arange(1000) < 931) == "93.1 [90.7, 95.1]"
    assert value_cell(0.12345, 0.1201, 0.1299, 3) == "0.123 [0.120, 0.130]"
    assert value_cell(2.0, -math.inf, math.inf, 1) == "2.0 [-∞, ∞]"
    assert value_cell(-0.001, -0.001, 0.0, 2) == "0.00 [-0.01, 0.00]"
    assert value_cell(7, 7, 7, 0) == "7 [7, 7]"
    assert heads(("FGSM", "PGD")) == ("FGSM, paper", "FGSM, here", "PGD, paper", "PGD, here")


@given(st.floats(-1e6, 1e6), st.floats(0, 10), st.floats(0, 10), st.integers(0, 6))
def test_limits_are_rounded_outwards(value: float, a: float, b: float, digits: int) -> None:
    _, low, high = numbers(value_cell(value, value - a, value + b, digits))
    assert low <= value - a
    assert value + b <= high


@given(st.lists(st.floats(0, 9) | st.just(math.inf), min_size=1, max_size=30))
def test_quantile_cell_is_an_order_statistic_within_its_limits(samples: list[float]) -> None:
    q = 0.25
    shown, low, high = numbers(quantile_cell(samples, q, 3))
    limits = quantile_interval(samples, q, 0.05)
    # The smallest number that at least a quarter of the sample does not exceed.
    value = min(x for x in samples if sum(y <= x for y in samples) >= q * len(samples))
    assert shown == value or abs(shown - value) <= 0.0005 + 1e-9
    assert low <= limits.lo <= limits.hi <= high


@pytest.mark.parametrize(
    ("hours", "shown"),
    [
        (30, "skipped, about 30 h"),
        (130.4, "skipped, about 130 h"),
        (7, "skipped, about 7 h"),
        (1.5, "skipped, about 1.5 h"),
        (0.99, "skipped, about 60 min"),
        (0.3, "skipped, about 18 min"),
        (1e-6, "skipped, about 1 min"),
    ],
)
def test_skipped_cells(hours: float, shown: str) -> None:
    assert skipped_cell(hours) == shown


def test_bad_input_is_refused() -> None:
    for bad in ([], [1.1], [-0.1], [math.nan]):
        with pytest.raises(ValueError, match="shares must be"):
            mean_interval(bad, 0.1)
    for alpha in (0, 1, math.nan):
        with pytest.raises(ValueError, match="alpha must lie"):
            share_cell([1.0], alpha)
    for hours in (0, -1, math.inf, math.nan):
        with pytest.raises(ValueError, match="hours must be"):
            skipped_cell(hours)
    with pytest.raises(ValueError, match="enclose"):
        value_cell(1, 2, 3, 1)
    with pytest.raises(ValueError, match="enclose"):
        value_cell(math.nan, 0, 1, 1)
