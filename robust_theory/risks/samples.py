"""Points of R^d as exact numbers over one unit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from robust_theory.arguments import Floats, exact_rational

Norm = Literal["l2", "linf", "l1"]
Indices: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Sample:
    """Points of R^d: point i is ``values[i] / unit``.

    Parameters
    ----------
    values : array (n, d)
        Integers, or doubles that mean their printed decimals.
    unit : Fraction
        Positive; the same for all samples that are compared.
    exact : bool
        Whether distances between the samples read together are exact in int64 and double.
    """

    values: NDArray[Any]
    unit: Fraction
    exact: bool

    def __getitem__(self, rows: Any) -> Sample:
        return Sample(self.values[rows], self.unit, self.exact)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def points(self) -> Floats:
        """The points in doubles, shape (n, d)."""
        return self.values / float(self.unit)


def read_norm(norm: Any) -> Norm:
    """Return `norm` or raise ValueError."""
    if norm not in get_args(Norm):
        raise ValueError(f"norm must be 'l2', 'linf' or 'l1', got {norm!r}")
    return norm  # type: ignore[no-any-return]


def read_samples(arrays: Mapping[str, Any], scale: Any = None) -> list[Sample]:
    """Read arrays of points, shape (n, ...) or (n,) for points on a line, to a common unit.

    Integer arrays, and floats that are integers or short binary fractions, become integers. Other
    floats mean their printed decimals. With `scale` the points are the arrays divided by it.

    Raises
    ------
    ValueError
        If an entry is NaN or infinite, dimensions differ, or the scale is not positive.
    """
    unit = Fraction(1) if scale is None else exact_rational(scale, "scale")
    if unit <= 0:
        raise ValueError(f"scale must be positive, got {scale!r}")
    read = [_table(array, name) for name, array in arrays.items()]
    dimensions = {table.shape[1] for table in read if len(table)}
    if len(dimensions) > 1:
        shapes = ", ".join(str(table.shape) for table in read)
        raise ValueError(f"{' and '.join(arrays)} must have the same dimension, got {shapes}")
    width = dimensions.pop() if dimensions else 1
    tables = [table if len(table) else table.reshape(0, width) for table in read]
    if any(table.dtype.kind == "O" for table in tables):
        denominator = math.lcm(*(x.denominator for table in tables for x in table.flat))
        tables = [_integers(table * denominator) for table in tables]
        unit *= denominator
    elif any(table.dtype.kind == "f" for table in tables):
        power = max((_binary_places(table) for table in tables), default=0)
        if power <= 16:
            tables = [_smallest(np.ldexp(table.astype(np.float64), power)) for table in tables]
            unit *= 1 << power
        else:
            tables = [table.astype(np.float64) for table in tables]
    return [Sample(table, unit, _is_exact(tables)) for table in tables]


def exact_key(x: Any, z: Any, norm: Norm) -> Fraction:
    """The key of two points in rationals; `x` and `z` are sequences of integers or Fractions."""
    gaps = [abs(a - b) for a, b in zip(x, z, strict=True)]
    if norm == "linf":
        return Fraction(max(gaps, default=0))
    return Fraction(sum(gap * gap for gap in gaps) if norm == "l2" else sum(gaps))


def exact_row(row: NDArray[Any]) -> list[Any]:
    """Entries of a row of `Sample.values` as exact numbers."""
    return [exact_rational(v) for v in row] if row.dtype.kind == "f" else row.tolist()


def _table(array: Any, name: str) -> NDArray[Any]:
    try:
        table = np.asarray(array)
    except ValueError as error:
        raise ValueError(f"{name} must be an array of points of one dimension") from error
    if table.ndim == 0:
        raise ValueError(f"{name} must have shape (n, d), got a single number")
    table = table.reshape(len(table), -1) if len(table) else table.reshape(0, 1)
    if table.dtype.kind == "b":
        return table.astype(np.uint8)
    if table.dtype.kind == "f":
        if not np.isfinite(table).all():
            row = int(np.flatnonzero(~np.isfinite(table).all(axis=1))[0])
            raise ValueError(f"{name} must be finite, got NaN or infinity in row {row}")
        return table
    if table.dtype.kind in "iu":
        if table.dtype.kind == "u" and table.dtype.itemsize == 8:
            return _integers(table.astype(object))
        return table
    if table.dtype.kind == "O":
        entries = [exact_rational(x, f"every entry of {name}") for x in table.flat]
        return np.array([*entries, None], object)[:-1].reshape(table.shape)
    raise ValueError(f"{name} must hold numbers, got dtype {table.dtype}")


def _integers(table: NDArray[Any]) -> NDArray[Any]:
    whole = [int(x) for x in table.flat]
    if whole and max(map(abs, whole)) >= 2**62:
        raise ValueError("points need numerators below 2^62 over a common denominator")
    return np.array(whole, np.int64).reshape(table.shape)


def _binary_places(table: NDArray[Any]) -> int:
    """Least k such that 2^k times the table is small integers; 99 if that is more than 16.

    Up to 16 binary places and 2^20 before the point Python prints every digit, so that such a
    double is the decimal that it means.
    """
    if table.dtype.kind != "f" or not table.size:
        return 0
    if np.abs(table).max() < 2**20:
        # Most tables that are none show it in a few entries.
        few = table.ravel()[:: max(1, table.size // 1000)]
        for places in range(0, 17, 4):
            if all(_is_whole(part * 2.0**places) for part in (few, table)):
                return places
    return 99


def _is_whole(table: NDArray[Any]) -> bool:
    return bool((table == np.rint(table)).all())


def _smallest(table: Floats) -> NDArray[Any]:
    most = np.abs(table).max(initial=0)
    return table.astype(np.int16 if most < 2**15 else np.int32 if most < 2**31 else np.int64)


def _is_exact(tables: list[NDArray[Any]]) -> bool:
    filled = [table for table in tables if table.size]
    if not filled:
        return True
    if any(table.dtype.kind == "f" for table in filled):
        return False
    spread = max(int(t.max()) for t in filled) - min(int(t.min()) for t in filled)
    return bool(filled[0].shape[1] * spread**2 < 2**52)
