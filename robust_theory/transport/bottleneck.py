"""The infinity-Wasserstein distance of two weighted point sets, exactly, with a proof.

It is the least t for which the laws can be coupled along pairs at most t apart. By Hall's theorem
(Koenig's, for weights) a t is too small exactly when some set of points weighs more than all that
is within t of it. So a coupling proves the distance from above and a cover proves it from below.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust_theory.arguments import broken, exact_rational
from robust_theory.arithmetic import around, enclose
from robust_theory.claim import A_DISTANCE, Claim, Interval
from robust_theory.risks.coupling import heaviest_coupling, lightest_cover, spent
from robust_theory.risks.matching import adjacency, maximum_matching
from robust_theory.risks.samples import (
    Indices,
    Norm,
    Sample,
    read_norm,
    read_samples,
)
from robust_theory.risks.weights import Weights, two_class_weights
from robust_theory.transport.bottleneck_keys import (
    all_keys,
    exact_keys,
    least_feasible,
    pairs_within,
    settle,
)


@dataclass(frozen=True, eq=False)
class Bottleneck:
    """A threshold on the distances of two laws, and what proves it.

    Parameters
    ----------
    key : Fraction
        The threshold in the unit of `samples`, squared for the norm l2.
    pairs, mass : array (m, 2), (m,)
        A coupling along pairs within the threshold, in units of ``2 / weights.total``; empty where
        there is none.
    cover0, cover1 : array
        Points that touch every pair below the threshold (for a law outside of a ball: within it)
        and weigh too little for a coupling; empty where there is no such proof.
    weights : Weights
        Of both laws, the first one first; each has half of the total.
    samples : pair of Sample
        The points.
    norm : str
        Norm of the distances.
    """

    key: Fraction
    pairs: Indices
    mass: NDArray[Any]
    cover0: Indices
    cover1: Indices
    weights: Weights
    samples: tuple[Sample, Sample]
    norm: Norm

    @property
    def distance(self) -> float:
        """The threshold, to the nearest double or its neighbour."""
        box = distance_interval(self.key, self.samples[0].unit, self.norm)
        return box.lo / 2 + box.hi / 2

    @property
    def coupled(self) -> bool:
        """Whether a coupling within the threshold exists."""
        return bool(len(self.pairs))

    @property
    def plan(self) -> NDArray[np.float64]:
        """The coupling as a matrix (n, m) of probabilities."""
        table = np.zeros((len(self.samples[0]), len(self.samples[1])))
        half = Fraction(self.weights.total, 2)
        for (i, j), units in zip(self.pairs.tolist(), self.mass.tolist(), strict=True):
            table[i, j] = float(units / half)
        return table

    def verify(self) -> bool:
        """Whether the proofs hold, in exact arithmetic and without a solver."""
        return self._coupling_holds() if self.coupled else self._cover_holds(closed=True)

    def verify_least(self) -> bool:
        """Whether moreover no smaller threshold has a coupling."""
        return self.coupled and self.verify() and (self.key == 0 or self._cover_holds(closed=False))

    def _coupling_holds(self) -> bool:
        first, second = self.samples
        n, shares = len(first), np.array(self.weights.shares, object)
        rows, columns = self.pairs[:, 0], self.pairs[:, 1]
        if (rows < 0).any() or (columns < 0).any() or not (self.mass >= 0).all():
            return False
        if rows.max() >= n or columns.max() >= len(second):
            return False
        if (spent(rows, self.mass, n) != shares[:n]).any():
            return False
        if (spent(columns, self.mass, len(second)) != shares[n:]).any():
            return False
        return all(key <= self.key for key in exact_keys(self.samples, rows, columns, self.norm))

    def _cover_holds(self, *, closed: bool) -> bool:
        n = len(self.samples[0])
        inside = [np.zeros(len(sample), bool) for sample in self.samples]
        inside[0][self.cover0], inside[1][self.cover1] = True, True
        weight = sum(self.weights.shares[i] for i in self.cover0.tolist()) + sum(
            self.weights.shares[n + j] for j in self.cover1.tolist()
        )
        if 2 * weight >= self.weights.total:
            return False
        # Points without weight need no partner.
        shares = np.array(self.weights.shares, object)
        left = np.flatnonzero(~inside[0] & (shares[:n] > 0))
        right = np.flatnonzero(~inside[1] & (shares[n:] > 0))
        rest = self.samples[0][left], self.samples[1][right]
        return not len(pairs_within(*rest, self.norm, self.key, closed=closed)[0])


def wasserstein_inf(X: Any, Y: Any, a: Any = None, b: Any = None, norm: str = "linf") -> float:
    """W_infinity of two weighted point sets: the least largest distance of a coupling.

    Exact but for the last rounding; `bottleneck_coupling` returns the coupling and the proof too.

    Parameters
    ----------
    X, Y : array (n, ...), (m, ...)
        The points; floats mean their printed decimals. For labelled points append the label, in a
        unit so large that no eps of interest reaches another label.
    a, b : sequence, optional
        Weights, divided by their sums; equal by default.
    norm : {"linf", "l2", "l1"}
        Of the ground.

    Source: anonymous2022, eq. (9).
    """
    return bottleneck_coupling(X, Y, a, b, norm).distance


def bottleneck_coupling(
    X: Any, Y: Any, a: Any = None, b: Any = None, norm: str = "linf"
) -> Bottleneck:
    """`wasserstein_inf` with an optimal coupling, and a cover that proves it optimal."""
    samples, weights, metric = _read(X, Y, a, b, norm)
    keys = all_keys(samples, weights, metric)

    def attempt(rows: Indices, columns: Indices) -> tuple[bool, Indices, NDArray[Any]]:
        pairs, mass = _couple(rows, columns, weights, keys.shape)
        return 2 * sum(mass.tolist()) == weights.total, pairs, mass

    def possible(rows: Indices, columns: Indices) -> bool:
        return attempt(rows, columns)[0]

    def next_possible(limit: Any) -> Any:
        rows, columns = np.nonzero(keys <= limit)
        enough, pairs, mass = attempt(rows, columns)
        if enough:
            return None
        # As long as no pair outside of the cover comes in, there is no coupling.
        covered = lightest_cover(rows, columns, weights, keys.shape, pairs, mass)
        outside = [np.setdiff1d(np.arange(n), c) for n, c in zip(keys.shape, covered, strict=True)]
        return keys[np.ix_(*outside)].min()

    # Every point needs a partner: the Hausdorff distance is a lower bound, often attained.
    alive = np.isfinite(keys)
    masked = np.where(alive, keys, np.inf)
    nearest = [masked.min(axis=axis) for axis in (0, 1)]
    least = max(float(near[np.isfinite(near)].max()) for near in nearest)
    found = least_feasible(np.unique(keys[alive & (keys >= least)]), next_possible)
    rows, columns = np.nonzero(keys <= found)
    if samples[0].exact:
        exact, below = Fraction(int(found)), np.nonzero(keys < found)
    else:
        exact, (rows, columns), below = settle(samples, keys, float(found), metric, possible)
    _, pairs, mass = attempt(rows, columns)
    cover0, cover1 = _cover(below[0], below[1], weights, keys.shape)
    return Bottleneck(exact, pairs, mass, cover0, cover1, weights, samples, metric)


def within_wasserstein_inf(
    X: Any, Y: Any, eps: Any, a: Any = None, b: Any = None, norm: str = "linf"
) -> Bottleneck:
    """Whether W_infinity is at most eps, decided exactly, with a coupling or a cover as witness.

    The answer is ``.coupled``; `eps` may be a number or a string such as "8/255".
    """
    samples, weights, metric = _read(X, Y, a, b, norm)
    radius = exact_rational(eps, "eps")
    if radius < 0:
        raise ValueError(f"eps must be at least 0, got {eps!r}")
    scaled = radius * samples[0].unit
    key = scaled**2 if metric == "l2" else scaled
    sizes = len(samples[0]), len(samples[1])
    rows, columns = pairs_within(*samples, metric, key, closed=True)
    pairs, mass = _couple(rows, columns, weights, sizes)
    none = np.zeros(0, np.int64)
    if 2 * sum(mass.tolist()) == weights.total:
        return Bottleneck(key, pairs, mass, none, none, weights, samples, metric)
    cover = _cover(rows, columns, weights, sizes)
    empty = np.zeros((0, 2), np.int64)
    return Bottleneck(key, empty, none, *cover, weights, samples, metric)


def distance_interval(key: Fraction, unit: Fraction, norm: Norm) -> Interval:
    """Doubles around the distance of a key."""
    if norm != "l2" or not key:
        return around(key / unit)
    square = key / unit**2
    roots = math.isqrt(square.numerator), math.isqrt(square.denominator)
    if (roots[0] ** 2, roots[1] ** 2) == (square.numerator, square.denominator):
        return around(Fraction(*roots))
    return enclose(lambda m, x: m.sqrt(m.number(x)), square)


def _read(X: Any, Y: Any, a: Any, b: Any, norm: Any) -> tuple[tuple[Sample, Sample], Weights, Norm]:
    first, second = read_samples({"X": X, "Y": Y})
    for name, sample in (("X", first), ("Y", second)):
        if not len(sample):
            raise ValueError(f"{name} must hold at least one point, got none")
    try:
        weights = two_class_weights((len(first), len(second)), a, b, Fraction(1, 2))
    except ValueError as error:
        raise ValueError(str(error).replace("weights0", "a").replace("weights1", "b")) from None
    return (first, second), weights, read_norm(norm)


def _couple(
    rows: Indices, columns: Indices, weights: Weights, sizes: tuple[int, int]
) -> tuple[Indices, NDArray[Any]]:
    """As `heaviest_coupling`, whose matching by SciPy may take hours for points on a line."""
    if not weights.uniform or not len(rows):
        return heaviest_coupling(np.asarray(rows), np.asarray(columns), weights, sizes)
    # Equal weights: as many points on either side.
    partner = maximum_matching(adjacency(np.asarray(rows), np.asarray(columns), sizes))
    taken = np.flatnonzero(partner >= 0)
    mass = np.full(len(taken), weights.shares[0], np.int64)
    return np.stack([taken, partner[taken]], axis=1), mass


def _cover(
    rows: Indices, columns: Indices, weights: Weights, sizes: tuple[int, int]
) -> tuple[Indices, Indices]:
    if not len(rows):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    pairs, mass = _couple(rows, columns, weights, sizes)
    return lightest_cover(rows, columns, weights, sizes, pairs, mass)


def _enclosure(X: Any, Y: Any, a: Any = None, b: Any = None, norm: str = "linf") -> Interval:
    result = bottleneck_coupling(X, Y, a, b, norm)
    if not result.verify_least():
        raise ArithmeticError("the coupling or the cover does not prove the distance")
    return distance_interval(result.key, result.samples[0].unit, result.norm)


def _broken(X: Any, Y: Any, a: Any = None, b: Any = None, norm: str = "linf") -> tuple[str, ...]:
    return broken(lambda: _read(X, Y, a, b, norm))


WASSERSTEIN_INF = Claim(
    name="wasserstein-inf",
    source="anonymous2022, eq. (9)",
    formula=lambda: (
        r"\min_{\gamma\in\Pi(\mu,\nu)} \max_{(x,y)\in\mathrm{supp}\,\gamma} \Vert x-y\Vert"
        r" = W_\infty(\mu,\nu)"
    ),
    relation="==",
    value=wasserstein_inf,
    enclosure=_enclosure,
    broken_hypotheses=_broken,
    possible=A_DISTANCE,
)
