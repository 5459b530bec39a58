"""Units that many rows share: a generator, classifiers, class counts and attack radii.

They are carried out in `trained_networks` and `trained_attacks`.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from validation.experiment import Json, Options, Unit

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
            "validation.experiments.trained_attacks:count_classes",
            {**parameters, "n": 100_000 if full else 200_000},
            needs,
            cost=seconds(options, "class-counts"),
        ),
        Unit(
            f"{data_name(options)}/latent-radii-{name}",
            "validation.experiments.trained_attacks:attack_latent",
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
        "validation.experiments.trained_attacks:attack_images",
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
        "validation.experiments.trained_attacks:measure_modulus",
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
            "validation.experiments.trained_attacks:count_agreement",
            {**parameters, "n": 100_000},
            needs,
        ),
        Unit(
            f"{data_name(options)}/joint-radii-{first}-{second}",
            "validation.experiments.trained_attacks:attack_jointly",
            {**parameters, "n": 300},
            needs,
            accelerated=True,
        ),
    )


def generator_unit(options: Options, generator: str = "vae") -> Unit:
    """The variational autoencoder, or the adversarial network, whose decoder generates the data."""
    return Unit(
        f"{data_name(options)}/generator{_suffix(generator)}",
        "validation.experiments.trained_networks:train_generator",
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
        "validation.experiments.trained_networks:train_classifier",
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
