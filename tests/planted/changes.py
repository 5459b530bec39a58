"""How true claims become false ones, and what that is shown on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from robust_theory.arguments import exact_rational
from robust_theory.claim import Claim, Interval
from validation.experiments.sampling import Case, instance

SAMPLES = 100_000


@dataclass(frozen=True)
class Planted:
    """`falsify` takes the true claim to the false one; `experiment` must refute it."""

    experiment: str
    parameters: Mapping[str, Any]
    falsify: Callable[[Claim], Claim]


def with_budget_scaled(factor: str, budget: str = "eps") -> Callable[[Claim], Claim]:
    """The claim with its eps (or another budget) multiplied by `factor`."""

    def falsify(claim: Claim) -> Claim:
        def enclosure(**arguments: Any) -> Interval:
            scaled = exact_rational(arguments[budget]) * Fraction(factor)
            return claim.enclosure(**{**arguments, budget: scaled})

        return replace(claim, enclosure=enclosure)

    return falsify


def with_value(change: Callable[[float, Mapping[str, Any]], float]) -> Callable[[Claim], Claim]:
    """The claim with a changed value."""

    def falsify(claim: Claim) -> Claim:
        def enclosure(**arguments: Any) -> Interval:
            exact = claim.enclosure(**arguments)
            return Interval(change(exact.lo, arguments), change(exact.hi, arguments))

        return replace(claim, enclosure=enclosure)

    return falsify


def scaled(factor: float) -> Callable[[Claim], Claim]:
    """The claim with its value multiplied by `factor`."""
    return with_value(lambda value, _: value * factor)


def with_constant(factor: float) -> Callable[[Claim], Claim]:
    """The claim 1 - C (...) with its constant C multiplied by `factor`."""
    return with_value(lambda value, _: 1 - factor * (1 - value))


def case(arguments: Mapping[str, Any], law: Mapping[str, Any], **more: Any) -> Mapping[str, Any]:
    """Parameters of a row that is not in any suite."""
    return instance(Case("planted", arguments, law, **more), SAMPLES).parameters


def whatever_the_hypotheses(value: float) -> Callable[[Claim], Claim]:
    """The claim without its hypotheses, with this value."""

    def falsify(claim: Claim) -> Claim:
        return replace(
            claim,
            enclosure=lambda **arguments: Interval(value, value),
            broken_hypotheses=lambda **arguments: (),
        )

    return falsify


SHARPER = with_budget_scaled("1.1")
