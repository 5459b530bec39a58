"""Small networks for small images, and their weights as plain arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import nn
from torch.nn import functional

Shape = tuple[int, int, int]


def linear(shape: Shape, classes: int) -> nn.Module:
    """Return the affine classifier of images of shape (c, h, w)."""
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), classes))


def mlp(shape: Shape, classes: int, width: int = 64) -> nn.Module:
    """Return a ReLU classifier with two hidden layers of `width` units."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(math.prod(shape), width),
        nn.ReLU(),
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Linear(width, classes),
    )


def cnn(shape: Shape, classes: int, width: int = 16) -> nn.Module:
    """Return a ReLU classifier with two 3x3 convolutions, the second of stride 2."""
    c, h, w = shape
    return nn.Sequential(
        nn.Conv2d(c, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(2 * width * ((h + 1) // 2) * ((w + 1) // 2), 64),
        nn.ReLU(),
        nn.Linear(64, classes),
    )


class Autoencoder(nn.Module):
    """A variational autoencoder; `decoder` is the generator, from (n, d) to (n, c, h, w) in [0, 1].

    The latent prior is the standard normal distribution on R^d.
    """

    def __init__(self, shape: Shape, latent_dimension: int, width: int) -> None:
        super().__init__()
        pixels = math.prod(shape)
        self.latent_dimension = latent_dimension
        self.encoder = nn.Sequential(
            nn.Flatten(),
            nn.Linear(pixels, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, 2 * latent_dimension),
        )
        self.decoder = nn.Sequential(
            nn.Linear(latent_dimension, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, pixels),
            nn.Sigmoid(),
            nn.Unflatten(1, shape),
        )

    def encode(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return mean and log variance of the latent of each image, each of shape (n, d)."""
        mean, log_variance = self.encoder(images).chunk(2, dim=1)
        return mean, log_variance


def vae(shape: Shape, latent_dimension: int = 16, width: int = 256) -> Autoencoder:
    """Return a variational autoencoder with two hidden layers on each side."""
    return Autoencoder(shape, latent_dimension, width)


class Residual(nn.Module):
    """x -> relu(body(x) + shortcut(x))."""

    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.body(x) + self.shortcut(x))


CLASSIFIERS: dict[str, Callable[[Shape, int], nn.Module]] = {
    "linear": linear,
    "mlp": mlp,
    "cnn": cnn,
}


def build(name: str, shape: Shape, classes: int, seed: int) -> nn.Module:
    """Return the network of that name with weights that depend on `seed` alone.

    Parameters
    ----------
    name : str
        ``"linear"``, ``"mlp"``, ``"cnn"``, or ``"vae"`` (which ignores `classes`).
    shape : tuple of int
        One image, (c, h, w).
    classes : int
        Number of logits.
    seed : int
        The global random state is left as it was.

    Raises
    ------
    ValueError
        Unknown name.
    """
    if name != "vae" and name not in CLASSIFIERS:
        raise ValueError(f"name must be one of {(*CLASSIFIERS, 'vae')}, got {name!r}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return vae(shape) if name == "vae" else CLASSIFIERS[name](shape, classes)


def to_arrays(module: nn.Module) -> dict[str, np.ndarray]:
    """Return copies of all weights and buffers, by their names in the module."""
    return {k: v.detach().cpu().numpy().copy() for k, v in module.state_dict().items()}


def from_arrays(module: nn.Module, arrays: Mapping[str, np.ndarray]) -> nn.Module:
    """Write `arrays` into the weights of `module`, in place, and return it.

    Raises
    ------
    ValueError
        Names or shapes differ from the module's.
    """
    state = module.state_dict()
    if state.keys() != arrays.keys():
        difference = sorted(state.keys() ^ arrays.keys())
        raise ValueError(f"arrays must have the names of the module's weights, not {difference}")
    for name, weight in state.items():
        if weight.shape != np.shape(arrays[name]):
            raise ValueError(
                f"array {name!r} must have shape {tuple(weight.shape)}, "
                f"got {np.shape(arrays[name])}"
            )
    module.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in arrays.items()})
    return module
