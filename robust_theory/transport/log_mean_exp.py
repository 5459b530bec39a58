"""Free energies: (1/lam) log of a weighted mean of exp(lam loss), for every lam from 0 to infinity.

It is the greatest value of E loss - KL(law || weights) / lam over all laws, attained by the Gibbs
law, whose weights are proportional to weights * exp(lam loss). So it rises from the mean of the
losses at lam = 0 to their maximum at lam = infinity, and never leaves the range of the losses.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from robust_theory.arguments import Floats, exact_rational


def free_energy(losses: Any, lam: Any, weights: Any = None, axis: int = -1) -> Any:
    """``(1/lam) log mean exp(lam loss)``, to a few roundings of the largest loss.

    Parameters
    ----------
    losses : array
        Finite numbers.
    lam : number or "inf"
        Inverse temperature, at least 0. At 0 the mean, at infinity the greatest loss that has a
        positive weight.
    weights : array, optional
        Of the entries, at least 0 and not all 0 along `axis`; of the same shape as `losses`, or
        one number per entry of `axis`. They are divided by their sum. Equal by default.
    axis : int
        The axis that is averaged over.

    Returns
    -------
    float or array
        The shape of `losses` without `axis`. Neither a large nor a small `lam` loses digits: it
        is computed from the maximum or from the mean, whichever is closer.

    Source: anonymous2022, eq. (15), per point and with the normalised volume.
    """
    l, q = _read(losses, weights, axis)
    rate = inverse_temperature(lam)
    support = q > 0
    greatest = np.where(support, l, -np.inf).max(axis=-1)
    if math.isinf(rate):
        return _plain(greatest)
    middle = (q * l).sum(axis=-1)
    # Rounding may put the mean of equal losses beside them.
    least = np.where(support, l, np.inf).min(axis=-1)
    middle = np.clip(middle, least, greatest)
    if rate == 0:
        return _plain(middle)
    with np.errstate(over="ignore"):  # exp(-inf) is 0
        from_mean = _above_mean(l, q, middle, rate)
        from_maximum = _below_maximum(l, q, greatest, rate)
        near = rate * (greatest - least) <= 1
    result = np.where(near, middle + from_mean, greatest + from_maximum)
    return _plain(np.clip(result, least, greatest))


def gibbs_weights(losses: Any, lam: Any, weights: Any = None, axis: int = -1) -> Floats:
    """Weights of the Gibbs law: ``weights * exp(lam loss)``, divided by their sum along `axis`.

    At infinity the weights themselves, restricted to the greatest losses: among ties the Gibbs law
    keeps the ratios that it starts from.
    """
    l, q = _read(losses, weights, axis)
    rate = inverse_temperature(lam)
    greatest = np.where(q > 0, l, -np.inf).max(axis=-1, keepdims=True)
    if math.isinf(rate):
        g = np.where(l == greatest, q, 0.0)
    else:
        with np.errstate(over="ignore"):
            g = np.where(q > 0, q * np.exp(rate * np.minimum(l - greatest, 0.0)), 0.0)
    g = g / g.sum(axis=-1, keepdims=True)
    return np.moveaxis(g, -1, axis)


def gibbs_divergence(losses: Any, lam: Any, weights: Any = None, axis: int = -1) -> Any:
    """KL(Gibbs law || weights) in nats: lam^2 times the derivative of the free energy in lam."""
    l, q = _read(losses, weights, axis)
    rate = inverse_temperature(lam)
    g = gibbs_weights(l, rate, q)
    with np.errstate(divide="ignore", invalid="ignore"):
        s = np.where(q > 0, g / np.where(q > 0, q, 1.0), 1.0) - 1.0
    # Close to 1 the ratio of the laws has lost the digits of its difference from 1.
    if not math.isinf(rate):
        gap = np.where(q > 0, l - (q * l).sum(axis=-1, keepdims=True), 0.0)
        gap = gap - (q * gap).sum(axis=-1, keepdims=True)  # the mean was rounded
        with np.errstate(over="ignore"):
            near = rate * np.abs(gap).max(axis=-1, keepdims=True) <= 1
            t = np.where(near, rate * gap, 0.0)
        beyond = _beyond_linear(t)
        excess = (q * beyond).sum(axis=-1, keepdims=True)
        s = np.where(near, (t + beyond - excess) / (1 + excess), s)
    # q (r log r - r + 1) has no negative term, so nothing cancels.
    return _plain((q * _relative_entropy(s)).sum(axis=-1))


def inverse_temperature(lam: Any) -> float:
    """Read lam: a number of at least 0, or infinity (also as the string "inf")."""
    if isinstance(lam, str) and lam.strip().lower() in ("inf", "infinity"):
        return math.inf
    if isinstance(lam, float | np.floating) and math.isinf(lam) and lam > 0:
        return math.inf
    rate = exact_rational(lam, "lam")
    if rate < 0:
        raise ValueError(f"lam must be at least 0, got {lam!r}")
    return float(lam) if isinstance(lam, float | np.floating) else float(rate)


def _read(losses: Any, weights: Any, axis: int) -> tuple[Floats, Floats]:
    """Losses and normalised weights, of one shape, with `axis` last."""
    l = finite_array(losses, "losses")
    if l.ndim == 0 or not -l.ndim <= axis < l.ndim:
        raise ValueError(f"axis must be one of losses, of shape {l.shape}, got {axis!r}")
    l = np.moveaxis(l, axis, -1)
    if not l.shape[-1]:
        raise ValueError(f"losses must not be empty along axis {axis}, got shape {l.shape}")
    size = np.abs(l).max(initial=0.0)
    if size > 2.0**1022:  # differences must be doubles too
        raise ValueError(f"losses must be at most 2^1022 in size, got {size}")
    if weights is None:
        return l, np.broadcast_to(1.0 / l.shape[-1], l.shape)
    q = finite_array(weights, "weights")
    if q.ndim > 1:
        q = np.moveaxis(q, axis, -1)
    if q.shape not in (l.shape, l.shape[-1:]):
        raise ValueError(
            f"weights must have the shape of losses, {l.shape}, or one number per entry of the "
            f"axis, got shape {q.shape}"
        )
    if (q < 0).any():
        raise ValueError(f"weights must be at least 0, got {q.min()}")
    largest = q.max(axis=-1, keepdims=True)
    if (largest == 0).any():
        raise ValueError("weights must not all be 0: no entry can be reached")
    # Sums of others might overflow or lose digits.
    q = q / np.where((largest > 1e-300) & (largest < 1e300), 1.0, largest)
    return l, np.broadcast_to(q / q.sum(axis=-1, keepdims=True), l.shape)


def finite_array(values: Any, name: str) -> Floats:
    """Read an array of finite doubles."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be an array of numbers, got {values!r:.60}") from None
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got {array[~np.isfinite(array)][0]}")
    return array


def _above_mean(l: Floats, q: Floats, middle: Floats, rate: float) -> Floats:
    """F - middle, exact for any `middle`; terms of second order alone when it is the mean."""
    gap = l - middle[..., None]
    t = np.clip(rate * gap, -1.0, 1.0)  # beyond, the other branch is taken
    first = (q * gap).sum(axis=-1)
    # A subnormal lam leaves nothing of the second term.
    second = (q * _beyond_linear(t)).sum(axis=-1)
    small = rate * first + second
    result: Floats = np.where(small != 0, np.log1p(np.maximum(small, -0.5)) / rate, first)
    return result


def _below_maximum(l: Floats, q: Floats, greatest: Floats, rate: float) -> Floats:
    t = rate * np.minimum(l - greatest[..., None], 0.0)
    mass = (q * np.exp(t)).sum(axis=-1)
    lost = (q * np.expm1(t)).sum(axis=-1)
    # Close to 1 the mass itself would hold few digits of its logarithm.
    logs: Floats = np.where(mass > 0.5, np.log1p(np.maximum(lost, -0.75)), np.log(mass))
    return logs / rate


def _beyond_linear(t: Floats) -> Floats:
    """``exp(t) - 1 - t`` for abs(t) <= 1, by its series, whose terms do not cancel."""
    total = np.zeros_like(t)
    for k in range(18, 1, -1):  # 1 / 19! < 2^-56
        total = (1.0 + total) * (t / k)
    return total * t


def _relative_entropy(s: Floats) -> Floats:
    """``r log r - r + 1`` for r = 1 + s, accurate near s = 0."""
    r, near = 1.0 + s, np.abs(s) < 0.1
    x = np.where(near, s, 0.0)
    series = np.zeros_like(s)
    for k in range(18, 1, -1):  # (1 + s) log(1 + s) - s = sum_k (-s)^k / (k (k - 1))
        series = series * -x + 1.0 / (k * (k - 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        direct = np.where(r > 0, r * np.log(r), 0.0) - s
    return np.where(near, series * x * x, direct)


def _plain(result: Any) -> Any:
    return float(result) if np.ndim(result) == 0 else result
