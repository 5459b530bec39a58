"""Small networks for small images, and their weights as plain arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import nn

from empirical.resnets import resnet18, resnet101, wide_resnet

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


class Adversarial(nn.Module):
    """A generative adversarial network; `decoder` is the generator, from (n, d) to (n, c, h, w).

    Its images lie in [0, 1]: the sigmoid is the tanh of the DCGAN paper, rescaled. `discriminator`
    takes images in [-1, 1] to one logit, large for real ones. The latent prior is the standard
    normal distribution on R^d.
    """

    def __init__(self, shape: Shape, latent_dimension: int, width: int) -> None:
        super().__init__()
        c, h, w = shape
        doublings = 0
        while h % 2 == w % 2 == 0 and (doublings < 2 or max(h, w) > 4):
            h, w, doublings = h // 2, w // 2, doublings + 1
        if doublings == 0:
            raise ValueError(f"height and width of images must be even, got {shape[1:]}")
        self.latent_dimension = latent_dimension
        channels = [width * 2**k for k in reversed(range(doublings))]
        decoder: list[nn.Module] = [
            nn.Linear(latent_dimension, channels[0] * h * w, bias=False),
            nn.Unflatten(1, (channels[0], h, w)),
        ]
        for before, after in zip(channels, [*channels[1:], c], strict=True):
            decoder += [
                nn.BatchNorm2d(before),
                nn.ReLU(),
                nn.ConvTranspose2d(before, after, 4, 2, 1, bias=after == c),
            ]
        self.decoder = nn.Sequential(*decoder, nn.Sigmoid())
        layers: list[nn.Module] = []
        for before, after in zip([c, *channels[:0:-1]], channels[::-1], strict=True):
            layers.append(nn.Conv2d(before, after, 4, 2, 1, bias=before == c))
            if before != c:
                layers.append(nn.BatchNorm2d(after))
            layers.append(nn.LeakyReLU(0.2))
        self.discriminator = nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels[0] * h * w, 1))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                nn.init.normal_(layer.weight, 0.0, 0.02)


def dcgan(shape: Shape, latent_dimension: int = 100, width: int = 64) -> Adversarial:
    """Return a DCGAN for images whose height and width are even (8x8, 28x28, 32x32, ...)."""
    return Adversarial(shape, latent_dimension, width)


def vae(shape: Shape, latent_dimension: int = 16, width: int = 256) -> Autoencoder:
    """Return a variational autoencoder with two hidden layers on each side."""
    return Autoencoder(shape, latent_dimension, width)


def lenet(shape: Shape, classes: int) -> nn.Module:
    """Return LeNet-5 with ReLU and maximum pooling, for images of at least 4x4 pixels.

    Images of less than 12 pixels a side are padded before the second convolution as well.
    """
    c, h, w = shape
    if min(h, w) < 4:
        raise ValueError(f"images must have at least 4x4 pixels, got {h}x{w}")
    padding = 0 if min(h, w) >= 12 else 2
    height, width = ((side // 2 - 4 + 2 * padding) // 2 for side in (h, w))
    return nn.Sequential(
        nn.Conv2d(c, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5, padding=padding),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * height * width, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, classes),
    )


def strided(shape: Shape, classes: int) -> nn.Module:
    """Return the network of wong2019: two 4x4 convolutions of stride 2, then 100 units.

    For images of at least 4x4 pixels.

    Source: wong2019, whose networks levine2020 takes.
    """
    c, h, w = shape
    if min(h, w) < 4:
        raise ValueError(f"images must have at least 4x4 pixels, got {h}x{w}")
    return nn.Sequential(
        nn.Conv2d(c, 16, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * (h // 4) * (w // 4), 100),
        nn.ReLU(),
        nn.Linear(100, classes),
    )


def architecture_a(shape: Shape, classes: int) -> nn.Module:
    """Return architecture A of anonymous2022: two 5x5 convolutions of 64 channels, then 128 units.

    The paper prints no ReLU after the 128 units, where two affine layers would only make a third;
    the networks called A elsewhere have one, and so does this. Images of less than 12 pixels a
    side are padded, so that the convolutions keep their size.

    Source: anonymous2022, appendix B.2.
    """
    c, h, w = shape
    padding = 0 if min(h, w) >= 12 else 2
    cut = 0 if padding else 8
    return nn.Sequential(
        nn.Conv2d(c, 64, 5, padding=padding),
        nn.ReLU(),
        nn.Conv2d(64, 64, 5, padding=padding),
        nn.ReLU(),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Linear(64 * (h - cut) * (w - cut), 128),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(128, classes),
    )


def architecture_b(shape: Shape, classes: int) -> nn.Module:
    """Return architecture B of anonymous2022: four 3x3 convolutions, two of stride 2, 100 units.

    The paper prints 32 input channels for the last two convolutions, whose inputs have 64, and one
    stride of 2, with which 14x14 places would remain of 28x28 and not its 7x7. Here the last
    convolution has stride 2 as well.

    Source: anonymous2022, appendix B.2.
    """
    c, h, w = shape
    return nn.Sequential(
        nn.Conv2d(c, 32, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(64, 64, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(64, 64, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64 * ((h + 3) // 4) * ((w + 3) // 4), 100),
        nn.ReLU(),
        nn.Linear(100, classes),
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
