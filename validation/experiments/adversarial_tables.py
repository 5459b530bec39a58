"""Adversarial training at equal numbers of gradients: methods, ingredients, and the way there.

The published set-up stands in `transport_tables`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from validation.experiment import Json, Options, Progress, Result, Unit
from validation.experiments import pipeline
from validation.experiments.adversarial_attacks import ADAPTIVE_STEPS, QUERIES, WORST, WORST_OF_TEN
from validation.experiments.adversarial_networks import (
    ATTACKS,
    METHODS,
    RADIUS,
    SIZES,
    effort,
    seconds,
    trained_unit,
)
from validation.experiments.cells import LEVEL, share_cell, skipped_cell

OVERFIT = 0.5  # accuracy without attack, or under FGSM, less that under PGD-40: lost, or overfit
# What is compared, with which method, in order to see what it does.
INGREDIENTS: Mapping[str, tuple[str, str]] = {
    "stored attacks": ("particles, shorter steps", "PGD-7"),
    "shorter steps": ("particles, shorter steps", "particles without noise"),
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
    counts = {
        "constant classifiers": _constant,
        "overfit to one step": _overfit,
        "lost under PGD-40": _lost,
    }
    for title, count in counts.items():
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
            "that under FGSM alone says nothing about robustness. It is called lost where "
            "the clean accuracy is as far above: stored attacks too can be learnt by heart.",
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
    return _gap(one, "FGSM") > OVERFIT


def _lost(one: Result) -> bool:
    return _gap(one, "clean") > OVERFIT


def _gap(one: Result, name: str) -> float:
    return float(_shares([one], name).mean() - _shares([one], "PGD-40").mean())


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
