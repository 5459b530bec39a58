"""Throughput and robust accuracy of our PGD and APGD beside foolbox's and ART's, in one run.

Run: OMP_NUM_THREADS=1 python benchmarks/attacks.py --out benchmarks/results/attacks.json

All get the same network in single precision, the same images, radius, number of steps and step
length, and every image they return is looked at again. Needs the extra `crosscheck`; a library that
cannot be imported is left out, and the record says so.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import json
import platform
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch import nn

from empirical import data, networks, train
from empirical.adversarial import train_on_pgd
from empirical.adversarial_loop import Budget
from empirical.attacks.adaptive import apgd
from empirical.attacks.square import square_attack
from empirical.attacks.steps import pgd
from empirical.attacks.worst import worst_case
from empirical.estimate import proportion_interval

STEPS = 40
STEP = 2.5 / STEPS  # of the radius
ORDERS = {"linf": np.inf, "l2": 2, "l1": 1}


@dataclass(frozen=True)
class Problem:
    """A network, images that it is attacked on, and the ball."""

    name: str
    network: nn.Module
    images: np.ndarray
    labels: np.ndarray
    eps: float
    norm: str


Attack = Callable[[Problem], np.ndarray]


def problems(images: int, seed: int) -> list[Problem]:
    """Return a naturally and an adversarially trained network, each in three balls."""
    digits = data.load("digits")
    x, y = digits.images[digits.test][:images], digits.labels[digits.test][:images]
    natural = networks.build("cnn", digits.shape, digits.classes, seed)
    train.train_classifier(natural, digits, seed=seed)
    robust = networks.build("cnn", digits.shape, digits.classes, seed)
    train_on_pgd(robust, digits, 0.2, Budget(gradients=300_000, seed=seed), steps=7)
    return [
        Problem(f"digits cnn, {kind}, {norm}", network, x, y, eps, norm)
        for kind, network in (("natural", natural), ("adversarial", robust))
        for norm, eps in (("linf", 0.15), ("l2", 0.7), ("l1", 2.0))
    ]


def ours(problem: Problem) -> np.ndarray:
    """Our PGD; images that are fooled take no further steps."""
    return pgd(
        problem.network, problem.images, problem.labels, problem.eps, problem.norm,
        steps=STEPS, step=STEP * problem.eps,
    ).images  # fmt: skip


def adaptive(steps: int) -> Attack:
    """Our APGD, cross-entropy."""
    return lambda p: apgd(p.network, p.images, p.labels, p.eps, p.norm, steps=steps).images


def fixed(steps: int) -> Attack:
    """Our PGD with more steps."""
    return lambda p: pgd(p.network, p.images, p.labels, p.eps, p.norm, steps=steps).images


def both_losses(problem: Problem) -> np.ndarray:
    """Our APGD on the cross-entropy, then on DLR where that found nothing."""
    found = apgd(problem.network, problem.images, problem.labels, problem.eps, problem.norm)
    rest = ~found.fooled
    again = apgd(
        problem.network, problem.images[rest], problem.labels[rest], problem.eps, problem.norm,
        loss="dlr",
    )  # fmt: skip
    moved = found.images.copy()
    moved[rest] = again.images
    return moved


def free(problem: Problem) -> np.ndarray:
    """Our Square."""
    return square_attack(
        problem.network, problem.images, problem.labels, problem.eps, problem.norm, queries=1000
    ).images


def all_at_once(problem: Problem) -> np.ndarray:
    """Our attacks one after another, each on what is left."""
    return worst_case(
        problem.network, problem.images, problem.labels, problem.eps, problem.norm
    ).images


def foolbox_pgd(problem: Problem) -> np.ndarray:
    """foolbox's PGD, its step made the same."""
    import foolbox

    model = foolbox.PyTorchModel(problem.network.eval(), bounds=(0.0, 1.0))
    kind = {
        "linf": foolbox.attacks.LinfPGD,
        "l2": foolbox.attacks.L2PGD,
        "l1": foolbox.attacks.L1PGD,
    }[problem.norm]
    method = kind(rel_stepsize=STEP, steps=STEPS)
    x, y = torch.from_numpy(problem.images), torch.from_numpy(problem.labels)
    _, clipped, _ = method(model, x, y, epsilons=problem.eps)
    return clipped.detach().numpy()


def art_pgd(problem: Problem) -> np.ndarray:
    """ART's PGD on torch tensors, its step made the same, one batch."""
    from art.attacks.evasion import ProjectedGradientDescentPyTorch
    from art.estimators.classification import PyTorchClassifier

    estimator = PyTorchClassifier(
        problem.network, nn.CrossEntropyLoss(), problem.images.shape[1:], 10,
        clip_values=(0.0, 1.0), device_type="cpu",
    )  # fmt: skip
    method = ProjectedGradientDescentPyTorch(
        estimator, norm=ORDERS[problem.norm], eps=problem.eps,
        eps_step=STEP * problem.eps, max_iter=STEPS, num_random_init=1, verbose=False,
        batch_size=len(problem.images),
    )  # fmt: skip
    return method.generate(problem.images, y=problem.labels)


def attacks() -> tuple[dict[str, Attack], list[str]]:
    """Return the attacks that can be run, and the libraries that are missing."""
    libraries = {
        "foolbox": (f"foolbox PGD-{STEPS}", foolbox_pgd),
        "art": (f"ART PGD-{STEPS}", art_pgd),
    }
    there = {name for name in libraries if importlib.util.find_spec(name) is not None}
    found: dict[str, Attack] = {f"PGD-{STEPS}": ours}
    found |= {label: attack for name, (label, attack) in libraries.items() if name in there}
    found |= {
        "PGD-100": fixed(100),
        "APGD-100": adaptive(100),
        "APGD-100, two losses": both_losses,
        "Square-1000": free,
        "worst case": all_at_once,
    }
    return found, sorted(libraries.keys() - there)


def robust_accuracy(problem: Problem, moved: np.ndarray) -> int:
    """Count images that are classified rightly, before and after, without leaving ball and box."""
    move = (moved.astype(float) - problem.images).reshape(len(moved), -1)
    size = np.linalg.norm(move, ORDERS[problem.norm], axis=1)
    inside = (size <= problem.eps + 1e-5) & ((moved >= 0) & (moved <= 1)).reshape(
        len(moved), -1
    ).all(1)
    with torch.no_grad():
        before, after = (
            problem.network(torch.from_numpy(x.astype(np.float32))).argmax(1).numpy()
            for x in (problem.images, moved)
        )
    fooled = (before != problem.labels) | (inside & (after != problem.labels))
    return int((~fooled).sum())


def measure(problem: Problem, repeats: int) -> list[dict[str, str | float | int]]:
    """Return one row per attack; the attacks take turns, and the least CPU time counts."""
    problem.network.eval()
    found, _ = attacks()
    if problem.norm == "l1":
        del found["Square-1000"]
    times: dict[str, list[float]] = {name: [] for name in found}
    left: dict[str, int] = {}
    for _ in range(repeats):
        for name, attack in found.items():
            torch.manual_seed(0)
            np.random.seed(0)  # noqa: NPY002 (the libraries draw from it)
            start = time.process_time()
            moved = attack(problem)
            times[name].append(time.process_time() - start)
            left[name] = robust_accuracy(problem, moved)
    n = len(problem.images)
    rows: list[dict[str, str | float | int]] = []
    for name in found:
        limits = proportion_interval(left[name], n, 0.05)
        rows.append(
            {
                "problem": problem.name,
                "eps": problem.eps,
                "images": n,
                "attack": name,
                "robust_accuracy": left[name] / n,
                "lower_95": limits.lo,
                "upper_95": limits.hi,
                "seconds": min(times[name]),
                "images_per_second": n / min(times[name]),
                "throughput_ratio_to_ours": min(times[f"PGD-{STEPS}"]) / min(times[name]),
            }
        )
    return rows


def summary(rows: list[dict[str, str | float | int]]) -> dict[str, float | bool]:
    """Return how the libraries' throughput compares at best, and whether the accuracies agree."""
    by = {(str(row["problem"]), str(row["attack"])): row for row in rows}
    ours_name = f"PGD-{STEPS}"
    said: dict[str, float | bool] = {}
    for library in ("foolbox", "ART"):
        whole = [row for row in rows if str(row["attack"]).startswith(library)]
        # In l1 the steps are not the same.
        theirs = [row for row in whole if not str(row["problem"]).endswith("l1")]
        if theirs:
            said[f"accuracy_in_l1_never_above_that_of_{library}"] = all(
                by[str(row["problem"]), ours_name]["robust_accuracy"] <= row["robust_accuracy"]
                for row in whole
                if row not in theirs
            )
            said[f"largest_throughput_of_{library}_over_ours"] = max(
                float(row["throughput_ratio_to_ours"]) for row in theirs
            )
            said[f"accuracy_of_{library}_within_our_interval"] = all(
                by[str(row["problem"]), ours_name]["lower_95"]
                <= row["robust_accuracy"]
                <= by[str(row["problem"]), ours_name]["upper_95"]
                for row in theirs
            )
    names = sorted({problem for problem, _ in by})
    for name in ("APGD-100", "APGD-100, two losses", "worst case"):
        said[f"{name}: never above PGD-100"] = all(
            by[problem, name]["robust_accuracy"] <= by[problem, "PGD-100"]["robust_accuracy"]
            for problem in names
        )
    return said


def main() -> None:
    """Measure all problems; print a line per row and write them to a file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    rows = []
    for problem in problems(options.images, options.seed):
        for row in measure(problem, options.repeats):
            rows.append(row)
            sys.stdout.write(
                f"{row['problem']:30} {row['attack']:21} accuracy {row['robust_accuracy']:.4f} "
                f"[{row['lower_95']:.3f}, {row['upper_95']:.3f}] {row['seconds']:.3f} s "
                f"throughput x{row['throughput_ratio_to_ours']:.2f}\n"
            )
            sys.stdout.flush()
    _, missing = attacks()
    if options.out:
        libraries = {"foolbox": "foolbox", "art": "adversarial-robustness-toolbox"}
        there = [name for key, name in libraries.items() if key not in missing]
        record = {
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "command": " ".join(["python", "benchmarks/attacks.py", *sys.argv[1:]]),
            "machine": platform.machine(),
            "threads": 1,
            "versions": {"python": platform.python_version()}
            | {name: version(name) for name in ("torch", "numpy", *there)},
            "missing": missing,
            "means": f"seconds: least CPU time of {options.repeats} runs, the attacks in turn; "
            "ours stops at images that are fooled, the others go on; accuracy: share of images "
            "classified rightly before and after, with its 95 % Clopper-Pearson interval",
            "summary": summary(rows),
            "rows": rows,
        }
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
