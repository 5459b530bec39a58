"""False versions of the claims about adversarial transport and internal distances."""

from __future__ import annotations

import math

from tests.planted.changes import Planted, scaled, with_value
from validation.experiments import gibbs, internal, sampler_laws

PLANTED: dict[str, Planted] = {
    # Equalities are wrong by a hundredth only.
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
}
