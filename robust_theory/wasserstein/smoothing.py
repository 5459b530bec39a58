"""Certified Wasserstein radii of smoothed classifiers, from bounds on class probabilities.

Noise is added to the flow between neighbouring pixels; the classifier sees the noised image only.
If its class A has a smoothed score of at least pA, and every other class of at most pB, then A
stays the largest for every image of equal mass (per channel) within W1 of the radius. The ground
metric is l1 or l2 distance between pixels, with neighbours at distance 1; radii are in units of
mass times that distance, and sigma is in units of mass. Images may be negative.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from robust_theory.arguments import exact_rational, probability
from robust_theory.arithmetic import enclose
from robust_theory.claim import Interval
from robust_theory.wasserstein.resistance import edge_variances, grid_shape
from robust_theory.wasserstein.score_scales import (
    CYCLES_L1,
    CYCLES_L2,
    GAUSSIAN,
    LAPLACE,
    PAPER,
    UNIFORM,
    Scale,
)

Noise = Literal["laplace", "gaussian", "uniform", "pixel"]
Form = Literal["sharp", "tight", "paper"]
Ground = Literal["l1", "l2"]

_U = 2.0**-53
_FORMS = {
    "laplace": ("sharp", "tight", "paper"),
    "pixel": ("sharp", "tight", "paper"),
    "gaussian": ("sharp",),
    "uniform": ("sharp",),
}


@dataclass(frozen=True)
class Certificate:
    """A radius is ``sigma sqrt(square) (psi(pA) - psi(pB))``, with the scale's psi."""

    scale: Scale
    square: Fraction

    def radius(self, sigma: Any, pA: Fraction, pB: Fraction) -> float:
        """The radius, rounded down; 0 unless pA > pB."""
        if pA <= pB:
            return 0.0
        # A printed decimal is within one rounding of its double.
        size = float(sigma) * math.sqrt(self.square)
        return max(0.0, size * self.scale.difference(pA, pB) * (1 - 8 * _U))

    def enclosure(self, sigma: Any, pA: Fraction, pB: Fraction) -> Interval:
        """Doubles around the exact radius, by ball arithmetic."""
        if pA <= pB:
            return Interval(0.0, 0.0)
        if self.scale is not UNIFORM and (pA == 1 or pB == 0):
            return Interval(math.inf, math.inf)
        size, square = exact_rational(sigma, "sigma"), self.square
        return enclose(lambda m: m.number(size) * m.sqrt(square) * self.scale.ball(m, pA, pB))


def smoothing_radius(
    p: Any,
    sigma: Any,
    *,
    p_other: Any = None,
    noise: Noise = "laplace",
    form: Form = "sharp",
    ground: Ground = "l2",
    shape: Any = None,
    normalised: bool = True,
) -> Any:
    """Wasserstein radius within which the class with smoothed score p stays the largest.

    Parameters
    ----------
    p : number or array
        Lower bound on the score of the class, in [0, 1].
    sigma : number
        Standard deviation of each component of the noise: of the flow over an edge, or of a pixel
        if `noise` is "pixel". Where variances differ, their root mean square over the edges. The
        scale of Laplace noise is ``sigma / sqrt(2)``, the half-width of uniform ``sqrt(3) sigma``.
    p_other : number or array, optional
        Upper bound on the score of every other class, by default 1 - p. Estimates of both must
        hold at once, and for all other classes, not for one chosen from the same or other samples.
    noise : {"laplace", "gaussian", "uniform", "pixel"}
        Of each edge, independent: Laplace; normal with the variances of `edge_variances`; uniform.
        "pixel": Laplace on each pixel instead of flows, converted by Corollary 1.
    form : {"sharp", "tight", "paper"}
        Laplace only. paper: (18), (20), (21), or (9) with `p_other`. tight: exact if the flow is
        seen. sharp: uses that cycles of flow, and for l2 what a diagonal costs, cannot be seen
        (for pixel noise the same as tight).
    ground : {"l2", "l1"}
        Metric between pixels. l2 is the default because attacks use it.
    shape : tuple, optional
        (n, m), (n, m, channels) or (n,); Gaussian and sharp Laplace noise need it. Channels have
        independent noise, and distances add up over them (Corollary 2).
    normalised : bool
        Whether scores of all classes sum to at most 1, as votes and softmax do; then no rival
        exceeds 1 - p.

    Returns
    -------
    float or array, of the shape of `p` and `p_other` together
        Rounded down; 0.0 where nothing is certified. At exactly the radius the class is largest
        or ties; below it, strictly largest. Infinite at p = 1 for noise with unbounded support:
        a score of exactly 1 is 1 everywhere.

    Raises
    ------
    ValueError
        If a probability lies outside [0, 1], sigma is not positive, a word is unknown, or a shape
        is missing or has less than two pixels.

    Notes
    -----
    Source: levine2020, Theorem 1, eqs. (9), (18), (20), (21), and the sharper forms of the page
    on Wasserstein smoothing.
    """
    certificate = flow_certificate(noise, form, ground, shape)
    size = positive(sigma, "sigma")
    return over_scores(
        lambda pA, pB: certificate.radius(size, pA, pB), p, p_other, normalised=normalised
    )


def flow_certificate(noise: str, form: str, ground: str, shape: Any) -> Certificate:
    """Scale and unit of the radius, for arguments as those of `smoothing_radius`."""
    if noise not in _FORMS:
        raise ValueError(f"noise must be one of {', '.join(_FORMS)}, got {noise!r}")
    if form not in _FORMS[noise]:
        allowed = ", ".join(repr(word) for word in _FORMS[noise])
        raise ValueError(f"form must be {allowed} for {noise} noise, got {form!r}")
    check_ground(ground)
    if shape is None and (noise == "gaussian" or (noise == "laplace" and form == "sharp")):
        raise ValueError(
            f"shape must be given for {noise} noise with form {form!r}: without rows and columns "
            "nothing is known of its cycles"
        )
    size = None if shape is None else grid_shape(shape)
    if noise == "gaussian":
        resistance = Fraction(edge_variances(shape).largest_resistance)
        return Certificate(GAUSSIAN, 1 / (4 * resistance))
    # On a line of pixels the two metrics agree.
    line = size is not None and min(size) == 1
    per_distance = 1 if ground == "l1" or (line and form != "paper") else 2
    if noise == "uniform":
        return Certificate(UNIFORM, Fraction(3, per_distance))
    # Laplace scale b = sigma/sqrt(2), and half of b times the difference of scales.
    if noise == "pixel":
        return Certificate(PAPER if form == "paper" else LAPLACE, Fraction(1, 32))
    if form == "sharp" and not line:
        return Certificate(CYCLES_L1 if ground == "l1" else CYCLES_L2, Fraction(1, 8))
    return Certificate(PAPER if form == "paper" else LAPLACE, Fraction(1, 8 * per_distance))


def over_scores(radius: Any, p: Any, p_other: Any, *, normalised: bool = True) -> Any:
    """``radius(pA, pB)`` of exact scores, elementwise over numbers or arrays."""
    first, second = np.broadcast_arrays(np.asarray(p, object), np.asarray(p_other, object))
    values = []
    for score, rival in zip(first.ravel().tolist(), second.ravel().tolist(), strict=True):
        pA = probability(score, "p")
        pB = 1 - pA if rival is None else probability(rival, "p_other")
        values.append(radius(pA, min(pB, 1 - pA) if normalised else pB))
    return values[0] if first.ndim == 0 else np.array(values, np.float64).reshape(first.shape)


def check_ground(ground: str) -> None:
    """Raise ValueError unless `ground` is one of the two metrics."""
    if ground not in ("l1", "l2"):
        raise ValueError(f"ground must be 'l1' or 'l2', got {ground!r}")


def positive(value: Any, name: str) -> Fraction:
    """Read a positive finite number exactly."""
    number = exact_rational(value, name)
    if number <= 0:
        raise ValueError(f"{name} must be above 0, got {value!r}")
    return number


def holder_radius(radius: Any, order: Any, mass: Any = 1) -> float:
    """Transport cost of any order p that a W1 radius certifies too.

    The cost is the least sum of mass times distance to the power p, without a root, as in
    Definition 2.1. A cost of at most ``max(radius, radius^p mass^(1 - p))`` implies W1 <= radius,
    because distinct pixels are at least 1 apart, and by Jensen's inequality. With the root and
    mass 1, W_p <= radius implies W_1 <= radius.

    Parameters
    ----------
    radius : number
        W1 radius, at least 0.
    order : number
        p >= 1.
    mass : number
        Sum of the image, above 0.

    Returns
    -------
    float
        Rounded down.
    """
    rho, p, M = float(radius), float(exact_rational(order, "order")), float(positive(mass, "mass"))
    if not rho >= 0:
        raise ValueError(f"radius must be at least 0, got {radius!r}")
    if p < 1:
        raise ValueError(f"order must be at least 1, got {order!r}")
    if rho in (0, math.inf):
        return rho
    power = p * math.log(rho / M)
    return max(rho, M * math.exp(power) * (1 - 16 * (1 + p + abs(power)) * _U))
