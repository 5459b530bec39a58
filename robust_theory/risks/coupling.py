"""How much of two weighted samples an adversary can couple, and which samples stand in the way."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust_theory.risks import matching
from robust_theory.risks.samples import Indices
from robust_theory.risks.weights import Weights


def heaviest_coupling(
    rows: Indices, columns: Indices, weights: Weights, sizes: tuple[int, int]
) -> tuple[Indices, NDArray[Any]]:
    """Pairs (m, 2) among the given ones and what they carry, in shares; the total is greatest.

    `rows` sorted, no pair twice; `weights` those of both samples, the first one first.
    """
    if not len(rows):
        return np.zeros((0, 2), np.int64), np.zeros(0, np.int64)
    if weights.uniform:
        partner = matching.maximum_matching(matching.adjacency(rows, columns, sizes))
        taken = np.flatnonzero(partner >= 0)
        share = weights.shares[0]
        mass = np.full(len(taken), share, np.int64 if share < 2**32 else object)
        return np.stack([taken, partner[taken]], axis=1), mass
    left, right = list(weights.shares[: sizes[0]]), list(weights.shares[sizes[0] :])
    carried = matching.maximum_flow(rows, columns, left, right)
    used = np.flatnonzero(carried > 0)
    return np.stack([rows[used], columns[used]], axis=1), carried[used]


def coupled_share(
    rows: Indices, columns: Indices, weights: Weights, sizes: tuple[int, int]
) -> Fraction:
    """The greatest total, as a share of all weight."""
    _, mass = heaviest_coupling(rows, columns, weights, sizes)
    return Fraction(sum(mass.tolist()), weights.total)


def lightest_cover(
    rows: Indices,
    columns: Indices,
    weights: Weights,
    sizes: tuple[int, int],
    pairs: Indices,
    mass: NDArray[Any],
) -> tuple[Indices, Indices]:
    """Samples that touch every pair and weigh what the heaviest coupling carries in all."""
    graph = matching.adjacency(rows, columns, sizes)
    order = np.argsort(pairs[:, 1], kind="stable")
    carried = matching.adjacency(pairs[order, 1], pairs[order, 0], (sizes[1], sizes[0]))
    given = np.array(weights.shares[: sizes[0]], object)
    spare = (spent(pairs[:, 0], mass, sizes[0]) < given).astype(bool)
    covered = matching.minimum_cover(graph, carried, spare)
    return np.flatnonzero(covered[0]), np.flatnonzero(covered[1])


def spent(ends: Indices, mass: NDArray[Any], size: int) -> NDArray[Any]:
    """Sum of the masses at each sample, as Python integers."""
    if mass.dtype != object:
        # bincount adds doubles, so the integers go in two halves that stay exact.
        low = np.bincount(ends, mass & 0xFFFFFF, minlength=size).astype(np.int64)
        high = np.bincount(ends, mass >> 24, minlength=size).astype(np.int64)
        total: NDArray[Any] = low.astype(object) + high.astype(object) * 2**24
        return total
    spent = np.zeros(size, object)
    np.add.at(spent, ends, mass)
    return spent
