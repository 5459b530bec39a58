"""Certificates against sampling, exact solvers, exact arithmetic, torch, and each other."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from empirical.exact_branch import relu_radius
from empirical.exact_layers import AffineLayer, affine_layers
from empirical.exact_linf import least_margin_linf, linf_radius
from empirical.layers import read_layers
from empirical.spectral import lipschitz_bound
from robust_theory.networks.affine_bounds import linear_bounds, linear_margins, planes_below
from robust_theory.networks.certificates import CERTIFIED_RADIUS, INTERVAL_MARGIN, LINEAR_MARGIN
from robust_theory.networks.lipschitz import lipschitz_constant, lipschitz_radius
from robust_theory.networks.operator_norms import least_eigenvalue_below, spectral_norm_above
from robust_theory.networks.polytope import polytope_margins
from robust_theory.networks.propagation import certified_radius, least_margin, margin_bounds
from robust_theory.networks.relaxations import (
    Bounds,
    interval_bounds,
    interval_margins,
    read_region,
    relu_lines,
)
from robust_theory.networks.relu_networks import convolution_layer, read_network
from robust_theory.networks.semidefinite import semidefinite_margins

NORMS = ["linf", "l2", "l1"]


def pairs(*widths, seed, digits=None):
    """Random weights and biases of a ReLU network; short decimals on request."""
    rng = np.random.default_rng(seed)
    layers = []
    for n, m in itertools.pairwise(widths):
        W, b = rng.standard_normal((m, n)) * math.sqrt(2 / n), rng.standard_normal(m) / 2
        layers.append((W, b) if digits is None else (W.round(digits), b.round(digits)))
    return layers, rng.standard_normal(widths[0]).round(3)


def records(layers):
    last = len(layers) - 1
    return [
        AffineLayer(W, b, "identity" if k == last else "relu") for k, (W, b) in enumerate(layers)
    ]


def drawn_from(region, n, rng):
    """Points of the ball, half of them on its boundary."""
    d = len(region.centre)
    u = rng.uniform(-1, 1, (n, d))
    u[::2] = np.sign(u[::2])
    length = {"linf": np.abs(u).max(1), "l2": np.linalg.norm(u, axis=1), "l1": np.abs(u).sum(1)}
    u /= np.maximum(length[region.norm], 1.0)[:, None] * (1 + 1e-12)
    return region.centre + region.eps * u


def label_of(layers, x):
    return int(read_network(layers).logits(x[None])[0].argmax())


# ------------------------------------------------------------------------- soundness, order


@given(st.integers(0, 10**6), st.sampled_from(NORMS), st.sampled_from(["0", "0.02", "0.3", "2"]))
@settings(max_examples=40)
def test_bounds_hold_at_every_point_of_the_ball_and_are_ordered(seed, norm, eps):
    layers, x = pairs(3, 7, 6, 3, seed=seed)
    network = read_network(layers)
    region, y = read_region(x, eps, norm), label_of(layers, x)
    points = drawn_from(region, 400, np.random.default_rng(seed))
    values, z = [], points
    for layer in network.layers:
        values.append(z @ layer.weight.T + layer.bias)
        z = np.maximum(values[-1], 0)
    intervals, linear = interval_bounds(network, region), linear_bounds(network, region)
    # The values themselves are rounded: a dozen terms of size 10.
    slack = 1e-13
    for value, wide, tight in zip(values, intervals, linear, strict=False):
        for bounds in (wide, tight):
            assert (bounds.low <= value + slack).all()
            assert (value <= bounds.high + slack).all()
        # Tighter by construction; rounding errors are bounded in another order.
        assert (wide.low <= tight.low + slack).all()
        assert (tight.high <= wide.high + slack).all()
    margins = (values[-1][:, [y]] - values[-1]).min(axis=0)
    margins[y] = np.inf
    found = [margin_bounds(layers, x, eps, y, norm, m) for m in ("lipschitz", "interval", "linear")]
    for bound in found:
        assert bound[y] == np.inf
        assert (bound <= margins + slack).all()
    assert (found[1] <= found[2] + slack).all()
    if seed % 4 == 0:
        best = polytope_margins(network, y, linear, region)
        assert (found[2] <= best.lower).all()
        assert (best.lower <= margins + slack).all()
        others = np.arange(3) != y
        # HiGHS: 1e-7 in each of some 30 duals, of size 10. Tangents stand outside the l2 ball.
        gap = best.optimum[others] - best.lower[others]
        assert (gap <= 1e-5 * (1 + np.abs(best.lower[others]))).all()
        if norm != "l2":
            assert (gap >= -1e-5 * (1 + np.abs(best.lower[others]))).all()


@given(st.integers(0, 10**6), st.sampled_from(NORMS), st.sampled_from(["interval", "linear"]))
@settings(max_examples=25)
def test_the_same_bounds_in_exact_arithmetic(seed, norm, method):
    layers, x = pairs(2, 4, 3, 2, seed=seed)
    arguments = {"layers": layers, "point": x, "eps": "1/5", "label": seed % 2, "norm": norm}
    claim = {"interval": INTERVAL_MARGIN, "linear": LINEAR_MARGIN}[method]
    value, box = claim.value(**arguments), claim.enclosure(**arguments)
    assert value <= box.hi
    # Some 10 roundings of numbers below 100 in each of 3 layers, bounded in the worst case.
    assert value >= box.lo - 1e-12


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("seed", range(3))
def test_semidefinite_bounds_are_the_best_and_hold(seed, norm):
    layers, x = pairs(2, 4, 4, 2, seed=seed)
    network, y = read_network(layers), label_of(layers, x)
    region = read_region(x, "0.5", norm)
    before = linear_bounds(network, region)
    found = semidefinite_margins(network, y, before, region)
    best = polytope_margins(network, y, before, region)
    rival = 1 - y
    assert best.lower[rival] <= found.lower[rival]
    values = network.logits(drawn_from(region, 4000, np.random.default_rng(0)))
    assert found.lower[rival] <= (values[:, y] - values[:, rival]).min() + 1e-13
    # The solver stops at 1e-8 relatively; multiplied by the sizes of some 10 variables.
    assert found.lower[rival] >= found.optimum[rival] - 1e-4
    assert margin_bounds(layers, x, "0.5", y, norm, "semidefinite")[rival] == pytest.approx(
        found.lower[rival], abs=1e-6
    )


def test_a_wrong_solver_cannot_make_a_semidefinite_bound_unsound():
    """Any multipliers prove something true: here random ones, and none."""
    from robust_theory.networks.semidefinite import _Program

    layers, x = pairs(2, 3, 2, seed=1)
    network, region = read_network(layers), read_region(x, "0.5", "linf")
    before = linear_bounds(network, region)
    program = _Program(network, before, region, 1 + 2 + 3)
    values = network.logits(drawn_from(region, 4000, np.random.default_rng(0)))
    least = (values[:, 0] - values[:, 1]).min()
    objective = program.margin(0, 1)
    rng = np.random.default_rng(2)
    for scale in (0.0, 0.1, 1.0, 10.0):
        m = scale * rng.standard_normal(len(program.matrices))
        m = np.where(program.equations, m, np.abs(m))
        for t in (-5.0, 0.0, least, 5.0):
            assert program._proved(*objective, m, t) <= least


# --------------------------------------------------------------- certificate, exact, attack


@pytest.mark.parametrize("seed", range(4))
def test_certified_radii_are_below_exact_radii_and_those_below_attacks(seed):
    layers, x = pairs(3, 6, 5, 3, seed=seed, digits=3)
    y = label_of(layers, x)
    for norm in ("l2", "linf"):
        if norm == "l2":
            exact = relu_radius(records(layers), x[None], gap=1e-4, time_limit=10)
        else:
            exact = linf_radius(records(layers), x[None], time_limit=10)
        radii = [
            certified_radius(layers, x, y, norm, method, 2**-8)
            for method in ("interval", "linear", "polytope")
        ]
        simple = certified_radius(layers, x, y, norm, "lipschitz", 2**-8)
        assert max(simple, *radii) <= exact.upper[0]
        # The interval bound of the margin is not above the linear one, but for rounding.
        assert radii[0] <= radii[1] <= radii[2]
        if math.isfinite(exact.upper[0]):
            changed = exact.point[0]
            assert label_of(layers, changed) != y
            distance = np.linalg.norm(changed - x, np.inf if norm == "linf" else 2)
            assert exact.lower[0] <= distance <= exact.upper[0] * (1 + 1e-12)


def test_two_exact_solvers_agree_about_margins_and_linf_radii():
    layers, x = pairs(3, 6, 5, 3, seed=3, digits=3)
    y = label_of(layers, x)
    exact = linf_radius(records(layers), x[None])
    # Tolerances of HiGHS, 1e-6 in some 60 columns and rows, in units of the search radius.
    assert exact.upper[0] - exact.lower[0] <= 2e-3 * exact.upper[0]
    inside = least_margin_linf(records(layers), x, 0.99 * float(exact.lower[0]), y)
    outside = least_margin_linf(records(layers), x, 1.01 * float(exact.upper[0]), y)
    assert inside.lo > 0 > outside.hi
    sampled = drawn_from(read_region(x, 0.3, "linf"), 4000, np.random.default_rng(0))
    values = read_network(layers).logits(sampled)
    margin = np.delete(values[:, [y]] - values, y, axis=1).min()
    box = least_margin_linf(records(layers), x, 0.3, y)
    assert box.lo <= margin
    assert box.hi - box.lo <= 1e-2


def test_linf_radius_of_a_linear_classifier():
    """(w.x + b) / |w|_1 for two logits that differ by w.x + b; never for equal rows."""
    layer = AffineLayer([[1.0, -2.0], [0.0, 1.0]], [0.5, 0.0])
    found = linf_radius([layer], [[1.0, 0.25]])
    assert found.lower[0] <= 0.75 / 4 <= found.upper[0] <= 0.75 / 4 * (1 + 1e-6)
    constant = AffineLayer([[1.0], [1.0]], [1.0, 0.0])
    assert linf_radius([constant], [[3.0]]).lower[0] == math.inf
    with pytest.raises(ValueError, match="eps must be positive"):
        least_margin_linf([layer], [1.0, 0.25], 0.0, 0)


def test_certified_radius_of_a_linear_classifier_is_exact():
    W, b, x = np.array([[1.0, 2.0], [-1.0, 0.0]]), np.array([0.25, 0.0]), np.array([0.5, 0.5])
    margin, w = 2.25, np.array([2.0, 2.0])
    for norm, length in (("linf", 4.0), ("l2", math.sqrt(8)), ("l1", 2.0)):
        for method in ("interval", "linear", "polytope"):
            found = certified_radius([(W, b)], x, 0, norm, method, 2**-20)
            # The largest multiple of the resolution below the exact radius.
            assert found < margin / length <= found + 2 * 2**-20
        assert certified_radius([(W, b)], x, 1, norm) == 0.0
    assert w @ x + 0.25 == margin
    assert certified_radius([(np.zeros((2, 2)), np.array([1.0, 0.0]))], x, 0) == 1024.0


def test_joint_margins_certify_where_separate_intervals_do_not():
    """f_y = z, f_j = z - 1 on [-1, 1]: the separate test asks for -1 > 0."""
    layers = [([[1.0]], [0.0]), ([[1.0], [1.0]], [0.0, -1.0])]
    region = read_region(np.array([2.0]), 1, "linf")
    network = read_network(layers)
    before = interval_bounds(network, region)
    low, high = before[0].after
    separate = (1.0 * low[0]) - (1.0 * high[0] - 1.0)
    assert separate < 0 < interval_margins(network, 0, before, region)[1] <= 1


# -------------------------------------------------------------------------------- Lipschitz


def test_constants_per_norm_are_needed_and_enough():
    """The chapter's three cases: each radius is reached, each without its constant is too long."""
    root = math.sqrt(2)
    # l2: f = x (1, -1) / sqrt(2) has L = 1; margin sqrt(2) at 1; flip at distance 1.
    assert lipschitz_radius([1 / root, -1 / root], 0, 1) == pytest.approx(1.0, rel=1e-15)
    # linf: f = (x, -x) has L = 1 per logit; margin 2 at 1; flip at distance 1.
    assert lipschitz_radius([1, -1], 0, 1, "linf") == 1.0
    # l1: f = (x / 2, -x / 2) has L = 1 in l1; margin 1 at 1; flip at distance 1.
    assert lipschitz_radius(["1/2", "-1/2"], 0, 1, "l1") == 1.0
    assert lipschitz_radius([0, 1], 0, 1) == 0.0


@given(
    st.lists(st.fractions(-5, 5, max_denominator=50), min_size=2, max_size=4),
    st.fractions(Fraction(1, 50), 20, max_denominator=50),
)
def test_lipschitz_radius_is_rounded_down(logits, L):
    for norm, square in (("l2", 2), ("linf", 4), ("l1", 1)):
        radius = lipschitz_radius(logits, 0, L, norm)
        lead = logits[0] - max(logits[1:])
        if lead <= 0:
            assert radius == 0.0
            continue
        exact = lead**2 / (L**2 * square)
        assert Fraction(radius) ** 2 <= exact < Fraction(math.nextafter(radius, 9e99)) ** 2


@pytest.mark.parametrize("norm", NORMS)
def test_lipschitz_constants_against_slopes(norm):
    layers, _ = pairs(4, 9, 7, 3, seed=5)
    network, rng = read_network(layers), np.random.default_rng(0)
    a, b = rng.standard_normal((2, 2000, 4))
    order = {"linf": np.inf, "l2": 2, "l1": 1}[norm]
    moved = np.linalg.norm(network.logits(a) - network.logits(b), order, axis=1)
    constant = lipschitz_constant(layers, norm)
    assert (moved <= constant * np.linalg.norm(a - b, order, axis=1)).all()
    exact = math.prod(np.linalg.norm(W, order) for W, _ in layers)
    # Sums of at most 9 terms, and 1e-9 for the eigenvalue.
    assert exact * (1 - 1e-14) <= constant <= exact * (1 + 1e-8)


# ------------------------------------------------------------------ networks, layers, lines


@given(st.floats(-4, 4), st.floats(0, 4))
def test_lines_are_above_and_below_the_relu(low, width):
    high = low + width
    line = relu_lines(Bounds(np.array([low]), np.array([high]), True))
    upper, intercept, lower = (
        Fraction(float(x[0])) for x in (line.upper, line.intercept, line.lower)
    )
    for x in (Fraction(low), Fraction(high), *([Fraction(0)] if low <= 0 <= high else [])):
        relu = max(x, Fraction(0))
        assert lower * x <= relu <= upper * x + intercept  # exactly


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"),
    [(1, 0, 1, 1), (2, 1, 1, 1), (1, 2, 2, 1), (2, 0, 1, 2), (3, 1, 1, 4)],
)
def test_convolutions_are_those_of_torch(stride, padding, dilation, groups):
    torch.manual_seed(0)
    layer = nn.Conv2d(4, 8, (3, 2), stride, padding, dilation, groups).double()
    shape = (4, 7, 6)
    W, b = convolution_layer(
        layer.weight.detach().numpy(), layer.bias.detach().numpy(), shape,
        stride=stride, padding=padding, dilation=dilation, groups=groups,
    )  # fmt: skip
    (read,) = read_layers(layer, shape)
    assert (read.weight != W).nnz == 0
    np.testing.assert_array_equal(read.bias, b)
    x = torch.randn(5, *shape, dtype=torch.float64)
    expected = layer(x).flatten(1).detach().numpy()
    # Sums of at most 24 terms of size 1.
    np.testing.assert_allclose(x.flatten(1).numpy() @ W.T.toarray() + b, expected, atol=1e-14)


def test_a_convolutional_network_sparse_and_dense():
    torch.manual_seed(1)
    module = nn.Sequential(
        nn.Conv2d(1, 3, 3, stride=2, padding=1),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.Conv2d(3, 4, 3, padding=1),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16, 3),
    )
    module[1].running_var.uniform_(0.5, 2)
    module = module.double().eval()
    x = torch.rand(1, 1, 8, 8, dtype=torch.float64)
    sparse = read_layers(module, (1, 8, 8))
    assert any(hasattr(layer.weight, "tocsr") for layer in sparse)
    dense = [layer.dense() for layer in sparse]
    point = x.numpy().ravel()
    network = read_network(sparse)
    with torch.no_grad():
        expected = module(x).numpy()
    np.testing.assert_allclose(network.logits(point[None]), expected, rtol=1e-12, atol=1e-13)
    y = int(expected.argmax())
    for norm in NORMS:
        region = read_region(point, "0.01", norm)
        first = linear_margins(network, y, linear_bounds(network, region), region)
        again = margin_bounds(dense, point, "0.01", y, norm)
        # The same sums in another order.
        np.testing.assert_allclose(first, again, rtol=1e-9, atol=1e-11)
        shifted = torch.from_numpy(drawn_from(region, 200, np.random.default_rng(0)))
        with torch.no_grad():
            values = module(shifted.reshape(-1, 1, 8, 8)).numpy()
        margins = np.delete(values[:, [y]] - values, y, axis=1)
        assert np.delete(first, y).min() <= margins.min()
        assert lipschitz_constant(sparse, norm) > 0
    # Two bounds of the same constant; the one of torch modules knows no zero padding.
    assert lipschitz_constant(sparse, "l2") <= lipschitz_bound(module) * (1 + 1e-9)
    assert certified_radius(sparse, point, y, "linf", "linear", 2**-10) >= certified_radius(
        sparse, point, y, "linf", "interval", 2**-10
    )


def test_a_torch_module_is_read_once_for_all_users():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)).double()
    for layers in (read_layers(module), affine_layers(module)):
        network = read_network(layers)
        assert [layer.relu for layer in network.layers] == [True, False]
        np.testing.assert_array_equal(network.layers[0].weight, module[0].weight.detach().numpy())
    with pytest.raises(ValueError, match="activation must be 'relu' or 'identity', got 'tanh'"):
        read_network(read_layers(nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 2))))


def test_layers_without_activation_between_them():
    """W2 (W1 x): the linear bounds see that it is one matrix."""
    layers, x = pairs(3, 4, 2, seed=0)
    chain = [AffineLayer(W, b) for W, b in layers]
    (W1, b1), (W2, b2) = layers
    product = [(W2 @ W1, W2 @ b1 + b2)]
    for norm in NORMS:
        linear = least_margin(chain, x, 0.2, 0, norm)
        assert linear == pytest.approx(least_margin(product, x, 0.2, 0, norm), rel=1e-12)
        assert least_margin(chain, x, 0.2, 0, norm, "interval") <= linear
        best = least_margin(chain, x, 0.2, 0, norm, "polytope")
        assert best == pytest.approx(linear, rel=1e-9)


def test_planes_bound_the_margin_pointwise():
    layers, x = pairs(3, 6, 3, seed=4)
    network, region = read_network(layers), read_region(x, "0.4", "l2")
    before = linear_bounds(network, region)
    rows = np.array([[1.0, -1.0, 0.0], [0.0, 0.5, 2.0]])
    planes = planes_below(network, 1, rows, before, [relu_lines(b) for b in before], region)
    points = drawn_from(region, 2000, np.random.default_rng(0))
    values = network.logits(points) @ rows.T
    assert (points @ planes.slope.T + planes.constant <= values + 1e-13).all()
    assert (planes.bound <= values.min(axis=0)).all()


def test_eps_may_be_an_array_and_an_eighth_is_an_eighth():
    layers, x = pairs(2, 3, 2, seed=0)
    table = least_margin(layers, x, [["1/8", 0.125], [0, "0.25"]], 0)
    assert table.shape == (2, 2)
    assert table[0, 0] == table[0, 1] > table[1, 1]
    assert isinstance(least_margin(layers, x, "1/8", 0), float)


def test_huge_numbers_certify_nothing():
    layers = [(np.full((3, 2), 1e200), np.zeros(3)), (np.full((2, 3), 1e200), np.zeros(2))]
    for method in ("lipschitz", "interval", "linear"):
        with np.errstate(over="ignore", invalid="ignore"):
            assert not least_margin(layers, [1.0, 1.0], 0.1, 0, "linf", method) > 0


@settings(max_examples=60)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(NORMS),
    st.sampled_from([0.0, 5e-324, 1e-300, 1e-3, 1.0, 1e10, 1e250, 1e300]),
)
def test_bounds_hold_for_numbers_of_any_size(seed, norm, eps):
    """Rationals decide: neither what overflows nor what underflows makes a bound too large."""
    rng = np.random.default_rng(seed)
    sizes = (1.0, 1.0, 1.0, 5e-324, 1e-300, 1e-200, 1e200, 1e300)
    widths = [2, 3, 2, 3] if seed % 2 else [2, 3, 3]
    layers = [
        (
            rng.standard_normal((m, n)) * rng.choice(sizes),
            rng.standard_normal(m) * rng.choice(sizes),
        )
        for n, m in itertools.pairwise(widths)
    ]
    x = rng.standard_normal(2) * rng.choice([1.0, 1e-5, 0.0])
    moves = [(0.0, 0.0), (eps, 0.0), (0.0, -eps)]
    if norm == "linf":
        moves += [(eps, -eps), (-eps, -eps)]
    margins = []
    for move in moves:
        z = [Fraction(a) + Fraction(u) for a, u in zip(x.tolist(), move, strict=True)]
        for W, b in layers:
            y = [
                sum((Fraction(w) * v for w, v in zip(row, z, strict=True)), Fraction(offset))
                for row, offset in zip(W.tolist(), b.tolist(), strict=True)
            ]
            z = [max(v, Fraction(0)) for v in y]
        margins.append([y[0] - y[1], y[0] - y[2]])
    true = [min(column) for column in zip(*margins, strict=True)]
    with np.errstate(all="ignore"):
        for method in ("lipschitz", "interval", "linear", "polytope"):
            bounds = margin_bounds(layers, x, eps, 0, norm, method)[1:]
            assert not np.isnan(bounds).any()
            for bound, exact in zip(bounds.tolist(), true, strict=True):
                assert bound < math.inf
                assert bound == -math.inf or Fraction(bound) <= exact


def test_a_constant_is_not_lost_between_small_factors():
    """1e-200 * 1e-200 underflows; with 1e300 behind it the slope is 1e-100, not 0."""
    W, b = np.array([[1e-200]]), np.zeros(1)
    layers = [(W, b), (W, b), (np.array([[1e300], [0.0]]), np.zeros(2))]
    exact = Fraction(1e-200) ** 2 * Fraction(1e300)
    for norm in NORMS:
        assert exact <= Fraction(lipschitz_constant(layers, norm)) <= exact * (1 + Fraction(1e-6))
    assert lipschitz_constant([(1e200 * np.eye(2), np.zeros(2))] * 2) == math.inf


def test_lengths_among_the_subnormal_numbers_are_rounded_up():
    """sqrt(2) times the least double is not that double, and a large ball shows the difference."""
    least = 5e-324
    W = np.array([[least, least], [0.0, 0.0]])
    bound = margin_bounds([(W, np.zeros(2))], [0.0, 0.0], 1e250, 0, "l2", "linear")[1]
    assert bound <= -1.414 * least * 1e250
    assert spectral_norm_above(W) >= 2 * least


def test_the_semidefinite_relaxation_of_extreme_numbers_says_nothing_wrong():
    W = np.array([[1e200, 1.0], [1e-200, -1e150]])
    layers = [(W, np.zeros(2)), (np.array([[1.0, -1e180], [0.0, 1.0]]), np.zeros(2))]
    for eps in (1e-3, 1e200):
        with np.errstate(all="ignore"):
            bound = margin_bounds(layers, [1.0, 1.0], eps, 0, "l2", "semidefinite")[1]
        # At (1, 1) the second unit is off, and the margin is 1e200 + 1.
        assert bound <= 1.1e200


def test_the_radius_has_both_its_properties():
    layers, x = pairs(2, 4, 2, seed=2)
    y = label_of(layers, x)
    for norm in NORMS:
        for method in ("interval", "linear"):
            radius = certified_radius(layers, x, y, norm, method, "1/1024")
            assert least_margin(layers, x, radius, y, norm, method) > 0
            assert not least_margin(layers, x, radius + 2**-10, y, norm, method) > 0
            box = CERTIFIED_RADIUS.enclosure(layers, x, y, norm, method, "1/1024")
            assert box.lo == box.hi == radius


@given(st.integers(1, 6), st.integers(0, 2**31), st.sampled_from([0.0, -1.0, 1e-14]))
def test_least_eigenvalues_are_bounded_from_below(n, seed, shift):
    A = np.random.default_rng(seed).standard_normal((n, n))
    A = A @ A.T + shift * np.eye(n)  # positive semidefinite, or just not
    exact = np.linalg.eigvalsh(A)[0]
    bound = least_eigenvalue_below(A)
    assert bound <= exact + 1e-14 * n * np.abs(A).max()
    assert bound >= min(exact, 0) - 1e-8 * max(1.0, np.abs(A).max())


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: read_network([]), "at least one layer"),
        (lambda: read_network(3), "layers must be a sequence"),
        (lambda: read_network([3]), "a layer must be a pair"),
        (lambda: read_network([([1.0], [1.0])]), "shape"),
        (lambda: read_network([([[1.0]], [1.0, 2.0])]), "bias of layer 0"),
        (lambda: read_network([([[1.0]], [math.inf])]), "must be finite"),
        (lambda: read_network([AffineLayer([[1.0]], [0.0], "relu")]), "last layer"),
        (lambda: margin_bounds([([[1.0]], [0.0])], [1.0], 1, 0), "at least 2 logits"),
        (lambda: margin_bounds(TWO, [1.0], 1, 2), "label must"),
        (lambda: margin_bounds(TWO, [1.0, 2.0], 1, 0), "point must"),
        (lambda: margin_bounds(TWO, [1.0], -1, 0), "eps must"),
        (lambda: margin_bounds(TWO, [1.0], 1, 0, "l7"), "norm must"),
        (lambda: margin_bounds(TWO, [1.0], 1, 0, "l2", "magic"), "method must"),
        (lambda: margin_bounds(TWO, [1.0], 1, 0, "l1", "semidefinite"), "norm must be 'l2'"),
        (lambda: certified_radius(TWO, [1.0], 0, resolution=0.3), "power of 2"),
        (lambda: lipschitz_radius([1.0, 0.0], 0, -1), "lipschitz must"),
        (lambda: convolution_layer(np.ones((1, 1, 3)), [0.0], (1, 4, 4)), "kernel must"),
        (lambda: convolution_layer(np.ones((1, 1, 5, 5)), [0.0], (1, 4, 4)), "must fit"),
        (lambda: convolution_layer(np.ones((1, 2, 3, 3)), [0.0], (1, 4, 4)), "no input"),
    ],
)
def test_wrong_arguments_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


TWO = [([[1.0], [-1.0]], [0.0, 0.0])]
