"""Attacks within a ball of known radius, by steps along the gradient: FGSM and PGD.

All count their backward passes per image, whatever is differentiated: one pass counts once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import torch
from torch import nn

from empirical.attacks.arguments import aimed
from empirical.attacks.losses import Goal
from empirical.attacks.projections import Box, project, read_norm
from empirical.attacks.sparse import ascended
from empirical.precision import in_full

Loss: TypeAlias = Literal["cross-entropy", "margin"]
Progress: TypeAlias = Callable[[float, str], None]


@dataclass(frozen=True, eq=False)
class Attacked:
    """What an attack ended with.

    Parameters
    ----------
    images : ndarray
        Shape (m, c, h, w), of the network's precision: one that is classified wrongly, as its
        target if targets were given, where one was found; otherwise the one of greatest loss.
    fooled : ndarray
        Shape (m,), whether one was; images that are wrong (are their target) by themselves are.
    gradients : int
        Backward passes per image.
    """

    images: np.ndarray
    fooled: np.ndarray
    gradients: int


def fgsm(
    network: nn.Module,
    images: np.ndarray,
    labels: np.ndarray,
    eps: float,
    norm: str = "linf",
    *,
    targets: np.ndarray | None = None,
    box: Box = (0.0, 1.0),
    device: str = "cpu",
) -> Attacked:
    """Return one step of length `eps` along the steepest direction of the cross-entropy.

    With `targets`, shape (m,), it goes towards these classes, as in `pgd`.

    Source: goodfellow2015, eq. (3), for linf.
    """
    return pgd(
        network,
        images,
        labels,
        eps,
        norm,
        steps=1,
        step=eps,
        random_start=False,
        targets=targets,
        box=box,
        device=device,
    )


def pgd(
    network: nn.Module,
    images: np.ndarray,
    labels: np.ndarray,
    eps: float,
    norm: str = "linf",
    *,
    steps: int = 40,
    step: float | None = None,
    restarts: int = 1,
    random_start: bool = True,
    loss: str = "cross-entropy",
    targets: np.ndarray | None = None,
    seed: int = 0,
    box: Box = (0.0, 1.0),
    device: str = "cpu",
    progress: Progress | None = None,
) -> Attacked:
    """Return projected gradient ascent of a loss on ball and box; every step is looked at.

    Parameters
    ----------
    network : Module
        In evaluation mode; takes (m, c, h, w) to (m, K). Its precision is that of the attack; of
        `empirical.precision.mixed` the slopes only, while the network inside decides.
    images, labels : ndarray
        Shapes (m, c, h, w), inside the box, and (m,).
    eps : float
        Radius, at least 0.
    norm : {"linf", "l2", "l1"}
        Of the ball and of the steps.
    steps, restarts : int
        At least 1. Images that are fooled take no further steps.
    step : float, optional
        Length of a step, at least 0; by default ``2.5 eps / steps``.
    random_start : bool
        Start from a random point of the ball, projected onto the box: uniform for linf, of
        uniform direction and of a uniform share of the radius for the others.
    loss : {"cross-entropy", "margin"}
        What rises; the margin is the greatest wrong logit minus the right one. With targets: the
        logarithm of the target's probability; its logit minus the greatest other.
    targets : ndarray, optional
        Shape (m,), the class wanted of each image, never its label: a success is then that class's
        logit above all others, and the loss rises towards it.
    seed : int
        Of the starts.
    box : pair of float
        Ends of the pixels' values.
    device : str
        Where to work; the network is moved there.

    Raises
    ------
    ValueError
        Arguments outside these ranges.

    Source: madry2018, section 2.1.
    """
    _read(norm, steps, restarts, step, loss)
    batches = aimed(network, images, labels, eps, targets, box=box, device=device)
    length = 2.5 * eps / steps if step is None else step
    dtype = next((p.dtype for p in network.parameters()), torch.float32)
    draws = torch.Generator().manual_seed(seed)  # on the CPU: the same draws on every device
    best, fooled = np.array(images, dtype=_numpy(dtype)), np.zeros(len(images), dtype=bool)
    for part, x, goal in batches:
        found, wrong = _ascend(
            network, x, goal, eps, norm, steps, length, restarts, random_start, loss, draws, box
        )
        best[part], fooled[part] = found.cpu().numpy(), wrong.cpu().numpy()
        if progress is not None:
            progress(min(1.0, part.stop / len(images)), f"{int(fooled.sum())} fooled")
    return Attacked(best, fooled, steps * restarts)


def random_point(
    x: torch.Tensor, eps: float, norm: str, draws: torch.Generator, box: Box
) -> torch.Tensor:
    """Return a random point of the ball around each image, projected onto the box."""
    if norm == "linf":
        move = 2 * torch.rand(x.shape, generator=draws, dtype=x.dtype) - 1
    else:
        move = torch.randn(x.shape, generator=draws, dtype=x.dtype)
        flat = move.flatten(1)
        length = flat.norm(p=1 if norm == "l1" else 2, dim=1, keepdim=True)
        share = torch.rand((len(x), 1), generator=draws, dtype=x.dtype)
        move = (flat / length * share).reshape(x.shape)
    return project(x + eps * move.to(x.device), x, eps, norm, box=box)


def _ascend(
    network: nn.Module,
    x: torch.Tensor,
    goal: Goal,
    eps: float,
    norm: str,
    steps: int,
    length: float,
    restarts: int,
    random_start: bool,
    loss: str,
    draws: torch.Generator,
    box: Box,
) -> tuple[torch.Tensor, torch.Tensor]:
    best, top = x.clone(), torch.full((len(x),), -torch.inf, device=x.device, dtype=x.dtype)
    wrong = torch.zeros(len(x), dtype=torch.bool, device=x.device)
    decides = in_full(network)

    def look(z: torch.Tensor, alive: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        """Keep what is a success, or has a greater loss; return the losses."""
        values = goal.at(alive).values(logits, loss)
        now = goal.at(alive).reached(logits.detach())
        if decides is not network and bool(now.any()):
            with torch.no_grad():
                now[now.clone()] = goal.at(alive[now]).reached(decides(z.detach()[now]))
        better = now | (values.detach() > top[alive])
        best[alive[better]], top[alive[better]] = z.detach()[better], values.detach()[better]
        wrong[alive[now]] = True
        return values

    with torch.no_grad():
        look(x, torch.arange(len(x), device=x.device), decides(x))
    for _ in range(restarts):
        alive = torch.nonzero(~wrong).squeeze(1)
        z = random_point(x, eps, norm, draws, box)[alive] if random_start else x[alive].clone()
        for _ in range(steps):
            if not len(alive):
                break
            z.requires_grad_()
            values = look(z, alive, network(z))
            (slope,) = torch.autograd.grad(values.sum(), z)
            kept = ~wrong[alive]
            alive, z, slope = alive[kept], z.detach()[kept], slope[kept]
            z = ascended(z, slope, length, norm, box=box)
            z = project(z, x[alive], eps, norm, box=box)
        if len(alive):
            with torch.no_grad():
                look(z, alive, decides(z))
    return best, wrong


def _read(norm: str, steps: int, restarts: int, step: float | None, loss: str) -> None:
    read_norm(norm)
    for name, count in (("steps", steps), ("restarts", restarts)):
        if count < 1:
            raise ValueError(f"{name} must be at least 1, got {count}")
    if step is not None and not 0 <= step < float("inf"):
        raise ValueError(f"step must be at least 0 and finite, got {step!r}")
    if loss not in get_args(Loss):
        raise ValueError(f"loss must be one of {get_args(Loss)}, got {loss!r}")


def _numpy(dtype: torch.dtype) -> type[np.floating]:
    return np.float64 if dtype == torch.float64 else np.float32
