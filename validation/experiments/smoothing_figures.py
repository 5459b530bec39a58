"""Figures 5 to 7 of levine2020: smoothed networks and other defences under attack."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from robust_theory.wasserstein.covariance import gaussian_smoothing_radius
from robust_theory.wasserstein.smoothing import smoothing_radius
from robust_theory.wasserstein.votes import lower_limit, upper_limit
from validation.experiment import Json, Options, Progress, Result, Unit
from validation.experiments import pipeline, smoothing_plan, smoothing_units
from validation.experiments.cells import LEVEL, share_cell, skipped_cell
from validation.experiments.smoothing_plan import ALPHA, DEFENCES

BROKEN = 1e-3
EMPIRICAL_RADII = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2)


def units(options: Options) -> tuple[Unit, ...]:
    """The figures as one table, which needs every attack that is not left out."""
    rows: list[list[Json]] = []
    needs: list[Unit] = []
    if not smoothing_plan.is_colour(options) or options.suite == "quick":
        for kind in DEFENCES:
            unit = smoothing_units.defence_unit(options, kind)
            rows.append([kind, unit.key])
            needs.append(unit)
    else:
        rows += [[kind, smoothing_plan.defence_hours(kind)] for kind in DEFENCES[:2]]
    for network in smoothing_plan.attacked(options):
        hours = smoothing_plan.hours_left_out(options, attack=True)
        title = f"smoothed, {network[0]}"
        if hours:
            rows.append([title, hours])
            continue
        unit = smoothing_units.attack_unit(options, *network)
        rows.append([title, unit.key])
        needs += [unit, smoothing_units.classifier(options, *network)]
    data = pipeline.data_name(options)
    return (
        Unit(
            f"{data}/wasserstein-attacks",
            "validation.experiments.smoothing_figures:figures",
            {
                "data": smoothing_plan.words(data),
                "rows": rows,
                "numbers": "Figure 6" if smoothing_plan.is_colour(options) else "Figures 5 and 7",
                "growth": smoothing_plan.size(options)["growth"],
                "images": smoothing_plan.size(options)["attacked"],
            },
            tuple(needs),
        ),
    )


def figures(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """The paper's figures: accuracy under the growing attack, radii measured exactly."""
    rows: list[list[Json]] = []
    for title, key in parameters["rows"]:
        if not isinstance(key, str):
            rows.append([title, *[skipped_cell(key)] * len(EMPIRICAL_RADII), None, None, None])
            continue
        distances = inputs[key].arrays["distances"]
        shares = [float((distances > r).mean()) for r in EMPIRICAL_RADII]
        rows.append([title, *shares, *broken_certificates(inputs, key)])
    growth, many = parameters["growth"], parameters["images"]
    return Result(
        {
            "title": f"{parameters['numbers']} of levine2020, on {parameters['data']}: "
            "accuracy under attack",
            "columns": (
                "network",
                *(f"W1 {r:g}" for r in EMPIRICAL_RADII),
                "certified images",
                "broken certificates",
                "broken ones that chance allows",
            ),
            "rows": rows,
            "note": f"{many} test images. Share for which the attack found no wrong answer within "
            "that exact W1 distance (l2 ground metric, images of mass 1); half of so many images "
            f"is {share_cell(np.arange(many) % 2)} % with its limits at level {LEVEL}. "
            f"{growth['steps']} steps; the ball starts at {growth['first']:g} and grows by a "
            f"factor {growth['factor']:g} every {growth['every']} steps. Smoothed networks: slopes "
            "from 128 samples of the softmax, answers by hard votes after every step, abstention "
            "counts as wrong. An attack bounds robustness from above only. A certificate of level "
            f"{ALPHA} (sharp form) is broken by an image within its radius at which new votes "
            f"show the class below 1/2, at level {BROKEN}; chance allows so many with "
            f"probability 1 - {BROKEN}. The paper prints its curves without numbers.",
        }
    )


def broken_certificates(
    inputs: Mapping[str, Result], key: str
) -> tuple[int | None, int | None, int | None]:
    """Certified images of a smoothed network, those with a broken certificate, and how many may."""
    from scipy.special import bdtrc

    found, values = inputs[key].arrays, inputs[key].values
    if values["kind"] != "smoothed":
        return None, None, None
    shape = tuple(values["shape"][1:])
    _, distances = verified(found, BROKEN)
    lower, _ = verified(found, ALPHA)
    if values["noise"] == "fitted":
        made = inputs[values["network"]]
        radii = gaussian_smoothing_radius(lower, made.arrays["covariance"], shape)
    else:
        radii = smoothing_radius(lower, values["sigma"], noise=values["noise"], shape=shape)
    certified = int((radii > 0).sum())
    broken = int(((distances <= radii) & (radii > 0)).sum())
    allowed = next(k for k in range(certified + 1) if bdtrc(k, certified, ALPHA) <= BROKEN)
    return certified, broken, allowed


def verified(found: Mapping[str, np.ndarray], level: float) -> tuple[np.ndarray, np.ndarray]:
    """Lower limits on the scores of the pilots' classes, distances where they provably lost them.

    Infinite where no image was found, or votes there do not show the class below 1/2.
    """
    label = found["clean_pilot"].argmax(1)
    n = found["clean_votes"].sum(1)
    lower, distances = [], []
    for i, y in enumerate(label):
        lower.append(lower_limit(int(found["clean_votes"][i, y]), int(n[i]), level))
        there = upper_limit(int(found["found_votes"][i, y]), int(n[i]), level)
        distances.append(found["distances"][i] if there < 0.5 else math.inf)
    return np.array(lower), np.array(distances)
