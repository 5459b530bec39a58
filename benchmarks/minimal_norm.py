"""Least l2 norms and times of our attack beside those of foolbox, in one run, as ratios.

Run: OMP_NUM_THREADS=1 python benchmarks/minimal_norm.py --out benchmarks/results/minimal_norm.json

Every attack gets the same networks in double precision and the same points, and every point it
returns is verified in double precision. Needs the extra `crosscheck`.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import os
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
from empirical.attacks.latent import latent_function
from empirical.attacks.minimal import minimal_perturbation

UNBOUNDED = (-math.inf, math.inf)


@dataclass(frozen=True)
class Problem:
    """A function of double-precision points, and the box that perturbed points stay in."""

    name: str
    function: Callable[[torch.Tensor], torch.Tensor]
    points: torch.Tensor
    bounds: tuple[float, float]


class Wrapped(nn.Module):
    """A function as a module, which is what foolbox takes."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the function's logits."""
        return self.function(x)


def problems(latents: int, seed: int) -> list[Problem]:
    """Return images in their box, latents of three pipelines, and a small ReLU composite."""
    digits = data.load("digits")
    vae = networks.build("vae", digits.shape, digits.classes, seed)
    train.train_vae(vae, digits, seed=seed)
    z = torch.randn(latents, vae.latent_dimension, generator=torch.Generator().manual_seed(seed))
    images = torch.from_numpy(digits.images[digits.test]).double()
    found = []
    for name in ("cnn", "mlp", "linear"):
        classifier = networks.build(name, digits.shape, digits.classes, seed)
        train.train_classifier(classifier, digits, seed=seed)
        if name == "cnn":
            direct = latent_function(classifier, nn.Identity())
            found.append(Problem("digits cnn, images in [0, 1]", direct, images, (0.0, 1.0)))
        composite = latent_function(classifier, vae.decoder)
        found.append(Problem(f"digits {name}, latents", composite, z.double(), UNBOUNDED))
    found.append(relu_composite(seed))
    return found


def relu_composite(seed: int) -> Problem:
    """Return 8-32-(64)-24-10, trained on the decisions of a random smooth network."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        teacher = nn.Sequential(nn.Linear(8, 24), nn.Tanh(), nn.Linear(24, 10))
        with torch.no_grad():
            for layer in (teacher[0], teacher[2]):
                layer.weight.mul_(3)
        student = nn.Sequential(
            nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 64), nn.Linear(64, 24), nn.ReLU(),
            nn.Linear(24, 10),
        )  # fmt: skip
        optimizer = torch.optim.Adam(student.parameters(), 3e-3)
        for _ in range(600):
            z = torch.randn(256, 8)
            loss = nn.functional.cross_entropy(student(z), teacher(z).argmax(1))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        points = torch.randn(400, 8).double()
    function = latent_function(student, nn.Identity())
    return Problem("ReLU composite 8-32-(64)-24-10", function, points, UNBOUNDED)


Attack = Callable[[Problem], np.ndarray]


def ours(**options: int) -> Attack:
    """Return our attack with these options."""

    def attack(problem: Problem) -> np.ndarray:
        box = None if problem.bounds == UNBOUNDED else problem.bounds
        return minimal_perturbation(problem.function, problem.points, bounds=box, **options).point

    return attack


def foolbox_attack(name: str) -> Attack:
    """Return foolbox's attack of that name with its default settings."""

    def attack(problem: Problem) -> np.ndarray:
        import foolbox

        model = foolbox.PyTorchModel(Wrapped(problem.function).eval(), bounds=problem.bounds)
        with torch.no_grad():
            labels = problem.function(problem.points).argmax(1)
        method = getattr(foolbox.attacks, name)()
        _, clipped, _ = method(model, problem.points, labels, epsilons=None)
        return clipped.detach().numpy()

    return attack


ATTACKS: dict[str, Attack] = {
    "foolbox DeepFool": foolbox_attack("L2DeepFoolAttack"),
    "foolbox DDN": foolbox_attack("DDNAttack"),
    "ours": ours(),
    "ours, 3 restarts": ours(restarts=3),
}


def verified_radius(problem: Problem, points: np.ndarray) -> np.ndarray:
    """Return distances from x, +inf where the decision does not differ or the box is left."""
    moved = torch.from_numpy(np.asarray(points, dtype=np.float64))
    with torch.no_grad():
        differs = problem.function(moved).argmax(1) != problem.function(problem.points).argmax(1)
    lo, hi = problem.bounds
    inside = ((moved >= lo) & (moved <= hi)).flatten(1).all(1)
    radius = (moved - problem.points).flatten(1).norm(dim=1)
    return torch.where(differs & inside, radius, torch.inf).numpy()


def measure(problem: Problem, repeats: int) -> list[dict[str, str | float | int]]:
    """Return one row per attack: the least of `repeats` CPU times, failures, norms."""
    radii, seconds = {}, {}
    for name, attack in ATTACKS.items():
        times = []
        for _ in range(repeats):
            start = time.process_time()  # one thread: CPU time, which other processes disturb less
            points = attack(problem)
            times.append(time.process_time() - start)
        radii[name], seconds[name] = verified_radius(problem, points), min(times)
    best = np.min(list(radii.values()), axis=0)
    by_all = np.all([np.isfinite(r) for r in radii.values()], axis=0)
    return [
        {
            "problem": problem.name,
            "points": len(best),
            "attack": name,
            "failures": int(np.isinf(radii[name]).sum()),
            "mean_norm": float(radii[name][by_all].mean()),
            "mean_ratio_to_best": float((radii[name] / best)[by_all].mean()),
            "largest_ratio_to_best": float((radii[name] / best)[by_all].max()),
            "within_1_percent_of_best": float((radii[name] <= 1.01 * best).mean()),
            "seconds": seconds[name],
            "time_ratio_to_deepfool": seconds[name] / seconds["foolbox DeepFool"],
        }
        for name in ATTACKS
    ]


def summary(rows: list[dict[str, str | float | int]]) -> dict[str, float | bool]:
    """Return what our attack with its defaults costs on the digits at most, in units of plain
    DeepFool, and whether its mean norm is nowhere above that of a library's attack.
    """
    digits = [row for row in rows if str(row["problem"]).startswith("digits")]
    own = [row for row in digits if row["attack"] == "ours"]
    least = {row["problem"]: row["mean_norm"] for row in own}
    others = [row for row in digits if str(row["attack"]).startswith("foolbox")]
    return {
        "digits_largest_time_ratio_to_deepfool": max(
            float(row["time_ratio_to_deepfool"]) for row in own
        ),
        "digits_mean_norm_never_above_a_library": all(
            float(least[row["problem"]]) <= float(row["mean_norm"]) for row in others
        ),
    }


def machine() -> dict[str, str | int]:
    """Return what the times depend on."""
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), model)
    return {"processor": model, "cores": os.cpu_count() or 0, "system": platform.system()}


def main() -> None:
    """Measure all problems; print a line per row and write them to a file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--latents", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    rows = []
    for problem in problems(options.latents, options.seed):
        for row in measure(problem, options.repeats):
            rows.append(row)
            sys.stdout.write(
                f"{row['problem']:32} {row['attack']:18} fails {row['failures']:3} "
                f"mean {row['mean_norm']:.5f} ratio {row['mean_ratio_to_best']:.4f} "
                f"within 1 % {row['within_1_percent_of_best']:.3f} "
                f"time x{row['time_ratio_to_deepfool']:.2f}\n"
            )
            sys.stdout.flush()
    if options.out:
        record = {
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "command": " ".join(["python", "benchmarks/minimal_norm.py", *sys.argv[1:]]),
            "machine": machine(),
            "threads": 1,
            "versions": {"python": platform.python_version()}
            | {name: version(name) for name in ("torch", "numpy", "foolbox")},
            "means": "over the points where every attack succeeded; seconds: least CPU time of "
            f"{options.repeats} runs",
            "summary": summary(rows),
            "rows": rows,
        }
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
