"""W1 on pixel grids: transport between all pixels, and signed flows, by combinatorial roads."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment, linprog
from scipy.sparse import block_array, csc_array, eye_array

from robust_theory.wasserstein import neighbour_flow
from robust_theory.wasserstein.flow import apply_flow, flow_arrays, flow_shapes, flow_vector
from validation.experiment import Experiment, Json, Measurement, Result
from validation.experiments.fixed_rows import with_rows
from validation.verdict import Evidence


def images(parameters: Mapping[str, Json], seed: int) -> dict[str, Any]:
    """Two random images in integers, up to `levels`: the arguments of the claim.

    Of equal mass, with the pixels of one in another order, or else to be normalised.
    """
    rng = np.random.default_rng(seed)
    shape = tuple(parameters["shape"])
    x, y = rng.integers(0, parameters["levels"] + 1, (2, *shape))
    x[(0,) * len(shape)] += 1  # no image is all zero
    y[(-1,) * len(shape)] += 1
    if parameters["normalise"]:
        return {"x": x.tolist(), "y": y.tolist(), "normalise": True}
    channels = shape[2] if len(shape) == 3 else 1
    y = rng.permuted(x.reshape(-1, channels), axis=0).reshape(shape)
    return {"x": x.tolist(), "y": y.tolist(), "normalise": False}


def common_integers(x: Any, y: Any, normalise: bool) -> tuple[np.ndarray, np.ndarray, Fraction]:
    """Both images in units of one Fraction."""
    x, y = np.asarray(x), np.asarray(y)
    a, b = (int(image.sum()) for image in (x, y))
    if not normalise:
        return x, y, Fraction(1)
    shared = int(np.gcd(a, b))
    return x * (b // shared), y * (a // shared), Fraction(shared, a * b)


def assigned_cost(x: np.ndarray, y: np.ndarray) -> int:
    """Least cost of a coupling of two integer images of one channel, all mass included.

    The vertices of the transport problem are integral, so it is the assignment of single units.
    """
    units = []
    for image in (x, y):
        where = np.argwhere(np.ones(image.shape, bool))
        units.append(np.repeat(where, image.ravel(), axis=0))
    costs = np.abs(units[0][:, None] - units[1][None]).sum(axis=2)
    rows, columns = linear_sum_assignment(costs)
    return int(costs[rows, columns].sum())


def _transport(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    """The transport problem over all pairs of pixels, unit by unit."""
    arguments = images(parameters, seed)
    x, y, unit = common_integers(**arguments)
    if x.ndim == 3:
        cost = sum(assigned_cost(x[..., k], y[..., k]) for k in range(x.shape[2]))
    else:
        cost = assigned_cost(x, y)
    exact = cost * unit
    seen = _evidence(exact, exact, "assignment of all units of mass, in integers")
    return Measurement(arguments, seen)


def some_flow(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A signed flow from x to y, not the cheapest: along the rows, then down the last column."""
    surplus = (x - y).astype(np.int64)
    along = np.cumsum(surplus, axis=1)[:, :-1]
    down = np.zeros_like(x[:-1], np.int64)
    down[:, -1] = np.cumsum(surplus.sum(axis=1))[:-1]
    return flow_vector((down, along))


def circulations(shape: tuple[int, ...]) -> csc_array:
    """Unit flows round each 2 x 2 block of an image, as columns; they span all circulations."""
    n, m = shape
    columns = []
    for i in range(n - 1):
        for j in range(m - 1):
            down, along = (np.zeros(part, np.int64) for part in flow_shapes(shape))
            down[i, j], along[i + 1, j], down[i, j + 1], along[i, j] = 1, 1, -1, -1
            columns.append(flow_vector((down, along)))
    size = (n - 1) * m + n * (m - 1)
    return csc_array(np.reshape(columns, (len(columns), size)).T)


def signed_flow_limits(x: np.ndarray, y: np.ndarray) -> tuple[int, int]:
    """Limits, in integers, of the least l1 norm of a signed flow from x to y.

    All flows from x to y are one of them plus circulations, so this is a problem of least
    absolute deviations. From above: the norm of a flow that Definition 3.1 takes from x to y. From
    below: the product of `some_flow` with numbers in [-1, 1] that add up to 0 round each block.
    """
    start, round_about = some_flow(x, y), circulations(x.shape)
    edges, blocks = round_about.shape
    unit = eye_array(edges)
    if not blocks:  # on a line there is one flow only
        norm = int(np.abs(start).sum())
        return norm, norm
    answer = linprog(
        np.concatenate([np.zeros(blocks), np.ones(edges)]),
        A_ub=block_array([[round_about, -unit], [-round_about, -unit]], format="csc"),
        b_ub=np.concatenate([-start, start]),
        bounds=[(None, None)] * blocks + [(0, None)] * edges,
    )
    flow = start + round_about @ np.rint(answer.x[:blocks]).astype(np.int64)
    if not (apply_flow(x, flow_arrays(flow, x.shape)) == y).all():
        raise ArithmeticError("the flow does not take x to y")
    above, below = np.split(-answer.ineqlin.marginals, 2)
    signs = np.rint(above - below).astype(np.int64)
    if np.abs(signs).max(initial=0) > 1 or (round_about.T @ signs).any():
        raise ArithmeticError("the signs do not bound the norm from below")
    return int(signs @ start), int(np.abs(flow).sum())


def _signed(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    """The least l1 norm of a signed flow, over all circulations."""
    arguments = images(parameters, seed)
    x, y, unit = common_integers(**arguments)
    lower, upper = signed_flow_limits(x, y)
    seen = _evidence(lower * unit, upper * unit, "least deviations over circulations, in integers")
    return Measurement(arguments, seen)


def _evidence(lower: Fraction, upper: Fraction, method: str) -> Evidence:
    # Fractions whose nearest doubles are one band: the claim's enclosure contains them, too.
    return Evidence(float(lower), float(lower), float(upper), "exact", method)


_experiment = partial(with_rows, unit="mass times distance", norm="l1", resolution=1e-9)
_READING = "Each bar encloses the least cost by another road; the mark must be inside."
_ROWS = {
    "2x2": {"shape": [2, 2], "levels": 5, "normalise": True},
    "3x4-normalised": {"shape": [3, 4], "levels": 3, "normalise": True},
    "8x8": {"shape": [8, 8], "levels": 7, "normalise": False},
}

EXPERIMENTS: tuple[Experiment, ...] = (
    _experiment(
        "grid-transport-of-single-units",
        neighbour_flow.TRANSPORT_BY_NEIGHBOURS,
        "neighbour_flow",
        _transport,
        {
            "line-of-9": {"shape": [9], "levels": 9, "normalise": False},
            **_ROWS,
            "6x5-colour": {"shape": [6, 5, 3], "levels": 7, "normalise": False},
        },
        _READING,
        quantity="the least cost of a coupling of two images, over all pairs of pixels",
    ),
    _experiment(
        "grid-flows-and-circulations",
        neighbour_flow.SIGNED_FLOW_NORM,
        "neighbour_flow",
        _signed,
        {**_ROWS, "16x16": {"shape": [16, 16], "levels": 255, "normalise": True}},
        _READING,
        quantity="the least l1 norm of a signed flow from one image to the other",
    ),
)
