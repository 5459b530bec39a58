"""The least adversarial risk: Gaussian classes by another road, samples by brute force."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from functools import partial

import numpy as np
from scipy.special import ndtr

from robust_theory.arguments import exact_rational
from robust_theory.risks import gaussian_line, sample_limits, threshold
from validation.experiment import Experiment, Json, Measurement, Result
from validation.experiments.fixed_rows import with_rows
from validation.verdict import Evidence

CELL = 2.0**-10  # of the line, for the coupling of two laws
REACH = 10  # standard deviations; the mass beyond enters the upper limit


def coupled_mass(
    means: tuple[float, float],
    deviations: tuple[float, float],
    priors: tuple[float, float],
    eps: float,
) -> tuple[float, float]:
    """Limits of the mass of two weighted normal laws that can be coupled within 2 eps.

    That mass is the least adversarial risk. Both laws are cut into cells; pairs of cells all of
    whose points are close give the lower limit, pairs with some close points the upper one. On a
    line the greedy coupling from the left is the largest one.
    """
    lo = min(m - REACH * s for m, s in zip(means, deviations, strict=True))
    hi = max(m + REACH * s for m, s in zip(means, deviations, strict=True))
    edges = np.arange(np.floor(lo / CELL), np.ceil(hi / CELL) + 1) * CELL
    masses = [
        prior * np.diff(ndtr((edges - mean) / deviation))
        for mean, deviation, prior in zip(means, deviations, priors, strict=True)
    ]
    steps = 2 * eps / CELL
    beyond = 2 * float(ndtr(-REACH))  # of each law, before its prior
    # 10^5 sums of numbers below 1 in double precision.
    rounding = 1e-11
    return (
        _greedy(masses[0], masses[1], int(np.floor(steps)) - 1) - rounding,
        _greedy(masses[0], masses[1], int(np.ceil(steps)) + 1) + beyond + rounding,
    )


def _greedy(first: np.ndarray, second: np.ndarray, steps: int) -> float:
    """Largest coupling of two laws on the same cells between cells at most `steps` apart."""
    left, right = first.tolist(), second.tolist()
    i = j = 0
    total = 0.0
    while i < len(left) and j < len(right):
        if j < i - steps:
            j += 1
        elif i < j - steps:
            i += 1
        else:
            mass = min(left[i], right[j])
            total += mass
            left[i] -= mass
            right[j] -= mass
            if left[i] <= 0:
                i += 1
            else:
                j += 1
    return total


def _on_the_line(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    prior = parameters.get("prior0", 0.5)
    deviations = (
        (parameters["std0"], parameters["std1"])
        if "std0" in parameters
        else (parameters["covariance"] ** 0.5,) * 2
    )
    lo, hi = coupled_mass(
        (parameters["mean0"], parameters["mean1"]),
        deviations,
        (prior, 1 - prior),
        float(exact_rational(parameters["eps"])),
    )
    seen = Evidence((lo + hi) / 2, lo, hi, "exact", "greedy coupling of cells of the line")
    return Measurement(dict(parameters), seen)


# ------------------------------------------------------------------- samples


def _sample(
    parameters: Mapping[str, Json], seed: int
) -> tuple[np.ndarray, np.ndarray, list[list[int]]]:
    """Samples of two classes on the line, in units of 2^-20 so that all is exact; conflicts."""
    rng = np.random.default_rng(seed)
    unit = 2**20
    x0 = np.rint(unit * rng.normal(0.0, 1.0, parameters["n0"])).astype(np.int64)
    x1 = np.rint(unit * rng.normal(parameters["gap"], 1.0, parameters["n1"])).astype(np.int64)
    twice = 2 * exact_rational(parameters["eps"]) * unit
    close = np.abs(x0[:, None] - x1) * twice.denominator <= twice.numerator
    return x0, x1, np.argwhere(close).tolist()


def _threshold_classifier(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    """Adversarial risk on the sample of "class 1 above the middle", counted in integers."""
    x0, x1, conflicts = _sample(parameters, seed)
    eps = exact_rational(parameters["eps"]) * 2**20
    middle = exact_rational(parameters["gap"]) * 2**19
    wrong0 = np.mean([int(x) + eps > middle for x in x0])
    wrong1 = np.mean([int(x) - eps <= middle for x in x1])
    risk = float(wrong0 + wrong1) / 2
    seen = Evidence(risk, risk, risk, "exact", "counted on the whole sample")
    arguments = {"conflicts": conflicts, "n0": len(x0), "n1": len(x1)}
    return Measurement(arguments, seen)


def _all_classifiers(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    """The least risk over all classifiers, by trying every set of points that they get right.

    A set can be got right under attack exactly when no two of its points are in conflict.
    """
    x0, x1, conflicts = _sample(parameters, seed)
    n0, n1 = len(x0), len(x1)
    rivals = [{j for i, j in conflicts if i == first} for first in range(n0)]
    best = 0.0
    for kept in itertools.product((False, True), repeat=n0):
        lost = set().union(*(rivals[i] for i in range(n0) if kept[i]))
        best = max(best, sum(kept) / n0 / 2 + (n1 - len(lost)) / n1 / 2)
    risk = 1 - best
    # Sums of at most 2^5 numbers in double precision.
    seen = Evidence(risk, risk - 1e-14, risk + 1e-14, "exact", "all classifiers, by brute force")
    return Measurement({"conflicts": conflicts, "n0": n0, "n1": n1}, seen)


def _population(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    """The population's least risk, enclosed, against the limit from a sample at half of alpha."""
    x0, x1, conflicts = _sample(parameters, seed)
    exact = gaussian_line.gaussian_optimal_risk_1d_enclosure(
        0.0, 1.0, parameters["gap"], 1.0, parameters["eps"]
    )
    seen = Evidence(
        (exact.lo + exact.hi) / 2, exact.lo, exact.hi, "exact", "closed form of the population"
    )
    arguments = {"conflicts": conflicts, "n0": len(x0), "n1": len(x1), "delta": alpha / 2}
    return Measurement(arguments, seen)


_experiment = partial(
    with_rows, quantity="adversarial risk", unit="probability", norm="l2", resolution=0.005
)
_EQUAL = "Each bar encloses the least risk by another road; the mark of the theory must be inside."
_ABOVE = "Each bar is a risk; it must not end below the mark, the least that the theory allows."

EXPERIMENTS: tuple[Experiment, ...] = (
    _experiment(
        "gaussian-optimal-risk-coupled",
        threshold.GAUSSIAN_OPTIMAL_RISK,
        "threshold",
        _on_the_line,
        {
            "within-half-the-gap": {"mean0": 0.0, "mean1": 2.0, "covariance": 1.0, "eps": "0.5"},
            "beyond-half-the-gap": {"mean0": 0.0, "mean1": 2.0, "covariance": 1.0, "eps": "1.5"},
        },
        _EQUAL,
    ),
    _experiment(
        "gaussian-optimal-risk-on-the-line-coupled",
        gaussian_line.GAUSSIAN_OPTIMAL_RISK_1D,
        "gaussian_line",
        _on_the_line,
        {
            "unequal-variances": {
                "mean0": 0.0,
                "std0": 1.0,
                "mean1": 1.0,
                "std1": 2.0,
                "eps": "0.3",
            },
            "unequal-priors": {
                "mean0": 0.0,
                "std0": 1.0,
                "mean1": 2.0,
                "std1": 1.0,
                "eps": "0.5",
                "prior0": 0.3,
            },
        },
        _EQUAL,
    ),
    _experiment(
        "sample-risk-of-a-threshold-classifier",
        sample_limits.EVERY_CLASSIFIER,
        "sample_limits",
        _threshold_classifier,
        {"two-gaussian-samples": {"n0": 300, "n1": 200, "gap": 2.0, "eps": "0.25"}},
        _ABOVE,
    ),
    _experiment(
        "sample-risk-of-all-classifiers",
        sample_limits.OPTIMAL_CLASSIFIER,
        "sample_limits",
        _all_classifiers,
        {"two-small-samples": {"n0": 12, "n1": 16, "gap": 1.0, "eps": "0.125"}},
        _EQUAL,
    ),
    _experiment(
        "population-risk-of-gaussian-classes",
        sample_limits.POPULATION_RISK,
        "sample_limits",
        _population,
        {"two-gaussian-samples": {"n0": 300, "n1": 300, "gap": 1.0, "eps": "0.25"}},
        _ABOVE,
    ),
)
