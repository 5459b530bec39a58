"""W1 between images: by other roads, in rationals, and where it is easy to be wrong."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from robust_theory import apply_flow, grid_wasserstein
from robust_theory.wasserstein.exact_flow import integer_flow, lipschitz, proves_optimal
from robust_theory.wasserstein.flow import flow_arrays, flow_shapes, flow_vector
from robust_theory.wasserstein.grid import METHODS, grid_wasserstein_batch
from robust_theory.wasserstein.grid_transport import EIGHT_OVER_L2, diameter, flow_cost, steepness
from robust_theory.wasserstein.image_pairs import read_pair
from validation.experiments.grid import assigned_cost, signed_flow_limits

SOLVERS = METHODS[1:-1]
# All methods promise this share of mass times diameter.
AGREE = 1e-12


def full_transport(x, y, ground):
    """The linear program over all pairs of pixels, mass that both images share included."""
    pixels = np.argwhere(np.ones(x.shape, bool))
    gaps = pixels[:, None] - pixels[None]
    costs = np.abs(gaps).sum(-1) if ground == "l1" else np.sqrt((gaps**2).sum(-1))
    n = x.size
    rows = np.kron(np.eye(n), np.ones(n))
    columns = np.kron(np.ones(n), np.eye(n))
    wanted = np.concatenate([x.ravel(), y.ravel()])[:-1]
    answer = linprog(costs.ravel(), A_eq=np.vstack([rows, columns])[:-1], b_eq=wanted)
    assert answer.status == 0
    return answer.fun


def blobs(rng, n, sparse=False):
    """An 8-bit image of a few smooth spots, on black if `sparse`."""
    i, j = np.mgrid[:n, :n]
    image = np.zeros((n, n))
    for _ in range(4):
        a, b, s = *rng.uniform(0, n, 2), rng.uniform(n / 12, n / 5)
        image += rng.uniform(0.3, 1) * np.exp(-((i - a) ** 2 + (j - b) ** 2) / (2 * s * s))
    image = np.maximum(image - 0.3, 0) if sparse else image + 0.05 * rng.random((n, n))
    return np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)


@st.composite
def equal_masses(draw, most=9, sides=5, signed=True):
    """Two integer images with the same sum; ties, zeros and lines are frequent."""
    n, m = draw(st.integers(1, sides)), draw(st.integers(1, sides))
    pixel = st.integers(-most if signed else 0, most) | st.just(0)
    x, y = (draw(st.lists(pixel, min_size=n * m, max_size=n * m)) for _ in range(2))
    where, gap = draw(st.integers(0, n * m - 1)), sum(x) - sum(y)
    if gap > 0:
        y[where] += gap
    else:
        x[where] -= gap
    return np.array(x).reshape(n, m), np.array(y).reshape(n, m)


# ------------------------------------------------------------------------------- flow plans


def applied_by_hand(x, vertical, horizontal):
    """Definition 3.1, letter by letter."""
    n, m = x.shape
    result = np.zeros(x.shape)
    for i in range(n):
        for j in range(m):
            above = vertical[i - 1, j] if i > 0 else 0
            below = vertical[i, j] if i < n - 1 else 0
            left = horizontal[i, j - 1] if j > 0 else 0
            right = horizontal[i, j] if j < m - 1 else 0
            result[i, j] = x[i, j] + above - below + left - right
    return result


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**32))
def test_a_plan_is_applied_as_defined_and_plans_add_up(n, m, seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(-9, 9, (n, m))
    first, second = (
        tuple(rng.integers(-9, 9, s) for s in flow_shapes((n, m), 2)) for _ in range(2)
    )
    assert (apply_flow(x, first) == applied_by_hand(x, *first)).all()
    both = tuple(a + b for a, b in zip(first, second, strict=True))
    assert (apply_flow(apply_flow(x, first), second) == apply_flow(x, both)).all()
    assert apply_flow(x, first).sum() == x.sum()
    assert (apply_flow(x, flow_vector(first)) == apply_flow(x, first)).all()
    colour = np.stack([x, 2 * x], axis=2)
    parts = tuple(np.stack([a, b], axis=2) for a, b in zip(first, second, strict=True))
    moved = apply_flow(colour, parts)
    assert (moved[..., 0] == apply_flow(x, first)).all()
    assert (moved[..., 1] == apply_flow(2 * x, second)).all()


def test_positive_flow_goes_down_and_to_the_right():
    x = np.array([[200, 0], [0, 0]], np.uint8)
    down, right = np.array([[3, 0]]), np.array([[250], [0]])
    assert apply_flow(x, (down, right)).tolist() == [[-53, 250], [3, 0]]
    assert apply_flow([5, 0, 0], [2, 1]).tolist() == [3, 1, 1]
    assert apply_flow([5, 0, 0], ([2, 1],)).tolist() == [3, 1, 1]
    slanted = (np.zeros((1, 2), int), np.zeros((2, 1), int), np.array([[7]]), np.array([[4]]))
    assert apply_flow(x, slanted).tolist() == [[193, -4], [4, 7]]


def test_plans_keep_the_kind_of_their_numbers():
    thirds = np.array([[Fraction(1, 3), Fraction(2, 3)]], object)
    moved = apply_flow(thirds, (np.zeros((0, 2), object), np.array([[Fraction(1, 6)]], object)))
    assert moved.tolist() == [[Fraction(1, 6), Fraction(5, 6)]]
    assert apply_flow(np.zeros((1, 2)), (np.zeros((0, 2)), np.ones((1, 1)))).dtype == np.float64
    assert apply_flow(np.ones(1, np.int8), np.zeros(0)).tolist() == [1]


@pytest.mark.parametrize(
    "flow",
    [np.zeros((2, 2)), (np.zeros((2, 3)),), np.zeros(5), None, "x", [[1, 2], [3]], [1j] * 12],
)
def test_plans_of_another_shape_are_refused(flow):
    with pytest.raises(ValueError, match="flow must"):
        apply_flow(np.zeros((3, 3)), flow)


@pytest.mark.parametrize("x", [1.0, np.zeros((2, 2, 2, 2)), np.zeros((0, 3)), ["a"], [[1], [1, 2]]])
def test_images_that_are_none_are_refused(x):
    with pytest.raises(ValueError, match="x must"):
        apply_flow(x, np.zeros(0))


@given(st.integers(1, 4), st.integers(1, 4), st.sampled_from([2, 4]), st.integers(0, 2**32))
def test_flat_plans_and_their_arrays_are_one(n, m, directions, seed):
    shapes = flow_shapes((n, m), directions)
    flat = np.random.default_rng(seed).normal(size=sum(map(math.prod, shapes)))
    parts = flow_arrays(flat, (n, m), directions)
    assert tuple(part.shape for part in parts) == shapes
    assert (flow_vector(parts) == flat).all()
    # One diagonal step moves mass as two straight ones do.
    assert math.isclose(apply_flow(np.ones((n, m)), parts).sum(), n * m, rel_tol=1e-12)


# ----------------------------------------------------------------------------- the distance


@settings(max_examples=20)  # each example solves many problems
@given(equal_masses())
def test_the_exact_distance_proves_itself_from_every_start(pair):
    x, y = pair
    results = [grid_wasserstein(x, y, exact=True, method=m) for m in (*METHODS[1:], None)]
    assert len({result.value for result in results}) == 1
    for result in results:
        assert result.verify()
        assert isinstance(result.value, Fraction)
        assert (apply_flow(x, result.flow) == y).all()
        assert flow_cost(result.flow) == result.value == (result.potential * (x - y)).sum()
        assert steepness(result.potential, "l1") <= 1


@settings(max_examples=20)  # each example solves many problems
@given(equal_masses())
def test_all_methods_agree(pair):
    x, y = pair
    exact = grid_wasserstein(x, y, exact=True).value
    tolerance = AGREE * (np.abs(x).sum() + np.abs(y).sum()) / 2 * diameter(x.shape)
    for method in SOLVERS:
        result = grid_wasserstein(x, y, method=method)
        assert result.method == method
        assert result.verify()
        assert abs(result.value - exact) <= tolerance
        assert result.lower <= exact <= result.upper
    assert abs(grid_wasserstein(x / 7, y / 7).value - exact / 7) <= tolerance


@settings(max_examples=20)  # each example solves many problems
@given(equal_masses(most=4, sides=3, signed=False))
def test_the_distance_is_that_of_the_transport_problem(pair):
    x, y = pair
    assert grid_wasserstein(x, y, exact=True).value == assigned_cost(x, y)
    for ground in ("l1", "l2"):
        result = grid_wasserstein(x, y, ground)
        # HiGHS asks for reduced costs above -1e-7 only, in its own units.
        assert result.value == pytest.approx(full_transport(x, y, ground), abs=1e-6)
        assert result.verify()


@given(equal_masses(sides=4))
def test_no_circulation_makes_a_flow_cheaper(pair):
    x, y = pair
    value = grid_wasserstein(x, y, exact=True).value
    assert signed_flow_limits(x, y) == (value, value)


@settings(max_examples=20)  # each example solves many problems
@given(equal_masses(sides=4))
def test_the_bracket_contains_the_l2_distance(pair):
    x, y = pair
    result = grid_wasserstein(x, y, "l2")
    assert not result.is_bracket
    assert result.verify()
    assert result.method == ("cumulative" if 1 in x.shape else "transport")
    if 1 in x.shape:
        return
    wide = grid_wasserstein(x, y, "l2", method="eight-neighbours")
    assert wide.is_bracket
    assert wide.verify()
    assert wide.lower <= result.upper
    assert result.lower <= wide.upper
    slack = AGREE * (np.abs(x).sum() + np.abs(y).sum()) * diameter(x.shape)
    assert wide.value <= wide.upper <= EIGHT_OVER_L2 * wide.lower + slack
    assert np.abs(apply_flow(x, wide.flow) - y).max() < 1e-9
    assert len(wide.flow) == 4
    # Not below the l1 distance over sqrt(2), nor above it.
    straight = grid_wasserstein(x, y).value
    assert straight / math.sqrt(2) - 1e-9 <= result.value <= straight + 1e-9


@settings(max_examples=20)  # each example solves many problems
@given(equal_masses(), equal_masses())
def test_it_is_a_metric_that_depends_on_the_difference_only(pair, other):
    x, y = pair
    z = np.roll(y, 1, axis=0)[::-1]

    def distance(a, b):
        return grid_wasserstein(a, b, exact=True).value

    assert distance(x, y) == distance(y, x)
    assert distance(x, z) <= distance(x, y) + distance(y, z)
    assert distance(x, x) == 0
    assert (distance(x, y) == 0) == (x == y).all()
    assert distance(x + 3, y + 3) == distance(x, y)
    assert distance(5 * x, 5 * y) == 5 * distance(x, y)


def test_a_unit_pays_for_its_way():
    for ground, length in (("l1", 7), ("l2", 5)):
        x, y = np.zeros((5, 6)), np.zeros((5, 6))
        x[0, 5], y[3, 1] = 1, 1
        assert grid_wasserstein(x, y, ground).value == pytest.approx(length, rel=1e-14)
    wide = grid_wasserstein(x, y, "l2", method="eight-neighbours")
    assert wide.upper == pytest.approx(1 + 3 * math.sqrt(2), rel=1e-12)
    # The largest ratio of 8-neighbour to l2 distance is one over cos(pi/8), rounded up here.
    # E >= sqrt(4 - 2 sqrt(2)) if and only if (4 - E^2)^2 <= 8.
    assert (4 - Fraction(EIGHT_OVER_L2) ** 2) ** 2 <= 8
    assert math.isclose(EIGHT_OVER_L2, 1 / math.cos(math.pi / 8), rel_tol=1e-15)
    ratios = [(max(a, b) + (math.sqrt(2) - 1) * min(a, b)) / math.hypot(a, b)
              for a in range(1, 200) for b in range(200)]  # fmt: skip
    assert 1.08239 < max(ratios) < EIGHT_OVER_L2


# ------------------------------------------------------------------------------ real sizes


@pytest.mark.parametrize("n", [6, 28])
@pytest.mark.parametrize("sparse", [False, True])
def test_8_bit_images_are_proved_optimal_in_rationals(n, sparse):
    rng = np.random.default_rng(n)
    x, y = blobs(rng, n, sparse), blobs(rng, n, sparse)
    result = grid_wasserstein(x, y, exact=True, normalise=True)
    assert result.verify()
    assert result.x.sum() == result.y.sum() == 1
    assert result.value == flow_cost(result.flow)
    assert result.value.denominator <= int(x.sum()) * int(y.sum())
    for method in SOLVERS:
        rounded = grid_wasserstein(x, y, method=method, normalise=True)
        assert abs(rounded.value - result.value) <= AGREE * diameter((n, n))
    floats = grid_wasserstein(x / x.sum(), y / y.sum())
    assert abs(floats.value - result.value) <= AGREE * diameter((n, n))
    l2 = grid_wasserstein(x, y, "l2", normalise=True)
    wide = grid_wasserstein(x, y, "l2", normalise=True, method="eight-neighbours")
    assert l2.verify()
    assert wide.verify()
    assert wide.lower <= l2.value <= wide.upper


def test_sizes_choose_the_method():
    def chosen(shape, ground):
        return grid_wasserstein(np.zeros(shape), np.zeros(shape), ground).method

    assert chosen(9, "l1") == chosen((1, 9), "l2") == chosen((9, 1, 3), "l2") == "cumulative"
    assert chosen((128, 128), "l1") == "potential"
    assert chosen((129, 128), "l1") == "flow-ipm"
    assert chosen((64, 64), "l2") == "transport"
    assert chosen((65, 64), "l2") == "eight-neighbours"


# ---------------------------------------------------------------------------- exact numbers


def test_decimals_fractions_and_large_integers_are_exact():
    assert grid_wasserstein([0.1, 0.2, 0.7], [0.3, 0.3, 0.4], exact=True).value == Fraction(1, 2)
    third = Fraction(1, 3)
    result = grid_wasserstein([[third, 0], [0, third]], [[0, third], [third, 0]], exact=True)
    assert result.value == Fraction(2, 3)
    big = 10**40
    x, y = [[big, 1], [0, 0]], [[0, 0], [1, big]]
    for method in (*SOLVERS, "integers"):
        assert grid_wasserstein(x, y, exact=True, method=method).value == 2 * big
    with pytest.raises(ValueError, match=r"same mass, got 0.6 and 0.6000000000000001"):
        grid_wasserstein([0.6, 0], [0, 0.1 + 0.2 + 0.3], exact=True)
    assert grid_wasserstein([0.6, 0], [0, 0.1 + 0.2 + 0.3]).value == pytest.approx(0.6)


@given(equal_masses(sides=4), st.integers(0, 2**32))
def test_any_start_is_repaired(pair, seed):
    supply = (pair[0] - pair[1]).astype(object)
    rng = np.random.default_rng(seed)
    edges = len(flow_vector(flow_arrays(np.zeros(99), supply.shape)))
    best = integer_flow(supply)
    wrong = integer_flow(supply, rng.normal(0, 20, edges), rng.normal(0, 5, supply.shape))
    for found in (best, wrong):
        assert proves_optimal(supply, found.flow, found.potential)
    assert flow_cost(best.flow) == flow_cost(wrong.flow)
    again = integer_flow(supply, flow_vector(best.flow), best.potential)
    assert again.repairs == 0


def test_a_wrong_proof_in_integers_is_seen():
    supply = np.array([[2, -1, -1]], object)
    found = integer_flow(supply)
    assert proves_optimal(supply, found.flow, found.potential)
    assert not proves_optimal(supply, found.flow, 2 * found.potential)
    assert not proves_optimal(supply, found.flow, 0 * found.potential)
    assert not proves_optimal(2 * supply, found.flow, found.potential)
    with pytest.raises(ValueError, match="supply must sum to 0, got 1"):
        integer_flow(np.array([[1, 0]], object))


@given(st.integers(0, 2**32))
def test_potentials_become_integers_of_slope_one(seed):
    rng = np.random.default_rng(seed)
    steep = rng.normal(0, 10, (4, 5))
    whole = lipschitz(steep)
    assert whole.dtype == np.int64
    assert steepness(whole, "l1") <= 1
    assert (lipschitz(whole + 0.25) == whole - whole.flat[0]).all()


# ------------------------------------------------------------------------------ edge cases


def test_colour_is_the_sum_of_its_channels():
    rng = np.random.default_rng(5)
    x = rng.integers(0, 256, (4, 6, 3))
    x[..., 1] = 0  # a black channel
    y = rng.permuted(x.reshape(-1, 3), axis=0).reshape(x.shape)
    for ground in ("l1", "l2"):
        result = grid_wasserstein(x, y, ground)
        alone = [grid_wasserstein(x[..., k], y[..., k], ground).value for k in range(3)]
        assert result.value == pytest.approx(sum(alone), rel=1e-13)
        assert result.verify()
    exact = grid_wasserstein(x, y, exact=True, normalise=True)
    assert exact.value == Fraction(grid_wasserstein(x, y, exact=True).value, int(x.sum()))
    with pytest.raises(ValueError, match=r"between channels, got 0\.0 and 1\.0 in channel 1"):
        grid_wasserstein([[[2, 0], [0, 0]]], [[[0, 1], [2, 0]]])
    with pytest.raises(ValueError, match=r"got 0\.5 and 0\.25 in channel 0"):
        grid_wasserstein([[[1, 1]]], [[[1, 3]]], normalise=True)


@pytest.mark.parametrize("shape", [(1,), (1, 1), (3, 3), (1, 4), (4, 1), (2, 2, 3)])
@pytest.mark.parametrize("exact", [False, True])
def test_images_that_need_no_transport(shape, exact):
    for image in (np.zeros(shape, int), -np.ones(shape, int)):
        for ground in ("l1",) if exact else ("l1", "l2"):
            result = grid_wasserstein(image, image, ground, exact=exact)
            assert result.value == result.lower == 0
            assert result.upper <= 1e-12
            assert result.verify()
            assert result.potential.shape == shape
    with pytest.raises(ValueError, match="x must have a positive sum to be normalised, got 0"):
        grid_wasserstein(np.zeros(shape), np.zeros(shape), exact=exact, normalise=True)


def test_negative_pixels_are_transported():
    x, y = [[-3, 0], [0, 4]], [[0, 0], [0, 1]]
    assert grid_wasserstein(x, y, exact=True).value == 6
    assert grid_wasserstein(x, y, "l2").value == pytest.approx(3 * math.sqrt(2))


REFUSED = {
    "different masses": ([[1, 2]], [[1, 1]], {}, r"same mass, got 3.0 and 2.0; normalise=True"),
    "different shapes": ([[1, 2]], [1, 2], {}, r"same shape, got \(1, 2\) and \(2,\)"),
    "nan": ([[0, math.nan]], [[0, 0]], {}, r"x must be finite, got nan at pixel \(0, 1\)"),
    "infinity": ([0.0], [math.inf], {}, r"y must be finite, got inf at pixel \(0,\)"),
    "a number": (1, 1, {}, r"x must have shape"),
    "no pixel": ([], [], {}, r"at least one pixel, got \(0,\)"),
    "batch": (np.zeros((2, 2, 2, 2)),) * 2 + ({}, r"x must have shape"),
    "text": (["a"], ["a"], {}, r"x must hold numbers"),
    "ragged": ([[1], [1, 2]], [[1]], {}, r"x must be an array of one shape"),
    "objects": ([None, 1], [1, 0], {"exact": True}, r"every pixel of x must be a finite number"),
    "ground": ([1], [1], {"ground": "linf"}, r"ground must be 'l1' or 'l2', got 'linf'"),
    "exact l2": (np.eye(2), np.eye(2), {"ground": "l2", "exact": True}, r"distances are irrat"),
    "method": (np.eye(2), np.eye(2), {"method": "magic"}, r"method must be 'potential' or .* 'mag"),
    "closed form": (np.eye(2), np.eye(2), {"method": "cumulative"}, r"method must be"),
    "integers": (np.eye(2), np.eye(2), {"method": "integers"}, r"and exact=False, got 'integers'"),
    "l2 by flow": (np.eye(2), np.eye(2), {"ground": "l2", "method": "flow"}, r"method must be"),
    "negative sum": ([-1, 0], [0, -1], {"normalise": True}, r"positive sum .* got -1"),
    "float sum": ([0.5], [-0.5], {"normalise": True}, r"y must have a positive sum .* got -0.5"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_distance_is_refused(name):
    x, y, options, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        grid_wasserstein(x, y, **options)


def test_roundings_of_the_mass_are_no_difference():
    rng = np.random.default_rng(0)
    x, y = (rng.random((28, 28)).astype(np.float32) for _ in range(2))
    x, y = x / x.sum(), y / y.sum()
    result = grid_wasserstein(x, y)
    exact = grid_wasserstein(x.astype(float), y.astype(float), normalise=True, exact=True)
    # Both sums are off by a few roundings of single precision, over distances up to 54.
    assert abs(result.value - exact.value) < 54 * 10 * np.finfo(np.float32).eps
    with pytest.raises(ValueError, match="same mass"):
        grid_wasserstein(x * 1.001, y)
    mixed = read_pair(np.array([Fraction(1, 3)], object), [1 / 3], exact=False, normalise=False)
    assert mixed.supply.tolist() == [0.0]


@pytest.mark.parametrize("size", [1e-300, 1e-12, 1e12, 1e300])
def test_units_of_mass_do_not_matter(size):
    x = np.random.default_rng(4).random((4, 5))
    y = x[::-1, ::-1]
    for ground in ("l1", "l2"):
        unit = grid_wasserstein(x, y, ground)
        scaled = grid_wasserstein(x * size, y * size, ground)
        # Two roundings a pixel, over distances up to 7.
        assert scaled.value == pytest.approx(unit.value * size, rel=1e-13)
        assert scaled.verify()


def test_a_batch_is_one_by_one():
    rng = np.random.default_rng(1)
    x = rng.integers(0, 9, (3, 4, 4))
    results = grid_wasserstein_batch(x, x[:, ::-1], exact=True)
    assert [r.value for r in results] == [grid_wasserstein(a, a[::-1], exact=True).value for a in x]
    assert {r.method for r in results} == {"potential"}
    many = grid_wasserstein_batch([x[0]] * 250, [x[1]] * 250, normalise=True)
    assert {r.method for r in many} == {"transport"}
    lines = grid_wasserstein_batch([x[0, 0]] * 250, [x[0, 0, ::-1]] * 250)
    assert {r.method for r in lines} == {"cumulative"}
    assert grid_wasserstein_batch([], []) == ()
    with pytest.raises(ValueError, match="shorter"):
        grid_wasserstein_batch(x, x[:2])


# ------------------------------------------------------------------------------- the proof


@pytest.mark.parametrize("exact", [False, True])
def test_no_wrong_proof_is_accepted(exact):
    rng = np.random.default_rng(2)
    x = rng.integers(0, 9, (4, 5))
    y = rng.permuted(x.ravel()).reshape(x.shape)
    result = grid_wasserstein(x, y, exact=exact)
    assert result.verify()
    detour = np.array(result.flow[0])
    detour[0, 0] += 1
    steep = np.array(result.potential)
    steep[0, 0] += 2
    flat = 0 * result.potential
    wrong = {
        "does not take x to y": {"flow": (detour, result.flow[1])},
        "differs by more than": {"potential": steep},
        "the potential proves": {"potential": flat},
        "value": {"value": result.value - 1},
        "between": {"upper": result.upper - 1},
        "too far apart" if not exact else "but the value": {"lower": result.lower - 1},
    }
    for words, change in wrong.items():
        problems = replace(result, **change).problems()
        assert any(words in problem for problem in problems), (words, problems)
    # A circulation costs, although the flow still takes x to y.
    round_about = [np.array(part) for part in result.flow]
    round_about[0][0, 0] += 50
    round_about[1][1, 0] += 50
    round_about[0][0, 1] -= 50
    round_about[1][0, 0] -= 50
    problems = replace(result, flow=tuple(round_about)).problems()
    assert len(problems) >= 1
    assert not any("does not take" in problem for problem in problems)
    if exact:
        assert replace(result, potential=result.potential / 2).problems()


def test_a_wrong_transport_plan_is_seen():
    x, y = np.array([[4, 0], [0, 0]]), np.array([[0, 1], [1, 2]])
    result = grid_wasserstein(x, y, "l2")
    assert result.value == pytest.approx(2 + 2 * math.sqrt(2), rel=1e-14)
    assert result.verify()
    (plan,) = result.plan
    for change in ({"mass": plan.mass * 2}, {"targets": plan.targets[::-1]}):
        assert not replace(result, plan=(replace(plan, **change),)).verify()


def test_solvers_that_fail_are_errors(monkeypatch):
    import ot
    import scipy.optimize

    x, y = np.eye(3), np.eye(3)[::-1]
    honest = scipy.optimize.linprog
    monkeypatch.setattr(
        scipy.optimize, "linprog", lambda *a, **k: honest(*a, **k, options={"maxiter": 0})
    )
    with pytest.raises(ArithmeticError, match="the linear program was not solved"):
        grid_wasserstein(x, y)
    table = np.zeros((2, 2))
    log = {"warning": "numItermax reached", "v": np.zeros(2)}
    monkeypatch.setattr(ot, "emd", lambda *a, **k: (table, log))
    with pytest.raises(ArithmeticError, match="numItermax reached"):
        grid_wasserstein(x, y, method="transport")
    log["warning"] = None
    with pytest.raises(ArithmeticError, match="does not take x to y"):
        grid_wasserstein(x, y, method="transport")
    # In integers a useless start is repaired.
    assert grid_wasserstein(x, y, method="transport", exact=True).value == 4
