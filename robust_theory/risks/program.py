"""The linear program of conflict sets: solved in doubles or by matching, then made rigorous.

Primal: survival q in [0, 1], at most 1 in sum over every conflict set, worth ``sum w q``. Dual:
mass on conflict sets. Whatever a solver says, dividing q by the sums that are too large makes it
feasible, and single samples fill up what the dual leaves uncovered; both in rationals.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust_theory.risks import matching
from robust_theory.risks.coupling import spent
from robust_theory.risks.hypergraph import Level, Reach, higher_levels
from robust_theory.risks.samples import Indices

ZERO, ONE = Fraction(0), Fraction(1)
# Sums of doubles below this are at most 1 in rationals: each of a few terms is off by 2^-53.
_SURELY_BELOW = 1 - 1e-12


def solve_pairs(
    pairs: Level, shares: Sequence[int]
) -> tuple[Indices, list[Fraction], list[Fraction]]:
    """Exact optimum over pairs, by one maximum flow in the bipartite double cover.

    Returns
    -------
    used : array (k, 2)
        The pairs with mass.
    mass, survival : list of Fraction
        Mass of each, in units of the shares; per sample, 0, 1/2 or 1.
    """
    n = len(shares)
    if not len(pairs.sets):
        return pairs.sets, [], [ONE] * n
    graph = _double_cover(pairs, n)
    rows, columns, carried = _double_flow(graph, shares)
    order = np.lexsort((rows, columns))
    returns = matching.adjacency(columns[order], rows[order], (n, n))
    spare = (spent(rows, carried, n) < np.array(shares, object)).astype(bool)
    covered = matching.minimum_cover(graph, returns, spare)
    halves = (ZERO, Fraction(1, 2), ONE)
    survival = [halves[2 - int(a) - int(b)] for a, b in zip(*covered, strict=True)]
    mass: dict[tuple[int, int], int] = {}
    for u, v, units in zip(rows.tolist(), columns.tolist(), carried.tolist(), strict=True):
        pair = (u, v) if u < v else (v, u)
        mass[pair] = mass.get(pair, 0) + units
    return np.array(list(mass)), [Fraction(units, 2) for units in mass.values()], survival


def pairs_optimum(pairs: Level, shares: Sequence[int]) -> Fraction:
    """The greatest mass that `solve_pairs` can place, which is the risk times the sum of shares."""
    if not len(pairs.sets):
        return ZERO
    _, _, carried = _double_flow(_double_cover(pairs, len(shares)), shares)
    return Fraction(sum(carried.tolist()), 2)


def _double_cover(pairs: Level, n: int) -> Any:
    upper = matching.adjacency(pairs.sets[:, 0], pairs.sets[:, 1], (n, n))
    return (upper + upper.T.tocsr()).tocsr()


def _double_flow(graph: Any, shares: Sequence[int]) -> tuple[Indices, Indices, NDArray[Any]]:
    """Edges of the double cover that carry mass in a maximum flow, and how much."""
    if len(set(shares)) == 1:
        partner = matching.maximum_matching(graph)
        rows = np.flatnonzero(partner >= 0)
        kind = np.int64 if shares[0] < 2**32 else object
        return rows, partner[rows], np.full(len(rows), shares[0], kind)
    rows, columns = (np.asarray(ends, np.int64) for ends in graph.tocoo().coords)
    carried = matching.maximum_flow(rows, columns, list(shares), list(shares))
    used = np.flatnonzero(carried > 0)
    return rows[used], columns[used], carried[used]


def solve_sets(
    levels: Sequence[Level], shares: Sequence[int]
) -> tuple[list[Indices], list[list[Fraction]], list[list[Fraction]]]:
    """Optimum over conflict sets of several sizes by HiGHS, as rationals close to its answer.

    Returns
    -------
    sets, masses, survivals
        The conflict sets that no larger one contains, by size; candidates for the mass of each, in
        one list over all sizes; candidates for the survival of each sample.
    """
    from scipy.optimize import linprog
    from scipy.sparse import csr_array

    sets = []
    for level, above in zip(levels, [*levels[1:], None], strict=True):
        maximal = np.ones(len(level.sets), bool)
        if above is not None:
            maximal[above.faces.ravel()] = False
        sets.append(level.sets[maximal])
    active = np.unique(np.concatenate([table.ravel() for table in sets]))
    members = np.concatenate([np.searchsorted(active, table).ravel() for table in sets])
    sizes = np.repeat([table.shape[1] for table in sets], [len(table) for table in sets])
    starts = np.concatenate([[0], np.cumsum(sizes)])
    A = csr_array((np.ones(len(members)), members, starts), shape=(len(sizes), len(active)))
    largest = max(shares)
    worth = np.array([shares[v] / largest for v in active])
    answer = linprog(-worth, A_ub=A, b_ub=np.ones(len(sizes)), bounds=(0, 1), method="highs-ipm")
    if answer.x is None:
        raise ArithmeticError(f"the linear program was not solved: {answer.message}")
    masses = [
        [value * largest for value in candidate]
        for candidate in _rationals(-answer.ineqlin.marginals)
    ]
    survivals = []
    for candidate in _rationals(answer.x):
        survival = [ONE] * len(shares)
        for v, q in zip(active.tolist(), candidate, strict=True):
            survival[v] = min(q, ONE)
        survivals.append(survival)
    return sets, masses, survivals


def optimum_below(
    sets: Sequence[Indices], mass: Sequence[Fraction], shares: Sequence[int]
) -> Fraction:
    """Lower bound on the risk, times the sum of shares, from mass on genuine conflict sets.

    Weak duality: any ``mass >= 0`` will do; what it leaves uncovered single samples cover.
    """
    cover = [ZERO] * len(shares)
    k = 0
    for table in sets:
        for row in table.tolist():
            value = mass[k]
            k += 1
            if value:
                for v in row:
                    cover[v] += value
    rest = sum((share - c for share, c in zip(shares, cover, strict=True) if c < share), ZERO)
    return sum(shares) - sum(mass, ZERO) - rest


def loads(
    survival: Sequence[Fraction], pairs: Level, labels: Indices, reach: Reach, most: int
) -> list[Fraction]:
    """Per sample, at least 1 and at least the sum of survivals over each conflict set with it."""
    load = [ONE] * len(survival)
    q = np.array([float(value) for value in survival])
    kept = (q[pairs.sets] > 0).all(axis=1)
    sets = pairs.sets[kept]
    level = Level(sets, sets[:, ::-1].copy(), pairs.keys[kept])
    _raise(load, sets, survival, q)
    for higher in higher_levels(level, reach, None, most):
        if higher is None:
            return _rough_loads(survival, sets, labels)
        _raise(load, higher.sets, survival, q)
    return load


def _raise(
    load: list[Fraction], sets: Indices, survival: Sequence[Fraction], q: NDArray[np.float64]
) -> None:
    heavy = sets[q[sets].sum(axis=1) > _SURELY_BELOW] if len(sets) else sets
    for row in heavy.tolist():
        total = sum((survival[v] for v in row), ZERO)
        if total > 1:
            for v in row:
                load[v] = max(load[v], total)


def _rough_loads(survival: Sequence[Fraction], pairs: Indices, labels: Indices) -> list[Fraction]:
    """Own survival plus the greatest one among the neighbours in every other class."""
    greatest: list[dict[int, Fraction]] = [{} for _ in survival]
    for u, v in pairs.tolist():
        for x, z in ((u, v), (v, u)):
            known = greatest[x].get(int(labels[z]), ZERO)
            if survival[z] > known:
                greatest[x][int(labels[z])] = survival[z]
    return [
        max(ONE, q + sum(others.values(), ZERO))
        for q, others in zip(survival, greatest, strict=True)
    ]


def _rationals(values: Any) -> list[list[Fraction]]:
    """Two readings of doubles in [0, inf): nearby fractions with small terms, and the values."""
    plain = [Fraction(max(0, round(value * 2.0**60)), 2**60) for value in values.tolist()]
    simple = []
    for value in plain:
        near = value.limit_denominator(2000)
        simple.append(near if abs(near - value) < Fraction(1, 10**9) else value)
    return [simple, plain]
