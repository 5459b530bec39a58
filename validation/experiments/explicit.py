"""The closed forms that follow from Theorems 1 and 2, and the lemma behind them, exactly."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from robust_theory.arithmetic import enclose
from robust_theory.claim import Claim, Interval
from robust_theory.vulnerability import equiprobable, explicit, neighbourhoods, normalised, tails
from validation.experiment import Experiment, Json
from validation.experiments import words
from validation.experiments.sampling import Case, Number, computed, sampled

SIMPLEX_3 = {"name": "simplex", "classes": 3}
SIMPLEX_10 = {"name": "simplex", "classes": 10}
EIGHT_ORTHANTS = {"name": "orthants", "k": 3}


def _share(claim: Claim, subject: str, *cases: Case) -> Experiment:
    return sampled(
        f"{claim.name}-on-exact-models",
        claim,
        subject,
        "share",
        cases,
        quantity=words.WITHIN,
        unit=words.SHARE,
        reading=words.SHARE_ABOVE,
        x_label=words.EPS,
    )


def _equiprobable(claim: Claim, eps: str) -> Experiment:
    arguments: dict[str, Json] = {"eps": eps}
    return _share(
        claim,
        "equiprobable",
        Case("simplex-10", {"K": 10, **arguments}, SIMPLEX_10),
        Case("orthants-8", {"K": 8, **arguments}, EIGHT_ORTHANTS),
    )


def _mean(claim: Claim) -> Experiment:
    return sampled(
        f"{claim.name}-on-exact-models",
        claim,
        "equiprobable",
        "mean",
        (
            Case("simplex-10", {"K": 10}, SIMPLEX_10),
            Case("orthants-8", {"K": 8}, EIGHT_ORTHANTS),
        ),
        quantity="E r_Z",
        unit=words.LATENT,
        reading=words.RADIUS_BELOW,
    )


def _neighbourhood(claim: Claim, **arguments: Json) -> Experiment:
    # The set outside a slab has measure 4/5 at this half-width; it has two edges to grow from.
    law = {"name": "outside of a slab", "half_width": HALF_WIDTH}
    return sampled(
        f"{claim.name}-outside-a-slab",
        claim,
        "neighbourhoods",
        "share",
        (Case("two-edges", arguments, law),),
        quantity="measure of the eps-neighbourhood",
        unit=words.SHARE,
        reading=words.SHARE_ABOVE,
        x_label=words.EPS,
    )


HALF_WIDTH = 0.2533471031357997  # P(|Z| >= it) = 4/5
ENCLOSED = "ball arithmetic, by another formula"


def _tail(x: Any) -> Interval:
    return enclose(lambda m: m.sf(Fraction(str(x))))


def _threshold(K: Any) -> Interval:
    return enclose(lambda m: m.isf(Fraction(1, int(K))))


def _tail_experiment(claim: Claim) -> Experiment:
    return computed(
        f"{claim.name}-enclosed",
        claim,
        "tails",
        _tail,
        tuple(Number(f"x-{x}", {"x": x}) for x in (0.5, 3.0, 30.0)),
        quantity="P(Z > x)",
        unit=words.SHARE,
        reading=words.NUMBER_BETWEEN,
        method=ENCLOSED,
    )


EXPERIMENTS: tuple[Experiment, ...] = (
    _share(
        explicit.BALANCED_FOOLING_PROBABILITY,
        "explicit",
        Case("simplex-3", {"eps": "0.5"}, SIMPLEX_3),
        Case("simplex-10", {"eps": "0.25"}, SIMPLEX_10),
    ),
    _share(
        explicit.BALANCED_PAPER_BOUND,
        "explicit",
        Case("simplex-3", {"eps": "1"}, SIMPLEX_3),
        Case("simplex-10", {"eps": "1"}, SIMPLEX_10),
    ),
    _share(
        explicit.LARGEST_CLASS_FOOLING_PROBABILITY,
        "explicit",
        Case("simplex-3", {"largest": "0.4", "eps": "0.5"}, SIMPLEX_3),
        Case("simplex-10", {"largest": "0.1", "eps": "0.25"}, SIMPLEX_10),
    ),
    _equiprobable(equiprobable.EQUIPROBABLE_FOOLING_PROBABILITY, "0.25"),
    _equiprobable(equiprobable.EQUIPROBABLE_ELEMENTARY_BOUND, "0.25"),
    _equiprobable(equiprobable.EQUIPROBABLE_PAPER_BOUND, "0.5"),
    _mean(equiprobable.EQUIPROBABLE_EXPECTED_RADIUS),
    _mean(equiprobable.EQUIPROBABLE_EXPECTED_RADIUS_PAPER),
    _neighbourhood(neighbourhoods.NEIGHBOURHOOD_MEASURE, measure="0.8", eps="0.1"),
    _neighbourhood(neighbourhoods.NEIGHBOURHOOD_MEASURE_PAPER, measure="0.8", eps="0.2"),
    _neighbourhood(neighbourhoods.EQUIPROBABLE_NEIGHBOURHOOD, K=5, eps="0.1"),
    _neighbourhood(neighbourhoods.EQUIPROBABLE_NEIGHBOURHOOD_PAPER, K=5, eps="0.2"),
    computed(
        "equiprobable-threshold-enclosed",
        neighbourhoods.EQUIPROBABLE_THRESHOLD,
        "neighbourhoods",
        _threshold,
        tuple(Number(f"K-{K}", {"K": K}) for K in (5, 100, 1_000_000)),
        quantity="a_K, with P(Z > a_K) = 1/K",
        unit="standard deviations",
        reading=words.NUMBER_BETWEEN,
        method=ENCLOSED,
    ),
    _tail_experiment(tails.TAIL_LOWER_BOUND),
    _tail_experiment(tails.TAIL_UPPER_BOUND),
    sampled(
        "normalised-fooling-quantile-on-exact-models",
        normalised.NORMALISED_FOOLING_QUANTILE,
        "normalised",
        "quantile",
        tuple(
            Case(
                f"simplex-10-at-{q}",
                {"measures": [0.1] * 10, "q": q, "dimension": 100},
                {"name": "simplex over root", "classes": 10, "dimension": 100},
            )
            for q in (0.25, 0.5)
        ),
        quantity="q-quantile of r_Z / sqrt(d)",
        unit="share of the root of the latent dimension",
        reading=words.RADIUS_BELOW,
    ),
    sampled(
        "normalised-fooling-probability-on-exact-models",
        normalised.NORMALISED_FOOLING_PROBABILITY,
        "normalised",
        "share",
        (
            Case(
                "simplex-10-in-100-dimensions",
                {"measures": [0.1] * 10, "ratio": "0.05", "dimension": 100},
                {"name": "simplex over norm", "classes": 10, "dimension": 100},
                axis="ratio",
            ),
        ),
        quantity="P(r_Z <= ratio |z|)",
        unit=words.SHARE,
        reading=words.SHARE_ABOVE,
        x_label="ratio of the l2 radius to the l2 norm of z",
    ),
    sampled(
        "half-space-normalised-law-sampled",
        normalised.HALF_SPACE_NORMALISED_LAW,
        "normalised",
        "share",
        (
            Case(
                "100-dimensions",
                {"ratio": "0.1", "dimension": 100},
                {"name": "half-space over norm", "dimension": 100},
                axis="ratio",
            ),
        ),
        quantity="P(r_Z <= ratio |z|)",
        unit=words.SHARE,
        reading=words.SHARE_ON,
        x_label="ratio of the l2 radius to the l2 norm of z",
        resolution=0.02,
    ),
)
