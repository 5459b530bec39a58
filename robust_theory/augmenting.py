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


def grow(
    rows: Any,
    columns: Any,
    row_starts: Any,
    row_edges: Any,
    column_starts: Any,
    column_edges: Any,
    give: Any,
    take: Any,
    gains: Any,
    carried: Any,
) -> Any:
    """Keep a maximum flow, and a forest of all that rows with something left can reach.

    Edges are numbered by arrival, so the edges of a vertex that have arrived are the first few of
    its list. A new edge matters only if it leads out of the forest; the forest then grows along
    it, and on reaching a column that can take more, flow is pushed along the path from the root.
    Only what hung from a link that this used up is taken off, and what other parts reach of it is
    grafted onto them (the grafting of Azad, Buluc and Pothen).
    """
    n, m = len(row_starts) - 1, len(column_starts) - 1
    out, root = -2, -1
    # Edge by which a vertex hangs in the forest: into a column, or back out of one that it feeds.
    row_parent, column_parent = [root] * n, [out] * m
    row_degree, column_degree = [0] * n, [0] * m
    # Edges with flow into every column, as linked lists.
    first_edge = [-1] * m
    next_edge, previous_edge = [-1] * len(rows), [-1] * len(rows)
    for u in range(n):
        if give[u] == 0:
            row_parent[u] = out
    for arrival in range(len(rows)):
        u, v = rows[arrival], columns[arrival]
        row_degree[u] += 1
        column_degree[v] += 1
        if row_parent[u] == out or column_parent[v] != out:
            continue
        column_parent[v] = arrival
        pending = [v]
        while len(pending) > 0:
            v = pending.pop()
            if column_parent[v] == out:
                continue
            if take[v] > 0:
                # The most that the path carries, then the path again to push it.
                most = take[v]
                e = column_parent[v]
                while row_parent[rows[e]] != root:
                    e = row_parent[rows[e]]
                    most = min(most, carried[e])
                    e = column_parent[columns[e]]
                source = rows[e]
                most = min(most, give[source])
                gains[arrival] += most
                take[v] -= most
                give[source] -= most
                fallen = [source]
                fallen.pop()
                if give[source] == 0:
                    fallen.append(source)
                e = column_parent[v]
                while True:
                    if carried[e] == 0:
                        w = columns[e]
                        next_edge[e] = first_edge[w]
                        previous_edge[e] = -1
                        if first_edge[w] >= 0:
                            previous_edge[first_edge[w]] = e
                        first_edge[w] = e
                    carried[e] += most
                    u = rows[e]
                    back = row_parent[u]
                    if back == root:
                        break
                    carried[back] -= most
                    w = columns[back]
                    if carried[back] == 0:
                        fallen.append(u)
                        before, after = previous_edge[back], next_edge[back]
                        if before >= 0:
                            next_edge[before] = after
                        else:
                            first_edge[w] = after
                        if after >= 0:
                            previous_edge[after] = before
                    e = column_parent[w]
                for u in fallen:
                    row_parent[u] = out
                loose = [v]
                loose.pop()
                done = 0
                while done < len(fallen):
                    u = fallen[done]
                    done += 1
                    start = row_starts[u]
                    for k in range(start, start + row_degree[u]):
                        w = columns[row_edges[k]]
                        if column_parent[w] == row_edges[k]:
                            column_parent[w] = out
                            loose.append(w)
                            e = first_edge[w]
                            while e >= 0:
                                if row_parent[rows[e]] == e:
                                    row_parent[rows[e]] = out
                                    fallen.append(rows[e])
                                e = next_edge[e]
                # A fallen row may feed a column that still hangs, or one grafted before it.
                for u in fallen:
                    start = row_starts[u]
                    for k in range(start, start + row_degree[u]):
                        e = row_edges[k]
                        if carried[e] > 0 and column_parent[columns[e]] != out:
                            row_parent[u] = e
                            break
                    if row_parent[u] != out:
                        for k in range(start, start + row_degree[u]):
                            w = columns[row_edges[k]]
                            if column_parent[w] == out:
                                column_parent[w] = row_edges[k]
                                pending.append(w)
                for w in loose:
                    if column_parent[w] != out:
                        continue
                    start = column_starts[w]
                    for k in range(start, start + column_degree[w]):
                        e = column_edges[k]
                        if row_parent[rows[e]] != out:
                            column_parent[w] = e
                            pending.append(w)
                            break
                if column_parent[v] == out or take[v] > 0:
                    continue
            e = first_edge[v]
            while e >= 0:
                u = rows[e]
                if row_parent[u] == out:
                    row_parent[u] = e
                    start = row_starts[u]
                    for k in range(start, start + row_degree[u]):
                        w = columns[row_edges[k]]
                        if column_parent[w] == out:
                            column_parent[w] = row_edges[k]
                            pending.append(w)
                e = next_edge[e]
    return gains, carried
