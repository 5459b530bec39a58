"""Certified radii under Gaussian noise, and variances of patches, in rationals and integers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction

import numpy as np
from scipy.special import ndtri

from robust_theory.arguments import exact_rational
from robust_theory.wasserstein import patch_noise, smoothing_claims
from robust_theory.wasserstein.resistance import edge_variances
from validation.experiment import Experiment, Json, Measurement, Result
from validation.experiments.smoothing import LEVELS, experiment
from validation.verdict import Evidence

_EQUAL = "Each bar encloses the worst case over all moves; the certified radius must be inside."


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


EXPERIMENTS: tuple[Experiment, ...] = (
    experiment(
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
    experiment(
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
    experiment(
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
