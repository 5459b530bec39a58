"""Whether this machine can run experiments: what is installed, and a small run from end to end."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from robust_theory.claim import Claim, Interval
from validation.experiment import Experiment, Instance, Json, Measurement, Options, Result
from validation.machine import cores, memory_gib, version, versions
from validation.rows import plan
from validation.run import execute
from validation.unit import Failed, one_line
from validation.verdict import Evidence


@dataclass(frozen=True)
class Finding:
    """One line of the examination."""

    name: str
    text: str
    fine: bool = True


def examine() -> tuple[Finding, ...]:
    """Return what was found, in the order to put it right."""
    packages = versions()
    needed = ("numpy", "scipy", "sympy", "cvxpy", "POT", "python-flint", "distributed")
    missing = [package for package in needed if package not in packages]
    return (
        Finding("robust-theory", version()),
        Finding("python", f"{platform.python_version()} on {platform.platform()}"),
        Finding("cores", str(cores())),
        Finding("memory", f"{memory_gib():g} GiB"),
        Finding("packages", ", ".join(f"{name} {number}" for name, number in packages.items())),
        Finding("missing packages", ", ".join(missing) or "none", not missing),
        _torch(),
        _temporary_folder(),
        _small_run(),
    )


def _torch() -> Finding:
    try:
        import torch
    except ImportError as error:  # the theory works without
        return Finding("torch", f"networks cannot be run: {one_line(error)}")
    cuda = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no GPU"
    return Finding("torch", f"{torch.__version__}, {torch.get_num_threads()} threads, {cuda}")


def _temporary_folder() -> Finding:
    name = "temporary folder"
    try:
        with tempfile.TemporaryFile() as file:
            file.write(b"0" * 2**20)
    except OSError as error:
        return Finding(name, f"cannot be written: {one_line(error)}", fine=False)
    return Finding(name, tempfile.gettempdir())


def _small_run() -> Finding:
    name = "a small run"
    try:
        with tempfile.TemporaryDirectory(prefix="validate-") as folder:
            chosen = plan((), Options(), "validation.doctor:EXPERIMENTS")
            found = execute(chosen, Path(folder) / "run", _Silent(), seed=0, jobs=0)
    except Exception as error:  # whatever is wrong with this machine
        return Finding(name, one_line(error), fine=False)
    words = [row["verdict"] for row in found["rows"]]
    return Finding(name, f"the verdict is {words[0]!r}", words == ["holds"])


class _Silent:
    """Watches without a word."""

    def stored(self, count: int) -> None: ...

    def progress(self, key: str, fraction: float, words: str) -> None: ...

    def finished(self, key: str, seconds: float) -> None: ...

    def failed(self, key: str, failure: Failed) -> None: ...

    def note(self, line: str) -> None: ...


def _measure(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    n = parameters["n"]
    mean = float(np.mean(np.random.default_rng(seed).random(n)))
    # Hoeffding: both sides together err with probability at most alpha.
    half = float(np.sqrt(np.log(2 / alpha) / (2 * n)))
    evidence = Evidence(mean, mean - half, mean + half, "exact", "Hoeffding", n, 0, alpha)
    return Measurement({}, evidence)


EXPERIMENTS = (
    Experiment(
        name="mean-of-uniform-numbers",
        claim=Claim(
            name="uniform-mean",
            source="elementary",
            formula=lambda: r"\mathbb{E} U = \tfrac12",
            relation="==",
            value=lambda: 0.5,
            enclosure=lambda: Interval(0.5, 0.5),
            broken_hypotheses=lambda: (),
        ),
        subject="doctor",
        quantity="mean of U",
        unit="",
        norm="",
        reading="The bar must contain the mark.",
        x_label="",
        instances=lambda options: (Instance("numbers", {"n": 10_000}),),
        measure=_measure,
    ),
)
