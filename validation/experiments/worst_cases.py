"""Exact worst cases of smoothed classifiers on tiny images.

For a transport y between two pixels, the least score at x + r y of a classifier with score p at x
is ``V(r) = max over t of (E min(L, t) - t (1 - p))`` (Neyman and Pearson), where L is the ratio of
the densities of the noised images there and at x. Noise with a log-concave density makes V
decrease in r, so the worst case radius is where V passes 1/2. E is estimated from samples. Of a
2x3 image the density is computed by quadrature, to some six digits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from robust_theory.claim import Interval

Array = np.ndarray


@dataclass(frozen=True)
class Noised:
    """Noise on flows (or pixels) and the logarithm of the density of what an image shows of it.

    `draw` gives independent noise (n, k) with scale or half-width 1; `density` takes that, plus any
    shift of it, to the log density (n,), up to a constant.
    """

    draw: Callable[[np.random.Generator, int], Array]
    density: Callable[[Array], Array]


def laplace_draws(k: int) -> Callable[[np.random.Generator, int], Array]:
    """Independent Laplace noise of scale 1 on k edges."""
    return lambda rng, n: rng.laplace(size=(n, k))


def one_cycle(flow: Array) -> Array:
    """Log density of the four pixels of a 2x2 image; flows round the cycle, all one way."""
    o = np.sort(flow, axis=1)
    return np.asarray(np.log(_plateau(o)) - (o[:, 2] + o[:, 3] - o[:, 0] - o[:, 1]))


def two_cycles(flow: Array) -> Array:
    """Log density of a 2x3 image: three flows round each cycle, and the one that they share.

    The first three and the last three run round their own cycle, the fourth round the first and
    against the second. One circulation is integrated in closed form, the other by Gauss's rules
    between the kinks, where the integrand is smooth.
    """
    first, shared, second = flow[:, :3], flow[:, 3], flow[:, 4:]
    kinks = np.sort(np.concatenate([-first, -second - shared[:, None]], axis=1), axis=1)
    nodes, weights = np.polynomial.legendre.leggauss(6)
    far_nodes, far_weights = np.polynomial.laguerre.laggauss(8)
    pieces = [
        (
            (kinks[:, k + 1 : k + 2] + kinks[:, k : k + 1]) / 2
            + (kinks[:, k + 1 : k + 2] - kinks[:, k : k + 1]) / 2 * nodes,
            np.log((kinks[:, k + 1 : k + 2] - kinks[:, k : k + 1]) / 2 * weights + 1e-300),
        )
        for k in range(5)
    ]
    far = np.log(far_weights / 3) + far_nodes  # of exp(-3 t), taken out again
    pieces += [(kinks[:, :1] - far_nodes / 3, far), (kinks[:, 5:] + far_nodes / 3, far)]
    total = []
    for place, log_weight in pieces:
        value = log_weight - np.abs(first[:, None, :] + place[:, :, None]).sum(axis=2)
        o = np.concatenate(
            [
                np.broadcast_to(-second[:, None, :], (*place.shape, 3)),
                (place + shared[:, None])[:, :, None],
            ],
            axis=2,
        )
        o.sort(axis=2)
        inner = -(o[..., 2] + o[..., 3] - o[..., 0] - o[..., 1])
        total.append(value + inner + np.log(_plateau(o)))
    logs = np.concatenate(total, axis=1)
    peak = logs.max(axis=1)
    return np.asarray(peak + np.log(np.exp(logs - peak[:, None]).sum(axis=1)))


def _plateau(o: Array) -> Array:
    """Integral over c of exp(-sum |c - o_i|), over its largest value; o sorted, four of them."""
    a, c = np.exp(2 * (o[..., 0] - o[..., 1])), np.exp(2 * (o[..., 2] - o[..., 3]))
    return np.asarray(1 + (o[..., 2] - o[..., 1]) - (a + c) / 4)


def uniform_cycle(flow: Array) -> Array:
    """As `one_cycle` for uniform noise on [-1, 1]: the length of circulations that fit."""
    length = 2 - (flow.max(axis=1) - flow.min(axis=1))
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.maximum(length, 0.0)))


LAPLACE_2X2 = Noised(laplace_draws(4), one_cycle)
LAPLACE_2X3 = Noised(laplace_draws(7), two_cycles)
LAPLACE_PIXELS = Noised(laplace_draws(2), lambda z: -np.abs(z).sum(axis=1))
UNIFORM_2X2 = Noised(lambda rng, n: rng.uniform(-1, 1, size=(n, 4)), uniform_cycle)


def worst_radius(
    noised: Noised, direction: Array, p: float, seed: int, alpha: float, samples: int
) -> tuple[float, Interval]:
    """Estimate of the worst case radius along `direction`, and limits at level 1 - alpha.

    In units of the noise's scale times the multiple of `direction`. A fifth of the samples find
    where to look; the rest, independent of them, prove the ends. An end that is not proved in
    some attempts, each farther out, is 0 or infinite.
    """
    rng = np.random.default_rng(seed)
    pilot = noised.draw(rng, samples // 5)

    def look(r: float, n: int | None = None) -> Guide:
        return _guide(_ratios(noised, pilot[:n], r * direction), p)

    few = 20_000
    lo, hi = 0.0, 1.0
    while look(hi, few).value >= 0.5:
        lo, hi = hi, 2 * hi
    for step in range(13):
        if step == 7:
            lo, hi = 0.95 * lo, 1.05 * hi  # what the few may be off by
        middle = (lo + hi) / 2
        value = look(middle, few if step < 7 else None).value
        lo, hi = (middle, hi) if value >= 0.5 else (lo, middle)
    radius = (lo + hi) / 2
    slope = (look(0.9 * radius).value - look(1.1 * radius).value) / (0.2 * radius)
    level = math.log(56 / alpha)
    # What the pilot's place is off by, and what a check needs.
    room = look(radius).deviation / slope
    room *= 2 / math.sqrt(samples / 5) + 1.1 * math.sqrt(20 * level / samples)
    room += 1e-4 * radius

    def first(places: list[float], prove: Callable[[Array, Guide, float, float], bool]) -> float:
        for r in places:
            fresh = noised.draw(rng, samples // 10)
            if r > 0 and prove(_ratios(noised, fresh, r * direction), look(r), p, level):
                return r
        return math.nan

    below = first([radius - k * room for k in (1, 2, 4, 8)], _kept)
    far = [1.3 * radius, 2 * radius, 4 * radius]
    above = first([*(radius + k * room for k in (1, 2, 4, 16)), *far], _lost)
    return radius, Interval(
        0.0 if math.isnan(below) else below, math.inf if math.isnan(above) else above
    )


@dataclass(frozen=True)
class Guide:
    """V at a shift as a sample shows it, with the best t, a control, and the deviation left.

    The best test answers 1 where L < t, and with probability `share` where L = t, which can have
    a positive probability.
    """

    value: float
    t: float
    share: float
    control: float
    deviation: float


# Half of the points are noised images at x, half at x + r y: a mean under the noise at x is one
# over these points with weights 2 / (1 + L), which are bounded, as all that follows is.


def _ratios(noised: Noised, noise: Array, shift: Array) -> Array:
    """L at points of the mixture."""
    points = noise.copy()
    points[::2] += shift
    logs = noised.density(points - shift) - noised.density(points)
    return np.asarray(np.exp(np.clip(logs, -700.0, 700.0)))


def _kept_terms(ratio: Array, t: float, control: float) -> Array:
    """Terms of E min(L, t), less a multiple of those of E (L - 1) = 0."""
    return np.asarray((2 * np.minimum(ratio, t) - 2 * control * (ratio - 1)) / (1 + ratio))


def _guide(ratio: Array, p: float) -> Guide:
    order = np.argsort(ratio)
    beyond = np.cumsum((2 / (1 + ratio))[order][::-1])[::-1] / len(ratio)  # P(L >= each)
    t = float(ratio[order][np.searchsorted(-beyond, -(1 - p))])
    kept, zero = _kept_terms(ratio, t, 0.0), 2 * (ratio - 1) / (1 + ratio)
    control = float(np.cov(kept, zero)[0, 1] / zero.var())
    left = kept - control * zero
    weights = 2 / (1 + ratio)
    over, under = (float((weights * part).mean()) for part in (ratio > _up(t), ratio < _down(t)))
    tied = 1 - over - under
    share = min(1.0, max(0.0, (p - under) / tied)) if tied > 0 else 1.0
    return Guide(float(left.mean()) - t * (1 - p), t, share, control, float(left.std()))


def _up(t: float) -> float:
    return t * (1 + 1e-9)


def _down(t: float) -> float:
    return t * (1 - 1e-9)


def _answers(ratio: Array, guide: Guide) -> Array:
    tied = np.where(ratio <= _up(guide.t), guide.share, 0.0)
    return np.asarray(np.where(ratio < _down(guide.t), 1.0, tied))


def _kept(ratio: Array, guide: Guide, p: float, level: float) -> bool:
    """Whether V >= 1/2 is proved, with error 2 exp(-level) at most."""
    terms = _kept_terms(ratio, guide.t, guide.control)
    # Monotone in L on both sides of t, so the ends are among these.
    ends = _kept_terms(np.array([0.0, guide.t, 1e300]), guide.t, guide.control)
    lowest = float(terms.mean()) - _slack(terms, float(ends.max() - ends.min()), level)
    return lowest - guide.t * (1 - p) >= 0.5


def _lost(ratio: Array, guide: Guide, p: float, level: float) -> bool:
    """Whether V < 1/2 is proved, with error 4 exp(-level) at most, by the guide's test.

    If its size is less than p, the answer 1 on a share of the rest makes up for it.
    """
    answers = _answers(ratio, guide)
    beyond = 2 * (1 - answers) / (1 + ratio)
    rest = float(beyond.mean()) + _slack(beyond, 2 / (1 + _down(guide.t)), level)
    scores = 2 * answers * ratio / (1 + ratio)
    score = float(scores.mean()) + _slack(scores, 2.0, level)
    share = max(0.0, 1 - (1 - p) / rest)
    return score + share * (1 - score) < 0.5


def _slack(values: Array, width: float, level: float) -> float:
    """Empirical Bernstein (Maurer and Pontil): mean and expectation differ by no more."""
    n = len(values)
    return float(values.std(ddof=1)) * math.sqrt(2 * level / n) + 7 * width * level / (3 * (n - 1))
