"""Least-cost flow plans in double precision, one channel at a time, each with a dual potential.

A solver takes the supply ``x - y`` of the pixels, which sums to 0 up to rounding, to a `Solution`:
a plan that carries it off and a potential. Nothing here is trusted: whoever uses a solution
computes the cost of the plan and the value of the potential anew.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust_theory.arguments import Floats
from robust_theory.wasserstein.flow import Flow, flow_arrays, pixel_edges

SQRT2 = math.sqrt(2)

# Linear programs run on a supply of this total, because the tolerances of the solver are absolute.
SCALE = 2.0**20


@dataclass(frozen=True, eq=False)
class Plan:
    """A transport plan: `mass` from the pixels `sources` to the pixels `targets`.

    Pixels are numbered in C order; all three arrays have the same length.
    """

    sources: NDArray[np.int64]
    targets: NDArray[np.int64]
    mass: Floats


@dataclass(frozen=True, eq=False)
class Solution:
    """A flow plan, a potential, and, where the costs are no path lengths, the transport plan."""

    flow: Flow
    potential: Floats
    plan: Plan | None = None


def cumulative(supply: Floats) -> Solution:
    """The only plan on a line: the cumulated supply."""
    total = np.cumsum(supply.ravel())
    along = total[:-1]
    slopes = np.concatenate([[0.0], np.cumsum(np.sign(along))])
    # Rounding leaves traces of 1e-17 whose sign means nothing and does no harm.
    return Solution(flow_arrays(along, supply.shape), -slopes.reshape(supply.shape))


def linear_program(supply: Floats, method: str, directions: int = 2) -> Solution:
    """Solve one of the linear programs with HiGHS, on a grid of 4 or 8 neighbours.

    Parameters
    ----------
    supply : array (n, m)
        What each pixel has to give.
    method : {"flow", "flow-ipm", "signed", "potential"}
        Flows of one direction each, at least 0, by the simplex method or by interior points with
        crossover; signed flows with their absolute values; or the dual over potentials.
    directions : int
        2: costs 1 to the four neighbours; 4: also the square root of 2 along diagonals.
    """
    from scipy.optimize import linprog
    from scipy.sparse import block_array, csc_array, eye_array, hstack, vstack

    tails, heads = pixel_edges(supply.shape, directions)
    m, straight = len(tails), len(pixel_edges(supply.shape)[0])
    costs = np.where(np.arange(m) < straight, 1.0, SQRT2)
    factor = SCALE / float(np.abs(supply).sum())
    wanted = (supply * factor).ravel()[1:]  # the first pixel takes what rounding leaves
    edges = np.arange(m)
    signs = np.concatenate([np.ones(m), -np.ones(m)])
    where = (np.concatenate([tails, heads]), np.concatenate([edges, edges]))
    outflow = csc_array((signs, where), shape=(supply.size, m))[1:]
    solver = "highs-ipm" if method == "flow-ipm" else "highs-ds"
    if method == "potential":
        gains = vstack([outflow.T, -outflow.T]).tocsc()
        answer = linprog(
            -wanted,
            A_ub=gains,
            b_ub=np.concatenate([costs, costs]),
            bounds=(None, None),
            method=solver,
        )
        _check(answer)
        forth, back = np.split(-answer.ineqlin.marginals, 2)
        return _solution(supply, (forth - back) / factor, answer.x, directions)
    if method == "signed":
        unit = eye_array(m)
        answer = linprog(
            np.concatenate([np.zeros(m), costs]),
            A_ub=block_array([[unit, -unit], [-unit, -unit]], format="csc"),
            b_ub=np.zeros(2 * m),
            A_eq=hstack([outflow, csc_array(outflow.shape)]).tocsc(),
            b_eq=wanted,
            bounds=[(None, None)] * m + [(0, None)] * m,
            method=solver,
        )
        _check(answer)
        return _solution(supply, answer.x[:m] / factor, answer.eqlin.marginals, directions)
    answer = linprog(
        np.concatenate([costs, costs]),
        A_eq=hstack([outflow, -outflow]).tocsc(),
        b_eq=wanted,
        bounds=(0, None),
        method=solver,
    )
    _check(answer)
    forth, back = np.split(answer.x, 2)
    return _solution(supply, (forth - back) / factor, answer.eqlin.marginals, directions)


def transport(supply: Floats, ground: str) -> Solution:
    """The transport problem between pixels with too much and those with too little, by POT.

    With a metric cost, mass that both images have at a pixel may stay there.
    """
    import warnings

    import ot

    sources, targets = np.flatnonzero(supply > 0), np.flatnonzero(supply < 0)
    width = supply.shape[1]
    # POT calls large masses infeasible; a power of 2 changes no digit.
    factor = 2.0 ** -math.frexp(float(np.abs(supply).sum()))[1]
    give, take = supply.ravel()[sources] * factor, -supply.ravel()[targets] * factor
    costs = pixel_distances(sources, targets, width, ground)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the log says the same
        table, log = ot.emd(give, take, costs, numItermax=100_000_000, log=True)
    if log["warning"] is not None:
        raise ArithmeticError(f"the transport solver stopped: {log['warning']}")
    rows, columns = np.nonzero(table)
    plan = Plan(sources[rows], targets[columns], table[rows, columns] / factor)
    # The least 1-Lipschitz function above the dual values of the sources.
    everywhere = pixel_distances(np.arange(supply.size), targets, width, ground)
    potential = (everywhere - log["v"]).min(axis=1).reshape(supply.shape)
    return Solution(route(plan, supply.shape), potential, plan)


def pixel_distances(
    sources: NDArray[np.int64], targets: NDArray[np.int64], width: int, ground: str
) -> Floats:
    """Distances between pixels, numbered in C order, in rows of the given width."""
    down: Floats = (sources[:, None] // width - targets // width).astype(np.float64)
    right: Floats = (sources[:, None] % width - targets % width).astype(np.float64)
    lengths: Floats = np.hypot(down, right) if ground == "l2" else np.abs(down) + np.abs(right)
    return lengths


def route(plan: Plan, shape: tuple[int, ...]) -> Flow:
    """The plan as flow between neighbours: down or up the first column, then along the row."""
    n, m = shape
    i, j = np.divmod(plan.sources, m)
    k, l = np.divmod(plan.targets, m)
    steps = [np.zeros((n + 1, m)), np.zeros((n, m + 1))]
    # A unit on the edges from a to b is a jump of one at a and one back at b.
    np.add.at(steps[0], (i, j), plan.mass)
    np.add.at(steps[0], (k, j), -plan.mass)
    np.add.at(steps[1], (k, j), plan.mass)
    np.add.at(steps[1], (k, l), -plan.mass)
    return np.cumsum(steps[0], axis=0)[: n - 1], np.cumsum(steps[1], axis=1)[:, : m - 1]


def _solution(supply: Floats, flow: Floats, potential: Floats, directions: int) -> Solution:
    whole = np.concatenate([[0.0], potential]).reshape(supply.shape)
    return Solution(flow_arrays(flow, supply.shape, directions), whole)


def _check(answer: Any) -> None:
    if answer.status != 0:
        raise ArithmeticError(f"the linear program was not solved: {answer.message}")
