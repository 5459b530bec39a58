"""Risks in finite problems, by moving sets on a line, and of networks, by counting images."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import partial

import numpy as np

from robust_theory.arithmetic import around
from robust_theory.risks import surrogate, training
from validation.experiment import Experiment, Json, Measurement, Result
from validation.experiments import trades_tables
from validation.experiments.fixed_rows import with_rows
from validation.experiments.trades_networks import adversarial_errors, patterns
from validation.verdict import Evidence


def _line(parameters: Mapping[str, Json], rng: np.random.Generator) -> dict[str, Json]:
    """Inputs on a line, an adversary who moves them by at most `reach` places, random atoms."""
    if "points" in parameters:
        return {key: parameters[key] for key in ("points", "labels", "neighbours", "weights")}
    m, n, reach = parameters["inputs"], parameters["atoms"], parameters["reach"]
    points = rng.integers(0, m, n)
    labels = np.where(points + rng.normal(0, m * parameters.get("noise", 0.2), n) > m / 2, 1, -1)
    return {
        "points": points.tolist(),
        "labels": labels.tolist(),
        "neighbours": [list(range(max(0, x - reach), min(m, x + reach + 1))) for x in range(m)],
        # A power of 2 in all, so that every risk is a double.
        "weights": (1 + rng.multinomial(256 - n, np.full(n, 1 / n))).tolist(),
    }


def _moved_risk(problem: Mapping[str, Json], wrong: Mapping[int, np.ndarray]) -> Fraction:
    """Weight of the atoms from which the set of inputs that are wrong for their label is reached.

    `wrong[y]` marks the inputs on which the classifier does not say y; it is enlarged by every
    input that can be turned into one of its members.
    """
    m = len(problem["neighbours"])
    moves = np.eye(m, dtype=bool)
    for x, row in enumerate(problem["neighbours"]):
        moves[x, row] = True
    reached = {y: (moves & marks).any(axis=1) for y, marks in wrong.items()}
    weights = np.array(problem["weights"], np.int64)
    bad = np.array(
        [reached[y][x] for x, y in zip(problem["points"], problem["labels"], strict=True)]
    )
    return Fraction(int(weights[bad].sum()), int(weights.sum()))


def _risk(problem: Mapping[str, Json], predictions: np.ndarray) -> Fraction:
    return _moved_risk(problem, {y: predictions != y for y in (-1, 1)})


def _thresholds(m: int) -> list[list[int]]:
    return [np.where(np.arange(m) >= t, 1, -1).tolist() for t in range(m + 1)]


def _flipped_threshold(m: int, rng: np.random.Generator) -> list[int]:
    sides = np.where(np.arange(m) >= m // 2, 1, -1)
    return [int(y) for y in np.where(rng.random(m) < 0.1, -sides, sides)]


def _seen(arguments: Mapping[str, Json], number: Fraction, method: str) -> Measurement:
    box = around(number)
    return Measurement(arguments, Evidence(float(number), box.lo, box.hi, "exact", method))


def _decomposition(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    rng = np.random.default_rng(seed)
    problem = _line(parameters, rng)
    m = len(problem["neighbours"])
    h = parameters.get("predictions") or _flipped_threshold(m, rng)
    risk = _risk(problem, np.array(h))
    return _seen({"predictions": h, **problem}, risk, "sets moved on a line")


def _benign(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    problem = _line(parameters, np.random.default_rng(seed))
    H = _thresholds(len(problem["neighbours"]))
    risk = min(_risk(problem, np.array(h)) for h in H)
    return _seen({"hypotheses": H, **problem}, risk, "all thresholds, sets moved on a line")


def _excess(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    rng = np.random.default_rng(seed)
    problem = _line(parameters, rng)
    weights = np.array(problem["weights"], np.float64)
    drawn = parameters.get("sample")
    if drawn is None:
        size = (parameters["drawn"],)
        drawn = [int(atom) for atom in rng.choice(len(weights), size, p=weights / weights.sum())]
    H = parameters.get("hypotheses") or _thresholds(len(problem["neighbours"]))
    counts = np.bincount(np.array(drawn), minlength=len(weights))
    on_sample = [_risk({**problem, "weights": counts.tolist()}, np.array(h)) for h in H]
    risks = [_risk(problem, np.array(h)) for h in H]
    excess = risks[on_sample.index(min(on_sample))] - min(risks)
    arguments = {"hypotheses": H, "sample": drawn, **problem}
    return _seen(arguments, excess, "all thresholds, sets moved on a line")


def _surrogate(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    rng = np.random.default_rng(seed)
    problem = _line(parameters, rng)
    m = len(problem["neighbours"])
    slope = (np.arange(m) - m / 2 + 0.5) / 4
    scores = parameters.get("scores") or np.round(slope + rng.normal(0, 0.2, m), 3).tolist()
    s = np.array(scores)
    risk = _moved_risk(problem, {1: s <= 0, -1: s >= 0})
    arguments = {
        "scores": scores,
        **problem,
        "scale": parameters["scale"],
        "loss": parameters["loss"],
    }
    return _seen(arguments, risk, "sets moved on a line")


def _of_network(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    """The share of test images with a wrong answer at them or after an attack, by the arrays."""
    (result,) = inputs.values()
    wrong, images = adversarial_errors(result)
    return _seen(patterns(result), Fraction(wrong, images), "answers without and after attacks")


_experiment = partial(with_rows, unit="probability")
_LINE = {"inputs": 40, "atoms": 30, "reach": 2}
_STEEP = {"inputs": 60, "atoms": 30, "reach": 1, "noise": 0.05}
EXPERIMENTS: tuple[Experiment, ...] = (
    _experiment(
        "adversarial-risk-decomposition-on-a-line",
        training.RISK_DECOMPOSITION,
        "training",
        _decomposition,
        {"reach-1": {**_LINE, "reach": 1}, "reach-3": {**_LINE, "reach": 3}},
        "Each bar is the adversarial risk; the mark, benign and boundary risk, must be inside.",
        quantity="adversarial risk",
    ),
    Experiment(
        name="adversarial-risk-decomposition-of-networks",
        claim=training.RISK_DECOMPOSITION,
        subject="training",
        quantity="adversarial error under the attacks that were run",
        unit="probability",
        norm="linf",
        reading="Each bar is a network's adversarial error on test images; the mark, the sum of "
        "its natural and boundary error, must be inside.",
        x_label="probability",
        instances=trades_tables.rows,
        measure=_of_network,
        tables=trades_tables.table_units,
    ),
    _experiment(
        "adversarial-risk-above-benign-on-a-line",
        training.BENIGN_BELOW_ADVERSARIAL,
        "training",
        _benign,
        {"thresholds": _LINE},
        "Each bar is the least adversarial risk; it must not end below the mark, the benign one.",
        quantity="least adversarial risk of a threshold",
    ),
    _experiment(
        "excess-adversarial-risk-on-a-line",
        training.EXCESS_RISK,
        "training",
        _excess,
        {"thresholds": {**_LINE, "drawn": 8}},
        "Each bar is the optimisation error; it must not begin above the mark.",
        quantity="optimisation error of the minimiser on a sample",
    ),
    _experiment(
        "trades-surrogate-bound-on-a-line",
        surrogate.SURROGATE_BOUND,
        "surrogate",
        _surrogate,
        {
            "hinge": {**_STEEP, "scale": "1/4", "loss": "hinge"},
            "exponential": {**_STEEP, "scale": "1/4", "loss": "exponential"},
            "logistic": {**_STEEP, "scale": "1/4", "loss": "logistic"},
        },
        "Each bar is the adversarial risk; it must not begin above the mark, its surrogate.",
        quantity="adversarial risk",
    ),
)
