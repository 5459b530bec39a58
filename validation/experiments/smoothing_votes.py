"""Votes of smoothed networks on test images, and the radii that they certify."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from robust_theory.wasserstein.covariance import gaussian_smoothing_radius
from robust_theory.wasserstein.smoothing import Form
from robust_theory.wasserstein.votes import certify, lower_limit
from validation.experiment import Json, Progress, Result
from validation.experiments.smoothing_networks import dataset_of, network_of, noise_from
from validation.experiments.smoothing_plan import ALPHA

if TYPE_CHECKING:
    from torch import nn

    from empirical.data import Dataset
    from empirical.noise import Noise

FORMS: dict[str, tuple[Form, ...]] = {
    "laplace": ("paper", "tight", "sharp"),
    "pixel": ("paper", "sharp"),
    "gaussian": ("sharp",),
}


def count(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Pilot and votes of a block of test images."""
    dataset = dataset_of(parameters)
    made = inputs[parameters["network"]]
    first = parameters["first"]
    indices = dataset.test[first : first + parameters["many"]]
    counts = votes_on(
        parameters,
        dataset,
        network_of(made),
        noise_from(made),
        indices,
        "votes",
        seed,
        progress,
    )
    return Result({"first": first}, {**counts, "labels": dataset.labels[indices]})


def votes_on(
    parameters: Mapping[str, Json],
    dataset: Dataset,
    network: nn.Module,
    noise: Noise,
    indices: np.ndarray,
    votes: str,
    seed: int,
    progress: Progress | None = None,
) -> dict[str, np.ndarray]:
    """Pilot and votes of any images; `votes` names the size that says how many."""
    from empirical.smoothing import certification_votes

    counted = certification_votes(
        network,
        noise,
        dataset.images[indices],
        dataset.classes,
        pilot=parameters["size"]["pilot"],
        votes=parameters["size"][votes],
        seed=seed,
        device=parameters["device"],
        progress=progress,
    )
    return {"pilot": counted.pilot, "votes": counted.votes}


def joined(votes: Sequence[Result]) -> dict[str, np.ndarray]:
    """Pilot, votes and labels of all blocks, in the order of the images."""
    ordered = sorted(votes, key=lambda block: block.values["first"])
    return {
        which: np.concatenate([block.arrays[which] for block in ordered])
        for which in ("pilot", "votes", "labels")
    }


def is_right(counts: Mapping[str, np.ndarray]) -> np.ndarray:
    """Whether the pilot's class is the label, for every image."""
    right: np.ndarray = counts["pilot"].argmax(1) == counts["labels"]
    return right


def certified_radii(made: Result, counts: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Radii of every form that the noise has, 0 where the image is wrong or nothing is certified.

    Also "rival classes": the sharp form with simultaneous limits on all classes.
    """
    right = is_right(counts)
    noise, sigma, shape = made.values["noise"], made.values["sigma"], made.values["shape"][1:]
    if noise == "fitted":
        radii = fitted_radii(counts, made.arrays["covariance"], tuple(shape))
        return {"sharp": np.where(right, radii, 0.0)}
    kinds: list[tuple[str, Form, bool]] = [(form, form, False) for form in FORMS[noise]]
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


def fitted_radii(
    counts: Mapping[str, np.ndarray], covariance: np.ndarray, shape: tuple[int, int]
) -> np.ndarray:
    """Certified radii (l2 ground metric) of the pilot's class, 0 where nothing is certified."""
    label, votes = counts["pilot"].argmax(1), counts["votes"]
    lower = [lower_limit(int(k[y]), int(k.sum()), ALPHA) for k, y in zip(votes, label, strict=True)]
    return np.asarray(gaussian_smoothing_radius(np.array(lower), covariance, shape))


def median(radii: np.ndarray) -> float | None:
    """The largest radius that half of the images have; None where half of them have none.

    `radii` are 0 for images that are wrong or not certified.
    """
    kept = np.sort(radii)[::-1][(radii.size + 1) // 2 - 1]
    return float(kept) if kept > 0 else None
