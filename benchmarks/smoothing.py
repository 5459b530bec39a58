"""Certification of smoothed classifiers: votes per second beside the usual loop.

``python benchmarks/smoothing.py MNIST_DIR [FILE.json] [--quick]`` prints one line per case and,
with a file, writes them there. The usual loop takes one image at a time and batches of 1,000: it
repeats the image, draws Laplace flows from torch.distributions, runs the network and counts. It
runs on the first images only, ours on all of them and on those as well. One thread.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from empirical import noise, smoothing
from empirical.data import Dataset, load
from empirical.networks import build
from empirical.noise_training import train_with_noise
from robust_theory import edge_variances

SIGMA = 0.01
PILOT, VOTES = 1_000, 10_000
BATCH = 1_000  # of the usual loop


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
    """Seconds of this process's own work, so that other processes change little."""
    start = time.process_time()
    result = call()
    return time.process_time() - start, result


def trained(dataset: Dataset, law: noise.Noise, quick: bool) -> torch.nn.Module:
    network = build("strided", dataset.shape, dataset.classes, 0)
    train_with_noise(
        network, dataset, law, indices=dataset.train[:10_000], epochs=1 if quick else 4
    )
    return network.eval()


def main(arguments: list[str]) -> None:
    quick = "--quick" in arguments
    folder, *rest = [a for a in arguments if not a.startswith("--")]
    torch.set_num_threads(1)
    dataset = load("mnist", folder)
    shape = dataset.shape[1:]
    law = noise.laplace_flow(shape, SIGMA)
    network = trained(dataset, law, quick)
    many, few = (20, 4) if quick else (500, 25)
    images = dataset.images[dataset.test[:many]]
    per_image = PILOT + VOTES

    def ours(law: noise.Noise, m: int) -> smoothing.Votes:
        return smoothing.certification_votes(
            network, law, images[:m], 10, pilot=PILOT, votes=VOTES, seed=0
        )

    ours(law, 1)  # the first call also loads libraries
    records: list[dict[str, Any]] = []

    def note(case: str, seconds: float, m: int, **more: Any) -> None:
        record = {
            "case": case,
            "images": m,
            "votes": m * per_image,
            "seconds": round(seconds, 1),
            "us per vote": round(seconds / m / per_image * 1e6, 1),
            **more,
        }
        records.append(record)
        print(record, file=sys.stderr)

    # The two alternate, so that neither meets a quieter machine.
    loop = mine = 0.0
    ahead: list[float] = []
    for i in range(few):
        a, counted = timed(lambda i=i: usual_loop(network, images[i : i + 1], per_image))
        b, votes = timed(
            lambda i=i: smoothing.certification_votes(
                network, law, images[i : i + 1], 10, pilot=PILOT, votes=VOTES, seed=0, first=i
            )
        )
        loop, mine = loop + a, mine + b
        both = (votes.pilot + votes.votes)[0] / per_image
        ahead.append(float(np.abs(counted[0] / per_image - both).max()))
    note("usual loop", loop, few)
    note(
        "ours, the same images",
        mine,
        few,
        **{
            "usual loop over ours": round(loop / mine, 2),
            "largest difference of shares": round(max(ahead), 4),
        },
    )
    seconds, _ = timed(lambda: ours(law, many))
    note("ours, Laplace flow", seconds, many)
    design = edge_variances(shape)
    dense = np.eye(shape[0] * shape[1]) - 1 / (shape[0] * shape[1])
    others = {
        "Gaussian flow": noise.gaussian_flow(shape, SIGMA, design.variances),
        "Gaussian, full covariance": noise.gaussian_noise(shape, SIGMA**2 * dense),
        "uniform flow": noise.uniform_flow(shape, SIGMA),
        "Laplace pixels": noise.laplace_pixels(shape, SIGMA),
    }
    for words, other in others.items():
        seconds, _ = timed(lambda other=other: ours(other, few))
        note(f"ours, {words}", seconds, few)
    run = {
        "title": "Certification of smoothed classifiers: votes beside the usual loop",
        "samples": f"first MNIST test images, {PILOT} and {VOTES} votes each, convolutional "
        f"network with {sum(p.numel() for p in network.parameters())} weights",
        "times": "seconds of processor time, one thread",
        "machine": platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "votes": records,
    }
    if rest:
        Path(rest[0]).write_text(json.dumps(run, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
