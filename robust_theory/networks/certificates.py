"""What certificates claim of ReLU networks, and their enclosures, unit by unit in balls."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from robust_theory.arguments import broken, exact_rational
from robust_theory.claim import A_DISTANCE, Claim, Interval
from robust_theory.networks import propagation_exact
from robust_theory.networks.propagation import (
    LARGEST,
    certified_radius,
    interval_margin,
    linear_margin,
    margin_bounds,
    read_resolution,
)
from robust_theory.networks.relaxations import read_region
from robust_theory.networks.relu_networks import read_label, read_network, read_point

_MARGINS = Interval(-np.finfo(np.float64).max, math.inf)  # a bound of -inf says nothing


def _exactly(method: Literal["interval", "linear"]) -> Callable[..., Interval]:
    """The same bound by ball arithmetic, unit by unit."""

    def enclosure(layers: Any, point: Any, eps: Any, label: int, norm: Any = "linf") -> Interval:
        network = read_network(layers)
        y, region = read_label(label, network), read_region(read_point(point, network), eps, norm)
        radius = exact_rational(eps, "eps")
        return propagation_exact.enclosed_margin(
            network, y, region.centre, radius, region.norm, method
        )

    return enclosure


def _radius_enclosure(
    layers: Any,
    point: Any,
    label: int,
    norm: Any = "l2",
    method: Literal["interval", "linear"] = "linear",
    resolution: Any = Fraction(1, 2**20),
) -> Interval:
    """The radius, after both its properties were proved by ball arithmetic."""
    if method not in ("interval", "linear"):
        raise ValueError(f"method must be 'interval' or 'linear' to be enclosed, got {method!r}")
    radius = certified_radius(layers, point, label, norm, method, resolution)
    network = read_network(layers)
    y, region = read_label(label, network), read_region(read_point(point, network), radius, norm)
    step = Fraction(read_resolution(resolution))

    def holds(eps: Fraction) -> bool:
        return propagation_exact.certifies(network, y, region.centre, eps, region.norm, method)

    if (radius > 0 and not holds(Fraction(radius))) or (
        radius < LARGEST and holds(Fraction(radius) + step)
    ):
        raise ArithmeticError(f"rounding errors decide about the radius {radius}")
    return Interval(radius, radius)


def _broken(layers: Any, point: Any, eps: Any, label: int, norm: Any = "linf") -> tuple[str, ...]:
    return broken(
        lambda: [
            margin_bounds(layers, point, radius, label, norm, "lipschitz")
            for radius in np.asarray(eps, object).ravel().tolist()
        ]
    )


def _radius_broken(
    layers: Any,
    point: Any,
    label: int,
    norm: Any = "l2",
    method: Any = "linear",
    resolution: Any = Fraction(1, 2**20),
) -> tuple[str, ...]:
    def enclosed() -> None:
        if method not in ("interval", "linear"):
            raise ValueError(f"method must be 'interval' or 'linear', got {method!r}")

    return broken(
        lambda: margin_bounds(layers, point, 0, label, norm, "lipschitz"),
        enclosed,
        lambda: read_resolution(resolution),
    )


_BALL = r"\|z - x\| \le \varepsilon"
_BY_INTERVALS = r"(w_y - w_j)_+^\top \ell + (w_y - w_j)_-^\top u + b_y - b_j"
_BY_LINEAR_BOUNDS = (
    r"\min_{" + _BALL + r"} (a_j^\top z + d_j),\quad "
    r"a_j^\top z + d_j \le f_y(z) - f_j(z)"
)


def _margin_claim(
    name: str, source: str, measured: str, method: Literal["interval", "linear"]
) -> Claim:
    """The claim that the margin `measured` is no less than that of the method."""
    by_intervals = method == "interval"
    return Claim(
        name=name,
        source=source,
        formula=lambda: (
            measured + r" \ge " + (_BY_INTERVALS if by_intervals else _BY_LINEAR_BOUNDS)
        ),
        relation=">=",
        value=interval_margin if by_intervals else linear_margin,
        enclosure=_exactly(method),
        broken_hypotheses=_broken,
        possible=_MARGINS,
    )


INTERVAL_MARGIN = _margin_claim(
    "interval-margin",
    "gowal2018, section 3; chapter17, section 17.4.2, with joint margins",
    r"\min_{" + _BALL + r"} f_y(z) - f_j(z)",
    "interval",
)
LINEAR_MARGIN = _margin_claim(
    "linear-margin",
    "zhang2018, Theorem 3.2; wong2018, Theorem 1",
    r"\min_{" + _BALL + r"} f_y(z) - f_j(z)",
    "linear",
)
INTERVAL_BELOW_LINEAR = _margin_claim(
    "linear-margin-above-interval",
    "zhang2018, section 3, with intervals where they are better",
    r"\min_{" + _BALL + r"} (a_j^\top z + d_j)",
    "interval",
)
LINEAR_BELOW_POLYTOPE = _margin_claim(
    "polytope-margin-above-linear",
    "salman2019, Theorem 4.2; wong2018, section 3",
    r"\min_{P_\varepsilon(x)} (f_y - f_j)",
    "linear",
)
CERTIFIED_RADIUS = Claim(
    name="certified-radius",
    source="chapter17, section 17.4.1; zhang2018, section 3.3",
    formula=lambda: (
        r"r(x) \ge \max\{\varepsilon : \min_{j \ne y} \min_{" + _BALL + r"} "
        r"(a_j^\top z + d_j) > 0\}"
    ),
    relation=">=",
    value=certified_radius,
    enclosure=_radius_enclosure,
    broken_hypotheses=_radius_broken,
    possible=A_DISTANCE,
)
