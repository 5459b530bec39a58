"""Internal Wasserstein distance: references, brute force, bounds, gradient, the paper's claims."""

import dataclasses
import itertools
import math

import numpy as np
import ot
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from transport_references import agrees

from robust_theory.transport.adversarial_error import cross_entropy_error_bound
from robust_theory.transport.internal import internal_distance, internal_wasserstein
from robust_theory.transport.internal_bounds import (
    INTERNAL_LOWER_BOUND,
    INTERNAL_WASSERSTEIN_BOUND,
    identity_matching_cost,
    internal_radius,
    internal_wasserstein_bound,
    internal_wasserstein_constant,
    internal_wasserstein_gradient,
    internal_wasserstein_lower_bound,
)
from robust_theory.transport.patches import coverage, patch_table, unfold_sum
from validation.experiments.internal import by_linear_program, dual_perturbation, picture

NORMS = {"l1": 1, "l2": 2, "linf": math.inf}


def colour(H, W, k, C):
    i, j, c = np.ogrid[:H, :W, :C]
    return ((7 * i + 11 * j + 3 * i * j + k * (i * i + 2 * j) + 5 * c + k * c) % 17) / 16


def test_references():
    assert agrees("D01", internal_distance(picture(3, 3, 0), picture(3, 3, 1), 2))
    assert agrees("D02", internal_distance(picture(4, 4, 0), picture(4, 4, 2), 2))
    assert agrees("D03", internal_distance(picture(6, 6, 1), picture(6, 6, 3), 3))
    assert agrees("D04", internal_distance(picture(8, 8, 1), picture(8, 8, 2), 3))
    assert agrees("D05", internal_distance(colour(6, 6, 1, 3), colour(6, 6, 2, 3), 3))
    assert agrees("D06", internal_distance(picture(3, 3, 0), picture(4, 4, 2), 2))
    assert agrees("D07", internal_distance(picture(4, 4, 0), picture(4, 4, 2), 4))
    assert agrees("D08", internal_distance(picture(5, 5, 0), picture(5, 5, 1), 1))
    shifted = np.array(picture(6, 6, 1)) + 0.125
    assert agrees("D09", internal_distance(picture(6, 6, 1), shifted, 3))
    strips = [[0, 0.5, 0, 1, 0]] * 3, [[0, 1, 0, 0.5, 0]] * 3
    assert agrees("D10", internal_distance(*strips, 2))
    assert agrees("D11", internal_wasserstein_constant((28, 28), 7, "l1"))
    assert agrees("D12", internal_wasserstein_constant((28, 28), 7, "l2"))
    assert agrees("D13", internal_wasserstein_constant((32, 32, 3), 7, "linf"))
    assert agrees("D14", identity_matching_cost(picture(8, 8, 1), picture(8, 8, 2), 3))


@given(st.integers(0, 2**32), st.integers(1, 2), st.integers(1, 3))
def test_all_matchings(seed, channels, levels):
    draw = np.random.default_rng(seed)
    x, y = draw.integers(0, levels + 1, (2, 3, 4, channels)) / 2.0
    u, v = patch_table(x, 2, 1), patch_table(y, 2, 1)
    cost = np.abs(u[:, None] - v).sum(axis=2)
    orders = np.array(list(itertools.permutations(range(6))))
    expected = cost[np.arange(6), orders].sum(axis=1).min() / 6
    result = internal_wasserstein(x, y, 2)
    assert result.value == pytest.approx(expected, abs=1e-14)
    assert result.verify()
    value, plan = result
    assert (plan * cost).sum() == pytest.approx(value, abs=1e-14)
    assert internal_wasserstein(x, y, 2, per_entry=True).value == pytest.approx(
        value / (4 * channels), rel=1e-15
    )


@settings(max_examples=25)
@given(st.integers(0, 2**32))
def test_different_sizes_by_a_linear_program(seed):
    draw = np.random.default_rng(seed)
    shapes = draw.integers(2, 5, (2, 2))
    x, y = (draw.integers(0, 5, shape) / 4.0 for shape in shapes)
    result = internal_wasserstein(x, y, 2)
    assert result.value == pytest.approx(by_linear_program(x, y, 2), abs=1e-7)
    assert result.verify()
    assert internal_wasserstein_lower_bound(x, y, 2) <= result.value + 1e-14


def test_corrupted_results_are_caught():
    result = internal_wasserstein(picture(6, 6, 1), picture(6, 6, 3), 3)
    assert result.verify()
    assert not dataclasses.replace(result, value=result.value - 1e-6).verify()
    assert not dataclasses.replace(result, columns=np.roll(result.columns, 1)).verify()
    assert not dataclasses.replace(result, mass=result.mass * 1.01).verify()
    f, g = result.potentials()
    assert f.mean() + g.mean() == pytest.approx(result.value, abs=1e-12)


def test_patches_and_their_adjoint():
    draw = np.random.default_rng(0)
    for shape, patch, stride in (((5, 7, 2), 3, 1), ((6, 9, 1), 2, 3), ((4, 4, 3), 4, 2)):
        image = draw.normal(size=shape)
        table = patch_table(image, patch, stride)
        other = draw.normal(size=table.shape)
        back = unfold_sum(other, shape, patch, stride)
        assert (table * other).sum() == pytest.approx((image * back).sum(), rel=1e-12)
        ones = unfold_sum(np.ones(table.shape), shape, patch, stride)
        assert (ones == coverage(shape, patch, stride)[..., None]).all()
    first = patch_table(np.arange(12.0).reshape(3, 4, 1), 2, 1)
    assert first[0].tolist() == [0, 1, 4, 5]
    assert first[-1].tolist() == [6, 7, 10, 11]


@given(st.integers(0, 2**32), st.sampled_from(list(NORMS)), st.sampled_from([1, 2]))
def test_bounds_enclose_the_distance(seed, norm, stride):
    draw = np.random.default_rng(seed)
    x = draw.random((6, 5, 2))
    y = x + draw.normal(size=x.shape) * 10.0 ** draw.integers(-4, 1)
    distance = internal_distance(x, y, 3, stride)
    assert internal_wasserstein_lower_bound(x, y, 3, stride) <= distance * (1 + 1e-13)
    assert distance <= identity_matching_cost(x, y, 3, stride) * (1 + 1e-13)
    assert identity_matching_cost(x, y, 3, stride) <= internal_wasserstein_bound(
        x, y, 3, norm, stride
    )


@given(st.integers(0, 2**32), st.sampled_from([0, 1, 1000, 10**6]))
def test_bounds_keep_their_side_for_decimals(seed, offset):
    # In doubles 1000.3 - 1000 is less than three tenths, and 1000.1 - 1000 more than one tenth.
    x, y = offset + np.random.default_rng(seed).integers(0, 1000, (2, 5, 4)) / 1000
    for norm in NORMS:
        box = INTERNAL_WASSERSTEIN_BOUND.enclosure(x, y, 2, norm)
        assert box.lo <= internal_wasserstein_bound(x, y, 2, norm)
    box = INTERNAL_LOWER_BOUND.enclosure(x, y, 2)
    assert internal_wasserstein_lower_bound(x, y, 2) <= box.hi
    assert internal_wasserstein_bound(x, x, 2) == internal_wasserstein_lower_bound(x, x, 2) == 0


@pytest.mark.parametrize("norm", NORMS)
def test_the_constant_is_attained(norm):
    x = 1000 * np.random.default_rng(0).random((9, 8))  # patches far apart
    d = 0.5 * dual_perturbation((9, 8), 3, norm)
    c = internal_wasserstein_constant((9, 8), 3, norm)
    size = np.linalg.norm(d.ravel(), NORMS[norm])
    # Differences of numbers of size 1000.
    assert internal_distance(x, x + d, 3) == pytest.approx(c * size, abs=1e-9)


def test_theorem_1_needs_related_radii():
    # One pixel, two of them, one patch, h = 1{x = 0}: with equal radii the linf ball is not inside.
    eps = 0.1
    x, corner = np.zeros((1, 2)), np.full((1, 2), eps)
    with pytest.raises(ValueError, match="patch must fit"):
        internal_distance(x, corner, 2)
    assert internal_distance(x, corner, 1) == pytest.approx(eps)
    tall, moved = np.zeros((2, 2)), np.full((2, 2), eps)
    assert internal_distance(tall, moved, 2) == pytest.approx(4 * eps)
    assert internal_radius((2, 2), 2, eps) == pytest.approx(4 * eps)
    # With X = {x, x + d} the ball of equal radius around x is empty but for x itself.
    x = 1000 * np.random.default_rng(1).random((28, 28))
    d = 0.01 * dual_perturbation((28, 28), 7, "l2")
    ratio = internal_distance(x, x + d, 7) / np.linalg.norm(d)
    assert ratio == pytest.approx(1.9958677685950412, rel=1e-8)
    assert internal_radius((28, 28), 7, 0.01, "l2") >= internal_distance(x, x + d, 7) * (1 - 1e-8)


@given(st.integers(0, 2**32))
def test_theorem_2_with_the_logarithm_of_two(seed):
    draw = np.random.default_rng(seed)
    logits = draw.normal(size=(4, 5, 3)) * 3 + [draw.integers(0, 6), 0, 0]
    reach = (draw.random((4, 5)) < 0.6) | np.eye(4, 5, dtype=bool)
    p, losses = draw.dirichlet(np.ones(4)), logsumexp(logits, axis=2) - logits[..., 0]
    wrong = (logits[..., 0] < logits[..., 1:].max(axis=2)) & reach
    bound = cross_entropy_error_bound(p, losses, reach)
    assert p[wrong.any(axis=1)].sum() <= bound * (1 + 1e-15)  # the weights sum to 1 up to rounding
    assert bound <= 1
    # The paper's counterexample: one point, wrong in the ball with probability .49 of the label.
    even = [[0.0, -math.log(0.49)]]
    assert cross_entropy_error_bound([1], even, [[1, 1]]) == 1 > -math.log(0.49)
    assert cross_entropy_error_bound([1], even, [[1, 0]]) == 0
    tie = cross_entropy_error_bound([0.5, 0.5], [[math.log(2)], [0.0]], [[1], [1]])
    assert 0.5 <= tie <= 0.5 * (1 + 1e-14)


def test_it_is_a_pseudometric_only():
    scene = np.zeros((20, 20))
    scene[5:8, 6:9] = np.arange(9).reshape(3, 3) + 1
    moved = np.roll(scene, (3, 2), axis=(0, 1))
    assert internal_distance(scene, moved, 4) == 0
    assert (scene != moved).any()
    a, b, c = (np.random.default_rng(k).random((6, 6)) for k in range(3))
    assert internal_distance(a, a, 3) == 0
    assert internal_distance(a, b, 3) == pytest.approx(internal_distance(b, a, 3), rel=1e-14)
    triangle = internal_distance(a, b, 3) + internal_distance(b, c, 3)
    assert internal_distance(a, c, 3) <= triangle


@pytest.mark.parametrize("shapes", [((8, 8), (8, 8)), ((5, 5), (6, 4)), ((4, 5, 2), (4, 5, 2))])
def test_gradient_against_differences(shapes):
    draw = np.random.default_rng(3)
    x, y = (draw.random(shape) for shape in shapes)
    value, gradient = internal_wasserstein_gradient(x, y, 3)
    assert gradient.shape == y.shape
    assert value == internal_distance(x, y, 3)
    h = 1e-7
    for place in np.ndindex(y.shape):
        step = np.zeros(y.shape)
        step[place] = h
        slope = (internal_distance(x, y + step, 3) - internal_distance(x, y - step, 3)) / (2 * h)
        # Piecewise linear: differences are exact but for rounding, 1e-16 * 10 / 1e-7.
        assert slope == pytest.approx(gradient[place], abs=1e-7)


def test_images_of_digits_by_the_network_simplex():
    draw = np.random.default_rng(0)
    x = draw.random((28, 28))
    for y in (draw.random((28, 28)), np.clip(x + 0.1 * draw.normal(size=x.shape), 0, 1)):
        result = internal_wasserstein(x, y, 7)
        cost = cdist(*result.tables, "cityblock")
        # A mean of 484 costs, each a sum of 49 differences.
        assert result.value == pytest.approx(ot.emd2([], [], cost), rel=1e-13)
        assert result.verify()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((3, 3)), np.zeros((3, 3)), 4), "patch must fit into x, got 4"),
        ((np.zeros((4, 4)), np.zeros((3, 9)), 4), "patch must fit into y"),
        ((np.zeros((3, 3, 3)), np.zeros((3, 3)), 2), "same number of channels"),
        ((np.full((3, 3), math.nan), np.zeros((3, 3)), 2), "x must be finite"),
        ((np.zeros(9), np.zeros(9), 2), r"x must have shape \(H, W\)"),
        ((np.full((3, 3), 1e308), np.full((3, 3), -1e308), 2), "distances of patches to be"),
        ((np.zeros((3, 3)), np.zeros((3, 3)), 0), "patch must be an integer"),
        ((np.zeros((3, 3)), np.zeros((3, 3)), 2, 0), "stride must be an integer"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        internal_wasserstein(*arguments)


def test_bounds_need_one_shape():
    with pytest.raises(ValueError, match="x and y must have one shape"):
        internal_wasserstein_bound(np.zeros((3, 3)), np.zeros((4, 4)), 2)
