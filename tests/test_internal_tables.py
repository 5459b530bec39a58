"""The tables of attacks and defences by internal distances, run whole at toy sizes."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from validation.experiment import Options, Result, Table, Unit
from validation.experiments import internal_defences, internal_plan, internal_tables
from validation.experiments.internal_attacks import EXPERIMENTS
from validation.experiments.internal_protocol import _reached
from validation.store import Finished
from validation.unit import call, work

TINY = {
    "gradients": 3000,
    "images": dict.fromkeys(internal_plan.SIZES["digits"]["images"], 12),
    "updates": 6,
    "steps": 15,
}
FULL = Options(suite="full")


def distinct(units):
    """All units that these need, each once, those that are needed first."""
    found: dict[str, Unit] = {}
    for unit in units:
        for need in distinct(unit.needs):
            assert found.setdefault(need.key, need) == need
        assert found.setdefault(unit.key, unit) == unit
    return list(found.values())


@pytest.fixture(scope="module")
def results():
    with pytest.MonkeyPatch.context() as patch:
        small = {**internal_plan.SIZES["digits"], **TINY}
        patch.setattr(internal_plan, "SIZES", {"digits": small})
        patch.setattr(internal_plan, "METHODS", ("natural", "free-PGD", "IWDD"))
        patch.setattr(internal_tables, "TAUS", (internal_plan.TAU, 3.0))
        patch.setattr(internal_defences, "BETAS", (0.0, internal_plan.BETA))
        units = distinct([*internal_tables.table_units(FULL), *internal_defences.table_units(FULL)])
    done: dict[str, Finished] = {}
    for unit in units:
        finished = call(work(unit, 3), [done[n.key] for n in unit.needs], lambda *_: None)
        assert isinstance(finished, Finished), finished
        done[unit.key] = finished
    return {key: finished.result for key, finished in done.items()}


def test_targets_are_wrong_classes_and_only_two_kinds_of_units_read_the_data(results):
    shown = results["digits/internal-images"].arrays
    assert (shown["targets"] != shown["labels"]).all()
    assert set(shown["targets"]) <= set(range(10))
    units = distinct([u for e in EXPERIMENTS for u in e.tables(FULL)])
    reading = {u.key for u in units if "data_dir" in u.parameters}
    assert not [key for key in reading if "attacked" in key]


def table(results, key):
    return Table(**results[f"digits/{key}"].values)


def rows(shown):
    return {row[0]: dict(zip(shown.columns[1:], row[1:], strict=True)) for row in shown.rows}


def number(cell):
    return float(cell.split(" ")[0])


def test_table_1_shows_the_share_of_right_images_that_are_fooled(results):
    shown = rows(table(results, "internal-table-1"))
    assert list(shown) == [
        *("FGSM", "ADef", "EOT", internal_tables.EOT_MOVED, "stAdv"),
        *("IWDA", "IWDA, margin", "direct"),
        "direct: largest distance / radius",
    ]
    for attack in internal_plan.ATTACKS:
        for training in ("natural", "free-PGD"):
            untargeted, targeted = (
                results[f"digits/internal-attacked-{training.lower()}-{attack.lower()}{word}"]
                for word in ("", "-targeted")
            )
            for words, found in (("untargeted", untargeted), ("targeted", targeted)):
                right, fooled = found.arrays["right"], found.arrays["fooled"]
                share = 100 * sum(a and b for a, b in zip(right, fooled, strict=True)) / sum(right)
                cell = shown[attack][f"{training}, {words}, here"]
                assert number(cell) == pytest.approx(share, abs=0.05)  # one printed digit
            # The same images, which the same network gets right.
            assert (untargeted.arrays["right"] == targeted.arrays["right"]).all()
    assert shown["IWDA, margin"]["natural, targeted, here"] == "not run"
    assert "not legible" in table(results, "internal-table-1").note


def test_every_image_of_the_direct_attack_lies_inside_the_exact_ball(results):
    ratios = rows(table(results, "internal-table-1"))["direct: largest distance / radius"]
    radius = internal_plan.radius(internal_plan.SIZES["digits"])
    assert radius == pytest.approx(0.02 * 9)
    seen = []
    for key, found in results.items():
        if "-direct" in key:
            assert (found.arrays["internal"] <= radius).all()
            assert (found.arrays["internal"][found.arrays["fooled"]] > 0).any()
            seen.append(f"{found.arrays['internal'].max() / radius:.6f}")
    for words in ("natural, untargeted", "natural, targeted", "free-PGD, untargeted"):
        assert float(ratios[f"{words}, here"]) <= 1
        assert ratios[f"{words}, here"] in seen


@pytest.mark.parametrize("metric", internal_tables.METRICS)
def test_figure_6_counts_every_successful_image_once(results, metric):
    shown = rows(table(results, f"internal-figure-6-{metric}"))
    assert list(shown) == list(internal_tables.ATTACKS)
    for attack, row in shown.items():
        words = attack.lower().replace(", ", "-")
        found = results[f"digits/internal-attacked-natural-{words}"].arrays
        x = found[metric][found["right"] & found["fooled"]]
        counts = [v for k, v in row.items() if " to " in k or k.startswith("from ")]
        assert row["images"] == sum(counts) == len(x)
        if len(x):
            assert row["mean"] == pytest.approx(sum(x.tolist()) / len(x))
            assert row["lower quartile"] <= row["median"] <= row["upper quartile"]
        else:
            assert row["mean"] is None
    if metric == "linf":
        # Steps in linf, from images of single precision: within eps up to their rounding.
        fgsm = results["digits/internal-attacked-natural-fgsm"].arrays["linf"]
        assert fgsm.max() <= 0.1 + 1e-6


def test_table_2_shows_accuracies_beside_the_papers(results):
    shown = rows(table(results, "internal-table-2"))
    assert list(shown) == ["natural", "free-PGD", "IWDD"]
    assert shown["IWDD"]["PGD-10, Inception-v3, paper"] == "46.00"
    for method, row in shown.items():
        clean = results[f"digits/internal-attacked-{method.lower()}-pgd-10"].arrays["right"]
        assert number(row["clean, here"]) == pytest.approx(100 * clean.mean(), abs=0.05)
        for attack in internal_defences.ATTACKS:
            key = f"digits/internal-attacked-{method.lower()}-{attack.lower()}"
            found = results[key].arrays
            kept = [a and not b for a, b in zip(found["right"], found["fooled"], strict=True)]
            assert number(row[f"{attack}, here"]) == pytest.approx(100 * np.mean(kept), abs=0.05)
        assert row["constant"] in ("no", "yes")
        assert row["updates"] > 0


def test_ablations_reuse_what_the_tables_have(results):
    tau = rows(table(results, "internal-ablation-tau"))
    beta = rows(table(results, "internal-ablation-beta"))
    assert list(tau) == ["0.1", "3"]
    assert list(beta) == ["0", "0.1"]
    first = rows(table(results, "internal-table-1"))["IWDA"]["natural, untargeted, here"]
    assert tau["0.1"]["success in %, here"] == first
    second = rows(table(results, "internal-table-2"))["IWDD"]
    assert beta["0.1"]["PGD-10, here"] == second["PGD-10, here"]
    assert beta["0.1"]["clean, here"] == second["clean, here"]


def test_only_known_images_in_the_full_suite_get_tables_and_long_units_say_what_they_cost():
    for options in (Options(), Options(suite="full", data="mine.npz"), Options(data="mnist")):
        assert internal_tables.table_units(options) == ()
        assert internal_defences.table_units(options) == ()
    for data in internal_plan.SIZES:
        options = Options(suite="full", data=data, data_dir="x")
        units = distinct([u for e in EXPERIMENTS for u in e.tables(options)])
        trained = [u for u in units if "trained" in u.key or "attacked" in u.key]
        assert len({u.key for u in units}) == len(units)
        assert all(u.cost > 0 for u in trained)
        limit = 900 if data == "mnist" else math.inf  # 15 minutes
        assert sum(u.cost for u in units) <= limit
    names = {
        device: internal_plan.network_name(Options("full", "cifar10-jpeg", "x", device=device))
        for device in ("cpu", "cuda")
    }
    assert names == {"cpu": "cnn", "cuda": "resnet18"}


class Logits(nn.Module):
    """Takes images of K pixels to themselves."""

    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.ones(()))

    def forward(self, x):
        return self.factor * x.flatten(1)


def test_ties_are_neither_right_nor_fooled():
    x = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 0.5]], dtype=np.float32).reshape(3, 1, 1, 3)
    y, wanted = np.array([0, 0, 0]), np.array([1, 1, 2])
    assert _reached(Logits(), x, y, y).tolist() == [False, True, False]
    assert _reached(Logits(), x, y, None).tolist() == [False, False, True]
    assert _reached(Logits(), x, y, wanted).tolist() == [False, False, False]
    many = np.repeat(x, 60, axis=0)
    found = _reached(Logits(), many, np.repeat(y, 60), None)
    assert found.tolist() == [False] * 120 + [True] * 60


def test_cells_without_any_right_image_say_so():
    nothing = {"right": np.zeros(3, dtype=bool), "fooled": np.ones(3, dtype=bool)}
    assert internal_tables._success(Result({}, nothing)) == "none right"
