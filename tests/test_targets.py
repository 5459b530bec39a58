"""Attacks that want one class: what they return is that class, and every loss rises towards it."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from empirical.attacks.adaptive import apgd
from empirical.attacks.losses import Goal, targeted_dlr_loss
from empirical.attacks.square import square_attack
from empirical.attacks.steps import fgsm, pgd
from tests.digit_networks import IMAGES, LABELS, affine, scaled, trained

TARGETS = (LABELS + 1) % 10
ATTACKS = {
    "fgsm": fgsm,
    "pgd": lambda *a, **k: pgd(*a, steps=20, **k),
    "pgd-margin": lambda *a, **k: pgd(*a, steps=20, loss="margin", **k),
    "apgd": lambda *a, **k: apgd(*a, steps=20, **k),
    "apgd-dlr": lambda *a, **k: apgd(*a, steps=20, loss="targeted dlr", **k),
    "square": lambda *a, **k: square_attack(*a, queries=100, **k),
}
NORMS = pytest.mark.parametrize(("norm", "eps"), [("linf", 0.3), ("l2", 1.5)])


def logits(network, images):
    with torch.no_grad():
        return network(torch.from_numpy(images)).numpy()


@NORMS
@pytest.mark.parametrize("name", ATTACKS)
def test_a_success_is_the_class_that_was_wanted(name, norm, eps):
    network = copy.deepcopy(trained())
    found = ATTACKS[name](network, IMAGES, LABELS, eps, norm, targets=TARGETS)
    decided = logits(network, found.images).argmax(1)
    assert (found.fooled == (decided == TARGETS)).all()
    least = {"fgsm": 5, "square": 8}.get(name, 25)
    assert found.fooled.sum() >= least
    # Not wanting one class, the same attack changes more decisions.
    if "dlr" not in name:
        assert ATTACKS[name](network, IMAGES, LABELS, eps, norm).fooled.sum() > found.fooled.sum()


def test_what_is_no_success_has_come_nearer():
    """In a ball too small to succeed, the margin of the target has grown on most images."""

    def lead(images):
        z = logits(trained(), images)
        rest = np.where(np.arange(10) == TARGETS[:, None], -np.inf, z).max(1)
        return z[np.arange(60), TARGETS] - rest

    for name, attack in ATTACKS.items():
        found = attack(trained(), IMAGES, LABELS, 0.05, targets=TARGETS)
        grown = lead(found.images) > lead(IMAGES)
        assert grown[~found.fooled].mean() > 0.8, name


def test_images_that_are_their_target_are_successes_and_ties_are_none():
    flat = affine([[0.0] * 4, [0.0] * 4, [1.0, 0, 0, 0], [0.0] * 4], [0, 0, 0, -1])
    x = np.full((1, 1, 2, 2), 0.5)
    y, other = np.array([0]), np.array([2])
    for attack in ATTACKS.values():
        assert attack(flat, x, y, 0.0, targets=other).fooled.all()
        assert not attack(flat, x * 0, y, 0.0, targets=other).fooled.any()  # equal to two others
        assert not attack(flat, x, other, 0.1, targets=y).fooled.any()  # beaten by itself only


def test_guided_by_targets_any_wrong_answer_is_a_success():
    """Without targets, the targeted ratio goes through the nearest classes in turn."""
    network = trained()
    one = apgd(network, IMAGES, LABELS, 0.12, loss="targeted dlr", steps=20)
    nine = apgd(network, IMAGES, LABELS, 0.12, loss="targeted dlr", steps=20, restarts=9)
    assert (nine.fooled == (logits(network, nine.images).argmax(1) != LABELS)).all()
    assert nine.fooled.sum() > one.fooled.sum()
    assert nine.fooled[one.fooled].all()
    # No scale hides the slope.
    again = apgd(scaled(network), IMAGES, LABELS, 0.12, loss="targeted dlr", steps=20)
    assert abs(int(again.fooled.sum()) - int(one.fooled.sum())) <= 1


LOGITS = st.lists(st.integers(-50, 50), min_size=4, max_size=7)


@given(LOGITS, st.integers(0, 6), st.integers(1, 3), st.sampled_from([0.25, 8.0]))
def test_targeted_ratio_is_the_formula_and_ignores_shift_and_scale(values, label, further, scale):
    label %= len(values)
    target = (label + further) % len(values)
    z, y, t = torch.tensor([values], dtype=torch.float64), torch.tensor([label]), [target]
    found = float(targeted_dlr_loss(z, y, torch.tensor(t))[0])
    falling = sorted(values, reverse=True)
    spread = falling[0] - (falling[2] + falling[3]) / 2
    if spread > 0:
        assert found == -(values[label] - values[target]) / spread
        # Powers of 2 and small integers: no rounding.
        assert float(targeted_dlr_loss(scale * z + 3, y, torch.tensor(t))[0]) == found
    elif values[label] == values[target]:
        assert found == 0


@given(LOGITS, st.integers(0, 6), st.integers(1, 3))
def test_margin_and_success_agree(values, label, further):
    label %= len(values)
    target = (label + further) % len(values)
    z = torch.tensor([values], dtype=torch.float64)
    goal = Goal(torch.tensor([label]), torch.tensor([target]))
    margin = values[target] - max(v for k, v in enumerate(values) if k != target)
    assert float(goal.values(z, "margin")[0]) == margin
    assert bool(goal.reached(z)[0]) == (margin > 0)
    probability = z.softmax(1)[0, target].log()
    # Two sums of seven exponentials and their logarithms.
    assert float(goal.values(z, "cross-entropy")[0]) == pytest.approx(float(probability), abs=1e-12)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (TARGETS[:3], r"targets must be 60 whole numbers, got shape \(3,\)"),
        (TARGETS[:, None], r"targets must be 60 whole numbers, got shape \(60, 1\)"),
        (TARGETS.astype(float), "targets must be 60 whole numbers, got .* float64"),
        (TARGETS > 3, "targets must be 60 whole numbers, got .* bool"),
        (TARGETS.tolist(), "targets must be an array, got list"),
        (LABELS, f"targets must differ from the labels, got {LABELS[0]} for both at 0"),
        (TARGETS + 10, r"targets must lie in 0\.\.9, got 10"),
        (TARGETS - 11, r"targets must lie in 0\.\.9, got -11"),
    ],
)
def test_wrong_targets(targets, message):
    for attack in ATTACKS.values():
        with pytest.raises(ValueError, match=message):
            attack(trained(), IMAGES, LABELS, 0.1, targets=targets)


def test_losses_that_need_more():
    three = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    few = LABELS % 3
    with pytest.raises(ValueError, match="at least 4 classes, got 3"):
        apgd(three, IMAGES, few, 0.1, loss="targeted dlr")
    with pytest.raises(ValueError, match="at least 4 classes, got 3"):
        apgd(three, IMAGES, few, 0.1, loss="targeted dlr", targets=(few + 1) % 3)
    with pytest.raises(ValueError, match=r"loss must be .* with targets, got 'dlr'"):
        apgd(trained(), IMAGES, LABELS, 0.1, loss="dlr", targets=TARGETS)


def test_no_images():
    for attack in ATTACKS.values():
        found = attack(trained(), IMAGES[:0], LABELS[:0], 0.1, targets=TARGETS[:0])
        assert found.images.shape == (0, 1, 8, 8)
        assert found.fooled.shape == (0,)
