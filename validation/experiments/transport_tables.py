"""anonymous2022's Tables 1 to 5: the published networks, trained as far as the machine allows.

Table 3 repeats Table 1. On a CPU the networks for MNIST see a small part of the published number of
images, and those for CIFAR-10 are skipped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from validation.experiment import Json, Options, Progress, Result, Unit
from validation.experiments import pipeline
from validation.experiments.adversarial_attacks import fooled_by, kept_under
from validation.experiments.cells import DIFFERS, LEVEL, heads, share_cell, skipped_cell
from validation.experiments.transport_printed import PRINTED, ROWS, Printed

# How networks are trained, and the gradients for one image and update.
METHODS: Mapping[str, tuple[Mapping[str, Json], int]] = {
    "Langevin": ({"function": "train_on_particles"}, 2),
    "PGD": ({"function": "train_on_pgd", "steps": 40, "step": 1 / 30}, 41),
}
RAMP, RATE = 0.15, 1e-3
NAMES = {"mnist": "MNIST", "cifar10": "CIFAR-10", "cifar10-jpeg": "CIFAR-10 (JPEG)"}
IMAGES = {"mnist": 60_000, "cifar10": 50_000, "cifar10-jpeg": 50_000}  # of the training sets
EPS = {"mnist": 0.3}  # others: 8/255, where the paper prints 8.0
# Multiplications and additions of one forward pass, in millions of each together.
MFLOP = {"architecture-a": 90.3, "architecture-b": 26.4, "resnet18": 1111, "wrn-34-10": 13318}
# Floating-point operations per second: on one ordinary core as measured, on an H200 as estimated.
SPEED = {
    "cpu": dict.fromkeys(MFLOP, 9e10),
    "cuda": {
        "architecture-a": 3e13,
        "architecture-b": 3e13,
        "resnet18": 1.5e14,
        "wrn-34-10": 2.5e14,
    },
}
LONGEST = 0.5  # hours of one network on an accelerator; what needs more is skipped
# On a CPU: gradients, training images that they go round, images at once, images tested.
SMALL: Mapping[str, Mapping[str, int]] = {
    "architecture-a": {"gradients": 40_000, "pool": 3_000, "batch": 25, "tested": 100},
    "architecture-b": {"gradients": 130_000, "pool": 10_000, "batch": 25, "tested": 200},
}
LARGE = {"batch": 100}  # on an accelerator, all training images
TESTED = {"architecture-a": 2_000, "architecture-b": 2_000, "resnet18": 1_000, "wrn-34-10": 500}
THOROUGH = ("architecture-a", "architecture-b")  # there with AutoAttack's published numbers


def hours(options: Options, printed: Printed, method: str) -> float:
    """Of the published training on the device, at the speed that is known of it."""
    passes = _passes(printed.epochs * IMAGES[options.data], METHODS[method][1])
    return passes * MFLOP[printed.network] * 1e6 / SPEED[options.device][printed.network] / 3600


def _passes(images: float, gradients: int) -> float:
    """Forward passes that training costs: three for an update, two for each step of an attack."""
    return images * (2 * (gradients - 1) + 3)


def trained_unit(options: Options, printed: Printed, method: str) -> Unit | None:
    """One network, trained and attacked, or None where it is skipped."""
    how, gradients = METHODS[method]
    if options.device == "cpu":
        if printed.network not in SMALL:
            return None
        size: Mapping[str, int] = SMALL[printed.network]
    else:
        if hours(options, printed, method) > LONGEST:
            return None
        pool, tested = IMAGES[options.data], TESTED[printed.network]
        all_gradients = printed.epochs * pool * gradients
        size = {**LARGE, "pool": pool, "gradients": all_gradients, "tested": tested}
    return Unit(
        f"{options.data}/published-{printed.network}-{method.lower()}",
        "validation.experiments.transport_tables:train",
        {
            **pipeline.source(options),
            "network": printed.network,
            "how": how,
            "each": gradients,
            "eps": EPS.get(options.data, 8 / 255),
            "thorough": options.device != "cpu" and printed.network in THOROUGH,
            **size,
        },
        accelerated=True,
        cost=_cost(printed, size, gradients),
    )


def _cost(printed: Printed, size: Mapping[str, int], each: int) -> float:
    """Seconds on one core; attacks cost an image 1,360 forward passes at most, 800 as measured."""
    passes = _passes(size["gradients"] / each, each) + 800 * size["tested"]
    return passes * MFLOP[printed.network] * 1e6 / SPEED["cpu"][printed.network]


def table_units(options: Options) -> tuple[Unit, ...]:
    """Two tables of the data set, in the full suite; none for other data."""
    if options.suite != "full":
        return ()
    return tuple(
        _table_unit(options, printed) for printed in PRINTED if options.data in printed.data
    )


def _table_unit(options: Options, printed: Printed) -> Unit:
    units = {method: trained_unit(options, printed, method) for method in printed.figures}
    columns = {
        method: {
            "printed": figures,
            "key": None if (unit := units[method]) is None else unit.key,
            "hours": hours(options, printed, method),
            "visits": printed.epochs * IMAGES[options.data],
        }
        for method, figures in printed.figures.items()
    }
    return Unit(
        f"{options.data}/published-{printed.network}",
        "validation.experiments.transport_tables:table",
        {
            "title": f"{printed.tables} of anonymous2022, on {NAMES[options.data]}: accuracy in % "
            f"of {printed.network}, linf {EPS.get(options.data, 8 / 255):.3g}",
            "columns": columns,
            "methods": list(columns),
            "device": options.device,
            "eps": EPS.get(options.data, 8 / 255),
        },
        tuple(unit for unit in units.values() if unit is not None),
    )


# ------------------------------------------------------------------------------ units


def train(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Train one network and see which images it keeps under each attack."""
    from empirical import adversarial, data
    from empirical.adversarial_loop import Budget
    from empirical.attacks.worst import worst_case
    from empirical.networks import build
    from empirical.precision import for_device

    whole = data.load(parameters["data"], parameters["data_dir"])
    dataset = replace(whole, train=whole.train[: parameters["pool"]])
    device, eps, many = parameters["device"], parameters["eps"], parameters["tested"]
    network = build(parameters["network"], dataset.shape, dataset.classes, seed % 2**31)
    how = dict(parameters["how"])
    budget = Budget(
        parameters["gradients"], RAMP, batch=parameters["batch"], rate=RATE, seed=seed % 2**31
    )
    record = getattr(adversarial, how.pop("function"))(
        for_device(network, device), dataset, eps, budget, device=device, progress=progress, **how
    )
    seen = dataset.train[:many]
    same: dict[str, Any] = {"seed": seed % 2**31, "device": device}
    trained = ~fooled_by("PGD-40", network, whole.images[seen], whole.labels[seen], eps, **same)
    chosen = dataset.test[:many]
    x, y = dataset.images[chosen], dataset.labels[chosen]
    kept = kept_under(
        network,
        x,
        y,
        eps,
        ("PGD-40", "PGD-100, once"),
        **same,
        progress=lambda name: progress(1.0, name),
    )
    worst = np.logical_and.reduce(list(kept.values()))
    left = np.flatnonzero(worst)  # fooled ones need no second proof
    if len(left):
        found = worst_case(
            network,
            x[left],
            y[left],
            eps,
            thorough=parameters["thorough"],
            progress=progress,
            **same,
        )
        worst[left] = ~found.fooled
    tested = (kept["clean"], kept["FGSM"], kept["PGD-40"], kept["PGD-100, once"], worst)
    values = {
        "collapsed": record.collapsed,
        "gradients": record.gradients,
        "pool": len(dataset.train),
        "visits": record.gradients // parameters["each"],
    }
    return Result(values, {"trained": trained, "tested": np.stack(tested)})


def table(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """The paper's table, each column beside ours, and what differs."""
    cells = []
    for method in parameters["methods"]:
        column = parameters["columns"][method]
        printed: Sequence[float | None] = column["printed"]
        if column["key"] is None:
            ours = [skipped_cell(column["hours"])] * len(ROWS)
        else:
            found = inputs[column["key"]].arrays
            ours = [share_cell(kept, LEVEL) for kept in (found["trained"], *found["tested"])]
        cells += [[None if p is None else f"{p:.2f}" for p in printed], ours]
    differs = _differences(parameters, inputs)
    rows = [
        [name, *row, words]
        for name, row, words in zip(ROWS, zip(*cells, strict=True), differs, strict=True)
    ]
    scale = (
        "The paper's radius is 8.0, read as 8/255; its step and noise of 0.2 would be more than "
        "six such radii, so both are the same shares of the radius as on MNIST, two thirds. "
        if parameters["eps"] != EPS["mnist"]
        else ""
    )
    return Result(
        {
            "title": parameters["title"],
            "columns": ("", *heads(parameters["methods"]), DIFFERS),
            "rows": rows,
            "note": f"One training each. {scale}Limits over the images at level {LEVEL} by "
            "Chernoff's inequality, each by itself; the paper's figures have none. Skipped cells "
            "name the time of the published training on this kind of device, computed from its "
            "number of passes. Networks as printed, where that can be built; see "
            "`empirical.printed_networks`.",
        }
    )


def _differences(parameters: Mapping[str, Json], inputs: Mapping[str, Result]) -> list[str]:
    """What differs, row by row; what is the same for all rows stands in the first."""
    words = []
    tested = 0
    for method in parameters["methods"]:
        column = parameters["columns"][method]
        if column["key"] is None:
            continue
        found = inputs[column["key"]]
        tested = found.arrays["tested"].shape[1]
        made = found.values
        words.append(
            f"{method}: {made['gradients']:,} gradients, {made['visits']:,} instead of "
            f"{column['visits']:,} images seen, out of {made['pool']:,}"
            + (", has become constant" if made["collapsed"] else "")
        )
    if not words:
        return ["not computed"] * len(ROWS)
    setup = (
        f"Adam at {RATE:g}, falling to 0, instead of stochastic gradient descent; radius growing "
        f"over the first {RAMP:.0%}"
    )
    first = "; ".join([*words, setup])
    return [
        f"{first}; here PGD-40 on {tested:,} images trained on, the paper's attack is not said",
        f"as above; first {tested:,} test images instead of all",
        "as above",
        "as above; steps of a thirtieth of the radius, the paper's are not said",
        "as above; steps of a thirtieth of the radius",
        "as above; the worst of the rows above, APGD on cross-entropy and targeted DLR, and Square",
    ]
