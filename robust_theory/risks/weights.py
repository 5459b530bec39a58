"""Weights of samples as integers over one denominator, so that flows and risks are exact."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from robust_theory.arguments import exact_rational


@dataclass(frozen=True)
class Weights:
    """Point v weighs ``shares[v] / total``; the shares are integers that sum to `total`."""

    shares: tuple[int, ...]
    total: int

    @property
    def uniform(self) -> bool:
        """Whether all points weigh the same, more than nothing."""
        return bool(self.shares) and self.shares[0] > 0 and len(set(self.shares)) == 1

    @property
    def sum_of_squares(self) -> Fraction:
        """The sum of the squared weights."""
        return Fraction(sum(share * share for share in self.shares), self.total**2)


def read_weights(weights: Any, size: int, name: str) -> list[Fraction]:
    """Weights inside one class: rationals that sum to 1, equal by default.

    Raises
    ------
    ValueError
        If they are not `size` numbers of at least 0 with a positive sum.
    """
    if weights is None:
        return [Fraction(1, size)] * size
    if isinstance(weights, str) or not isinstance(weights, Iterable):
        raise ValueError(f"{name} must be a sequence of {size} numbers, got {weights!r}")
    values = [exact_rational(value, name) for value in np.asarray(weights, object).ravel()]
    if len(values) != size:
        raise ValueError(f"{name} must hold one number per point, {size}, got {len(values)}")
    if min(values) < 0:
        raise ValueError(f"{name} must be at least 0, got {float(min(values))}")
    total = sum(values)
    if total == 0:
        raise ValueError(f"{name} must have a positive sum, got 0")
    return [value / total for value in values]


def join_weights(weights: Sequence[Fraction]) -> Weights:
    """The integers over one denominator; the weights must sum to 1."""
    distinct = set(weights)
    total = math.lcm(*(value.denominator for value in distinct))
    shares = {value: value.numerator * (total // value.denominator) for value in distinct}
    return Weights(tuple(shares[value] for value in weights), total)


def two_class_weights(sizes: tuple[int, int], weights0: Any, weights1: Any, prior0: Any) -> Weights:
    """Weights of both samples, the first class first: its prior times the weight inside it.

    Raises
    ------
    ValueError
        If a prior is outside [0, 1], or a class without points has a positive prior.
    """
    if isinstance(prior0, str) and prior0 == "sample":
        prior0 = Fraction(sizes[0], max(1, sum(sizes)))
    prior = exact_rational(prior0, "prior0")
    if not 0 <= prior <= 1:
        raise ValueError(f"prior0 must lie in [0, 1], got {prior0!r}")
    joint: list[Fraction] = []
    for k, (size, given, share) in enumerate(
        zip(sizes, (weights0, weights1), (prior, 1 - prior), strict=True)
    ):
        if not size:
            if share:
                raise ValueError(f"X{k} must not be empty while its class has prior {share}")
            continue
        inside = read_weights(given, size, f"weights{k}")
        scaled = {value: share * value for value in set(inside)}
        joint += [scaled[value] for value in inside]
    return join_weights(joint)
