"""Maximum matchings and flows in bipartite graphs, with the cover that proves them maximum.

Three algorithms, each where it was measured to be the fastest: Pothen and Fan with lookahead
(numba) for matchings; SciPy's maximum flow without numba and for integer capacities; and one that
lets edges arrive one by one, for whole curves and for capacities of any size. SciPy's own
matching is slower than the first on every graph tried, and on intervals of a line, where each row
sees a run of columns, it did not end within a minute.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from robust_theory.risks.augmenting import compile_if_possible, pothen_fan
from robust_theory.risks.growing import grow

Indices: TypeAlias = NDArray[np.int64]

_FEW_EDGES = 10_000  # loading numba costs more than this
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
    compiled = compile_if_possible(pothen_fan) if graph.nnz > _FEW_EDGES else None
    if compiled is not None:
        return np.asarray(compiled(graph.indptr, graph.indices, graph.shape[1]), np.int64)
    partner = np.full(graph.shape[0], -1, np.int64)
    if graph.nnz:
        rows, columns = graph.tocoo().coords
        each = np.ones(graph.shape[0], np.int64), np.ones(graph.shape[1], np.int64)
        carried = _scipy_flow(rows, columns, *each)
        partner[rows[carried > 0]] = columns[carried > 0]
    return partner


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
        compiled = compile_if_possible(grow)
    # Small indices: what a search costs is reading them from memory.
    small = np.int32 if max(m, len(left), len(right)) < 2**31 else np.int64
    ends = rows.astype(small), columns.astype(small)
    graph: list[NDArray[Any]] = [*ends]
    for mine, others, size in ((*ends, len(left)), (*ends[::-1], len(right))):
        edges = np.argsort(mine, kind="stable").astype(small)
        starts = np.zeros(size + 1, np.int64)
        np.cumsum(np.bincount(mine, minlength=size), out=starts[1:])
        graph += [starts, edges, others[edges]]
    if compiled is not None:
        a, b = np.array(left, np.int64), np.array(right, np.int64)
        gains, carried = compiled(*graph, a, b, np.zeros(m, np.int64), np.zeros(m, np.int64))
        return gains, carried
    # Python's integers have no largest, and its lists are faster than arrays one by one.
    lists: Any = [array.tolist() for array in graph]
    plain: Any = grow
    gains, carried = plain(*lists, list(left), list(right), [0] * m, [0] * m)
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
