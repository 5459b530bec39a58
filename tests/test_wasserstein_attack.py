"""Plans, projections onto Wasserstein balls, and attacks inside them, against other solvers."""

import functools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from empirical import noise, smoothing
from empirical.attacks import smoothed, wasserstein
from empirical.attacks.wasserstein_balls import wasserstein_projection
from empirical.plans import plans_from
from robust_theory import grid_wasserstein
from robust_theory.wasserstein.votes import predict

torch.set_num_threads(1)
SHAPES = [(1, 5), (4, 1), (2, 3), (3, 3)]
ROUNDING = 1e-12  # some thousand operations on masses that sum to 1

grounds = pytest.mark.parametrize("ground", ["l1", "l2"])


def distances(shape, ground):
    y, x = np.divmod(np.arange(shape[0] * shape[1]), shape[1])
    dy, dx = np.abs(y[:, None] - y), np.abs(x[:, None] - x)
    return dy + dx if ground == "l1" else np.hypot(dy, dx)


def draw(shape, seed, zeros=True):
    rng = np.random.default_rng(seed)
    image = rng.random(shape) * (rng.random(shape) < 0.7 if zeros else 1)
    image.flat[seed % image.size] = 1.0
    return image / image.sum()


def batch(*images):
    return torch.from_numpy(np.stack(images))[:, None]


@grounds
@given(
    st.sampled_from(SHAPES),
    st.integers(0, 2**31),
    st.sampled_from([0.0, 1e-9, 0.03, 0.3, 2.0, 100.0]),
)
def test_projections_stay_in_the_ball_with_exact_mass(ground, shape, seed, radius):
    x, z = draw(shape, seed), np.random.default_rng(seed).normal(size=shape)
    plans = plans_from(batch(x), ground=ground)
    values = plans.at_targets(batch(z))
    budget = torch.tensor([radius], dtype=torch.float64)
    for plan in (plans.nearest(values, budget), plans.best(values, budget), plans.still()):
        assert plan.min() >= 0
        torch.testing.assert_close(plan.sum(1), plans.mass, atol=ROUNDING, rtol=0)
        assert plans.cost(plan) <= radius + ROUNDING
        image = plans.image(plan)[0, 0].numpy()
        assert image.min() >= 0
        assert abs(image.sum() - 1) < ROUNDING
        # By another program: the cost of a plan bounds the distance of the images.
        assert float(grid_wasserstein(x, image, ground).lower) <= radius + ROUNDING


@grounds
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("radius", [0.0, 0.1, 0.6, 10.0])
def test_the_best_plan_is_that_of_the_linear_program(ground, shape, radius):
    x, z = draw(shape, 3), np.random.default_rng(4).normal(size=shape)
    plans = plans_from(batch(x), ground=ground)
    values = plans.at_targets(batch(z))
    budget = torch.tensor([radius], dtype=torch.float64)
    plan = plans.best(values, budget)
    N = x.size
    program = linprog(
        -np.tile(z.ravel(), N),
        A_ub=distances(shape, ground).reshape(1, -1),
        b_ub=[radius],
        A_eq=np.kron(np.eye(N), np.ones(N)),
        b_eq=x.ravel(),
    )
    found = float((plan * values).sum())
    assert found == pytest.approx(-program.fun, abs=1e-7)  # HiGHS keeps rules to 1e-7
    assert float(plans.most(values, budget)) >= found - ROUNDING
    assert float(plans.most(values, budget)) == pytest.approx(found, abs=1e-7)


@functools.lru_cache
def reference(shape, ground, radius):
    """The projection by a conic solver, with the point and the centre."""
    import cvxpy as cp

    x, z = draw(shape, 5), draw(shape, 6) + 0.3 * np.random.default_rng(7).normal(size=shape)
    plan = cp.Variable((x.size, x.size), nonneg=True)
    image = cp.sum(plan, axis=0)
    rules = [
        cp.sum(plan, axis=1) == x.ravel(),
        cp.sum(cp.multiply(distances(shape, ground), plan)) <= radius,
    ]
    cp.Problem(cp.Minimize(cp.sum_squares(image - z.ravel())), rules).solve(solver="CLARABEL")
    return x, z, image.value.reshape(shape)


@grounds
@pytest.mark.parametrize(("shape", "radius"), [((1, 5), 0.05), ((2, 3), 0.2), ((3, 3), 0.3)])
def test_the_projection_is_the_nearest_point_of_the_ball(ground, shape, radius):
    x, z, expected = reference(shape, ground, radius)
    found = wasserstein_projection(batch(z), batch(x), radius, ground=ground)
    image, gap = found.images[0, 0].numpy(), float(found.gap[0])
    assert gap < 1e-9
    # Within sqrt(2 gap) of the projection; the conic solver is good to 1e-6 here.
    assert np.linalg.norm(image - expected) < math.sqrt(2 * gap) + 1e-6
    assert float(grid_wasserstein(x, image, ground).lower) <= radius + ROUNDING


def test_points_inside_are_their_own_projections_and_zero_is_the_centre():
    x, z = draw((3, 3), 1, zeros=False), draw((3, 3), 2)
    inside = wasserstein_projection(batch(z), batch(x), 9.0)
    np.testing.assert_allclose(inside.images[0, 0], z, atol=2e-5)  # sqrt(2 * 1e-10)
    still = wasserstein_projection(batch(z, x), batch(x, x), [0.0, 1.0])
    np.testing.assert_allclose(still.images[0, 0], x, atol=ROUNDING)
    np.testing.assert_allclose(still.images[1, 0], x, atol=ROUNDING)


def test_reach_limits_where_mass_goes_and_channels_keep_theirs():
    x = torch.zeros((1, 2, 5, 6), dtype=torch.float64)
    x[0, 0, 2, 2], x[0, 1, 0, 0] = 0.25, 0.75
    for reach, targets in ((1, 9), (2, 25), (None, 30)):
        plans = plans_from(x, reach=reach)
        assert plans.targets.shape == (2, targets)
        values = torch.randn(x.shape, generator=torch.Generator().manual_seed(0)).double()
        far = torch.tensor([100.0], dtype=torch.float64)
        image = plans.image(plans.best(plans.at_targets(values), far))
        torch.testing.assert_close(image.sum((2, 3)), x.sum((2, 3)))
        assert (image > 0).sum() == 2
        y, column = torch.nonzero(image[0, 0])[0].tolist()
        if reach is not None:
            assert max(abs(y - 2), abs(column - 2)) <= reach
    # Corners have few neighbours.
    assert plans_from(x, reach=1).inside.sum(1).tolist() == [9, 4]


class Half(torch.nn.Module):
    """Class 0 if the left half of a grid of two columns has more mass than the right one."""

    def forward(self, images):
        left, right = images[:, 0].sum(1).unbind(1)
        return torch.stack([10 * left, 10 * right], 1)


def halves(share):
    return np.array([[[[share / 2, (1 - share) / 2]] * 2]] * 1) * 5.0  # total 5


@grounds
@pytest.mark.parametrize("method", ["pgd", "frank-wolfe"])
def test_attacks_find_the_exact_radius_of_a_known_network(ground, method):
    # From a share of .8 on the left, .3 of the mass must cross to the right.
    images = np.concatenate([halves(0.8), halves(0.6), halves(0.2)])
    totals = np.full(3, 5.0)
    balls = np.repeat(np.linspace(0.02, 0.4, 39), 3)
    found = wasserstein.wasserstein_attack(
        smoothed.plain_slope(Half(), totals),
        smoothed.plain_fooled(Half(), totals),
        images,
        [0, 0, 0],
        balls,
        ground=ground,
        method=method,
    )
    assert found.found.all()
    assert found.radius[2] == 0 == found.steps[2]  # wrong from the start
    for i, exact in ((0, 0.3), (1, 0.1)):
        distance = grid_wasserstein(images[i, 0] / 5, found.images[i, 0], ground)
        assert exact - 1e-6 <= float(distance.value) <= found.radius[i] + ROUNDING
        assert found.radius[i] <= exact + 0.04  # some balls of .01 late


def test_nothing_is_found_in_balls_that_are_too_small():
    images = np.concatenate([halves(0.8), halves(0.6)])
    radii = np.array([[0.29, 0.12]] * 20)  # one for each image
    found = wasserstein.wasserstein_attack(
        smoothed.plain_slope(Half(), [5, 5]),
        smoothed.plain_fooled(Half(), [5, 5]),
        images,
        [0, 0],
        radii,
    )
    assert found.found.tolist() == [False, True]
    assert found.radius.tolist() == [math.inf, 0.12]
    assert float(grid_wasserstein(images[0, 0] / 5, found.images[0, 0]).value) <= 0.29 + ROUNDING


def test_the_smoothed_slope_is_that_of_the_expected_softmax():
    law, totals = noise.gaussian_flow((2, 2), 0.05), [2.0]
    x = torch.tensor([[[[0.3, 0.2], [0.3, 0.2]]]], dtype=torch.float64)
    y, numbers = torch.tensor([0]), torch.tensor([0])
    found = smoothed.smoothed_slope(Half(), law, totals, samples=4_000, seed=1)(x, y, numbers)
    # The difference of the halves under noise is normal: integrate the logistic function over it.
    t, weights = np.polynomial.hermite_e.hermegauss(60)
    spread = 0.05 * math.sqrt(2) * 2 * 20  # two edges cross; both halves change; logits 10 x 2
    margin = 20 * 0.2 + spread * t
    share = 1 / (1 + np.exp(-margin))
    slope = (weights * share * (1 - share)).sum() / (weights * share).sum() * 20
    expected = np.array([[-slope, slope]] * 2)
    np.testing.assert_allclose(found[0, 0], expected, rtol=0.05)  # about four standard errors


def test_hard_votes_decide_with_abstention_as_error():
    law = noise.laplace_flow((2, 2), 0.05)
    shares = (0.9, 0.5, 0.3)
    images = np.concatenate([halves(s) for s in shares])
    totals = np.full(3, 5.0)
    fooled = smoothed.smoothed_fooled(Half(), law, totals, 2, votes=1_000, seed=4)
    x = torch.from_numpy(images / 5)
    first = fooled(x, torch.zeros(3, dtype=torch.long), torch.arange(3))
    counts = smoothing.count_votes(Half(), law, images.astype(np.float32), 1_000, 2, seed=9)
    answers = [predict(k, alpha=0.05) for k in counts]
    assert answers[1].abstain  # at the boundary; the seed is fixed
    assert first.tolist() == [False, True, True]
    assert [a.abstain or a.label != 0 for a in answers] == first.tolist()


def test_wrong_arguments_are_named():
    x = torch.ones((1, 1, 2, 2), dtype=torch.float64) / 4
    attack = functools.partial(
        wasserstein.wasserstein_attack,
        smoothed.plain_slope(Half(), [1]),
        smoothed.plain_fooled(Half(), [1]),
    )
    with pytest.raises(ValueError, match="ground must be 'l1' or 'l2'"):
        plans_from(x, ground="linf")
    with pytest.raises(ValueError, match="reach must be at least 1"):
        plans_from(x, reach=0)
    with pytest.raises(ValueError, match="finite pixels of at least 0"):
        plans_from(-x)
    with pytest.raises(ValueError, match="finite pixels of at least 0"):
        plans_from(x * math.nan)
    with pytest.raises(ValueError, match="points must have shape"):
        wasserstein_projection(x[:, :, :1], x, 1.0)
    with pytest.raises(ValueError, match="radius must be at least 0"):
        wasserstein_projection(x, x, -1.0)
    with pytest.raises(ValueError, match="method must be"):
        attack(x, [0], [0.1], method="cw")
    with pytest.raises(ValueError, match="step must be positive"):
        attack(x, [0], [0.1], step=0)
    with pytest.raises(ValueError, match="positive and finite total"):
        attack(0 * x, [0], [0.1])
    with pytest.raises(ValueError, match="radii must be at least 0"):
        attack(x, [0], [-0.1])
    with pytest.raises(ValueError, match="radii must be at least 0"):
        attack(x, [0], [[0.1, 0.2]])
