"""Laws of samplers against exact Gibbs densities, what their histograms and atoms show."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from robust_theory.transport import energy_growth, sampler_laws
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
from validation.experiments.gibbs_cells import (
    EPS,
    LOSSES,
    MONOTONE,
    NOISE,
    SAMPLERS,
    STEP,
    Array,
    sampled_unit,
)
from validation.verdict import Evidence

ROUNDING = 1e-12  # of sums of some hundred numbers of size 1 in doubles


def _distance(counts: Array, masses: Array) -> float:
    return float(np.abs(counts / counts.sum() - masses).sum() / 2)


# ------------------------------------------------------------------------------ rows


def _histogram(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    """Distance of a sampler's histogram: one number, so that delta is the row's error."""
    (found,) = inputs.values()
    counts = found.arrays[f"counts.{SAMPLERS.index(parameters['sampler'])}"]
    return _measured_distance(counts, found.arrays["masses"], parameters["sampler"], alpha)


def _independent(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    """The same of independent draws from a known law."""
    masses = np.asarray(parameters["masses"], float)
    law = np.asarray(parameters.get("law", masses), float)
    counts = np.random.default_rng(seed).multinomial(parameters["n"], law)
    return _measured_distance(counts, masses, "independent draws", alpha)


def _measured_distance(counts: Array, masses: Array, method: str, alpha: float) -> Measurement:
    value, n = _distance(counts, masses), int(counts.sum())
    arguments = {"masses": masses.tolist(), "n": n, "delta": alpha / 2}
    seen = Evidence(
        value, max(0.0, value - ROUNDING), value + ROUNDING, "exact", f"histogram: {method}", n
    )
    return Measurement(arguments, seen)


def _faces(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    """Share of the chains that end on a face: at most the distance from any density."""
    from empirical.estimate import proportion_interval

    (found,) = inputs.values()
    i = SAMPLERS.index("Algorithm 1")
    n, many = int(found.arrays[f"counts.{i}"].sum()), int(found.arrays[f"faces.{i}"])
    box = proportion_interval(many, n, alpha)
    seen = Evidence(many / n, box.lo, box.hi, "lower", "share of chains on a face", n, alpha=alpha)
    return Measurement({"step": STEP, "noise": NOISE}, seen)


def _kernel(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    """Mass of the upper end under the stationary law, by two chains on cells.

    The chain is monotone. Started from the lower end of the cell that it reaches, it is dominated
    by itself, from the upper end it dominates itself; so their masses of the end enclose its own.
    """
    from scipy.special import ndtr

    eta, sigma, eps = (float(parameters[k]) for k in ("step", "noise", "eps"))
    edges = np.linspace(-eps, eps, parameters["cells"] + 1)
    ends = []
    for places in (edges[:-1], edges[1:]):
        start = np.concatenate([[-eps], places, [eps]])
        below = ndtr((edges - start[:, None] - eta) / sigma)
        kernel = np.column_stack([below[:, 0], np.diff(below, axis=1), 1 - below[:, -1]])
        system = np.vstack([kernel.T - np.eye(len(kernel)), np.ones(len(kernel))])
        law = np.linalg.lstsq(system, np.eye(len(kernel) + 1)[-1], rcond=None)[0]
        ends.append(float(law[-1]))
    lo, hi = ends[0] - ROUNDING, min(1.0, ends[1] + ROUNDING)
    seen = Evidence((lo + hi) / 2, lo, hi, "exact", "stationary law of two chains on cells")
    return Measurement({"step": parameters["step"], "noise": parameters["noise"]}, seen)


def _growth(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    """Free energies by sums of exponentials."""
    from scipy.special import logsumexp

    losses = np.asarray(parameters["losses"], float)
    low, high = (float(parameters[k]) for k in ("first", "second"))
    energy = [(logsumexp(lam * losses) - math.log(losses.size)) / lam for lam in (low, high)]
    value = float(energy[1] - energy[0])
    tiny = ROUNDING / min(low, 1.0)
    seen = Evidence(value, value - tiny, value + tiny, "exact", "difference of free energies")
    return Measurement(dict(parameters), seen)


# ----------------------------------------------------------------------------- table


def _table_units(options: Options) -> tuple[Unit, ...]:
    needs = tuple(sampled_unit(options, name) for name in LOSSES)
    keys = {name: unit.key for name, unit in zip(LOSSES, needs, strict=True)}
    return (
        Unit("samplers/table", "validation.experiments.sampler_laws:table", {"keys": keys}, needs),
    )


def table(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Distance of every sampler from the Gibbs law, next to what chance alone gives."""
    rows = []
    for name, key in parameters["keys"].items():
        found = inputs[key]
        masses = found.arrays["masses"]
        counts = [found.arrays[f"counts.{i}"] for i in range(len(SAMPLERS))]
        n = int(counts[0].sum())
        exact = np.random.default_rng(seed).multinomial(n, masses, size=200)
        noise = float(np.abs(exact / n - masses).sum(axis=1).mean() / 2)
        rows.append(
            [
                f"{name}, {LOSSES[name]['d']}-D",
                noise,
                *(_distance(c, masses) for c in counts),
                float(found.arrays["faces.3"]) / n,
            ]
        )
    return Result(
        {
            "title": "Total variation distance of samplers from the Gibbs law, lam = 10",
            "columns": ("loss", "independent draws", *SAMPLERS, "Algorithm 1 on a face"),
            "rows": rows,
            "note": f"Histograms of {n} chains on cells of equal mass; half-width {EPS}. The "
            "second column is the mean distance of that many independent draws. Algorithm 1 with "
            f"step and noise {STEP}; distances from a law with a density are at least its share "
            "on the faces, which cells do not show.",
        }
    )


# ------------------------------------------------------------------------------ list


def _sampled(names: tuple[str, ...], *samplers: str) -> Callable[[Options], tuple[Instance, ...]]:
    def instances(options: Options) -> tuple[Instance, ...]:
        return tuple(
            Instance(
                f"{name}-{sampler.replace(' ', '-').lower()}",
                {"loss": name, "sampler": sampler},
                (sampled_unit(options, name),),
            )
            for name in names
            for sampler in samplers
        )

    return instances


def _rows(rows: Mapping[str, Json]) -> Callable[[Options], tuple[Instance, ...]]:
    return lambda options: tuple(Instance(name, dict(values)) for name, values in rows.items())


_SLICE = [round(math.cos(0.7 * k) + 0.1 * k, 3) for k in range(20)]
CHAIN = {"step": "0.2", "noise": "0.2", "eps": "0.3", "cells": 400}
GROWTH = {"losses": _SLICE, "first": 1, "second": 3}
SKEW = [k / 210 for k in range(1, 21)]
_HISTOGRAM = Experiment(
    name="langevin-samplers-from-the-gibbs-law",
    claim=sampler_laws.HISTOGRAM_DISTANCE,
    subject="sampler_laws",
    quantity="total variation distance of the histogram",
    unit="probability",
    norm="",
    reading="Each bar is the distance of a histogram from the law; it must not end above the "
    "mark, which independent draws keep with the stated confidence.",
    x_label="total variation distance",
    instances=_sampled(tuple(LOSSES), "MALA", "reflected Langevin"),
    measure=_histogram,
    tables=_table_units,
)
_CHAIN = Experiment(
    name="sign-gradient-chain-from-the-gibbs-law",
    claim=sampler_laws.SIGN_STEP_DISTANCE,
    subject="sampler_laws",
    quantity="total variation distance from the Gibbs law",
    unit="probability",
    norm="",
    reading="Each bar is the share of the chain's law on the ends of the interval, where no "
    "density has any; it must not end below the mark of the theory.",
    x_label="total variation distance",
    instances=_sampled(MONOTONE, "Algorithm 1"),
    measure=_faces,
)
EXPERIMENTS: tuple[Experiment, ...] = (
    _HISTOGRAM,
    replace(
        _HISTOGRAM,
        name="histogram-distance-of-independent-draws",
        instances=_rows(
            {
                "even-cells": {"masses": [0.01] * 100, "n": 4000},
                "uneven-cells": {"masses": SKEW, "n": 300},
            }
        ),
        measure=_independent,
        tables=lambda options: (),
    ),
    _CHAIN,
    replace(
        _CHAIN,
        name="sign-gradient-chain-by-its-kernel",
        quantity="mass of an end under the chain's law",
        instances=_rows(
            {
                "as-printed": CHAIN,
                "long-interval": {**CHAIN, "eps": "1.5"},
                "noisier": {**CHAIN, "step": "0.05"},
            }
        ),
        measure=_kernel,
    ),
    Experiment(
        name="free-energy-growth-on-a-slice",
        claim=energy_growth.FREE_ENERGY_GROWTH,
        subject="energy_growth",
        quantity="growth of the free energy",
        unit="loss",
        norm="",
        reading="Each bar encloses the growth from one inverse temperature to another; it must "
        "not end below the mark of the theory.",
        x_label="loss",
        instances=_rows(
            {
                "warm": GROWTH,
                "cold": {**GROWTH, "first": 30, "second": 300},
                "near": {**GROWTH, "second": "1.02"},
            }
        ),
        measure=_growth,
    ),
)
