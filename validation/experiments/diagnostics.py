"""Attacks within a ball against an affine margin, whose greatest value there is known."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from robust_theory.arithmetic import around
from robust_theory.networks import affine_margin
from validation.experiment import Experiment, Instance, Json, Measurement, Result
from validation.verdict import Evidence

_IN = 1 - Fraction(1, 2**40)  # takes rounding out of points on the surface
_IMAGES = 3
# Radii are binary fractions: doubles and rational numbers agree about them.
_RADII = {"linf": 0.125, "l2": 0.75, "l1": 2.0}
_ATTACKS = {"pgd": ("linf", "l2", "l1"), "apgd": ("linf", "l2", "l1"), "square": ("linf", "l2")}


def _reached(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    """The rise that an attack reaches at the image where it comes nearest to the greatest one.

    Logits are (0, w.z + b, -20) with w.z + b negative in the whole ball, so that no attack stops
    early. ValueError if an attack's point, moved in by 2^-40, is not inside ball and box.
    """
    import torch
    from sklearn.datasets import load_digits
    from torch import nn

    norm, eps = parameters["norm"], parameters["eps"]
    rng = np.random.default_rng(seed)
    images = load_digits().images
    points = images[rng.permutation(len(images))[:_IMAGES]].reshape(_IMAGES, -1) / 16
    weight = np.round(rng.standard_normal(points.shape[1]) / 4, 4)
    arguments = [
        {"weight": weight.tolist(), "point": x.tolist(), "eps": eps, "norm": norm, "box": [0, 1]}
        for x in points
    ]
    layer = nn.Linear(len(weight), 3).double()
    top = max(
        float(weight @ x) + affine_margin.affine_rise(**a)
        for x, a in zip(points, arguments, strict=True)
    )
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(np.outer([0, 1, 0], weight)))
        layer.bias.copy_(torch.tensor([0.0, -top - 0.5, -20.0]))
    network = nn.Sequential(nn.Flatten(), layer)
    moved = _attack(parameters["attack"], network, points.reshape(-1, 1, 8, 8), eps, norm, seed)
    found = []
    for x, z, a in zip(points, moved.reshape(_IMAGES, -1), arguments, strict=True):
        rise = _rise(weight, x, z, Fraction(eps), norm)
        found.append((affine_margin.affine_rise(**a) - float(rise), rise, a))
    _, rise, nearest = min(found, key=lambda one: one[0])
    box = around(rise)
    method = f"{parameters['attack']}, the nearest of {_IMAGES} images"
    return Measurement(nearest, Evidence(float(rise), box.lo, box.hi, "exact", method))


def _attack(name: str, network: Any, images: Any, eps: float, norm: str, seed: int) -> Any:
    from empirical.attacks.adaptive import apgd
    from empirical.attacks.square import square_attack
    from empirical.attacks.steps import pgd

    labels = np.zeros(len(images), dtype=np.int64)
    draws = seed % 2**31
    if name == "square":
        return square_attack(network, images, labels, eps, norm, queries=300, seed=draws).images
    if name == "pgd":
        return pgd(network, images, labels, eps, norm, steps=40, seed=draws).images
    return apgd(network, images, labels, eps, norm, loss="dlr", steps=40, seed=draws).images


def _rise(weight: Any, x: Any, z: Any, eps: Fraction, norm: str) -> Fraction:
    """The exact rise w.(z - x) of a point that is exactly inside."""
    start = [Fraction(float(value)) for value in x]
    move = [_IN * (Fraction(float(b)) - a) for a, b in zip(start, z, strict=True)]
    size = {
        "linf": max(abs(m) for m in move) <= eps,
        "l2": sum(m * m for m in move) <= eps**2,
        "l1": sum(abs(m) for m in move) <= eps,
    }
    if not size[norm] or not all(0 <= a + m <= 1 for a, m in zip(start, move, strict=True)):
        raise ValueError(f"the attack must stay in the {norm} ball of radius {eps} and in the box")
    # The weights stand for their printed decimals, as in the theory.
    w = [Fraction(repr(float(value))) for value in weight]
    return sum((a * m for a, m in zip(w, move, strict=True)), Fraction(0))


EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment(
        name="affine-rise-under-attack",
        claim=affine_margin.AFFINE_RISE,
        subject="affine_margin",
        quantity="rise that an attack reaches",
        unit="logits",
        norm="",
        reading="Each bar is the rise that an attack reached inside ball and box; it must end "
        "below the mark of the theory, and a good attack ends close to it.",
        x_label="rise of the margin",
        instances=lambda options: tuple(
            Instance(f"{attack}-{norm}", {"attack": attack, "norm": norm, "eps": _RADII[norm]})
            for attack, norms in _ATTACKS.items()
            for norm in norms
        ),
        measure=_reached,
    ),
)
