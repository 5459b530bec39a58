"""Rows about trained networks, from made-up results: sides, limits, tables, budget."""

import json
import math
import re

import numpy as np
import pytest

from robust_theory import fooling_quantile
from tests.test_experiments import BY_NAME, ROW_ALPHA
from validation.experiment import Options, Result, Table
from validation.experiments import (
    pipeline,
    trained_attacks,
    trained_networks,
    trained_table,
    transfer,
)
from validation.rows import plan
from validation.verdict import decide

COUNTS = np.full(10, 20_000)
RNG = np.random.default_rng(5)


def latent_results(radii):
    return {
        "digits/class-counts-mlp": Result({"n": 200_000}, {"counts": COUNTS}),
        "digits/latent-radii-mlp": Result({"censored": 0}, {"radii": radii}),
    }


def image_results(radii):
    return {
        "digits/class-counts-mlp": Result({"n": 200_000}, {"counts": COUNTS}),
        "digits/image-radii-mlp": Result(
            {},
            {"in_distribution": radii, "unconstrained": radii / 2, "norms": np.full(radii.size, 4)},
        ),
        "digits/modulus": Result(
            {"lipschitz_from_above": 10.0, "t": 0.25},
            {"above": RNG.uniform(0.5, 1.0, 400), "below": RNG.uniform(0.2, 0.4, 400)},
        ),
    }


def judged(name, parameters, inputs):
    experiment = BY_NAME[name]
    measured = experiment.measure(parameters, inputs, 1, ROW_ALPHA)
    assert measured.evidence.alpha <= ROW_ALPHA
    word = decide(
        experiment.claim, measured.arguments, measured.evidence, theory=measured.theory
    ).word
    return measured, word


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("fooling-probability-of-trained-networks", {"network": "mlp", "eps": "0.25"}),
        ("fooling-quantile-of-trained-networks", {"network": "mlp", "q": 0.5}),
        ("expected-radius-of-trained-networks", {"network": "mlp"}),
    ],
)
def test_short_attack_radii_confirm_and_long_ones_never_refute(name, parameters):
    short = RNG.exponential(0.2, 2000)
    measured, word = judged(name, parameters, latent_results(short))
    assert word == "holds"
    assert measured.theory.lo < measured.theory.hi  # class measures are estimates
    _, word = judged(name, parameters, latent_results(100 * short))
    assert word == "undecided"


def test_failed_attacks_count_as_infinite():
    radii = np.where(RNG.random(2000) < 0.6, math.inf, 0.1)
    parameters = {"network": "mlp", "q": 0.5}
    measured, word = judged(
        "fooling-quantile-of-trained-networks", parameters, latent_results(radii)
    )
    assert word == "undecided"
    assert measured.evidence.value == math.inf
    assert measured.evidence.censored == np.isinf(radii).sum()


@pytest.mark.parametrize("modulus", ["everywhere", "nearly-everywhere"])
def test_image_rows_confirm_with_both_moduli(modulus):
    radii = RNG.uniform(0.0, 0.4, 300)
    parameters = {"network": "mlp", "modulus": modulus}
    measured, word = judged(
        "image-fooling-probability-of-trained-networks", parameters, image_results(radii)
    )
    assert word == "holds"
    if modulus == "everywhere":
        assert measured.arguments["eps"] == 2.5  # 10 times .25
        assert measured.arguments["failure"] == 0
    else:
        # The limit is an order statistic above the .95-quantile of the proved moves.
        assert 0.95 < measured.arguments["eps"] <= 1.0 or measured.arguments["eps"] == math.inf


def test_the_mean_image_radius_uses_the_constant_of_the_generator():
    parameters = {"network": "mlp", "modulus": "everywhere"}
    measured, word = judged(
        "image-expected-radius-of-trained-networks",
        parameters,
        image_results(RNG.uniform(0.0, 0.4, 300)),
    )
    assert word == "holds"
    # 10 sqrt(2 log(2 / (alpha / 2)) / 300), the concentration of a 10-Lipschitz radius
    arm = 10 * math.sqrt(2 * math.log(4 / ROW_ALPHA) / 300)
    assert measured.evidence.hi - measured.evidence.value == pytest.approx(arm, rel=1e-9)


def test_an_exactly_solved_network_can_refute():
    name, parameters = "fooling-quantile-of-an-exactly-solved-network", {"q": 0.5}
    radii = RNG.exponential(0.2, 500)

    def results(factor):
        arrays = {"lower": 0.999 * factor * radii, "upper": factor * radii, "counts": COUNTS}
        return {"digits/exact-network-radii": Result({"n": 500}, arrays)}

    assert judged(name, parameters, results(1.0))[1] == "holds"
    assert judged(name, parameters, results(10.0))[1] == "violated"


def test_transfer_counts_unions_and_disagreement():
    table = np.diag(np.full(10, 9_900)) + np.eye(10, k=1, dtype=int) * 100
    inputs = {
        "digits/agreement-mlp-cnn": Result({"n": int(table.sum())}, {"table": table}),
        "digits/joint-radii-mlp-cnn": Result({}, {"radii": RNG.uniform(0, 0.5, 300)}),
    }
    parameters = {"first": "mlp", "second": "cnn", "eps": "0.5"}
    measured, word = judged("transfer-between-trained-networks", parameters, inputs)
    assert word == "holds"
    n = table.sum()
    assert measured.arguments["delta"] == pytest.approx(900 / n)
    assert sum(measured.arguments["unions"]) == pytest.approx(1 + 900 / n)


def test_limits_of_overlapping_events_contain_their_shares():
    lower, upper = transfer.simultaneous_proportions_of(np.array([0, 50, 100]), 100, 0.01)
    assert (lower <= [0.0, 0.5, 1.0]).all()
    assert (upper >= [0.0, 0.5, 1.0]).all()
    assert lower[2] > 0.9
    assert upper[0] < 0.1


def made_table(hours, generator="vae"):
    """The table of made-up results of all networks of which the budget leaves none out."""
    radii = np.linspace(0.001, 1, 1000)
    inputs, keys = {}, {}
    if 0 in hours.values():
        inputs = {
            "generator": Result({"latent_dimension": 16, "classes": 10, "generator": generator}),
            "modulus": Result(
                {}, {"above": np.linspace(2, 4, 400), "below": np.linspace(1, 2, 400)}
            ),
        }
        keys = {"generator": "generator", "modulus": "modulus"}
    for network in (name for name, time in hours.items() if time == 0):
        found = {
            "classifier": Result({"accuracy": 0.97, "tested": 10_000, "epochs": 3}),
            "counts": Result({}, {"counts": COUNTS}),
            "radii": latent_results(radii)["digits/latent-radii-mlp"],
            "images": image_results(radii)["digits/image-radii-mlp"],
        }
        inputs |= {f"{network} {what}": result for what, result in found.items()}
        keys |= {f"{network} {what}": f"{network} {what}" for what in found}
    parameters = {
        "data": "mnist",
        "generator": generator,
        "hours": list(hours.items()),
        "keys": keys,
    }
    parameters = json.loads(json.dumps(parameters, sort_keys=True))  # as a run does
    made = trained_table.table(parameters, inputs, 0, lambda *_: None).values
    table = Table(made["title"], tuple(made["columns"]), tuple(map(tuple, made["rows"])), "")
    return {name: [row[k] for row in table.rows] for k, name in enumerate(table.columns)}


def cell(text):
    """Value and limits of a cell."""
    return tuple(map(float, re.fullmatch(r"(\S+) \[(\S+), (\S+)\]", text).groups()))


def test_the_paper_table_has_its_layout_and_numbers():
    table = made_table({"lenet": 0, "resnet18": 7, "resnet101": 30})
    assert list(table) == [
        "",
        *(f"{name}, {whose}" for name in ("LeNet", "ResNet-18", "ResNet-101", "upper bound")
          for whose in ("paper", "here")),
        "ceiling of the simplex, here",
        "what differs",
    ]  # fmt: skip
    assert table["LeNet, paper"] == ["11", "6.1", "3.3", "0.39"]
    assert table["ResNet-18, here"] == ["skipped, about 7 h"] * 4
    assert table["ResNet-101, here"] == ["skipped, about 30 h"] * 4
    ours = [cell(text) for text in table["LeNet, here"]]
    assert ours[0][0] == 3.0
    # The sample's quantile is 0.25 in latent space, of dimension 16, and images have norm 4.
    assert [value for value, _, _ in ours[1:]] == [62.5, 6.25, 3.12]
    assert all(lo < value < hi for value, lo, hi in ours)
    bound, lo, hi = cell(table["upper bound, here"][1])
    assert abs(bound - 250 * fooling_quantile([0.1] * 10, 0.25)) <= 0.005 + 1e-9  # two digits
    assert lo < bound < hi
    proved, ascent = table["upper bound, here"][2].split("; by ascent ")
    assert cell(proved.removeprefix("proved "))[0] == 97.5  # of 2 to 4, the 95 % quantile, over 4
    assert cell(ascent)[0] == pytest.approx(48.7, abs=0.1)
    assert float(table["ceiling of the simplex, here"][1]) == pytest.approx(31.83, rel=1e-3)
    assert table["what differs"][:2] == [
        "mnist, not SVHN; 3 epochs",
        "VAE, d = 16 (paper: DCGAN, 100); 1000 points",
    ]


def test_a_table_beyond_the_budget_has_the_paper_and_what_it_would_take():
    table = made_table({"lenet": 1.5, "resnet18": 8.5, "resnet101": 31.5}, "dcgan")
    assert table["LeNet, paper"] == ["11", "6.1", "3.3", "0.39"]
    assert table["LeNet, here"] == ["skipped, about 1.5 h"] * 4
    assert table["upper bound, here"] == ["", *["skipped, about 1.5 h"] * 3]
    assert all(text is not None for column in table.values() for text in column)


def test_networks_that_the_paper_does_not_have_get_no_column_of_it():
    assert not any("paper" in name for name in made_table({"mlp": 0, "linear": 0}))


def test_what_takes_hours_is_skipped_on_a_cpu_and_nothing_of_it_is_carried_out():
    chosen = plan(["fooling-quantile-of-trained-networks"], Options(suite="full"))
    taken = {
        (row.instance.parameters["generator"], row.instance.parameters["network"])
        for row in chosen.rows
        if not row.instance.skipped
    }
    assert taken == {("vae", "lenet")}
    hours = [row.instance.skipped for row in chosen.rows if row.instance.skipped]
    assert all("hours on a CPU" in words for words in hours)
    left = (*pipeline.LARGE, "dcgan")
    assert not any(name in unit.key for unit in chosen.units for name in left)
    on_gpu = plan(["fooling-quantile-of-trained-networks"], Options(suite="full", device="cuda"))
    assert not any(row.instance.skipped for row in on_gpu.rows)
    assert {"mnist/generator", "mnist/generator-on-dcgan"} <= {
        unit.key
        for unit in plan(
            ["fooling-quantile-of-trained-networks"],
            Options(suite="full", device="cuda", data="mnist"),
        ).units
    }


def test_the_full_table_has_one_half_for_each_generator():
    name = "image-fooling-probability-of-trained-networks"
    on_gpu = plan([name], Options(suite="full", device="cuda"))
    assert [unit.key for unit in on_gpu.tables] == ["digits/table-1", "digits/table-1-dcgan"]
    for unit in on_gpu.tables:
        assert set(unit.parameters["keys"].values()) == {need.key for need in unit.needs}
    on_cpu = plan([name], Options(suite="full"))
    assert [unit.key for unit in on_cpu.tables] == ["digits/table-1", "digits/table-1-dcgan"]
    first, second = on_cpu.tables
    # Lists, which keep the paper's order when they are written down.
    assert first.parameters["hours"] == [("lenet", 0), ("resnet18", 7), ("resnet101", 30)]
    assert second.parameters["hours"] == [("lenet", 1.5), ("resnet18", 8.5), ("resnet101", 31.5)]
    assert second.needs == ()  # the paper's figures, and what it would take


def test_what_takes_minutes_says_so():
    mnist = plan(["fawzi2018"], Options(suite="full", data="mnist"))
    costs = {unit.key: unit.cost for unit in mnist.units}
    assert all(costs[f"mnist/{name}-lenet"] > 5 for name in ("classifier", "image-radii"))
    assert 60 < sum(costs.values()) < 12 * 60  # what the table may take
    assert sum(unit.cost for unit in plan(["fawzi2018"], Options()).units) == 0


def test_a_dcgan_generates_the_data_of_every_unit():
    quiet = {"data": "digits", "data_dir": None, "device": "cpu"}

    def silent(done, words):
        return None

    made = {
        "digits/generator-on-dcgan": trained_networks.train_generator(
            {**quiet, "generator": "dcgan", "latent_dimension": 5, "epochs": 1}, {}, 1, silent
        ),
        "digits/classifier-linear": trained_networks.train_classifier(
            {**quiet, "network": "linear", "epochs": 2}, {}, 2, silent
        ),
    }
    attacked = {**quiet, "network": "linear", "n": 20}
    radii = trained_attacks.attack_latent(attacked, made, 3, silent).arrays["radii"]
    assert radii.shape == (20,)
    assert (radii > 0).all()
    counts = trained_attacks.count_classes({**attacked, "n": 500}, made, 4, silent).arrays["counts"]
    assert counts.sum() == 500
    modulus = trained_attacks.measure_modulus({"n": 3, "t": 0.25}, made, 5, silent)
    assert (modulus.arrays["below"] <= modulus.arrays["above"]).all()
    within = trained_attacks.measure_modulus({"n": 3, "q": 0.25}, made, 5, silent)
    assert within.values["t"] == fooling_quantile([0.1] * 10, 0.25)
    assert (modulus.arrays["above"] >= 0.25 * modulus.values["lipschitz_from_above"]).all()


def test_tables_are_made_when_a_row_of_their_experiment_is_chosen():
    with_table = plan(["image-fooling-probability-of-trained-networks"], Options())
    assert [unit.key for unit in with_table.tables] == ["digits/table-1"]
    assert plan(["half-space-law"], Options()).tables == ()


def test_a_changed_data_file_changes_the_units(tmp_path):
    path = tmp_path / "mine.npz"
    images, labels = RNG.random((20, 4, 4)), np.arange(20) % 2

    def fingerprint(scale):
        pipeline._sha256.cache_clear()
        np.savez(path, X=scale * images, y=labels)
        return plan(["latent"], Options(data=str(path))).fingerprint

    assert fingerprint(1.0) == fingerprint(1.0)
    assert fingerprint(1.0) != fingerprint(0.5)
