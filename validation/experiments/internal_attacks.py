"""Attacks on a classifier within exact internal balls, and other images at distance 0."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from robust_theory.transport import internal, internal_bounds
from validation.experiment import (
    Experiment,
    Instance,
    Json,
    Measurement,
    Options,
    Result,
    Unit,
)
from validation.experiments import internal_defences, internal_tables, pipeline
from validation.experiments.internal import SOLVER, by_linear_program
from validation.verdict import Evidence

# Radii sum over the entries of a patch.
SIZES: Mapping[str, Mapping[str, Json]] = {
    "quick": {"images": 20, "radii": [0.05, 0.1, 0.2], "epochs": 6, "critic": 40},
    "full": {"images": 50, "radii": [0.05, 0.1, 0.2, 0.4], "epochs": 12, "critic": 400},
    "large": {"images": 12, "radii": [0.5, 2], "epochs": 1, "critic": 40},
}
SECONDS = {"quick": 0, "full": 120, "large": 60}
DECIMALS = 4  # of the images of the rows, as they are printed


def _size(options: Options) -> str:
    """That of the digits' suite; other images are larger, and so are their patches."""
    return options.suite if options.data == "digits" else "large"


def _sizes(options: Options) -> dict[str, Json]:
    small = options.data == "digits"
    kind = {"patch": 3, "network": "cnn"} if small else {"patch": 7, "network": "strided"}
    return {**kind, **SIZES[_size(options)]}


def _unit(options: Options) -> Unit:
    return Unit(
        f"{pipeline.data_name(options)}/internal-attacks",
        "validation.experiments.internal_balls:attack",
        {**pipeline.source(options), **_sizes(options)},
        accelerated=True,
        cost=SECONDS[_size(options)],
    )


def _pair(which: str) -> Callable[..., Measurement]:
    """The distance of the first image from another one, by a linear program."""

    def measure(
        parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
    ) -> Measurement:
        (found,) = inputs.values()
        x, y = (
            np.round(found.arrays[name].astype(np.float64), DECIMALS).tolist()
            for name in ("original", which)
        )
        patch = parameters["patch"]
        value = by_linear_program(x, y, patch)
        seen = Evidence(value, value - SOLVER, value + SOLVER, "exact", "linear program")
        arguments = {"x": x, "y": y, "patch": patch}
        if which == "pgd_image":
            arguments["norm"] = "linf"
        return Measurement(arguments, seen)

    return measure


def _instances(words: str) -> Callable[[Options], tuple[Instance, ...]]:
    def instances(options: Options) -> tuple[Instance, ...]:
        name = f"{pipeline.data_name(options)}-{words}"
        # Beyond some hundred patches the linear program takes minutes.
        skipped = "" if options.data == "digits" else "too many patches for the linear program"
        patch = _sizes(options)["patch"]
        return (Instance(name, {"patch": patch}, (_unit(options),), skipped),)

    return instances


def _table_units(options: Options) -> tuple[Unit, ...]:
    unit = _unit(options)
    return (
        Unit(
            f"{pipeline.data_name(options)}/internal-attack-table",
            "validation.experiments.internal_balls:table",
            {"data": pipeline.data_name(options), **_sizes(options)},
            (unit,),
        ),
        *internal_tables.table_units(options),
        *internal_defences.table_units(options),
    )


_ZERO = Experiment(
    name="internal-distance-of-shifted-images",
    claim=internal.INTERNAL_WASSERSTEIN,
    subject="internal",
    quantity="internal Wasserstein distance",
    unit="l1 distance of patches",
    norm="l1",
    reading="Each bar encloses the distance of an image from its shift by a pixel, which is 0 "
    "although the classifier's answers change; the mark must be inside.",
    x_label="l1 distance of patches",
    instances=_instances("shifted"),
    measure=_pair("moved"),
    resolution=1e-5,
    tables=_table_units,
)
EXPERIMENTS: tuple[Experiment, ...] = (
    _ZERO,
    replace(
        _ZERO,
        name="internal-distance-of-attacked-images",
        claim=internal_bounds.INTERNAL_WASSERSTEIN_BOUND,
        subject="internal_bounds",
        reading="Each bar encloses the internal distance that an attack in another norm reaches; "
        "it must not end above the mark, a constant times that norm.",
        instances=_instances("pgd"),
        measure=_pair("pgd_image"),
        tables=lambda options: (),
    ),
)
