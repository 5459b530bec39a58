"""Entropic adversaries with finitely many points: conic and linear programs, closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from robust_theory.transport import entropic_adversary, gibbs, mixed_classifiers
from validation.experiment import Experiment, Json, Measurement, Result
from validation.experiments.fixed_rows import with_rows
from validation.verdict import Evidence

Array: TypeAlias = NDArray[Any]

EQUAL = "Each bar encloses the number by another road; the mark of the theory must be inside."
ROUNDING = 1e-12  # of sums of some hundred numbers of size 1 in doubles
LOSSES = [[0.2, 1.1, 0.7, 2.0], [0.9, 0.4, 1.6, 0.1], [1.3, 0.3, 0.8, 0.5]]
OTHER_LOSSES = [[1.2, 0.1, 0.3, 0.5], [0.1, 0.8, 0.2, 1.1], [0.3, 1.3, 0.1, 0.9]]
WEIGHTS = [0.5, 0.3, 0.2]
REACH = [[1, 1, 1, 0], [0, 1, 1, 1], [1, 0, 1, 1]]
REFERENCE = [[0.25, 0.25, 0.5, 0.0], [0.0, 0.5, 0.25, 0.25], [0.25, 0.0, 0.25, 0.5]]
PROBLEM = {"p": WEIGHTS, "losses": LOSSES, "lam": 3, "reference": REFERENCE}
GAME = {
    "p": WEIGHTS,
    "first": LOSSES,
    "second": OTHER_LOSSES,
    "lam": 3,
    "reference": REFERENCE,
}


def _solver_plan(p: Array, objective: Callable[[Any], Any], allowed: Array) -> Array:
    """Plan of a conic solver, its rows rescaled to the weights, zero where nothing is allowed."""
    import cvxpy

    cp: Any = cvxpy

    plan = cp.Variable(allowed.shape, nonneg=True)
    rows = [cp.sum(plan, axis=1) == p, cp.multiply(plan, 1 - allowed) == 0]
    cp.Problem(cp.Maximize(objective(plan)), rows).solve(solver=cp.CLARABEL)
    found: Array = np.maximum(np.asarray(plan.value), 1e-300) * allowed
    return np.asarray(found * (p / found.sum(axis=1))[:, None])


def _bracket(p: Array, l: Array, lam: float, base: Array, plan: Array) -> tuple[float, float]:
    """Value of a plan, and dual value at the potentials that the plan suggests.

    For <L, P> - sum P log(P / base) / lam over plans of first marginal p: any plan bounds it from
    below and any potentials from above.
    """
    some = plan > 0
    safe = np.where(some, plan, 1.0)
    score = np.where(some, l - np.log(safe / np.where(base > 0, base, 1.0)) / lam, 0.0)
    low = float((plan * score).sum())
    alpha = (plan * score).sum(axis=1) / p
    excess = np.where(base > 0, base * np.exp(lam * (l - alpha[:, None])), 0.0).sum() - 1
    return low - ROUNDING, float(p @ alpha + excess / lam) + ROUNDING


def _gibbs_value(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    """Relative entropy in the exponential cone."""
    import cvxpy

    cp: Any = cvxpy

    p, l, q = (np.asarray(parameters[name], float) for name in ("p", "losses", "reference"))
    lam, base = float(parameters["lam"]), p[:, None] * q
    safe = np.where(q > 0, base, 1.0)
    plan = _solver_plan(
        p,
        lambda P: cp.sum(cp.multiply(l, P)) - cp.sum(cp.rel_entr(P, safe)) / lam,
        (q > 0).astype(float),
    )
    lo, hi = _bracket(p, l, lam, base, plan)
    seen = Evidence((lo + hi) / 2, lo, hi, "exact", "plan and potentials of a conic solver")
    return Measurement(dict(parameters), seen)


def _entropic_value(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    import cvxpy

    cp: Any = cvxpy

    p, l, reach = (np.asarray(parameters[name], float) for name in ("p", "losses", "reach"))
    lam = float(parameters["lam"])
    plan = _solver_plan(
        p, lambda P: cp.sum(cp.multiply(l, P)) + (cp.sum(cp.entr(P)) + cp.sum(P)) / lam, reach
    )
    lo, hi = (end + 1 / lam for end in _bracket(p, l, lam, reach, plan))
    seen = Evidence((lo + hi) / 2, lo, hi, "exact", "plan and potentials of a conic solver")
    return Measurement(dict(parameters), seen)


def _adversarial_risk(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    """A linear program over all plans within reach."""
    from scipy.optimize import linprog

    p, l, reach = (np.asarray(parameters[name], float) for name in ("p", "losses", "reach"))
    n, m = l.shape
    marginal = np.kron(np.eye(n), np.ones(m))
    bounds = [(0, 1 if inside else 0) for inside in reach.ravel()]
    solved = linprog(-l.ravel(), A_eq=marginal, b_eq=p, bounds=bounds, method="highs")
    value = -float(solved.fun)
    # HiGHS's tolerance of 1e-7 per row, times the losses of size 2.
    seen = Evidence(value, value - 1e-6, value + 1e-6, "exact", "linear program over plans")
    return Measurement(dict(parameters), seen)


def _game_value(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    """The adversary moves first in the lower limit, by a solver; last in the upper, on a grid."""
    import cvxpy

    cp: Any = cvxpy

    p, a, b, q = (np.asarray(parameters[k], float) for k in ("p", "first", "second", "reference"))
    lam, base = float(parameters["lam"]), p[:, None] * q
    safe, allowed = np.where(q > 0, base, 1.0), (q > 0).astype(float)
    plan = _solver_plan(
        p,
        lambda P: (
            cp.minimum(cp.sum(cp.multiply(a, P)), cp.sum(cp.multiply(b, P)))
            - cp.sum(cp.rel_entr(P, safe)) / lam
        ),
        allowed,
    )
    some = plan > 0
    divergence = (plan * np.log(np.where(some, plan, 1.0) / safe))[some].sum()
    lo = min(float((plan * a).sum()), float((plan * b).sum())) - divergence / lam
    hi = math.inf
    for w in np.linspace(0, 1, 1001):
        mixed = (1 - w) * a + w * b
        energies = np.log((q * np.exp(lam * mixed)).sum(axis=1)) / lam
        hi = min(hi, float(p @ energies))
    lo, hi = lo - ROUNDING, hi + ROUNDING
    seen = Evidence((lo + hi) / 2, lo, hi, "exact", "conic solver below, grid of mixtures above")
    return Measurement(dict(parameters), seen)


# ------------------------------------------------------------------------- list


experiment = partial(with_rows, quantity="value of the adversary", unit="loss", norm="linf")
_PLANS = {"p": WEIGHTS, "losses": LOSSES, "reach": REACH}

EXPERIMENTS: tuple[Experiment, ...] = (
    experiment(
        "gibbs-plan-value-by-a-conic-solver",
        gibbs.GIBBS_VALUE,
        "gibbs",
        _gibbs_value,
        {
            "three-points": PROBLEM,
            "nearly-the-mean": {**PROBLEM, "lam": 0.05},
            "nearly-the-maximum": {**PROBLEM, "lam": 30},
        },
        EQUAL,
        1e-8,
    ),
    experiment(
        "entropic-transport-value-by-a-conic-solver",
        entropic_adversary.ENTROPIC_TRANSPORT_VALUE,
        "entropic_adversary",
        _entropic_value,
        {"three-points": {**_PLANS, "lam": 3}, "hot": {**_PLANS, "lam": 0.3}},
        EQUAL,
        1e-7,
    ),
    experiment(
        "transport-adversarial-risk-by-a-linear-program",
        entropic_adversary.TRANSPORT_ADVERSARIAL_RISK,
        "entropic_adversary",
        _adversarial_risk,
        {"three-points": _PLANS},
        EQUAL,
        1e-5,
    ),
    experiment(
        "mixture-game-value-from-both-sides",
        mixed_classifiers.MIXTURE_GAME_VALUE,
        "mixed_classifiers",
        _game_value,
        {"mixed": GAME, "pure": {**GAME, "second": [[x + 1 for x in row] for row in LOSSES]}},
        EQUAL,
        1e-4,
    ),
)
