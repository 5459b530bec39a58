"""Bounds per second and their accuracy, beside the formula as one would first write it.

``python benchmarks/bounds.py [FILE.json]`` prints the table and, with a file, writes it there.
Both run on one core, over the same budgets; the ratio of their times is what to compare.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import scipy
from scipy import stats

from robust_theory import fooling_probability
from robust_theory.vulnerability.latent import FOOLING_PROBABILITY

CASES = {
    "10 unequal classes": np.arange(1, 11) / 55,
    "10 equal classes": np.full(10, 0.1),
    "2 classes, one of 1e-12": np.array([1 - 1e-12, 1e-12]),
    "1000 unequal classes": np.arange(1, 1001) / 500500,
}


def first_version(measures: np.ndarray, eps: np.ndarray) -> np.ndarray:
    """Phi(a + eps) - Phi(a), summed over classes."""
    a = stats.norm.ppf(1 - measures)
    return (stats.norm.cdf(a + eps[:, None]) - stats.norm.cdf(a)).sum(axis=1)


def seconds(call: Callable[[], Any], repeats: int = 5) -> float:
    """The least time of several calls."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def worst_error(function: Callable[..., Any], measures: np.ndarray) -> float:
    """Greatest relative error against Arb balls, over budgets from 1e-8 to 5."""
    errors = []
    for eps in (1e-8, 1e-4, 0.01, 0.1, 0.3, 1.0, 2.0, 5.0):
        exact = FOOLING_PROBABILITY.enclosure(measures, eps).lo
        errors.append(abs(float(function(measures, np.array([eps]))[0]) - exact) / exact)
    return max(errors)


def main(arguments: list[str]) -> None:
    rng = np.random.default_rng(0)
    rows = []
    for name, measures in CASES.items():
        eps = rng.uniform(0, 4, 200_000 // len(measures))
        ours = seconds(lambda m=measures, e=eps: fooling_probability(m, e))
        theirs = seconds(lambda m=measures, e=eps: first_version(m, e))
        rows.append(
            {
                "case": name,
                "bounds_per_second": round(len(eps) / ours),
                "time_over_first_version": round(ours / theirs, 2),
                "worst_relative_error": f"{worst_error(fooling_probability, measures):.1e}",
                "worst_of_first_version": f"{worst_error(first_version, measures):.1e}",
            }
        )
        print(*(f"{key}: {value}" for key, value in rows[-1].items()), sep=", ")
    run = {
        "title": "Fooling probability: speed and accuracy",
        "first_version": "scipy.stats.norm.cdf(a + eps) - norm.cdf(a) with a = norm.ppf(1 - c)",
        "budgets": "uniform on [0, 4] for speed; 8 from 1e-8 to 5 for accuracy",
        "cores": 1,
        "machine": platform.machine(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "cases": rows,
    }
    if arguments:
        with open(arguments[0], "w", encoding="utf-8") as file:
            json.dump(run, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main(sys.argv[1:])
