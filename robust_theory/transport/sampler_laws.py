"""How samples show what law they follow: distances of histograms, and of a chain with atoms.

The histogram of independent draws is within a known distance of their law. A sampler whose
histogram is farther away draws from another law; one that is projected onto the faces of its box
puts mass there, and is at least that far from every law with a density.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from scipy import special

from robust_theory.arguments import (
    broken,
    class_measures,
    exact_measures,
    exact_rational,
    positive_integer,
    probability,
)
from robust_theory.arithmetic import enclose
from robust_theory.claim import A_PROBABILITY, Claim, Interval

_U = 2.0**-53


def histogram_noise(masses: Any, n: Any) -> float:
    """Upper bound on the mean total variation distance of a histogram from its law; rounded up.

    ``(1/2) sum_j sqrt(p_j (1 - p_j) / n)``.

    Parameters
    ----------
    masses : sequence (k,)
        Masses p_j of the cells under the law; they sum to 1.
    n : int
        Number of independent draws.
    """
    cells = class_measures(masses)
    count = positive_integer(n, "n")
    roots = np.sqrt(cells.measures * cells.complements / count)
    return math.fsum(cells.multiplicities * roots) / 2 * (1 + 8 * _U)


def histogram_distance_limit(masses: Any, n: Any, delta: Any) -> float:
    """With probability at least 1 - delta no less than the distance of a histogram from its law.

    `histogram_noise` plus ``sqrt(log(1 / delta) / (2 n))``, at most 1; rounded up.

    Parameters
    ----------
    masses : sequence (k,)
        Masses of the cells under the law; they sum to 1.
    n : int
        Number of independent draws from the law.
    delta : number
        Error probability, strictly between 0 and 1.
    """
    count, level = positive_integer(n, "n"), probability(delta, "delta", open=True)
    slack = math.sqrt(-math.log(float(level)) / (2 * count))
    return min(1.0, histogram_noise(masses, count) + slack * (1 + 8 * _U))


def sign_step_distance(step: Any, noise: Any) -> float:
    """Lower bound on the distance of the sign-gradient chain's law from any density; rounded down.

    The chain ``x <- clamp(x + step sign(l'(x)) + noise xi)`` on an interval, with standard normal
    xi, for a loss that is strictly monotone there: in the stationary law the end of greatest loss
    has a mass of at least ``1 - 2 Phi(-step / noise)``, however long the interval is. So the total
    variation distance from any law without atoms, the Gibbs laws among them, is at least that.

    Parameters
    ----------
    step, noise : number
        Step eta and standard deviation sigma of the noise, positive.

    Source: anonymous2022, Algorithm 1, which takes the chain for a sampler of the Gibbs law.
    """
    eta, sigma = _read(step, noise)
    ratio = float(min(eta / sigma, Fraction(100)))  # where the mass is 1 to the last bit
    return float(special.erf(ratio * math.sqrt(0.5))) * (1 - 8 * _U)


def _read(step: Any, noise: Any) -> tuple[Fraction, Fraction]:
    eta, sigma = exact_rational(step, "step"), exact_rational(noise, "noise")
    for name, value in (("step", eta), ("noise", sigma)):
        if value <= 0:
            raise ValueError(f"{name} must be positive, got {float(value)!r}")
    return eta, sigma


def _limit_ball(m: Any, cells: list[tuple[Fraction, int]], n: int, level: Fraction) -> Any:
    roots = m.sum(lambda p: m.sqrt(m.number(p * (1 - p) / n)), cells)
    return roots / 2 + m.sqrt(-m.log(level) / (2 * n))


def _limit_enclosure(masses: Any, n: Any, delta: Any) -> Interval:
    count, level = positive_integer(n, "n"), probability(delta, "delta", open=True)
    box = enclose(_limit_ball, exact_measures(masses), count, level)
    return Interval(min(1.0, box.lo), min(1.0, box.hi))


def _step_enclosure(step: Any, noise: Any) -> Interval:
    eta, sigma = _read(step, noise)
    box = enclose(lambda m, ratio: 1 - 2 * m.sf(m.number(ratio)), eta / sigma)
    return Interval(box.lo, min(1.0, box.hi))


HISTOGRAM_DISTANCE = Claim(
    name="histogram-distance",
    source="mcdiarmid1989, Lemma 1.2, for the total variation distance on cells",
    formula=lambda: (
        r"P\Bigl(\frac{1}{2}\sum_j|\hat p_j - p_j| \le \frac{1}{2}\sum_j\sqrt{\frac{p_j(1-p_j)}{n}}"
        r" + \sqrt{\frac{\log(1/\delta)}{2n}}\Bigr) \ge 1-\delta"
    ),
    relation="<=",
    value=histogram_distance_limit,
    enclosure=_limit_enclosure,
    broken_hypotheses=lambda masses, n, delta: broken(
        lambda: class_measures(masses),
        lambda: positive_integer(n, "n"),
        lambda: probability(delta, "delta", open=True),
    ),
    possible=A_PROBABILITY,
)
SIGN_STEP_DISTANCE = Claim(
    name="sign-step-distance",
    source="anonymous2022, Algorithm 1, as a chain on an interval",
    formula=lambda: (
        r"\mathrm{TV}(\pi_{\eta,\sigma}, g) \ge \pi_{\eta,\sigma}(\{\varepsilon\}) \ge"
        r" 1 - 2\,\Phi(-\eta/\sigma)"
    ),
    relation=">=",
    value=sign_step_distance,
    enclosure=_step_enclosure,
    broken_hypotheses=lambda step, noise: broken(lambda: _read(step, noise)),
    possible=A_PROBABILITY,
)
