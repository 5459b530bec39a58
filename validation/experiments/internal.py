"""The internal Wasserstein distance by a linear program, and images that attain its bounds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from robust_theory.risks import adversarial_generalisation
from robust_theory.transport import adversarial_error, internal, internal_bounds
from validation.experiment import Experiment, Json, Measurement, Result
from validation.experiments.fixed_rows import with_rows
from validation.verdict import Evidence

Array = np.ndarray[Any, np.dtype[np.float64]]

SOLVER = 1e-6  # HiGHS's tolerance of 1e-7 per row, for values of size 10


def picture(H: int, W: int, k: int) -> list[list[float]]:
    """An image without structure, of multiples of 1/16."""
    return [
        [((7 * i + 11 * j + 3 * i * j + k * (i * i + 2 * j)) % 17) / 16 for j in range(W)]
        for i in range(H)
    ]


def _windows(image: Array, p: int) -> Array:
    """Patches by plain slicing."""
    H, W = image.shape[:2]
    return np.array(
        [image[i : i + p, j : j + p].ravel() for i in range(H - p + 1) for j in range(W - p + 1)]
    )


def by_linear_program(x: Any, y: Any, p: int) -> float:
    """The distance as a transport problem."""
    from scipy.optimize import linprog
    from scipy.sparse import eye_array, kron

    u, v = _windows(np.asarray(x, float), p), _windows(np.asarray(y, float), p)
    cost = np.abs(u[:, None] - v).sum(axis=2)
    n, m = cost.shape
    rows = kron(eye_array(n), np.ones((1, m))), kron(np.ones((1, n)), eye_array(m))
    from scipy.sparse import vstack

    sums = np.concatenate([np.full(n, 1 / n), np.full(m, 1 / m)])
    return float(linprog(cost.ravel(), A_eq=vstack(rows).tocsr(), b_eq=sums).fun)


def _distance(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    value = by_linear_program(parameters["x"], parameters["y"], parameters["patch"])
    seen = Evidence(value, value - SOLVER, value + SOLVER, "exact", "linear program")
    return Measurement(dict(parameters), seen)


def _wrong_answers(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    """Weight of the points with a wrong answer in reach; the label is the first class."""
    from scipy.special import logsumexp

    p, logits, reach = (np.asarray(parameters[k], float) for k in ("p", "logits", "reach"))
    wrong = (logits[..., 0] <= logits[..., 1:].max(axis=2)) & (reach != 0)
    value = float(p[wrong.any(axis=1)].sum())
    losses = logsumexp(logits, axis=2) - logits[..., 0]
    seen = Evidence(value, value - 1e-12, value + 1e-12, "exact", "all answers within reach")
    arguments = {"p": parameters["p"], "losses": losses.tolist(), "reach": parameters["reach"]}
    return Measurement(arguments, seen)


def dual_perturbation(shape: tuple[int, int], patch: int, norm: str) -> Array:
    """The direction of norm 1 that the coverage of the pixels aligns with."""
    H, W = shape
    c = np.zeros(shape)
    for i in range(H - patch + 1):
        for j in range(W - patch + 1):
            c[i : i + patch, j : j + patch] += 1
    if norm == "linf":
        return np.ones(shape)
    if norm == "l2":
        scaled: Array = c / np.linalg.norm(c)
        return scaled
    unit = np.zeros(shape)
    unit[np.unravel_index(c.argmax(), shape)] = 1.0
    return unit


def _radius(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    """An image whose patches are far apart, and the perturbation that its patches see most of."""
    H, W = parameters["shape"]
    norm, eps = parameters["norm"], float(parameters["eps"])
    x = 1000 * np.random.default_rng(seed).random((H, W))
    direction = dual_perturbation((H, W), parameters["patch"], norm)
    value = by_linear_program(x, x + eps * direction, parameters["patch"])
    # The solver's tolerance is relative to distances of patches of size 1e3.
    seen = Evidence(value, value - 1e-4, value + 1e-4, "exact", "linear program, best perturbation")
    return Measurement(dict(parameters), seen)


def _generalisation(
    parameters: Mapping[str, Json], inputs: Mapping[str, Result], seed: int, alpha: float
) -> Measurement:
    """One classifier, so that both complexities are 0; losses of 0 and 1."""
    n, beta = parameters["n"], float(parameters["beta"])
    rng = np.random.default_rng(seed)
    place = rng.random(n)
    clean, attacked = 0.3, 0.6
    risk = beta * clean + attacked
    on_sample = beta * float(np.mean(place < clean)) + float(np.mean(place < attacked))
    gap = risk - on_sample
    tiny = 1e-12 * (1 + beta)
    seen = Evidence(gap, gap - tiny, gap + tiny, "exact", "simulated sample, known population")
    arguments = {
        "beta": parameters["beta"],
        "rademacher": 0,
        "entropy_integral": 0,
        "bound": 1,
        "n": n,
        "delta": alpha / 2,
    }
    return Measurement(arguments, seen)


_experiment = partial(
    with_rows,
    quantity="internal Wasserstein distance",
    unit="l1 distance of patches",
    norm="l1",
)
_EQUAL = "Each bar encloses the distance by another road; the mark of the theory must be inside."
_BELOW = "Each bar encloses the number; it must not end above the mark of the theory."
_ABOVE = "Each bar encloses the number; it must not end below the mark of the theory."
_PAIRS: Mapping[str, Json] = {
    "three-by-three": {"x": picture(3, 3, 0), "y": picture(3, 3, 1), "patch": 2},
    "eight-by-eight": {"x": picture(8, 8, 1), "y": picture(8, 8, 2), "patch": 3},
}
SHIFT = {
    "x": picture(6, 6, 1),
    "y": [[v + 0.125 for v in row] for row in picture(6, 6, 1)],
    "patch": 3,
}
# At the first point the label keeps 49 of 100, as in the counterexample to the printed theorem.
NEARLY_EVEN = {
    "p": [0.5, 0.5],
    "logits": [[[4.0, 0.0], [-0.04, 0.0]], [[7.0, 0.0], [6.0, 0.0]]],
    "reach": [[1, 1], [1, 1]],
}
_THREE_CLASSES = {
    "p": [0.3, 0.3, 0.2, 0.1, 0.1],
    "logits": [
        [[5.0, (7 * i + 3 * j) % 6, (5 * i + j) % 7 / 2] for j in range(4)] for i in range(5)
    ],
    "reach": [[int((i + j) % 3 != 0) for j in range(4)] for i in range(5)],
}

EXPERIMENTS: tuple[Experiment, ...] = (
    _experiment(
        "internal-wasserstein-by-a-linear-program",
        internal.INTERNAL_WASSERSTEIN,
        "internal",
        _distance,
        {
            **_PAIRS,
            "of-different-sizes": {"x": picture(3, 3, 0), "y": picture(4, 4, 2), "patch": 2},
        },
        _EQUAL,
        1e-5,
    ),
    _experiment(
        "internal-wasserstein-bound-on-images",
        internal_bounds.INTERNAL_WASSERSTEIN_BOUND,
        "internal_bounds",
        _distance,
        {
            f"{name}-{norm}": {**pair, "norm": norm}
            for name, pair in _PAIRS.items()
            for norm in ("l1", "l2", "linf")
        },
        _BELOW,
    ),
    _experiment(
        "internal-radius-attained",
        internal_bounds.INTERNAL_RADIUS,
        "internal_bounds",
        _radius,
        {
            norm: {"shape": [9, 8], "patch": 3, "eps": "0.5", "norm": norm}
            for norm in ("l1", "l2", "linf")
        },
        _EQUAL,
        1e-3,
    ),
    _experiment(
        "wrong-answers-within-reach",
        adversarial_error.CROSS_ENTROPY_ERROR,
        "adversarial_error",
        _wrong_answers,
        {"nearly-even": NEARLY_EVEN, "three-classes": _THREE_CLASSES},
        _BELOW,
        quantity="probability of a wrong answer within reach",
        unit="probability",
        norm="",
    ),
    _experiment(
        "internal-wasserstein-lower-bound-on-images",
        internal_bounds.INTERNAL_LOWER_BOUND,
        "internal_bounds",
        _distance,
        _PAIRS,
        _ABOVE,
    ),
    _experiment(
        "adversarial-generalisation-simulated",
        adversarial_generalisation.ADVERSARIAL_GENERALISATION,
        "adversarial_generalisation",
        _generalisation,
        {"light": {"beta": 0.1, "n": 500}, "heavy": {"beta": 1000, "n": 500}},
        _BELOW,
        quantity="risk minus risk on the sample",
        unit="loss",
    ),
)
