"""Smoothed networks and their noise, made again from what units stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from robust_theory.wasserstein.resistance import edge_variances
from validation.experiment import Json, Result

if TYPE_CHECKING:
    from torch import nn

    from empirical.data import Dataset
    from empirical.noise import Noise


def noise_of(kind: str, sigma: float, shape: tuple[int, int]) -> Noise:
    """The noise of that name."""
    from empirical import noise

    if kind == "gaussian":
        return noise.gaussian_flow(shape, sigma, edge_variances(shape).variances)
    makers: dict[str, Callable[[tuple[int, int], float], Noise]] = {
        "laplace": noise.laplace_flow,
        "uniform": noise.uniform_flow,
        "pixel": noise.laplace_pixels,
    }
    return makers[kind](shape, sigma)


def noise_from(made: Result) -> Noise:
    """The noise that a network was trained with."""
    from empirical.noise import gaussian_noise

    shape = made.values["shape"][1], made.values["shape"][2]
    if made.values["noise"] == "fitted":
        return gaussian_noise(shape, made.arrays["covariance"])
    return noise_of(made.values["noise"], made.values["sigma"], shape)


def network_of(made: Result) -> nn.Module:
    """The network of a result of `smoothing_training`'s `train`, `fit` or `choose`."""
    from empirical.networks import build, from_arrays

    c, h, w = made.values["shape"]
    network = build(made.values["architecture"], (c, h, w), made.values["classes"], 0)
    weights = {k: v for k, v in made.arrays.items() if k != "covariance"}
    return from_arrays(network, weights).eval()


def held_out(parameters: Mapping[str, Json], dataset: Dataset) -> np.ndarray:
    """Indices of the training images that no network is trained on."""
    return dataset.train[-parameters["size"]["held"] :]


def dataset_of(parameters: Mapping[str, Json]) -> Dataset:
    """The data that a unit is about."""
    from empirical import data

    return data.load(parameters["data"], parameters["data_dir"])
