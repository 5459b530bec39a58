"""Smoothed networks: certified radii in the layout of levine2020's Table 1, and attacks on them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from robust_theory.covariance import gaussian_smoothing_radius
from robust_theory.sequential import certify_sequentially
from robust_theory.smoothing import Form, smoothing_radius
from robust_theory.smoothing_claims import L2_AWARE_RADIUS, LAPLACE_PAPER_RADIUS
from robust_theory.votes import certify, lower_limit, predict, upper_limit
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
from validation.experiments import pipeline, smoothing_units
from validation.experiments.smoothing_units import ALPHA, SIGMA, median, name
from validation.verdict import Evidence

# (noise, sigma, seed), rows of the table.
NETWORKS: dict[str, tuple[tuple[str, float, int], ...]] = {
    "quick": tuple((noise, SIGMA, 0) for noise in ("laplace", "gaussian", "fitted", "pixel")),
    "full": (
        *((noise, SIGMA, 0) for noise in ("laplace", "gaussian", "fitted")),
        ("fitted", SIGMA, 1),
        *((noise, sigma, 0) for sigma in (0.005, 0.02) for noise in ("laplace", "gaussian")),
        *(("pixel", sigma, 0) for sigma in (0.005, SIGMA, 0.02)),
    ),
}
DEFENCES = ("undefended", "adversarially trained", "binarised", "l-infinity robust")
# What the paper prints for MNIST: classification accuracy, median radius, base accuracy.
PRINTED = {
    ("laplace", 0.005): "98.71 / 0.0101 / 97.94",
    ("laplace", 0.01): "97.98 / 0.0132 / 94.95",
    ("laplace", 0.02): "93.99 / 0.0095 / 79.72",
    ("pixel", 0.005): "98.87 / 0.0062 / 97.47",
    ("pixel", 0.01): "97.44 / 0.0053 / 89.32",
    ("pixel", 0.02): "91.11 / 0.0030 / 67.08",
}
BROKEN = 1e-3
RADII = (0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09)
EMPIRICAL_RADII = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2)


def _attacked(options: Options) -> tuple[Instance, ...]:
    noise = ("laplace", SIGMA, 0)
    unit = smoothing_units.attack_unit(options, *noise)
    parameters = {"sigma": SIGMA}
    return (Instance(f"{pipeline.data_name(options)}-{name(*noise)}", parameters, (unit,)),)


def _nearest(
    form: Form,
) -> Callable[[Mapping[str, Json], Mapping[str, Result], int, float], Measurement]:
    """The verified adversarial image that comes nearest to its certificate.

    The limits on the scores at all images, and the verification of all adversarial ones, hold
    together: each has an equal share of the row's alpha.
    """

    def measure(
        parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
    ) -> Measurement:
        (result,) = inputs.values()
        found, sigma, shape = result.arrays, parameters["sigma"], result.values["shape"][1:]
        m = len(found["distances"])
        lower, distances = _verified(found, alpha / (2 * m))
        radii = smoothing_radius(lower, sigma, noise="laplace", form=form, shape=shape)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(radii > 0, distances / radii, math.inf)
        i = int(np.argmin(ratio))
        if not radii.any():
            raise ValueError("no attacked image has a certificate at this error level")
        if not np.isfinite(ratio[i]):
            i = int(np.argmax(radii))
        return Measurement(
            {"p": float(lower[i]), "sigma": sigma, "shape": shape},
            Evidence(
                value=float(distances[i]),
                lo=float(distances[i]),
                hi=float(distances[i]),
                side="upper",
                method="attack through the expected softmax; exact W1; both ends by votes",
                n=m,
                censored=int(np.isinf(distances).sum()),
                alpha=alpha,
            ),
        )

    return measure


def _verified(found: Mapping[str, np.ndarray], level: float) -> tuple[np.ndarray, np.ndarray]:
    """Lower limits on the scores of the pilots' classes, distances where they provably lost them.

    Infinite where no image was found, or votes there do not show the class below 1/2.
    """
    label = found["clean_pilot"].argmax(1)
    n = found["clean_votes"].sum(1)
    lower, distances = [], []
    for i, y in enumerate(label):
        lower.append(lower_limit(int(found["clean_votes"][i, y]), int(n[i]), level))
        there = upper_limit(int(found["found_votes"][i, y]), int(n[i]), level)
        distances.append(found["distances"][i] if there < 0.5 else math.inf)
    return np.array(lower), np.array(distances)


# ------------------------------------------------------------------------------ tables


def _table_units(options: Options) -> tuple[Unit, ...]:
    networks = NETWORKS[options.suite]
    needs = [
        unit
        for network in networks
        for unit in (
            smoothing_units.classifier(options, *network),
            *smoothing_units.vote_units(options, *network),
        )
    ]
    data = pipeline.data_name(options)
    rows = [
        {
            "noise": noise,
            "sigma": sigma,
            "seed": seed,
            "network": smoothing_units.classifier(options, noise, sigma, seed).key,
            "votes": [u.key for u in smoothing_units.vote_units(options, noise, sigma, seed)],
        }
        for noise, sigma, seed in networks
    ]
    return tuple(
        Unit(
            f"{data}/smoothing-{words}",
            f"validation.experiments.trained_smoothing:{function}",
            {"data": data, "rows": rows, "grids": smoothing_units.SIZES[options.suite]["grids"]},
            tuple(needs),
        )
        for words, function in (
            ("table-1", "table_1"),
            ("certified-accuracy", "certified_accuracy"),
            ("sequential", "sequential"),
        )
    )


def _radii(made: Result, votes: Sequence[Result]) -> dict[str, np.ndarray]:
    """Radii of every form that the noise has, 0 where the image is wrong or nothing is certified.

    Also "rival classes": the sharp form with simultaneous limits on all classes.
    """
    counts = _joined(votes)
    right = counts["pilot"].argmax(1) == counts["labels"]
    noise, sigma, shape = made.values["noise"], made.values["sigma"], made.values["shape"][1:]
    if noise == "fitted":
        radii = smoothing_units.fitted_radii(counts, made.arrays["covariance"], tuple(shape))
        return {"sharp": np.where(right, radii, 0.0)}
    forms: dict[str, tuple[Form, ...]] = {
        "laplace": ("paper", "tight", "sharp"),
        "pixel": ("paper", "sharp"),
        "gaussian": ("sharp",),
    }
    kinds: list[tuple[str, Form, bool]] = [(form, form, False) for form in forms[noise]]
    if noise != "pixel":
        kinds.append(("rival classes", "sharp", True))
    return {
        kind: np.array(
            [
                certify(
                    k,
                    pilot,
                    sigma,
                    alpha=ALPHA,
                    shape=shape,
                    noise=noise,
                    form=form,
                    rivals=rivals,
                ).radius
                for k, pilot in zip(counts["votes"], counts["pilot"], strict=True)
            ]
        )
        * right
        for kind, form, rivals in kinds
    }


def _joined(votes: Sequence[Result]) -> dict[str, np.ndarray]:
    ordered = sorted(votes, key=lambda block: block.values["first"])
    return {
        which: np.concatenate([block.arrays[which] for block in ordered])
        for which in ("pilot", "votes", "labels")
    }


def _each(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result]
) -> list[tuple[str, Mapping[str, Json], Result, list[Result]]]:
    """Name, parameters, network and votes of every row."""
    return [
        (
            f"{row['noise']}, sigma {row['sigma']:g}, seed {row['seed']}",
            row,
            inputs[row["network"]],
            [inputs[key] for key in row["votes"]],
        )
        for row in parameters["rows"]
    ]


def table_1(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """The paper's Table 1, with a column for every form of the certificate."""
    rows = []
    for title, row, made, votes in _each(parameters, inputs):
        counts, radii = _joined(votes), _radii(made, votes)
        answers = [predict(k, alpha=ALPHA) for k in counts["votes"]]
        abstained = np.array([answer.abstain for answer in answers])
        right = np.array([answer.label for answer in answers]) == counts["labels"]
        printed = PRINTED.get((row["noise"], row["sigma"]))
        rows.append(
            [
                title,
                100 * float((right & ~abstained).mean()),
                100 * float(abstained.mean()),
                *(
                    median(radii[form]) if form in radii else None
                    for form in ("paper", "tight", "rival classes", "sharp")
                ),
                float(radii["sharp"].mean()),
                100 * made.values["base_accuracy"],
                printed if parameters["data"] == "mnist" else None,
            ]
        )
    first = _joined(_each(parameters, inputs)[0][3])
    chosen = "; ".join(
        f"seed {row['seed']}: round {made.values['round']}, scale "
        f"{made.values['scale_over_flow']:g}, held-out accuracy "
        f"{100 * made.values['held_out_accuracy']:.2f} %"
        for _, row, made, _ in _each(parameters, inputs)
        if row["noise"] == "fitted"
    )
    return Result(
        {
            "title": f"Table 1 of levine2020, on {parameters['data']}: certified W1 radii, l2 "
            "ground metric, images of mass 1",
            "columns": (
                "noise",
                "accuracy %",
                "abstained %",
                "median, paper's form",
                "median, tight",
                "median, rival classes",
                "median, sharp",
                "mean, sharp",
                "base accuracy %",
                "printed: accuracy / median / base",
            ),
            "rows": rows,
            "note": f"First {len(first['labels'])} test images, {first['pilot'][0].sum()} votes "
            f"choose the class and {first['votes'][0].sum()} bound its score, each certificate at "
            f"level {ALPHA}. Sigma is the root mean square of the standard deviations of the flow "
            "over the edges (of the pixels for pixel noise; for the fitted covariance that of the "
            "flow noise whose certificate it was scaled from). Base accuracy is under noise, on "
            "all test images. Accuracy is that of the smoothed classifier, which abstains unless "
            "the first two classes are separated. Medians count wrong and uncertified images as "
            "having no radius, means as 0. The fitted covariance was chosen on held-out training "
            f"images: {chosen or 'none'}.",
        }
    )


def certified_accuracy(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Share of images with the right class and a certificate of at least each radius."""
    rows = [
        [f"{title}: {form}", *(float((radii >= r).mean()) for r in RADII)]
        for title, _, made, votes in _each(parameters, inputs)
        for form, radii in _radii(made, votes).items()
    ]
    return Result(
        {
            "title": f"Certified accuracy on {parameters['data']}",
            "columns": ("noise: form of the certificate", *(f"{r:g}" for r in RADII)),
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
        [title, ", ".join(f"{r:g}" for r in grid), *_stopped_early(made, votes, grid, rng)]
        for grid in parameters["grids"]
        for title, row, made, votes in _each(parameters, inputs)
        if row["noise"] in ("laplace", "gaussian") and (row["seed"], row["sigma"]) == (0, SIGMA)
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


def _stopped_early(
    made: Result, votes: Sequence[Result], radii: Sequence[float], rng: np.random.Generator
) -> list[float | None]:
    """Mean votes, their share of the fixed number, means and medians of both radii."""
    counts, grid = _joined(votes), np.array(radii)
    right = counts["pilot"].argmax(1) == counts["labels"]
    fixed = np.append(0.0, grid)[np.searchsorted(grid, _radii(made, votes)["sharp"], side="right")]
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
    found = np.array([s.radius for s in stopped]) * right
    n = int(counts["votes"][0].sum())
    return [
        used,
        used / n,
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


def _figure_units(options: Options) -> tuple[Unit, ...]:
    smoothed = [(noise, SIGMA, 0) for noise in ("laplace", "gaussian", "fitted")]
    needs = [
        *(smoothing_units.defence_unit(options, kind) for kind in DEFENCES),
        *(smoothing_units.attack_unit(options, *network) for network in smoothed),
    ]
    titles = [*DEFENCES, *(f"smoothed, {noise}" for noise, _, _ in smoothed)]
    data = pipeline.data_name(options)
    return (
        Unit(
            f"{data}/wasserstein-attacks",
            "validation.experiments.trained_smoothing:figures",
            {
                "data": data,
                "rows": [[title, u.key] for title, u in zip(titles, needs, strict=True)],
                "growth": smoothing_units.SIZES[options.suite]["growth"],
            },
            (*needs, smoothing_units.classifier(options, "fitted", SIGMA, 0)),
        ),
    )


def figures(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """The paper's Figures 5 to 7: accuracy under the growing attack, radii measured exactly."""
    rows = []
    for title, key in parameters["rows"]:
        distances = inputs[key].arrays["distances"]
        shares = [float((distances > r).mean()) for r in EMPIRICAL_RADII]
        rows.append([title, *shares, *_broken_certificates(inputs, key)])
    growth = parameters["growth"]
    many = len(inputs[parameters["rows"][0][1]].arrays["distances"])
    return Result(
        {
            "title": f"Figures 5 and 7 of levine2020, on {parameters['data']}: accuracy under "
            "attack",
            "columns": (
                "network",
                *(f"W1 {r:g}" for r in EMPIRICAL_RADII),
                "certified images",
                "broken certificates",
                "broken ones that chance allows",
            ),
            "rows": rows,
            "note": f"{many} test images. Share for which the attack found no wrong answer within "
            "that exact W1 distance (l2 ground metric, images of mass 1). "
            f"{growth['steps']} steps; the ball starts at {growth['first']:g} and grows by a "
            f"factor {growth['factor']:g} every {growth['every']} steps. Smoothed networks: slopes "
            "from 128 samples of the softmax, answers by hard votes after every step, abstention "
            "counts as wrong. An attack bounds robustness from above only. A certificate of level "
            f"{ALPHA} (sharp form) is broken by an image within its radius at which new votes "
            f"show the class below 1/2, at level {BROKEN}; chance allows so many with "
            f"probability 1 - {BROKEN}.",
        }
    )


def _broken_certificates(
    inputs: Mapping[str, Result], key: str
) -> tuple[int | None, int | None, int | None]:
    """Certified images of a smoothed network, those with a broken certificate, and how many may."""
    from scipy.special import bdtrc

    found, values = inputs[key].arrays, inputs[key].values
    if values["kind"] != "smoothed":
        return None, None, None
    shape = tuple(values["shape"][1:])
    _, distances = _verified(found, BROKEN)
    lower, _ = _verified(found, ALPHA)
    if values["noise"] == "fitted":
        made = inputs[values["network"]]
        radii = gaussian_smoothing_radius(lower, made.arrays["covariance"], shape)
    else:
        radii = smoothing_radius(lower, values["sigma"], noise=values["noise"], shape=shape)
    certified = int((radii > 0).sum())
    broken = int(((distances <= radii) & (radii > 0)).sum())
    allowed = next(k for k in range(certified + 1) if bdtrc(k, certified, ALPHA) <= BROKEN)
    return certified, broken, allowed


_SMOOTHED = Experiment(
    name="smoothed-networks-under-attack",
    claim=L2_AWARE_RADIUS,
    subject="smoothing",
    quantity="least W1 of a verified adversarial image",
    unit="W1 (l2 ground metric)",
    norm="",
    reading="Each bar is the exact distance of the verified adversarial image that comes nearest "
    "to its certificate; it must not end below the mark of the theory.",
    x_label="W1 (l2 ground metric)",
    instances=_attacked,
    measure=_nearest("sharp"),
    tables=_table_units,
)
EXPERIMENTS: tuple[Experiment, ...] = (
    _SMOOTHED,
    replace(
        _SMOOTHED,
        name="smoothed-networks-and-other-defences",
        claim=LAPLACE_PAPER_RADIUS,
        measure=_nearest("paper"),
        tables=_figure_units,
    ),
)
