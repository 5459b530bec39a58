"""Theorems 1 and 2 of fawzi2018 on exact models, where they can fail, and on trained networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from empirical.estimate import simultaneous_proportions
from robust_theory.arguments import exact_rational
from robust_theory.claim import Claim, Interval
from robust_theory.vulnerability import latent as theory
from robust_theory.vulnerability import measure_limits
from validation.experiment import (
    Curve,
    Experiment,
    Instance,
    Json,
    Measurement,
    Options,
    Result,
)
from validation.experiments import pipeline, words
from validation.experiments import radii as evidence
from validation.experiments.sampling import Case, Statistic, sampled
from validation.experiments.sampling import instances as rows_of

QUANTILES = (0.1, 0.25, 0.5, 0.75)  # fixed before any network was trained
BUDGETS = ("0.1", "0.25", "0.5")  # likewise; --eps replaces them

# Each with budgets at which its radii are neither all inside nor all outside.
EXACT_MODELS: tuple[tuple[str, list[float | str], Mapping[str, Json], tuple[str, ...]], ...] = (
    ("simplex-3", ["1/3"] * 3, {"name": "simplex", "classes": 3}, ("0.1", "0.25", "0.5")),
    ("simplex-10", [0.1] * 10, {"name": "simplex", "classes": 10}, ("0.1", "0.25", "0.5")),
    (
        "checkerboard-2",
        [0.5, 0.5],
        {"name": "checkerboard", "dimension": 2},
        ("0.05", "0.1", "0.25"),
    ),
    (
        "checkerboard-10",
        [0.5, 0.5],
        {"name": "checkerboard", "dimension": 10},
        ("0.02", "0.05", "0.1"),
    ),
)


# ------------------------------------------------------------------- exact models


def _cases(statistic: Statistic, options: Options) -> tuple[Case, ...]:
    if statistic == "mean":
        return tuple(Case(name, {"measures": c}, law) for name, c, law, _ in EXACT_MODELS)
    axis, given = ("q", QUANTILES) if statistic == "quantile" else ("eps", options.eps)
    return tuple(
        Case(f"{name}-at-{value}", {"measures": c, axis: value}, law)
        for name, c, law, budgets in EXACT_MODELS
        for value in given or budgets
    )


def _on_exact_models(claim: Claim, name: str, statistic: Statistic, **words_: Any) -> Experiment:
    fixed = sampled(
        f"{name}-on-exact-models",
        claim,
        "latent",
        statistic,
        _cases(statistic, Options()),
        **words_,
    )

    def rows(options: Options) -> tuple[Instance, ...]:
        pipeline.check_l2(options)
        return rows_of(_cases(statistic, options))(options)

    return replace(fixed, instances=rows, norms=("l2",))


# ------------------------------------------------------------------- trained networks


def _trained(name: str, values: tuple[Json, ...]) -> Callable[[Options], tuple[Instance, ...]]:
    """Every trained classifier on every generator, at every value of one more parameter."""

    def of(options: Options) -> tuple[Instance, ...]:
        pipeline.check_l2(options)
        chosen: tuple[Json, ...] = options.eps if name == "eps" and options.eps else values
        return tuple(
            Instance(
                pipeline.case_name(options, network, generator) + (f"-at-{value}" if name else ""),
                {"network": network, "generator": generator, **({name: value} if name else {})},
                pipeline.units(options, network, generator),
                pipeline.left_out(options, network, generator),
            )
            for generator, network in pipeline.pairs(options)
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
    eps = float(exact_rational(parameters["eps"]))
    grid = evidence.grid_to(max(2 * eps, 1.0))
    observed, lo, hi = evidence.distribution(radii, grid, alpha / 2)
    measures = _plain(counts)
    bound = theory.fooling_probability(measures, grid)
    return Measurement(
        arguments={"measures": measures, "eps": parameters["eps"]},
        evidence=evidence.share_within(radii, eps, alpha / 2, "attack"),
        theory=Interval(*measure_limits.fooling_probability_limits(lower, upper, eps)),
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
        theory=measure_limits.fooling_quantile_limits(lower, upper, parameters["q"]),
    )


def _trained_mean(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    counts, radii = _measured(inputs)
    lower, upper = simultaneous_proportions(counts, alpha / 2)
    return Measurement(
        arguments={"measures": _plain(counts)},
        evidence=evidence.mean(radii, alpha / 2, "attack"),
        theory=measure_limits.expected_radius_limits(lower, upper),
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


def _of_trained_networks(
    claim: Claim,
    name: str,
    rows: Callable[[Options], tuple[Instance, ...]],
    measure: Callable[..., Any],
    **words_: Any,
) -> Experiment:
    return Experiment(
        name=f"{name}-of-trained-networks",
        claim=claim,
        subject="latent",
        norm="l2",
        norms=("l2",),
        instances=rows,
        measure=measure,
        **words_,
    )


_PROBABILITY = {
    "quantity": words.WITHIN,
    "unit": words.SHARE,
    "reading": words.SHARE_ABOVE,
    "x_label": words.EPS,
}
_LOG_TAIL = {
    "quantity": "log P(r_Z > eps)",
    "unit": "natural logarithm",
    "reading": "Each bar is the logarithm of the share of points without a perturbation within "
    "eps; it must end below the mark of the theory.",
    "x_label": "log P(r_Z > eps)",
}
_QUANTILE = {
    "quantity": "q-quantile of r_Z",
    "unit": words.LATENT,
    "reading": words.RADIUS_BELOW,
    "x_label": words.LATENT,
}
_MEAN = {**_QUANTILE, "quantity": "E r_Z"}
_ATTACKED = {
    **_PROBABILITY,
    "reading": "The stepped line (share of points with a perturbation within eps, found by an "
    "attack) must stay above the smooth one, the least share that any classifier with these "
    "class measures has.",
}

EXPERIMENTS: tuple[Experiment, ...] = (
    _on_exact_models(theory.FOOLING_PROBABILITY, "fooling-probability", "share", **_PROBABILITY),
    _on_exact_models(theory.FOOLING_LOG_TAIL, "fooling-log-tail", "log share", **_LOG_TAIL),
    _on_exact_models(theory.FOOLING_QUANTILE, "fooling-quantile", "quantile", **_QUANTILE),
    _on_exact_models(theory.EXPECTED_RADIUS, "expected-radius", "mean", **_MEAN),
    _of_trained_networks(
        theory.FOOLING_PROBABILITY,
        "fooling-probability",
        _trained("eps", BUDGETS),
        _trained_share,
        **_ATTACKED,
    ),
    _of_trained_networks(
        theory.FOOLING_QUANTILE,
        "fooling-quantile",
        _trained("q", QUANTILES),
        _trained_quantile,
        **_QUANTILE,
    ),
    _of_trained_networks(
        theory.EXPECTED_RADIUS, "expected-radius", _trained("", ("",)), _trained_mean, **_MEAN
    ),
)
