"""Classifiers whose robustness is known exactly: their laws against sampled exact radii."""

from __future__ import annotations

from collections.abc import Mapping

from robust_theory.claim import Claim
from robust_theory.vulnerability import (
    checkerboards,
    models,
    orthant_models,
    parallel,
    strip_models,
)
from validation.experiment import Experiment, Json
from validation.experiments import words
from validation.experiments.sampling import Case, sampled


def _case(name: str, law: str, arguments: Mapping[str, Json], **built: Json) -> Case:
    """A case whose model is built from all arguments but eps, under their names there."""
    parameters = built or {key: value for key, value in arguments.items() if key != "eps"}
    return Case(name, arguments, {"name": law, **parameters})


def _law(claim: Claim, subject: str, *cases: Case, relation_words: str = "") -> Experiment:
    return sampled(
        f"{claim.name}-sampled",
        claim,
        subject,
        "share",
        cases,
        quantity=words.WITHIN,
        unit=words.SHARE,
        reading=relation_words or words.SHARE_ON,
        x_label=words.EPS,
        resolution=0.02,
    )


def _mean(claim: Claim, subject: str, *cases: Case) -> Experiment:
    return sampled(
        f"{claim.name}-sampled",
        claim,
        subject,
        "mean",
        cases,
        quantity="E r_Z",
        unit=words.LATENT,
        reading=words.MEAN_ON,
        resolution=0.03,
    )


def _half_space(name: str, offset: float, eps: float) -> Case:
    return _case(name, "half-space", {"offset": offset, "eps": eps}, offset=offset, dimension=2)


def _checkerboard(name: str, d: int, **eps: float) -> Case:
    return _case(name, "checkerboard", {"d": d, **eps}, dimension=d)


def _strips(name: str, thresholds: list[float], **eps: float) -> Case:
    return _case(
        name,
        "strips",
        {"thresholds": thresholds, **eps},
        thresholds=thresholds,
        dimension=1,
    )


HALF_SPACE_LAW = _law(
    models.HALF_SPACE_LAW,
    "models",
    _half_space("through-origin", 0.0, 0.5),
    _half_space("offset-1.5", 1.5, 1.0),
)
SIMPLEX_LAW = _law(
    models.SIMPLEX_LAW,
    "models",
    _case("3-classes", "simplex", {"classes": 3, "eps": 0.5}),
    _case("10-classes", "simplex", {"classes": 10, "eps": 0.25}),
)
SIMPLEX_EXPECTED_RADIUS = _mean(
    models.SIMPLEX_EXPECTED_RADIUS,
    "models",
    _case("3-classes", "simplex", {"classes": 3}),
    _case("10-classes", "simplex", {"classes": 10}),
)
CHECKERBOARD_LAW = _law(
    checkerboards.CHECKERBOARD_LAW,
    "models",
    _checkerboard("2-dimensions", 2, eps=0.1),
    _checkerboard("10-dimensions", 10, eps=0.05),
)
CHECKERBOARD_EXPECTED_RADIUS = _mean(
    checkerboards.CHECKERBOARD_EXPECTED_RADIUS,
    "models",
    _checkerboard("2-dimensions", 2),
    _checkerboard("10-dimensions", 10),
)
CHECKERBOARD_PAPER_BOUND = _law(
    checkerboards.CHECKERBOARD_PAPER_BOUND,
    "models",
    _checkerboard("2-dimensions", 2, eps=0.1),
    _checkerboard("10-dimensions", 10, eps=0.05),
    relation_words=words.SHARE_ABOVE,
)
ORTHANT_LAW = _law(
    orthant_models.ORTHANT_LAW,
    "orthant_models",
    _case("2-coordinates", "orthants", {"k": 2, "eps": 0.5}),
    _case("10-coordinates", "orthants", {"k": 10, "eps": 0.1}),
)
ORTHANT_EXPECTED_RADIUS = _mean(
    orthant_models.ORTHANT_EXPECTED_RADIUS,
    "orthant_models",
    _case("2-coordinates", "orthants", {"k": 2}),
    _case("10-coordinates", "orthants", {"k": 10}),
)
STRIPS_LAW = _law(
    strip_models.STRIPS_LAW,
    "strip_models",
    _strips("three-equal", [-0.43, 0.43], eps=0.3),
    _strips("four-uneven", [-1.0, 0.25, 2.0], eps=0.5),
)
STRIPS_EXPECTED_RADIUS = _mean(
    strip_models.STRIPS_EXPECTED_RADIUS,
    "strip_models",
    _strips("three-equal", [-0.43, 0.43]),
    _strips("four-uneven", [-1.0, 0.25, 2.0]),
)
PARALLEL_TRANSFER_LAW = _law(
    parallel.PARALLEL_TRANSFER_LAW,
    "parallel",
    _case("offset-0.3", "parallel half-spaces", {"offset": 0.3, "eps": 1.0}),
)

EXPERIMENTS: tuple[Experiment, ...] = (
    HALF_SPACE_LAW,
    SIMPLEX_LAW,
    SIMPLEX_EXPECTED_RADIUS,
    CHECKERBOARD_LAW,
    CHECKERBOARD_EXPECTED_RADIUS,
    CHECKERBOARD_PAPER_BOUND,
    ORTHANT_LAW,
    ORTHANT_EXPECTED_RADIUS,
    STRIPS_LAW,
    STRIPS_EXPECTED_RADIUS,
    PARALLEL_TRANSFER_LAW,
)
