"""Augmenting paths as plain loops over arrays: for numba where it is installed, else for Python."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np


@cache
def compile_if_possible(function: Callable[..., Any]) -> Callable[..., Any] | None:
    """The function compiled by numba, or None where numba is not installed."""
    try:
        import numba
    except ImportError:
        return None
    try:
        return numba.njit(cache=True)(function)
    except RuntimeError:  # no folder where the compiled code could be kept
        return numba.njit(function)  # type: ignore[no-any-return]


def pothen_fan(starts: Any, ends: Any, n_right: int) -> Any:
    """Partner of every row: greedy by least degree, then disjoint augmenting paths per phase."""
    n = len(starts) - 1
    partner = np.full(n, -1, np.int32)
    taken_by = np.full(n_right, -1, np.int32)
    degree = starts[1:] - starts[:-1]
    for u in np.argsort(degree):
        best = -1
        for k in range(starts[u], starts[u + 1]):
            v = ends[k]
            if taken_by[v] < 0 and (best < 0 or degree[v] < degree[best]):
                best = v
        if best >= 0:
            partner[u] = best
            taken_by[best] = u
    # A column once taken stays taken, so the search for a free one never looks back.
    look = starts[:-1].copy()
    place = np.zeros(n, starts.dtype)
    seen = np.zeros(n_right, np.int32)
    path = np.zeros(n + 1, np.int32)
    phase = 0
    gained = True
    while gained:
        gained = False
        phase += 1
        backwards = phase % 2 == 0
        for root in range(n):
            if partner[root] >= 0 or starts[root] == starts[root + 1]:
                continue
            depth = 0
            path[0] = root
            place[root] = starts[root]
            while depth >= 0:
                u = path[depth]
                free = -1
                while look[u] < starts[u + 1]:
                    v = ends[look[u]]
                    look[u] += 1
                    if taken_by[v] < 0:
                        free = v
                        break
                if free >= 0:
                    while depth >= 0:
                        u = path[depth]
                        previous = partner[u]
                        partner[u] = free
                        taken_by[free] = u
                        free = previous
                        depth -= 1
                    gained = True
                    break
                following = -1
                while place[u] < starts[u + 1]:
                    k = place[u]
                    if backwards:
                        k = starts[u] + starts[u + 1] - 1 - k
                    place[u] += 1
                    v = ends[k]
                    if seen[v] != phase:
                        seen[v] = phase
                        following = taken_by[v]
                        break
                if following >= 0:
                    depth += 1
                    path[depth] = following
                    place[following] = starts[following]
                else:
                    depth -= 1
    return partner
