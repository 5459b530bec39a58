"""Attacks against what is known: theorems, exact radii, double precision, planted examples."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import nn

from empirical.attacks.arguments import blocks
from empirical.attacks.projections import Box, project
from empirical.attacks.steps import Attacked, random_point
from empirical.checks import Check, judged, not_applicable, read_fooled
from empirical.estimate import proportion_interval
from robust_theory.vulnerability.latent import fooling_quantile

Attack = Callable[[nn.Module, np.ndarray, np.ndarray], Attacked]

QUANTILES = (0.1, 0.25, 0.5, 0.75)
ALPHA = 0.01
EXCESS = 0.05  # by which attack radii may exceed exact ones in the mean
PLANTED_FOUND = 0.95  # share of planted examples that a good attack finds

_SAMPLES = 200  # points of the ball that a planted head must keep on their side
_RIDGE = 1e-3  # relative


def inside_check(
    images: np.ndarray,
    attacked: np.ndarray,
    eps: float,
    norm: str = "linf",
    box: Box = (0.0, 1.0),
) -> Check:
    """Fail where an attack left the ball or the box by more than single precision rounds.

    The number is the largest excess, of the norm or of a pixel's value.
    """
    orders = {"linf": np.inf, "l2": 2, "l1": 1}
    if norm not in orders:
        raise ValueError(f"norm must be one of {tuple(orders)}, got {norm!r}")
    x, z = (np.asarray(a, dtype=np.float64) for a in (images, attacked))
    if x.shape != z.shape or x.ndim < 2:
        raise ValueError(f"attacked must have shape {x.shape}, got {z.shape}")
    move = (z - x).reshape(len(x), -1)
    size = np.linalg.norm(move, orders[norm], axis=1)
    excess = [(size - eps).max(initial=0), (z - box[1]).max(initial=0), (box[0] - z).max(initial=0)]
    beyond = float(max(excess)) if np.isfinite(z).all() else np.inf
    # Each pixel is rounded by 2^-24 of its size: in l1 these add up, in l2 their squares do.
    rounded = (
        4 * 2.0**-24 * max(map(abs, box)) * move.shape[1] ** {"linf": 0, "l2": 0.5, "l1": 1}[norm]
    )
    return judged(
        "inside ball and box", beyond > rounded, beyond, "largest excess over ball or box"
    )


def double_check(network: nn.Module, attacked: Attacked, labels: np.ndarray) -> Check:
    """Fail where claimed examples are classified rightly in double precision; their share."""
    claimed = read_fooled(attacked.fooled, "attacked.fooled")
    name = "verified in double precision"
    if not claimed.any():
        return not_applicable(name, "the attack claims no example")
    double = copy.deepcopy(network).double().eval()
    with torch.no_grad():
        decided = double(torch.from_numpy(attacked.images[claimed]).double()).argmax(1).numpy()
    false = float((decided == labels[claimed]).mean())
    meaning = "share of the claimed examples that double precision classifies rightly"
    return judged(name, false > 0, false, meaning)


def oracle_check(radii: ArrayLike, measures: ArrayLike) -> Check:
    """Fail where attack radii in a Gaussian latent space exceed what any classifier allows.

    Theorem: for class measures p, the share of latents with radius at most
    ``fooling_quantile(p, q)`` is at least q. If far fewer attack radii are, the attack is too weak.

    Parameters
    ----------
    radii : array_like
        Shape (n,): l2 lengths that an attack found at independent z ~ N(0, I); +inf for none.
    measures : array_like
        Shape (K,): class measures, summing to 1.

    Returns
    -------
    Check
        The number is the largest shortfall ``q - share`` over `QUANTILES`. It fails where an upper
        confidence limit of the share is below q, wrongly with probability `ALPHA` at most.

    Source: fawzi2018, Theorem 1.
    """
    r = np.asarray(radii, dtype=float)
    if r.ndim != 1 or not len(r) or np.isnan(r).any():
        raise ValueError(f"radii must have shape (n,) and no NaN, got shape {r.shape}")
    shortfall, failed = 0.0, False
    for q in QUANTILES:
        within = int((r <= float(fooling_quantile(measures, q))).sum())
        # Both sides are covered by the interval; one is needed.
        limits = proportion_interval(within, len(r), 2 * ALPHA / len(QUANTILES))
        shortfall, failed = max(shortfall, q - within / len(r)), failed or limits.hi < q
    meaning = "largest share of latents that theory says are fooled and the attack does not fool"
    return judged("theory's quantiles", failed, shortfall, meaning)


def exact_check(radii: ArrayLike, lower: ArrayLike, upper: ArrayLike) -> Check:
    """Fail where attack radii are more than `EXCESS` above exact ones, or below: then one is wrong.

    Parameters
    ----------
    radii : array_like
        Shape (n,): of the attack.
    lower, upper : array_like
        Shape (n,): bounds of the exact radii, such as those of `empirical.exact_milp.milp_radius`.

    Returns
    -------
    Check
        The number is the mean of attack radius / upper bound, +inf if the attack failed anywhere.
    """
    r, lo, hi = (np.asarray(a, dtype=float) for a in (radii, lower, upper))
    name = "exact radii"
    if not r.shape == lo.shape == hi.shape or r.ndim != 1:
        raise ValueError(
            f"radii and bounds must have one shape, got {r.shape}, {lo.shape}, {hi.shape}"
        )
    known = np.isfinite(hi) & (hi > 0)
    if not known.any():
        return not_applicable(name, "no exact radius is known")
    ratio = float((r[known] / hi[known]).mean())
    if (r < lo).any():
        return judged(name, True, ratio, "an attack radius is below the exact one: one is wrong")
    return judged(name, ratio > 1 + EXCESS, ratio, "mean of attack radius over exact radius")


def planted_check(
    features: nn.Module,
    images: np.ndarray,
    attack: Attack,
    eps: float,
    norm: str = "linf",
    *,
    seed: int = 0,
    box: Box = (0.0, 1.0),
) -> Check:
    """Fail where an attack misses examples that are known to exist (binarisation test).

    For each image a point of the ball's surface is drawn, and a head for two classes is put on the
    features that tells it from the image and `_SAMPLES` random points of the ball. An attack on
    that classifier has something to find.

    Parameters
    ----------
    features : Module
        Images (m, c, h, w) to features (m, p): the classifier without its last layer.
    images : ndarray
        Shape (m, c, h, w): a few.
    attack : callable
        ``(network, images, labels) -> Attacked``, for the same eps, norm and box.
    eps : float
        Positive.
    norm, box
        Of the attack.
    seed : int
        Of the points.

    Returns
    -------
    Check
        The number is the share of the planted examples that were found. The meaning says how many
        as many new random points find. Not applicable where no head separates the points.

    Source: zimmermann2022, section 4; the head is a linear discriminant.
    """
    if not eps > 0:
        raise ValueError(f"eps must be positive, got {eps!r}")
    draws = torch.Generator().manual_seed(seed)
    running = copy.deepcopy(features).eval()
    flat = nn.Sequential(running, nn.Flatten())
    found, by_chance = [], []
    for _, x, _ in blocks(flat, images, np.zeros(len(images), dtype=np.int64), eps, box=box):
        for k in range(len(x)):
            one = x[k : k + 1]
            many = one.expand(_SAMPLES, *one.shape[1:])
            planted = _surface(one, eps, norm, draws, box)
            kept = torch.cat([one, random_point(many, eps, norm, draws, box)])
            head = _head(flat, kept, planted)
            if head is None:
                continue
            binary = nn.Sequential(running, nn.Flatten(), head).eval()
            tried = attack(binary, images[k : k + 1], np.zeros(1, dtype=np.int64))
            found.append(bool(tried.fooled[0]))
            with torch.no_grad():
                chance = binary(random_point(many, eps, norm, draws, box))
            by_chance.append(bool((chance[:, 1] > chance[:, 0]).any()))
    name = "planted examples"
    if not found:
        return not_applicable(name, "no linear head on the features separates a planted point")
    share = float(np.mean(found))
    meaning = (
        f"share of {len(found)} planted examples that the attack found; "
        f"random points found {np.mean(by_chance):.3g}"
    )
    return judged(name, share < PLANTED_FOUND, share, meaning)


def _surface(
    x: torch.Tensor, eps: float, norm: str, draws: torch.Generator, box: Box
) -> torch.Tensor:
    """A random point as far out as the box allows: a corner for linf."""
    move = torch.randn(x.shape, generator=draws, dtype=x.dtype).to(x)
    move = (
        move.sign() if norm == "linf" else move / move.flatten(1).norm(p=2 if norm == "l2" else 1)
    )
    return project(x + eps * move, x, eps, norm, box=box)


def _head(flat: nn.Module, kept: torch.Tensor, planted: torch.Tensor) -> nn.Linear | None:
    """Two logits whose difference is positive at the planted point and negative at the others."""
    with torch.no_grad():
        inner, outer = flat(kept).double(), flat(planted).double()[0]
        mean = inner.mean(0)
        spread = (inner - mean).T @ (inner - mean) / len(inner)
        size = float(spread.diagonal().mean())
        if not size > 0:
            return None
        ridge = _RIDGE * size * torch.eye(len(spread), dtype=spread.dtype)
        normal = torch.linalg.solve(spread + ridge, outer - mean)
        top, there = float((inner @ normal).max()), float(outer @ normal)
        if not there - top > 1e-6 * abs(there):
            return None
        head = nn.Linear(len(normal), 2, dtype=kept.dtype)
        head.weight.copy_(torch.stack([torch.zeros_like(normal), normal]) / (there - top))
        head.bias.copy_(torch.tensor([0.0, -(there + top) / 2 / (there - top)]))
    return head
