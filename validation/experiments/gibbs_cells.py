"""Losses on an interval and a square, cells for their Gibbs laws, and runs of all samplers.

The cells are equally probable under the Gibbs law, as nearly as a fine grid allows, so that every
part of it is seen with the same precision.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from robust_theory.transport import log_mean_exp
from validation.experiment import Json, Options, Progress, Result, Unit

if TYPE_CHECKING:
    import torch

Array: TypeAlias = NDArray[Any]

EPS = 0.3  # the paper's, as are step and noise of its chain; lam = 2 step / noise^2
STEP = NOISE = 0.2
LAM = 10
SIZES = {"quick": {"n": 4_000, "steps": 600}, "full": {"n": 40_000, "steps": 4_000}}
SECONDS = {"cross-entropy": 48.0, "waves": 30.0}  # of a processor, in the full suite; others 12
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
        "validation.experiments.gibbs_cells:sample",
        {"loss": name, "device": options.device, **SIZES[options.suite]},
        accelerated=True,
        cost=SECONDS.get(name, 12.0) if options.suite == "full" else 0.0,
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
