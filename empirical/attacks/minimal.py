"""Least l2 perturbations that change a classifier's decision: upper bounds on exact radii.

Start from DeepFool's adversarial point, walk it back to the decision boundary, shrink it by
projected gradient steps on a sphere of varying radius (fast minimum norm), and verify what is
left. Everything runs in double precision: points bisected in single precision often turn out not
to be adversarial at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

Function = Callable[[torch.Tensor], torch.Tensor]
Bounds = tuple[float, float] | None

DEEPFOOL_STEPS = 50
DEEPFOOL_OVERSHOOT = 0.02
BOUNDARY_STEPS = 30


@dataclass(frozen=True, eq=False)
class MinimalPerturbation:
    """What an attack found. Row i belongs to point i.

    Parameters
    ----------
    radius : ndarray
        Shape (n,), float64: l2 distance from x to `point`, never below the exact radius; +inf
        where no adversarial point was found, never NaN.
    point : ndarray
        Shape of x, float64: a point with another label; x itself where none was found.
    label, adversarial_label : ndarray
        Shape (n,), int64: decision at x and at `point`, the least index winning ties.
    """

    radius: np.ndarray
    point: np.ndarray
    label: np.ndarray
    adversarial_label: np.ndarray


def minimal_perturbation(
    function: Function,
    x: torch.Tensor | np.ndarray,
    *,
    steps: int = 100,
    restarts: int = 0,
    seed: int = 0,
    batch: int = 500,
    bounds: Bounds = None,
    device: str = "cpu",
    progress: Callable[[float, str], None] | None = None,
) -> MinimalPerturbation:
    """Return, for each point, a nearby one that `function` decides differently.

    Parameters
    ----------
    function : callable
        Takes a float64 tensor of shape (m, ...) to logits (m, K), each row on its own, itself in
        double precision (``module.double().eval()``). The decision is the argmax.
    x : tensor or ndarray
        Shape (n, ...): the points.
    steps : int
        Refinement steps.
    restarts : int
        Further searches, from random points near the first result; the least norm counts.
    seed : int
        With the coordinates of a point, decides the random numbers of its restarts.
    batch : int
        Points treated at once. Results depend on it only through rounding inside `function`.
    bounds : (float, float), optional
        Perturbed points stay in this box, ``lo <= coordinate <= hi``, as x must. Unbounded by
        default.
    device : str
        Where `function` lives.
    progress : callable, optional
        Called with the fraction done and words.

    Raises
    ------
    ValueError
        x is not finite, or outside the bounds; logits that are not float64, not of shape (m, K)
        with K >= 1, or not finite at x.
    """
    points = torch.as_tensor(x).to(device=device, dtype=torch.float64)
    if points.ndim < 2 or not torch.isfinite(points).all():
        raise ValueError(f"x must be finite, of shape (n, ...), got shape {tuple(points.shape)}")
    if bounds is not None and not ((points >= bounds[0]) & (points <= bounds[1])).all():
        raise ValueError(f"x must lie within the bounds {bounds}")
    if steps < 0 or restarts < 0 or batch < 1:
        raise ValueError(
            f"steps and restarts must be >= 0 and batch >= 1, got {steps}, {restarts}, {batch}"
        )
    parts = []
    for start in range(0, len(points), batch):
        parts.append(
            _search(function, points[start : start + batch], steps, restarts, seed, bounds)
        )
        if progress is not None:
            done = min(start + batch, len(points))
            progress(done / len(points), f"{done} of {len(points)} points attacked")
    if not parts:
        none = np.zeros(0, np.int64)
        return MinimalPerturbation(np.zeros(0), points.cpu().numpy(), none, none)
    radius, point, label, other = (torch.cat(column).cpu().numpy() for column in zip(*parts))
    return MinimalPerturbation(radius, point.reshape(points.shape), label, other)


class _Margin:
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
        return self.function(flat.reshape(-1, *self.shape))

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

    def gradient(
        self, flat: torch.Tensor, label: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        flat = flat.detach().requires_grad_()
        margin, fooled = self.split(self.logits(flat), label)
        (slope,) = torch.autograd.grad(margin.sum(), flat)
        return margin.detach(), fooled, slope

    def jacobian(self, flat: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits (m, K) and their derivatives (m, K, d)."""
        flat = flat.detach().requires_grad_()
        logits = self.logits(flat)
        basis = torch.eye(self.classes, dtype=flat.dtype, device=flat.device)
        basis = basis[:, None, :].expand(-1, len(flat), -1)
        (rows,) = torch.autograd.grad(logits, flat, basis, is_grads_batched=True)
        return logits.detach(), rows.transpose(0, 1)


def _search(
    function: Function, x: torch.Tensor, steps: int, restarts: int, seed: int, bounds: Bounds
) -> tuple[torch.Tensor, ...]:
    margin = _Margin(function, x, bounds)
    origin = x.flatten(1)
    label = margin.label
    best = torch.full((len(origin), origin.shape[1]), torch.inf, dtype=x.dtype, device=x.device)
    if margin.classes > 1:
        best = _keep(origin, best, _deepfool(margin, origin, origin, label))
        best = _shrink(margin, origin, best, label)
        best = _refine(margin, origin, best, label, steps)
        best = _shrink(margin, origin, best, label)
    for attempt in range(restarts):
        start = _scatter(origin, best, seed, attempt)
        found = _deepfool(margin, origin, margin.clip(start), label)
        found = _shrink(margin, origin, found, label)
        found = _refine(margin, origin, found, label, steps)
        best = _keep(origin, best, _shrink(margin, origin, found, label))
    # The last word: the very points that are returned, evaluated once more.
    found = torch.isfinite(best).all(1)
    point = torch.where(found[:, None], best, origin)
    with torch.no_grad():
        logits = margin.logits(point)
    other = logits.argmax(1)
    found &= (other != label) & torch.isfinite(logits).all(1)
    radius = torch.where(found, _norm(point - origin), torch.inf)
    point = torch.where(found[:, None], point, origin)
    return radius, point, label, torch.where(found, other, label)


def _norm(flat: torch.Tensor) -> torch.Tensor:
    return torch.linalg.vector_norm(flat, dim=1)


def _keep(origin: torch.Tensor, old: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
    nearer = _norm(new - origin) < _norm(old - origin)
    return torch.where(nearer[:, None], new, old)


def _deepfool(
    margin: _Margin, origin: torch.Tensor, start: torch.Tensor, label: torch.Tensor
) -> torch.Tensor:
    """Return adversarial points, +inf where none was reached: nearest boundary of the linearised
    classifier, again and again."""
    result = torch.full_like(origin, torch.inf)
    active = torch.arange(len(origin), device=origin.device)
    point = start
    for _ in range(DEEPFOOL_STEPS):
        logits, rows = margin.jacobian(point)
        _, fooled = margin.split(logits, label[active])
        result[active[fooled]] = point[fooled]
        usable = ~fooled & torch.isfinite(rows).all(2).all(1) & torch.isfinite(logits).all(1)
        active, point, logits, rows = active[usable], point[usable], logits[usable], rows[usable]
        if not len(active):
            break
        own = label[active]
        index = torch.arange(len(own), device=own.device)
        gap = logits[index, own][:, None] - logits
        slope = rows - rows[index, own][:, None]
        length = torch.linalg.vector_norm(slope, dim=2)
        distance = torch.where(length > 0, gap / length, torch.inf)
        distance[index, own] = torch.inf
        nearest, k = distance.min(1)
        movable = torch.isfinite(nearest)
        step = (
            slope[index, k]
            * ((nearest + 1e-9) * (1 + DEEPFOOL_OVERSHOOT) / length[index, k])[:, None]
        )
        active, point = active[movable], margin.clip(point + step)[movable]
        if not len(active):
            break
    return result


def _shrink(
    margin: _Margin, origin: torch.Tensor, found: torch.Tensor, label: torch.Tensor
) -> torch.Tensor:
    """Pull adversarial points along the segment to x, to where the decision changes."""
    known = torch.isfinite(found).all(1)
    x, label = origin[known], label[known]
    if not len(x):
        return found
    direction = found[known] - x
    lo = torch.zeros(len(x), dtype=x.dtype, device=x.device)
    hi = torch.ones_like(lo)
    m_lo, _ = margin.at(x, label)
    m_hi, _ = margin.at(x + direction, label)
    for i in range(BOUNDARY_STEPS):
        middle = (lo + hi) / 2
        if i % 3 != 2:  # false position, a little on the far side; every third step halves
            secant = lo + (hi - lo) * (m_lo / (m_lo - m_hi))
            width = hi - lo
            secant = secant + 1e-3 * width if i % 3 == 1 else secant + 1e-9
            usable = torch.isfinite(secant) & (secant > lo) & (secant < hi)
            middle = torch.where(usable, secant, middle)
        m, fooled = margin.at(x + middle[:, None] * direction, label)
        lo, m_lo = torch.where(fooled, lo, middle), torch.where(fooled, m_lo, m)
        hi, m_hi = torch.where(fooled, middle, hi), torch.where(fooled, m, m_hi)
    result = found.clone()
    result[known] = x + hi[:, None] * direction
    return result


def _refine(
    margin: _Margin, origin: torch.Tensor, found: torch.Tensor, label: torch.Tensor, steps: int
) -> torch.Tensor:
    """Fast minimum norm from adversarial points, all lengths in units of each first radius."""
    known = torch.isfinite(found).all(1)
    x, label = origin[known], label[known]
    if not len(x) or steps == 0:
        return found
    best = found[known]
    best_norm = _norm(best - x)
    point, radius, unit = best, best_norm, best_norm
    for i in range(steps):
        decay = (1 + np.cos(np.pi * i / steps)) / 2
        rate, shrink = 0.01 + 0.49 * decay, 0.001 + 0.049 * decay
        m, fooled, slope = margin.gradient(point, label)
        norm = _norm(point - x)
        better = fooled & (norm < best_norm)
        best = torch.where(better[:, None], point, best)
        best_norm = torch.where(better, norm, best_norm)
        radius = torch.where(
            fooled, torch.minimum(radius, norm) * (1 - shrink), radius * (1 + shrink)
        )
        radius = torch.minimum(radius, best_norm)
        length = _norm(slope).clamp_min(1e-300)
        moved = point + (rate * unit / length)[:, None] * slope - x
        size = _norm(moved).clamp_min(1e-300)
        point = margin.clip(x + moved * (radius / size).clamp_max(1.0)[:, None])
    result = found.clone()
    result[known] = best
    return result


def _scatter(origin: torch.Tensor, best: torch.Tensor, seed: int, attempt: int) -> torch.Tensor:
    """Starts at half the best radius (1 where there is none), in directions drawn per point."""
    rows = []
    for row in origin.cpu().numpy():
        key = np.frombuffer(row.tobytes(), np.uint32)
        rows.append(np.random.default_rng([seed, attempt, *key]).standard_normal(row.size))
    noise = torch.from_numpy(np.array(rows)).to(origin)
    radius = _norm(best - origin)
    radius = torch.where(torch.isfinite(radius), radius / 2, 1.0)
    return origin + noise * (radius / _norm(noise))[:, None]
