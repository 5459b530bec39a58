"""The surrogate bound behind TRADES: margin losses that bound the adversarial risk from above.

Two labels, -1 and 1, and a score s(x) whose sign decides; a score of 0 is wrong. With a margin
loss phi, non-increasing, convex and phi(0) = 1, and psi its calibration function,

    R_N(s) <= R* + psi^-1(R_phi(s) - R*_phi) + E max over x' in N(X) of phi(s(X) s(x') / lambda),

where R* and R*_phi are the least benign risk and the least phi-risk of any score.
"""

from __future__ import annotations

import math
import sys
from fractions import Fraction
from typing import Any, Literal, TypeAlias, get_args

from robust_theory.arguments import broken, exact_rational
from robust_theory.arithmetic import Balls, around, enclose
from robust_theory.claim import A_PROBABILITY, Claim, Interval
from robust_theory.risks.finite_problems import FiniteProblem, atoms, finite_problem, read_sequence

Loss: TypeAlias = Literal["hinge", "exponential", "logistic"]

_U = 2.0**-53


def surrogate_risk_bound(
    scores: Any,
    points: Any,
    labels: Any,
    neighbours: Any,
    weights: Any = None,
    scale: Any = 1,
    loss: Loss = "hinge",
) -> float:
    """Upper bound of the adversarial risk of sign(s), rounded up and at most 1.

    Parameters
    ----------
    scores : sequence (m,)
        s on every input.
    points, labels, neighbours, weights
        As for `finite_problem`, with labels -1 and 1.
    scale : number
        lambda > 0.
    loss : {"hinge", "exponential", "logistic"}
        phi(t): max(0, 1 - t), exp(-t), or log2(1 + exp(-t)), which is cross entropy in bits.
        psi^-1(r) is r, sqrt(r (2 - r)), or sqrt(2 log(2) r) as an upper bound by Pinsker's
        inequality.

    Raises
    ------
    ValueError
        If a label is neither -1 nor 1, or an argument is not of this kind.

    Notes
    -----
    Source: zhang2019, Theorem 3.1; bartlett2006 for psi.
    """
    problem, s, factor, kind = _read(scores, points, labels, neighbours, weights, scale, loss)
    phi = _PHI[kind]
    risks, boundary, least, natural = [], [], [], Fraction(0)
    for (x, y), w in zip(atoms(problem), problem.weights, strict=True):
        if not w:
            continue
        worst = min(s[x] * s[z] for z in problem.neighbours[x])
        risks.append(around(w).hi * phi(_below(y * s[x])))
        boundary.append(around(w).hi * phi(_below(worst / factor)))
    for positive, negative in _masses(problem):
        natural += min(positive, negative)
        least.append(_least_loss(kind, positive, negative))
    risk, optimum = math.fsum(risks), math.fsum(least)
    # Each term is good to a few roundings; so is psi^-1, which increases.
    excess = max(risk - optimum, 0.0) + 16 * _U * (risk + optimum)
    total = float(natural) + _inverse(kind, excess) + math.fsum(boundary)
    return min(total * (1 + 16 * _U), 1.0)


def _below(t: Fraction) -> float:
    """A double at or below t: every phi falls, so it is not smaller there."""
    largest = sys.float_info.max
    return -math.inf if t < -largest else around(min(t, Fraction(largest))).lo


def _inverse(kind: Loss, excess: float) -> float:
    if kind == "hinge":
        return min(excess, 1.0)
    if kind == "exponential":
        return math.sqrt(excess * (2 - excess)) if excess < 1 else 1.0
    return min(math.sqrt(2 * math.log(2) * excess), 1.0)


def _least_loss(kind: Loss, positive: Fraction, negative: Fraction) -> float:
    """inf over scores of positive phi(s) + negative phi(-s)."""
    p, q = float(positive), float(negative)
    if kind == "hinge":
        return 2 * min(p, q)
    if kind == "exponential":
        return 2 * math.sqrt(p) * math.sqrt(q)
    return sum(w * math.log2(float((positive + negative) / part))
               for w, part in ((p, positive), (q, negative)) if w > 0)  # fmt: skip


def _logistic(t: float) -> float:
    return (math.log1p(math.exp(-abs(t))) + max(-t, 0.0)) / math.log(2)


def _exponential(t: float) -> float:
    return math.exp(-t) if t > -700 else math.inf


_PHI = {"hinge": lambda t: max(0.0, 1 - t), "exponential": _exponential, "logistic": _logistic}


def _masses(problem: FiniteProblem) -> list[tuple[Fraction, Fraction]]:
    """Probabilities of the labels 1 and -1 at each input that occurs."""
    masses: dict[int, list[Fraction]] = {}
    for (x, y), w in zip(atoms(problem), problem.weights, strict=True):
        masses.setdefault(x, [Fraction(0), Fraction(0)])[int(y < 0)] += w
    return [(positive, negative) for positive, negative in masses.values()]


def _read(
    scores: Any, points: Any, labels: Any, neighbours: Any, weights: Any, scale: Any, loss: Any
) -> tuple[FiniteProblem, list[Fraction], Fraction, Loss]:
    problem = finite_problem(points, labels, neighbours, weights)
    if not set(problem.labels) <= {-1, 1}:
        raise ValueError(f"labels must be -1 and 1, got {sorted(set(problem.labels))}")
    s = [exact_rational(score, "scores") for score in read_sequence(scores, "scores")]
    if len(s) != len(problem.neighbours):
        raise ValueError(
            f"scores must be one number for each of {len(problem.neighbours)} inputs, got {len(s)}"
        )
    factor = exact_rational(scale, "scale")
    if factor <= 0:
        raise ValueError(f"scale must be positive, got {scale}")
    if loss not in get_args(Loss):
        raise ValueError(f"loss must be one of {get_args(Loss)}, got {loss!r}")
    return problem, s, factor, loss


def _enclosure(
    scores: Any,
    points: Any,
    labels: Any,
    neighbours: Any,
    weights: Any = None,
    scale: Any = 1,
    loss: Loss = "hinge",
) -> Interval:
    """By ball arithmetic, input by input, with the infima in closed form of the ratio of masses."""
    found = _read(scores, points, labels, neighbours, weights, scale, loss)
    if found[3] == "hinge" and _bound(Balls(), *found) == 0:
        return Interval(0.0, 0.0)
    return enclose(_bound, *found, within=A_PROBABILITY)


def _bound(
    m: Balls, problem: FiniteProblem, s: list[Fraction], factor: Fraction, kind: Loss
) -> Any:
    zero, one, two = m.number(0), m.number(1), m.number(2)
    log2 = m.log(two)

    def phi(t: Fraction) -> Any:
        if kind == "hinge":
            return m.number(max(Fraction(0), 1 - t))
        power = m.exp(m.number(-t))
        return power if kind == "exponential" else m.log(one + power) / log2

    excess = boundary = zero
    natural = Fraction(0)
    for (x, y), w in zip(atoms(problem), problem.weights, strict=True):
        excess += m.number(w) * phi(y * s[x])
        worst = min(s[x] * s[z] / factor for z in problem.neighbours[x])
        boundary += m.number(w) * phi(worst)
    for positive, negative in _masses(problem):
        small, total = min(positive, negative), positive + negative
        natural += small
        if kind == "hinge":
            excess -= m.number(2 * small)
        elif small > 0:
            p, q = (m.number(part / total) for part in (small, total - small))
            if kind == "exponential":
                share = 2 * m.sqrt(p * q)
            else:
                share = -(p * m.log(p) + q * m.log(q)) / log2
            excess -= m.number(total) * share
    if kind == "exponential":
        excess = excess.min(one)
        excess = m.sqrt(excess * (2 - excess))
    elif kind == "logistic":
        excess = m.sqrt(2 * log2 * excess)
    return one.min(m.number(natural) + excess + boundary)


def _broken(
    scores: Any,
    points: Any,
    labels: Any,
    neighbours: Any,
    weights: Any = None,
    scale: Any = 1,
    loss: Any = "hinge",
) -> tuple[str, ...]:
    return broken(lambda: _read(scores, points, labels, neighbours, weights, scale, loss))


SURROGATE_BOUND = Claim(
    name="trades-surrogate-bound",
    source="zhang2019, Theorem 3.1; chapter17, section 17.3.2",
    formula=lambda: (
        r"R_N(s) \le R^* + \psi^{-1}(R_\phi(s) - R^*_\phi) + "
        r"E \max_{x' \in N(X)} \phi(s(X) s(x') / \lambda)"
    ),
    relation="<=",
    value=surrogate_risk_bound,
    enclosure=_enclosure,
    broken_hypotheses=_broken,
    possible=A_PROBABILITY,
)
