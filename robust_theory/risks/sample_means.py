"""The optimal risk of a sample, on average over samples of two Gaussian classes.

It is an infimum of averages, so its mean is at most the infimum of the means, the optimal risk of
the population: a sample understates it on average, whatever its size.
"""

from __future__ import annotations

from typing import Any

from robust_theory.claim import A_PROBABILITY, Claim
from robust_theory.risks.gaussian_line import GAUSSIAN_OPTIMAL_RISK_1D, gaussian_optimal_risk_1d
from robust_theory.risks.threshold import GAUSSIAN_OPTIMAL_RISK, gaussian_optimal_risk

_UP = 1 + 1e-14  # relative, more than the rounding of a closed form


def mean_sample_risk(mean0: Any, mean1: Any, covariance: Any, eps: Any, norm: str = "l2") -> Any:
    """Upper limit of the mean optimal risk of samples, of any sizes, at equal priors.

    `gaussian_optimal_risk`, rounded up; arguments as there.
    """
    return gaussian_optimal_risk(mean0, mean1, covariance, eps, norm) * _UP


def mean_sample_risk_1d(
    mean0: Any, std0: Any, mean1: Any, std1: Any, eps: Any, prior0: Any = 0.5
) -> Any:
    """Upper limit of the mean optimal risk of samples on the line, of any sizes.

    `gaussian_optimal_risk_1d`, rounded up; arguments as there. Points of class 0 share the weight
    `prior0`.
    """
    return gaussian_optimal_risk_1d(mean0, std0, mean1, std1, eps, prior0) * _UP


MEAN_SAMPLE_RISK = Claim(
    name="mean-sample-risk-of-gaussian-classes",
    source="chapter17, section 17.6.6; bhagoji2019, Theorem 2",
    formula=lambda: r"E\,\hat L^* \le " + GAUSSIAN_OPTIMAL_RISK.statement.partition(" = ")[2],
    relation="<=",
    value=mean_sample_risk,
    enclosure=GAUSSIAN_OPTIMAL_RISK.enclosure,
    broken_hypotheses=GAUSSIAN_OPTIMAL_RISK.broken_hypotheses,
    possible=A_PROBABILITY,
)
MEAN_SAMPLE_RISK_1D = Claim(
    name="mean-sample-risk-of-gaussian-classes-on-the-line",
    source="chapter17, section 17.6.6; section 17.6.3, corrected",
    formula=lambda: r"E\,\hat L^* \le " + GAUSSIAN_OPTIMAL_RISK_1D.statement.partition(" = ")[2],
    relation="<=",
    value=mean_sample_risk_1d,
    enclosure=GAUSSIAN_OPTIMAL_RISK_1D.enclosure,
    broken_hypotheses=GAUSSIAN_OPTIMAL_RISK_1D.broken_hypotheses,
    possible=A_PROBABILITY,
)
