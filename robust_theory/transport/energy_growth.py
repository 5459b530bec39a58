"""How much the free energy must rise with the inverse temperature."""

from __future__ import annotations

import math
import sys
from fractions import Fraction
from typing import Any

import numpy as np

from robust_theory.arguments import Floats, broken, exact_rational
from robust_theory.arithmetic import enclose
from robust_theory.claim import Claim, Interval
from robust_theory.transport.log_mean_exp import finite_array, gibbs_divergence

_U = 2.0**-53


def free_energy_growth(losses: Any, first: Any, second: Any) -> float:
    """Lower bound on F(second) - F(first) for inverse temperatures first <= second; rounded down.

    ``KL(g || q) (1/first - 1/second)`` with the Gibbs law g of `first` and the uniform law q: the
    derivative of F is the divergence divided by lam^2, and the divergence does not fall.

    Parameters
    ----------
    losses : array (m,)
        Finite, of equal weight.
    first, second : number
        Positive and finite, ``first <= second``.

    Source: anonymous2022, Proposition 3.3, which states the limit only.
    """
    table, low, high = _read(losses, first, second)
    spread, largest = float(np.ptp(table)), float(np.abs(table).max())
    if spread == 0:
        return 0.0
    growth = float(gibbs_divergence(table, float(low))) * float(1 / low - 1 / high)
    # The weights carry some roundings of lam times the losses, and differences of losses some of
    # the losses, which mean their decimals.
    size = largest * float(low) + 4 * largest / spread
    return growth * max(0.0, 1 - (60 + 4 * size) * _U)


def _read(losses: Any, first: Any, second: Any) -> tuple[Floats, Fraction, Fraction]:
    table = finite_array(losses, "losses")
    if table.ndim != 1 or not table.size:
        raise ValueError(f"losses must have shape (m,), m >= 1, got {table.shape}")
    low, high = exact_rational(first, "first"), exact_rational(second, "second")
    if not 0 < low <= high:
        raise ValueError(
            f"first must be positive and at most second, got {float(low)!r} and {float(high)!r}"
        )
    return table, low, high


def _growth_ball(m: Any, row: list[Fraction], low: Fraction, high: Fraction) -> Any:
    top = max(row)
    weights = [m.exp(low * (x - top)) for x in row]
    total = sum(weights, m.number(0))
    log_mean = m.log(total / len(row))
    energy = sum(
        (w * m.number(low * (x - top)) for w, x in zip(weights, row, strict=True)), m.number(0)
    )
    return (energy / total - log_mean) * m.number(1 / low - 1 / high)


def _enclosure(losses: Any, first: Any, second: Any) -> Interval:
    _, low, high = _read(losses, first, second)
    row = [exact_rational(x) for x in np.asarray(losses, object).ravel().tolist()]
    if low == high or len(set(row)) == 1:
        return Interval(0.0, 0.0)
    return enclose(_growth_ball, row, low, high)


FREE_ENERGY_GROWTH = Claim(
    name="free-energy-growth",
    source="anonymous2022, Proposition 3.3, with a rate from below",
    formula=lambda: (
        r"F_{\lambda'} - F_\lambda \ge \mathrm{KL}(g_\lambda\Vert q)"
        r"\Bigl(\frac{1}{\lambda} - \frac{1}{\lambda'}\Bigr),\quad \lambda \le \lambda'"
    ),
    relation=">=",
    value=free_energy_growth,
    enclosure=_enclosure,
    broken_hypotheses=lambda losses, first, second: broken(lambda: _read(losses, first, second)),
    possible=Interval(-sys.float_info.max, math.inf),
)
