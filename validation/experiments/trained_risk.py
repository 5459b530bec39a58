"""Trained networks against the limit of the very images that they are measured on.

The risk of a network is enclosed: an attack shows images on which it errs, a certificate images on
which it does not. Either end may contradict or confirm what no classifier can escape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from robust_theory.arguments import exact_rational
from robust_theory.risks.multiclass import optimal_risks_multiclass
from robust_theory.risks.set_cover import CONFLICT_SETS
from validation.experiment import (
    Curve,
    Experiment,
    Instance,
    Json,
    Measurement,
    Options,
    Progress,
    Result,
    Unit,
)
from validation.experiments import classifiers, own_data, pipeline, trained_networks

if TYPE_CHECKING:
    from torch import nn

GRID = 41  # of the curves


def _trained_rows(options: Options) -> tuple[Instance, ...]:
    budgets = own_data.budgets(options)
    last = str(max(map(exact_rational, budgets)) * Fraction(5, 4))
    curve = classifiers.unit(
        options, f"limit-curve-{options.norm}", "trained_risk:limit_curve", last=last
    )
    return tuple(
        Instance(
            classifiers.row_name(options, network, eps),
            {"network": network, "norm": options.norm, "eps": eps},
            (
                classifiers.limit_unit(options, eps),
                curve,
                _attack_unit(options, network),
            ),
            pipeline.left_out(options, network),
        )
        for network in pipeline.networks(options)
        for eps in budgets
    )


def _attack_unit(options: Options, network: str) -> Unit:
    name = f"error-radii-{options.norm}-{network}"
    bare = classifiers.unit(options, name, "trained_risk:attack", network=network)
    cost = 10.0 if options.suite == "full" else 0.0
    needs = (pipeline.classifier_unit(options, network),)
    return replace(bare, needs=needs, accelerated=True, cost=cost)


def limit_curve(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """The limit over eps, from conflicts of two points."""
    points = own_data.load(parameters)
    last = exact_rational(parameters["last"])
    grid = [last * k / (GRID - 1) for k in range(GRID)]
    bounds = optimal_risks_multiclass(
        points.X, points.y, grid, parameters["norm"], scale=points.scale
    )
    return Result(
        arrays={"eps": np.array([float(e) for e in grid]), "limit": classifiers.doubles(bounds)}
    )


def attack(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Distances to the nearest error: one at which it was seen, one within which there is none.

    0 and -1 for an image that is wrong by itself. Perturbed images keep values in [0, 1].
    """
    import torch

    from empirical.attacks.errors import error_distance

    points, norm = own_data.load(parameters), parameters["norm"]
    classifier = trained_networks.read_classifier(inputs, parameters["network"])
    (trained,) = inputs.values()
    images = (points.X / points.scale).reshape(len(points.X), *trained.values["shape"])
    device = parameters["device"]
    moved = classifier.to(device)
    seen = error_distance(moved, images, points.y, norm, device=device, progress=progress)
    seen *= 1 + classifiers.ROUNDING  # more than a norm in double precision can lose
    with torch.no_grad():
        parts = torch.split(torch.from_numpy(images), 500)
        logits = torch.cat([moved(part.to(device)).cpu() for part in parts]).numpy()
    classifier.cpu()
    right = logits.argmax(axis=1) == points.y
    proved = margins(classifier, logits, points.y)
    if norm == "linf":
        proved /= np.sqrt(images[0].size) * (1 + classifiers.ROUNDING)
    return Result(
        {"wrong": int(np.count_nonzero(~right))},
        {"seen": np.where(right, seen, 0), "proved": np.where(right, proved, -1)},
    )


def margins(classifier: nn.Module, logits: np.ndarray, label: np.ndarray) -> np.ndarray:
    """L2 distances within which the decision is proved not to change.

    The lead of the decision over another class, by the Lipschitz constant of their difference: the
    norm of the difference of their rows of the last layer times the constants of all others. 0
    where no constant is known.
    """
    import torch

    from empirical.spectral import lipschitz_bound

    parts = list(classifier.children())
    rows, room = np.arange(len(logits)), classifiers.ROUNDING * (1 + np.abs(logits).max())
    lead = logits[rows, label][:, None] - logits - room
    lead[rows, label] = np.inf
    try:
        if isinstance(classifier, torch.nn.Sequential) and isinstance(parts[-1], torch.nn.Linear):
            weight = parts[-1].weight.detach().numpy()
            constant = lipschitz_bound(torch.nn.Sequential(*parts[:-1]))
            length = np.linalg.norm(weight[label][:, None] - weight, axis=2) * constant
        else:
            length = np.full(lead.shape, np.sqrt(2) * lipschitz_bound(classifier))
    except ValueError:
        return np.zeros(len(logits))
    with np.errstate(divide="ignore", invalid="ignore"):
        radius = (lead / (length * (1 + classifiers.ROUNDING))).min(axis=1)
    return np.asarray(np.fmax(0.0, radius))


def _trained(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    limit, curve, radii = inputs.values()
    seen, proved = radii.arrays["seen"], radii.arrays["proved"]
    eps = float(exact_rational(parameters["eps"]))
    grid = curve.arrays["eps"]
    columns = (grid, curve.arrays["limit"], _shares(seen, grid), _shares(proved, grid))
    x, y, low, high = (tuple(map(float, column)) for column in columns)
    return classifiers.against(
        limit,
        float(np.mean(seen <= eps)),
        float(np.mean(proved <= eps)),
        "attack below, Lipschitz certificate above, on the same images",
        Curve(f"{parameters['network']} ({parameters['norm']})", x, y, low, low, high),
    )


def _shares(radii: np.ndarray, grid: np.ndarray) -> np.ndarray:
    return np.searchsorted(np.sort(radii), grid, "right") / radii.size


EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment(
        name="sample-risk-of-trained-networks",
        claim=CONFLICT_SETS,
        subject="set_cover",
        quantity="adversarial risk",
        unit="probability",
        norm="",
        reading="The line is the share of images on which an attack finds an error within eps, the "
        "band reaches up to the share without a certificate; no classifier gets into the shaded "
        "region below the broken line, its limit from conflicts of two images.",
        x_label="eps, distance between images",
        instances=_trained_rows,
        measure=_trained,
    ),
)
