"""Near errors of a classifier, quickly: a few linearised steps in any of three norms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from empirical.attacks.margin import Function

OVERSHOOT = 1.05  # of a step towards the linearised boundary
HALVINGS = 10
BATCH = 500


def error_distance(
    function: Function,
    x: np.ndarray,
    labels: np.ndarray,
    norm: str = "l2",
    *,
    steps: int = 8,
    bounds: tuple[float, float] = (0.0, 1.0),
    device: str = "cpu",
    progress: Callable[[float, str], None] | None = None,
) -> np.ndarray:
    """Return distances at which each point is certainly classified wrongly, shape (n,).

    Each step goes to where the strongest wrong class would overtake the right one if logits were
    linear, by the shortest way in the norm; what is found is moved back towards x by halving. In
    double precision, and every error was seen. 0 where x itself is classified wrongly, +inf where
    none was found.

    Parameters
    ----------
    function : callable
        From a float64 tensor of shape (m, ...) to logits (m, K).
    x : ndarray
        Shape (n, ...), within the bounds.
    labels : ndarray
        Shape (n,), the right classes as indices.
    norm : {"l2", "linf", "l1"}
        Of the distances.
    steps : int
        How many are taken.
    bounds : (float, float)
        Box that perturbed points stay in.
    device : str
        Where `function` lives.
    progress : callable, optional
        Called with the fraction done and words.

    Raises
    ------
    ValueError
        A norm of another name.
    """
    if norm not in ("l2", "linf", "l1"):
        raise ValueError(f"norm must be 'l2', 'linf' or 'l1', got {norm!r}")
    parts = []
    for start in range(0, len(x), BATCH):
        block = slice(start, start + BATCH)
        origin = torch.as_tensor(x[block], dtype=torch.float64, device=device)
        right = torch.as_tensor(labels[block], dtype=torch.int64, device=device)
        parts.append(_search(function, origin, right, norm, steps, bounds))
        if progress is not None:
            done = min(start + BATCH, len(x))
            progress(done / len(x), f"{done} of {len(x)} points attacked")
    return np.concatenate(parts) if parts else np.zeros(0)


def _search(
    function: Function,
    origin: torch.Tensor,
    right: torch.Tensor,
    norm: str,
    steps: int,
    bounds: tuple[float, float],
) -> np.ndarray:
    point = origin.clone()
    best = torch.full_like(right, np.inf, dtype=torch.float64)
    found = origin.clone()
    for _ in range(steps + 1):
        point.requires_grad_()
        lead = _lead(function, point, right)
        (slope,) = torch.autograd.grad(lead.sum(), point)
        point, lead = point.detach(), lead.detach()
        length = _length(point - origin, norm)
        better = (lead < 0) & (length < best)
        best, found[better] = torch.where(better, length, best), point[better]
        # The box ends there: the others must do it.
        stuck = ((slope > 0) & (point <= bounds[0])) | ((slope < 0) & (point >= bounds[1]))
        slope = slope.masked_fill(stuck, 0.0)
        step = _shortest(slope, (lead * OVERSHOOT).clamp_min(1e-9), norm)
        # What is wrong already stays where it is.
        point = torch.where(_wide(lead < 0, point), point, (point - step).clamp(*bounds))
    inside, outside = origin.clone(), found
    with torch.no_grad():
        for _ in range(HALVINGS):
            middle = (inside + outside) / 2
            wrong = _lead(function, middle, right) < 0
            length = _length(middle - origin, norm)
            best = torch.where(wrong, torch.minimum(best, length), best)
            outside = torch.where(_wide(wrong, middle), middle, outside)
            inside = torch.where(_wide(wrong, middle), inside, middle)
    return np.asarray(best.cpu().numpy())


def _lead(function: Function, x: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """The logit of the right class less the largest other one: an error where it is negative."""
    logits = function(x)
    mine = torch.nn.functional.one_hot(right, logits.shape[1]).bool()
    others = logits.masked_fill(mine, -np.inf).amax(1)
    return logits.gather(1, right[:, None])[:, 0] - others


def _shortest(slope: torch.Tensor, drop: torch.Tensor, norm: str) -> torch.Tensor:
    """The move, shortest in the norm, along which a function of this slope rises by `drop`."""
    flat = slope.flatten(1)
    if norm == "l2":
        move = flat / flat.square().sum(1, keepdim=True).clamp_min(1e-30)
    elif norm == "linf":
        move = flat.sign() / flat.abs().sum(1, keepdim=True).clamp_min(1e-30)
    else:
        place = flat.abs().argmax(1, keepdim=True)
        steepest = flat.gather(1, place)
        largest = steepest.sign() / steepest.abs().clamp_min(1e-30)
        move = torch.zeros_like(flat).scatter(1, place, largest)
    return (drop[:, None] * move).view_as(slope)


def _length(move: torch.Tensor, norm: str) -> torch.Tensor:
    order = {"l2": 2.0, "linf": np.inf, "l1": 1.0}[norm]
    return torch.linalg.vector_norm(move.flatten(1), order, dim=1)


def _wide(rows: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return rows.view(-1, *[1] * (like.ndim - 1))
