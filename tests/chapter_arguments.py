"""Arguments for the claims on training, certificates and similarity, as JSON holds them.

ARGUMENTS lie inside the hypotheses and OUTSIDE breaks them. Margins are kept away from 0, where a
difference has no relative accuracy.
"""

import math

LINEAR = [[[[1.0, 1.0], [-1.0, -1.0]], [0.0, 0.0]]]  # f = (x1 + x2, -x1 - x2)
SMALL = [
    [[[1.0, -0.5], [0.25, 1.5], [-1.0, 0.75]], [0.5, -0.25, 0.1]],
    [[[1.0, 0.5, -0.25], [-0.5, 0.25, 1.0]], [1.0, -1.0]],
]
DEEP = [
    [[[1.0, -1.0], [1.0, 1.0]], [0.25, -0.5]],
    [[[1.0, 0.5], [-1.0, 1.0]], [0.0, 0.25]],
    [[[1.0, 0.25], [-0.5, 0.5], [0.0, -1.0]], [2.0, 0.0, -0.5]],
]
POINT = [0.5, 0.25]
PROBLEM = {
    "points": [0, 1, 2, 3, 3],
    "labels": [-1, -1, 1, 1, -1],
    "neighbours": [[1], [0, 2], [1, 3], [2]],
    "weights": [3, 2, 2, "7/2", 1],
}
CLASS = [[-1, -1, 1, 1], [1, 1, 1, 1], [-1, -1, -1, -1], [-1, 1, 1, 1]]
FEATURES = {"first": [[1], [2], [4], [3], [0]], "second": [[1, 0], [2, 1], [2, 5], [0, 1], [-1, 1]]}

_MARGIN = {"layers": SMALL, "point": POINT, "eps": 0.25, "label": 0, "norm": "l2"}
_RADIUS = {"layers": SMALL, "point": POINT, "label": 0, "norm": "l2"}
_LIPSCHITZ = {"logits": [1, 0.5, "1/3"], "label": 0, "lipschitz": 2}
_RISE = {"weight": [1, -0.5, "1/3", 2], "point": [0.5, 0.25, 0, 0.75], "eps": 0.3}
_SURROGATE = {"scores": [-2, -1.5, 1, 2], **PROBLEM, "scale": "1/10"}

_MARGINS = [
    {"layers": layers, "point": POINT, "eps": eps, "label": 0, "norm": norm}
    for layers in (LINEAR, SMALL, DEEP)
    for eps in (0, "1/8", 0.25, "1/5")
    for norm in ("linf", "l2", "l1")
]
_NO_MARGINS = [
    {**_MARGIN, **wrong}
    for wrong in (
        {"layers": []},
        {"layers": "x"},
        {"layers": [[[[1.0]], [0.0, 0.0]]]},
        {"layers": [LINEAR[0], SMALL[0], [[[1.0]], [0.0]]]},
        {"layers": [[[[math.nan, 1.0]], [0.0]]]},
        {"point": [1.0]},
        {"point": None},
        {"eps": -1},
        {"eps": math.inf},
        {"label": 2},
        {"label": True},
        {"norm": "l3"},
    )
]
_NO_PROBLEMS = [
    {**PROBLEM, **wrong}
    for wrong in (
        {"points": [0, 1, 2, 3, 4]},
        {"points": []},
        {"labels": [1]},
        {"labels": [0.5] * 5},
        {"neighbours": []},
        {"neighbours": [[9], [], [], []]},
        {"weights": [0] * 5},
        {"weights": [-1, 1, 1, 1, 1]},
    )
]

ARGUMENTS = {
    "lipschitz-radius": [
        {"logits": logits, "label": 0, "lipschitz": L, "norm": norm}
        for logits in ([1, 0], [0.3, 0.1, "1/7"], [0, 1], [2, 2])
        for L in (1, 0.1, "7/3")
        for norm in ("l2", "linf", "l1")
    ],
    "affine-rise": [
        {"weight": weight, "point": point, "eps": eps, "norm": norm, "box": box}
        for weight in ([1, -0.5, "1/3", 2], [0, 1, 1, -1], [0, 0, 0, 0])
        for point in ([0.5, 0.25, 0, 0.75], [1, 1, 0, 0.1])
        for eps in (0, "1/8", 0.3, 1, 9)
        for norm in ("linf", "l2", "l1")
        for box in ([0, 1], [-1, "3/2"], None)
    ],
    "interval-margin": _MARGINS,
    "linear-margin": _MARGINS,
    "linear-margin-above-interval": _MARGINS,
    "polytope-margin-above-linear": _MARGINS,
    "certified-radius": [
        {"layers": layers, "point": POINT, "label": 0, "norm": norm, "method": method}
        for layers in (LINEAR, SMALL, DEEP)
        for norm in ("linf", "l2", "l1")
        for method in ("interval", "linear")
    ]
    + [{**_RADIUS, "label": 1}, {**_RADIUS, "resolution": "1/8"}],
    "adversarial-risk-decomposition": [{"predictions": h, **PROBLEM} for h in CLASS],
    "adversarial-risk-above-benign": [
        {"hypotheses": CLASS, **PROBLEM},
        {"hypotheses": CLASS[1:2], **PROBLEM},
    ],
    "excess-adversarial-risk": [
        {"hypotheses": CLASS, "sample": sample, **PROBLEM} for sample in ([0], [0, 2, 2], [4, 1])
    ],
    "trades-surrogate-bound": [
        {**_SURROGATE, "scores": scores, "loss": loss}
        for scores in ([-2, -1.5, 1, 2], [1, -1, 1, 1], [-0.25, 0, 0.5, 3])
        for loss in ("hinge", "exponential", "logistic")
    ]
    + [{**_SURROGATE, "scores": [-3, -2, 2, 3], "points": [0, 0, 3, 3, 3], "loss": "hinge"}],
    "unbiased-hsic": [FEATURES, {"first": FEATURES["first"], "second": FEATURES["first"]}],
}

OUTSIDE = {
    "lipschitz-radius": [
        {**_LIPSCHITZ, **wrong}
        for wrong in (
            {"logits": [1]},
            {"logits": "x"},
            {"logits": [1, math.nan]},
            {"label": 3},
            {"label": None},
            {"lipschitz": 0},
            {"norm": "l4"},
        )
    ],
    "affine-rise": [
        {**_RISE, **wrong}
        for wrong in (
            {"weight": [1, 2]},
            {"weight": "x"},
            {"weight": [1, 2, 3, math.nan]},
            {"point": []},
            {"point": 3},
            {"point": [0, 0, 0, 1.5]},
            {"eps": -1},
            {"eps": math.inf},
            {"norm": "l3"},
            {"box": [0]},
            {"box": 1},
            {"box": [1, 0]},
        )
    ],
    "interval-margin": _NO_MARGINS,
    "linear-margin": _NO_MARGINS,
    "linear-margin-above-interval": _NO_MARGINS,
    "polytope-margin-above-linear": _NO_MARGINS,
    "certified-radius": [
        *(
            {k: v for k, v in wrong.items() if k != "eps"}
            for wrong in _NO_MARGINS
            if wrong["eps"] == 0.25
        ),
        {**_RADIUS, "resolution": 0.3},
        {**_RADIUS, "method": "magic"},
    ],
    "adversarial-risk-decomposition": [
        *({"predictions": CLASS[0], **problem} for problem in _NO_PROBLEMS),
        {"predictions": [1], **PROBLEM},
    ],
    "adversarial-risk-above-benign": [
        *({"hypotheses": CLASS, **problem} for problem in _NO_PROBLEMS),
        {"hypotheses": [], **PROBLEM},
        {"hypotheses": [[1]], **PROBLEM},
    ],
    "excess-adversarial-risk": [
        {"hypotheses": CLASS, "sample": [], **PROBLEM},
        {"hypotheses": CLASS, "sample": [5], **PROBLEM},
        {"hypotheses": 3, "sample": [0], **PROBLEM},
    ],
    "trades-surrogate-bound": [
        {**_SURROGATE, **wrong}
        for wrong in (
            {"labels": [0, 1, 1, 1, 1]},
            {"scores": [1]},
            {"scores": [1, 1, 1, math.inf]},
            {"scale": 0},
            {"loss": "0-1"},
        )
    ],
    "unbiased-hsic": [
        {"first": [[1], [2], [3]], "second": [[1], [2], [3]]},
        {"first": FEATURES["first"], "second": [[1]]},
        {"first": FEATURES["first"], "second": [[math.nan]] * 5},
        {"first": 3, "second": 4},
        {"first": "x", "second": "y"},
    ],
}
