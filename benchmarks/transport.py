"""Transport beside other packages: W_infinity, the patches of images, the entropic adversary.

``python benchmarks/transport.py [FILE.json] [--tiny]`` prints one line per case and writes all of
them, by default into ``benchmarks/results/transport.json``; with ``--tiny`` small problems are
solved, and only a file that is named is written. Every case has a process of its own on one
thread, in which numba has nothing compiled yet: its first call is "cold", the best of the later
ones "warm".
"""

from __future__ import annotations

import argparse
import bisect
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import block_array, coo_array, csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching, maximum_flow
from scipy.spatial.distance import cdist

from robust_theory.transport.bottleneck import bottleneck_coupling
from robust_theory.transport.gibbs import gibbs_plan
from robust_theory.transport.internal import internal_wasserstein

PATIENCE = 15  # seconds, the start of the process included
ONCE = 5  # seconds of a first call after which there is no second one
METRICS = {"l2": "euclidean", "linf": "chebyshev"}
KINDS = [f"{norm}, {numbers}" for norm in METRICS for numbers in ("real", "integer")]
# Points a side, of 8 coordinates; sides of image and patch; data points and their candidates.
SIZES: dict[str, Any] = {"w_infinity": 2000, "images": (28, 7), "entropic": [(8, 12), (30, 60)]}
TINY: dict[str, Any] = {"w_infinity": 60, "images": (10, 3), "entropic": [(3, 4)]}
FILE = Path(__file__).parent / "results" / "transport.json"
OURS = "robust-theory"

# What is timed, and what its result says: a value or a plan.
Case: TypeAlias = tuple[Callable[[], Any], Callable[[Any], Any]]


def clouds(kind: str, n: int) -> tuple[np.ndarray, np.ndarray, str]:
    """Two Gaussian samples, as they are or in whole hundredths, and the norm of the distances."""
    norm, _, numbers = kind.partition(", ")
    X, Y = np.random.default_rng(0).normal(size=(2, n, 8))
    if numbers == "integer":
        X, Y = np.rint(100 * X).astype(int), np.rint(100 * Y).astype(int)
    return X, Y, norm


def perfectly_matched(near: np.ndarray) -> bool:
    """Whether SciPy's matching pairs all points along the pairs that are near."""
    return bool((maximum_bipartite_matching(csr_array(near)) >= 0).all())


def fully_flows(near: np.ndarray) -> bool:
    """Whether SciPy's maximum flow pairs all points: source, rows, columns, sink."""
    n, m = near.shape
    ones = np.ones((1, n), np.int32), np.ones((m, 1), np.int32)
    edges = coo_array(near.astype(np.int32))
    blocks = [
        [coo_array((1, 1), dtype=np.int32), ones[0], None, None],
        [None, None, edges, None],
        [None, None, None, ones[1]],
        [None, None, None, coo_array((1, 1), dtype=np.int32)],
    ]
    graph = csr_array(block_array(blocks, dtype=np.int32))
    return bool(maximum_flow(graph, 0, n + m + 1).flow_value == n)


def bisected(
    X: np.ndarray, Y: np.ndarray, norm: str, paired: Callable[[np.ndarray], bool]
) -> float:
    """The least of all distances at which the points can be paired."""
    distances = cdist(X, Y, METRICS[norm])
    values = np.unique(distances)
    return float(values[bisect.bisect_left(values, True, key=lambda v: paired(distances <= v))])


def w_infinity(solver: str, kind: str, n: int) -> Case:
    X, Y, norm = clouds(kind, n)
    if solver == OURS:
        return lambda: bottleneck_coupling(X, Y, norm=norm), lambda found: found.distance
    if solver == "cdist alone":
        return lambda: cdist(X, Y, METRICS[norm]), lambda found: None
    paired = {
        "bisection, scipy matching": perfectly_matched,
        "bisection, scipy maximum flow": fully_flows,
    }[solver]
    return lambda: bisected(X, Y, norm, paired), float


def pictures(kind: str, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Two images of noise, or one and itself with a little noise."""
    rng = np.random.default_rng(0)
    x, other = rng.random((2, side, side))
    return x, np.clip(x + 0.1 * (other - 0.5), 0, 1) if kind == "alike" else other


def patch_costs(x: np.ndarray, y: np.ndarray, patch: int) -> np.ndarray:
    """L1 distances of all patches."""
    window = np.lib.stride_tricks.sliding_window_view
    return cdist(
        *(window(image, (patch, patch)).reshape(-1, patch**2) for image in (x, y)), "cityblock"
    )


def images(solver: str, kind: str, side: int, patch: int) -> Case:
    x, y = pictures(kind, side)
    if solver == OURS:
        return lambda: internal_wasserstein(x, y, patch), float
    if solver == "POT emd2":
        import ot

        return lambda: ot.emd2([], [], patch_costs(x, y, patch)), float

    def assigned() -> float:
        costs = patch_costs(x, y, patch)
        return float(costs[linear_sum_assignment(costs)].mean())

    return assigned, float


def adversary(n: int, m: int) -> tuple[np.ndarray, np.ndarray, float, np.ndarray]:
    """Weights, losses, inverse temperature, and a reference that leaves candidates out of reach."""
    rng = np.random.default_rng(0)
    reference = rng.random((n, m)) * (rng.random((n, m)) < 0.7)
    reference[:, 0] += 0.1
    reference /= reference.sum(1, keepdims=True)
    weights = rng.random(n)
    return weights / weights.sum(), rng.random((n, m)), 3.0, reference


def entropic(solver: str, n: int, m: int) -> Case:
    p, losses, lam, reference = adversary(n, m)
    if solver == OURS:
        return lambda: gibbs_plan(p, losses, lam, reference), lambda found: found.plan.tolist()
    product = p[:, None] * reference
    if solver == "POT sinkhorn_unbalanced":
        import ot

        # The rows must have their weights, and the columns are free.
        return (
            lambda: ot.sinkhorn_unbalanced(
                p, product.sum(0), -losses, 1 / lam, (np.inf, 0.0), c=product, stopThr=1e-12
            ),
            np.ndarray.tolist,
        )
    import cvxpy

    def solved() -> Any:
        where = np.nonzero(product)
        plan = cvxpy.Variable(len(where[0]))
        rows = coo_array((np.ones(len(where[0])), (where[0], np.arange(len(where[0])))))
        gain = losses[where] @ plan - cvxpy.sum(cvxpy.rel_entr(plan, product[where])) / lam
        cvxpy.Problem(cvxpy.Maximize(gain), [rows.tocsr() @ plan == p]).solve(solver="CLARABEL")
        full = np.zeros((n, m))
        full[where] = plan.value
        return full

    return solved, np.ndarray.tolist


TABLES: dict[str, tuple[Callable[..., Case], list[str]]] = {
    "w_infinity": (
        w_infinity,
        [OURS, "cdist alone", "bisection, scipy matching", "bisection, scipy maximum flow"],
    ),
    "images": (images, [OURS, "scipy linear_sum_assignment", "POT emd2"]),
    "entropic": (entropic, [OURS, "POT sinkhorn_unbalanced", "cvxpy, exponential cone"]),
}


def measure(name: str, *arguments: Any) -> dict[str, Any]:
    """Processor seconds of the first call in this process, of the best later one, the result."""
    call, told = TABLES[name][0](*arguments)
    times: list[float] = []
    result: Any = None
    while len(times) < 2 or (len(times) < 6 and sum(times[1:]) < 0.5):
        start = time.process_time()
        result = call()
        times.append(time.process_time() - start)
        if times[0] > ONCE:
            break
    return {"cold": times[0], "warm": min(times[1:] or times), "result": told(result)}


def apart(*case: Any) -> dict[str, Any] | None:
    """`measure` in a process of its own where numba has no cache; None after `PATIENCE`."""
    with tempfile.TemporaryDirectory() as empty:
        try:
            told = subprocess.run(
                [sys.executable, __file__, "--case", json.dumps(case)],
                env={**os.environ, "NUMBA_CACHE_DIR": empty},
                stdout=subprocess.PIPE,
                text=True,
                check=True,
                timeout=PATIENCE,
            )
        except subprocess.TimeoutExpired:
            return None
    found: dict[str, Any] = json.loads(told.stdout)
    return found


def compare(name: str, about: dict[str, Any], *arguments: Any) -> list[dict[str, Any]]:
    """All solvers on one problem, ours first: times, and how far their results are from ours."""
    records: list[dict[str, Any]] = []
    mine: dict[str, Any] = {}
    for solver in TABLES[name][1]:
        found = apart(name, solver, *arguments)
        record = {**about, "solver": solver}
        if found is None:
            record["seconds_warm"] = f"more than {PATIENCE}"
        else:
            mine = mine or found
            record["seconds_cold"] = round(found["cold"], 5)
            record["seconds_warm"] = round(found["warm"], 5)
            record["warm_time_over_ours"] = round(found["warm"] / mine["warm"], 2)
            if found["result"] is not None:
                a, b = np.array(found["result"]), np.array(mine["result"])
                record["largest_difference_over_largest_entry"] = (
                    f"{np.abs(a - b).max() / np.abs(b).max():.0e}"
                )
        records.append(record)
        print(*(f"{key}: {value}" for key, value in record.items()), sep=", ", flush=True)
    return records


def beyond_distances(records: list[dict[str, Any]]) -> None:
    """Add to each record what it takes beyond computing all distances, which all must do."""
    alone = next(r["seconds_warm"] for r in records if r["solver"] == "cdist alone")
    for record in records:
        if "seconds_cold" in record:
            record["warm_beyond_cdist"] = round(record["seconds_warm"] - alone, 5)


def run(sizes: dict[str, Any]) -> dict[str, Any]:
    """Every table, with what it says about itself."""
    n, (side, patch) = sizes["w_infinity"], sizes["images"]
    points, patches, plans = [], [], []
    for kind in KINDS:
        records = compare("w_infinity", {"points": kind}, kind, n)
        beyond_distances(records)
        points += records
    for kind in ("unlike", "alike"):
        patches += compare("images", {"images": kind}, kind, side, patch)
    for shape in sizes["entropic"]:
        plans += compare("entropic", {"points x candidates": "{} x {}".format(*shape)}, *shape)
    return {
        "title": "Transport: W_infinity, patches, the entropic adversary",
        "times": "processor seconds on one thread; cold: the first call in a new process, with "
        "numba's compilation; warm: the best of the later ones, or the first if it took more than "
        f"{ONCE} s; imports of other packages not counted",
        "w_infinity_of": f"{n} and {n} Gaussian points of 8 coordinates, as they are or in whole "
        "hundredths; ours decides ties exactly and returns a coupling and a cover as proof",
        "patches_of": f"two images of {side} x {side} with patches of {patch} x {patch}; costs "
        "are computed in the time",
        "entropic_adversary": "lam = 3, some candidates out of reach; the plans are compared",
        "machine": platform.machine(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("numpy", "scipy", "numba", "POT", "cvxpy")},
        "w_infinity": points,
        "internal_wasserstein": patches,
        "entropic_plan": plans,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(measure(*json.loads(arguments.case))))
        return
    found = run(TINY if arguments.tiny else SIZES)
    file = arguments.file or (None if arguments.tiny else FILE)
    if file:
        file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
