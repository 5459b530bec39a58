"""Perturbations of the latent z of an image g(z): the r_Z of the theory, from above."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from empirical.attacks.minimal import MinimalPerturbation, minimal_perturbation


def latent_radius(
    classifier: nn.Module,
    generator: nn.Module,
    z: torch.Tensor | np.ndarray,
    *,
    steps: int = 20,
    restarts: int = 0,
    seed: int = 0,
    batch: int = 250,
    device: str = "cpu",
    progress: Callable[[float, str], None] | None = None,
) -> MinimalPerturbation:
    """Return upper bounds on r_Z(z) = inf{|r| : f(g(z + r)) != f(g(z))}, in the l2 norm.

    The label that must change is the classifier's own at g(z), not a ground truth. Both modules
    are copied in double precision and evaluation mode; z is unbounded.

    Parameters
    ----------
    classifier : Module
        f, images to logits.
    generator : Module
        g, latents of shape (m, d) to images; the decoder of an `Autoencoder`.
    z : tensor or ndarray
        Shape (n, d).
    steps, restarts, seed, batch, device, progress
        As in `minimal_perturbation`.

    Returns
    -------
    MinimalPerturbation
        Radii never below r_Z, +inf where nothing was found.

    Raises
    ------
    ValueError
        As `minimal_perturbation`.
    """
    return minimal_perturbation(
        latent_function(classifier, generator, device=device),
        z,
        steps=steps,
        restarts=restarts,
        seed=seed,
        batch=batch,
        device=device,
        progress=progress,
    )


def latent_function(
    classifier: nn.Module, generator: nn.Module, *, device: str = "cpu"
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return z -> f(g(z)) in double precision and evaluation mode, on copies of both modules."""
    f, g = (
        copy.deepcopy(module).to(device).double().eval().requires_grad_(False)
        for module in (classifier, generator)
    )

    def composite(z: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = f(g(z))
        return logits

    return composite
