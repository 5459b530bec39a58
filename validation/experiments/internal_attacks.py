"""Attacks on a classifier within exact internal balls, and other images at distance 0."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from robust_theory import internal, internal_bounds
from validation.experiment import (
    Experiment,
    Instance,
    Json,
    Measurement,
    Options,
    Progress,
    Result,
    Unit,
)
from validation.experiments import internal_defences, pipeline
from validation.experiments.internal import SOLVER, by_linear_program
from validation.verdict import Evidence

if TYPE_CHECKING:
    from torch import nn

    from empirical.data import Dataset

NETWORK = "cnn"
MARGIN = 4  # black pixels added on every side, so that shifts keep all patches
# Radii sum over the entries of a patch.
SIZES: Mapping[str, Mapping[str, Json]] = {
    "quick": {"patch": 3, "images": 20, "radii": [0.05, 0.1, 0.2], "epochs": 6, "critic": 40},
    "full": {"patch": 3, "images": 50, "radii": [0.05, 0.1, 0.2, 0.4], "epochs": 12, "critic": 400},
    "large": {"patch": 7, "images": 30, "radii": [0.25, 0.5, 1, 2], "epochs": 3, "critic": 400},
}
LINF = (0.05, 0.1, 0.2)
DECIMALS = 4  # of the images of the rows, as they are printed


def _sizes(options: Options) -> Mapping[str, Json]:
    """Of the digits; other images are larger, and so are their patches."""
    return SIZES[options.suite if options.data == "digits" else "large"]


def _unit(options: Options) -> Unit:
    return Unit(
        f"{pipeline.data_name(options)}/internal-attacks",
        "validation.experiments.internal_attacks:attack",
        {**pipeline.source(options), **_sizes(options)},
        accelerated=True,
    )


def attack(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Train a classifier on padded images; attack the first test images that it gets right."""
    from empirical import data, train
    from empirical.attacks.couplings import Couplings
    from empirical.attacks.internal import internal_attack
    from empirical.attacks.patch_critic import critic_attack
    from empirical.attacks.steps import pgd
    from empirical.networks import build

    dataset = data.load(parameters["data"], parameters["data_dir"])
    sides = ((0, 0), (0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN))
    dataset = replace(dataset, images=np.pad(dataset.images, sides))
    network = build(NETWORK, dataset.shape, dataset.classes, seed % 2**62)
    device, patch = parameters["device"], parameters["patch"]
    train.train_classifier(network, dataset, epochs=parameters["epochs"], seed=seed % 2**62)
    shifts = _shift_accuracy(network, dataset)
    x, y = _right(network, dataset, parameters["images"])
    couplings = Couplings(x, patch)
    direct, shifted = list[int](), list[int]()
    distances: list[float] = []
    for k, radius in enumerate(parameters["radii"]):
        for shift, found in ((0, direct), (1, shifted)):
            ended = internal_attack(
                network, x, y, radius, patch, shift=shift, steps=25, device=device
            )
            found.append(int(ended.fooled.sum()))
            if not shift:
                distances.append(float(ended.distances.max()))
        progress((k + 1) / (2 * len(parameters["radii"])), "direct attack")
    steps = [pgd(network, x, y, eps, seed=seed % 2**62, device=device) for eps in LINF]
    reached = [
        np.array([couplings.distance(i, z) for i, z in enumerate(ended.images)]) for ended in steps
    ]
    made = critic_attack(
        network, x, y, patch, steps=parameters["critic"], seed=seed % 2**62, device=device
    )
    closest = np.where(made.fooled, made.distances, np.inf)
    moved = np.roll(x[0], (1, 1), axis=(1, 2))
    return Result(
        {
            "images": len(x),
            "direct": direct,
            "shifted": shifted,
            "distances": distances,
            "pgd": [int(ended.fooled.sum()) for ended in steps],
            "pgd_distance": [float(d.mean()) for d in reached],
            "critic": int(made.fooled.sum()),
            "critic_distance": float(np.median(closest)) if made.fooled.all() else None,
            "critic_inside": [int((closest <= r).sum()) for r in parameters["radii"]],
            **shifts,
        },
        {
            "original": x[0].transpose(1, 2, 0),
            "moved": moved.transpose(1, 2, 0),
            "pgd_image": steps[-1].images[0].transpose(1, 2, 0),
        },
    )


def _right(network: nn.Module, dataset: Dataset, count: int) -> tuple[np.ndarray, np.ndarray]:
    import torch

    x, y = dataset.images[dataset.test], dataset.labels[dataset.test]
    with torch.no_grad():
        right = network(torch.from_numpy(x)).argmax(1).numpy() == y
    return x[right][:count], y[right][:count]


def _shift_accuracy(network: nn.Module, dataset: Dataset) -> dict[str, float]:
    """Accuracy on the test images, and on the worst of their shifts by up to one pixel."""
    import torch

    x, y = dataset.images[dataset.test], torch.from_numpy(dataset.labels[dataset.test])
    kept = torch.ones(len(x), dtype=torch.bool)
    clean = 0.0
    with torch.no_grad():
        for down in (0, -1, 1):
            for right in (0, -1, 1):
                moved = torch.from_numpy(np.roll(x, (down, right), axis=(2, 3)))
                kept &= network(moved).argmax(1) == y
                clean = clean or float(kept.float().mean())
    return {"accuracy": clean, "shift_accuracy": float(kept.float().mean())}


# ------------------------------------------------------------------------------ rows


def _pair(which: str) -> Callable[..., Measurement]:
    """The distance of the first image from another one, by a linear program."""

    def measure(
        parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
    ) -> Measurement:
        (found,) = inputs.values()
        x, y = (
            np.round(found.arrays[name].astype(np.float64), DECIMALS).tolist()
            for name in ("original", which)
        )
        patch = parameters["patch"]
        value = by_linear_program(x, y, patch)
        seen = Evidence(value, value - SOLVER, value + SOLVER, "exact", "linear program")
        arguments = {"x": x, "y": y, "patch": patch}
        if which == "pgd_image":
            arguments["norm"] = "linf"
        return Measurement(arguments, seen)

    return measure


def _instances(words: str) -> Callable[[Options], tuple[Instance, ...]]:
    def instances(options: Options) -> tuple[Instance, ...]:
        name = f"{pipeline.data_name(options)}-{words}"
        # Beyond some hundred patches the linear program takes minutes.
        skipped = "" if options.data == "digits" else "too many patches for the linear program"
        patch = _sizes(options)["patch"]
        return (Instance(name, {"patch": patch}, (_unit(options),), skipped),)

    return instances


def _table_units(options: Options) -> tuple[Unit, ...]:
    unit = _unit(options)
    return (
        Unit(
            f"{pipeline.data_name(options)}/internal-attack-table",
            "validation.experiments.internal_attacks:table",
            {"data": pipeline.data_name(options), **_sizes(options)},
            (unit,),
        ),
        *internal_defences.table_units(options),
    )


def table(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Success within a radius, next to attacks that do not know the distance."""
    (found,) = inputs.values()
    v, n = found.values, found.values["images"]
    rows: list[list[Json]] = [
        [
            f"direct, within {radius:g}",
            v["direct"][k],
            v["shifted"][k],
            v["critic_inside"][k],
            v["distances"][k],
        ]
        for k, radius in enumerate(parameters["radii"])
    ]
    rows += [
        [f"PGD-40, linf {eps:g}", v["pgd"][k], None, None, v["pgd_distance"][k]]
        for k, eps in enumerate(LINF)
    ]
    rows.append(["generator and patch critic", None, None, v["critic"], v["critic_distance"]])
    return Result(
        {
            "title": f"Attacks within internal distances on {parameters['data']}, patches of side "
            f"{parameters['patch']}, {n} images",
            "columns": (
                "attack",
                "wrong images",
                "with shifts by a pixel first",
                "generator and critic",
                "internal distance",
            ),
            "rows": rows,
            "note": f"{MARGIN} black pixels on every side. The direct attack keeps every image "
            "inside the exact ball; the last column has its largest distance, the mean of "
            "PGD's, and the median of the generator's nearest wrong images, whose radius nothing "
            "enforces. Shifts by one pixel are at distance 0: accuracy falls from "
            f"{100 * v['accuracy']:.1f} % to {100 * v['shift_accuracy']:.1f} % under the worst of "
            "them.",
        }
    )


_ZERO = Experiment(
    name="internal-distance-of-shifted-images",
    claim=internal.INTERNAL_WASSERSTEIN,
    subject="internal",
    quantity="internal Wasserstein distance",
    unit="l1 distance of patches",
    norm="l1",
    reading="Each bar encloses the distance of an image from its shift by a pixel, which is 0 "
    "although the classifier's answers change; the mark must be inside.",
    x_label="l1 distance of patches",
    instances=_instances("shifted"),
    measure=_pair("moved"),
    resolution=1e-5,
    tables=_table_units,
)
EXPERIMENTS: tuple[Experiment, ...] = (
    _ZERO,
    replace(
        _ZERO,
        name="internal-distance-of-attacked-images",
        claim=internal_bounds.INTERNAL_WASSERSTEIN_BOUND,
        subject="internal_bounds",
        reading="Each bar encloses the internal distance that an attack in another norm reaches; "
        "it must not end above the mark, a constant times that norm.",
        instances=_instances("pgd"),
        measure=_pair("pgd_image"),
        tables=lambda options: (),
    ),
)
