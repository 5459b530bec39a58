"""The infinity-Wasserstein distance by trying all matchings, or all thresholds with a solver."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from robust_theory.transport import bottleneck
from validation.experiment import Experiment, Instance, Json, Measurement, Options, Result
from validation.verdict import Evidence


def _distances(parameters: Mapping[str, Json]) -> Any:
    order = {"linf": np.inf, "l2": 2, "l1": 1}[parameters.get("norm", "linf")]
    X, Y = (np.atleast_2d(np.asarray(parameters[k], float).T).T for k in ("X", "Y"))
    return np.linalg.norm(X[:, None] - Y, order, axis=2)


def _all_matchings(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    distances = _distances(parameters)
    n = len(distances)
    orders = np.array(list(itertools.permutations(range(n))))
    value = float(distances[np.arange(n), orders].max(axis=1).min())
    seen = Evidence(value, value - 1e-12, value + 1e-12, "exact", "all matchings, by brute force")
    return Measurement(dict(parameters), seen)


def _all_thresholds(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    """The least threshold at which a linear program finds a coupling."""
    from scipy.optimize import linprog

    distances = _distances(parameters)
    n, m = distances.shape
    a, b = (np.asarray(parameters[k], float) for k in ("a", "b"))
    marginals = np.concatenate([np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))])
    for value in np.unique(distances).tolist():
        bounds = [(0, 1 if near else 0) for near in (distances <= value).ravel()]
        sums = np.concatenate([a / a.sum(), b / b.sum()])
        if linprog(np.zeros(n * m), A_eq=marginals, b_eq=sums, bounds=bounds).status == 0:
            break
    seen = Evidence(value, value - 1e-12, value + 1e-12, "exact", "a linear program per threshold")
    return Measurement(dict(parameters), seen)


def _measure(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    road = _all_thresholds if "a" in parameters else _all_matchings
    return road(parameters, inputs, seed, alpha)


def _points(n: int, k: int) -> list[list[float]]:
    """Points of the unit square on a grid of 29 lines."""
    return [
        [
            ((13 * i * i + 7 * i * j + 5 * i + 11 * j + k * (3 * i + j + 1)) % 29) / 28
            for j in (0, 1)
        ]
        for i in range(n)
    ]


ROWS: Mapping[str, Json] = {
    "on-a-line": {"X": [0, 1, 3], "Y": [0.5, 2.8, 1.1]},
    "in-a-square": {"X": _points(7, 1), "Y": _points(7, 4)},
    "in-a-square-l2": {"X": _points(7, 1), "Y": _points(7, 4), "norm": "l2"},
    "weighted": {
        "X": _points(6, 2),
        "Y": _points(5, 3),
        "a": [1, 2, 3, 4, 5, 6],
        "b": [5, 4, 3, 2, 1],
    },
    "with-labels": {"X": [[0, 0], [0.1, 1]], "Y": [[0.05, 0], [0.1, 0]]},
}


def _instances(options: Options) -> tuple[Instance, ...]:
    return tuple(Instance(name, dict(parameters)) for name, parameters in ROWS.items())


EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment(
        name="wasserstein-inf-by-brute-force",
        claim=bottleneck.WASSERSTEIN_INF,
        subject="bottleneck",
        quantity="least largest distance of a coupling",
        unit="distance",
        norm="linf",
        reading="Each bar encloses the distance by another road; the mark must be inside.",
        x_label="distance",
        instances=_instances,
        measure=_measure,
        resolution=1e-9,
    ),
)
