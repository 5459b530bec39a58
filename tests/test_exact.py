"""Exact radii: four roads (closed form, branch and bound, MILP, grid), brute force, odd inputs."""

import itertools
import math
import os
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from empirical.attacks.minimal import minimal_perturbation
from empirical.exact import decided_differently, linear_radius
from empirical.exact_branch import relu_radius
from empirical.exact_grid import grid_radii, margin_lipschitz, margin_rounding
from empirical.exact_layers import (
    AffineLayer,
    affine_layers,
    logits,
    magnitudes,
    never_overtaken,
    torch_function,
)
from empirical.exact_milp import milp_radius
from empirical.exact_relaxation import largest_in_cap, localise, planes_above, reachable

NAN, INF = math.nan, math.inf


def network(*widths: int, seed: int, spread: float = 1.0) -> tuple[AffineLayer, ...]:
    """Random ReLU network; biases as large as weights, so that boundaries pass near the origin."""
    rng = np.random.default_rng(seed)
    layers = []
    for k, (n, m) in enumerate(itertools.pairwise(widths)):
        weight = rng.standard_normal((m, n)) * math.sqrt(2 / n)
        activation = "relu" if k < len(widths) - 2 else "identity"
        layers.append(AffineLayer(weight, spread * rng.standard_normal(m), activation))
    return tuple(layers)


@pytest.fixture(scope="module")
def composite() -> tuple[AffineLayer, ...]:
    """Generator 8-32-64 and classifier 64-24-10, trained on the digits."""
    from sklearn.datasets import load_digits

    images, targets = (torch.from_numpy(a) for a in load_digits(return_X_y=True))
    images = images.float() / 16
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 16))
        generator = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 64))
        classifier = nn.Sequential(nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 10))
        optimiser = torch.optim.Adam([*encoder.parameters(), *generator.parameters()], 3e-3)
        for _ in range(400):
            mean, spread = encoder(images).chunk(2, 1)
            z = mean + torch.randn_like(mean) * (spread / 2).exp()
            prior = 0.5 * (mean**2 + spread.exp() - spread - 1).sum(1)
            loss = (((generator(z) - images) ** 2).sum(1) + 0.3 * prior).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        optimiser = torch.optim.Adam(classifier.parameters(), 3e-3)
        for _ in range(200):
            loss = nn.functional.cross_entropy(classifier(images), targets)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return affine_layers(generator, classifier)


# --- closed form ---

small = st.integers(-3, 3)


@given(st.lists(st.tuples(small, small, small), min_size=1, max_size=5), st.tuples(small, small))
def test_linear_bounds_hold_exactly(rows, z) -> None:
    # Integers of this size are summed without rounding, so the label is the exact one.
    weight, bias = [row[:2] for row in rows], [row[2] for row in rows]
    result = linear_radius(np.array(weight), np.array(bias), np.array([z]))
    values = [w[0] * z[0] + w[1] * z[1] + b for w, b in zip(weight, bias, strict=True)]
    i = values.index(max(values))
    squares = [
        Fraction((values[i] - v) ** 2, (w[0] - weight[i][0]) ** 2 + (w[1] - weight[i][1]) ** 2)
        for w, v in zip(weight, values, strict=True)
        if tuple(w) != tuple(weight[i])
    ]
    lower, upper = result.lower[0], result.upper[0]
    if not squares:
        assert lower == upper == INF
        assert np.isnan(result.point).all()
        return
    assert Fraction(lower) ** 2 <= min(squares) <= Fraction(upper) ** 2
    # Leads below 50 with errors of some 30 units in the last place, slopes of at least 1.
    assert upper - lower <= 1e-12
    assert decided_differently([AffineLayer(np.array(weight), np.array(bias))], result.point, i)[0]


def test_a_rival_that_never_wins_counts_where_it_overtakes() -> None:
    # 0, x - 2, 2 x - 3: the second is never the largest, the third overtakes the first at 1.5.
    result = linear_radius([[0.0], [1.0], [2.0]], [0.0, -2.0, -3.0], [[0.0]])
    assert result.lower[0] <= 1.5 <= result.upper[0] <= 1.5 + 1e-12


def test_many_dimensions_and_points_at_once() -> None:
    rng = np.random.default_rng(0)
    weight, bias, z = (rng.standard_normal(s) for s in ((10, 784), 10, (50, 784)))
    result = linear_radius(weight, bias, z)
    value = z @ weight.T + bias
    own = value.argmax(1)
    length = np.linalg.norm(weight[own][:, None] - weight, axis=2)
    length[np.arange(50), own] = np.nan
    expected = np.nanmin((value[np.arange(50), own, None] - value) / length, axis=1)
    assert (result.lower <= expected).all()
    assert (expected <= result.upper).all()
    # Sums of 784 terms, bounded in the worst case: 784 * 2^-53 * sum |w z|, some 500, over 39.
    assert (result.upper - result.lower).max() < 1e-10


# --- networks as arrays ---


def test_layers_are_those_of_the_modules() -> None:
    torch.manual_seed(0)
    g = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 6), nn.Sigmoid())
    g = nn.Sequential(g, nn.Unflatten(1, (1, 2, 3)))
    f = nn.Sequential(
        nn.Flatten(), nn.Linear(6, 5, bias=False), nn.ReLU(), nn.ReLU(), nn.Linear(5, 2)
    )
    layers = affine_layers(g, f)
    z = torch.randn(7, 3, dtype=torch.float64)
    with torch.no_grad():
        expected = f.double()(g.double()(z)).numpy()
    # A few dozen sums of a few terms of size 1.
    np.testing.assert_allclose(logits(layers, z.numpy()), expected, atol=1e-14)
    np.testing.assert_allclose(torch_function(layers)(z).numpy(), expected, atol=1e-14)


@given(st.integers(0, 10**6))
@settings(max_examples=20)
def test_rounding_errors_are_within_their_bound(seed) -> None:
    layers = network(3, 5, 4, 2, seed=seed)
    z = np.random.default_rng(seed).standard_normal(3)
    values = [Fraction(x) for x in z]
    for layer in layers:
        values = [
            sum((Fraction(w) * x for w, x in zip(row, values, strict=True)), Fraction(b))
            for row, b in zip(layer.weight, layer.bias, strict=True)
        ]
        if layer.activation == "relu":
            values = [max(x, Fraction(0)) for x in values]
    sizes, errors = magnitudes(layers, np.abs(z))
    for k, value in enumerate(values):
        assert abs(value) <= sizes[-1][k]
        assert abs(Fraction(logits(layers, z[None])[0, k]) - value) <= errors[-1][k]


@given(st.integers(0, 10**6), st.sampled_from([0.01, 0.5, 3.0]))
@settings(max_examples=30)
def test_linear_bounds_hold_at_every_point_of_the_ball(seed, reach) -> None:
    rng = np.random.default_rng(seed)
    layers = network(3, 6, 5, 4, seed=seed)
    local = localise(layers, rng.standard_normal(3), reach)
    size = np.concatenate(local.size[:-1])[None]
    direction = rng.standard_normal(3)
    direction /= np.linalg.norm(direction)
    share = rng.uniform(0, 1)
    inputs = reachable(
        local, np.zeros_like(size), -size, size, direction[None], np.array([share * reach])
    )
    u = rng.standard_normal((2000, 3))
    u *= reach * rng.uniform(0, 1, (2000, 1)) ** (1 / 3) / np.linalg.norm(u, axis=1)[:, None]
    u = u[u @ direction >= share * reach]
    x = local.inputs(u)
    for part, values, a, c in zip(local.hidden, x[:-1], inputs.a, inputs.c, strict=True):
        assert (inputs.low[0, part] <= values).all()
        assert (values <= inputs.high[0, part]).all()
        assert (np.hstack([values, -values]) <= u @ a[0].T + c[0]).all()
    a, c, _ = planes_above(local, local.weights[-1][None], local.offsets[-1][None], inputs.slopes)
    assert (x[-1] <= u @ a[0].T + c[0] + local.slack[-1]).all()


def test_the_largest_value_in_a_cap_is_reached() -> None:
    rng = np.random.default_rng(0)
    u = rng.standard_normal((400_000, 2))
    u *= np.sqrt(rng.uniform(0, 1, (len(u), 1))) / np.linalg.norm(u, axis=1)[:, None]
    a = rng.standard_normal((1, 20, 2))
    for bound in (0.0, 0.5, 0.9):
        cap = u[u[:, 0] >= bound]
        value = largest_in_cap(a, np.array([[1.0, 0.0]]), np.array([bound]), 1.0)[0]
        sampled = (cap @ a[0].T).max(0)
        assert (sampled <= value * (1 + 1e-15)).all()
        # Some 10^4 points or more in the cap: one within .02 of each of its points.
        assert (value - sampled <= 0.02 * np.linalg.norm(a[0], axis=1)).all()


# --- branch and bound, MILP ---


@pytest.mark.parametrize("solver", [relu_radius, milp_radius])
@pytest.mark.parametrize("seed", range(4))
def test_in_one_dimension_against_dense_sampling(solver, seed) -> None:
    layers = network(1, 6, 5, 3, seed=seed)
    z = np.array([[-0.5], [0.4]])
    result = solver(layers, z, gap=2e-3, reach=20.0)
    line = np.linspace(-21, 21, 2_000_001)
    decisions = logits(layers, line[:, None]).argmax(1)
    for k in range(2):
        other = np.abs(line - z[k])[decisions != logits(layers, z[k : k + 1]).argmax()]
        sampled = other.min(initial=INF)
        assert result.lower[k] <= sampled
        if sampled < 20:
            # A decision may last less than the spacing of the samples; the radius may not.
            assert result.upper[k] <= sampled * (1 + 3e-3) + 3e-5
            assert result.lower[k] >= (1 - 2e-3) * result.upper[k]


@pytest.mark.parametrize("seed", [0, 1, 3, 5])
def test_in_two_dimensions_all_roads_meet(seed) -> None:
    layers = network(2, 6, 5, 3, seed=seed)
    z = np.random.default_rng(seed).standard_normal((3, 2))
    branch = relu_radius(layers, z, gap=1e-4)
    milp = milp_radius(layers, z, gap=2e-3, time_limit=20)
    grid = grid_radii(
        lambda x: logits(layers, x),
        margin_lipschitz(layers),
        z,
        half_width=4.0,
        cells=512,
        rounding=margin_rounding(layers, 4.0),
    )
    found = np.isfinite(branch.upper)
    assert (branch.lower[found] >= (1 - 1e-4) * branch.upper[found]).all()
    for one in (branch, milp, grid):
        for other in (branch, milp, grid):
            assert (one.lower <= other.upper).all()
    # The grid's upper bound is some cell's centre near the boundary.
    near = found & (grid.upper < 2)
    assert (grid.upper[near] <= branch.upper[near] + 0.1).all()


def test_an_affine_chain_has_its_closed_form() -> None:
    rng = np.random.default_rng(1)
    A, B, z = (rng.standard_normal(s) for s in ((6, 4), (5, 6), (8, 4)))
    chain = [AffineLayer(A, np.zeros(6)), AffineLayer(B, np.ones(5))]
    expected = linear_radius(B @ A, np.ones(5), z)
    for solver, gap in ((relu_radius, 1e-6), (milp_radius, 1e-3)):
        result = solver(chain, z, gap=gap)
        # Both sides of both enclose the same numbers, up to the rounding of B @ A.
        assert (result.lower <= expected.upper * (1 + 1e-13)).all()
        assert (expected.lower <= result.upper * (1 + 1e-13)).all()
        assert (result.lower >= (1 - gap) * result.upper).all()


def test_the_composite_is_solved_and_an_attack_reaches_it(composite) -> None:
    """All of 150 points within 1 % of the exact minimum, with the attack's defaults."""
    z = np.random.default_rng(0).standard_normal((150, 8))
    exact = relu_radius(composite, z, gap=1e-3)
    assert (exact.lower >= (1 - 1e-3) * exact.upper).all()
    label = logits(composite, z).argmax(1)
    for k in range(len(z)):
        assert decided_differently(composite, exact.point[k : k + 1], label[k])[0]
        assert math.dist(exact.point[k], z[k]) <= exact.upper[k]
    found = minimal_perturbation(torch_function(composite), z)
    assert (found.radius >= exact.lower).all()
    assert (found.radius <= 1.01 * exact.upper).all()


def test_milp_agrees_on_the_composite(composite) -> None:
    z = np.random.default_rng(0).standard_normal((40, 8))
    exact = relu_radius(composite, z)
    near = np.argsort(exact.upper)[:4]
    milp = milp_radius(composite, z[near], gap=2e-3, time_limit=20)
    assert (milp.lower >= (1 - 2e-3) * milp.upper).all()
    assert (milp.lower <= exact.upper[near]).all()
    assert (exact.lower[near] <= milp.upper).all()


@pytest.mark.parametrize("solver", [relu_radius, milp_radius])
def test_out_of_time_the_bounds_are_wide_but_true(solver) -> None:
    layers = network(6, 20, 20, 4, seed=3)
    z = np.random.default_rng(0).standard_normal((3, 6))
    exact = relu_radius(layers, z)
    hasty = solver(layers, z, time_limit=1e-3)
    assert (hasty.lower <= exact.upper).all()
    assert (exact.lower <= hasty.upper).all()
    assert (exact.lower >= (1 - 1e-3) * exact.upper).all()


@pytest.mark.parametrize("solver", [relu_radius, milp_radius])
def test_classes_out_of_reach(solver) -> None:
    never = [AffineLayer([[1.0]], [0.0], "relu"), AffineLayer([[0.0], [-1.0]], [0.0, -1.0])]
    assert never_overtaken(never, 0, 1)
    result = solver(never, [[0.5]])
    assert result.lower[0] == result.upper[0] == INF
    assert np.isnan(result.point).all()
    alone = solver([AffineLayer([[1.0]], [0.0])], [[0.5]])
    assert alone.lower[0] == alone.upper[0] == INF
    # relu(x) - relu(x) - 1 never gets positive, but intervals over the whole line cannot tell.
    hidden = [
        AffineLayer([[1.0], [1.0]], [0.0, 0.0], "relu"),
        AffineLayer([[0.0, 0.0], [1.0, -1.0]], [0.0, -1.0]),
    ]
    result = solver(hidden, [[0.5]], reach=7.0)
    assert (result.lower[0], result.upper[0]) == (7.0, INF)


@pytest.mark.parametrize("solver", [relu_radius, milp_radius])
def test_ties(solver) -> None:
    at_a_tie = solver([AffineLayer([[1.0], [-1.0]], [0.0, 0.0])], [[0.0]])
    assert at_a_tie.lower[0] == 0
    assert at_a_tie.upper[0] < 1e-12
    # Two equal logits wherever x <= 1: the second leads from 1 on, and ties do not count.
    plateau = [AffineLayer([[1.0]], [-1.0], "relu"), AffineLayer([[0.0], [1.0]], [0.0, 0.0])]
    result = solver(plateau, [[0.0]])
    assert result.lower[0] <= 1 <= result.upper[0]
    # The same logit twice, and a rival.
    doubled = [AffineLayer([[0.0], [0.0], [1.0]], [0.0, 0.0, -1.0])]
    result = solver(doubled, [[0.0]])
    assert result.lower[0] <= 1 <= result.upper[0]


def test_no_points() -> None:
    layers = network(2, 3, 2, seed=0)
    for solver in (relu_radius, milp_radius):
        result = solver(layers, np.zeros((0, 2)))
        assert result.lower.shape == result.upper.shape == (0,)
        assert result.point.shape == (0, 2)


def test_nothing_is_printed_and_standard_output_survives(capfd) -> None:
    milp_radius(network(2, 6, 5, 3, seed=0), [[0.1, 0.2]])
    os.write(1, b"still here")
    assert capfd.readouterr().out == "still here"


# --- grid ---


@pytest.mark.parametrize(("d", "cells"), [(1, 4096), (2, 512), (3, 64)])
def test_grid_brackets_the_closed_form(d, cells) -> None:
    rng = np.random.default_rng(d)
    weight, bias = rng.standard_normal((4, d)), rng.standard_normal(4) / 4
    z = rng.standard_normal((300, d))
    layers = [AffineLayer(weight, bias)]
    lipschitz = margin_lipschitz(layers)
    box = 5.0
    grid = grid_radii(
        lambda x: logits(layers, x),
        lipschitz,
        z,
        half_width=box,
        cells=cells,
        rounding=margin_rounding(layers, box),
    )
    exact = linear_radius(weight, bias, z)
    assert (grid.lower <= exact.upper).all()
    assert (exact.lower <= grid.upper).all()
    assert grid.cell == 2 * box / cells
    assert 0 < grid.undecided < 1
    # Within a band around a boundary, as wide as the ratio of slopes, cells stay undecided.
    slopes = np.linalg.norm(weight[:, None] - weight, axis=2)
    band = (lipschitz / slopes[slopes > 0].min() + 3) * grid.cell * math.sqrt(d)
    inside = exact.upper < box - np.abs(z).max(1)
    assert inside.any()
    assert (exact.upper - grid.lower)[inside].max() <= band
    # A centre of the other class may be hidden in a corner between others, but not far away.
    assert np.median((grid.upper - exact.lower)[inside]) <= 2 * grid.cell * math.sqrt(d)


def test_grid_knows_nothing_outside_its_box() -> None:
    step = [AffineLayer([[1.0], [0.0]], [-3.0, 0.0])]  # changes its decision at 3
    grid = grid_radii(
        lambda x: logits(step, x), 1.0, [[0.0], [1.5], [2.5], [-4.0]], half_width=2.0, cells=64
    )
    np.testing.assert_allclose(grid.lower, [2.0, 0.5, 0.0, 0.0], atol=1e-14)
    assert (grid.upper == INF).all()
    assert np.isnan(grid.point).all()


def test_grid_sees_a_sliver_of_another_class() -> None:
    # The other class is a strip of width 1e-3, thinner than the cells; none of their centres is
    # inside, so it is not found, but not denied either.
    def strip(x: np.ndarray) -> np.ndarray:
        return np.column_stack([np.zeros(len(x)), 5e-4 - np.abs(x[:, 0] - 1.0)])

    grid = grid_radii(strip, 1.0, [[0.0, 0.0]], half_width=2.0, cells=64)
    assert grid.lower[0] <= 1.0 - 5e-4
    assert grid.lower[0] >= 0.9
    assert grid.upper[0] == INF


def test_lipschitz_constant() -> None:
    # One layer: the largest difference of two rows, (3, 4) - (0, 0).
    assert 5.0 <= margin_lipschitz([AffineLayer([[3, 4], [0, 0]], [1, 2])]) <= 5.0 * (1 + 1e-12)
    # Rank one: spectral norm |a| |b|; and an affine pair is multiplied out to nothing.
    outer = np.outer([3, 4], [5, 12])
    layers = [AffineLayer(outer, [0, 0], "relu"), AffineLayer([[1, 0], [0, 0]], [0, 0])]
    assert 65.0 <= margin_lipschitz(layers) <= 65.0 * (1 + 1e-12)
    cancel = [AffineLayer([[1], [1]], [0, 0]), AffineLayer([[1, -1], [0, 0]], [0, 0])]
    assert 0.0 <= margin_lipschitz(cancel) <= 1e-12
    rng = np.random.default_rng(0)
    A, B = rng.standard_normal((4, 5)), rng.standard_normal((3, 4))
    layers = [
        *network(2, 5, 4, seed=1)[:1],
        AffineLayer(A, np.ones(4), "sigmoid"),
        AffineLayer(B, np.ones(3)),
    ]
    x, y = rng.standard_normal((2, 10_000, 2))
    change = logits(layers, x) - logits(layers, y)
    spread = change.max(1) - change.min(1)
    assert (spread <= margin_lipschitz(layers) * np.linalg.norm(x - y, axis=1)).all()


# --- wrong arguments ---

LAYERS = network(2, 3, 2, seed=0)
Z = [[0.0, 0.0]]
GRID = {"half_width": 1.0, "cells": 8}


def both(function):
    return lambda: [function(solver) for solver in (relu_radius, milp_radius)]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: linear_radius([[NAN, 1.0]], [0.0], Z), "weight"),
        (lambda: linear_radius([[1.0, 1.0]], [INF], Z), "bias"),
        (lambda: linear_radius([[1.0, 1.0]], [0.0, 1.0], Z), "shapes"),
        (lambda: linear_radius([1.0, 1.0], [0.0, 1.0], Z), "shapes"),
        (lambda: linear_radius([[1.0, 1.0]], [0.0], [[NAN, 0.0]]), "z must"),
        (lambda: linear_radius([[1.0, 1.0]], [0.0], [0.0, 0.0]), "z must"),
        (both(lambda s: s([], Z)), "at least one"),
        (both(lambda s: s(LAYERS, [[0.0]])), "z must"),
        (both(lambda s: s(LAYERS, [[0.0, INF]])), "z must"),
        (both(lambda s: s(LAYERS, Z, gap=0.0)), "gap"),
        (both(lambda s: s(LAYERS, Z, gap=NAN)), "gap"),
        (both(lambda s: s(LAYERS, Z, time_limit=-1.0)), "time_limit"),
        (both(lambda s: s(LAYERS, Z, time_limit=NAN)), "time_limit"),
        (both(lambda s: s(LAYERS, Z, reach=INF)), "reach"),
        (both(lambda s: s(LAYERS[:1], Z)), "affine"),
        (both(lambda s: s((LAYERS[0], LAYERS[0]), Z)), "chain"),
        (lambda: AffineLayer([[1.0]], [0.0], "tanh"), "activation"),
        (lambda: affine_layers(nn.ReLU()), "begin"),
        (lambda: affine_layers(nn.Linear(2, 3), nn.Tanh()), "Tanh"),
        (lambda: affine_layers(nn.Linear(2, 3), nn.Linear(2, 3)), "chain"),
        (lambda: affine_layers(), "at least one"),
        (lambda: margin_lipschitz(LAYERS[:1]), "affine"),
        (lambda: grid_radii(lambda x: x, -1.0, Z, **GRID), "lipschitz"),
        (lambda: grid_radii(lambda x: x, NAN, Z, **GRID), "lipschitz"),
        (lambda: grid_radii(lambda x: x, 1.0, Z, **GRID, rounding=-1.0), "rounding"),
        (lambda: grid_radii(lambda x: x, 1.0, Z, half_width=0.0, cells=8), "half_width"),
        (lambda: grid_radii(lambda x: x, 1.0, Z, half_width=1.0, cells=0), "cells"),
        (lambda: grid_radii(lambda x: x, 1.0, np.zeros((1, 4)), **GRID), "d <= 3"),
        (lambda: grid_radii(lambda x: x, 1.0, [[NAN]], **GRID), "z must"),
        (lambda: grid_radii(lambda x: x * NAN, 1.0, Z, **GRID), "logits"),
        (lambda: grid_radii(lambda x: x[:, 0], 1.0, Z, **GRID), "logits"),
    ],
)
def test_wrong_arguments_are_named(call, words) -> None:
    with pytest.raises(ValueError, match=words):
        call()
