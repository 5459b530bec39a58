"""Least l2 perturbations that change a classifier's decision: upper bounds on exact radii.

A near point is usually missed because the search runs towards the wrong class, so every class is
tried: for each, the point nearest to x on the linearised boundary, again and again (DeepFool's
step, taken from x). Classes that fall behind are dropped; what is left is shrunk by gradient steps
on spheres of varying radius (fast minimum norm), walked back to the boundary and verified.
Everything runs in double precision: points bisected in single precision often turn out not to be
adversarial at all. All lengths are relative to the radii at hand, none to the bounds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from empirical.attacks.margin import (
    Bounds,
    Function,
    Margin,
    nearest_on_plane,
    norm,
    shrink_to_boundary,
    unit,
)

# Rounds of the race between classes: steps, whether they are taken from x, and what then stays:
# classes within this multiple of the best radius so far.
ROUNDS = ((6, True, 2.0), (2, False, 1.5), (2, False, 1.3))
REFINEMENT = ((0.25, 1.1), (0.75, 1.0))  # rounds of the fine search: share of its steps, what stays
LONGEST = 3.0  # a step may multiply the distance to x by this
POLISHING_OVERSHOOTS = (1e-3, 1e-5, 1e-7)
DEEPFOOL_STEPS = 50
RESCUES = 16  # random starts where all else failed
RESCUE_STREAM = 2**20  # of random numbers, apart from those of the restarts
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
    steps: int = 20,
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
        Further searches, from random points near the first result; the least norm counts.
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
        found = _race(margin, origin, start, label, steps)
        missed = ~torch.isfinite(found).all(1)
        if missed.any():
            found[missed] = _fall_back(
                margin, origin[missed], start[missed], label[missed], steps, seed
            )
        found = _polish(margin, origin, found, label)
        best = _keep(origin, best, found)
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


def _keep(origin: torch.Tensor, old: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
    nearer = norm(new - origin) < norm(old - origin)
    return torch.where(nearer[:, None], new, old)


@dataclass
class _Pairs:
    """Searches in progress, each from one point (`row`) towards one class (`target`)."""

    row: torch.Tensor
    target: torch.Tensor
    point: torch.Tensor
    best: torch.Tensor  # nearest adversarial point seen, +inf before there is one
    radius: torch.Tensor  # its distance from x

    def select(self, mask: torch.Tensor) -> None:
        for name in ("row", "target", "point", "best", "radius"):
            setattr(self, name, getattr(self, name)[mask])

    def least(self, values: torch.Tensor, n: int) -> torch.Tensor:
        """Return for each pair the least of `values` over the pairs of its point."""
        least = torch.full((n,), torch.inf, dtype=values.dtype, device=values.device)
        return least.scatter_reduce(0, self.row, values, "amin")[self.row]


def _race(
    margin: Margin, origin: torch.Tensor, start: torch.Tensor, label: torch.Tensor, steps: int
) -> torch.Tensor:
    """Return the nearest adversarial points found by searches towards every class."""
    n = len(origin)
    pairs = _first_steps(margin, origin, start, label)
    for count, from_x, kept in ROUNDS:
        estimate = pairs.radius
        for _ in range(count):
            estimate = _newton(margin, origin, label, pairs, from_x=from_x)
        score = torch.minimum(estimate, pairs.radius)
        pairs.select(score <= kept * pairs.least(score, n))
    pairs.select(torch.isfinite(pairs.radius))
    for share, kept in REFINEMENT:
        x, own = origin[pairs.row], label[pairs.row]
        pairs.best = _refine(margin, x, pairs.best, own, math.ceil(share * steps))
        pairs.radius = norm(pairs.best - x)
        pairs.select(pairs.radius <= kept * pairs.least(pairs.radius, n))
    first = torch.ones_like(pairs.row, dtype=torch.bool)  # of equally near ones; rows ascend
    first[1:] = pairs.row[1:] != pairs.row[:-1]
    result = torch.full_like(origin, torch.inf)
    result[pairs.row[first]] = pairs.best[first]
    return result


def _first_steps(
    margin: Margin, origin: torch.Tensor, start: torch.Tensor, label: torch.Tensor
) -> _Pairs:
    gap, slope, target = margin.linearised(start, label)
    n, count = target.shape
    row = torch.arange(n, device=origin.device).repeat_interleave(count)
    slope = slope.flatten(0, 1)
    rise = gap.flatten() + ((start - origin)[row] * slope).sum(1)
    point = nearest_on_plane(origin[row], slope, rise, margin.bounds)
    nowhere = torch.full_like(point, torch.inf)
    radius = torch.full_like(rise, torch.inf)
    usable = torch.isfinite(point).all(1)
    pairs = _Pairs(row, target.flatten(), point, nowhere, radius)
    pairs.select(usable)
    return pairs


def _newton(
    margin: Margin, origin: torch.Tensor, label: torch.Tensor, pairs: _Pairs, *, from_x: bool
) -> torch.Tensor:
    """Step to the linearised boundary: to its point nearest to x, or midway between that and its
    point nearest to the current one, which settles where the boundary is bent. Return the
    distances from x to the linearised boundaries.
    """
    x = origin[pairs.row]
    gap, slope, fooled = margin.towards(pairs.point, label[pairs.row], pairs.target)
    size = norm(pairs.point - x)
    better = fooled & (size < pairs.radius)
    pairs.best = torch.where(better[:, None], pairs.point, pairs.best)
    pairs.radius = torch.where(better, size, pairs.radius)
    rise = gap + ((pairs.point - x) * slope).sum(1)
    goal = nearest_on_plane(x, slope, rise, margin.bounds)
    estimate = norm(goal - x)
    longest = torch.minimum(pairs.least(pairs.radius, len(origin)), LONGEST * size)
    goal = x + (goal - x) * (longest / estimate).clamp_max(1.0)[:, None]
    if not from_x:
        goal = (goal + nearest_on_plane(pairs.point, slope, gap, margin.bounds)) / 2
    usable = torch.isfinite(goal).all(1)
    pairs.point = torch.where(usable[:, None], margin.clip(goal), pairs.point)
    return torch.where(usable, estimate, torch.inf)


def _polish(
    margin: Margin, origin: torch.Tensor, found: torch.Tensor, label: torch.Tensor
) -> torch.Tensor:
    """Return points on the boundary: where it is flat or gently bent, the nearest ones to x.

    What the fine search leaves is off by its last steps; Newton's method from there is not.
    """
    best = shrink_to_boundary(margin, origin, found, label)
    for overshoot in POLISHING_OVERSHOOTS:
        known = torch.isfinite(best).all(1)
        x, own, point = origin[known], label[known], best[known]
        if not len(x):
            break
        gap, _, slope = margin.gradient(point, own)
        rise = gap + ((point - x) * slope).sum(1)
        goal = nearest_on_plane(x, slope, rise, margin.bounds, overshoot=overshoot)
        fooled = margin.decided(goal, own, clear=False)
        goal = torch.where(fooled[:, None], goal, torch.inf)
        best[known] = _keep(x, point, shrink_to_boundary(margin, x, goal, own))
    return best


def _fall_back(
    margin: Margin,
    origin: torch.Tensor,
    start: torch.Tensor,
    label: torch.Tensor,
    steps: int,
    seed: int,
) -> torch.Tensor:
    """Return adversarial points where the race found none: DeepFool, also from random starts."""
    found = _deepfool(margin, origin, start, label)
    for rescue in range(RESCUES):
        missed = ~torch.isfinite(found).all(1)
        if not missed.any():
            break
        x = origin[missed]
        size = unit(x) * 4.0 ** (rescue % 4 - 1)
        around = x + _directions(x, seed, RESCUE_STREAM + rescue) * size[:, None]
        found[missed] = _deepfool(margin, x, margin.clip(around), label[missed])
    found = shrink_to_boundary(margin, origin, found, label)
    return _refine(margin, origin, found, label, 2 * steps)


def _deepfool(
    margin: Margin, origin: torch.Tensor, start: torch.Tensor, label: torch.Tensor
) -> torch.Tensor:
    """Return adversarial points, +inf where none was reached: step to the nearest boundary of the
    linearised classifier, from wherever one is, again and again.
    """
    result = torch.full_like(origin, torch.inf)
    active = torch.arange(len(origin), device=origin.device)
    point = start
    for _ in range(DEEPFOOL_STEPS):
        if not len(active):
            break
        _, fooled = margin.at(point, label[active])
        result[active[fooled]] = point[fooled]
        active, point = active[~fooled], point[~fooled]
        if not len(active):
            break
        gap, slope, _ = margin.linearised(point, label[active])
        distance = gap / norm(slope)
        nearest, k = torch.where(torch.isfinite(distance), distance, torch.inf).min(1)
        index = torch.arange(len(k), device=k.device)
        step = nearest_on_plane(point, slope[index, k], gap[index, k], margin.bounds)
        movable = torch.isfinite(nearest) & torch.isfinite(step).all(1)
        active, point = active[movable], step[movable]
    return result


def _refine(
    margin: Margin, origin: torch.Tensor, found: torch.Tensor, label: torch.Tensor, steps: int
) -> torch.Tensor:
    """Fast minimum norm from adversarial points, all lengths in units of each first radius."""
    known = torch.isfinite(found).all(1)
    x, label = origin[known], label[known]
    if not len(x) or steps == 0:
        return found
    best = found[known]
    best_norm = norm(best - x)
    point, radius, first = best, best_norm, best_norm
    for i in range(steps):
        decay = (1 + np.cos(np.pi * i / steps)) / 2
        rate, shrink = 0.01 + 0.49 * decay, 0.001 + 0.049 * decay
        _, fooled, slope = margin.gradient(point, label)
        size = norm(point - x)
        better = fooled & (size < best_norm)
        best = torch.where(better[:, None], point, best)
        best_norm = torch.where(better, size, best_norm)
        radius = torch.where(
            fooled, torch.minimum(radius, size) * (1 - shrink), radius * (1 + shrink)
        )
        radius = torch.minimum(radius, best_norm)
        length = norm(slope).clamp_min(1e-300)
        moved = point + (rate * first / length)[:, None] * slope - x
        size = norm(moved).clamp_min(1e-300)
        point = margin.clip(x + moved * (radius / size).clamp_max(1.0)[:, None])
    result = found.clone()
    result[known] = best
    return result


def _scatter(origin: torch.Tensor, best: torch.Tensor, seed: int, attempt: int) -> torch.Tensor:
    """Return starts at half the best radius, or at a distance like that of x from 0."""
    radius = norm(best - origin)
    radius = torch.where(torch.isfinite(radius), radius / 2, unit(origin))
    return origin + _directions(origin, seed, attempt) * radius[:, None]


def _directions(origin: torch.Tensor, seed: int, stream: int) -> torch.Tensor:
    """Return a unit vector for each point, drawn from its coordinates and the two numbers."""
    rows = []
    for row in origin.cpu().numpy():
        key = np.frombuffer(row.tobytes(), np.uint32)
        rows.append(np.random.default_rng([seed, stream, *key]).standard_normal(row.size))
    noise = torch.from_numpy(np.array(rows)).to(origin)
    return noise / norm(noise)[:, None]
