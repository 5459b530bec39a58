"""Small catalogues for the tests of runs: every verdict, every way to fail, and hostile names.

What a unit does besides computing (to be logged, slow, or killed) is told by the environment,
because its result may depend on its parameters and seed only.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from robust_theory.claim import A_PROBABILITY, Claim, Interval
from validation.experiment import Curve, Experiment, Instance, Measurement, Result, Unit
from validation.verdict import Evidence


def _log(name: str) -> None:
    """Append a line, with the process at work, to the file that the environment names."""
    time.sleep(float(os.environ.get("TOY_SLEEP", "0")))
    if path := os.environ.get("TOY_LOG"):
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"{name!r} {os.getpid()}\n")


def draw(parameters, inputs, seed, progress):
    _log(parameters["name"])
    progress(0.5, "half of it")
    x = np.random.default_rng(seed).random((parameters["n"], 2))
    return Result({"mean": float(x.mean())}, {"x": x, "y": x.T})


def chatter(parameters, inputs, seed, progress):
    print("a unit prints")
    progress(0.5, "[bold]not markup[/bold]\x1b[31m")
    return draw(parameters, inputs, seed, progress)


def pinned(parameters, inputs, seed, progress):
    import torch

    state = [torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()]
    return Result({"state": [*state, torch.initial_seed() == seed]}, {"x": np.zeros(2)})


def fail(parameters, inputs, seed, progress):
    _log(parameters["name"])
    raise RuntimeError("the unit\nfails <script>")


def leave(parameters, inputs, seed, progress):
    raise SystemExit(0)


def not_a_number(parameters, inputs, seed, progress):
    return Result({"mean": float("nan")})


def die_once(parameters, inputs, seed, progress):
    marker = Path(os.environ["TOY_MARKER"])
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return draw(parameters, inputs, seed, progress)


def die(parameters, inputs, seed, progress):
    _log(parameters["name"])
    os.kill(os.getpid(), signal.SIGKILL)


def tabulate(parameters, inputs, seed, progress):
    _log(parameters["name"])
    rows = [(key, result.values["mean"]) for key, result in sorted(inputs.items())]
    return Result({"title": "Toys", "columns": ("toy", "mean"), "rows": rows, "note": ""})


def unit(name, function="draw", n=200, needs=(), accelerated=False, cost=0.0):
    return Unit(f"toy/{name}", f"toy:{function}", {"name": name, "n": n}, needs, accelerated, cost)


def claim(name="mean-is-half", relation="==", value=0.5, broken=(), possible=A_PROBABILITY):
    return Claim(
        name=name,
        source="elementary",
        formula=lambda: r"\mathbb{E} U = \tfrac12",
        relation=relation,
        value=lambda: value,
        enclosure=lambda: Interval(value, value),
        broken_hypotheses=lambda: broken,
        possible=possible,
    )


def measure(parameters, inputs, seed, alpha):
    """The mean of all numbers drawn by the row and the units it needs, with Hoeffding's band."""
    _log(parameters["name"])
    drawn = [np.random.default_rng(seed).random(100)]
    drawn += [result.arrays["x"].ravel() for result in inputs.values()]
    x = np.concatenate(drawn)
    half = float(np.sqrt(np.log(2 / alpha) / (2 * x.size)))
    mean = float(x.mean())
    grid = tuple(np.linspace(0, 1, 5).tolist())
    curve = Curve("toy", grid, grid, grid, grid, grid) if parameters.get("curve") else None
    side = parameters.get("side", "exact")
    evidence = Evidence(mean, mean - half, mean + half, side, "Hoeffding", x.size, 0, alpha)
    return Measurement({}, evidence, curve=curve)


def experiment(name, instances, stated=None, subject="toy", measured=measure, tables=()):
    return Experiment(
        name=name,
        claim=stated or claim(),
        subject=subject,
        quantity="mean of U",
        unit="",
        norm="",
        reading="The bar must contain the mark.",
        x_label="u",
        instances=lambda options: tuple(instances),
        measure=measured,
        tables=lambda options: tables,
    )


def rows(count, *, function="draw", prefix="row", **parameters):
    """Instances that share some units and have some of their own, which need each other."""
    shared = unit(f"{prefix}-shared", function)
    found = []
    for i in range(count):
        own = unit(f"{prefix}-{i}", needs=(shared,))
        name = f"{prefix}-{i}"
        found.append(Instance(name, {"name": f"measure {name}", **parameters}, (own, shared)))
    return tuple(found)


STEADY = (
    experiment("steady", rows(6)),
    experiment("other", rows(2, prefix="other"), claim("other-claim"), subject="elsewhere"),
)
TRAINED = unit("trained", "pinned", accelerated=True)
READS_IT = unit("reads-it", "pinned", needs=(TRAINED,))
NETWORKS = (experiment("network", [Instance("a", {"name": "a"}, (TRAINED, READS_IT))]),)
VIOLATED = (*STEADY, experiment("wrong", rows(1, prefix="wrong"), claim("wrong", value=0.9)))
UNDECIDED = (experiment("weak", [Instance("weak", {"name": "weak", "side": "upper"})]),)
VACUOUS = (experiment("empty", rows(1), claim("empty", "<=", 1.0)),)
NOT_APPLICABLE = (experiment("broken", rows(1), claim("broken", broken=("n must be even",))),)
NOTHING = (experiment("nothing", ()),)
FAILING = (
    *STEADY,
    experiment("failing", rows(2, function="fail", prefix="failing"), claim("failing")),
    experiment("leaving", rows(1, function="leave", prefix="leaving"), claim("leaving")),
    experiment("nan", rows(1, function="not_a_number", prefix="nan"), claim("nan")),
)
WRONG_AND_FAILING = (*VIOLATED, *FAILING[len(STEADY) :])
CHATTY = (experiment("chatty", rows(1, function="chatter")),)
DYING_ONCE = (*STEADY, experiment("dying-once", rows(2, function="die_once", prefix="once")))
DYING = (*STEADY, experiment("dying", rows(2, function="die", prefix="dying"), claim("dying")))
NOT_JSON = (experiment("not-json", [Instance("a", {"set": {1, 2}})]),)
TWICE = (experiment("twice", [Instance("a", {}), Instance("a", {})]),)

# Two tables that share a unit, and a row with a unit of its own; minutes that are not taken.
BOTH, LEFT, RIGHT = (unit(name, cost=cost) for name, cost in (("both", 120), ("l", 240), ("r", 60)))
ALONE = unit("alone", needs=(BOTH,), cost=600)
COSTLY = (
    experiment(
        "tables",
        [Instance("a", {"name": "measure a"}, (LEFT,))],
        replace(claim("first"), source="paper2018, Theorem 1, after other2017"),
        tables=(
            unit("table-l", "tabulate", needs=(LEFT, BOTH)),
            unit("table-r", "tabulate", needs=(RIGHT, BOTH)),
        ),
    ),
    experiment("alone", [Instance("b", {"name": "measure b"}, (ALONE,))], claim("second")),
    experiment(
        "other",
        [Instance("c", {"name": "measure c"}, (RIGHT,))],
        replace(claim("third"), source="paper2018; other2017"),
    ),
)

LONG_AND_SHORT = (
    experiment(
        "long-and-short",
        [
            Instance(str(cost), {"name": f"measure {cost}"}, (unit(str(cost), cost=cost),))
            for cost in (3, 7, 1, 8, 4, 2, 6, 5)
        ],
    ),
)

HOSTILE_NAMES = (
    "<script>alert(1)</script>",
    "\"quotes' & ampersands",
    "new\nline\r\ttab",
    "../../etc/passwd",
    "\x1b[31mred\x00nul",
    "\u202ereversed, ünïcode \N{GRINNING FACE}",
    "[bold]markup[/bold] {braces} %s $(command) `x`",
    "-starts-with-a-dash",
    "",
    "long" * 500,
)
HOSTILE = tuple(
    experiment(
        name,
        [
            Instance(other, {"name": other, "curve": True}, (unit(f"{name}{other}"),))
            for other in HOSTILE_NAMES[:3]
        ]
        + [Instance(name, {"name": name}, (unit(name, n=10),))] * (name not in HOSTILE_NAMES[:3]),
        claim(name),
        subject=name,
    )
    for name in HOSTILE_NAMES
)
