"""Who can be confused with whom: pairs of samples whose balls of radius eps meet.

In a normed space two closed balls of radius eps meet exactly when their centres are at most 2 eps
apart, open ones when they are less than 2 eps apart. Whether a pair stands on one side or the
other is decided exactly.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust_theory.arguments import exact_rational
from robust_theory.risks.distances import Band, Keys, Pairs, exact_pairs, pair_keys, rounded_pairs
from robust_theory.risks.samples import Indices, Norm, Sample


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
        parts = list(exact_pairs(first, second, norm, greatest_key(limit, closed)))
    else:
        parts = list(rounded_pairs(first, second, norm, limit, closed))
    return _sorted(parts, shape)


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
    return _sorted(parts, (len(sample), len(sample)))


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
    return next(still_conflict(first, second, pairs, norm, [eps], closed=closed))


def still_conflict(
    first: Sample,
    second: Sample,
    pairs: Conflicts,
    norm: Norm,
    radii: Iterable[Any],
    *,
    closed: bool = True,
) -> Iterator[NDArray[np.bool_]]:
    """Which of the pairs, given with their keys, conflict at each of these eps, exactly."""
    band = None if first.exact else Band(first, second, norm)
    for eps in radii:
        limit = threshold(norm, eps, first.unit)
        if band is None:
            yield np.asarray(pairs.keys <= greatest_key(limit, closed))
        else:
            yield band.settle(pairs.rows, pairs.columns, pairs.keys, limit, closed)


def _sorted(parts: list[Pairs], shape: tuple[int, int]) -> Conflicts:
    if not parts:
        none = np.zeros(0, np.int64)
        return Conflicts(none, none, none, shape)
    rows = np.concatenate([part[0] for part in parts])
    columns = np.concatenate([part[1] for part in parts])
    keys = np.concatenate([part[2] for part in parts])
    order = np.argsort(rows * shape[1] + columns)
    return Conflicts(rows[order], columns[order], keys[order], shape)
