import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from empirical.attacks.adaptive import apgd, checkpoints
from empirical.attacks.losses import dlr_loss
from empirical.attacks.square import square_attack
from empirical.attacks.steps import pgd
from tests.digit_networks import IMAGES, LABELS, affine, quantised, scaled, trained

BALLS = [("linf", 0.1), ("l2", 0.5)]
ATTACKS = {
    "apgd": lambda *a, **k: apgd(*a, steps=20, **k),
    "apgd-dlr": lambda *a, **k: apgd(*a, steps=20, loss="dlr", **k),
    "square": lambda *a, **k: square_attack(*a, queries=60, **k),
}


def length(images, moved, norm):
    move = (moved.astype(float) - images.astype(float)).reshape(len(images), -1)
    return np.abs(move).max(1) if norm == "linf" else np.linalg.norm(move, axis=1)


@pytest.mark.parametrize(("norm", "eps"), BALLS)
@pytest.mark.parametrize("name", ATTACKS)
def test_examples_lie_in_ball_and_box_and_are_what_they_are_said_to_be(name, norm, eps):
    network = copy.deepcopy(trained())
    found = ATTACKS[name](network, IMAGES, LABELS, eps, norm)
    assert found.images.dtype == np.float32
    assert found.images.min() >= 0
    assert found.images.max() <= 1
    # Pixels up to 1, and their differences, are rounded by 2^-24; in l2, 64 of them add up.
    assert (length(IMAGES, found.images, norm) <= eps + 8 * 2.0**-23).all()
    with torch.no_grad():
        decided = network(torch.from_numpy(found.images)).argmax(1).numpy()
    assert (found.fooled == (decided != LABELS)).all()
    assert found.fooled.sum() > 6  # the clean errors are 4
    again = ATTACKS[name](network, IMAGES, LABELS, eps, norm)
    assert (again.images == found.images).all()


@pytest.mark.parametrize(("norm", "eps"), BALLS)
def test_adaptive_steps_leave_no_more_accuracy_than_a_hundred_fixed_ones(norm, eps):
    network = trained()
    fixed = pgd(network, IMAGES, LABELS, eps, norm, steps=100)
    adaptive = [apgd(network, IMAGES, LABELS, eps, norm, loss=k) for k in ("cross-entropy", "dlr")]
    both = adaptive[0].fooled | adaptive[1].fooled
    assert (~both).mean() <= (~fixed.fooled).mean()


@pytest.mark.parametrize(("norm", "eps"), BALLS)
def test_masked_networks_are_fooled_by_what_ignores_scale_and_by_what_ignores_slopes(norm, eps):
    truth = apgd(trained(), IMAGES, LABELS, eps, norm, loss="dlr").fooled
    sure = scaled(trained())
    dlr = apgd(sure, IMAGES, LABELS, eps, norm, loss="dlr").fooled
    usual = apgd(sure, IMAGES, LABELS, eps, norm).fooled
    # The scaled network decides the same; rounding may move a step.
    assert abs(int(dlr.sum()) - int(truth.sum())) <= 1
    assert usual.sum() < truth.sum() - 5
    hidden = quantised(trained())
    with_slopes = apgd(hidden, IMAGES, LABELS, eps, norm).fooled
    without = square_attack(hidden, IMAGES, LABELS, eps, norm, queries=300).fooled
    assert without.sum() > with_slopes.sum() + 5


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("loss", ["cross-entropy", "dlr"])
def test_adaptive_steps_reach_the_greatest_value_of_an_affine_margin(norm, loss):
    """Logits (0, w.x + b, -9) with w.x + b negative all over the ball. For linf the greatest value
    is at the corner of ball and box; for l2, in a box without ends, eps |w| higher than at x.
    """
    random = np.random.default_rng(0)
    w, eps = random.standard_normal(12), 0.25
    x = random.random((5, 1, 3, 4))
    flat = x.reshape(5, -1)
    box = (0.0, 1.0) if norm == "linf" else (-9.0, 9.0)
    moved = np.clip(flat + eps * np.sign(w), *box) if norm == "linf" else None
    best = moved @ w if norm == "linf" else flat @ w + eps * np.linalg.norm(w)
    bias = -best.max() - 1
    network = affine([0 * w, w, 0 * w], [0, bias, -9])
    y = np.zeros(5, dtype=np.int64)
    found = apgd(network, x, y, eps, norm, loss=loss, steps=60, box=box)
    assert not found.fooled.any()
    # In l2 the steps end at 2 eps / 2^k with k <= 9 checkpoints: a few per cent of the radius,
    # and the value is missed by the square of that.
    np.testing.assert_allclose(found.images.reshape(5, -1) @ w, best, rtol=0, atol=3e-3)
    assert (found.images.reshape(5, -1) @ w <= best + 1e-12).all()


def test_checkpoints_are_those_of_the_paper():
    # p = 0, .22, .41, .57, .70, .80, .87, .93, .99, 1 of 100.
    assert checkpoints(100) == [22, 41, 57, 70, 80, 87, 93, 99, 100]
    assert checkpoints(1) == [1]


LOGITS = st.lists(st.integers(-50, 50), min_size=3, max_size=6)


@given(LOGITS, st.integers(0, 5), st.sampled_from([0.25, 1.0, 8.0]), st.integers(-9, 9))
def test_dlr_is_the_formula_and_ignores_shift_and_scale(values, label, scale, shift):
    label %= len(values)
    z, y = torch.tensor([values], dtype=torch.float64), torch.tensor([label])
    found = float(dlr_loss(z, y)[0])
    falling = sorted(values, reverse=True)
    rest = max(v for k, v in enumerate(values) if k != label)
    if falling[0] > falling[2]:
        assert found == -(values[label] - rest) / (falling[0] - falling[2])
        # Powers of 2 and small integers: no rounding.
        assert float(dlr_loss(scale * z + shift, y)[0]) == found
        if values[label] >= falling[2]:
            assert abs(found) <= 1
    elif falling[0] == rest == values[label]:
        assert found == 0


def test_a_budget_of_zero_leaves_the_images_alone():
    for attack in ATTACKS.values():
        found = attack(trained(), IMAGES, LABELS, 0.0)
        assert (found.images == IMAGES).all()


def test_no_images():
    for attack in ATTACKS.values():
        found = attack(trained(), IMAGES[:0], LABELS[:0], 0.1)
        assert found.images.shape == (0, 1, 8, 8)
        assert found.fooled.shape == (0,)


def test_square_needs_no_slope_and_improves_with_queries():
    class Hard(nn.Module):
        def forward(self, x):
            with torch.no_grad():
                return trained()(x)

    few = square_attack(Hard(), IMAGES, LABELS, 0.1, queries=10).fooled
    many = square_attack(Hard(), IMAGES, LABELS, 0.1, queries=400).fooled
    assert many.sum() > few.sum()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"norm": "l3"}, "norm must be"),
        ({"eps": -1.0}, "eps must be at least 0"),
        ({"eps": np.nan}, "eps must be at least 0"),
        ({"images": IMAGES + 0.5}, "lie in the box"),
        ({"images": IMAGES * np.nan}, "lie in the box"),
        ({"images": IMAGES[0]}, "must have shape"),
        ({"labels": LABELS + 1}, "labels must lie in 0..9"),
        ({"labels": LABELS * 1.0}, "whole numbers"),
        ({"labels": LABELS[:3]}, "must have shape"),
        ({"box": (1.0, 0.0)}, "box must be"),
        ({"network": scaled(trained(), float("nan"))}, "finite logits"),
    ],
)
def test_wrong_arguments(change, message):
    arguments = {
        "network": trained(),
        "images": IMAGES,
        "labels": LABELS,
        "eps": 0.1,
        "norm": "linf",
        "box": (0.0, 1.0),
    } | change
    for attack in (apgd, square_attack):
        with pytest.raises(ValueError, match=message):
            attack(**arguments)


def test_wrong_options():
    two = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    with pytest.raises(ValueError, match="at least 3 classes, got 2"):
        apgd(two, IMAGES, LABELS % 2, 0.1, loss="dlr")
    with pytest.raises(ValueError, match="loss must be"):
        apgd(two, IMAGES, LABELS % 2, 0.1, loss="hinge")
    with pytest.raises(ValueError, match="restarts must be at least 1"):
        apgd(two, IMAGES, LABELS % 2, 0.1, restarts=0)
    with pytest.raises(ValueError, match="queries must be at least 1"):
        square_attack(two, IMAGES, LABELS % 2, 0.1, queries=0)
