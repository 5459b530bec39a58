"""From adversarial risk on a sample to the population, for a whole class of classifiers."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from robust_theory.arguments import broken, exact_rational, positive_integer, probability
from robust_theory.arithmetic import enclose
from robust_theory.claim import A_DISTANCE, Claim, Interval

_U = 2.0**-53


def adversarial_generalisation_gap(
    beta: Any, rademacher: Any, entropy_integral: Any, bound: Any, n: Any, delta: Any
) -> float:
    """With probability 1 - delta, no classifier's risk exceeds that on the sample by more.

    The risk is the mean of ``beta * loss + greatest loss in the ball``; the gap is
    ``2 beta R + 24 J / sqrt(n) + (1 + beta) M sqrt(log(1/delta) / (2n))``. Rounded up.

    Parameters
    ----------
    beta : number
        Weight of the loss without attack, at least 0.
    rademacher : number
        R, the Rademacher complexity of the losses on n points.
    entropy_integral : number
        J, the integral over u from 0 to M of sqrt(log of the covering number at scale u) of the
        losses in the supremum norm. It serves the greatest losses too, since taking the greatest
        in a ball is 1-Lipschitz in that norm.
    bound : number
        M: the losses lie in [0, M].
    n : int
        Independent draws.
    delta : number
        Error probability, strictly between 0 and 1.

    Source: li2021, Theorem 3, whose factor beta is missing and whose constant c is undefined.
    """
    numbers, size, level = _read(beta, rademacher, entropy_integral, bound, n, delta)
    b, R, J, M = (float(x) for x in numbers)
    slack = (1 + b) * M * math.sqrt(-math.log(float(level)) / (2 * size))
    return (2 * b * R + 24 * J / math.sqrt(size) + slack) * (1 + 16 * _U)


def _read(
    beta: Any, rademacher: Any, entropy_integral: Any, bound: Any, n: Any, delta: Any
) -> tuple[list[Fraction], int, Fraction]:
    names = ("beta", "rademacher", "entropy_integral", "bound")
    values = (beta, rademacher, entropy_integral, bound)
    numbers = [exact_rational(x, name) for x, name in zip(values, names, strict=True)]
    for x, name in zip(numbers, names, strict=True):
        if x < 0:
            raise ValueError(f"{name} must be at least 0, got {float(x)}")
    return numbers, positive_integer(n, "n"), probability(delta, "delta", open=True)


def _gap(m: Any, b: Any, R: Any, J: Any, M: Any, n: Any, delta: Any) -> Any:
    slack = m.number((1 + b) * M) * m.sqrt(-m.log(delta) / (2 * n))
    return m.number(2 * b * R) + m.number(24 * J) / m.sqrt(n) + slack


def _enclosure(**arguments: Any) -> Interval:
    numbers, size, level = _read(**arguments)
    if not numbers[3] and not numbers[2] and not numbers[0] * numbers[1]:
        return Interval(0.0, 0.0)
    return enclose(_gap, *numbers, size, level)


ADVERSARIAL_GENERALISATION = Claim(
    name="adversarial-generalisation",
    source="li2021, Theorem 3, corrected",
    formula=lambda: (
        r"P\Bigl(R - R_n \le 2\beta\,\mathcal{R}_n + \frac{24 J}{\sqrt{n}}"
        r" + (1+\beta)M\sqrt{\frac{\log(1/\delta)}{2n}}\Bigr) \ge 1-\delta"
    ),
    relation="<=",
    value=adversarial_generalisation_gap,
    enclosure=_enclosure,
    broken_hypotheses=lambda **arguments: broken(lambda: _read(**arguments)),
    possible=A_DISTANCE,
)
