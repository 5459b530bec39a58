"""The optimal risk of a sample, on average over samples of two Gaussian classes.

It is an infimum of averages, so its mean is at most the infimum of the means, the optimal risk of
the population: a sample understates it on average, whatever its size.
"""

from __future__ import annotations

from robust_theory.claim import A_PROBABILITY, Claim
from robust_theory.gaussian_line import GAUSSIAN_OPTIMAL_RISK_1D
from robust_theory.threshold import GAUSSIAN_OPTIMAL_RISK

MEAN_SAMPLE_RISK = Claim(
    name="mean-sample-risk-of-gaussian-classes",
    source="chapter17, section 17.6.6; bhagoji2019, Theorem 2",
    formula=lambda: r"E\,\hat L^* \le " + GAUSSIAN_OPTIMAL_RISK.statement.partition(" = ")[2],
    relation="<=",
    value=GAUSSIAN_OPTIMAL_RISK.value,
    enclosure=GAUSSIAN_OPTIMAL_RISK.enclosure,
    broken_hypotheses=GAUSSIAN_OPTIMAL_RISK.broken_hypotheses,
    possible=A_PROBABILITY,
)
MEAN_SAMPLE_RISK_1D = Claim(
    name="mean-sample-risk-of-gaussian-classes-on-the-line",
    source="chapter17, section 17.6.6; section 17.6.3, corrected",
    formula=lambda: r"E\,\hat L^* \le " + GAUSSIAN_OPTIMAL_RISK_1D.statement.partition(" = ")[2],
    relation="<=",
    value=GAUSSIAN_OPTIMAL_RISK_1D.value,
    enclosure=GAUSSIAN_OPTIMAL_RISK_1D.enclosure,
    broken_hypotheses=GAUSSIAN_OPTIMAL_RISK_1D.broken_hypotheses,
    possible=A_PROBABILITY,
)
