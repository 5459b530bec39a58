"""Latent laws other than the standard normal one, on cases with exact radii."""

from __future__ import annotations

import math

from robust_theory.claim import Claim
from robust_theory.vulnerability import balls, cheeger, conditional, latents, norms, spheres
from validation.experiment import Experiment
from validation.experiments import words
from validation.experiments.sampling import Case, sampled

HALVES = [0.5, 0.5]
TENTHS = [0.1] * 10


def _share(claim: Claim, subject: str, *cases: Case, norm: str = "l2") -> Experiment:
    return sampled(
        f"{claim.name}-on-exact-cases",
        claim,
        subject,
        "share",
        cases,
        quantity="P(r <= eps)",
        unit=words.SHARE,
        norm=norm,
        reading=words.SHARE_ABOVE,
        x_label=words.EPS_ANY,
    )


EXPERIMENTS: tuple[Experiment, ...] = (
    _share(
        latents.CUBE_FOOLING_PROBABILITY,
        "latents",
        Case(
            "halved-cube-of-side-2",
            {"measures": HALVES, "eps": "0.5", "side": 2},
            {"name": "half cube", "dimension": 3, "side": 2},
        ),
    ),
    _share(
        balls.BALL_FOOLING_PROBABILITY,
        "balls",
        Case(
            "halved-ball-in-10-dimensions",
            {"measures": HALVES, "eps": "0.2", "d": 10},
            {"name": "half ball", "dimension": 10, "radius": 1},
        ),
    ),
    _share(
        spheres.SPHERE_FOOLING_PROBABILITY,
        "spheres",
        Case(
            "simplex-3-in-100-dimensions",
            {"measures": ["1/3", "1/3", "1/3"], "eps": "0.1", "d": 100},
            {"name": "sphere simplex", "classes": 3, "dimension": 100, "radius": 1},
        ),
    ),
    _share(
        latents.LOG_CONCAVE_FOOLING_PROBABILITY,
        "latents",
        Case(
            "simplex-10-with-deviation-1/2",
            {"measures": TENTHS, "eps": "0.1", "curvature": 4},
            {"name": "scaled simplex", "classes": 10, "scale": 0.5},
        ),
    ),
    _share(
        latents.INRADIUS_FOOLING_PROBABILITY,
        "latents",
        Case(
            "simplex-10-doubled",
            {"measures": TENTHS, "eps": "0.5", "inradius": "0.5"},
            {"name": "scaled simplex", "classes": 10, "scale": 2.0},
        ),
    ),
    _share(
        norms.GAUSSIAN_FOOLING_PROBABILITY,
        "norms",
        Case(
            "half-space-across-the-short-axis",
            {"measures": HALVES, "eps": "0.5", "covariance": [[1.0, 0.0], [0.0, 4.0]]},
            {"name": "stretched half-space", "deviations": [1.0, 2.0], "norm": "l2", "axis": 0},
        ),
        Case(
            "half-space-in-the-maximum-norm",
            {
                "measures": HALVES,
                "eps": "0.5",
                "covariance": [[1.0, 0.0], [0.0, 4.0]],
                "norm": "linf",
            },
            {"name": "stretched half-space", "deviations": [1.0, 2.0], "norm": "linf", "axis": 0},
        ),
        norm="l2, linf",
    ),
    _share(
        cheeger.CHEEGER_FOOLING_PROBABILITY,
        "cheeger",
        Case(
            "interval-under-the-Laplace-law",
            {"measures": HALVES, "eps": "0.3", "h": 1},
            {"name": "Laplace slab", "half_width": math.log(2)},
        ),
    ),
    sampled(
        f"{conditional.CONDITIONAL_ADVERSARIAL_RISK.name}-on-exact-cases",
        conditional.CONDITIONAL_ADVERSARIAL_RISK,
        "conditional",
        "share",
        (
            Case(
                "two-labels",
                {
                    "priors": [0.7, 0.3],
                    "errors": ["0.05", "0.1"],
                    "lipschitz": [1, 2],
                    "eps": "0.5",
                },
                {
                    "name": "labelled generators",
                    "scales": [1.0, 2.0],
                    # the mistaken parts |x| >= threshold have the measures .05 and .1
                    "thresholds": [1.959963984540054, 2 * 1.6448536269514729],
                    "priors": [0.7, 0.3],
                },
            ),
        ),
        quantity="P(an example within eps is wrong)",
        unit=words.SHARE,
        reading=words.SHARE_ABOVE,
        x_label=words.EPS_IMAGE,
    ),
)
