"""Table 17.1 of chapter17: the rows whose figures are sound, beside networks trained here."""

from __future__ import annotations

from collections.abc import Mapping

from validation.experiment import Instance, Json, Options, Progress, Result, Unit
from validation.experiments import pipeline
from validation.experiments.cells import DIFFERS, LEVEL, heads, share_cell, skipped_cell
from validation.experiments.trades_networks import kept_images

# Our names, to the module, the function and its arguments.
METHODS: Mapping[str, Mapping[str, Json]] = {
    "natural": {"module": "adversarial", "function": "train_naturally"},
    "PGD-7": {"module": "adversarial", "function": "train_on_pgd", "steps": 7},
    "free, 8 replays": {"module": "adversarial", "function": "train_for_free", "replays": 8},
    "one step": {"module": "adversarial", "function": "train_on_pgd", "steps": 1},
    "TRADES, 1": {"module": "trades", "function": "train_trades", "weight": 1.0},
    "TRADES, 6": {"module": "trades", "function": "train_trades", "weight": 6.0},
}
QUICK = ("one step", "TRADES, 6")
# What the chapter prints, where it agrees with its source: natural accuracy, accuracy under PGD-20.
PRINTED = {"PGD-7": ("87.0", "46.0"), "TRADES, 6": ("84.92", "56.61")}
REMARKS = {
    "natural": "not in the table",
    "PGD-7": "MMS18; printed rounded, madry2018 has 87.3 and 45.8",
    "free, 8 replays": "not in the table; shafahi2019",
    "one step": "not in the table; wong2020",
    "TRADES, 1": "1/lambda = 1; the printed figures belong to other rows",
    "TRADES, 6": "1/lambda = 6; 56.43 under 1000 steps, 53.08 under AutoAttack",
}
SIZES: Mapping[str, Mapping[str, Json]] = {
    "quick": {"network": "strided", "gradients": 8_000, "batch": 50, "rate": 3e-3, "images": 60},
    "full": {"network": "strided", "gradients": 300_000, "batch": 50, "rate": 2e-3, "images": 1000},
    "large": {"network": "resnet18", "gradients": 6e6, "batch": 128, "rate": 1e-3, "images": 2000},
}
RADIUS = {"mnist": 0.3, "fashion-mnist": 0.1, "digits": 0.15}  # others: 8/255
_LARGE = ("cifar", "svhn")  # data sets that start so need a larger network
# Forward and backward pass of one image of CIFAR-10's size, on one core: measured for ResNet-18.
_SECONDS = 0.03
_PASSES = 400  # of the attacks, per image
# Seconds of a unit on one core, measured on the smaller images.
_COST = {"quick": 1.0, "full": 60.0}


def methods(options: Options) -> tuple[str, ...]:
    """Those of the suite."""
    return QUICK if options.suite == "quick" else tuple(METHODS)


def hours(options: Options) -> float:
    """Hours on one core that each network of a size that needs an accelerator takes; 0 for none."""
    if options.device != "cpu" or _size(options) != "large":
        return 0.0
    size = SIZES["large"]
    return float(_SECONDS * (size["gradients"] + _PASSES * size["images"]) / 3600)


def rows(options: Options) -> tuple[Instance, ...]:
    """One for every trained network."""
    name, left_out = pipeline.data_name(options), hours(options)
    why = f"takes about {left_out:.0f} hours on a CPU; add --device cuda" if left_out else ""
    return tuple(
        Instance(
            f"{name}-{_words(method)}",
            {"method": method},
            () if left_out else (trained_unit(options, method),),
            why,
        )
        for method in methods(options)
    )


def trained_unit(options: Options, method: str) -> Unit:
    """One network, trained and attacked."""
    size = _size(options)
    return Unit(
        f"{pipeline.data_name(options)}/trades-{_words(method)}",
        "validation.experiments.trades_networks:train",
        {
            **pipeline.source(options),
            "how": METHODS[method],
            "eps": _radius(options),
            "suite": options.suite,
            **SIZES[size],
        },
        accelerated=True,
        cost=_COST.get(size, 0.0),
    )


def table_units(options: Options) -> tuple[Unit, ...]:
    """The chapter's table, and how each network's errors come about."""
    left_out = hours(options)
    units = {method: trained_unit(options, method) for method in methods(options)}
    parameters = {
        "data": pipeline.data_name(options),
        "eps": _radius(options),
        "keys": [[method, unit.key] for method, unit in units.items()],
        "hours": left_out,
        **SIZES[_size(options)],
    }
    return tuple(
        Unit(
            f"{pipeline.data_name(options)}/trades-{words}",
            f"validation.experiments.trades_tables:{function}",
            parameters,
            () if left_out else tuple(units.values()),
        )
        for words, function in (("table-17-1", "table"), ("errors", "errors"))
    )


def table(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Accuracy without and under attacks, beside what the chapter prints."""
    shown = ("clean", "PGD-20", "PGD-100", "worst")
    made: list[list[Json]] = []
    for method, key in parameters["keys"]:
        nat, rob = PRINTED.get(method, (None, None))
        ours: list[Json] = [skipped_cell(parameters["hours"])] * 4 if parameters["hours"] else []
        flagged = None
        if not ours:
            kept = kept_images(inputs[key])
            ours = [share_cell(kept[name]) if name in kept else None for name in shown]
            failed = inputs[key].values["flags"]
            flagged = f"flagged: {'; '.join(failed)}" if failed else "nothing"
        made.append([method, nat, ours[0], rob, *ours[1:], flagged, REMARKS[method]])
    return Result(
        {
            "title": f"Table 17.1 of chapter17, on {parameters['data']}, linf "
            f"{parameters['eps']:.3g}: accuracy in % of networks trained at equal cost",
            "columns": (
                "training",
                *heads(("A_nat", "A_rob, PGD-20")),
                "PGD-100, here",
                "worst case, here",
                "flagged",
                DIFFERS,
            ),
            "rows": made,
            "note": "The chapter's figures are those of zhang2019 for CIFAR-10, 0.031 and "
            "WRN-34-10 (MMS18: 8/255, its own network). Here: "
            f"{parameters['data']}, the network {parameters['network']!r}, "
            f"{parameters['gradients']:,.0f} gradients each (one backward pass for one image is "
            f"one), first {parameters['images']} test images, one training; limits over the "
            f"images at level {LEVEL} by Chernoff's inequality, each by itself. PGD-20 is the "
            "attack of zhang2019, steps of 0.003/0.031 of the radius from a random point. The "
            "worst case takes the worst of all attacks for each image, and is still only an "
            "upper bound. The other rows of the chapter's table are not reproduced: their figures "
            "differ from their sources, cannot be checked, or are those of defences that do not "
            "defend (errata of the chapter, 17.3.5).",
        }
    )


def errors(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Natural, boundary and adversarial error of each network, counted on the same images."""
    made: list[list[Json]] = []
    for method, key in parameters["keys"]:
        if parameters["hours"]:
            made.append([method, *[skipped_cell(parameters["hours"])] * 5])
            continue
        answers, y = inputs[key].arrays["answers"], inputs[key].arrays["labels"]
        natural = answers[0] != y
        flipped = ~natural & (answers != answers[0]).any(axis=0)
        reached = (answers != y).any(axis=0)
        gap = int(reached.sum()) - int(natural.sum()) - int(flipped.sum())
        cells = [share_cell(part) for part in (natural, flipped, reached)]
        made.append([method, *cells, gap, len(y)])
    return Result(
        {
            "title": f"Errors of these networks taken apart, on {parameters['data']}, linf "
            f"{parameters['eps']:.3g}, in %",
            "columns": (
                "training",
                "natural error",
                "boundary error",
                "adversarial error",
                "images by which they do not add up",
                "images",
            ),
            "rows": made,
            "note": "On test images. Boundary error: the answer is right and an attack changes "
            "it; adversarial error: some answer, at the image or at what an attack made of it, is "
            "wrong. The sum is exact for the 0-1 loss. Against all perturbations in the ball "
            "the last two can only be larger, by the same amount.",
        }
    )


def _size(options: Options) -> str:
    return "large" if options.data.startswith(_LARGE) else options.suite


def _radius(options: Options) -> float:
    return RADIUS.get(options.data, 8 / 255)


def _words(method: str) -> str:
    return method.replace(",", "").replace(" ", "-").lower()
