"""Which networks and attacks stand for those of li2021, at the size of MNIST and CIFAR-10 (JPEG).

Every intensity below was chosen before any result was seen.
"""

from __future__ import annotations

from collections.abc import Mapping

from validation.experiment import Json, Options, Unit
from validation.experiments import pipeline

METHODS = ("natural", "free-PGD", "PGD", "IWDD")
ATTACKS = ("FGSM", "ADef", "EOT", "stAdv", "IWDA", "direct")  # the last one is not the paper's
MARGIN = "IWDA, margin"  # with another classification loss: the paper's may have no slope
TAU = 0.1  # and beta: the paper's choices
BETA = 0.1
ENTRY = 0.02  # radius of internal balls, for each entry of a patch
# eps of FGSM, PGD and EOT in linf; turns in degrees, moves and limits of deformations in pixels;
# updates of IWDA's generator, steps of stAdv.
_SMALL: Mapping[str, Json] = {
    "patch": 3,
    "stride": 1,
    "channels": 1,
    "gradients": 60_000,
    "rate": 3e-3,
    "batch": 50,
    "turn": 10,
    "move": 0.5,
    "limit": 1,
    "images": {
        "FGSM": 200,
        "PGD-10": 400,
        "ADef": 200,
        "EOT": 200,
        "stAdv": 100,
        "IWDA": 40,
        "direct": 100,
    },
    "updates": 100,
    "steps": 100,
    "slower": 0.1,
}
_GREY: Mapping[str, Json] = {
    "patch": 7,
    "stride": 3,
    "channels": 1,
    "gradients": 100_000,
    "rate": 2e-3,
    "batch": 100,
    "turn": 15,
    "move": 2,
    "limit": 3,
    "images": {
        "FGSM": 200,
        "PGD-10": 500,
        "ADef": 200,
        "EOT": 200,
        "stAdv": 100,
        "IWDA": 16,
        "direct": 80,
    },
    "updates": 100,
    "steps": 100,
    "slower": 1.0,
}
_COLOUR = {**_GREY, "channels": 3, "rate": 1e-3, "slower": 4.0}
SIZES: Mapping[str, Mapping[str, Json]] = {
    "digits": {**_SMALL, "eps": 0.1},
    "mnist": {**_GREY, "eps": 0.2},
    "fashion-mnist": {**_GREY, "eps": 0.1},
    "svhn": {**_COLOUR, "eps": 8 / 255},
    "cifar10": {**_COLOUR, "eps": 8 / 255},
    "cifar10-jpeg": {**_COLOUR, "eps": 8 / 255},
}
# Processor seconds for a gradient of training, and for an image, on 28x28 pixels.
_TRAINING = {"natural": 1e-4, "free-PGD": 1.4e-4, "PGD": 1e-4, "IWDD": 6.6e-4}
_ATTACKING = {
    "FGSM": 0.001,
    "PGD-10": 0.002,
    "ADef": 0.01,
    "EOT": 0.02,
    "stAdv": 0.05,
    "IWDA": 0.9,
    "direct": 0.25,
}


def sizes(options: Options) -> Mapping[str, Json] | None:
    """Those of the data set in the full suite; none elsewhere, or for files of the user's."""
    return SIZES.get(options.data) if options.suite == "full" else None


def network_name(options: Options) -> str:
    """The paper's are Inception-v3 and ResNet-101, on ImageNet."""
    if (sizes(options) or {}).get("channels") == 3:
        return "resnet18" if options.device == "cuda" else "cnn"
    return "strided"


def radius(size: Mapping[str, Json]) -> float:
    """Of the internal balls of training and of the direct attack."""
    return float(ENTRY * size["patch"] ** 2 * size["channels"])


def images_unit(options: Options) -> Unit:
    """The test images that are attacked: only this unit and training read the data."""
    size = sizes(options) or {}
    return Unit(
        f"{pipeline.data_name(options)}/internal-images",
        "validation.experiments.internal_protocol:first_images",
        {**pipeline.source(options), "images": max(size["images"].values())},
        cost=2 * size["slower"],
    )


def trained_unit(options: Options, method: str, beta: float = BETA) -> Unit:
    """One network; beta is the weight of the clean loss of IWDD."""
    size = sizes(options) or {}
    words = method.lower() + ("" if beta == BETA else f"-beta-{beta:g}")
    kept = ("patch", "stride", "gradients", "rate", "batch", "eps")
    return Unit(
        f"{pipeline.data_name(options)}/internal-trained-{words}",
        "validation.experiments.internal_protocol:train",
        {
            **pipeline.source(options),
            **{name: size[name] for name in kept},
            "network": network_name(options),
            "method": method,
            "beta": beta,
            "radius": radius(size),
        },
        accelerated=True,
        cost=_TRAINING[method] * size["gradients"] * size["slower"],
    )


def attack_unit(
    options: Options,
    attack: str,
    trained: Unit,
    *,
    targeted: bool = False,
    measured: bool = False,
    tau: float = TAU,
) -> Unit:
    """One attack on one network; `measured` asks for the distances of its images."""
    size = sizes(options) or {}
    words = attack.lower().replace(", ", "-") + ("-targeted" if targeted else "")
    words += "" if tau == TAU else f"-tau-{tau:g}"
    kind = attack.removesuffix(", margin")
    n = size["images"][kind]
    seconds = _ATTACKING[kind] + 0.04 * (measured or attack == "direct")
    kept = ("patch", "turn", "move", "limit", "updates", "steps", "eps")
    return Unit(
        f"{trained.key.replace('internal-trained', 'internal-attacked')}-{words}",
        "validation.experiments.internal_protocol:attack",
        {
            **{name: size[name] for name in kept},
            "device": options.device,
            "network": trained.parameters["network"],
            "radius": radius(size),
            "attack": attack,
            "images": n,
            "targeted": targeted,
            "measured": measured,
            "tau": tau,
        },
        (trained, images_unit(options)),
        accelerated=True,
        cost=seconds * n * size["slower"],
    )
