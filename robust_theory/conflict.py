"""Who can be confused with whom: pairs of samples whose balls of radius eps meet.

In a normed space two closed balls of radius eps meet exactly when their centres are at most 2 eps
apart, open ones when they are less than 2 eps apart. Whether a pair stands on one side or the
other is decided exactly: integer data with a scale in integers, other data in rationals wherever
a rigorous error band of the floating-point distance does not settle it.

Distances are computed block by block; no n0 x n1 matrix is ever in memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from robust_theory.arguments import Floats, exact_rational

Norm = Literal["l2", "linf", "l1"]
Indices: TypeAlias = NDArray[np.int64]
Keys: TypeAlias = NDArray[Any]

_U32, _U64 = 2.0**-24, 2.0**-53
_BLOCK_ROWS, _BLOCK_COLUMNS = 1024, 2048
_ENTRIES = 1 << 22  # of a temporary array in the loops over candidate pairs


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


@dataclass(frozen=True)
class Conflicts:
    """Pairs ``(rows[k], columns[k])`` of a conflict relation, sorted by row, then column.

    Parameters
    ----------
    rows, columns : array (m,)
        Indices of the two samples.
    keys : array (m,)
        Their distances in the unit of the samples, squared for the norm l2: integers when the
        samples are exact, else doubles (then never squared) that are off by rounding.
    shape : tuple
        Sizes of the two samples.
    """

    rows: Indices
    columns: Indices
    keys: Keys
    shape: tuple[int, int]

    def __len__(self) -> int:
        return len(self.rows)


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


def threshold(norm: Norm, eps: Any, unit: Fraction) -> Fraction:
    """The key of a pair at distance exactly 2 eps."""
    radius = exact_rational(eps, "eps")
    if radius < 0:
        raise ValueError(f"eps must be at least 0, got {eps!r}")
    distance = 2 * radius * unit
    return distance**2 if norm == "l2" else distance


def greatest_key(limit: Fraction, closed: bool) -> int:
    """The greatest integer key that conflicts at the threshold `limit`."""
    return math.floor(limit) if closed else math.ceil(limit) - 1


def find_conflicts(
    first: Sample, second: Sample, norm: Norm, eps: Any, *, closed: bool = True
) -> Conflicts:
    """All pairs whose balls of radius eps meet, exactly; memory grows with their number only."""
    limit = threshold(norm, eps, first.unit)
    shape = (len(first), len(second))
    if first.exact:
        parts = list(_exact_pairs(first, second, norm, greatest_key(limit, closed)))
    else:
        parts = list(_rounded_pairs(first, second, norm, limit, closed))
    rows, columns, keys = (
        np.concatenate([part[k] for part in parts])
        if parts
        else np.zeros(0, np.int64 if k < 2 or first.exact else np.float64)
        for k in range(3)
    )
    order = np.lexsort((columns, rows))
    return Conflicts(rows[order], columns[order], keys[order], shape)


def find_conflicts_among(
    sample: Sample, labels: Indices, norm: Norm, eps: Any, *, closed: bool = True
) -> Conflicts:
    """All conflicting pairs of points with different labels, lower label first."""
    classes = np.unique(labels)
    parts = []
    for label in classes[:-1]:
        mine, later = np.flatnonzero(labels == label), np.flatnonzero(labels > label)
        found = find_conflicts(sample[mine], sample[later], norm, eps, closed=closed)
        parts.append((mine[found.rows], later[found.columns], found.keys))
    if not parts:
        parts = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64))]
    rows, columns, keys = (np.concatenate([part[k] for part in parts]) for k in range(3))
    order = np.lexsort((columns, rows))
    return Conflicts(rows[order], columns[order], keys[order], (len(sample), len(sample)))


def pair_keys(first: Sample, second: Sample, rows: Indices, columns: Indices, norm: Norm) -> Keys:
    """Keys of the given pairs by direct subtraction, as in `Conflicts`."""
    return _keys(first, second, rows, columns, norm, _exponent(first, second))


def _keys(
    first: Sample, second: Sample, rows: Indices, columns: Indices, norm: Norm, exponent: int
) -> Keys:
    keys = np.empty(len(rows), np.int64 if first.exact else np.float64)
    kind = keys.dtype
    step = max(1, _ENTRIES // max(1, first.values.shape[1]))
    for start in range(0, len(rows), step):
        block = slice(start, start + step)
        x, z = first.values[rows[block]].astype(kind), second.values[columns[block]].astype(kind)
        # Powers of two are exact, and keep squares from overflowing.
        gap = np.ldexp(x, -exponent) - np.ldexp(z, -exponent) if exponent else np.subtract(x, z, x)
        if norm == "l2":
            square = np.einsum("ij,ij->i", gap, gap)
            keys[block] = square if first.exact else np.sqrt(square)
        elif norm == "l1":
            keys[block] = np.abs(gap).sum(axis=1)
        else:
            keys[block] = np.abs(gap).max(axis=1, initial=0)
    return np.ldexp(keys, exponent) if exponent else keys


def are_conflicts(
    first: Sample,
    second: Sample,
    rows: Indices,
    columns: Indices,
    norm: Norm,
    eps: Any,
    *,
    closed: bool = True,
) -> NDArray[np.bool_]:
    """Which of the given pairs conflict, decided exactly and pair by pair."""
    keys = pair_keys(first, second, rows, columns, norm)
    pairs = Conflicts(rows, columns, keys, (len(first), len(second)))
    return still_conflict(first, second, pairs, norm, eps, closed=closed)


def still_conflict(
    first: Sample, second: Sample, pairs: Conflicts, norm: Norm, eps: Any, *, closed: bool = True
) -> NDArray[np.bool_]:
    """Which of the pairs, given with their keys, conflict at this eps, exactly."""
    limit = threshold(norm, eps, first.unit)
    if first.exact:
        return np.asarray(pairs.keys <= greatest_key(limit, closed))
    return _Band(first, second, norm, limit, closed).settle(pairs.rows, pairs.columns, pairs.keys)


def exact_key(x: Any, z: Any, norm: Norm) -> Fraction:
    """The key of two points in rationals; `x` and `z` are sequences of integers or Fractions."""
    gaps = [abs(a - b) for a, b in zip(x, z, strict=True)]
    if norm == "linf":
        return Fraction(max(gaps, default=0))
    return Fraction(sum(gap * gap for gap in gaps) if norm == "l2" else sum(gaps))


def exact_row(row: NDArray[Any]) -> list[Any]:
    """Entries of a row of `Sample.values` as exact numbers."""
    return [exact_rational(v) for v in row] if row.dtype.kind == "f" else row.tolist()


# Reading arrays.


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
        for places in range(0, 17, 4):
            scaled = np.ldexp(table, places)
            if (scaled == np.rint(scaled)).all():
                return places
    return 99


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
    return filled[0].shape[1] * spread**2 < 2**52


def _exponent(first: Sample, second: Sample) -> int:
    """Points divided by 2^exponent are at most 2^20; 0 for exact samples and ordinary sizes."""
    if first.exact:
        return 0
    most = max(
        (np.abs(s.values.astype(np.float64)).max() for s in (first, second) if s.values.size),
        default=1.0,
    )
    exponent = math.frexp(float(most))[1]
    return 0 if abs(exponent) <= 20 else exponent


# Integer data: every number below is an exact integer, whatever its type.


def _exact_pairs(
    first: Sample, second: Sample, norm: Norm, greatest: int
) -> Iterator[tuple[Indices, Indices, Keys]]:
    A, B = first.values, second.values
    if greatest < 0 or not len(A) or not len(B):
        return
    if norm == "linf":
        for rows, columns in _linf_candidates(A, B, greatest):
            yield rows, columns, pair_keys(first, second, rows, columns, norm)
        return
    if norm == "l1":
        from scipy.spatial.distance import cdist

        for rows, columns in _blocks(len(A), len(B)):
            D = cdist(A[rows].astype(np.float64), B[columns].astype(np.float64), "cityblock")
            i, j = np.nonzero(greatest >= D)
            yield i + rows.start, j + columns.start, D[i, j].astype(np.int64)
        return
    low = min(int(A.min()), int(B.min())) if A.shape[1] else 0
    high = max(int(A.max()), int(B.max())) if A.shape[1] else 0
    centre, radius = (low + high) // 2, max(1, (high - low + 1) // 2)
    d = A.shape[1]
    # A sum of at most 2^24 / radius^2 products of centred integers is exact in single precision.
    chunk = 2**24 // radius**2 if radius < 2**9 else 0
    kind = np.float32 if chunk else np.float64
    unit_roundoff = _U32 if chunk else _U64
    chunk = chunk or max(1, d)
    P, Q = ((T.astype(np.int64 if T.itemsize > 4 else np.int32) - centre) for T in (A, B))
    a, b = (np.einsum("ij,ij->i", T, T, dtype=np.int64) for T in (P, Q))
    P, Q = P.astype(kind), Q.astype(kind)
    greatest = min(greatest, 4 * d * radius**2)
    # |x - z|^2 <= T means x.z >= (|x|^2 - T) / 2 + |z|^2 / 2; the right side is rounded, so the
    # filter is loose by more than its roundings, and integers decide.
    loose = 4 * unit_roundoff * float(a.max() + b.max() + greatest) + 1
    left, right = ((a - greatest) / 2 - loose).astype(kind)[:, None], (b / 2).astype(kind)
    for rows, columns in _blocks(len(A), len(B)):
        if d <= chunk:
            G = P[rows] @ Q[columns].T
        else:
            G = np.zeros((rows.stop - rows.start, columns.stop - columns.start))
            for k in range(0, d, chunk):
                G += P[rows, k : k + chunk] @ Q[columns, k : k + chunk].T
        i, j = _above(G - right[columns].astype(G.dtype), left[rows])
        keys = a[i + rows.start] + b[j + columns.start] - 2 * G[i, j].astype(np.int64)
        kept = keys <= greatest
        yield i[kept] + rows.start, j[kept] + columns.start, keys[kept]


# Other data: a filter that misses nothing, doubles, and rationals inside the error band.


def _rounded_pairs(
    first: Sample, second: Sample, norm: Norm, limit: Fraction, closed: bool
) -> Iterator[tuple[Indices, Indices, Keys]]:
    if not len(first) or not len(second):
        return
    band = _Band(first, second, norm, limit, closed)
    for rows, columns in _rounded_candidates(first, second, norm, limit, band.exponent):
        keys = _keys(first, second, rows, columns, norm, band.exponent)
        kept = band.settle(rows, columns, keys)
        yield rows[kept], columns[kept], keys[kept]


def _rounded_candidates(
    first: Sample, second: Sample, norm: Norm, limit: Fraction, exponent: int
) -> Iterator[tuple[Indices, Indices]]:
    X, Z = (np.ldexp(s.values.astype(np.float64), -exponent) for s in (first, second))
    d = X.shape[1]
    if norm == "l2":
        centre = X.mean(axis=0)
        P, Q = (X - centre).astype(np.float32), (Z - centre).astype(np.float32)
        a, b = (np.einsum("ij,ij->i", T, T, dtype=np.float64) for T in (P, Q))
        # |x|^2 + |z|^2 - 2 x.z in single precision is off by at most 2 (d + 8) u (|x| + |z|)^2,
        # and (|x| + |z|)^2 <= 2 (|x|^2 + |z|^2). The last term covers underflow.
        shrink = 1 - 4 * (d + 16) * _U32
        most = float(_scaled(limit, norm, exponent, d)) + (d + 1) * 2.0**-120
        left = ((shrink * a - most * (1 + 4 * _U32)) / 2).astype(np.float32)[:, None]
        right = (shrink * b / 2).astype(np.float32)
        for rows, columns in _blocks(len(X), len(Z)):
            i, j = _above(P[rows] @ Q[columns].T - right[columns], left[rows])
            yield i + rows.start, j + columns.start
        return
    most = float(_scaled(limit, norm, exponent, d)) * (1 + (d + 8) * 2 * _U64)
    if norm == "linf":
        yield from _linf_candidates(X, Z, most + 2.0**-30)
        return
    from scipy.spatial.distance import cdist

    for rows, columns in _blocks(len(X), len(Z)):
        i, j = np.nonzero(cdist(X[rows], Z[columns], "cityblock") <= most + d * 2.0**-30)
        yield i + rows.start, j + columns.start


class _Band:
    """Decides pairs by their distances in doubles, and in rationals where rounding could matter."""

    def __init__(
        self, first: Sample, second: Sample, norm: Norm, limit: Fraction, closed: bool
    ) -> None:
        self.samples, self.norm, self.limit, self.closed = (first, second), norm, limit, closed
        self.exponent, self.d = _exponent(first, second), first.values.shape[1]
        order = {"l1": 1, "l2": 2, "linf": np.inf}[norm]
        self.sizes = [
            np.linalg.norm(np.ldexp(s.values.astype(np.float64), -self.exponent), order, axis=1)
            for s in self.samples
        ]
        scaled = _scaled(limit, norm, self.exponent, self.d)
        self.bound = _root_interval(scaled) if norm == "l2" else _ends(scaled)
        self.rows: dict[tuple[int, int], list[Any]] = {}

    def settle(self, rows: Indices, columns: Indices, keys: Floats) -> NDArray[np.bool_]:
        """Which of the pairs conflict."""
        distance = np.ldexp(keys, -self.exponent)
        # Roundings of the sum, then those of reading each entry as its decimal, then underflow.
        band = (
            (self.d + 8) * _U64 * distance
            + 2 * _U64 * (self.sizes[0][rows] + self.sizes[1][columns])
            + 1e-150 * math.sqrt(self.d + 1)
        )
        kept: NDArray[np.bool_] = distance + band < self.bound[0]
        for k in np.flatnonzero(~kept & (distance - band <= self.bound[1])):
            key = exact_key(self._row(0, int(rows[k])), self._row(1, int(columns[k])), self.norm)
            kept[k] = key <= self.limit if self.closed else key < self.limit
        return kept

    def _row(self, side: int, row: int) -> list[Any]:
        if (side, row) not in self.rows:
            self.rows[side, row] = exact_row(self.samples[side].values[row])
        return self.rows[side, row]


def _scaled(limit: Fraction, norm: Norm, exponent: int, d: int) -> Fraction:
    """The threshold for points divided by 2^exponent, cut where every pair is below it."""
    return min(limit / Fraction(4 if norm == "l2" else 2) ** exponent, Fraction((d + 1) << 44))


def _ends(x: Fraction) -> tuple[float, float]:
    return math.nextafter(float(x), -math.inf), math.nextafter(float(x), math.inf)


def _root_interval(square: Fraction) -> tuple[float, float]:
    root = math.sqrt(float(square))
    return root * (1 - 4 * _U64), root * (1 + 4 * _U64)


# Shared loops.


def _blocks(n: int, m: int) -> Iterator[tuple[slice, slice]]:
    for i in range(0, n, _BLOCK_ROWS):
        for j in range(0, m, _BLOCK_COLUMNS):
            yield slice(i, min(n, i + _BLOCK_ROWS)), slice(j, min(m, j + _BLOCK_COLUMNS))


def _above(table: NDArray[Any], bound: NDArray[Any]) -> tuple[Indices, Indices]:
    flat = np.flatnonzero(table >= bound)
    rows = flat // table.shape[1]
    return rows, flat - rows * table.shape[1]


def _linf_candidates(
    A: NDArray[Any], B: NDArray[Any], most: float
) -> Iterator[tuple[Indices, Indices]]:
    """Pairs with every |x_k - z_k| <= most: most telling coordinates first, survivors only."""
    d = A.shape[1]
    kind = np.int16 if max(A.itemsize, B.itemsize) == 1 else np.result_type(A, B, np.int32)
    draw = np.random.default_rng(0)
    i, j = draw.integers(len(A), size=1024), draw.integers(len(B), size=1024)
    beyond = np.abs(A[i].astype(kind) - B[j].astype(kind)) > most
    order = np.argsort(-beyond.sum(axis=0), kind="stable")
    # The most telling coordinate, then the one most telling on what it leaves, and so on.
    alive, chosen = np.ones(1024, bool), []
    for _ in range(min(d, 16)):
        best = int(np.argmax((beyond & alive[:, None]).sum(axis=0)))
        if not (beyond[:, best] & alive).any():
            break
        chosen.append(best)
        alive &= ~beyond[:, best]
    rest = np.array([k for k in order if k not in set(chosen)], np.int64)
    P, Q = A[:, [*chosen, *rest]].astype(kind), B[:, [*chosen, *rest]].astype(kind)
    for rows, columns in _blocks(len(A), len(B)):
        p, q = P[rows], Q[columns]
        near = np.ones((len(p), len(q)), bool)
        k = 0
        while k < d and (k == 0 or np.count_nonzero(near) > near.size // 16):
            near &= np.abs(p[:, k, None] - q[None, :, k]) <= most
            k += 1
            if k >= 8:
                break
        i, j = np.nonzero(near)
        width = 8
        while k < d and len(i):
            step = max(1, _ENTRIES // width)
            kept = np.concatenate(
                [
                    (np.abs(p[u, k : k + width] - q[v, k : k + width]) <= most).all(axis=1)
                    for u, v in ((i[s : s + step], j[s : s + step]) for s in range(0, len(i), step))
                ]
            )
            i, j, k, width = i[kept], j[kept], k + width, 2 * width
        yield i + rows.start, j + columns.start
