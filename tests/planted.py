"""False versions of every claim, each with the exact case on which it must be refuted.

A check that cannot fail proves nothing. So for every claim of the catalogue this table names an
experiment, a case for it, and a neighbouring statement that is false there. Where some model
attains the claim, it is the case, and the false version is sharper by a tenth only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from robust_theory.arguments import exact_rational
from robust_theory.arithmetic import around
from robust_theory.claim import Claim, Interval
from robust_theory.networks.similarity import hsic
from robust_theory.risks.finite_problems import benign_risk, finite_problem
from robust_theory.vulnerability.parallel import parallel_transfer_arguments
from validation.experiments import explicit, gibbs, internal, sampler_laws, transfer
from validation.experiments.sampling import Case, instance
from validation.experiments.smoothing import moved

SAMPLES = 100_000
HALVES = [0.5, 0.5]
HALF_SPACE = {"name": "half-space", "dimension": 1, "offset": 0.0}
DOUBLED_HALF_LINE = {"name": "stretched half-space", "deviations": [2.0], "norm": "l2", "axis": 0}
SLAB = {"name": "outside of a slab", "half_width": explicit.HALF_WIDTH}
PARALLEL = {"name": "parallel half-spaces", "offset": 0.3}
ACROSS_THE_LONG_AXIS = {
    "name": "stretched half-space",
    "deviations": [1.0, 2.0],
    "norm": "l2",
    "axis": 1,
}


@dataclass(frozen=True)
class Planted:
    """`falsify` takes the true claim to the false one; `experiment` must refute it."""

    experiment: str
    parameters: Mapping[str, Any]
    falsify: Callable[[Claim], Claim]


def with_budget_scaled(factor: str, budget: str = "eps") -> Callable[[Claim], Claim]:
    """The claim with its eps (or another budget) multiplied by `factor`."""

    def falsify(claim: Claim) -> Claim:
        def enclosure(**arguments: Any) -> Interval:
            scaled = exact_rational(arguments[budget]) * Fraction(factor)
            return claim.enclosure(**{**arguments, budget: scaled})

        return replace(claim, enclosure=enclosure)

    return falsify


def with_value(change: Callable[[float, Mapping[str, Any]], float]) -> Callable[[Claim], Claim]:
    """The claim with a changed value."""

    def falsify(claim: Claim) -> Claim:
        def enclosure(**arguments: Any) -> Interval:
            exact = claim.enclosure(**arguments)
            return Interval(change(exact.lo, arguments), change(exact.hi, arguments))

        return replace(claim, enclosure=enclosure)

    return falsify


def scaled(factor: float) -> Callable[[Claim], Claim]:
    """The claim with its value multiplied by `factor`."""
    return with_value(lambda value, _: value * factor)


def with_constant(factor: float) -> Callable[[Claim], Claim]:
    """The claim 1 - C (...) with its constant C multiplied by `factor`."""
    return with_value(lambda value, _: 1 - factor * (1 - value))


without_delta = with_value(lambda value, arguments: value + float(arguments["delta"]))


def case(arguments: Mapping[str, Any], law: Mapping[str, Any], **more: Any) -> Mapping[str, Any]:
    """Parameters of a row that is not in any suite."""
    return instance(Case("planted", arguments, law, **more), SAMPLES).parameters


def of_benign_risk_only(claim: Claim) -> Claim:
    """The decomposition without its boundary risk."""

    def enclosure(predictions: Any, **problem: Any) -> Interval:
        return around(benign_risk(finite_problem(**problem), predictions))

    return replace(claim, enclosure=enclosure)


def of_the_biased_kind(claim: Claim) -> Claim:
    """The criterion that divides by (n - 1)^2, said to be unbiased."""

    def enclosure(first: Any, second: Any) -> Interval:
        value = hsic(first, second)
        return Interval(value * (1 - 1e-12), value * (1 + 1e-12))

    return replace(claim, enclosure=enclosure)


def whatever_the_hypotheses(value: float) -> Callable[[Claim], Claim]:
    """The claim without its hypotheses, with this value."""

    def falsify(claim: Claim) -> Claim:
        return replace(
            claim,
            enclosure=lambda **arguments: Interval(value, value),
            broken_hypotheses=lambda **arguments: (),
        )

    return falsify


MODELS = "-on-exact-models"
CASES = "-on-exact-cases"
SHARPER = with_budget_scaled("1.1")

# f = (x1 + x2, -x1 - x2): no ReLU, so every certificate is exact.
LINEAR_NETWORK = {
    "layers": [[[[1.0, 1.0], [-1.0, -1.0]], [0.0, 0.0]]],
    "point": [1.0, 1.0],
    "label": 0,
    "norm": "linf",
}
# Both classes have the same law: neighbourhoods overlap, and both risks are 1/2.
SAME_LAWS = {
    "points": [0, 0, 1, 1, 2, 2],
    "labels": [1, -1] * 3,
    "neighbours": [[0, 1], [0, 1, 2], [1, 2]],
    "weights": [1] * 6,
}

PLANTED: dict[str, Planted] = {
    # The half-space attains Theorems 1 and 2, so any sharper version of them is false there.
    "latent-fooling-probability": Planted(
        "fooling-probability" + MODELS,
        case({"measures": HALVES, "eps": "0.5"}, HALF_SPACE),
        SHARPER,
    ),
    "latent-fooling-log-tail": Planted(
        "fooling-log-tail" + MODELS, case({"measures": HALVES, "eps": "0.5"}, HALF_SPACE), SHARPER
    ),
    "latent-fooling-quantile": Planted(
        "fooling-quantile" + MODELS, case({"measures": HALVES, "q": 0.5}, HALF_SPACE), scaled(0.9)
    ),
    "latent-expected-radius": Planted(
        "expected-radius" + MODELS, case({"measures": HALVES}, HALF_SPACE), scaled(0.9)
    ),
    "balanced-fooling-probability": Planted(
        "balanced-fooling-probability" + MODELS, case({"eps": "0.5"}, HALF_SPACE), SHARPER
    ),
    # With the constant sqrt(pi/2) at .9/sqrt(pi/2) of itself: 1 - .9 exp(-eps^2/2) near eps = 0.
    "balanced-paper-bound": Planted(
        "balanced-paper-bound" + MODELS, case({"eps": "0.05"}, HALF_SPACE), with_constant(0.718)
    ),
    "largest-class-fooling-probability": Planted(
        "largest-class-fooling-probability" + MODELS,
        case({"largest": "0.5", "eps": "0.5"}, HALF_SPACE),
        SHARPER,
    ),
    "equiprobable-fooling-probability": Planted(
        "equiprobable-fooling-probability" + MODELS,
        case({"K": 2, "eps": "0.05"}, HALF_SPACE),
        with_constant(0.9),
    ),
    "equiprobable-elementary-bound": Planted(
        "equiprobable-elementary-bound" + MODELS,
        case({"K": 10, "eps": "0.05"}, explicit.SIMPLEX_10),
        with_constant(0.9),
    ),
    "equiprobable-paper-bound": Planted(
        "equiprobable-paper-bound" + MODELS,
        case({"K": 10, "eps": "0.05"}, explicit.SIMPLEX_10),
        with_constant(0.718),
    ),
    "equiprobable-expected-radius": Planted(
        "equiprobable-expected-radius" + MODELS, case({"K": 10}, explicit.SIMPLEX_10), scaled(0.6)
    ),
    "equiprobable-expected-radius-paper": Planted(
        "equiprobable-expected-radius-paper" + MODELS,
        case({"K": 10}, explicit.SIMPLEX_10),
        scaled(0.2),
    ),
    "neighbourhood-measure": Planted(
        "neighbourhood-measure-outside-a-slab",
        case({"measure": "0.8", "eps": "0.01"}, SLAB),
        with_constant(0.9),
    ),
    "neighbourhood-measure-paper": Planted(
        "neighbourhood-measure-paper-outside-a-slab",
        case({"measure": "0.8", "eps": "0.01"}, SLAB),
        with_constant(0.718),
    ),
    "equiprobable-neighbourhood-measure": Planted(
        "equiprobable-neighbourhood-measure-outside-a-slab",
        case({"K": 5, "eps": "0.01"}, SLAB),
        with_constant(0.9),
    ),
    "equiprobable-neighbourhood-measure-paper": Planted(
        "equiprobable-neighbourhood-measure-paper-outside-a-slab",
        case({"K": 5, "eps": "0.01"}, SLAB),
        with_constant(0.718),
    ),
    "equiprobable-threshold": Planted(
        "equiprobable-threshold-enclosed", {"K": 1_000_000}, scaled(1.1)
    ),
    "normal-tail-lower-bound": Planted("normal-tail-lower-bound-enclosed", {"x": 3.0}, scaled(1.1)),
    "normal-tail-upper-bound": Planted("normal-tail-upper-bound-enclosed", {"x": 3.0}, scaled(0.9)),
    "normalised-fooling-quantile": Planted(
        "normalised-fooling-quantile" + MODELS,
        case(
            {"measures": HALVES, "q": 0.5, "dimension": 100},
            {"name": "simplex over root", "classes": 2, "dimension": 100},
        ),
        scaled(0.9),
    ),
    "normalised-fooling-probability": Planted(
        "normalised-fooling-probability" + MODELS,
        case(
            {"measures": HALVES, "ratio": "0.1", "dimension": 100},
            {"name": "half-space over norm", "dimension": 100},
            axis="ratio",
        ),
        with_budget_scaled("1.5", "ratio"),
    ),
    "half-space-normalised-law": Planted(
        "half-space-normalised-law-sampled",
        case(
            {"ratio": "0.1", "dimension": 100},
            {"name": "half-space over norm", "dimension": 100},
            axis="ratio",
        ),
        with_budget_scaled("1.1", "ratio"),
    ),
    # Parallel half-spaces attain the general form; the crossing ones come close.
    "transfer-probability": Planted(
        "transfer-probability" + MODELS,
        case({"measures": HALVES, "delta": transfer.DISAGREEMENT, "eps": "1"}, transfer.CROSSING),
        without_delta,
    ),
    "transfer-paper-bound": Planted(
        "transfer-paper-bound" + MODELS,
        case({"measures": [0.25] * 4, "delta": 0.0, "eps": "0.05"}, {"name": "orthants", "k": 2}),
        with_constant(0.718),
    ),
    "transfer-probability-from-unions": Planted(
        "transfer-probability-from-unions" + MODELS,
        case({**parallel_transfer_arguments(0.3), "eps": "1"}, PARALLEL),
        without_delta,
    ),
    "image-fooling-probability": Planted(
        "image-fooling-probability" + MODELS,
        case({"measures": HALVES, "eps": "1", "inverse_modulus": [2, 1]}, DOUBLED_HALF_LINE),
        SHARPER,
    ),
    "image-fooling-probability-inside": Planted(
        "image-fooling-probability-inside" + MODELS,
        case(
            {
                "measures": HALVES,
                "eps": "1",
                "inverse_modulus": [1, 1],
                "failure": 0.0456,
            },
            {"name": "broken half-line", "limit": 2.0},
        ),
        with_value(lambda value, arguments: value + 3 * float(arguments["failure"])),
    ),
    "image-fooling-quantile": Planted(
        "image-fooling-quantile" + MODELS,
        case({"measures": HALVES, "q": 0.5, "modulus": [2, 1]}, DOUBLED_HALF_LINE),
        scaled(0.9),
    ),
    "image-expected-radius": Planted(
        "image-expected-radius" + MODELS,
        case({"measures": HALVES, "modulus": [2, 1]}, DOUBLED_HALF_LINE, lipschitz=2.0),
        scaled(0.9),
    ),
    "image-expected-radius-paper": Planted(
        "image-expected-radius-paper" + MODELS,
        case({"measures": HALVES, "modulus": [2, 1]}, DOUBLED_HALF_LINE, lipschitz=2.0),
        scaled(0.9),
    ),
    "real-data-fooling-probability": Planted(
        "real-data-fooling-probability" + MODELS,
        case(
            {"measures": HALVES, "eps": "0.5", "inverse_modulus": [1, 1], "wasserstein": "0.1"},
            {"name": "moved half-line", "shift": 0.1},
        ),
        SHARPER,
    ),
    "nearest-neighbour-radius": Planted(
        "nearest-neighbour-radius-on-a-line", {"points": 400, "slack": 0}, scaled(2.0)
    ),
    "cube-fooling-probability": Planted(
        "cube-fooling-probability" + CASES,
        case(
            {"measures": HALVES, "eps": "0.5", "side": 2},
            {"name": "half cube", "dimension": 3, "side": 2},
        ),
        SHARPER,
    ),
    "ball-fooling-probability": Planted(
        "ball-fooling-probability" + CASES,
        case(
            {"measures": HALVES, "eps": "0.2", "d": 10},
            {"name": "half ball", "dimension": 10, "radius": 1},
        ),
        with_budget_scaled("1.5"),
    ),
    "sphere-fooling-probability": Planted(
        "sphere-fooling-probability" + CASES,
        case(
            {"measures": HALVES, "eps": "0.1", "d": 100},
            {"name": "sphere simplex", "classes": 2, "dimension": 100, "radius": 1},
        ),
        SHARPER,
    ),
    "log-concave-fooling-probability": Planted(
        "log-concave-fooling-probability" + CASES,
        case({"measures": HALVES, "eps": "1", "curvature": "0.25"}, DOUBLED_HALF_LINE),
        SHARPER,
    ),
    "inradius-fooling-probability": Planted(
        "inradius-fooling-probability" + CASES,
        case({"measures": HALVES, "eps": "1", "inradius": "0.5"}, DOUBLED_HALF_LINE),
        SHARPER,
    ),
    "gaussian-fooling-probability": Planted(
        "gaussian-fooling-probability" + CASES,
        case(
            {"measures": HALVES, "eps": "1", "covariance": [[1.0, 0.0], [0.0, 4.0]]},
            ACROSS_THE_LONG_AXIS,
        ),
        SHARPER,
    ),
    "cheeger-fooling-probability": Planted(
        "cheeger-fooling-probability" + CASES,
        case(
            {"measures": HALVES, "eps": "0.3", "h": 1}, {"name": "Laplace slab", "half_width": 0.0}
        ),
        SHARPER,
    ),
    "conditional-adversarial-risk": Planted(
        "conditional-adversarial-risk" + CASES,
        case(
            {"priors": [1.0], "errors": ["0.05"], "lipschitz": [1], "eps": "0.5"},
            {
                "name": "labelled generators",
                "scales": [1.0],
                "thresholds": [1.959963984540054],
                "priors": [1.0],
            },
        ),
        with_budget_scaled("1.25"),
    ),
    "half-space-law": Planted(
        "half-space-law-sampled", case({"offset": 0.0, "eps": 0.5}, HALF_SPACE), SHARPER
    ),
    "simplex-law": Planted(
        "simplex-law-sampled", case({"classes": 3, "eps": 0.5}, explicit.SIMPLEX_3), SHARPER
    ),
    "simplex-expected-radius": Planted(
        "simplex-expected-radius-sampled", case({"classes": 3}, explicit.SIMPLEX_3), scaled(1.1)
    ),
    "checkerboard-law": Planted(
        "checkerboard-law-sampled",
        case({"d": 2, "eps": 0.1}, {"name": "checkerboard", "dimension": 2}),
        SHARPER,
    ),
    "checkerboard-expected-radius": Planted(
        "checkerboard-expected-radius-sampled",
        case({"d": 2}, {"name": "checkerboard", "dimension": 2}),
        scaled(1.2),
    ),
    "checkerboard-paper-bound": Planted(
        "checkerboard-paper-bound-sampled",
        case({"d": 2, "eps": 0.1}, {"name": "checkerboard", "dimension": 2}),
        with_budget_scaled("2.5"),
    ),
    "orthant-law": Planted(
        "orthant-law-sampled", case({"k": 2, "eps": 0.5}, {"name": "orthants", "k": 2}), SHARPER
    ),
    "orthant-expected-radius": Planted(
        "orthant-expected-radius-sampled", case({"k": 2}, {"name": "orthants", "k": 2}), scaled(1.1)
    ),
    "strips-law": Planted(
        "strips-law-sampled",
        case(
            {"thresholds": [-0.43, 0.43], "eps": 0.3},
            {"name": "strips", "dimension": 1, "thresholds": [-0.43, 0.43]},
        ),
        SHARPER,
    ),
    "strips-expected-radius": Planted(
        "strips-expected-radius-sampled",
        case(
            {"thresholds": [-0.43, 0.43]},
            {"name": "strips", "dimension": 1, "thresholds": [-0.43, 0.43]},
        ),
        scaled(1.1),
    ),
    "parallel-transfer-law": Planted(
        "parallel-transfer-law-sampled", case({"offset": 0.3, "eps": 1.0}, PARALLEL), SHARPER
    ),
    "gaussian-optimal-risk": Planted(
        "gaussian-optimal-risk-coupled",
        {"mean0": 0.0, "mean1": 2.0, "covariance": 1.0, "eps": "0.5"},
        SHARPER,
    ),
    "gaussian-optimal-risk-on-the-line": Planted(
        "gaussian-optimal-risk-on-the-line-coupled",
        {"mean0": 0.0, "std0": 1.0, "mean1": 1.0, "std1": 2.0, "eps": "0.3"},
        SHARPER,
    ),
    "sample-risk-of-every-classifier": Planted(
        "sample-risk-of-a-threshold-classifier",
        {"n0": 300, "n1": 200, "gap": 2.0, "eps": "0.25"},
        scaled(1.25),
    ),
    "sample-risk-of-the-optimal-classifier": Planted(
        "sample-risk-of-all-classifiers",
        {"n0": 12, "n1": 16, "gap": 1.0, "eps": "0.125"},
        scaled(1.1),
    ),
    # Without the slack for the sample, and with a factor that no sample explains.
    "population-risk-of-every-classifier": Planted(
        "population-risk-of-gaussian-classes",
        {"n0": 500, "n1": 500, "gap": 1.0, "eps": "0.25"},
        with_value(lambda value, _: value + 0.15),
    ),
    # Both slacks left out, and something added that no two samples explain.
    "held-out-risk-of-every-classifier": Planted(
        "held-out-risk-of-the-optimal-classifier",
        {"n0": 250, "n1": 250, "m0": 400, "m1": 400, "gap": 1.0, "eps": "0.25", "prior0": 0.5},
        with_value(lambda value, _: value + 0.3),
    ),
    # Samples of the line come close to their population.
    "mean-sample-risk-of-gaussian-classes": Planted(
        "mean-sample-risk-of-gaussian-classes",
        {
            "mean0": 0.0,
            "mean1": 2.0,
            "covariance": 1.0,
            "eps": "0.5",
            "sampling": {"n": 1000, "samples": 40},
        },
        scaled(0.9),
    ),
    "mean-sample-risk-of-gaussian-classes-on-the-line": Planted(
        "mean-sample-risk-of-gaussian-classes-on-the-line",
        {
            "mean0": 0.0,
            "std0": 1.0,
            "mean1": 2.0,
            "std1": 1.0,
            "eps": "0.5",
            "prior0": 0.3,
            "sampling": {"n": 400, "samples": 80},
        },
        scaled(0.9),
    ),
    # With sets of three the bound is attained.
    "sample-risk-from-conflict-sets": Planted(
        "sample-risk-of-three-classes",
        {"n": 7, "side": 12, "eps": "2.6", "degree": 3},
        scaled(1.1),
    ),
    "adversarial-risk-decomposition": Planted(
        "adversarial-risk-decomposition-on-a-line",
        {"inputs": 40, "atoms": 30, "reach": 2},
        of_benign_risk_only,
    ),
    # "Strict whenever neighbourhoods overlap", as the chapter says.
    "adversarial-risk-above-benign": Planted(
        "adversarial-risk-above-benign-on-a-line",
        SAME_LAWS,
        with_value(lambda value, _: value + 1 / 6),
    ),
    # Both constants have the same risk on the sample, and gaps of 1/4 in opposite directions.
    "excess-adversarial-risk": Planted(
        "excess-adversarial-risk-on-a-line",
        {
            "points": [0, 0],
            "labels": [1, -1],
            "neighbours": [[0]],
            "weights": [3, 1],
            "hypotheses": [[-1], [1]],
            "sample": [0, 1],
        },
        scaled(0.9),
    ),
    # Attained: the score falls to 0 next to three tenths of the mass, and is 1 around the others.
    "trades-surrogate-bound": Planted(
        "trades-surrogate-bound-on-a-line",
        {
            "points": [0, 2],
            "labels": [1, 1],
            "neighbours": [[0, 1], [1], [2]],
            "weights": [3, 7],
            "scores": [1, 0, 1],
            "scale": 1,
            "loss": "hinge",
        },
        scaled(0.9),
    ),
    "interval-margin": Planted(
        "interval-margin-against-exact-margins",
        {**LINEAR_NETWORK, "eps": "0.25"},
        with_budget_scaled("0.9"),
    ),
    "linear-margin": Planted(
        "linear-margin-against-exact-margins",
        {**LINEAR_NETWORK, "eps": "0.25"},
        with_budget_scaled("0.9"),
    ),
    "linear-margin-above-interval": Planted(
        "linear-margin-against-interval-margin",
        {**LINEAR_NETWORK, "eps": "0.25"},
        with_budget_scaled("0.9"),
    ),
    "polytope-margin-above-linear": Planted(
        "polytope-margin-against-linear-margin",
        {**LINEAR_NETWORK, "eps": "0.25"},
        with_budget_scaled("0.9"),
    ),
    "certified-radius": Planted(
        "certified-radius-against-exact-radii",
        {**LINEAR_NETWORK, "method": "linear"},
        scaled(1.1),
    ),
    # margin / L, as the chapter has it, without the constant sqrt(2).
    "lipschitz-radius": Planted(
        "lipschitz-radius-against-exact-radii",
        {**LINEAR_NETWORK, "norm": "l2"},
        scaled(2**0.5),
    ),
    # Attained, up to 2^-40, by steps that choose their length.
    "affine-rise": Planted(
        "affine-rise-under-attack",
        {"attack": "apgd", "norm": "l2", "eps": 0.75},
        scaled(0.999),
    ),
    "unbiased-hsic": Planted(
        "unbiased-hsic-over-all-samples",
        {"inputs": 8, "sample": 4, "widths": [2, 3]},
        of_the_biased_kind,
    ),
    "grid-transport-between-neighbours": Planted(
        "grid-transport-of-single-units",
        {"shape": [8, 8], "levels": 7, "normalise": False},
        scaled(1.1),
    ),
    "grid-signed-flow-norm": Planted(
        "grid-flows-and-circulations",
        {"shape": [8, 8], "levels": 7, "normalise": False},
        scaled(1.1),
    ),
    # Adversarial transport. Equalities are wrong by a hundredth only.
    "gibbs-plan-value": Planted("gibbs-plan-value-by-a-conic-solver", gibbs.PROBLEM, scaled(1.01)),
    # The value that the paper states, without the entropy of the weights and without 1.
    "entropic-transport-value": Planted(
        "entropic-transport-value-by-a-conic-solver",
        {"p": gibbs.WEIGHTS, "losses": gibbs.LOSSES, "reach": gibbs.REACH, "lam": 3},
        with_value(lambda value, arguments: value - 2.0296 / arguments["lam"]),
    ),
    "transport-adversarial-risk": Planted(
        "transport-adversarial-risk-by-a-linear-program",
        {"p": gibbs.WEIGHTS, "losses": gibbs.LOSSES, "reach": gibbs.REACH},
        scaled(1.01),
    ),
    "mixture-game-value": Planted("mixture-game-value-from-both-sides", gibbs.GAME, scaled(1.01)),
    "linear-free-energy": Planted(
        "linear-free-energy-integrated",
        {"slopes": [1.0], "lam": 10, "lower": [-0.3], "upper": [0.3]},
        scaled(1.01),
    ),
    # Eq. (19) counts one of the two overlapping balls.
    "linear-adversarial-density": Planted(
        "linear-adversarial-density-on-cells",
        {"x": 0.75, "points": [0.0, 1.5], "slope": 1.0, "lam": 2, "radius": 1.0},
        scaled(0.9),
    ),
    "free-energy-gap": Planted(
        "free-energy-gap-on-a-square",
        {"d": 2, "lipschitz": 5, "eps": "0.3", "lam": 20, "loss": "corner"},
        scaled(0.95),
    ),
    "free-energy-gap-simple": Planted(
        "free-energy-gap-simple-on-a-square",
        {"d": 2, "lipschitz": 5, "eps": "0.3", "lam": 20, "loss": "corner"},
        scaled(0.7),
    ),
    "free-energy-growth": Planted(
        "free-energy-growth-on-a-slice", {**sampler_laws.GROWTH, "second": "1.02"}, scaled(1.1)
    ),
    "histogram-distance": Planted(
        "histogram-distance-of-independent-draws",
        {"masses": [0.01] * 100, "n": 4000},
        scaled(0.4),
    ),
    "sign-step-distance": Planted(
        "sign-gradient-chain-by-its-kernel", sampler_laws.CHAIN, scaled(1.3)
    ),
    "free-energy-lower-limit": Planted(
        "free-energy-lower-limit-simulated",
        {"d": 5, "lam": 10, "draws": [40, 20]},
        with_value(lambda value, _: value + 0.1),
    ),
    "free-energy-upper-limit": Planted(
        "free-energy-upper-limit-simulated",
        {"d": 5, "lam": 5, "draws": [1, 2000], "method": "chernoff"},
        scaled(0.85),
    ),
    # Proposition 3.6 with the volume eps^d.
    "collision-probability": Planted(
        "collision-probability-on-a-line",
        {"n": 3, "d": 1, "eps": "0.1"},
        with_value(lambda value, _: 3 * 0.1),
    ),
    "wasserstein-inf": Planted(
        "wasserstein-inf-by-brute-force", {"X": [0, 1, 3], "Y": [0.5, 2.8, 1.1]}, scaled(0.99)
    ),
    "internal-wasserstein": Planted(
        "internal-wasserstein-by-a-linear-program", internal.SHIFT, scaled(0.99)
    ),
    # Theorem 2 as printed, without the logarithm of 2.
    "cross-entropy-error-bound": Planted(
        "wrong-answers-within-reach", internal.NEARLY_EVEN, scaled(math.log(2))
    ),
    # A constant shift attains it.
    "internal-wasserstein-bound": Planted(
        "internal-wasserstein-bound-on-images", {**internal.SHIFT, "norm": "linf"}, scaled(0.99)
    ),
    # Theorem 1 with equal radii.
    "internal-radius": Planted(
        "internal-radius-attained",
        {"shape": [9, 8], "patch": 3, "eps": "0.5", "norm": "linf"},
        with_value(lambda _, arguments: float(arguments["eps"])),
    ),
    "internal-wasserstein-lower-bound": Planted(
        "internal-wasserstein-lower-bound-on-images", internal.SHIFT, scaled(1.01)
    ),
    # Theorem 3 as printed: no factor of beta.
    "adversarial-generalisation": Planted(
        "adversarial-generalisation-simulated",
        {"beta": 1000, "n": 500},
        with_value(lambda value, arguments: 2 * value / (1 + arguments["beta"])),
    ),
    "laplace-flow-radius-paper": Planted(
        "laplace-flow-radius-paper-on-four-pixels",
        moved(0.999, "Laplace 2x2", "edge", "l1", SAMPLES, ground="l1"),
        scaled(2.5),
    ),
    # Noise of standard deviation sigma, radius as if sigma were the scale.
    "laplace-flow-radius": Planted(
        "laplace-flow-radius-on-four-pixels",
        moved(0.999, "Laplace 2x2", "edge", "l1", SAMPLES, ground="l1"),
        scaled(2**0.5),
    ),
    "cycle-aware-flow-radius": Planted(
        "cycle-aware-flow-radius-on-tiny-images",
        moved(0.999, "Laplace 2x2", "edge", "l1", 4 * SAMPLES, shape=[2, 2]),
        scaled(1.2),
    ),
    # A diagonal taken to cost no more than an edge.
    "l2-aware-flow-radius": Planted(
        "l2-aware-flow-radius-on-four-pixels",
        moved(0.999, "Laplace 2x2", "diagonal", "l2", SAMPLES, shape=[2, 2]),
        scaled(2**0.5),
    ),
    # Without the factor of Corollary 1.
    "pixel-laplace-radius": Planted(
        "pixel-laplace-radius-on-two-pixels",
        moved(0.999, "Laplace pixels", "pixels", "l2", SAMPLES),
        scaled(2),
    ),
    # Noise that splits a flow which represents the image, taken from pixels to flows as it is.
    "uniform-flow-radius": Planted(
        "uniform-flow-radius-on-four-pixels",
        {"p": 0.9, "sigma": 1, "ground": "l1", "shape": [5, 5], "representation": "split"},
        whatever_the_hypotheses(3**0.5 * 0.8),
    ),
    # The largest resistance of an endless grid, on four pixels.
    "gaussian-flow-radius": Planted(
        "gaussian-flow-radius-of-half-spaces",
        {"p": 0.9, "sigma": 1, "shape": [2, 2]},
        scaled(1.5**0.5),
    ),
    "gaussian-image-radius": Planted(
        "gaussian-image-radius-of-half-spaces",
        {"p": 0.9, "covariance": [[1.0, -1.0], [-1.0, 1.0]], "shape": [1, 2]},
        scaled(1.001),
    ),
    # 4 k sigma^2 at the side of the image too.
    "flow-noise-patch-variance": Planted(
        "flow-noise-patch-variance-counted",
        {"rows": 28, "columns": 28, "height": 5, "width": 5, "top": 0, "left": 10},
        with_value(lambda _, arguments: 4.0 * arguments["height"]),
    ),
    "vote-limit-confidence": Planted(
        "vote-limit-coverage",
        {"n": 100, "alpha": 0.05, "p": 0.5},
        with_value(lambda value, _: value + 0.01),
    ),
    # An upper limit for the pilot's second class, taken to bound all others.
    "certificate-confidence": Planted(
        "certificate-coverage",
        {
            "probabilities": [0.4, 0.35, 0.25],
            "n": 60,
            "pilot": 10,
            "alpha": 0.05,
            "rule": "runner-up",
        },
        whatever_the_hypotheses(0.95),
    ),
    "sequential-error": Planted(
        "sequential-error-exactly",
        {"p": 0.9, "alpha": 0.05, "looks": list(range(1, 200))},
        scaled(0.5),
    ),
}
