"""Experiments whose rows are sets of parameters, the same whatever the user asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping

from robust_theory.claim import Claim
from validation.experiment import Experiment, Instance, Json, Measure, Options


def with_rows(
    name: str,
    claim: Claim,
    subject: str,
    measure: Measure,
    rows: Mapping[str, Mapping[str, Json]],
    reading: str,
    resolution: float = math.inf,
    *,
    quantity: str,
    unit: str,
    norm: str = "",
) -> Experiment:
    """An experiment with a row for each name in `rows`; other arguments are those of `Experiment`.

    The horizontal axis of its plots is named by the unit.
    """

    def instances(options: Options) -> tuple[Instance, ...]:
        return tuple(Instance(row, dict(parameters)) for row, parameters in rows.items())

    return Experiment(
        name=name,
        claim=claim,
        subject=subject,
        quantity=quantity,
        unit=unit,
        norm=norm,
        reading=reading,
        x_label=unit,
        instances=instances,
        measure=measure,
        resolution=resolution,
    )
