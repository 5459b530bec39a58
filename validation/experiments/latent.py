"""Theorems 1 and 2 of fawzi2018 on exact models, where they can fail, and on trained networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from empirical.estimate import simultaneous_proportions
from robust_theory import latent as theory
from robust_theory.arguments import exact_rational
from robust_theory.claim import Claim, Interval
from validation.experiment import (
    Curve,
    Experiment,
    Instance,
    Json,
    Measurement,
    Options,
    Result,
)
from validation.experiments import pipeline
from validation.experiments import radii as evidence
from validation.experiments.models import exact_model, instances, label, sample_radii

QUANTILES = (0.1, 0.25, 0.5, 0.75)  # fixed before any network was trained
BUDGETS = ("0.1", "0.25", "0.5")  # likewise; --eps replaces them

# Each with budgets at which its radii are neither all inside nor all outside.
EXACT_MODELS: tuple[tuple[str, Mapping[str, Json], tuple[str, ...]], ...] = (
    ("simplex-3", {"model": "simplex", "classes": 3}, ("0.1", "0.25", "0.5")),
    ("simplex-10", {"model": "simplex", "classes": 10}, ("0.1", "0.25", "0.5")),
    ("checkerboard-2", {"model": "checkerboard", "d": 2}, ("0.05", "0.1", "0.25")),
    ("checkerboard-10", {"model": "checkerboard", "d": 10}, ("0.02", "0.05", "0.1")),
)

PROBABILITY_READING = (
    "The stepped line (share of points with a perturbation within eps) must stay above the "
    "smooth one, the least share that any classifier with these class measures has."
)
RADIUS_READING = (
    "Each bar is the measured radius with its band; it must end below the mark of the theory, "
    "the largest value that any classifier with these class measures can reach."
)


def _check_norm(options: Options) -> None:
    if options.norm != "l2":
        raise ValueError(
            f"norm must be l2 for the Gaussian-latent experiments, got {options.norm!r}"
        )


# ------------------------------------------------------------------- exact models


def _at_budgets(options: Options) -> tuple[Instance, ...]:
    _check_norm(options)
    rows = tuple(
        (f"{name}-at-{eps}", {**parameters, "eps": eps})
        for name, parameters, budgets in EXACT_MODELS
        for eps in options.eps or budgets
    )
    return instances(rows)(options)


def _at_quantiles(options: Options) -> tuple[Instance, ...]:
    _check_norm(options)
    rows = tuple(
        (f"{name}-at-{q}", {**parameters, "q": q})
        for name, parameters, _ in EXACT_MODELS
        for q in QUANTILES
    )
    return instances(rows)(options)


def _as_they_are(options: Options) -> tuple[Instance, ...]:
    _check_norm(options)
    return instances(tuple((name, parameters) for name, parameters, _ in EXACT_MODELS))(options)


def _exact_share(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    model = exact_model(parameters)
    radii = sample_radii(model, parameters["n"], seed)
    measures = [float(c) for c in model.measures]
    eps = _budget(parameters)
    grid = evidence.grid_to(max(2 * eps, 0.1))
    observed, lo, hi = evidence.distribution(radii, grid, alpha)
    bound = theory.fooling_probability(measures, grid)
    return Measurement(
        arguments={"measures": measures, "eps": parameters["eps"]},
        evidence=evidence.share_within(radii, eps, alpha, "exact"),
        curve=_curve(label(parameters), grid, bound, observed, lo, hi),
    )


def _exact_log_tail(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    model = exact_model(parameters)
    radii = sample_radii(model, parameters["n"], seed)
    return Measurement(
        arguments={"measures": [float(c) for c in model.measures], "eps": parameters["eps"]},
        evidence=evidence.log_share_beyond(radii, _budget(parameters), alpha),
    )


def _exact_quantile(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    model = exact_model(parameters)
    radii = sample_radii(model, parameters["n"], seed)
    return Measurement(
        arguments={"measures": [float(c) for c in model.measures], "q": parameters["q"]},
        evidence=evidence.quantile(radii, parameters["q"], alpha, "exact"),
    )


def _exact_mean(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    model = exact_model(parameters)
    radii = sample_radii(model, parameters["n"], seed)
    return Measurement(
        arguments={"measures": [float(c) for c in model.measures]},
        evidence=evidence.mean(radii, alpha, "exact"),
    )


def _budget(parameters: Mapping[str, Json]) -> float:
    return float(exact_rational(parameters["eps"], "eps"))


# ------------------------------------------------------------------- trained networks


def _trained(name: str, values: tuple[Json, ...]) -> Callable[[Options], tuple[Instance, ...]]:
    """Every trained classifier at every value of one more parameter."""

    def of(options: Options) -> tuple[Instance, ...]:
        _check_norm(options)
        chosen: tuple[Json, ...] = options.eps if name == "eps" and options.eps else values
        return tuple(
            Instance(
                f"{pipeline.data_name(options)}-{network}" + (f"-at-{value}" if name else ""),
                {"network": network, **({name: value} if name else {})},
                pipeline.units(options, network),
            )
            for network in pipeline.NETWORKS
            for value in chosen
        )

    return of


def _measured(inputs: Mapping[str, Result]) -> tuple[np.ndarray, np.ndarray]:
    """Class counts and attack radii of the row's classifier, from independent latent samples."""
    counts = next(r for r in inputs.values() if "counts" in r.arrays).arrays["counts"]
    radii = next(r for r in inputs.values() if "radii" in r.arrays).arrays["radii"]
    return counts, radii


# Both the class measures and the radii are estimated: each gets half of the row's alpha.


def _trained_share(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    counts, radii = _measured(inputs)
    lower, upper = simultaneous_proportions(counts, alpha / 2)
    eps = _budget(parameters)
    grid = evidence.grid_to(max(2 * eps, 1.0))
    observed, lo, hi = evidence.distribution(radii, grid, alpha / 2)
    measures = _plain(counts)
    bound = theory.fooling_probability(measures, grid)
    return Measurement(
        arguments={"measures": measures, "eps": parameters["eps"]},
        evidence=evidence.share_within(radii, eps, alpha / 2, "attack"),
        theory=Interval(*theory.fooling_probability_limits(lower, upper, eps)),
        curve=_curve(parameters["network"], grid, bound, observed, lo, hi),
    )


def _trained_quantile(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    counts, radii = _measured(inputs)
    lower, upper = simultaneous_proportions(counts, alpha / 2)
    return Measurement(
        arguments={"measures": _plain(counts), "q": parameters["q"]},
        evidence=evidence.quantile(radii, parameters["q"], alpha / 2, "attack"),
        theory=theory.fooling_quantile_limits(lower, upper, parameters["q"]),
    )


def _trained_mean(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    counts, radii = _measured(inputs)
    lower, upper = simultaneous_proportions(counts, alpha / 2)
    return Measurement(
        arguments={"measures": _plain(counts)},
        evidence=evidence.mean(radii, alpha / 2, "attack"),
        theory=theory.expected_radius_limits(lower, upper),
    )


def _plain(counts: np.ndarray) -> list[int]:
    return [int(k) for k in counts]


def _curve(
    name: str,
    grid: np.ndarray,
    bound: np.ndarray,
    observed: np.ndarray,
    lo: np.ndarray,
    hi: np.ndarray,
) -> Curve:
    columns = (grid, bound, observed, lo, hi)
    x, y, seen, low, high = (tuple(float(v) for v in column) for column in columns)
    return Curve(label=name, x=x, theory=y, observed=seen, lo=low, hi=high)


# ------------------------------------------------------------------- the experiments


def _experiment(
    name: str,
    claim: Claim,
    quantity: str,
    unit: str,
    reading: str,
    x_label: str,
    rows: Callable[[Options], tuple[Instance, ...]],
    measure: Callable[..., Any],
) -> Experiment:
    return Experiment(
        name=name,
        claim=claim,
        subject="latent",
        quantity=quantity,
        unit=unit,
        norm="l2",
        reading=reading,
        x_label=x_label,
        instances=rows,
        measure=measure,
    )


_DISTANCE = "l2 distance in latent space"

FOOLING_PROBABILITY_ON_EXACT_MODELS = _experiment(
    "fooling-probability-on-exact-models",
    theory.FOOLING_PROBABILITY,
    "P(r_Z <= eps)",
    "probability",
    PROBABILITY_READING,
    f"eps, {_DISTANCE}",
    _at_budgets,
    _exact_share,
)
LOG_TAIL_ON_EXACT_MODELS = _experiment(
    "fooling-log-tail-on-exact-models",
    theory.FOOLING_LOG_TAIL,
    "log P(r_Z > eps)",
    "natural logarithm",
    "Each bar is the logarithm of the share of points without a perturbation within eps; it must "
    "end below the mark of the theory.",
    "log P(r_Z > eps)",
    _at_budgets,
    _exact_log_tail,
)
FOOLING_QUANTILE_ON_EXACT_MODELS = _experiment(
    "fooling-quantile-on-exact-models",
    theory.FOOLING_QUANTILE,
    "q-quantile of r_Z",
    _DISTANCE,
    RADIUS_READING,
    _DISTANCE,
    _at_quantiles,
    _exact_quantile,
)
EXPECTED_RADIUS_ON_EXACT_MODELS = _experiment(
    "expected-radius-on-exact-models",
    theory.EXPECTED_RADIUS,
    "E r_Z",
    _DISTANCE,
    RADIUS_READING,
    _DISTANCE,
    _as_they_are,
    _exact_mean,
)
FOOLING_PROBABILITY_OF_TRAINED_NETWORKS = _experiment(
    "fooling-probability-of-trained-networks",
    theory.FOOLING_PROBABILITY,
    "P(r_Z <= eps)",
    "probability",
    PROBABILITY_READING,
    f"eps, {_DISTANCE}",
    _trained("eps", BUDGETS),
    _trained_share,
)
FOOLING_QUANTILE_OF_TRAINED_NETWORKS = _experiment(
    "fooling-quantile-of-trained-networks",
    theory.FOOLING_QUANTILE,
    "q-quantile of r_Z",
    _DISTANCE,
    RADIUS_READING,
    _DISTANCE,
    _trained("q", QUANTILES),
    _trained_quantile,
)
EXPECTED_RADIUS_OF_TRAINED_NETWORKS = _experiment(
    "expected-radius-of-trained-networks",
    theory.EXPECTED_RADIUS,
    "E r_Z",
    _DISTANCE,
    RADIUS_READING,
    _DISTANCE,
    _trained("", ("",)),
    _trained_mean,
)
