"""Sets of samples, one per class, that an adversary can send to one common point.

Balls of radius eps around points of l_inf have a common point as soon as each two of them have
(Helly's theorem for boxes). In l2 they have one exactly if the smallest ball around the points has
a radius of at most eps; all cliques of the conflict graph would be too many.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust_theory.risks.conflict import Conflicts
from robust_theory.risks.distances import pair_keys
from robust_theory.risks.samples import Indices, Norm, Sample, exact_key, exact_row

_CHUNK = 1 << 20
# Entries of a table divided by its largest are at most 1, so with a determinant above this the
# roundings of a solution stay far below the margin; whatever is closer is decided in rationals.
_DETERMINANT, _MARGIN = 1e-4, 1e-7


@dataclass(frozen=True, eq=False)
class Level:
    """All conflict sets of m members.

    Parameters
    ----------
    sets : array (k, m)
        Members, increasing; points are sorted by class.
    faces : array (k, m)
        Place, in the level below, of the set without its i-th member.
    keys : array (k,)
        Increasing: ``faces[:, -1] * n + sets[:, -1]``.
    """

    sets: Indices
    faces: Indices
    keys: Indices


@dataclass(frozen=True, eq=False)
class Reach:
    """The points and the adversary: what decides whether a set is one of conflict.

    Parameters
    ----------
    sample : Sample
        The points.
    norm : {"l2", "linf", "l1"}
        For l1 cliques stand in for conflict sets of three and more members.
    limit : Fraction
        Key of a pair at distance 2 eps.
    closed : bool
        Whether balls contain their boundary.
    """

    sample: Sample
    norm: Norm
    limit: Fraction
    closed: bool


def pairs_level(found: Conflicts) -> Level:
    """The first level: conflicting pairs, sorted."""
    sets = np.stack([found.rows, found.columns], axis=1)
    return Level(sets, sets[:, ::-1].copy(), found.rows * found.shape[0] + found.columns)


def higher_levels(
    pairs: Level, reach: Reach, degree: int | None, most: int = 1 << 22
) -> Iterator[Level | None]:
    """Yield the levels of 3, 4, ... members, to `degree`; None once there are more than `most`."""
    level, size = pairs, 2
    while len(level.sets) and (degree is None or size < degree):
        following = _extend(level, reach, most)
        yield following
        if following is None:
            return
        level, size = following, size + 1


def are_conflict_sets(sets: Indices, reach: Reach) -> NDArray[np.bool_]:
    """Which rows of three or more members, all of whose pairs conflict, have a common point."""
    good = np.ones(len(sets), bool)
    if reach.norm == "l2":
        for size in range(3, sets.shape[1] + 1):
            for members in combinations(range(sets.shape[1]), size):
                rows = np.flatnonzero(good)
                good[rows] = _small_balls(sets[rows][:, members], reach)
    return good


def _extend(level: Level, reach: Reach, most: int) -> Level | None:
    n, m = len(reach.sample), level.sets.shape[1]
    # (s_0, ..., s_m-1) goes with every set (s_1, ..., s_m-1, w) of the level.
    start = np.searchsorted(level.keys, level.faces[:, 0] * n)
    counts = np.searchsorted(level.keys, (level.faces[:, 0] + 1) * n) - start
    parts, kept, position = [], 0, 0
    ends = np.cumsum(counts)
    while position < len(counts):
        done = ends[position - 1] if position else 0
        stop = max(position + 1, int(np.searchsorted(ends, done + _CHUNK, "right")))
        block = np.arange(position, stop)
        parent = np.repeat(block, counts[block])
        offset = np.arange(len(parent)) - np.repeat(
            ends[block] - counts[block] - done, counts[block]
        )
        child = start[parent] + offset
        last = level.sets[child, -1]
        faces = [child]
        good = np.ones(len(parent), bool)
        for i in range(1, m):
            wanted = level.faces[parent, i] * n + last
            place = np.minimum(np.searchsorted(level.keys, wanted), len(level.keys) - 1)
            good &= level.keys[place] == wanted
            faces.append(place)
        table = np.stack([*faces, parent], axis=1)[good]
        sets = np.concatenate([level.sets[parent[good]], last[good, None]], axis=1)
        if reach.norm == "l2":
            small = _small_balls(sets, reach)
            table, sets = table[small], sets[small]
        kept += len(sets)
        if kept > most:
            return None
        parts.append((sets, table))
        position = stop
    if not parts:
        return Level(
            np.zeros((0, m + 1), np.int64), np.zeros((0, m + 1), np.int64), np.zeros(0, np.int64)
        )
    sets, table = (np.concatenate([part[k] for part in parts]) for k in range(2))
    return Level(sets, table, table[:, -1] * n + sets[:, -1])


def _small_balls(sets: Indices, reach: Reach) -> NDArray[np.bool_]:
    """Whether the smallest l2 ball around each set is small enough, given that its faces' are.

    With D the squared distances, D x = 1 and all x > 0, the set is on the sphere of its smallest
    ball, whose squared radius is 1 / (2 sum x); else a face already determines that ball.
    """
    small = np.ones(len(sets), bool)
    step = max(1, _CHUNK // sets.shape[1] ** 2)
    for begin in range(0, len(sets), step):
        block = sets[begin : begin + step]
        D = _squared_distances(block, reach)
        scale = float(reach.limit) or 1.0
        table = D / scale
        sure = np.abs(np.linalg.det(table)) > _DETERMINANT
        table[~sure] = 1 - np.eye(sets.shape[1])
        x = np.linalg.solve(table, np.ones((*table.shape[:2], 1)))[..., 0]
        margin = _MARGIN * (1 + np.abs(x).max(axis=1, initial=0))
        inside, total = x.min(axis=1, initial=1), x.sum(axis=1)
        # 1 / (2 sum x) <= eps^2, in units of 4 eps^2: sum x >= 2.
        decided = (
            (inside < -margin)
            | ((np.abs(total - 2) > margin) & (inside > margin))
            | (total - 2 > margin)
        )
        sure &= decided & (reach.limit > 0)
        small[begin : begin + step] = (inside < -margin) | (total > 2)
        for k in np.flatnonzero(~sure):
            small[begin + k] = _small_ball_exactly(block[k], reach)
    return small


def _squared_distances(sets: Indices, reach: Reach) -> NDArray[np.float64]:
    m = sets.shape[1]
    D = np.zeros((len(sets), m, m))
    for i, j in combinations(range(m), 2):
        keys = pair_keys(reach.sample, reach.sample, sets[:, i], sets[:, j], "l2").astype(
            np.float64
        )
        D[:, i, j] = D[:, j, i] = keys if reach.sample.exact else keys**2
    return D


def _small_ball_exactly(members: Indices, reach: Reach) -> bool:
    rows: list[list[Any]] = [exact_row(reach.sample.values[k]) for k in members]
    D = [[exact_key(x, z, "l2") for z in rows] for x in rows]
    x = _solve_exactly(D)
    if x is None or min(x) <= 0:
        return True
    radius = 4 / (2 * sum(x, Fraction(0)))  # times 4, as the limit
    return radius <= reach.limit if reach.closed else radius < reach.limit


def _solve_exactly(D: list[list[Fraction]]) -> list[Fraction] | None:
    """x with D x = 1 by elimination in rationals; None if D is singular."""
    rows = [[*row, Fraction(1)] for row in D]
    m = len(rows)
    for k in range(m):
        pivot = next((i for i in range(k, m) if rows[i][k]), None)
        if pivot is None:
            return None
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [value / rows[k][k] for value in rows[k]]
        for i in range(m):
            if i != k and rows[i][k]:
                factor = rows[i][k]
                rows[i] = [a - factor * b for a, b in zip(rows[i], rows[k], strict=True)]
    return [row[-1] for row in rows]
