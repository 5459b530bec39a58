"""Attacks within exact internal balls, against solvers and against what they must not do."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from empirical.adversarial_loop import Budget
from empirical.attacks import internal, patch_critic
from empirical.attacks.couplings import Couplings
from empirical.attacks.internal import internal_attack
from empirical.attacks.steps import pgd
from empirical.data import load
from empirical.internal_training import train_on_internal
from empirical.networks import build
from empirical.train import train_classifier
from robust_theory import internal_wasserstein, internal_wasserstein_gradient

torch.set_num_threads(1)


class Total(nn.Module):
    """Class 1 where the pixels, each times its weight, sum to more than a threshold."""

    def __init__(self, weights, threshold):
        super().__init__()
        self.weights = nn.Parameter(torch.as_tensor(weights, dtype=torch.float64))
        self.threshold = threshold

    def forward(self, x):
        lead = (x * self.weights).flatten(1).sum(1) - self.threshold
        return torch.stack([torch.zeros_like(lead), lead], 1)


def pictures(m, side, seed, channels=1):
    return np.random.default_rng(seed).random((m, channels, side, side))


def distance(x, z, patch, stride=1):
    first, second = (np.asarray(a, np.float64).transpose(1, 2, 0) for a in (x, z))
    return internal_wasserstein(first, second, patch, stride).value


@given(
    st.integers(0, 2**31),
    st.sampled_from([(4, 2, 1, 1), (5, 3, 2, 1), (4, 2, 1, 3), (3, 3, 1, 1), (3, 1, 1, 2)]),
    st.sampled_from([0.0, 0.02, 0.3, 50.0]),
)
def test_projections_are_inside_the_exact_ball(seed, layout, radius):
    side, patch, stride, channels = layout
    rng = np.random.default_rng(seed)
    x = pictures(2, side, seed, channels)
    couplings = Couplings(x, patch, stride)
    at = x.copy()
    for _ in range(3):  # from the original and from images within
        points = at + rng.normal(size=x.shape)
        at = couplings.nearest(np.arange(2), at, points, radius)
        assert at.min() >= 0
        assert at.max() <= 1
        for i in range(2):
            # Bisection keeps the cost at most at the radius; sums of some dozen roundings.
            assert distance(x[i], at[i], patch, stride) <= radius + 1e-12
            assert couplings.distance(i, at[i]) == distance(x[i], at[i], patch, stride)


@pytest.mark.parametrize("radius", [0.05, 0.4])
def test_projections_are_the_nearest_points_of_their_coupling(radius):
    import cvxpy as cp

    x = pictures(1, 4, 0)
    point = x + 0.4 * np.random.default_rng(1).normal(size=x.shape)
    couplings = Couplings(x, 2)
    found = couplings.nearest(np.array([0]), x, point, radius)[0, 0]
    z = cp.Variable((4, 4))
    # At the original itself every patch is coupled with itself.
    cost = sum(
        cp.sum(cp.abs(z[i : i + 2, j : j + 2] - x[0, 0, i : i + 2, j : j + 2]))
        for i in range(3)
        for j in range(3)
    )
    problem = cp.Problem(
        cp.Minimize(cp.sum_squares(z - point[0, 0])), [cost <= 9 * radius, z >= 0, z <= 1]
    )
    problem.solve(solver="CLARABEL")
    # Strongly convex: a gap of 1e-9 in the squares puts points within 3e-5.
    np.testing.assert_allclose(found, z.value, atol=1e-4)


def test_targets_are_what_the_best_coupling_wants():
    x = pictures(1, 5, 2)
    moved = np.roll(x, 1, axis=3)
    couplings = Couplings(x, 2)
    wanted = couplings.targets(0, moved[0])
    missing = np.isnan(wanted)
    assert (~missing).sum(axis=1).reshape(5, 5)[2].tolist() == [2, 4, 4, 4, 2]
    cost = np.where(missing, 0, np.abs(np.nan_to_num(wanted) - moved.reshape(25, 1))).sum() / 16
    assert cost == pytest.approx(distance(x[0], moved[0], 2), abs=1e-12)


def test_the_attack_of_a_linear_classifier_succeeds_from_the_exact_radius_on():
    # One patch as large as the image: the ball is that of the l1 norm, and the least radius that
    # turns weights w is (threshold) / max w, as long as that pixel stays below white.
    weights = np.array([[[0.5, 1.0], [2.0, 0.25]]])
    x = np.full((1, 1, 2, 2), 0.25)
    least = 0.3 / 2
    network = Total(weights, float((weights * x).sum()) + 0.3)
    for radius, wrong in ((0.98 * least, False), (1.02 * least, True)):
        found = internal_attack(network, x, np.array([0]), radius, 2, shift=0, steps=30)
        assert bool(found.fooled[0]) == wrong
        assert found.distances[0] <= radius
        assert found.distances[0] == pytest.approx(np.abs(found.images - x).sum(), abs=1e-12)


def test_with_patches_of_one_pixel_the_order_of_pixels_is_free():
    # Every rearrangement of the pixels is at distance 0; shifting a row around the edge is one.
    x = np.zeros((1, 1, 3, 3))
    x[0, 0, 1, 1] = 1.0
    weights = np.zeros((1, 3, 3))
    weights[0, 1, 0] = 1.0
    found = internal_attack(Total(weights, 0.5), x, np.array([0]), 0.0, 1, steps=1)
    assert found.fooled[0]
    assert found.distances[0] == 0
    assert found.images[0, 0, 1, 0] == 1
    still = internal_attack(Total(weights, 0.5), x, np.array([0]), 0.0, 1, shift=0, steps=2)
    assert not still.fooled[0]
    assert (still.images == x).all()


@pytest.fixture(scope="module")
def digits():
    """Digits on a black ground, and a classifier that has seen them."""
    dataset = load("digits")
    dataset = replace(dataset, images=np.pad(dataset.images, ((0, 0), (0, 0), (3, 3), (3, 3))))
    network = build("strided", dataset.shape, 10, 0)
    train_classifier(network, dataset, epochs=4)
    x, y = dataset.images[dataset.test], dataset.labels[dataset.test]
    with torch.no_grad():
        right = network(torch.from_numpy(x)).argmax(1).numpy() == y
    assert right.mean() > 0.8
    return network, x[right][:16], y[right][:16], x[~right][:2], y[~right][:2]


def wrong(network, z, y):
    with torch.no_grad():
        return network(torch.from_numpy(z)).argmax(1).numpy() != y


def test_attacked_digits_are_wrong_inside_the_exact_ball_and_more_with_the_radius(digits):
    network, x, y, *_ = digits
    shares = []
    for radius in (0.0, 0.1, 0.3):
        found = internal_attack(network, x, y, radius, 3, shift=0, steps=12)
        assert (wrong(network, found.images, y) == found.fooled).all()
        for image, original, near in zip(found.images, x, found.distances, strict=True):
            assert distance(original, image, 3) == near <= radius
        assert found.images.dtype == np.float32
        shares.append(found.fooled.mean())
    assert shares[0] == 0 < shares[1] < shares[2]
    # PGD of equal internal distance is weaker: it does not know that distance.
    stepped = pgd(network, x, y, 0.05)
    near = np.array([distance(a, b, 3) for a, b in zip(x, stepped.images, strict=True)])
    known = internal_attack(network, x, y, float(near.mean()), 3, shift=0, steps=12)
    assert known.fooled.mean() >= stepped.fooled.mean()


def test_targets_within_the_exact_ball_are_reached_by_what_is_returned(digits):
    network, x, y, *_ = digits
    targets = (y + 1) % 10
    shares = []
    for radius in (0.1, 0.6):
        found = internal_attack(network, x, y, radius, 3, targets=targets, shift=0, steps=12)
        with torch.no_grad():
            decided = network(torch.from_numpy(found.images)).argmax(1).numpy()
        assert (found.fooled == (decided == targets)).all()
        for image, original, near in zip(found.images, x, found.distances, strict=True):
            assert distance(original, image, 3) == near <= radius
        any_class = internal_attack(network, x, y, radius, 3, shift=0, steps=12)
        assert found.fooled.sum() <= any_class.fooled.sum()
        shares.append(found.fooled.mean())
    assert shares[0] < shares[1] > 0.3


def test_with_two_classes_the_target_is_any_wrong_class():
    x = pictures(4, 4, 3)
    network = Total(np.random.default_rng(4).normal(size=(1, 4, 4)), 0.0)
    with torch.no_grad():
        y = network(torch.from_numpy(x)).argmax(1).numpy()
    wanted = internal_attack(network, x, y, 0.4, 2, targets=1 - y)
    wrong_ones = internal_attack(network, x, y, 0.4, 2)
    assert (wanted.images == wrong_ones.images).all()
    assert (wanted.fooled == wrong_ones.fooled).all()
    assert wanted.fooled.any()


def penalised(network, x, y, radius, steps=60, rate=0.02, weight=200.0):
    """Whether Adam on the margin plus a penalty for leaving the ball meets a wrong image inside."""
    z, truth = torch.tensor(x, requires_grad=True), torch.from_numpy(y.astype(np.int64))
    adam, found = torch.optim.Adam([z], lr=rate), np.zeros(len(x), dtype=bool)
    for _ in range(steps):
        logits = network(z)
        right = logits.gather(1, truth[:, None]).squeeze(1)
        lead = logits.scatter(1, truth[:, None], -torch.inf).amax(1) - right
        adam.zero_grad()
        (-lead.clamp(max=0.5).sum()).backward()
        for i, image in enumerate(z.detach().numpy().transpose(0, 2, 3, 1)):
            near, slope = internal_wasserstein_gradient(x[i].transpose(1, 2, 0), image, 3)
            found[i] |= near <= radius and bool(lead[i] > 0)
            if near > radius:
                z.grad[i] += weight * torch.from_numpy(slope.transpose(2, 0, 1)).float()
        adam.step()
        z.data.clamp_(0, 1)
    return found


@pytest.mark.parametrize("radius", [0.05, 0.1])
def test_projected_steps_succeed_at_least_as_often_as_a_penalty(digits, radius):
    network, x, y, *_ = digits
    direct = internal_attack(network, x, y, radius, 3, shift=0).fooled
    assert direct.any()
    assert (penalised(network, x, y, radius) <= direct).all()


def test_shifts_at_distance_zero_break_the_classifier(digits):
    network, x, y, *_ = digits
    found = internal_attack(network, x, y, 0.0, 3, shift=1, steps=1)
    assert found.fooled.mean() > 0.5
    assert (found.distances == 0).all()
    assert (wrong(network, found.images, y) == found.fooled).all()


def test_images_that_are_wrong_by_themselves_stay(digits):
    network, _, _, x, y = digits
    found = internal_attack(network, x, y, 0.2, 3)
    assert found.fooled.all()
    assert (found.images == x).all()
    assert (found.distances == 0).all()


def test_shifts_bring_black_in():
    x = np.arange(1.0, 7.0).reshape(1, 1, 2, 3)
    assert internal._shifted(x, (1, -1)).tolist() == [[[[0, 0, 0], [2, 3, 0]]]]
    assert internal._shifted(x, (0, 5)).tolist() == [[[[0, 0, 0], [0, 0, 0]]]]
    assert len(internal._shifts(1)) == 8
    assert internal._shifts(1)[0] in [(0, 1), (1, 0), (0, -1), (-1, 0)]


def test_the_generator_makes_digits_wrong_and_its_distances_are_exact(digits):
    network, x, y, *_ = digits
    found = patch_critic.critic_attack(network, x[:6], y[:6], 3, tau=1.0, rate=5e-3, steps=30)
    assert found.fooled.mean() >= 0.5
    assert (wrong(network, found.images, y[:6]) >= found.fooled).all()
    for image, original, near in zip(found.images, x, found.distances, strict=False):
        assert near == distance(original, image, 3)
    # Nothing enforces a radius: direct optimisation needs less for as many.
    direct = internal_attack(network, x[:6], y[:6], float(found.distances.max()), 3, shift=0)
    assert direct.fooled.mean() >= found.fooled.mean()


def test_targets_are_reached_and_pairs_of_networks_do_not_see_each_other(digits):
    network, x, y, *_ = digits
    goal = (y[:3] + 1) % 10
    found = patch_critic.critic_attack(
        network, x[:3], y[:3], 3, targets=goal, tau=1.0, rate=1e-2, steps=60, look=1
    )
    with torch.no_grad():
        labels = network(torch.from_numpy(found.images)).argmax(1).numpy()
    assert found.fooled.any()
    assert (labels[found.fooled] == goal[found.fooled]).all()
    weights = patch_critic._critic(3, 9, 4, torch.Generator().manual_seed(0), "cpu")
    patches = torch.rand(3, 5, 9, generator=torch.Generator().manual_seed(1))
    values = patch_critic._judge(weights, patches)
    patches[1:] = 0
    assert torch.equal(patch_critic._judge(weights, patches)[0], values[0])


def test_the_papers_loss_stands_still_where_the_network_is_sure(digits):
    """A network that is multiplied has the same decisions, and no slope of its cross-entropy."""
    network, x, y, *_ = digits

    class Surer(nn.Module):
        def __init__(self):
            super().__init__()
            self.source = network

        def forward(self, z):
            return 1e4 * self.source(z)

    fooled = {
        loss: patch_critic.critic_attack(
            Surer(), x[:6], y[:6], 3, tau=1e-3, loss=loss, rate=5e-4, steps=10
        ).fooled.mean()
        for loss in ("cross-entropy", "margin")
    }
    # Only the critic moves the image at first.
    assert fooled["cross-entropy"] < 0.5 < fooled["margin"]


def test_training_within_internal_balls_counts_and_helps():
    dataset = load("digits")
    dataset = replace(dataset, train=dataset.train[:300], test=dataset.test[:100])
    x, y = dataset.images[dataset.test][:40], dataset.labels[dataset.test][:40]
    kept = []
    for radius in (0.0, 0.3):
        network = build("strided", dataset.shape, 10, 0)
        record = train_on_internal(
            network, dataset, radius, 3, Budget(9_000, batch=50, rate=3e-3), steps=2
        )
        # Three passes of the attack, one on its images, one on the clean ones.
        assert record.gradients == record.updates * 50 * 5
        assert not record.collapsed
        kept.append(1 - internal_attack(network, x, y, 0.2, 3, shift=0, steps=6).fooled.mean())
    assert kept[1] > kept[0]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"radius": -0.1}, "radius"),
        ({"radius": math.inf}, "radius"),
        ({"step": 0.0}, "step"),
        ({"steps": 0}, "steps"),
        ({"shift": -1}, "shift"),
        ({"patch": 5}, "patch"),
        ({"patch": 0}, "patch"),
        ({"stride": 0}, "stride"),
        ({"images": np.zeros((1, 4, 4))}, "images"),
        ({"targets": np.array([0])}, "targets must differ from the labels"),
        ({"targets": np.array([2])}, r"targets must lie in 0\.\.1"),
        ({"labels": np.array([5])}, r"labels must lie in 0\.\.1"),
    ],
)
def test_wrong_arguments_are_named(wrong, message):
    arguments = {
        "images": np.zeros((1, 1, 4, 4)),
        "labels": np.array([0]),
        "radius": 0.1,
        "patch": 2,
        **wrong,
    }
    network = Total(np.ones((1, 4, 4)), 1.0)
    with pytest.raises(ValueError, match=message):
        internal_attack(network, **arguments)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"critic_steps": 0}, "critic_steps"),
        ({"loss": "dlr"}, "loss must be one of"),
        ({"tau": -0.1}, "tau must be at least 0 and finite"),
        ({"penalty": math.nan}, "penalty must be at least 0 and finite"),
        ({"targets": np.array([0])}, "targets must differ from the labels"),
    ],
)
def test_wrong_arguments_of_the_generator_are_named(wrong, message):
    network = Total(np.ones((1, 4, 4)), 1.0)
    with pytest.raises(ValueError, match=message):
        patch_critic.critic_attack(network, np.zeros((1, 1, 4, 4)), np.array([0]), 2, **wrong)
