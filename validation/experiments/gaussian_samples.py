"""Samples of known laws: their limits on average, on fresh data, and by brute force."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from robust_theory.arguments import exact_rational
from robust_theory.risks import sample_limits, sample_means
from robust_theory.risks.conflict import find_conflicts
from robust_theory.risks.risk import optimal_risk
from robust_theory.risks.samples import read_samples
from validation.experiment import Experiment, Json, Measurement, Result
from validation.experiments.fixed_rows import with_rows
from validation.verdict import Evidence

# ------------------------------------------------------------------- on average


def _mean(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    """Mean optimal risk of several samples, with McDiarmid's band.

    Another draw of one of all points of class y changes the mean by at most prior / (n samples).
    """
    arguments = {key: value for key, value in parameters.items() if key != "sampling"}
    n, samples = parameters["sampling"]["n"], parameters["sampling"]["samples"]
    prior = float(exact_rational(arguments.get("prior0", 0.5)))
    rng = np.random.default_rng(seed)
    risks = []
    for _ in range(samples):
        X0, X1 = (_draw(arguments, k, n, rng) for k in (0, 1))
        found = optimal_risk(X0, X1, arguments["eps"], prior0=arguments.get("prior0", 0.5))
        risks.append(float(found.risk))
    mean = math.fsum(risks) / samples
    squares = (prior**2 + (1 - prior) ** 2) / (n * samples)
    # Doubles instead of fractions, and roundings: 10^-12 is more than they move a mean.
    slack = math.sqrt(math.log(2 / alpha) / 2 * squares) + 1e-12
    method = f"mean over {samples} samples; McDiarmid"
    seen = Evidence(mean, mean - slack, mean + slack, "exact", method, 2 * n * samples, 0, alpha)
    return Measurement(arguments, seen)


def _draw(arguments: Mapping[str, Any], k: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """`n` draws of class k: on the line with its own deviation, or with the common variance."""
    mean = np.atleast_1d(arguments[f"mean{k}"])
    deviation = arguments[f"std{k}"] if "std0" in arguments else arguments["covariance"] ** 0.5
    return np.asarray(mean + deviation * rng.standard_normal((n, mean.size)))


def _of_dimension(d: int, eps: str, n: int, samples: int) -> dict[str, Json]:
    origin = [0.0] * d
    return {
        "mean0": origin,
        "mean1": [2.0, *origin[1:]],
        "covariance": 1.0,
        "eps": eps,
        "sampling": {"n": n, "samples": samples},
    }


def _greatest_limit(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    """The population's least risk against the largest limit that any of several samples gives.

    Each limit may fail with its share of half of alpha.
    """
    law = {key: value for key, value in parameters.items() if key != "sampling"}
    n, samples = parameters["sampling"]["n"], parameters["sampling"]["samples"]
    rng = np.random.default_rng(seed)
    prior = law.get("prior0", 0.5)
    best: tuple[float, list[list[int]]] = (-1.0, [])
    for _ in range(samples):
        first, second = read_samples({f"X{k}": _draw(law, k, n, rng) for k in (0, 1)})
        found = find_conflicts(first, second, "l2", law["eps"])
        conflicts = np.stack([found.rows, found.columns], axis=1).tolist()
        risk = sample_limits.conflict_risk(conflicts, n, n, prior)
        if risk > best[0]:
            best = risk, conflicts
    claim = sample_means.MEAN_SAMPLE_RISK_1D if "std0" in law else sample_means.MEAN_SAMPLE_RISK
    exact = claim.enclosure(**law)
    seen = Evidence((exact.lo + exact.hi) / 2, exact.lo, exact.hi, "exact", "closed form, enclosed")
    delta = alpha / (2 * samples)
    arguments = {"conflicts": best[1], "n0": n, "n1": n, "delta": delta, "prior0": prior}
    return Measurement(arguments, seen)


# ------------------------------------------------------------------- on fresh data


def _line_sample(
    parameters: Mapping[str, Json], sizes: tuple[int, int], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Two classes on the line, in units of 2^-20 so that all is exact."""
    pair = (rng.normal(m, 1.0, n) for m, n in zip((0.0, parameters["gap"]), sizes, strict=True))
    first, second = (np.rint(2**20 * x).astype(np.int64) for x in pair)
    return first, second


def _held_out(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    """The optimal classifier of one sample, its risk counted on a fresh one.

    Its answer changes half-way between survivors of different classes that are next to each other,
    so a point errs within eps if it is wrong or has such a place within eps.
    """
    rng = np.random.default_rng(seed)
    sizes, fresh = (parameters["n0"], parameters["n1"]), (parameters["m0"], parameters["m1"])
    prior, eps = parameters["prior0"], exact_rational(parameters["eps"]) * 2**20
    X0, X1 = _line_sample(parameters, sizes, rng)
    result = optimal_risk(X0, X1, eps, prior0=prior)
    kept = [X[k] for X, k in zip((X0, X1), result.survivors, strict=True)]
    place = np.concatenate(kept)
    order = np.argsort(place, kind="stable")
    place, label = place[order], np.repeat([0, 1], [len(part) for part in kept])[order]
    changes = np.flatnonzero(label[1:] != label[:-1])
    doubled = place[changes] + place[changes + 1]  # twice the places of change
    lo, hi = 0.0, 0.0
    for k, X in enumerate(_line_sample(parameters, fresh, rng)):
        mine = label[np.concatenate([changes, [len(label) - 1]])][np.searchsorted(doubled, 2 * X)]
        near = np.array([abs(doubled - 2 * x).min(initial=2**62) for x in X])
        share = (prior, 1 - prior)[k] / len(X)
        # A place exactly eps away belongs to either class.
        lo += share * np.count_nonzero((mine != k) | (near * eps.denominator < 2 * eps.numerator))
        hi += share * np.count_nonzero((mine != k) | (near * eps.denominator <= 2 * eps.numerator))
    close = np.abs(X0[:, None] - X1) * eps.denominator <= 2 * eps.numerator
    arguments = {
        "conflicts": np.argwhere(close).tolist(),
        **{name: parameters[name] for name in ("n0", "n1", "m0", "m1", "prior0")},
        "delta": alpha / 2,
    }
    return Measurement(arguments, Evidence(lo, lo, hi, "exact", "counted on the fresh sample"))


# ------------------------------------------------------------------- the experiments


_experiment = partial(with_rows, unit="probability", norm="l2")
_BELOW = (
    "Each bar is the mean least risk of samples with its band; it must end below the mark, the "
    "least risk of the population."
)
_UNEQUAL = {"mean0": 0.0, "std0": 1.0, "mean1": 2.0, "std1": 1.0, "eps": "0.5", "prior0": 0.3}
_HELD_OUT = {"n0": 250, "n1": 250, "m0": 400, "m1": 400, "gap": 1.0, "eps": "0.25", "prior0": 0.5}

EXPERIMENTS: tuple[Experiment, ...] = (
    _experiment(
        "mean-sample-risk-of-gaussian-classes",
        sample_means.MEAN_SAMPLE_RISK,
        "sample_means",
        _mean,
        {
            "two-dimensions": _of_dimension(2, "0.5", 150, 100),
            "five-dimensions": _of_dimension(5, "0.5", 150, 100),
        },
        _BELOW,
        quantity="mean least risk of a sample",
    ),
    _experiment(
        "mean-sample-risk-of-gaussian-classes-on-the-line",
        sample_means.MEAN_SAMPLE_RISK_1D,
        "sample_means",
        _mean,
        {
            "unequal-priors": {**_UNEQUAL, "sampling": {"n": 60, "samples": 400}},
            "unequal-variances": {
                "mean0": 0.0,
                "std0": 1.0,
                "mean1": 1.0,
                "std1": 2.0,
                "eps": "0.3",
                "sampling": {"n": 60, "samples": 400},
            },
        },
        _BELOW,
        quantity="mean least risk of a sample",
    ),
    _experiment(
        "population-risk-of-many-samples",
        sample_limits.POPULATION_RISK,
        "sample_limits",
        _greatest_limit,
        {
            "two-dimensions": _of_dimension(2, "0.5", 200, 50),
            "unequal-priors": {**_UNEQUAL, "sampling": {"n": 200, "samples": 50}},
        },
        "Each bar is the least risk of the population; it must not end below the mark, the largest "
        "limit that any of the samples gives.",
        quantity="least adversarial risk of the population",
    ),
    _experiment(
        "held-out-risk-of-the-optimal-classifier",
        sample_limits.HELD_OUT_RISK,
        "sample_limits",
        _held_out,
        {"equal-priors": _HELD_OUT, "unequal-priors": {**_HELD_OUT, "prior0": 0.4}},
        "Each bar is the risk of the classifier on points that it has not seen; it must not end "
        "below the mark, the limit of the first sample less both slacks.",
        quantity="adversarial risk on fresh data",
    ),
)
