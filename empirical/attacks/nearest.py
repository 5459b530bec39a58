"""The nearest point, in any smooth metric, where every one of several classifiers changes its mind.

From a few starts and towards several classes at once: linearise the leads of the classifiers and
the map that defines the metric, solve the quadratic program that results, damp the step where
the linearisation was too bold, and keep the nearest point that was really decided differently
(sequential quadratic programming with a Levenberg-Marquardt damping). Double precision throughout.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from empirical.attacks.margin import Margin, norm
from empirical.attacks.pursuit import Metric, Pairs, opened_pairs, program, step

CLASSES = 3  # per model, those nearest at x by linearisation, in all combinations
# Steps of the race between classes, and the multiple of the best that then stays.
ROUNDS = ((0, 2.0), (1, 1.5), (2, 1.2), (3, 1.1), (3, 1.02))
POOL = 1000  # random points
FROM_POOL = 2  # of them serve as starts
SCATTER = 0.5  # of the radius, between the best point and the start of a further search
BISECTIONS = 45
PUSHES = (0.0, 1e-12, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2)


def nearest_change(
    models: Sequence[Margin],
    metric: Metric,
    origin: torch.Tensor,
    starts: Sequence[torch.Tensor],
    steps: int,
    restarts: int,
    seed: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the nearest points found where all models decide otherwise than at `origin`, (n, d),
    and whether there is one; the decisions there are clear of rounding wherever they can be.

    Parameters
    ----------
    models : sequence of Margin
        Built at `origin`.
    metric : callable
        What near means.
    origin : tensor
        Shape (n, d).
    starts : sequence of tensor
        Where to begin besides `origin`, shape (n, d) each; rows that are not finite are left out.
    steps : int
        Of the fine search, after the race between classes.
    restarts : int
        Further searches, from points around the nearest so far.
    seed : int
        Of the random points and directions, the same for all origins; the nearest few of the
        points that have other decisions are further starts.
    """
    best = torch.full_like(origin, torch.inf)
    random = np.random.default_rng(seed)
    pool = torch.from_numpy(random.standard_normal((POOL, origin.shape[1]))).to(origin)
    if min(model.classes for model in models) > 1:
        near = _nearest_of_pool(models, metric, pool)
        starts = [*starts, *(_shrink(models, origin, point) for point in near)]
        pairs = [opened_pairs(models, metric, origin, start, 1) for start in starts]
        best = _search(
            models,
            metric,
            origin,
            [opened_pairs(models, metric, origin, origin, CLASSES), *pairs],
            steps,
        )
        for k in range(restarts):
            radius = norm(best - origin)[:, None]
            around = best + SCATTER * radius * pool[k] / norm(pool[k])
            pairs = [opened_pairs(models, metric, origin, start, 1) for start in (best, around)]
            best = _search(models, metric, origin, pairs, steps)
        best = _nearer(metric, best, _shrink(models, origin, best))
    return _verified(models, origin, best)


def _nearer(metric: Metric, old: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
    """Return row by row the nearer point; along a segment the metric need not grow."""
    row = torch.isfinite(new).all(1).nonzero().squeeze(1)
    better = metric(new[row], row)[0] < metric(old[row], row)[0]
    result = old.clone()
    result[row] = torch.where(better[:, None], new[row], old[row])
    return result


def _nearest_of_pool(
    models: Sequence[Margin], metric: Metric, pool: torch.Tensor
) -> list[torch.Tensor]:
    """Return for each origin the nearest points of the pool with other decisions, nearest first;
    +inf where there are no more.
    """
    with torch.no_grad():
        decided = torch.stack([model.logits(pool).argmax(1) for model in models])
    own = torch.stack([model.label for model in models])
    usable = (decided[:, None, :] != own[:, :, None]).all(0)
    distance = torch.where(usable, metric.distances(pool), torch.inf)
    least, index = distance.topk(FROM_POOL, dim=1, largest=False)
    return [
        torch.where(torch.isfinite(least[:, k])[:, None], pool[index[:, k]], torch.inf)
        for k in range(FROM_POOL)
    ]


def _search(
    models: Sequence[Margin],
    metric: Metric,
    origin: torch.Tensor,
    opened: Sequence[Pairs],
    steps: int,
) -> torch.Tensor:
    """Return the nearest points found by these searches, +inf where none was."""
    pairs = Pairs.joined(opened)
    for count, kept in ROUNDS:
        promised = program(pairs)[2]
        for _ in range(count):
            promised = step(models, metric, origin, pairs)
        reached = pairs.best_half.sqrt()
        score = torch.minimum(promised, reached)
        pairs.select(score <= kept * pairs.least(reached, len(origin)))
    for i in range(steps):
        if i == math.ceil(steps / 2):
            pairs.select(pairs.best_half <= pairs.least(pairs.best_half, len(origin)))
        step(models, metric, origin, pairs)
    pairs.select(torch.isfinite(pairs.best_half))
    pairs.select(torch.argsort(pairs.best_half, stable=True))
    pairs.select(torch.argsort(pairs.row, stable=True))
    first = torch.ones_like(pairs.row, dtype=torch.bool)
    first[1:] = pairs.row[1:] != pairs.row[:-1]
    best = torch.full_like(origin, torch.inf)
    best[pairs.row[first]] = pairs.best[first]
    return best


def _decided(
    models: Sequence[Margin], point: torch.Tensor, row: torch.Tensor, *, clear: bool
) -> torch.Tensor:
    return torch.stack(
        [model.decided(point, model.label[row], clear=clear) for model in models]
    ).all(0)


def _shrink(models: Sequence[Margin], origin: torch.Tensor, found: torch.Tensor) -> torch.Tensor:
    """Pull points along the segment to x, to where some decision returns to that at x."""
    result = found.clone()
    row = torch.isfinite(found).all(1).nonzero().squeeze(1)
    x, direction = origin[row], found[row] - origin[row]
    lo, hi = torch.zeros_like(x[:, 0]), torch.ones_like(x[:, 0])
    for _ in range(BISECTIONS if len(row) else 0):
        middle = (lo + hi) / 2
        fooled = _decided(models, x + middle[:, None] * direction, row, clear=False)
        lo, hi = torch.where(fooled, lo, middle), torch.where(fooled, middle, hi)
    result[row] = x + hi[:, None] * direction
    return result


def _verified(
    models: Sequence[Margin], origin: torch.Tensor, near: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the points pushed out until the decisions are clear of rounding, x itself where
    there is none, and whether there is one.
    """
    point = origin.clone()
    reached = torch.isfinite(near).all(1)
    found = torch.zeros_like(reached)
    row = torch.arange(len(origin), device=origin.device)
    for clear in (True, False):
        for push in PUSHES:
            if (found == reached).all():
                return point, found
            pushed = torch.where(reached[:, None], origin + (near - origin) * (1 + push), origin)
            new = _decided(models, pushed, row, clear=clear) & reached & ~found
            point = torch.where(new[:, None], pushed, point)
            found |= new
    return point, found
