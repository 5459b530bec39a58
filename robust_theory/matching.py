"""Maximum matchings and flows in bipartite graphs, with the cover that proves them maximum.

Three algorithms, each where it was measured to be the fastest: Hopcroft and Karp (SciPy) for two
classes; Pothen and Fan with lookahead (numba; SciPy's maximum flow without it) for a graph against
itself; and one that lets edges arrive one by one, for whole curves and for capacities of any size.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Indices: TypeAlias = NDArray[np.int64]

_LARGEST_SCIPY_FLOW = 2**31 - 1
_LARGEST_COMPILED_FLOW = 2**62


def adjacency(rows: Indices, columns: Indices, shape: tuple[int, int]) -> Any:
    """The 0/1 relation as a SciPy CSR array; `rows` sorted, no pair twice."""
    from scipy.sparse import csr_array

    starts = np.zeros(shape[0] + 1, np.int64)
    np.cumsum(np.bincount(rows, minlength=shape[0]), out=starts[1:])
    small = np.int32 if max(len(rows), *shape) < 2**31 else np.int64
    ones = np.ones(len(rows), np.int8)
    return csr_array((ones, columns.astype(small), starts.astype(small)), shape=shape)


def maximum_matching(graph: Any) -> Indices:
    """The partner of each row in one maximum matching of a CSR graph, -1 for none."""
    from scipy.sparse.csgraph import maximum_bipartite_matching

    if not graph.nnz:
        return np.full(graph.shape[0], -1, np.int64)
    return np.asarray(maximum_bipartite_matching(graph, perm_type="column"), np.int64)


def maximum_self_matching(graph: Any) -> Indices:
    """As `maximum_matching`, for the symmetric graph of a relation on one set.

    This is the bipartite double cover: every vertex is once a row and once a column.
    """
    compiled = compile_if_possible(_pothen_fan)
    if compiled is None:
        ones = np.ones(graph.shape[0], np.int64)
        rows, columns = graph.tocoo().coords
        carried = _scipy_flow(rows, columns, ones, ones)
        partner = np.full(graph.shape[0], -1, np.int64)
        partner[rows[carried > 0]] = columns[carried > 0]
        return partner
    partner = compiled(graph.indptr, graph.indices, graph.shape[1])
    return np.asarray(partner, np.int64)


def maximum_flow(
    rows: Indices, columns: Indices, left: list[int], right: list[int]
) -> NDArray[Any]:
    """Units carried by each edge in one maximum flow from the rows to the columns.

    Parameters
    ----------
    rows, columns : array (m,)
        Edges, of unlimited capacity.
    left, right : list of int
        What each row can give and each column can take, integers of any size.
    """
    if max(sum(left), sum(right)) <= _LARGEST_SCIPY_FLOW:
        return _scipy_flow(rows, columns, np.array(left, np.int64), np.array(right, np.int64))
    return growing_flow(rows, columns, left, right)[1]


def growing_flow(
    rows: Indices, columns: Indices, left: list[int], right: list[int]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """What the maximum flow gains as the edges arrive in the given order, and its final state.

    Returns
    -------
    gains, carried : array (m,)
        Per edge: by how much its arrival raised the maximum flow; what it carries in the end.
        Of dtype object when the numbers may exceed int64.
    """
    m = len(rows)
    if not m:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    compiled = None
    if max(sum(left), sum(right)) < _LARGEST_COMPILED_FLOW:
        compiled = compile_if_possible(_grow)
    by_row, by_column = np.argsort(rows, kind="stable"), np.argsort(columns, kind="stable")
    starts = []
    for ends, size in ((rows, len(left)), (columns, len(right))):
        start = np.zeros(size + 1, np.int64)
        np.cumsum(np.bincount(ends, minlength=size), out=start[1:])
        starts.append(start)
    graph = (rows, columns, starts[0], by_row, starts[1], by_column)
    if compiled is not None:
        a, b = np.array(left, np.int64), np.array(right, np.int64)
        gains, carried = compiled(*graph, a, b, np.zeros(m, np.int64), np.zeros(m, np.int64))
        return gains, carried
    # Python's integers have no largest, and its lists are faster than arrays one by one.
    lists = [array.tolist() for array in graph]
    gains, carried = _grow(*lists, list(left), list(right), [0] * m, [0] * m)
    kind = np.int64 if max(sum(left), sum(right)) < _LARGEST_COMPILED_FLOW else object
    return np.array(gains, kind), np.array(carried, kind)


def minimum_cover(
    graph: Any, carried: Any, spare_left: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Koenig's cover: rows out of reach, and columns within reach, of what is left over.

    Parameters
    ----------
    graph, carried : CSR arrays
        The relation, and its edges that carry flow, with rows and columns exchanged.
    spare_left : array of bool
        Rows that could still give.

    Returns
    -------
    rows, columns : array of bool
        A set that touches every edge, of the same weight as the flow if that is maximum.
    """
    rows, columns = spare_left.copy(), np.zeros(graph.shape[1], bool)
    frontier = np.flatnonzero(rows)
    while len(frontier):
        reached = np.unique(_neighbours(graph, frontier))
        reached = reached[~columns[reached]]
        columns[reached] = True
        frontier = np.unique(_neighbours(carried, reached))
        frontier = frontier[~rows[frontier]]
        rows[frontier] = True
    return ~rows, columns


@lru_cache(maxsize=None)
def compile_if_possible(function: Callable[..., Any]) -> Callable[..., Any] | None:
    """The function compiled by numba, or None where numba is not installed."""
    try:
        import numba
    except ImportError:
        return None
    try:
        return numba.njit(cache=True)(function)  # type: ignore[no-any-return]
    except RuntimeError:  # no folder where the compiled code could be kept
        return numba.njit(function)  # type: ignore[no-any-return]


def _neighbours(graph: Any, vertices: Indices) -> Indices:
    starts, counts = graph.indptr[vertices], np.diff(graph.indptr)[vertices]
    before = np.repeat(np.cumsum(counts) - counts, counts)
    return np.asarray(
        graph.indices[np.repeat(starts, counts) + np.arange(counts.sum()) - before], np.int64
    )


def _scipy_flow(rows: Indices, columns: Indices, left: Indices, right: Indices) -> Indices:
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_flow as scipy_maximum_flow

    n, m = len(left), len(right)
    source, sink = n + m, n + m + 1
    tails = np.concatenate([np.full(n, source), rows, n + np.arange(m)]).astype(np.int32)
    heads = np.concatenate([np.arange(n), n + columns, np.full(m, sink)]).astype(np.int32)
    most = np.minimum(left[rows], right[columns])
    capacities = np.concatenate([left, most, right]).astype(np.int32)
    network = csr_array((capacities, (tails, heads)), shape=(n + m + 2, n + m + 2))
    flow = scipy_maximum_flow(network, source, sink).flow.tocsr()
    flow.sort_indices()
    # Read the flow of every given edge from the sorted entries of the answer.
    owners = np.repeat(np.arange(n + m + 2), np.diff(flow.indptr))
    keys = owners.astype(np.int64) * (n + m + 2) + flow.indices
    wanted = rows.astype(np.int64) * (n + m + 2) + n + columns
    place = np.minimum(np.searchsorted(keys, wanted), max(0, len(keys) - 1))
    if not len(keys):
        return np.zeros(len(rows), np.int64)
    return np.where(keys[place] == wanted, flow.data[place], 0).astype(np.int64)


# The two functions below are also read by numba: plain loops over arrays.


def _pothen_fan(starts: Any, ends: Any, n_right: int) -> Any:
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


def _grow(
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
