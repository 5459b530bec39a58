"""Training within internal balls next to other trainings, under attacks of either kind."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from validation.experiment import Json, Options, Progress, Result, Unit
from validation.experiments import pipeline
from validation.experiments.cells import LEVEL, share_cell

NETWORK = "strided"
METHODS = ("natural", "PGD-7, linf", "internal ball", "internal ball with shifts")
SIZES: Mapping[str, Json] = {"gradients": 60_000, "images": 200, "radius": 0.2, "patch": 3}
EPS = 0.1


def table_units(options: Options) -> tuple[Unit, ...]:
    """One table; of the digits in the full suite, since every step solves an assignment."""
    if options.suite != "full" or options.data != "digits":
        return ()
    units = tuple(
        Unit(
            f"digits/internal-defence-{method.replace(',', '').replace(' ', '-').lower()}",
            "validation.experiments.internal_defences:defend",
            {**pipeline.source(options), "method": method, **SIZES},
            accelerated=True,
        )
        for method in METHODS
    )
    keys = {method: unit.key for method, unit in zip(METHODS, units, strict=True)}
    return (
        Unit(
            "digits/internal-defences",
            "validation.experiments.internal_defences:table",
            {"keys": keys, "methods": METHODS, **SIZES},
            units,
        ),
    )


def defend(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Train one network and attack it in both kinds of balls."""
    from empirical import adversarial, data
    from empirical.adversarial_loop import Budget
    from empirical.attacks.internal import internal_attack
    from empirical.attacks.steps import pgd
    from empirical.internal_training import train_on_internal
    from empirical.networks import build

    dataset = data.load(parameters["data"], parameters["data_dir"])
    network = build(NETWORK, dataset.shape, dataset.classes, 0)
    how = {"device": parameters["device"], "progress": progress}
    budget = Budget(parameters["gradients"], rate=3e-3, batch=50)
    method, patch, radius = (parameters[name] for name in ("method", "patch", "radius"))
    if method == "natural":
        record = adversarial.train_naturally(network, dataset, budget, **how)
    elif method == "PGD-7, linf":
        record = adversarial.train_on_pgd(network, dataset, EPS, budget, **how)
    else:
        shift = int(method.endswith("shifts"))
        record = train_on_internal(network, dataset, radius, patch, budget, shift=shift, **how)
    chosen = dataset.test[: parameters["images"]]
    x, y = dataset.images[chosen], dataset.labels[chosen]
    inside = {"device": parameters["device"], "steps": 25}
    kept = {
        "clean": ~pgd(network, x, y, 0.0, steps=1, device=parameters["device"]).fooled,
        f"PGD-40, linf {EPS:g}": ~pgd(network, x, y, EPS, device=parameters["device"]).fooled,
        f"internal ball of {radius:g}": ~internal_attack(
            network, x, y, radius, patch, shift=0, **inside
        ).fooled,
        "the same with shifts by a pixel": ~internal_attack(
            network, x, y, radius, patch, shift=1, **inside
        ).fooled,
    }
    values = {"attacks": list(kept), "collapsed": record.collapsed, "updates": record.updates}
    return Result(values, {"kept": np.stack(list(kept.values()))})


def table(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Accuracies, clean and under each attack."""
    results = [inputs[parameters["keys"][method]] for method in parameters["methods"]]
    rows: list[list[Json]] = []
    for i, name in enumerate(results[0].values["attacks"]):
        rows.append([name, *(share_cell(found.arrays["kept"][i]) for found in results)])
    collapsed = ["yes" if found.values["collapsed"] else "no" for found in results]
    rows += [["constant", *collapsed], ["updates", *(r.values["updates"] for r in results)]]
    return Result(
        {
            "title": "Training within internal balls on digits: accuracy in % at equal cost",
            "columns": ("", *parameters["methods"]),
            "rows": rows,
            "note": f"{parameters['gradients']} gradients each, one backward pass for one image; "
            f"first {parameters['images']} test images, limits over them at level {LEVEL}. "
            f"Patches of side {parameters['patch']}; attacks show an accuracy from above only. "
            "Digits touch the edge of their images, so that few shifts are at small distances.",
        }
    )
