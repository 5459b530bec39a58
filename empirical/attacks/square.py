"""Random search in squares: an attack that looks at logits only, never at gradients."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from empirical.attacks.arguments import aimed, kept_rows
from empirical.attacks.losses import Goal
from empirical.attacks.projections import Box, project
from empirical.attacks.steps import Attacked, Progress

_SHARE = 0.8  # of the image that the first squares cover
# Steps, out of 10,000, at which the area is halved.
_HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)


def square_attack(
    network: nn.Module,
    images: np.ndarray,
    labels: np.ndarray,
    eps: float,
    norm: str = "linf",
    *,
    queries: int = 1000,
    targets: np.ndarray | None = None,
    skip: np.ndarray | None = None,
    seed: int = 0,
    box: Box = (0.0, 1.0),
    device: str = "cpu",
    progress: Progress | None = None,
) -> Attacked:
    """Return what random search in squares of falling size finds, without any gradient.

    Parameters
    ----------
    network, images, labels, eps, targets, skip, box, device, progress
        As in `empirical.attacks.adaptive.apgd`.
    norm : {"linf", "l2"}
        Of the ball. For linf a square of the perturbation is set to eps or -eps; for l2 the
        norm that one square holds is moved to another.
    queries : int
        At least 1: evaluations per image. Images that are fooled stop.
    seed : int
        Of the search.

    Returns
    -------
    Attacked
        All images inside ball and box, up to rounding; those that are not fooled have the
        greatest margin, towards the target if there is one, of those that were tried.
        `gradients` is 0.

    Raises
    ------
    ValueError
        Arguments outside these ranges, images outside the box, logits that are not finite.

    Source: andriushchenko2020, Algorithms 1 to 3.
    """
    if norm not in ("linf", "l2"):
        raise ValueError(f"norm must be 'linf' or 'l2', got {norm!r}")
    if queries < 1:
        raise ValueError(f"queries must be at least 1, got {queries}")
    kept = torch.from_numpy(kept_rows(skip, len(images)))
    generator = torch.Generator().manual_seed(seed)
    found, fooled = [np.zeros((0, *images.shape[1:]), images.dtype)], [np.zeros(0, dtype=bool)]
    for part, x, goal in aimed(network, images, labels, eps, targets, box=box, device=device):
        best, wrong = _search(
            network, x, goal, kept[part].to(device), eps, norm, queries, generator, box
        )
        found.append(best.cpu().numpy())
        fooled.append(wrong.cpu().numpy())
        if progress is not None:
            done = min(1.0, part.stop / len(images))
            progress(done, f"{sum(int(f.sum()) for f in fooled)} fooled")
    return Attacked(np.concatenate(found[1:] or found), np.concatenate(fooled), 0)


@dataclass(frozen=True, eq=False)
class _Draws:
    """Random numbers of some rows; drawn for all, so that no image depends on who is left."""

    generator: torch.Generator
    count: int
    rows: torch.Tensor

    def signs(self, *shape: int) -> torch.Tensor:
        drawn = torch.randint(0, 2, (self.count, *shape), generator=self.generator)
        return 2.0 * drawn[self.rows] - 1.0

    def places(self, number: int) -> torch.Tensor:
        drawn = torch.randint(0, number, (self.count, 1), generator=self.generator)
        return drawn[self.rows]


def _search(
    network: nn.Module,
    x: torch.Tensor,
    goal: Goal,
    kept: torch.Tensor,
    eps: float,
    norm: str,
    queries: int,
    generator: torch.Generator,
    box: Box,
) -> tuple[torch.Tensor, torch.Tensor]:
    best, top = x.clone(), _margins(network, x, goal)
    beginning = _stripes if norm == "linf" else _tiles
    for query in range(queries):
        alive = torch.nonzero((top <= 0) & kept).squeeze(1)
        if not len(alive):
            break
        centre, at = x[alive], best[alive]
        draws = _Draws(generator, len(x), alive.cpu())
        if query == 0:
            trial = project(centre + eps * beginning(centre, draws), centre, eps, norm, box=box)
        else:
            side = _side(query, queries, centre.shape)
            step = _linf_step if norm == "linf" else _l2_step
            trial = step(centre, at, eps, side, draws).clamp(*box)
        margin = _margins(network, trial, goal.at(alive))
        # The beginning is taken as it is: the image itself is a poor place to search from.
        better = (margin > top[alive]) | (query == 0)
        best[alive[better]], top[alive[better]] = trial[better], margin[better]
    return best, top > 0


def _side(query: int, queries: int, shape: torch.Size) -> int:
    """Side of the squares, in pixels, at least 1 and at most the image's shorter side."""
    h, w = shape[2:]
    area = _SHARE / 2 ** bisect_left(_HALVINGS, query * 10_000 / queries) * h * w
    return max(1, min(round(area**0.5), h, w))


def _stripes(x: torch.Tensor, draws: _Draws) -> torch.Tensor:
    """Vertical stripes of +1 and -1."""
    return draws.signs(x.shape[1], 1, x.shape[3]).to(x).expand_as(x)


def _tiles(x: torch.Tensor, draws: _Draws) -> torch.Tensor:
    """A five by five grid of bumps of either sign, of l2 norm 1 in all."""
    c, h, w = x.shape[1:]
    side = max(1, min(h, w) // 5)
    bump = _bump(side, side).to(x)
    across = bump.repeat(-(-h // side), -(-w // side))[:h, :w]
    signs = draws.signs(c, -(-h // side), -(-w // side)).to(x)
    wide = signs.repeat_interleave(side, 2).repeat_interleave(side, 3)[:, :, :h, :w]
    move = wide * across
    return move / move.flatten(1).norm(dim=1).reshape(-1, 1, 1, 1)


def _linf_step(
    x: torch.Tensor, at: torch.Tensor, eps: float, side: int, draws: _Draws
) -> torch.Tensor:
    inside, _ = _window(x, side, torch.ones(side, side), draws)
    move = eps * draws.signs(x.shape[1], 1, 1).to(x)
    return torch.where(inside, x + move, at)


def _l2_step(
    x: torch.Tensor, at: torch.Tensor, eps: float, side: int, draws: _Draws
) -> torch.Tensor:
    """Empty one window, and give what it held, and what was unused, to another."""
    c = x.shape[1]
    half = side // 2
    bump = torch.cat([_bump(half, side), -_bump(side - half, side)]) if half else _bump(1, side)
    turned = bump if torch.rand((), generator=draws.generator) < 0.5 else bump.T
    there, pattern = _window(x, side, turned / turned.norm(), draws)
    from_there, _ = _window(x, side, torch.ones(side, side), draws)
    move = at - x
    held = (move.square() * (there | from_there)).sum((2, 3), keepdim=True)
    unused = (eps**2 - move.flatten(1).square().sum(1)).clamp(min=0).reshape(-1, 1, 1, 1)
    inside = move * there
    size = inside.square().sum((2, 3), keepdim=True).sqrt()
    mixed = pattern * draws.signs(c, 1, 1).to(x) + inside / size.clamp(min=1e-12)
    length = mixed.square().sum((2, 3), keepdim=True).sqrt().clamp(min=1e-12)
    new = torch.where(from_there & ~there, 0.0, move)
    new = torch.where(there, mixed / length * (held + unused / c).sqrt(), new)
    total = new.flatten(1).norm(dim=1).reshape(-1, 1, 1, 1)
    return x + new * (eps / total.clamp(min=1e-12)).clamp(max=1.0)


def _window(
    x: torch.Tensor, side: int, pattern: torch.Tensor, draws: _Draws
) -> tuple[torch.Tensor, torch.Tensor]:
    """A random square for each image: where it is (m, 1, h, w), and the pattern put there."""
    h, w = x.shape[2:]
    row = torch.arange(h)[None] - draws.places(h - side + 1)
    column = torch.arange(w)[None] - draws.places(w - side + 1)
    rows, columns = (row >= 0) & (row < side), (column >= 0) & (column < side)
    inside = (rows[:, :, None] & columns[:, None, :])[:, None]
    last = side - 1
    values = pattern[row.clamp(0, last)[:, :, None], column.clamp(0, last)[:, None, :]][:, None]
    return inside.to(x.device), torch.where(inside, values, 0.0).to(x)


def _bump(height: int, width: int) -> torch.Tensor:
    """A hill of rings: eq. (2), the k-th ring from outside adding 1 / (n + 1 - k)^2."""
    n = height // 2
    rows = (torch.arange(height) - n).abs()[:, None]
    columns = (torch.arange(width) - width // 2).abs()[None, :]
    depth = (n - torch.maximum(rows, columns)).clamp(min=0)
    rings = torch.cumsum(1.0 / (n + 1 - torch.arange(n + 1, dtype=torch.float32)) ** 2, 0)
    return rings[depth]


def _margins(network: nn.Module, x: torch.Tensor, goal: Goal) -> torch.Tensor:
    """Margins, shape (m,), positive where the goal is reached."""
    with torch.no_grad():
        return goal.values(network(x), "margin")
