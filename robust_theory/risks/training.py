"""Adversarial risk in finite problems, and the parts that it has.

Benign and boundary risk add up to it; for the minimiser of the risk on a sample, optimal risk and
optimisation error do. What they are for a given problem is computed exactly.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from robust_theory.arguments import broken
from robust_theory.arithmetic import around
from robust_theory.claim import A_PROBABILITY, Claim, Interval
from robust_theory.risks.finite_problems import (
    FiniteProblem,
    adversarial_risk,
    atoms,
    benign_risk,
    boundary_risk,
    finite_problem,
    mass,
    read_hypotheses,
    read_predictions,
    read_sequence,
)


@dataclass(frozen=True)
class RiskParts:
    """The adversarial risk of the empirical risk minimiser, taken apart.

    Parameters
    ----------
    minimiser : int
        Index of the hypothesis of least adversarial risk on the sample, the first of several.
    risk, empirical_risk : Fraction
        Its adversarial risk on the problem and on the sample.
    optimal_risk : Fraction
        The least adversarial risk of a hypothesis on the problem: intrinsic to problem and class.
    """

    minimiser: int
    risk: Fraction
    empirical_risk: Fraction
    optimal_risk: Fraction

    @property
    def optimisation_error(self) -> Fraction:
        """Risk less optimal risk. What learning theory calls the excess risk; at least 0."""
        return self.risk - self.optimal_risk

    @property
    def generalisation_gap(self) -> Fraction:
        """Risk on the problem less risk on the sample; may have either sign."""
        return self.risk - self.empirical_risk


@dataclass(frozen=True)
class RobustnessPrice:
    """What the adversary costs the best hypothesis.

    Parameters
    ----------
    benign, adversarial : Fraction
        Least benign and least adversarial risk over the hypotheses.
    witness : int or None
        A hypothesis of least benign risk without boundary risk. The two numbers are equal if and
        only if there is one.
    """

    benign: Fraction
    adversarial: Fraction
    witness: int | None


def risk_parts(problem: FiniteProblem, sample: Sequence[int], hypotheses: Any) -> RiskParts:
    """Take the risk of empirical adversarial risk minimisation apart.

    Parameters
    ----------
    problem : FiniteProblem
        The population.
    sample : sequence of int
        Indices of the atoms that were drawn, with repetitions.
    hypotheses : sequence of classifiers
        The class H, each a sequence of labels on all inputs; None for all functions.

    Notes
    -----
    Source: chapter17, section 17.6.1.
    """
    H, drawn = read_hypotheses(problem, hypotheses), problem.sampled(sample)
    on_sample = [adversarial_risk(drawn, h) for h in H]
    risks = [adversarial_risk(problem, h) for h in H]
    best = on_sample.index(min(on_sample))
    return RiskParts(best, risks[best], on_sample[best], min(risks))


def robustness_price(problem: FiniteProblem, hypotheses: Any = None) -> RobustnessPrice:
    """Compare the least benign with the least adversarial risk, and say when they are equal.

    As x' = x is allowed, no classifier's adversarial risk is below its benign one, and they are
    equal if and only if it has no boundary risk. So the least ones are equal if and only if some
    hypothesis of least benign risk has none; that neighbourhoods overlap is not enough.
    """
    H = read_hypotheses(problem, hypotheses)
    benign = [benign_risk(problem, h) for h in H]
    least = min(benign)
    witnesses = (
        k for k, h in enumerate(H) if benign[k] == least and boundary_risk(problem, h) == 0
    )
    adversarial = min(adversarial_risk(problem, h) for h in H)
    return RobustnessPrice(least, adversarial, next(witnesses, None))


def natural_and_boundary_risk(
    predictions: Any, points: Any, labels: Any, neighbours: Any, weights: Any = None
) -> float:
    """The sum of benign and boundary risk, which is the adversarial risk.

    Parameters
    ----------
    predictions : sequence (m,)
        The classifier's label on each input.
    points, labels, neighbours, weights
        As for `finite_problem`.
    """
    problem = finite_problem(points, labels, neighbours, weights)
    return float(benign_risk(problem, predictions) + boundary_risk(problem, predictions))


def least_benign_risk(
    hypotheses: Any, points: Any, labels: Any, neighbours: Any, weights: Any = None
) -> float:
    """The least benign risk of the hypotheses: none has a lower adversarial risk."""
    return float(
        robustness_price(finite_problem(points, labels, neighbours, weights), hypotheses).benign
    )


def excess_risk_bound(
    hypotheses: Any,
    sample: Any,
    points: Any,
    labels: Any,
    neighbours: Any,
    weights: Any = None,
) -> float:
    """Twice the largest generalisation gap in the class, and at most 1.

    The optimisation error of the minimiser on the sample is not above it.
    """
    problem = finite_problem(points, labels, neighbours, weights)
    return float(_twice_largest_gap(problem, read_sequence(sample, "sample"), hypotheses))


def _twice_largest_gap(problem: FiniteProblem, sample: Sequence[int], hypotheses: Any) -> Fraction:
    drawn = problem.sampled(sample)
    twice = 2 * max(
        abs(adversarial_risk(problem, h) - adversarial_risk(drawn, h))
        for h in read_hypotheses(problem, hypotheses)
    )
    return min(twice, Fraction(1))


def _decomposition_enclosure(
    predictions: Any, points: Any, labels: Any, neighbours: Any, weights: Any = None
) -> Interval:
    """One less the robust accuracy: the mass of atoms whose whole neighbourhood is right."""
    problem = finite_problem(points, labels, neighbours, weights)
    h = read_predictions(problem, predictions)
    right = [{h[z] for z in problem.neighbours[x]} == {y} for x, y in atoms(problem)]
    return around(1 - mass(problem, right))


def _decomposition_broken(
    predictions: Any, points: Any, labels: Any, neighbours: Any, weights: Any = None
) -> tuple[str, ...]:
    return broken(
        lambda: natural_and_boundary_risk(predictions, points, labels, neighbours, weights)
    )


def _benign_enclosure(
    hypotheses: Any, points: Any, labels: Any, neighbours: Any, weights: Any = None
) -> Interval:
    """One less the greatest accuracy."""
    problem = finite_problem(points, labels, neighbours, weights)
    accuracies = [
        mass(problem, [h[x] == y for x, y in atoms(problem)])
        for h in read_hypotheses(problem, hypotheses)
    ]
    return around(1 - max(accuracies))


def _benign_broken(
    hypotheses: Any, points: Any, labels: Any, neighbours: Any, weights: Any = None
) -> tuple[str, ...]:
    return broken(lambda: least_benign_risk(hypotheses, points, labels, neighbours, weights))


def _excess_enclosure(
    hypotheses: Any,
    sample: Any,
    points: Any,
    labels: Any,
    neighbours: Any,
    weights: Any = None,
) -> Interval:
    """From the signed differences of the atoms' probabilities and their frequencies."""
    problem = finite_problem(points, labels, neighbours, weights)
    drawn = read_sequence(sample, "sample")
    problem.sampled(drawn)
    surplus = [w - Fraction(drawn.count(k), len(drawn)) for k, w in enumerate(problem.weights)]
    gaps = []
    for h in read_hypotheses(problem, hypotheses):
        wrong = [any(h[z] != y for z in problem.neighbours[x]) for x, y in atoms(problem)]
        gaps.append(abs(sum(itertools.compress(surplus, wrong), Fraction(0))))
    return around(min(2 * max(gaps), Fraction(1)))


def _excess_broken(
    hypotheses: Any,
    sample: Any,
    points: Any,
    labels: Any,
    neighbours: Any,
    weights: Any = None,
) -> tuple[str, ...]:
    return broken(
        lambda: excess_risk_bound(hypotheses, sample, points, labels, neighbours, weights)
    )


RISK_DECOMPOSITION = Claim(
    name="adversarial-risk-decomposition",
    source="zhang2019, section 3.1; chapter17, section 17.3.1",
    formula=lambda: r"R_N(h) = P(h(X) \ne Y) + P(h(X) = Y,\ \exists x' \in N(X): h(x') \ne h(X))",
    relation="==",
    value=natural_and_boundary_risk,
    enclosure=_decomposition_enclosure,
    broken_hypotheses=_decomposition_broken,
    possible=A_PROBABILITY,
)
BENIGN_BELOW_ADVERSARIAL = Claim(
    name="adversarial-risk-above-benign",
    source="chapter17, section 17.6.2, without its condition for strictness",
    formula=lambda: r"\min_{h \in H} R_N(h) \ge \min_{h \in H} P(h(X) \ne Y)",
    relation=">=",
    value=least_benign_risk,
    enclosure=_benign_enclosure,
    broken_hypotheses=_benign_broken,
    possible=A_PROBABILITY,
)
EXCESS_RISK = Claim(
    name="excess-adversarial-risk",
    source="chapter17, section 17.6.1",
    formula=lambda: (
        r"R_N(\hat h) - \min_{h \in H} R_N(h) \le 2 \max_{h \in H} |R_N(h) - \hat R_N(h)|"
    ),
    relation="<=",
    value=excess_risk_bound,
    enclosure=_excess_enclosure,
    broken_hypotheses=_excess_broken,
    possible=A_PROBABILITY,
)
