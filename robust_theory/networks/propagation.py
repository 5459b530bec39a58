"""What a ReLU network certainly does near a point: least margins, and certified radii.

Five methods, each with the bounds of the layers that it needs; none is below those before it but
the first, which is not comparable:

- "lipschitz": the margins at the point, less Lipschitz constants times eps;
- "interval": interval arithmetic, the difference f_y - f_j bounded jointly in the last layer;
- "linear": linear bounds carried backwards (`affine_bounds`), intervals where they are better;
- "polytope": linear programs over the convex outer polytope (`polytope`), with HiGHS;
- "semidefinite": the semidefinite relaxation (`semidefinite`), with cvxpy; small networks only.

All are lower bounds of the margins in exact arithmetic of the weights and the point, which are
taken as the doubles they are: every rounding error is bounded and subtracted, and solvers only
suggest multipliers. What the network does when it is itself evaluated in floating point may
differ from exact arithmetic by its own rounding errors.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from robust_theory.arguments import Floats, exact_rational
from robust_theory.networks.affine_bounds import linear_bounds, linear_margins
from robust_theory.networks.lipschitz import lipschitz_margins
from robust_theory.networks.polytope import polytope_margins
from robust_theory.networks.relaxations import (
    TINY,
    Region,
    interval_bounds,
    interval_margins,
    read_region,
)
from robust_theory.networks.relu_networks import Network, read_label, read_network, read_point
from robust_theory.networks.semidefinite import semidefinite_margins

Method: TypeAlias = Literal["lipschitz", "interval", "linear", "polytope", "semidefinite"]

LARGEST = 1024.0  # radius that the bisection looks for


def margin_bounds(
    layers: Any,
    point: Any,
    eps: Any,
    label: int,
    norm: Any = "linf",
    method: Method = "linear",
) -> Floats:
    """Lower bounds (K,) of the margins f_y - f_j over the closed ball; infinity for j = y.

    Parameters
    ----------
    layers
        Pairs (weight, bias) or records, as `read_network` takes them.
    point : array (d,)
        Centre of the ball, flattened.
    eps : number or str
        Its radius, at least 0.
    label : int
        y.
    norm : {"linf", "l2", "l1"}
        The ball's norm.
    method : str
        See the module.

    Raises
    ------
    ValueError
        If an argument is not of this kind, or the method cannot treat the network.

    Notes
    -----
    Source: gowal2018 (interval), zhang2018 (linear), wong2018 (polytope), raghunathan2018
    (semidefinite); chapter17, section 17.4.2.
    """
    network = read_network(layers)
    y, region = read_label(label, network), read_region(read_point(point, network), eps, norm)
    return _margins(network, y, region, _read_method(method))


def least_margin(
    layers: Any,
    point: Any,
    eps: Any,
    label: int,
    norm: Any = "linf",
    method: Method = "linear",
) -> Any:
    """The least of `margin_bounds`; positive: the label is y in the whole ball.

    `eps` may be an array; the result has its shape.
    """
    radii = np.asarray(eps, object)
    found = [
        float(margin_bounds(layers, point, radius, label, norm, method).min())
        for radius in radii.ravel().tolist()
    ]
    return np.array(found).reshape(radii.shape) if radii.ndim else found[0]


def interval_margin(layers: Any, point: Any, eps: Any, label: int, norm: Any = "linf") -> Any:
    """`least_margin` by interval arithmetic."""
    return least_margin(layers, point, eps, label, norm, "interval")


def linear_margin(layers: Any, point: Any, eps: Any, label: int, norm: Any = "linf") -> Any:
    """`least_margin` by linear bounds."""
    return least_margin(layers, point, eps, label, norm, "linear")


def certified_radius(
    layers: Any,
    point: Any,
    label: int,
    norm: Any = "l2",
    method: Method = "linear",
    resolution: Any = Fraction(1, 2**20),
) -> float:
    """A radius at which the method certifies the label, and does not one `resolution` further.

    Found by bisection between multiples of `resolution`, up to 1024; the ball is closed, and the
    label the only one in it that leads. 0.0 where not even one `resolution` is certified, 1024.0
    where no end was found.

    Parameters
    ----------
    layers, point, label, norm, method
        As for `margin_bounds`.
    resolution : number
        A power of 2 between 2^-40 and 1, so that all multiples are doubles.
    """
    network = read_network(layers)
    y, x = read_label(label, network), read_point(point, network)
    kind, step = _read_method(method), read_resolution(resolution)

    def certified(multiple: int) -> bool:
        region = read_region(x, multiple * step, norm)
        return bool(_margins(network, y, region, kind, enough=TINY).min() > 0)

    most = int(LARGEST / step)  # a power of 2
    low, high = 0, 1
    while certified(high):
        if high == most:
            return LARGEST
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if certified(middle) else (low, middle)
    return float(low * step)


def _margins(
    network: Network, label: int, region: Region, method: Method, enough: float = math.inf
) -> Floats:
    """Margins; better ones only of the rivals whose linear bound is below `enough`."""
    if method == "lipschitz":
        return lipschitz_margins(network, label, region)
    if method == "interval":
        return interval_margins(network, label, interval_bounds(network, region), region)
    before = linear_bounds(network, region)
    if method == "linear":
        return linear_margins(network, label, before, region)
    if method == "polytope":
        return polytope_margins(network, label, before, region, enough=enough).lower
    return semidefinite_margins(network, label, before, region, enough=enough).lower


def _read_method(method: Any) -> Method:
    if method not in get_args(Method):
        raise ValueError(f"method must be one of {get_args(Method)}, got {method!r}")
    return method  # type: ignore[no-any-return]


def read_resolution(resolution: Any) -> float:
    """Read a power of 2 between 2^-40 and 1."""
    step = exact_rational(resolution, "resolution")
    if not Fraction(1, 2**40) <= step <= 1 or math.frexp(float(step))[0] != 0.5:
        raise ValueError(
            f"resolution must be a power of 2 between 2^-40 and 1, got {float(step)!r}"
        )
    return float(step)
