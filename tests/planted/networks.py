"""False versions of the claims about networks: certificates, attacks, similarity."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from robust_theory.claim import Claim, Interval
from robust_theory.networks.similarity import hsic
from tests.planted.changes import Planted, scaled, with_budget_scaled

# f = (x1 + x2, -x1 - x2): no ReLU, so every certificate is exact.
LINEAR_NETWORK = {
    "layers": [[[[1.0, 1.0], [-1.0, -1.0]], [0.0, 0.0]]],
    "point": [1.0, 1.0],
    "label": 0,
    "norm": "linf",
}


def of_the_biased_kind(claim: Claim) -> Claim:
    """The criterion that divides by (n - 1)^2, said to be unbiased."""

    def enclosure(first: Any, second: Any) -> Interval:
        value = hsic(first, second)
        return Interval(value * (1 - 1e-12), value * (1 + 1e-12))

    return replace(claim, enclosure=enclosure)


PLANTED: dict[str, Planted] = {
    "interval-margin": Planted(
        "interval-margin-against-exact-margins",
        {**LINEAR_NETWORK, "eps": "0.25"},
        with_budget_scaled("0.9"),
    ),
    "linear-margin": Planted(
        "linear-margin-against-exact-margins",
        {**LINEAR_NETWORK, "eps": "0.25"},
        with_budget_scaled("0.9"),
    ),
    "linear-margin-above-interval": Planted(
        "linear-margin-against-interval-margin",
        {**LINEAR_NETWORK, "eps": "0.25"},
        with_budget_scaled("0.9"),
    ),
    "polytope-margin-above-linear": Planted(
        "polytope-margin-against-linear-margin",
        {**LINEAR_NETWORK, "eps": "0.25"},
        with_budget_scaled("0.9"),
    ),
    "certified-radius": Planted(
        "certified-radius-against-exact-radii",
        {**LINEAR_NETWORK, "method": "linear"},
        scaled(1.1),
    ),
    # margin / L, as the chapter has it, without the constant sqrt(2).
    "lipschitz-radius": Planted(
        "lipschitz-radius-against-exact-radii",
        {**LINEAR_NETWORK, "norm": "l2"},
        scaled(2**0.5),
    ),
    # Attained, up to 2^-40, by steps that choose their length.
    "affine-rise": Planted(
        "affine-rise-under-attack",
        {"attack": "apgd", "norm": "l2", "eps": 0.75},
        scaled(0.999),
    ),
    "unbiased-hsic": Planted(
        "unbiased-hsic-over-all-samples",
        {"inputs": 8, "sample": 4, "widths": [2, 3]},
        of_the_biased_kind,
    ),
}
