"""What anonymous2022 prints in its Tables 1 to 5, in per cent; Table 3 repeats Table 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ROWS = (
    "Train adversarial",
    "Clean test set",
    "FGSM",
    "PGD 40",
    "PGD 100",
    "Autoattack",
)


@dataclass(frozen=True)
class Printed:
    """One table of the paper.

    Parameters
    ----------
    tables : str
        Its numbers, in words.
    data : tuple of str
        Names of `Options.data` that it is about.
    network : str
        A name of `empirical.networks.build`.
    epochs : int
        Passes over the training images.
    figures : mapping
        Method to its column, in the order of `ROWS`; None where the paper has none.
    """

    tables: str
    data: tuple[str, ...]
    network: str
    epochs: int
    figures: Mapping[str, tuple[float | None, ...]]


CIFAR = ("cifar10", "cifar10-jpeg")
PRINTED: tuple[Printed, ...] = (
    Printed(
        "Tables 1 and 3",
        ("mnist",),
        "architecture-a",
        100,
        {
            "Langevin": (98.48, 99.16, 96.53, 93.12, 91.87, 88.55),
            "PGD": (94.81, 98.82, 94.95, 92.28, 91.18, 89.10),
        },
    ),
    Printed(
        "Table 4",
        ("mnist",),
        "architecture-b",
        100,
        {"Langevin": (99.42, 99.10, 97.73, 94.82, 94.18, None)},
    ),
    Printed(
        "Table 2",
        CIFAR,
        "resnet18",
        100,
        {
            "Langevin": (99.82, 78.72, 53.40, 49.57, 49.50, None),
            "PGD": (99.38, 68.93, 45.58, 44.70, 43.74, None),
        },
    ),
    Printed(
        "Table 5",
        CIFAR,
        "wrn-34-10",
        36,
        {
            "Langevin": (98.90, 84.07, 56.47, 55.64, 54.50, 26.12),
            "PGD": (97.42, 83.54, 59.51, 58.88, 57.97, 26.04),
        },
    ),
)
