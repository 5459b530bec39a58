"""Units that many rows share: a generator, classifiers, class counts and attack radii.

The classifier under test is the double-precision copy of what training left; its classes are
those of argmax f(g(z)), never the true labels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from robust_theory.vulnerability.latent import fooling_quantile
from validation.experiment import Json, Options, Progress, Result, Unit

if TYPE_CHECKING:
    from torch import nn

    from empirical.data import Dataset
    from empirical.networks import Adversarial, Autoencoder

# The paper's classifiers, which the full suite takes, and small ones for the quick suite.
NETWORKS = {"quick": ("linear", "mlp", "cnn"), "full": ("lenet", "resnet18", "resnet101")}
GENERATORS = {"quick": ("vae",), "full": ("vae", "dcgan")}
# Training, counting and attacking on images of 28x28, on one core.
CPU_HOURS = {"resnet18": 7, "resnet101": 30, "dcgan": 1.5}
# Processor seconds of the full suite's units with LeNet on 60,000 images of 28x28, on one core.
CPU_SECONDS = {
    "generator": 75,
    "classifier": 25,
    "class-counts": 40,
    "latent-radii": 40,
    "image-radii": 120,
    "modulus": 15,
    "exact-network": 16,
    "exact-network-radii": 18,
}
GENERATOR_EPOCHS = {"vae": {"quick": 60, "full": 10}, "dcgan": {"full": 25}}
LARGE = ("resnet18", "resnet101")
FILES = (".npz", ".parquet", "ubyte", "ubyte.gz")  # how the user's own files end
MODULUS_RADIUS = 0.25  # l2 in latent space, fixed before any generator was trained
LATENT_DIMENSION = {"quick": 16, "full": 100}


def networks(options: Options) -> tuple[str, ...]:
    """The classifiers of the suite."""
    return NETWORKS[options.suite]


def pairs(options: Options) -> tuple[tuple[str, str], ...]:
    """Every generator of the suite with every classifier."""
    return tuple(
        (generator, network)
        for generator in GENERATORS[options.suite]
        for network in networks(options)
    )


def left_out(options: Options, network: str, generator: str = "vae") -> str:
    """Why the budget leaves a classifier, or its attack through a generator, out; nothing when it
    does not.
    """
    for name in (network, generator):
        if name in CPU_HOURS and options.device == "cpu":
            return f"{name} takes about {CPU_HOURS[name]} hours on a CPU; add --device cuda"
    return ""


def hours(options: Options, network: str, generator: str = "vae") -> float:
    """What a classifier and its attack through a generator would take; 0 if not left out."""
    left = [CPU_HOURS.get(name, 0.0) for name in (network, generator)]
    return sum(left) if options.device == "cpu" else 0.0


def seconds(options: Options, what: str) -> float:
    """Expected cost of a unit; the small networks and images of other runs take a few seconds."""
    large = options.suite == "full" and options.data != "digits"
    return float(CPU_SECONDS[what]) if large else 0.0


def check_l2(options: Options) -> None:
    """Refuse norms that the Gaussian-latent experiments do not measure, with ValueError."""
    if options.norm != "l2":
        raise ValueError(
            f"norm must be l2 for the Gaussian-latent experiments, got {options.norm!r}"
        )


def data_name(options: Options) -> str:
    """The data set as rows and units call it."""
    return Path(options.data).stem


def case_name(options: Options, network: str, generator: str = "vae") -> str:
    """Data set and classifier, and the generator where it is not the autoencoder."""
    return f"{data_name(options)}-{network}" + _suffix(generator)


def _suffix(generator: str) -> str:
    return "" if generator == "vae" else f"-on-{generator}"


def units(options: Options, network: str, generator: str = "vae") -> tuple[Unit, ...]:
    """The class counts and the latent attack radii of one classifier, and what they need."""
    full = options.suite == "full"
    needs = generator_unit(options, generator), classifier_unit(options, network)
    parameters = {**source(options), "network": network}
    name = network + _suffix(generator)
    return (
        Unit(
            f"{data_name(options)}/class-counts-{name}",
            "validation.experiments.pipeline:count_classes",
            {**parameters, "n": 100_000 if full else 200_000},
            needs,
            cost=seconds(options, "class-counts"),
        ),
        Unit(
            f"{data_name(options)}/latent-radii-{name}",
            "validation.experiments.pipeline:attack_latent",
            {**parameters, "n": 1_000 if full else 2_000},
            needs,
            accelerated=True,
            cost=seconds(options, "latent-radii"),
        ),
    )


def image_unit(options: Options, network: str, generator: str = "vae") -> Unit:
    """Image attack radii of one classifier, in distribution and unconstrained."""
    return Unit(
        f"{data_name(options)}/image-radii-{network}{_suffix(generator)}",
        "validation.experiments.pipeline:attack_images",
        {**source(options), "network": network, "n": 300},
        (generator_unit(options, generator), classifier_unit(options, network)),
        accelerated=True,
        cost=seconds(options, "image-radii"),
    )


def modulus_unit(options: Options, generator: str = "vae") -> Unit:
    """How far the generator moves images: from below by ascent, from above by its layers."""
    return _modulus_unit(options, generator, "modulus", {"t": MODULUS_RADIUS})


def quantile_modulus_unit(options: Options, generator: str, q: float) -> Unit:
    """The same within the q-quantile that Theorem 1 of fawzi2018 allows for equal measures.

    No other class measures allow a greater one, so the move bounds the q-quantile of every
    classifier's radius in image space.
    """
    return _modulus_unit(options, generator, "modulus-within-quantile", {"q": q})


def _modulus_unit(options: Options, generator: str, name: str, within: dict[str, Json]) -> Unit:
    return Unit(
        f"{data_name(options)}/{name}{_suffix(generator)}",
        "validation.experiments.pipeline:measure_modulus",
        {**source(options), "n": 400, **within},
        (generator_unit(options, generator),),
        accelerated=True,
        cost=seconds(options, "modulus"),
    )


def pair_units(options: Options, first: str, second: str) -> tuple[Unit, ...]:
    """How two classifiers agree, and the radii of an attack on both at once."""
    needs = (
        generator_unit(options),
        classifier_unit(options, first),
        classifier_unit(options, second),
    )
    parameters = {**source(options), "first": first, "second": second}
    return (
        Unit(
            f"{data_name(options)}/agreement-{first}-{second}",
            "validation.experiments.pipeline:count_agreement",
            {**parameters, "n": 100_000},
            needs,
        ),
        Unit(
            f"{data_name(options)}/joint-radii-{first}-{second}",
            "validation.experiments.pipeline:attack_jointly",
            {**parameters, "n": 300},
            needs,
            accelerated=True,
        ),
    )


def generator_unit(options: Options, generator: str = "vae") -> Unit:
    """The variational autoencoder, or the adversarial network, whose decoder generates the data."""
    return Unit(
        f"{data_name(options)}/generator{_suffix(generator)}",
        "validation.experiments.pipeline:train_generator",
        {
            **source(options),
            "generator": generator,
            "latent_dimension": LATENT_DIMENSION[options.suite],
            "epochs": GENERATOR_EPOCHS[generator][options.suite],
        },
        accelerated=True,
        cost=seconds(options, "generator"),
    )


def classifier_unit(options: Options, network: str) -> Unit:
    """One classifier, trained on the training images."""
    return Unit(
        f"{data_name(options)}/classifier-{network}",
        "validation.experiments.pipeline:train_classifier",
        {
            **source(options),
            "network": network,
            "epochs": 3 if options.suite == "full" else 30,
        },
        accelerated=True,
        cost=seconds(options, "classifier"),
    )


def source(options: Options) -> dict[str, Json]:
    """What every unit depends on; a file by its contents, so that a changed one is not resumed."""
    source: dict[str, Json] = {"data": options.data, "data_dir": options.data_dir}
    if options.data.endswith(FILES):
        source["sha256"] = _sha256(options.data)
    return {**source, "device": options.device}


@lru_cache(maxsize=8)
def _sha256(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ValueError(f"data file {path!r} cannot be read: {error.strerror}") from None


def train_generator(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Train the network whose decoder generates the data."""
    from empirical import data, train
    from empirical.networks import Autoencoder

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
    return Result({**values, **_shape(dataset)}, _to_arrays(network))


def train_classifier(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Train one classifier on the training images."""
    from empirical import data, train
    from empirical.networks import build

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
    return Result(values, _to_arrays(network))


def count_classes(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Count how often each class occurs among generated images."""
    generator, dimension = _generator(inputs)
    classifier = _classifier(inputs, parameters["network"])
    counts = np.zeros(_classes(inputs), dtype=np.int64)
    for (labels,) in _decisions([classifier], generator, dimension, parameters, seed, progress):
        counts += np.bincount(labels, minlength=counts.size)
    return Result({"n": parameters["n"]}, {"counts": counts})


def count_agreement(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Count the pairs of labels that two classifiers give to the same generated images."""
    generator, dimension = _generator(inputs)
    pair = [_classifier(inputs, parameters[which]) for which in ("first", "second")]
    K = _classes(inputs)
    table = np.zeros(K * K, dtype=np.int64)
    for first, second in _decisions(pair, generator, dimension, parameters, seed, progress):
        table += np.bincount(first * K + second, minlength=K * K)
    return Result({"n": parameters["n"]}, {"table": table.reshape(K, K)})


def attack_latent(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Attack independent latent points; the radii are upper bounds, verified in float64."""
    from empirical.attacks.latent import latent_radius

    generator, dimension = _generator(inputs)
    classifier = _classifier(inputs, parameters["network"])
    z = np.random.default_rng(seed).standard_normal((parameters["n"], dimension))
    found = latent_radius(
        classifier, generator, z, seed=seed, device=parameters["device"], progress=progress
    )
    return Result(_censored(found.radius), {"radii": found.radius})


def attack_images(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Attack generated images, along the generator and in any direction."""
    import torch

    from empirical.attacks.images import image_radii

    generator, dimension = _generator(inputs)
    classifier = _classifier(inputs, parameters["network"])
    z = np.random.default_rng(seed).standard_normal((parameters["n"], dimension))
    found = image_radii(
        classifier, generator, z, seed=seed, device=parameters["device"], progress=progress
    )
    with torch.no_grad():
        norms = generator(torch.from_numpy(z)).flatten(1).norm(dim=1).numpy()
    return Result(
        _censored(found.in_distribution),
        {
            "in_distribution": found.in_distribution,
            "unconstrained": found.unconstrained,
            "norms": norms,
        },
    )


def attack_jointly(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Attack two classifiers with one perturbation of the latent point."""
    from empirical.attacks.joint import joint_radius

    generator, dimension = _generator(inputs)
    pair = [_classifier(inputs, parameters[which]) for which in ("first", "second")]
    z = np.random.default_rng(seed).standard_normal((parameters["n"], dimension))
    found = joint_radius(
        pair, generator, z, seed=seed, device=parameters["device"], progress=progress
    )
    return Result(_censored(found.radius), {"radii": found.radius})


def measure_modulus(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Bound how far the generator moves images: everywhere, near sampled points, from below.

    Near sampled points the layers of a convolutional generator are too wide to be bounded by more
    than the product of their norms.
    """
    from empirical.modulus import (
        lipschitz_from_above,
        local_modulus_from_above,
        modulus_from_below,
    )

    generator, dimension = _generator(inputs)
    z = np.random.default_rng(seed).standard_normal((parameters["n"], dimension))
    constant = lipschitz_from_above(generator).value
    if "q" in parameters:
        t = fooling_quantile([1] * _classes(inputs), parameters["q"])
    else:
        t = parameters["t"]
    if _trained_generator(inputs).values["generator"] == "vae":
        found = local_modulus_from_above(generator, z, t, progress=progress)
        above = found.value
    else:
        above = np.full(len(z), np.nextafter(constant * t, np.inf))
    below = modulus_from_below(generator, z, t, progress=progress)
    return Result(
        {"lipschitz_from_above": constant, "t": t},
        {"above": above, "below": below.value},
    )


def _decisions(
    classifiers: Sequence[nn.Module],
    generator: nn.Module,
    dimension: int,
    parameters: Mapping[str, Json],
    seed: int,
    progress: Progress,
) -> Iterator[tuple[np.ndarray, ...]]:
    """Labels of the generated images, block by block."""
    import torch

    rng = np.random.default_rng(seed)
    n, block = parameters["n"], 10_000
    with torch.no_grad():
        for start in range(0, n, block):
            z = torch.from_numpy(rng.standard_normal((min(block, n - start), dimension)))
            images = generator(z)
            yield tuple(f(images).argmax(1).numpy() for f in classifiers)
            progress((start + len(z)) / n, "classifying generated images")


def _censored(radii: np.ndarray) -> dict[str, Json]:
    return {"censored": int(np.count_nonzero(np.isinf(radii)))}


def _generator(inputs: Mapping[str, Result]) -> tuple[nn.Module, int]:
    """The double-precision generator and its latent dimension."""
    from empirical.networks import from_arrays

    trained = _trained_generator(inputs)
    shape, dimension = tuple(trained.values["shape"]), trained.values["latent_dimension"]
    network = _generative(trained.values["generator"], shape, dimension, 0)
    from_arrays(network, trained.arrays)
    return network.decoder.double().eval(), dimension


def _trained_generator(inputs: Mapping[str, Result]) -> Result:
    return next(r for key, r in inputs.items() if "/generator" in key)


def _classifier(inputs: Mapping[str, Result], name: str) -> nn.Module:
    """The double-precision classifier of that name."""
    from empirical.networks import build, from_arrays

    trained = next(r for key, r in inputs.items() if key.endswith(f"/classifier-{name}"))
    network = build(name, tuple(trained.values["shape"]), trained.values["classes"], 0)
    return from_arrays(network, trained.arrays).double().eval()


def _classes(inputs: Mapping[str, Result]) -> int:
    return int(next(r for r in inputs.values() if "classes" in r.values).values["classes"])


def _generative(
    kind: str, shape: tuple[int, int, int], dimension: int, seed: int
) -> Autoencoder | Adversarial:
    from empirical.networks import Adversarial, Autoencoder, build

    network = build(kind, shape, 0, seed, latent_dimension=dimension)
    assert isinstance(network, Autoencoder | Adversarial)
    return network


def _to_arrays(network: nn.Module) -> dict[str, np.ndarray]:
    from empirical.networks import to_arrays

    return to_arrays(network)


def _shape(dataset: Dataset) -> dict[str, Json]:
    return {"shape": list(dataset.shape), "classes": dataset.classes}
