"""From a claim, its arguments and the evidence to one of six words. Pure: no clock, no files.

What confirms and what refutes depends on which side of the truth the evidence stands. Let t be
the true value of the measured quantity and s the stand-in that an experiment can compute
(s = t for exact radii; an attack radius is never below the true radius; and so on).

===========  ==================  ==========================================================
side         promise             example
===========  ==================  ==========================================================
``exact``    s = t               closed-form radii, exact solvers
``lower``    s <= t              share of points that an attack fools; certified radii
``upper``    s >= t              attack radii; share of points not certified
===========  ==================  ==========================================================

So a claim t >= v is confirmed by s with ``exact`` or ``lower`` above v, refuted by s with
``exact`` or ``upper`` below v, and left undecided by a weak attack; t <= v mirrors it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from robust_theory.claim import Claim, Interval

Side = Literal["exact", "lower", "upper"]
Word = Literal["holds", "violated", "undecided", "vacuous", "not applicable", "error", "skipped"]

# Worst first: the order of a report's rows.
WORDS: tuple[Word, ...] = (
    "violated",
    "error",
    "undecided",
    "vacuous",
    "not applicable",
    "skipped",
    "holds",
)


@dataclass(frozen=True)
class Evidence:
    """What an experiment measured.

    Parameters
    ----------
    value : float
        Point estimate of the stand-in.
    lo, hi : float
        Limits that contain the stand-in's expectation with probability at least ``1 - alpha``.
        Each end alone errs with probability at most ``alpha / 2``.
    side : {"exact", "lower", "upper"}
        Where the stand-in is against the truth (see the module's table).
    method : str
        How it was measured, in words.
    n : int
        Number of independent samples; 0 for a computation without sampling.
    censored : int
        Samples for which the attack found nothing; they count as +inf and are never dropped.
    alpha : float
        Error probability of the limits; 0 for a computation without sampling.
    """

    value: float
    lo: float
    hi: float
    side: Side
    method: str
    n: int = 0
    censored: int = 0
    alpha: float = 0.0

    def __post_init__(self) -> None:
        if math.isnan(self.lo) or math.isnan(self.hi) or self.lo > self.hi:
            raise ValueError(f"evidence needs lo <= hi, got lo={self.lo!r}, hi={self.hi!r}")
        if self.side not in ("exact", "lower", "upper"):
            raise ValueError(f"side must be 'exact', 'lower' or 'upper', got {self.side!r}")


@dataclass(frozen=True)
class Verdict:
    """The word, its reason in one sentence, and the smallest violation that could have been seen.

    `detectable` is in the unit of the measured quantity; None when this evidence could not have
    refuted the claim, however false.
    """

    word: Word
    reason: str
    detectable: float | None = None


def decide(
    claim: Claim,
    arguments: Mapping[str, Any],
    evidence: Evidence,
    *,
    theory: Interval | None = None,
    resolution: float = math.inf,
) -> Verdict:
    """Return the verdict on `claim` at `arguments`.

    Parameters
    ----------
    claim : Claim
        The theorem.
    arguments : mapping
        Arguments of ``claim.value``.
    evidence : Evidence
        What was measured.
    theory : Interval, optional
        Where the claim's value lies when the arguments themselves are estimated; by default
        ``claim.enclosure(**arguments)``.
    resolution : float
        Equality claims only: the widest band, fixed before the run, that still counts as a
        decision. A wider one is undecided.
    """
    broken = claim.broken_hypotheses(**arguments)
    if broken:
        return Verdict("not applicable", "; ".join(broken))
    value = claim.enclosure(**arguments) if theory is None else theory
    if claim.relation == "==":
        return _equality(value, evidence, resolution)
    if _says_nothing(claim, value):
        return Verdict("vacuous", f"every possible value is {claim.relation} {_show(value)}")
    if claim.relation == "<=":
        return _at_most(value.lo, value.hi, evidence)
    mirrored = Evidence(
        -evidence.value,
        -evidence.hi,
        -evidence.lo,
        {"exact": "exact", "lower": "upper", "upper": "lower"}[evidence.side],  # type: ignore[arg-type]
        evidence.method,
        evidence.n,
        evidence.censored,
        evidence.alpha,
    )
    return _at_most(-value.hi, -value.lo, mirrored)


def _says_nothing(claim: Claim, value: Interval) -> bool:
    if claim.relation == "<=":
        return claim.possible.hi <= value.lo
    return claim.possible.lo >= value.hi


def _at_most(lo: float, hi: float, evidence: Evidence) -> Verdict:
    """Decide "truth <= v" for a v somewhere in [lo, hi]."""
    can_confirm = evidence.side in ("exact", "upper")
    can_refute = evidence.side in ("exact", "lower")
    detectable = _reach(lo, hi, evidence) if can_refute else None
    if can_confirm and evidence.hi <= lo:
        return Verdict("holds", "the whole band is on the claimed side", detectable)
    if can_refute and evidence.lo > hi:
        return Verdict("violated", "the whole band is on the wrong side", detectable)
    if not can_refute and evidence.lo > hi:
        reason = "attack too weak: its radii exceed the bound, which true radii need not"
        return Verdict("undecided", reason, detectable)
    if not can_confirm:
        reason = "this evidence could only have refuted the claim, and did not"
        return Verdict("undecided", reason, detectable)
    return Verdict("undecided", "the band contains the bound", detectable)


def _equality(value: Interval, evidence: Evidence, resolution: float) -> Verdict:
    if evidence.side != "exact":
        return Verdict("undecided", "an equality needs a two-sided measurement")
    detectable = _reach(value.lo, value.hi, evidence)
    if evidence.lo > value.hi or evidence.hi < value.lo:
        return Verdict("violated", "the band misses the value", detectable)
    if detectable > resolution:
        reason = f"the band is wider than the resolution {resolution:g} fixed beforehand"
        return Verdict("undecided", reason, detectable)
    return Verdict("holds", "the band contains the value", detectable)


def _reach(lo: float, hi: float, evidence: Evidence) -> float:
    """How far beyond [lo, hi] a truth must lie for a band as wide as this one to miss it."""
    arms = (evidence.hi - evidence.value, evidence.value - evidence.lo)
    # inf - inf, at a band that ends where all of its value is, is no arm at all.
    return max((arm for arm in arms if not math.isnan(arm)), default=0.0) + (
        0.0 if lo == hi else hi - lo
    )


def _show(value: Interval) -> str:
    return f"{value.lo:g}" if value.lo == value.hi else f"[{value.lo:g}, {value.hi:g}]"
