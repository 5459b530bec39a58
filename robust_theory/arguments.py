"""Reading arguments, and rejecting wrong ones by name, value and rule.

Two readings of the same arguments: doubles for the functions, exact rationals for the enclosures.
A float means the decimal that Python prints for it, so 0.1 is one tenth in both.
"""

from __future__ import annotations

import math
import numbers
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]


def exact_rational(value: Any, name: str = "value") -> Fraction:
    """Return the rational number that `value` stands for.

    Parameters
    ----------
    value : int, Fraction, str, float or numpy scalar
        A string may be a decimal or a ratio (``"8/255"``); a float is its printed decimal.
    name : str
        Name of the argument, for the message.

    Raises
    ------
    ValueError
        If `value` is no finite number.
    """
    try:
        if isinstance(value, np.ndarray) and value.ndim == 0:
            value = value[()]
        if isinstance(value, str | numbers.Rational) and not isinstance(value, bool):
            return Fraction(value)
        if isinstance(value, numbers.Real) and not isinstance(value, bool):
            return Fraction(repr(float(value)))
    except (ValueError, ZeroDivisionError, OverflowError):
        pass
    raise ValueError(f"{name} must be a finite number, got {value!r}")


@dataclass(frozen=True)
class ClassMeasures:
    """Class measures in doubles, equal ones grouped, classes of measure 0 left out.

    Parameters
    ----------
    measures : array (m,)
        The distinct measures, increasing, each within a rounding of its exact value.
    complements : array (m,)
        One minus each; for a class above 1/2 it is the sum of the others, so that it is accurate
        however small it is.
    multiplicities : array (m,)
        How many classes have each measure.
    """

    measures: Floats
    complements: Floats
    multiplicities: Floats


def class_measures(measures: Any) -> ClassMeasures:
    """Read class measures as doubles.

    Parameters
    ----------
    measures : sequence (K,)
        Floats, Fractions or strings that sum to 1 up to rounding, or integer counts of any sum,
        which are divided by it.

    Raises
    ------
    ValueError
        If they are not K >= 1 numbers in [0, 1] that sum to 1, or counts of a positive sum.
    """
    values, multiplicities = _grouped(measures)
    if isinstance(values, np.ndarray):
        total = math.fsum(values * multiplicities)
        c = values / total
    else:
        exact = _normalised(values, multiplicities)
        c = np.array([float(value) for value in exact])
    kept = c > 0
    c, m = c[kept], multiplicities[kept].astype(np.float64)
    complements = 1.0 - c
    if c[-1] > 0.5:  # increasing, so only the last one can be
        complements[-1] = math.fsum(c[:-1] * m[:-1])
    return ClassMeasures(c, complements, m)


def exact_measures(measures: Any) -> list[tuple[Fraction, int]]:
    """Read class measures as rationals that sum to exactly 1, with multiplicities, increasing.

    Printed decimals are divided by their exact sum. Classes of measure 0 are left out. Raises as
    `class_measures` does.
    """
    values, multiplicities = _grouped(measures)
    exact = _normalised([exact_rational(value) for value in values], multiplicities)
    return [(c, int(m)) for c, m in zip(exact, multiplicities, strict=True) if c > 0]


def budgets(eps: Any, name: str = "eps") -> Floats:
    """Read perturbation budgets, of any shape, as doubles; infinity is allowed.

    Raises
    ------
    ValueError
        If one of them is negative, NaN or no number.
    """
    array = np.asarray(eps)
    if array.dtype.kind in "fiu":
        array = array.astype(np.float64)
    else:
        numbers_read = [_real(value, name) for value in array.ravel().tolist()]
        array = np.array(numbers_read, dtype=np.float64).reshape(array.shape)
    wrong = ~(array >= 0)
    if wrong.any():
        raise ValueError(f"{name} must be at least 0, got {array[wrong][0]}")
    return array


def probability(value: Any, name: str, *, open: bool = False) -> Fraction:
    """Read a probability exactly; with `open`, 0 and 1 are rejected too."""
    p = exact_rational(value, name)
    if open and not 0 < p < 1:
        raise ValueError(f"{name} must lie strictly between 0 and 1, got {value}")
    if not 0 <= p <= 1:
        raise ValueError(f"{name} must lie in [0, 1], got {value}")
    return p


def positive_integer(value: Any, name: str, *, least: int = 1) -> int:
    """Read an integer that is at least `least`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}")
    return int(value)


def real(value: Any, name: str) -> float:
    """Read a finite number as a double."""
    number = _real(value, name)
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite, got {value}")
    return number


def _real(value: Any, name: str) -> float:
    if isinstance(value, float):
        return value
    return float(exact_rational(value, name))


def _grouped(measures: Any) -> tuple[Floats | list[Fraction], NDArray[np.int64]]:
    """Distinct values, increasing, and how often each occurs; doubles stay an array."""
    if isinstance(measures, str) or not isinstance(measures, Iterable):
        raise ValueError(f"class measures must be a sequence of numbers, got {measures!r}")
    array = measures if isinstance(measures, np.ndarray) else np.asarray(list(measures), object)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"class measures must have shape (K,), K >= 1, got {array.shape}")
    if array.dtype == object and set(map(type, array)) == {float}:
        array = array.astype(np.float64)
    if array.dtype.kind == "f":
        spacing = float(np.finfo(array.dtype).eps)
        values, multiplicities = np.unique(array.astype(np.float64), return_counts=True)
        wrong = ~((values >= 0) & (values <= 1))
        if wrong.any():
            raise ValueError(f"class measures must lie in [0, 1], got {values[wrong][0]}")
        _check_sum(math.fsum(values * multiplicities), array.size, spacing)
        return values, multiplicities
    counts = Counter(exact_rational(value, "class measures") for value in array.tolist())
    exact = sorted(counts)
    multiplicities = np.array([counts[value] for value in exact])
    total = sum(value * counts[value] for value in exact)
    whole = all(isinstance(value, numbers.Integral) for value in array.tolist())
    if exact[0] < 0 or (exact[-1] > 1 and not whole):
        wrong_value = exact[0] if exact[0] < 0 else exact[-1]
        raise ValueError(f"class measures must lie in [0, 1], got {float(wrong_value)}")
    if not whole or total == 0:
        _check_sum(float(total), array.size, float(np.finfo(np.float64).eps))
    return exact, multiplicities


def _check_sum(total: float, classes: int, spacing: float) -> None:
    # Each of K measures in [0, 1] carries at most a few roundings, and so does their division.
    if not abs(total - 1) <= (classes + 4) * spacing:
        raise ValueError(f"class measures must sum to 1, got {total}")


def _normalised(values: list[Fraction], multiplicities: NDArray[np.int64]) -> list[Fraction]:
    total = sum(
        (value * int(m) for value, m in zip(values, multiplicities, strict=True)), Fraction(0)
    )
    return [value / total for value in values]
