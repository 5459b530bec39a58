"""Tables of adversarial training: what is trained, attacked, compared, skipped and said."""

import math
import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from empirical.data import load
from empirical.networks import build
from validation.experiment import Options, Result
from validation.experiments import (
    adversarial_attacks,
    adversarial_networks,
    adversarial_sweeps,
    adversarial_tables,
    transport_tables,
)
from validation.experiments.adversarial_tables import difference_interval
from validation.experiments.transport_printed import PRINTED, ROWS
from validation.rows import plan

torch.set_num_threads(1)
CELL = re.compile(r"(\d+\.\d) \[(\d+\.\d), (\d+\.\d)\]")
MNIST = Options(suite="full", data="mnist", data_dir="nowhere")
CIFAR = Options(suite="full", data="cifar10-jpeg", data_dir="nowhere")


def nothing(share, words):
    pass


def enclosed(cell):
    """Whether a cell shows a mean between its limits."""
    mean, lo, hi = map(float, CELL.fullmatch(cell).groups())
    return 0 <= lo <= mean <= hi <= 100


@given(st.integers(2, 400), st.integers(0, 2**31))
def test_limits_of_a_difference_contain_it(n, seed):
    gaps = np.random.default_rng(seed).choice([-1.0, 0.0, 0.5, 1.0], n)
    mean, lo, hi = difference_interval(gaps, 0.05)
    assert -1 <= lo <= mean <= hi <= 1
    assert mean == gaps.mean()
    assert difference_interval(-gaps, 0.05) == pytest.approx((-mean, -hi, -lo))


def test_each_attack_by_its_name_and_the_worst_of_them():
    digits = load("digits")
    network = build("linear", digits.shape, 10, 0)
    x, y = digits.images[:20], digits.labels[:20]
    names = (*adversarial_attacks.TEN, *adversarial_attacks.AUTOMATIC)
    kept = adversarial_attacks.kept_under(network, x, y, 0.0, names, seed=0, device="cpu")
    assert [*kept] == [
        *("clean", "FGSM", *names[:4], "worst of ten"),
        *(*names[4:], "worst of APGD and Square", "worst of all"),
    ]
    # Within a radius of 0 nothing can change, so all attacks agree with the network itself.
    right = build("linear", digits.shape, 10, 0)(torch.from_numpy(x)).argmax(1).numpy() == y
    assert all((found == right).all() for found in kept.values())
    some = adversarial_attacks.kept_under(network, x, y, 0.1, names[:2], seed=0, device="cpu")
    assert "worst of ten" not in some
    assert (some["worst of all"] == np.logical_and.reduce([*some.values()])).all()


# --------------------------------------------------------------------------- equal cost


def small(unit):
    return {**unit.parameters, "gradients": 1200, "images": 30, "looks": 2}


def test_all_methods_are_trained_and_compared():
    options = Options(suite="full")  # of digits: nothing is skipped
    found = {}
    for method in adversarial_networks.METHODS:
        unit = adversarial_networks.trained_unit(options, method, 0)
        parameters = {**small(unit), "rate": 3e-3, "attacks": ["PGD-40", "margin"]}
        result = adversarial_networks.train(parameters, {}, 0, nothing)
        kept = result.arrays["kept"]
        assert kept.shape == (5, 30)
        assert (kept[-1] == kept.all(axis=0)).all()
        assert result.arrays["history"].shape == (2, 2)
        found[unit.key] = result
    table, ingredients, figure = adversarial_tables.table_units(options)
    one = {**table.parameters, "keys": dict(zip(table.parameters["methods"], zip(found), strict=1))}
    shown = adversarial_tables.table(one, found, 0, nothing).values
    assert [row[0] for row in shown["rows"]] == [
        "clean",
        "FGSM",
        "PGD-40",
        "margin",
        "worst of all",
        "constant classifiers",
        "overfit to one step",
        "lost under PGD-40",
        "test images",
        "gradients",
    ]
    assert shown["columns"] == ("", *adversarial_networks.METHODS)
    assert {len(row) for row in shown["rows"]} == {12}
    assert all(enclosed(cell) for row in shown["rows"][:5] for cell in row[1:])
    compared = adversarial_tables.ingredients(one, found, 0, nothing).values["rows"]
    assert [row[0] for row in compared] == [*adversarial_tables.INGREDIENTS]
    curve = adversarial_tables.figure(one, found, 0, nothing).values
    assert {len(row) for row in curve["rows"]} == {3} == {len(curve["columns"])}
    assert table.needs == ingredients.needs == figure.needs


def made(kept, attacks, **values):
    values = {"collapsed": False, "gradients": 7, **values}
    return Result({"attacks": attacks, **values}, {"kept": np.array(kept, dtype=bool)})


def test_the_table_says_who_overfits_what_is_skipped_and_what_only_one_network_met():
    attacks = ["clean", "FGSM", "PGD-40", "worst of ten", "Square", "worst of all"]
    found = {
        "a0": made([[1] * 4, [1] * 4, [0] * 4, [0] * 4, [1] * 4, [0] * 4], attacks),
        "a1": made([[1] * 4] * 4 + [[1, 1, 0, 0]], [*attacks[:4], attacks[5]]),
        "b0": made([[1, 1]] * 6, attacks, collapsed=True),
    }
    parameters = {
        "data": "digits",
        "eps": 0.1,
        "methods": ["a", "b"],
        "keys": {"a": ["a0", "a1"], "b": ["b0"]},
        "skipped": {"c": 2.5},
    }
    shown = adversarial_tables.table(parameters, found, 0, nothing).values
    rows = {row[0]: row[1:] for row in shown["rows"]}
    assert shown["columns"] == ("", "a", "b", "c")
    assert rows["PGD-40"][0].startswith("50.0 [")  # the mean over both trainings
    assert rows["Square"][0].startswith("100.0 [")  # the first alone
    assert rows["worst of all"][0].startswith("25.0 [")
    assert {row[2] for name, row in rows.items() if name in attacks} == {"skipped, about 2.5 h"}
    assert rows["overfit to one step"] == ["1 of 2", "0 of 1", None]
    assert rows["lost under PGD-40"] == ["1 of 2", "0 of 1", None]
    assert rows["constant classifiers"] == ["0 of 2", "1 of 1", None]
    assert rows["test images"] == [4.0, 2.0, None]
    assert "Square: first training only." in shown["note"]


def test_images_that_both_were_attacked_on_are_compared():
    attacks = ["clean", "worst of ten", "worst of all"]
    found = {
        "with": made([[1] * 6, [1, 1, 1, 1, 0, 0], [0] * 6], attacks),
        "without": made([[1] * 4, [1, 0, 0, 0], [0] * 4], attacks),
    }
    pair = adversarial_tables.INGREDIENTS["stored attacks"]
    parameters = {
        "data": "digits",
        "eps": 0.1,
        "methods": list(pair),
        "keys": dict(zip(pair, (["with"], ["without"]), strict=True)),
    }
    shown = adversarial_tables.ingredients(parameters, found, 0, nothing).values
    (row,) = shown["rows"]
    assert row[:3] == ["stored attacks", *pair]
    assert row[3].startswith("+75.0 [")
    assert "worst of ten" in shown["note"]


def test_on_a_cpu_only_the_first_network_meets_the_automatic_attacks():
    first, second = (
        adversarial_networks.trained_unit(MNIST, "PGD-7", number).parameters["attacks"]
        for number in (0, 1)
    )
    assert second == adversarial_attacks.TEN
    assert first == (*second, *adversarial_attacks.AUTOMATIC)
    there = Options(suite="full", data="mnist", data_dir="nowhere", device="cuda")
    assert adversarial_networks.trained_unit(there, "PGD-7", 1).parameters["attacks"] == first


def test_sweeps_train_with_what_they_say():
    assert adversarial_sweeps.sweep_units(Options()) == ()
    tables = adversarial_sweeps.sweep_units(Options(suite="full"))
    units = {unit.key: unit for table in tables for unit in table.needs}
    assert len(units) == 2 * len(adversarial_sweeps.SHARES) - 1  # one belongs to both
    for table in tables:
        varied = table.parameters["varied"]
        assert [unit.parameters["how"][varied] for unit in table.needs] == [
            *adversarial_sweeps.SHARES
        ]
        found = {}
        for unit in table.needs[::4]:
            parameters = {**unit.parameters, "gradients": 400, "images": 20}
            found[unit.key] = adversarial_networks.train(parameters, {}, 0, nothing)
        parameters = {**table.parameters, "keys": list(found), "shares": [0.0, 4 / 3]}
        shown = adversarial_sweeps.table(parameters, found, 0, nothing).values
        assert {len(row) for row in shown["rows"]} == {3} == {len(shown["columns"])}
        assert all(enclosed(cell) for row in shown["rows"][:-1] for cell in row[1:])


# --------------------------------------------------------------------------- published networks


def test_published_networks_are_trained_attacked_and_set_beside_the_paper():
    table = transport_tables.table_units(MNIST)[1]  # of architecture B
    (unit,) = table.needs
    parameters = {
        **unit.parameters,
        "data": "digits",
        "gradients": 800,
        "pool": 200,
        "tested": 20,
        "eps": 0.1,
    }
    found = transport_tables.train(parameters, {}, 5, nothing)
    assert found.arrays["tested"].shape == (5, 20)
    assert (found.arrays["tested"][-1] <= found.arrays["tested"]).all()  # the worst case
    assert found.values["pool"] == 200
    assert 400 <= found.values["visits"] <= 425  # of two gradients each, batches of 25
    shown = transport_tables.table(table.parameters, {unit.key: found}, 0, nothing).values
    assert shown["columns"] == ("", "Langevin, paper", "Langevin, here", "what differs")
    rows = {row[0]: row[1:] for row in shown["rows"]}
    assert [*rows] == [*ROWS]
    assert rows["PGD 40"][0] == "94.82"
    assert rows["Autoattack"][0] is None
    assert all(enclosed(row[1]) for row in rows.values())
    assert "800 gradients, 400 instead of 6,000,000 images" in rows["Train adversarial"][2]


def test_tables_of_other_data_and_of_the_quick_suite_are_not_in_the_plan():
    assert transport_tables.table_units(Options(suite="full")) == ()
    assert transport_tables.table_units(Options(suite="full", data="fashion-mnist")) == ()
    assert transport_tables.table_units(Options(data="mnist", data_dir="nowhere")) == ()


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("data", ["mnist", "cifar10", "cifar10-jpeg"])
def test_skipped_cells_name_their_hours(data, device):
    options = Options(suite="full", data=data, data_dir="nowhere", device=device)
    for table in transport_tables.table_units(options):
        columns = table.parameters["columns"]
        skipped = {method for method, column in columns.items() if column["key"] is None}
        if data == "mnist":
            assert not skipped
        else:
            assert skipped == ({"Langevin", "PGD"} if device == "cpu" else {"PGD"})
        if skipped == columns.keys():
            shown = transport_tables.table(table.parameters, {}, 0, nothing).values
            assert all(row[2].startswith("skipped, about ") for row in shown["rows"])
            assert all(row[2].endswith(" h") for row in shown["rows"])
            assert [row[-1] for row in shown["rows"]] == ["not computed"] * 6
            assert "8/255" in shown["note"]


def test_hours_of_the_paper_follow_from_its_own_ratio():
    # The wide network: 43 h 43 min against 2 h 10 min, with passes that are not all of one price.
    wide = PRINTED[-1]
    ratio = transport_tables.hours(CIFAR, wide, "PGD") / transport_tables.hours(
        CIFAR, wide, "Langevin"
    )
    assert ratio == pytest.approx((43 * 60 + 43) / (2 * 60 + 10), rel=0.2)


def test_what_passes_cost_is_what_the_networks_multiply():
    for name, shape in (("architecture-a", (1, 28, 28)), ("architecture-b", (1, 28, 28))):
        seen = []

        def count(layer, given, out, seen=seen):
            places = out[0, 0].numel() if out.ndim == 4 else 1
            seen.append(2 * places * layer.weight.numel())

        network = build(name, shape, 10, 0).eval()
        for layer in network:
            if hasattr(layer, "weight"):
                layer.register_forward_hook(count)
        with torch.no_grad():
            network(torch.zeros(1, *shape))
        assert sum(seen) / 1e6 == pytest.approx(transport_tables.MFLOP[name], rel=0.02)


def test_the_full_plan_is_made_without_reading_data_and_says_what_it_costs():
    chosen = plan(["free-energy-lower-limit-of-a-network"], MNIST)
    costs = {unit.key: unit.cost for unit in chosen.units}
    equal = [cost for key, cost in costs.items() if "/adversarial-" in key or "/sweep-" in key]
    published = [cost for key, cost in costs.items() if "/published-" in key]
    assert min(sum(equal), sum(published)) > 300
    assert all(math.isfinite(cost) for cost in costs.values())
    titles = [unit.key for unit in chosen.tables]
    assert "mnist/published-architecture-a" in titles
    assert "mnist/sweep-noise" in titles
