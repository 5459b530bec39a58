"""Units that many rows share: a generator, classifiers, class counts and attack radii.

The classifier under test is the double-precision copy of what training left; its classes are
those of argmax f(g(z)), never the true labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from validation.experiment import Json, Options, Progress, Result, Unit

if TYPE_CHECKING:
    from torch import nn

NETWORKS = ("linear", "mlp", "cnn")


def data_name(options: Options) -> str:
    """The data set as rows and units call it."""
    return Path(options.data).stem


def units(options: Options, network: str) -> tuple[Unit, ...]:
    """The class counts and the attack radii of one classifier, and what they need."""
    name = data_name(options)
    full = options.suite == "full"
    source = {"data": options.data, "data_dir": options.data_dir, "device": options.device}
    generator = Unit(
        f"{name}/generator",
        "validation.experiments.pipeline:train_generator",
        {**source, "epochs": 200 if full else 60},
        accelerated=True,
    )
    classifier = Unit(
        f"{name}/classifier-{network}",
        "validation.experiments.pipeline:train_classifier",
        {**source, "network": network, "epochs": 60 if full else 30},
        accelerated=True,
    )
    networks = {**source, "network": network}
    counts = Unit(
        f"{name}/class-counts-{network}",
        "validation.experiments.pipeline:count_classes",
        {**networks, "n": 1_000_000 if full else 200_000},
        (generator, classifier),
    )
    radii = Unit(
        f"{name}/latent-radii-{network}",
        "validation.experiments.pipeline:attack_latent",
        {**networks, "n": 10_000 if full else 2_000},
        (generator, classifier),
        accelerated=True,
    )
    return counts, radii


def train_generator(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Train the variational autoencoder whose decoder generates the data."""
    from empirical import data, networks, train

    dataset = data.load(parameters["data"], parameters["data_dir"])
    network = networks.build("vae", dataset.shape, dataset.classes, seed)
    assert isinstance(network, networks.Autoencoder)
    record = train.train_vae(
        network,
        dataset,
        epochs=parameters["epochs"],
        seed=seed,
        device=parameters["device"],
        progress=progress,
    )
    return Result({"loss": record.loss, **_shape(dataset)}, networks.to_arrays(network))


def train_classifier(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Train one classifier on the training images."""
    from empirical import data, networks, train

    dataset = data.load(parameters["data"], parameters["data_dir"])
    network = networks.build(parameters["network"], dataset.shape, dataset.classes, seed)
    record = train.train_classifier(
        network,
        dataset,
        epochs=parameters["epochs"],
        seed=seed,
        device=parameters["device"],
        progress=progress,
    )
    values = {"accuracy": record.accuracy, "loss": record.loss, **_shape(dataset)}
    return Result(values, networks.to_arrays(network))


def count_classes(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Count how often each class occurs among generated images."""
    import torch

    classifier, generator, dimension, classes = _networks(parameters, inputs)
    rng = np.random.default_rng(seed)
    counts = np.zeros(classes, dtype=np.int64)
    n, block = parameters["n"], 10_000
    with torch.no_grad():
        for start in range(0, n, block):
            z = torch.from_numpy(rng.standard_normal((min(block, n - start), dimension)))
            labels = classifier(generator(z)).argmax(1).numpy()
            counts += np.bincount(labels, minlength=classes)
            progress((start + len(z)) / n, "counting classes")
    return Result({"n": n}, {"counts": counts})


def attack_latent(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Attack independent latent points; the radii are upper bounds, verified in float64."""
    from empirical.attacks.latent import latent_radius

    classifier, generator, dimension, _ = _networks(parameters, inputs)
    z = np.random.default_rng(seed).standard_normal((parameters["n"], dimension))
    found = latent_radius(
        classifier, generator, z, seed=seed, device=parameters["device"], progress=progress
    )
    return Result(
        {"censored": int(np.count_nonzero(np.isinf(found.radius)))}, {"radii": found.radius}
    )


def _networks(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result]
) -> tuple[nn.Module, nn.Module, int, int]:
    """Double-precision classifier and generator with the latent dimension and class count."""
    from empirical import networks

    trained = next(r for key, r in inputs.items() if "/classifier-" in key)
    decoded = next(r for key, r in inputs.items() if key.endswith("/generator"))
    shape, classes = tuple(trained.values["shape"]), trained.values["classes"]
    classifier = networks.build(parameters["network"], shape, classes, 0)
    networks.from_arrays(classifier, trained.arrays)
    encoder_decoder = networks.build("vae", shape, classes, 0)
    assert isinstance(encoder_decoder, networks.Autoencoder)
    networks.from_arrays(encoder_decoder, decoded.arrays)
    dimension = encoder_decoder.latent_dimension
    return classifier.double().eval(), encoder_decoder.decoder.double().eval(), dimension, classes


def _shape(dataset: object) -> dict[str, Json]:
    from empirical.data import Dataset

    assert isinstance(dataset, Dataset)
    return {"shape": list(dataset.shape), "classes": dataset.classes}
