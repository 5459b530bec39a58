"""From votes to certificates: confidence limits, abstention, and the radius that they allow.

A vote is the answer of the base classifier at one independent noised copy of the image. All
functions of one image err with probability at most alpha, for this image; over a test set see
`robust_theory.wasserstein.accuracy_curve`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust_theory.arguments import probability
from robust_theory.wasserstein.smoothing import Form, Ground, Noise, positive, smoothing_radius

# scipy's inverse beta function is good to about 1e-14, relatively; limits move outwards by more.
_OUTWARDS = 1e-12


@dataclass(frozen=True)
class Certified:
    """What votes prove about one image.

    Parameters
    ----------
    label : int
        The class that the pilot chose.
    radius : float
        W1 radius within which every image of the same total (per channel) has this label under
        the smoothed classifier; 0.0 if nothing is certified.
    abstain : bool
        Whether nothing is certified.
    lower : float
        Lower limit on the label's score.
    upper : float
        Upper limit on the score of every other class.
    alpha : float
        Probability, over the votes, that a limit is wrong, at most.
    sigma, noise, form, ground
        As they were given.
    """

    label: int
    radius: float
    abstain: bool
    lower: float
    upper: float
    alpha: float
    sigma: float
    noise: str
    form: str
    ground: str


@dataclass(frozen=True)
class Prediction:
    """The label of the smoothed classifier, or abstention; `level` is the test's p-value."""

    label: int
    abstain: bool
    level: float


def certify(
    votes: Any,
    pilot: Any,
    sigma: Any,
    *,
    alpha: Any,
    shape: Any = None,
    noise: Noise = "laplace",
    form: Form = "sharp",
    ground: Ground = "l2",
    rivals: bool = False,
) -> Certified:
    """Certify one image from two independent sets of votes.

    Parameters
    ----------
    votes : sequence of int (K,)
        Counts of an independent sample, K >= 2 classes; they give the limits.
    pilot : sequence of int (K,)
        Counts that choose the class, and nothing else.
    sigma, shape, noise, form, ground
        As in `robust_theory.wasserstein.smoothing.smoothing_radius`.
    alpha : number
        In (0, 1). With probability at least 1 - alpha the radius is certified.
    rivals : bool
        False: one lower limit at level alpha; no rival exceeds one minus it. True: a lower limit
        for the class and upper limits for all others at once, at level alpha / K each. Decide
        before looking at the votes.

    Returns
    -------
    Certified
        Radius 0.0 and abstain=True when the limits do not separate the class from the others.

    Raises
    ------
    ValueError
        If counts are not whole numbers of at least 0 with a positive sum, or of another K.

    Notes
    -----
    Source: levine2020, section 5, after cohen2019. An upper limit for the class that came second
    in a pilot bounds that class only, not all others.
    """
    counts, first = _counts(votes, "votes"), _counts(pilot, "pilot")
    if len(counts) != len(first):
        raise ValueError(
            f"votes and pilot must have as many classes, got {len(counts)} and {len(first)}"
        )
    level = float(probability(alpha, "alpha", open=True))
    label, n = int(first.argmax()), int(counts.sum())
    if rivals:
        share = level / len(counts)
        lower = lower_limit(int(counts[label]), n, share)
        highest = int(np.delete(counts, label).max())
        upper = min(upper_limit(highest, n, share), 1 - lower)
    else:
        lower = lower_limit(int(counts[label]), n, level)
        upper = 1 - lower
    radius = float(
        smoothing_radius(
            lower,
            sigma,
            p_other=upper if rivals else None,
            noise=noise,
            form=form,
            ground=ground,
            shape=shape,
        )
    )
    return Certified(
        label,
        radius,
        not radius > 0,
        lower,
        upper,
        level,
        float(positive(sigma, "sigma")),
        noise,
        form,
        ground,
    )


def predict(votes: Any, *, alpha: Any) -> Prediction:
    """The smoothed classifier's label, abstaining unless the first two classes are separated.

    The two-sided binomial test of the two most frequent classes: the probability of an answer
    other than the smoothed classifier's is at most alpha.

    Notes
    -----
    Source: cohen2019, Proposition 1.
    """
    from scipy.special import bdtr

    counts = _counts(votes, "votes")
    level = float(probability(alpha, "alpha", open=True))
    order = np.argsort(-counts, kind="stable")
    first, second = int(counts[order[0]]), int(counts[order[1]])
    # P(Bin(n, 1/2) >= first) = P(Bin(n, 1/2) <= second).
    p_value = min(1.0, 2 * float(bdtr(second, first + second, 0.5)) * (1 + _OUTWARDS))
    return Prediction(int(order[0]), p_value > level, p_value)


def lower_limit(successes: int, n: int, alpha: float) -> float:
    """Clopper-Pearson: below the probability of success with probability at least 1 - alpha.

    One-sided; 0 at no success. Rounded down.
    """
    _check(successes, n, alpha)
    from scipy.special import betaincinv

    if successes == 0:
        return 0.0
    return float(betaincinv(successes, n - successes + 1, alpha)) * (1 - _OUTWARDS)


def upper_limit(successes: int, n: int, alpha: float) -> float:
    """Clopper-Pearson: above the probability of success with probability at least 1 - alpha.

    One-sided; 1 if all succeed. Rounded up.
    """
    _check(successes, n, alpha)
    from scipy.special import betainccinv, betaincinv

    if successes == n:
        return 1.0
    upper = float(betainccinv(successes + 1, n - successes, alpha)) * (1 + _OUTWARDS)
    if upper < 0.5:
        return upper
    # Above 1/2 from the complement, which keeps its digits.
    return 1 - float(betaincinv(n - successes, successes + 1, alpha)) * (1 - _OUTWARDS)


def _check(successes: int, n: int, alpha: float) -> None:
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"successes must lie in 0..n with n >= 1, got {successes} of {n}")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie in (0, 1), got {alpha!r}")


def _counts(values: Any, name: str) -> NDArray[np.int64]:
    counts = np.asarray(values)
    if (
        counts.ndim != 1
        or counts.size < 2
        or counts.dtype.kind not in "iu"
        or counts.min() < 0
        or counts.sum() < 1
    ):
        raise ValueError(
            f"{name} must be whole numbers of at least 0, of two classes or more and not all 0, "
            f"got {values!r}"
        )
    return counts.astype(np.int64)
