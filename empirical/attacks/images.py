"""Perturbations of a generated image g(z): the r_X and r* of the theory, from above."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from empirical.attacks.latent import latent_function
from empirical.attacks.margin import BLOCK, ROUNDING, Bounds, Margin, norm
from empirical.attacks.minimal import MinimalPerturbation, minimal_perturbation
from empirical.attacks.nearest import nearest_change

TANGENTS = 4096  # at once, in Jacobians


@dataclass(frozen=True, eq=False)
class ImageRadii:
    """Upper bounds on the distances of generated images to other decisions, in the l2 norm of X.

    Row i belongs to the latent z_i. ``unconstrained <= in_distribution`` in every row.

    Parameters
    ----------
    in_distribution : ndarray
        Shape (n,), float64: never below r_X(z) = inf{|g(z+r) - g(z)| : f(g(z+r)) != f(g(z))};
        +inf where nothing was found.
    unconstrained : ndarray
        Shape (n,), float64: never below r*(z) = inf{|s| : f(g(z) + s) != f(g(z))}; +inf likewise.
    latent : ndarray
        Shape (n, d), float64: the z + r that `in_distribution` belongs to; z where none was found.
    image : ndarray
        Shape (n, ...), float64: the g(z) + s that `unconstrained` belongs to; g(z) likewise.
    label : ndarray
        Shape (n,), int64: decision at g(z).
    in_distribution_label, unconstrained_label : ndarray
        Shape (n,), int64: decisions at g(latent) and at `image`.
    """

    in_distribution: np.ndarray
    unconstrained: np.ndarray
    latent: np.ndarray
    image: np.ndarray
    label: np.ndarray
    in_distribution_label: np.ndarray
    unconstrained_label: np.ndarray


def image_radii(
    classifier: nn.Module,
    generator: nn.Module,
    z: torch.Tensor | np.ndarray,
    *,
    steps: int = 16,
    restarts: int = 0,
    seed: int = 0,
    batch: int = 250,
    bounds: Bounds = None,
    device: str = "cpu",
    latent: MinimalPerturbation | None = None,
    progress: Callable[[float, str], None] | None = None,
) -> ImageRadii:
    """Return upper bounds on the in-distribution radius r_X and the unconstrained radius r*.

    The label that must change is the classifier's own at g(z). A perturbed image of the generator
    is also an unconstrained one, so r* <= r_X, here in every row. Every point was verified in
    double precision.

    Parameters
    ----------
    classifier : Module
        f, images to logits. Modules are copied in double precision and evaluation mode.
    generator : Module
        g, latents of shape (m, d) to images.
    z : tensor or ndarray
        Shape (n, d).
    steps, restarts, seed, batch, device, progress
        As in `minimal_perturbation`; restarts are those of the unconstrained search.
    bounds : (float, float), optional
        Box of the pixels for the unconstrained perturbation, which must contain the range of g.
    latent : MinimalPerturbation, optional
        Result of `latent_radius` for the same arguments, a start of the search for r_X; computed
        where it is not given.

    Raises
    ------
    ValueError
        As `minimal_perturbation`.

    Notes
    -----
    Source: fawzi2018, section 2.
    """
    points = torch.as_tensor(z).to(device=device, dtype=torch.float64)
    if points.ndim != 2:
        raise ValueError(f"z must have shape (n, d), got {tuple(points.shape)}")
    composite = latent_function(classifier, generator, device=device)
    if latent is None:
        latent = minimal_perturbation(
            composite, points, steps=steps // 2, seed=seed, batch=batch, device=device
        )
    if latent.point.shape != tuple(points.shape):
        raise ValueError(f"latent must belong to z, got points of shape {latent.point.shape}")
    f, g = (
        copy.deepcopy(module).to(device).double().eval().requires_grad_(False)
        for module in (classifier, generator)
    )
    parts = []
    for start in range(0, len(points), batch):
        origin = points[start : start + batch]
        known = torch.from_numpy(latent.point[start : start + batch]).to(origin)
        reached = torch.from_numpy(latent.radius[start : start + batch]).to(origin) < torch.inf
        known = torch.where(reached[:, None], known, torch.inf)
        parts.append(_radii(f, g, composite, origin, known, steps, restarts, seed, bounds))
        if progress is not None:
            done = min(start + batch, len(points))
            progress(done / len(points), f"{done} of {len(points)} images attacked")
    if not parts:
        with torch.no_grad():
            shape = g(torch.zeros(1, points.shape[1]).to(points)).shape[1:]
        empty, none = np.zeros(0), np.zeros(0, np.int64)
        return ImageRadii(
            empty, empty, points.cpu().numpy(), np.zeros((0, *shape)), none, none, none
        )
    return ImageRadii(*(torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True)))


class ImageDistance:
    """The distance of the images that a generator makes of points."""

    def __init__(
        self, generator: Callable[[torch.Tensor], torch.Tensor], origin: torch.Tensor
    ) -> None:
        self.generator = generator
        self.images = self.generate(origin)

    def generate(self, point: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return in_blocks(self.generator, point).flatten(1)

    def __call__(
        self, point: torch.Tensor, row: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        images, jacobian = images_with_jacobian(self.generator, point)
        change = images - self.images[row]
        slope = (change[:, None] @ jacobian).squeeze(1)
        return change.square().sum(1) / 2, slope, jacobian.transpose(1, 2) @ jacobian

    def distances(self, pool: torch.Tensor) -> torch.Tensor:
        return torch.cdist(self.images, self.generate(pool))


def images_with_jacobian(
    generator: Callable[[torch.Tensor], torch.Tensor], point: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return flat images (m, D) of points (m, d), and the Jacobians there (m, D, d)."""

    def one(z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        image = generator(z[None]).flatten()
        return image, image

    if not len(point):
        pixels = generator(point.new_zeros(1, point.shape[1])).numel()
        return point.new_zeros(0, pixels), point.new_zeros(0, pixels, point.shape[1])
    chunk = max(1, TANGENTS // point.shape[1])
    jacobian, images = torch.func.vmap(torch.func.jacfwd(one, has_aux=True), chunk_size=chunk)(
        point.detach()
    )
    return images.detach(), jacobian.detach()


def in_blocks(
    generator: Callable[[torch.Tensor], torch.Tensor], point: torch.Tensor
) -> torch.Tensor:
    """Return the images of points; in whole blocks, those of a point are the same, to the last
    bit, in every batch.
    """
    padding = point[:1].expand(-len(point) % BLOCK, -1)
    return generator(torch.cat([point, padding]))[: len(point)]


def _radii(
    f: nn.Module,
    g: nn.Module,
    composite: Callable[[torch.Tensor], torch.Tensor],
    origin: torch.Tensor,
    known: torch.Tensor,
    steps: int,
    restarts: int,
    seed: int,
    bounds: Bounds,
) -> tuple[torch.Tensor, ...]:
    model = Margin(composite, origin, None)
    latent, reached = nearest_change(
        [model], ImageDistance(g, origin), origin, [known], steps, restarts, seed
    )
    with torch.no_grad():
        x, moved = in_blocks(g, origin), in_blocks(g, latent)
        moved_label = f(moved).argmax(1)
    # The generator rounds the images; the norm rounds too.
    size = (moved - x).flatten(1)
    error = ROUNDING * x.flatten(1).abs().amax(1) * size.shape[1] ** 0.5
    rounding = 1 + (size.shape[1] + 4) * torch.finfo(x.dtype).eps
    inside = torch.where(reached, norm(size) * rounding + error, torch.inf)
    found = minimal_perturbation(
        f,
        x,
        steps=steps,
        restarts=restarts,
        seed=seed,
        batch=len(x),
        bounds=bounds,
        device=str(x.device),
    )
    radius, image, label = (
        torch.from_numpy(a).to(x.device)
        for a in (found.radius, found.point, found.adversarial_label)
    )
    inside_is_nearer = inside < radius
    return (
        inside,
        torch.minimum(radius, inside),
        latent,
        torch.where(inside_is_nearer.reshape(-1, *(1,) * (x.ndim - 1)), moved, image),
        model.label,
        torch.where(reached, moved_label, model.label),
        torch.where(inside_is_nearer, moved_label, label),
    )
