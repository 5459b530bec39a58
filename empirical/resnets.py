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
    layer = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return [layer, nn.BatchNorm2d(outputs)]
