"""Certified radii of smoothed classifiers against exact worst cases on tiny images."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction

import numpy as np
from scipy.special import ndtri

from robust_theory import patch_noise, smoothing_claims
from robust_theory.arguments import exact_rational
from robust_theory.claim import Claim
from robust_theory.resistance import edge_variances
from validation.experiment import Experiment, Instance, Json, Measurement, Options, Result
from validation.experiments import worst_cases
from validation.verdict import Evidence

Measure = Callable[[Mapping[str, Json], Mapping[str, Result], int, float], Measurement]

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


def _gaussian_case(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    """Half-spaces orthogonal to the worst unit transport, its resistance in rationals.

    The norm of a transport is convex, and the ball of a Wasserstein metric has unit transports
    between two pixels as corners, so the worst image difference is one of them.
    """
    n, m = parameters["shape"]
    ground = parameters.get("ground", "l2")
    if "covariance" in parameters:
        covariance = [[Fraction(value) for value in row] for row in parameters["covariance"]]
        sigma = 1.0
    else:
        covariance = flow_covariance((n, m))
        sigma = float(exact_rational(parameters["sigma"]))
    worst = Fraction(0)
    for s in range(n * m):
        for t in range(s + 1, n * m):
            di, dj = abs(s // m - t // m), abs(s % m - t % m)
            square = di * di + dj * dj if ground == "l2" else (di + dj) ** 2
            worst = max(worst, energy(covariance, s, t) / square)
    p = float(exact_rational(parameters["p"]))
    radius = sigma * float(ndtri(p)) / math.sqrt(worst)
    # Near 1/2 the quantile loses digits, at most 4 of 16 for the rows here.
    band = 1e-12 * radius
    seen = Evidence(radius, radius - band, radius + band, "exact", "half-spaces, all transports")
    return Measurement(dict(parameters), seen)


def flow_covariance(shape: tuple[int, int]) -> list[list[Fraction]]:
    """Covariance of the image under flow noise with the variances of `edge_variances`."""
    n, m = shape
    design = edge_variances(shape)
    table = [[Fraction(0)] * (n * m) for _ in range(n * m)]
    for (di, dj), variances in (((1, 0), design.vertical), ((0, 1), design.horizontal)):
        for i in range(n - di):
            for j in range(m - dj):
                c, u, v = Fraction(variances[i, j]), i * m + j, (i + di) * m + j + dj
                table[u][u] += c
                table[v][v] += c
                table[u][v] -= c
                table[v][u] -= c
    return table


def energy(covariance: list[list[Fraction]], s: int, t: int) -> Fraction:
    """``y' S^+ y`` for the unit transport from s to t, by elimination in rationals."""
    N = len(covariance)
    kept = [k for k in range(N) if k != t]
    table = [[*(covariance[i][j] for j in kept), Fraction(int(i == s))] for i in kept]
    for k in range(N - 1):
        pivot = next(i for i in range(k, N - 1) if table[i][k] != 0)
        table[k], table[pivot] = table[pivot], table[k]
        table[k] = [value / table[k][k] for value in table[k]]
        for i in range(N - 1):
            if i != k and table[i][k] != 0:
                factor = table[i][k]
                pairs = zip(table[i], table[k], strict=True)
                table[i] = [value - factor * other for value, other in pairs]
    return table[kept.index(s)][N - 1]


def _patch(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    """The sum of the covariance of the image's noise over the rectangle, in integers."""
    n, m = parameters["rows"], parameters["columns"]
    inside = np.zeros((n, m), np.int64)
    top, left = parameters["top"], parameters["left"]
    inside[top : top + parameters["height"], left : left + parameters["width"]] = 1
    total = int((np.diff(inside, axis=0) ** 2).sum() + (np.diff(inside, axis=1) ** 2).sum())
    value = total * float(exact_rational(parameters.get("sigma", 1))) ** 2
    band = 1e-15 * value
    seen = Evidence(value, value - band, value + band, "exact", "quadratic form of the Laplacian")
    return Measurement(dict(parameters), seen)


def _experiment(
    name: str,
    claim: Claim,
    subject: str,
    measure: Measure,
    rows: Mapping[str, Json],
    *,
    quantity: str = "radius",
    unit: str = "W1",
    reading: str,
    resolution: float = math.inf,
) -> Experiment:
    def instances(options: Options) -> tuple[Instance, ...]:
        return tuple(Instance(row, dict(parameters)) for row, parameters in rows.items())

    return Experiment(
        name=name,
        claim=claim,
        subject=subject,
        quantity=quantity,
        unit=unit,
        norm="",
        reading=reading,
        x_label=unit,
        instances=instances,
        measure=measure,
        resolution=resolution,
    )


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
_EQUAL = "Each bar encloses the worst case over all moves; the certified radius must be inside."

EXPERIMENTS: tuple[Experiment, ...] = (
    _experiment(
        "laplace-flow-radius-paper-on-four-pixels",
        smoothing_claims.LAPLACE_PAPER_RADIUS,
        "smoothing_claims",
        _worst_case,
        _flows(LEVELS, "Laplace 2x2", "edge", "l1", _MANY, ground="l1"),
        reading=_ABOVE,
    ),
    _experiment(
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
    _experiment(
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
    _experiment(
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
    _experiment(
        "pixel-laplace-radius-on-two-pixels",
        smoothing_claims.PIXEL_RADIUS,
        "smoothing_claims",
        _worst_case,
        _flows(LEVELS, "Laplace pixels", "pixels", "l2", 2 * _MANY),
        reading=_ABOVE,
    ),
    _experiment(
        "uniform-flow-radius-on-four-pixels",
        smoothing_claims.UNIFORM_RADIUS,
        "smoothing_claims",
        _uniform_case,
        _flows(LEVELS[:-1], "uniform 2x2", "diagonal", "l2", _MANY, **_SHAPE),
        reading=_ABOVE,
    ),
    _experiment(
        "gaussian-flow-radius-of-half-spaces",
        smoothing_claims.GAUSSIAN_FLOW_RADIUS,
        "smoothing_claims",
        _gaussian_case,
        {
            f"{n}x{m}-{ground}-{p}": {"p": p, "sigma": 1, "ground": ground, "shape": [n, m]}
            for n, m in ((2, 2), (2, 3))
            for ground in ("l1", "l2")
            for p in LEVELS
        },
        reading=_EQUAL,
        resolution=1e-9,
    ),
    _experiment(
        "gaussian-image-radius-of-half-spaces",
        smoothing_claims.GAUSSIAN_RADIUS,
        "smoothing_claims",
        _gaussian_case,
        {
            f"uneven-2x3-{ground}-{p}": {
                "p": p,
                "covariance": [
                    [5.0, -1.0, -0.5, -2.0, -1.0, -0.5],
                    [-1.0, 4.0, -1.0, -0.5, -1.0, -0.5],
                    [-0.5, -1.0, 3.0, -0.5, -0.5, -0.5],
                    [-2.0, -0.5, -0.5, 4.5, -1.0, -0.5],
                    [-1.0, -1.0, -0.5, -1.0, 5.5, -2.0],
                    [-0.5, -0.5, -0.5, -0.5, -2.0, 4.0],
                ],
                "shape": [2, 3],
                "ground": ground,
            }
            for ground in ("l1", "l2")
            for p in (0.55, 0.9, 0.999)
        },
        reading=_EQUAL,
        resolution=1e-9,
    ),
    _experiment(
        "flow-noise-patch-variance-counted",
        patch_noise.PATCH_VARIANCE,
        "patch_noise",
        _patch,
        {
            name: {
                "rows": 28,
                "columns": 28,
                "height": h,
                "width": w,
                "top": i,
                "left": j,
                "sigma": 0.5,
            }
            for name, (h, w, i, j) in {
                "inside": (5, 5, 10, 10),
                "one-pixel": (1, 1, 7, 7),
                "at-a-side": (5, 5, 0, 10),
                "in-a-corner": (5, 5, 23, 23),
                "across": (5, 28, 3, 0),
                "whole-image": (28, 28, 0, 0),
            }.items()
        },
        quantity="variance of a patch's total",
        unit="mass squared",
        reading="Each bar is the variance of a patch; the number of its border edges must match.",
        resolution=1e-9,
    ),
)
