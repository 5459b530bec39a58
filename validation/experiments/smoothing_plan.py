"""What is made of levine2020's tables: networks, sizes, and what a machine's budget leaves out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from validation.experiment import Json, Options
from validation.experiments import pipeline

Network: TypeAlias = tuple[str, float, int]  # noise, sigma, number of the seed

ALPHA = 0.05  # of one certificate, as in the paper
SIGMA = 0.01  # where the paper's median radius is largest, on MNIST
COLOUR_SIGMA = 0.0002  # the same on CIFAR-10
COLOUR = ("cifar10", "cifar10-jpeg")
SIGMAS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)  # of Table 1
COLOUR_SIGMAS = (0.00005, 0.0001, 0.0002, 0.0005, 0.001)  # of Table 2
DEFENCES = ("undefended", "adversarially trained", "binarised", "l-infinity robust")
# The paper's attack: 200 steps, the ball grows every ten. From below the paper's median
# radius to where undefended networks are lost; fixed before any attack was run.
GROWTH = {"first": 0.01, "factor": 1.3, "steps": 200, "every": 10}

_GREY: Mapping[str, Json] = {
    "network": "strided",
    "augmented": False,
    "scaled": False,
    "block": 100,
    "pilot": 1_000,
    "votes": 10_000,
    "epochs": 8,
    "held": 5_000,
    "fitted_on": 4_000,
    "rounds": 1,
    "scales": [2.0],
    "chosen_on": 300,
    "chosen_votes": 2_000,
    "attacked": 10,
    "growth": GROWTH,
    "defended_on": 20_000,
    "defence_batch": 128,
    "reach": 3,
    "draws": 3,
    # The second ends just below what 10,000 votes can certify, where no rule saves much.
    "grids": [
        [0.005, 0.01, 0.015, 0.02, 0.03],
        [0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.035, 0.04],
    ],
}
SIZES: dict[str, Mapping[str, Json]] = {
    "quick": {
        **_GREY,
        "block": 40,
        "pilot": 250,
        "votes": 2_000,
        "epochs": 20,
        "held": 200,
        "fitted_on": 500,
        "scales": [2.0, 2.25],
        "chosen_on": 60,
        "chosen_votes": 500,
        "attacked": 6,
        "growth": {**GROWTH, "steps": 32, "every": 2},
        "defended_on": 600,
        "defence_batch": 64,
        "reach": None,
        "grids": [[0.01, 0.02]],
    },
    "full": {**_GREY, "grids": _GREY["grids"][:1]},  # on a CPU: an hour is for all papers' tables
    "full on cuda": {
        **_GREY,
        "rounds": 3,
        "scales": [2.0, 2.25],
        "attacked": 100,
    },
    # wong2019's network for CIFAR-10, of which the paper's is a copy.
    "full in colour": {
        **_GREY,
        "network": "resnet18",
        "augmented": True,
        "epochs": 30,
        "growth": {**GROWTH, "first": COLOUR_SIGMA},
    },
}
IMAGES = {"quick": 40, "full": 500}
MEDIAN_IS_SMALL = 0.05  # from this sigma on, the paper's median radius is 0 or there is none
FEWER = {0.005: 100, SIGMA: 300, 0.02: 100}  # images on a CPU; for larger sigmas 100

# Processor seconds on one core that one other process disturbs, for images of 28x28.
TRAINING = 5.0  # one epoch of 55,000 noised images, and the tests of a network
FITTING = 30.0  # a covariance, and the votes that choose among them
VOTING = {"laplace": 0.2, "gaussian": 0.19, "pixel": 0.17, "fitted": 0.32}  # one image
ATTACKING = {"laplace": 5.0, "gaussian": 5.0, "fitted": 6.0}  # one image
DEFENDING = {
    "undefended": 15,
    "adversarially trained": 85,
    "binarised": 15,
    "l-infinity robust": 35,
}
STOPPING = 25.0  # the table of certification that stops early
# ResNet-18 and one image of 32x32 in colour: 1.1 GFLOP at 110 GFLOP/s; training takes three times
# as much.
COLOUR_ANSWER = 0.01


def is_colour(options: Options) -> bool:
    """Whether Table 2 is about this data, and Table 1 is not."""
    return pipeline.data_name(options) in COLOUR


def words(data: str) -> str:
    """What the tables call the data."""
    return {"cifar10": "CIFAR-10", "cifar10-jpeg": "CIFAR-10 (JPEG)"}.get(data, data)


def is_small(options: Options) -> bool:
    """Whether Table 1 is made without an accelerator, and so with fewer images."""
    return options.suite == "full" and options.device == "cpu" and not is_colour(options)


def size(options: Options, sigma: float = 0.0) -> Mapping[str, Json]:
    """Every number of the suite that can change a result; of networks with this sigma."""
    if options.suite == "quick":
        return SIZES["quick"]
    if is_colour(options):
        return SIZES["full in colour"]
    full = SIZES["full" if options.device == "cpu" else "full on cuda"]
    if sigma < MEDIAN_IS_SMALL:
        return full
    epochs = full["epochs"] // 2 if options.device == "cpu" else full["epochs"]
    return {**full, "epochs": epochs, "scaled": True}


def best_sigma(options: Options) -> float:
    """Where the paper's median radius is largest."""
    return COLOUR_SIGMA if is_colour(options) else SIGMA


def images(options: Options, network: Network) -> int:
    """How many test images a network's certificates are made for."""
    noise, sigma, _ = network
    if is_small(options):
        return FEWER[0.02] if noise == "fitted" else FEWER.get(sigma, 100)
    return IMAGES[options.suite]


def grids(options: Options) -> list[list[float]]:
    """Radii that the sequential rule is asked for, for images of mass 1."""
    ratio = best_sigma(options) / SIGMA
    return [[radius * ratio for radius in grid] for grid in size(options)["grids"]]


def networks(options: Options) -> tuple[Network, ...]:
    """Rows of the paper's table, then ours."""
    if options.suite == "quick":
        sigma = best_sigma(options)
        return tuple((noise, sigma, 0) for noise in ("laplace", "pixel", "gaussian", "fitted"))
    if is_colour(options):
        return tuple(("laplace", sigma, 0) for sigma in COLOUR_SIGMAS)
    return (
        *(("laplace", sigma, 0) for sigma in SIGMAS),
        *(("pixel", sigma, 0) for sigma in SIGMAS),
        *(("gaussian", sigma, 0) for sigma in (0.005, SIGMA, 0.02)),
        *(("fitted", SIGMA, seed) for seed in (0, 1)),
    )


def attacked(options: Options) -> tuple[Network, ...]:
    """The smoothed networks of the paper's figures of attacks."""
    sigma = best_sigma(options)
    kinds = ("laplace",) if is_colour(options) else ("laplace", "gaussian", "fitted")
    return tuple((noise, sigma, 0) for noise in kinds)


def hours_left_out(options: Options, *, attack: bool = False) -> float:
    """Hours that a row would take where the budget leaves it out; 0 where it does not."""
    if options.suite == "quick" or not is_colour(options):
        return 0.0
    return colour_hours(attack=attack) if options.device == "cpu" or attack else 0.0


def colour_hours(*, attack: bool) -> float:
    """Hours on one core of a row of Table 2, or of the attack on a smoothed network."""
    numbers = SIZES["full in colour"]
    if attack:
        # Slopes from 128 samples, and votes that mostly end after 1,000.
        answers = numbers["growth"]["steps"] * numbers["attacked"] * (3 * 128 + 1_000)
    else:
        votes = IMAGES["full"] * (numbers["pilot"] + numbers["votes"])
        tests = numbers["draws"] * (10_000 + numbers["held"])
        answers = 3 * numbers["epochs"] * (50_000 - numbers["held"]) + votes + tests
    return COLOUR_ANSWER * float(answers) / 3600


def defence_hours(kind: str) -> float:
    """Hours on one core of training an unsmoothed ResNet-18, with two slopes if it is attacked."""
    numbers = SIZES["full in colour"]
    passes = 3 if kind == "adversarially trained" else 1
    answers = 3 * passes * numbers["defended_on"] * numbers["epochs"] // 2
    return COLOUR_ANSWER * float(answers) / 3600


def training_cost(options: Options, noise: str, sigma: float = 0.0) -> float:
    """Processor seconds of training one network with noise, and of measuring it."""
    fitting = FITTING if noise == "fitted" else 0.0
    return _share(options) * (TRAINING * float(size(options, sigma)["epochs"]) + fitting)


def voting_cost(options: Options, noise: str, many: int) -> float:
    """Processor seconds of the votes at that many images."""
    return _share(options) * VOTING[noise] * many


def attack_cost(options: Options, kind: str) -> float:
    """Processor seconds of the growing attack on a smoothed network, or on another defence."""
    seconds = DEFENDING.get(kind) or ATTACKING[kind] * float(size(options)["attacked"])
    return _share(options) * seconds


def stopping_cost(options: Options) -> float:
    """Processor seconds of the table of certification that stops early."""
    return _share(options) * STOPPING


def _share(options: Options) -> float:
    """Of what images of 28x28 take."""
    if options.suite == "quick":
        return 0.0
    return 0.5 if options.data == "digits" else 1.0
