"""The unbiased independence criterion: its mean over all small samples of a finite set."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from fractions import Fraction

import numpy as np

from robust_theory.arithmetic import around
from robust_theory.networks import similarity
from validation.experiment import Experiment, Instance, Json, Measurement, Result
from validation.verdict import Evidence


def _means(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    """Integers, so that the sums over a sample are exact; the mean is taken in rationals."""
    n, size = parameters["inputs"], parameters["sample"]
    rng = np.random.default_rng(seed)
    X, Y = (rng.integers(-3, 4, (n, width)) for width in parameters["widths"])
    Y[:, 0] += X[:, 0]
    total, count = Fraction(0), 0
    for chosen in itertools.combinations(range(n), size):
        rows = list(chosen)
        K, L = (Z[rows] @ Z[rows].T for Z in (X, Y))
        np.fill_diagonal(K, 0)
        np.fill_diagonal(L, 0)
        trace, product = int((K * L).sum()), int(K.sum()) * int(L.sum())
        mixed = int((K @ L).sum())
        m = size
        total += (trace + Fraction(product, (m - 1) * (m - 2)) - Fraction(2 * mixed, m - 2)) / (
            m * (m - 3)
        )
        count += 1
    mean = total / count
    box = around(mean)
    seen = Evidence(
        float(mean), box.lo, box.hi, "exact", f"mean over all samples of {size} of {n} inputs"
    )
    return Measurement({"first": X.tolist(), "second": Y.tolist()}, seen)


EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment(
        name="unbiased-hsic-over-all-samples",
        claim=similarity.UNBIASED_HSIC,
        subject="similarity",
        quantity="mean of the estimate over all samples",
        unit="product of squared features",
        norm="",
        reading="Each bar is the mean over all samples; the mark, the value on all, is inside.",
        x_label="HSIC",
        instances=lambda options: (
            Instance("samples-of-4", {"inputs": 10, "sample": 4, "widths": [2, 3]}),
            Instance("samples-of-6", {"inputs": 9, "sample": 6, "widths": [1, 12]}),
        ),
        measure=_means,
    ),
)
