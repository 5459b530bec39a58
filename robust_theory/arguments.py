"""Reading arguments, and rejecting wrong ones by name, value and rule.

Two readings of the same arguments: doubles for the functions, exact rationals for the enclosures.
A float means the decimal that Python prints for it, so 0.1 is one tenth in both.
"""

from __future__ import annotations

import math
import numbers
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]


def exact_rational(value: Any, name: str = "value") -> Fraction:
    """Return the rational number that `value` stands for.

    Parameters
    ----------
    value : int, Fraction, Decimal, str, float or numpy scalar
        A string may be a decimal or a ratio (``"8/255"``); a float is its printed decimal.
    name : str
        Name of the argument, for the message.

    Raises
    ------
    ValueError
        If `value` is no finite number.
    """
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    try:
        if isinstance(value, bool | np.bool_):
            raise ValueError("a truth value is no number")
        if isinstance(value, str | numbers.Rational | Decimal):
            return Fraction(value)
        if isinstance(value, numbers.Real):
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
    return [(c, int(times)) for c, times in zip(exact, multiplicities, strict=True) if c > 0]


def budgets(eps: Any, name: str = "eps") -> Floats:
    """Read perturbation budgets, of any shape, as doubles; infinity is allowed.

    Raises
    ------
    ValueError
        If one of them is negative, NaN or no number.
    """
    array = _array(eps, name)
    if array.dtype.kind in "fiu":
        array = array.astype(np.float64)
    else:
        read = [_double(value, name) for value in array.ravel().tolist()]
        array = np.array(read, dtype=np.float64).reshape(array.shape)
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
    return _double(exact_rational(value, name), name)


def broken(*checks: Callable[[], object]) -> tuple[str, ...]:
    """The messages of the checks that raise ValueError, in order."""
    sentences = []
    for check in checks:
        try:
            check()
        except ValueError as error:
            sentences.append(str(error))
    return tuple(sentences)


def _double(value: Any, name: str) -> float:
    if isinstance(value, float):
        return value
    try:
        return float(exact_rational(value, name))
    except OverflowError:
        raise ValueError(f"{name} must be below 1.8e308, got a larger number") from None


def _array(values: Any, name: str) -> NDArray[Any]:
    try:
        return np.asarray(values)
    except ValueError:
        raise ValueError(f"{name} must be an array of one shape, got a ragged sequence") from None


def _grouped(measures: Any) -> tuple[Floats | list[Fraction], NDArray[np.int64]]:
    """Distinct values, increasing, and how often each occurs; doubles stay an array."""
    if isinstance(measures, str) or not isinstance(measures, Iterable):
        raise ValueError(f"class measures must be a sequence of numbers, got {measures!r}")
    array = _array(measures if isinstance(measures, np.ndarray) else list(measures), "measures")
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"class measures must have shape (K,), K >= 1, got {array.shape}")
    if array.dtype.kind == "f":
        values, multiplicities = np.unique(array.astype(np.float64), return_counts=True)
        wrong = ~((values >= 0) & (values <= 1))
        if wrong.any():
            raise ValueError(f"class measures must lie in [0, 1], got {values[wrong][0]}")
        spacing = float(np.finfo(array.dtype).eps)
        _check_sum(math.fsum(values * multiplicities), array.size, spacing)
        return values, multiplicities
    if array.dtype.kind in "iu":
        values, multiplicities = np.unique(array, return_counts=True)
        return _grouped_exactly(dict(zip(values.tolist(), multiplicities.tolist(), strict=True)))
    try:
        return _grouped_exactly(Counter(array.tolist()))
    except TypeError:  # not hashable
        raise ValueError("class measures must be a sequence of numbers, got nested ones") from None


def _grouped_exactly(
    multiplicities: Mapping[Any, int],
) -> tuple[list[Fraction], NDArray[np.int64]]:
    occurrences: Counter[Fraction] = Counter()
    for value, times in multiplicities.items():
        occurrences[exact_rational(value, "class measures")] += times
    values = sorted(occurrences)
    total = sum((value * occurrences[value] for value in values), Fraction(0))
    counts = all(isinstance(value, int) for value in multiplicities)
    if values[0] < 0 or (values[-1] > 1 and not counts):
        wrong = values[0] if values[0] < 0 else values[-1]
        raise ValueError(f"class measures must lie in [0, 1], got {_printed(wrong)}")
    if not counts or total == 0:
        classes = sum(occurrences.values())
        _check_sum(total, classes, float(np.finfo(np.float64).eps))
    return values, np.array([occurrences[value] for value in values])


def _check_sum(total: float | Fraction, classes: int, spacing: float) -> None:
    # Each of the K measures carries a few roundings of its own size, and those sum to 1; K more
    # are allowed for the sum by which a caller may have divided.
    if not abs(float(total - 1)) <= (classes + 4) * spacing:
        raise ValueError(f"class measures must sum to 1, got {_printed(total)}")


def _printed(number: float | Fraction) -> str:
    return f"{float(number)!r}"


def _normalised(values: list[Fraction], multiplicities: NDArray[np.int64]) -> list[Fraction]:
    total = sum(
        (value * int(times) for value, times in zip(values, multiplicities, strict=True)),
        Fraction(0),
    )
    return [value / total for value in values]
