"""Two Gaussian classes on the line, of any variances and priors: the least adversarial risk."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from robust_theory.arguments import broken, exact_rational
from robust_theory.arithmetic import Balls, enclose
from robust_theory.claim import A_PROBABILITY, Claim, Interval
from robust_theory.vulnerability import gaussian


def gaussian_optimal_risk_1d(
    mean0: Any, std0: Any, mean1: Any, std1: Any, eps: Any, prior0: Any = 0.5
) -> Any:
    """Least adversarial risk on N(mean0, std0^2) against N(mean1, std1^2), on the line.

    The best classifier is constant, a threshold, or an interval of length at least 2 eps, and its
    ends solve ``prior0 density0(t -+ eps) = prior1 density1(t +- eps)``. Off by rounding only; in
    the shape of `eps`.
    """
    if np.ndim(eps):
        each = [
            gaussian_optimal_risk_1d(mean0, std0, mean1, std1, e, prior0) for e in np.ravel(eps)
        ]
        return np.reshape(each, np.shape(eps))
    problem = _read(mean0, std0, mean1, std1, eps, prior0)
    return float(min(value for value, _ in _candidates(Doubles(), *problem)))


def gaussian_optimal_risk_1d_enclosure(
    mean0: Any, std0: Any, mean1: Any, std1: Any, eps: Any, prior0: Any = 0.5
) -> Interval:
    """An interval that provably contains `gaussian_optimal_risk_1d`, by Arb balls."""
    problem = _read(mean0, std0, mean1, std1, eps, prior0)
    if problem[-1] in (0, 1):
        return Interval(0.0, 0.0)
    return enclose(_least, *problem)


class Doubles:
    """The names of `Balls` that formulas of Gaussian classes use, in doubles."""

    number = staticmethod(float)
    log, sqrt = staticmethod(math.log), staticmethod(math.sqrt)

    @staticmethod
    def sf(x: float) -> float:
        """P(Z > x) of the standard normal law."""
        return float(gaussian.sf(np.array(x)))


def _read(mean0: Any, std0: Any, mean1: Any, std1: Any, eps: Any, prior0: Any) -> list[Fraction]:
    names = ("mean0", "std0", "mean1", "std1", "eps", "prior0")
    read = [
        exact_rational(value, name)
        for value, name in zip((mean0, std0, mean1, std1, eps, prior0), names, strict=True)
    ]
    if min(read[1], read[3]) <= 0:
        raise ValueError(f"std0 and std1 must be positive, got {std0!r} and {std1!r}")
    if read[4] < 0:
        raise ValueError(f"eps must be at least 0, got {eps!r}")
    if not 0 <= read[5] <= 1:
        raise ValueError(f"prior0 must lie in [0, 1], got {prior0!r}")
    return read


def _candidates(
    m: Any, mu0: Fraction, s0: Fraction, mu1: Fraction, s1: Fraction, eps: Fraction, p0: Fraction
) -> list[tuple[Any, bool]]:
    """Risks of the candidate classifiers, and whether the candidate certainly exists."""
    p1 = 1 - p0
    found: list[tuple[Any, bool]] = [(m.number(p0), True), (m.number(p1), True)]
    if not p0 or not p1:
        return found
    n = m.number

    def above(law: int, t: Any) -> Any:
        mu, s, p = ((mu0, s0, p0), (mu1, s1, p1))[law]
        return n(p) * m.sf((t - n(mu)) / n(s))

    def below(law: int, t: Any) -> Any:
        mu, s, p = ((mu0, s0, p0), (mu1, s1, p1))[law]
        return n(p) * m.sf((n(mu) - t) / n(s))

    def between(law: int, a: Any, b: Any) -> Any:
        mu, _, p = ((mu0, s0, p0), (mu1, s1, p1))[law]
        if a >= n(mu):
            return above(law, a) - above(law, b)
        if b <= n(mu):
            return below(law, b) - below(law, a)
        return n(p) - below(law, a) - above(law, b)

    # Ends between class 0 on the left and class 1 on the right, and the other way round.
    up = _ends(m, mu0 + eps, s0, mu1 - eps, s1, p0)
    down = _ends(m, mu0 - eps, s0, mu1 + eps, s1, p0)
    e = n(eps)
    found += [(above(0, t - e) + below(1, t + e), sure) for t, sure in up]
    found += [(below(0, t + e) + above(1, t - e), sure) for t, sure in down]
    for starts, stops, inner, outer in ((down, up, 0, 1), (up, down, 1, 0)):
        for a, sure_a in starts:
            for b, sure_b in stops:
                if b - a < 2 * e:
                    continue
                # Class `inner` between a and b, class `outer` outside.
                risk = below(inner, a + e) + above(inner, b - e) + between(outer, a - e, b + e)
                found.append((risk, sure_a and sure_b and bool(b - a >= 2 * e)))
    return found


def _ends(
    m: Any, mu0: Fraction, s0: Fraction, mu1: Fraction, s1: Fraction, p0: Fraction
) -> list[tuple[Any, bool]]:
    """Where the weighted densities cross, and whether they certainly do; not where they touch."""
    v0, v1 = s0 * s0, s1 * s1
    A, B = (1 / v1 - 1 / v0) / 2, mu0 / v0 - mu1 / v1
    rational, ratio = (mu1 * mu1 / v1 - mu0 * mu0 / v0) / 2, p0 * s1 / ((1 - p0) * s0)
    n = m.number
    C = n(rational) + (m.log(n(ratio)) if ratio != 1 else n(Fraction(0)))
    if not A:
        return [(-C / n(B), True)] if B else []
    if ratio == 1:
        exact = B * B - 4 * A * rational
        if exact <= 0:
            return []
        square = n(exact)
    else:
        square = n(B * B) - 4 * n(A) * C
        if square < 0:
            return []
    # A ball around 0 has no square root: the precision then grows.
    root = m.sqrt(square)
    q = -(n(B) + (root if B >= 0 else -root)) / 2
    sure = bool(square > 0)
    return [(q / n(A), sure), (C / q, sure)] if sure else [(q / n(A), sure)]


def _least(m: Balls, *problem: Fraction) -> Any:
    found = _candidates(m, *problem)
    least = found[0][0]
    for value, sure in found[1:]:
        if sure:
            least = least.min(value)
    for value, sure in found:
        if not sure:
            least = least.union(least.min(value))
    return least


GAUSSIAN_OPTIMAL_RISK_1D = Claim(
    name="gaussian-optimal-risk-on-the-line",
    source="chapter17, section 17.6.3, for all variances and priors",
    formula=lambda: (
        r"\inf_h R_\varepsilon(h) = \min_{A \in \{\varnothing, (-\infty,b], [a,\infty), [a,b],"
        r"\text{complements}\}} \pi_0 P_0(d(X, A) \le \varepsilon)"
        r" + \pi_1 P_1(d(X, A^c) \le \varepsilon)"
    ),
    relation="==",
    value=gaussian_optimal_risk_1d,
    enclosure=gaussian_optimal_risk_1d_enclosure,
    broken_hypotheses=lambda mean0, std0, mean1, std1, eps, prior0=0.5: broken(
        lambda: _read(mean0, std0, mean1, std1, eps, prior0)
    ),
    possible=A_PROBABILITY,
)
