"""Optimal adversarial risk of two classes: the least error any classifier can have on a sample.

A classifier errs on a sample if somewhere in the ball of radius eps around it the answer is wrong.
Of two samples with different labels whose balls meet it errs on one at least, so the pairs of a
(weighted) matching bound every classifier's risk from below; by Koenig's theorem a set of samples
of the same weight touches all pairs, and the classifier that gives those up errs nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust_theory.arguments import Floats, exact_rational
from robust_theory.risks import matching
from robust_theory.risks.conflict import Conflicts, are_conflicts, find_conflicts, still_conflict
from robust_theory.risks.coupling import coupled_share, heaviest_coupling, lightest_cover, spent
from robust_theory.risks.neighbours import nearest
from robust_theory.risks.samples import Indices, Norm, Sample, read_norm, read_samples
from robust_theory.risks.weights import Weights, two_class_weights


@dataclass(frozen=True, eq=False)
class Ball:
    """What an adversary may do: move a point by at most `eps`, or by less if not `closed`."""

    norm: Norm
    eps: Fraction
    closed: bool


@dataclass(frozen=True, eq=False)
class OptimalRisk:
    """The optimal adversarial risk on two samples, with what proves it.

    Parameters
    ----------
    risk : Fraction
        The least weight on which a classifier must err, exactly.
    matching : array (m, 2)
        Conflicting pairs, as indices into the two samples.
    mass : array (m,)
        Weight of each pair, in units of ``1 / weights.total``.
    cover0, cover1 : array
        Samples that the optimal classifier gives up; every conflict contains one of them.
    weights : Weights
        Weights of the samples, first class first.
    samples : pair of Sample, or None
        The points; None for a relation.
    ball : Ball or None
        The adversary; None for a relation.
    relation : CSR array or None
        The conflicts as they were given.
    """

    risk: Fraction
    matching: Indices
    mass: NDArray[Any]
    cover0: Indices
    cover1: Indices
    weights: Weights
    samples: tuple[Sample, Sample] | None
    ball: Ball | None
    relation: Any

    @property
    def distance(self) -> Fraction:
        """D_N: least mass that a coupling of the two samples has on pairs that do not conflict.

        The risk is ``(1 - D_N) / 2``; for equal priors only, so others raise ValueError.
        """
        if 2 * sum(self.weights.shares[: self.sizes[0]]) != self.weights.total:
            raise ValueError("prior0 must be 1/2 for D_N to determine the risk")
        return 1 - 2 * self.risk

    @property
    def lower(self) -> Fraction:
        """The risk: a lower bound for every classifier."""
        return self.risk

    @property
    def sizes(self) -> tuple[int, int]:
        """Number of samples of each class."""
        if self.samples is None:
            return int(self.relation.shape[0]), int(self.relation.shape[1])
        return len(self.samples[0]), len(self.samples[1])

    @property
    def survivors(self) -> tuple[Indices, Indices]:
        """Samples on which the optimal classifier does not err, for any move of the adversary."""
        n0, n1 = self.sizes
        return np.setdiff1d(np.arange(n0), self.cover0), np.setdiff1d(np.arange(n1), self.cover1)

    @property
    def common_points(self) -> Floats:
        """Where the adversary sends both points of each matched pair: half-way, in doubles."""
        first, second, _ = self._points()
        x, z = first.points[self.matching[:, 0]], second.points[self.matching[:, 1]]
        return x / 2 + z / 2

    def classifier(self, points: Any) -> Indices:
        """Labels, 0 or 1, by an optimal classifier: the class of the nearest survivor.

        `points` are in the unit of eps: images already divided by the scale. The balls of
        surviving samples of different classes do not meet, so inside such a ball its own class is
        nearest, and the classifier errs under attack on the cover only.
        """
        first, second, ball = self._points()
        kept = self.survivors
        if not len(kept[0]) or not len(kept[1]):
            return np.full(len(np.asarray(points)), int(len(kept[1]) > 0), np.int64)
        table = np.concatenate([first[kept[0]].points, second[kept[1]].points])
        return (nearest(table, points, ball.norm) >= len(kept[0])).astype(np.int64)

    def verify(self) -> bool:
        """Whether matching and cover prove the risk, by exact arithmetic and without a solver."""
        return not self.problems()

    def problems(self) -> tuple[str, ...]:
        """What is wrong with the proof, as sentences; nothing if `verify` holds."""
        return _problems(self)

    def _points(self) -> tuple[Sample, Sample, Ball]:
        if self.samples is None or self.ball is None:
            raise ValueError("a relation has no points: only optimal_risk(X0, X1, ...) knows them")
        return *self.samples, self.ball


def optimal_risk(
    X0: Any,
    X1: Any,
    eps: Any,
    norm: str = "l2",
    *,
    weights0: Any = None,
    weights1: Any = None,
    prior0: Any = 0.5,
    closed: bool = True,
    scale: Any = None,
) -> OptimalRisk:
    """Least adversarial risk that any classifier can have on these samples, exactly.

    Parameters
    ----------
    X0, X1 : array (n0, ...), (n1, ...)
        Samples of the two classes. Integers are compared exactly; floats mean their printed
        decimals.
    eps : number or str
        Radius of the adversary's ball, in the unit of the points; ``"8/255"`` is a ratio.
    norm : {"l2", "linf", "l1"}
        Its norm.
    weights0, weights1 : sequence, optional
        Weights inside each class, divided by their sum; equal by default.
    prior0 : number or "sample"
        Weight of the first class; "sample": its share of all points.
    closed : bool
        Whether the ball contains its boundary.
    scale : number, optional
        The points are ``X / scale``, as for 8-bit images with scale 255.

    Raises
    ------
    ValueError
        If a class is empty that has a positive prior, or an argument has no meaning.

    Notes
    -----
    The adversary may leave a grid or a box: a common point of two balls lies half-way between
    their centres, inside any convex set that contains both, but not on every grid.

    Source: bhagoji2019, Theorem 1; chapter17, section 17.6.6, where equality holds too: the
    classifiers are all functions and the supports are finite.
    """
    first, second = read_samples({"X0": X0, "X1": X1}, scale)
    ball = Ball(read_norm(norm), exact_rational(eps, "eps"), closed)
    weights = two_class_weights((len(first), len(second)), weights0, weights1, prior0)
    found = find_conflicts(first, second, ball.norm, ball.eps, closed=closed)
    return _solve(found.rows, found.columns, weights, (first, second), ball, None)


def optimal_risk_of_relation(
    relation: Any, *, weights0: Any = None, weights1: Any = None, prior0: Any = 0.5
) -> OptimalRisk:
    """As `optimal_risk`, for any adversary: what counts is which pairs it can confuse.

    Parameters
    ----------
    relation : array or sparse array (n0, n1)
        Non-zero where sample i of class 0 and sample j of class 1 have a possible input in common.
    """
    from scipy.sparse import csr_array

    graph = csr_array(relation)
    rows, columns = graph.nonzero()
    order = np.lexsort((columns, rows))
    rows, columns = rows[order].astype(np.int64), columns[order].astype(np.int64)
    weights = two_class_weights(graph.shape, weights0, weights1, prior0)
    kept = matching.adjacency(rows, columns, graph.shape)
    return _solve(rows, columns, weights, None, None, kept)


def common_inputs(reach0: Any, reach1: Any) -> Any:
    """The relation of samples that share a possible input.

    Parameters
    ----------
    reach0, reach1 : array or sparse array (n0, k), (n1, k)
        Non-zero where the adversary can turn a sample into one of k inputs.

    Returns
    -------
    CSR array (n0, n1) for `optimal_risk_of_relation`.
    """
    from scipy.sparse import csr_array

    tables = [csr_array(reach) != 0 for reach in (reach0, reach1)]
    if tables[0].shape[1] != tables[1].shape[1]:
        raise ValueError(
            "reach0 and reach1 must have a column for each input, got "
            f"{tables[0].shape[1]} and {tables[1].shape[1]} columns"
        )
    return csr_array(tables[0].astype(np.int64) @ tables[1].astype(np.int64).T != 0)


def optimal_risks(
    X0: Any,
    X1: Any,
    eps: Sequence[Any],
    norm: str = "l2",
    *,
    weights0: Any = None,
    weights1: Any = None,
    prior0: Any = 0.5,
    closed: bool = True,
    scale: Any = None,
) -> tuple[Fraction, ...]:
    """``optimal_risk(...).risk`` for each of several eps, with one pass over the distances."""
    radii = [exact_rational(radius, "eps") for radius in eps]
    if not radii:
        return ()
    first, second = read_samples({"X0": X0, "X1": X1}, scale)
    metric = read_norm(norm)
    weights = two_class_weights((len(first), len(second)), weights0, weights1, prior0)
    found = find_conflicts(first, second, metric, max(radii), closed=closed)
    risks = []
    for kept in still_conflict(first, second, found, metric, radii, closed=closed):
        pairs = Conflicts(found.rows[kept], found.columns[kept], found.keys[kept], found.shape)
        risks.append(risk_of_conflicts(pairs, weights))
    return tuple(risks)


def risk_of_conflicts(found: Conflicts, weights: Weights) -> Fraction:
    """The optimal risk when these are all the conflicts."""
    return coupled_share(found.rows, found.columns, weights, found.shape)


def _solve(
    rows: Indices,
    columns: Indices,
    weights: Weights,
    samples: tuple[Sample, Sample] | None,
    ball: Ball | None,
    relation: Any,
) -> OptimalRisk:
    if samples is None:
        sizes = (int(relation.shape[0]), int(relation.shape[1]))
    else:
        sizes = (len(samples[0]), len(samples[1]))
    pairs, mass = heaviest_coupling(rows, columns, weights, sizes)
    cover0, cover1 = lightest_cover(rows, columns, weights, sizes, pairs, mass)
    risk = Fraction(sum(mass.tolist()), weights.total)
    return OptimalRisk(risk, pairs, mass, cover0, cover1, weights, samples, ball, relation)


def _problems(result: OptimalRisk) -> tuple[str, ...]:
    found: list[str] = []
    shares, total = result.weights.shares, result.weights.total
    n0, n1 = result.sizes
    if len(shares) != n0 + n1 or min(shares) < 0 or sum(shares) != total:
        return ("the weights are not one number of at least 0 per sample that sum to 1",)
    pairs = np.asarray(result.matching)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or len(pairs) != len(result.mass):
        return ("the matching is not a list of pairs with a mass each",)
    rows, columns = pairs[:, 0], pairs[:, 1]
    for ends, size in ((rows, n0), (columns, n1)):
        if len(ends) and not ((ends >= 0) & (ends < size)).all():
            return ("the matching names a sample that does not exist",)
    if len(pairs) and not (result.mass >= 0).all():
        found.append("a pair of the matching has a negative mass")
    for ends, given in ((rows, shares[:n0]), (columns, shares[n0:])):
        if (spent(ends, np.asarray(result.mass), len(given)) > np.array(given, object)).any():
            found.append("a sample is matched beyond its weight")
    covers = []
    for cover, size in ((result.cover0, n0), (result.cover1, n1)):
        inside = np.zeros(size, bool)
        if len(cover) and not ((cover >= 0) & (cover < size)).all():
            return (*found, "the cover names a sample that does not exist")
        inside[cover] = True
        covers.append(inside)
    matched = sum(np.asarray(result.mass).tolist())
    covered = sum(
        share for share, inside in zip(shares, np.concatenate(covers), strict=True) if inside
    )
    if not matched == covered == result.risk * total:
        found.append(
            f"of {total} units the matching carries {matched}, the cover {covered}, and the risk "
            f"is {result.risk}"
        )
    kept = [np.flatnonzero(~inside) for inside in covers]
    if result.samples is None or result.ball is None:
        if len(pairs) and not (result.relation[rows, columns] != 0).all():
            found.append("a matched pair does not conflict")
        if result.relation[kept[0]][:, kept[1]].nnz:
            found.append("the cover misses a conflict")
        return tuple(found)
    (first, second), ball = result.samples, result.ball
    if not are_conflicts(
        first, second, rows, columns, ball.norm, ball.eps, closed=ball.closed
    ).all():
        found.append("a matched pair does not conflict")
    left = find_conflicts(first[kept[0]], second[kept[1]], ball.norm, ball.eps, closed=ball.closed)
    if len(left):
        found.append("the cover misses a conflict")
    return tuple(found)
