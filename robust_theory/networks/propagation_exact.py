"""Interval and linear bounds of ReLU networks by ball arithmetic: another road to the same numbers.

Unit by unit, with plain loops, for small networks; a test of `propagation` and the enclosures of
its claims. Read with `arithmetic.Balls`, a bound is a ball that contains it. Where the precision
does not tell the sign of a number that decides a case, the answer is not a number, so that
`arithmetic.enclose` asks again with more bits. What no precision tells is a tie, which rational
arithmetic decides for the norms linf and l1.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from typing import Any, Literal

from robust_theory.arguments import Floats
from robust_theory.arithmetic import Balls, around, enclose
from robust_theory.claim import Interval
from robust_theory.networks.relu_networks import Network
from robust_theory.risks.samples import Norm

_Row = list[Any]
_MOST_BITS = 1 << 12


class _Rationals:
    """The numbers of linf and l1, exactly; their denominators grow with every layer."""

    number = staticmethod(Fraction)


class _UndecidedError(Exception):
    """The precision does not tell a sign."""


@dataclass(frozen=True)
class _Ball:
    centre: _Row
    eps: Any
    norm: Norm


def least_margin(
    m: Any,
    network: Network,
    label: int,
    centre: Floats,
    eps: Fraction,
    norm: Norm,
    method: Literal["interval", "linear"],
) -> Any:
    """The least margin that the method gives, as a ball."""
    region = _Ball([m.number(Fraction(x)) for x in centre.tolist()], m.number(eps), norm)
    weights, offsets, relus = [], [], []
    for layer in network.layers:
        W = layer.weight.toarray() if hasattr(layer.weight, "toarray") else layer.weight
        weights.append([[m.number(Fraction(w)) for w in row] for row in W.tolist()])
        offsets.append([m.number(Fraction(b)) for b in layer.bias.tolist()])
        relus.append(layer.relu)
    try:
        return _least(m, weights, offsets, relus, label, region, method == "linear")
    except _UndecidedError:
        return m.number(Fraction(0)) / m.number(0)


def enclosed_margin(
    network: Network,
    label: int,
    centre: Floats,
    eps: Fraction,
    norm: Norm,
    method: Literal["interval", "linear"],
) -> Interval:
    """Neighbouring doubles around `least_margin`.

    Raises
    ------
    ArithmeticError
        If a tie cannot be decided, as with the norm l2.
    """
    try:
        return enclose(least_margin, network, label, centre, eps, norm, method)
    except ArithmeticError:
        if norm == "l2":
            raise
        return around(least_margin(_Rationals(), network, label, centre, eps, norm, method))


def certifies(
    network: Network,
    label: int,
    centre: Floats,
    eps: Fraction,
    norm: Norm,
    method: Literal["interval", "linear"],
) -> bool:
    """Whether the least margin is positive, decided by ball arithmetic.

    Raises
    ------
    ArithmeticError
        If 2^12 bits do not tell, and the norm is l2.
    """
    from flint import ctx

    bits = 128
    while bits <= _MOST_BITS:
        with ctx.workprec(bits):
            margin = least_margin(Balls(), network, label, centre, eps, norm, method)
            if margin > 0 or margin <= 0:
                return bool(margin > 0)
        bits *= 2
    if norm == "l2":
        raise ArithmeticError(f"{_MOST_BITS} bits do not tell the sign of the margin")
    return bool(least_margin(_Rationals(), network, label, centre, eps, norm, method) > 0)


def _least(
    m: Any,
    weights: list[list[_Row]],
    offsets: list[_Row],
    relus: list[bool],
    label: int,
    region: _Ball,
    linear: bool,
) -> Any:
    last = len(weights) - 1
    bounds: list[list[tuple[Any, Any]]] = []
    lines: list[list[tuple[Any, Any, Any]]] = []
    for k in range(last):
        found = []
        for i, row in enumerate(weights[k]):
            low, high = _interval(m, row, offsets[k][i], bounds, relus, region)
            if linear and k and relus[k] and _sign(low) < 0 < _sign(high):
                e = [m.number(int(i == j)) for j in range(len(weights[k]))]
                low = _larger(low, _linear(m, e, k, weights, offsets, lines, region))
                minus = [-x for x in e]
                high = -_larger(-high, _linear(m, minus, k, weights, offsets, lines, region))
            found.append((low, high))
        bounds.append(found)
        if linear:
            lines.append([_lines(m, low, high, relus[k]) for low, high in found])
    margins = []
    for j in range(len(offsets[last])):
        if j == label:
            continue
        own, other = weights[last][label], weights[last][j]
        row = [a - b for a, b in zip(own, other, strict=True)]
        offset = offsets[last][label] - offsets[last][j]
        margin, _ = _interval(m, row, offset, bounds, relus, region)
        if linear:
            e = [m.number(int(i == label) - int(i == j)) for i in range(len(offsets[last]))]
            margin = _larger(margin, _linear(m, e, last, weights, offsets, lines, region))
        margins.append(margin)
    return -reduce(_larger, (-margin for margin in margins))


def _sign(x: Any) -> int:
    if x > 0:
        return 1
    if x < 0:
        return -1
    if x == 0:
        return 0
    raise _UndecidedError


def _larger(a: Any, b: Any) -> Any:
    return max(a, b) if isinstance(a, Fraction) else a.max(b)


def _reach(m: Any, row: _Row, region: _Ball) -> Any:
    zero = m.number(0)
    if region.norm == "l2":
        return region.eps * m.sqrt(sum((a * a for a in row), zero))
    sizes = [abs(a) for a in row]
    if region.norm == "linf":
        return region.eps * sum(sizes, zero)
    return region.eps * reduce(_larger, sizes)


def _dot(m: Any, row: _Row, values: _Row) -> Any:
    return sum((a * x for a, x in zip(row, values, strict=True)), m.number(0))


def _interval(
    m: Any,
    row: _Row,
    offset: Any,
    bounds: list[list[tuple[Any, Any]]],
    relus: list[bool],
    region: _Ball,
) -> tuple[Any, Any]:
    if not bounds:
        middle, reach = _dot(m, row, region.centre) + offset, _reach(m, row, region)
        return middle - reach, middle + reach
    zero = m.number(0)
    low = high = offset
    for a, (below, above) in zip(row, bounds[-1], strict=True):
        if relus[len(bounds) - 1]:
            below, above = _larger(zero, below), _larger(zero, above)
        first, second = (below, above) if _sign(a) >= 0 else (above, below)
        low, high = low + a * first, high + a * second
    return low, high


def _lines(m: Any, low: Any, high: Any, relu: bool) -> tuple[Any, Any, Any]:
    """Slope of the chord, its intercept, slope of the lower line."""
    zero, one = m.number(0), m.number(1)
    if not relu or _sign(low) >= 0:
        return one, zero, one
    if _sign(high) <= 0:
        return zero, zero, zero
    slope = high / (high - low)
    return slope, -slope * low, one if _sign(high + low) > 0 else zero


def _linear(
    m: Any,
    row: _Row,
    k: int,
    weights: list[list[_Row]],
    offsets: list[_Row],
    lines: list[list[tuple[Any, Any, Any]]],
    region: _Ball,
) -> Any:
    """The least value over the ball of the plane below ``row @ x_k``."""
    constant = m.number(0)
    for j in range(k, -1, -1):
        constant += _dot(m, row, offsets[j])
        columns = zip(*weights[j], strict=True)
        row = [_dot(m, row, list(column)) for column in columns]
        if j == 0:
            break
        for i, (upper, intercept, lower) in enumerate(lines[j - 1]):
            if _sign(row[i]) >= 0:
                row[i] = row[i] * lower
            else:
                constant += row[i] * intercept
                row[i] = row[i] * upper
    return _dot(m, row, region.centre) + constant - _reach(m, row, region)
