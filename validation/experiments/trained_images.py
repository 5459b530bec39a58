"""Theorems 4 and 5 of fawzi2018 on trained networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from empirical.estimate import quantile_interval, simultaneous_proportions
from robust_theory.claim import Interval
from robust_theory.vulnerability import image_radii, images, measure_limits
from validation.experiment import (
    Experiment,
    Instance,
    Json,
    Measurement,
    Options,
    Result,
    Unit,
)
from validation.experiments import pipeline, trained_table, words
from validation.experiments import radii as evidence

FAILURE = 0.05  # share of latent points at which the generator may move further; fixed beforehand


def _units(options: Options, network: str, generator: str) -> tuple[Unit, ...]:
    counts, _ = pipeline.units(options, network, generator)
    return (
        counts,
        pipeline.image_unit(options, network, generator),
        pipeline.modulus_unit(options, generator),
    )


def _rows(options: Options, *variants: str) -> tuple[Instance, ...]:
    pipeline.check_l2(options)
    return tuple(
        Instance(
            f"{pipeline.case_name(options, network, generator)}-{variant}",
            {"network": network, "generator": generator, "modulus": variant},
            _units(options, network, generator),
            pipeline.left_out(options, network, generator),
        )
        for generator, network in pipeline.pairs(options)
        for variant in variants
        if generator == "vae" or variant == "everywhere"  # local bounds need narrow layers
    )


def _read(inputs: Mapping[str, Result]) -> tuple[np.ndarray, Result, Result]:
    """Class counts, image radii and modulus."""
    counts = next(r for r in inputs.values() if "counts" in r.arrays).arrays["counts"]
    found = next(r for r in inputs.values() if "in_distribution" in r.arrays)
    return counts, found, next(r for r in inputs.values() if "above" in r.arrays)


def _share(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    """P(r_X <= eps) at the eps that the modulus gives for t.

    "everywhere": the product of the layers' norms, which is proved for all latent points.
    "nearly-everywhere": proved bounds at sampled points; the level that all but `FAILURE` of all
    points keep is their quantile, with a limit that holds with its share of the row's alpha.
    """
    counts, found, modulus = _read(inputs)
    radii, t = found.arrays["in_distribution"], modulus.values["t"]
    part = alpha / 3  # class measures, radii, modulus
    lower, upper = simultaneous_proportions(counts, part)
    if parameters["modulus"] == "everywhere":
        eps, failure = modulus.values["lipschitz_from_above"] * t, 0.0
    else:
        eps = quantile_interval(modulus.arrays["above"], 1 - FAILURE, part).hi
        failure = FAILURE
    bound = Interval(*measure_limits.fooling_probability_limits(lower, upper, t))
    return Measurement(
        {
            "measures": [int(k) for k in counts],
            "eps": eps,
            "inverse_modulus": [eps / t, 1],
            "failure": failure,
        },
        evidence.share_within(radii, eps, part, "attack"),
        theory=Interval(max(0.0, bound.lo - failure), max(0.0, bound.hi - failure)),
    )


def _mean(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    """E r_X; r_X is Lipschitz in z with the constant of the generator."""
    counts, found, modulus = _read(inputs)
    constant = modulus.values["lipschitz_from_above"]
    lower, upper = simultaneous_proportions(counts, alpha / 2)
    bound = measure_limits.expected_radius_limits(lower, upper)
    seen = evidence.mean(found.arrays["in_distribution"], alpha / 2, "attack", constant)
    return Measurement(
        {"measures": [int(k) for k in counts], "modulus": [constant, 1]},
        seen,
        # L times a bound, rounded outwards by more than the product's rounding.
        theory=Interval(bound.lo * constant * (1 - 1e-15), bound.hi * constant * (1 + 1e-15)),
    )


_SHARE = Experiment(
    name="image-fooling-probability-of-trained-networks",
    claim=images.IMAGE_FOOLING_PROBABILITY,
    subject="images",
    quantity=words.WITHIN_IMAGE,
    unit=words.SHARE,
    norm="l2",
    reading="Each bar is the share of images that an attack along the generator changes within "
    "eps; it must not end below the mark of the theory.",
    x_label=words.SHARE,
    instances=lambda options: _rows(options, "everywhere", "nearly-everywhere"),
    measure=_share,
    tables=trained_table.table_units,
    norms=("l2",),
)
EXPERIMENTS: tuple[Experiment, ...] = (
    _SHARE,
    replace(
        _SHARE,
        name="image-expected-radius-of-trained-networks",
        claim=image_radii.IMAGE_EXPECTED_RADIUS,
        subject="image_radii",
        quantity="E r_X",
        unit=words.IMAGE,
        reading=words.RADIUS_BELOW,
        x_label=words.IMAGE,
        instances=lambda options: _rows(options, "everywhere"),
        measure=_mean,
        tables=lambda options: (),
    ),
)
