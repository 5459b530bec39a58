"""Local flow plans: mass that moves between neighbouring pixels, and the image that it makes.

A plan for an image of shape (n, m) is a pair of arrays, ``vertical`` of shape (n - 1, m) and
``horizontal`` of shape (n, m - 1). A positive number is mass that leaves a pixel for the one below
it, or for the one on its right; a negative number comes back. For an image on a line the pair is
one array. With two more arrays mass may also move diagonally.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Flow: TypeAlias = tuple[NDArray[Any], ...]
Shape: TypeAlias = tuple[int, ...]

# Steps of a grid in the order of a plan's arrays: down, right, down and right, down and left.
STEPS = ((1, 0), (0, 1), (1, 1), (1, -1))


def apply_flow(x: Any, flow: Any) -> NDArray[Any]:
    """The image after a local flow plan: each pixel plus what flows in, less what flows out.

    Pixel (i, j) becomes ``x[i, j] + vertical[i - 1, j] - vertical[i, j] + horizontal[i, j - 1] -
    horizontal[i, j]``, where terms outside of the arrays are 0. Plans add up, the total mass of
    each channel stays, and negative pixels are allowed, before and after.

    Parameters
    ----------
    x : array (n,), (n, m) or (n, m, channels)
        Numbers of any kind: integers stay integers, objects such as Fractions stay exact.
    flow : tuple of arrays, or array
        ``(vertical, horizontal)``, for colour with the channels last; ``(along,)`` or ``along``
        on a line; four arrays if diagonal steps are used; or one flat array of all their entries.

    Raises
    ------
    ValueError
        If the shapes of the plan are not those that the image needs.

    Notes
    -----
    Source: levine2020, Definition 3.1, eq. (5) and, on a line, eq. (11).
    """
    image = _numbers(x, "x")
    changed: NDArray[Any] = image + divergence(read_flow(flow, image.shape), image.shape)
    return changed


def divergence(flow: Flow, shape: Shape) -> NDArray[Any]:
    """What a plan adds to an image of this shape: inflow less outflow at each pixel."""
    change = np.zeros(shape, np.result_type(*flow) if flow else np.int64)
    for moved, (tail, head) in zip(flow, ends(shape, len(flow)), strict=True):
        change[tail] -= moved
        change[head] += moved
    return change


def flow_shapes(shape: Shape, directions: int = 2) -> tuple[Shape, ...]:
    """Shapes of the arrays of a plan, for an image of this shape."""
    blank = np.broadcast_to(np.int8(0), shape)
    return tuple(blank[tail].shape for tail, _ in ends(shape, directions))


def ends(shape: Shape, directions: int = 2) -> tuple[tuple[Any, Any], ...]:
    """Where the arrays of a plan start and end: a pair of index tuples for each array."""
    if len(shape) == 1:
        return (((slice(None, -1),), (slice(1, None),)),)
    return tuple(
        (
            (slice(None, -di or None), _columns(-dj)),
            (slice(di, None), _columns(dj)),
        )
        for di, dj in STEPS[:directions]
    )


def pixel_edges(shape: Shape, directions: int = 2) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Both ends of every edge as numbers of pixels, in the order of a flat plan; no channels."""
    pixels = np.arange(math.prod(shape)).reshape(shape)
    parts = [(pixels[tail].ravel(), pixels[head].ravel()) for tail, head in ends(shape, directions)]
    tails, heads = zip(*parts, strict=True)
    return np.concatenate(tails), np.concatenate(heads)


def flow_vector(flow: Flow) -> NDArray[Any]:
    """All entries of a plan, one array after the other, each in C order."""
    return np.concatenate([np.asarray(part).ravel() for part in flow])


def flow_arrays(vector: Any, shape: Shape, directions: int = 2) -> Flow:
    """The inverse of `flow_vector`."""
    entries, parts, start = np.asarray(vector), [], 0
    for part in flow_shapes(shape, directions):
        size = math.prod(part)
        parts.append(entries[start : start + size].reshape(part))
        start += size
    return tuple(parts)


def read_flow(flow: Any, shape: Shape) -> Flow:
    """Read a plan for an image of this shape, in any of the forms that `apply_flow` takes."""
    if len(shape) not in (1, 2, 3) or 0 in shape[:2]:
        raise ValueError(f"x must have shape (n,), (n, m) or (n, m, channels), got {shape}")
    choices = (1,) if len(shape) == 1 else (2, 4)
    if (isinstance(flow, np.ndarray) and flow.dtype.kind != "O") or _is_flat(flow):
        vector = _numbers(flow, "flow")
        for directions in choices:
            size = sum(map(math.prod, flow_shapes(shape, directions)))
            if vector.shape == (size,):
                return flow_arrays(vector, shape, directions)
    elif isinstance(flow, Sequence) and len(flow) in choices:
        parts = tuple(_numbers(part, "flow") for part in flow)
        if tuple(part.shape for part in parts) == flow_shapes(shape, len(parts)):
            return parts
    wanted = " and ".join(map(str, flow_shapes(shape)))
    raise ValueError(
        f"flow must have arrays of shape {wanted} for an image of shape {shape}, "
        f"got {_described(flow)}"
    )


def _columns(step: int) -> slice:
    return slice(max(step, 0), step if step < 0 else None)


def _is_flat(flow: Any) -> bool:
    try:
        return np.ndim(flow) == 1 and not any(np.ndim(part) for part in flow)
    except ValueError:  # arrays of several shapes
        return False


def _described(flow: Any) -> str:
    try:
        return f"shape {np.shape(flow)}"
    except ValueError:
        return " and ".join(str(np.shape(part)) for part in flow)


def _numbers(values: Any, name: str) -> NDArray[Any]:
    try:
        array = np.asarray(values)
    except ValueError:
        raise ValueError(f"{name} must be an array of one shape, got a ragged sequence") from None
    if array.dtype.kind in "bu":  # unsigned differences would wrap round
        return array.astype(np.int64 if array.dtype.itemsize < 8 else object)
    if array.dtype.kind in "i":
        return array.astype(np.int64)
    if array.dtype.kind in "fO":
        return array
    raise ValueError(f"{name} must hold numbers, got dtype {array.dtype}")
