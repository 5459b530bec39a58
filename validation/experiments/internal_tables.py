"""Table 1, Figure 6 and the ablation of tau of li2021, with our networks and images."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np

from validation.experiment import Json, Options, Progress, Result, Unit
from validation.experiments import internal_plan as plan
from validation.experiments import pipeline
from validation.experiments.cells import LEVEL, share_cell

TRAININGS = ("natural", "free-PGD")  # of the paper's Table 1
TAUS = (0.01, plan.TAU, 1.0)
MEASURED = "natural"  # the paper's Figure 6 attacks a network trained naturally
ATTACKS = (*plan.ATTACKS[:-1], plan.MARGIN, plan.ATTACKS[-1])
EOT_MOVED = "EOT, turned and shifted anew"
# Of the histograms. Internal distances for each entry of a patch.
EDGES: Mapping[str, tuple[float, ...]] = {
    "l2": (0, 0.5, 1, 2, 3, 4, 6, 8),
    "linf": (0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8),
    "internal": (0, 0.005, 0.01, 0.02, 0.04, 0.08, 0.12, 0.16),
}
METRICS = {"l2": "l2 distance", "linf": "linf distance", "internal": "internal distance"}
_MODULE = "validation.experiments.internal_tables"


def table_units(options: Options) -> tuple[Unit, ...]:
    """The tables of the paper's attacks; nothing in the quick suite."""
    size = plan.sizes(options)
    if size is None:
        return ()
    trained = {method: plan.trained_unit(options, method) for method in TRAININGS}
    cells = {
        f"{method}, {'targeted' if targeted else 'untargeted'}": {
            attack: plan.attack_unit(
                options,
                attack,
                trained[method],
                targeted=targeted,
                measured=method == MEASURED and not targeted,
            )
            for attack in (plan.ATTACKS if targeted else ATTACKS)
        }
        for method in TRAININGS
        for targeted in (False, True)
    }
    measured = cells[f"{MEASURED}, untargeted"]
    ablation = {
        f"{tau:g}": plan.attack_unit(options, "IWDA", trained[MEASURED], measured=True, tau=tau)
        for tau in TAUS
    }
    about: dict[str, Json] = {
        "data": pipeline.data_name(options),
        "network": plan.network_name(options),
        "radius": plan.radius(size),
        "entries": size["patch"] ** 2 * size["channels"],
        "size": dict(size),
    }
    name = about["data"]
    table_1 = Unit(
        f"{name}/internal-table-1",
        f"{_MODULE}:table_1",
        {
            **about,
            "heads": [*cells],  # the order, which a mapping loses on its way
            "keys": {head: _keys(units) for head, units in cells.items()},
        },
        tuple(unit for units in cells.values() for unit in units.values()),
    )
    figures = tuple(
        Unit(
            f"{name}/internal-figure-6-{metric}",
            f"{_MODULE}:figure_6",
            {**about, "metric": metric, "keys": _keys(measured)},
            tuple(measured.values()),
        )
        for metric in METRICS
    )
    tau = Unit(
        f"{name}/internal-ablation-tau",
        f"{_MODULE}:ablation",
        {**about, "taus": [*ablation], "keys": _keys(ablation)},
        tuple(ablation.values()),
    )
    return (table_1, *figures, tau)


def _keys(units: Mapping[str, Unit]) -> dict[str, Json]:
    return {name: unit.key for name, unit in units.items()}


def intensity(attack: str, parameters: Mapping[str, Json]) -> str:
    """How strong an attack may be, in words."""
    size, within = parameters["size"], f"linf {parameters['size']['eps']:.3g}"
    moved = f"turns of {size['turn']:g} degrees, shifts of {size['move']:g} pixels"
    return {
        "FGSM": within,
        "PGD-10": within,
        "ADef": f"moves of {size['limit']:g} pixels",
        "stAdv": f"moves of {size['limit']:g} pixels, {size['steps']} steps",
        "EOT": f"PGD-10, {within}, 8 draws of {moved}",
        EOT_MOVED: f"the same, judged under 64 new draws of {moved}",
        "IWDA": f"tau {plan.TAU:g}, {size['updates']} updates, no radius",
        plan.MARGIN: "the same, of the margin instead of the cross-entropy",
        "direct": f"exact ball of {parameters['radius']:.3g}, 25 steps",
    }[attack]


def table_1(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Success of each attack on each network, and how far the direct one goes in its ball."""
    heads, radius = parameters["heads"], parameters["radius"]
    columns = [parameters["keys"][head] for head in heads]
    rows: list[list[Json]] = []
    for attack in ATTACKS:
        for name in (attack, EOT_MOVED) if attack == "EOT" else (attack,):
            suffix = "_moved" if name == EOT_MOVED else ""
            cells = [
                _success(inputs[column[attack]], suffix) if attack in column else "not run"
                for column in columns
            ]
            shown = inputs[columns[0][attack]].values["images"]
            rows.append([name, intensity(name, parameters), shown, *cells])
    found = [inputs[column["direct"]].arrays["internal"] for column in columns]
    ratios = [f"{float(internal.max()) / radius:.6f}" for internal in found]
    rows.append(["direct: largest distance / radius", "at most 1", len(found[0]), *ratios])
    return Result(
        {
            "title": f"Table 1 of li2021, on {parameters['data']}: success of attacks in %",
            "columns": ("attack", "intensity", "images", *(f"{head}, here" for head in heads)),
            "rows": rows,
            "note": "The paper's figures: not legible in our copy. What differs: the paper "
            "attacks Inception-v3 and ResNet-101 on ten classes of ImageNet; here the network is "
            f"{parameters['network']}, trained with {parameters['size']['gradients']} gradients, "
            f"on the first test images of {parameters['data']}. Share of those that the network "
            "gets right whose attacked image is wrong, or has the class that was drawn for it; "
            f"limits over the images at level {LEVEL}, each by itself. Nothing keeps IWDA within a "
            "distance; untargeted, its cross-entropy has hardly any slope where the network is "
            "sure of an image, and the row below it has another loss. The direct attack is ours; "
            "the last row has the exact distance of all its images.",
        }
    )


def _success(found: Result, suffix: str = "") -> str:
    right = found.arrays[f"right{suffix}"]
    return share_cell(found.arrays[f"fooled{suffix}"][right]) if right.any() else "none right"


def figure_6(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """How far the wrong images of each attack are from their originals: counts and quartiles."""
    metric = parameters["metric"]
    scale = parameters["entries"] if metric == "internal" else 1
    edges = [scale * edge for edge in EDGES[metric]]
    rows: list[list[Json]] = []
    for attack in ATTACKS:
        found = inputs[parameters["keys"][attack]].arrays
        x = found[metric][found["right"] & found["fooled"]]
        counts = np.histogram(x, [*edges, np.inf])[0].tolist()
        summary = [float(x.mean()), *np.quantile(x, (0.25, 0.5, 0.75)).tolist()] if len(x) else []
        rows.append([attack, len(x), *(summary or [None] * 4), *counts])
    bins = [f"{a:.3g} to {b:.3g}" for a, b in itertools.pairwise(edges)]
    return Result(
        {
            "title": f"Figure 6 of li2021, on {parameters['data']}: {METRICS[metric]} of attacked "
            "images",
            "columns": (
                "attack",
                "images",
                *("mean", "lower quartile", "median", "upper quartile"),
                *bins,
                f"from {edges[-1]:.3g}",
            ),
            "rows": rows,
            "note": f"Counts of successful images, of the network trained naturally "
            f"({parameters['network']} instead of ResNet-101), untargeted; the paper's bars are "
            "not legible in our copy. Internal distances are exact, with the sum over the "
            f"{parameters['entries']} entries of a patch. Each attack has the intensity that Table "
            "1 says, so that the rows compare intensities as well as attacks.",
        }
    )


def ablation(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Success and distances of IWDA for several weights of the classification loss."""
    rows: list[list[Json]] = []
    for tau in parameters["taus"]:
        key = parameters["keys"][tau]
        found = inputs[key].arrays
        done = found["right"] & found["fooled"]
        medians = [float(np.median(found[m][done])) if done.any() else None for m in METRICS]
        rows.append([tau, len(done), _success(inputs[key]), *medians])
    return Result(
        {
            "title": f"Ablation of tau of li2021, on {parameters['data']}: untargeted IWDA",
            "columns": (
                "tau",
                "images",
                "success in %, here",
                *(f"median {words}" for words in METRICS.values()),
            ),
            "rows": rows,
            "note": "The paper's figures are in a supplement; its text calls tau 0.1 the best and "
            f"says that success grows with tau. {parameters['size']['updates']} updates on the "
            f"naturally trained network; limits at level {LEVEL}. Nothing bounds the distance, "
            "which is part of the price of a success.",
        }
    )
