"""Exact l2 radii: both sides of the distance from z to the nearest point decided differently.

The decision is the argmax of the logits in double precision, the least index winning ties, and

    r(z) = inf{|u| : argmax f(z + u) != argmax f(z)}.

Here are the record of results, the closed form of affine classifiers, and what the solvers for
small ReLU networks start from: `empirical.exact_branch` proves its bounds,
`empirical.exact_milp` relies on HiGHS. `empirical.exact_grid` takes any Lipschitz function of at
most three variables.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from empirical.attacks.minimal import MinimalPerturbation, minimal_perturbation
from empirical.exact_layers import (
    UNIT,
    AffineLayer,
    Floats,
    logits,
    magnitudes,
    points,
    torch_function,
)

RESTARTS = 2  # of the attack that solvers start from


@dataclass(frozen=True, eq=False)
class ExactRadius:
    """Two-sided bounds on radii, l2 distance. Row i belongs to point i.

    Parameters
    ----------
    lower, upper : ndarray
        Shape (n,): ``lower <= r <= upper``. The upper bound is +inf where no other decision was
        found; both are +inf where there is provably none.
    point : ndarray
        Shape (n, d): a point decided differently at distance at most `upper`; NaN where that is
        infinite.
    """

    lower: Floats
    upper: Floats
    point: Floats


def linear_radius(weight: ArrayLike, bias: ArrayLike, z: ArrayLike) -> ExactRadius:
    """Return the radii of argmax(W z + b), up to the rounding errors that the bounds enclose.

    With i the decision at z,

        r(z) = min over j != i of ((w_i - w_j) z + b_i - b_j) / |w_i - w_j|,

    a rival whose row equals that of i left out: it overtakes i nowhere. +inf if all are. A rival
    that is never the largest counts too: where it overtakes i, something else than i is decided.

    Parameters
    ----------
    weight : array_like
        Shape (K, d).
    bias : array_like
        Shape (K,).
    z : array_like
        Shape (n, d).

    Returns
    -------
    ExactRadius
        The point is the foot of the perpendicular, moved across the boundary by a few rounding
        errors, until the other decision is certain.

    Raises
    ------
    ValueError
        Shapes that do not fit, or numbers that are not finite.
    """
    layer = AffineLayer(np.asarray(weight), np.asarray(bias))
    z = points(z, [layer])
    lower, upper = np.full(len(z), np.inf), np.full(len(z), np.inf)
    point = np.full(z.shape, np.nan)
    relative = 4 * (z.shape[1] + 4) * UNIT
    for k, values in enumerate(logits([layer], z)):
        i = int(values.argmax())
        _, (error,) = magnitudes([layer], np.abs(z[k]))
        slope = layer.weight - layer.weight[i]
        rivals = np.flatnonzero(slope.any(1))
        if not len(rivals):
            continue
        slope, slack = slope[rivals], 2 * (error[rivals] + error[i])
        length = np.array([math.hypot(*row) for row in slope])
        lead = values[i] - values[rivals]
        lower[k] = np.min(np.maximum(lead - slack, 0.0) / length) * (1 - relative)
        nearest = int(np.argmin(lead / length))
        foot = lead[nearest] / length[nearest] * slope[nearest] / length[nearest]
        across = slack[nearest] / length[nearest] * slope[nearest] / length[nearest]
        tries = z[k] + foot + 2.0 ** np.arange(0, 40, 2)[:, None] * across
        beyond = np.flatnonzero(decided_differently([layer], tries, i))
        if len(beyond):
            point[k] = tries[beyond[0]]
            upper[k] = distance_above(point[k], z[k])
    return ExactRadius(lower, upper, point)


def decided_differently(layers: Sequence[AffineLayer], z: Floats, label: int) -> NDArray[np.bool_]:
    """Return where some logit exceeds that of `label` by more than all rounding errors, shape (n,).

    True is right in exact arithmetic as well; False says nothing.
    """
    values = logits(layers, z)
    _, errors = magnitudes(layers, np.abs(z).max(0, initial=0.0))
    lead = values - values[:, label, None]
    # The difference is rounded too: room for that in the sum of both errors, which exceeds it.
    beyond = lead > (errors[-1] + errors[-1][label]) * (1 + 4 * UNIT) + 2 * UNIT * np.abs(lead)
    beyond[:, label] = False
    return np.asarray(beyond.any(1) & np.isfinite(values).all(1))


def distance_above(a: Floats, b: Floats) -> float:
    """Return the l2 distance of two vectors, rounded up."""
    return math.dist(a, b) * (1 + 8 * UNIT)


def attack(layers: Sequence[AffineLayer], z: Floats) -> MinimalPerturbation:
    """Return the decisions at z and verified upper bounds from a least-norm attack.

    The points are moved outwards until they are decided differently beyond rounding errors;
    radius +inf and point NaN where that fails.
    """
    found = minimal_perturbation(torch_function(layers), z, restarts=RESTARTS)
    label = logits(layers, z).argmax(1)
    radius, point = np.full(len(z), np.inf), np.full(z.shape, np.nan)
    pushes = 1 + np.append(0.0, 2.0 ** np.arange(-50, -6))
    for k in range(len(z)):
        tries = z[k] + pushes[:, None] * (found.point[k] - z[k])
        beyond = np.flatnonzero(decided_differently(layers, tries, label[k]))
        if len(beyond):
            point[k] = tries[beyond[0]]
            radius[k] = distance_above(point[k], z[k])
    return MinimalPerturbation(radius, point, label, found.adversarial_label)


def check_limits(time_limit: float, gap: float, reach: float) -> None:
    """Raise ValueError unless a solver can work with these limits."""
    if not time_limit > 0:
        raise ValueError(f"time_limit must be positive, got {time_limit}")
    if not 0 < gap < 1:
        raise ValueError(f"gap must lie strictly between 0 and 1, got {gap}")
    if not 0 < reach < math.inf:
        raise ValueError(f"reach must be positive and finite, got {reach}")
