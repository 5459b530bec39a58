"""How often an answer within reach is wrong, at most, from the cross-entropy within reach.

A wrong answer does not make the cross-entropy as large as 1: where the most probable class is not
the label, the label has a probability of at most one half, so that the loss is at least log 2. The
mean of the greatest losses divided by log 2 therefore bounds the adversarial error, and not that
mean itself.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from robust_theory.arguments import Floats, broken
from robust_theory.arithmetic import enclose
from robust_theory.claim import A_PROBABILITY, Claim, Interval
from robust_theory.transport.entropic_adversary import exact_reach, transport_adversarial_risk
from robust_theory.transport.log_mean_exp import finite_array

_U = 2.0**-53


def cross_entropy_error_bound(p: Any, losses: Any, reach: Any) -> float:
    """Upper bound on the probability that some input within reach gets a wrong answer; rounded up.

    ``sum_i p_i max_j losses_ij / log 2`` over the candidates in reach, and 1 at most.

    Parameters
    ----------
    p : array (n,)
        Weights of the data points, of sum 1.
    losses : array (n, m)
        Cross-entropy at candidate j with the label of point i, in nats, at least 0; the answer is
        the most probable class, and wrong where another class is as probable as the label.
    reach : array (n, m)
        Nonzero where the candidate is in the ball around the point, in whatever distance.

    Source: li2021, Theorem 2, which does without the logarithm of 2, and is false.
    """
    size = _read(losses).size
    risk = transport_adversarial_risk(p, losses, reach)
    return min(1.0, risk / math.log(2) * (1 + (size + 8) * _U))


def _read(losses: Any) -> Floats:
    table = finite_array(losses, "losses")
    if table.size and table.min() < 0:
        raise ValueError(f"losses must be at least 0, as cross-entropies are, got {table.min()}")
    return table


def _enclosure(p: Any, losses: Any, reach: Any) -> Interval:
    _read(losses)
    weights, rows = exact_reach(p, losses, reach)
    mean = sum((w * max(row) for w, row in zip(weights, rows, strict=True)), Fraction(0))
    if not mean:
        return Interval(0.0, 0.0)
    box = enclose(lambda m, total: m.number(total) / m.log(2), mean)
    return Interval(min(1.0, box.lo), min(1.0, box.hi))


CROSS_ENTROPY_ERROR = Claim(
    name="cross-entropy-error-bound",
    source="li2021, Theorem 2, corrected",
    formula=lambda: (
        r"P\bigl(\exists\,\tilde x\in B(x) : h(\tilde x)\ne y\bigr)"
        r" \le \frac{1}{\log 2}\,E\max_{\tilde x\in B(x)} \bigl(-\log p_y(\tilde x)\bigr)"
    ),
    relation="<=",
    value=cross_entropy_error_bound,
    enclosure=_enclosure,
    broken_hypotheses=lambda p, losses, reach: broken(
        lambda: _read(losses), lambda: exact_reach(p, losses, reach)
    ),
    possible=A_PROBABILITY,
)
