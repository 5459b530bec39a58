"""Three classes in the plane: conflict sets of three, and the least risk by another road."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import numpy as np

from robust_theory.arguments import exact_rational
from robust_theory.risks.multiclass import optimal_risk_multiclass
from robust_theory.risks.set_cover import CONFLICT_SETS, mass_and_rest
from validation.experiment import Experiment, Instance, Json, Measurement, Result
from validation.verdict import Evidence


def _three_classes(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    """The least risk of a soft classifier on points of a plane, by a program over all their sets.

    Discs have a common point if one of them holds the centre of another, or two cross, in all.
    """
    from scipy.optimize import linprog

    rng = np.random.default_rng(seed)
    X = rng.integers(0, parameters["side"], (3 * parameters["n"], 2))
    y = np.repeat([0, 1, 2], parameters["n"])
    eps = float(exact_rational(parameters["eps"]))
    rows = []
    for m in (2, 3):
        for some in itertools.combinations(range(len(X)), m):
            if len(set(y[list(some)])) == m and _discs_meet(X[list(some)], eps):
                rows.append(np.isin(np.arange(len(X)), some).astype(float))
    if rows:
        table = np.array(rows)
        program = linprog(-np.ones(len(X)), A_ub=table, b_ub=np.ones(len(rows)), bounds=(0, 1))
        risk = 1 + program.fun / len(X)
    else:
        risk = 0.0
    degree = parameters["degree"]
    mass, rest = mass_and_rest(optimal_risk_multiclass(X, y, parameters["eps"], degree=degree))
    # The solver's answers hold to 10^-7 of each of its constraints.
    seen = Evidence(risk, risk - 1e-5, risk + 1e-5, "exact", "linear program over all sets")
    return Measurement({"mass": str(mass), "rest": str(rest)}, seen)


def _discs_meet(centres: np.ndarray, eps: float) -> bool:
    """Whether closed discs of one radius have a common point, up to rounding."""
    places = list(centres.astype(float))
    for a, b in itertools.combinations(centres.astype(float), 2):
        half, length = (b - a) / 2, float(np.linalg.norm(b - a))
        if 0 < length <= 2 * eps:
            across = np.array([-half[1], half[0]]) * 2 / length
            height = math.sqrt(max(0.0, eps**2 - length**2 / 4))
            places += [a + half + height * across, a + half - height * across]
    return any((np.linalg.norm(centres - p, axis=1) <= eps + 1e-9).all() for p in places)


EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment(
        name="sample-risk-of-three-classes",
        claim=CONFLICT_SETS,
        subject="set_cover",
        quantity="least adversarial risk",
        unit="probability",
        norm="l2",
        reading="Each bar encloses the least risk by another road; it must not end below the mark.",
        x_label="probability",
        instances=lambda options: (
            Instance("pairs-only", {"n": 7, "side": 12, "eps": "2.6", "degree": 2}),
        ),
        measure=_three_classes,
    ),
)
