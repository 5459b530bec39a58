"""The two records that every theorem of the package is stated with."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Relation = Literal["<=", ">=", "=="]


@dataclass(frozen=True)
class Interval:
    """A closed interval that provably contains a number; infinite ends are allowed.

    Parameters
    ----------
    lo, hi : float
        The ends, ``lo <= hi``, neither of them NaN.
    """

    lo: float
    hi: float

    def __post_init__(self) -> None:
        if math.isnan(self.lo) or math.isnan(self.hi) or self.lo > self.hi:
            raise ValueError(f"an interval needs lo <= hi, got lo={self.lo!r}, hi={self.hi!r}")

    def contains(self, number: float, *, relative: float = 0.0) -> bool:
        """Whether `number` lies inside, each end moved outwards by `relative` times its size."""
        return (
            self.lo - relative * abs(self.lo) <= number <= self.hi + relative * abs(self.hi)
            if math.isfinite(number)
            else self.lo <= number <= self.hi
        )


ANY_NUMBER = Interval(-math.inf, math.inf)
A_PROBABILITY = Interval(0.0, 1.0)
A_DISTANCE = Interval(0.0, math.inf)


@dataclass(frozen=True)
class Claim:
    """A theorem: what is measured stands in `relation` to ``value(**arguments)``.

    Parameters
    ----------
    name : str
        Address, test id, report row and docs page: lower-case words joined by hyphens.
    source : str
        Key in ``docs/references.bib`` and place, as in ``"fawzi2018, Theorem 1, eq. (1)"``.
    formula : callable
        Prints the statement in LaTeX, from the code wherever a closed form exists. Called only
        when somebody reads it, because printing needs SymPy.
    relation : {"<=", ">=", "=="}
        Measured quantity against value.
    value : callable
        The public function.
    enclosure : callable
        Takes the same arguments to an `Interval` that provably contains the exact value, by
        another road than `value`.
    broken_hypotheses : callable
        Takes the same arguments to the hypotheses that they break, as sentences; none when the
        theorem applies.
    possible : Interval
        The values that the measured quantity can take at all. A claim that holds for all of them
        says nothing and is reported as vacuous.
    """

    name: str
    source: str
    formula: Callable[[], str]
    relation: Relation
    value: Callable[..., Any]
    enclosure: Callable[..., Interval]
    broken_hypotheses: Callable[..., tuple[str, ...]]
    possible: Interval = ANY_NUMBER

    @property
    def statement(self) -> str:
        """The statement in LaTeX, without dollar signs."""
        return self.formula()
