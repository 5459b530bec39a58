"""Tables of smoothed networks, from made-up votes, and a small run on colour images."""

import importlib
import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from robust_theory import gaussian_smoothing_radius, smoothing_radius
from robust_theory.wasserstein.votes import lower_limit
from tests.made_votes import SHAPE, network, votes_of
from validation.experiment import Options, Result, Table
from validation.experiments import (
    smoothing_certificates,
    smoothing_figures,
    smoothing_plan,
    smoothing_tables,
    smoothing_units,
    trained_smoothing,
)
from validation.experiments.smoothing_tables import median_cell
from validation.experiments.smoothing_votes import median
from validation.rows import in_order


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
    for row in rows:
        row["epochs"] = 8
    parameters = {
        "data": "mnist",
        "number": 1,
        "rows": rows,
        "draws": 3,
        "architecture": "strided",
        "compared": True,
        "grids": [[0.005, 0.01, 0.02, 0.03], [0.01]],
        "radii": smoothing_certificates.RADII,
        "sigma": 0.01,
    }
    return parameters, inputs


def as_table(made):
    v = made.values
    return Table(v["title"], tuple(v["columns"]), tuple(map(tuple, v["rows"])), v["note"])


def test_every_form_of_the_certificate_has_its_column():
    parameters, inputs = table_inputs()
    table = as_table(smoothing_certificates.certificates(parameters, inputs, 0, lambda *_: None))
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


def test_table_1_sets_our_figures_beside_the_papers():
    parameters, inputs = table_inputs()
    parameters["rows"].append({"noise": "laplace", "sigma": 0.5, "seed": 0, "hours": 0.1})
    table = as_table(smoothing_tables.table(parameters, inputs, 0, lambda *_: None))
    laplace, gaussian, fitted, pixel, left = (
        dict(zip(table.columns, row, strict=True)) for row in table.rows
    )
    assert laplace["noise"] == "Wasserstein (Laplace flow), sigma 0.01"
    assert laplace["accuracy % (abstained %), paper"] == "97.98 (0.19)"
    # The last of four images has the wrong class; Chernoff with four images says next to nothing.
    assert laplace["accuracy % (abstained %), here"].startswith("75.0 [")
    assert laplace["accuracy % (abstained %), here"].endswith("] (0.00)")
    assert laplace["base accuracy %, here"].startswith("75.0 [")
    p = lower_limit(9_500, 10_000, 0.05)
    for row, noise, column, form in (
        (laplace, "laplace", "median radius, here", "paper"),
        (laplace, "laplace", smoothing_tables.SHARPER, "sharp"),
        (pixel, "pixel", "median radius, here", "paper"),
        (gaussian, "gaussian", smoothing_tables.SHARPER, "sharp"),
    ):
        expected = smoothing_radius(p, 0.01, noise=noise, form=form, shape=SHAPE)
        # Four images exclude nothing, neither a wrong majority nor certainty.
        assert row[column] == f"{expected:.4f} [N/A, ∞]"
    assert gaussian["median radius, here"] == gaussian["median radius, paper"] == "-"
    assert "not in the paper" in fitted["what differs"]
    assert left["median radius, paper"] == "N/A"
    assert left["median radius, here"] == left[smoothing_tables.SHARPER] == "skipped, about 6 min"
    assert "round 2, scale 2" in table.note
    parameters["compared"] = False
    alone = as_table(smoothing_tables.table(parameters, inputs, 0, lambda *_: None))
    assert {row[1] for row in alone.rows} == {"-"}  # the paper's figures are not about digits


@given(
    st.lists(st.integers(-1, 4), min_size=1, max_size=40),
    st.sampled_from([0.05, 0.2]),
)
def test_a_median_cell_holds_the_median_and_its_limits(drawn, alpha):
    """-1 for wrong images, 0 for right ones without a certificate, otherwise thousandths."""
    steps = np.array(drawn)
    value, _, limits = median_cell(steps.clip(0) / 1000, steps >= 0, 3, alpha).partition(" ")
    lo, hi = limits.strip("[]").split(", ")

    def step(word):
        return (
            {"N/A": -1.0, "∞": math.inf}.get(word)
            if word in ("N/A", "∞")
            else (round(float(word) * 1000))
        )

    n, found = steps.size, step(value)
    assert (steps >= found).sum() >= n / 2 > (steps > found).sum()
    # Ranks by another road: the binomial law of how many images are below the law's median.
    falling = np.sort(steps)[::-1]
    k = max((j for j in range(n) if binom.cdf(j, n, 0.5) <= alpha / 2), default=-1)
    assert step(hi) == (falling[k] if k >= 0 else math.inf)
    assert step(lo) == (falling[n - 1 - k] if k >= 0 else -1)
    assert step(lo) <= found <= step(hi)


def test_certified_accuracy_falls_with_the_radius_and_rises_with_the_form():
    parameters, inputs = table_inputs()
    table = as_table(
        smoothing_certificates.certified_accuracy(parameters, inputs, 0, lambda *_: None)
    )
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
    table = as_table(smoothing_certificates.sequential(parameters, inputs, 0, lambda *_: None))
    assert [row[0].partition(",")[0] for row in table.rows] == ["laplace", "gaussian"] * 2
    for row in table.rows:
        assert 0 < row[3] < 1
        assert row[4] <= row[5] + 1e-12
    assert table.rows[2][3] < table.rows[0][3]  # one radius is decided sooner than four


def test_draws_without_replacement_end_with_the_counts():
    counts = np.array([7, 0, 3])
    draw = smoothing_certificates._without_replacement(counts, np.random.default_rng(0))
    taken = [draw(4), draw(4), draw(2)]
    assert [t.sum() for t in taken] == [4, 4, 2]
    np.testing.assert_array_equal(sum(taken), counts)


def test_both_papers_tables_have_all_their_rows():
    for data, device, rows, left in (
        ("mnist", "cpu", 19, 0),
        ("mnist", "cuda", 19, 0),
        ("cifar10-jpeg", "cpu", 5, 5),
        ("cifar10-jpeg", "cuda", 5, 0),
    ):
        options = Options(suite="full", data=data, device=device)
        made = smoothing_tables.rows(options)
        assert len(made) == rows
        assert sum("hours" in row for row in made) == left
        printed = {(row["noise"], row["sigma"]) for row in made} & set(smoothing_tables.PRINTED)
        assert len(printed) == (5 if "cifar" in data else 14)
        units = in_order(smoothing_tables.needs(options))
        assert {key for row in made for key in row.get("votes", ())} <= {u.key for u in units}


def test_table_2_from_end_to_end_on_small_colour_images(monkeypatch, tmp_path):
    rng = np.random.default_rng(0)
    y = np.arange(80) % 2
    X = rng.integers(0, 60, (80, 3, 8, 8)).astype(np.uint8)
    X[y == 1, 0] += 150  # the second class is redder
    file = tmp_path / "cifar10-jpeg.npz"
    np.savez(file, X=X, y=y)
    small = {
        **smoothing_plan.SIZES["full in colour"],
        "network": "strided",
        "epochs": 40,
        "held": 10,
        "pilot": 50,
        "votes": 100,
        "block": 4,
        "draws": 2,
    }
    monkeypatch.setitem(smoothing_plan.SIZES, "full in colour", small)
    monkeypatch.setitem(smoothing_plan.IMAGES, "full", 6)
    monkeypatch.setattr(smoothing_plan, "COLOUR_SIGMAS", (1e-4, 5e-4))
    options = Options(suite="full", data=str(file), device="cuda")
    done = {}
    made, *others = trained_smoothing.EXPERIMENTS[0].tables(options)
    for unit in in_order((made, *others)):
        module, name = unit.function.split(":")
        needed = {need.key: done[need.key] for need in unit.needs}
        parameters = {**unit.parameters, "device": "cpu"}  # whatever the machine has
        function = getattr(importlib.import_module(module), name)
        done[unit.key] = function(parameters, needed, 5, lambda *_: None)
    table = as_table(done[made.key])
    assert table.title.startswith("Table 2 of levine2020, on CIFAR-10 (JPEG)")
    assert [row[1] for row in table.rows] == ["83.39 (0.42)", "68.75 (1.01)"]
    for row, sigma in zip(table.rows, (1e-4, 5e-4), strict=True):
        votes = [done[u.key] for u in smoothing_units.vote_units(options, "laplace", sigma, 0)]
        counts = np.concatenate([block.arrays["votes"] for block in votes])
        assert counts.shape == (6, 2)
        assert (counts.sum(1) == 100).all()
        # All votes are for the right class, and the paper's form gives this radius then.
        ceiling = smoothing_radius(lower_limit(100, 100, 0.05), sigma, form="paper", shape=(8, 8))
        assert row[2].startswith("100.0 [")
        assert row[4].startswith(f"{ceiling:.6f} [")
    assert all(row[0].startswith("laplace, sigma") for row in as_table(done[others[0].key]).rows)


def test_what_a_cpu_cannot_do_in_colour_is_left_out():
    options = Options(suite="full", data="cifar10-jpeg")
    made = [u for experiment in trained_smoothing.EXPERIMENTS for u in experiment.tables(options)]
    assert all(unit.needs == () for unit in made)
    for experiment in trained_smoothing.EXPERIMENTS:
        (row,) = experiment.instances(options)
        assert "hours" in row.skipped
        assert row.needs == ()
    rows = smoothing_tables.table(made[0].parameters, {}, 0, lambda *_: None).values["rows"]
    assert [row[1] for row in rows][2] == "77.57 (0.66)"
    assert all(row[2].startswith("skipped, about") for row in rows)
    attacks = smoothing_figures.figures(made[-1].parameters, {}, 0, lambda *_: None).values["rows"]
    assert all(row[1].startswith("skipped, about") for row in attacks)
