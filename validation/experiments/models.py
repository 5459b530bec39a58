"""Classifiers whose robustness is known exactly: their laws against sampled exact radii."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from robust_theory import models as exact_models
from robust_theory.claim import Claim
from validation.experiment import (
    Curve,
    Experiment,
    Instance,
    Json,
    Measurement,
    Options,
    Result,
)
from validation.experiments import radii as evidence

SAMPLES = {"quick": 100_000, "full": 1_000_000}


def exact_model(parameters: Mapping[str, Json]) -> exact_models.ExactModel:
    """The model that a row's parameters name."""
    name = parameters["model"]
    if name == "half-space":
        return exact_models.half_space(2, parameters["offset"])
    if name == "simplex":
        return exact_models.simplex(parameters["classes"])
    if name == "checkerboard":
        return exact_models.checkerboard(parameters["d"])
    raise ValueError(f"model must be half-space, simplex or checkerboard, got {name!r}")


def sample_radii(model: exact_models.ExactModel, n: int, seed: int) -> np.ndarray:
    """Exact radii of `n` standard Gaussian latent points."""
    rng = np.random.default_rng(seed)
    block = max(1, 2_000_000 // model.dimension)
    parts = [
        model.radius(rng.standard_normal((min(block, n - start), model.dimension)))
        for start in range(0, n, block)
    ]
    return np.concatenate(parts)


def instances(
    rows: tuple[tuple[str, Mapping[str, Json]], ...],
) -> Callable[[Options], tuple[Instance, ...]]:
    """Rows with the sample size of the suite."""

    def of(options: Options) -> tuple[Instance, ...]:
        n = SAMPLES[options.suite]
        return tuple(Instance(name, {**parameters, "n": n}) for name, parameters in rows)

    return of


def _law(
    claim: Claim,
    arguments: tuple[str, ...],
) -> Callable[[Mapping[str, Json], Mapping[str, Result], int, float], Measurement]:
    def measure(
        parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
    ) -> Measurement:
        radii = sample_radii(exact_model(parameters), parameters["n"], seed)
        eps = float(parameters["eps"])
        grid = evidence.grid_to(2 * eps)
        observed, lo, hi = evidence.distribution(radii, grid, alpha)
        named = {name: parameters[name] for name in arguments}
        return Measurement(
            arguments=named,
            evidence=evidence.share_within(radii, eps, alpha, "exact"),
            curve=Curve(
                label=label(parameters),
                x=tuple(grid),
                theory=tuple(claim.value(**{**named, "eps": grid})),
                observed=tuple(observed),
                lo=tuple(lo),
                hi=tuple(hi),
            ),
        )

    return measure


def _expected_radius(
    arguments: tuple[str, ...],
) -> Callable[[Mapping[str, Json], Mapping[str, Result], int, float], Measurement]:
    def measure(
        parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
    ) -> Measurement:
        radii = sample_radii(exact_model(parameters), parameters["n"], seed)
        return Measurement(
            arguments={name: parameters[name] for name in arguments},
            evidence=evidence.mean(radii, alpha, "exact"),
        )

    return measure


def label(parameters: Mapping[str, Json]) -> str:
    """What a plot calls the model."""
    shown = {k: v for k, v in parameters.items() if k not in ("model", "n", "eps")}
    details = ", ".join(f"{name} = {value}" for name, value in shown.items())
    return f"{parameters['model']} ({details})"


def _law_experiment(
    claim: Claim, arguments: tuple[str, ...], rows: tuple[tuple[str, Mapping[str, Json]], ...]
) -> Experiment:
    return Experiment(
        name=f"{claim.name}-sampled",
        claim=claim,
        subject="models",
        quantity="P(r_Z <= eps)",
        unit="probability",
        norm="l2",
        reading="The stepped line (exact radii of sampled points) must keep the smooth one "
        "(the closed form) inside its band.",
        x_label="eps, l2 distance in latent space",
        instances=instances(rows),
        measure=_law(claim, arguments),
        resolution=0.02,
    )


def _mean_experiment(
    claim: Claim, arguments: tuple[str, ...], rows: tuple[tuple[str, Mapping[str, Json]], ...]
) -> Experiment:
    return Experiment(
        name=f"{claim.name}-sampled",
        claim=claim,
        subject="models",
        quantity="E r_Z",
        unit="l2 distance in latent space",
        norm="l2",
        reading="Each bar is the mean exact radius of sampled points with its band; the mark of "
        "the theory must lie inside it.",
        x_label="l2 distance in latent space",
        instances=instances(rows),
        measure=_expected_radius(arguments),
        resolution=0.03,
    )


HALF_SPACE_LAW = _law_experiment(
    exact_models.HALF_SPACE_LAW,
    ("offset", "eps"),
    (
        ("through-origin", {"model": "half-space", "offset": 0.0, "eps": 0.5}),
        ("offset-1.5", {"model": "half-space", "offset": 1.5, "eps": 1.0}),
    ),
)
SIMPLEX_LAW = _law_experiment(
    exact_models.SIMPLEX_LAW,
    ("classes", "eps"),
    (
        ("3-classes", {"model": "simplex", "classes": 3, "eps": 0.5}),
        ("10-classes", {"model": "simplex", "classes": 10, "eps": 0.25}),
    ),
)
SIMPLEX_EXPECTED_RADIUS = _mean_experiment(
    exact_models.SIMPLEX_EXPECTED_RADIUS,
    ("classes",),
    (
        ("3-classes", {"model": "simplex", "classes": 3}),
        ("10-classes", {"model": "simplex", "classes": 10}),
    ),
)
CHECKERBOARD_LAW = _law_experiment(
    exact_models.CHECKERBOARD_LAW,
    ("d", "eps"),
    (
        ("2-dimensions", {"model": "checkerboard", "d": 2, "eps": 0.1}),
        ("10-dimensions", {"model": "checkerboard", "d": 10, "eps": 0.05}),
    ),
)
CHECKERBOARD_EXPECTED_RADIUS = _mean_experiment(
    exact_models.CHECKERBOARD_EXPECTED_RADIUS,
    ("d",),
    (
        ("2-dimensions", {"model": "checkerboard", "d": 2}),
        ("10-dimensions", {"model": "checkerboard", "d": 10}),
    ),
)
CHECKERBOARD_PAPER_BOUND = _law_experiment(
    exact_models.CHECKERBOARD_PAPER_BOUND,
    ("d", "eps"),
    (
        ("2-dimensions", {"model": "checkerboard", "d": 2, "eps": 0.1}),
        ("10-dimensions", {"model": "checkerboard", "d": 10, "eps": 0.05}),
    ),
)
