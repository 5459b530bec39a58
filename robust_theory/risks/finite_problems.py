"""Finite classification problems with an adversary, and the risks of classifiers, exactly.

A finite problem is a list of atoms (input, label, weight) and, for every input, the inputs that
the adversary can turn it into. A classifier is the list of its labels on all inputs. All risks are
expectations of the 0-1 loss, and rational numbers.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from numbers import Integral
from typing import Any

from robust_theory.arguments import exact_rational, positive_integer

_MOST = 1 << 14  # classifiers that are tried when all functions are meant


@dataclass(frozen=True)
class FiniteProblem:
    """Atoms and what the adversary can do.

    Parameters
    ----------
    points : tuple of int (n,)
        The input of each atom.
    labels : tuple of int (n,)
        Its label.
    weights : tuple of Fraction (n,)
        Its probability; they sum to 1.
    neighbours : tuple of tuples
        For each of the m inputs those that it can be turned into, itself included.
    """

    points: tuple[int, ...]
    labels: tuple[int, ...]
    weights: tuple[Fraction, ...]
    neighbours: tuple[tuple[int, ...], ...]

    def sampled(self, atoms: Sequence[int]) -> FiniteProblem:
        """The empirical problem of a sample, given as indices of atoms, with repetitions."""
        if not len(atoms) or not all(_is_index(a, len(self.points)) for a in atoms):
            raise ValueError(f"sample must be indices below {len(self.points)}, got {atoms!r}")
        share = Fraction(1, len(atoms))
        return FiniteProblem(
            tuple(self.points[a] for a in atoms),
            tuple(self.labels[a] for a in atoms),
            (share,) * len(atoms),
            self.neighbours,
        )


def finite_problem(points: Any, labels: Any, neighbours: Any, weights: Any = None) -> FiniteProblem:
    """Read a finite problem.

    Parameters
    ----------
    points, labels : sequence (n,)
        Input, from 0, and label of each atom; an input may occur with several labels.
    neighbours : sequence of sequences
        For each input the inputs that the adversary can turn it into. Itself is always one.
    weights : sequence (n,), optional
        Probabilities up to a factor; equal by default.

    Raises
    ------
    ValueError
        If an input does not exist, sizes differ, or the weights are not nonnegative numbers.
    """
    reach = _neighbours(neighbours)
    where = tuple(_index(x, len(reach), "points") for x in read_sequence(points, "points"))
    what = tuple(_integer(y, "labels") for y in read_sequence(labels, "labels"))
    given = [1] * len(where) if weights is None else read_sequence(weights, "weights")
    exact = [exact_rational(w, "weights") for w in given]
    if not len(where) == len(what) == len(exact) >= 1:
        raise ValueError(
            "points, labels and weights must be equally long and not empty, "
            f"got {len(where)}, {len(what)} and {len(exact)}"
        )
    total = sum(exact, Fraction(0))
    if min(exact) < 0 or total == 0:
        raise ValueError(f"weights must be at least 0 and not all 0, got {weights!r}")
    return FiniteProblem(where, what, tuple(w / total for w in exact), reach)


def benign_risk(problem: FiniteProblem, predictions: Any) -> Fraction:
    """P(h(X) != Y)."""
    h = read_predictions(problem, predictions)
    return mass(problem, (h[x] != y for x, y in atoms(problem)))


def adversarial_risk(problem: FiniteProblem, predictions: Any) -> Fraction:
    """P(h(x') != Y for some x' that X can be turned into)."""
    h, reach = read_predictions(problem, predictions), problem.neighbours
    return mass(problem, (any(h[z] != y for z in reach[x]) for x, y in atoms(problem)))


def boundary_risk(problem: FiniteProblem, predictions: Any) -> Fraction:
    """P(h(X) = Y, and h(x') != h(X) for some x' that X can be turned into)."""
    h, reach = read_predictions(problem, predictions), problem.neighbours
    return mass(
        problem,
        (h[x] == y and any(h[z] != h[x] for z in reach[x]) for x, y in atoms(problem)),
    )


def atoms(problem: FiniteProblem) -> Iterable[tuple[int, int]]:
    """Input and label of each atom."""
    return zip(problem.points, problem.labels, strict=True)


def mass(problem: FiniteProblem, events: Iterable[bool]) -> Fraction:
    """Probability of the atoms on which the event happens."""
    return sum(
        (w for w, happens in zip(problem.weights, events, strict=True) if happens), Fraction(0)
    )


def read_sequence(values: Any, name: str) -> list[Any]:
    """Read a sequence, or raise ValueError naming it."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ValueError(f"{name} must be a sequence, got {values!r}")
    return list(values)


def _integer(value: Any, name: str) -> int:
    number = exact_rational(value, name)
    if number.denominator != 1:
        raise ValueError(f"{name} must be integers, got {value!r}")
    return int(number)


def _is_index(value: Any, size: int) -> bool:
    whole = not isinstance(value, bool) and isinstance(value, Integral)
    return whole and 0 <= int(value) < size


def _index(value: Any, size: int, name: str) -> int:
    index = _integer(value, name)
    if not 0 <= index < size:
        raise ValueError(f"{name} must name inputs from 0 to {size - 1}, got {value!r}")
    return index


def _neighbours(neighbours: Any) -> tuple[tuple[int, ...], ...]:
    rows = [read_sequence(row, "neighbours") for row in read_sequence(neighbours, "neighbours")]
    size = positive_integer(len(rows), "number of inputs")
    return tuple(
        tuple(sorted({x, *(_index(z, size, "neighbours") for z in row)}))
        for x, row in enumerate(rows)
    )


def read_predictions(problem: FiniteProblem, predictions: Any) -> list[int]:
    """Read a classifier: a label on each input."""
    h = [_integer(y, "predictions") for y in read_sequence(predictions, "predictions")]
    if len(h) != len(problem.neighbours):
        raise ValueError(
            f"predictions must be one label for each of {len(problem.neighbours)} inputs, "
            f"got {len(h)}"
        )
    return h


def read_hypotheses(problem: FiniteProblem, hypotheses: Any) -> list[Any]:
    """Read a class of classifiers; None stands for all functions into the labels that occur."""
    if hypotheses is not None:
        H = [read_predictions(problem, h) for h in read_sequence(hypotheses, "hypotheses")]
        if not H:
            raise ValueError("hypotheses must contain at least one classifier, got none")
        return H
    labels = sorted(set(problem.labels))
    inputs = len(problem.neighbours)
    if len(labels) ** inputs > _MOST:
        raise ValueError(
            f"hypotheses must be given: there are {len(labels)}^{inputs} functions, too many"
        )
    return list(itertools.product(labels, repeat=inputs))
