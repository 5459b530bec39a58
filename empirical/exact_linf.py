"""Exact linf radii and least margins of small ReLU networks, by mixed-integer programming.

The program is that of `empirical.exact_milp` without its tangents: |u_k| <= t is linear already.
The solver is HiGHS in floating point; lower bounds allow for its tolerances, and upper ones are
verified in double precision with room for rounding errors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from empirical.exact import ExactRadius, attack, check_limits, decided_differently
from empirical.exact_layers import (
    UNIT,
    AffineLayer,
    Floats,
    logits,
    magnitudes,
    points,
    possible_rivals,
)
from empirical.exact_milp import Program
from empirical.exact_relaxation import localise
from robust_theory.claim import Interval

GAP = 1e-6  # relative, of the solver


def linf_radius(
    layers: Sequence[AffineLayer],
    z: ArrayLike,
    *,
    time_limit: float = 60.0,
    reach: float = 100.0,
) -> ExactRadius:
    """Return bounds of the linf distance to the nearest point that is decided differently.

    Parameters
    ----------
    layers, z, time_limit
        As in `empirical.exact_branch.relu_radius`.
    reach : float
        L2 distance, > 0: how far to look where the attack finds no other decision. If there is
        provably none within it, `lower` is ``reach / sqrt(d)``, or +inf where no logit can
        overtake.

    Raises
    ------
    ValueError
        As `empirical.exact_branch.relu_radius`.
    """
    check_limits(time_limit, 0.5, reach)
    z = points(z, layers)
    start = attack(layers, z)
    lower, upper, point = np.zeros(len(z)), np.full(len(z), np.inf), start.point.copy()
    root = math.sqrt(z.shape[1])
    for k in range(len(z)):
        label = int(start.label[k])
        found = math.isfinite(start.radius[k])
        if found:
            upper[k] = _linf_above(point[k], z[k])
        rivals = possible_rivals(layers, label)
        if not rivals:
            lower[k] = math.inf
            continue
        # The nearest point in linf lies within this l2 distance.
        radius = root * upper[k] * (1 + 8 * UNIT) if found else reach
        program = Program(localise(layers, z[k], radius), label, rivals)
        objective = np.zeros(program.columns)
        objective[0] = 1.0
        answer = program.solve(objective, len(program.rows), time_limit, GAP)
        if answer.status == 2:
            lower[k] = min(upper[k], radius / root * (1 - 8 * UNIT))
            continue
        if answer.mip_dual_bound is not None and math.isfinite(answer.mip_dual_bound):
            lower[k] = max(answer.mip_dual_bound - program.allowance(), 0.0) * radius
        if answer.x is not None:
            u = answer.x[program.u] * radius
            tries = z[k] + np.outer(1 + np.append(0.0, 10.0 ** np.arange(-9, -3)), u)
            for candidate in tries[decided_differently(layers, tries, label)]:
                if _linf_above(candidate, z[k]) < upper[k]:
                    point[k], upper[k] = candidate, _linf_above(candidate, z[k])
        lower[k] = min(lower[k], upper[k])
    return ExactRadius(lower, upper, point)


def least_margin_linf(
    layers: Sequence[AffineLayer],
    z: ArrayLike,
    eps: float,
    label: int,
    *,
    time_limit: float = 60.0,
) -> Interval:
    """Return bounds of the least of f_y - f_j over all rivals j and all |u|_inf <= eps.

    Parameters
    ----------
    layers : sequence of AffineLayer
        ReLU or nothing between the layers, nothing at the end.
    z : array_like
        Shape (d,).
    eps : float
        Positive and finite.
    label : int
        y.
    time_limit : float
        Seconds per rival.
    """
    x = points(np.asarray(z, np.float64)[None], layers)[0]
    if not 0 < eps < math.inf:
        raise ValueError(f"eps must be positive and finite, got {eps}")
    radius = eps * math.sqrt(len(x)) * (1 + 8 * UNIT)
    rivals = [j for j in range(len(layers[-1].bias)) if j != label]
    program = Program(localise(layers, x, radius), label, rivals)
    bound = eps / radius
    program.low[program.u], program.high[program.u] = -bound, bound
    lower, upper = math.inf, math.inf
    for k in range(len(rivals)):
        scale = float(np.abs(program.lead[k]).sum()) or 1.0
        objective = -program.lead[k] / scale
        answer = program.solve(objective, program.network_rows, time_limit, GAP)
        if answer.mip_dual_bound is None or not math.isfinite(answer.mip_dual_bound):
            return Interval(-math.inf, math.inf)
        proved = (answer.mip_dual_bound - program.allowance()) * scale - program.lead_offset[k]
        lower = min(lower, float(proved))
        if answer.x is not None:
            u = np.clip(answer.x[program.u] * radius, -eps, eps)
            inside = np.clip(x + u, x - eps, x + eps)
            upper = min(upper, _margin_above(layers, inside, label))
    return Interval(lower - 1e-12 * abs(lower), max(upper, lower))


def _margin_above(layers: Sequence[AffineLayer], x: Floats, label: int) -> float:
    value = logits(layers, x[None])[0]
    error = magnitudes(layers, np.abs(x))[1][-1]
    margin = value[label] - value + 2 * (error + error[label]) + 4 * UNIT * np.abs(value)
    margin[label] = np.inf
    return float(margin.min())


def _linf_above(a: Floats, b: Floats) -> float:
    return float(np.abs(a - b).max()) * (1 + 4 * UNIT)
