"""Units that count the classes of generated images, attack them, and bound their generator.

The classes are those of argmax f(g(z)), never the true labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from robust_theory.vulnerability.latent import fooling_quantile
from validation.experiment import Json, Progress, Result
from validation.experiments.trained_networks import (
    class_count,
    read_classifier,
    read_generator,
    trained_generator,
)

if TYPE_CHECKING:
    from torch import nn


def count_classes(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Count how often each class occurs among generated images."""
    generator, dimension = read_generator(inputs)
    classifier = read_classifier(inputs, parameters["network"])
    counts = np.zeros(class_count(inputs), dtype=np.int64)
    for (labels,) in _decisions([classifier], generator, dimension, parameters, seed, progress):
        counts += np.bincount(labels, minlength=counts.size)
    return Result({"n": parameters["n"]}, {"counts": counts})


def count_agreement(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Count the pairs of labels that two classifiers give to the same generated images."""
    generator, dimension = read_generator(inputs)
    pair = [read_classifier(inputs, parameters[which]) for which in ("first", "second")]
    K = class_count(inputs)
    table = np.zeros(K * K, dtype=np.int64)
    for first, second in _decisions(pair, generator, dimension, parameters, seed, progress):
        table += np.bincount(first * K + second, minlength=K * K)
    return Result({"n": parameters["n"]}, {"table": table.reshape(K, K)})


def attack_latent(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Attack independent latent points; the radii are upper bounds, verified in float64."""
    from empirical.attacks.latent import latent_radius

    generator, dimension = read_generator(inputs)
    classifier = read_classifier(inputs, parameters["network"])
    z = np.random.default_rng(seed).standard_normal((parameters["n"], dimension))
    found = latent_radius(
        classifier, generator, z, seed=seed, device=parameters["device"], progress=progress
    )
    return Result(_censored(found.radius), {"radii": found.radius})


def attack_images(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Attack generated images, along the generator and in any direction."""
    import torch

    from empirical.attacks.images import image_radii

    generator, dimension = read_generator(inputs)
    classifier = read_classifier(inputs, parameters["network"])
    z = np.random.default_rng(seed).standard_normal((parameters["n"], dimension))
    found = image_radii(
        classifier, generator, z, seed=seed, device=parameters["device"], progress=progress
    )
    with torch.no_grad():
        norms = generator(torch.from_numpy(z)).flatten(1).norm(dim=1).numpy()
    return Result(
        _censored(found.in_distribution),
        {
            "in_distribution": found.in_distribution,
            "unconstrained": found.unconstrained,
            "norms": norms,
        },
    )


def attack_jointly(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Attack two classifiers with one perturbation of the latent point."""
    from empirical.attacks.joint import joint_radius

    generator, dimension = read_generator(inputs)
    pair = [read_classifier(inputs, parameters[which]) for which in ("first", "second")]
    z = np.random.default_rng(seed).standard_normal((parameters["n"], dimension))
    found = joint_radius(
        pair, generator, z, seed=seed, device=parameters["device"], progress=progress
    )
    return Result(_censored(found.radius), {"radii": found.radius})


def measure_modulus(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Bound how far the generator moves images: everywhere, near sampled points, from below.

    Near sampled points the layers of a convolutional generator are too wide to be bounded by more
    than the product of their norms.
    """
    from empirical.modulus import (
        lipschitz_from_above,
        local_modulus_from_above,
        modulus_from_below,
    )

    generator, dimension = read_generator(inputs)
    z = np.random.default_rng(seed).standard_normal((parameters["n"], dimension))
    constant = lipschitz_from_above(generator).value
    if "q" in parameters:
        t = fooling_quantile([1] * class_count(inputs), parameters["q"])
    else:
        t = parameters["t"]
    if trained_generator(inputs).values["generator"] == "vae":
        found = local_modulus_from_above(generator, z, t, progress=progress)
        above = found.value
    else:
        above = np.full(len(z), np.nextafter(constant * t, np.inf))
    below = modulus_from_below(generator, z, t, progress=progress)
    return Result(
        {"lipschitz_from_above": constant, "t": t},
        {"above": above, "below": below.value},
    )


def _decisions(
    classifiers: Sequence[nn.Module],
    generator: nn.Module,
    dimension: int,
    parameters: Mapping[str, Json],
    seed: int,
    progress: Progress,
) -> Iterator[tuple[np.ndarray, ...]]:
    """Labels of the generated images, block by block."""
    import torch

    rng = np.random.default_rng(seed)
    n, block = parameters["n"], 10_000
    with torch.no_grad():
        for start in range(0, n, block):
            z = torch.from_numpy(rng.standard_normal((min(block, n - start), dimension)))
            images = generator(z)
            yield tuple(f(images).argmax(1).numpy() for f in classifiers)
            progress((start + len(z)) / n, "classifying generated images")


def _censored(radii: np.ndarray) -> dict[str, Json]:
    return {"censored": int(np.count_nonzero(np.isinf(radii)))}
