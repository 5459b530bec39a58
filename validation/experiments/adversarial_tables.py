"""Adversarial training at equal numbers of gradients: methods, ingredients, and the way there.

All methods train one small network with as many gradients, from the same weights, and are attacked
in the same way. The published set-up stands in `transport_tables`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from validation.experiment import Json, Options, Progress, Result, Unit
from validation.experiments import pipeline
from validation.experiments.adversarial_attacks import (
    ADAPTIVE_STEPS,
    AUTOMATIC,
    GRADIENTS,
    QUERIES,
    TEN,
    WORST,
    WORST_OF_TEN,
    kept_under,
)
from validation.experiments.cells import LEVEL, share_cell, skipped_cell

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
    "particles, one pass": {"function": "train_on_particles", "noise": 0.0, "shared": True},
    "PGD-7, no ramp": {"function": "train_on_pgd", "steps": 7, "ramp": 0.0},
    "particles without noise, no ramp": {
        "function": "train_on_particles",
        "noise": 0.0,
        "ramp": 0.0,
    },
}
# Batches of 50 were chosen on training images that were held out, with stored attacks: accuracy
# under attack was about one point above that with batches of 100, which update half as often.
SIZES: Mapping[str, Mapping[str, Json]] = {
    "quick": {"gradients": 40_000, "batch": 100, "rate": 3e-3, "looks": 4},
    "full": {"gradients": 1_800_000, "batch": 50, "rate": 1e-3, "looks": 20},
}
# Trainings and test images of each method. What is not named is skipped; full-size images on a CPU
# leave time for those that the question is about, and for one that overfits to its own step.
EFFORT: Mapping[str, Mapping[str, tuple[int, int]]] = {
    "quick": dict.fromkeys(
        ("PGD-7", "Algorithm 1 as printed", "Algorithm 1, ramp", "particles without noise"),
        (1, 300),
    ),
    "CPU": {
        "PGD-7": (3, 1_000),
        "Algorithm 1 as printed": (3, 1_000),
        "Algorithm 1, ramp": (3, 2_000),
        "particles without noise": (3, 2_000),
        "particles, one pass": (1, 1_000),
    },
    "full": dict.fromkeys(METHODS, (3, 2_000)),
}
RADIUS = {"mnist": 0.3, "fashion-mnist": 0.1, "digits": 0.15}  # others: 8/255
ATTACKS: Mapping[str, tuple[str, ...]] = {
    "quick": ("PGD-40", "margin"),
    "full": (*TEN, *AUTOMATIC),
}
# Processor seconds per gradient of training; others: as 32x32 in colour. One to the image alone, of
# an attack, takes two thirds of it.
SECONDS = {"digits": 3e-5, "mnist": 6.4e-5, "fashion-mnist": 6.4e-5}
OVERFIT = 0.5  # accuracy under FGSM less that under PGD-40, from which on one step was learnt
# What is compared, with which method, in order to see what it does.
INGREDIENTS: Mapping[str, tuple[str, str]] = {
    "stored attacks": ("particles without noise", "PGD-7"),
    "noise": ("Algorithm 1, ramp", "particles without noise"),
    "ramp, with noise": ("Algorithm 1, ramp", "Algorithm 1 as printed"),
    "ramp, without noise": ("particles without noise", "particles without noise, no ramp"),
    "one pass for weights and attack": ("particles, one pass", "particles without noise"),
    "ramp, PGD": ("PGD-7", "PGD-7, no ramp"),
}

_ATTACKS_IN_WORDS = (
    "Worst of ten: PGD-40 with steps of eps/30, and three runs each of PGD-100 on the "
    "cross-entropy, PGD-100 on the margin and PGD-40 with steps of eps/3, the worst for each "
    f"image. APGD has {ADAPTIVE_STEPS} steps, Square {QUERIES} queries. "
)


def effort(options: Options) -> Mapping[str, tuple[int, int]]:
    """Trainings and test images of each method that is not skipped."""
    if options.suite == "quick":
        return EFFORT["quick"]
    slow = options.device == "cpu" and options.data != "digits"
    return EFFORT["CPU" if slow else "full"]


def seconds(options: Options, gradients: float, images: int, attacks: tuple[str, ...]) -> float:
    """Processor seconds of one network, trained and attacked; nine images in ten survive."""
    attacked = 0.9 * images * sum(GRADIENTS[name] for name in attacks)
    return SECONDS.get(options.data, 1.1e-4) * (gradients + 2 / 3 * attacked)


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
        "validation.experiments.adversarial_tables:train",
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


def table_units(options: Options) -> tuple[Unit, ...]:
    """The table of accuracies, what each ingredient does, and the curve of the paper's Figure 1."""
    found = {
        method: [trained_unit(options, method, number) for number in range(trainings)]
        for method, (trainings, _) in effort(options).items()
    }
    wanted = METHODS if options.suite == "full" else found
    gradients = SIZES[options.suite]["gradients"]
    hours = 3 * seconds(options, gradients, 2_000, ATTACKS[options.suite]) / 3600
    parameters = {
        "data": pipeline.data_name(options),
        "eps": RADIUS.get(options.data, 8 / 255),
        "methods": list(found),
        "keys": {method: [unit.key for unit in units] for method, units in found.items()},
        "skipped": {method: hours for method in wanted if method not in found},
    }
    needs = tuple(unit for units in found.values() for unit in units)
    return tuple(
        Unit(
            f"{pipeline.data_name(options)}/adversarial-{words}",
            f"validation.experiments.adversarial_tables:{function}",
            parameters,
            needs,
        )
        for words, function in (
            ("table-1", "table"),
            ("ingredients", "ingredients"),
            ("figure-1", "figure"),
        )
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


def table(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Accuracies of every method: clean, under each attack, under the worst for each image."""
    results = _results(parameters, inputs)
    first = next(iter(results.values()))[0]
    skipped = [skipped_cell(hours) for hours in parameters["skipped"].values()]
    rows: list[list[Json]] = []
    for name in first.values["attacks"]:
        cells = [share_cell(_shares(found, name), LEVEL) for found in results.values()]
        rows.append([name, *cells, *skipped])
    empty = [None] * len(skipped)
    for title, count in (("constant classifiers", _constant), ("overfit to one step", _overfit)):
        cells = [f"{sum(map(count, found))} of {len(found)}" for found in results.values()]
        rows.append([title, *cells, *empty])
    images = [found[0].arrays["kept"].shape[1] for found in results.values()]
    rows.append(["test images", *map(float, images), *empty])
    gradients = [float(found[0].values["gradients"]) for found in results.values()]
    rows.append(["gradients", *gradients, *empty])
    last = [found[-1].values["attacks"] for found in results.values()]
    only = [name for name in first.values["attacks"] if not all(name in names for names in last)]
    once = f" {', '.join(only)}: first training only." if only else ""
    return Result(
        {
            "title": f"Adversarial training at equal cost, on {parameters['data']}, linf "
            f"{parameters['eps']:g}: accuracy in %",
            "columns": ("", *results, *parameters["skipped"]),
            "rows": rows,
            "note": "First test images, mean over the trainings of the network of wong2019, whose "
            "number stands in the row of constant classifiers; limits over the images at level "
            f"{LEVEL} by Chernoff's inequality, each by itself. One backward pass for one image is "
            f"one gradient. {_ATTACKS_IN_WORDS if WORST_OF_TEN in first.values['attacks'] else ''}"
            f"The worst of all attacks is still only an upper bound.{once} A constant classifier "
            "keeps its accuracy under attack and is worthless. A network is called overfit to one "
            f"step where its accuracy under FGSM is more than {OVERFIT:g} above that under PGD-40: "
            "that under FGSM alone says nothing about robustness.",
        }
    )


def _results(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result]
) -> dict[str, list[Result]]:
    return {
        method: [inputs[key] for key in parameters["keys"][method]]
        for method in parameters["methods"]
    }


def _shares(found: list[Result], name: str) -> np.ndarray:
    """Of each image, the share of the trainings under that attack that keep it."""
    shares: np.ndarray = np.mean(
        [
            one.arrays["kept"][one.values["attacks"].index(name)]
            for one in found
            if name in one.values["attacks"]
        ],
        axis=0,
    )
    return shares


def _constant(one: Result) -> bool:
    return bool(one.values["collapsed"])


def _overfit(one: Result) -> bool:
    gap = _shares([one], "FGSM").mean() - _shares([one], "PGD-40").mean()
    return bool(gap > OVERFIT)


def difference_interval(gaps: np.ndarray, alpha: float) -> tuple[float, float, float]:
    """Mean of numbers in [-1, 1], and limits at level alpha: empirical Bernstein (maurer2009)."""
    n, log_level = len(gaps), math.log(4 / alpha)
    arm = math.sqrt(2 * float(gaps.var(ddof=1)) * log_level / n) + 14 * log_level / (3 * (n - 1))
    mean = float(gaps.mean())
    return mean, max(-1.0, mean - arm), min(1.0, mean + arm)


def ingredients(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """What each ingredient changes, on the same images and initial weights."""
    rows = []
    results = _results(parameters, inputs)
    attacks = next(iter(results.values()))[0].values["attacks"]
    worst = WORST_OF_TEN if WORST_OF_TEN in attacks else WORST
    for ingredient, pair in INGREDIENTS.items():
        if not set(pair) <= set(results):
            continue
        with_it, without = (_shares(results[method], worst) for method in pair)
        many = min(len(with_it), len(without))
        with_it, without = with_it[:many], without[:many]
        mean, lo, hi = difference_interval(with_it - without, LEVEL)
        word = "helps" if lo > 0 else "harms" if hi < 0 else "not decided"
        cell = f"{100 * mean:+.1f} [{100 * lo:+.1f}, {100 * hi:+.1f}]"
        rows.append([ingredient, *pair, cell, word])
    return Result(
        {
            "title": f"Which ingredient does the work, on {parameters['data']}, linf "
            f"{parameters['eps']:g}",
            "columns": ("ingredient", "with it", "without it", "gain in %", ""),
            "rows": rows,
            "note": f"Difference of the accuracies under the {worst}, image by image, over the "
            "first test images that both were attacked on; means over the trainings of each; "
            f"limits over the images at level {LEVEL}, each by itself, by the empirical "
            "inequality of Bernstein. Other trainings would differ as well.",
        }
    )


def figure(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Error under FGSM after growing numbers of gradients: the paper's Figure 1."""
    rows = []
    looks: list[float] = []
    for method in parameters["methods"]:
        histories = [inputs[key].arrays["history"] for key in parameters["keys"][method]]
        least = min(len(history) for history in histories)
        mean = np.mean([history[:least] for history in histories], axis=0)
        looks = looks or mean[:, 0].tolist()
        cells = [*mean[:, 1].tolist(), *([None] * len(looks))][: len(looks)]
        rows.append([method, *cells])
    return Result(
        {
            "title": f"Figure 1 of anonymous2022, on {parameters['data']}: error under FGSM while "
            "training",
            "columns": ("gradients, about", *(f"{g:.3g}" for g in looks)),
            "rows": rows,
            "note": "Share of the test images of the table above that one step changes or that "
            "are wrong anyway. One backward pass for one image is one gradient.",
        }
    )
