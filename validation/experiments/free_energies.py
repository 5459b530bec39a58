"""Free energies over boxes and from samples: Riemann sums and simulation against closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from robust_theory.transport import (
    collisions,
    free_energy_bounds,
    free_energy_limits,
    gibbs,
    linear_gibbs,
    semi_discrete,
)
from validation.experiment import Experiment, Json, Measurement, Result
from validation.experiments.gibbs import EQUAL, ROUNDING, Array, experiment
from validation.verdict import Evidence

_BELOW = "Each bar encloses the number; it must not end above the mark of the theory."
_ABOVE = "Each bar encloses the number; it must not end below the mark of the theory."
_SQUARE = {"d": 2, "lipschitz": 5, "eps": "0.3", "lam": 20}


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


EXPERIMENTS: tuple[Experiment, ...] = (
    experiment(
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
        EQUAL,
        1e-3,
    ),
    experiment(
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
        EQUAL,
        0.05,
        quantity="density of the optimal adversarial law",
        unit="density",
    ),
    experiment(
        "free-energy-gap-on-a-square",
        free_energy_limits.FREE_ENERGY_GAP,
        "free_energy_limits",
        _gap,
        {kind: {**_SQUARE, "loss": kind} for kind in ("middle", "edge", "linear", "waves")},
        _BELOW,
        quantity="greatest loss minus free energy",
    ),
    experiment(
        "free-energy-gap-simple-on-a-square",
        free_energy_limits.FREE_ENERGY_GAP_SIMPLE,
        "free_energy_limits",
        _gap,
        {kind: {**_SQUARE, "loss": kind} for kind in ("corner", "linear")},
        _BELOW,
        quantity="greatest loss minus free energy",
    ),
    experiment(
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
    experiment(
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
    experiment(
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
