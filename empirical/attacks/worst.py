"""The worst of several attacks on each image: what an evaluation of robust accuracy should report.

Attacks fail in different ways: a step size, a loss, a gradient that leads nowhere. Images that one
attack leaves are given to the next; what is broken is looked at again before it counts.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from empirical.attacks.adaptive import apgd
from empirical.attacks.arguments import BLOCK, aimed
from empirical.attacks.losses import loss_values
from empirical.attacks.minimal import minimal_perturbation
from empirical.attacks.projections import Box, project, read_norm
from empirical.attacks.square import square_attack
from empirical.attacks.steps import Progress
from empirical.precision import in_full

WITHOUT = "no attack"  # what broke images that are wrong by themselves
_PUSHES = (1.0, 1 + 1e-6, 1 + 1e-3, np.inf)  # beyond a boundary found in double precision

Member = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class WorstCase:
    """What the attacks left.

    Parameters
    ----------
    images : ndarray
        Shape (m, c, h, w), of the network's precision: an image that is classified wrongly where
        one was found, otherwise the image itself.
    broken_by : ndarray of str
        Shape (m,): the first attack that found it; "no attack" where the image is wrong by itself,
        "" where none did.
    attacks : tuple of str
        Those that were run, in their order.
    """

    images: np.ndarray
    broken_by: np.ndarray
    attacks: tuple[str, ...]

    @property
    def fooled(self) -> np.ndarray:
        """Which images are broken, shape (m,)."""
        return self.broken_by != ""

    @property
    def robust_share(self) -> float:
        """Share of the images that are not: an upper bound of the robust accuracy on them."""
        return float(1 - self.fooled.mean())


def worst_case(
    network: nn.Module,
    images: np.ndarray,
    labels: np.ndarray,
    eps: float,
    norm: str = "linf",
    *,
    thorough: bool = False,
    seed: int = 0,
    box: Box = (0.0, 1.0),
    device: str = "cpu",
    progress: Progress | None = None,
) -> WorstCase:
    """Return what APGD with two losses, a least-norm search and Square leave, one after another.

    Parameters
    ----------
    network : Module
        Takes (m, c, h, w) to logits (m, K). Put in evaluation mode; gives the precision.
    images, labels : ndarray
        Shapes (m, c, h, w), inside the box, and (m,).
    eps : float
        Radius, at least 0.
    norm : {"linf", "l2", "l1"}
        Of the ball. The least-norm search is run for l2, Square for linf and l2.
    thorough : bool
        The published numbers: APGD 100 steps, once and towards nine classes, Square 5000 queries.
        Otherwise 50 steps, four classes and 500 queries, a tenth of the cost.
    seed : int
        Of all attacks.
    box : pair of float
        Ends of the pixels' values.
    device : str
        Where to work; the network is moved there.
    progress : callable, optional
        Called with the fraction done and words.

    Returns
    -------
    WorstCase
        Every broken image is inside ball and box, up to rounding, and another class's logit is the
        greatest there, strictly, in the network's own precision. An image that is not broken may
        still have an adversarial example.

    Raises
    ------
    ValueError
        Arguments outside these ranges, images outside the box, logits that are not finite.

    Source: croce2020, section 6 (AutoAttack), with a least-norm search of our own for FAB.
    """
    read_norm(norm)
    classes, wrong = 0, np.zeros(len(images), dtype=bool)
    for part, x, goal in aimed(network, images, labels, eps, None, box=box, device=device):
        with torch.no_grad():
            logits = in_full(network)(x)
        classes, wrong[part] = logits.shape[1], goal.reached(logits).cpu().numpy()
    dtype = next((p.dtype for p in network.parameters()), torch.float32)
    start = torch.as_tensor(images).to(dtype).numpy()
    result = start.copy()
    broken_by = np.where(wrong, WITHOUT, "").astype(object)
    members = _members(network, start, labels, eps, norm, classes, thorough, seed, box, device)
    for done, (name, attack) in enumerate(members.items()):
        alive = broken_by == ""
        if progress is not None:
            progress(done / len(members), f"{name} on {int(alive.sum())} images")
        if not alive.any():
            continue
        moved = attack(~alive)
        moved[~alive] = start[~alive]
        new = alive & _adversarial(network, start, moved, labels, eps, norm, box, device)
        result[new] = moved[new]
        broken_by[new] = name
    return WorstCase(result, broken_by.astype(str), tuple(members))


def _members(
    network: nn.Module,
    images: np.ndarray,
    labels: np.ndarray,
    eps: float,
    norm: str,
    classes: int,
    thorough: bool,
    seed: int,
    box: Box,
    device: str,
) -> dict[str, Member]:
    """The attacks by name; each takes the images to skip to points, not looked at again yet."""
    steps, queries = (100, 5000) if thorough else (50, 500)

    def climb(loss: str, restarts: int = 1) -> Member:
        return lambda skip: apgd(
            network, images, labels, eps, norm, loss=loss, steps=steps, restarts=restarts,
            skip=skip, seed=seed, box=box, device=device,
        ).images  # fmt: skip

    members = {"APGD, cross-entropy": climb("cross-entropy")}
    if classes >= 4:
        aims = min(classes - 1, 9 if thorough else 4)
        members["APGD, targeted DLR"] = climb("targeted dlr", aims)
    elif classes == 3:
        members["APGD, DLR"] = climb("dlr")
    if norm == "l2":
        members["least norm"] = lambda skip: _nearest(
            network, images, labels, eps, ~skip, seed, box, device
        )
    if norm != "l1":
        members["Square"] = lambda skip: square_attack(
            network, images, labels, eps, norm, queries=queries, skip=skip, seed=seed, box=box,
            device=device,
        ).images  # fmt: skip
    return members


def _nearest(
    network: nn.Module,
    images: np.ndarray,
    labels: np.ndarray,
    eps: float,
    alive: np.ndarray,
    seed: int,
    box: Box,
    device: str,
) -> np.ndarray:
    """Nearest points with another decision, found in double precision, where they lie in the ball.

    They are on the boundary: what the network's own precision takes back is pushed further out.
    """
    double = copy.deepcopy(in_full(network)).to(device).double().eval()
    origin = torch.from_numpy(images[alive]).double()
    found = minimal_perturbation(
        lambda z: double(z).double(), origin, seed=seed, bounds=box, device=device
    )
    moved, part, y = images.copy(), images[alive].copy(), labels[alive]
    move, size = torch.from_numpy(found.point) - origin, torch.from_numpy(found.radius)
    open_rows = found.radius <= eps
    for push in _PUSHES:
        factor = (eps / size.clamp(min=1e-300)).clamp(max=push).reshape(-1, 1, 1, 1)
        tried = project(origin + factor * move, origin, eps, "l2", box=box).numpy()
        tried = tried.astype(images.dtype)
        new = open_rows & _adversarial(network, images[alive], tried, y, eps, "l2", box, device)
        part[new] = tried[new]
        open_rows &= ~new
        if not open_rows.any():
            break
    moved[alive] = part
    return moved


def _adversarial(
    network: nn.Module,
    images: np.ndarray,
    moved: np.ndarray,
    labels: np.ndarray,
    eps: float,
    norm: str,
    box: Box,
    device: str,
) -> np.ndarray:
    """Whether each point is inside ball and box, and classified wrongly, shape (m,)."""
    move = (moved.astype(np.float64) - images.astype(np.float64)).reshape(len(images), -1)
    size = np.linalg.norm(move, {"linf": np.inf, "l2": 2, "l1": 1}[norm], axis=1)
    # A coordinate is rounded by half a unit of its size; in l1 these add up, in l2 their squares.
    unit = np.finfo(images.dtype).eps * (np.abs(images).max(initial=0) + eps)
    rounding = 2 * unit * move.shape[1] ** {"linf": 0, "l2": 0.5, "l1": 1}[norm]
    inside = (size <= eps + rounding) & ((moved >= box[0]) & (moved <= box[1])).all((1, 2, 3))
    wrong = np.zeros(len(images), dtype=bool)
    for first in range(0, len(images), BLOCK):
        part = slice(first, first + BLOCK)
        with torch.no_grad():
            logits = in_full(network)(torch.from_numpy(moved[part]).to(device))
        y = torch.from_numpy(labels[part].astype(np.int64)).to(device)
        wrong[part] = (loss_values(logits, y, "margin") > 0).cpu().numpy()
    return inside & wrong
