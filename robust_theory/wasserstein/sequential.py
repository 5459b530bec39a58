"""Certification that stops as soon as the votes decide, with the same guarantee.

For each radius of a grid there is a least score that certifies it. A mixture of likelihood ratios
against that score is an e-process: under every smaller score its chance of ever reaching 1/alpha
is at most alpha (Ville), however often one looks and whenever one stops. Radii are certified in
increasing order, so that a false certificate needs the first false radius of the grid to be
accepted: one error level serves the whole grid.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from robust_theory.arguments import positive_integer, probability
from robust_theory.wasserstein.smoothing import Form, Ground, Noise, smoothing_radius
from robust_theory.wasserstein.votes import _counts

# Of the special functions, in logarithms of at most some 10^5.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class SequentialCertificate:
    """What a sequence of votes proves about one image.

    Parameters
    ----------
    label : int
        The class that the pilot chose.
    radius : float
        The largest certified radius of the grid, W1; 0.0 if none is.
    abstain : bool
        Whether none is.
    samples : int
        Votes that were used.
    successes : int
        Those for the label.
    decided : bool
        Whether it stopped before the votes were spent.
    """

    label: int
    radius: float
    abstain: bool
    samples: int
    successes: int
    decided: bool


def certify_sequentially(
    draw: Callable[[int], Any],
    pilot: Any,
    sigma: Any,
    radii: Any,
    *,
    alpha: Any,
    most: int = 10_000,
    first: int = 64,
    futility: Any = 0.05,
    shape: Any = None,
    noise: Noise = "laplace",
    form: Form = "sharp",
    ground: Ground = "l2",
) -> SequentialCertificate:
    """Certify the largest radius of a grid that the votes allow, drawing no more than needed.

    Parameters
    ----------
    draw : callable
        ``draw(n)`` returns the counts (K,) of n new independent votes.
    pilot : sequence of int (K,)
        Counts of an independent sample, which choose the class.
    sigma, shape, noise, form, ground
        As in `robust_theory.wasserstein.smoothing.smoothing_radius`.
    radii : sequence of float
        The grid, W1 in the ground metric, increasing and above 0. Choose it beforehand.
    alpha : number
        With probability at least 1 - alpha the radius is certified.
    most : int
        Votes to use at most.
    first : int
        Size of the first batch; later ones are a quarter of the votes so far.
    futility : number
        Stop when, as the votes are so far, the next radius would be certified by all `most` of
        them with less than this probability. Costs some power and touches no guarantee.

    Raises
    ------
    ValueError
        If an argument is not as described, or draw returns other than n votes.
    """
    counts = _counts(pilot, "pilot")
    label, classes = int(counts.argmax()), len(counts)
    level = math.log(1 / float(probability(alpha, "alpha", open=True)))
    hopeless = float(probability(futility, "futility", open=True))
    budget, batch = positive_integer(most, "most"), positive_integer(first, "first")
    grid = [float(radius) for radius in radii]
    if not grid or any(not 0 < a < math.inf for a in grid) or grid != sorted(set(grid)):
        raise ValueError(f"radii must be finite, above 0 and increasing, got {grid}")
    needed = [
        least_score(radius, sigma, noise=noise, form=form, ground=ground, shape=shape)
        for radius in grid
    ]
    reached = n = successes = 0
    while n < budget:
        size = min(max(batch, n // 4), budget - n)
        votes = _counts(draw(size), "votes")
        if int(votes.sum()) != size or len(votes) != classes:
            raise ValueError(f"draw must return {size} votes for {classes} classes, got {votes}")
        n, successes = n + size, successes + int(votes[label])
        while reached < len(grid) and log_evidence(successes, n, needed[reached]) >= level:
            reached += 1
        if reached == len(grid) or _prospect(successes, n, budget, needed[reached]) < hopeless:
            return _result(label, grid, reached, n, successes, decided=True)
    return _result(label, grid, reached, n, successes, decided=False)


def log_evidence(successes: int, n: int, p0: float) -> float:
    """Logarithm of an e-process against "the probability of success is at most p0".

    The mean of ``(p/p0)^s ((1-p)/(1-p0))^(n-s)`` over Jeffreys' law of p, cut to (p0, 1]. Under
    every p <= p0 each ratio is a supermartingale that starts at 1, hence so is the mixture. Rounded
    down; infinite against p0 = 0 after a success, and -inf against p0 = 1.
    """
    from scipy.special import betaincc, betaln

    failures = n - successes
    if p0 <= 0:
        return math.inf if successes else 0.0
    if p0 >= 1:
        return -math.inf
    a, b = successes + 0.5, failures + 0.5
    beyond, prior = float(betaincc(a, b, p0)), float(betaincc(0.5, 0.5, p0))
    if beyond == 0 or prior == 0:
        return -math.inf
    mixture = float(betaln(a, b)) + math.log(beyond) - float(betaln(0.5, 0.5)) - math.log(prior)
    null = successes * math.log(p0) + failures * math.log1p(-p0)
    return mixture - null - _ROUNDING


def least_score(
    radius: float,
    sigma: Any,
    *,
    noise: Noise = "laplace",
    form: Form = "sharp",
    ground: Ground = "l2",
    shape: Any = None,
) -> float:
    """A score that certifies `radius`: the least one up to bisection; 1.0 where none below does."""
    lo, hi = 0.5, 1.0
    for _ in range(60):
        middle = (lo + hi) / 2
        found = smoothing_radius(middle, sigma, noise=noise, form=form, ground=ground, shape=shape)
        lo, hi = (lo, middle) if found >= radius else (middle, hi)
        if not lo < (lo + hi) / 2 < hi:
            break
    return hi


def _prospect(successes: int, n: int, most: int, p0: float) -> float:
    """Probability, roughly, that `most` votes in all will be evidence against p <= p0."""
    from scipy.special import ndtr

    # Votes that a limit at 5 % needs, and the predictive law of those to come, both normal.
    wanted = most * p0 + 1.64 * math.sqrt(most * p0 * (1 - p0))
    rest, p = most - n, (successes + 0.5) / (n + 1)
    spread = math.sqrt(rest * p * (1 - p) * (1 + rest / (n + 1)) + 1e-9)
    return float(ndtr((successes + rest * p - wanted) / spread)) if p0 < 1 else 0.0


def _result(
    label: int, grid: list[float], reached: int, n: int, successes: int, *, decided: bool
) -> SequentialCertificate:
    radius = grid[reached - 1] if reached else 0.0
    return SequentialCertificate(label, radius, reached == 0, n, successes, decided)
