"""Certificates of small networks against exact radii, exact margins, attacks, and each other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from robust_theory.claim import Claim, Interval
from robust_theory.networks import certificates, lipschitz
from robust_theory.networks.affine_bounds import linear_bounds
from robust_theory.networks.polytope import polytope_margins
from robust_theory.networks.propagation import Method, certified_radius, least_margin
from robust_theory.networks.relaxations import read_region
from robust_theory.networks.relu_networks import read_network
from validation.experiment import (
    Experiment,
    Instance,
    Json,
    Measure,
    Measurement,
    Options,
    Result,
)
from validation.experiments.small_networks import (
    DIGITS,
    FULL,
    FULL_DIGITS,
    QUICK,
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


def _worst(
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


def _radius(network: SmallNetwork, parameters: Mapping[str, Json]) -> Seen:
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


def _attacked(network: SmallNetwork, parameters: Mapping[str, Json]) -> Seen:
    """The distance of one point that is decided differently, as an attack found it."""
    from empirical.exact import attack

    arguments, radius = _certified(network, parameters)
    found = attack(network.records(), np.array([network.point]))
    distance = float(found.radius[0])
    if parameters["norm"] == "linf" and math.isfinite(distance):
        distance = float(np.abs(found.point[0] - np.array(network.point)).max()) * (1 + 1e-15)
    return arguments, radius, Interval(distance * (1 - 1e-14), distance)


def _lipschitz(network: SmallNetwork, parameters: Mapping[str, Json]) -> Seen:
    norm = parameters["norm"]
    arguments = {
        "logits": network.logits(),
        "label": network.label,
        "lipschitz": lipschitz.lipschitz_constant(network.layers, norm),
        "norm": norm,
    }
    return arguments, lipschitz.lipschitz_radius(**arguments), exact_radius(network, norm)


def _margin(method: Method) -> Callable[[SmallNetwork, Mapping[str, Json]], Seen]:
    def of(network: SmallNetwork, parameters: Mapping[str, Json]) -> Seen:
        from empirical.exact_linf import least_margin_linf

        arguments = _margin_arguments(network, parameters)
        bound = least_margin(**arguments, method=method)
        exact = least_margin_linf(
            network.records(), network.point, float(parameters["eps"]), network.label
        )
        return arguments, bound, exact

    return of


def _linear(network: SmallNetwork, parameters: Mapping[str, Json]) -> Seen:
    arguments = _margin_arguments(network, parameters)
    bound = least_margin(**arguments, method="interval")
    return arguments, bound, certificates.LINEAR_MARGIN.enclosure(**arguments)


def _polytope(network: SmallNetwork, parameters: Mapping[str, Json]) -> Seen:
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


# Seconds of the rows of 200 networks, or of 60 digits under 20 networks, from shorter runs.
COST: Mapping[str, Mapping[str, float]] = {
    "certified-radius-against-exact-radii": {
        "l2-linear": 42,
        "linf-linear": 120,
        "l2-interval": 25,
        "l2-linear-digits": 25,
        "linf-linear-digits": 80,
    },
    "certified-radius-against-attacks": {
        "l2-linear": 12,
        "linf-linear": 12,
        "l2-interval": 11,
        "l2-linear-digits": 18,
        "linf-linear-digits": 18,
    },
    "lipschitz-radius-against-exact-radii": {"l2": 13, "linf": 110},
    "interval-margin-against-exact-margins": {"linf": 29},
    "linear-margin-against-exact-margins": {"linf": 30},
    "polytope-margin-against-linear-margin": {"l2": 56},
}


def _rows(
    experiment: str,
    rows: Mapping[str, Mapping[str, Json]],
) -> Callable[[Options], tuple[Instance, ...]]:
    def instances(options: Options) -> tuple[Instance, ...]:
        full = options.suite == "full"
        size = FULL if full else QUICK

        def more(row: Mapping[str, Json]) -> Mapping[str, Json]:
            if not full:
                return {}
            return FULL_DIGITS if row.get("digits") else {"networks": FULL["networks"]}

        return tuple(
            Instance(
                name,
                {**size, **row, **more(row)},
                cost=full * COST.get(experiment, {}).get(name, 0),
            )
            for name, row in rows.items()
        )

    return instances


def _experiments() -> Iterator[Experiment]:
    radii: Mapping[str, Mapping[str, Json]] = {
        "l2-linear": {"norm": "l2", "method": "linear"},
        "linf-linear": {"norm": "linf", "method": "linear"},
        "l2-interval": {"norm": "l2", "method": "interval"},
        "l2-linear-digits": {**DIGITS, "norm": "l2", "method": "linear", "networks": 3},
        "linf-linear-digits": {**DIGITS, "norm": "linf", "method": "linear", "networks": 3},
    }
    at_eps: Mapping[str, Mapping[str, Json]] = {"linf": {"norm": "linf", "eps": "0.25"}}
    all_norms: Mapping[str, Mapping[str, Json]] = {
        norm: {"norm": norm, "eps": "0.5"} for norm in ("linf", "l2", "l1")
    }
    norms: Mapping[str, Mapping[str, Json]] = {norm: {"norm": norm} for norm in ("l2", "linf")}
    solver = "branch and bound (l2), mixed-integer programming (linf)"
    table: tuple[tuple[str, Claim, str, Measure, Mapping[str, Mapping[str, Json]], str], ...] = (
        (
            "certified-radius-against-exact-radii",
            certificates.CERTIFIED_RADIUS,
            "certificates",
            _worst(_radius, f"{solver}; no attack is nearer"),
            radii,
            "radius",
        ),
        (
            "certified-radius-against-attacks",
            certificates.CERTIFIED_RADIUS,
            "certificates",
            _worst(_attacked, "distance of a point that an attack found"),
            radii,
            "radius",
        ),
        (
            "lipschitz-radius-against-exact-radii",
            lipschitz.LIPSCHITZ_RADIUS,
            "lipschitz",
            _worst(_lipschitz, solver),
            norms,
            "radius",
        ),
        (
            "interval-margin-against-exact-margins",
            certificates.INTERVAL_MARGIN,
            "certificates",
            _worst(_margin("interval"), "mixed-integer programming"),
            at_eps,
            "margin",
        ),
        (
            "linear-margin-against-exact-margins",
            certificates.LINEAR_MARGIN,
            "certificates",
            _worst(_margin("linear"), "mixed-integer programming", strict=True),
            at_eps,
            "margin",
        ),
        (
            "linear-margin-against-interval-margin",
            certificates.INTERVAL_BELOW_LINEAR,
            "certificates",
            _worst(_linear, "linear bounds in ball arithmetic", strict=True),
            all_norms,
            "margin",
        ),
        (
            "polytope-margin-against-linear-margin",
            certificates.LINEAR_BELOW_POLYTOPE,
            "certificates",
            _worst(_polytope, "linear program, dual proved", strict=True),
            all_norms,
            "margin",
        ),
    )
    for name, claim, subject, measure, rows, quantity in table:
        yield Experiment(
            name=name,
            claim=claim,
            subject=subject,
            quantity=quantity,
            unit="distance" if quantity == "radius" else "logit",
            norm="",
            reading=(
                f"Each bar is the exact {quantity} of the network that comes closest; it must not "
                "end below the mark, its certificate."
                if "exact" in name or "attack" in name
                else "Each bar is the better bound; it must not end below the mark, the simpler."
            ),
            x_label=quantity,
            instances=_rows(name, rows),
            measure=measure,
        )


EXPERIMENTS: tuple[Experiment, ...] = tuple(_experiments())
