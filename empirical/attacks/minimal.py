"""Least l2 perturbations that change a classifier's decision: upper bounds on exact radii.

A near point is usually missed because the search runs towards the wrong class, so several classes
race; the winner is shrunk by gradient steps, its neighbourhood looked over, and the best point
walked back to the boundary and verified. Everything runs in double precision: points bisected in
single precision often turn out not to be adversarial at all. All lengths are relative to the radii
at hand, none to the bounds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from empirical.attacks.descent import (
    SCANNED_DIMENSION,
    directions,
    fallen_back,
    looked_around,
    nearer,
    polished,
    scanned,
)
from empirical.attacks.margin import Bounds, Function, Margin, norm, unit
from empirical.attacks.race import race_winners

PUSHES = (0.0, *(10.0**k for k in range(-10, 4)))  # relative; the last are for radii near 0


@dataclass(frozen=True, eq=False)
class MinimalPerturbation:
    """What an attack found. Row i belongs to point i.

    Parameters
    ----------
    radius : ndarray
        Shape (n,), float64: l2 distance from x to `point`, never below the exact radius; +inf
        where no adversarial point was found, never NaN.
    point : ndarray
        Shape of x, float64: a point with another label; x itself where none was found.
    label, adversarial_label : ndarray
        Shape (n,), int64: decision at x and at `point`, the least index winning ties.
    """

    radius: np.ndarray
    point: np.ndarray
    label: np.ndarray
    adversarial_label: np.ndarray


def minimal_perturbation(
    function: Function,
    x: torch.Tensor | np.ndarray,
    *,
    steps: int = 16,
    restarts: int = 0,
    seed: int = 0,
    batch: int = 250,
    bounds: Bounds = None,
    device: str = "cpu",
    progress: Callable[[float, str], None] | None = None,
) -> MinimalPerturbation:
    """Return, for each point, a nearby one that `function` decides differently.

    Parameters
    ----------
    function : callable
        Takes a float64 tensor of shape (m, ...) to logits (m, K), each row on its own, itself in
        double precision (``module.double().eval()``). The decision is the argmax.
    x : tensor or ndarray
        Shape (n, ...): the points.
    steps : int
        Gradient steps of the fine search, per class still in play.
    restarts : int
        Further searches, from random points near the first result; the least norm counts. In at
        most 16 dimensions the first looks at many random points nearer than the result instead.
    seed : int
        With the coordinates of a point, decides the random numbers of its restarts.
    batch : int
        Points treated at once; memory grows with it and results do not change (on a CPU to the
        last bit, where rows of matrix products do not depend on each other).
    bounds : (float, float), optional
        Perturbed points stay in this box, ``lo <= coordinate <= hi``, as x must. Unbounded by
        default.
    device : str
        Where `function` lives.
    progress : callable, optional
        Called with the fraction done and words.

    Raises
    ------
    ValueError
        x is not finite, or outside the bounds; logits that are not float64, not of shape (m, K)
        with K >= 1, or not finite at x.
    """
    points = torch.as_tensor(x).to(device=device, dtype=torch.float64)
    if points.ndim < 2 or not torch.isfinite(points).all():
        raise ValueError(f"x must be finite, of shape (n, ...), got shape {tuple(points.shape)}")
    if bounds is not None and not ((points >= bounds[0]) & (points <= bounds[1])).all():
        raise ValueError(f"x must lie within the bounds {bounds}")
    for name, number, least in (
        ("steps", steps, 0),
        ("restarts", restarts, 0),
        ("seed", seed, 0),
        ("batch", batch, 1),
    ):
        if number < least:
            raise ValueError(f"{name} must be at least {least}, got {number}")
    parts = []
    for start in range(0, len(points), batch):
        parts.append(
            _search(function, points[start : start + batch], steps, restarts, seed, bounds)
        )
        if progress is not None:
            done = min(start + batch, len(points))
            progress(done / len(points), f"{done} of {len(points)} points attacked")
    if not parts:
        none = np.zeros(0, np.int64)
        return MinimalPerturbation(np.zeros(0), points.cpu().numpy(), none, none)
    radius, point, label, other = (
        torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True)
    )
    return MinimalPerturbation(radius, point.reshape(points.shape), label, other)


def _search(
    function: Function, x: torch.Tensor, steps: int, restarts: int, seed: int, bounds: Bounds
) -> tuple[torch.Tensor, ...]:
    margin = Margin(function, x, bounds)
    origin = x.flatten(1)
    label = margin.label
    best = torch.full_like(origin, torch.inf)
    for attempt in range(restarts + 1 if margin.classes > 1 else 0):
        start = origin if attempt == 0 else margin.clip(_scatter(origin, best, seed, attempt))
        if attempt == 1 and origin.shape[1] <= SCANNED_DIMENSION:
            best = scanned(margin, origin, best, label, steps, (seed, attempt))
        else:
            best = nearer(origin, best, race_winners(margin, origin, start, label, steps))
        missed = ~torch.isfinite(best).all(1)
        if missed.any():
            best[missed] = fallen_back(
                margin, origin[missed], start[missed], label[missed], steps, seed
            )
        found = looked_around(margin, origin, best, label, (seed, attempt))
        best = nearer(origin, best, polished(margin, origin, found, label))
    point, found = _verified(margin, origin, best, label)
    with torch.no_grad():
        other = margin.logits(point).argmax(1)
    rounding = 1 + (origin.shape[1] + 4) * torch.finfo(x.dtype).eps  # of the norm, upwards
    radius = torch.where(found, norm(point - origin) * rounding, torch.inf)
    return radius, point, label, torch.where(found, other, label)


def _verified(
    margin: Margin, origin: torch.Tensor, best: torch.Tensor, label: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the points to report, x itself where there is none, and whether there is one.

    A point on the boundary is pushed out until the decision there is clear of the rounding that a
    batch of another size could bring; if it never is (logits that tie in a whole region), until
    it is another decision at all.
    """
    point = origin.clone()
    found = torch.zeros_like(label, dtype=torch.bool)
    reached = torch.isfinite(best).all(1)
    for clear in (True, False):
        for push in PUSHES:
            if (found == reached).all():
                return point, found
            pushed = margin.clip(origin + (best - origin) * (1 + push))
            candidate = torch.where(reached[:, None], pushed, origin)
            new = margin.decided(candidate, label, clear=clear) & reached & ~found
            point = torch.where(new[:, None], candidate, point)
            found |= new
    return point, found


def _scatter(origin: torch.Tensor, best: torch.Tensor, seed: int, attempt: int) -> torch.Tensor:
    """Return starts at half the best radius, or at a distance like that of x from 0."""
    radius = norm(best - origin)
    radius = torch.where(torch.isfinite(radius), radius / 2, unit(origin))
    return origin + directions(origin, seed, attempt) * radius[:, None]
