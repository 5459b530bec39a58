"""What a certificate gives on small networks, and an exact solver or an attack on the same.

Of several networks the row reports the one that comes closest to a violation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from robust_theory.claim import Interval
from robust_theory.networks import certificates, lipschitz
from robust_theory.networks.affine_bounds import linear_bounds
from robust_theory.networks.polytope import polytope_margins
from robust_theory.networks.propagation import Method, certified_radius, least_margin
from robust_theory.networks.relaxations import read_region
from robust_theory.networks.relu_networks import read_network
from validation.experiment import Json, Measure, Measurement, Result
from validation.experiments.small_networks import (
    SmallNetwork,
    bracketed_radius,
    exact_radius,
    networks,
)
from validation.verdict import Evidence

Seen = tuple[Mapping[str, Json], float, Interval]  # arguments, certificate, exact quantity

RESOLUTION = 2.0**-12  # of the radii that are bisected
TOLERANCE = 1e-6  # of HiGHS
TIE = 5e-4  # margins closer than that are the same, within what an exact solver allows for


def worst(
    measure: Callable[[SmallNetwork, Mapping[str, Json]], Seen],
    method: str,
    *,
    strict: bool = False,
) -> Measure:
    """Measure every network, report the one that comes closest to a violation.

    With `strict`, networks on which both sides agree within `TIE` are passed over: there the claim
    is an equation.
    """

    def of(
        parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
    ) -> Measurement:
        found = [measure(network, parameters) for network in networks(parameters, seed)]
        if strict:
            found = [f for f in found if abs(f[2].hi - f[1]) > TIE] or found[:1]
        arguments, _, exact = min(found, key=_slack)
        value = exact.hi if math.isfinite(exact.hi) else exact.lo
        n = len(found)
        seen = Evidence(value, exact.lo, exact.hi, "exact", f"{method}; the worst of {n} networks")
        return Measurement(arguments, seen)

    return of


def _slack(seen: Seen) -> float:
    _, certificate, exact = seen
    size = abs(exact.hi) + abs(certificate)
    return (exact.hi - certificate) / size if math.isfinite(size) and size > 0 else math.inf


def radius_by_solver(network: SmallNetwork, parameters: Mapping[str, Json]) -> Seen:
    """The whole chain: the row is an error where an attack is nearer than the exact radius."""
    arguments, radius = _certified(network, parameters)
    return arguments, radius, bracketed_radius(network, parameters["norm"])


def _certified(
    network: SmallNetwork, parameters: Mapping[str, Json]
) -> tuple[Mapping[str, Json], float]:
    arguments = {
        "layers": network.layers,
        "point": network.point,
        "label": network.label,
        "norm": parameters["norm"],
        "method": parameters["method"],
        "resolution": RESOLUTION,
    }
    return arguments, certified_radius(**arguments)


def radius_by_attack(network: SmallNetwork, parameters: Mapping[str, Json]) -> Seen:
    """The distance of one point that is decided differently, as an attack found it."""
    from empirical.exact import attack

    arguments, radius = _certified(network, parameters)
    found = attack(network.records(), np.array([network.point]))
    distance = float(found.radius[0])
    if parameters["norm"] == "linf" and math.isfinite(distance):
        distance = float(np.abs(found.point[0] - np.array(network.point)).max()) * (1 + 1e-15)
    return arguments, radius, Interval(distance * (1 - 1e-14), distance)


def lipschitz_radius(network: SmallNetwork, parameters: Mapping[str, Json]) -> Seen:
    """The Lipschitz radius and the exact one."""
    norm = parameters["norm"]
    arguments = {
        "logits": network.logits(),
        "label": network.label,
        "lipschitz": lipschitz.lipschitz_constant(network.layers, norm),
        "norm": norm,
    }
    return arguments, lipschitz.lipschitz_radius(**arguments), exact_radius(network, norm)


def margin_by_solver(method: Method) -> Callable[[SmallNetwork, Mapping[str, Json]], Seen]:
    """The margin of a method and the least one in linf, by mixed-integer programming."""

    def of(network: SmallNetwork, parameters: Mapping[str, Json]) -> Seen:
        from empirical.exact_linf import least_margin_linf

        arguments = _margin_arguments(network, parameters)
        bound = least_margin(**arguments, method=method)
        exact = least_margin_linf(
            network.records(), network.point, float(parameters["eps"]), network.label
        )
        return arguments, bound, exact

    return of


def linear_margin(network: SmallNetwork, parameters: Mapping[str, Json]) -> Seen:
    """The margin of intervals and that of linear bounds, in ball arithmetic."""
    arguments = _margin_arguments(network, parameters)
    bound = least_margin(**arguments, method="interval")
    return arguments, bound, certificates.LINEAR_MARGIN.enclosure(**arguments)


def polytope_margin(network: SmallNetwork, parameters: Mapping[str, Json]) -> Seen:
    """The margin of linear bounds and that of the linear program, whose dual is proved."""
    arguments = _margin_arguments(network, parameters)
    read = read_network(network.layers)
    region = read_region(np.array(network.point), parameters["eps"], parameters["norm"])
    found = polytope_margins(read, network.label, linear_bounds(read, region), region)
    lower, optimum = float(found.lower.min()), float(found.optimum.min())
    bound = least_margin(**arguments, method="linear")
    return arguments, bound, Interval(lower, max(lower, optimum + TOLERANCE))


def _margin_arguments(network: SmallNetwork, parameters: Mapping[str, Json]) -> Mapping[str, Json]:
    return {
        "layers": network.layers,
        "point": network.point,
        "eps": parameters["eps"],
        "label": network.label,
        "norm": parameters["norm"],
    }
