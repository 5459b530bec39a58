"""Strips between parallel hyperplanes, slabs among them, with exact radii."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np

from robust_theory import gaussian
from robust_theory.arguments import Floats, broken, budgets, exact_rational, positive_integer
from robust_theory.arithmetic import enclose, statement
from robust_theory.claim import A_DISTANCE, A_PROBABILITY, Claim, Interval
from robust_theory.isoperimetry import shaped
from robust_theory.models import ExactModel


def strips(dimension: int, thresholds: Sequence[Any]) -> ExactModel:
    """Classes by the intervals into which increasing thresholds cut the first coordinate."""
    d, cuts = positive_integer(dimension, "dimension"), _cuts(thresholds)
    t = np.array([float(cut) for cut in cuts])
    upper = gaussian.sf(np.concatenate([[-np.inf], t, [np.inf]]))
    return ExactModel(
        name="strips",
        dimension=d,
        measures=tuple(float(c) for c in -np.diff(upper)),
        label=lambda z: np.searchsorted(t, _rows(z, d)[:, 0], side="left"),
        radius=lambda z: np.abs(_rows(z, d)[:, :1] - t).min(axis=1),
        survival=lambda eps: 1 - np.asarray(strips_fooling_probability(thresholds, eps)),
        mean_radius=strips_expected_radius(thresholds),
    )


def slab(dimension: int, half_width: Any) -> ExactModel:
    """Class 1 where the first coordinate is within `half_width` of 0, class 0 on both sides.

    Its radii are those of three strips, for the class differs across both edges.
    """
    three = strips(dimension, [-exact_rational(half_width, "half_width"), half_width])
    below, inside, above = three.measures
    return replace(
        three,
        name="slab",
        measures=(below + above, inside),
        label=lambda z: (three.label(z) == 1).astype(np.int64),
    )


def strips_fooling_probability(thresholds: Sequence[Any], eps: Any) -> Any:
    """P(r_Z <= eps) of the strips between thresholds of one coordinate.

    The measure of the bands of half-width eps around the thresholds, where they meet cut in the
    middle.

    Parameters
    ----------
    thresholds : sequence
        Increasing.
    eps : number or array
        Budgets, L2 distance, at least 0.

    Returns
    -------
    float or array, in the shape of `eps`
        Within 1e-14 of the exact value, relatively, for thresholds up to 10.
    """
    t, radius = np.array([float(cut) for cut in _cuts(thresholds)]), budgets(eps)
    gaps = np.concatenate([[np.inf], np.diff(t) / 2, [np.inf]])
    e = radius.ravel()
    total = np.zeros(e.shape)
    for cut, below, above in zip(t, gaps[:-1], gaps[1:], strict=True):
        for a, gap in ((cut, above), (-cut, below)):
            point = np.array([a])
            c, q = gaussian.sf(point), gaussian.sf(-point)
            total += gaussian.increments(c, q, point, np.minimum(e, gap))[0][:, 0]
    return shaped(np.minimum(total, 1), radius)


def strips_expected_radius(thresholds: Sequence[Any]) -> float:
    """E r_Z of the strips between thresholds of one coordinate, within 1e-14, absolutely.

    Parameters
    ----------
    thresholds : sequence
        Increasing.

    Returns
    -------
    float
        L2 distance.
    """
    t = np.array([float(cut) for cut in _cuts(thresholds)])
    ends = np.concatenate([[-np.inf], (t[1:] + t[:-1]) / 2, [np.inf]])
    # Around t the distance is |z - t|, from one middle to the next.
    peak = gaussian.density(ends)
    terms = 2 * gaussian.density(t) - peak[:-1] - peak[1:]
    below = 2 * gaussian.sf(-t) - gaussian.sf(-ends[:-1]) - gaussian.sf(-ends[1:])
    return math.fsum(terms + t * below)


def _cuts(thresholds: Any) -> list[Fraction]:
    if isinstance(thresholds, str) or not np.iterable(thresholds):
        raise ValueError(f"thresholds must be a sequence of numbers, got {thresholds!r}")
    cuts = [exact_rational(t, "thresholds") for t in thresholds]
    if not cuts or any(hi <= lo for lo, hi in pairwise(cuts)):
        raise ValueError(f"thresholds must be increasing, at least one, got {thresholds!r}")
    return cuts


def _rows(z: Any, dimension: int) -> Floats:
    rows = np.asarray(z, np.float64)
    if rows.ndim != 2 or rows.shape[1] != dimension:
        raise ValueError(f"z must have shape (n, {dimension}), got {rows.shape}")
    return rows


# The formulas, each read with balls and with symbols.


def _strips_law(m: Any, *bands: tuple[Any, Any]) -> Any:
    return sum((m.cdf(m.number(hi)) - m.cdf(m.number(lo)) for lo, hi in bands), m.number(0))


def _strips_mean(m: Any, *cells: tuple[Any, Any, Any]) -> Any:
    total = m.number(0)
    for lo, cut, hi in cells:
        t = m.number(cut)
        total = total + 2 * (m.density(t) + t * m.cdf(t))
        for end, share in ((lo, 0), (hi, 1)):
            edge = (0, share) if end is None else (m.density(end), m.cdf(end))
            total = total - edge[0] - t * edge[1]
    return total


def _cells(cuts: list[Fraction]) -> list[tuple[Any, Fraction, Any]]:
    """Each threshold with the middles towards its neighbours."""
    ends = [None, *((lo + hi) / 2 for lo, hi in pairwise(cuts)), None]
    return [(lo, cut, hi) for cut, (lo, hi) in zip(cuts, pairwise(ends), strict=True)]


def _strips_enclosure(thresholds: Any, eps: Any) -> Interval:
    cells, radius = _cells(_cuts(thresholds)), float(budgets(eps))
    if radius in (0, math.inf):
        return Interval(float(radius > 0), float(radius > 0))
    e = exact_rational(eps)
    bands = [
        (cut - e if lo is None else max(lo, cut - e), cut + e if hi is None else min(hi, cut + e))
        for lo, cut, hi in cells
    ]
    return enclose(_strips_law, *bands, within=A_PROBABILITY)


def _print_strips() -> str:
    return statement(
        r"P(r_Z \le \varepsilon) =",
        lambda m, s, t, e: _strips_law(m, (s - e, s + e), (t - e, t + e)),
        "t_1",
        "t_2",
        r"\varepsilon",
    )


STRIPS_LAW = Claim(
    name="strips-law",
    source="fawzi2018, Remark 4, for strips",
    formula=lambda: _print_strips() + r",\quad 2 \varepsilon \le t_2 - t_1",
    relation="==",
    value=strips_fooling_probability,
    enclosure=_strips_enclosure,
    broken_hypotheses=lambda thresholds, eps: broken(
        lambda: _cuts(thresholds), lambda: budgets(eps)
    ),
    possible=A_PROBABILITY,
)
STRIPS_EXPECTED_RADIUS = Claim(
    name="strips-expected-radius",
    source="fawzi2018, Remark 4, for strips",
    formula=lambda: (
        statement(
            r"\mathbb{E}\, r_Z =",
            lambda m, s, t: _strips_mean(m, (None, s, (s + t) / 2), ((s + t) / 2, t, None)),
            "t_1",
            "t_2",
        )
        + r",\quad \text{three strips}"
    ),
    relation="==",
    value=strips_expected_radius,
    enclosure=lambda thresholds: enclose(_strips_mean, *_cells(_cuts(thresholds))),
    broken_hypotheses=lambda thresholds: broken(lambda: _cuts(thresholds)),
    possible=A_DISTANCE,
)
