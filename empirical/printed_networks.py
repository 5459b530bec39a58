"""Convolutional classifiers of small images as papers print them."""

from __future__ import annotations

from torch import nn

from empirical.resnets import Shape


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
