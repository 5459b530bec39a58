"""Where a classifier's decision changes: margins, linearised boundaries, and the way back to them.

Points are flat here, shape (m, d), float64; `label` is the decision that must change.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

Function = Callable[[torch.Tensor], torch.Tensor]
Bounds = tuple[float, float] | None

CANDIDATES = 9  # other classes that are tried, those of largest logit
OVERSHOOT = 0.01  # beyond a linearised boundary, so that most steps end on the far side
BOUNDARY_STEPS = 60
BOUNDARY_TOLERANCE = 1e-11  # relative width of the last bracket around the boundary
PROBES = (1e-6, 1e-3)  # how near to an adversarial point the boundary is looked for first
BLOCK = 64  # points are evaluated in multiples of this many
ROUNDING = 64 * 2.0**-52  # of logits, relative to the largest, between batches
TINY = 1e-9  # least length of a step: a point on a boundary must still cross it


class Margin:
    """The margin of a decision, max over other logits minus the label's, for flat points."""

    def __init__(self, function: Function, x: torch.Tensor, bounds: Bounds) -> None:
        self.function = function
        self.shape = x.shape[1:]
        self.bounds = bounds
        logits = self.logits(x.flatten(1))
        if logits.dtype != torch.float64 or logits.ndim != 2 or len(logits) != len(x):
            raise ValueError(
                "function must return float64 logits of shape (m, K), "
                f"got {logits.dtype} of shape {tuple(logits.shape)}"
            )
        if not torch.isfinite(logits).all():
            raise ValueError("function must return finite logits at x")
        self.label = logits.detach().argmax(1)
        self.classes = logits.shape[1]

    def logits(self, flat: torch.Tensor) -> torch.Tensor:
        """Return the logits of flat points.

        Matrix products of few or oddly many rows take other paths through the same sums. Whole
        blocks make the logits of a point, to the last bit, those that it has in any other batch.
        """
        padding = flat[:1].expand(-len(flat) % BLOCK, -1)
        blocks = torch.cat([flat, padding]).reshape(-1, *self.shape)
        return self.function(blocks)[: len(flat)]

    def clip(self, flat: torch.Tensor) -> torch.Tensor:
        return flat if self.bounds is None else flat.clamp(*self.bounds)

    def split(self, logits: torch.Tensor, label: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return margin and whether the decision differs from `label`; NaN logits never do."""
        own = logits.gather(1, label[:, None]).squeeze(1)
        others = logits.scatter(1, label[:, None], -torch.inf).amax(1)
        finite = torch.isfinite(logits).all(1)
        return others - own, (logits.argmax(1) != label) & finite

    def at(self, flat: torch.Tensor, label: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.no_grad():
            return self.split(self.logits(flat), label)

    def decided(self, flat: torch.Tensor, label: torch.Tensor, *, clear: bool) -> torch.Tensor:
        """Return whether the decision differs from `label`; if `clear`, by more than rounding."""
        with torch.no_grad():
            logits = self.logits(flat)
            margin, fooled = self.split(logits, label)
        band = ROUNDING * logits.abs().amax(1) if clear else 0.0
        return fooled & (margin >= band)

    def gradient(
        self, flat: torch.Tensor, label: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return minus the margin, whether the decision differs from `label`, and the slope."""
        flat = flat.detach().requires_grad_()
        margin, fooled = self.split(self.logits(flat), label)
        (slope,) = torch.autograd.grad(margin.sum(), flat)
        return -margin.detach(), fooled, slope

    def towards(
        self, flat: torch.Tensor, label: torch.Tensor, target: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the lead of `label` over `target`, the slope of minus that lead, and whether the
        decision differs from `label`.
        """
        flat = flat.detach().requires_grad_()
        logits = self.logits(flat)
        lead = (logits.gather(1, label[:, None]) - logits.gather(1, target[:, None])).squeeze(1)
        (slope,) = torch.autograd.grad(-lead.sum(), flat)
        return lead.detach(), slope, self.split(logits.detach(), label)[1]

    def linearised(
        self, flat: torch.Tensor, label: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return, for the classes of largest logit but `label`, its lead (m, c) over them, the
        slopes (m, c, d) of minus these leads, and the classes (m, c).
        """
        flat = flat.detach().requires_grad_()
        logits = self.logits(flat)
        others = logits.detach().scatter(1, label[:, None], -torch.inf)
        target = others.topk(min(CANDIDATES, self.classes - 1), dim=1).indices
        lead = logits.gather(1, label[:, None]) - logits.gather(1, target)
        count = target.shape[1]
        basis = torch.eye(count, dtype=flat.dtype, device=flat.device)[:, None, :]
        (rows,) = torch.autograd.grad(
            -lead, flat, basis.expand(-1, len(flat), -1), is_grads_batched=True
        )
        return lead.detach(), rows.transpose(0, 1), target


def norm(flat: torch.Tensor) -> torch.Tensor:
    """Return the l2 norm over the last axis."""
    return torch.linalg.vector_norm(flat, dim=-1)


def unit(x: torch.Tensor) -> torch.Tensor:
    """Return the scale of each point: its norm, 1 at the origin."""
    size = norm(x)
    return torch.where(size > 0, size, 1.0)


def nearest_on_plane(
    x: torch.Tensor,
    slope: torch.Tensor,
    rise: torch.Tensor,
    bounds: Bounds,
    *,
    overshoot: float = OVERSHOOT,
) -> torch.Tensor:
    """Return the point p of the box nearest to x with slope . (p - x) = rise, a little beyond.

    It is x + t slope, cut at the bounds, with the t where the increasing, piecewise linear
    function slope . (cut(x + t slope) - x) takes that value: Newton's method. Where the slope
    is zero the result is not finite; where the box does not reach that far, near its corner.
    """
    length = norm(slope)
    rise = rise * (1 + overshoot) + TINY * unit(x) * length
    t = rise / length / length
    if bounds is None:
        return x + t[:, None] * slope
    for _ in range(8):
        free_point = x + t[:, None] * slope
        short = rise - ((free_point.clamp(*bounds) - x) * slope).sum(1)
        free = (free_point > bounds[0]) & (free_point < bounds[1])
        rate = (slope.square() * free).sum(1)
        t = torch.where(rate > 0, t + short / rate, t)
    return (x + t[:, None] * slope).clamp(*bounds)


def shrink_to_boundary(
    margin: Margin, origin: torch.Tensor, found: torch.Tensor, label: torch.Tensor
) -> torch.Tensor:
    """Pull adversarial points along the segment to x, to where the decision changes.

    First a bracket near the point, where Newton's method has left it; then, again and again, two
    secant steps, a shade before and a shade beyond the root, and a bisection. The shade is of the
    order of the secant's own error.
    """
    result = found.clone()
    active = torch.isfinite(found).all(1).nonzero().squeeze(1)
    x, own = origin[active], label[active]
    direction = found[active] - x
    lo, hi = torch.zeros_like(x[:, 0]), torch.ones_like(x[:, 0])
    m_lo = torch.full_like(lo, torch.nan)  # never needed where the end is x itself
    m_hi = margin.at(x + direction, own)[0]
    for i in range(BOUNDARY_STEPS):
        middle = (lo + hi) / 2
        if i < len(PROBES):
            middle = torch.where(lo == 0, hi - PROBES[i], middle)
        if i % 3 > 0:
            width = hi - lo
            shade = (0.1 * width * width / hi).clamp_min(BOUNDARY_TOLERANCE / 4 * hi)
            side = -1 if i % 3 == 1 else 1
            secant = lo + width * (m_lo / (m_lo - m_hi)) + side * shade
            middle = torch.where((secant > lo) & (secant < hi), secant, middle)
        m, fooled = margin.at(x + middle[:, None] * direction, own)
        lo, m_lo = torch.where(fooled, lo, middle), torch.where(fooled, m_lo, m)
        hi, m_hi = torch.where(fooled, middle, hi), torch.where(fooled, m, m_hi)
        wide = hi - lo > BOUNDARY_TOLERANCE * hi
        if i == BOUNDARY_STEPS - 1:
            wide = torch.zeros_like(wide)
        result[active[~wide]] = (x + hi[:, None] * direction)[~wide]
        active, x, own, direction = active[wide], x[wide], own[wide], direction[wide]
        lo, hi, m_lo, m_hi = lo[wide], hi[wide], m_lo[wide], m_hi[wide]
        if not len(active):
            break
    return result
