"""Networks trained with noise, and covariances fitted to them.

"fitted" is Gaussian noise whose covariance was made for the network of the round before; its scale
and its round are chosen on training images that no network was trained on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from robust_theory.wasserstein.resistance import edge_variances
from validation.experiment import Json, Progress, Result
from validation.experiments.smoothing_networks import (
    dataset_of,
    held_out,
    network_of,
    noise_from,
    noise_of,
)
from validation.experiments.smoothing_votes import fitted_radii, is_right, median, votes_on

if TYPE_CHECKING:
    from empirical.data import Dataset
    from empirical.noise import Noise


def train(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Train a network with noise, and measure it on training images that were held out."""
    dataset = dataset_of(parameters)
    shape = dataset.shape[1:]
    noise = noise_of(parameters["noise"], parameters["sigma"], shape)
    made = _trained(parameters, dataset, noise, seed, progress)
    scale = parameters["sigma"] / math.sqrt(edge_variances(shape).largest_resistance)
    values = {
        **made.values,
        "noise": parameters["noise"],
        "sigma": parameters["sigma"],
        "seed": parameters["seed"],
        "scale": scale if parameters["noise"] == "gaussian" else None,
    }
    return Result(values, made.arrays)


def fit(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Fit a covariance to the network of the round before, and train a network with it."""
    from empirical.noise import gaussian_noise
    from empirical.noise_training import margin_sensitivity
    from robust_theory.wasserstein.best_covariance import optimal_covariance

    dataset = dataset_of(parameters)
    shape = dataset.shape[1:]
    (before,) = inputs.values()
    images = dataset.train[: parameters["size"]["fitted_on"]]
    sensitivity = margin_sensitivity(
        network_of(before),
        noise_from(before),
        dataset.images[images],
        dataset.labels[images],
        seed=seed,
        device=parameters["device"],
    )
    unit = optimal_covariance(sensitivity, shape)
    flow = parameters["sigma"] / math.sqrt(edge_variances(shape).largest_resistance)
    scale = parameters["scale"] * flow
    covariance = scale**2 * unit.covariance
    noise = gaussian_noise(shape, covariance)
    made = _trained(parameters, dataset, noise, seed, progress)
    chosen_on = held_out(parameters, dataset)[: parameters["size"]["chosen_on"]]
    counts = votes_on(parameters, dataset, network_of(made), noise, chosen_on, "chosen_votes", seed)
    counts["labels"] = dataset.labels[chosen_on]
    radii = fitted_radii(counts, covariance, shape)
    values = {
        **made.values,
        "noise": "fitted",
        "sigma": parameters["sigma"],
        "scale": scale,
        "scale_over_flow": parameters["scale"],
        "round": parameters["round"],
        "excess_harm": unit.excess,
        "held_out_median": median(np.where(is_right(counts), radii, 0.0)),
    }
    return Result(values, {**made.arrays, "covariance": covariance})


def choose(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """The candidate of largest held-out median radius, among those as accurate as with Laplace.

    Accurate under noise on held-out training images; the most accurate where none is.
    """
    enough = inputs[parameters["compared"]].values["held_out_accuracy"]
    candidates = [inputs[key] for key in parameters["candidates"]]
    able = [c for c in candidates if c.values["held_out_accuracy"] >= enough]
    if able:
        best = max(able, key=lambda c: c.values["held_out_median"] or 0.0)
    else:
        best = max(candidates, key=lambda c: c.values["held_out_accuracy"])
    return Result({**best.values, "tried": [dict(c.values) for c in candidates]}, best.arrays)


def _trained(
    parameters: Mapping[str, Json], dataset: Dataset, noise: Noise, seed: int, progress: Progress
) -> Result:
    from empirical.networks import build, to_arrays
    from empirical.noise_training import train_with_noise
    from empirical.smoothing import correct_shares

    size, device = parameters["size"], parameters["device"]
    held = held_out(parameters, dataset)
    network = build(size["network"], dataset.shape, dataset.classes, seed)
    record = train_with_noise(
        network,
        dataset,
        noise,
        indices=dataset.train[: -len(held)],
        epochs=size["epochs"],
        seed=seed,
        device=device,
        augmented=size["augmented"],
        scale=_scale(dataset, noise) if size["scaled"] else 1.0,
        progress=progress,
    )

    def shares(indices: np.ndarray) -> np.ndarray:
        return correct_shares(
            network,
            noise,
            dataset.images[indices],
            dataset.labels[indices],
            draws=size["draws"],
            seed=seed,
            device=device,
        )

    tested = shares(dataset.test)
    values = {
        "architecture": size["network"],
        "shape": list(dataset.shape),
        "classes": dataset.classes,
        "loss": record.loss,
        "seconds": record.seconds,
        "base_accuracy": float(tested.mean()),
        # Images by the number of draws under which they are right.
        "base_right": np.bincount(
            np.rint(tested * size["draws"]).astype(int), minlength=size["draws"] + 1
        ).tolist(),
        "held_out_accuracy": float(shares(held).mean()),
    }
    return Result(values, to_arrays(network))


def _scale(dataset: Dataset, noise: Noise) -> float:
    """One over the size of a noised pixel, 1 for the image and the rest for the noise."""
    import torch

    draws = noise.draw(1_000, torch.Generator().manual_seed(0)).double()
    total = dataset.images[dataset.train[:1_000]].sum((1, 2, 3), dtype=np.float64).mean()
    return float(1 / math.sqrt(1 + float(draws.square().mean()) * total**2))
