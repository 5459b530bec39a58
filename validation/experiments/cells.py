"""Cells of the papers' tables in words: the paper's figure, ours with its limits, or skipped.

Limits are rounded outwards, so what is printed holds whenever the computed limits do.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

import numpy as np
from numpy.typing import ArrayLike

from empirical.estimate import quantile_interval
from robust_theory.transport.free_energy_bounds import bernoulli_upper_limit

LEVEL = 0.05  # of each cell's interval, by itself
DIFFERS = "what differs"  # head of a table's last column


def heads(names: Iterable[str]) -> tuple[str, ...]:
    """Return two heads for each column of a paper: its figures, and ours."""
    return tuple(f"{name}, {whose}" for name in names for whose in ("paper", "here"))


def mean_interval(shares: ArrayLike, alpha: float) -> tuple[float, float, float]:
    """Mean of numbers in [0, 1], and limits at level alpha by Chernoff's inequality.

    Each number is an image's share of the networks that keep it; images are independent draws.

    Raises
    ------
    ValueError
        If there is none, or one lies outside [0, 1], or alpha outside (0, 1).
    """
    values = np.asarray(shares, dtype=np.float64)
    if values.size == 0 or not np.all((values >= 0) & (values <= 1)):
        raise ValueError(f"shares must be numbers in [0, 1], at least one, got {shares!r}")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie in (0, 1), got {alpha!r}")
    mean = min(1.0, float(values.mean()))
    level = math.log(2 / alpha) / values.size
    low, high = 1 - bernoulli_upper_limit(1 - mean, level), bernoulli_upper_limit(mean, level)
    return mean, min(low, mean), high


def share_cell(shares: ArrayLike, alpha: float = LEVEL) -> str:
    """Mean share in per cent with the limits of `mean_interval`, as in "93.1 [92.0, 94.1]".

    Parameters
    ----------
    shares : array_like
        Shape (n,), in [0, 1], one number for each image: kept or not, or the share of the
        trained networks that keep it.
    alpha : float
        Error level of the cell by itself.
    """
    mean, lo, hi = mean_interval(shares, alpha)
    return value_cell(100 * mean, 100 * lo, 100 * hi, 1)


def value_cell(value: float, lo: float, hi: float, digits: int) -> str:
    """A number and its limits with `digits` digits after the point; the limits rounded outwards.

    Raises
    ------
    ValueError
        If lo <= value <= hi is not so.
    """
    if not lo <= value <= hi:
        raise ValueError(f"limits must enclose the value, got {value!r} and [{lo!r}, {hi!r}]")
    low, high = _decimal(lo, digits, ROUND_FLOOR), _decimal(hi, digits, ROUND_CEILING)
    return f"{_decimal(value, digits, ROUND_HALF_EVEN)} [{low}, {high}]"


def quantile_cell(samples: ArrayLike, q: float, digits: int, alpha: float = LEVEL) -> str:
    """The sample's q-quantile with limits for the law's, by order statistics.

    The sample's is its ceil(n q)-th smallest number. Infinite where nothing was found.
    """
    sorted_ = np.sort(np.asarray(samples, dtype=np.float64))
    limits = quantile_interval(sorted_, q, alpha)
    value = float(sorted_[math.ceil(q * sorted_.size) - 1])
    return value_cell(value, limits.lo, limits.hi, digits)


def skipped_cell(hours: float) -> str:
    """What stands in a cell that the budget left out, as in "skipped, about 7 h".

    Parameters
    ----------
    hours : float
        Processor time that the cell would take on one core, measured or computed.
    """
    if not 0 < hours < math.inf:
        raise ValueError(f"hours must be positive and finite, got {hours!r}")
    if hours < 1:
        return f"skipped, about {math.ceil(60 * hours)} min"
    return f"skipped, about {hours:.0f} h" if hours >= 10 else f"skipped, about {hours:.2g} h"


def _decimal(number: float, digits: int, rounding: str) -> str:
    """A number with that many digits after the point; a rounded zero has no sign."""
    if math.isinf(number):
        return "∞" if number > 0 else "-∞"
    rounded = Decimal(repr(float(number))).quantize(Decimal(1).scaleb(-digits), rounding)
    return f"{rounded + 0 if rounded else abs(rounded)}"
