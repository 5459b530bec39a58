"""Arguments for the claims on adversarial transport and internal distances, as JSON holds them.

ARGUMENTS lie inside the hypotheses and OUTSIDE breaks them. Numbers that are differences of larger
ones are kept away from 0, where they have no relative accuracy.
"""

import math

from validation.experiments.gibbs import GAME, LOSSES, PROBLEM, REACH, WEIGHTS
from validation.experiments.internal import SHIFT, picture
from validation.experiments.sampler_laws import GROWTH


def _grid(inside, **choices):
    rows = [inside]
    for name, values in choices.items():
        rows = [{**row, name: value} for row in rows for value in values]
    return rows


def _outside(inside, **wrong):
    return [{**inside, name: value} for name, values in wrong.items() for value in values]


NO_RATES = [-1, math.nan, None, "x"]
NO_POSITIVE_RATES = [*NO_RATES, 0, math.inf]
NO_TABLES = [[[1, 2]], [[math.nan] * 4] * 3, None, "x"]
NO_LEVELS = [0, 1, -0.5, 2.0, math.nan, None]
NO_COUNTS = [0, -1, 1.5, "3", None, math.nan]
NO_IMAGES = [[1, 2], None, [[math.nan] * 4] * 4]

PLANS = {"p": WEIGHTS, "losses": LOSSES, "reach": REACH}
BOX = {"slopes": [3, -1, 0.5], "lam": 2, "lower": [0.25, 0, 0.5], "upper": [0.75, 0.25, 1]}
DENSITY = {"x": 0.75, "points": [0, 1.5], "slope": 1, "lam": 2, "radius": 1}
GAP = {"d": 3, "lipschitz": 5, "eps": 0.1, "lam": 50}
SAMPLE = {"losses": [0.25, 0.5, 0.75, 0.5, 1.0], "lam": 2, "delta": 0.5}
BOUNDED = {**SAMPLE, "greatest": 1.25}
CLOSE = {"n": 3, "d": 1, "eps": 0.1}
POINTS = {"X": [[0, 0], [1, 3], [2, 5]], "Y": [[0.5, 1], [2.8, 1], [1.1, 0]]}
PAIR = {"x": picture(6, 5, 1), "y": picture(6, 5, 2), "patch": 3}
UNEQUAL = {"x": picture(3, 3, 0), "y": picture(4, 4, 2), "patch": 2}
COLOURS = {
    "x": [[[0, 1, 2], [1, 1, 0.5]], [[0.25, 0, 0], [0, 0, 0]]],
    "y": [[[1, 1, 1], [0, 1, 0.5]], [[0.25, 0, 1], [0, 2, 0]]],
    "patch": 1,
}
RADIUS = {"shape": [28, 28], "patch": 7, "eps": 0.3}
GAP_OF_RISK = {
    "beta": 0.1,
    "rademacher": 0.05,
    "entropy_integral": 0.8,
    "bound": 2,
    "n": 10000,
    "delta": 0.05,
}

ARGUMENTS = {
    "gibbs-plan-value": [
        *_grid(PROBLEM, lam=[0, 1e-12, 1e-6, 0.3, 3, 1e3, 1e6, 1e12, "inf"]),
        {"p": [1], "losses": [[0.5, 0.25]], "lam": 7, "reference": [[0.25, 0.75]]},
    ],
    "entropic-transport-value": _grid(PLANS, lam=[1e-6, 0.3, 3, 1e3, 1e6]),
    "transport-adversarial-risk": [PLANS, {**PLANS, "p": [1, 0, 0]}],
    "cross-entropy-error-bound": [
        PLANS,
        {**PLANS, "p": [1, 0, 0]},
        {"p": [0.25, 0.75], "losses": [[0.25, 0.5], [0.1, 0.2]], "reach": [[1, 0], [1, 1]]},
        {"p": [1], "losses": [[0.0]], "reach": [[1]]},
    ],
    "mixture-game-value": [GAME, {**GAME, "lam": 0.1}, {**GAME, "lam": 30}],
    "linear-free-energy": _grid(BOX, lam=[0, 1e-12, 1e-3, 2, 40, 1e6, 1e12, "inf"]),
    "linear-adversarial-density": [
        *_grid(DENSITY, lam=[0, 1e-9, 2, 20], x=[0.75, 0.25, -1]),
        {**DENSITY, "x": 9},
        {**DENSITY, "weights": [0.25, 0.75]},
    ],
    "free-energy-gap": _grid(GAP, d=[1, 3, 784], eps=[0, 1e-8, "8/255", 0.3], lam=[0.1, 10, 1e4]),
    "free-energy-gap-simple": _grid(GAP, d=[1, 3], eps=[1e-8, "8/255", 0.3], lam=[0.1, 10, 1e4]),
    "free-energy-lower-limit": [*_grid(SAMPLE, lam=[2, 7, 50]), {**SAMPLE, "losses": [[0.5]] * 3}],
    "free-energy-upper-limit": _grid(
        BOUNDED,
        method=["chernoff", "bernstein", "hoeffding"],
        lam=[0.01, 2, 50],
        losses=[[0.25, 0.5, 0.75, 0.5, 1.0] * 8, [0.0] * 20],
    ),
    "free-energy-growth": [*_grid(GROWTH, first=[1e-6, 0.3, 1], second=[1.5, 3, 1e6]), GROWTH],
    "histogram-distance": _grid(
        {"masses": [0.25] * 4, "n": 100, "delta": 0.1},
        masses=[[0.25] * 4, [0.5, 0.25, 0.25, 0], [1, 2, 5]],
        n=[1, 100, 10**9],
        delta=[1e-9, 0.5],
    ),
    "sign-step-distance": _grid(
        {"step": 0.2, "noise": 0.2}, step=[1e-8, 0.2, "8/255"], noise=[0.01, 0.2]
    ),
    "collision-probability": _grid(
        CLOSE, n=[1, 2, 60000], d=[1, 784], eps=[0, 1e-8, "8/255", 0.6, 2], density=[1, 1.5]
    ),
    "wasserstein-inf": [
        *_grid(POINTS, norm=["linf", "l2", "l1"]),
        {**POINTS, "a": [0.5, 0.3, 0.2], "b": [0.25, 0.25, 0.5]},
        {"X": [0], "Y": [-1, 1]},
        {"X": [[3, 4]], "Y": [[3, 4]]},
    ],
    "internal-wasserstein": [PAIR, UNEQUAL, COLOURS, SHIFT, {**PAIR, "stride": 2}],
    "internal-wasserstein-bound": _grid(PAIR, norm=["l1", "l2", "linf"], stride=[1, 2]),
    "internal-radius": [
        *_grid(RADIUS, eps=[0, 1e-8, "8/255", 0.3], norm=["l1", "l2", "linf"]),
        {**RADIUS, "shape": [32, 32, 3], "stride": 3},
    ],
    "internal-wasserstein-lower-bound": [PAIR, UNEQUAL, COLOURS, SHIFT],
    "adversarial-generalisation": [
        GAP_OF_RISK,
        *_grid(GAP_OF_RISK, beta=[0, 1000], delta=[1e-9, 0.5]),
    ],
}
_PROBLEM_WRONG = _outside(
    PROBLEM, p=[[0.5, 0.5, 0.5], [1], [2, -1, 0]], losses=NO_TABLES, lam=NO_RATES,
    reference=[*NO_TABLES, [[0, 0, 0, 0]] * 3, [[1, 1, 0, 0]] * 3],
)  # fmt: skip
OUTSIDE = {
    "gibbs-plan-value": _PROBLEM_WRONG,
    "entropic-transport-value": _outside(
        {**PLANS, "lam": 3}, p=[[1]], losses=NO_TABLES, reach=[[[0] * 4] * 3], lam=NO_POSITIVE_RATES
    ),
    "transport-adversarial-risk": _outside(
        PLANS, p=[[1], [0.5, 0.5, 0.5]], losses=NO_TABLES, reach=[[[0] * 4] * 3, [1, 1]]
    ),
    "cross-entropy-error-bound": _outside(
        PLANS,
        p=[[1], [0.5, 0.5, 0.5]],
        losses=[*NO_TABLES, [[-0.1] * 4] * 3],
        reach=[[[0] * 4] * 3, [1, 1]],
    ),
    "mixture-game-value": _outside(
        GAME, p=[[1]], first=NO_TABLES, second=NO_TABLES, lam=NO_POSITIVE_RATES
    ),
    "linear-free-energy": _outside(
        BOX, slopes=[[1], None, [math.nan] * 3], lam=NO_RATES, upper=[[1, 1], [0, 0, 0]]
    ),
    "linear-adversarial-density": _outside(
        DENSITY,
        lam=[*NO_RATES, math.inf],
        radius=[0, -1, math.nan],
        points=[[], [[1]], None],
        weights=[[1], [0.5, 0.6]],
        x=[math.nan, None],
        slope=[math.inf],
    ),
    "free-energy-gap": _outside(
        GAP,
        d=NO_COUNTS,
        lipschitz=[-1, math.nan, None],
        eps=[-1, math.nan, "far", None],
        lam=NO_POSITIVE_RATES,
        form=["paper"],
    ),
    "free-energy-gap-simple": _outside(
        GAP, d=NO_COUNTS, lipschitz=[-1, math.nan], eps=[-1, None], lam=NO_POSITIVE_RATES
    ),
    "free-energy-lower-limit": _outside(
        SAMPLE, losses=[[], [math.nan], None, [[[1]]]], lam=NO_POSITIVE_RATES, delta=NO_LEVELS
    ),
    "free-energy-upper-limit": _outside(
        BOUNDED,
        losses=[[], [-1], [2.0], [[1], [1]]],
        lam=NO_POSITIVE_RATES,
        delta=NO_LEVELS,
        greatest=[0, -1, math.nan],
        method=["markov"],
    ),
    "free-energy-growth": _outside(
        GROWTH, losses=[[], [math.nan], [[1]], None], first=[*NO_POSITIVE_RATES, 4], second=[0.5]
    ),
    "histogram-distance": _outside(
        {"masses": [0.25] * 4, "n": 100, "delta": 0.1},
        masses=[[0.3, 0.3], [], [-1, 2], None],
        n=NO_COUNTS,
        delta=NO_LEVELS,
    ),
    "sign-step-distance": _outside(
        {"step": 0.2, "noise": 0.2}, step=NO_POSITIVE_RATES, noise=NO_POSITIVE_RATES
    ),
    "collision-probability": _outside(
        CLOSE, n=NO_COUNTS, d=NO_COUNTS, eps=[-1, math.nan, "far", None], density=[0.5, -1, None]
    ),
    "wasserstein-inf": _outside(
        POINTS,
        X=[[], [[math.nan, 1]], [[1, 2, 3]], 3],
        a=[[1], [-1, 1, 1], [0, 0, 0]],
        norm=["l3", None],
    ),
    "internal-wasserstein": _outside(
        PAIR, x=[*NO_IMAGES, COLOURS["x"]], y=NO_IMAGES, patch=[*NO_COUNTS, 6, 7], stride=NO_COUNTS
    ),
    "internal-wasserstein-bound": _outside(
        PAIR, x=[*NO_IMAGES, picture(5, 5, 1)], patch=[0, 7], norm=["l3", None]
    ),
    "internal-radius": _outside(
        RADIUS,
        shape=[[28], [0, 3], 28, "28"],
        patch=[*NO_COUNTS, 29],
        norm=["l3"],
        eps=[-1, math.nan, math.inf, None],
        stride=NO_COUNTS,
    ),
    "internal-wasserstein-lower-bound": _outside(PAIR, x=NO_IMAGES, patch=[0, 7]),
    "adversarial-generalisation": _outside(
        GAP_OF_RISK,
        beta=[-1, math.nan],
        rademacher=[-1],
        entropy_integral=[-1],
        bound=[-1, None],
        n=NO_COUNTS,
        delta=NO_LEVELS,
    ),
}
