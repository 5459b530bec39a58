"""Arguments for the claims on Gaussian latents and their neighbours, as JSON holds them.

ARGUMENTS lie inside the hypotheses and OUTSIDE breaks them. Where a bound is a difference of
numbers of size 1, the arguments keep it away from 0, where it has no relative accuracy.
"""

import math

MEASURES = [
    [0.5, 0.5],
    [0.1] * 10,
    [0.9, 0.1],
    [0.5, 0.3, 0.2, 0.0],
    [13861, 10585, 8497, 7458, 6882, 5727, 5595, 5045, 4659, 4948],
    ["1/3", "1/3", "1/3"],
    [1.0],
]
BALANCED = [[0.5, 0.5], [0.1] * 10, ["1/3", "1/3", "1/3"]]
BUDGETS = [0, 1e-8, "8/255", 0.3, 1.0, 2.5, 7, 40.0]
COUNTS = [5, 6, 10, 1000, 10**6, 10**300]
NO_MEASURES = [[0.3, 0.3], [], [-1, 2], [math.nan, 1.0], None, "x", [[1.0]], [None]]
NO_BUDGETS = [-1, math.nan, "far", None, [[1], [1, 2]]]
NO_COUNTS = [0, -1, 1.5, "3", None, math.nan]
NO_POSITIVE = [0, -1, math.nan, None, "x"]
COVARIANCE = [[2.0, 0.5], [0.5, 1.0]]


def _grid(**choices):
    rows = [{}]
    for name, values in choices.items():
        rows = [{**row, name: value} for row in rows for value in values]
    return rows


def _outside(inside, **wrong):
    return [{**inside, name: value} for name, values in wrong.items() for value in values]


_TRANSFER = {"measures": [0.1] * 10, "delta": 0.05, "eps": 1}
_UNIONS = {"unions": [0.3, 0.3, 0.5], "delta": 0.1, "eps": 1}
_IMAGE = {"measures": [0.5, 0.5], "eps": 1, "inverse_modulus": [2, 1]}
_MEAN = {"measures": [0.5, 0.5], "modulus": [1, 0.5]}
_NO_MODULI = [3, None, [1], [0, 1], [1, -1], "x", [1, math.nan]]
_CONDITIONAL = {"priors": [0.5, 0.5], "errors": [0.1, 0.2], "lipschitz": [1, 2], "eps": 1}
_REAL = {**_IMAGE, "wasserstein": 0.1}

ARGUMENTS = {
    "balanced-fooling-probability": [
        *_grid(eps=BUDGETS),
        *_grid(eps=[0.3, 1.0], measures=BALANCED),
    ],
    "balanced-paper-bound": _grid(eps=[0.68, 0.8, "3/4", 1.0, 2.5, 7, 40.0]),
    "largest-class-fooling-probability": _grid(
        largest=[0.5, 0.1, "1/3", 0.9, 1e-6, 1], eps=BUDGETS
    ),
    "equiprobable-fooling-probability": _grid(K=[2, 3, 4, *COUNTS], eps=BUDGETS),
    "equiprobable-elementary-bound": _grid(K=COUNTS, eps=BUDGETS),
    "equiprobable-paper-bound": [
        *_grid(K=COUNTS, eps=[0.5, 1.0, 2.5, 7, 40.0]),
        {"K": 10**6, "eps": 0.1},
    ],
    "equiprobable-expected-radius": _grid(K=COUNTS),
    "equiprobable-expected-radius-paper": _grid(K=[2, 3, 4, *COUNTS]),
    "equiprobable-neighbourhood-measure": _grid(K=COUNTS, eps=BUDGETS),
    "equiprobable-neighbourhood-measure-paper": _grid(K=COUNTS, eps=BUDGETS),
    "equiprobable-threshold": _grid(K=COUNTS),
    "neighbourhood-measure": _grid(measure=[0.5, 0.9, "1/3", 1], eps=[0.1, 0.3, 1.0, 2.5, 7, 40.0]),
    "neighbourhood-measure-paper": _grid(
        measure=[0.5, 0.9, "2/3", 1], eps=[0.1, 1.0, 2.5, 7, 40.0]
    ),
    "normal-tail-lower-bound": _grid(x=[0, 1e-8, 0.5, "1/3", 2, 10.1, 37]),
    "normal-tail-upper-bound": _grid(x=[0, 1e-8, 0.5, "1/3", 2, 10.1, 37]),
    "normalised-fooling-quantile": [
        *_grid(measures=MEASURES, q=[0.25, 0.5, 0.9], dimension=[1, 100]),
    ],
    "normalised-fooling-probability": [
        *_grid(measures=[*BALANCED, [1.0]], ratio=[0.5, 1], dimension=[100], norm=[8]),
        *_grid(measures=BALANCED, ratio=[0.5, 1], dimension=[100, 1000]),
    ],
    "half-space-normalised-law": _grid(ratio=[0, 0.01, "1/10", 0.5, 1, 2], dimension=[2, 3, 100]),
    "transfer-probability": [
        *_grid(measures=[[0.1] * 10, [0.5, 0.3, 0.2]], delta=[0, 0.05, "1/20"], eps=[1.0, 2.5, 7]),
        *_grid(measures=MEASURES, delta=[0], eps=BUDGETS),
        {"measures": [0.9, 0.1], "delta": 0.2, "eps": 1},
    ],
    "transfer-paper-bound": _grid(
        measures=[[0.1] * 10], delta=[0, 0.05, "1/20"], eps=[1.0, 2.5, 7, 40.0]
    ),
    "transfer-probability-from-unions": [
        *_grid(
            unions=[[0.3, 0.3, 0.5], ["1/4", "1/4", "3/5"]], delta=[0.1], eps=[0, 0.1, 1.0, 2.5, 7]
        ),
        {"unions": [0.4, 0.4, 0.4], "delta": 0.1, "eps": 1.5, "models": 3},
    ],
    "parallel-transfer-law": _grid(offset=[0, 0.3, "1/2", 2], eps=BUDGETS),
    "image-fooling-probability": [
        *_grid(measures=MEASURES, eps=BUDGETS, inverse_modulus=[[2, 1], [1, 0.5]]),
        *_grid(measures=[[0.1] * 10], eps=[1, 2.5], inverse_modulus=[[1, 1]], failure=[0.05, 1]),
    ],
    "image-fooling-probability-inside": _grid(
        measures=[[0.1] * 10, [0.5, 0.5], [1.0]],
        eps=[0, 0.1, 1.5, 2.5, 7],
        inverse_modulus=[[1, 1]],
        failure=[0, 0.05],
    ),
    "image-fooling-quantile": _grid(
        measures=MEASURES, q=["1/4", "1/2"], modulus=[[2, 1]], failure=["0", "1/20"]
    ),
    "image-expected-radius": [
        *_grid(measures=MEASURES, modulus=[[1, 0.5], [2, 1], [0.5, 2]]),
        *_grid(measures=BALANCED, modulus=[[1, 0.5]], wasserstein=[0.25, "1/3"]),
    ],
    "image-expected-radius-paper": _grid(
        measures=MEASURES, modulus=[[1, 0.5], [2, 1]], wasserstein=[0, "1/3"]
    ),
    "real-data-fooling-probability": [
        *_grid(
            measures=[[0.5, 0.5], [1.0]],
            eps=[0, 0.1, 1, 2.5],
            inverse_modulus=[[1, 1]],
            wasserstein=[0.1],
        ),
    ],
    "nearest-neighbour-radius": _grid(in_distribution=[0, 0.1, "1/3", 2], slack=[0, "1/2"]),
    "cube-fooling-probability": _grid(measures=MEASURES, eps=BUDGETS, side=[1, 2, "1/2"]),
    "ball-fooling-probability": _grid(measures=BALANCED, eps=BUDGETS, d=[1, 2, 10], radius=[1, 2]),
    "log-concave-fooling-probability": _grid(
        measures=MEASURES, eps=BUDGETS, curvature=[1, 0.3, "4"]
    ),
    "inradius-fooling-probability": _grid(measures=MEASURES, eps=BUDGETS, inradius=[1, 0.3]),
    "gaussian-fooling-probability": _grid(
        measures=BALANCED,
        eps=BUDGETS,
        covariance=[[[1.0]], [[4.0, 0.0], [0.0, 1.0]]],
        norm=["l2", "linf"],
    ),
    "sphere-fooling-probability": _grid(measures=[[0.5, 0.5], [1.0]], eps=[0, 0.1, 1, 4], d=[2]),
    "cheeger-fooling-probability": _grid(measures=MEASURES, eps=BUDGETS, h=[1, 0.3]),
    "conditional-adversarial-risk": [
        *_grid(
            priors=[[0.2, 0.3, 0.5]],
            errors=[[0.1, 0.05, 0.0], [0, 0, 0], [1, 0.5, "1/3"]],
            lipschitz=[[1, 2, 3]],
            eps=[0, 0.1, 1, 7],
        ),
    ],
    "orthant-law": _grid(k=[1, 2, 10, 10**6], eps=BUDGETS),
    "orthant-expected-radius": _grid(k=[1, 2, 3, 10, 10**6]),
    "strips-law": _grid(thresholds=[[0], [-0.43, 0.43], [-1, 0.2, "9/10"]], eps=BUDGETS),
    "strips-expected-radius": _grid(thresholds=[[0], [-0.43, 0.43], [-1, 0.2, "9/10"]]),
}

_NO_SPHERE = {"measures": [0.5, 0.5], "eps": 0.1, "d": 3}
_NO_GAUSSIAN = {"measures": [0.5, 0.5], "eps": 1, "covariance": COVARIANCE}

OUTSIDE = {
    "balanced-fooling-probability": [
        *_outside({}, eps=NO_BUDGETS),
        {"eps": 1, "measures": [0.9, 0.1]},
    ],
    "balanced-paper-bound": [*_outside({}, eps=NO_BUDGETS), {"eps": 1, "measures": [0.9, 0.1]}],
    "largest-class-fooling-probability": _outside(
        {"largest": 0.5, "eps": 1}, largest=[0, 1.1, math.nan, None, "x"], eps=NO_BUDGETS
    ),
    "equiprobable-fooling-probability": _outside(
        {"K": 5, "eps": 1}, K=[1, 10**301, *NO_COUNTS], eps=NO_BUDGETS
    ),
    "equiprobable-elementary-bound": _outside(
        {"K": 5, "eps": 1}, K=[2, 4, *NO_COUNTS], eps=NO_BUDGETS
    ),
    "equiprobable-paper-bound": _outside({"K": 5, "eps": 1}, K=[2, 4, *NO_COUNTS], eps=NO_BUDGETS),
    "equiprobable-expected-radius": _outside({}, K=[2, 4, *NO_COUNTS]),
    "equiprobable-expected-radius-paper": _outside({}, K=[1, *NO_COUNTS]),
    "equiprobable-neighbourhood-measure": _outside(
        {"K": 5, "eps": 1}, K=[2, 4, *NO_COUNTS], eps=NO_BUDGETS
    ),
    "equiprobable-neighbourhood-measure-paper": _outside(
        {"K": 5, "eps": 1}, K=[2, 4, *NO_COUNTS], eps=NO_BUDGETS
    ),
    "equiprobable-threshold": _outside({}, K=[2, 4, *NO_COUNTS]),
    "neighbourhood-measure": _outside(
        {"measure": 0.5, "eps": 1}, measure=[0, 1.1, math.nan, None], eps=NO_BUDGETS
    ),
    "neighbourhood-measure-paper": _outside(
        {"measure": 0.5, "eps": 1}, measure=[0, 0.49, 1.1, None], eps=NO_BUDGETS
    ),
    "normal-tail-lower-bound": _outside({}, x=[-0.1, math.nan, None, "x"]),
    "normal-tail-upper-bound": _outside({}, x=[-0.1, math.nan, None, "x"]),
    "normalised-fooling-quantile": _outside(
        {"measures": [0.5, 0.5], "q": 0.5, "dimension": 3},
        measures=NO_MEASURES,
        q=[0, 1, math.nan, None],
        dimension=NO_COUNTS,
    ),
    "normalised-fooling-probability": _outside(
        {"measures": [0.5, 0.5], "ratio": 0.5, "dimension": 3},
        measures=NO_MEASURES,
        ratio=[-1, math.nan, None, math.inf],
        dimension=NO_COUNTS,
        norm=[-1, math.nan],
    ),
    "half-space-normalised-law": _outside(
        {"ratio": 0.1, "dimension": 3}, ratio=[-1, math.nan, None], dimension=[1, *NO_COUNTS]
    ),
    "transfer-probability": _outside(
        _TRANSFER, measures=NO_MEASURES, delta=[-0.1, 1.1, math.nan, None], eps=NO_BUDGETS
    ),
    "transfer-paper-bound": _outside(
        _TRANSFER, measures=[*NO_MEASURES, [0.5, 0.5]], delta=[0.41, None], eps=NO_BUDGETS
    ),
    "transfer-probability-from-unions": _outside(
        _UNIONS,
        unions=[[0.5, 0.4], [0.8, 0.8], [], None, "x", [[1.0]], [math.nan]],
        delta=[-0.1, 0, math.nan, None],
        eps=NO_BUDGETS,
        models=[1, None],
    ),
    "parallel-transfer-law": _outside(
        {"offset": 0.3, "eps": 1}, offset=[-1, math.nan, math.inf, None], eps=NO_BUDGETS
    ),
    "image-fooling-probability": _outside(
        _IMAGE,
        measures=NO_MEASURES,
        eps=NO_BUDGETS,
        inverse_modulus=_NO_MODULI,
        failure=[-0.1, 1.1, None],
    ),
    "image-fooling-probability-inside": _outside(
        {**_IMAGE, "failure": 0.05},
        measures=NO_MEASURES,
        eps=NO_BUDGETS,
        inverse_modulus=_NO_MODULI,
        failure=[-0.1, 1.1, None],
    ),
    "image-fooling-quantile": _outside(
        {"measures": [0.5, 0.5], "q": 0.5, "modulus": [1, 1]},
        measures=NO_MEASURES,
        q=[0, 1, None],
        modulus=_NO_MODULI,
        failure=[-0.1, 0.5, None],
    ),
    "image-expected-radius": _outside(
        _MEAN, measures=NO_MEASURES, modulus=_NO_MODULI, wasserstein=[-1, math.nan, None]
    ),
    "image-expected-radius-paper": _outside(
        _MEAN, measures=NO_MEASURES, modulus=[*_NO_MODULI, [1, 2]], wasserstein=[-1, None]
    ),
    "real-data-fooling-probability": _outside(
        _REAL,
        measures=NO_MEASURES,
        eps=NO_BUDGETS,
        inverse_modulus=_NO_MODULI,
        wasserstein=[-1, math.nan, None],
        order=[0.5, None, "x"],
    ),
    "nearest-neighbour-radius": _outside(
        {"in_distribution": 1}, in_distribution=[-1, math.nan, None], slack=[-1, None]
    ),
    "cube-fooling-probability": _outside(
        {"measures": [0.5, 0.5], "eps": 1}, measures=NO_MEASURES, eps=NO_BUDGETS, side=NO_POSITIVE
    ),
    "ball-fooling-probability": _outside(
        {"measures": [0.5, 0.5], "eps": 1, "d": 3},
        measures=NO_MEASURES,
        eps=NO_BUDGETS,
        d=NO_COUNTS,
        radius=NO_POSITIVE,
    ),
    "log-concave-fooling-probability": _outside(
        {"measures": [0.5, 0.5], "eps": 1, "curvature": 1},
        measures=NO_MEASURES,
        eps=NO_BUDGETS,
        curvature=NO_POSITIVE,
    ),
    "inradius-fooling-probability": _outside(
        {"measures": [0.5, 0.5], "eps": 1, "inradius": 1},
        measures=NO_MEASURES,
        eps=NO_BUDGETS,
        inradius=NO_POSITIVE,
    ),
    "gaussian-fooling-probability": _outside(
        _NO_GAUSSIAN,
        measures=NO_MEASURES,
        eps=NO_BUDGETS,
        covariance=[[[1, 2]], [[1, 2], [2, 1]], [[0.0]], None],
        norm=["l3", 0.5, None],
    ),
    "sphere-fooling-probability": _outside(
        _NO_SPHERE,
        measures=NO_MEASURES,
        eps=NO_BUDGETS,
        d=[1, *NO_COUNTS],
        radius=NO_POSITIVE,
        distance=["l2"],
    ),
    "cheeger-fooling-probability": _outside(
        {"measures": [0.5, 0.5], "eps": 1, "h": 1},
        measures=NO_MEASURES,
        eps=NO_BUDGETS,
        h=NO_POSITIVE,
    ),
    "conditional-adversarial-risk": _outside(
        _CONDITIONAL,
        priors=[[1.0], *NO_MEASURES],
        errors=[[0.1], [2, 0], None, "x"],
        lipschitz=[[1], [0, 1], None],
        eps=NO_BUDGETS,
    ),
    "orthant-law": _outside({"k": 2, "eps": 1}, k=NO_COUNTS, eps=NO_BUDGETS),
    "orthant-expected-radius": _outside({}, k=NO_COUNTS),
    "strips-law": _outside(
        {"thresholds": [0], "eps": 1},
        thresholds=[[], [1, 1], [1, 0], None, "x", [math.nan]],
        eps=NO_BUDGETS,
    ),
    "strips-expected-radius": _outside({}, thresholds=[[], [1, 1], None, "x", [math.nan]]),
}
