"""Rows of smoothed networks, from made-up votes and from a small run."""

import importlib
import math

import numpy as np
import pytest

from robust_theory import gaussian_smoothing_radius, smoothing_radius
from robust_theory.wasserstein.votes import lower_limit
from tests.made_votes import SHAPE, VALUES, votes_of
from validation.experiment import Options, Result
from validation.experiments import (
    smoothing_figures,
    smoothing_plan,
    smoothing_training,
    smoothing_units,
    trained_smoothing,
)
from validation.rows import in_order
from validation.verdict import decide

ROW_ALPHA = 1e-4


def attacked(distances, clean, found):
    return {
        "digits/wasserstein-attack-laplace-0.01-0": Result(
            {"kind": "smoothed", "noise": "laplace", "sigma": 0.01, **VALUES},
            {
                "distances": np.array(distances),
                "balls": np.array(distances),
                "labels": np.full(len(distances), 3),
                "clean_pilot": votes_of(*clean, n=100),
                "clean_votes": votes_of(*clean, n=10_000),
                "found_pilot": votes_of(*found, n=100),
                "found_votes": votes_of(*found, n=10_000),
            },
        )
    }


@pytest.mark.parametrize(
    ("experiment", "form"),
    list(zip(trained_smoothing.EXPERIMENTS, ("sharp", "paper"), strict=True)),
)
def test_only_a_verified_image_inside_its_radius_refutes(experiment, form):
    p = lower_limit(9_900, 10_000, ROW_ALPHA / 4)
    radius = smoothing_radius(p, 0.01, noise="laplace", form=form, shape=SHAPE)

    def word(distance, share):
        results = attacked([distance, math.inf], (0.99, 0.99), (share, 0.99))
        measured = experiment.measure({"sigma": 0.01}, results, 0, ROW_ALPHA)
        assert measured.evidence.alpha <= ROW_ALPHA
        assert measured.arguments["p"] == pytest.approx(p)
        return decide(experiment.claim, measured.arguments, measured.evidence).word

    assert word(0.99 * radius, 0.3) == "violated"
    assert word(1.01 * radius, 0.3) == "undecided"
    assert word(0.99 * radius, 0.5) == "undecided"  # not proved to be wrong
    assert word(math.inf, 0.99) == "undecided"


def test_the_choice_is_the_largest_radius_among_the_accurate():
    def choose(*candidates):
        inputs = {
            str(i): Result({"held_out_accuracy": a, "held_out_median": m}, {"i": np.array(i)})
            for i, (a, m) in enumerate(candidates)
        }
        parameters = {"candidates": list(inputs), "compared": "laplace"}
        inputs["laplace"] = Result({"held_out_accuracy": 0.9})
        return int(smoothing_training.choose(parameters, inputs, 0, lambda *_: None).arrays["i"])

    assert choose((0.91, 0.1), (0.92, 0.2), (0.89, 0.3)) == 1
    assert choose((0.8, 0.1), (0.85, None), (0.7, 0.3)) == 1
    assert choose((0.95, None), (0.9, 0.01)) == 1


def test_broken_certificates_are_counted_against_chance():
    results = attacked([0.001, 0.001, 0.5], (0.99, 0.99, 0.4), (0.3, 0.6, 0.3))
    (key,) = results
    certified, broken, allowed = smoothing_figures.broken_certificates(results, key)
    # The second image is not proved wrong; the pilot of the third has another class.
    assert (certified, broken) == (3, 1)
    assert allowed == 2  # P(Bin(3, .05) > 2) = 1.25e-4, P(> 1) = .00725


def test_units_of_both_suites_are_named_once_and_refer_to_each_other():
    for suite in ("quick", "full"):
        options = Options(suite=suite)
        for experiment in trained_smoothing.EXPERIMENTS:
            rows = experiment.instances(options)
            units = in_order([*(u for r in rows for u in r.needs), *experiment.tables(options)])
            assert len({unit.key for unit in units}) == len(units)
    counted = [u for u in units if u.function.endswith(":attack")]
    assert len(counted) == 7  # four defences and three smoothed networks


def test_a_network_a_fitted_covariance_votes_and_an_attack(monkeypatch):
    small = {
        **smoothing_plan.SIZES["quick"],
        "block": 4,
        "pilot": 50,
        "votes": 1_000,
        "epochs": 3,
        "held": 50,
        "fitted_on": 100,
        "chosen_on": 4,
        "chosen_votes": 100,
        "attacked": 2,
        "draws": 1,
        "growth": {"first": 0.05, "factor": 2.0, "steps": 6, "every": 2},
        "defended_on": 60,
    }
    monkeypatch.setitem(smoothing_plan.SIZES, "quick", small)
    monkeypatch.setitem(smoothing_plan.IMAGES, "quick", 6)
    options, done = Options(), {}
    wanted = [
        *smoothing_units.vote_units(options, "fitted", 0.01, 0),
        smoothing_units.attack_unit(options, "laplace", 0.01, 0),
        *(smoothing_units.defence_unit(options, k) for k in smoothing_plan.DEFENCES[1:]),
    ]
    for unit in in_order(wanted):
        module, name = unit.function.split(":")
        needed = {need.key: done[need.key] for need in unit.needs}
        function = getattr(importlib.import_module(module), name)
        done[unit.key] = function(unit.parameters, needed, 5, lambda *_: None)
    blocks = [done[unit.key] for unit in wanted[:2]]
    assert [len(block.arrays["votes"]) for block in blocks] == [4, 2]
    assert all((block.arrays["votes"].sum(1) == 1_000).all() for block in blocks)
    chosen = done["digits/smoothed-fitted-0"]
    assert chosen.values["noise"] == "fitted"
    assert len(chosen.values["tried"]) == 2
    # It certifies as much as was asked for, by the independent check of all pairs.
    radius = gaussian_smoothing_radius(0.9, chosen.arrays["covariance"], SHAPE)
    flow = smoothing_radius(0.9, 0.01, noise="gaussian", shape=SHAPE)
    assert radius == pytest.approx(chosen.values["scale_over_flow"] * flow, rel=1e-6)
    for unit in wanted[2:]:
        found = done[unit.key].arrays
        hit = np.isfinite(found["balls"])
        assert (np.isfinite(found["distances"]) == hit).all()
        assert (found["distances"][hit] <= found["balls"][hit] * (1 + 1e-9) + 1e-6).all()
