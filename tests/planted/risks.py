"""False versions of the claims about adversarial risks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from robust_theory.arithmetic import around
from robust_theory.claim import Claim, Interval
from robust_theory.risks.finite_problems import benign_risk, finite_problem
from tests.planted.changes import SHARPER, Planted, scaled, with_value

# Both classes have the same law: neighbourhoods overlap, and both risks are 1/2.
SAME_LAWS = {
    "points": [0, 0, 1, 1, 2, 2],
    "labels": [1, -1] * 3,
    "neighbours": [[0, 1], [0, 1, 2], [1, 2]],
    "weights": [1] * 6,
}


def of_benign_risk_only(claim: Claim) -> Claim:
    """The decomposition without its boundary risk."""

    def enclosure(predictions: Any, **problem: Any) -> Interval:
        return around(benign_risk(finite_problem(**problem), predictions))

    return replace(claim, enclosure=enclosure)


PLANTED: dict[str, Planted] = {
    "gaussian-optimal-risk": Planted(
        "gaussian-optimal-risk-coupled",
        {"mean0": 0.0, "mean1": 2.0, "covariance": 1.0, "eps": "0.5"},
        SHARPER,
    ),
    "gaussian-optimal-risk-on-the-line": Planted(
        "gaussian-optimal-risk-on-the-line-coupled",
        {"mean0": 0.0, "std0": 1.0, "mean1": 1.0, "std1": 2.0, "eps": "0.3"},
        SHARPER,
    ),
    "sample-risk-of-every-classifier": Planted(
        "sample-risk-of-a-threshold-classifier",
        {"n0": 300, "n1": 200, "gap": 2.0, "eps": "0.25"},
        scaled(1.25),
    ),
    "sample-risk-of-the-optimal-classifier": Planted(
        "sample-risk-of-all-classifiers",
        {"n0": 12, "n1": 16, "gap": 1.0, "eps": "0.125"},
        scaled(1.1),
    ),
    # Without the slack for the sample, and with a factor that no sample explains.
    "population-risk-of-every-classifier": Planted(
        "population-risk-of-gaussian-classes",
        {"n0": 500, "n1": 500, "gap": 1.0, "eps": "0.25"},
        with_value(lambda value, _: value + 0.15),
    ),
    # Both slacks left out, and something added that no two samples explain.
    "held-out-risk-of-every-classifier": Planted(
        "held-out-risk-of-the-optimal-classifier",
        {"n0": 250, "n1": 250, "m0": 400, "m1": 400, "gap": 1.0, "eps": "0.25", "prior0": 0.5},
        with_value(lambda value, _: value + 0.3),
    ),
    # Samples of the line come close to their population.
    "mean-sample-risk-of-gaussian-classes": Planted(
        "mean-sample-risk-of-gaussian-classes",
        {
            "mean0": 0.0,
            "mean1": 2.0,
            "covariance": 1.0,
            "eps": "0.5",
            "sampling": {"n": 1000, "samples": 40},
        },
        scaled(0.9),
    ),
    "mean-sample-risk-of-gaussian-classes-on-the-line": Planted(
        "mean-sample-risk-of-gaussian-classes-on-the-line",
        {
            "mean0": 0.0,
            "std0": 1.0,
            "mean1": 2.0,
            "std1": 1.0,
            "eps": "0.5",
            "prior0": 0.3,
            "sampling": {"n": 400, "samples": 80},
        },
        scaled(0.9),
    ),
    # With sets of three the bound is attained.
    "sample-risk-from-conflict-sets": Planted(
        "sample-risk-of-three-classes",
        {"n": 7, "side": 12, "eps": "2.6", "degree": 3},
        scaled(1.1),
    ),
    "adversarial-risk-decomposition": Planted(
        "adversarial-risk-decomposition-on-a-line",
        {"inputs": 40, "atoms": 30, "reach": 2},
        of_benign_risk_only,
    ),
    # "Strict whenever neighbourhoods overlap", as the chapter says.
    "adversarial-risk-above-benign": Planted(
        "adversarial-risk-above-benign-on-a-line",
        SAME_LAWS,
        with_value(lambda value, _: value + 1 / 6),
    ),
    # Both constants have the same risk on the sample, and gaps of 1/4 in opposite directions.
    "excess-adversarial-risk": Planted(
        "excess-adversarial-risk-on-a-line",
        {
            "points": [0, 0],
            "labels": [1, -1],
            "neighbours": [[0]],
            "weights": [3, 1],
            "hypotheses": [[-1], [1]],
            "sample": [0, 1],
        },
        scaled(0.9),
    ),
    # Attained: the score falls to 0 next to three tenths of the mass, and is 1 around the others.
    "trades-surrogate-bound": Planted(
        "trades-surrogate-bound-on-a-line",
        {
            "points": [0, 2],
            "labels": [1, 1],
            "neighbours": [[0, 1], [1], [2]],
            "weights": [3, 7],
            "scores": [1, 0, 1],
            "scale": 1,
            "loss": "hinge",
        },
        scaled(0.9),
    ),
}
