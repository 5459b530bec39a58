"""Units that train a generator or a classifier, and the networks read back from their results.

What is read back is the double-precision copy of what training left.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from validation.experiment import Json, Progress, Result

if TYPE_CHECKING:
    from torch import nn

    from empirical.data import Dataset
    from empirical.generators import Adversarial, Autoencoder


def train_generator(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Train the network whose decoder generates the data."""
    from empirical import data, train
    from empirical.generators import Autoencoder
    from empirical.networks import to_arrays

    dataset = data.load(parameters["data"], parameters["data_dir"])
    kind, dimension = parameters["generator"], parameters["latent_dimension"]
    network = _generative(kind, dataset.shape, dimension, seed)
    how = {
        "epochs": parameters["epochs"],
        "seed": seed,
        "device": parameters["device"],
        "progress": progress,
    }
    if isinstance(network, Autoencoder):
        record = train.train_vae(network, dataset, **how)
    else:
        record = train.train_dcgan(network, dataset, **how)
    values = {"loss": record.loss, "latent_dimension": dimension, "generator": kind}
    return Result({**values, **_shape(dataset)}, to_arrays(network))


def train_classifier(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Train one classifier on the training images."""
    from empirical import data, train
    from empirical.networks import build, to_arrays

    dataset = data.load(parameters["data"], parameters["data_dir"])
    network = build(parameters["network"], dataset.shape, dataset.classes, seed)
    record = train.train_classifier(
        network,
        dataset,
        epochs=parameters["epochs"],
        seed=seed,
        device=parameters["device"],
        progress=progress,
    )
    values = {
        "network": parameters["network"],
        "accuracy": record.accuracy,
        "tested": len(dataset.test),
        "epochs": parameters["epochs"],
        "loss": record.loss,
        **_shape(dataset),
    }
    return Result(values, to_arrays(network))


def read_generator(inputs: Mapping[str, Result]) -> tuple[nn.Module, int]:
    """The double-precision generator and its latent dimension."""
    from empirical.networks import from_arrays

    trained = trained_generator(inputs)
    shape, dimension = tuple(trained.values["shape"]), trained.values["latent_dimension"]
    network = _generative(trained.values["generator"], shape, dimension, 0)
    from_arrays(network, trained.arrays)
    return network.decoder.double().eval(), dimension


def trained_generator(inputs: Mapping[str, Result]) -> Result:
    """What training the generator returned."""
    return next(r for key, r in inputs.items() if "/generator" in key)


def read_classifier(inputs: Mapping[str, Result], name: str) -> nn.Module:
    """The double-precision classifier of that name."""
    from empirical.networks import build, from_arrays

    trained = next(r for key, r in inputs.items() if key.endswith(f"/classifier-{name}"))
    network = build(name, tuple(trained.values["shape"]), trained.values["classes"], 0)
    return from_arrays(network, trained.arrays).double().eval()


def class_count(inputs: Mapping[str, Result]) -> int:
    """The number of classes of the data that the networks were trained on."""
    return int(next(r for r in inputs.values() if "classes" in r.values).values["classes"])


def _generative(
    kind: str, shape: tuple[int, int, int], dimension: int, seed: int
) -> Autoencoder | Adversarial:
    from empirical.generators import Adversarial, Autoencoder
    from empirical.networks import build

    network = build(kind, shape, 0, seed, latent_dimension=dimension)
    assert isinstance(network, Autoencoder | Adversarial)
    return network


def _shape(dataset: Dataset) -> dict[str, Json]:
    return {"shape": list(dataset.shape), "classes": dataset.classes}
