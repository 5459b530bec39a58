"""A made-up report with every verdict, and awkward numbers."""

import math
import shlex
from dataclasses import asdict, replace

import numpy as np
from scipy.special import ndtr

from robust_theory.claim import A_DISTANCE, A_PROBABILITY, ANY_NUMBER, Claim, Interval
from validation.experiment import Curve, Experiment, Instance, Options, Outcome, Row, json_number
from validation.verdict import Evidence, decide

ROW_ALPHA = 0.01 / 412


def _claim(name, relation, possible, statement, broken=lambda value, form="sharp": ()):
    return Claim(
        name=name,
        source="fawzi2018, Theorem 1, eq. (1)",
        formula=lambda: statement,
        relation=relation,
        value=lambda value, form="sharp": value,
        enclosure=lambda value, form="sharp": Interval(value, value),
        broken_hypotheses=broken,
        possible=possible,
    )


FOOLING = _claim(
    "latent-fooling-probability",
    ">=",
    A_PROBABILITY,
    r"\mathbb{P}\left(r_Z \le \varepsilon\right) \ge 1 - \sum_{i=1}^{K}"
    r"\left[\Phi\left(a_i + \varepsilon\right) - \Phi(a_i)\right]^{-1}",
)
RADIUS = _claim(
    "expected-latent-radius",
    "<=",
    A_DISTANCE,
    r"\mathbb{E}\,r_Z \le \sum_{i=1}^{K} \left( -a_i\,\Phi(-a_i) + \frac{e^{-a_i^2/2}}"
    r"{\sqrt{2\pi}} \right)",
    lambda value, form="sharp": ("class measures must sum to 1, got 0.6",) if value == 0.6 else (),
)
SIMPLEX = _claim(
    "simplex-argmax-law",
    "==",
    ANY_NUMBER,
    r"\mathbb{P}\left(r_Z \le \varepsilon\right) = 1 - \left[1 - \Phi(\varepsilon)\right]^{K}",
)
CDF = Experiment(
    "digits-vae-fooling",
    FOOLING,
    "latent",
    "share of latents fooled within the radius",
    "probability",
    "l2",
    "The claim says that no classifier can keep the blue curve below the dashed one: the share of "
    "images that a latent step of the given length can change the label of is at least this.",
    "radius in latent space",
    instances=lambda options: (),
    measure=lambda *_: None,
)
MEAN = replace(
    CDF,
    name="digits-vae-radius",
    claim=RADIUS,
    quantity="mean radius",
    unit="latent distance",
    reading="Each point is the mean distance to the nearest other label; the claim puts it on the "
    "left of the tick, and in the second plot left of zero.",
)
EXACT = replace(
    CDF,
    name="simplex-models",
    claim=SIMPLEX,
    subject="models",
    quantity="share of points within the radius",
    reading="The exact law against a count of sampled points: the bands should contain zero.",
)


def outcome(experiment, name, value, evidence, curve=None, **parameters):
    verdict = decide(experiment.claim, {"value": value}, evidence)
    fields = asdict(evidence) | {
        k: json_number(getattr(evidence, k)) for k in ("value", "lo", "hi")
    }
    values = {
        "arguments": {"value": value},
        "evidence": fields,
        "theory": {name: json_number(value) for name in ("value", "lo", "hi")},
        "verdict": verdict.word,
        "reason": verdict.reason,
        "detectable": json_number(verdict.detectable),
        "curve": curve and asdict(curve),
    }
    row = Row(experiment, Instance(name, parameters))
    return Outcome(row, values, seconds=12.34, artifacts=(f"artifacts/{name}.npz",))


def fake_outcomes():
    """Twenty rows of three claims with every verdict."""
    radii = np.linspace(0, 2.5, 121)
    theory = np.clip(2 * ndtr(radii) - 1, 0, 1)
    outcomes = []
    for name, gain in (("linear", 1.25), ("mlp", 1.5), ("cnn", 1.06)):
        seen = 2 * ndtr(gain * radii) - 1
        curve = Curve(
            f"{name.upper()}, 2000 latents",
            *(tuple(map(float, c)) for c in (radii, theory, seen)),
            lo=tuple(map(float, np.clip(seen - 0.036, 0, 1))),
            hi=tuple(map(float, np.clip(seen + 0.036, 0, 1))),
        )
        for quantile in (0.25, 0.75):
            v = float(np.interp(quantile, seen, theory))
            evidence = Evidence(
                quantile,
                quantile - 0.03,
                quantile + 0.03,
                "lower",
                "verified attack radii",
                n=2000,
                censored=3,
                alpha=ROW_ALPHA,
            )
            outcomes.append(
                outcome(
                    CDF, f"{name}-q{quantile}", v, evidence, curve, classifier=name, latents=2000
                )
            )
    low = theory * 0.72
    false_curve = Curve(
        "planted", *(tuple(map(float, c)) for c in (radii, theory, low, low - 0.03, low + 0.03))
    )
    grid = Evidence(0.52, 0.49, 0.55, "exact", "exact radii on a grid", n=2000, alpha=ROW_ALPHA)
    outcomes.append(outcome(CDF, "planted-q0.75", 0.7, grid, false_curve, classifier="planted"))
    for k in (2, 10, 100):
        evidence = Evidence(
            0.341 / k**0.2,
            0.31 / k**0.2,
            0.37 / k**0.2,
            "upper",
            "attack radii",
            n=2000,
            alpha=ROW_ALPHA,
        )
        outcomes.append(outcome(MEAN, f"K={k}", 0.8 / k**0.22, evidence, K=k))
    weak = Evidence(0.9, math.inf, math.inf, "upper", "attack radii", 2000, 700, ROW_ALPHA)
    weak = replace(weak, value=math.inf, lo=0.85)
    outcomes.append(outcome(MEAN, "K=10, weak attack", 0.4734, weak, K=10, steps=2))
    outcomes.append(outcome(MEAN, "constant classifier", math.inf, weak, K=1))
    outcomes.append(outcome(MEAN, "measures that lack a class", 0.6, weak, measures=[0.2, 0.4]))
    row = Row(MEAN, Instance("resnet on cifar", {"classifier": "resnet"}))
    outcomes.append(Outcome(row, None, skipped="needs --suite full"))
    row = Row(MEAN, Instance("K=1000", {"K": 1000}))
    outcomes.append(Outcome(row, None, error="digits/classifier-cnn: worker killed three times"))
    for k in (2, 3, 5, 10, 50):
        value = 1 - (1 - 0.317) * 0.7 ** (k / 2.6 - 0.77)
        evidence = Evidence(value + 0.003 * math.cos(k), value - 0.009, value + 0.011, "exact",
                            "exact radii of sampled points", 200_000, 0, ROW_ALPHA)  # fmt: skip
        outcomes.append(outcome(EXACT, f"K={k}, eps=1", value, evidence, K=k, eps="1"))
    return outcomes


def fake_about(**changes):
    return {
        "version": "0.1.0",
        "seed": 7,
        "suite": "quick",
        "options": asdict(Options()),
        "names": ["latent", "models"],
        "alpha": 0.01,
        "row_alpha": ROW_ALPHA,
        "rows_in_catalogue": 412,
        "command": "validate run latent models --seed 7 --out runs/first",
        "started": "2026-01-15T09:30:00+00:00",
        "wall_seconds": 171.4,
        "jobs": 2,
        "hardware": {"machine": "x86_64", "cpu": "2 cores", "memory": "8 GiB", "accelerator": None},
        "commands": {
            o.row.key: shlex.join(["validate", "run", "--seed=7", o.row.key])
            for o in fake_outcomes()
        },
        "versions": {"python": "3.11.9", "numpy": "2.3.1", "torch": "2.13.0"},
        **changes,
    }
