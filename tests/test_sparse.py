"""Steps and attacks in l1, against the best move in ball and box that affine margins have."""

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from empirical import adversarial
from empirical.adversarial_loop import Budget
from empirical.attacks.adaptive import apgd
from empirical.attacks.sparse import ascended, spread
from empirical.attacks.steps import pgd
from empirical.attacks.worst import worst_case
from empirical.trades import train_trades
from robust_theory import affine_rise
from tests.digit_networks import DIGITS, IMAGES, LABELS, affine, scaled, trained

SEEDS = st.integers(0, 2**31)
EPS = 2.0


def l1(move):
    return np.abs(move.astype(float)).reshape(len(move), -1).sum(1)


def draw(seed, n, images=1):
    """Slopes, some 0 and some equal, and points, some at the ends of the box."""
    rng = np.random.default_rng(seed)
    w = rng.standard_normal(n) * rng.choice([0.0, 1.0], n, p=[0.1, 0.9])
    w = np.where(rng.random(n) < 0.3, np.round(w), w)
    x = rng.random((images, n))
    return w, np.where(rng.random(x.shape) < 0.3, np.round(x), x)


@given(SEEDS, st.integers(1, 8), st.sampled_from([0.0, 0.1, 0.8, 3.0]))
def test_the_steepest_step_is_the_best_move_in_ball_and_box(seed, n, length):
    w, x = draw(seed, n)
    slope, points = torch.from_numpy(w[None]), torch.from_numpy(x)
    moved = ascended(points, slope, length, "l1").clamp(0, 1).numpy()
    assert l1(moved - x)[0] <= length + 1e-14 * n
    assert (moved - x)[0] @ w == pytest.approx(float(affine_rise(w, x[0], length, "l1")), abs=1e-13)


@given(SEEDS, st.integers(1, 8), st.sampled_from([0.1, 0.8]))
def test_pixels_at_their_end_are_held_there_by_the_push_beyond_it(seed, n, length):
    w, x = draw(seed, n)
    slope, points = torch.from_numpy(w[None]), torch.from_numpy(x)
    for moved in (
        ascended(points, slope, length, "l1"),
        spread(points, slope, torch.tensor([length], dtype=torch.float64), torch.tensor([1])),
    ):
        end = np.where(w > 0, 1.0, 0.0)
        free = (x[0] != end) & (w != 0)
        largest = np.abs(w[free]).max(initial=0)
        before = (x[0] == end) & (np.abs(w) > largest)
        beyond = (moved[0].numpy() - end) * np.sign(w)
        # 1 + length is rounded by 2^-53 at most.
        np.testing.assert_allclose(beyond[before], length, rtol=0, atol=2.0**-52)
        # Those of less slope than what moves would keep what it needs.
        after = (x[0] == end) & (np.abs(w) < largest)
        if free.sum() == 1 and length <= np.abs(x[0] - end)[free]:
            assert not beyond[after].any()


@given(SEEDS, st.integers(2, 9), st.integers(1, 9))
def test_spread_steps_move_that_many_of_the_largest_slopes_equally(seed, n, count):
    w, x = draw(seed, n, images=2)
    x = np.clip(x, 0.1, 0.9)  # none is at its end
    slope, points = torch.from_numpy(np.stack([w, -w])), torch.from_numpy(x)
    number = torch.tensor([count, 1])
    move = (
        spread(points, slope, torch.tensor([0.6, 0.2], dtype=torch.float64), number) - points
    ).numpy()
    for row, k, length in ((0, count, 0.6), (1, 1, 0.2)):
        moved = move[row] != 0
        some = min(k, int((w != 0).sum()))
        assert moved.sum() == some
        if some:
            # Differences of numbers of size 1.
            np.testing.assert_allclose(np.abs(move[row][moved]), length / some, atol=1e-15)
            assert np.abs(w[moved]).min() >= np.abs(w[~moved]).max(initial=0)
            assert (np.sign(move[row][moved]) == np.sign(slope[row].numpy()[moved])).all()


def test_steps_without_a_box_move_one_pixel():
    free = (-math.inf, math.inf)
    slope = torch.tensor([[1.0, -3.0, 2.0]])
    assert ascended(torch.zeros(1, 3), slope, 0.5, "l1", box=free).tolist() == [[0, -0.5, 0]]
    each = torch.tensor([0.5])
    assert ascended(torch.zeros(1, 3), slope, each, "l1", box=free).tolist() == [[0, -0.5, 0]]
    none = ascended(torch.zeros(1, 3), 0 * slope, 0.5, "l1", box=free)
    assert none.tolist() == [[0, 0, 0]]


SIZES = [(3, 4), (20, 20)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_affine_margins_reach_their_greatest_value(size, share):
    """APGD within 1 %, PGD within 3 %, over images with many pixels at their ends or few."""
    n = math.prod(size)
    eps = share * n**0.5
    for seed in range(4):
        rng = np.random.default_rng([seed, n])
        w = rng.standard_normal(n) * (rng.random(n) if seed % 2 else 1)
        x = np.clip(rng.normal(0.5, [0.3, 0.8][seed // 2], (4, 1, *size)), 0, 1)
        w /= float(affine_rise(w, x[0].ravel(), eps, "l1"))  # a rise of about 1
        best = [float(affine_rise(w, image.ravel(), eps, "l1")) for image in x]
        bias = -np.max(x.reshape(4, -1) @ w + best) - 1  # nothing is fooled
        network = affine([0 * w, w, 0 * w], [0, bias, -99])
        y = np.zeros(4, dtype=np.int64)
        for attack, short in (
            (lambda *a: pgd(*a), 0.03),
            (lambda *a: pgd(*a, random_start=False), 0.03),
            (lambda *a: apgd(*a, steps=40), 0.01),
            (lambda *a: apgd(*a, loss="dlr"), 0.01),
        ):
            found = attack(network, x, y, eps, "l1")
            assert not found.fooled.any()
            assert (l1(found.images - x) <= eps * (1 + 1e-12)).all()
            rise = (found.images - x).reshape(4, -1) @ w
            assert (rise >= (1 - short) * np.array(best)).all()
            assert (rise <= np.array(best) * (1 + 1e-12)).all()


@pytest.mark.parametrize("loss", ["cross-entropy", "dlr", "targeted dlr"])
def test_examples_lie_in_ball_and_box_and_are_what_they_are_said_to_be(loss):
    network = copy.deepcopy(trained())
    found = apgd(network, IMAGES, LABELS, EPS, "l1", loss=loss, steps=20)
    assert found.images.dtype == np.float32
    assert found.images.min() >= 0
    assert found.images.max() <= 1
    # Pixels up to 1, and their differences, are rounded by 2^-24: 64 of them add up.
    assert (l1(found.images - IMAGES) <= EPS + 64 * 2.0**-23).all()
    with torch.no_grad():
        decided = network(torch.from_numpy(found.images)).argmax(1).numpy()
    assert (found.fooled == (decided != LABELS)).all()
    assert found.fooled.sum() > 15  # the clean errors are 4


def test_adaptive_steps_leave_no_more_accuracy_than_a_hundred_fixed_ones():
    network = trained()
    fixed = pgd(network, IMAGES, LABELS, EPS, "l1", steps=100)
    both = [apgd(network, IMAGES, LABELS, EPS, "l1", loss=k) for k in ("cross-entropy", "dlr")]
    assert (both[0].fooled | both[1].fooled).sum() >= fixed.fooled.sum()


def test_the_worst_case_in_l1():
    network = scaled(trained())
    found = worst_case(network, IMAGES, LABELS, EPS, "l1")
    assert found.attacks == ("APGD, cross-entropy", "APGD, targeted DLR")
    assert (found.broken_by == "APGD, targeted DLR").sum() > 5
    assert (l1(found.images - IMAGES) <= EPS + 64 * 2.0**-23).all()
    with torch.no_grad():
        decided = network(torch.from_numpy(found.images)).argmax(1).numpy()
    assert (found.fooled == (decided != LABELS)).all()


def test_targets_budget_zero_and_no_images():
    targets = (LABELS + 1) % 10
    found = apgd(trained(), IMAGES, LABELS, 8.0, "l1", targets=targets, steps=40)
    with torch.no_grad():
        decided = trained()(torch.from_numpy(found.images)).argmax(1).numpy()
    assert (found.fooled == (decided == targets)).all()
    assert found.fooled.sum() > 30
    assert (apgd(trained(), IMAGES, LABELS, 0.0, "l1").images == IMAGES).all()
    assert apgd(trained(), IMAGES[:0], LABELS[:0], 0.1, "l1").images.shape == (0, 1, 8, 8)


class Watched(nn.Module):
    """Logits 0, w.x and eight low ones that no training changes; keeps what it was trained on."""

    def __init__(self, w):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))
        self.w = torch.from_numpy(w)
        self.seen = None

    def forward(self, x):
        if self.training:
            self.seen = x.detach().numpy()[0, 0]
        lead = x.flatten(1) @ self.w + 0 * self.unused
        return torch.stack([0 * lead, lead, *[lead - 9] * 8], 1)


# Training from an image itself, which one step of the whole length makes the worst, and from a
# random point, of which three steps of 5/6 of it come near. The budgets end with that attack.
TRAININGS = {
    "free": (adversarial.train_for_free, 2, {"replays": 2}, 0.0),
    "particles": (adversarial.train_on_particles, 2, {"step": 1.0, "noise": 0.0}, 0.0),
    "shared": (
        adversarial.train_on_particles,
        2,
        {"step": 1.0, "noise": 0.0, "shared": True},
        0.0,
    ),
    "pgd": (adversarial.train_on_pgd, 4, {"steps": 3}, 0.03),
    "trades": (train_trades, 5, {"steps": 3}, 0.03),
}


@pytest.mark.parametrize("name", TRAININGS)
@pytest.mark.parametrize("eps", [0.5, 6.0])
def test_training_in_l1_is_on_the_best_moves_of_many_pixels(name, eps):
    train, gradients, options, short = TRAININGS[name]
    for seed in range(3):
        w = np.random.default_rng(seed).standard_normal(64).astype(np.float32)
        image = DIGITS.train[seed : seed + 1]
        x = DIGITS.images[image[0]].ravel()
        one = replace(DIGITS, train=image, labels=np.zeros_like(DIGITS.labels))
        network = Watched(0.1 * w)
        train(network, one, eps, Budget(gradients, ramp=0.0, batch=1), "l1", **options)
        move = network.seen.ravel().astype(float) - x
        assert np.abs(move).sum() <= eps + 64 * 2.0**-23
        assert network.seen.min() >= 0
        assert network.seen.max() <= 1
        # The divergence of trades rises either way, whatever the label.
        signs = (1, -1) if name == "trades" else (1,)
        assert any(
            sign * move @ w >= (1 - short - 1e-5) * float(affine_rise(sign * w, x, eps, "l1"))
            for sign in signs
        )
