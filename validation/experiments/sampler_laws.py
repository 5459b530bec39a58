"""Laws of samplers against exact Gibbs densities, on an interval and on a square.

The cells are equally probable under the Gibbs law, as nearly as a fine grid allows, so that every
part of it is seen with the same precision.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from robust_theory import energy_growth, log_mean_exp, sampler_laws
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
from validation.verdict import Evidence

if TYPE_CHECKING:
    import torch

Array: TypeAlias = NDArray[Any]

EPS = 0.3  # the paper's, as are step and noise of its chain; lam = 2 step / noise^2
STEP = NOISE = 0.2
LAM = 10
ROUNDING = 1e-12  # of sums of some hundred numbers of size 1 in doubles
SIZES = {"quick": {"n": 4_000, "steps": 600}, "full": {"n": 40_000, "steps": 4_000}}
CELLS = {1: (100, 1), 2: (15, 15)}
# Diffusion time that forgets the uniform start, and steps of MALA, for each loss.
LOSSES: Mapping[str, Mapping[str, Json]] = {
    "linear": {"d": 1, "time": 0.16, "adjusted": 1e-3},
    "softplus": {"d": 1, "time": 0.06, "adjusted": 5e-4},
    "hat": {"d": 1, "time": 0.16, "adjusted": 1e-3},
    "bowl": {"d": 1, "time": 0.16, "adjusted": 1e-3},
    "cross-entropy": {"d": 2, "time": 0.1, "adjusted": 5e-4},
    "waves": {"d": 2, "time": 0.2, "adjusted": 1e-3},
}
MONOTONE = ("linear", "softplus")
SAMPLERS = ("projected Langevin", "reflected Langevin", "MALA", "Algorithm 1")


def loss(name: str, x: torch.Tensor) -> torch.Tensor:
    """One of `LOSSES` at points (n, d)."""
    import torch

    if name == "linear":
        return x[:, 0]
    if name == "softplus":
        return torch.nn.functional.softplus(4 * x[:, 0])
    if name == "hat":
        return -(x[:, 0] - 0.1).abs()
    if name == "bowl":
        return -8 * x[:, 0] ** 2
    if name == "cross-entropy":  # of three classes with these logits
        weights = torch.tensor([[2.0, -1.0], [-1.0, 3.0], [0.0, 0.5]], dtype=x.dtype)
        return (x @ weights.T).logsumexp(1) - x @ weights[0]
    return 0.2 * (torch.cos(9 * x[:, 0]) * torch.sin(7 * x[:, 1]) + x[:, 0])


def sampled_unit(options: Options, name: str) -> Unit:
    """Histograms of all samplers on one loss."""
    return Unit(
        f"samplers/{name}",
        "validation.experiments.sampler_laws:sample",
        {"loss": name, "device": options.device, **SIZES[options.suite]},
        accelerated=True,
    )


def sample(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Run every sampler from uniform points; count its ends in cells."""
    import torch

    from empirical import samplers

    name, n, steps = parameters["loss"], parameters["n"], parameters["steps"]
    how = LOSSES[name]

    def f(x: torch.Tensor) -> torch.Tensor:
        return loss(name, x)

    upper = torch.full((n, how["d"]), EPS, dtype=torch.float64)
    start = samplers.uniform_points(-upper, upper, torch.Generator().manual_seed(seed % 2**62))
    cells = Cells(f, how["d"])
    small = how["time"] / steps
    counts, faces, accepted = {}, {}, 1.0
    for i, kind in enumerate(SAMPLERS):
        own = (seed + 1 + i) % 2**62
        if kind == "Algorithm 1":
            found = samplers.sign_gradient_chain(
                f, start, -upper, upper, step=STEP, noise=NOISE, steps=100, seed=own
            )
        elif kind == "MALA":
            adjusted = math.ceil(how["time"] / how["adjusted"] * 2)
            found = samplers.metropolis_langevin(
                f, start, -upper, upper, LAM, step=how["adjusted"], steps=adjusted, seed=own
            )
            accepted = found.accepted
        else:
            langevin = (
                samplers.projected_langevin
                if kind == "projected Langevin"
                else samplers.reflected_langevin
            )
            found = langevin(f, start, -upper, upper, LAM, step=small, steps=steps, seed=own)
        points = found.points.numpy()
        counts[f"counts.{i}"] = cells.count(points)
        faces[f"faces.{i}"] = np.array((np.abs(points) == EPS).any(axis=1).sum())
        progress((i + 1) / len(SAMPLERS), kind)
    return Result({"accepted": accepted}, {"masses": cells.masses, **counts, **faces})


class Cells:
    """A partition of the interval or square into cells of nearly equal Gibbs mass.

    `masses` are those of a midpoint rule with 4,000 or 600 x 600 places, whose error for these
    losses is far below the noise of any histogram here.
    """

    def __init__(self, f: Callable[[torch.Tensor], torch.Tensor], d: int) -> None:
        import torch

        places = 4_000 if d == 1 else 600
        self.edges = np.linspace(-EPS, EPS, places + 1)
        middle = (self.edges[1:] + self.edges[:-1]) / 2
        grid = np.stack(np.meshgrid(*[middle] * d, indexing="ij"), axis=-1).reshape(-1, d)
        weights = log_mean_exp.gibbs_weights(f(torch.from_numpy(grid)).numpy(), LAM)
        self.fine = weights.reshape(places, -1)
        slabs, parts = CELLS[d]
        self.slabs = _cuts(self.fine.sum(axis=1), slabs)
        self.parts = [
            _cuts(self.fine[a:b].sum(axis=0), parts) for a, b in itertools.pairwise(self.slabs)
        ]
        masses = [
            self.fine[a:b, c:e].sum()
            for (a, b), cuts in zip(itertools.pairwise(self.slabs), self.parts, strict=True)
            for c, e in itertools.pairwise(cuts)
        ]
        self.masses = np.array(masses) / math.fsum(masses)

    def count(self, points: Array) -> Array:
        """How many points lie in each cell."""
        last = len(self.edges) - 2
        place = np.clip(np.searchsorted(self.edges, points, "right") - 1, 0, last)
        slab = np.searchsorted(self.slabs, place[:, 0], "right") - 1
        parts = len(self.parts[0]) - 1
        if points.shape[1] == 1:
            return np.bincount(slab, minlength=self.masses.size)
        part = np.array(
            [
                np.searchsorted(self.parts[s], p, "right") - 1
                for s, p in zip(slab, place[:, 1], strict=True)
            ]
        )
        return np.bincount(slab * parts + part, minlength=self.masses.size)


def _cuts(masses: Array, cells: int) -> Array:
    """Indices that cut a sequence of masses into parts of nearly equal sums."""
    if masses.size == 1:
        return np.array([0, 1])
    grown = np.concatenate([[0.0], np.cumsum(masses)]) / masses.sum()
    inner = np.searchsorted(grown, np.arange(1, cells) / cells)
    return np.unique(np.concatenate([[0], inner, [masses.size]]))


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
