"""Losses of a network near test images: at random points, under attack, and certified.

An attack shows a loss from below, a certificate bounds all losses of the ball from above.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from validation.experiment import Json, Options, Progress, Result, Unit
from validation.experiments import pipeline, trained_networks
from validation.experiments.gibbs_cells import Array

if TYPE_CHECKING:
    from torch import nn

NETWORK, EPS = "mlp", "0.02"
SIZES = {"quick": {"images": 12, "draws": 4_000}, "full": {"images": 50, "draws": 10_000}}
FEW = 40  # draws per image of the limits under test
# Of a loss computed in double precision, relative to the loss; the certificates bound theirs.
ROUNDING = 1e-9


def losses_unit(options: Options) -> Unit:
    """The losses of one network, whose rows and table read them."""
    return Unit(
        f"{pipeline.data_name(options)}/energies-{NETWORK}",
        "validation.experiments.network_losses:measure_losses",
        {**pipeline.source(options), "eps": EPS, **SIZES[options.suite]},
        (pipeline.classifier_unit(options, NETWORK),),
        accelerated=True,
        cost=8.0 if options.suite == "full" else 1.0,
    )


def measure_losses(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Losses at the image, at draws from the ball, under attack, and certified; linf."""
    import torch

    from empirical import data
    from empirical.attacks.losses import loss_values
    from empirical.attacks.steps import pgd
    from empirical.layers import read_layers
    from robust_theory.networks.propagation import margin_bounds

    network = trained_networks.read_classifier(inputs, NETWORK)
    dataset = data.load(parameters["data"], parameters["data_dir"])
    chosen = dataset.test[: parameters["images"]]
    x, y = dataset.images[chosen].astype(np.float64), dataset.labels[chosen]
    eps, draws = float(parameters["eps"]), np.random.default_rng(seed)
    # The ball is not cut at black and white: the theory's box has sides of 2 eps.
    box = (-math.inf, math.inf)
    attacked = pgd(network, x, y, eps, steps=60, restarts=2, seed=seed % 2**62, box=box)
    raised = _raised(network, x, attacked.images, y, eps)
    layers = [(layer.weight, layer.bias) for layer in _affine(read_layers(network, x.shape[1:]))]
    sampled, top, slopes = [], [], []
    for i, (image, label) in enumerate(zip(x, y, strict=True)):
        flat, k = image.ravel(), int(label)
        with torch.no_grad():
            near = image + eps * (2 * draws.random((parameters["draws"] + FEW, *image.shape)) - 1)
            labels = torch.full((len(near),), k)
            sampled.append(loss_values(network(torch.from_numpy(near)), labels, "cross-entropy"))
        margins = {
            method: margin_bounds(layers, flat, parameters["eps"], k, "linf", method)
            for method in ("interval", "linear", "lipschitz")
        }
        best = np.fmax(margins["interval"], margins["linear"])
        top.append(_loss_of(best))
        # Each margin falls by its constant times eps; the cross-entropy no faster than the fastest.
        here = margin_bounds(layers, flat, 0, k, "linf", "lipschitz")
        rivals = np.arange(len(best)) != k
        slopes.append(((here[rivals] - margins["lipschitz"][rivals]) / eps).max())
        progress((i + 1) / len(x), "sampling")
    return Result(
        {"d": math.prod(x.shape[1:])},
        {
            "sampled": torch.stack(sampled).numpy(),
            "attacked": raised,
            "certified": np.array(top),
            "slopes": np.array(slopes) * (1 + ROUNDING),
        },
    )


def _affine(layers: list) -> list:  # type: ignore[type-arg]
    """The affine layers, whose activations must all be ReLUs."""
    return [layer for layer in layers if hasattr(layer, "weight")]


def _raised(network: nn.Module, x: Array, found: Array, y: Array, eps: float) -> Array:
    """Losses of the attack, which must beat those of every corner that one gradient points to."""
    import torch

    from empirical.attacks.losses import loss_values

    tensors = [torch.from_numpy(np.clip(z, x - eps, x + eps)) for z in (x, found)]
    labels = torch.from_numpy(y)
    best = np.full(len(x), -np.inf)
    for z in tensors:
        for _ in range(8):  # the loss is nearly linear in so small a ball: its corners
            z = z.requires_grad_()
            values = loss_values(network(z), labels, "cross-entropy")
            best = np.maximum(best, values.detach().numpy())
            (slope,) = torch.autograd.grad(values.sum(), z)
            z = torch.from_numpy(x) + eps * slope.sign()
    return best


def _loss_of(margins: Array) -> float:
    """Cross-entropy log(1 + sum exp(-margin)); the margin of the label itself is infinite."""
    return float(np.logaddexp.reduce(np.append(-margins, 0.0))) * (1 + ROUNDING)
