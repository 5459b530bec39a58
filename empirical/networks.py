"""Networks for small images by their names, and their weights as plain arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import nn

from empirical.generators import Adversarial, Autoencoder, dcgan, vae
from empirical.printed_networks import architecture_a, architecture_b, lenet, strided
from empirical.resnets import Shape, resnet18, resnet101, wide_resnet


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


CLASSIFIERS: dict[str, Callable[[Shape, int], nn.Module]] = {
    "linear": linear,
    "mlp": mlp,
    "cnn": cnn,
    "lenet": lenet,
    "strided": strided,
    "architecture-a": architecture_a,
    "architecture-b": architecture_b,
    "resnet18": resnet18,
    "resnet101": resnet101,
    "wrn-34-10": wide_resnet,
}
GENERATORS: dict[str, Callable[..., Autoencoder | Adversarial]] = {"vae": vae, "dcgan": dcgan}


def build(
    name: str, shape: Shape, classes: int, seed: int, *, latent_dimension: int | None = None
) -> nn.Module:
    """Return the network of that name with weights that depend on `seed` alone.

    Parameters
    ----------
    name : str
        A classifier: ``"linear"``, ``"mlp"``, ``"cnn"``, ``"lenet"``,
        ``"strided"``, ``"architecture-a"``, ``"architecture-b"``, ``"resnet18"``,
        ``"resnet101"``, ``"wrn-34-10"``; or a generator, which ignores `classes`: ``"vae"``,
        ``"dcgan"``.
    shape : tuple of int
        One image, (c, h, w).
    classes : int
        Number of logits.
    seed : int
        The global random state is left as it was.
    latent_dimension : int, optional
        Of a generator, at least 1; by default 16 for ``"vae"`` and 100 for ``"dcgan"``.

    Raises
    ------
    ValueError
        Unknown name, images of a size that the network cannot take, or a latent dimension below 1
        or of a classifier.
    """
    if name not in CLASSIFIERS and name not in GENERATORS:
        raise ValueError(f"name must be one of {(*CLASSIFIERS, *GENERATORS)}, got {name!r}")
    if latent_dimension is not None and (name in CLASSIFIERS or latent_dimension < 1):
        raise ValueError(
            f"latent_dimension must be at least 1, and a generator's; got {latent_dimension} "
            f"for {name!r}"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if name in CLASSIFIERS:
            return CLASSIFIERS[name](shape, classes)
        return GENERATORS[name](shape, *(() if latent_dimension is None else (latent_dimension,)))


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
