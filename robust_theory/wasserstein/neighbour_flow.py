"""Two linear programs that have the value W1 on a grid with the l1 ground metric."""

from __future__ import annotations

from typing import Any

from robust_theory.arguments import broken
from robust_theory.arithmetic import around
from robust_theory.claim import A_DISTANCE, Claim, Interval
from robust_theory.wasserstein.grid import grid_wasserstein
from robust_theory.wasserstein.image_pairs import read_pair


def neighbour_flow_distance(x: Any, y: Any, normalise: bool = False) -> float:
    """Least mass times distance that takes one image to another by steps between neighbours.

    Parameters
    ----------
    x, y : array (n,), (n, m) or (n, m, channels)
        Images of the same mass.
    normalise : bool
        Divide each image by its sum.

    Notes
    -----
    The linear program is in flows of one direction each, at least 0, by the simplex method.

    Source: levine2020, eq. (4); ling2007.
    """
    return float(grid_wasserstein(x, y, method="flow", normalise=normalise).value)


def signed_flow_distance(x: Any, y: Any, normalise: bool = False) -> float:
    """Wasserstein distance W1 of two images, from a linear program in signed flows.

    Parameters as of `neighbour_flow_distance`.

    Notes
    -----
    Source: levine2020, Lemma 1, eq. (7).
    """
    return float(grid_wasserstein(x, y, method="signed", normalise=normalise).value)


def _enclosure(x: Any, y: Any, normalise: bool = False) -> Interval:
    """Around the distance by the primal-dual method in integers, without any solver."""
    found = grid_wasserstein(x, y, exact=True, method="integers", normalise=normalise)
    return around(found.value)


def _broken(x: Any, y: Any, normalise: bool = False) -> tuple[str, ...]:
    return broken(lambda: read_pair(x, y, exact=True, normalise=normalise))


TRANSPORT_BY_NEIGHBOURS = Claim(
    name="grid-transport-between-neighbours",
    source="levine2020, eq. (4), after Ling and Okada",
    formula=lambda: (
        r"\min_{\Pi \ge 0,\ \Pi 1 = x,\ \Pi^T 1 = x'} \sum_{s,t} \Pi_{st} |s - t|_1 = "
        r"\min_{g \ge 0} \Bigl\{\sum_{s \sim t} g_{st} : "
        r"\sum_{t \sim s} (g_{ts} - g_{st}) = x'_s - x_s\Bigr\}"
    ),
    relation="==",
    value=neighbour_flow_distance,
    enclosure=_enclosure,
    broken_hypotheses=_broken,
    possible=A_DISTANCE,
)
SIGNED_FLOW_NORM = Claim(
    name="grid-signed-flow-norm",
    source="levine2020, Lemma 1, eq. (7)",
    formula=lambda: r"\min_{\delta:\ x' = \Delta(x, \delta)} \Vert \delta \Vert_1 = W_1(x, x')",
    relation="==",
    value=signed_flow_distance,
    enclosure=_enclosure,
    broken_hypotheses=_broken,
    possible=A_DISTANCE,
)
