"""Theorems 4 to 6 of fawzi2018 on generators whose image radii are known exactly."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from robust_theory.arithmetic import enclose
from robust_theory.claim import Claim
from robust_theory.vulnerability import (
    image_quantiles,
    image_radii,
    images,
    nearest_neighbour,
    real_data,
)
from validation.experiment import Experiment, Instance, Json, Measurement, Options, Result
from validation.experiments import words
from validation.experiments.sampling import Case, sampled
from validation.verdict import Evidence

HALVES = [0.5, 0.5]
TENTHS = [0.1] * 10
DOUBLED = {"name": "scaled simplex", "classes": 10, "scale": 2.0}  # g(z) = 2 z
TWICE = [2, 1]  # omega(t) = 2 t
ROOT = [math.sqrt(2) * (1 + 1e-15), 0.5]  # |sqrt|x| sgn x - sqrt|y| sgn y| <= sqrt(2 |x - y|)
ROOT_LINE = {"name": "root half-line"}
BROKEN = {"name": "broken half-line", "limit": 2.0}
OUTSIDE = 0.0456  # at least P(|z| > 2) = .04550...
SHIFT = 0.1


def _share(claim: Claim, subject: str, *cases: Case, quantity: str = "") -> Experiment:
    return sampled(
        f"{claim.name}-on-exact-models",
        claim,
        subject,
        "share",
        cases,
        quantity=quantity or words.WITHIN_IMAGE,
        unit=words.SHARE,
        reading=words.SHARE_ABOVE,
        x_label=words.EPS_IMAGE,
    )


def _mean(claim: Claim) -> Experiment:
    return sampled(
        f"{claim.name}-on-exact-models",
        claim,
        "image_radii",
        "mean",
        (Case("simplex-10-doubled", {"measures": TENTHS, "modulus": TWICE}, DOUBLED, lipschitz=2),),
        quantity="E r_X",
        unit=words.IMAGE,
        reading=words.RADIUS_BELOW,
    )


def _nearest_rows(options: Options) -> tuple[Instance, ...]:
    points = {"quick": 400, "full": 4000}[options.suite]
    return (
        Instance("images-on-a-line", {"points": points, "slack": 0}),
        Instance("images-on-a-line-with-slack", {"points": points, "slack": "0.5"}),
    )


def _nearest(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    """Finitely many generated images on a line, at multiples of 2^-20, so that all is exact.

    The nearest-neighbour label of x changes half-way to the nearest image of another label, as
    seen from the last image of its own label before that.
    """
    rng = np.random.default_rng(seed)
    x = np.unique(rng.integers(0, 2**20, parameters["points"]))
    label = rng.integers(0, 2, x.size)
    changes = np.flatnonzero(np.diff(label))
    ends = (x[changes] + x[changes + 1]) / 2
    unconstrained = np.abs(x[:, None] - ends).min(axis=1) * 2.0**-20
    other = np.where(label[:, None] != label, np.abs(x[:, None] - x), 2**21)
    in_distribution = other.min(axis=1) * 2.0**-20
    radius = float(unconstrained.mean())
    return Measurement(
        {"in_distribution": float(in_distribution.mean()), "slack": parameters["slack"]},
        Evidence(radius, radius, radius, "exact", "mean over all images, one rounding each"),
    )


def _root_mean(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    """E sqrt|Z| = 2^(1/4) Gamma(3/4) / sqrt(pi), without sampling."""
    exact = enclose(
        lambda m: m.sqrt(m.sqrt(m.number(2))) * (m.number(3) / 4).gamma() / m.sqrt(m.pi)
    )
    return Measurement(
        {"measures": HALVES, "modulus": ROOT},
        Evidence((exact.lo + exact.hi) / 2, exact.lo, exact.hi, "exact", "closed form, enclosed"),
    )


def _root_experiment(claim: Claim) -> Experiment:
    return Experiment(
        name=f"{claim.name}-of-a-root",
        claim=claim,
        subject="image_radii",
        quantity="E r_X",
        unit=words.IMAGE,
        norm="l2",
        reading=words.RADIUS_BELOW,
        x_label=words.IMAGE,
        instances=lambda options: (Instance("root-half-line", {"generator": "sign(z) sqrt|z|"}),),
        measure=_root_mean,
    )


EXPERIMENTS: tuple[Experiment, ...] = (
    _share(
        images.IMAGE_FOOLING_PROBABILITY,
        "images",
        Case(
            "simplex-10-doubled",
            {"measures": TENTHS, "eps": "0.5", "inverse_modulus": TWICE},
            DOUBLED,
        ),
        Case(
            "root-half-line",
            {"measures": HALVES, "eps": "1", "inverse_modulus": ROOT},
            ROOT_LINE,
        ),
    ),
    _share(
        images.IMAGE_FOOLING_PROBABILITY_INSIDE,
        "images",
        Case(
            "broken-half-line",
            {
                "measures": HALVES,
                "eps": "1",
                "inverse_modulus": [1, 1],
                "failure": OUTSIDE,
            },
            BROKEN,
        ),
    ),
    sampled(
        "image-fooling-quantile-on-exact-models",
        image_quantiles.IMAGE_FOOLING_QUANTILE,
        "image_quantiles",
        "quantile",
        tuple(
            Case(
                f"simplex-10-doubled-at-{q}",
                {"measures": TENTHS, "q": q, "modulus": TWICE},
                DOUBLED,
            )
            for q in (0.25, 0.5)
        ),
        quantity="q-quantile of r_X",
        unit=words.IMAGE,
        reading=words.RADIUS_BELOW,
    ),
    _mean(image_radii.IMAGE_EXPECTED_RADIUS),
    _mean(image_radii.IMAGE_EXPECTED_RADIUS_PAPER),
    _root_experiment(image_radii.IMAGE_EXPECTED_RADIUS),
    _root_experiment(image_radii.IMAGE_EXPECTED_RADIUS_PAPER),
    _share(
        real_data.REAL_DATA_FOOLING_PROBABILITY,
        "real_data",
        Case(
            "data-further-out",
            {
                "measures": HALVES,
                "eps": "0.5",
                "inverse_modulus": [1, 1],
                "wasserstein": "0.2",
            },
            {"name": "moved half-line", "shift": SHIFT},
        ),
        quantity="P(r* <= eps)",
    ),
    Experiment(
        name="nearest-neighbour-radius-on-a-line",
        claim=nearest_neighbour.NEAREST_NEIGHBOUR_RADIUS,
        subject="nearest_neighbour",
        quantity="E r*",
        unit="distance in image space",
        norm="l2",
        reading="Each bar is the mean unconstrained radius of the nearest-neighbour classifier; it "
        "must not end below the mark, half the mean radius in distribution.",
        x_label="distance in image space",
        instances=_nearest_rows,
        measure=_nearest,
    ),
)
