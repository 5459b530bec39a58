"""Theorem 3 of fawzi2018: perturbations that fool two models, exactly and on trained networks."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from empirical.estimate import proportion_interval
from robust_theory.arguments import exact_rational
from robust_theory.claim import Claim, Interval
from robust_theory.vulnerability import transfer, transfer_limits
from validation.experiment import (
    Curve,
    Experiment,
    Instance,
    Json,
    Measurement,
    Options,
    Result,
)
from validation.experiments import pipeline, words
from validation.experiments import radii as evidence
from validation.experiments.sampling import Case, sampled

QUANTITY = "P(some perturbation within eps changes both labels)"
READING = (
    "The stepped line (share of points with one perturbation within eps that changes the labels "
    "of both models) must stay above the smooth one, the least share that the theorem allows."
)
ANGLE = 0.3  # between the normals of the crossing half-spaces; they disagree on angle / pi
BUDGETS = ("0.5", "1")  # fixed before any network was trained; --eps replaces them


def _exact(claim: Claim, *cases: Case) -> Experiment:
    return sampled(
        f"{claim.name}-on-exact-models",
        claim,
        "transfer",
        "share",
        cases,
        quantity=QUANTITY,
        unit=words.SHARE,
        reading=READING,
        x_label=words.EPS,
    )


CROSSING = {"name": "crossing half-spaces", "angle": ANGLE}
DISAGREEMENT = ANGLE / math.pi


def _trained_rows(options: Options) -> tuple[Instance, ...]:
    pipeline.check_l2(options)
    first, second = pipeline.networks(options)[-2:]
    skipped = pipeline.left_out(options, first) or pipeline.left_out(options, second)
    name = f"{pipeline.data_name(options)}-{first}-and-{second}"
    needs = pipeline.pair_units(options, first, second)
    return tuple(
        Instance(f"{name}-at-{eps}", {"first": first, "second": second, "eps": eps}, needs, skipped)
        for eps in options.eps or BUDGETS
    )


def _trained(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    table = next(r for r in inputs.values() if "table" in r.arrays).arrays["table"]
    radii = next(r for r in inputs.values() if "radii" in r.arrays).arrays["radii"]
    n = int(table.sum())
    agreed = np.diagonal(table)
    unions = table.sum(axis=0) + table.sum(axis=1) - agreed
    # The row's alpha: half for the radii, a quarter each for the unions and for delta.
    lower, upper = simultaneous_proportions_of(unions, n, alpha / 4)
    delta = proportion_interval(n - int(agreed.sum()), n, alpha / 4)
    eps = float(exact_rational(parameters["eps"]))
    limits = transfer_limits.transfer_probability_from_unions_limits(
        lower, upper, delta.lo, delta.hi, eps
    )
    arguments = {
        "unions": [int(u) / n for u in unions],
        "delta": 1 - int(agreed.sum()) / n,
        "eps": parameters["eps"],
    }
    grid = evidence.grid_to(2 * eps)
    observed, lo, hi = evidence.distribution(radii, grid, alpha / 2)
    bound = transfer.transfer_probability_from_unions(arguments["unions"], arguments["delta"], grid)
    columns = (grid, bound, observed, lo, hi)
    x, y, seen, low, high = (tuple(float(v) for v in column) for column in columns)
    return Measurement(
        arguments,
        evidence.share_within(radii, eps, alpha / 2, "attack"),
        theory=Interval(*limits),
        curve=Curve(f"{parameters['first']} and {parameters['second']}", x, y, seen, low, high),
    )


def simultaneous_proportions_of(
    counts: np.ndarray, n: int, alpha: float
) -> tuple[np.ndarray, np.ndarray]:
    """Limits of the probabilities of events that may overlap, from how often each occurred."""
    each = [proportion_interval(int(k), n, alpha / len(counts)) for k in counts]
    return np.array([i.lo for i in each]), np.array([i.hi for i in each])


EXPERIMENTS: tuple[Experiment, ...] = (
    _exact(
        transfer.TRANSFER_PROBABILITY,
        Case(
            "crossing-half-spaces",
            {"measures": [0.5, 0.5], "delta": DISAGREEMENT, "eps": "1"},
            CROSSING,
        ),
    ),
    _exact(
        transfer.TRANSFER_PAPER_BOUND,
        # For two classes the hypothesis leaves only models that agree everywhere.
        Case(
            "orthants-4-twice",
            {"measures": [0.25] * 4, "delta": 0.0, "eps": "1"},
            {"name": "orthants", "k": 2},
        ),
    ),
    _exact(
        transfer.TRANSFER_FROM_UNIONS,
        Case(
            "crossing-half-spaces",
            {
                "unions": [0.5 + DISAGREEMENT / 2] * 2,
                "delta": DISAGREEMENT,
                "eps": "1",
            },
            CROSSING,
        ),
    ),
    Experiment(
        name="transfer-between-trained-networks",
        claim=transfer.TRANSFER_FROM_UNIONS,
        subject="transfer",
        quantity=QUANTITY,
        unit=words.SHARE,
        norm="l2",
        reading=READING,
        x_label=words.EPS,
        instances=_trained_rows,
        measure=_trained,
        norms=("l2",),
    ),
)
