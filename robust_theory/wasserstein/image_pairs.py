"""Two images of the same mass: read, checked, and subtracted without a rounding that matters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust_theory.arguments import Floats, exact_rational


@dataclass(frozen=True, eq=False)
class ImagePair:
    """Two images of equal mass, channel by channel.

    Parameters
    ----------
    x, y : array (n,), (n, m) or (n, m, channels)
        The images, divided by their sums if that was asked for: Fractions if `exact`, doubles
        otherwise.
    supply : array
        ``x - y``: what each pixel has to give, or with a minus sign lacks. In units of `unit`:
        Python integers if `exact`, doubles otherwise.
    unit : Fraction
        Positive.
    exact : bool
        Whether all of this is exact.
    """

    x: NDArray[Any]
    y: NDArray[Any]
    supply: NDArray[Any]
    unit: Fraction
    exact: bool

    @property
    def moved(self) -> float:
        """Mass in which the images differ: half the l1 norm of ``x - y``."""
        return math.fsum(np.abs(self.supply).astype(np.float64).ravel()) / 2 * float(self.unit)

    @property
    def mass(self) -> float:
        """Mass of the images: half the sum of all absolute values."""
        both = (np.abs(image.astype(np.float64)).ravel() for image in (self.x, self.y))
        return sum(map(math.fsum, both)) / 2


def read_pair(x: Any, y: Any, *, exact: bool, normalise: bool) -> ImagePair:
    """Read two images of the same mass.

    Parameters
    ----------
    x, y : array (n,), (n, m) or (n, m, channels)
        Of the same shape. Negative pixels are allowed: only the difference is transported.
    exact : bool
        Read a float as the decimal that Python prints for it, and ask for exactly equal masses.
    normalise : bool
        Divide each image by its sum over all pixels and channels; 8-bit images, exactly.

    Raises
    ------
    ValueError
        If the shapes differ, a pixel is NaN, infinite or no number, the masses differ, in total
        or in a channel, or an image to be normalised has no positive sum.
    """
    images = {"x": _image(x, "x"), "y": _image(y, "y")}
    shapes = [image.shape for image in images.values()]
    if shapes[0] != shapes[1]:
        raise ValueError(f"x and y must have the same shape, got {shapes[0]} and {shapes[1]}")
    if exact or all(image.dtype.kind != "f" for image in images.values()):
        first, second = (_rationals(image, name) for name, image in images.items())
        return _exact_pair(first, second, exact=exact, normalise=normalise)
    return _rounded_pair(images, normalise=normalise)


@dataclass(frozen=True)
class _Rationals:
    """``values / unit``, with Python integers."""

    values: NDArray[Any]
    unit: int


def _image(image: Any, name: str) -> NDArray[Any]:
    try:
        array = np.asarray(image)
    except ValueError:
        raise ValueError(f"{name} must be an array of one shape, got a ragged sequence") from None
    if array.ndim not in (1, 2, 3) or 0 in array.shape:
        raise ValueError(
            f"{name} must have shape (n,), (n, m) or (n, m, channels) with at least one pixel, "
            f"got {array.shape}"
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{name} must be finite, got {array[where]} at pixel {where}")
    if array.dtype.kind not in "biufO":
        raise ValueError(f"{name} must hold numbers, got dtype {array.dtype}")
    return array


def _rationals(image: NDArray[Any], name: str) -> _Rationals:
    if image.dtype.kind in "biu":
        return _Rationals(_integers(image.ravel().tolist(), image.shape), 1)
    entries = [exact_rational(value, f"every pixel of {name}") for value in image.ravel().tolist()]
    unit = math.lcm(*(value.denominator for value in entries))
    whole = [value.numerator * (unit // value.denominator) for value in entries]
    return _Rationals(_integers(whole, image.shape), unit)


def _integers(values: Sequence[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    array = np.empty(len(values), object)
    array[:] = [int(value) for value in values]
    return array.reshape(shape)


def _exact_pair(x: _Rationals, y: _Rationals, *, exact: bool, normalise: bool) -> ImagePair:
    if normalise:
        # Of a/unit normalised nothing is left of the unit.
        totals = [sum(image.values.ravel().tolist()) for image in (x, y)]
        for name, image, total in zip("xy", (x, y), totals, strict=True):
            if total <= 0:
                raise ValueError(
                    f"{name} must have a positive sum to be normalised, "
                    f"got {float(Fraction(total, image.unit))!r}"
                )
        x, y = (_Rationals(image.values, t) for image, t in zip((x, y), totals, strict=True))
    common = math.lcm(x.unit, y.unit)
    supply = x.values * (common // x.unit) - y.values * (common // y.unit)
    unit = Fraction(1, common)
    sums = [_channel_sums(image.values) for image in (x, y)]
    _check_masses(
        [
            [Fraction(total, image.unit) for total in s]
            for image, s in zip((x, y), sums, strict=True)
        ],
        [Fraction(0)] * len(sums[0]),
        normalise,
    )
    if exact:
        images = [
            _objects([Fraction(v, image.unit) for v in image.values.ravel().tolist()], supply.shape)
            for image in (x, y)
        ]
        return ImagePair(images[0], images[1], supply, unit, True)
    # One rounding each, because Python divides integers of any size correctly.
    images = [(image.values / image.unit).astype(np.float64) for image in (x, y)]
    return ImagePair(images[0], images[1], (supply / common).astype(np.float64), Fraction(1), False)


def _rounded_pair(images: dict[str, NDArray[Any]], *, normalise: bool) -> ImagePair:
    spacing = max(
        (float(np.finfo(a.dtype).eps) for a in images.values() if a.dtype.kind == "f"), default=0.0
    )
    read: list[Floats] = []
    for name, image in images.items():
        if image.dtype.kind == "O":
            image = np.vectorize(lambda v, n=name: float(exact_rational(v, n)), [float])(image)
        array = image.astype(np.float64)
        if normalise:
            total = math.fsum(array.ravel())
            if not total > 0:
                raise ValueError(f"{name} must have a positive sum to be normalised, got {total!r}")
            array = array / total
        read.append(array)
    x, y = read
    # Each entry carries a rounding of its own size from whoever made the image, and four more are
    # allowed for the sum by which a caller may have divided.
    slack = [
        (a.size + 4) * spacing * (math.fsum(np.abs(a).ravel()) + math.fsum(np.abs(b).ravel()))
        for a, b in zip(_channels(x), _channels(y), strict=True)
    ]
    _check_masses([_channel_sums(x), _channel_sums(y)], slack, normalise)
    return ImagePair(x, y, x - y, Fraction(1), False)


def _channels(image: NDArray[Any]) -> list[NDArray[Any]]:
    return [image] if image.ndim < 3 else [image[:, :, k] for k in range(image.shape[2])]


def _channel_sums(image: NDArray[Any]) -> list[Any]:
    add = math.fsum if image.dtype.kind == "f" else sum
    return [add(channel.ravel().tolist()) for channel in _channels(image)]


def _check_masses(sums: list[list[Any]], slack: list[Any], normalised: bool) -> None:
    for k, (a, b, allowed) in enumerate(zip(*sums, slack, strict=True)):
        if abs(a - b) <= allowed:
            continue
        if len(sums[0]) == 1:
            raise ValueError(
                f"x and y must have the same mass, got {float(a)!r} and {float(b)!r}; "
                "normalise=True divides each by its own"
            )
        hint = "" if normalised else "; normalise=True divides each image by its sum"
        raise ValueError(
            "x and y must have the same mass in every channel, because mass does not move between "
            f"channels, got {float(a)!r} and {float(b)!r} in channel {k}{hint}"
        )


def _objects(values: list[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    array = np.empty(len(values), object)
    array[:] = values
    return array.reshape(shape)
