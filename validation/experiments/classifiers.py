"""Classifiers against the limit of the very sample that they are measured on.

The risk of a classifier is enclosed: an attack shows points on which it errs, a certificate points
on which it does not. Either end may contradict or confirm what no classifier can escape.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import numpy as np

from robust_theory.arguments import exact_rational
from robust_theory.claim import Interval
from robust_theory.risks.conflict import find_conflicts
from robust_theory.risks.multiclass import pairwise_optimal_risks
from robust_theory.risks.risk import optimal_risk
from robust_theory.risks.sample_limits import OPTIMAL_CLASSIFIER
from robust_theory.risks.samples import read_norm, read_samples
from robust_theory.risks.set_cover import CONFLICT_SETS
from validation.experiment import (
    Curve,
    Experiment,
    Instance,
    Json,
    Measurement,
    Options,
    Progress,
    Result,
    Unit,
)
from validation.experiments import own_data, pipeline
from validation.verdict import Evidence

MOST = 2_000  # images of the sample; digits have 1797
MOST_OF_A_CLASS = 200  # where the conflicts are listed one by one
METRICS = {"l2": "euclidean", "linf": "chebyshev", "l1": "cityblock"}
ROUNDING = 1e-9  # relative, more than sums of 10^5 doubles err by


def unit(options: Options, name: str, function: str, **more: Json) -> Unit:
    """A unit about the first points of the data set."""
    return Unit(
        f"{pipeline.data_name(options)}/{name}",
        f"validation.experiments.{function}",
        {**pipeline.source(options), "norm": options.norm, "most": MOST, **more},
    )


def limit_unit(options: Options, eps: str) -> Unit:
    """The limit of these points."""
    name = f"first-points-{options.norm}-at-{eps}"
    return unit(options, name, "own_data:least_risk", eps=eps)


def row_name(options: Options, what: str, eps: str) -> str:
    """How the rows of a classifier are called."""
    return f"{pipeline.data_name(options)}-{options.norm}-{what}-at-{eps}"


def against(
    limit: Result, lo: float, hi: float, method: str, curve: Curve | None = None
) -> Measurement:
    """Evidence that a classifier's risk lies between two numbers, against the sample's limit."""
    if lo > hi:
        raise ArithmeticError(f"an attack finds a risk of {lo}, a certificate allows {hi} only")
    below = float(Fraction(limit.values["lower"]))
    seen = Evidence(lo, lo, hi, "exact", method)
    arguments = {"mass": limit.values["mass"], "rest": limit.values["rest"]}
    return Measurement(arguments, seen, theory=Interval(below, below), curve=curve)


# ------------------------------------------------------------------- nearest neighbours


def _nearest_rows(options: Options) -> tuple[Instance, ...]:
    return tuple(
        Instance(
            row_name(options, "nearest-neighbour", eps),
            {"norm": options.norm, "eps": eps},
            (
                limit_unit(options, eps),
                unit(options, f"nearest-{options.norm}-at-{eps}", "classifiers:nearest", eps=eps),
            ),
        )
        for eps in own_data.budgets(options)
    )


def nearest(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Adversarial risk of the nearest-neighbour classifier on its own sample, from both sides.

    A point twice eps away from all of other classes is safe. Others are moved towards each of the
    nearest few, as far as eps allows, and the classifier is asked there.
    """
    from scipy.spatial.distance import cdist

    points = own_data.load(parameters)
    table = (points.X / points.scale).reshape(len(points.X), -1)
    eps = float(exact_rational(parameters["eps"]))
    metric = METRICS[parameters["norm"]]
    distances = cdist(table, table, metric)
    other = points.y[:, None] != points.y
    away = np.where(other, distances, np.inf)
    safe = away.min(axis=1) > 2 * eps * (1 + ROUNDING)
    fooled = np.zeros(len(table), bool)
    rivals = np.argsort(away, axis=1)[:, :5]
    for k, rival in enumerate(rivals.T):
        length = away[np.arange(len(table)), rival]
        todo = np.flatnonzero(~fooled & (length <= 2 * eps))
        if todo.size:
            part = np.minimum(1, eps * (1 - ROUNDING) / np.maximum(length[todo], 1e-300))
            moved = table[todo] + part[:, None] * (table[rival[todo]] - table[todo])
            answer = points.y[cdist(moved, table, metric).argmin(axis=1)]
            fooled[todo] = answer != points.y[todo]
        progress((k + 1) / rivals.shape[1], "moving points towards other classes")
    return Result({"lo": float(fooled.mean()), "hi": float((~safe).mean())})


def _nearest(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    limit, found = inputs.values()
    method = "moves towards other classes below, distances to them above"
    return against(limit, found.values["lo"], found.values["hi"], method)


# ------------------------------------------------------------------- the optimal classifier


def _optimal_rows(options: Options) -> tuple[Instance, ...]:
    return tuple(
        Instance(
            row_name(options, "closest-classes", eps),
            {"norm": options.norm, "eps": eps},
            (unit(options, f"optimal-{options.norm}-at-{eps}", "classifiers:optimal", eps=eps),),
        )
        for eps in own_data.budgets(options)
    )


def optimal(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """Adversarial risk of the optimal classifier of the two classes hardest to tell apart.

    Below: the points that it gets wrong where they stand, or half-way to one they are matched with.
    Above: all but those from which every survivor of the other class is more than 2 eps farther
    than one of its own. Distances are computed anew.
    """
    from scipy.spatial.distance import cdist

    points, norm, eps = own_data.load(parameters), read_norm(parameters["norm"]), parameters["eps"]
    classes = np.unique(points.y)
    table = pairwise_optimal_risks(points.X, points.y, eps, norm, scale=points.scale)
    pair = np.unravel_index(int(doubles(table.ravel()).argmax()), table.shape)
    if pair[0] == pair[1]:  # no conflict at all
        pair = (np.intp(0), np.intp(1))
    X0, X1 = (points.X[points.y == classes[k]][:MOST_OF_A_CLASS] for k in pair)
    result = optimal_risk(X0, X1, eps, norm, scale=points.scale)
    first, second = read_samples({"X0": X0, "X1": X1}, points.scale)
    found = find_conflicts(first, second, norm, eps)
    # Below, by asking the classifier.
    place = np.concatenate([first.points, second.points])
    label = np.repeat([0, 1], [len(first), len(second)])
    wrong = result.classifier(place) != label
    answer = result.classifier(result.common_points) if len(result.matching) else np.zeros(0)
    ends = result.matching + np.array([0, len(first)])
    for end in (0, 1):
        wrong[ends[answer != end, end]] = True
    # Above, by distances.
    kept = result.survivors
    gaps = [
        cdist(place, sample.points[k], METRICS[norm]).min(axis=1, initial=np.inf)
        for sample, k in zip((first, second), kept, strict=True)
    ]
    mine, theirs = np.where(label == 0, gaps, gaps[::-1])
    radius = float(exact_rational(eps))
    with np.errstate(invalid="ignore"):
        safe = theirs - mine > 2 * radius
    shares = np.array(result.weights.shares, object)
    below, above = (Fraction(int(shares[v].sum()), result.weights.total) for v in (wrong, ~safe))
    return Result(
        {
            "lo": str(below),
            "hi": str(above),
            "conflicts": np.stack([found.rows, found.columns], axis=1).tolist(),
            "n0": len(first),
            "n1": len(second),
            "classes": [str(classes[k]) for k in pair],
        }
    )


def _optimal(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    (found,) = (result.values for result in inputs.values())
    lo, hi = (float(Fraction(found[name])) for name in ("lo", "hi"))
    method = f"classes {' and '.join(found['classes'])}: the classifier asked where points are "
    method += "and half-way to their match; distances to its survivors"
    arguments = {name: found[name] for name in ("conflicts", "n0", "n1")}
    return Measurement(arguments, Evidence(lo, lo, hi, "exact", method))


def doubles(numbers: object) -> np.ndarray:
    """Fractions as an array of doubles."""
    return np.array([float(x) for x in np.asarray(numbers, object)])


_ABOVE = (
    "Each bar encloses a classifier's adversarial risk between an attack and a certificate; it "
    "must not end below the mark, the least risk that any classifier has on these points."
)
EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment(
        name="sample-risk-of-the-nearest-neighbour-classifier",
        claim=CONFLICT_SETS,
        subject="set_cover",
        quantity="adversarial risk",
        unit="probability",
        norm="",
        reading=_ABOVE,
        x_label="probability",
        instances=_nearest_rows,
        measure=_nearest,
    ),
    Experiment(
        name="sample-risk-of-the-optimal-classifier-on-data",
        claim=OPTIMAL_CLASSIFIER,
        subject="sample_limits",
        quantity="adversarial risk",
        unit="probability",
        norm="",
        reading="Each bar encloses the risk of the optimal classifier; the mark of the theory must "
        "be inside.",
        x_label="probability",
        instances=_optimal_rows,
        measure=_optimal,
        resolution=0.005,
    ),
)
