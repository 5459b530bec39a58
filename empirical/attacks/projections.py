"""Nearest points of balls cut by a box, and steepest directions, for the norms linf, l2 and l1.

A projection onto the ball followed by one onto the box is not the projection onto their
intersection. Here it is: along each norm's path of candidates every coordinate stops where it
meets the box, and sorting the stops solves the one equation that is left.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import torch

Norm: TypeAlias = Literal["linf", "l2", "l1"]
Box: TypeAlias = tuple[float, float]


def read_norm(norm: str) -> Norm:
    """Return `norm` if it is one of the three.

    Raises
    ------
    ValueError
        It is not.
    """
    if norm not in get_args(Norm):
        raise ValueError(f"norm must be one of {get_args(Norm)}, got {norm!r}")
    return norm  # type: ignore[return-value]


def project(
    points: torch.Tensor,
    centres: torch.Tensor,
    radius: float | torch.Tensor,
    norm: str = "linf",
    *,
    box: Box = (0.0, 1.0),
) -> torch.Tensor:
    """Return the points of ``{z in box: |z - centre| <= radius}`` nearest in l2 to `points`.

    Parameters
    ----------
    points, centres : Tensor
        Shape (m, ...), the centres inside the box.
    radius : float or Tensor (m,)
        At least 0.
    norm : {"linf", "l2", "l1"}
        Of the ball.
    box : pair of float
        Ends of the values of every coordinate; infinite ones are allowed.

    Returns
    -------
    Tensor
        Inside ball and box up to rounding.

    Raises
    ------
    ValueError
        Shapes that differ, a negative radius, an unknown norm.
    """
    kind = read_norm(norm)
    if points.shape != centres.shape:
        raise ValueError(
            f"points must have shape {tuple(centres.shape)}, got {tuple(points.shape)}"
        )
    eps = torch.as_tensor(radius, dtype=centres.dtype, device=centres.device)
    if not bool((eps >= 0).all()):
        raise ValueError(f"radius must be at least 0, got {radius!r}")
    if not len(points):
        return points.clone()
    d = (points - centres).flatten(1)
    eps = eps.reshape(-1, 1).expand(len(d), 1)
    up, down = ((end - centres).flatten(1).abs() for end in reversed(box))
    room = torch.where(d > 0, up, down)  # how far each coordinate may go in its direction
    if kind == "linf":
        size = torch.minimum(torch.minimum(d.abs(), room), eps)
    elif kind == "l2":
        size = _scaled(d.abs(), room, eps)
    else:
        size = _lowered(d.abs(), room, eps)
    moved = centres + (d.sign() * size).reshape(points.shape)
    return moved.clamp(*box)


def _scaled(d: torch.Tensor, room: torch.Tensor, eps: torch.Tensor) -> torch.Tensor:
    """min(t d, room) with the greatest t <= 1 for which its l2 norm is at most eps."""
    full = torch.minimum(d, room)
    # Coordinate j stops at t = room / d; before it contributes t^2 d^2, from then on room^2.
    stops = torch.where(d > 0, room / d.clamp(min=1e-30), torch.inf)
    order = stops.argsort(dim=1)
    a, r, t = d.gather(1, order), room.gather(1, order), stops.gather(1, order)
    stopped = torch.where(t.isfinite(), r * r, 0.0).cumsum(1)
    stopped = torch.cat([torch.zeros_like(stopped[:, :1]), stopped], 1)
    moving = torch.cat([(a * a).flip(1).cumsum(1).flip(1), torch.zeros_like(a[:, :1])], 1)
    # Between two stops the equation is stopped + t^2 moving = eps^2.
    root = ((eps * eps - stopped).clamp(min=0) / moving.clamp(min=torch.finfo(d.dtype).tiny)).sqrt()
    ends = torch.cat([t, torch.full_like(t[:, :1], torch.inf)], 1)
    first = (root <= ends).to(torch.int8).argmax(1, keepdim=True)
    share = root.gather(1, first).clamp(max=1.0)
    inside = full.norm(dim=1, keepdim=True) <= eps
    return torch.where(inside, full, torch.minimum(share * d, room))


def _lowered(d: torch.Tensor, room: torch.Tensor, eps: torch.Tensor) -> torch.Tensor:
    """min(max(d - mu, 0), room) with the least mu >= 0 for which its sum is at most eps."""
    full = torch.minimum(d, room)
    # min(max(d - mu, 0), room) = max(d - mu, 0) - max(d - room - mu, 0): the sum's slope changes at
    # d and at d - room.
    stops = torch.cat([d, torch.where(room.isfinite(), d - room, -torch.inf)], 1).clamp(min=0)
    change = torch.cat([torch.ones_like(d), -torch.ones_like(d)], 1)
    stops, order = stops.sort(dim=1, descending=True)
    slope = change.gather(1, order).cumsum(1)
    falls = stops[:, :-1] - stops[:, 1:]
    total = (slope[:, :-1] * falls).cumsum(1)  # of the sum, at stops[1:]
    before = torch.cat([torch.zeros_like(total[:, :1]), total], 1)
    enough = torch.cat([total, torch.full_like(total[:, :1], torch.inf)], 1) >= eps
    first = enough.to(torch.int8).argmax(1, keepdim=True)
    steep = slope.gather(1, first).clamp(min=1)
    mu = (stops.gather(1, first) - (eps - before.gather(1, first)) / steep).clamp(min=0)
    inside = full.sum(1, keepdim=True) <= eps
    return torch.where(inside, full, torch.minimum((d - mu).clamp(min=0), room))


def steepest(
    slope: torch.Tensor, points: torch.Tensor, norm: str, *, box: Box = (0.0, 1.0)
) -> torch.Tensor:
    """Return directions of norm 1 along which a function with that slope rises fastest.

    For l1 the direction is the one coordinate of largest slope among those that have not met the
    box in that direction. Where the slope is 0 the direction is 0.
    """
    kind = read_norm(norm)
    if kind == "linf":
        return slope.sign()
    flat = slope.flatten(1)
    if kind == "l2":
        return (flat / flat.norm(dim=1, keepdim=True).clamp(min=1e-30)).reshape(slope.shape)
    z = points.flatten(1)
    stuck = ((flat > 0) & (z >= box[1])) | ((flat < 0) & (z <= box[0]))
    sizes = torch.where(stuck, 0.0, flat.abs())
    best = sizes.argmax(1, keepdim=True)
    direction = torch.zeros_like(flat).scatter(1, best, flat.gather(1, best).sign())
    return torch.where(sizes.amax(1, keepdim=True) > 0, direction, 0.0).reshape(slope.shape)
