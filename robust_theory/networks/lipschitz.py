"""Certified radii from Lipschitz constants, with the constant that each norm of the logits needs.

If the logits move by at most L |x - x'| in a norm, the difference f_y - f_j moves by at most
c L |x - x'| with c = ||e_y - e_j|| in the dual norm: sqrt(2) for l2, 2 for linf (each logit may
move by L, in opposite directions), 1 for l1. Without c the radius is too large, and the label can
change inside it: f(x) = (x, -x) / sqrt(2) has L = 1 for l2, margin sqrt(2) at x = 1, and changes
its label at distance 1.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import numpy as np

from robust_theory.arguments import Floats, broken, exact_rational
from robust_theory.arithmetic import around, enclose
from robust_theory.claim import A_DISTANCE, Claim, Interval
from robust_theory.networks.operator_norms import spectral_norm_above
from robust_theory.networks.relaxations import (
    TINY,
    Region,
    dual_norms,
    gamma,
    interval_bounds,
    interval_margins,
)
from robust_theory.networks.relu_networks import UNIT, Layer, Network, read_network
from robust_theory.risks.samples import Norm, read_norm

_SQUARED = {"l2": 2, "linf": 4, "l1": 1}  # ||e_y - e_j||^2 in the dual norm
_LARGEST = 2048  # outputs or inputs of a layer whose Gram matrix is factorised


def lipschitz_radius(logits: Any, label: int, lipschitz: Any, norm: Any = "l2") -> float:
    """Radius within which no logit overtakes: min_j (f_y - f_j) / (c L), rounded down.

    Parameters
    ----------
    logits : sequence (K,)
        Values at the point; numbers, Fractions or strings, a float being its printed decimal.
    label : int
        The class y whose logit leads. Where it does not, the radius is 0.
    lipschitz : number
        L > 0: a bound of ||f(x) - f(x')|| / ||x - x'||, whatever the norm of the inputs, which is
        that of the radius.
    norm : {"l2", "linf", "l1"}
        Norm of the logits; for "linf" L may be a bound for each logit by itself.

    Raises
    ------
    ValueError
        If an argument is none of these.

    Notes
    -----
    Source: chapter17, section 17.4.2, without its constant c; tsuzuku2018, Proposition 1, for l2.
    """
    lead, L, kind = _read(logits, label, lipschitz, norm)
    if lead <= 0:
        return 0.0
    if kind == "l2":
        return enclose(_radius, lead, L, 2).lo
    return around(lead / L / (2 if kind == "linf" else 1)).lo


def lipschitz_constant(layers: Any, norm: Any = "l2") -> float:
    """Upper bound of the Lipschitz constant of a ReLU network, the same norm on both sides.

    The product over the layers of the largest singular value (l2; proved by a Cholesky
    factorisation), the largest sum of absolute values of a row (linf) or of a column (l1).

    Parameters
    ----------
    layers
        As `read_network` takes them.
    norm : {"l2", "linf", "l1"}
        Of inputs and logits.
    """
    network, kind = read_network(layers), read_norm(norm)
    return _product(layer_constant(layer, kind) for layer in network.layers)


def layer_constant(layer: Layer, norm: Norm) -> float:
    """Upper bound of the operator norm of a layer's weight; its ReLU counts 1."""
    W = layer.weight
    rows = float(dual_norms(W, "linf").max())
    if norm == "linf":
        return rows
    columns = float(dual_norms(W.T, "linf").max())
    if norm == "l1":
        return columns
    # |W|^2 <= |W|_1 |W|_inf for every matrix.
    simple = math.sqrt(rows) * math.sqrt(columns) * (1 + 8 * UNIT)
    if max(W.shape) > _LARGEST:
        return simple
    dense = W.toarray() if hasattr(W, "toarray") else W
    return min(simple, float(spectral_norm_above(dense)))


def lipschitz_margins(network: Network, label: int, region: Region) -> Floats:
    """Lower bounds (K,) of the margins over the region: those at its centre, less c L eps.

    Here c L is the dual norm of the difference of two rows of the last layer, at most c times the
    layer's norm, times the constants of the other layers. The margins at the centre are rounded
    down.
    """
    *hidden, last = network.layers
    W = last.weight.toarray() if hasattr(last.weight, "toarray") else last.weight
    rows = dual_norms(W[label] - W, region.norm) * (1 + 2 * UNIT)
    # In this order: a small factor may meet a large one before anything underflows.
    moved = _product([*(layer_constant(layer, region.norm) for layer in hidden), region.eps])
    centre = Region(region.centre, 0.0, region.norm)
    margins = interval_margins(network, label, interval_bounds(network, centre), centre)
    margins[label] = 0.0
    with np.errstate(invalid="ignore"):
        spread = rows * moved * (1 + gamma(1)) + TINY
        margins = margins - spread - 2 * UNIT * (np.abs(margins) + spread)
    margins = np.where(np.isnan(margins), -np.inf, margins)
    margins[label] = np.inf
    return np.asarray(margins)


def _product(factors: Iterable[float]) -> float:
    """The product of numbers of at least 0, rounded up; none is lost to another's underflow."""
    given = list(factors)
    if not all(map(math.isfinite, given)):
        return math.inf
    exact = math.prod(map(Fraction, given), start=Fraction(1))
    return around(exact).hi if exact <= Fraction(sys.float_info.max) else math.inf


def _read(logits: Any, label: Any, lipschitz: Any, norm: Any) -> tuple[Fraction, Fraction, Norm]:
    kind = read_norm(norm)
    if isinstance(logits, str) or not hasattr(logits, "__len__") or len(logits) < 2:
        raise ValueError(f"logits must be a sequence of at least 2 numbers, got {logits!r}")
    values = [exact_rational(value, "logits") for value in logits]
    if isinstance(label, bool) or not isinstance(label, int | np.integer):
        raise ValueError(f"label must be an integer, got {label!r}")
    if not 0 <= label < len(values):
        raise ValueError(f"label must be an integer below {len(values)}, got {label!r}")
    L = exact_rational(lipschitz, "lipschitz")
    if L <= 0:
        raise ValueError(f"lipschitz must be positive, got {lipschitz}")
    rival = max(value for j, value in enumerate(values) if j != label)
    return values[label] - rival, L, kind


def _radius(m: Any, lead: Any, L: Any, squared: Any) -> Any:
    return m.number(lead) / (m.sqrt(squared) * m.number(L))


def _enclosure(logits: Any, label: int, lipschitz: Any, norm: Any = "l2") -> Interval:
    """The same number as the root of a rational, found without balls."""
    lead, L, kind = _read(logits, label, lipschitz, norm)
    if lead <= 0:
        return Interval(0.0, 0.0)
    square = lead**2 / (L**2 * _SQUARED[kind])
    low = high = math.sqrt(square)
    while Fraction(low) ** 2 > square:
        low = math.nextafter(low, 0.0)
    while Fraction(high) ** 2 < square:
        high = math.nextafter(high, math.inf)
    return Interval(low, high)


def _broken(logits: Any, label: int, lipschitz: Any, norm: Any = "l2") -> tuple[str, ...]:
    return broken(lambda: _read(logits, label, lipschitz, norm))


LIPSCHITZ_RADIUS = Claim(
    name="lipschitz-radius",
    source="tsuzuku2018, Proposition 1; chapter17, section 17.4.2, corrected",
    formula=lambda: (
        r"r(x) \ge \min_{j \ne y} \frac{f_y(x) - f_j(x)}{c\,L},\quad "
        r"c = \|e_y - e_j\|_* = \sqrt{2}\ (\ell_2),\ 2\ (\ell_\infty),\ 1\ (\ell_1)"
    ),
    relation=">=",
    value=lipschitz_radius,
    enclosure=_enclosure,
    broken_hypotheses=_broken,
    possible=A_DISTANCE,
)
