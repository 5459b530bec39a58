"""Samplers of Gibbs laws on boxes: densities proportional to exp(lam loss) there.

`metropolis_langevin` leaves the Gibbs law invariant, whatever its step. `projected_langevin` and
`reflected_langevin` approach it as the step goes to 0, the former slowly because it leaves masses
on the faces. `sign_gradient_chain` is the inner loop of anonymous2022's Algorithm 1; it is no
sampler of the Gibbs law at all, but projected gradient ascent of the sign, with noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

# Points (n, ...) to losses (n,), differentiable.
Loss = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True, eq=False)
class Chains:
    """Where independent chains ended.

    Parameters
    ----------
    points : Tensor
        Shape of the start, inside the box.
    gradients : int
        Backward passes per chain.
    accepted : float
        Share of the proposals that were taken; 1 where all are.
    """

    points: torch.Tensor
    gradients: int
    accepted: float


def uniform_points(
    lower: torch.Tensor, upper: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """Return one uniform point of each box, shape of `lower`."""
    return lower + (upper - lower) * torch.rand(
        lower.shape, generator=generator, dtype=lower.dtype
    ).to(lower.device)


def projected_langevin(
    loss: Loss,
    start: torch.Tensor,
    lower: torch.Tensor,
    upper: torch.Tensor,
    lam: float,
    *,
    step: float,
    steps: int,
    seed: int,
) -> Chains:
    """Return Euler steps ``x + step lam grad + sqrt(2 step) noise``, each clamped to the box.

    Its stationary law has masses on the faces, of the order of ``sqrt(step)``: its distance from
    the Gibbs law vanishes with the step, slowly.

    Parameters
    ----------
    loss : callable
        Points (n, ...) to losses (n,).
    start, lower, upper : Tensor
        Shape (n, ...), the start inside.
    lam : float
        Inverse temperature, at least 0 and finite.
    step : float
        Positive: time of the diffusion per step, in squared units of the box.
    steps : int
        At least 0.
    seed : int
        Of the noise.

    Raises
    ------
    ValueError
        Arguments outside these ranges.

    Source: anonymous2022, eq. (21); bubeck2018.
    """
    return _euler(loss, start, lower, upper, lam, step, steps, seed, _clamp)


def reflected_langevin(
    loss: Loss,
    start: torch.Tensor,
    lower: torch.Tensor,
    upper: torch.Tensor,
    lam: float,
    *,
    step: float,
    steps: int,
    seed: int,
) -> Chains:
    """Return the Euler steps of `projected_langevin`, folded back at the faces instead.

    For lam = 0 the uniform law is invariant whatever the step; otherwise its distance from the
    Gibbs law is of the order of the step.
    """
    return _euler(loss, start, lower, upper, lam, step, steps, seed, reflect)


def metropolis_langevin(
    loss: Loss,
    start: torch.Tensor,
    lower: torch.Tensor,
    upper: torch.Tensor,
    lam: float,
    *,
    step: float,
    steps: int,
    seed: int,
) -> Chains:
    """Return the Metropolis-adjusted Langevin algorithm on a box; the Gibbs law is invariant.

    Proposals are Euler steps; those outside the box are refused, since the density is 0 there.
    Parameters are those of `projected_langevin`.

    Source: roberts1996, section 1.4.
    """
    _read(start, lower, upper, lam, step, steps)
    draws = torch.Generator().manual_seed(seed)
    x = start.clone()
    values, slope = _slope(loss, x)
    taken = 0
    for _ in range(steps):
        noise = torch.randn(x.shape, generator=draws, dtype=x.dtype).to(x.device)
        coin = torch.rand(len(x), generator=draws, dtype=x.dtype).to(x.device)
        y = x + step * lam * slope + math.sqrt(2 * step) * noise
        inside = ((y >= lower) & (y <= upper)).flatten(1).all(1)
        there, back = _slope(loss, torch.where(_column(inside, y), y, x))
        returns = (x - y - step * lam * back).flatten(1).square().sum(1) / (4 * step)
        forth = noise.flatten(1).square().sum(1) / 2
        accepted = inside & (torch.log(coin) < lam * (there - values) + forth - returns)
        keep = _column(accepted, x)
        x, slope = torch.where(keep, y, x), torch.where(keep, back, slope)
        values = torch.where(accepted, there, values)
        taken += int(accepted.sum())
    return Chains(x, steps + 1, taken / max(1, steps * len(x)))


def sign_gradient_chain(
    loss: Loss,
    start: torch.Tensor,
    lower: torch.Tensor,
    upper: torch.Tensor,
    *,
    step: float,
    noise: float,
    steps: int,
    seed: int,
) -> Chains:
    """Return ``clamp(x + step sign(grad) + noise * normal)``: noisy PGD from where it stands.

    The paper presents it as a sampler of the Gibbs law with lam = 2 step / noise^2. It is none:
    the sign takes the gradient's size away, and the steps are as large as the box, so that the
    projection keeps much of the law on the faces (`sign_step_distance` of the theory).

    Parameters
    ----------
    loss : callable
        Points (n, ...) to losses (n,).
    start, lower, upper : Tensor
        Shape (n, ...), the start inside.
    step, noise : float
        eta and sigma of the paper, at least 0; sigma is a standard deviation.
    steps, seed : int
        As in `projected_langevin`.

    Source: anonymous2022, Algorithm 1, lines 8 to 10.
    """
    if not noise >= 0:
        raise ValueError(f"noise must be at least 0, got {noise!r}")
    _read(start, lower, upper, 0.0, step, steps, least=0.0)
    draws = torch.Generator().manual_seed(seed)
    x = start.clone()
    for _ in range(steps):
        _, slope = _slope(loss, x)
        normal = torch.randn(x.shape, generator=draws, dtype=x.dtype).to(x.device)
        x = _clamp(x + step * slope.sign() + noise * normal, lower, upper)
    return Chains(x, steps, 1.0)


def reflect(x: torch.Tensor, lower: torch.Tensor, upper: torch.Tensor) -> torch.Tensor:
    """Fold the space onto the box, as a ray of light between parallel mirrors."""
    side = (upper - lower).clamp(min=torch.finfo(x.dtype).tiny)
    t = torch.remainder((x - lower) / side, 2.0)
    return _clamp(lower + side * torch.where(t > 1, 2 - t, t), lower, upper)


def _euler(
    loss: Loss,
    start: torch.Tensor,
    lower: torch.Tensor,
    upper: torch.Tensor,
    lam: float,
    step: float,
    steps: int,
    seed: int,
    back: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor],
) -> Chains:
    _read(start, lower, upper, lam, step, steps)
    draws = torch.Generator().manual_seed(seed)
    x = start.clone()
    for _ in range(steps):
        _, slope = _slope(loss, x)
        noise = torch.randn(x.shape, generator=draws, dtype=x.dtype).to(x.device)
        x = back(x + step * lam * slope + math.sqrt(2 * step) * noise, lower, upper)
    return Chains(x, steps, 1.0)


def _slope(loss: Loss, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Losses and their gradients; the chains do not see each other."""
    with torch.enable_grad():
        z = x.detach().requires_grad_()
        values = loss(z)
        (slope,) = torch.autograd.grad(values.sum(), z)
    return values.detach(), slope


def _clamp(x: torch.Tensor, lower: torch.Tensor, upper: torch.Tensor) -> torch.Tensor:
    return torch.minimum(torch.maximum(x, lower), upper)


def _column(mask: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return mask.reshape(-1, *(1 for _ in like.shape[1:]))


def _read(
    start: torch.Tensor,
    lower: torch.Tensor,
    upper: torch.Tensor,
    lam: float,
    step: float,
    steps: int,
    least: float = math.ulp(0.0),
) -> None:
    if start.ndim < 2 or lower.shape != start.shape or upper.shape != start.shape:
        raise ValueError(
            "start, lower and upper must have one shape (n, ...), got "
            f"{tuple(start.shape)}, {tuple(lower.shape)}, {tuple(upper.shape)}"
        )
    if not bool(((lower <= start) & (start <= upper)).all()):
        raise ValueError("start must lie in the box, got a point outside")
    if not 0 <= lam < math.inf:
        raise ValueError(f"lam must be at least 0 and finite, got {lam!r}")
    if not least <= step < math.inf:
        raise ValueError(f"step must be positive and finite, got {step!r}")
    if steps < 0:
        raise ValueError(f"steps must be at least 0, got {steps}")
