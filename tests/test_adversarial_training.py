"""Projections, attacks by steps, and adversarial training: counted, inside, and not constant."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from torch import nn

from empirical import adversarial
from empirical.adversarial_loop import Budget, is_constant, train_against
from empirical.attacks.projections import project, steepest
from empirical.attacks.steps import fgsm, pgd, random_point
from empirical.data import load
from empirical.networks import build, to_arrays

torch.set_num_threads(1)
ORDERS = {"linf": math.inf, "l2": 2, "l1": 1}
norms = pytest.mark.parametrize("norm", ORDERS)
EPS = 0.15


def length(d, norm):
    return torch.linalg.vector_norm(d.flatten(1), ORDERS[norm], dim=1)


def brute_projection(point, centre, eps, norm):
    """The nearest point by a general solver, the ball written with nonnegative parts."""
    n = len(point)
    if norm == "linf":
        return np.clip(point, np.maximum(centre - eps, 0), np.minimum(centre + eps, 1))
    if norm == "l2":
        rule = {"type": "ineq", "fun": lambda z: eps**2 - ((z - centre) ** 2).sum()}
        found = minimize(
            lambda z: ((z - point) ** 2).sum(), centre, bounds=[(0, 1)] * n, constraints=rule,
            options={"ftol": 1e-14, "maxiter": 500},
        )  # fmt: skip
        return found.x
    bounds = [(0, 1 - c) for c in centre] + [(0, c) for c in centre]
    rule = {"type": "ineq", "fun": lambda w: eps - w.sum()}
    found = minimize(
        lambda w: ((centre + w[:n] - w[n:] - point) ** 2).sum(), np.zeros(2 * n), bounds=bounds,
        constraints=rule, options={"ftol": 1e-14, "maxiter": 500},
    )  # fmt: skip
    return centre + found.x[:n] - found.x[n:]


@norms
@given(st.integers(0, 2**31), st.integers(1, 5), st.sampled_from([0.0, 0.05, 0.4, 1.5]))
def test_projections_are_the_nearest_points_of_ball_and_box(norm, seed, n, eps):
    rng = np.random.default_rng(seed)
    centre = np.where(rng.random(n) < 0.3, rng.integers(0, 2, n), rng.random(n))  # some on faces
    point = centre + rng.normal(size=n) * rng.choice([0.0, 0.3, 3.0])
    z = project(torch.tensor(point)[None], torch.tensor(centre)[None], eps, norm)
    assert (z >= 0).all()
    assert (z <= 1).all()
    # A sum of at most five numbers of size 1.
    assert float(length(z - torch.tensor(centre), norm)) <= eps + 1e-14
    expected = brute_projection(point, centre, eps, norm)
    ours, theirs = (float(((w - point) ** 2).sum()) for w in (z[0].numpy(), expected))
    # The solver keeps the ball to about 1e-8 where points are at distances of up to 10.
    assert ours <= theirs + 1e-6


@norms
@given(st.integers(0, 2**31))
def test_projections_leave_what_is_inside_and_do_not_change_the_second_time(norm, seed):
    draws = torch.Generator().manual_seed(seed)
    x = torch.rand(3, 2, 4, generator=draws, dtype=torch.float64)
    inside = random_point(x, 0.5, norm, draws, (0.0, 1.0))
    assert (length(inside - x, norm) <= 0.5 + 1e-14).all()
    torch.testing.assert_close(project(inside, x, 0.5 + 1e-12, norm), inside, atol=1e-12, rtol=0)
    far = x + 2 * torch.randn(x.shape, generator=draws, dtype=torch.float64)
    once = project(far, x, torch.tensor([0.1, 0.0, 0.7]), norm)
    assert torch.equal(once[1], x[1])
    torch.testing.assert_close(
        project(once, x, torch.tensor([0.1, 0.0, 0.7]), norm), once, atol=1e-12, rtol=0
    )


def test_projections_without_a_box_are_those_of_the_ball():
    x = torch.zeros(1, 3, dtype=torch.float64)
    z = torch.tensor([[3.0, -4.0, 0.0]], dtype=torch.float64)
    free = (-math.inf, math.inf)
    torch.testing.assert_close(
        project(z, x, 1.0, "l2", box=free), torch.tensor([[0.6, -0.8, 0.0]]).double()
    )
    torch.testing.assert_close(
        project(z, x, 2.0, "l1", box=free), torch.tensor([[0.5, -1.5, 0.0]]).double()
    )
    torch.testing.assert_close(
        project(z, x, 2.0, "linf", box=free), torch.tensor([[2.0, -2.0, 0.0]]).double()
    )


@norms
def test_steepest_directions_have_norm_one_and_the_dual_norm_as_gain(norm):
    g = torch.randn(4, 1, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    d = steepest(g, torch.full_like(g, 0.5), norm)
    torch.testing.assert_close(length(d, norm), torch.ones(4, dtype=torch.float64))
    dual = {"linf": "l1", "l2": "l2", "l1": "linf"}[norm]
    torch.testing.assert_close((g * d).flatten(1).sum(1), length(g, dual))
    assert not steepest(0 * g, torch.full_like(g, 0.5), norm).any()


def test_an_l1_step_avoids_pixels_that_cannot_move():
    g = torch.tensor([[[[5.0, -3.0, 1.0]]]])
    assert steepest(g, torch.tensor([[[[1.0, 0.5, 0.5]]]]), "l1").tolist() == [[[[0, -1, 0]]]]
    stuck = steepest(g, torch.tensor([[[[1.0, 0.0, 1.0]]]]), "l1")
    assert not stuck.any()


class Linear(nn.Module):
    """Two classes, f = (0, a.x + b)."""

    def __init__(self, a, b):
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a, dtype=torch.float64))
        self.b = b

    def forward(self, x):
        lead = x.flatten(1) @ self.a + self.b
        return torch.stack([torch.zeros_like(lead), lead], 1)


@norms
@pytest.mark.parametrize("loss", ["cross-entropy", "margin"])
def test_pgd_finds_the_exact_radius_of_a_linear_classifier(norm, loss):
    # In the middle of the box a ball of radius below 1/2 is not cut: the least eps is |b| / |a|*.
    a = [0.5, -1.0, 2.0, 0.25]
    dual = {"linf": 3.75, "l2": math.sqrt(0.25 + 1 + 4 + 0.0625), "l1": 2.0}[norm]
    x, y = np.full((1, 1, 2, 2), 0.5), np.zeros(1, dtype=np.int64)
    network = Linear(a, -0.875 - 0.5)  # a.x = .875 there
    least = 0.5 / dual
    # 60 steps of 2.5 eps / 60 are within a step's length of the farthest point, and reach it.
    for eps, wrong in ((0.999 * least, False), (1.02 * least, True)):
        found = pgd(network, x, y, eps, norm, steps=60, loss=loss, random_start=False)
        assert bool(found.fooled[0]) == wrong
        assert float(length(torch.tensor(found.images - x), norm)) <= eps * (1 + 1e-12)
    assert bool(fgsm(network, x, y, 1.001 * least, norm).fooled[0])
    assert not fgsm(network, x, y, 0.999 * least, norm).fooled[0]


def test_a_tie_is_no_wrong_answer_and_wrong_images_stay():
    network = Linear([0.0], 0.0)
    x = np.full((2, 1, 1, 1), 0.25)
    assert not pgd(network, x, np.array([0, 1]), 0.1, steps=2).fooled.any()
    found = pgd(Linear([0.0], 1.0), x, np.array([0, 1]), 0.1, steps=2, restarts=3)
    assert found.fooled.tolist() == [True, False]
    assert found.images[0] == 0.25
    assert found.gradients == 6


DIGITS = load("digits")
SMALL = replace(DIGITS, train=DIGITS.train[:400], test=DIGITS.test[:200])
METHODS = {
    "natural": (lambda n, b: adversarial.train_naturally(n, SMALL, b), 1),
    "pgd": (lambda n, b: adversarial.train_on_pgd(n, SMALL, EPS, b, steps=3), 4),
    "free": (lambda n, b: adversarial.train_for_free(n, SMALL, EPS, b, replays=4), 1),
    "particles": (lambda n, b: adversarial.train_on_particles(n, SMALL, EPS, b), 2),
    "two particles": (
        lambda n, b: adversarial.train_on_particles(n, SMALL, EPS, b, particles=2, steps=2),
        6,
    ),
    "shared": (
        lambda n, b: adversarial.train_on_particles(n, SMALL, EPS, b, noise=0.0, shared=True),
        1,
    ),
}


class Counting(nn.Module):
    """A network that counts the images of its backward passes."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        self.seen = 0

    def forward(self, x):
        logits = self.network(x)
        if self.training and logits.requires_grad:
            logits.register_hook(self._count)
        return logits

    def _count(self, slope):
        self.seen += len(slope)


@pytest.mark.parametrize("name", METHODS)
def test_gradients_are_counted_as_they_are_taken(name):
    train, each = METHODS[name]
    network = Counting(build("linear", DIGITS.shape, 10, 0))
    record = train(network, Budget(900, batch=50, rate=3e-3))
    assert record.gradients == network.seen
    assert 900 <= record.gradients < 900 + 50 * each
    assert record.updates == math.ceil(900 / (50 * each))
    assert not network.training
    assert not record.collapsed


@pytest.mark.parametrize("name", ["pgd", "particles", "shared"])
def test_training_is_repeatable_and_depends_on_the_seed(name):
    train, _ = METHODS[name]
    networks = []
    for seed in (0, 0, 1):
        network = build("linear", DIGITS.shape, 10, 0)
        train(network, Budget(600, seed=seed))
        networks.append(to_arrays(network))
    first, again, other = networks
    assert all((first[k] == again[k]).all() for k in first)
    assert any((first[k] != other[k]).any() for k in first)


def test_attacks_of_training_stay_in_the_ball_that_grows_with_the_ramp():
    seen = []

    def attack(indices, x, y, eps, draws):
        seen.append(eps)
        return project(x + 1, x, eps, "linf"), 1

    train_against(
        build("linear", SMALL.shape, 10, 0), SMALL, 0.3, attack, Budget(2000, ramp=0.5, batch=100)
    )
    np.testing.assert_allclose(seen, [0.3 * min(1, k / 5) for k in range(10)], atol=1e-12)


def test_stored_particles_go_on_from_where_they_were():
    # A classifier that never learns: after two visits of each image, particles without noise have
    # taken two steps of the sign of one and the same gradient.
    class Fixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.unused = nn.Parameter(torch.zeros(1))
            self.last = None

        def forward(self, x):
            if self.training:
                self.last = x.detach().clone()
            lead = 0.1 * x.flatten(1).sum(1) + 0 * self.unused
            return torch.stack([lead, -lead, *[lead - 9] * 8], 1)

    one = replace(SMALL, train=SMALL.train[:4], labels=np.ones_like(SMALL.labels))
    network = Fixed()
    adversarial.train_on_particles(
        network, one, 0.2, Budget(16, ramp=0.0, batch=4), step=0.3, noise=0.0
    )
    # Two updates; the last pass to the weights is at particles that moved by .06 twice, upwards.
    x = torch.from_numpy(one.images[one.train])
    moved = network.last.sum((1, 2, 3)).sort().values
    torch.testing.assert_close(moved, (x + 0.12).clamp(max=1).sum((1, 2, 3)).sort().values)


def test_robust_training_makes_digits_robust_and_natural_does_not():
    x, y = SMALL.images[SMALL.test], SMALL.labels[SMALL.test]
    kept = {}
    for name in ("natural", "shared"):
        network = build("strided", SMALL.shape, 10, 0)
        record = METHODS[name][0](network, Budget(16_000, rate=3e-3, batch=50, looks=2))
        assert record.accuracy > 0.85
        assert not record.collapsed
        attacked = pgd(network, x, y, EPS, steps=10)
        assert np.abs(attacked.images - x).max() <= EPS + 1e-6  # float32 images
        kept[name] = 1 - attacked.fooled.mean()
    assert kept["natural"] < 0.2 < 0.4 < kept["shared"]


def test_a_constant_classifier_is_flagged():
    network = build("linear", SMALL.shape, 10, 0)
    assert not is_constant(network, SMALL)
    with torch.no_grad():
        network[1].bias[3] = 1e6
    assert is_constant(network, SMALL)
    # Labels without relation to images, and a rate that destroys: the record says so.
    record = adversarial.train_naturally(
        network, SMALL, Budget(100, rate=1e-9), watch=lambda current: 0.5
    )
    assert record.collapsed
    assert record.history == ()


def test_what_is_watched_is_recorded_at_equal_distances():
    record = adversarial.train_naturally(
        build("linear", SMALL.shape, 10, 0),
        SMALL,
        Budget(1000, looks=4),
        watch=lambda network: float(network.training),
    )
    assert record.history == ((300, 0.0), (500, 0.0), (800, 0.0), (1000, 0.0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda n: Budget(0), "gradients"),
        (lambda n: Budget(10, ramp=1.5), "ramp"),
        (lambda n: Budget(10, rate=0), "rate"),
        (lambda n: Budget(10, batch=0), "batch"),
        (lambda n: adversarial.train_on_pgd(n, SMALL, -0.1, Budget(10)), "eps"),
        (lambda n: adversarial.train_on_pgd(n, SMALL, 0.1, Budget(10), "l3"), "norm"),
        (lambda n: adversarial.train_on_pgd(n, SMALL, 0.1, Budget(10), steps=0), "steps"),
        (lambda n: adversarial.train_for_free(n, SMALL, 0.1, Budget(10), replays=0), "replays"),
        (lambda n: adversarial.train_on_particles(n, SMALL, 0.1, Budget(10), noise=-1), "noise"),
        (lambda n: adversarial.train_on_particles(n, SMALL, 0.1, Budget(10), particles=0), "part"),
        (lambda n: pgd(n, SMALL.images[:1], SMALL.labels[:1], math.inf), "eps"),
        (lambda n: pgd(n, SMALL.images[:1], SMALL.labels[:1], 0.1, "l0"), "norm"),
        (lambda n: pgd(n, SMALL.images[:1], SMALL.labels[:1], 0.1, loss="hinge"), "loss"),
        (lambda n: pgd(n, SMALL.images[:1], SMALL.labels[:2], 0.1), "labels"),
        (lambda n: pgd(n, SMALL.images[:1], SMALL.labels[:1], 0.1, step=-0.1), "step"),
        (lambda n: pgd(n, SMALL.images[:1], SMALL.labels[:1], 0.1, step=math.nan), "step"),
        (lambda n: pgd(n.bfloat16(), SMALL.images[:1], SMALL.labels[:1], 0.1), "weights of type"),
        (lambda n: project(torch.zeros(1, 2), torch.zeros(1, 3), 0.1), "points"),
        (lambda n: project(torch.zeros(1, 2), torch.zeros(1, 2), -0.1), "radius"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(build("linear", SMALL.shape, 10, 0))
