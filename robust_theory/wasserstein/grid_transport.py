"""What proves a Wasserstein distance between two images: a plan from above, a potential from below.

Everything here is recomputed from the images, the flow and the potential alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust_theory.arguments import Floats
from robust_theory.wasserstein.flow import Flow, apply_flow, divergence, ends
from robust_theory.wasserstein.flow_solvers import Plan

# A flow and a potential of double precision must agree to this share of mass times diameter.
AGREEMENT = 1e-12
EPS = float(np.finfo(np.float64).eps)

# Largest ratio of the distance in eight directions to the l2 distance: 1 / cos(pi / 8), rounded up.
EIGHT_OVER_L2 = math.nextafter(math.sqrt(4 - 2 * math.sqrt(2)), 2)


@dataclass(frozen=True, eq=False)
class GridTransport:
    """The distance between two images, with a plan and a potential that prove it.

    Parameters
    ----------
    value : float or Fraction
        The distance: a Fraction if it is exact, otherwise a double. Where `is_bracket` says so,
        the cost of `flow`, an upper bound.
    lower, upper : float or Fraction
        The distance lies between them, roundings of doubles included: `lower` is what the
        potential proves, `upper` what the plan costs. Equal if the result is exact.
    flow : tuple of arrays
        A local flow plan with ``apply_flow(x, flow) = y``. For "l1" its absolute values sum to the
        distance. For "l2" they cost at least the distance; a bracket has diagonal steps too.
    potential : array, of the shape of the images
        Differs between two pixels of a channel by at most their distance;
        ``sum(potential * (x - y))`` is the distance, or the lower end of a bracket.
    plan : tuple of Plan
        For "l2", if it was solved exactly, the transport plan of each channel; otherwise empty.
    method : str
        How it was found.
    ground : {"l1", "l2"}
        Norm of the distance between pixels.
    x, y : array
        The images, divided by their sums if that was asked for: Fractions if the result is exact,
        otherwise doubles.
    """

    value: Any
    lower: Any
    upper: Any
    flow: Flow
    potential: NDArray[Any]
    plan: tuple[Plan, ...]
    method: str
    ground: str
    x: NDArray[Any]
    y: NDArray[Any]

    @property
    def is_exact(self) -> bool:
        """Whether the value is a Fraction, proved in rational arithmetic."""
        return isinstance(self.value, Fraction)

    @property
    def is_bracket(self) -> bool:
        """Whether only ``lower <= distance <= upper`` is known, 8.3 per cent apart at most."""
        return self.method == "eight-neighbours"

    def verify(self) -> bool:
        """Whether flow and potential prove the value, recomputed without a solver."""
        return not self.problems()

    def problems(self) -> tuple[str, ...]:
        """What is wrong with the proof, as sentences; nothing if `verify` holds."""
        return _exact_problems(self) if self.is_exact else _problems(self)


@dataclass(frozen=True)
class Limits:
    """What a potential and a plan prove of the distance, and how steep the potential is."""

    lower: float
    upper: float
    steepness: float


def limits(
    x: Floats, y: Floats, flow: Flow, potential: Floats, plan: tuple[Plan, ...], ground: str
) -> Limits:
    """Limits of the distance from a potential and a plan, rounded outwards.

    Masses that differ by a rounding count as equal: what the plan misses is added to its cost at
    the largest distance, and the mass that one image has more is taken off the lower limit.
    """
    supply, reach = x - y, diameter(x.shape)
    # The images themselves may be rounded quotients, their difference is rounded, and so are the
    # products and sums below: six roundings cover them.
    size = np.abs(x) + np.abs(y)
    rounding = 6 * EPS * math.fsum((np.abs(potential) * size).ravel())
    excess = abs(math.fsum(supply.ravel())) * reach
    steep = max(1.0, steepness(potential, ground))
    lower = (math.fsum((potential * supply).ravel()) - rounding - excess) / steep
    if plan:
        missed = supply - _carried(plan, x.shape)
        amounts = np.concatenate([part.mass for part in plan])
        cost = math.fsum(math.fsum(part.mass * _lengths(part, x.shape[1], ground)) for part in plan)
    else:
        missed = supply + divergence(flow, x.shape)
        amounts = np.concatenate([np.abs(part).ravel() for part in flow])
        cost = flow_cost(flow)
    missing = math.fsum(np.abs(missed).ravel())
    # Each pixel has up to eight flows, each flow two pixels.
    rounding = 10 * EPS * (math.fsum(size.ravel()) + 2 * math.fsum(amounts))
    upper = cost * (1 + 6 * EPS) + reach * (missing + rounding)
    return Limits(max(0.0, lower), upper, steep)


def flow_cost(flow: Flow) -> Any:
    """Mass times distance of a plan between neighbours; sqrt(2) for each diagonal step."""
    straight = np.concatenate([np.abs(part).ravel() for part in flow[:2]])
    if straight.dtype.kind != "f":
        return sum(straight.tolist(), Fraction(0))
    slanted = [np.abs(part).ravel() * math.sqrt(2) for part in flow[2:]]
    return math.fsum(np.concatenate([straight, *slanted]))


def diameter(shape: tuple[int, ...]) -> int:
    """Largest l1 distance between two pixels of an image, which the l2 distance does not exceed."""
    return sum(side - 1 for side in shape[:2])


def steepness(potential: NDArray[Any], ground: str) -> float:
    """Largest ratio of a difference of the potential to the distance of its two pixels.

    For "l1" neighbours suffice. For "l2" all pairs are tried, and the ratio is rounded up.
    """
    if ground == "l1" or is_line(potential.shape):
        slopes = (np.abs(potential[head] - potential[tail]) for tail, head in ends(potential.shape))
        return float(max((slope.max(initial=0) for slope in slopes), default=0))
    n, m = potential.shape[:2]
    steepest = 0.0
    for down in range(n):
        for right in range(-m + 1 if down else 1, m):
            columns = slice(max(right, 0), m + min(right, 0))
            behind = slice(max(-right, 0), m - max(right, 0))
            rise = np.abs(potential[down:, columns] - potential[: n - down, behind]).max()
            steepest = max(steepest, float(rise) / math.hypot(down, right))
    return steepest * (1 + 4 * EPS)


def is_line(shape: tuple[int, ...]) -> bool:
    """Whether all pixels of a channel lie on one line, so that both norms give one distance."""
    return len(shape) == 1 or 1 in shape[:2]


def _lengths(plan: Plan, width: int, ground: str) -> Floats:
    down = plan.sources // width - plan.targets // width
    right = plan.sources % width - plan.targets % width
    lengths: Floats = np.hypot(down, right) if ground == "l2" else np.abs(down) + np.abs(right)
    return lengths


def _carried(plan: tuple[Plan, ...], shape: tuple[int, ...]) -> Floats:
    """What a plan takes from each pixel."""
    pixels = math.prod(shape[:2])
    channels: list[Floats] = []
    for part in plan:
        taken = np.bincount(part.sources, part.mass, pixels)
        brought = np.bincount(part.targets, part.mass, pixels)
        channels.append((taken - brought).astype(np.float64).reshape(shape[:2]))
    return channels[0] if len(shape) == 2 else np.stack(channels, axis=2)


def _exact_problems(result: GridTransport) -> tuple[str, ...]:
    found = []
    if not (apply_flow(result.x, result.flow) == result.y).all():
        found.append("the flow does not take x to y")
    if not all(isinstance(part, int) for part in result.potential.astype(object).ravel()):
        found.append("the potential is not integral")
    elif steepness(result.potential, "l1") > 1:
        found.append("the potential differs by more than 1 between neighbours")
    heights = result.potential.astype(object)
    proved = sum((heights * (result.x - result.y)).ravel().tolist(), Fraction(0))
    cost = flow_cost(result.flow)
    if not result.lower == proved == result.value == cost == result.upper:
        found.append(
            f"the potential proves {proved} and the flow costs {cost}, but the value is "
            f"{result.value} between {result.lower} and {result.upper}"
        )
    return tuple(found)


def _problems(result: GridTransport) -> tuple[str, ...]:
    found = []
    seen = limits(result.x, result.y, result.flow, result.potential, result.plan, result.ground)
    size = np.abs(result.x) + np.abs(result.y)
    mass = math.fsum(size.ravel()) / 2
    excess = abs(math.fsum((result.x - result.y).ravel()))
    allowed = diameter(result.x.shape) * (AGREEMENT * mass + 3 * excess)
    missed = apply_flow(result.x, result.flow) - result.y
    if not math.fsum(np.abs(missed).ravel()) <= AGREEMENT * mass + 2 * excess:
        found.append("the flow does not take x to y")
    if not seen.steepness <= 1 + AGREEMENT:
        found.append("the potential differs by more than the distance of two pixels")
    if not result.lower <= result.value <= result.upper:
        found.append(f"the value {result.value} is not between {result.lower} and {result.upper}")
    if not (result.lower <= seen.lower + allowed and seen.upper <= result.upper + allowed):
        found.append(
            f"the potential proves {seen.lower} and the plan costs {seen.upper}, but the limits "
            f"are {result.lower} and {result.upper}"
        )
    most = EIGHT_OVER_L2 * result.lower if result.is_bracket else result.lower
    if not result.upper <= most + allowed:
        found.append(f"{result.lower} and {result.upper} are too far apart to prove the value")
    return tuple(found)
