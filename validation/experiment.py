"""What an experiment is: a claim, the instances it is tested on, and how to measure each.

Heavy work (training, attacking) is done by shared `Unit` s that several rows need; the row itself
is a cheap unit that turns their results into a `Measurement`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from robust_theory.claim import Claim, Interval
from validation.verdict import Evidence

Json: TypeAlias = Any  # what the standard library's json can write, NaN and infinities excepted
Progress: TypeAlias = Callable[[float, str], None]  # fraction done, in words


@dataclass(frozen=True)
class Options:
    """What the user asked for. Everything that can change a number, and nothing else."""

    suite: str = "quick"
    data: str = "digits"
    data_dir: str | None = None
    norm: str = "l2"
    eps: tuple[str, ...] = ()
    device: str = "cpu"
    alpha: float = 0.01  # family-wise error level of the whole report


@dataclass(frozen=True)
class Result:
    """What a unit returns: JSON values and arrays of numbers, never objects."""

    values: Mapping[str, Json] = field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Unit:
    """A pure piece of work: the result depends on these fields, the root seed and nothing else.

    Parameters
    ----------
    key : str
        Unique in a run, such as ``"digits/classifier-cnn"``; with the root seed it gives the seed.
    function : str
        ``"module:name"`` of a function ``(parameters, inputs, seed, progress) -> Result``, where
        `inputs` maps the keys in `needs` to their `Result`.
    parameters : mapping
        JSON values.
    needs : tuple of Unit
        Units whose results it reads.
    accelerated : bool
        Trains or attacks: asks for the resource GPU=1 when the device is cuda.
    cost : float
        Processor seconds expected on one ordinary core with device cpu; 0 for a few seconds or
        less. For the budget alone: a unit done under another cost is the same unit.
    """

    key: str
    function: str
    parameters: Mapping[str, Json]
    needs: tuple[Unit, ...] = ()
    accelerated: bool = False
    cost: float = field(default=0.0, compare=False)

    def __post_init__(self) -> None:
        if not 0 <= self.cost < math.inf:
            raise ValueError(f"cost must be finite and at least 0, got {self.cost!r}")


@dataclass(frozen=True)
class Curve:
    """Theory and experiment over one axis, for the plot of a row. All sequences equally long.

    `lo` and `hi` are the band of the observed curve. At most a few hundred points.
    """

    label: str
    x: tuple[float, ...]
    theory: tuple[float, ...]
    observed: tuple[float, ...]
    lo: tuple[float, ...]
    hi: tuple[float, ...]


@dataclass(frozen=True)
class Table:
    """Numbers side by side, such as a paper's table with our measurements in its layout.

    Parameters
    ----------
    title, note : str
        What it shows; what must be known to read it.
    columns : tuple of str
        Heads; the first names what the rows are.
    rows : tuple of tuple
        As many cells each as there are columns: text, numbers, or None where there is no number.
        A cell that the budget left out says what it would take.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | float | None, ...], ...]
    note: str

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"every row of a table needs {len(self.columns)} cells")


@dataclass(frozen=True)
class Measurement:
    """One row's outcome: the claim's arguments (JSON values), evidence, and what to plot.

    `theory` encloses the claim's value when the arguments are estimates; None means
    ``claim.enclosure(**arguments)``.
    """

    arguments: Mapping[str, Json]
    evidence: Evidence
    theory: Interval | None = None
    curve: Curve | None = None


# Parameters of an instance, results by key, seed and level to what was measured.
Measure: TypeAlias = Callable[[Mapping[str, Json], Mapping[str, Result], int, float], Measurement]


@dataclass(frozen=True)
class Instance:
    """One row of the report before it is measured.

    `skipped` says why the budget leaves it out; nothing of it is then carried out. `cost` is that
    of the row's own unit, as in `Unit`.
    """

    name: str
    parameters: Mapping[str, Json]
    needs: tuple[Unit, ...] = ()
    skipped: str = ""
    cost: float = 0.0


@dataclass(frozen=True)
class Experiment:
    """A claim and the way to test it.

    Parameters
    ----------
    name : str
        Lower-case words joined by hyphens.
    claim : Claim
        The theorem under test.
    subject : str
        Name of the module of ``robust_theory`` that the claim lives in.
    quantity, unit, norm : str
        What is measured, in words; its unit; the norm of its distances ("" for none).
    reading : str
        One sentence on how to read the plot.
    x_label : str
        Horizontal axis of the plot.
    instances : callable
        `Options` to the rows.
    measure : callable
        ``(parameters, inputs, seed, alpha) -> Measurement``, where `inputs` maps keys to `Result`.
    resolution : float
        Equality claims: widest band that counts as a decision, fixed here beforehand.
    tables : callable
        `Options` to units whose values are the fields of a `Table`, made when a row of the
        experiment is selected. They need units of the rows, and never change a verdict.
    norms : tuple of str
        Norms that a run may ask for; under others the rows are left out, with ValueError where
        nothing else was asked for by that name. Experiments with a norm of their own take all.
    """

    name: str
    claim: Claim
    subject: str
    quantity: str
    unit: str
    norm: str
    reading: str
    x_label: str
    instances: Callable[[Options], tuple[Instance, ...]]
    measure: Measure
    resolution: float = float("inf")
    tables: Callable[[Options], tuple[Unit, ...]] = lambda options: ()
    norms: tuple[str, ...] = ("l1", "l2", "linf")


@dataclass(frozen=True)
class Row:
    """One line of a report: an experiment on one of its instances."""

    experiment: Experiment
    instance: Instance

    @property
    def key(self) -> str:
        """Key of the row's own unit; with the root seed it gives the seed."""
        return f"{self.experiment.name}/{self.instance.name}"


@dataclass(frozen=True)
class Outcome:
    """What became of a row: measured, failed after retries, or left out by the budget.

    Parameters
    ----------
    row : Row
        The row.
    values : mapping or None
        What its unit returned: ``arguments``, ``evidence`` (the fields of `Evidence`), ``theory``
        (``value``, ``lo``, ``hi``), ``verdict``, ``reason``, ``detectable``, ``curve`` (the fields
        of `Curve`, or None). Non-finite numbers as the strings of `json_number`.
    error, skipped : str or None
        One line each: why there are no values.
    seconds : float
        Time of its own unit and of the units it needs, each counted whole.
    artifacts : tuple of str
        Files below the run's directory with the arrays behind it.
    """

    row: Row
    values: Mapping[str, Json] | None
    error: str | None = None
    skipped: str | None = None
    seconds: float = 0.0
    artifacts: tuple[str, ...] = ()


def json_number(number: float | None) -> float | str | None:
    """A number as strict JSON can hold it: infinities become the strings of ``float``'s reading.

    NaN is refused with ValueError: no result of this package is NaN.
    """
    if number is None or math.isfinite(number):
        return number
    if math.isnan(number):
        raise ValueError("a result is NaN, which no report can hold")
    return "Infinity" if number > 0 else "-Infinity"
