"""The Wasserstein distance W1 between two images on a pixel grid, with what proves it.

Mass moves between pixels and pays for the distance, in the l1 or the l2 norm of pixel coordinates.
For the l1 norm some cheapest plan moves it between neighbours only, so the distance is the least
l1 norm of a local flow plan; a potential that differs by at most 1 between neighbours bounds it
from below. Whoever has both needs no solver to be convinced.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust_theory.arguments import Floats
from robust_theory.wasserstein.exact_flow import integer_flow, lipschitz
from robust_theory.wasserstein.flow import Flow, flow_arrays, flow_vector, pixel_edges
from robust_theory.wasserstein.flow_solvers import (
    Plan,
    Solution,
    cumulative,
    linear_program,
    transport,
)
from robust_theory.wasserstein.grid_transport import (
    GridTransport,
    flow_cost,
    is_line,
    limits,
    steepness,
)
from robust_theory.wasserstein.image_pairs import ImagePair, read_pair

METHODS: tuple[str, ...] = (
    "cumulative",
    "potential",
    "flow",
    "flow-ipm",
    "signed",
    "transport",
    "integers",
)

# From benchmarks/grid.py. Up to so many pixels the simplex method beats interior points, and the
# transport problem with l2 distances takes seconds only; its time grows with their number squared.
# In a batch POT's two seconds of import pay off: it saves some 10 ms a pair on small images.
LARGEST_SIMPLEX = 128 * 128
LARGEST_L2 = 64 * 64
LARGEST_IN_BATCH = 32 * 32
LEAST_BATCH = 250


def grid_wasserstein(
    x: Any,
    y: Any,
    ground: str = "l1",
    *,
    exact: bool = False,
    method: str | None = None,
    normalise: bool = False,
) -> GridTransport:
    """The Wasserstein distance W1 between two images of the same mass, with its proof.

    Parameters
    ----------
    x, y : array (n,), (n, m) or (n, m, channels)
        Images of the same mass. For colour, mass stays in its channel and the distance is the sum
        over channels. Negative pixels are allowed: the distance depends on ``x - y`` only.
    ground : {"l1", "l2"}
        Norm of the distance between pixels, whose sides are 1.
    exact : bool
        Return a Fraction, proved optimal in rational arithmetic. Floats then mean the decimals
        that Python prints for them. On a grid for "l1" only: l2 distances are irrational.
    method : str, optional
        How to find it; by default by size, from measurements that count the import of a library.
        "cumulative": closed form, on a line.
        "potential", "flow", "flow-ipm", "signed": linear programs by HiGHS, namely the dual, flows
        of one direction by the simplex method or by interior points, signed flows. "transport":
        the transport problem by POT. "integers": the primal-dual method from scratch; exact.
        "eight-neighbours": for "l2", a bracket instead of a number, the default on large images.
    normalise : bool
        Divide each image by its sum over all pixels and channels, exactly for integers.

    Returns
    -------
    GridTransport
        For "l2" on large images a bracket: `is_bracket` says so, and `value` is its upper end.

    Raises
    ------
    ValueError
        If the masses differ, in total or in a channel, a pixel is not finite, or the arguments
        do not go together.
    ArithmeticError
        If a solver fails, or what it found does not prove itself.

    Notes
    -----
    Source: levine2020, Definition 2.1 with p = 1, and Lemma 1; ling2007.
    """
    if ground not in ("l1", "l2"):
        raise ValueError(f"ground must be 'l1' or 'l2', got {ground!r}")
    pair = read_pair(x, y, exact=exact, normalise=normalise)
    chosen = _method(pair.supply.shape[:2], ground, method, exact)
    shape = pair.supply.shape
    channels = np.moveaxis(pair.supply, 2, 0) if len(shape) == 3 else [pair.supply]
    # An image on a line is a column here.
    supplies = [channel.reshape(shape[0], -1) for channel in channels]
    if exact:
        return _exact_result(pair, [_solve_exactly(s, chosen) for s in supplies], chosen, ground)
    return _result(pair, [_solve(s, chosen, ground) for s in supplies], chosen, ground)


def grid_wasserstein_batch(
    x: Iterable[Any], y: Iterable[Any], ground: str = "l1", **options: Any
) -> tuple[GridTransport, ...]:
    """`grid_wasserstein` of each pair of images from two sequences of the same length.

    The options are its own, and the default method too, unless the batch is so large, and its
    images so small, that "transport" is faster.
    """
    pairs = list(zip(x, y, strict=True))
    if len(pairs) >= LEAST_BATCH and options.get("method") is None:
        sides = np.shape(pairs[0][0])[:2]
        if not is_line(sides) and math.prod(sides) <= LARGEST_IN_BATCH:
            options = {**options, "method": "transport"}
    return tuple(grid_wasserstein(first, second, ground, **options) for first, second in pairs)


def _method(sides: tuple[int, ...], ground: str, method: str | None, exact: bool) -> str:
    line = is_line(sides)
    if exact and ground == "l2" and not line:
        raise ValueError("exact must be False for ground 'l2' on a grid: distances are irrational")
    if method is None:
        if line:
            return "cumulative"
        if ground == "l1":
            return "potential" if math.prod(sides) <= LARGEST_SIMPLEX else "flow-ipm"
        return "transport" if math.prod(sides) <= LARGEST_L2 else "eight-neighbours"
    allowed = METHODS if line else METHODS[1:]
    if ground == "l2" and not line:
        allowed = ("transport", "eight-neighbours")
    if not exact:
        allowed = tuple(name for name in allowed if name != "integers")
    if method not in allowed:
        names = " or ".join(map(repr, allowed))
        where = f"ground {ground!r} on a {'line' if line else 'grid'} and exact={exact}"
        raise ValueError(f"method must be {names} for {where}, got {method!r}")
    return method


def _solve(supply: NDArray[Any], method: str, ground: str) -> Solution:
    if not supply.any():
        directions = 4 if method == "eight-neighbours" else 2
        still = np.zeros(len(pixel_edges(supply.shape, directions)[0]))
        nobody = np.zeros(0, np.int64)
        plan = Plan(nobody, nobody, np.zeros(0))
        return Solution(flow_arrays(still, supply.shape, directions), np.zeros(supply.shape), plan)
    if method == "cumulative":
        return cumulative(supply)
    # Solvers see numbers of ordinary size; a power of 2 changes no digit.
    exponent = math.frexp(float(np.abs(supply).max()))[1]
    ordinary = np.ldexp(supply, -exponent)
    if method == "transport":
        found = transport(ordinary, ground)
    elif method == "eight-neighbours":
        found = linear_program(ordinary, "flow-ipm", 4)
    else:
        found = linear_program(ordinary, method)
    flow = tuple(np.ldexp(part, exponent) for part in found.flow)
    carried = found.plan and replace(found.plan, mass=np.ldexp(found.plan.mass, exponent))
    return Solution(flow, found.potential, carried)


def _solve_exactly(supply: NDArray[Any], method: str) -> Solution:
    """An integral solution; what a solver finds in double precision is its start."""
    if method == "integers":
        found = integer_flow(supply)
    elif method == "cumulative":
        start = cumulative(supply)
        found = integer_flow(supply, flow_vector(start.flow), start.potential)
    else:
        # Integers beyond doubles have a scale of their own.
        size = max(map(abs, supply.ravel().tolist()))
        shift = max(0, size.bit_length() - 53)
        start = _solve((supply / (1 << shift)).astype(np.float64), method, "l1")
        flow = np.array(
            [round(amount) << shift for amount in flow_vector(start.flow).tolist()], object
        )
        found = integer_flow(supply, flow, start.potential)
    return Solution(found.flow, found.potential.astype(np.float64))


def _exact_result(
    pair: ImagePair, solved: list[Solution], method: str, ground: str
) -> GridTransport:
    flow, potential = _joined(solved, pair.x.shape)
    flow = tuple(part * pair.unit for part in flow)
    potential = _integral(potential).astype(np.int64)
    value = flow_cost(flow)
    result = GridTransport(value, value, value, flow, potential, (), method, ground, pair.x, pair.y)
    return _verified(result)


def _result(pair: ImagePair, solved: list[Solution], method: str, ground: str) -> GridTransport:
    flow, potential = _joined(solved, pair.x.shape)
    plan: tuple[Plan, ...] = ()
    if ground == "l2" and method == "transport":
        plan = tuple(s.plan for s in solved if s.plan is not None)
    if ground == "l1" or is_line(pair.x.shape):
        potential = _integral(potential)
    potential = potential / max(1.0, steepness(potential, ground))
    seen = limits(pair.x, pair.y, flow, potential, plan, ground)
    value = math.fsum((potential * pair.supply).ravel())
    if method == "eight-neighbours":
        value = flow_cost(flow)
    value = min(max(value, seen.lower), seen.upper)
    result = GridTransport(
        value, seen.lower, seen.upper, flow, potential, plan, method, ground, pair.x, pair.y
    )
    return _verified(result)


def _verified(result: GridTransport) -> GridTransport:
    found = result.problems()
    if found:
        raise ArithmeticError("; ".join(found))
    return result


def _integral(potential: NDArray[Any]) -> Floats:
    """Integers, which the potentials of vertices are, in the middle of their range."""
    planes = potential[..., None] if potential.ndim == 1 else potential
    planes = planes[..., None] if planes.ndim == 2 else planes
    whole = np.stack([lipschitz(planes[..., k]) for k in range(planes.shape[2])], axis=-1)
    whole = whole.reshape(potential.shape)
    middle = (int(whole.min()) + int(whole.max())) // 2
    return (whole - middle).astype(np.float64)


def _joined(solved: list[Solution], shape: tuple[int, ...]) -> tuple[Flow, NDArray[Any]]:
    """Flow and potential of all channels, in the shapes that belong to the images."""
    flows, potentials = [s.flow for s in solved], [s.potential for s in solved]
    if len(shape) == 1:
        return (flows[0][0][:, 0],), potentials[0][:, 0]
    if len(shape) == 2:
        return flows[0], potentials[0]
    parts = tuple(np.stack(part, axis=2) for part in zip(*flows, strict=True))
    return parts, np.stack(potentials, axis=2)
