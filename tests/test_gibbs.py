"""Gibbs plans and free energies: references, a conic solver, mpmath, limits, certificates."""

import dataclasses
import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transport_references import agrees

from robust_theory.transport import (
    entropic_adversary,
    gibbs,
    linear_gibbs,
    mixed_classifiers,
    semi_discrete,
)
from robust_theory.transport.bottleneck import within_wasserstein_inf
from robust_theory.transport.log_mean_exp import free_energy, gibbs_divergence, gibbs_weights

L = np.array([[0.2, 1.1, 0.7, 2], [0.9, 0.4, 1.6, 0.1], [1.3, 0.3, 0.8, 0.5]])
P = np.array([0.5, 0.3, 0.2])
REACH = np.array([[1, 1, 1, 0], [0, 1, 1, 1], [1, 0, 1, 1]])
Q = REACH * np.array([0.1, 0.2, 0.3, 0.4])
Q = Q / Q.sum(axis=1, keepdims=True)
LAMBDAS = [0, 1e-300, 1e-12, 1e-6, 0.01, 1, 30, 1e6, 1e12, 1e300, math.inf]


def exact_free_energy(losses, lam, weights):
    """With 60 digits more than the smallest term needs."""
    with mpmath.workdps(60 + int(abs(math.log10(lam)))):
        terms = [w * mpmath.exp(lam * mpmath.mpf(l)) for l, w in zip(losses, weights, strict=True)]
        return mpmath.log(mpmath.fsum(terms) / mpmath.fsum(map(mpmath.mpf, weights))) / lam


def random_problem(seed):
    draw = np.random.default_rng(seed)
    n, m = draw.integers(1, 5, 2)
    q = draw.random((n, m)) * (draw.random((n, m)) < 0.7) + np.eye(n, m)
    q[:, 0] += 0.1
    p = draw.dirichlet(np.ones(n))
    return p, draw.normal(size=(n, m)), q / q.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("lam", LAMBDAS)
def test_free_energy_keeps_its_digits_at_every_temperature(lam):
    losses, weights = [0.3, -1.5, 2.25, 2.25, 0.0], [0.1, 0.4, 0.2, 0.2, 0.1]
    value = free_energy(losses, lam, weights)
    if lam == 0:
        expected = math.fsum(np.multiply(losses, weights))
    elif math.isinf(lam):
        expected = 2.25
    else:
        expected = float(exact_free_energy(losses, lam, weights))
    # A handful of roundings of the largest loss.
    assert abs(value - expected) <= 8 * 2.0**-53 * 2.25


@settings(max_examples=40)
@given(
    st.lists(st.integers(-10_000, 10_000).map(lambda k: k / 1000), min_size=1, max_size=6),
    st.floats(-12, 12),
    st.integers(0, 2**32),
)
def test_free_energy_against_high_precision(losses, exponent, seed):
    lam = 10.0**exponent
    weights = np.random.default_rng(seed).random(len(losses)) + 1e-3
    value = free_energy(losses, lam, weights)
    slack = 16 * 2.0**-53 * max(map(abs, losses))
    assert abs(value - exact_free_energy(losses, lam, weights.tolist())) <= slack
    assert min(losses) <= value <= max(losses)


def test_small_inverse_temperatures_do_not_cancel():
    u = np.linspace(-0.3, 0.3, 2001)
    exact = float(exact_free_energy(u.tolist(), 1e-6, [1.0] * 2001) / mpmath.mpf("1e-6"))
    # Roundings of a mean that is zero, divided by 1e-6.
    assert free_energy(u, 1e-6) / 1e-6 == pytest.approx(exact, abs=0.3 * 2.0**-53 / 1e-6)
    assert free_energy(np.full(7, 0.1), 3) == 0.1


@pytest.mark.parametrize("lam", [1e-300, 1e-12, 1e-6, 0.01, 1, 30, 1e6, 1e12])
def test_divergence_keeps_its_digits_at_every_temperature(lam):
    losses, weights = [0.3, -1.5, 2.25, 2.25, 0.0], [0.1, 0.4, 0.2, 0.2, 0.1]
    with mpmath.workdps(60 + 2 * int(abs(math.log10(lam)))):
        q = [mpmath.mpf(w) / mpmath.fsum(map(mpmath.mpf, weights)) for w in weights]
        terms = [w * mpmath.exp(lam * mpmath.mpf(l)) for l, w in zip(losses, q, strict=True)]
        g = [term / mpmath.fsum(terms) for term in terms]
        expected = mpmath.fsum(x * mpmath.log(x / w) for x, w in zip(g, q, strict=True))
    # Roundings of the losses' differences from their mean, squared; subnormals at lam = 1e-300.
    value = gibbs_divergence(losses, lam, weights)
    assert value == pytest.approx(float(expected), rel=1e-13, abs=1e-310)


@given(st.integers(0, 2**32))
def test_free_energy_rises_with_slope_divergence(seed):
    draw = np.random.default_rng(seed)
    losses, q, lam, h = draw.normal(size=5), draw.dirichlet(np.ones(5)), draw.random() + 0.3, 1e-4
    below, above = free_energy(losses, lam - h, q), free_energy(losses, lam + h, q)
    # The third derivative of the free energy in lam is of size 1 here.
    slope = gibbs_divergence(losses, lam, q) / lam**2
    assert (above - below) / (2 * h) == pytest.approx(slope, abs=1e-6)
    assert below <= above


def test_axes_shapes_and_weights():
    losses = np.arange(24.0).reshape(2, 3, 4)
    q = np.array([0.5, 0.25, 0.25])
    values = free_energy(losses, 2, q, axis=1)
    assert values.shape == (2, 4)
    assert values[1, 2] == free_energy(losses[1, :, 2], 2, q)
    assert gibbs_weights(losses, 2, q, axis=1).shape == losses.shape
    assert gibbs_weights(losses, 2, axis=0).sum(axis=0) == pytest.approx(1, abs=1e-15)
    assert gibbs_weights([1, 1, 0], "inf", [0.2, 0.6, 0.2]).tolist() == pytest.approx(
        [0.25, 0.75, 0], abs=2.0**-52
    )
    assert agrees("A27", gibbs_weights([1, 1, 0], 100, [0.2, 0.6, 0.2])[0])
    assert free_energy([5, 7], math.inf, [1, 0]) == 5
    for size in (5e-324, 1e-300, 1e308):  # weights whose sum is no double, or a rough one
        assert free_energy([1, 2], 1, [size, size]) == free_energy([1, 2], 1)
    assert free_energy(np.zeros((0, 3)), 1, [1, 1, 1]).shape == (0,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, math.nan], 1), "losses must be finite"),
        (([], 1), "must not be empty"),
        ((3.0, 1), "axis must be"),
        (([1, 2], -1), "lam must be at least 0"),
        (([1, 2], math.nan), "lam must be a finite number"),
        (([1, 2], 1, [0, 0]), "no entry can be reached"),
        (([1, 2], 1, [1, -1]), "weights must be at least 0"),
        (([1, 2], 1, [1, 2, 3]), "weights must have the shape"),
        (([1e308, -1e308], 1), "at most 2\\^1022"),
    ],
)
def test_wrong_arguments_of_free_energies(arguments, message):
    with pytest.raises(ValueError, match=message):
        free_energy(*arguments)


def test_references_of_the_finite_plan():
    plan, value, dual = result = gibbs.gibbs_plan(P, L, 3, Q)
    assert agrees("A16", value)
    assert agrees("A16", dual)
    assert agrees("A17", plan[0, 1])
    assert agrees("A18", plan[2, 2])
    assert agrees("A19", result.adversarial[2])
    assert agrees("A20", entropic_adversary.entropic_transport_value(P, L, 3, REACH))
    assert agrees("A21", gibbs.gibbs_value(P, L, 1e6, Q))
    assert agrees("A22", gibbs.gibbs_value(P, L, 1e-7, Q))
    assert agrees("A23", gibbs.gibbs_dual_value(P, L, 3, Q, [1, 1, 1]))


@pytest.mark.parametrize("lam", [lam for lam in LAMBDAS if lam != 1e-300])
def test_plans_prove_themselves(lam):
    result = gibbs.gibbs_plan(P, L, lam, Q)
    assert result.verify()
    assert result.plan.sum() == pytest.approx(1, abs=1e-15)
    assert not result.plan[Q == 0].any()
    for change in (1e-6, -1e-6):
        assert not dataclasses.replace(result, value=result.value + change).verify()
    wrong = result.plan.copy()
    wrong[0, 3] = 0.1
    assert not dataclasses.replace(result, plan=wrong).verify()
    if 1e-6 < lam < math.inf:
        assert not dataclasses.replace(result, potentials=result.potentials + 0.01).verify()
        assert not dataclasses.replace(result, plan=P[:, None] * Q).verify()


@given(st.integers(0, 2**32), st.sampled_from([0.01, 1.0, 20.0]))
def test_any_potentials_are_above_and_any_plan_below(seed, lam):
    p, l, q = random_problem(seed)
    draw = np.random.default_rng(seed + 1)
    value = gibbs.gibbs_value(p, l, lam, q)
    slack = 1e-12 * max(1, 1 / lam)
    assert gibbs.gibbs_dual_value(p, l, lam, q, draw.normal(size=len(p))) >= value - slack
    other = q * draw.random(q.shape) + 1e-3 * q
    other /= other.sum(axis=1, keepdims=True)
    ratio = np.where(q > 0, other / np.where(q > 0, q, 1), 1)
    primal = float(p @ ((other * l).sum(axis=1) - (other * np.log(ratio)).sum(axis=1) / lam))
    assert primal <= value + slack


@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")  # than the 1e-10 asked for
@pytest.mark.parametrize("lam", [0.05, 1, 30])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_conic_solver_finds_the_same_plan_and_value(lam, seed):
    import cvxpy

    p, q, l = P, Q, np.random.default_rng(seed).normal(size=L.shape)
    plan = cvxpy.Variable(l.shape, nonneg=True)
    entropy = cvxpy.sum(cvxpy.rel_entr(plan, np.where(q > 0, p[:, None] * q, 1.0)))
    problem = cvxpy.Problem(
        cvxpy.Maximize(lam * cvxpy.sum(cvxpy.multiply(l, plan)) - entropy),
        [cvxpy.sum(plan, axis=1) == p, cvxpy.multiply(plan, q == 0) == 0],
    )
    problem.solve(solver=cvxpy.CLARABEL, tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)
    ours = gibbs.gibbs_plan(p, l, lam, q)
    # The solver's plan, its rows rescaled so that it is one, must be as good as ours.
    found = np.maximum(plan.value, 1e-300) * (q > 0)
    found *= (p / found.sum(axis=1))[:, None]
    ratio = np.where(q > 0, found / np.where(q > 0, p[:, None] * q, 1), 1)
    value = (found * l).sum() - (found * np.log(ratio)).sum() / lam
    assert ours.value == pytest.approx(value, abs=1e-8)
    # The scaled objective is strongly concave in l1, so plans are as close as the root of that.
    assert np.abs(ours.plan - plan.value).max() <= 1e-4 * math.sqrt(lam)


def test_maps_plans_and_the_ball_have_one_value():
    # Proposition 3.1: the relaxation contains laws that no map reaches, with no greater value.
    x, candidates, eps = np.array([0.0, 1.0]), np.array([-0.5, 0.5, 1.5]), 0.5
    reach = np.abs(x[:, None] - candidates) <= eps
    losses = np.array([[1.0, 1.0, 0.0], [0.0, 0.5, 0.75]])
    value = entropic_adversary.transport_adversarial_risk([0.5, 0.5], losses, reach)
    assert value == 0.5 * 1 + 0.5 * 0.75
    split = gibbs.gibbs_plan([0.5, 0.5], losses, math.inf, reach / reach.sum(axis=1)[:, None])
    assert split.plan[0].tolist() == [0.25, 0.25, 0.0]
    assert within_wasserstein_inf(x, candidates, eps, None, split.adversarial).coupled
    assert not within_wasserstein_inf(x, candidates, "0.49", None, split.adversarial).coupled


def test_labels_must_stay_where_they_are():
    # Two labels at one input: a transport of inputs alone would exchange them.
    assert agrees("G03", math.log1p(math.e))
    losses = np.log1p(np.exp([[1.0, -1.0], [-1.0, 1.0]]))  # each point at either end of the ball
    kept = entropic_adversary.transport_adversarial_risk([0.5, 0.5], losses, np.ones((2, 2)))
    together = losses.mean(axis=0).max()  # both labels moved by one map of inputs
    assert agrees("G03", kept)
    assert agrees("G04", together)


def test_references_of_linear_losses():
    linear = linear_gibbs.linear_free_energy
    assert agrees("A01", linear([1], 10, [-0.3], [0.3]))
    assert agrees("A02", linear([10], 1e4, [-0.3], [0.3]))
    assert agrees("A03", linear([1], 1e-6, [-0.3], [0.3]) / 1e-6)
    assert agrees("A07", linear([1], 5, [0], [0.4]))
    assert agrees("A08", linear_gibbs.linear_gibbs_mean([1], 10, [-0.3], [0.3])[0])
    mean = linear_gibbs.linear_gibbs_mean([1], 10, [-0.3], [0.3])[0]
    assert agrees("A09", 10 * (mean - linear([1], 10, [-0.3], [0.3])))
    j = np.arange(784)
    slopes = np.where(j % 2, -1, 1) * (1 + j % 7) / 3136
    assert agrees("A11", linear(slopes, 100, [-0.3] * 784, [0.3] * 784))
    # The paper's unnormalised value adds the logarithm of the volume.
    assert agrees("A14", linear([0] * 784, 10, [-0.3] * 784, [0.3] * 784) + 78.4 * math.log(0.6))
    cifar = linear([0], 10, [0], [1]) + 307.2 * math.log(16 / 255)
    assert agrees("A15", cifar)


def on_grid(loss, start, end, cells=100_000):
    """Losses at the middles of cells; the midpoint rule errs by 1/cells^2."""
    u = start + (np.arange(cells) + 0.5) * (end - start) / cells
    return loss(u), u


def gauss(start, end):
    """Nodes and weights of a rule that is exact to doubles for the smooth losses below."""
    nodes, weights = np.polynomial.legendre.leggauss(60)
    return start + (nodes + 1) * (end - start) / 2, weights / 2


def test_references_of_integrals():
    u, w = gauss(0, 1)
    assert agrees("A04", free_energy(-u, 2, w))  # even
    u, w = gauss(-0.3, 0.3)
    assert agrees("A05", free_energy(-8 * u**2, 10, w))
    softplus = np.log1p(np.exp(4 * u))
    assert agrees("A06", free_energy(softplus, 10, w))
    assert agrees("A10", gibbs_divergence(softplus, 10, w) / 100)
    losses = np.log1p(np.exp(-2 * (0.5 + u)))
    gradient = -(0.5 + u) / (1 + np.exp(2 * (0.5 + u)))
    assert agrees("A24", float(gibbs_weights(losses, 10, w) @ gradient))
    losses, u = on_grid(lambda x: -np.minimum((x + 1) ** 2, 9 * (x - 1) ** 2), -3, 3)
    assert agrees("A26", float(gibbs_weights(losses, 400)[u < 0].sum()))


def test_free_energy_may_fall_when_the_ball_grows():
    smaller, larger = (free_energy(on_grid(lambda u: -np.abs(u), -e, e)[0], 2) for e in (0.5, 1))
    assert larger < smaller
    # The unnormalised integral cannot.
    assert larger + math.log(2) / 2 > smaller + math.log(1) / 2


def test_overlapping_balls_add_up():
    assert agrees("A25", semi_discrete.linear_adversarial_density(0.75, [0, 1.5], 1, 2, 1))
    energies = [linear_gibbs.linear_free_energy([1], 2, [x - 1], [x + 1]) for x in (0, 1.5)]
    density = semi_discrete.semi_discrete_log_density(
        [0.75], 1, [[0], [1.5]], [1, 1], 0.75, energies, 2, 1
    )
    assert agrees("A25", math.exp(density))
    apart = semi_discrete.semi_discrete_log_density(
        [0.75], 1, [[0], [1.5]], [1, 0], 0.75, energies, 2, 1
    )
    assert apart < density
    none = semi_discrete.semi_discrete_log_density(
        [0.75], 2, [[0], [1.5]], [1, 0], 0.75, energies, 2, 1
    )
    assert none == -math.inf


def test_ends_of_balls_are_compared_as_decimals():
    assert 0.9 - 0.6 > 0.3  # in doubles
    edge = semi_discrete.linear_adversarial_density(0.9, [0.6], 1, 2, 0.3)
    assert edge == pytest.approx(2 / (1 - math.exp(-1.2)), rel=1e-15)
    energy = linear_gibbs.linear_free_energy([1], 2, [0.3], [0.9])
    log_density = semi_discrete.semi_discrete_log_density(
        [0.9], "a", [[0.6]], ["a"], 0.9, [energy], 2, 0.3
    )
    assert math.exp(log_density) == pytest.approx(edge, rel=1e-14)
    beyond = semi_discrete.linear_adversarial_density(0.9000000000000001, [0.6], 1, 2, 0.3)
    assert beyond == 0.0


def test_densities_at_any_temperature():
    # lam e^(lam (u - 1)) / (1 - e^(-2 lam)) on [-1, 1]; a ball far away must not overflow.
    for lam in (1e-12, 1, 1e3, 1e12):
        for u in (1, 1 - 1 / max(lam, 4)):
            exact = Fraction(lam) * (Fraction(repr(float(u))) - 1)
            expected = lam * math.exp(exact) / -math.expm1(-2 * lam)
            density = semi_discrete.linear_adversarial_density(float(u), [0, -1000], 1, lam, 1)
            assert density == pytest.approx(expected / 2, rel=1e-14)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": [1]}, "labels must hold one label per point, 2"),
        ({"weights": [1.0]}, "weights must be one number"),
        ({"weights": [1.5, -0.5]}, "weights must be one number"),
        ({"weights": [1, 1]}, "weights must be one number"),
        ({"loss": math.nan}, "loss must be a finite number"),
        ({"lam": math.inf}, "lam finite"),
        ({"eps": 0}, "eps must be positive"),
        ({"x": [0.1, 0.2]}, "must have shapes"),
        (
            {"points": np.zeros((0, 1)), "labels": [], "free_energies": []},
            "points must hold at least one point",
        ),
    ],
)
def test_wrong_arguments_of_densities(changes, message):
    arguments = {
        "x": [0.1],
        "y": 1,
        "points": [[0.0], [0.2]],
        "labels": [1, 0],
        "loss": 0.5,
        "free_energies": [0.2, 0.3],
        "lam": 2,
        "eps": 0.3,
    }
    with pytest.raises(ValueError, match=message):
        semi_discrete.semi_discrete_log_density(**{**arguments, **changes})


def test_the_adversarial_density_has_mass_one():
    grid = np.linspace(-1, 2.5, 7001)
    density = [semi_discrete.linear_adversarial_density(x, [0, 1.5], 1, 2, 1) for x in grid]
    # Jumps at the ends of the balls cost a cell of 5e-4 each.
    assert np.trapezoid(density, grid) == pytest.approx(1, abs=1e-3)


@given(st.integers(0, 2**32), st.sampled_from([0.1, 2.0, 30.0]))
def test_games_are_solved_from_both_sides(seed, lam):
    p, l, q = random_problem(seed)
    other = np.random.default_rng(seed + 1).normal(size=l.shape)
    game = mixed_classifiers.mixture_game(p, l, other, lam, q)
    # Bisection stops at a spacing of doubles; the derivative is at most lam times the losses.
    assert game.upper - 1e-12 * max(1, lam) <= game.lower <= game.upper
    for w in (0.0, 0.3, 1.0):
        value = gibbs.gibbs_value(p, (1 - w) * l + w * other, lam, q)
        assert value >= game.lower - 1e-12


def test_losses_that_are_not_convex_have_no_such_value():
    # Proposition 3.5 for a concave loss of the mixture: sqrt. Either classifier alone loses nothing
    # on one of two candidates; the mixture's loss is as large on both.
    first, second, q = np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]])
    least_of_greatest = min(
        gibbs.gibbs_value([1.0], np.sqrt((1 - w) * first + w * second), 10, q)
        for w in np.linspace(0, 1, 101)
    )
    plans = [np.array([t, 1 - t]) for t in np.linspace(0, 1, 101)]
    greatest_of_least = max(
        min(
            float(plan @ np.sqrt((1 - w) * first[0] + w * second[0]))
            for w in np.linspace(0, 1, 101)
        )
        - math.fsum(x * math.log(2 * x) for x in plan if x > 0) / 10
        for plan in plans
    )
    assert least_of_greatest > greatest_of_least + 0.1


def test_unreachable_points_and_wrong_laws_are_refused():
    with pytest.raises(ValueError, match="row 1 is 0"):
        gibbs.gibbs_plan(P, L, 1, REACH * np.array([[1], [0], [1]]) / 3)
    with pytest.raises(ValueError, match="row 0 of reference must sum to 1"):
        gibbs.gibbs_plan(P, L, 1, REACH)
    with pytest.raises(ValueError, match="p must sum to 1"):
        gibbs.gibbs_plan([0.5, 0.3, 0.3], L, 1, Q)
    with pytest.raises(ValueError, match="lam must be at least 0"):
        gibbs.gibbs_plan(P, L, -1, Q)
    with pytest.raises(ValueError, match="potentials must have the shape"):
        gibbs.gibbs_dual_value(P, L, 1, Q, [0.0])


def test_constant_losses_leave_the_reference():
    result = gibbs.gibbs_plan(P, np.full(L.shape, 0.7), 50, Q)
    assert result.value == 0.7
    assert result.plan == pytest.approx(P[:, None] * Q, abs=1e-16)


def test_gibbs_law_gains_little_in_many_dimensions():
    # At lam = 10 on 784 pixels with eps = .3 and |gradient|_1 = 1, 10, 50: almost uniform noise.
    shares = [linear_gibbs.gained_fraction(784, 0.3 * size, 10) for size in (1, 10, 50)]
    assert [round(share, 4) for share in shares] == [0.0013, 0.0128, 0.0636]
    assert linear_gibbs.gained_fraction(784, 0, math.inf) == 0.0
    assert linear_gibbs.gained_fraction(784, 3, math.inf) == 1.0
    for wrong in ((0, 1, 10), (-3, 1, 10), (2.5, 1, 10)):
        with pytest.raises(ValueError, match="dimension must be an integer"):
            linear_gibbs.gained_fraction(*wrong)
    with pytest.raises(ValueError, match="reach must be at least 0"):
        linear_gibbs.gained_fraction(3, -1, 10)
