"""Arguments for the claims on smoothed classifiers, as JSON holds them."""

import math

SCORES = [0.51, 0.6, "2/3", 0.8, 0.9, 0.99, 0.999, 1 - 1e-9, 1, 0.5, 0.3]
PAIRS = [(0.9, 0.05), (0.45, 0.05), (0.6, "1/3"), (0.99, 0), (0.4, 0.5), (0.7, 0.9)]
NO_SCORES = [-0.1, 1.5, math.nan, None, "x"]
NO_SIGMAS = [0, -1, math.nan, math.inf, None, "x"]
NO_SHAPES = [[1, 1], [0, 3], [2, 2, 2, 2], [2.5, 2], "2x2"]
UNEVEN = [
    [5.0, -1.0, -0.5, -2.0, -1.0, -0.5],
    [-1.0, 4.0, -1.0, -0.5, -1.0, -0.5],
    [-0.5, -1.0, 3.0, -0.5, -0.5, -0.5],
    [-2.0, -0.5, -0.5, 4.5, -1.0, -0.5],
    [-1.0, -1.0, -0.5, -1.0, 5.5, -2.0],
    [-0.5, -0.5, -0.5, -0.5, -2.0, 4.0],
]


def _inside(**others):
    return [
        *({"p": p, "sigma": sigma, **others} for p in SCORES for sigma in (0.01, "1/3")),
        *({"p": p, "sigma": 1, "p_other": other, **others} for p, other in PAIRS),
    ]


def _outside(shapes=(), grounds=("linf",), **others):
    inside = {"p": 0.9, "sigma": 1, **others}
    return [
        *({**inside, "p": p} for p in NO_SCORES),
        *({**inside, "sigma": sigma} for sigma in NO_SIGMAS),
        *({**inside, "p_other": p} for p in (-1, 2, "x")),
        *({**inside, "ground": ground} for ground in grounds),
        *({**inside, "shape": shape} for shape in shapes),
    ]


_PATCH = {"rows": 5, "columns": 4, "height": 2, "width": 3, "top": 1, "left": 1}
_VOTES = {"probabilities": [0.5, 0.3, 0.2], "n": 20, "pilot": 5, "alpha": 0.05}
_LOOKS = {"p": 0.9, "alpha": 0.05, "looks": [10, 20, 50]}

ARGUMENTS = {
    "laplace-flow-radius-paper": [
        *_inside(ground="l1"),
        *_inside(ground="l2"),
        *_inside(shape=[1, 5])[:4],
    ],
    "laplace-flow-radius": [
        *_inside(ground="l1"),
        *_inside(ground="l2"),
        *_inside(shape=[1, 5])[:4],
    ],
    "cycle-aware-flow-radius": [*_inside(shape=[2, 2]), *_inside(shape=[28, 28, 3])],
    "l2-aware-flow-radius": [*_inside(shape=[2, 2]), *_inside(shape=[5])],
    "pixel-laplace-radius": _inside(),
    "uniform-flow-radius": [*_inside(ground="l1"), *_inside(ground="l2")],
    "gaussian-flow-radius": [
        *_inside(shape=[2, 2]),
        *_inside(shape=[2, 3], ground="l1"),
        *_inside(shape=[7])[:3],
        *_inside(shape=[4, 3, 3])[:3],
    ],
    "gaussian-image-radius": [
        {"p": p, "covariance": UNEVEN, "shape": [2, 3], "ground": ground}
        for p in SCORES
        for ground in ("l1", "l2")
    ],
    "flow-noise-patch-variance": [
        {**_PATCH, **place, "sigma": sigma}
        for place in ({}, {"top": 0}, {"top": 0, "left": 0}, {"height": 1, "width": 1})
        for sigma in (0.01, "1/3", 2)
    ]
    + [{**_PATCH, "height": 5, "width": 4, "top": 0, "left": 0}],
    "vote-limit-confidence": [
        {"n": n, "alpha": alpha, "p": p}
        for n in (1, 100)
        for alpha in (0.05, "1/3")
        for p in (0, 0.5, 1)
    ],
    "certificate-confidence": [_VOTES, {**_VOTES, "probabilities": [1, 2], "alpha": "1/3"}],
    "sequential-error": [_LOOKS, {**_LOOKS, "p": "1/3", "alpha": 0.001}],
}
OUTSIDE = {
    "laplace-flow-radius-paper": _outside(shapes=NO_SHAPES),
    "laplace-flow-radius": _outside(shapes=NO_SHAPES),
    "cycle-aware-flow-radius": _outside(shapes=[*NO_SHAPES, None], shape=[2, 2], grounds=()),
    "l2-aware-flow-radius": _outside(shapes=[*NO_SHAPES, None], shape=[2, 2], grounds=()),
    "pixel-laplace-radius": _outside(),
    "uniform-flow-radius": [*_outside(), {"p": 0.9, "sigma": 1, "representation": "split"}],
    "gaussian-flow-radius": _outside(shapes=[*NO_SHAPES, None], shape=[2, 2]),
    "gaussian-image-radius": [
        {"p": 2, "covariance": UNEVEN, "shape": [2, 3]},
        {"p": 0.9, "covariance": UNEVEN, "shape": [3, 3]},
        {"p": 0.9, "covariance": UNEVEN, "shape": [2, 3], "ground": "linf"},
        {"p": 0.9, "covariance": [[1.0, 0.0], [0.0, 1.0]], "shape": [2]},
        {"p": 0.9, "covariance": [[1.0, -1.0], [-2.0, 2.0]], "shape": [2]},
        {"p": 0.9, "covariance": [[0.0, 0.0], [0.0, 0.0]], "shape": [2]},
        {"p": 0.9, "covariance": [[-1.0, 1.0], [1.0, -1.0]], "shape": [2]},
        {"p": 0.9, "covariance": [[math.nan, 1.0], [1.0, -1.0]], "shape": [2]},
    ],
    "flow-noise-patch-variance": [
        {**_PATCH, "top": 4},
        {**_PATCH, "left": -1},
        {**_PATCH, "height": 0},
        {**_PATCH, "rows": 1.5},
        {**_PATCH, "sigma": "x"},
    ],
    "vote-limit-confidence": [
        {"n": 0, "alpha": 0.1, "p": 0.5},
        {"n": 10, "alpha": 0, "p": 0.5},
        {"n": 10, "alpha": 0.1, "p": 2},
    ],
    "certificate-confidence": [
        {**_VOTES, "rule": "runner-up"},
        {**_VOTES, "probabilities": [1.0]},
        {**_VOTES, "probabilities": [0.3, 0.3]},
        {**_VOTES, "n": 0},
        {**_VOTES, "pilot": 1.5},
        {**_VOTES, "alpha": 1},
    ],
    "sequential-error": [
        {**_LOOKS, "p": 1},
        {**_LOOKS, "alpha": math.nan},
        {**_LOOKS, "looks": []},
        {**_LOOKS, "looks": [20, 10]},
    ],
}
