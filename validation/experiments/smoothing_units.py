"""Units of smoothed classifiers: networks trained with noise, fitted covariances, votes, attacks.

A network is named by its noise, its sigma and the number of its seed, such as
``"gaussian-0.01-0"``.
"""

from __future__ import annotations

from validation.experiment import Json, Options, Unit
from validation.experiments import pipeline, smoothing_plan

_HERE = "validation.experiments."
TRAIN = f"{_HERE}smoothing_training:train"
FIT = f"{_HERE}smoothing_training:fit"
CHOOSE = f"{_HERE}smoothing_training:choose"
COUNT = f"{_HERE}smoothing_votes:count"
ATTACK = f"{_HERE}smoothing_attacks:attack"


def name(noise: str, sigma: float, seed: int) -> str:
    """How units and rows call a network."""
    return f"{noise}-{sigma:g}-{seed}"


def classifier(options: Options, noise: str, sigma: float, seed: int) -> Unit:
    """A network trained with its noise; for "fitted" the one that was chosen."""
    if noise == "fitted":
        return _fitted(options, sigma, seed)
    return Unit(
        f"{pipeline.data_name(options)}/smoothed-{name(noise, sigma, seed)}",
        TRAIN,
        {**_common(options, sigma), "noise": noise, "sigma": sigma, "seed": seed},
        accelerated=True,
        cost=smoothing_plan.training_cost(options, noise, sigma),
    )


def vote_units(options: Options, noise: str, sigma: float, seed: int) -> tuple[Unit, ...]:
    """Pilot and votes on the first test images, block by block: a run resumes between blocks."""
    block = smoothing_plan.size(options)["block"]
    images = smoothing_plan.images(options, (noise, sigma, seed))
    network = classifier(options, noise, sigma, seed)
    return tuple(
        Unit(
            f"{pipeline.data_name(options)}/votes-{name(noise, sigma, seed)}-from-{first}",
            COUNT,
            {
                **_common(options),
                "network": network.key,
                "first": first,
                "many": min(block, images - first),
            },
            (network,),
            accelerated=True,
            cost=smoothing_plan.voting_cost(options, noise, min(block, images - first)),
        )
        for first in range(0, images, block)
    )


def attack_unit(options: Options, noise: str, sigma: float, seed: int) -> Unit:
    """The growing Wasserstein attack on a smoothed classifier."""
    network = classifier(options, noise, sigma, seed)
    return Unit(
        f"{pipeline.data_name(options)}/wasserstein-attack-{name(noise, sigma, seed)}",
        ATTACK,
        {**_common(options), "network": network.key, "kind": "smoothed"},
        (network,),
        accelerated=True,
        cost=smoothing_plan.attack_cost(options, noise),
    )


def defence_unit(options: Options, kind: str) -> Unit:
    """The same attack on an unsmoothed network, trained in the same unit."""
    return Unit(
        f"{pipeline.data_name(options)}/wasserstein-attack-{kind}",
        ATTACK,
        {**_common(options), "network": None, "kind": kind},
        accelerated=True,
        cost=smoothing_plan.attack_cost(options, kind),
    )


def _common(options: Options, sigma: float = 0.0) -> dict[str, Json]:
    return {**pipeline.source(options), "size": smoothing_plan.size(options, sigma)}


def _fitted(options: Options, sigma: float, seed: int) -> Unit:
    """Rounds of covariance and network, and the choice among them."""
    size = smoothing_plan.size(options)
    key = f"{pipeline.data_name(options)}/smoothed-fitted-{seed}"
    previous = classifier(options, "gaussian", sigma, seed)
    candidates = []
    for k in range(1, size["rounds"] + 1):
        scales = size["scales"] if k == size["rounds"] else size["scales"][:1]
        made = [
            Unit(
                f"{key}-round-{k}-scale-{scale:g}",
                FIT,
                {**_common(options), "scale": scale, "sigma": sigma, "round": k},
                (previous,),
                accelerated=True,
                cost=smoothing_plan.training_cost(options, "fitted"),
            )
            for scale in scales
        ]
        candidates += made
        previous = made[0]
    laplace = classifier(options, "laplace", sigma, seed)
    return Unit(
        key,
        CHOOSE,
        {"candidates": [unit.key for unit in candidates], "compared": laplace.key},
        (*candidates, laplace),
    )
