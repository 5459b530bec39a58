"""One perturbation of the latent that changes the labels of several classifiers at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from empirical.attacks.latent import latent_function
from empirical.attacks.margin import Margin, norm
from empirical.attacks.minimal import MinimalPerturbation, minimal_perturbation
from empirical.attacks.nearest import nearest_change
from empirical.attacks.pursuit import Euclidean

BEYOND = 1.5  # also start at this multiple of each model's own perturbation


@dataclass(frozen=True, eq=False)
class JointPerturbation:
    """What an attack on several classifiers found. Row i belongs to point i.

    Parameters
    ----------
    radius : ndarray
        Shape (n,), float64: l2 norm of one latent perturbation that changes all labels, never
        below the least one; +inf where none was found.
    point : ndarray
        Shape (n, d), float64: the perturbed latent; z itself where none was found.
    label, adversarial_label : ndarray
        Shape (n, M), int64: decisions of the M classifiers at z and at `point`. Where they
        agree at z, `radius` is the one of the transferable perturbation of Theorem 3.
    """

    radius: np.ndarray
    point: np.ndarray
    label: np.ndarray
    adversarial_label: np.ndarray


def joint_radius(
    classifiers: Sequence[nn.Module],
    generator: nn.Module,
    z: torch.Tensor | np.ndarray,
    *,
    steps: int = 16,
    restarts: int = 0,
    seed: int = 0,
    batch: int = 250,
    device: str = "cpu",
    latent: Sequence[MinimalPerturbation] | None = None,
    progress: Callable[[float, str], None] | None = None,
) -> JointPerturbation:
    """Return upper bounds on inf{|r| : f(g(z + r)) != f(g(z)) for each classifier f}, l2 norm.

    Parameters
    ----------
    classifiers : sequence of Module
        At least one; images to logits. Modules are copied in double precision and evaluation mode.
    generator : Module
        g, latents of shape (m, d) to images.
    z : tensor or ndarray
        Shape (n, d).
    steps : int
        Of the fine search from the classes that are nearest.
    restarts : int
        Further searches, from points around the nearest so far.
    seed : int
        Of the random points that serve as further starts.
    batch, device, progress
        As in `minimal_perturbation`.
    latent : sequence of MinimalPerturbation, optional
        Results of `latent_radius`, one per classifier, from where the search starts; computed where
        they are not given.

    Raises
    ------
    ValueError
        No classifier, or as `minimal_perturbation`.

    Notes
    -----
    Source: fawzi2018, Theorem 3.
    """
    if not classifiers:
        raise ValueError("classifiers must be at least one, got none")
    functions = [latent_function(f, generator, device=device) for f in classifiers]
    points = torch.as_tensor(z).to(device=device, dtype=torch.float64)
    if points.ndim != 2:
        raise ValueError(f"z must have shape (n, d), got {tuple(points.shape)}")
    if latent is None:
        latent = [
            minimal_perturbation(f, points, steps=steps // 2, batch=batch, device=device)
            for f in functions
        ]
    shapes = [found.point.shape for found in latent]
    if shapes != [tuple(points.shape)] * len(functions):
        raise ValueError(f"latent must have one result per classifier, for z; got shapes {shapes}")
    parts = []
    for start in range(0, len(points), batch):
        origin = points[start : start + batch]
        models = [Margin(f, origin, None) for f in functions]
        starts = []
        for found in latent:
            own = torch.from_numpy(found.point[start : start + batch]).to(origin)
            reached = torch.from_numpy(found.radius[start : start + batch]).to(origin) < torch.inf
            own = torch.where(reached[:, None], own, torch.inf)
            starts += [own, origin + BEYOND * (own - origin)]
        point, reached = nearest_change(
            models, Euclidean(origin), origin, starts, steps, restarts, seed
        )
        rounding = 1 + (origin.shape[1] + 4) * torch.finfo(origin.dtype).eps  # of the norm
        radius = torch.where(reached, norm(point - origin) * rounding, torch.inf)
        label = torch.stack([model.label for model in models], 1)
        with torch.no_grad():
            other = torch.stack([model.logits(point).argmax(1) for model in models], 1)
        parts.append((radius, point, label, torch.where(reached[:, None], other, label)))
        if progress is not None:
            done = min(start + batch, len(points))
            progress(done / len(points), f"{done} of {len(points)} points attacked jointly")
    if not parts:
        none = np.zeros((0, len(functions)), np.int64)
        return JointPerturbation(np.zeros(0), points.cpu().numpy(), none, none)
    return JointPerturbation(
        *(torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True))
    )
