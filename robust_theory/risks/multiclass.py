"""Optimal adversarial risk for any number of classes: the least that a soft classifier can have.

A soft classifier answers with a probability per class. Let q_v be its least probability of the
right answer over the ball around sample v. The members of a conflict set (one per class at most,
with a common point in all their balls) share one answer there, so their q sum to at most 1; and
any q with these sums belongs to a classifier. So the optimal risk is a linear program over the
conflict sets. Leaving sets out can only lower it: sets of two already bound every classifier.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust_theory.arguments import Floats, exact_rational, positive_integer
from robust_theory.risks import program
from robust_theory.risks.conflict import (
    Conflicts,
    are_conflicts,
    find_conflicts,
    find_conflicts_among,
    still_conflict,
    threshold,
)
from robust_theory.risks.hypergraph import (
    Level,
    Reach,
    are_conflict_sets,
    higher_levels,
    pairs_level,
)
from robust_theory.risks.neighbours import distance_blocks
from robust_theory.risks.risk import Ball, risk_of_conflicts
from robust_theory.risks.samples import Indices, Norm, Sample, read_norm, read_samples
from robust_theory.risks.weights import Weights, join_weights, read_weights, two_class_weights

_MOST_SETS = 1 << 21


@dataclass(frozen=True, eq=False)
class MulticlassRisk:
    """Bounds on the optimal adversarial risk of a labelled sample, with what proves them.

    Parameters
    ----------
    lower : Fraction
        No classifier's risk is below; proved by `sets` and `mass`.
    upper : Fraction
        The classifier that `survival` describes has at most this risk.
    sets : tuple of arrays (k, m)
        Conflict sets that the adversary uses, as indices into the sample, one array per size.
    mass : tuple of Fraction
        What it sends to a common point of each, in units of ``1 / weights.total``, in one list.
    survival : tuple of Fraction
        Probability of the right answer on each sample, for the worst move of the adversary.
    weights : Weights
        Weight of each sample.
    labels : array (n,)
        Class of each sample, as an index into `classes`.
    classes : array (K,)
        The labels that occur.
    sample : Sample
        The points.
    ball : Ball
        The adversary.
    """

    lower: Fraction
    upper: Fraction
    sets: tuple[Indices, ...]
    mass: tuple[Fraction, ...]
    survival: tuple[Fraction, ...]
    weights: Weights
    labels: Indices
    classes: NDArray[Any]
    sample: Sample
    ball: Ball

    def classifier(self, points: Any) -> Floats:
        """Probabilities, shape (m, K), by a classifier whose risk on the sample is at most `upper`.

        `points` are in the unit of eps. A class gets the greatest survival among its samples
        within eps; what is left goes to the class of the nearest sample.
        """
        survival = np.array([float(q) for q in self.survival])
        K, eps = len(self.classes), float(self.ball.eps)
        parts = [np.zeros((0, K))]
        for _, distances in distance_blocks(self.sample.points, points, self.ball.norm):
            # A point on a sphere counts as inside, wherever rounding puts it.
            inside = distances <= eps * (1 + 1e-12) if self.ball.closed else distances < eps
            gained = np.where(inside, survival, 0.0)
            share = np.stack(
                [gained[:, self.labels == k].max(axis=1, initial=0) for k in range(K)], axis=1
            )
            share /= np.maximum(share.sum(axis=1, keepdims=True), 1)
            near = self.labels[distances.argmin(axis=1)]
            share[np.arange(len(share)), near] += 1 - share.sum(axis=1)
            parts.append(share)
        return np.concatenate(parts)

    def verify(self) -> bool:
        """Whether both bounds follow, checked in exact arithmetic and without a solver."""
        return not self.problems()

    def problems(self) -> tuple[str, ...]:
        """What is wrong with the proofs, as sentences; nothing if `verify` holds."""
        return _problems(self)


def optimal_risk_multiclass(
    X: Any,
    y: Any,
    eps: Any,
    norm: str = "l2",
    *,
    degree: int | None = 2,
    prior: Any = "sample",
    closed: bool = True,
    scale: Any = None,
) -> MulticlassRisk:
    """Bounds on the least adversarial risk that any (soft) classifier can have on the sample.

    Parameters
    ----------
    X, y : array (n, ...), (n,)
        Points and their labels.
    eps, norm, closed, scale
        As in `optimal_risk`.
    degree : int or None
        Size of the largest conflict sets that the lower bound uses; None for all of them. With 2
        it is a maximum matching, never above 1/2. The norm l1 has no other.
    prior : "sample", "uniform" or sequence (K,)
        Every point weighs the same; every class does; or the classes weigh as given, in the order
        of their labels, divided by their sum.

    Notes
    -----
    The lower bound holds whatever the degree. The upper bound respects all conflict sets, listed
    or bounded; for two classes, and with degree None, the two differ by rounding at most.

    Source: dai2023; half-integrality: nemhauser1975.
    """
    (sample,) = read_samples({"X": X}, scale)
    ball = Ball(read_norm(norm), exact_rational(eps, "eps"), closed)
    size = None if degree is None else positive_integer(degree, "degree", least=2)
    if ball.norm == "l1" and size != 2:
        raise ValueError(f"degree must be 2 for the norm l1, got {degree!r}")
    classes, labels = read_labels(y, len(sample))
    weights = class_weights(labels, len(classes), prior)
    # From here on the points are sorted by class, and so are the members of a set.
    order = np.argsort(labels, kind="stable")
    ordered, reach = labels[order], _reach(sample[order], ball)
    shares = [weights.shares[k] for k in order.tolist()]
    pairs = _pairs(reach, ordered, ball)
    levels = [pairs]
    if size != 2:
        for level in higher_levels(pairs, reach, size):
            if level is None:
                raise ValueError(f"degree {degree!r} has too many conflict sets here: lower it")
            if len(level.sets):
                levels.append(level)
    if len(levels) == 1:
        used_pairs, mass, survival = program.solve_pairs(pairs, shares)
        sets, masses, survivals = [used_pairs], [mass], [survival]
    else:
        sets, masses, survivals = program.solve_sets(levels, shares)
    below, mass = max(
        ((program.optimum_below(sets, mass, shares), mass) for mass in masses),
        key=lambda pair: pair[0],
    )
    best: tuple[Fraction, list[Fraction]] = (Fraction(-1), [])
    for survival in survivals:
        load = program.loads(survival, pairs, ordered, reach, _MOST_SETS)
        feasible = [q / s if s > 1 else q for q, s in zip(survival, load, strict=True)]
        worth = _worth(feasible, shares)
        if worth > best[0]:
            best = worth, feasible
    back = np.argsort(order)
    used, kept = [], []
    start = 0
    for table in sets:
        rows = [k for k in range(len(table)) if mass[start + k]]
        used.append(order[table[rows]])
        kept += [mass[start + k] for k in rows]
        start += len(table)
    return MulticlassRisk(
        lower=below / weights.total,
        upper=1 - best[0] / weights.total,
        sets=tuple(used),
        mass=tuple(kept),
        survival=tuple(best[1][k] for k in back.tolist()),
        weights=weights,
        labels=labels,
        classes=classes,
        sample=sample,
        ball=ball,
    )


def optimal_risks_multiclass(
    X: Any,
    y: Any,
    eps: Sequence[Any],
    norm: str = "l2",
    *,
    prior: Any = "sample",
    closed: bool = True,
    scale: Any = None,
) -> tuple[Fraction, ...]:
    """The lower bound of `optimal_risk_multiclass` with degree 2 at several eps, in one pass."""
    radii = [exact_rational(radius, "eps") for radius in eps]
    if not radii:
        return ()
    (sample,) = read_samples({"X": X}, scale)
    classes, labels = read_labels(y, len(sample))
    weights = class_weights(labels, len(classes), prior)
    metric = read_norm(norm)
    found = find_conflicts_among(sample, labels, metric, max(radii), closed=closed)
    bounds = []
    for kept in still_conflict(sample, sample, found, metric, radii, closed=closed):
        rows, columns = found.rows[kept], found.columns[kept]
        pairs = pairs_level(Conflicts(rows, columns, found.keys[kept], found.shape))
        bounds.append(program.pairs_optimum(pairs, weights.shares) / weights.total)
    return tuple(bounds)


def pairwise_optimal_risks(
    X: Any, y: Any, eps: Any, norm: str = "l2", *, closed: bool = True, scale: Any = None
) -> NDArray[Any]:
    """Optimal risks of each two classes against each other, at equal priors: Fractions, (K, K)."""
    (sample,) = read_samples({"X": X}, scale)
    classes, labels = read_labels(y, len(sample))
    metric: Norm = read_norm(norm)
    radius = exact_rational(eps, "eps")
    members = [np.flatnonzero(labels == k) for k in range(len(classes))]
    table = np.full((len(classes), len(classes)), Fraction(0), object)
    for a, b in combinations(range(len(classes)), 2):
        first, second = sample[members[a]], sample[members[b]]
        found = find_conflicts(first, second, metric, radius, closed=closed)
        weights = two_class_weights(found.shape, None, None, Fraction(1, 2))
        table[a, b] = table[b, a] = risk_of_conflicts(found, weights)
    return table


def read_labels(y: Any, size: int) -> tuple[NDArray[Any], Indices]:
    """The labels that occur, in order, and each point's place among them."""
    labels = np.asarray(y)
    if labels.shape != (size,) or not size:
        raise ValueError(
            f"y must hold one label for each of at least one point, got shape {labels.shape} "
            f"for {size} points"
        )
    if labels.dtype.kind == "f" and np.isnan(labels).any():
        raise ValueError("y must hold labels, got NaN")
    classes, places = np.unique(labels, return_inverse=True)
    return classes, places.astype(np.int64)


def class_weights(labels: Indices, K: int, prior: Any) -> Weights:
    """Weight of every point: its class's weight, shared equally inside the class."""
    if isinstance(prior, str) and prior == "sample":
        return Weights((1,) * len(labels), len(labels))
    if isinstance(prior, str) and prior != "uniform":
        raise ValueError(f"prior must be 'sample', 'uniform' or {K} numbers, got {prior!r}")
    priors = read_weights(None if isinstance(prior, str) else prior, K, "prior")
    sizes = np.bincount(labels, minlength=K).tolist()
    inside = [p / size for p, size in zip(priors, sizes, strict=True)]
    return join_weights([inside[k] for k in labels.tolist()])


def _reach(sample: Sample, ball: Ball) -> Reach:
    return Reach(sample, ball.norm, threshold(ball.norm, ball.eps, sample.unit), ball.closed)


def _pairs(reach: Reach, labels: Indices, ball: Ball) -> Level:
    return pairs_level(
        find_conflicts_among(reach.sample, labels, ball.norm, ball.eps, closed=ball.closed)
    )


def _worth(survival: Sequence[Fraction], shares: Sequence[int]) -> Fraction:
    by_value: dict[Fraction, int] = {}
    for q, share in zip(survival, shares, strict=True):
        by_value[q] = by_value.get(q, 0) + share
    return sum((q * share for q, share in by_value.items()), Fraction(0))


def _problems(result: MulticlassRisk) -> tuple[str, ...]:
    found: list[str] = []
    shares, total, n = result.weights.shares, result.weights.total, len(result.sample)
    if len(shares) != n or min(shares) < 0 or sum(shares) != total or len(result.labels) != n:
        return ("the weights are not one number of at least 0 per sample that sum to 1",)
    if len(result.mass) != sum(map(len, result.sets)) or any(m < 0 for m in result.mass):
        return ("the adversary's mass is not one number of at least 0 per conflict set",)
    ball, reach = result.ball, _reach(result.sample, result.ball)
    for sets in result.sets:
        if len(sets) and not (sets.min() >= 0 and sets.max() < n):
            return ("a conflict set names a sample that does not exist",)
        for i, j in combinations(range(sets.shape[1]), 2):
            u, v = sets[:, i], sets[:, j]
            meet = are_conflicts(
                result.sample, result.sample, u, v, ball.norm, ball.eps, closed=ball.closed
            )
            if not (meet & (result.labels[u] != result.labels[v])).all():
                return ("a set of the adversary has two members that do not conflict",)
        if sets.shape[1] > 2 and not are_conflict_sets(sets, reach).all():
            return ("a set of the adversary has no common point",)
    if result.lower * total > program.optimum_below(result.sets, result.mass, shares):
        found.append("the adversary's mass does not prove the lower bound")
    if len(result.survival) != n or not all(0 <= q <= 1 for q in result.survival):
        return (*found, "a survival is not a probability")
    if 1 - _worth(result.survival, shares) / total > result.upper:
        found.append("the survivals do not prove the upper bound")
    order = np.argsort(result.labels, kind="stable")
    ordered = _reach(result.sample[order], ball)
    pairs = _pairs(ordered, result.labels[order], ball)
    survival = [result.survival[k] for k in order.tolist()]
    load = program.loads(survival, pairs, result.labels[order], ordered, _MOST_SETS)
    if max(load) > 1:
        found.append("the survivals of a conflict set sum to more than 1")
    return tuple(found)
