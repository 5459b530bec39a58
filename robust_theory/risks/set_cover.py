"""What conflict sets prove of every classifier: a bound that needs no solver to be believed."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from robust_theory.arguments import broken, probability
from robust_theory.arithmetic import enclose
from robust_theory.claim import A_PROBABILITY, Claim, Interval
from robust_theory.risks.multiclass import MulticlassRisk
from robust_theory.risks.risk import OptimalRisk


def set_cover_risk(mass: Any, rest: Any) -> float:
    """Adversarial risk that every classifier has on a sample, from mass on its conflict sets.

    ``1 - mass - rest``, and at least 0. An input that all members of a set can be moved to gets one
    answer, soft or hard, so their probabilities of a right answer under attack sum to at most 1.

    Parameters
    ----------
    mass : number or str
        Total mass that lies on conflict sets.
    rest : number or str
        Total weight of the samples beyond what the sets that contain them carry.
    """
    sets, single = _read(mass, rest)
    return float(max(Fraction(0), 1 - sets - single))


def mass_and_rest(result: OptimalRisk | MulticlassRisk) -> tuple[Fraction, Fraction]:
    """The arguments of `set_cover_risk` that a certificate of the lower bound stands for."""
    if isinstance(result, OptimalRisk):
        return result.risk, 1 - 2 * result.risk  # matched pairs carry equal parts of two samples
    carried = [Fraction(0)] * len(result.weights.shares)
    tables: Sequence[Any] = result.sets
    members = [row for table in tables for row in np.asarray(table).tolist()]
    for row, mass in zip(members, result.mass, strict=True):
        for v in row:
            carried[v] += mass
    shares, total = result.weights.shares, result.weights.total
    rest = sum((w - c for w, c in zip(shares, carried, strict=True) if c < w), Fraction(0))
    return sum(result.mass, Fraction(0)) / total, rest / total


def _read(mass: Any, rest: Any) -> tuple[Fraction, Fraction]:
    return probability(mass, "mass"), probability(rest, "rest")


def _enclosure(mass: Any, rest: Any) -> Interval:
    sets, single = _read(mass, rest)
    if sets + single >= 1:
        return Interval(0.0, 0.0)
    return enclose(lambda m: m.number(1) - m.number(sets) - m.number(single))


def _broken(mass: Any, rest: Any) -> tuple[str, ...]:
    return broken(lambda: probability(mass, "mass"), lambda: probability(rest, "rest"))


CONFLICT_SETS = Claim(
    name="sample-risk-from-conflict-sets",
    source="dai2023, linear program over conflict sets",
    formula=lambda: (
        r"\hat R_\varepsilon(h) \ge 1 - \sum_S z_S - "
        r"\sum_v \max\Bigl\{0,\ w_v - \sum_{S \ni v} z_S\Bigr\}"
    ),
    relation=">=",
    value=set_cover_risk,
    enclosure=_enclosure,
    broken_hypotheses=_broken,
    possible=A_PROBABILITY,
)
