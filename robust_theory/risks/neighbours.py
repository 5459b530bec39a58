"""Nearest points, block by block: the optimal classifiers are nearest-survivor rules."""

from __future__ import annotations

from typing import Any

import numpy as np

from robust_theory.arguments import Floats
from robust_theory.risks.samples import Indices, Norm, read_samples

_METRICS = {"l2": "euclidean", "linf": "chebyshev", "l1": "cityblock"}
_ENTRIES = 1 << 24


def distance_blocks(table: Floats, points: Any, norm: Norm) -> Any:
    """Yield ``(slice, distances)``: from some of the points to every row of the table."""
    from scipy.spatial.distance import cdist

    queries = read_samples({"points": points})[0].points
    if queries.shape[1] != table.shape[1]:
        raise ValueError(f"points must have dimension {table.shape[1]}, got {queries.shape[1]}")
    step = max(1, _ENTRIES // max(1, len(table)))
    for start in range(0, len(queries), step):
        block = slice(start, min(len(queries), start + step))
        yield block, cdist(queries[block], table, _METRICS[norm])


def nearest(table: Floats, points: Any, norm: Norm) -> Indices:
    """Index of the row of the table nearest to each point, the first of equally near ones."""
    parts = [distances.argmin(axis=1) for _, distances in distance_blocks(table, points, norm)]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)
