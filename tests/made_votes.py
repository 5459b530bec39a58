"""Votes and networks made up for the tests of smoothed networks."""

import numpy as np

from robust_theory.wasserstein.resistance import edge_variances, laplacian
from validation.experiment import Result

SHAPE = (8, 8)
VALUES = {"shape": [1, *SHAPE], "classes": 10}


def votes_of(*shares, n=1_000, label=3):
    """Counts of images whose class has these shares of the votes, the rest going to the next."""
    counts = np.zeros((len(shares), 10), dtype=np.int64)
    counts[:, label] = np.round(np.array(shares) * n)
    counts[:, label + 1] = n - counts[:, label]
    return counts


def network(noise, sigma=0.01, **values):
    """What training with this noise leaves, without weights."""
    arrays = {}
    if noise == "fitted":
        design = edge_variances(SHAPE).variances
        arrays["covariance"] = 4e-4 * laplacian(SHAPE, design).toarray()
    kept = {
        "noise": noise,
        "sigma": sigma,
        "seed": 0,
        "base_accuracy": 0.7,
        "base_right": [10, 5, 35, 50],  # of 100 images by the right ones of 3 draws: 3/4
        **VALUES,
        **values,
    }
    return Result(kept, arrays)
