"""Distances of all pairs of two samples as keys, exact where it matters."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from robust_theory.arguments import Floats
from robust_theory.risks.distances import exact_pairs, pair_keys, rounded_pairs
from robust_theory.risks.samples import Indices, Norm, Sample, exact_key, exact_row
from robust_theory.risks.weights import Weights

Pairs: TypeAlias = tuple[Indices, Indices]

_U = 2.0**-53


def all_keys(samples: tuple[Sample, Sample], weights: Weights, norm: Norm) -> Floats:
    """Keys of all pairs (n, m): exact integers for exact samples, else distances in doubles.

    Infinite where a point has no weight.
    """
    from scipy.spatial.distance import cdist

    first = samples[0]
    if first.exact:
        metric = {"l2": "sqeuclidean", "linf": "chebyshev", "l1": "cityblock"}[norm]
    else:
        metric = {"l2": "euclidean", "linf": "chebyshev", "l1": "cityblock"}[norm]
    values = [np.asarray(sample.values, np.float64) for sample in samples]
    keys: Floats = cdist(values[0], values[1], metric)
    shares = np.array([share > 0 for share in weights.shares])
    keys[~shares[: len(first)]] = np.inf
    keys[:, ~shares[len(first) :]] = np.inf
    return keys


def least_feasible(values: NDArray[Any], next_possible: Callable[[Any], Any]) -> Any:
    """The least feasible one of increasing values, the last of which is feasible.

    `next_possible` takes a value to None if it is feasible, else to a lower bound on the least
    feasible one, greater than it. Bounds usually meet the answer in a few steps; tests further up
    halve what is left in case they do not.
    """
    low, high, step = 0, len(values) - 1, 1 << 10
    while low < high:
        bound = next_possible(values[low])
        if bound is None:
            return values[low]
        low = int(np.searchsorted(values, bound))
        ahead = min(low + step, (low + high) // 2)
        step *= 8
        if low < ahead:
            bound = next_possible(values[ahead])
            if bound is None:
                high = ahead
            else:
                low = int(np.searchsorted(values, bound))
    return values[high]


def settle(
    samples: tuple[Sample, Sample],
    keys: Floats,
    found: float,
    norm: Norm,
    feasible: Callable[[Indices, Indices], bool],
) -> tuple[Fraction, Pairs, Pairs]:
    """The exact key, the pairs up to it and below it.

    Pairs that rounding cannot tell from `found` are compared as rationals.
    """
    d = samples[0].values.shape[1]
    size = max(float(np.abs(sample.values.astype(np.float64)).max()) for sample in samples)
    # Roundings of the sum, then those of reading each entry as its decimal.
    scale = {"l1": d, "l2": math.sqrt(d), "linf": 1}[norm]
    band = 2 * ((d + 8) * _U * found + 4 * _U * size * scale + 1e-300)
    sure = keys < found - band
    rows, columns = np.nonzero((keys >= found - band) & (keys <= found + band))
    exact = exact_keys(samples, rows, columns, norm)
    candidates = sorted(set(exact))

    def with_these(limit: Fraction) -> Pairs:
        kept = np.array([key <= limit for key in exact], bool)
        table = sure.copy()
        table[rows[kept], columns[kept]] = True
        i, j = np.nonzero(table)
        return i, j

    low, high = -1, len(candidates) - 1
    while high - low > 1:
        middle = (low + high) // 2
        if feasible(*with_these(candidates[middle])):
            high = middle
        else:
            low = middle
    below = with_these(candidates[high - 1] if high else Fraction(-1))
    return candidates[high], with_these(candidates[high]), below


def exact_keys(
    samples: tuple[Sample, Sample], rows: Indices, columns: Indices, norm: Norm
) -> list[Fraction]:
    """Keys of the given pairs as rationals."""
    first, second = samples
    if first.exact:
        return [Fraction(int(key)) for key in pair_keys(first, second, rows, columns, norm)]
    kept: dict[tuple[int, int], list[Any]] = {}

    def row(side: int, k: int) -> list[Any]:
        if (side, k) not in kept:
            kept[side, k] = exact_row(samples[side].values[k])
        return kept[side, k]

    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return [exact_key(row(0, i), row(1, j), norm) for i, j in pairs]


def pairs_within(
    first: Sample, second: Sample, norm: Norm, key: Fraction, *, closed: bool
) -> Pairs:
    """All pairs up to (or below) a key, exactly, sorted by row."""
    if first.exact:
        greatest = math.floor(key) if closed else math.ceil(key) - 1
        parts = list(exact_pairs(first, second, norm, greatest))
    else:
        parts = list(rounded_pairs(first, second, norm, key, closed))
    if not parts:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    rows = np.concatenate([part[0] for part in parts]).astype(np.int64)
    columns = np.concatenate([part[1] for part in parts]).astype(np.int64)
    order = np.lexsort((columns, rows))
    return rows[order], columns[order]
