"""False versions of every claim, each with the exact model on which it must be refuted.

A check that cannot fail proves nothing. So for every claim of the catalogue this table names an
experiment, parameters for it, and a neighbouring statement that is false there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from robust_theory.claim import Claim, Interval

SAMPLES = 100_000
HALF_SPACE = {"model": "half-space", "offset": 0.0, "n": SAMPLES}
SIMPLEX = {"model": "simplex", "classes": 3, "n": SAMPLES}
CHECKERBOARD = {"model": "checkerboard", "d": 2, "n": SAMPLES}


@dataclass(frozen=True)
class Planted:
    """`falsify` takes the true claim to the false one; `experiment` must refute it."""

    experiment: str
    parameters: Mapping[str, Any]
    falsify: Callable[[Claim], Claim]


def with_budget_scaled(factor: float) -> Callable[[Claim], Claim]:
    """The claim with its eps multiplied by `factor`."""

    def falsify(claim: Claim) -> Claim:
        def enclosure(**arguments: Any) -> Interval:
            return claim.enclosure(**{**arguments, "eps": float(arguments["eps"]) * factor})

        return replace(claim, enclosure=enclosure)

    return falsify


def with_value_scaled(factor: float) -> Callable[[Claim], Claim]:
    """The claim with its value multiplied by `factor`."""

    def falsify(claim: Claim) -> Claim:
        def enclosure(**arguments: Any) -> Interval:
            exact = claim.enclosure(**arguments)
            return Interval(exact.lo * factor, exact.hi * factor)

        return replace(claim, enclosure=enclosure)

    return falsify


PLANTED: dict[str, Planted] = {
    # The half-space attains Theorem 1, so any sharper version of it is false there.
    "latent-fooling-probability": Planted(
        "fooling-probability-on-exact-models", {**HALF_SPACE, "eps": "0.5"}, with_budget_scaled(1.1)
    ),
    "latent-fooling-log-tail": Planted(
        "fooling-log-tail-on-exact-models", {**HALF_SPACE, "eps": "0.5"}, with_budget_scaled(1.1)
    ),
    "latent-fooling-quantile": Planted(
        "fooling-quantile-on-exact-models", {**HALF_SPACE, "q": 0.5}, with_value_scaled(0.9)
    ),
    "latent-expected-radius": Planted(
        "expected-radius-on-exact-models", HALF_SPACE, with_value_scaled(0.9)
    ),
    "half-space-law": Planted(
        "half-space-law-sampled", {**HALF_SPACE, "eps": 0.5}, with_budget_scaled(1.1)
    ),
    "simplex-law": Planted("simplex-law-sampled", {**SIMPLEX, "eps": 0.5}, with_budget_scaled(1.1)),
    "simplex-expected-radius": Planted(
        "simplex-expected-radius-sampled", SIMPLEX, with_value_scaled(1.1)
    ),
    "checkerboard-law": Planted(
        "checkerboard-law-sampled", {**CHECKERBOARD, "eps": 0.1}, with_budget_scaled(1.1)
    ),
    "checkerboard-expected-radius": Planted(
        "checkerboard-expected-radius-sampled", CHECKERBOARD, with_value_scaled(1.2)
    ),
    "checkerboard-paper-bound": Planted(
        "checkerboard-paper-bound-sampled", {**CHECKERBOARD, "eps": 0.1}, with_budget_scaled(2.5)
    ),
}
