"""Experiments on exact radii: one claim, one law of radii for each row, one statistic.

Exact radii can refute as well as confirm, whatever the claim.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from robust_theory.arguments import exact_rational
from robust_theory.claim import Claim, Interval
from validation.experiment import (
    Curve,
    Experiment,
    Instance,
    Json,
    Measurement,
    Options,
    Result,
)
from validation.experiments import radii as evidence
from validation.experiments.samplers import sample
from validation.verdict import Evidence

SAMPLES = {"quick": 100_000, "full": 1_000_000}

Statistic = Literal["share", "log share", "quantile", "mean"]


@dataclass(frozen=True)
class Case:
    """A row: the claim's arguments, and the law of the radii that they belong to.

    `lipschitz` bounds how fast the radius changes with the standard normal vector behind it; a
    mean needs it. `axis` names the argument that the plot of a share runs over.
    """

    name: str
    arguments: Mapping[str, Json]
    law: Mapping[str, Json]
    lipschitz: float = 1.0
    axis: str = "eps"


def instances(cases: tuple[Case, ...]) -> Callable[[Options], tuple[Instance, ...]]:
    """Rows with the sample size of the suite."""

    def of(options: Options) -> tuple[Instance, ...]:
        return tuple(instance(case, SAMPLES[options.suite]) for case in cases)

    return of


def instance(case: Case, n: int) -> Instance:
    """The row of `case` with `n` samples."""
    sampling = {"law": dict(case.law), "lipschitz": case.lipschitz, "axis": case.axis, "n": n}
    parameters = {**case.arguments, "sampling": sampling}
    return Instance(case.name, parameters)


def sampled(
    name: str,
    claim: Claim,
    subject: str,
    statistic: Statistic,
    cases: tuple[Case, ...],
    *,
    quantity: str,
    reading: str,
    unit: str,
    norm: str = "l2",
    x_label: str = "",
    resolution: float = math.inf,
) -> Experiment:
    """The experiment that measures `statistic` of exact radii in each case."""

    def measure(
        parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
    ) -> Measurement:
        arguments = {key: value for key, value in parameters.items() if key != "sampling"}
        sampling = parameters["sampling"]
        radii = sample(sampling["law"], sampling["n"], seed)
        if statistic == "quantile":
            return Measurement(
                arguments, evidence.quantile(radii, float(parameters["q"]), alpha, "exact")
            )
        if statistic == "mean":
            seen = evidence.mean(radii, alpha, "exact", sampling["lipschitz"])
            return Measurement(arguments, seen)
        eps = float(exact_rational(parameters[sampling["axis"]]))
        if statistic == "log share":
            return Measurement(arguments, evidence.log_share_beyond(radii, eps, alpha))
        return Measurement(
            arguments,
            evidence.share_within(radii, eps, alpha, "exact"),
            curve=_curve(claim, sampling["axis"], arguments, radii, eps, alpha),
        )

    return Experiment(
        name=name,
        claim=claim,
        subject=subject,
        quantity=quantity,
        unit=unit,
        norm=norm,
        reading=reading,
        x_label=x_label or unit,
        instances=instances(cases),
        measure=measure,
        resolution=resolution,
    )


def _curve(
    claim: Claim,
    axis: str,
    arguments: Mapping[str, Json],
    radii: np.ndarray,
    eps: float,
    alpha: float,
) -> Curve:
    grid = evidence.grid_to(2 * eps)
    observed, lo, hi = evidence.distribution(radii, grid, alpha)
    theory = [_at(claim, {**arguments, axis: float(x)}) for x in grid]
    columns = (grid, theory, observed, lo, hi)
    x, y, seen, low, high = (tuple(float(v) for v in column) for column in columns)
    return Curve(label="", x=x, theory=y, observed=seen, lo=low, hi=high)


def _at(claim: Claim, arguments: Mapping[str, Json]) -> float:
    """The claim's value, or 0 where its hypotheses leave nothing to claim."""
    return 0.0 if claim.broken_hypotheses(**arguments) else float(claim.value(**arguments))


@dataclass(frozen=True)
class Number:
    """A row about a number that mathematics gives exactly: no sampling, an enclosure."""

    name: str
    arguments: Mapping[str, Json]


def computed(
    name: str,
    claim: Claim,
    subject: str,
    enclosure: Callable[..., Interval],
    rows: tuple[Number, ...],
    *,
    quantity: str,
    reading: str,
    unit: str,
    method: str,
) -> Experiment:
    """The experiment that compares a claim with an independent enclosure of its quantity."""

    def measure(
        parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
    ) -> Measurement:
        exact = enclosure(**parameters)
        seen = Evidence((exact.lo + exact.hi) / 2, exact.lo, exact.hi, "exact", method)
        return Measurement(dict(parameters), seen)

    return Experiment(
        name=name,
        claim=claim,
        subject=subject,
        quantity=quantity,
        unit=unit,
        norm="",
        reading=reading,
        x_label=unit,
        instances=lambda options: tuple(Instance(row.name, dict(row.arguments)) for row in rows),
        measure=measure,
    )
