"""What a sample proves of every classifier: on itself, and with confidence on its population."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Protocol

import numpy as np

from robust_theory.arguments import broken, positive_integer, probability
from robust_theory.arithmetic import around, enclose
from robust_theory.claim import A_PROBABILITY, Claim, Interval
from robust_theory.risks.risk import OptimalRisk, optimal_risk_of_relation
from robust_theory.risks.weights import Weights, two_class_weights


class Certified(Protocol):
    """A result that `population_lower_bound` can read."""

    @property
    def lower(self) -> Fraction:
        """A lower bound on every classifier's risk on the sample."""

    @property
    def weights(self) -> Weights:
        """Weights of the sample's points."""


def population_lower_bound(result: Certified, delta: Any) -> float:
    """Adversarial risk that every classifier has on the population, with probability 1 - delta.

    L* of the sample, less ``sqrt(log(1 / delta) / 2 * sum of squared weights)``, and never below
    0; rounded down. The points of each class must be independent draws from it, or all points
    independent draws with their labels; the classifier may be trained on them.
    """
    level = probability(delta, "delta", open=True)
    bound = enclose(_population, result.lower, result.weights.sum_of_squares, level)
    return max(0.0, bound.lo)


def _population(m: Any, lower: Any, squares: Any, delta: Any) -> Any:
    return m.number(lower) - m.sqrt(-m.log(delta) / 2 * m.number(squares))


def conflict_risk(conflicts: Any, n0: int, n1: int, prior0: Any = 0.5) -> float:
    """The optimal risk of n0 and n1 samples, alike inside each class, from their conflicts.

    Parameters
    ----------
    conflicts : sequence of pairs
        ``(i, j)`` where samples i of class 0 and j of class 1 have a possible input in common.
    n0, n1 : int
        Sizes of the two samples.
    prior0 : number
        Weight of class 0.
    """
    return float(_solved(conflicts, n0, n1, prior0).risk)


def conflict_risk_limit(conflicts: Any, n0: int, n1: int, delta: Any, prior0: Any = 0.5) -> float:
    """`population_lower_bound` of `conflict_risk`."""
    return population_lower_bound(_solved(conflicts, n0, n1, prior0), delta)


def held_out_limit(
    conflicts: Any, n0: int, n1: int, m0: int, m1: int, delta: Any, prior0: Any = 0.5
) -> float:
    """Adversarial risk of every classifier on a fresh sample, with probability 1 - delta.

    L* of the sample that the classifier may be trained on, less
    ``sqrt(log(2 / delta) / 2 * sum of squared weights)`` for that sample (McDiarmid) and again for
    the fresh one (Hoeffding); at least 0, rounded down.

    Parameters
    ----------
    conflicts, n0, n1, prior0
        The first sample, as in `conflict_risk`.
    m0, m1 : int
        Sizes of the fresh samples of the classes, independent draws.
    delta : number
        Strictly between 0 and 1; either slack fails with half of it at most.
    """
    squares, level = _fresh(m0, m1, delta, prior0)
    result = _solved(conflicts, n0, n1, prior0)
    bound = enclose(_held_out, result.lower, result.weights.sum_of_squares, squares, level)
    return max(0.0, bound.lo)


def _fresh(m0: int, m1: int, delta: Any, prior0: Any) -> tuple[Fraction, Fraction]:
    sizes = positive_integer(m0, "m0"), positive_integer(m1, "m1")
    weights = two_class_weights(sizes, None, None, prior0)
    return weights.sum_of_squares, probability(delta, "delta", open=True)


def _held_out(m: Any, lower: Any, squares: Any, fresh: Any, delta: Any) -> Any:
    log = -m.log(delta / 2) / 2
    return m.number(lower) - m.sqrt(log * m.number(squares)) - m.sqrt(log * m.number(fresh))


def _held_out_enclosure(
    conflicts: Any, n0: int, n1: int, m0: int, m1: int, delta: Any, prior0: Any = 0.5
) -> Interval:
    fresh, level = _fresh(m0, m1, delta, prior0)
    result = _proved(conflicts, n0, n1, prior0)
    bound = enclose(_held_out, result.risk, result.weights.sum_of_squares, fresh, level)
    return Interval(max(0.0, bound.lo), max(0.0, bound.hi))


def _held_out_broken(
    conflicts: Any, n0: int, n1: int, m0: int, m1: int, delta: Any, prior0: Any = 0.5
) -> tuple[str, ...]:
    return broken(lambda: _solved(conflicts, n0, n1, prior0), lambda: _fresh(m0, m1, delta, prior0))


def _solved(conflicts: Any, n0: int, n1: int, prior0: Any) -> OptimalRisk:
    from scipy.sparse import csr_array

    sizes = positive_integer(n0, "n0"), positive_integer(n1, "n1")
    pairs = np.asarray(conflicts, np.int64).reshape(-1, 2)
    if len(pairs) and not ((pairs >= 0) & (pairs < sizes)).all():
        wrong = pairs[((pairs < 0) | (pairs >= sizes)).any(axis=1)][0].tolist()
        raise ValueError(f"conflicts must be pairs of samples below {sizes}, got {wrong}")
    pairs = np.unique(pairs, axis=0)
    relation = csr_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=sizes)
    return optimal_risk_of_relation(relation, prior0=prior0)


def _proved(conflicts: Any, n0: int, n1: int, prior0: Any) -> OptimalRisk:
    """The same, its matching and its cover checked without the solver."""
    result = _solved(conflicts, n0, n1, prior0)
    if not result.verify():
        raise ArithmeticError("; ".join(result.problems()))
    return result


def _enclosure(conflicts: Any, n0: int, n1: int, prior0: Any = 0.5) -> Interval:
    return around(_proved(conflicts, n0, n1, prior0).risk)


def _limit_enclosure(conflicts: Any, n0: int, n1: int, delta: Any, prior0: Any = 0.5) -> Interval:
    result = _proved(conflicts, n0, n1, prior0)
    level, squares = probability(delta, "delta", open=True), result.weights.sum_of_squares
    bound = enclose(_population, result.risk, squares, level)
    return Interval(max(0.0, bound.lo), max(0.0, bound.hi))


def _broken(
    conflicts: Any, n0: int, n1: int, delta: Any = 0.5, prior0: Any = 0.5
) -> tuple[str, ...]:
    return broken(
        lambda: _solved(conflicts, n0, n1, prior0), lambda: probability(delta, "delta", open=True)
    )


_COUPLED = (
    r"\max\Bigl\{\sum_{(i,j)\in E} \gamma_{ij} : \gamma \ge 0,\ "
    r"\sum_j \gamma_{ij} \le \tfrac{\pi_0}{n_0},\ "
    r"\sum_i \gamma_{ij} \le \tfrac{\pi_1}{n_1}\Bigr\}"
)
EVERY_CLASSIFIER = Claim(
    name="sample-risk-of-every-classifier",
    source="bhagoji2019, Theorem 1; chapter17, section 17.6.6",
    formula=lambda: r"\hat R_\varepsilon(h) \ge " + _COUPLED,
    relation=">=",
    value=conflict_risk,
    enclosure=_enclosure,
    broken_hypotheses=_broken,
    possible=A_PROBABILITY,
)
OPTIMAL_CLASSIFIER = Claim(
    name="sample-risk-of-the-optimal-classifier",
    source="bhagoji2019, Theorem 1; chapter17, section 17.6.6",
    formula=lambda: r"\min_h \hat R_\varepsilon(h) = " + _COUPLED,
    relation="==",
    value=conflict_risk,
    enclosure=_enclosure,
    broken_hypotheses=_broken,
    possible=A_PROBABILITY,
)
POPULATION_RISK = Claim(
    name="population-risk-of-every-classifier",
    source="chapter17, section 17.6.6, with McDiarmid's inequality",
    formula=lambda: (
        r"P\Bigl(\inf_h R_\varepsilon(h) \ge \hat L^* - \sqrt{\tfrac{\ln(1/\delta)}{2}"
        r"\bigl(\tfrac{\pi_0^2}{n_0}+\tfrac{\pi_1^2}{n_1}\bigr)}\Bigr) \ge 1-\delta"
    ),
    relation=">=",
    value=conflict_risk_limit,
    enclosure=_limit_enclosure,
    broken_hypotheses=_broken,
    possible=A_PROBABILITY,
)
HELD_OUT_RISK = Claim(
    name="held-out-risk-of-every-classifier",
    source="chapter17, section 17.6.6, with the inequalities of McDiarmid and Hoeffding",
    formula=lambda: (
        r"P\Bigl(\hat R'_\varepsilon(h) \ge \hat L^* - \sqrt{\tfrac{\ln(2/\delta)}{2}"
        r"\bigl(\tfrac{\pi_0^2}{n_0}+\tfrac{\pi_1^2}{n_1}\bigr)}"
        r" - \sqrt{\tfrac{\ln(2/\delta)}{2}"
        r"\bigl(\tfrac{\pi_0^2}{m_0}+\tfrac{\pi_1^2}{m_1}\bigr)}\Bigr) \ge 1-\delta"
    ),
    relation=">=",
    value=held_out_limit,
    enclosure=_held_out_enclosure,
    broken_hypotheses=_held_out_broken,
    possible=A_PROBABILITY,
)
