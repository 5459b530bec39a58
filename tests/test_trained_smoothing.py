"""Tables and rows of smoothed networks, from made-up votes and from a small run."""

import itertools
import math

import numpy as np
import pytest

from robust_theory import gaussian_smoothing_radius, smoothing_radius
from robust_theory.resistance import edge_variances, laplacian
from robust_theory.votes import lower_limit
from validation.experiment import Options, Result, Table
from validation.experiments import smoothing_units, trained_smoothing
from validation.experiments.smoothing_units import median
from validation.rows import in_order
from validation.verdict import decide

ROW_ALPHA = 1e-4
SHAPE = (8, 8)
VALUES = {"shape": [1, *SHAPE], "classes": 10}


def test_the_median_counts_images_without_a_radius():
    assert median(np.array([0.1, 0.2, 0.3])) == 0.2
    assert median(np.array([0.0, 0.2, 0.3, 0.4])) == 0.3  # half of four have at least .3
    assert median(np.array([0.0, 0.0, 0.3])) is None
    for n, k in itertools.product(range(2, 8), range(1, 8)):
        radii = np.arange(n, dtype=float) * (np.arange(n) >= k)
        found = median(radii)
        assert (found is None) == ((radii > 0).mean() < 0.5)
        if found is not None:
            assert (radii >= found).mean() >= 0.5 > (radii > found).mean()


def votes_of(*shares, n=1_000, label=3):
    """Counts of images whose class has these shares of the votes, the rest going to the next."""
    counts = np.zeros((len(shares), 10), dtype=np.int64)
    counts[:, label] = np.round(np.array(shares) * n)
    counts[:, label + 1] = n - counts[:, label]
    return counts


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


def network(noise, sigma=0.01, **values):
    arrays = {}
    if noise == "fitted":
        design = edge_variances(SHAPE).variances
        arrays["covariance"] = 4e-4 * laplacian(SHAPE, design).toarray()
    kept = {"noise": noise, "sigma": sigma, "base_accuracy": 0.9, **VALUES, **values}
    return Result(kept, arrays)


def table_inputs():
    shares = (0.999, 0.95, 0.7, 0.4)
    blocks = [
        Result(
            {"first": first},
            {
                "pilot": votes_of(*shares[first : first + 2]),
                "votes": votes_of(*shares[first : first + 2], n=10_000),
                "labels": np.full(2, 3),
            },
        )
        for first in (2, 0)
    ]
    names = ("laplace", "gaussian", "fitted", "pixel")
    chosen = {"round": 2, "scale_over_flow": 2.0, "held_out_accuracy": 0.95}
    inputs = {name: network(name, **(chosen if name == "fitted" else {})) for name in names}
    rows = [
        {"noise": name, "sigma": 0.01, "seed": 0, "network": name, "votes": ["late", "early"]}
        for name in names
    ]
    inputs |= dict(zip(("late", "early"), blocks, strict=True))
    return {"data": "digits", "rows": rows, "grids": [[0.005, 0.01, 0.02, 0.03], [0.01]]}, inputs


def as_table(made):
    v = made.values
    return Table(v["title"], tuple(v["columns"]), tuple(map(tuple, v["rows"])), v["note"])


def test_table_1_has_a_column_for_every_form():
    parameters, inputs = table_inputs()
    table = as_table(trained_smoothing.table_1(parameters, inputs, 0, lambda *_: None))
    rows = {
        row[0].partition(",")[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows
    }
    p = lower_limit(9_500, 10_000, 0.05)  # the second of four
    for name, form, column in (
        ("laplace", "paper", "median, paper's form"),
        ("laplace", "tight", "median, tight"),
        ("laplace", "sharp", "median, sharp"),
        ("pixel", "paper", "median, paper's form"),
        ("gaussian", "sharp", "median, sharp"),
    ):
        expected = smoothing_radius(p, 0.01, noise=name, form=form, shape=SHAPE)
        assert rows[name][column] == pytest.approx(expected)
    covariance = inputs["fitted"].arrays["covariance"]
    expected = gaussian_smoothing_radius(p, covariance, SHAPE)
    assert rows["fitted"]["median, sharp"] == pytest.approx(expected)
    # The same as flow noise of twice the deviation.
    assert expected == pytest.approx(smoothing_radius(p, 0.02, noise="gaussian", shape=SHAPE))
    assert rows["gaussian"]["median, paper's form"] is None
    assert rows["laplace"]["accuracy %"] == 75  # the last image has the wrong class
    assert rows["laplace"]["abstained %"] == 0
    assert "round 2, scale 2" in table.note


def test_certified_accuracy_falls_with_the_radius_and_rises_with_the_form():
    parameters, inputs = table_inputs()
    table = as_table(trained_smoothing.certified_accuracy(parameters, inputs, 0, lambda *_: None))
    rows = {row[0]: row[1:] for row in table.rows}
    for row in rows.values():
        assert list(row) == sorted(row, reverse=True)
    paper, tight, sharp = (
        rows[f"laplace, sigma 0.01, seed 0: {form}"] for form in ("paper", "tight", "sharp")
    )
    assert all(a <= b <= c for a, b, c in zip(paper, tight, sharp, strict=True))
    assert paper[0] == 0.75 - 0.25  # .7 certifies .0030 by the paper's form


def test_the_sequential_rule_uses_fewer_of_the_same_votes():
    parameters, inputs = table_inputs()
    table = as_table(trained_smoothing.sequential(parameters, inputs, 0, lambda *_: None))
    assert [row[0].partition(",")[0] for row in table.rows] == ["laplace", "gaussian"] * 2
    for row in table.rows:
        assert 0 < row[3] < 1
        assert row[4] <= row[5] + 1e-12
    assert table.rows[2][3] < table.rows[0][3]  # one radius is decided sooner than four


def test_draws_without_replacement_end_with_the_counts():
    counts = np.array([7, 0, 3])
    draw = trained_smoothing._without_replacement(counts, np.random.default_rng(0))
    taken = [draw(4), draw(4), draw(2)]
    assert [t.sum() for t in taken] == [4, 4, 2]
    np.testing.assert_array_equal(sum(taken), counts)


def test_the_choice_is_the_largest_radius_among_the_accurate():
    def choose(*candidates):
        inputs = {
            str(i): Result({"held_out_accuracy": a, "held_out_median": m}, {"i": np.array(i)})
            for i, (a, m) in enumerate(candidates)
        }
        parameters = {"candidates": list(inputs), "compared": "laplace"}
        inputs["laplace"] = Result({"held_out_accuracy": 0.9})
        return int(smoothing_units.choose(parameters, inputs, 0, lambda *_: None).arrays["i"])

    assert choose((0.91, 0.1), (0.92, 0.2), (0.89, 0.3)) == 1
    assert choose((0.8, 0.1), (0.85, None), (0.7, 0.3)) == 1
    assert choose((0.95, None), (0.9, 0.01)) == 1


def test_broken_certificates_are_counted_against_chance():
    results = attacked([0.001, 0.001, 0.5], (0.99, 0.99, 0.4), (0.3, 0.6, 0.3))
    (key,) = results
    certified, broken, allowed = trained_smoothing._broken_certificates(results, key)
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
    assert len(counted) == 7


def test_a_network_a_fitted_covariance_votes_and_an_attack(monkeypatch):
    small = {
        **smoothing_units.SIZES["quick"],
        "images": 6,
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
    monkeypatch.setitem(smoothing_units.SIZES, "quick", small)
    options, done = Options(), {}
    wanted = [
        *smoothing_units.vote_units(options, "fitted", 0.01, 0),
        smoothing_units.attack_unit(options, "laplace", 0.01, 0),
        *(smoothing_units.defence_unit(options, k) for k in trained_smoothing.DEFENCES[1:]),
    ]
    for unit in in_order(wanted):
        module, name = unit.function.split(":")
        assert module == smoothing_units.__name__
        needed = {need.key: done[need.key] for need in unit.needs}
        done[unit.key] = getattr(smoothing_units, name)(unit.parameters, needed, 5, lambda *_: None)
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
