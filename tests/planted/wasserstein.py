"""False versions of the claims about grids, smoothing and votes."""

from __future__ import annotations

from tests.planted.changes import SAMPLES, Planted, scaled, whatever_the_hypotheses, with_value
from validation.experiments.smoothing import moved

PLANTED: dict[str, Planted] = {
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
