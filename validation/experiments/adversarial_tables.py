"""Adversarial training at equal numbers of gradients, in the layout of anonymous2022's Table 1."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from validation.experiment import Json, Options, Progress, Result, Unit
from validation.experiments import pipeline
from validation.experiments.cells import LEVEL, share_cell

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
QUICK = ("PGD-7", "Algorithm 1 as printed", "Algorithm 1, ramp", "particles without noise")
SIZES: Mapping[str, Mapping[str, Json]] = {
    "quick": {"gradients": 40_000, "rate": 3e-3, "images": 300, "seeds": 1, "looks": 4},
    "full": {"gradients": 1_800_000, "rate": 1e-3, "images": 2_000, "seeds": 3, "looks": 20},
}
RADIUS = {"mnist": 0.3, "fashion-mnist": 0.1, "digits": 0.15}  # others: 8/255
# Attacks: steps, step as a share of eps, restarts, loss.
ATTACKS: Mapping[str, Mapping[str, tuple[int, float, int, str]]] = {
    "quick": {
        "PGD-40": (40, 1 / 30, 1, "cross-entropy"),
        "margin": (20, 0.1, 2, "margin"),
    },
    "full": {
        "PGD-40": (40, 1 / 30, 1, "cross-entropy"),
        "PGD-100": (100, 1 / 30, 3, "cross-entropy"),
        "PGD-100, margin": (100, 1 / 30, 3, "margin"),
        "PGD-40, long steps": (40, 1 / 3, 3, "margin"),
    },
}
WORST = "worst of all"
# What is compared, with which method, in order to see what it does.
INGREDIENTS: Mapping[str, tuple[str, str]] = {
    "stored attacks": ("particles without noise", "PGD-7"),
    "noise": ("Algorithm 1, ramp", "particles without noise"),
    "ramp, with noise": ("Algorithm 1, ramp", "Algorithm 1 as printed"),
    "ramp, without noise": ("particles without noise", "particles without noise, no ramp"),
    "one pass for weights and attack": ("particles, one pass", "particles without noise"),
    "ramp, PGD": ("PGD-7", "PGD-7, no ramp"),
}


def methods(options: Options) -> tuple[str, ...]:
    """Those of the suite."""
    return QUICK if options.suite == "quick" else tuple(METHODS)


def trained_unit(options: Options, method: str, seed: int) -> Unit:
    """One network, trained and attacked."""
    name = pipeline.data_name(options)
    words = method.replace(",", "").replace(" ", "-").lower()
    return Unit(
        f"{name}/adversarial-{words}-{seed}",
        "validation.experiments.adversarial_tables:train",
        {
            **pipeline.source(options),
            "how": METHODS[method],
            "number": seed,
            "eps": RADIUS.get(options.data, 8 / 255),
            "suite": options.suite,
            **SIZES[options.suite],
        },
        accelerated=True,
    )


def table_units(options: Options) -> tuple[Unit, ...]:
    """The table of accuracies, and the curve of the paper's Figure 1 as one."""
    keys = {
        method: [
            trained_unit(options, method, seed) for seed in range(SIZES[options.suite]["seeds"])
        ]
        for method in methods(options)
    }
    needs = tuple(unit for units in keys.values() for unit in units)
    parameters = {
        "data": pipeline.data_name(options),
        "eps": RADIUS.get(options.data, 8 / 255),
        "methods": list(keys),
        "keys": {method: [unit.key for unit in units] for method, units in keys.items()},
        "attacks": [*ATTACKS[options.suite]],
    }
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
    from empirical.attacks.steps import fgsm, pgd
    from empirical.networks import build

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
        rate=parameters["rate"],
        seed=number,
        looks=parameters["looks"],
    )
    record = _trained(adversarial, network, dataset, eps, budget, how, device, progress, watch)
    kept = {"clean": ~fgsm(network, x, y, 0.0, device=device).fooled}
    kept["FGSM"] = ~fgsm(network, x, y, eps, device=device).fooled
    for name, (steps, share, restarts, loss) in ATTACKS[parameters["suite"]].items():
        kept[name] = ~pgd(
            network,
            x,
            y,
            eps,
            steps=steps,
            step=share * eps,
            restarts=restarts,
            loss=loss,
            seed=number,
            device=device,
        ).fooled
    kept[WORST] = np.logical_and.reduce(list(kept.values()))
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
    results = {
        method: [inputs[key] for key in parameters["keys"][method]]
        for method in parameters["methods"]
    }
    first = next(iter(results.values()))[0]
    rows: list[list[Json]] = []
    for i, name in enumerate(first.values["attacks"]):
        row = [name]
        for found in results.values():
            shares = np.mean([one.arrays["kept"][i] for one in found], axis=0)
            row.append(share_cell(shares))
        rows.append(row)
    rows.append(
        [
            "constant classifiers",
            *(
                f"{sum(one.values['collapsed'] for one in found)} of {len(found)}"
                for found in results.values()
            ),
        ]
    )
    rows.append(["gradients", *(float(found[0].values["gradients"]) for found in results.values())])
    n, seeds = first.arrays["kept"].shape[1], len(next(iter(results.values())))
    return Result(
        {
            "title": f"Table 1 of anonymous2022, on {parameters['data']}, linf "
            f"{parameters['eps']:g}: accuracy in % of networks trained at equal cost",
            "columns": ("", *results),
            "rows": rows,
            "note": f"First {n} test images, mean over {seeds} trainings of the network of "
            f"wong2019, limits over the images at level {LEVEL} by Chernoff's inequality, each by "
            "itself. One backward pass for one image is one gradient. The last accuracy is that "
            "under the worst of all attacks for each image, still only an upper bound. A constant "
            "classifier keeps its accuracy under attack and is worthless. Accuracy under FGSM "
            "alone says nothing about robustness.",
        }
    )


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
    for ingredient, pair in INGREDIENTS.items():
        if not set(pair) <= set(parameters["methods"]):
            continue
        with_it, without = (
            np.mean([inputs[key].arrays["kept"][-1] for key in parameters["keys"][m]], axis=0)
            for m in pair
        )
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
            "note": "Difference of the accuracies under the worst of all attacks, image by image; "
            f"limits over the images at level {LEVEL}, each by itself, by the empirical "
            "inequality of Bernstein. Another training would differ as well.",
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
