"""Certification of smoothed classifiers: votes per second beside the usual loop.

``python benchmarks/smoothing.py MNIST_DIR [FILE.json] [--quick]`` prints one line per case and,
with a file, writes them there. The usual loop takes one image at a time and batches of 1,000: it
repeats the image, draws Laplace flows from torch.distributions, runs the network and counts, with
two threads. Ours is cut in two halves of the images, one thread each, as ``validate run --jobs 2``
does. The usual loop runs on the first images only, ours on all of them and on those as well.
"""

from __future__ import annotations

import itertools
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from empirical import noise, smoothing
from empirical.data import load
from empirical.networks import build
from robust_theory import edge_variances

SIGMA = 0.01
PILOT, VOTES = 1_000, 10_000
CORES = 2
BATCH = 1_000  # of the usual loop
USUAL, OURS = "usual loop, Laplace flow", "ours, Laplace flow"


def usual_loop(network: torch.nn.Module, images: np.ndarray, votes: int) -> np.ndarray:
    """Votes under Laplace flow noise, one image at a time."""
    law = torch.distributions.Laplace(torch.tensor(0.0), torch.tensor(SIGMA / 2**0.5))
    h, w = images.shape[2:]
    counts = np.zeros((len(images), 10), dtype=np.int64)
    with torch.no_grad():
        for i, image in enumerate(torch.from_numpy(images)):
            total = image.sum()
            for _ in range(votes // BATCH):
                batch = image.repeat(BATCH, 1, 1, 1) / total
                down, right = law.sample((BATCH, 1, h - 1, w)), law.sample((BATCH, 1, h, w - 1))
                pad = torch.nn.functional.pad
                batch = batch + pad(down, (0, 0, 1, 0)) - pad(down, (0, 0, 0, 1))
                batch = batch + pad(right, (1, 0, 0, 0)) - pad(right, (0, 1, 0, 0))
                for label in network(batch * total).argmax(1).numpy():
                    counts[i, label] += 1
    return counts


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def case(folder: str, words: str, first: int, many: int) -> dict[str, Any]:
    """Seconds and counts of one case in this process."""
    torch.set_num_threads(CORES if words == USUAL else 1)
    dataset = load("mnist", folder)
    shape = dataset.shape[1:]
    images = dataset.images[dataset.test[first : first + many]]
    # Time does not depend on the weights.
    network = build("strided", dataset.shape, dataset.classes, 0).eval()
    if words == USUAL:
        usual_loop(network, images[:1], BATCH)  # the first call also loads libraries
        seconds, counts = timed(lambda: usual_loop(network, images, PILOT + VOTES))
        return {"seconds": seconds, "counts": counts.tolist()}
    flat = np.eye(shape[0] * shape[1]) - 1 / (shape[0] * shape[1])
    law = {
        OURS: lambda: noise.laplace_flow(shape, SIGMA),
        "Gaussian flow": lambda: noise.gaussian_flow(shape, SIGMA, edge_variances(shape).variances),
        "Gaussian, full covariance": lambda: noise.gaussian_noise(shape, SIGMA**2 * flat),
        "uniform flow": lambda: noise.uniform_flow(shape, SIGMA),
        "Laplace pixels": lambda: noise.laplace_pixels(shape, SIGMA),
    }[words]()

    def certify(images: np.ndarray) -> smoothing.Votes:
        return smoothing.certification_votes(
            network, law, images, 10, pilot=PILOT, votes=VOTES, seed=0, first=first
        )

    smoothing.count_votes(network, law, images[:1], BATCH, 10, seed=1)
    seconds, votes = timed(lambda: certify(images))
    return {"seconds": seconds, "counts": (votes.pilot + votes.votes).tolist()}


def measured(folder: str, words: str, first: int, many: int) -> tuple[float, np.ndarray]:
    """Seconds and counts in processes of their own: one for the usual loop, one for each half."""
    cuts = [0, many] if words == USUAL else [0, many // CORES, many]
    running = []
    for start, end in itertools.pairwise(cuts):
        options = [f"--case={words}", f"--first={first + start}", f"--many={end - start}"]
        command = [sys.executable, __file__, folder, *options]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    found = []
    for process in running:
        answer, _ = process.communicate()
        if process.returncode:
            raise SystemExit(process.returncode)
        found.append(json.loads(answer.splitlines()[-1]))
    counts = np.concatenate([np.array(half["counts"]) for half in found])
    return max(half["seconds"] for half in found), counts


def main(arguments: list[str]) -> None:
    quick = "--quick" in arguments
    options = dict(a[2:].split("=", 1) for a in arguments if a.startswith("--") and "=" in a)
    folder, *rest = [a for a in arguments if not a.startswith("--")]
    if options:
        first, many = int(options["first"]), int(options["many"])
        print(json.dumps(case(folder, options["case"], first, many)))
        return
    many, few, rounds = (20, 2, 2) if quick else (500, 8, 3)
    records: list[dict[str, Any]] = []

    def note(words: str, seconds: float, images: int, **more: Any) -> None:
        votes = images * (PILOT + VOTES)
        record = {
            "case": words,
            "images": images,
            "votes": votes,
            "seconds": round(seconds, 1),
            "us per vote": round(seconds / votes * 1e6, 1),
            **more,
        }
        records.append(record)
        print(record, file=sys.stderr)

    # The two alternate, so that neither meets a quieter machine.
    usual, ours, apart = [], [], 0.0
    for k in range(rounds):
        a, counted = measured(folder, USUAL, k * few, few)
        b, votes = measured(folder, OURS, k * few, few)
        usual.append(a)
        ours.append(b)
        apart = max(apart, float(np.abs(counted - votes).max()) / (PILOT + VOTES))
    note(USUAL, sum(usual), rounds * few)
    ratio = {
        "usual loop over ours": round(sum(usual) / sum(ours), 2),
        "largest difference of shares": round(apart, 4),
    }
    note(f"{OURS}, the same images", sum(ours), rounds * few, **ratio)
    seconds, _ = measured(folder, OURS, 0, many)
    note(OURS, seconds, many)
    for words in ("Gaussian flow", "Gaussian, full covariance", "uniform flow", "Laplace pixels"):
        note(words, measured(folder, words, 0, few)[0], few)
    run = {
        "title": "Certification of smoothed classifiers: votes beside the usual loop",
        "samples": f"first MNIST test images, {PILOT} and {VOTES} votes each, the convolutional "
        "network of the paper",
        "times": "wall clock on two cores; a process of their own for each case, or half of one",
        "machine": platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "votes": records,
    }
    if rest:
        Path(rest[0]).write_text(json.dumps(run, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
