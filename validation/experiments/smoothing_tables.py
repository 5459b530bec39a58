"""Tables 1 and 2 of levine2020 in their layout: certified radii of smoothed networks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from empirical.estimate import quantile_interval
from robust_theory.wasserstein.votes import predict
from validation.experiment import Json, Options, Progress, Result, Unit
from validation.experiments import pipeline, smoothing_plan, smoothing_units
from validation.experiments.cells import DIFFERS, LEVEL, heads, share_cell, skipped_cell
from validation.experiments.smoothing_plan import ALPHA
from validation.experiments.smoothing_votes import certified_radii, is_right, joined

SHARPER = "median radius, our certificate"
COLUMNS = (
    "noise",
    *heads(("accuracy % (abstained %)", "median radius", "base accuracy %")),
    SHARPER,
    DIFFERS,
)
NAMES = {
    "laplace": "Wasserstein (Laplace flow)",
    "pixel": "Laplace (pixels)",
    "gaussian": "ours: Gaussian flow",
    "fitted": "ours: fitted Gaussian",
}
# What the paper prints: classification accuracy (abstained), median radius, base accuracy.
PRINTED: Mapping[tuple[str, float], tuple[str, str, str]] = {
    ("laplace", 0.005): ("98.71 (0.04)", "0.0101", "97.94"),
    ("laplace", 0.01): ("97.98 (0.19)", "0.0132", "94.95"),
    ("laplace", 0.02): ("93.99 (0.58)", "0.0095", "79.72"),
    ("laplace", 0.05): ("74.22 (3.95)", "0", "43.67"),
    ("laplace", 0.1): ("49.41 (1.29)", "0", "30.26"),
    ("laplace", 0.2): ("31.80 (8.40)", "N/A", "25.13"),
    ("laplace", 0.5): ("22.58 (0.84)", "N/A", "22.67"),
    ("pixel", 0.005): ("98.87 (0.06)", "0.0062", "97.47"),
    ("pixel", 0.01): ("97.44 (0.19)", "0.0053", "89.32"),
    ("pixel", 0.02): ("91.11 (1.29)", "0.0030", "67.08"),
    ("pixel", 0.05): ("61.44 (7.45)", "0", "33.80"),
    ("pixel", 0.1): ("34.92 (9.36)", "N/A", "25.56"),
    ("pixel", 0.2): ("24.02 (5.67)", "N/A", "22.85"),
    ("pixel", 0.5): ("22.57 (1.05)", "N/A", "22.70"),
    ("laplace", 0.00005): ("87.01 (0.24)", "0.000101", "86.02"),
    ("laplace", 0.0001): ("83.39 (0.42)", "0.000179", "82.08"),
    ("laplace", 0.0002): ("77.57 (0.66)", "0.000223", "75.46"),
    ("laplace", 0.0005): ("68.75 (1.01)", "0.000209", "65.12"),
    ("laplace", 0.001): ("61.65 (1.77)", "0.000127", "57.03"),
}
NOT_PRINTED = ("-", "-", "-")


def rows(options: Options) -> list[dict[str, Json]]:
    """Every network of the table with the keys of what it needs or the hours it would take."""
    found = []
    for network in smoothing_plan.networks(options):
        noise, sigma, seed = network
        row: dict[str, Json] = {"noise": noise, "sigma": sigma, "seed": seed}
        hours = smoothing_plan.hours_left_out(options)
        if hours:
            row["hours"] = hours
        else:
            row["network"] = smoothing_units.classifier(options, *network).key
            row["votes"] = [u.key for u in smoothing_units.vote_units(options, *network)]
            row["epochs"] = smoothing_plan.size(options, sigma)["epochs"]
        found.append(row)
    return found


def needs(options: Options) -> tuple[Unit, ...]:
    """Networks and votes of all rows that are not left out."""
    return tuple(
        unit
        for network in smoothing_plan.networks(options)
        if not smoothing_plan.hours_left_out(options)
        for unit in (
            smoothing_units.classifier(options, *network),
            *smoothing_units.vote_units(options, *network),
        )
    )


def made(row: Mapping[str, Json], inputs: Mapping[str, Result]) -> tuple[Result, list[Result]]:
    """Network and votes of a row that was not left out."""
    return inputs[row["network"]], [inputs[key] for key in row["votes"]]


def table_unit(options: Options) -> Unit:
    """The paper's table about this kind of data."""
    data = pipeline.data_name(options)
    number = 2 if smoothing_plan.is_colour(options) else 1
    return Unit(
        f"{data}/smoothing-table-{number}",
        "validation.experiments.smoothing_tables:table",
        {
            "data": smoothing_plan.words(data),
            "number": number,
            "rows": rows(options),
            "draws": smoothing_plan.size(options)["draws"],
            "architecture": smoothing_plan.size(options)["network"],
            "compared": data in ("mnist", *smoothing_plan.COLOUR),
        },
        needs(options),
    )


def table(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """The paper's table, each figure beside ours, and its rows for our own noise below."""
    digits = 4 if parameters["number"] == 1 else 6
    cells = [_row(row, inputs, digits, parameters["compared"]) for row in parameters["rows"]]
    chosen = "; ".join(
        f"seed {row['seed']}: round {values['round']}, scale {values['scale_over_flow']:g}, "
        f"held-out accuracy {100 * values['held_out_accuracy']:.2f} %"
        for row in parameters["rows"]
        if row["noise"] == "fitted" and "hours" not in row
        for values in (inputs[row["network"]].values,)
    )
    counted = [joined(made(row, inputs)[1]) for row in parameters["rows"] if "hours" not in row]
    votes = (
        f"{counted[0]['pilot'][0].sum()} votes choose the class and "
        f"{counted[0]['votes'][0].sum()} bound its score. "
        if counted
        else ""
    )
    return Result(
        {
            "title": f"Table {parameters['number']} of levine2020, on {parameters['data']}: "
            "certified W1 radii",
            "columns": COLUMNS,
            "rows": cells,
            "note": f"l2 ground metric, images of mass 1 over all channels. {votes}Each "
            f"certificate holds at level {ALPHA}, each cell's interval by itself at level {LEVEL}, "
            "for new images from the same source: Chernoff's inequality for shares, order "
            "statistics for medians. Sigma is the root mean square of the standard deviations of "
            "the flow over the edges (of the pixels for pixel noise; for the fitted covariance "
            "that of the flow noise whose certificate it was scaled from). Accuracy is that of the "
            "smoothed classifier, which abstains unless its first two classes are separated; base "
            f"accuracy that of the network under noise, {parameters['draws']} draws on every test "
            "image. The median is the largest radius that half of the images have, with the "
            "paper's certificate. As in the paper's own figures, an image of the right class "
            "without a certificate counts as radius 0, and N/A means that the class chosen for "
            f"most images is wrong. The column '{SHARPER}' is from the same votes: cycle-aware for "
            "flows, tight for pixels, exact for Gaussian noise. Everywhere: network "
            f"'{parameters['architecture']}', Adam under one cycle of rates, fresh noise for every "
            "image (the paper: SGD with momentum, one draw for a batch); from sigma "
            f"{smoothing_plan.MEDIAN_IS_SMALL:g} on, networks are trained on images divided by the "
            "size of the noised pixels, a factor that their first layer then takes over. "
            + (f"Fitted covariance, chosen on held-out training images: {chosen}." * bool(chosen)),
        }
    )


def _row(
    row: Mapping[str, Json], inputs: Mapping[str, Result], digits: int, compared: bool
) -> list[str]:
    noise, sigma = row["noise"], row["sigma"]
    title = f"{NAMES[noise]}, sigma {sigma:g}" + (f", seed {row['seed']}" * (noise == "fitted"))
    printed = PRINTED.get((noise, sigma), NOT_PRINTED) if compared else NOT_PRINTED
    if "hours" in row:
        here: Sequence[str] = [skipped_cell(row["hours"])] * 4
        differs = "left out of the budget of this machine"
    else:
        network, blocks = made(row, inputs)
        counts = joined(blocks)
        here = _here(network, counts, digits)
        many = len(counts["labels"])
        differs = f"{row['epochs']} epochs, not 200; first {many} test images, not 10,000"
        if printed == NOT_PRINTED:
            differs = f"not in the paper; {row['epochs']} epochs, first {many} test images"
    pairs = [cell for both in zip(printed, here[:3], strict=True) for cell in both]
    return [title, *pairs, here[3], differs]


def _here(network: Result, counts: Mapping[str, np.ndarray], digits: int) -> list[str]:
    """Accuracy, median by the paper's certificate, base accuracy, median by ours."""
    radii, right = certified_radii(network, counts), is_right(counts)
    answers = [predict(k, alpha=ALPHA) for k in counts["votes"]]
    abstained = np.array([answer.abstain for answer in answers])
    correct = np.array([answer.label for answer in answers]) == counts["labels"]
    base = network.values["base_right"]
    shares = np.repeat(np.arange(len(base)) / (len(base) - 1), base)
    return [
        f"{share_cell(correct & ~abstained)} ({100 * abstained.mean():.2f})",
        median_cell(radii["paper"], right, digits) if "paper" in radii else "-",
        share_cell(shares),
        median_cell(radii["sharp"], right, digits),
    ]


def median_cell(radii: np.ndarray, right: np.ndarray, digits: int, alpha: float = LEVEL) -> str:
    """The largest radius that half of the images have, and its limits, as in "0.0123 [0, 0.0131]".

    Wrong images are below every radius: "N/A" says that half of the images, or the law at this
    limit, have no radius, not even 0.

    Parameters
    ----------
    radii : ndarray
        Shape (n,), at least 0, 0 where nothing is certified.
    right : ndarray
        Shape (n,), whether the class is right.
    digits : int
        After the point; the limits are rounded outwards.
    """
    falling = np.sort(-np.where(right, radii, -math.inf))
    value = -falling[math.ceil(falling.size / 2) - 1]
    # The median of the negated radii is the largest radius of which half of the law has as much.
    limits = quantile_interval(falling, 0.5, alpha)
    unit = 10.0**digits
    lo = -limits.hi if math.isinf(limits.hi) else math.floor(-limits.hi * unit) / unit
    hi = -limits.lo if math.isinf(limits.lo) else math.ceil(-limits.lo * unit) / unit
    return f"{_radius(value, digits)} [{_radius(lo, digits)}, {_radius(hi, digits)}]"


def _radius(radius: float, digits: int) -> str:
    if math.isinf(radius):
        return "N/A" if radius < 0 else "∞"
    return f"{radius:.{digits}f}" if radius > 0 else "0"
