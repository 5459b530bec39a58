"""Certified radii of smoothed classifiers against exact worst cases on tiny images."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial

import numpy as np

from robust_theory.arguments import exact_rational
from robust_theory.wasserstein import smoothing_claims
from validation.experiment import Experiment, Json, Measurement, Result
from validation.experiments import worst_cases
from validation.experiments.fixed_rows import with_rows
from validation.verdict import Evidence

LEVELS = (0.55, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999)
ROOT2 = math.sqrt(2)
NOISES = {
    "Laplace 2x2": worst_cases.LAPLACE_2X2,
    "Laplace 2x3": worst_cases.LAPLACE_2X3,
    "Laplace pixels": worst_cases.LAPLACE_PIXELS,
    "uniform 2x2": worst_cases.UNIFORM_2X2,
}
# Flow of one unit, in the order of the edges that the densities take, and l1 and l2 distance.
MOVES: dict[str, tuple[list[int], float, float]] = {
    "edge": ([1, 0, 0, 0], 1.0, 1.0),
    "diagonal": ([1, 1, 0, 0], 2.0, ROOT2),
    "diagonal of six": ([1, 1, 0, 0, 0, 0, 0], 2.0, ROOT2),
    "pixels": ([1, -1], 1.0, 1.0),
}
# Standard deviation of noise of scale 1, and of half-width 1.
DEVIATION = {"L": ROOT2, "u": 1 / math.sqrt(3)}


def _worst_case(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    """Worst case for one move, in W1 of the ground metric of the claim's arguments."""
    case = parameters["case"]
    arguments = {key: value for key, value in parameters.items() if key != "case"}
    flow, l1, l2 = MOVES[case["move"]]
    distance = l1 if case["ground"] == "l1" else l2
    radius, box = worst_cases.worst_radius(
        NOISES[case["noise"]],
        np.array(flow, float),
        float(exact_rational(parameters["p"])),
        seed,
        alpha,
        case["samples"],
    )
    scale = distance * float(exact_rational(parameters["sigma"])) / DEVIATION[case["noise"][0]]
    seen = Evidence(
        radius * scale,
        box.lo * scale,
        box.hi * scale,
        "exact",
        "Neyman-Pearson classifier for this move, from samples",
        n=case["samples"],
        alpha=alpha,
    )
    return Measurement(arguments, seen)


def _uniform_case(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    if parameters.get("representation", "added") == "added":
        return _worst_case(parameters, inputs, seed, alpha)
    return _split_case(parameters)


def _split_case(parameters: Mapping[str, Json]) -> Measurement:
    """A classifier of cells, where each image is represented by its flow on a comb of edges.

    Two pixels side by side at the tips of the teeth are far apart on the comb, and every edge
    between them gives the cells another chance to differ. The classifier scores p on the cells of
    the one image, which the noise never leaves there, and 0 elsewhere.
    """
    rows, _ = parameters["shape"]
    p, sigma = (float(exact_rational(parameters[name])) for name in ("p", "sigma"))
    path = 2 * (rows - 1) + 1
    width = 2 * math.sqrt(3) * sigma
    radius = width * (1 - (1 / (2 * p)) ** (1 / path))
    # A handful of roundings of numbers below the width.
    seen = Evidence(
        radius, radius - 1e-14 * width, radius + 1e-14 * width, "upper", "cells of a comb's flow"
    )
    return Measurement(dict(parameters), seen)


experiment = partial(with_rows, quantity="radius", unit="W1")


def moved(
    p: float, noise: str, move: str, metric: str, samples: int, **arguments: Json
) -> dict[str, Json]:
    """A row: a claim's arguments with sigma = 1, and the worst case that they are held against."""
    case = {"noise": noise, "move": move, "ground": metric, "samples": samples}
    return {"p": p, "sigma": 1, **arguments, "case": case}


def _flows(
    levels: tuple[float, ...], noise: str, move: str, metric: str, samples: int, **arguments: Json
) -> dict[str, Json]:
    return {
        f"{noise}-{move}-{p}".replace(" ", "-"): moved(p, noise, move, metric, samples, **arguments)
        for p in levels
    }


_MANY = 100_000
_SHAPE = {"shape": [2, 2]}
_ABOVE = "Each bar encloses the worst case of one move; it must not end below the certified radius."

EXPERIMENTS: tuple[Experiment, ...] = (
    experiment(
        "laplace-flow-radius-paper-on-four-pixels",
        smoothing_claims.LAPLACE_PAPER_RADIUS,
        "smoothing_claims",
        _worst_case,
        _flows(LEVELS, "Laplace 2x2", "edge", "l1", _MANY, ground="l1"),
        reading=_ABOVE,
    ),
    experiment(
        "laplace-flow-radius-on-four-pixels",
        smoothing_claims.LAPLACE_RADIUS,
        "smoothing_claims",
        _worst_case,
        {
            **_flows(LEVELS, "Laplace 2x2", "edge", "l1", _MANY, ground="l1"),
            **_flows(LEVELS, "Laplace 2x2", "diagonal", "l2", _MANY, ground="l2"),
        },
        reading=_ABOVE,
    ),
    experiment(
        "cycle-aware-flow-radius-on-tiny-images",
        smoothing_claims.CYCLE_AWARE_RADIUS,
        "smoothing_claims",
        _worst_case,
        {
            **_flows(LEVELS, "Laplace 2x2", "diagonal", "l1", _MANY, **_SHAPE),
            **_flows((0.9,), "Laplace 2x2", "edge", "l1", 12 * _MANY, **_SHAPE),
            **_flows((0.8, 0.9), "Laplace 2x3", "diagonal of six", "l1", 12_000, shape=[2, 3]),
        },
        reading=_ABOVE,
    ),
    experiment(
        "l2-aware-flow-radius-on-four-pixels",
        smoothing_claims.L2_AWARE_RADIUS,
        "smoothing_claims",
        _worst_case,
        {
            **_flows(LEVELS, "Laplace 2x2", "diagonal", "l2", _MANY, **_SHAPE),
            **_flows((0.9,), "Laplace 2x2", "edge", "l2", 10 * _MANY, **_SHAPE),
            **_flows((0.95, 0.99, 0.999), "Laplace 2x2", "edge", "l2", 4 * _MANY, **_SHAPE),
        },
        reading=_ABOVE,
    ),
    experiment(
        "pixel-laplace-radius-on-two-pixels",
        smoothing_claims.PIXEL_RADIUS,
        "smoothing_claims",
        _worst_case,
        _flows(LEVELS, "Laplace pixels", "pixels", "l2", 2 * _MANY),
        reading=_ABOVE,
    ),
    experiment(
        "uniform-flow-radius-on-four-pixels",
        smoothing_claims.UNIFORM_RADIUS,
        "smoothing_claims",
        _uniform_case,
        _flows(LEVELS[:-1], "uniform 2x2", "diagonal", "l2", _MANY, **_SHAPE),
        reading=_ABOVE,
    ),
)
