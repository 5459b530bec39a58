"""The limit for a data set: the least adversarial risk that any classifier can have on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from fractions import Fraction

import numpy as np

from empirical.points import LabelledPoints, load_points
from robust_theory.arguments import exact_rational
from robust_theory.claim import Interval
from robust_theory.risks.conflict import find_conflicts_among
from robust_theory.risks.multiclass import (
    MulticlassRisk,
    optimal_risk_multiclass,
    pairwise_optimal_risks,
)
from robust_theory.risks.risk import OptimalRisk, optimal_risk
from robust_theory.risks.sample_limits import population_lower_bound
from robust_theory.risks.samples import Norm, read_norm, read_samples
from robust_theory.risks.set_cover import CONFLICT_SETS, mass_and_rest
from validation.experiment import (
    Experiment,
    Instance,
    Json,
    Measurement,
    Options,
    Progress,
    Result,
    Unit,
)
from validation.experiments import pipeline
from validation.verdict import Evidence

# --eps replaces them. Where a limit is known to be above 0, but not all there is.
_MNIST: dict[str, tuple[str, ...]] = {
    "l2": ("2.5", "3"),  # 3.5 takes more minutes than all the rest
    "linf": ("0.4", "0.45", "0.5"),
    "l1": ("20", "25", "30"),
}
BUDGETS: dict[str, dict[str, tuple[str, ...]]] = {
    "digits": {"l2": ("0.8", "0.9", "1"), "linf": ("0.28", "0.3", "0.32"), "l1": ("3", "3.5", "4")},
    "mnist": _MNIST,
    "fashion-mnist": _MNIST,
}
# Processor seconds on 60,000 images of MNIST.
COST = {"least-risk-l2-at-2.5": 55, "least-risk-l2-at-3": 80, "class-pairs-l2-at-3": 35}
OTHERS = {"l2": ("1", "2", "4"), "linf": ("8/255", "0.1", "0.2"), "l1": ("5", "10", "20")}
CONFIDENCE = "0.05"  # probability that the limit for the population fails
TRIPLES = 30_000  # conflicts, up to which sets of three are cheap too
MOST_CLASSES = 20  # of a table that can still be read


def budgets(options: Options) -> tuple[str, ...]:
    """What the user asked for, or the budgets of the norm."""
    return options.eps or BUDGETS.get(options.data, OTHERS)[options.norm]


def _unit(options: Options, kind: str, eps: str) -> Unit:
    name = f"{kind}-{options.norm}-at-{eps}"
    return Unit(
        f"{pipeline.data_name(options)}/{name}",
        f"validation.experiments.own_data:{kind.replace('-', '_')}",
        {**pipeline.source(options), "norm": options.norm, "eps": eps},
        cost=COST.get(name, 0) if options.data == "mnist" else 0,
    )


def _rows(options: Options) -> tuple[Instance, ...]:
    name = f"{pipeline.data_name(options)}-{options.norm}"
    return tuple(
        Instance(
            f"{name}-at-{eps}",
            {"norm": options.norm, "eps": eps},
            (_unit(options, "least-risk", eps),),
        )
        for eps in budgets(options)
    )


def load(parameters: Mapping[str, Json]) -> LabelledPoints:
    """The data set that a unit's parameters name, or its first ``most`` points."""
    points = load_points(parameters["data"], parameters["data_dir"])
    most = parameters.get("most", len(points.X))
    return replace(points, X=points.X[:most], y=points.y[:most])


def least_risk(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """The least adversarial risk at one eps from both sides, checked without the solver."""
    points = load(parameters)
    progress(0.1, f"distances between {len(points.X)} points")
    result = _solve(points, parameters["eps"], read_norm(parameters["norm"]))
    progress(0.6, "checking the proof in exact arithmetic")
    if not result.verify():
        raise ArithmeticError("; ".join(result.problems()))
    upper = result.risk if isinstance(result, OptimalRisk) else result.upper
    mass, rest = mass_and_rest(result)
    labels, sizes = np.unique(points.y, return_counts=True)
    return Result(
        {
            "lower": str(result.lower),
            "upper": str(upper),
            "mass": str(mass),
            "rest": str(rest),
            "population": population_lower_bound(result, CONFIDENCE),
            "n": len(points.X),
            "classes": len(labels),
            "smallest_class": int(sizes.min()),
            "what": points.what,
            "scale": points.scale,
        }
    )


def _solve(points: LabelledPoints, eps: str, norm: Norm) -> OptimalRisk | MulticlassRisk:
    """Matchings for two classes; else conflict sets of two, or of three where these are few."""
    classes = np.unique(points.y)
    if len(classes) == 2:
        first, second = (points.X[points.y == label] for label in classes)
        return optimal_risk(first, second, eps, norm, prior0="sample", scale=points.scale)
    found = optimal_risk_multiclass(points.X, points.y, eps, norm, scale=points.scale)
    if norm == "l1" or found.lower == found.upper or len(points.X) > TRIPLES:
        return found
    (sample,) = read_samples({"X": points.X}, points.scale)
    if len(find_conflicts_among(sample, found.labels, norm, eps)) > TRIPLES:
        return found
    return optimal_risk_multiclass(points.X, points.y, eps, norm, degree=3, scale=points.scale)


def class_pairs(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """The least risk of each two classes against each other, as a table."""
    points = load(parameters)
    eps, norm = parameters["eps"], parameters["norm"]
    classes = [str(label) for label in np.unique(points.y)]
    title = f"Least adversarial risk of each two classes, eps = {eps} ({norm})"
    if len(classes) > MOST_CLASSES:
        note = f"Left out: {len(classes)} classes are more than the {MOST_CLASSES} of a table."
        return Result({"title": title, "columns": [""], "rows": [], "note": note})
    progress(0.1, f"distances between {len(points.X)} points")
    table = pairwise_optimal_risks(points.X, points.y, eps, norm, scale=points.scale)
    rows = [
        [name, *(None if a == b else float(table[a, b]) for b in range(len(classes)))]
        for a, name in enumerate(classes)
    ]
    note = "For classifiers that tell only these two apart, both equally likely. Exact, shown to "
    note += "four digits."
    return Result({"title": title, "columns": ["", *classes], "rows": rows, "note": note})


def _tables(options: Options) -> tuple[Unit, ...]:
    chosen = budgets(options)
    name = pipeline.data_name(options)
    summary = Unit(
        f"{name}/least-risks-{options.norm}",
        "validation.experiments.own_data:summary",
        {"data": name, "norm": options.norm, "eps": list(chosen)},
        tuple(_unit(options, "least-risk", eps) for eps in chosen),
    )
    largest = max(chosen, key=exact_rational)
    shown = options.eps or (largest,)
    return (summary, *(_unit(options, "class-pairs", eps) for eps in shown))


def summary(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, progress: Progress
) -> Result:
    """The limits at every eps, side by side."""
    name, norm = parameters["data"], parameters["norm"]
    rows: list[list[Json]] = []
    values: Mapping[str, Json] = {}
    for eps in parameters["eps"]:
        values = inputs[f"{name}/least-risk-{norm}-at-{eps}"].values
        lower, upper = Fraction(values["lower"]), Fraction(values["upper"])
        rows.append(
            [
                eps,
                str(lower) if lower == upper and lower.denominator < 10**9 else None,
                decimal(lower, ROUND_FLOOR),
                decimal(upper, ROUND_CEILING),
                decimal(Fraction(repr(values["population"])), ROUND_FLOOR),
            ]
        )
    scale = f", divided by {values['scale']}" if values["scale"] != 1 else ""
    confidence = 100 - 100 * float(CONFIDENCE)
    return Result(
        {
            "title": f"Least adversarial risk of any classifier on {name} ({norm})",
            "columns": [
                f"eps ({norm})",
                "exactly",
                "at least",
                "at most",
                f"on the population, at least ({confidence:g} % confidence)",
            ],
            "rows": rows,
            "note": f"{values['what'].capitalize()}{scale}: n = {values['n']} in "
            f"{values['classes']} classes, the smallest of {values['smallest_class']}. No "
            "classifier, whatever it was trained on, errs on a smaller share of these points when "
            "each may be moved by eps, and some classifier errs on at most the next number. "
            "Both are proved, and the proofs were checked in exact arithmetic.",
        }
    )


def decimal(number: Fraction, rounding: str) -> str:
    """A probability to six places, rounded to its side."""
    with localcontext() as context:
        context.rounding = rounding
        exact = Decimal(number.numerator) / Decimal(number.denominator)
        return str(exact.quantize(Decimal("0.000001"), rounding=rounding).normalize() + 0)


def _measure(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    (found,) = inputs.values()
    lower, upper = (float(Fraction(found.values[name])) for name in ("lower", "upper"))
    seen = Evidence(
        value=upper,
        lo=lower,
        hi=upper,
        side="exact",
        method="a set of conflicts below and a classifier above, checked in exact arithmetic",
    )
    # Both ends are the doubles nearest to the fractions that the check compared.
    return Measurement(
        {"mass": found.values["mass"], "rest": found.values["rest"]},
        seen,
        theory=Interval(lower, lower),
    )


OPTIMAL_RISK = Experiment(
    name="optimal-risk",
    claim=CONFLICT_SETS,
    subject="set_cover",
    quantity="least adversarial risk on the data",
    unit="probability",
    norm="",
    reading="Each bar reaches from the least risk that is proved for every classifier to the "
    "risk of a classifier that was found; the mark of the theory is its lower end.",
    x_label="probability",
    instances=_rows,
    measure=_measure,
    tables=_tables,
)
EXPERIMENTS: tuple[Experiment, ...] = (OPTIMAL_RISK,)
