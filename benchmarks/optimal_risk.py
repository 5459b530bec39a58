"""Optimal adversarial risk beside other solvers, and its cost beside a plain matrix product.

``python benchmarks/optimal_risk.py MNIST_DIR [FILE.json] [--quick] [--table=NAME]`` prints one line
per case and, with a file, writes them there; with a table it measures only that one again.
Everything runs on one thread, each case in its own process, whose greatest memory is reported.
Times of other solvers do not include distances; "-" is not run, for sizes beyond reach. What these
are a table of its own says, where sizes double until a solver needs more than two minutes or 8 GiB
of address space.
"""

from __future__ import annotations

import argparse
import datetime
import json
import multiprocessing
import os
import platform
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import scipy
from scipy.optimize import linear_sum_assignment, linprog
from scipy.sparse import csr_array
from scipy.spatial.distance import cdist

from empirical.data import load
from robust_theory.risks.augmenting import compile_if_possible, pothen_fan
from robust_theory.risks.conflict import find_conflicts, find_conflicts_among
from robust_theory.risks.coupling import heaviest_coupling
from robust_theory.risks.curve import risk_curve
from robust_theory.risks.multiclass import optimal_risks_multiclass
from robust_theory.risks.risk import optimal_risk, optimal_risks
from robust_theory.risks.samples import read_samples
from robust_theory.risks.weights import two_class_weights

PATIENCE = 120  # seconds
SPACE = 8 << 30


def mnist(folder: str) -> tuple[np.ndarray, np.ndarray]:
    """The training images as bytes, one row each, and their labels."""
    data = load("mnist", folder)
    images = np.rint(data.images[data.train] * 255).astype(np.uint8)
    return images.reshape(len(images), -1), data.labels[data.train]


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of this process's own work, so that other processes change little."""
    start = time.process_time()
    result = call()
    return time.process_time() - start, result


def synthetic(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two Gaussian classes near a subspace of dimension 12, in 784 dimensions, in doubles."""
    draw = np.random.default_rng(seed)
    basis = draw.normal(size=(12, 784)) / 28
    shift = np.zeros(12)
    shift[0] = 1.5
    samples = []
    for side in (-1, 1):
        inside = draw.normal(size=(n, 12)) + side * shift
        samples.append(inside @ basis + draw.normal(size=(n, 784)) / 280)
    return samples[0], samples[1]


def eps_with(conflicts: int, X0: np.ndarray, X1: np.ndarray) -> float:
    """An eps at which about this many pairs conflict, from the distances of a part."""
    part = min(2000, len(X0))
    distances = cdist(X0[:part], X1[:part]).ravel()
    rank = int(conflicts / (len(X0) * len(X1)) * distances.size)
    return round(float(np.partition(distances, rank)[rank]) / 2, 4)


def product(X0: np.ndarray, X1: np.ndarray) -> float:
    """Seconds of the plain product of the two samples in single precision, block by block."""
    P, Q = X0.astype(np.float32), X1.astype(np.float32)
    block = np.empty((2048, len(Q)), np.float32)

    def multiply() -> None:
        for k in range(0, len(P), len(block)):
            rows = P[k : k + len(block)]
            np.matmul(rows, Q.T, out=block[: len(rows)])

    P[:64] @ Q.T  # the first call also loads the library
    return timed(multiply)[0]


def peak() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)


# Other solvers: from a conflict relation to the size of a maximum matching.


def by_assignment(rows: np.ndarray, columns: np.ndarray, n: int) -> int:
    table = np.zeros((n, n))
    table[rows, columns] = 1
    return int(table[linear_sum_assignment(table, maximize=True)].sum())


def by_transport(rows: np.ndarray, columns: np.ndarray, n: int) -> int:
    import ot

    far = np.ones((n, n))
    far[rows, columns] = 0
    mass = np.full(n, 1 / n)
    return round(n * (1 - ot.emd2(mass, mass, far, numItermax=10**8)))


def by_edge_program(rows: np.ndarray, columns: np.ndarray, n: int) -> int:
    m = len(rows)
    table = csr_array(
        (np.ones(2 * m), (np.concatenate([rows, n + columns]), np.tile(np.arange(m), 2))),
        shape=(2 * n, m),
    )
    return round(-linprog(-np.ones(m), A_ub=table, b_ub=np.ones(2 * n), method="highs").fun)


def by_dense_program(rows: np.ndarray, columns: np.ndarray, n: int) -> int:
    import cvxpy

    far = np.ones((n, n))
    far[rows, columns] = 0
    plan = cvxpy.Variable((n, n), nonneg=True)
    sums = [cvxpy.sum(plan, axis=0) == 1, cvxpy.sum(plan, axis=1) == 1]
    problem = cvxpy.Problem(cvxpy.Minimize(cvxpy.sum(cvxpy.multiply(far, plan))), sums)
    return n - round(problem.solve(solver="HIGHS"))


SOLVERS = {
    "scipy linear_sum_assignment": by_assignment,
    "POT emd2": by_transport,
    "edge program, HiGHS": by_edge_program,
    "cvxpy, dense plan": by_dense_program,
}


def solvers(folder: str, quick: bool, _: str) -> list[dict[str, Any]]:
    import cvxpy  # noqa: F401
    import ot  # noqa: F401

    X, y = mnist(folder)
    scores: list[dict[str, Any]] = []
    tired: set[tuple[str, str]] = set()
    for n in (200, 500) if quick else (500, 1000, 2000, 5000):
        A, B = synthetic(n)
        cases = {
            "MNIST 3, 7": (X[y == 3][:n], X[y == 7][:n], 4.0, 255),
            "synthetic": (A, B, eps_with(8 * n, A, B), None),
        }
        for name, (X0, X1, eps, scale) in cases.items():
            distances, found = timed(
                lambda a=X0, b=X1, e=eps, s=scale: find_conflicts(
                    *read_samples({"X0": a, "X1": b}, s), "l2", e
                )
            )
            result = optimal_risk(X0, X1, eps, scale=scale)
            ours, _ = timed(
                lambda f=found, r=result: heaviest_coupling(f.rows, f.columns, r.weights, f.shape)
            )
            checking = timed(result.verify)
            theirs, _ = timed(lambda a=X0, b=X1: cdist(a, b))
            row = {
                "sample": name,
                "per class": n,
                "conflicts": len(found),
                "risk": str(result.risk),
                "verified": checking[1],
                "our matching, s": f"{ours:.4f}",
                "scipy cdist over our distances": round(theirs / distances, 1),
            }
            for solver, solve in SOLVERS.items():
                if (solver, name) in tired or (solver == "cvxpy, dense plan" and n > 1000):
                    row[f"{solver} over our matching"] = "-"
                    continue
                seconds, matched = timed(lambda f=found, s=solve, k=n: s(f.rows, f.columns, k))
                same = matched == 2 * n * result.risk
                row[f"{solver} over our matching"] = f"{seconds / ours:.0f}" + (
                    "" if same else f" (DIFFERENT: {matched})"
                )
                if seconds > PATIENCE:
                    tired.add((solver, name))
            scores.append(row)
            print(row, file=sys.stderr)
    return scores


def limits(folder: str, quick: bool, name: str) -> list[dict[str, Any]]:
    """Synthetic samples twice as large each time, until a solver is killed."""
    solve = SOLVERS.get(name)
    n = 100 if quick else 500 if name == "cvxpy, dense plan" else 5000
    last = 4 * n if quick else 40_000
    row: dict[str, Any] = {"solver": name, "solved, per class": 0, "fails at": "-", "for": "-"}
    while n <= last:
        X0, X1 = synthetic(n)
        eps = eps_with(8 * n, X0, X1)
        found = find_conflicts(*read_samples({"X0": X0, "X1": X1}), "l2", eps)
        weights = two_class_weights(found.shape, None, None, "1/2")
        del X0, X1
        ours, (pairs, _) = timed(
            lambda f=found, w=weights: heaviest_coupling(f.rows, f.columns, w, f.shape)
        )
        if solve is None:
            row |= {"solved, per class": n, "conflicts": len(found), "s": round(ours, 2)}
        else:
            seconds, matched = _limited(solve, found.rows, found.columns, n)
            if matched is None:
                return [row | {"fails at": n, "for": seconds}]
            row |= {"solved, per class": n, "conflicts": len(found), "s": round(seconds, 2)}
            row["over our matching"] = f"{seconds / ours:.0f}"
            row["same"] = matched == len(pairs)
        print(row, file=sys.stderr)
        n *= 2
    return [row]


def _limited(solve: Callable[..., int], *arguments: Any) -> tuple[Any, int | None]:
    """Seconds and result in a process of its own; "time" or "memory" and None if it is killed."""
    fork = multiprocessing.get_context("fork")
    mine, theirs = fork.Pipe(duplex=False)

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (SPACE, SPACE))
        resource.setrlimit(resource.RLIMIT_CPU, (PATIENCE, PATIENCE + 5))
        solve(np.zeros(1, int), np.zeros(1, int), 1)  # the first call also loads the library
        theirs.send(timed(lambda: solve(*arguments)))

    process = fork.Process(target=work)
    process.start()
    theirs.close()
    try:
        return mine.recv()
    except EOFError:
        process.join()
        return "time" if process.exitcode == -signal.SIGXCPU else "memory", None


def large(folder: str, quick: bool, name: str) -> list[dict[str, Any]]:
    last: Any = 4.0
    scale: Any = 255
    X0: np.ndarray
    X1: np.ndarray
    if name == "MNIST 3, 7":
        X, y = mnist(folder)
        X0, X1 = (X[y == k][: 500 if quick else None] for k in (3, 7))
    else:
        X0, X1 = synthetic(3000 if quick else 30_000)
        last, scale = eps_with(20_000 if quick else 650_000, X0, X1), None
        if name == "synthetic, 8 bits":
            X0, X1 = (np.rint((Z + 1) * 127.5).clip(0, 255).astype(np.uint8) for Z in (X0, X1))
            scale = "255/2"
    # Compiled once per installation, then kept.
    risk_curve([[0], [1]], [[0], [1]], eps_max=1)
    options: dict[str, Any] = {"scale": scale, "prior0": "sample"}
    gemm = product(X0, X1)
    distances, found = timed(
        lambda: find_conflicts(*read_samples({"X0": X0, "X1": X1}, scale), "l2", last)
    )
    grid = [last * k / 50 for k in range(1, 51)]
    at_grid, risks = timed(lambda: optimal_risks(X0, X1, grid, **options))
    whole, curve = timed(lambda: risk_curve(X0, X1, eps_max=last, **options))
    solving, result = timed(lambda: optimal_risk(X0, X1, last, **options))
    seconds, good = timed(result.verify)
    again = timed(
        lambda: find_conflicts(
            *(
                z[k]
                for z, k in zip(
                    read_samples({"X0": X0, "X1": X1}, scale), result.survivors, strict=True
                )
            ),
            "l2",
            last,
        )
    )[0]
    row = {
        "sample": name,
        "points": f"{len(X0)} + {len(X1)}",
        "eps max": last,
        "conflicts": len(found),
        "risk there": f"{float(result.risk):.5f}",
        "breakpoints": len(curve.keys),
        "grid agrees": all(curve(e) == r for e, r in zip(grid, risks, strict=True)),
        "verified": good,
        "product, s": round(gemm, 2),
        "distances over product": round(distances / gemm, 2),
        "grid of 50 less distances over product": round((at_grid - distances) / gemm, 2),
        "exact curve less distances over product": round((whole - distances) / gemm, 2),
        "curve over grid, less distances": round(
            (whole - distances) / max(at_grid - distances, 1e-3), 1
        ),
        "check less distances over solution": round((seconds - again) / solving, 3),
        "peak memory, GiB": peak(),
    }
    print(row, file=sys.stderr)
    return [row]


def ten_classes(folder: str, quick: bool, _: str) -> list[dict[str, Any]]:
    X, y = (table[: 2000 if quick else 60_000] for table in mnist(folder))
    compile_if_possible(pothen_fan)
    optimal_risks_multiclass([[0], [1]], [0, 1], [1])
    order = np.argsort(y, kind="stable")
    gemm = sum(product(X[order][y[order] == k], X[order][y[order] > k]) for k in range(9))
    eps = ("2", "2.5", "3", "3.5")
    found, _ = timed(
        lambda: find_conflicts_among(read_samples({"X": X}, 255)[0], y, "l2", max(map(float, eps)))
    )
    whole, risks = timed(lambda: optimal_risks_multiclass(X, y, eps, scale=255))
    row: dict[str, Any] = {"points": len(X)}
    row |= {f"2 n risk at eps {e}": str(2 * len(X) * r) for e, r in zip(eps, risks, strict=True)}
    row |= {
        "product, s": round(gemm, 2),
        "distances over product": round(found / gemm, 2),
        "four matchings over product": round((whole - found) / gemm, 2),
        "peak memory, GiB": peak(),
    }
    print(row, file=sys.stderr)
    return [row]


TABLES: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "solvers": (solvers, ("",)),
    "solvers, sizes doubled until they fail": (limits, ("ours", *SOLVERS)),
    "large samples": (large, ("synthetic, doubles", "synthetic, 8 bits", "MNIST 3, 7")),
    "ten classes, MNIST": (ten_classes, ("",)),
}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="folder with the files of MNIST")
    parser.add_argument("file", nargs="?", type=Path, help="where to write the results, as JSON")
    parser.add_argument("--quick", action="store_true", help="small samples")
    parser.add_argument("--table", choices=TABLES, help="measure this one alone, again")
    parser.add_argument("--case", help="one case of the table, in this process; prints JSON")
    chosen = parser.parse_args(arguments)
    if chosen.case is not None:
        function, _ = TABLES[chosen.table]
        print(json.dumps(function(chosen.folder, chosen.quick, chosen.case)))
        return
    run: dict[str, Any] = {
        "title": "Optimal adversarial risk: speed beside other solvers and beside a matrix product",
        "samples": "MNIST training images; two Gaussian classes near a 12-dimensional subspace of "
        "784 dimensions; norm l2",
        "times": "seconds of processor time, one thread",
        "dates": {},
        "machine": platform.machine(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
    }
    if chosen.table and chosen.file:
        run |= json.loads(chosen.file.read_text(encoding="utf-8"))
    for table, (_, cases) in TABLES.items():
        if (chosen.table or table) != table:
            continue
        run[table] = []
        run["dates"][table] = datetime.date.today().isoformat()
        for case in cases:
            command = [sys.executable, __file__, chosen.folder, f"--table={table}"]
            command += [f"--case={case}", *["--quick"] * chosen.quick]
            answer = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
            run[table] += json.loads(answer.stdout.splitlines()[-1])
        if chosen.file:
            chosen.file.write_text(json.dumps(run, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
