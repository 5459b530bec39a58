"""Compute the constants of the cycle- and l2-aware certificates, with rounding on the safe side.

Takes some minutes; run after changing `robust_theory.wasserstein.plaquette`::

    python docs/tools/smoothing_constants.py

Writes ``robust_theory/wasserstein/smoothing_constants.json``, in units of 2^-52: lines (s, K) with
``Phi(q) <= K + s q`` for an edge and a diagonal, and the corners (q, v) of two continuous,
piecewise linear functions above Phi of an edge and above lambda, the rate per l2 distance.
`robust_theory.wasserstein.cycles.problems` checks that they are above, in exact arithmetic.
"""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np

from robust_theory.wasserstein.cycles import UNIT, rate_per_distance
from robust_theory.wasserstein.plaquette import Move, excess_limits

CELLS = 2048
TARGET = Path(__file__).parents[2] / "robust_theory" / "wasserstein" / "smoothing_constants.json"


def thresholds(top: float) -> np.ndarray:
    """From 0 to `top`, ever closer to it at the end."""
    coarse = np.arange(91) * 0.01 * top
    fine = top - 0.1 * top * 0.75 ** np.arange(1, 42)
    return np.round(np.concatenate([coarse, fine]) / UNIT) * UNIT


def lines(move: Move, top: float) -> list[tuple[int, int]]:
    s = thresholds(top)
    _, above = excess_limits(s, move, CELLS)
    # The last line, of slope `top`, holds for every h: the score is at most `top`.
    table = [(int(a / UNIT), math.ceil(b / UNIT)) for a, b in zip(s, above, strict=True)]
    return [*table, (int(top / UNIT), 0)]


def envelope(table: list[tuple[int, int]], q: Fraction) -> Fraction:
    return min(K * Fraction(UNIT) + s * Fraction(UNIT) * q for s, K in table)


def corners(table: list[tuple[int, int]]) -> list[Fraction]:
    """Where the lowest line changes, on (0, 1/2]."""
    found: list[Fraction] = []
    q = Fraction(0)
    current = len(table) - 1  # the steepest one is lowest at 0
    while True:
        s, K = table[current]
        ahead = [
            (Fraction(k - K, s - slope), j)
            for j, (slope, k) in enumerate(table[:current])
            if Fraction(k - K, s - slope) > q
        ]
        if not ahead or min(ahead)[0] >= Fraction(1, 2):
            return [*found, Fraction(1, 2)]
        q, current = min(ahead)
        found.append(q)


def rounded(q: Fraction) -> Fraction:
    return Fraction(round(q / Fraction(UNIT))) * Fraction(UNIT)


def main() -> None:
    edge, diagonal = lines("edge", 1.0), lines("diagonal", 2.0)
    tables = {"edge_lines": edge, "diagonal_lines": diagonal}
    # Rounding a corner moves the chord below the envelope by 2^-53 at most; two units mend that.
    spare = 2 * Fraction(UNIT)
    places = sorted({rounded(q) for q in corners(edge)})
    tables["edge_nodes"] = [
        (int(q / Fraction(UNIT)), math.ceil((envelope(edge, q) + spare) / Fraction(UNIT)))
        for q in places
    ]
    places = sorted({rounded(q) for q in corners(edge) + corners(diagonal)})
    tables["l2_nodes"] = []
    for q in places:
        value = rate_per_distance(float(envelope(edge, q)), float(envelope(diagonal, q)))
        above = (Fraction(value) + 16 * spare) / Fraction(UNIT)
        tables["l2_nodes"].append((int(q / Fraction(UNIT)), math.ceil(above)))
    TARGET.write_text(json.dumps(tables, separators=(",", ":")).replace("]],", "]],\n") + "\n")


if __name__ == "__main__":
    main()
