"""Pairs of points within a distance, block by block: no n0 x n1 matrix is ever in memory.

Integer data are compared in integers. Other data pass a filter that misses nothing; then doubles
decide, and rationals wherever a rigorous error band says that doubles could be wrong.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from robust_theory.arguments import Floats
from robust_theory.risks.samples import Indices, Norm, Sample, exact_key, exact_row

Keys: TypeAlias = NDArray[Any]
Pairs: TypeAlias = tuple[Indices, Indices, Keys]

_U32, _U64 = 2.0**-24, 2.0**-53
_BLOCK_ROWS, _BLOCK_COLUMNS = 1024, 2048
_ENTRIES = 1 << 22  # of a temporary array in the loops over candidate pairs


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
        x = first.values[rows[block]].astype(kind, copy=False)
        z = second.values[columns[block]].astype(kind, copy=False)
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


def exact_pairs(first: Sample, second: Sample, norm: Norm, greatest: int) -> Iterator[Pairs]:
    """All pairs of exact samples whose key is at most `greatest`, with their keys.

    Every number here is an exact integer, whatever its type, or a rounded bound that is loose.
    """
    A, B = first.values, second.values
    if greatest < 0 or not len(A) or not len(B):
        return
    if norm == "linf":
        for rows, columns in _linf_candidates(A, B, greatest):
            yield rows, columns, pair_keys(first, second, rows, columns, norm)
        return
    if norm == "l1":
        from scipy.spatial.distance import cdist

        for here, there in _blocks(len(A), len(B)):
            D = cdist(A[here].astype(np.float64), B[there].astype(np.float64), "cityblock")
            i, j = np.nonzero(greatest >= D)
            yield i + here.start, j + there.start, D[i, j].astype(np.int64)
        return
    low = min(int(A.min()), int(B.min())) if A.shape[1] else 0
    high = max(int(A.max()), int(B.max())) if A.shape[1] else 0
    centre, radius = (low + high) // 2, max(1, (high - low + 1) // 2)
    d = A.shape[1]
    # A sum of at most 2^24 / radius^2 products of centred integers is exact in single precision.
    chunk = 2**24 // radius**2 if radius < 2**9 else 0
    kind: Any = np.float32 if chunk else np.float64
    unit_roundoff = _U32 if chunk else _U64
    chunk = chunk or max(1, d)
    centred: list[NDArray[Any]] = [
        T.astype(np.int64 if T.itemsize > 2 else np.int32) - centre for T in (A, B)
    ]
    a, b = (np.einsum("ij,ij->i", T, T, dtype=np.int64) for T in centred)
    P, Q = (np.asarray(T, kind) for T in centred)
    greatest = min(greatest, 4 * d * radius**2)
    # |x - z|^2 <= T means x.z >= (|x|^2 - T) / 2 + |z|^2 / 2; the right side is rounded, so the
    # filter is loose by more than its roundings, and integers decide.
    loose = 4 * unit_roundoff * float(a.max() + b.max() + greatest) + 1
    left, right = ((a - greatest) / 2 - loose).astype(kind)[:, None], (b / 2).astype(kind)
    for here, there in _blocks(len(A), len(B)):
        if d <= chunk:
            G = P[here] @ Q[there].T
        else:
            G = np.zeros((here.stop - here.start, there.stop - there.start))
            for k in range(0, d, chunk):
                G += P[here, k : k + chunk] @ Q[there, k : k + chunk].T
        i, j = _above(G - right[there].astype(G.dtype), left[here])
        keys = a[i + here.start] + b[j + there.start] - 2 * G[i, j].astype(np.int64)
        kept = keys <= greatest
        yield i[kept] + here.start, j[kept] + there.start, keys[kept]


def rounded_pairs(
    first: Sample, second: Sample, norm: Norm, limit: Fraction, closed: bool
) -> Iterator[Pairs]:
    """All pairs that conflict at the key `limit`, with their distances in doubles."""
    if not len(first) or not len(second):
        return
    band = Band(first, second, norm)
    for rows, columns in _rounded_candidates(first, second, norm, limit, band.exponent):
        keys = _keys(first, second, rows, columns, norm, band.exponent)
        kept = band.settle(rows, columns, keys, limit, closed)
        yield rows[kept], columns[kept], keys[kept]


class Band:
    """Decides pairs by their distances in doubles, and in rationals where rounding could matter."""

    def __init__(self, first: Sample, second: Sample, norm: Norm) -> None:
        self.samples, self.norm = (first, second), norm
        self.exponent, self.d = _exponent(first, second), first.values.shape[1]
        order = {"l1": 1, "l2": 2, "linf": np.inf}[norm]
        self.sizes = [
            np.linalg.norm(_shrunk(s, self.exponent), order, axis=1) for s in self.samples
        ]
        self.rows: dict[tuple[int, int], list[Any]] = {}

    def settle(
        self, rows: Indices, columns: Indices, keys: Floats, limit: Fraction, closed: bool
    ) -> NDArray[np.bool_]:
        """Which of the pairs conflict at the key `limit`."""
        scaled = _scaled(limit, self.norm, self.exponent, self.d)
        bound = _root_interval(scaled) if self.norm == "l2" else _ends(scaled)
        distance = np.ldexp(keys, -self.exponent)
        # Roundings of the sum, then those of reading each entry as its decimal, then underflow.
        band = (
            (self.d + 8) * _U64 * distance
            + 2 * _U64 * (self.sizes[0][rows] + self.sizes[1][columns])
            + 1e-150 * math.sqrt(self.d + 1)
        )
        kept: NDArray[np.bool_] = distance + band < bound[0]
        for k in np.flatnonzero(~kept & (distance - band <= bound[1])):
            key = exact_key(self._row(0, int(rows[k])), self._row(1, int(columns[k])), self.norm)
            kept[k] = key <= limit if closed else key < limit
        return kept

    def _row(self, side: int, row: int) -> list[Any]:
        if (side, row) not in self.rows:
            self.rows[side, row] = exact_row(self.samples[side].values[row])
        return self.rows[side, row]


def _rounded_candidates(
    first: Sample, second: Sample, norm: Norm, limit: Fraction, exponent: int
) -> Iterator[tuple[Indices, Indices]]:
    X, Z = _shrunk(first, exponent), _shrunk(second, exponent)
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
        for here, there in _blocks(len(X), len(Z)):
            i, j = _above(P[here] @ Q[there].T - right[there], left[here])
            yield i + here.start, j + there.start
        return
    most = float(_scaled(limit, norm, exponent, d)) * (1 + (d + 8) * 2 * _U64)
    if norm == "linf":
        yield from _linf_candidates(X, Z, most + 2.0**-30)
        return
    from scipy.spatial.distance import cdist

    for here, there in _blocks(len(X), len(Z)):
        i, j = np.nonzero(cdist(X[here], Z[there], "cityblock") <= most + d * 2.0**-30)
        yield i + here.start, j + there.start


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
    for here, there in _blocks(len(A), len(B)):
        p, q = P[here], Q[there]
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
        yield i + here.start, j + there.start


def _shrunk(sample: Sample, exponent: int) -> Floats:
    """The values divided by 2^exponent, which is exact."""
    values = np.asarray(sample.values, np.float64)
    return np.ldexp(values, -exponent) if exponent else values


def _scaled(limit: Fraction, norm: Norm, exponent: int, d: int) -> Fraction:
    """The threshold for points divided by 2^exponent, cut where every pair is below it."""
    return min(limit / Fraction(4 if norm == "l2" else 2) ** exponent, Fraction((d + 1) << 44))


def _ends(x: Fraction) -> tuple[float, float]:
    return math.nextafter(float(x), -math.inf), math.nextafter(float(x), math.inf)


def _root_interval(square: Fraction) -> tuple[float, float]:
    root = math.sqrt(float(square))
    return root * (1 - 4 * _U64), root * (1 + 4 * _U64)


def _blocks(n: int, m: int) -> Iterator[tuple[slice, slice]]:
    for i in range(0, n, _BLOCK_ROWS):
        for j in range(0, m, _BLOCK_COLUMNS):
            yield slice(i, min(n, i + _BLOCK_ROWS)), slice(j, min(m, j + _BLOCK_COLUMNS))


def _above(table: NDArray[Any], bound: NDArray[Any]) -> tuple[Indices, Indices]:
    flat = np.flatnonzero(table >= bound)
    rows = flat // table.shape[1]
    return rows, flat - rows * table.shape[1]
