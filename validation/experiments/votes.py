"""How often limits from votes hold, computed from the law of the votes without sampling."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from functools import partial

import numpy as np
from scipy.special import gammaln, xlogy

from robust_theory.arguments import exact_rational
from robust_theory.wasserstein import vote_claims
from robust_theory.wasserstein.sequential import log_evidence
from robust_theory.wasserstein.votes import lower_limit, upper_limit
from validation.experiment import Experiment, Json, Measurement, Result
from validation.experiments.fixed_rows import with_rows
from validation.verdict import Evidence

# Sums of at most 10^5 probabilities, each within some 10^2 roundings.
ROUNDING = 1e-10


def _measured(parameters: Mapping[str, Json], probability: float, method: str) -> Measurement:
    lo, hi = max(0.0, probability - ROUNDING), min(1.0, probability + ROUNDING)
    return Measurement(dict(parameters), Evidence(probability, lo, hi, "exact", method))


def binomial(n: int, p: float) -> np.ndarray:
    """Probabilities of 0..n successes."""
    k = np.arange(n + 1)
    choices = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return np.asarray(np.exp(choices + xlogy(k, p) + xlogy(n - k, 1 - p)))


def multinomial(n: int, probabilities: list[float]) -> dict[tuple[int, ...], float]:
    """Probability of each vector of counts of n votes."""
    law = {}
    for counts in itertools.product(range(n + 1), repeat=len(probabilities) - 1):
        if sum(counts) <= n:
            full = (*counts, n - sum(counts))
            log = gammaln(n + 1) + sum(
                float(xlogy(k, p) - gammaln(k + 1))
                for k, p in zip(full, probabilities, strict=True)
            )
            law[full] = math.exp(log)
    return law


def _limit(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    n, p, level = parameters["n"], float(exact_rational(parameters["p"])), parameters["alpha"]
    right = np.array([lower_limit(k, n, level) <= p for k in range(n + 1)])
    return _measured(parameters, float(binomial(n, p) @ right), "the binomial law, summed")


def _certificate(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    p, n, level = parameters["probabilities"], parameters["n"], parameters["alpha"]
    all_rivals = parameters.get("rule", vote_claims.ALL_RIVALS) == vote_claims.ALL_RIVALS
    share = level / len(p) if all_rivals else level / 2
    lower = [lower_limit(k, n, share) for k in range(n + 1)]
    upper = [upper_limit(k, n, share) for k in range(n + 1)]
    chosen: dict[tuple[int, int], float] = {}
    for pilot, mass in multinomial(parameters["pilot"], p).items():
        first, second = np.argsort(-np.array(pilot), kind="stable")[:2].tolist()
        chosen[first, second] = chosen.get((first, second), 0.0) + mass
    holds = 0.0
    for counts, mass in multinomial(n, p).items():
        for (label, runner_up), weight in chosen.items():
            rivals = [j for j in range(len(p)) if j != label]
            highest = max(counts[j] for j in rivals) if all_rivals else counts[runner_up]
            highest_score = max(p[j] for j in rivals)
            if lower[counts[label]] <= p[label] and highest_score <= upper[highest]:
                holds += weight * mass
    return _measured(parameters, holds, "the multinomial laws of pilot and votes, summed")


def _sequence(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    """Chance that the evidence ever reaches 1/alpha, by the law of the votes that it has not."""
    p, level = float(exact_rational(parameters["p"])), math.log(1 / parameters["alpha"])
    law, seen, reached = np.ones(1), 0, 0.0
    for look in parameters["looks"]:
        law = np.convolve(law, binomial(look - seen, p))
        seen = look
        found = np.array([log_evidence(k, look, p) >= level for k in range(look + 1)])
        reached += float(law[found].sum())
        law = np.where(found, 0.0, law)
    return _measured(parameters, reached, "the binomial law along the looks, summed")


_experiment = partial(with_rows, quantity="probability that the limits hold", unit="probability")
EXPERIMENTS: tuple[Experiment, ...] = (
    _experiment(
        "vote-limit-coverage",
        vote_claims.LIMIT_CONFIDENCE,
        "vote_claims",
        _limit,
        {
            f"{n}-votes-{p}": {"n": n, "alpha": 0.05, "p": p}
            for n, p in ((100, 0.5), (100, 0.9), (1000, 0.99), (1000, 0.999), (50, 0.03))
        },
        "Each bar is a coverage; it must not end below the mark.",
    ),
    _experiment(
        "certificate-coverage",
        vote_claims.CERTIFICATE_CONFIDENCE,
        "vote_claims",
        _certificate,
        {
            "close": {"probabilities": [0.4, 0.35, 0.25], "n": 60, "pilot": 10, "alpha": 0.05},
            "clear": {"probabilities": [0.9, 0.06, 0.04], "n": 60, "pilot": 10, "alpha": 0.05},
        },
        "Each bar is the probability that all limits hold; it must not end below the mark.",
    ),
    _experiment(
        "sequential-error-exactly",
        vote_claims.SEQUENTIAL_ERROR,
        "vote_claims",
        _sequence,
        {
            f"score-{p}": {"p": p, "alpha": 0.05, "looks": list(looks)}
            for p, looks in ((0.5, range(1, 200)), (0.9, range(1, 200)), (0.99, range(5, 600, 5)))
        },
        "Each bar is the probability of a false decision; it must not end above the mark.",
    ),
)
