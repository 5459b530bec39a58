"""Certificates of small networks against exact radii, exact margins, attacks, and each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from robust_theory.claim import Claim
from robust_theory.networks import certificates, lipschitz
from validation.experiment import Experiment, Instance, Json, Measure, Options
from validation.experiments.network_certificates import (
    linear_margin,
    lipschitz_radius,
    margin_by_solver,
    polytope_margin,
    radius_by_attack,
    radius_by_solver,
    worst,
)
from validation.experiments.small_networks import DIGITS, FULL, FULL_DIGITS, QUICK

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
            worst(radius_by_solver, f"{solver}; no attack is nearer"),
            radii,
            "radius",
        ),
        (
            "certified-radius-against-attacks",
            certificates.CERTIFIED_RADIUS,
            "certificates",
            worst(radius_by_attack, "distance of a point that an attack found"),
            radii,
            "radius",
        ),
        (
            "lipschitz-radius-against-exact-radii",
            lipschitz.LIPSCHITZ_RADIUS,
            "lipschitz",
            worst(lipschitz_radius, solver),
            norms,
            "radius",
        ),
        (
            "interval-margin-against-exact-margins",
            certificates.INTERVAL_MARGIN,
            "certificates",
            worst(margin_by_solver("interval"), "mixed-integer programming"),
            at_eps,
            "margin",
        ),
        (
            "linear-margin-against-exact-margins",
            certificates.LINEAR_MARGIN,
            "certificates",
            worst(margin_by_solver("linear"), "mixed-integer programming", strict=True),
            at_eps,
            "margin",
        ),
        (
            "linear-margin-against-interval-margin",
            certificates.INTERVAL_BELOW_LINEAR,
            "certificates",
            worst(linear_margin, "linear bounds in ball arithmetic", strict=True),
            all_norms,
            "margin",
        ),
        (
            "polytope-margin-against-linear-margin",
            certificates.LINEAR_BELOW_POLYTOPE,
            "certificates",
            worst(polytope_margin, "linear program, dual proved", strict=True),
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
