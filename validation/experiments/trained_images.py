"""Theorems 4 and 5 of fawzi2018 on trained networks, and the paper's Table 1 in its layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from empirical.estimate import quantile_interval, simultaneous_proportions
from robust_theory import image_radii, images, latent, measure_limits, models
from robust_theory.claim import Interval
from validation.experiment import (
    Experiment,
    Instance,
    Json,
    Measurement,
    Options,
    Progress,
    Result,
    Unit,
)
from validation.experiments import pipeline, words
from validation.experiments import radii as evidence

FAILURE = 0.05  # share of latent points at which the generator may move further; fixed beforehand
QUANTILE = 0.25  # of the paper's Table 1
GENERATORS = {"vae": "variational autoencoder", "dcgan": "DCGAN"}


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


# ------------------------------------------------------------------- the paper's table


def _table_units(options: Options) -> tuple[Unit, ...]:
    """One table for each generator of which the budget leaves something."""
    pipeline.check_l2(options)
    return tuple(
        _table_unit(options, generator, taken)
        for generator in pipeline.GENERATORS[options.suite]
        if (
            taken := [
                network
                for network in pipeline.networks(options)
                if not pipeline.left_out(options, network, generator)
            ]
        )
    )


def _table_unit(options: Options, generator: str, taken: list[str]) -> Unit:
    modulus = pipeline.modulus_unit(options, generator)
    needs: list[Unit] = [pipeline.generator_unit(options, generator), modulus]
    keys = {"generator": needs[0].key, "modulus": modulus.key}
    for network in taken:
        counts, radii = pipeline.units(options, network, generator)
        classifier = pipeline.classifier_unit(options, network)
        found = pipeline.image_unit(options, network, generator)
        needs += [classifier, counts, radii, found]
        keys |= {
            f"{network} classifier": classifier.key,
            f"{network} counts": counts.key,
            f"{network} radii": radii.key,
            f"{network} images": found.key,
        }
    name = pipeline.data_name(options)
    return Unit(
        f"{name}/table-1" + ("" if generator == "vae" else f"-{generator}"),
        "validation.experiments.trained_images:table",
        {
            "data": name,
            "generator": generator,
            "networks": list(pipeline.networks(options)),
            "taken": taken,
            "keys": keys,
        },
        tuple(needs),
    )


def table(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """The paper's Table 1: 25 % quantiles of normalised radii next to what theory allows."""
    name, networks, keys = (parameters[word] for word in ("data", "networks", "keys"))
    dimension = inputs[keys["generator"]].values["latent_dimension"]
    root = np.sqrt(dimension)
    error: list[float | None] = []
    measured: dict[str, list[float | None]] = {"z": [], "in": [], "out": []}
    limits, norms = [], []
    for network in networks:
        if network not in parameters["taken"]:
            for column in (error, *measured.values()):
                column.append(None)
            continue
        error.append(1 - inputs[keys[f"{network} classifier"]].values["accuracy"])
        radii = inputs[keys[f"{network} radii"]].arrays["radii"]
        found = inputs[keys[f"{network} images"]].arrays
        counts = inputs[keys[f"{network} counts"]].arrays["counts"]
        measured["z"].append(_quantile(radii) / root)
        measured["in"].append(_quantile(found["in_distribution"] / found["norms"]))
        measured["out"].append(_quantile(found["unconstrained"] / found["norms"]))
        limits.append(latent.fooling_quantile(counts, QUANTILE) / root)
        norms.append(float(np.mean(found["norms"])))
        classes = int(np.count_nonzero(counts))
    above = inputs[keys["modulus"]].arrays["above"]
    image_limit = float(np.quantile(above, 1 - FAILURE)) / float(np.mean(norms))
    ceiling = _simplex_quantile(classes) / root
    limit = max(limits)
    columns = (
        "",
        *networks,
        "upper bound",
        "realistic ceiling (simplex)",
        "best network / upper bound",
    )
    rows = [
        ["error rate", *error, None, None, None],
        ["radius in latent space", *measured["z"], limit, ceiling, _best(measured["z"]) / limit],
        [
            "radius in image space, in distribution",
            *measured["in"],
            image_limit,
            None,
            _best(measured["in"]) / image_limit,
        ],
        [
            "radius in image space, unconstrained",
            *measured["out"],
            image_limit,
            None,
            _best(measured["out"]) / image_limit,
        ],
    ]
    return Result(
        {
            "title": f"Table 1 of fawzi2018, on {name} generated by a "
            f"{GENERATORS[parameters['generator']]}: 25 % quantiles of normalised radii",
            "columns": columns,
            "rows": rows,
            "note": "l2 radii found by verified attacks (upper bounds on the true ones); in "
            f"latent space divided by sqrt({dimension}), in image space by the norm of the image. "
            "The upper bounds hold for every classifier with these class measures; in image "
            f"space, a bound proved at sampled points that all but {100 * FAILURE:g} % of them "
            "keep, without its sampling error. A dash: no such number, or left out by the budget.",
        }
    )


def _quantile(radii: np.ndarray) -> float:
    return float(np.sort(radii)[int(np.ceil(QUANTILE * radii.size)) - 1])


def _best(values: list[float | None]) -> float:
    return max(value for value in values if value is not None)


def _simplex_quantile(classes: int) -> float:
    from scipy.optimize import brentq

    survival = models.simplex(classes).survival
    return float(brentq(lambda eps: float(survival(eps)) - (1 - QUANTILE), 0, 10))


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
    tables=_table_units,
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
