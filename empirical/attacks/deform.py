"""Attacks that move pixels instead of changing them: ADef and stAdv.

A displacement field says, for every pixel, from where its value is taken; values between pixels are
interpolated, so that a deformed image never leaves the range of the original one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from empirical.attacks.arguments import aimed
from empirical.attacks.fields import longest, smooth, variation, warp
from empirical.attacks.losses import Goal
from empirical.attacks.projections import Box


@dataclass(frozen=True, eq=False)
class Deformed:
    """Deformations that an attack found. Row i belongs to image i.

    Parameters
    ----------
    images : ndarray
        Shape (m, c, h, w): deformed; as they were where nothing was found.
    fields : ndarray
        Shape (m, 2, h, w): displacements in pixels, down and to the right; 0 where nothing was
        found.
    fooled : ndarray
        Shape (m,): whether the image, or its deformation, is classified wrongly, or as its target
        if targets were given.
    size : ndarray
        Shape (m,), pixels: the longest displacement of the field, in l2; +inf where nothing was
        found.
    variation : ndarray
        Shape (m,), pixels: sum over neighbouring pixels of the l2 distance of their displacements;
        +inf likewise.
    """

    images: np.ndarray
    fields: np.ndarray
    fooled: np.ndarray
    size: np.ndarray
    variation: np.ndarray


def adef(
    network: nn.Module,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    targets: np.ndarray | None = None,
    steps: int = 50,
    smoothing: float = 1.0,
    overshoot: float = 1.2,
    candidates: int = 9,
    limit: float = 3.0,
    box: Box = (0.0, 1.0),
    device: str = "cpu",
) -> Deformed:
    """Return smooth deformations that are wrong, by DeepFool's steps in the space of fields.

    With u the field, lead_k(u) the right logit minus logit k, and G a Gaussian filter, a step is
    ``-overshoot lead_k G G grad / |G grad|^2`` for the k where it is shortest. With targets, k is
    the target and the greatest other logit stands in the right one's place.

    Parameters
    ----------
    network, images, labels, box, device
        As in `empirical.attacks.adaptive.apgd`; images at least 2 by 2.
    targets : ndarray, optional
        Shape (m,): classes that are wanted, none of them the label.
    steps : int
        At least 1.
    smoothing : float
        Standard deviation of the filter, pixels, at least 0.
    overshoot : float
        At least 1.
    candidates : int
        At least 1: how many other classes are tried, those of largest logit.
    limit : float
        Longest displacement allowed, pixels: longer fields count as nothing found.

    Raises
    ------
    ValueError
        Arguments outside these ranges.

    Source: alaifari2019, section 2.2; the field is applied to the original image as a whole.
    """
    for name, number, least in (
        ("steps", steps, 1),
        ("smoothing", smoothing, 0),
        ("overshoot", overshoot, 1),
        ("candidates", candidates, 1),
        ("limit", limit, 0),
    ):
        if not number >= least:
            raise ValueError(f"{name} must be at least {least}, got {number!r}")

    def find(x: torch.Tensor, goal: Goal) -> torch.Tensor:
        u = x.new_zeros(len(x), 2, *x.shape[2:])
        alive = torch.arange(len(x), device=x.device)
        for _ in range(steps):
            flow = u[alive].requires_grad_()
            logits = network(warp(x[alive], flow))
            now = goal.at(alive)
            kept = ~now.reached(logits.detach())
            if now.targets is None:
                others = logits.detach().scatter(1, now.labels[:, None], -torch.inf)
                rivals = others.topk(min(candidates, logits.shape[1] - 1), dim=1).indices
                lead = logits.gather(1, now.labels[:, None]) - logits.gather(1, rivals)
            else:
                lead = -now.values(logits, "margin")[:, None]
            shortest = torch.full((len(alive),), torch.inf).to(x)
            step = torch.zeros_like(flow)
            for k in range(lead.shape[1]):
                (slope,) = torch.autograd.grad(lead[:, k].sum(), flow, retain_graph=True)
                once = smooth(slope, smoothing)
                square = once.flatten(1).square().sum(1).clamp(min=1e-30)
                factor = overshoot * (lead[:, k].detach() + 1e-6) / square
                trial = -factor.reshape(-1, 1, 1, 1) * smooth(once, smoothing)
                length = longest(trial)
                nearer = length < shortest
                step[nearer], shortest[nearer] = trial[nearer], length[nearer]
            u[alive[kept]] += step[kept].clamp(-limit, limit)
            alive = alive[kept]
            if not len(alive):
                break
        return u

    return _deform(network, images, labels, targets, find, limit, box, device)


def stadv(
    network: nn.Module,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    targets: np.ndarray | None = None,
    steps: int = 200,
    rate: float = 0.02,
    weight: float = 0.05,
    limit: float = 3.0,
    box: Box = (0.0, 1.0),
    device: str = "cpu",
) -> Deformed:
    """Return the wrong deformation of least variation on a descent of margin and variation.

    What falls is ``max(lead, 0) + weight * variation``, by Adam; the paper uses L-BFGS. Where
    nothing has been found, the weight falls to a quarter after each tenth of the steps: at a
    fixed one the field stays at 0 where logits are small.

    Parameters
    ----------
    network, images, labels, targets, limit, box, device
        As in `adef`.
    steps : int
        At least 1.
    rate : float
        Positive: pixels per step, about.
    weight : float
        Of the variation, at least 0, to begin with.

    Raises
    ------
    ValueError
        Arguments outside these ranges.

    Source: xiao2018, eqs. (2) to (4).
    """
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    for name, number, least in (("rate", rate, 1e-12), ("weight", weight, 0), ("limit", limit, 0)):
        if not number >= least:
            raise ValueError(f"{name} must be at least {least}, got {number!r}")

    def find(x: torch.Tensor, goal: Goal) -> torch.Tensor:
        u = torch.zeros(len(x), 2, *x.shape[2:]).to(x).requires_grad_()
        best, least = torch.zeros_like(u), torch.full((len(x),), torch.inf).to(x)
        optimizer = torch.optim.Adam([u], rate)
        weights = torch.full((len(x),), weight).to(x)
        for k in range(steps):
            if k and k % max(1, steps // 10) == 0:
                weights[least == torch.inf] /= 4
            margin = goal.values(network(warp(x, u)), "margin")
            rough = variation(u)
            better = (margin > 0) & (rough < least) & (longest(u) <= limit)
            best[better], least[better] = u.detach()[better], rough.detach()[better]
            # A little beyond the boundary, so that the least variation is looked for there.
            loss = (1e-3 - margin).clamp(min=0) + weights * rough
            (slope,) = torch.autograd.grad(loss.sum(), u)
            u.grad = slope
            optimizer.step()
        return best.detach()

    return _deform(network, images, labels, targets, find, limit, box, device)


def _deform(
    network: nn.Module,
    images: np.ndarray,
    labels: np.ndarray,
    targets: np.ndarray | None,
    find: Callable[[torch.Tensor, Goal], torch.Tensor],
    limit: float,
    box: Box,
    device: str,
) -> Deformed:
    """Run a search in blocks, and look again at what it found."""
    parts: list[tuple[np.ndarray, ...]] = []
    for _, x, goal in aimed(network, images, labels, 0.0, targets, box=box, device=device):
        if min(x.shape[2:]) < 2:
            raise ValueError(f"images must be at least 2 by 2 pixels, got {tuple(x.shape[2:])}")
        u = find(x, goal)
        with torch.no_grad():
            already = goal.reached(network(x))
            wrong = goal.reached(network(warp(x, u)))
            wrong = already | (wrong & (longest(u) <= limit))
            u = torch.where((wrong & ~already).reshape(-1, 1, 1, 1), u, 0.0)
            size = torch.where(wrong, longest(u), torch.inf)
            rough = torch.where(
                wrong & ~already, variation(u), torch.where(already, 0.0, torch.inf)
            )
            moved = torch.where((wrong & ~already).reshape(-1, 1, 1, 1), warp(x, u), x)
        parts.append(tuple(t.cpu().numpy() for t in (moved, u, wrong, size, rough)))
    if not parts:
        none = np.zeros(0)
        fields = np.zeros((0, 2, *images.shape[2:]), images.dtype)
        return Deformed(images.copy(), fields, none.astype(bool), none, none)
    return Deformed(*(np.concatenate(column) for column in zip(*parts, strict=True)))
