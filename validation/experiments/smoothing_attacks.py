"""The growing Wasserstein attack on smoothed networks and on other defences."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from robust_theory.wasserstein.grid import grid_wasserstein
from validation.experiment import Json, Progress, Result
from validation.experiments.smoothing_networks import dataset_of, network_of, noise_from
from validation.experiments.smoothing_plan import ALPHA

if TYPE_CHECKING:
    from torch import nn

    from empirical.data import Dataset


def attack(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Attack test images in a growing W1 ball (l2 ground metric), and measure what was found.

    Distances are exact, of the images themselves, and rounded up. Votes at found images are new.
    """
    from empirical.attacks import smoothed, wasserstein
    from empirical.smoothing import certification_votes

    dataset = dataset_of(parameters)
    size, growth, device = parameters["size"], parameters["size"]["growth"], parameters["device"]
    indices = dataset.test[: size["attacked"]]
    clean, labels = dataset.images[indices], dataset.labels[indices]
    totals = clean.sum((1, 2, 3), dtype=np.float64)
    radii = growth["first"] * growth["factor"] ** (
        np.arange(growth["steps"]) // growth["every"]
    ).astype(float)
    if parameters["kind"] == "smoothed":
        made = inputs[parameters["network"]]
        network, noise = network_of(made), noise_from(made)
        slope = smoothed.smoothed_slope(network, noise, totals, seed=seed)
        fooled = smoothed.smoothed_fooled(
            network, noise, totals, dataset.classes, votes=size["votes"], alpha=ALPHA, seed=seed
        )
    else:
        network, noise = _defended(parameters, dataset, seed), None
        slope = smoothed.plain_slope(network, totals)
        fooled = smoothed.plain_fooled(network, totals)
    found = wasserstein.wasserstein_attack(
        slope, fooled, clean, labels, radii, reach=size["reach"], progress=progress
    )
    distances = np.array(
        [
            _distance(x, y) if hit else math.inf
            for x, y, hit in zip(clean, found.images, found.found, strict=True)
        ]
    )
    arrays = {
        "distances": np.where(found.steps == 0, np.where(found.found, 0.0, math.inf), distances),
        "balls": found.radius,
        "labels": labels,
    }
    if noise is not None:
        shown = (found.images * totals[:, None, None, None]).astype(np.float32)
        for which, images in (("clean", clean), ("found", shown)):
            votes = certification_votes(
                network,
                noise,
                images,
                dataset.classes,
                pilot=size["pilot"],
                votes=size["votes"],
                seed=seed + (1 if which == "clean" else 2),
                device=device,
            )
            arrays |= {f"{which}_pilot": votes.pilot, f"{which}_votes": votes.votes}
    values = {"kind": parameters["kind"], "shape": list(dataset.shape)}
    if noise is not None:
        values |= {
            "network": parameters["network"],
            "noise": made.values["noise"],
            "sigma": made.values["sigma"],
        }
    return Result(values, arrays)


def _defended(parameters: Mapping[str, Json], dataset: Dataset, seed: int) -> nn.Module:
    from empirical.defences import Binarised, linf_change, unchanged, wasserstein_change
    from empirical.networks import build
    from empirical.noise_training import Change, train_on_changes

    kind, size = parameters["kind"], parameters["size"]
    network = build(size["network"], dataset.shape, dataset.classes, seed)
    if kind == "binarised":
        network = Binarised(network)
    change: Change = unchanged
    if kind == "adversarially trained":
        change = wasserstein_change(network, 0.5)
    elif kind == "l-infinity robust":
        change = linf_change(network, 0.1)
    indices = dataset.train[: size["defended_on"]]  # attacks are dear
    epochs, batch = max(1, size["epochs"] // 2), size["defence_batch"]
    train_on_changes(
        network, dataset, change, indices=indices, epochs=epochs, batch=batch, seed=seed
    )
    return network


def _distance(clean: np.ndarray, found: np.ndarray) -> float:
    """W1 of the images divided by their totals, l2 ground metric, rounded up."""
    x, y = (np.moveaxis(np.asarray(a, np.float64), 0, -1) for a in (clean, found))
    x, y = (a[..., 0] if a.shape[2] == 1 else a for a in (x, y))
    return float(grid_wasserstein(x, y, "l2", normalise=True).upper)
