"""A generator for each label: the adversarial risk that no classifier can avoid, given its errors.

Images of label y are g_y(z) with z ~ N(0, I) and g_y Lipschitz with constant L_y. A classifier with
the error alpha_y on label y errs within eps with probability Phi(Phi^-1(alpha_y) + eps / L_y) or
more: the eps / L_y-neighbourhood of a set of measure alpha_y has no less.
"""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations
from typing import Any

import numpy as np

from robust_theory import isoperimetry
from robust_theory.arguments import (
    Floats,
    broken,
    budgets,
    exact_measures,
    exact_rational,
    probability,
)
from robust_theory.arithmetic import enclose, statement
from robust_theory.claim import A_PROBABILITY, Claim, Interval

_U = 2.0**-53
_Label = tuple[Fraction, Fraction, Fraction]


def conditional_adversarial_risk(priors: Any, errors: Any, lipschitz: Any, eps: Any) -> Any:
    """Lower bound on the risk within eps: sum_y p_y Phi(Phi^-1(alpha_y) + eps / L_y).

    Parameters
    ----------
    priors : sequence (K,)
        p_y, the probability of each label.
    errors : sequence (K,)
        alpha_y, the classifier's error on each label, or lower limits of them.
    lipschitz : sequence (K,)
        L_y > 0, image distance per unit of L2 latent distance, or upper limits.
    eps : number or array
        Budgets, distance in image space, at least 0.

    Returns
    -------
    float or array, in the shape of `eps`
        Rounded down, within 1e-14 absolutely; attained by linear generators and half-spaces.

    Raises
    ------
    ValueError
        If the lengths differ, or an argument is not as described.

    Notes
    -----
    Source: fawzi2018, Theorem 4, for a generator per label.
    """
    labels, budget = _labels(priors, errors, lipschitz), budgets(eps)
    total = np.zeros(budget.size)
    for p, alpha, L in labels:
        total += float(p) * _grown(alpha, L, budget.ravel())
    slack = (8 + len(labels)) * _U
    return isoperimetry.shaped(np.maximum(total * (1 - slack), 0), budget)


def least_conditional_adversarial_risk(priors: Any, error: Any, lipschitz: Any, eps: Any) -> float:
    """The least `conditional_adversarial_risk` of all errors with the given average.

    The risk is concave in the errors, so it is least at an extreme point: some labels always
    wrong, at most one of the others sometimes. All of them are tried, for up to 14 labels.

    Parameters
    ----------
    priors : sequence (K,)
        p_y, the probability of each label, K <= 14.
    error : number
        The classifier's error, sum_y p_y alpha_y, or a lower limit of it.
    lipschitz : sequence (K,)
        As for `conditional_adversarial_risk`.
    eps : number
        Budget, distance in image space, at least 0.

    Returns
    -------
    float
        Rounded down, within 1e-14 absolutely.

    Raises
    ------
    ValueError
        If there are more than 14 labels, or an argument is not as described.
    """
    alpha = probability(error, "error")
    labels = _labels(priors, [0] * len(list(priors)), lipschitz)
    if len(labels) > 14:
        raise ValueError(f"priors must have at most 14 labels, got {len(labels)}")
    return min(
        float(conditional_adversarial_risk(priors, errors, lipschitz, eps))
        for errors in _extreme_points([p for p, _, _ in labels], alpha)
    )


def _extreme_points(priors: list[Fraction], average: Fraction) -> list[list[Fraction]]:
    everyone = range(len(priors))
    points = []
    for size in range(len(priors) + 1):
        for wrong in combinations(everyone, size):
            rest = average - sum((priors[i] for i in wrong), Fraction(0))
            if rest < 0:
                continue
            base = [Fraction(int(i in wrong)) for i in everyone]
            if rest == 0:
                points.append(base)
            points += [
                [*base[:i], rest / priors[i], *base[i + 1 :]]
                for i in everyone
                if i not in wrong and 0 < rest <= priors[i]
            ]
    return points


def _grown(alpha: Fraction, L: Fraction, eps: Floats) -> Floats:
    """Phi(Phi^-1(alpha) + eps / L), rounded down."""
    if alpha in (0, 1):
        return np.full(eps.shape, float(alpha))
    # One minus what is kept of a set of measure 1 - alpha.
    t = eps / float(L) * (1 - 4 * _U)
    grown = isoperimetry.margin([(1 - alpha, 1)], Fraction(0), t)
    return np.maximum(grown, isoperimetry.rounded(alpha, -1))


def _labels(priors: Any, errors: Any, lipschitz: Any) -> list[_Label]:
    exact_measures(priors)
    p = [exact_rational(value, "priors") for value in priors]
    scale = sum(p, Fraction(0))
    alpha = [probability(value, "errors") for value in _sequence(errors, "errors")]
    L = [exact_rational(value, "lipschitz") for value in _sequence(lipschitz, "lipschitz")]
    if not len(p) == len(alpha) == len(L):
        raise ValueError(
            "priors, errors and lipschitz must have one number per label, "
            f"got {len(p)}, {len(alpha)} and {len(L)}"
        )
    if min(L) <= 0:
        raise ValueError(f"lipschitz must be positive, got {float(min(L))}")
    return [(value / scale, a, constant) for value, a, constant in zip(p, alpha, L, strict=True)]


def _sequence(values: Any, name: str) -> list[Any]:
    if isinstance(values, str) or not np.iterable(values):
        raise ValueError(f"{name} must be a sequence of numbers, got {values!r}")
    return list(values)


def _risk(m: Any, labels: Any, eps: Any) -> Any:
    def term(label: Any) -> Any:
        p, alpha, L = label
        if alpha in (0, 1):
            return m.number(p * alpha)
        return m.number(p) * m.sf(m.isf(alpha) - m.number(eps) / m.number(L))

    return m.sum(term, labels)


def _print() -> str:
    names = ("p_", r"\alpha_", "L_", r"\varepsilon")
    return statement(
        r"R_\varepsilon \ge",
        lambda m, p, alpha, L, e: m.sum(
            lambda i: p[i] * m.cdf(-m.isf(alpha[i]) + e / L[i]), _Positions()
        ),
        *names,
    )


class _Positions:
    """Indexed by a class, gives the class: for sums over several families."""

    def __getitem__(self, i: Any) -> Any:
        return i


def _enclosure(priors: Any, errors: Any, lipschitz: Any, eps: Any) -> Interval:
    labels, e = _labels(priors, errors, lipschitz), float(budgets(eps))
    if e == math.inf or all(alpha == 0 for _, alpha, _ in labels):
        value = sum((p for p, alpha, _ in labels if alpha > 0), Fraction(0))
        return Interval(isoperimetry.rounded(value, -1), isoperimetry.rounded(value, 1))
    numbers = [(label, 1) for label in labels]
    return enclose(_risk, numbers, exact_rational(eps), within=A_PROBABILITY)


CONDITIONAL_ADVERSARIAL_RISK = Claim(
    name="conditional-adversarial-risk",
    source="fawzi2018, Theorem 4, for a generator per label",
    formula=_print,
    relation=">=",
    value=conditional_adversarial_risk,
    enclosure=_enclosure,
    broken_hypotheses=lambda priors, errors, lipschitz, eps: broken(
        lambda: _labels(priors, errors, lipschitz), lambda: budgets(eps)
    ),
    possible=A_PROBABILITY,
)
