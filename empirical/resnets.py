"""Residual networks for small images."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

Shape = tuple[int, int, int]


class Residual(nn.Module):
    """x -> relu(body(x) + shortcut(x))."""

    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.body(x) + self.shortcut(x))


def resnet18(shape: Shape, classes: int, width: int = 64) -> nn.Module:
    """Return ResNet-18 with a 3x3 first convolution and no pooling after it, for small images."""
    return _resnet(shape, classes, width, (2, 2, 2, 2), bottleneck=False)


def resnet101(shape: Shape, classes: int, width: int = 64) -> nn.Module:
    """Return ResNet-101 with a 3x3 first convolution and no pooling after it, for small images."""
    return _resnet(shape, classes, width, (3, 4, 23, 3), bottleneck=True)


def wide_resnet(shape: Shape, classes: int, depth: int = 34, widening: int = 10) -> nn.Module:
    """Return a wide residual network, normalised before every convolution; WRN-34-10 by default.

    `depth` counts all convolutions, the three of shortcuts among them; it is 4 more than a
    multiple of 6.

    Source: zagoruyko2016, Table 1.
    """
    if depth < 10 or depth % 6 != 4:
        raise ValueError(f"depth must be 10, 16, 22, ..., got {depth}")
    channels = 16
    layers: list[nn.Module] = [_plain(shape[0], channels, 3)]
    for stage in range(3):
        width = 16 * widening * 2**stage
        for block in range(depth // 6):
            layers.append(Preactivated(channels, width, 2 if stage > 0 and block == 0 else 1))
            channels = width
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))
    return nn.Sequential(*layers, nn.BatchNorm2d(channels), nn.ReLU(), *head)


class Preactivated(nn.Module):
    """x -> body(a) + x with a = relu(norm(x)); where the size changes, body(a) + shortcut(a)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.start = nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU())
        self.body = nn.Sequential(
            _plain(inputs, outputs, 3, stride),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            _plain(outputs, outputs, 3),
        )
        same = stride == 1 and inputs == outputs
        self.shortcut = None if same else _plain(inputs, outputs, 1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        active = self.start(x)
        kept: torch.Tensor = x if self.shortcut is None else self.shortcut(active)
        return kept + self.body(active)


def _resnet(
    shape: Shape, classes: int, width: int, blocks: tuple[int, ...], *, bottleneck: bool
) -> nn.Module:
    channels = width
    layers: list[nn.Module] = [*_convolution(shape[0], width, 3), nn.ReLU()]
    for stage, count in enumerate(blocks):
        inner = width * 2**stage
        outer = 4 * inner if bottleneck else inner
        for block in range(count):
            stride = 2 if stage > 0 and block == 0 else 1
            if bottleneck:
                body = [
                    *_convolution(channels, inner, 1),
                    nn.ReLU(),
                    *_convolution(inner, inner, 3, stride),
                    nn.ReLU(),
                    *_convolution(inner, outer, 1),
                ]
            else:
                body = [
                    *_convolution(channels, inner, 3, stride),
                    nn.ReLU(),
                    *_convolution(inner, inner, 3),
                ]
            shortcut: nn.Module = nn.Identity()
            if stride > 1 or channels != outer:
                shortcut = nn.Sequential(*_convolution(channels, outer, 1, stride))
            layers.append(Residual(nn.Sequential(*body), shortcut))
            channels = outer
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))
    return nn.Sequential(*layers, *head)


def _convolution(inputs: int, outputs: int, size: int, stride: int = 1) -> list[nn.Module]:
    return [_plain(inputs, outputs, size, stride), nn.BatchNorm2d(outputs)]


def _plain(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Conv2d:
    layer = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return layer
