"""Smoothed networks under attack, against their certificates; levine2020's tables and figures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from robust_theory.wasserstein.smoothing import Form, smoothing_radius
from robust_theory.wasserstein.smoothing_claims import L2_AWARE_RADIUS, LAPLACE_PAPER_RADIUS
from validation.experiment import (
    Experiment,
    Instance,
    Json,
    Measure,
    Measurement,
    Options,
    Result,
    Unit,
)
from validation.experiments import (
    pipeline,
    smoothing_certificates,
    smoothing_figures,
    smoothing_plan,
    smoothing_tables,
    smoothing_units,
)
from validation.experiments.smoothing_figures import verified
from validation.verdict import Evidence


def _attacked(options: Options) -> tuple[Instance, ...]:
    network = ("laplace", smoothing_plan.best_sigma(options), 0)
    title = f"{pipeline.data_name(options)}-{smoothing_units.name(*network)}"
    parameters = {"sigma": network[1]}
    hours = smoothing_plan.hours_left_out(options, attack=True)
    if hours:
        why = f"the attack through a residual network takes about {hours:.0f} hours on a CPU"
        return (Instance(title, parameters, skipped=why),)
    return (Instance(title, parameters, (smoothing_units.attack_unit(options, *network),)),)


def _nearest(form: Form) -> Measure:
    """The verified adversarial image that comes nearest to its certificate.

    The limits on the scores at all images, and the verification of all adversarial ones, hold
    together: each has an equal share of the row's alpha.
    """

    def measure(
        parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
    ) -> Measurement:
        (result,) = inputs.values()
        found, sigma, shape = result.arrays, parameters["sigma"], result.values["shape"][1:]
        m = len(found["distances"])
        lower, distances = verified(found, alpha / (2 * m))
        radii = smoothing_radius(lower, sigma, noise="laplace", form=form, shape=shape)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(radii > 0, distances / radii, math.inf)
        i = int(np.argmin(ratio))
        if not radii.any():
            raise ValueError("no attacked image has a certificate at this error level")
        if not np.isfinite(ratio[i]):
            i = int(np.argmax(radii))
        return Measurement(
            {"p": float(lower[i]), "sigma": sigma, "shape": shape},
            Evidence(
                value=float(distances[i]),
                lo=float(distances[i]),
                hi=float(distances[i]),
                side="upper",
                method="attack through the expected softmax; exact W1; both ends by votes",
                n=m,
                censored=int(np.isinf(distances).sum()),
                alpha=alpha,
            ),
        )

    return measure


def _tables(options: Options) -> tuple[Unit, ...]:
    return (smoothing_tables.table_unit(options), *smoothing_certificates.units(options))


_SMOOTHED = Experiment(
    name="smoothed-networks-under-attack",
    claim=L2_AWARE_RADIUS,
    subject="smoothing",
    quantity="least W1 of a verified adversarial image",
    unit="W1 (l2 ground metric)",
    norm="",
    reading="Each bar is the exact distance of the verified adversarial image that comes nearest "
    "to its certificate; it must not end below the mark of the theory.",
    x_label="W1 (l2 ground metric)",
    instances=_attacked,
    measure=_nearest("sharp"),
    tables=_tables,
)
EXPERIMENTS: tuple[Experiment, ...] = (
    _SMOOTHED,
    replace(
        _SMOOTHED,
        name="smoothed-networks-and-other-defences",
        claim=LAPLACE_PAPER_RADIUS,
        measure=_nearest("paper"),
        tables=smoothing_figures.units,
    ),
)
