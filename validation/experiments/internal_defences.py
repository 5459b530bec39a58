"""Table 2 and the ablation of beta of li2021: training within internal balls beside other training.

All networks start from the same weights and get the same number of gradients.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from validation.experiment import Json, Options, Progress, Result, Unit
from validation.experiments import internal_plan as plan
from validation.experiments import pipeline
from validation.experiments.cells import DIFFERS, LEVEL, share_cell
from validation.experiments.internal_tables import intensity

BETAS = (0.0, plan.BETA, 1.0)
ATTACKS = ("PGD-10", *plan.ATTACKS)
# Clean and PGD-10, for Inception-v3 and ResNet-101.
PAPER: Mapping[str, tuple[str, str, str, str]] = {
    "natural": ("83.00", "79.80", "0.00", "0.00"),
    "free-PGD": ("62.80", "41.40", "28.40", "24.20"),
    "PGD": ("70.60", "69.80", "45.00", "44.80"),
    "IWDD": ("70.80", "71.00", "46.00", "46.00"),
}
_DIFFERS = {
    "natural": "network, data, length",
    "free-PGD": "network, data, length",
    "PGD": "network, data, length; 7 steps",
    "IWDD": "network, data, length; direct attack in an exact ball for the generator",
}
_MODULE = "validation.experiments.internal_defences"


def table_units(options: Options) -> tuple[Unit, ...]:
    """The tables of the paper's defences; nothing in the quick suite."""
    size = plan.sizes(options)
    if size is None:
        return ()
    trained = {method: plan.trained_unit(options, method) for method in plan.METHODS}
    cells = {
        method: {
            attack: plan.attack_unit(
                options, attack, unit, measured=method == "natural" and attack != "PGD-10"
            )
            for attack in ATTACKS
        }
        for method, unit in trained.items()
    }
    ablation = {
        f"{beta:g}": plan.attack_unit(
            options, "PGD-10", plan.trained_unit(options, "IWDD", beta=beta)
        )
        for beta in BETAS
    }
    about: dict[str, Json] = {
        "data": pipeline.data_name(options),
        "network": plan.network_name(options),
        "radius": plan.radius(size),
        "size": dict(size),
    }
    keys = {
        method: {attack: unit.key for attack, unit in units.items()}
        for method, units in cells.items()
    }
    return (
        Unit(
            f"{about['data']}/internal-table-2",
            f"{_MODULE}:table_2",
            {
                **about,
                "methods": [*trained],
                "keys": keys,
                "trained": {method: unit.key for method, unit in trained.items()},
            },
            (
                *trained.values(),
                *(unit for units in cells.values() for unit in units.values()),
            ),
        ),
        Unit(
            f"{about['data']}/internal-ablation-beta",
            f"{_MODULE}:ablation",
            {
                **about,
                "betas": [*ablation],
                "keys": {beta: unit.key for beta, unit in ablation.items()},
            },
            tuple(ablation.values()),
        ),
    )


def _kept(found: Result) -> str:
    """Accuracy under the attack: right before, and not fooled."""
    return share_cell(found.arrays["right"] & ~found.arrays["fooled"])


def table_2(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Accuracy of each network on clean images and under every attack."""
    rows: list[list[Json]] = []
    for method in parameters["methods"]:
        keys = parameters["keys"][method]
        printed, found = PAPER[method], {attack: inputs[key] for attack, key in keys.items()}
        clean = share_cell(found["PGD-10"].arrays["right"])
        under = [_kept(found[attack]) for attack in ATTACKS]
        trained = inputs[parameters["trained"][method]].values
        constant = "yes" if trained["collapsed"] else "no"
        rows.append(
            [
                method,
                *(*printed[:2], clean),
                *(*printed[2:], *under),
                *(constant, trained["updates"], _DIFFERS[method]),
            ]
        )
    images = {
        attack: inputs[parameters["keys"]["natural"][attack]].values["images"] for attack in ATTACKS
    }
    return Result(
        {
            "title": f"Table 2 of li2021, on {parameters['data']}: accuracy in % of robust "
            "networks",
            "columns": (
                "training",
                *_heads("clean"),
                *_heads("PGD-10"),
                *(f"{attack}, here" for attack in plan.ATTACKS),
                "constant",
                "updates",
                DIFFERS,
            ),
            "rows": rows,
            "note": "The paper has 500 images of ten classes of ImageNet and 200 epochs. Here: "
            f"{parameters['network']}, {parameters['size']['gradients']} gradients each, one "
            "backward pass for one image. First test images of "
            f"{parameters['data']}: {_listed(images)}; limits at level {LEVEL}, each by itself. "
            f"Attacks show an accuracy from above only: {_strengths(parameters)}. The paper's "
            "differences between PGD and IWDD under PGD-10, 1.0 and 1.2 points, are five and six "
            "of its images.",
        }
    )


def _heads(what: str) -> tuple[str, ...]:
    return (f"{what}, Inception-v3, paper", f"{what}, ResNet-101, paper", f"{what}, here")


def _listed(images: Mapping[str, int]) -> str:
    counts = sorted(set(images.values()), reverse=True)
    return ", ".join(
        f"{n} for {' and '.join(attack for attack, m in images.items() if m == n)}" for n in counts
    )


def _strengths(parameters: Mapping[str, Json]) -> str:
    return "; ".join(f"{attack}: {intensity(attack, parameters)}" for attack in ATTACKS)


def ablation(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Accuracy of networks trained with several weights of the clean loss."""
    rows: list[list[Json]] = []
    for beta in parameters["betas"]:
        found = inputs[parameters["keys"][beta]]
        images = found.values["images"]
        rows.append([beta, images, share_cell(found.arrays["right"]), _kept(found)])
    spread = np.ptp([inputs[key].arrays["fooled"].mean() for key in parameters["keys"].values()])
    return Result(
        {
            "title": f"Ablation of beta of li2021, on {parameters['data']}: training within "
            f"internal balls of {parameters['radius']:.3g}",
            "columns": ("beta", "images", "clean, here", "PGD-10, here"),
            "rows": rows,
            "note": "Accuracy in %. The paper's figures are in a supplement; its text calls beta "
            f"0.1 the best. Limits at level {LEVEL}; the accuracies under PGD-10 differ by "
            f"{100 * spread:.1f} points in all. Another training would differ as well.",
        }
    )
