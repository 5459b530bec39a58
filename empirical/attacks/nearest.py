"""The nearest point, in any smooth metric, where every one of several classifiers changes its mind.

From a few starts and towards several classes at once: linearise the leads of the classifiers and
the map that defines the metric, solve the quadratic program that results, damp the step where
the linearisation was too bold, and keep the nearest point that was really decided differently
(sequential quadratic programming with a Levenberg-Marquardt damping). Double precision throughout.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
import torch

from empirical.attacks.margin import Margin, norm

CLASSES = 3  # per model, those nearest at x by linearisation, in all combinations
ROUNDS = (
    (1, 1.5),
    (2, 1.2),
    (3, 1.1),
    (3, 1.02),
)  # steps, and the multiple of the best that then stays
OVERSHOOT = 1e-4  # of the lead at x, beyond the linearised boundary
LONGEST = 3.0  # a step may multiply the latent distance to x by this
DAMPING = 1e-2  # first one, of the mean eigenvalue of the Gram matrix
POOL = 1000
DUAL_STEPS = 40
BISECTIONS = 45
PUSHES = (0.0, 1e-12, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2)


class Metric(Protocol):
    """A distance from the origins that is the length of a smooth map's change."""

    def __call__(
        self, point: torch.Tensor, row: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return half the squared distances (m,) of points (m, d) from the origins of these rows,
        their slopes (m, d), and the Gram matrices (m, d, d) of the map's Jacobian.
        """

    def distances(self, pool: torch.Tensor) -> torch.Tensor:
        """Return the distances (n, p) of the origins from p points."""


class Euclidean:
    """The distance of the points themselves."""

    def __init__(self, origin: torch.Tensor) -> None:
        self.origin = origin

    def __call__(
        self, point: torch.Tensor, row: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        change = point - self.origin[row]
        gram = torch.eye(point.shape[1], dtype=point.dtype, device=point.device)
        return change.square().sum(1) / 2, change, gram.expand(len(point), -1, -1)

    def distances(self, pool: torch.Tensor) -> torch.Tensor:
        return torch.cdist(self.origin, pool)


def nearest_change(
    models: Sequence[Margin],
    metric: Metric,
    origin: torch.Tensor,
    starts: Sequence[torch.Tensor],
    steps: int,
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
    seed : int
        Of the normal random points, the same for all origins, of which the nearest with other
        decisions is one more start.
    """
    n = len(origin)
    best = torch.full_like(origin, torch.inf)
    pool = _nearest_of_pool(models, metric, origin, seed)
    starts = [*starts, _shrink(models, origin, pool)]
    if min(model.classes for model in models) > 1:
        pairs = _Pairs.joined(
            [_open(models, metric, origin, origin, CLASSES)]
            + [_open(models, metric, origin, start, 1) for start in starts]
        )
        for count, kept in ROUNDS:
            for _ in range(count):
                promised = _step(models, metric, origin, pairs)
            reached = pairs.best_half.sqrt()
            score = torch.minimum(promised, reached)
            pairs.select(score <= kept * pairs.least(reached, n))
        for _ in range(steps):
            _step(models, metric, origin, pairs)
        pairs.select(torch.isfinite(pairs.best_half))
        order = torch.argsort(pairs.best_half, descending=True, stable=True)
        best[pairs.row[order]] = pairs.best[order]  # the nearest comes last
    return _verified(models, origin, _shrink(models, origin, best))


def _nearest_of_pool(
    models: Sequence[Margin], metric: Metric, origin: torch.Tensor, seed: int
) -> torch.Tensor:
    """Return for each origin the nearest of the random points with other decisions; +inf if
    none has.
    """
    noise = np.random.default_rng(seed).standard_normal((POOL, origin.shape[1]))
    pool = torch.from_numpy(noise).to(origin)
    with torch.no_grad():
        decided = torch.stack([model.logits(pool).argmax(1) for model in models])
    own = torch.stack([model.label for model in models])
    usable = (decided[:, None, :] != own[:, :, None]).all(0)
    distance = torch.where(usable, metric.distances(pool), torch.inf)
    least, index = distance.min(1)
    return torch.where(torch.isfinite(least)[:, None], pool[index], torch.inf)


@dataclass
class _Pairs:
    """Searches in progress, each from one origin (`row`) towards one class per model."""

    row: torch.Tensor
    targets: torch.Tensor  # (m, M)
    scale: torch.Tensor  # (m, M) leads at x
    point: torch.Tensor
    half: torch.Tensor
    slope: torch.Tensor
    gram: torch.Tensor
    leads: torch.Tensor  # (m, M)
    rows: torch.Tensor  # (m, M, d) slopes of minus the leads
    penalty: torch.Tensor  # (m, M)
    damping: torch.Tensor
    best: torch.Tensor
    best_half: torch.Tensor

    def select(self, mask: torch.Tensor) -> None:
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name)[mask])

    @staticmethod
    def joined(parts: Sequence[_Pairs]) -> _Pairs:
        return _Pairs(*(torch.cat([getattr(p, f.name) for p in parts]) for f in fields(_Pairs)))

    def least(self, values: torch.Tensor, n: int) -> torch.Tensor:
        """Return for each pair the least of `values` over the pairs of its row."""
        least = torch.full((n,), torch.inf, dtype=values.dtype, device=values.device)
        return least.scatter_reduce(0, self.row, values, "amin")[self.row]


def _open(
    models: Sequence[Margin],
    metric: Metric,
    origin: torch.Tensor,
    start: torch.Tensor,
    classes: int,
) -> _Pairs:
    """Return searches from `start`, towards the combinations of each model's nearest classes and,
    if there are several combinations, towards every single class that is new to all models.
    """
    row = torch.isfinite(start).all(1).nonzero().squeeze(1)
    point = start[row]
    nearest = []
    for model in models:
        lead, slopes, target = model.linearised(point, model.label[row])
        distance = torch.nan_to_num(lead / norm(slopes), nan=torch.inf)
        count = min(classes, target.shape[1])
        nearest.append(target.gather(1, distance.topk(count, dim=1, largest=False).indices))
    combinations = itertools.product(*(range(near.shape[1]) for near in nearest))
    columns = [
        torch.stack([near[:, c] for near, c in zip(nearest, combination, strict=True)], 1)
        for combination in combinations
    ]
    if classes > 1:
        for k in range(min(model.classes for model in models)):
            columns.append(torch.full_like(columns[0], k))
    targets = torch.stack(columns, 1)  # (m, columns, M)
    own = torch.stack([model.label[row] for model in models], 1)
    same = (targets[:, :, None, :] == targets[:, None, :, :]).all(3).tril(-1).any(2)
    usable = (targets != own[:, None, :]).all(2) & ~same
    i, c = usable.nonzero(as_tuple=True)
    row, targets, point = row[i], targets[i, c], point[i]
    leads, rows, fooled = _leads(models, point, row, targets)
    scale = _leads(models, origin[row], row, targets)[0]
    half, slope, gram = metric(point, row)
    nowhere = torch.full_like(point, torch.inf)
    return _Pairs(
        row,
        targets,
        scale,
        point,
        half,
        slope,
        gram,
        leads,
        rows,
        torch.zeros_like(leads),
        torch.full_like(half, DAMPING),
        torch.where(fooled[:, None], point, nowhere),
        torch.where(fooled, half, torch.inf),
    )


def _leads(
    models: Sequence[Margin], point: torch.Tensor, row: torch.Tensor, targets: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the leads of the labels over the targets (m, M), the slopes of minus these
    (m, M, d), and whether all models decide otherwise than at x.
    """
    leads, slopes, fooled = zip(
        *(model.towards(point, model.label[row], targets[:, k]) for k, model in enumerate(models)),
        strict=True,
    )
    return torch.stack(leads, 1), torch.stack(slopes, 1), torch.stack(fooled, 1).all(1)


def _step(
    models: Sequence[Margin], metric: Metric, origin: torch.Tensor, pairs: _Pairs
) -> torch.Tensor:
    """Take one damped step in every search; return the distances, over sqrt 2, that the
    linearisation promises.
    """
    move, multiplier, promised = _program(pairs)
    x = origin[pairs.row]
    away = norm(pairs.point - x)
    longest = torch.where(away > 0, LONGEST * away, torch.inf)
    point = pairs.point + move * (longest / norm(move)).clamp_max(1.0)[:, None]
    point = torch.where(torch.isfinite(point).all(1)[:, None], point, pairs.point)
    half, slope, gram = metric(point, pairs.row)
    leads, rows, fooled = _leads(models, point, pairs.row, pairs.targets)
    better = fooled & (half < pairs.best_half)
    pairs.best = torch.where(better[:, None], point, pairs.best)
    pairs.best_half = torch.where(better, half, pairs.best_half)
    pairs.penalty = torch.maximum(pairs.penalty, 2 * multiplier)
    merit_then = pairs.half + (pairs.penalty * pairs.leads.clamp_min(0)).sum(1)
    merit_now = half + (pairs.penalty * leads.clamp_min(0)).sum(1)
    accept = merit_now <= merit_then
    pairs.damping = torch.where(accept, pairs.damping / 4, pairs.damping * 8).clamp(1e-9, 1e9)
    for name, new in (
        ("point", point),
        ("half", half),
        ("slope", slope),
        ("gram", gram),
        ("leads", leads),
        ("rows", rows),
    ):
        old = getattr(pairs, name)
        setattr(pairs, name, torch.where(accept.reshape(-1, *(1,) * (old.ndim - 1)), new, old))
    return promised


def _program(pairs: _Pairs) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Solve min_h h.G h / 2 + g.h + damping |h|^2 / 2 where every linearised lead is overtaken:
    rows h >= leads, a little beyond. Return h, the multipliers, and the square root of the
    objective's quadratic model (half the squared distance) at h.
    """
    d = pairs.point.shape[1]
    mean = pairs.gram.diagonal(dim1=1, dim2=2).mean(1).clamp_min(1e-300)
    identity = torch.eye(d, dtype=mean.dtype, device=mean.device)
    damped = pairs.gram + (pairs.damping * mean)[:, None, None] * identity
    factor = torch.linalg.cholesky_ex(damped).L
    rise = pairs.leads + OVERSHOOT * pairs.scale
    right = torch.cat([pairs.rows, pairs.slope[:, None]], 1).transpose(1, 2)
    solved = torch.cholesky_solve(right, factor)  # (m, d, M + 1)
    products = pairs.rows @ solved
    Q, b = products[:, :, :-1], rise + products[:, :, -1]
    multiplier = torch.zeros_like(b)
    diagonal = Q.diagonal(dim1=1, dim2=2).clamp_min(1e-300)
    for _ in range(1 if b.shape[1] == 1 else DUAL_STEPS):  # Hildreth: one row at a time
        for k in range(b.shape[1]):
            residual = b[:, k] - (Q[:, k] * multiplier).sum(1)
            multiplier[:, k] = (multiplier[:, k] + residual / diagonal[:, k]).clamp_min(0)
    move = (solved[:, :, :-1] @ multiplier[:, :, None]).squeeze(2) - solved[:, :, -1]
    bent = (pairs.gram @ move[:, :, None]).squeeze(2)
    model = pairs.half + (pairs.slope * move).sum(1) + (bent * move).sum(1) / 2
    promised = torch.nan_to_num(model.clamp_min(0).sqrt(), nan=torch.inf)
    return move, torch.nan_to_num(multiplier, nan=0.0, posinf=0.0), promised


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
