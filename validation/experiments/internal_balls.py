"""Attacks within exact internal balls on padded images, next to attacks that know no distance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from validation.experiment import Json, Progress, Result

if TYPE_CHECKING:
    from torch import nn

    from empirical.data import Dataset

MARGIN = 4  # black pixels added on every side, so that shifts keep all patches
LINF = (0.05, 0.1, 0.2)


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
    network = build(parameters["network"], dataset.shape, dataset.classes, seed % 2**62)
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
