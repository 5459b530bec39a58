"""Annealed importance sampling of exp(lam F) on a box, for inverse temperatures that are large.

Particles start from the uniform law and the inverse temperature rises in steps; between the steps
each particle moves by reflected random walks that leave the current Gibbs law invariant. The
product of the incremental weights is an unbiased estimate of exp(lam F), whatever the mixing, as
long as nothing is adapted while it runs: step sizes come from an independent pilot run.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from robust_theory.arguments import Floats, positive_integer
from robust_theory.transport.log_mean_exp import finite_array, free_energy, inverse_temperature

Loss = Callable[[Floats], Floats]


@dataclass(frozen=True, eq=False)
class Annealed:
    """What annealing found.

    Parameters
    ----------
    value : float
        ``log(mean of the weights) / lam``: below the free energy on average.
    log_weights : array (particles,)
        Logarithms of independent unbiased estimates of exp(lam F).
    points : array (particles, d)
        Where the particles ended; weighted, they follow the Gibbs law.
    effective : float
        Effective number of particles, (sum w)^2 / sum w^2.
    evaluations : int
        Of the loss, the pilot run included.
    """

    value: float
    log_weights: Floats
    points: Floats
    effective: float
    evaluations: int


def annealed_free_energy(
    loss: Loss,
    lower: Any,
    upper: Any,
    lam: Any,
    *,
    seed: int,
    particles: int = 20,
    steps: int = 8000,
    moves: int = 1,
) -> Annealed:
    """Estimate the free energy of `loss` under the uniform law on a box.

    Parameters
    ----------
    loss : callable
        From points (n, d) to finite losses (n,).
    lower, upper : array (d,)
        The box.
    lam : number
        Inverse temperature, positive and finite.
    seed : int
        Of the random numbers.
    particles, steps, moves : int
        Independent particles, temperatures between 0 and lam, random walks at each.

    Notes
    -----
    A few particles with many steps are better than the reverse. Give `log_weights`, as one row,
    to `free_energy_limit_from_weights` for a confidence limit.
    """
    low, high = finite_array(lower, "lower"), finite_array(upper, "upper")
    if low.ndim != 1 or not low.size or low.shape != high.shape or (low > high).any():
        raise ValueError(
            f"lower and upper must be the ends of a box (d,), d >= 1, got shapes {low.shape}, "
            f"{high.shape}"
        )
    rate = inverse_temperature(lam)
    if not 0 < rate < math.inf:
        raise ValueError(f"lam must be positive and finite, got {lam!r}")
    count, rungs = positive_integer(particles, "particles"), positive_integer(steps, "steps")
    walks = positive_integer(moves, "moves")
    random = np.random.default_rng(seed)
    few = max(4, count // 4)
    rates = rate * (np.arange(rungs + 1) / rungs) ** 2
    start = np.full(rungs, 0.5 / math.sqrt(len(low)))
    pilot = _run(loss, low, high, rates, start, few, walks, random, adapt=True)
    # Equal steps in the length that the Gibbs laws travel: the sum of lam's change times the
    # standard deviation of the loss.
    travelled = np.concatenate([[0.0], np.cumsum(np.diff(rates) * (pilot.spread + 1e-300))])
    even = np.linspace(0, travelled[-1], rungs + 1)
    rates = np.interp(even, travelled, rates)
    sizes = np.interp(even[1:], travelled[1:], pilot.sizes)
    second = _run(loss, low, high, rates, sizes, few, walks, random, adapt=True)
    final = _run(loss, low, high, rates, second.sizes, count, walks, random, adapt=False)
    log_weights = final.log_weights
    value = float(free_energy(log_weights, 1.0)) / rate
    w = np.exp(log_weights - log_weights.max())
    evaluations = (2 * few + count) * (1 + walks * rungs)
    effective = float(w.sum() ** 2 / (w * w).sum())
    return Annealed(value, log_weights, final.points, effective, evaluations)


@dataclass(frozen=True, eq=False)
class _Run:
    points: Floats
    log_weights: Floats
    sizes: Floats
    spread: Floats


def _run(
    loss: Loss,
    low: Floats,
    high: Floats,
    rates: Floats,
    sizes: Floats,
    count: int,
    moves: int,
    random: np.random.Generator,
    *,
    adapt: bool,
) -> _Run:
    side, d = high - low, len(low)
    points = low + side * random.random((count, d))
    values = finite_array(loss(points), "losses")
    if values.shape != (count,):
        raise ValueError(f"loss must return shape ({count},), got {values.shape}")
    log_weights, used, spread = np.zeros(count), np.array(sizes), np.zeros(len(sizes))
    factor = 1.0
    for k in range(len(sizes)):
        log_weights += (rates[k + 1] - rates[k]) * values
        spread[k] = values.std()
        for _ in range(moves):
            used[k] = min(1.0, factor * sizes[k])
            steps = used[k] * side * random.standard_normal((count, d))
            proposed = _reflect(points + steps, low, side)
            there = finite_array(loss(proposed), "losses")
            gain = np.minimum(rates[k + 1] * (there - values), 0.0)
            accepted = random.random(count) < np.exp(gain)
            points = np.where(accepted[:, None], proposed, points)
            values = np.where(accepted, there, values)
            if adapt:  # to about a quarter accepted
                factor *= math.exp(0.2 * (accepted.mean() - 0.25))
    return _Run(points, log_weights, used, spread)


def _reflect(x: Floats, low: Floats, side: Floats) -> Floats:
    """Fold the space onto the box: a symmetric proposal stays symmetric."""
    safe = np.where(side > 0, side, 1.0)
    t = np.mod((x - low) / safe, 2.0)
    folded: Floats = low + side * np.where(t > 1, 2 - t, t)
    return folded
