"""Samplers against exact Gibbs laws, and the limits that say how near a histogram must be."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr
from scipy.stats import binom, norm
from transport_references import agrees

from empirical import samplers
from robust_theory import (
    free_energy,
    free_energy_growth,
    gibbs_divergence,
    histogram_distance_limit,
    histogram_noise,
    linear_gibbs_mean,
    sign_step_distance,
)
from robust_theory.transport.energy_growth import FREE_ENERGY_GROWTH
from validation.experiments import gibbs_cells

torch.set_num_threads(1)
N = 3000
EPS = 0.3
LANGEVIN = {
    "projected": samplers.projected_langevin,
    "reflected": samplers.reflected_langevin,
    "adjusted": samplers.metropolis_langevin,
}


def box(n=N, d=1):
    upper = torch.full((n, d), EPS, dtype=torch.float64)
    return -upper, upper


def slope(x):
    return x.sum(1)


def uniform(n=N, d=1, seed=0):
    return samplers.uniform_points(*box(n, d), torch.Generator().manual_seed(seed))


def misses(counts, masses, level):
    """Whether a histogram is farther from the law than independent draws are, up to `level`."""
    distance = np.abs(counts / counts.sum() - masses).sum() / 2
    return distance > histogram_distance_limit(masses, int(counts.sum()), level)


@pytest.mark.parametrize("name", ["linear", "softplus", "hat", "cross-entropy"])
def test_the_adjusted_algorithm_leaves_the_gibbs_law_invariant_whatever_the_step(name):
    # Started in the exact law (a fine cell of it, uniform inside), it must stay there, at once.
    d = gibbs_cells.LOSSES[name]["d"]

    def f(x):
        return gibbs_cells.loss(name, x)

    cells = gibbs_cells.Cells(f, d)
    rng = np.random.default_rng(1)
    place = rng.choice(cells.fine.size, N, p=cells.fine.ravel())
    index = np.stack(np.unravel_index(place, cells.fine.shape), axis=1)[:, :d]
    width = 2 * EPS / len(cells.fine)
    start = torch.from_numpy(-EPS + width * (index + rng.random((N, d))))
    assert not misses(cells.count(start.numpy()), cells.masses, 1e-4)
    for step in (2e-3, 3e-4):
        ended = samplers.metropolis_langevin(
            f, start, *box(N, d), gibbs_cells.LAM, step=step, steps=25, seed=2
        )
        assert 0.01 < ended.accepted < 1
        assert not misses(cells.count(ended.points.numpy()), cells.masses, 1e-4)
        assert not torch.equal(ended.points, start)


def test_reflection_keeps_the_uniform_law_and_projection_does_not():
    masses = np.full(40, 1 / 40)
    counts = {}
    for name in ("projected", "reflected"):
        ended = LANGEVIN[name](
            lambda x: 0 * x.sum(1), uniform(), *box(), 10.0, step=0.01, steps=10, seed=3
        )
        counts[name] = np.histogram(ended.points, 40, (-EPS, EPS))[0]
    assert not misses(counts["reflected"], masses, 1e-4)
    assert misses(counts["projected"], masses, 1e-4)


def test_the_mean_of_a_linear_loss_is_the_exact_one():
    exact = float(linear_gibbs_mean([1.0], 10, [-EPS], [EPS])[0])
    for name in ("reflected", "adjusted"):
        ended = LANGEVIN[name](slope, uniform(), *box(), 10, step=2e-4, steps=700, seed=4)
        # Six standard errors; a density on [-.3, .3] of this slope has a deviation of .088, and
        # the bias of the reflected steps is far below.
        assert abs(float(ended.points.mean()) - exact) < 6 * 0.09 / math.sqrt(N)


def test_projected_steps_come_nearer_as_they_shrink():
    faces = []
    for step in (2e-2, 2e-3, 2e-4):
        ended = samplers.projected_langevin(
            slope, uniform(), *box(), 10, step=step, steps=round(0.1 / step), seed=5
        )
        faces.append(float((ended.points.abs() == EPS).double().mean()))
    assert faces[0] > 1.5 * faces[1] > 2 * faces[2] > 0


def exact_atom(eps, eta, sigma):
    """Mass of the upper end, by the stationary law on 600 cells."""
    edges = np.linspace(-eps, eps, 601)
    places = np.concatenate([[-eps], (edges[1:] + edges[:-1]) / 2, [eps]])
    below = ndtr((edges - places[:, None] - eta) / sigma)
    kernel = np.column_stack([below[:, 0], np.diff(below, axis=1), 1 - below[:, -1]])
    law = np.full(602, 1 / 602)
    for _ in range(60):
        law = law @ kernel
    return law[-1]


def stationary_law(eps, eta, sigma):
    """Masses of both ends and the density between them, on the nodes of a Gauss rule."""
    nodes, weights = np.polynomial.legendre.leggauss(80)
    u, w = eps * nodes, eps * weights
    start = np.concatenate([[-eps], u, [eps]])
    kernel = np.column_stack(
        [
            ndtr((-eps - start - eta) / sigma),
            w * norm.pdf(u - start[:, None] - eta, scale=sigma),
            ndtr((start + eta - eps) / sigma),
        ]
    )
    system = np.vstack([kernel.T - np.eye(82), np.ones(82)])
    law = np.linalg.lstsq(system, np.eye(83)[-1], rcond=None)[0]
    return (
        law[0],
        law[-1],
        float(law @ start),
        lambda y: norm.pdf(y[:, None] - start - eta, scale=sigma) @ law,
    )


def test_references_of_algorithm_1():
    low, high, mean, density = stationary_law(EPS, 0.2, 0.2)
    assert agrees("F01", high)
    assert agrees("F02", low)
    assert agrees("F03", mean)
    assert high == pytest.approx(exact_atom(EPS, 0.2, 0.2), abs=1e-5)  # cells of width 1e-3
    u = np.linspace(-EPS, EPS, 20_001)
    gibbs = np.exp(10 * u) / np.trapezoid(np.exp(10 * u), u)
    apart = np.trapezoid(np.abs(density(u) - gibbs), u)
    assert agrees("F04", (low + high + apart) / 2)
    low, high, *_ = stationary_law(EPS, 0, 0.2)
    assert agrees("F05", low + high)
    # The paper's wall-clock times, 43 h 43 min and 2 h 10 min: 41 gradients for 2.
    assert agrees("G06", (43 * 60 + 43) / (2 * 60 + 10))


def test_the_sign_chain_has_its_atoms_and_stays_far_from_every_density():
    ended = samplers.sign_gradient_chain(
        slope, uniform(), *box(), step=0.2, noise=0.2, steps=60, seed=6
    )
    many = int((ended.points == EPS).sum())
    atom = exact_atom(EPS, 0.2, 0.2)
    low, high = binom.interval(1 - 1e-6, N, atom)
    assert low <= many <= high
    assert sign_step_distance(0.2, 0.2) <= atom
    assert sign_step_distance(0.2, 0.2) > 0.3
    assert 1 - 1e-14 < sign_step_distance(1e300, 1e-300) < 1
    # Against the size of the gradient it is blind: the same law for a loss that hardly rises.
    flat = samplers.sign_gradient_chain(
        lambda x: 1e-6 * slope(x), uniform(), *box(), step=0.2, noise=0.2, steps=60, seed=6
    )
    assert torch.equal(ended.points, flat.points)


@given(st.floats(0.02, 3), st.floats(0.05, 1), st.floats(0.1, 2))
def test_the_bound_on_the_atom_holds_for_every_interval(eps, eta, sigma):
    # The cells' midpoints are off by eps / 600 at most, and the kernel's slope is about 1 / sigma.
    assert exact_atom(eps, eta, sigma) >= sign_step_distance(eta, sigma) - 0.02 * eps / sigma - 1e-9


def test_without_noise_the_sign_chain_is_projected_ascent():
    x = uniform(50, 3)
    ended = samplers.sign_gradient_chain(
        slope, x, *box(50, 3), step=0.05, noise=0.0, steps=4, seed=0
    )
    torch.testing.assert_close(ended.points, (x + 0.2).clamp(max=EPS))
    assert ended.gradients == 4


@pytest.mark.parametrize("name", LANGEVIN)
def test_chains_stay_inside_are_repeatable_and_do_not_see_each_other(name):
    def f(x):
        return torch.cos(9 * x).sum(1)

    start, (low, high) = uniform(40, 2), box(40, 2)
    how = {"step": 0.02, "steps": 7, "seed": 8}
    first, again = (LANGEVIN[name](f, start, low, high, 5.0, **how) for _ in range(2))
    assert torch.equal(first.points, again.points)
    assert ((first.points >= low) & (first.points <= high)).all()
    moved = start.clone()
    moved[1:] = 0.1
    alone = LANGEVIN[name](f, moved, low, high, 5.0, **how)
    assert torch.equal(alone.points[0], first.points[0])


def test_no_steps_and_boxes_without_inside_leave_the_start():
    x = uniform(5, 2)
    for sampler in LANGEVIN.values():
        assert torch.equal(sampler(slope, x, *box(5, 2), 1.0, step=0.1, steps=0, seed=0).points, x)
    for name in ("projected", "reflected"):
        stuck = LANGEVIN[name](slope, x, x, x, 1.0, step=0.1, steps=3, seed=0)
        torch.testing.assert_close(stuck.points, x, atol=1e-15, rtol=0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"lam": -1.0}, "lam"),
        ({"lam": math.inf}, "lam"),
        ({"step": 0.0}, "step"),
        ({"step": math.nan}, "step"),
        ({"steps": -1}, "steps"),
        ({"start": torch.ones(3, 1)}, "start must lie"),
        ({"start": torch.zeros(2, 1)}, "shape"),
        ({"start": torch.zeros(3)}, "shape"),
    ],
)
def test_wrong_arguments_are_named(wrong, message):
    start = wrong.pop("start", torch.zeros(3, 1))
    arguments = {"lam": 1.0, "step": 0.1, "steps": 1, "seed": 0, **wrong}
    ends = -torch.full((3, 1), 0.5), torch.full((3, 1), 0.5)
    for sampler in LANGEVIN.values():
        with pytest.raises(ValueError, match=message):
            sampler(slope, start, *ends, **arguments)
    with pytest.raises(ValueError, match="noise"):
        samplers.sign_gradient_chain(
            slope, torch.zeros(3, 1), *ends, step=0.1, noise=-1.0, steps=1, seed=0
        )


@given(st.lists(st.integers(0, 9), min_size=1, max_size=8).filter(any), st.integers(1, 40))
def test_the_mean_distance_of_a_histogram_is_below_its_noise(counts, n):
    masses = np.array(counts) / sum(counts)
    k = np.arange(n + 1)
    exact = sum(float(binom.pmf(k, n, p) @ np.abs(k / n - p)) for p in masses) / 2
    assert exact <= histogram_noise(counts, n) * (1 + 1e-12) + 1e-15
    assert histogram_noise(counts, n) <= histogram_distance_limit(counts, n, 0.5) or (
        histogram_distance_limit(counts, n, 0.5) == 1
    )


def test_the_limit_of_the_report_is_within_twice_the_noise():
    # The rows of the samplers hold at that limit, so they are within twice what chance gives.
    for d, name in ((1, "linear"), (2, "waves")):
        cells = gibbs_cells.Cells(lambda x, name=name: gibbs_cells.loss(name, x), d)
        n = gibbs_cells.SIZES["quick"]["n"]
        draws = np.random.default_rng(0).multinomial(n, cells.masses, size=300)
        noise = np.abs(draws / n - cells.masses).sum(axis=1).mean() / 2
        assert histogram_distance_limit(cells.masses, n, 1e-5) < 2 * noise


def test_cells_count_what_they_weigh():
    cells = gibbs_cells.Cells(lambda x: 0 * x[:, 0], 2)
    grid = np.stack(np.meshgrid(*[np.linspace(-EPS, EPS, 601)[:-1] + EPS / 600] * 2), -1)
    counts = cells.count(grid.reshape(-1, 2))
    # The uniform law: every place of the midpoint rule is in one cell, and weighs the same.
    np.testing.assert_allclose(counts / counts.sum(), cells.masses, atol=1e-12)


@given(
    st.lists(st.floats(-5, 5), min_size=2, max_size=9),
    st.floats(1e-3, 50),
    st.floats(1, 100),
)
def test_the_free_energy_grows_by_at_least_the_bound(losses, lam, factor):
    first, second = free_energy(losses, lam), free_energy(losses, lam * factor)
    bound = free_energy_growth(losses, lam, lam * factor)
    # Free energies of numbers up to 5, to a few roundings.
    assert second - first >= bound - 1e-13
    assert bound == pytest.approx(
        gibbs_divergence(losses, lam) * (1 / lam - 1 / (lam * factor)), rel=1e-6, abs=1e-12
    )


def test_losses_that_doubles_hardly_tell_apart_keep_the_side():
    # Their differences as decimals are not those of the doubles.
    for losses in ([0.1, 0.1, 0.1], [0.1, 0.10000000000000002, 0.3 - 0.2], [1e6 + 0.1, 1e6]):
        bound = free_energy_growth(losses, 0.5, 3)
        assert 0 <= bound <= FREE_ENERGY_GROWTH.enclosure(losses, 0.5, 3).hi
    assert free_energy_growth([0.1] * 3, 1, 2) == 0


def test_the_free_energy_need_not_grow_with_the_radius():
    energies = [free_energy(-np.abs(np.linspace(-eps, eps, 4001)), 10) for eps in (0.1, 0.2, 0.4)]
    exact = [math.log(-math.expm1(-10 * eps) / (10 * eps)) / 10 for eps in (0.1, 0.2, 0.4)]
    np.testing.assert_allclose(energies, exact, atol=1e-4)  # a sum on 4,001 places
    assert energies[0] > energies[1] > energies[2]
