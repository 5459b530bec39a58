"""From one adversarial point to nearer ones, and to a first one where nothing else led to any.

Points are flat, shape (m, d), float64, +inf in rows where there is none; x is the origin.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from empirical.attacks.margin import Margin, nearest_on_plane, norm, shrink_to_boundary, unit

POLISHING_OVERSHOOTS = (1e-3, 1e-4, 1e-5, 1e-6)
RAY_OVERSHOOT = 1e-2
LOOKS = 4  # random directions in which the neighbourhood of a point is looked over
LOOK = 0.4  # how far away, in radii
LOOKING_OVERSHOOTS = (1e-2,)
DEEPFOOL_STEPS = 50
SCANNED_DIMENSION = 16  # up to which random points are any use
SCANNED = 128  # random points, the same directions for all
ROWS = 1000  # points looked at together
RESCUES = 16  # random starts where all else failed
RESCUE_STREAM = 2**20  # of random numbers, apart from those of the restarts


def nearer(origin: torch.Tensor, old: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
    """Return row by row the point nearer to x."""
    better = norm(new - origin) < norm(old - origin)
    return torch.where(better[:, None], new, old)


def refined(
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


def looked_around(
    margin: Margin,
    origin: torch.Tensor,
    found: torch.Tensor,
    label: torch.Tensor,
    seed: Sequence[int],
) -> torch.Tensor:
    """Return points no farther than those found: a piecewise smooth boundary has many pieces, and
    the one next to where a descent ends is often a little nearer.

    From a few points around, Newton's method to the boundary's nearest point. The directions are
    the same for all points, so that results depend on no batch.
    """
    known = torch.isfinite(found).all(1)
    m, d = int(known.sum()), origin.shape[1]
    if not m:
        return found
    around = np.random.default_rng(seed).standard_normal((LOOKS, d))
    around *= LOOK / np.linalg.norm(around, axis=1, keepdims=True)
    x, own, best = (t[known].repeat_interleave(LOOKS, 0) for t in (origin, label, found))
    start = margin.clip(
        best + norm(best - x)[:, None] * torch.from_numpy(around).to(x).repeat(m, 1)
    )
    best = _newton(margin, x, start, best, own, LOOKING_OVERSHOOTS)
    least = norm(best - x).reshape(m, LOOKS).argmin(1)
    result = found.clone()
    result[known] = best.reshape(m, LOOKS, d)[torch.arange(m, device=least.device), least]
    return result


def scanned(
    margin: Margin,
    origin: torch.Tensor,
    found: torch.Tensor,
    label: torch.Tensor,
    steps: int,
    seed: Sequence[int],
) -> torch.Tensor:
    """Return points no farther than those found: in few dimensions, random points of the ball that
    they bound hit what lies in another direction than every descent went.

    The nearest hit is pulled to the boundary and refined by as many steps.
    """
    d = origin.shape[1]
    known = torch.isfinite(found).all(1)
    if not known.any():
        return found
    draws = np.random.default_rng(seed)
    moves = draws.standard_normal((SCANNED, d))
    moves *= (draws.random(SCANNED) ** (1 / d) / np.linalg.norm(moves, axis=1))[:, None]
    x, own, best = origin[known], label[known], found[known]
    radius, hit = norm(best - x), torch.full_like(best, torch.inf)
    for part in torch.from_numpy(moves).to(x).split(max(1, ROWS // len(x))):
        points = margin.clip(x[:, None] + radius[:, None, None] * part)
        flat = points.flatten(0, 1)
        _, fooled = margin.at(flat, own.repeat_interleave(len(part), 0))
        flat = torch.where(fooled[:, None], flat, torch.inf).reshape(points.shape)
        least = norm(flat - x[:, None]).argmin(1)
        hit = nearer(x, hit, flat[torch.arange(len(x), device=least.device), least])
    hit = refined(margin, x, shrink_to_boundary(margin, x, hit, own), own, steps)
    result = found.clone()
    result[known] = nearer(x, best, hit)
    return result


def polished(
    margin: Margin, origin: torch.Tensor, found: torch.Tensor, label: torch.Tensor
) -> torch.Tensor:
    """Return points on the boundary: where it is flat or gently bent, the nearest ones to x.

    What the fine search leaves is off by its last steps; Newton's method from there is not.
    """
    known = torch.isfinite(found).all(1)
    result = found.clone()
    if known.any():
        x, own, best = origin[known], label[known], found[known]
        best = _newton(margin, x, best, best, own, POLISHING_OVERSHOOTS)
        result[known] = shrink_to_boundary(margin, x, best, own)
    return result


def _newton(
    margin: Margin,
    x: torch.Tensor,
    point: torch.Tensor,
    best: torch.Tensor,
    label: torch.Tensor,
    overshoots: Sequence[float],
) -> torch.Tensor:
    """Return the nearest adversarial points, of `best` and those passed by Newton's method."""
    for overshoot in overshoots:
        gap, fooled, slope = margin.gradient(point, label)
        best = nearer(x, best, torch.where(fooled[:, None], point, torch.inf))
        rise = gap + ((point - x) * slope).sum(1)
        goal = nearest_on_plane(x, slope, rise, margin.bounds, overshoot=overshoot)
        point = torch.where(torch.isfinite(goal).all(1)[:, None], goal, point)
    # Last along the ray from x: the foot of the plane may have missed a boundary that is bent.
    gap, fooled, slope = margin.gradient(point, label)
    best = nearer(x, best, torch.where(fooled[:, None], point, torch.inf))
    ray = point - x
    further = gap / (slope * ray).sum(1) * (1 + RAY_OVERSHOOT)
    point = margin.clip(point + torch.where(torch.isfinite(further), further, 0.0)[:, None] * ray)
    _, fooled = margin.at(point, label)
    return nearer(x, best, torch.where(fooled[:, None], point, torch.inf))


def fallen_back(
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
        around = x + directions(x, seed, RESCUE_STREAM + rescue) * size[:, None]
        found[missed] = _deepfool(margin, x, margin.clip(around), label[missed])
    found = shrink_to_boundary(margin, origin, found, label)
    return refined(margin, origin, found, label, 2 * steps)


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


def directions(origin: torch.Tensor, seed: int, stream: int) -> torch.Tensor:
    """Return a unit vector for each point, drawn from its coordinates and the two numbers."""
    rows = []
    for row in origin.cpu().numpy():
        key = np.frombuffer(row.tobytes(), np.uint32)
        rows.append(np.random.default_rng([seed, stream, *key]).standard_normal(row.size))
    noise = torch.from_numpy(np.array(rows)).to(origin)
    return noise / norm(noise)[:, None]
