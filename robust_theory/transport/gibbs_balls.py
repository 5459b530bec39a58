"""Values of Gibbs plans in ball arithmetic: for enclosures, and for certificates of doubles."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from robust_theory.arguments import Floats, exact_rational

Rows = list[list[Fraction]]


def exact_problem(p: Any, losses: Any, reference: Any) -> tuple[list[Fraction], Rows, Rows]:
    """Weights, losses and reference as rationals; weights and rows divided by their sums."""
    weights = [exact_rational(x) for x in np.asarray(p, object).ravel()]
    tables = [
        [[exact_rational(x) for x in row] for row in np.asarray(table, object)]
        for table in (losses, reference)
    ]
    total = sum(weights, Fraction(0))
    rows = [[x / sum(row, Fraction(0)) for x in row] for row in tables[1]]
    return [x / total for x in weights], tables[0], rows


def free_energy_ball(m: Any, losses: list[Fraction], rate: Fraction, q: list[Fraction]) -> Any:
    """Ball around the free energy of one point, for a positive rate."""
    reached = [(x, y) for x, y in zip(losses, q, strict=True) if y]
    shift = max(x for x, _ in reached)
    mass = sum((m.number(y) * m.exp(rate * (x - shift)) for x, y in reached), m.number(0))
    return m.number(shift) + m.log(mass) / m.number(rate)


def value_ball(m: Any, weights: list[Fraction], losses: Rows, rate: Fraction, rows: Rows) -> Any:
    """Ball around the mean of the free energies."""
    terms = (
        m.number(w) * free_energy_ball(m, l, rate, q)
        for w, l, q in zip(weights, losses, rows, strict=True)
    )
    return sum(terms, m.number(0))


def primal_ball(m: Any, p: Floats, losses: Floats, lam: float, q: Floats, plan: Floats) -> Any:
    """Ball around the value of a plan of doubles, its rows rescaled to the weights."""
    rate, total = m.number(Fraction(lam)), m.number(0)
    weights = _rational(p)
    for i, w in enumerate(weights):
        row, reference = _rational(plan[i]), _rational(q[i])
        mass, whole = sum(row, Fraction(0)), sum(reference, Fraction(0))
        if not w or not mass:
            continue
        inner = m.number(0)
        for x, y, l in zip(row, reference, _rational(losses[i]), strict=True):
            if x:
                inner += m.number(x / mass * l)
                if lam:
                    inner -= m.number(x / mass) * m.log(x / mass * whole / y) / rate
        total += m.number(w / sum(weights)) * inner
    return total


def dual_ball(m: Any, p: Floats, losses: Floats, lam: float, q: Floats, potentials: Floats) -> Any:
    """Ball around the dual value at potentials of doubles."""
    rate, total = Fraction(lam), m.number(0)
    weights = _rational(p)
    for i, (w, alpha) in enumerate(zip(weights, _rational(potentials), strict=True)):
        reference = _rational(q[i])
        whole, excess = sum(reference, Fraction(0)), m.number(0)
        for y, l in zip(reference, _rational(losses[i]), strict=True):
            if y and rate:
                excess += m.number(y / whole) * (m.exp(rate * (l - alpha)) - 1) / m.number(rate)
            elif y:
                excess += m.number(y / whole * (l - alpha))
        total += m.number(w / sum(weights)) * (m.number(alpha) + excess)
    return total


def _rational(array: Floats) -> list[Fraction]:
    return [Fraction(x) for x in array.tolist()]
