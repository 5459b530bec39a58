"""Entropic adversaries: conic programs, Riemann sums and simulation against the closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from robust_theory import (
    collisions,
    entropic_adversary,
    free_energy_bounds,
    free_energy_limits,
    gibbs,
    linear_gibbs,
    mixed_classifiers,
    semi_discrete,
)
from robust_theory.claim import Claim
from validation.experiment import Experiment, Instance, Json, Measurement, Options, Result
from validation.verdict import Evidence

Measure = Callable[[Mapping[str, Json], Mapping[str, Result], int, float], Measurement]
Array: TypeAlias = NDArray[Any]

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


# ------------------------------------------------------------- finite problems


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


# --------------------------------------------------------- integrals over boxes


def _linear(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    """Lower and upper Riemann sums, coordinate by coordinate."""
    lam, cells = float(parameters["lam"]), 1 << 16
    lo = hi = 0.0
    for slope, start, end in zip(
        parameters["slopes"], parameters["lower"], parameters["upper"], strict=True
    ):
        at = slope * np.linspace(start, end, cells + 1)
        top = at.max()
        values = np.exp(lam * (at - top))
        below = np.minimum(values[1:], values[:-1]).mean()
        above = np.maximum(values[1:], values[:-1]).mean()
        lo, hi = lo + top + math.log(below) / lam, hi + top + math.log(above) / lam
    seen = Evidence((lo + hi) / 2, lo - ROUNDING, hi + ROUNDING, "exact", "Riemann sums")
    return Measurement(dict(parameters), seen)


def _density(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    """Second marginal of the plan on cells of the line, divided by their length."""
    points, radius = np.asarray(parameters["points"]), float(parameters["radius"])
    slope, lam = float(parameters["slope"]), float(parameters["lam"])
    step = radius / 1000
    centres = np.arange(points.min() - radius + step / 2, points.max() + radius, step)
    inside = np.abs(centres - points[:, None]) < radius
    q = inside / inside.sum(axis=1, keepdims=True)
    losses = np.broadcast_to(slope * centres, q.shape)
    p = np.full(len(points), 1 / len(points))
    adversarial = gibbs.gibbs_plan(p, losses, lam, q).adversarial
    near = int(np.abs(centres - float(parameters["x"])).argmin())
    value = float(adversarial[near]) / step
    # Within two cells the loss changes by 2 |slope| step, in numerator and in normalisation.
    factor = math.exp(4 * lam * abs(slope) * step)
    seen = Evidence(value, value / factor, value * factor, "exact", "finite plan on cells")
    return Measurement(dict(parameters), seen)


def _loss(kind: str, slope: float, eps: float) -> Callable[[Array, Array], Array]:
    """Losses on the square with the Lipschitz constant `slope` in linf."""
    if kind == "linear":
        return lambda x, y: slope * (x + y) / 2
    if kind == "waves":
        return lambda x, y: slope * eps / 8 * (np.cos(4 * x / eps) + np.sin(4 * y / eps))
    tip = {"corner": (-eps, -eps), "middle": (0.0, 0.0), "edge": (0.0, -eps)}[kind]
    return lambda x, y: -slope * np.maximum(np.abs(x - tip[0]), np.abs(y - tip[1]))


def _gap(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    """Midpoint sums on a square, with the error that the Lipschitz constant allows."""
    slope, eps, lam = (float(parameters[k]) for k in ("lipschitz", "eps", "lam"))
    cells = 1500
    line = (np.arange(cells) + 0.5) * (2 * eps / cells) - eps
    values = _loss(parameters["loss"], slope, eps)(line[:, None], line)
    top = float(values.max())
    energy = top + math.log(np.exp(lam * (values - top)).mean()) / lam
    off = slope * eps / cells
    lo, hi = top - energy - off, top - energy + 2 * off
    seen = Evidence(top - energy, lo - ROUNDING, hi + ROUNDING, "exact", "midpoint sums")
    return Measurement({k: parameters[k] for k in ("d", "lipschitz", "eps", "lam")}, seen)


# ------------------------------------------------------------ limits from samples


def _sampled_losses(parameters: Mapping[str, Json], seed: int) -> tuple[Array, float]:
    """Losses in [0, 1] at draws from a cube, linear in each point; and the exact free energy."""
    d, lam, shape = parameters["d"], float(parameters["lam"]), parameters["draws"]
    draws = np.random.default_rng(seed).random((*shape, d))
    losses = draws.mean(axis=-1)
    exact = linear_gibbs.linear_free_energy([1 / d] * d, lam, [0.0] * d, [1.0] * d)
    return losses, exact


def _lower_limit(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    losses, exact = _sampled_losses(parameters, seed)
    seen = Evidence(exact, exact - ROUNDING, exact + ROUNDING, "exact", "closed form")
    arguments = {"losses": losses.tolist(), "lam": parameters["lam"], "delta": alpha / 2}
    return Measurement(arguments, seen)


def _upper_limit(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    losses, exact = _sampled_losses(parameters, seed)
    seen = Evidence(exact, exact - ROUNDING, exact + ROUNDING, "exact", "closed form")
    arguments = {
        "losses": losses[0].tolist(),
        "lam": parameters["lam"],
        "delta": alpha / 2,
        "greatest": 1,
        "method": parameters["method"],
    }
    return Measurement(arguments, seen)


def _collisions(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    exact = collisions.uniform_collision_probability(parameters["n"], parameters["eps"])
    seen = Evidence(
        exact, exact - ROUNDING, exact + ROUNDING, "exact", "spacings of uniform points"
    )
    return Measurement(dict(parameters), seen)


# ------------------------------------------------------------------------- list

_EQUAL = "Each bar encloses the number by another road; the mark of the theory must be inside."
_BELOW = "Each bar encloses the number; it must not end above the mark of the theory."
_ABOVE = "Each bar encloses the number; it must not end below the mark of the theory."


def _experiment(
    name: str,
    claim: Claim,
    subject: str,
    measure: Measure,
    rows: Mapping[str, Json],
    reading: str,
    resolution: float = math.inf,
    quantity: str = "value of the adversary",
    unit: str = "loss",
) -> Experiment:
    def instances(options: Options) -> tuple[Instance, ...]:
        return tuple(Instance(row, dict(parameters)) for row, parameters in rows.items())

    return Experiment(
        name=name,
        claim=claim,
        subject=subject,
        quantity=quantity,
        unit=unit,
        norm="linf",
        reading=reading,
        x_label=unit,
        instances=instances,
        measure=measure,
        resolution=resolution,
    )


_PLANS = {"p": WEIGHTS, "losses": LOSSES, "reach": REACH}
_SQUARE = {"d": 2, "lipschitz": 5, "eps": "0.3", "lam": 20}

EXPERIMENTS: tuple[Experiment, ...] = (
    _experiment(
        "gibbs-plan-value-by-a-conic-solver",
        gibbs.GIBBS_VALUE,
        "gibbs",
        _gibbs_value,
        {
            "three-points": PROBLEM,
            "nearly-the-mean": {**PROBLEM, "lam": 0.05},
            "nearly-the-maximum": {**PROBLEM, "lam": 30},
        },
        _EQUAL,
        1e-8,
    ),
    _experiment(
        "entropic-transport-value-by-a-conic-solver",
        entropic_adversary.ENTROPIC_TRANSPORT_VALUE,
        "entropic_adversary",
        _entropic_value,
        {"three-points": {**_PLANS, "lam": 3}, "hot": {**_PLANS, "lam": 0.3}},
        _EQUAL,
        1e-7,
    ),
    _experiment(
        "transport-adversarial-risk-by-a-linear-program",
        entropic_adversary.TRANSPORT_ADVERSARIAL_RISK,
        "entropic_adversary",
        _adversarial_risk,
        {"three-points": _PLANS},
        _EQUAL,
        1e-5,
    ),
    _experiment(
        "mixture-game-value-from-both-sides",
        mixed_classifiers.MIXTURE_GAME_VALUE,
        "mixed_classifiers",
        _game_value,
        {"mixed": GAME, "pure": {**GAME, "second": [[x + 1 for x in row] for row in LOSSES]}},
        _EQUAL,
        1e-4,
    ),
    _experiment(
        "linear-free-energy-integrated",
        linear_gibbs.LINEAR_FREE_ENERGY,
        "linear_gibbs",
        _linear,
        {
            "an-interval": {"slopes": [1.0], "lam": 10, "lower": [-0.3], "upper": [0.3]},
            "a-cut-box": {
                "slopes": [3.0, -1.0, 0.5],
                "lam": 40,
                "lower": [0.0, 0.2, 0.5],
                "upper": [0.4, 0.8, 1.0],
            },
        },
        _EQUAL,
        1e-3,
    ),
    _experiment(
        "linear-adversarial-density-on-cells",
        semi_discrete.LINEAR_ADVERSARIAL_DENSITY,
        "semi_discrete",
        _density,
        {
            "overlapping-balls": {
                "x": 0.75,
                "points": [0.0, 1.5],
                "slope": 1.0,
                "lam": 2,
                "radius": 1.0,
            },
            "one-ball": {"x": 0.1, "points": [0.0, 4.0], "slope": -2.0, "lam": 3, "radius": 0.5},
        },
        _EQUAL,
        0.05,
        quantity="density of the optimal adversarial law",
        unit="density",
    ),
    _experiment(
        "free-energy-gap-on-a-square",
        free_energy_limits.FREE_ENERGY_GAP,
        "free_energy_limits",
        _gap,
        {kind: {**_SQUARE, "loss": kind} for kind in ("middle", "edge", "linear", "waves")},
        _BELOW,
        quantity="greatest loss minus free energy",
    ),
    _experiment(
        "free-energy-gap-simple-on-a-square",
        free_energy_limits.FREE_ENERGY_GAP_SIMPLE,
        "free_energy_limits",
        _gap,
        {kind: {**_SQUARE, "loss": kind} for kind in ("corner", "linear")},
        _BELOW,
        quantity="greatest loss minus free energy",
    ),
    _experiment(
        "free-energy-lower-limit-simulated",
        free_energy_bounds.FREE_ENERGY_LOWER_LIMIT,
        "free_energy_bounds",
        _lower_limit,
        {
            "forty-points": {"d": 5, "lam": 10, "draws": [40, 20]},
            "one-point": {"d": 5, "lam": 10, "draws": [1, 500]},
        },
        _ABOVE,
        quantity="mean free energy",
    ),
    _experiment(
        "free-energy-upper-limit-simulated",
        free_energy_bounds.FREE_ENERGY_UPPER_LIMIT,
        "free_energy_bounds",
        _upper_limit,
        {
            method: {"d": 5, "lam": 5, "draws": [1, 2000], "method": method}
            for method in ("chernoff", "bernstein", "hoeffding")
        },
        _BELOW,
        quantity="free energy",
    ),
    _experiment(
        "collision-probability-on-a-line",
        collisions.COLLISION_PROBABILITY,
        "collisions",
        _collisions,
        {
            "three-points": {"n": 3, "d": 1, "eps": "0.1"},
            "ten-points": {"n": 10, "d": 1, "eps": "0.01"},
        },
        _BELOW,
        quantity="probability that two of the points are within eps",
        unit="probability",
    ),
)
