"""Searches for near points with other decisions: where they stand, and their next step."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Protocol

import torch

from empirical.attacks.margin import Margin, norm

OVERSHOOT = 1e-4  # of the lead at x, beyond the linearised boundary
LONGEST = 3.0  # a step may multiply the latent distance to x by this
DAMPING = 1e-2  # first one, of the mean eigenvalue of the Gram matrix


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


@dataclass
class Pairs:
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
    def joined(parts: Sequence[Pairs]) -> Pairs:
        return Pairs(*(torch.cat([getattr(p, f.name) for p in parts]) for f in fields(Pairs)))

    def least(self, values: torch.Tensor, n: int) -> torch.Tensor:
        """Return for each pair the least of `values` over the pairs of its row."""
        least = torch.full((n,), torch.inf, dtype=values.dtype, device=values.device)
        return least.scatter_reduce(0, self.row, values, "amin")[self.row]


def opened_pairs(
    models: Sequence[Margin],
    metric: Metric,
    origin: torch.Tensor,
    start: torch.Tensor,
    classes: int,
) -> Pairs:
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
    half, slope, gram = metric(point, row)
    i, c = usable.nonzero(as_tuple=True)
    half, slope, gram = half[i], slope[i], gram[i]
    row, targets, point = row[i], targets[i, c], point[i]
    leads, rows, fooled = leads_over(models, point, row, targets)
    scale = leads_over(models, origin[row], row, targets)[0]
    nowhere = torch.full_like(point, torch.inf)
    return Pairs(
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


def leads_over(
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


def step(
    models: Sequence[Margin], metric: Metric, origin: torch.Tensor, pairs: Pairs
) -> torch.Tensor:
    """Take one damped step in every search; return the distances, over sqrt 2, that the
    linearisation promises.
    """
    move, multiplier, promised = program(pairs)
    x = origin[pairs.row]
    away = norm(pairs.point - x)
    longest = torch.where(away > 0, LONGEST * away, torch.inf)
    point = pairs.point + move * (longest / norm(move)).clamp_max(1.0)[:, None]
    point = torch.where(torch.isfinite(point).all(1)[:, None], point, pairs.point)
    half, slope, gram = metric(point, pairs.row)
    leads, rows, fooled = leads_over(models, point, pairs.row, pairs.targets)
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


def program(pairs: Pairs) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
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
    multiplier = dual(products[:, :, :-1], rise + products[:, :, -1])
    move = (solved[:, :, :-1] @ multiplier[:, :, None]).squeeze(2) - solved[:, :, -1]
    bent = (pairs.gram @ move[:, :, None]).squeeze(2)
    model = pairs.half + (pairs.slope * move).sum(1) + (bent * move).sum(1) / 2
    promised = torch.nan_to_num(model.clamp_min(0).sqrt(), nan=torch.inf)
    return move, torch.nan_to_num(multiplier, nan=0.0, posinf=0.0), promised


def dual(Q: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return mu >= 0 with Q mu >= b, equal where mu > 0, for (m, M, M) and (m, M).

    Sets of active rows are tried one by one; where none fits to rounding, the one that comes
    nearest is taken.
    """
    count = b.shape[1]
    best = torch.zeros_like(b)
    fault = b.clamp_min(0).amax(1)
    scale = b.abs().amax(1)
    regular = Q + 1e-12 * torch.diag_embed(Q.diagonal(dim1=1, dim2=2) + 1e-300)
    for size in range(1, count + 1):
        for active in itertools.combinations(range(count), size):
            index = torch.tensor(active, device=b.device)
            inner = regular[:, index[:, None], index]
            solved, _ = torch.linalg.solve_ex(inner, b[:, index])
            mu = torch.zeros_like(b)
            mu[:, index] = solved
            short = (b - (Q @ mu[:, :, None]).squeeze(2)).clamp_min(0).amax(1)
            negative = ((-mu) * Q.diagonal(dim1=1, dim2=2)).clamp_min(0).amax(1)
            new = torch.nan_to_num(short + negative, nan=torch.inf)
            better = new < fault - 1e-9 * scale
            best = torch.where(better[:, None], mu.clamp_min(0), best)
            fault = torch.where(better, new, fault)
    return best
