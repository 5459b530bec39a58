"""What a check of a model or of an attack says: a verdict, a number, and what the number means."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Verdict: TypeAlias = Literal["pass", "fail", "not applicable"]

LEVEL = 0.05  # of the sign tests: how often one of them fails although both attacks are as good


@dataclass(frozen=True)
class Check:
    """The outcome of one check.

    Parameters
    ----------
    name : str
        In words.
    verdict : {"pass", "fail", "not applicable"}
        A failed check says that a robust accuracy is not to be believed; a passed one does not
        say that it is right.
    number : float
        What was measured; NaN where the check does not apply.
    meaning : str
        What the number is, and what follows.
    """

    name: str
    verdict: Verdict
    number: float
    meaning: str


def judged(name: str, failed: bool, number: float, meaning: str) -> Check:
    """Return a check that fails where `failed`."""
    return Check(name, "fail" if failed else "pass", float(number), meaning)


def not_applicable(name: str, reason: str) -> Check:
    """Return a check that could not be made."""
    return Check(name, "not applicable", math.nan, reason)


def failures(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Return the checks that failed."""
    return tuple(check for check in checks if check.verdict == "fail")


def table(checks: Iterable[Check]) -> str:
    """Return the checks as lines of text, failed ones first."""
    order = {"fail": 0, "pass": 1, "not applicable": 2}
    lines = [
        f"{check.verdict:15} {check.name:28} {check.number:10.4g}  {check.meaning}"
        for check in sorted(checks, key=lambda check: order[check.verdict])
    ]
    return "\n".join(lines)


def never_beaten(name: str, strong: ArrayLike, weak: ArrayLike, meaning: str) -> Check:
    """Fail where an attack that should be weaker fools significantly more images.

    Both were run on the same images. Of those that one attack alone fools, the weaker one should
    have at most half; an exact sign test at level `LEVEL` decides. The number is the share of
    images that only the weaker one fools, less the share that only the stronger one does.

    Raises
    ------
    ValueError
        Arrays that are not boolean, or not of one shape (m,) with m >= 1.
    """
    a, b = read_fooled(strong, "strong"), read_fooled(weak, "weak")
    if a.shape != b.shape:
        raise ValueError(f"both attacks must be run on the same images, got {len(a)} and {len(b)}")
    lost, won = int((b & ~a).sum()), int((a & ~b).sum())
    return judged(name, sign_test(lost, won) <= LEVEL, (lost - won) / len(a), meaning)


def sign_test(more: int, less: int) -> float:
    """Return P(Bin(more + less, 1/2) >= more), computed exactly and rounded once."""
    n = more + less
    return sum(math.comb(n, k) for k in range(more, n + 1)) / 2**n


def read_images(images: ArrayLike) -> NDArray[Any]:
    """Return images as one block of memory, shape (m, ...) with m >= 1.

    Raises
    ------
    ValueError
        No images, or not numbers.
    """
    x = np.asarray(images)
    if x.ndim < 2 or not x.size or x.dtype.kind not in "fiu":
        raise ValueError(
            f"images must be numbers of shape (m, ...), m >= 1, got shape {x.shape} of {x.dtype}"
        )
    return np.ascontiguousarray(x)


def read_labels(labels: ArrayLike, count: int) -> NDArray[np.int64]:
    """Return one label for each of `count` images.

    Raises
    ------
    ValueError
        Not whole numbers, or not of shape (count,).
    """
    y = np.asarray(labels)
    if y.shape != (count,) or y.dtype.kind not in "iu":
        raise ValueError(f"labels must be {count} whole numbers, got shape {y.shape} of {y.dtype}")
    return y.astype(np.int64)


def read_fooled(fooled: ArrayLike, name: str) -> NDArray[np.bool_]:
    """Return boolean flags, one for each image.

    Raises
    ------
    ValueError
        Not boolean, not of shape (m,), or empty.
    """
    flags = np.asarray(fooled)
    if flags.dtype != bool or flags.ndim != 1 or not len(flags):
        raise ValueError(
            f"{name} must hold one truth value for each image, got shape {flags.shape} "
            f"of {flags.dtype}"
        )
    return flags
