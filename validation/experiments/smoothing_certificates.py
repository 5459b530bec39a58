"""What votes of smoothed networks prove: by every form of the certificate, and with fewer votes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from robust_theory.wasserstein.sequential import certify_sequentially
from validation.experiment import Json, Options, Progress, Result, Unit
from validation.experiments import pipeline, smoothing_plan, smoothing_tables
from validation.experiments.smoothing_plan import ALPHA
from validation.experiments.smoothing_votes import certified_radii, is_right, joined, median

RADII = (0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09)
COLOUR_RADII = (5e-5, 1e-4, 2e-4, 3e-4, 5e-4, 7e-4, 1e-3, 2e-3)


def units(options: Options) -> tuple[Unit, ...]:
    """Tables of all forms, of certified accuracy, and of certification that stops early.

    None where the budget leaves all networks out.
    """
    needs = smoothing_tables.needs(options)
    rows = [row for row in smoothing_tables.rows(options) if "hours" not in row]
    data = pipeline.data_name(options)
    parameters = {
        "data": smoothing_plan.words(data),
        "rows": rows,
        "grids": smoothing_plan.grids(options),
        "radii": COLOUR_RADII if smoothing_plan.is_colour(options) else RADII,
        "sigma": smoothing_plan.best_sigma(options),
    }
    return tuple(
        Unit(
            f"{data}/smoothing-{words}",
            f"validation.experiments.smoothing_certificates:{function}",
            parameters,
            needs,
            cost=smoothing_plan.stopping_cost(options) if words == "sequential" else 0.0,
        )
        for words, function in (
            ("certificates", "certificates"),
            ("certified-accuracy", "certified_accuracy"),
            ("sequential", "sequential"),
        )
        if rows
    )


def certificates(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Median radii of all forms from the same votes."""
    rows = []
    for title, made, counts in _each(parameters, inputs):
        radii = certified_radii(made, counts)
        rows.append(
            [
                title,
                len(counts["labels"]),
                *(
                    median(radii[form]) if form in radii else None
                    for form in ("paper", "tight", "rival classes", "sharp")
                ),
                float(radii["sharp"].mean()),
            ]
        )
    return Result(
        {
            "title": f"Forms of the certificate, on {parameters['data']}",
            "columns": (
                "noise",
                "images",
                "median, paper's form",
                "median, tight",
                "median, rival classes",
                "median, sharp",
                "mean, sharp",
            ),
            "rows": rows,
            "note": "W1 radii, l2 ground metric, from the votes of the table above. Medians count "
            "wrong and uncertified images as having no radius, means as 0; a form that the noise "
            "does not have, or a median that is not positive, is left empty.",
        }
    )


def certified_accuracy(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Share of images with the right class and a certificate of at least each radius."""
    heads = parameters["radii"]
    rows = [
        [f"{title}: {form}", *(float((radii >= r).mean()) for r in heads)]
        for title, made, counts in _each(parameters, inputs)
        for form, radii in certified_radii(made, counts).items()
    ]
    return Result(
        {
            "title": f"Certified accuracy on {parameters['data']}",
            "columns": ("noise: form of the certificate", *(f"{r:g}" for r in heads)),
            "rows": rows,
            "note": "Share of the test images of the table above that are right and certified at "
            "a W1 radius of at least the head of the column, l2 ground metric.",
        }
    )


def sequential(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Votes that the sequential rule uses for the same grid of radii, against the fixed number.

    Given their counts, independent votes come in any order with equal probability, so drawing the
    recorded votes without replacement has the law of drawing new ones.
    """
    rng = np.random.default_rng(seed)
    rows = [
        [title, ", ".join(f"{r:g}" for r in grid), *_stopped_early(made, counts, grid, rng)]
        for grid in parameters["grids"]
        for title, made, counts in _each(parameters, inputs)
        if made.values["noise"] in ("laplace", "gaussian")
        and (made.values["seed"], made.values["sigma"]) == (0, parameters["sigma"])
    ]
    return Result(
        {
            "title": f"Certification that stops early, on {parameters['data']}",
            "columns": (
                "noise",
                "radii",
                "votes per image",
                "share of the fixed number",
                "mean radius, sequential",
                "mean radius, fixed",
                "median, sequential",
                "median, fixed",
            ),
            "rows": rows,
            "note": f"Both at level {ALPHA} and on the same grid of radii, sharp forms. The "
            "sequential rule sees the same votes one after the other, in random order.",
        }
    )


def _each(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result]
) -> list[tuple[str, Result, dict[str, np.ndarray]]]:
    """Name, network and votes of every row."""
    found = []
    for row in parameters["rows"]:
        network, blocks = smoothing_tables.made(row, inputs)
        title = f"{row['noise']}, sigma {row['sigma']:g}, seed {row['seed']}"
        found.append((title, network, joined(blocks)))
    return found


def _stopped_early(
    made: Result,
    counts: Mapping[str, np.ndarray],
    radii: Sequence[float],
    rng: np.random.Generator,
) -> list[float | None]:
    """Mean votes, their share of the fixed number, means and medians of both radii."""
    grid = np.array(radii)
    certified = certified_radii(made, counts)["sharp"]
    fixed = np.append(0.0, grid)[np.searchsorted(grid, certified, side="right")]
    stopped = [
        certify_sequentially(
            _without_replacement(k, rng),
            pilot,
            made.values["sigma"],
            grid,
            alpha=ALPHA,
            most=int(k.sum()),
            noise=made.values["noise"],
            shape=made.values["shape"][1:],
        )
        for k, pilot in zip(counts["votes"], counts["pilot"], strict=True)
    ]
    used = float(np.mean([s.samples for s in stopped]))
    found = np.array([s.radius for s in stopped]) * is_right(counts)
    return [
        used,
        used / int(counts["votes"][0].sum()),
        float(found.mean()),
        float(fixed.mean()),
        median(found),
        median(fixed),
    ]


def _without_replacement(
    counts: np.ndarray, rng: np.random.Generator
) -> Callable[[int], np.ndarray]:
    left = counts.copy()

    def draw(n: int) -> np.ndarray:
        taken = rng.multivariate_hypergeometric(left, n)
        left[:] -= taken
        return taken

    return draw
