"""Networks of the table of zhang2019 and what they answer, with and without attacks.

Each is trained at the same number of gradients and met with the same attacks. A network's answers
are taken once, in its own precision, at the images and at what each attack made of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from validation.experiment import Json, Progress, Result

if TYPE_CHECKING:
    from torch import nn

    from empirical.adversarial_loop import AdversarialTraining, Budget
    from empirical.data import Dataset

# Attacks by PGD: steps, step as a share of eps, loss. The first is that of zhang2019.
ATTACKS: Mapping[str, Mapping[str, tuple[int, float, str]]] = {
    "quick": {"PGD-20": (20, 3 / 31, "cross-entropy"), "margin": (20, 3 / 31, "margin")},
    "full": {
        "PGD-20": (20, 3 / 31, "cross-entropy"),
        "PGD-100": (100, 1 / 30, "cross-entropy"),
        "PGD-100, margin": (100, 1 / 30, "margin"),
    },
}
ALLOWANCE = 0.1  # by which PGD-20 may miss what all attacks together find, or it is flagged


def train(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Train one network, attack it, and take its answers."""
    from empirical import data
    from empirical.adversarial_loop import Budget
    from empirical.networks import build
    from empirical.precision import for_device

    dataset = data.load(parameters["data"], parameters["data_dir"])
    # The same weights, order and test images for every method.
    network = build(parameters["network"], dataset.shape, dataset.classes, 0)
    budget = Budget(
        int(parameters["gradients"]), batch=parameters["batch"], rate=parameters["rate"]
    )
    eps, device = parameters["eps"], parameters["device"]
    fast = for_device(network, device)
    record = _trained(fast, dataset, eps, budget, parameters["how"], device, progress)
    chosen = dataset.test[: parameters["images"]]
    x, y = dataset.images[chosen], dataset.labels[chosen]
    met = _met(fast, x, y, eps, parameters["suite"], dataset.classes, device)
    answers = np.stack([_answers(network, z, y, device) for z in met.values()])
    return Result(
        {
            "attacks": list(met),
            "flags": _flags(network, x, y, answers != y, list(met)),
            "gradients": record.gradients,
            "loss": record.loss,
            "collapsed": record.collapsed,
        },
        {"answers": answers.astype(np.int16), "labels": y.astype(np.int16)},
    )


def _trained(
    fast: nn.Module,
    dataset: Dataset,
    eps: float,
    budget: Budget,
    how: Mapping[str, Json],
    device: str,
    progress: Progress,
) -> AdversarialTraining:
    from empirical import adversarial, trades

    module = {"adversarial": adversarial, "trades": trades}[how["module"]]
    more = {name: value for name, value in how.items() if name not in ("module", "function")}
    radius = () if how["function"] == "train_naturally" else (eps,)
    record: AdversarialTraining = getattr(module, how["function"])(
        fast, dataset, *radius, budget, device=device, progress=progress, **more
    )
    return record


def _met(
    fast: nn.Module,
    x: np.ndarray,
    y: np.ndarray,
    eps: float,
    suite: str,
    classes: int,
    device: str,
) -> dict[str, np.ndarray]:
    """The images, and what each attack makes of them."""
    from empirical.attacks.adaptive import apgd
    from empirical.attacks.square import square_attack
    from empirical.attacks.steps import fgsm, pgd
    from empirical.precision import in_full

    network = in_full(fast)
    met = {"clean": x, "FGSM": fgsm(network, x, y, eps, device=device).images}
    for name, (steps, share, loss) in ATTACKS[suite].items():
        met[name] = pgd(
            fast,
            x,
            y,
            eps,
            steps=steps,
            step=share * eps,
            loss=loss,
            device=device,
        ).images
    if suite == "full":
        met["APGD"] = apgd(network, x, y, eps, steps=50, device=device).images
        if classes > 2:  # the DLR loss needs a third
            dlr = apgd(network, x, y, eps, loss="dlr", steps=50, device=device)
            met["APGD, DLR"] = dlr.images
        met["Square"] = square_attack(network, x, y, eps, queries=200, device=device).images
    return met


def _answers(network: nn.Module, images: np.ndarray, labels: np.ndarray, device: str) -> np.ndarray:
    """The network's labels; where the right class ties with another, the right one."""
    import torch

    found = []
    with torch.no_grad():
        for start in range(0, len(images), 1000):
            logits = network(torch.from_numpy(images[start : start + 1000]).to(device)).cpu()
            y = torch.from_numpy(labels[start : start + 1000].astype(np.int64))
            right = logits.gather(1, y[:, None]).squeeze(1) >= logits.amax(1)
            found.append(torch.where(right, y, logits.argmax(1)).numpy())
    return np.concatenate(found)


def _flags(
    network: nn.Module, x: np.ndarray, y: np.ndarray, wrong: np.ndarray, names: list[str]
) -> list[str]:
    """What fails of the checks that say whether an accuracy under attack is to be believed."""
    from empirical.attack_checks import (
        black_box_check,
        loss_check,
        one_step_check,
        one_step_robustness_check,
        worst_case_check,
    )
    from empirical.model_checks import accuracy_check, constant_check, finite_check

    network = network.cpu()
    of = dict(zip(names, wrong, strict=True))
    many = of["PGD-100"] if "PGD-100" in of else of["PGD-20"]
    checks = [
        finite_check(network, x),
        constant_check(network, x),
        accuracy_check(network, x, y),
        one_step_check(of["FGSM"], many),
        one_step_robustness_check(of["FGSM"], many),
        worst_case_check(float((~of["PGD-20"]).mean()), wrong, allowance=ALLOWANCE),
    ]
    if "Square" in of:
        checks.append(black_box_check(many, of["Square"]))
    if "APGD, DLR" in of:
        checks.append(loss_check(of["APGD"], of["APGD, DLR"]))
    return [
        f"{check.name}: {check.number:.3g}, {check.meaning}"
        for check in checks
        if check.verdict == "fail"
    ]


def patterns(result: Result) -> dict[str, Json]:
    """The network's test images as a finite problem: one atom for each way of answering.

    Inputs are the different answers that an image gets, the first without attack; the adversary
    can turn the image into any of the others.
    """
    answers, labels = result.arrays["answers"], result.arrays["labels"]
    ways, counts = np.unique(np.vstack([labels, answers]), axis=1, return_counts=True)
    predictions: list[int] = []
    neighbours: list[list[int]] = []
    points = []
    for first, *rest in ways[1:].T.tolist():
        others = sorted(set(rest) - {first})
        points.append(len(predictions))
        reach = list(range(len(predictions), len(predictions) + 1 + len(others)))
        predictions += [first, *others]
        neighbours += [reach, *([z] for z in reach[1:])]
    return {
        "predictions": predictions,
        "points": points,
        "labels": ways[0].tolist(),
        "neighbours": neighbours,
        "weights": counts.tolist(),
    }


def adversarial_errors(result: Result) -> tuple[int, int]:
    """Images with a wrong answer, at the image or after an attack; images in all."""
    answers, labels = result.arrays["answers"], result.arrays["labels"]
    return int((answers != labels).any(axis=0).sum()), len(labels)


def kept_images(result: Result) -> dict[str, np.ndarray]:
    """Which images keep their right answer under each attack, and under the worst for each."""
    right = result.arrays["answers"] == result.arrays["labels"]
    kept = dict(zip(result.values["attacks"], right, strict=True))
    return {**kept, "worst": right.all(axis=0)}
