"""Training one network and attacking it as li2021 does.

An attack is judged by the network itself at the image that it returns, whatever the attack reports.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from validation.experiment import Json, Progress, Result

if TYPE_CHECKING:
    from torch import nn

TARGET_SEED = 20210312  # the same targets for every attack
_BLOCK = 50  # images judged at once


def train(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Train one network: the same initial weights and gradients for every method."""
    from empirical import adversarial, data
    from empirical.adversarial_loop import Budget
    from empirical.internal_training import train_on_internal
    from empirical.networks import build, to_arrays

    p = parameters
    dataset = data.load(p["data"], p["data_dir"])
    network = build(p["network"], dataset.shape, dataset.classes, 0)
    budget = Budget(p["gradients"], rate=p["rate"], batch=p["batch"])
    how = {"device": p["device"], "progress": progress}
    if p["method"] == "natural":
        record = adversarial.train_naturally(network, dataset, budget, **how)
    elif p["method"] == "free-PGD":
        record = adversarial.train_for_free(network, dataset, p["eps"], budget, **how)
    elif p["method"] == "PGD":
        record = adversarial.train_on_pgd(network, dataset, p["eps"], budget, **how)
    else:
        shape = {"stride": p["stride"], "clean": p["beta"]}
        record = train_on_internal(
            network, dataset, p["radius"], p["patch"], budget, **shape, **how
        )
    values = {"collapsed": record.collapsed, "updates": record.updates}
    return Result(values, to_arrays(network))


def first_images(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """The first test images, with a wrong class drawn for each."""
    from empirical import data

    dataset = data.load(parameters["data"], parameters["data_dir"])
    chosen = dataset.test[: parameters["images"]]
    x, y = dataset.images[chosen], dataset.labels[chosen]
    draws = np.random.default_rng(TARGET_SEED).integers(1, dataset.classes, len(y))
    arrays = {"images": x, "labels": y, "targets": (y + draws) % dataset.classes}
    return Result({"classes": dataset.classes}, arrays)


def attack(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Attack the first test images; say which were right before, and which the attack fools."""
    from empirical.networks import build, from_arrays

    p = parameters
    trained, shown = inputs.values()
    x, y, other = (shown.arrays[name][: p["images"]] for name in ("images", "labels", "targets"))
    empty = build(p["network"], x.shape[1:], shown.values["classes"], 0)
    network = from_arrays(empty, trained.arrays).to(p["device"]).eval()
    targets = other if p["targeted"] else None
    z, judge = _attacked(network, x, y, targets, p, seed % 2**62, progress)
    arrays = {"right": _reached(network, x, y, y), "fooled": _reached(network, z, y, targets)}
    if judge is not None:
        arrays["right_moved"] = _reached(judge, x, y, y)
        arrays["fooled_moved"] = _reached(judge, z, y, targets)
    if p["measured"] or p["attack"] == "direct":
        from robust_theory.transport.internal import internal_distance

        move = (z.astype(np.float64) - x).reshape(len(x), -1)
        pairs = zip(x.transpose(0, 2, 3, 1), z.transpose(0, 2, 3, 1), strict=True)
        arrays["l2"], arrays["linf"] = np.linalg.norm(move, axis=1), np.abs(move).max(axis=1)
        arrays["internal"] = np.array([internal_distance(a, b, p["patch"]) for a, b in pairs])
    return Result({"images": len(x)}, arrays)


def _attacked(
    network: nn.Module,
    x: np.ndarray,
    y: np.ndarray,
    targets: np.ndarray | None,
    p: Mapping[str, Json],
    seed: int,
    progress: Progress,
) -> tuple[np.ndarray, nn.Module | None]:
    """The attack's images; for EOT also the classifier under transformations it has not seen."""
    from empirical.attacks.deform import adef, stadv
    from empirical.attacks.expectation import Expected, turned_and_shifted
    from empirical.attacks.internal import internal_attack
    from empirical.attacks.patch_critic import critic_attack
    from empirical.attacks.steps import fgsm, pgd

    how = {"targets": targets, "device": p["device"]}
    match p["attack"]:
        case "FGSM":
            return fgsm(network, x, y, p["eps"], **how).images, None
        case "PGD-10":
            return pgd(network, x, y, p["eps"], steps=10, seed=seed, **how).images, None
        case "ADef":
            return adef(network, x, y, limit=p["limit"], **how).images, None
        case "stAdv":
            return stadv(network, x, y, limit=p["limit"], steps=p["steps"], **how).images, None
        case "EOT":
            transform = turned_and_shifted(p["turn"], p["move"])
            model = Expected(network, transform, draws=8, seed=seed)
            found = pgd(model, x, y, p["eps"], steps=10, seed=seed, **how)
            return found.images, Expected(network, transform, draws=64, seed=seed + 1)
        case "direct":
            within = {"shift": 0, "steps": 25, "progress": progress, **how}
            return internal_attack(network, x, y, p["radius"], p["patch"], **within).images, None
    loss = "margin" if p["attack"].endswith("margin") else "cross-entropy"
    pace = {"tau": p["tau"], "loss": loss, "steps": p["updates"], "seed": seed, **how}
    return critic_attack(network, x, y, p["patch"], progress=progress, **pace).images, None


def _reached(
    network: nn.Module, x: np.ndarray, y: np.ndarray, targets: np.ndarray | None
) -> np.ndarray:
    """Whether the greatest logit is that of the class wanted; without one, any but the label."""
    import torch

    from empirical.attacks.losses import Goal

    device = next(network.parameters()).device
    parts: list[np.ndarray] = []
    for start in range(0, len(x), _BLOCK):
        part = slice(start, start + _BLOCK)
        wanted = None if targets is None else torch.from_numpy(targets[part]).to(device)
        goal = Goal(torch.from_numpy(y[part]).to(device), wanted)
        with torch.no_grad():
            logits = network(torch.from_numpy(x[part]).to(device))
        parts.append(goal.reached(logits).cpu().numpy())
    return np.concatenate(parts)
