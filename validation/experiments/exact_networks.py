"""Theorem 1 of fawzi2018 where it could be refuted: exact radii of a network trained on real data.

The generator is the linear-Gaussian model of the images (probabilistic principal components), the
classifier a small ReLU network, so that branch and bound gives each radius from both sides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from empirical.estimate import quantile_interval, simultaneous_proportions
from robust_theory.vulnerability import measure_limits
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
from validation.experiments import latent, pipeline
from validation.verdict import Evidence

DIMENSION = 8
WIDTH = 16
GAP = 1e-3  # relative, between the two sides of each radius


def _units(options: Options) -> tuple[Unit, ...]:
    name = pipeline.data_name(options)
    full = options.suite == "full"
    trained = Unit(
        f"{name}/exact-network",
        "validation.experiments.exact_networks:train",
        {**pipeline.source(options), "epochs": 5 if full else 30},
        accelerated=True,
        cost=pipeline.seconds(options, "exact-network"),
    )
    return (
        Unit(
            f"{name}/exact-network-radii",
            "validation.experiments.exact_networks:radii",
            {"n": 2_000 if full else 500, "counted": 200_000},
            (trained,),
            cost=pipeline.seconds(options, "exact-network-radii"),
        ),
    )


def train(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Fit the principal components and train the classifier on the images."""
    import torch

    from empirical import data, networks, train

    dataset = data.load(parameters["data"], parameters["data_dir"])
    flat = dataset.images[dataset.train].reshape(len(dataset.train), -1).astype(np.float64)
    mean = flat.mean(axis=0)
    _, singular, axes = np.linalg.svd(flat - mean, full_matrices=False)
    factors = axes[:DIMENSION].T * singular[:DIMENSION] / np.sqrt(len(flat))
    factors *= np.sign(factors.sum(axis=0) + 1e-300)  # the decomposition leaves the sign open
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = networks.mlp(dataset.shape, dataset.classes, WIDTH)
    record = train.train_classifier(
        network,
        dataset,
        epochs=parameters["epochs"],
        seed=seed,
        device=parameters["device"],
        progress=progress,
    )
    values = {
        "accuracy": record.accuracy,
        "shape": list(dataset.shape),
        "classes": dataset.classes,
    }
    return Result(values, {"mean": mean, "factors": factors, **networks.to_arrays(network)})


def radii(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Bracket the radii of sampled points, and count classes among independent ones."""
    import torch

    from empirical import networks
    from empirical.exact_branch import relu_radius
    from empirical.exact_layers import affine_layers

    (trained,) = inputs.values()
    arrays = dict(trained.arrays)
    mean, factors = arrays.pop("mean"), arrays.pop("factors")
    network = networks.mlp(tuple(trained.values["shape"]), trained.values["classes"], WIDTH)
    networks.from_arrays(network, arrays)
    generator = torch.nn.Linear(DIMENSION, mean.size).double()
    generator.load_state_dict({"weight": torch.tensor(factors), "bias": torch.tensor(mean)})
    classifier = network.double().eval()
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((parameters["n"], DIMENSION))
    layers = affine_layers(generator, classifier)
    lower, upper = [], []
    for start in range(0, len(z), 50):
        found = relu_radius(layers, z[start : start + 50], gap=GAP)
        lower.append(found.lower)
        upper.append(found.upper)
        progress((start + 50) / len(z), "exact radii by branch and bound")
    with torch.no_grad():
        others = torch.from_numpy(rng.standard_normal((parameters["counted"], DIMENSION)))
        labels = classifier(generator(others)).argmax(1).numpy()
    counts = np.bincount(labels, minlength=trained.values["classes"])
    return Result(
        {"n": len(z)},
        {"lower": np.concatenate(lower), "upper": np.concatenate(upper), "counts": counts},
    )


def _rows(options: Options) -> tuple[Instance, ...]:
    pipeline.check_l2(options)
    name = pipeline.data_name(options)
    return tuple(
        Instance(f"{name}-at-{q}", {"q": q}, _units(options)) for q in latent.QUANTILES[1:]
    )


def _measure(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    (found,) = inputs.values()
    counts, below, above = (found.arrays[name] for name in ("counts", "lower", "upper"))
    lower, upper = simultaneous_proportions(counts, alpha / 2)
    q = parameters["q"]
    rank = max(0, int(np.ceil(q * above.size)) - 1)
    lo, hi = quantile_interval(below, q, alpha / 2).lo, quantile_interval(above, q, alpha / 2).hi
    value = float(np.sort(above)[rank])
    return Measurement(
        {"measures": [int(k) for k in counts], "q": q},
        Evidence(
            value=value,
            lo=min(lo, value),
            hi=hi,
            side="exact",
            method="branch and bound from both sides; order statistics",
            n=int(above.size),
            censored=int(np.count_nonzero(np.isinf(above))),
            alpha=alpha / 2,
        ),
        theory=measure_limits.fooling_quantile_limits(lower, upper, q),
    )


_TRAINED = next(e for e in latent.EXPERIMENTS if e.name == "fooling-quantile-of-trained-networks")
EXPERIMENTS: tuple[Experiment, ...] = (
    replace(
        _TRAINED,
        name="fooling-quantile-of-an-exactly-solved-network",
        instances=_rows,
        measure=_measure,
    ),
)
