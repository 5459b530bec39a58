"""Random ReLU networks so small that their radii and margins can be computed exactly."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from robust_theory.claim import Interval
from validation.experiment import Json

QUICK = {"widths": [3, 8, 6, 3], "networks": 5}
FULL = {"widths": [8, 12, 12, 4], "networks": 200}
DIGITS = {"widths": [8, 12, 12, 10], "digits": True}
FULL_DIGITS = {"networks": 60, "trainings": 20}
STEPS = 400  # of training

TIME = 5.0  # seconds for one exact radius; after that it is enclosed more widely, no less truly
GAP = 1e-4  # relative, between its two sides

_SPACE = (-1e6, 1e6)  # all of it
_UP = 1 + 2.0**-51


@dataclass(frozen=True)
class SmallNetwork:
    """A network and a point.

    Parameters
    ----------
    layers : list of [weight, bias]
        Nested lists of short decimals, ReLU between the layers.
    point : list
        Its input.
    label : int
        What it decides there.
    """

    layers: list[Any]
    point: list[float]
    label: int

    def records(self) -> tuple[Any, ...]:
        """The layers as the exact solvers take them."""
        from empirical.exact_layers import AffineLayer

        last = len(self.layers) - 1
        return tuple(
            AffineLayer(np.array(W), np.array(b), "identity" if k == last else "relu")
            for k, (W, b) in enumerate(self.layers)
        )

    def logits(self) -> list[float]:
        """Its outputs at the point, in double precision."""
        from empirical.exact_layers import logits

        return [float(x) for x in logits(self.records(), np.array([self.point]))[0]]


def networks(parameters: Mapping[str, Json], seed: int) -> Iterator[SmallNetwork]:
    """The network that the parameters hold, or as many random ones as they ask for."""
    if "layers" in parameters:
        yield SmallNetwork(parameters["layers"], parameters["point"], parameters["label"])
        return
    rng = np.random.default_rng(seed)
    if parameters.get("digits"):
        trainings = parameters.get("trainings", 1)
        for _ in range(trainings):
            yield from _trained(parameters, rng, parameters["networks"] // trainings)
        return
    for _ in range(parameters["networks"]):
        layers = []
        for n, m in itertools.pairwise(parameters["widths"]):
            weight, bias = rng.standard_normal((m, n)) * (2 / n) ** 0.5, rng.standard_normal(m) / 2
            layers.append([np.round(weight, 3).tolist(), np.round(bias, 3).tolist()])
        point = np.round(rng.standard_normal(parameters["widths"][0]), 3).tolist()
        drawn = SmallNetwork(layers, point, 0)
        yield SmallNetwork(layers, point, int(np.argmax(drawn.logits())))


def _trained(
    parameters: Mapping[str, Json], rng: np.random.Generator, count: int
) -> Iterator[SmallNetwork]:
    """A classifier of the digits by their principal components, at some of the digits."""
    import torch
    from sklearn.datasets import load_digits
    from torch import nn

    images, targets = load_digits(return_X_y=True)
    images = images - images.mean(axis=0)
    _, singular, axes = np.linalg.svd(images, full_matrices=False)
    features = images @ axes[: parameters["widths"][0]].T / singular[0] * len(images) ** 0.5
    features = np.round(features, 3)
    x, y = torch.from_numpy(features), torch.from_numpy(targets)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(rng.integers(2**31)))
        parts: list[nn.Module] = []
        for n, m in itertools.pairwise(parameters["widths"]):
            parts += [nn.Linear(n, m, dtype=torch.float64), nn.ReLU()]
        module = nn.Sequential(*parts[:-1])
        optimiser = torch.optim.Adam(module.parameters(), 0.02)
        for _ in range(STEPS):
            loss = nn.functional.cross_entropy(module(x), y)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    layers = [
        [
            part.weight.detach().numpy().round(3).tolist(),
            part.bias.detach().numpy().round(3).tolist(),
        ]
        for part in module
        if isinstance(part, nn.Linear)
    ]
    for row in rng.permutation(len(features))[:count]:
        point = features[row].tolist()
        drawn = SmallNetwork(layers, point, 0)
        yield SmallNetwork(layers, point, int(np.argmax(drawn.logits())))


def exact_radius(network: SmallNetwork, norm: str) -> Interval:
    """Bounds of the exact radius: branch and bound for l2, mixed-integer programming for linf."""
    from empirical.exact_branch import relu_radius
    from empirical.exact_linf import linf_radius

    point = np.array([network.point])
    if norm == "l2":
        found = relu_radius(network.records(), point, gap=GAP, time_limit=TIME)
    else:
        found = linf_radius(network.records(), point, time_limit=TIME)
    return Interval(float(found.lower[0]), float(found.upper[0]))


def bracketed_radius(network: SmallNetwork, norm: str) -> Interval:
    """Bounds of the exact radius, after attacks have tried to get below.

    Raises
    ------
    ValueError
        One did: then a solver or an attack is wrong.
    """
    exact, found = exact_radius(network, norm), attack_radius(network, norm)
    if found < exact.lo:
        raise ValueError(
            f"an attack must not be nearer than the exact radius, got {found!r} < {exact.lo!r}"
        )
    return Interval(exact.lo, min(exact.hi, found))


def attack_radius(network: SmallNetwork, norm: str) -> float:
    """Distance of the nearest point with another decision that attacks find: an upper bound.

    For linf APGD follows the least-norm attack, in ever smaller balls. Points are decided as the
    exact solvers decide, and what is found is the distance in exact arithmetic, rounded up.
    """
    from empirical.attacks.adaptive import apgd
    from empirical.exact import attack, decided_differently

    records, point = network.records(), np.array(network.point)
    first = attack(records, point[None])
    if norm == "l2" or not np.isfinite(first.radius[0]):
        return float(first.radius[0])
    nearest = _distance(first.point[0], point)
    module, label = _module(network), np.array([network.label])
    losses = ("cross-entropy", "dlr") if len(network.layers[-1][1]) > 2 else ("cross-entropy",)
    for shrink in (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99):
        eps = shrink * nearest
        for loss in losses:
            found = apgd(
                module, point.reshape(1, 1, 1, -1), label, eps, loss=loss, steps=20, box=_SPACE
            )
            moved = found.images.reshape(1, -1)
            if found.fooled[0] and decided_differently(records, moved, network.label)[0]:
                nearest = min(nearest, _distance(moved[0], point))
    return nearest


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    """Distance in linf, not below the exact one."""
    return max(float(abs(Fraction(x) - Fraction(y))) for x, y in zip(a, b, strict=True)) * _UP


def _module(network: SmallNetwork) -> Any:
    """The network as a torch module of images (m, 1, 1, d), in double precision."""
    import torch
    from torch import nn

    parts: list[nn.Module] = [nn.Flatten()]
    for W, b in network.layers:
        layer = nn.Linear(len(W[0]), len(W), dtype=torch.float64)
        with torch.no_grad():
            layer.weight.copy_(torch.tensor(W))
            layer.bias.copy_(torch.tensor(b))
        parts += [layer, nn.ReLU()]
    return nn.Sequential(*parts[:-1])
