"""Networks trained at equal numbers of gradients, by many methods, and attacked alike.

Every method starts from the same weights and sees the images in the same order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from validation.experiment import Json, Options, Progress, Result, Unit
from validation.experiments import pipeline
from validation.experiments.adversarial_attacks import AUTOMATIC, GRADIENTS, TEN, kept_under

if TYPE_CHECKING:
    from empirical.adversarial_loop import AdversarialTraining, Budget

NETWORK = "strided"
# Ours, in words, to the function of `empirical.adversarial` and its arguments.
METHODS: Mapping[str, Mapping[str, Json]] = {
    "natural": {"function": "train_naturally"},
    "PGD-7": {"function": "train_on_pgd", "steps": 7},
    "free, 8 replays": {"function": "train_for_free", "replays": 8},
    "one step": {"function": "train_on_pgd", "steps": 1},
    "Algorithm 1 as printed": {"function": "train_on_particles", "ramp": 0.0},
    "Algorithm 1, ramp": {"function": "train_on_particles"},
    "particles without noise": {"function": "train_on_particles", "noise": 0.0},
    "particles, shorter steps": {"function": "train_on_particles", "noise": 0.0, "step": 1 / 3},
    "particles, one pass": {"function": "train_on_particles", "noise": 0.0, "shared": True},
    "PGD-7, no ramp": {"function": "train_on_pgd", "steps": 7, "ramp": 0.0},
    "particles without noise, no ramp": {
        "function": "train_on_particles",
        "noise": 0.0,
        "ramp": 0.0,
    },
}
SIZES: Mapping[str, Mapping[str, Json]] = {
    "quick": {"gradients": 40_000, "batch": 100, "rate": 3e-3, "looks": 4},
    "full": {"gradients": 1_800_000, "batch": 100, "rate": 1e-3, "looks": 20},
}
# Trainings and test images of each method. What is not named is skipped; full-size images on a CPU
# leave time for several trainings of those that the question is about, and one of the others.
EFFORT: Mapping[str, Mapping[str, tuple[int, int]]] = {
    "quick": dict.fromkeys(
        ("PGD-7", "Algorithm 1 as printed", "Algorithm 1, ramp", "particles without noise"),
        (1, 300),
    ),
    "CPU": {
        "natural": (1, 500),
        "PGD-7": (1, 500),
        "free, 8 replays": (1, 500),
        "one step": (1, 500),
        "Algorithm 1 as printed": (1, 500),
        "Algorithm 1, ramp": (1, 1_000),
        "particles without noise": (3, 500),
        "particles, shorter steps": (3, 2_000),
    },
    "full": dict.fromkeys(METHODS, (3, 2_000)),
}
RADIUS = {"mnist": 0.3, "fashion-mnist": 0.1, "digits": 0.15}  # others: 8/255
ATTACKS: Mapping[str, tuple[str, ...]] = {
    "quick": ("PGD-40", "margin"),
    "full": (*TEN, *AUTOMATIC),
}
# Processor seconds per gradient, of training or of an attack, beside another process; others: as
# 32x32 in colour.
SECONDS = {"digits": 3e-5, "mnist": 7e-5, "fashion-mnist": 7e-5}


def effort(options: Options) -> Mapping[str, tuple[int, int]]:
    """Trainings and test images of each method that is not skipped."""
    if options.suite == "quick":
        return EFFORT["quick"]
    slow = options.device == "cpu" and options.data != "digits"
    return EFFORT["CPU" if slow else "full"]


def seconds(options: Options, gradients: float, images: int, attacks: tuple[str, ...]) -> float:
    """Processor seconds of one network, trained and attacked; nine images in ten survive."""
    attacked = 0.9 * images * sum(GRADIENTS[name] for name in attacks)
    return SECONDS.get(options.data, 1.2e-4) * (gradients + attacked)


def trained_unit(options: Options, method: str, number: int) -> Unit:
    """One network, trained and attacked; on a CPU the automatic attacks try the first one only."""
    words = method.replace(",", "").replace(" ", "-").lower()
    size = SIZES[options.suite]
    _, images = effort(options)[method]
    attacks = ATTACKS[options.suite]
    if number and options.device == "cpu":
        attacks = tuple(name for name in attacks if name not in AUTOMATIC)
    return Unit(
        f"{pipeline.data_name(options)}/adversarial-{words}-{number}",
        "validation.experiments.adversarial_networks:train",
        {
            **pipeline.source(options),
            "how": METHODS[method],
            "number": number,
            "eps": RADIUS.get(options.data, 8 / 255),
            "images": images,
            "attacks": attacks,
            **size,
        },
        accelerated=True,
        cost=seconds(options, size["gradients"] + images * size["looks"], images, attacks),
    )


def train(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Train one network and see which test images it keeps under each attack."""
    from torch import nn

    from empirical import adversarial, data
    from empirical.adversarial_loop import Budget
    from empirical.attacks.steps import fgsm
    from empirical.networks import build
    from empirical.precision import for_device

    dataset = data.load(parameters["data"], parameters["data_dir"])
    how = dict(parameters["how"])
    # The same weights, order and test images for every method of one number.
    number, eps, device = parameters["number"], parameters["eps"], parameters["device"]
    network = build(NETWORK, dataset.shape, dataset.classes, number)
    chosen = dataset.test[: parameters["images"]]
    x, y = dataset.images[chosen], dataset.labels[chosen]

    def watch(current: nn.Module) -> float:
        return float(fgsm(current, x, y, eps, device=device).fooled.mean())

    budget = Budget(
        parameters["gradients"],
        how.pop("ramp", 0.15),
        batch=parameters["batch"],
        rate=parameters["rate"],
        seed=number,
        looks=parameters["looks"],
    )
    tool = for_device(network, device)
    record = _trained(adversarial, tool, dataset, eps, budget, how, device, progress, watch)
    attacks = [name for name in parameters["attacks"] if name != "APGD, DLR" or dataset.classes > 2]
    kept = kept_under(
        network,
        x,
        y,
        eps,
        attacks,
        seed=number,
        device=device,
        progress=lambda name: progress(1.0, name),
    )
    history = np.array(record.history, dtype=np.float64).reshape(-1, 2)
    return Result(
        {
            "collapsed": record.collapsed,
            "gradients": record.gradients,
            "loss": record.loss,
            "accuracy": record.accuracy,
            "attacks": list(kept),
        },
        {"kept": np.stack(list(kept.values())), "history": history},
    )


def _trained(
    module: Any,
    network: Any,
    dataset: Any,
    eps: float,
    budget: Budget,
    how: dict[str, Any],
    device: str,
    progress: Progress,
    watch: Any,
) -> AdversarialTraining:
    function = how.pop("function")
    radius = () if function == "train_naturally" else (eps,)
    record: AdversarialTraining = getattr(module, function)(
        network, dataset, *radius, budget, device=device, progress=progress, watch=watch, **how
    )
    return record
