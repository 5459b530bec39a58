"""W1 between images: our methods, and other packages on the same images in the same run.

``python benchmarks/grid.py [FILE.json]`` prints one line per case and, with a file, writes them
there. Everything runs on one thread. Times are those of a process that has imported everything; a
solver that took more than a second or two is not run on larger images.
"""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import cvxpy
import networkx
import numpy as np
import ot
import scipy
from scipy.optimize import linprog
from scipy.sparse import csc_array, eye_array, kron

from robust_theory import grid_wasserstein
from robust_theory.wasserstein.flow import pixel_edges
from robust_theory.wasserstein.flow_solvers import pixel_distances
from robust_theory.wasserstein.grid_transport import diameter

SIDES = {"spots": (8, 16, 28, 32, 64, 128), "spots on black": (28, 64)}
PATIENCE = 1.5
# Solvers that would take minutes, or gigabytes, on larger images.
LARGEST = {
    'method="signed"': 64,
    'method="transport"': 64,
    "scipy linprog, all pairs": 16,
    "POT emd, all pairs": 64,
    "POT emd, differences": 64,
}


def image(rng: np.random.Generator, n: int, kind: str) -> np.ndarray:
    """An 8-bit image of a few smooth spots with noise, or the same without its dark parts."""
    i, j = np.mgrid[:n, :n]
    light = np.zeros((n, n))
    for _ in range(4):
        a, b, s = *rng.uniform(0, n, 2), rng.uniform(n / 12, n / 4)
        light += rng.uniform(0.3, 1) * np.exp(-((i - a) ** 2 + (j - b) ** 2) / (2 * s * s))
    if kind == "spots on black":
        light = np.maximum(light - 0.4, 0)
    else:
        light += 0.05 * rng.random((n, n))
    return np.rint(255 * np.clip(light, 0, 1)).astype(np.uint8)


def seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    """Processor time of a call and its result: the best of three calls if it is short."""
    times, result = [], None
    while len(times) < 3 and sum(times) < 0.5:
        start = time.process_time()
        result = call()
        times.append(time.process_time() - start)
    return min(times), result


def all_pairs_pot(x: np.ndarray, y: np.ndarray) -> float:
    """Transport between all pixels."""
    pixels = np.arange(x.size)
    costs = pixel_distances(pixels, pixels, x.shape[1], "l1")
    _, log = ot.emd(
        x.ravel() / x.sum(), y.ravel() / y.sum(), costs, numItermax=100_000_000, log=True
    )
    return math.nan if log["warning"] else float(log["cost"])


def differences_pot(x: np.ndarray, y: np.ndarray) -> float:
    """Transport from where x is larger to where y is."""
    supply = (x / x.sum() - y / y.sum()).ravel()
    sources, targets = np.flatnonzero(supply > 0), np.flatnonzero(supply < 0)
    costs = pixel_distances(sources, targets, x.shape[1], "l1")
    give, take = supply[sources], -supply[targets]
    take *= give.sum() / take.sum()
    _, log = ot.emd(give, take, costs, numItermax=100_000_000, log=True)
    return math.nan if log["warning"] else float(log["cost"])


def all_pairs_scipy(x: np.ndarray, y: np.ndarray) -> float:
    """The linear program over all pairs of pixels."""
    n, pixels = x.size, np.arange(x.size)
    costs = pixel_distances(pixels, pixels, x.shape[1], "l1")
    ones = csc_array(np.ones((1, n)))
    rows = scipy.sparse.vstack([kron(eye_array(n), ones), kron(ones, eye_array(n))]).tocsc()[:-1]
    wanted = np.concatenate([x.ravel() / x.sum(), y.ravel() / y.sum()])[:-1]
    return float(linprog(costs.ravel(), A_eq=rows, b_eq=wanted).fun)


def outflow(shape: tuple[int, ...]) -> csc_array:
    """The matrix from a signed flow to what leaves each pixel."""
    tails, heads = pixel_edges(shape)
    edges = np.arange(len(tails))
    where = (np.concatenate([tails, heads]), np.concatenate([edges, edges]))
    signs = np.repeat([1.0, -1.0], len(tails))
    return csc_array((signs, where), shape=(math.prod(shape), len(tails)))


def convex(solver: str) -> Callable[[np.ndarray, np.ndarray], float]:
    """Lemma 1 as one would write it in cvxpy."""

    def solve(x: np.ndarray, y: np.ndarray) -> float:
        matrix = outflow(x.shape)
        flow = cvxpy.Variable(matrix.shape[1])
        supply = (x / x.sum() - y / y.sum()).ravel()
        problem = cvxpy.Problem(cvxpy.Minimize(cvxpy.norm1(flow)), [matrix @ flow == supply])
        return float(problem.solve(solver=solver))

    return solve


def network_simplex(x: np.ndarray, y: np.ndarray) -> float:
    """Least-cost flow between neighbours, in integers."""
    a, b = int(x.sum()), int(y.sum())
    shared = math.gcd(a, b)
    supply = x.astype(int) * (b // shared) - y.astype(int) * (a // shared)
    graph = networkx.DiGraph()
    graph.add_nodes_from((k, {"demand": -s}) for k, s in enumerate(supply.ravel().tolist()))
    tails, heads = (ends.tolist() for ends in pixel_edges(x.shape))
    for tail, head in zip(tails, heads, strict=True):
        graph.add_edge(tail, head, weight=1)
        graph.add_edge(head, tail, weight=1)
    return float(Fraction(networkx.network_simplex(graph)[0] * shared, a * b))


def ours(**options: Any) -> Callable[[np.ndarray, np.ndarray], Any]:
    """`grid_wasserstein`, which checks its own proof in that time."""
    return lambda x, y: grid_wasserstein(x, y, normalise=True, **options).value


EXACTLY = ours(exact=True)
SOLVERS: dict[str, Callable[[np.ndarray, np.ndarray], Any]] = {
    "grid_wasserstein": ours(),
    "grid_wasserstein, exact": EXACTLY,
    **{
        f'method="{name}"': ours(method=name)
        for name in ("potential", "flow", "flow-ipm", "signed", "transport")
    },
    "POT emd, differences": differences_pot,
    "POT emd, all pairs": all_pairs_pot,
    "cvxpy, HIGHS": convex("HIGHS"),
    "cvxpy, CLARABEL": convex("CLARABEL"),
    "networkx network simplex": network_simplex,
    "scipy linprog, all pairs": all_pairs_scipy,
}
L2_METHODS = ("transport", "eight-neighbours")


def compare(kind: str, n: int, tired: set[str]) -> list[dict[str, Any]]:
    """All solvers on one pair of images; adds to `tired` those that are too slow to go on."""
    rng = np.random.default_rng(n)
    x, y = image(rng, n, kind), image(rng, n, kind)
    exact = EXACTLY(x, y)
    records: list[dict[str, Any]] = []
    for name, solve in SOLVERS.items():
        if name in tired or n > LARGEST.get(name, n):
            continue
        took, value = seconds(lambda s=solve: s(x, y))
        if took > PATIENCE and not name.startswith("grid_wasserstein"):
            tired.add(name)
        error = abs(float(value - exact)) / diameter((n, n))
        records.append(
            {
                "images": f"{n} x {n}, {kind}",
                "solver": name,
                "seconds": round(took, 4),
                "time_over_ours": round(took / (records[0]["seconds"] if records else took), 2),
                "error_over_mass_times_diameter": f"{error:.0e}",
            }
        )
        print(*(f"{key}: {value}" for key, value in records[-1].items()), sep=", ", flush=True)
    return records


def compare_l2(kind: str, n: int) -> list[dict[str, Any]]:
    """The l2 ground metric: solved, and bracketed."""
    rng = np.random.default_rng(n)
    x, y = image(rng, n, kind), image(rng, n, kind)
    records = []
    for method in L2_METHODS:
        if method == "transport" and n > 64:
            continue
        took, found = seconds(
            lambda m=method: grid_wasserstein(x, y, "l2", normalise=True, method=m)
        )
        records.append(
            {
                "images": f"{n} x {n}, {kind}",
                "method": method,
                "seconds": round(took, 4),
                "lower": found.lower,
                "upper": found.upper,
                "upper_over_lower": f"{found.upper / found.lower:.6f}",
            }
        )
        print(*(f"{key}: {value}" for key, value in records[-1].items()), sep=", ", flush=True)
    return records


def seconds_to_import(module: str) -> float:
    """In a process of its own, less what Python and numpy take."""
    code = f"import numpy, time; t = time.process_time(); import {module}; "
    told = subprocess.run(
        [sys.executable, "-c", code + "print(time.process_time() - t)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return round(float(told.stdout), 2)


def main(arguments: list[str]) -> None:
    tired: set[str] = set()
    l1, l2 = [], []
    for n in sorted({side for sides in SIDES.values() for side in sides}):
        for kind, sides in SIDES.items():
            if n in sides:
                l1 += compare(kind, n, tired)
                l2 += compare_l2(kind, n)
    run = {
        "title": "W1 between images",
        "images": "two 8-bit images a pair, normalised, spots of light of random place and size",
        "ours": "grid_wasserstein with its default method, its proof checked in the same time",
        "times": "processor seconds on one thread, best of three if short, imports not counted; "
        f"a solver that took more than {PATIENCE:g} s is not run on larger images",
        "errors": "against the value proved in rational arithmetic",
        "seconds_to_import": {
            name: seconds_to_import(name) for name in ("scipy.optimize", "ot", "cvxpy", "networkx")
        },
        "machine": platform.machine(),
        "python": platform.python_version(),
        "versions": {
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "POT": ot.__version__,
            "cvxpy": cvxpy.__version__,
            "networkx": networkx.__version__,
        },
        "l1_ground_metric": l1,
        "l2_ground_metric": l2,
    }
    if arguments:
        with open(arguments[0], "w", encoding="utf-8") as file:
            json.dump(run, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main(sys.argv[1:])
