"""The chapter's table of trained networks: what is printed, counted, flagged and left out."""

import json
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from empirical.data import load
from empirical.networks import build
from robust_theory import adversarial_risk, benign_risk, boundary_risk, finite_problem
from validation.experiment import Options, Result, Table
from validation.experiments import trades_networks, trades_tables
from validation.experiments.training import EXPERIMENTS
from validation.verdict import decide

torch.set_num_threads(1)
FULL = Options(suite="full")
LARGE = Options(suite="full", data="cifar10-jpeg", data_dir="data")
(OF_NETWORKS,) = (e for e in EXPERIMENTS if e.name.endswith("-of-networks"))


def nothing(share, words):
    pass


@pytest.fixture(scope="module")
def trained():
    found = {}
    for method in trades_tables.METHODS:
        unit = trades_tables.trained_unit(FULL, method)
        # All attacks on one of the networks, for the sake of time.
        suite = "full" if method == "TRADES, 6" else "quick"
        small = {**unit.parameters, "gradients": 1500, "images": 25, "rate": 3e-3, "suite": suite}
        found[unit.key] = trades_networks.train(small, {}, 0, nothing)
    return found


def test_all_methods_train_at_equal_cost_and_meet_the_same_attacks(trained):
    for key, result in trained.items():
        few = ["clean", "FGSM", *trades_networks.ATTACKS["quick"]]
        every = ["clean", "FGSM", *trades_networks.ATTACKS["full"], "APGD", "APGD, DLR", "Square"]
        attacks = every if key.endswith("trades-trades-6") else few
        assert result.values["attacks"] == attacks
        assert result.arrays["answers"].shape == (len(attacks), 25)
        # A batch of 50 costs at most 12 gradients an image.
        assert 1500 <= result.values["gradients"] < 1500 + 600
        kept = trades_networks.kept_images(result)
        assert (kept["worst"] <= np.stack(list(kept.values()))).all()
    losses = [r.values["loss"] for r in trained.values()]
    assert len(set(losses)) == len(losses)


def made(options, inputs):
    tables = []
    for unit in trades_tables.table_units(options):
        maker = getattr(trades_tables, unit.function.split(":")[1])
        stored = json.loads(json.dumps(unit.parameters, sort_keys=True))
        tables.append(Table(**maker(stored, inputs, 0, nothing).values))
        assert [row[0] for row in tables[-1].rows] == [*trades_tables.METHODS]
    return tables


def test_tables_have_the_papers_figures_beside_ours(trained):
    table, errors = made(FULL, trained)
    assert table.columns[1:5] == (
        "A_nat, paper", "A_nat, here", "A_rob, PGD-20, paper", "A_rob, PGD-20, here",
    )  # fmt: skip
    rows = {row[0]: row for row in table.rows}
    assert (rows["TRADES, 6"][1], rows["TRADES, 6"][3]) == ("84.92", "56.61")
    assert rows["TRADES, 1"][1] is None  # what the chapter prints there is not of that row
    for name, row in rows.items():
        accuracies = [float(cell.split(" [")[0]) for cell in (row[2], row[4], row[6])]
        assert sorted(accuracies, reverse=True) == accuracies
        assert (row[5] is None) == (name != "TRADES, 6")
    for row in errors.rows:
        natural, boundary, adversarial = (float(cell.split(" [")[0]) for cell in row[1:4])
        assert natural + boundary == pytest.approx(adversarial, abs=0.15)  # three roundings
        assert row[4:] == [0, 25]


def test_what_needs_an_accelerator_is_left_out_with_its_hours():
    rows = trades_tables.rows(LARGE)
    assert len(rows) == len(trades_tables.METHODS)
    assert all("hours on a CPU; add --device cuda" in row.skipped for row in rows)
    assert not any(row.needs for row in rows)
    table, errors = made(LARGE, {})
    cells = {cell for row in table.rows for cell in (row[2], *row[4:7])}
    assert cells == {cell for row in errors.rows for cell in row[1:]}
    (cell,) = cells
    assert cell.startswith("skipped, about ")
    cuda = Options(suite="full", data="cifar10-jpeg", device="cuda")
    assert not any(row.skipped for row in trades_tables.rows(cuda))
    assert {row.needs[0].parameters["network"] for row in trades_tables.rows(cuda)} == {"resnet18"}


def test_networks_keep_the_decomposition_exactly(trained):
    for row in trades_tables.rows(FULL):
        (unit,) = row.needs
        measured = OF_NETWORKS.measure(row.parameters, {unit.key: trained[unit.key]}, 0, 1e-4)
        verdict = decide(OF_NETWORKS.claim, measured.arguments, measured.evidence)
        assert verdict.word == "holds"
        # A single image more, or less, is seen.
        assert verdict.detectable < 1 / 25


@given(st.integers(1, 6), st.integers(1, 40), st.integers(2, 4), st.integers(0, 2**31))
def test_patterns_have_the_errors_of_the_images(attacks, images, classes, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, images).astype(np.int16)
    answers = rng.integers(0, classes, (attacks, images)).astype(np.int16)
    answers = np.where(rng.random(answers.shape) < 0.6, labels, answers).astype(np.int16)
    result = Result({}, {"answers": answers, "labels": labels})
    found = trades_networks.patterns(result)
    predictions = found.pop("predictions")
    problem = finite_problem(**found)
    natural = sum(int(a != y) for a, y in zip(answers[0], labels, strict=True))
    flipped = sum(
        answers[0, i] == labels[i] and any(answers[k, i] != labels[i] for k in range(attacks))
        for i in range(images)
    )
    wrong, count = trades_networks.adversarial_errors(result)
    assert benign_risk(problem, predictions) == Fraction(natural, images)
    assert boundary_risk(problem, predictions) == Fraction(int(flipped), images)
    assert adversarial_risk(problem, predictions) == Fraction(wrong, count)


class Tent(nn.Module):
    """Two classes; the wrong one wins halfway to where one step of length eps ends, not there."""

    def __init__(self, eps):
        super().__init__()
        self.eps = eps

    def forward(self, x):
        rise = x.flatten(1).mean(1) - 0.5
        lead = 1 - 4 * (rise - self.eps / 2).abs() / self.eps
        return torch.stack([torch.zeros_like(lead), lead, torch.full_like(lead, -20.0)], 1)


def flags_of(network, x, y, suite="quick"):
    met = trades_networks._met(network, x, y, 0.1, suite, 3, "cpu")
    answers = np.stack([trades_networks._answers(network, z, y, "cpu") for z in met.values()])
    return trades_networks._flags(network, x, y, answers != y, list(met))


def test_training_that_fails_under_many_steps_and_constants_are_flagged():
    x, y = np.full((12, 1, 2, 2), 0.5, dtype=np.float32), np.zeros(12, dtype=np.int64)
    flags = flags_of(Tent(0.1), x, y)
    assert any(flag.startswith("accuracy under one step: 0,") for flag in flags)
    digits = load("digits")
    x, y = digits.images[digits.test[:40]], digits.labels[digits.test[:40]]
    network = build("linear", digits.shape, 10, 0)
    with torch.no_grad():
        network[1].bias[3] = 1e6
    assert any("constant" in flag for flag in flags_of(network, x, y))
    table = trades_tables.table(
        {
            "data": "d",
            "eps": 0.1,
            "keys": [["one step", "k"]],
            "hours": 0,
            **trades_tables.SIZES["full"],
        },
        {
            "k": Result(
                {"attacks": ["clean"], "flags": flags},
                {"answers": np.zeros((1, 3)), "labels": np.zeros(3)},
            )
        },
        0,
        nothing,
    ).values
    assert table["rows"][0][-2].startswith("flagged: ")


def test_two_classes_are_attacked_without_the_loss_that_needs_three():
    x, y = np.full((2, 1, 2, 2), 0.5, dtype=np.float32), np.zeros(2, dtype=np.int64)
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    met = trades_networks._met(network, x, y, 0.1, "full", 2, "cpu")
    assert [*met][-2:] == ["APGD", "Square"]
    wrong = np.zeros((len(met), 2), dtype=bool)
    assert not any("scale" in flag for flag in trades_networks._flags(network, x, y, wrong, [*met]))


def test_a_tie_is_answered_rightly():
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    nn.init.zeros_(network[1].weight)
    nn.init.zeros_(network[1].bias)
    labels = np.array([0, 1, 2])
    images = np.zeros((3, 1, 2, 2), dtype=np.float32)
    assert trades_networks._answers(network, images, labels, "cpu").tolist() == [0, 1, 2]
