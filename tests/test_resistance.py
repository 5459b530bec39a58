"""Effective resistances and the variances that make the largest one least."""

import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robust_theory import EdgeVariances, edge_variances, flow_distance, uniform_variances
from robust_theory.wasserstein.resistance import (
    edge_count,
    edge_ends,
    grid_shape,
    laplacian,
    resistance_bounds,
)
from validation.experiments.gaussian_noise import energy, flow_covariance

VALUES = json.loads((Path(__file__).parent / "reference/certificates.json").read_text())


def shapes(largest=5):
    sizes = st.integers(1, largest)
    return st.tuples(sizes, sizes).filter(lambda shape: shape[0] * shape[1] > 1)


@st.composite
def weighted_grids(draw):
    shape = draw(shapes())
    n = edge_count(shape)
    weights = draw(st.lists(st.floats(0.01, 100), min_size=n, max_size=n))
    return shape, np.array(weights)


def exact(shape, variances, s, t):
    """Resistance of two pixels by rational elimination."""
    table = [[Fraction(0)] * (shape[0] * shape[1]) for _ in range(shape[0] * shape[1])]
    for u, v, c in zip(*edge_ends(shape), variances, strict=True):
        value = Fraction(float(c))
        table[u][u] += value
        table[v][v] += value
        table[u][v] -= value
        table[v][u] -= value
    return energy(table, s, t)


@pytest.mark.parametrize(
    ("shape", "value"), [((2, 2), "3/4"), ((3, 3), "17/24"), ((4, 4), "157/224")]
)
def test_equal_variances_have_rational_resistances(shape, value):
    bound = uniform_variances(shape).largest_resistance
    assert 0 <= bound / float(Fraction(value)) - 1 < 2e-14
    edges = zip(*edge_ends(shape), strict=True)
    assert max(exact(shape, np.ones(edge_count(shape)), u, v) for u, v in edges) == Fraction(value)


@pytest.mark.parametrize("size", [s for s, value in VALUES["Rmax"].items() if value])
def test_reference_values_of_equal_variances(size):
    found = uniform_variances((int(size), int(size))).largest_resistance
    assert found == pytest.approx(VALUES["Rmax"][size], abs=1.1e-10)  # printed with ten digits


@settings(max_examples=30)
@given(weighted_grids())
def test_bounds_are_above_the_exact_resistances_and_close(grid):
    shape, weights = grid
    bounds = resistance_bounds(shape, weights)
    ends = list(zip(*edge_ends(shape), strict=True))
    for k in (0, len(ends) // 2, len(ends) - 1):
        value = exact(shape, weights, *ends[k])
        assert value <= Fraction(float(bounds[k]))
        # Weights differ by 10^4, which the inverse loses; the bound knows it.
        assert bounds[k] <= float(value) * (1 + 1e-7)


@given(weighted_grids())
def test_foster(grid):
    shape, weights = grid
    total = (weights * resistance_bounds(shape, weights)).sum()
    assert total == pytest.approx(shape[0] * shape[1] - 1, rel=1e-7)


@pytest.mark.parametrize("shape", [(2, 2), (2, 3), (3, 3), (5, 4), (8, 8), (1, 9), (28, 28)])
def test_the_design_is_optimal_and_proves_it(shape):
    design = edge_variances(shape)
    N, E = shape[0] * shape[1], edge_count(shape)
    assert isinstance(design, EdgeVariances)
    assert design.least_possible == Fraction(N - 1, E)
    assert 0 <= design.excess < 1e-12
    assert design.variances.mean() == pytest.approx(1, rel=1e-13)
    assert design.variances.min() > 0.5
    assert design.shape == shape
    assert design.vertical.shape == (shape[0] - 1, shape[1])
    assert design.horizontal.shape == (shape[0], shape[1] - 1)
    # Kiefer and Wolfowitz: all resistances are equal where the largest is least.
    assert np.ptp(resistance_bounds(shape, design.variances)) < 1e-12


def test_a_hundredth_more_on_a_corner_is_worse():
    design = edge_variances((4, 4))
    changed = design.variances.copy()
    changed[0] *= 1.01
    changed /= changed.mean()
    assert resistance_bounds((4, 4), changed).max() > design.largest_resistance * 1.0002


def test_the_mnist_grid():
    design = edge_variances((28, 28))
    assert design.least_possible == Fraction(783, 1512)
    assert design.largest_resistance == pytest.approx(0.517857142857, abs=1e-12)
    assert 1 / math.sqrt(design.largest_resistance) == pytest.approx(1.389617, abs=5e-7)


def test_every_pair_is_within_the_largest_resistance_of_an_edge():
    """R(s, t) <= Rmax times the l1 distance, which is at most its square and that of the l2 one."""
    for shape in ((2, 3), (3, 3)):
        covariance = flow_covariance(shape)
        largest = Fraction(edge_variances(shape).largest_resistance)
        m = shape[1]
        for s in range(shape[0] * m):
            for t in range(s):
                steps = abs(s // m - t // m) + abs(s % m - t % m)
                assert energy(covariance, s, t) <= largest * steps


def test_colour_lines_and_numbers_of_pixels():
    assert grid_shape((4, 3, 3)) == (4, 3)
    assert grid_shape(7) == grid_shape((7,)) == (1, 7)
    assert edge_variances((4, 3, 3)).variances.shape == (17,)
    line = edge_variances(5)
    assert (line.variances == 1).all()
    assert line.least_possible == 1


@pytest.mark.parametrize(
    "shape", [(1, 1), 1, (0, 3), (-2, 2), (2, 2.5), "33", (), (2, 2, 2, 2), None]
)
def test_shapes_without_a_flow_are_refused(shape):
    with pytest.raises(ValueError, match="shape must"):
        edge_variances(shape)


def test_variances_are_shared_and_cannot_be_changed():
    assert edge_variances((3, 4)) is edge_variances((3, 4, 1))
    with pytest.raises(ValueError, match="read-only"):
        edge_variances((3, 4)).vertical[0, 0] = 2


def test_the_laplacian_is_the_covariance_of_the_image():
    shape = (3, 2)
    design = edge_variances(shape)
    L = laplacian(shape, design.variances).toarray()
    exact_table = np.array([[float(v) for v in row] for row in flow_covariance(shape)])
    assert np.abs(L - exact_table).max() < 1e-15
    assert np.abs(L.sum(axis=1)).max() < 1e-15


def test_differences_that_flows_cannot_make_are_refused():
    design = edge_variances((2, 2))
    for wrong in (np.ones((2, 2)), np.zeros((3, 3)), np.full((2, 2), np.nan)):
        with pytest.raises(ValueError, match="difference must"):
            flow_distance(wrong, design)
    assert flow_distance(np.zeros((2, 2)), design) == 0
    channel = np.array([[1.0, -1.0], [0, 0]])
    colour = np.stack([channel, channel], axis=-1)
    found = flow_distance(colour, design)
    assert found == pytest.approx(math.sqrt(2) * flow_distance(channel, design), rel=1e-14)
