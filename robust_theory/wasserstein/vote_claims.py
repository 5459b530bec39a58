"""What is claimed of limits from votes: how often they hold, for every law of the votes."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from robust_theory.arguments import broken, exact_measures, positive_integer, probability
from robust_theory.arithmetic import around
from robust_theory.claim import A_PROBABILITY, Claim, Interval

ALL_RIVALS = "all rivals"


def limit_confidence(n: int, alpha: Any, p: Any) -> float:
    """1 - alpha: how often, at least, a Clopper-Pearson limit of n votes is on its side of p."""
    return _read_limit(n, alpha, p).lo


def certificate_confidence(
    probabilities: Any, n: int, pilot: int, alpha: Any, rule: str = ALL_RIVALS
) -> float:
    """1 - alpha: how often, at least, all limits behind a certificate hold at once.

    Parameters
    ----------
    probabilities : sequence (K,)
        Scores of the classes, K >= 2.
    n, pilot : int
        Votes for the limits and for the choice of the class.
    alpha : number
        In (0, 1).
    rule : {"all rivals"}
        Upper limits for every other class. A limit for the pilot's runner-up only is no rule.
    """
    return _read_certificate(probabilities, n, pilot, alpha, rule).lo


def sequential_error(p: Any, alpha: Any, looks: Any) -> float:
    """Alpha: how often, at most, evidence against "at most p" reaches 1/alpha though p is true.

    Parameters
    ----------
    p : number
        The true score, in (0, 1), and the one that is tested.
    alpha : number
        In (0, 1).
    looks : sequence of int
        Numbers of votes at which one looks, increasing.
    """
    return _read_sequence(p, alpha, looks).hi


def _read_limit(n: int, alpha: Any, p: Any) -> Interval:
    positive_integer(n, "n")
    probability(p, "p")
    return around(1 - probability(alpha, "alpha", open=True))


def _read_certificate(
    probabilities: Any, n: int, pilot: int, alpha: Any, rule: str = ALL_RIVALS
) -> Interval:
    if sum(times for _, times in exact_measures(probabilities)) < 2:
        raise ValueError(f"probabilities must be of two classes or more, got {probabilities!r}")
    positive_integer(n, "n")
    positive_integer(pilot, "pilot")
    if rule != ALL_RIVALS:
        raise ValueError(
            f"rule must be {ALL_RIVALS!r}: each of them may be the highest, got {rule!r}"
        )
    return around(1 - probability(alpha, "alpha", open=True))


def _read_sequence(p: Any, alpha: Any, looks: Any) -> Interval:
    probability(p, "p", open=True)
    numbers = [positive_integer(look, "looks") for look in looks]
    if not numbers or numbers != sorted(set(numbers)):
        raise ValueError(f"looks must be increasing numbers of votes, got {looks!r}")
    return around(Fraction(probability(alpha, "alpha", open=True)))


LIMIT_CONFIDENCE = Claim(
    name="vote-limit-confidence",
    source="clopper1934, used by levine2020, section 5",
    formula=lambda: (
        r"P_p\bigl(\underline{p}(X) \le p\bigr) \ge 1 - \alpha,\quad X \sim \mathrm{Bin}(n, p)"
    ),
    relation=">=",
    value=limit_confidence,
    enclosure=_read_limit,
    broken_hypotheses=lambda n, alpha, p: broken(lambda: _read_limit(n, alpha, p)),
    possible=A_PROBABILITY,
)
CERTIFICATE_CONFIDENCE = Claim(
    name="certificate-confidence",
    source="levine2020, section 5",
    formula=lambda: (
        r"P\bigl(\underline{p}_A \le p_A,\ \max_{j \ne A} p_j \le \overline{p}\bigr) \ge 1 - \alpha"
    ),
    relation=">=",
    value=certificate_confidence,
    enclosure=_read_certificate,
    broken_hypotheses=lambda probabilities, n, pilot, alpha, rule=ALL_RIVALS: broken(
        lambda: _read_certificate(probabilities, n, pilot, alpha, rule)
    ),
    possible=A_PROBABILITY,
)
SEQUENTIAL_ERROR = Claim(
    name="sequential-error",
    source="ville1939, for Bernoulli votes",
    formula=lambda: r"P_p\bigl(\sup_n E_n \ge 1/\alpha\bigr) \le \alpha",
    relation="<=",
    value=sequential_error,
    enclosure=_read_sequence,
    broken_hypotheses=lambda p, alpha, looks: broken(lambda: _read_sequence(p, alpha, looks)),
    possible=A_PROBABILITY,
)
