"""Two classes: brute force, other solvers, hand-made cases, and proofs that catch corruption."""

import dataclasses
import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment, linprog
from scipy.spatial.distance import cdist

from robust_theory.risks import augmenting, growing, matching
from robust_theory.risks.curve import risk_curve
from robust_theory.risks.risk import (
    common_inputs,
    optimal_risk,
    optimal_risk_of_relation,
    optimal_risks,
)
from robust_theory.risks.sample_limits import conflict_risk, population_lower_bound

NORMS = ["l2", "linf", "l1"]


def by_brute_force(X0, X1, eps, weights, norm, closed):
    """Least weight of a set that touches all conflicts, over all sets."""
    reach = {"l2": 4 * eps**2, "l1": 2 * eps, "linf": 2 * eps}[norm]

    def key(x, z):
        gaps = [abs(int(a) - int(b)) for a, b in zip(x, z, strict=True)]
        return {"l2": sum(g * g for g in gaps), "l1": sum(gaps), "linf": max(gaps)}[norm]

    edges = [
        (i, len(X0) + j)
        for i, x in enumerate(X0)
        for j, z in enumerate(X1)
        if key(x, z) < reach or (closed and key(x, z) == reach)
    ]
    return min(
        sum((w for w, taken in zip(weights, cover, strict=True) if taken), Fraction(0))
        for cover in itertools.product((0, 1), repeat=len(weights))
        if all(cover[i] or cover[j] for i, j in edges)
    )


@st.composite
def problems(draw):
    sizes = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    points = st.tuples(st.integers(0, 5), st.integers(0, 5))
    samples = [draw(st.lists(points, min_size=n, max_size=n)) for n in sizes]
    # Denominators beyond every machine integer, too.
    weight = st.integers(1, 4) | st.builds(Fraction, st.integers(0, 9), st.just(10**20 + 39))
    weights = [
        draw(st.none() | st.lists(weight, min_size=n, max_size=n).filter(any)) for n in sizes
    ]
    prior = draw(st.just(Fraction(1, 2)) | st.builds(Fraction, st.integers(0, 7), st.just(7)))
    eps = draw(st.builds(Fraction, st.integers(0, 8), st.just(2)))
    return samples, weights, prior, eps, draw(st.sampled_from(NORMS)), draw(st.booleans())


@given(problems())
def test_risk_is_the_lightest_cover_and_its_proof_holds(problem):
    (X0, X1), weights, prior, eps, norm, closed = problem
    joint = [
        share * Fraction(w) / sum(map(Fraction, given))
        for share, given in zip(
            (prior, 1 - prior),
            [w or [1] * len(X) for w, X in zip(weights, (X0, X1), strict=True)],
            strict=True,
        )
        for w in given
    ]
    expected = by_brute_force(X0, X1, eps, joint, norm, closed)
    options = {
        "weights0": weights[0],
        "weights1": weights[1],
        "prior0": prior,
        "closed": closed,
    }
    result = optimal_risk(X0, X1, eps, norm, **options)
    assert result.risk == expected
    assert isinstance(result.risk, Fraction)
    assert result.problems() == ()
    assert optimal_risks(X0, X1, [5, eps], norm, **options)[1] == expected
    assert risk_curve(X0, X1, norm, eps_max=5, **options)(eps) == expected


@given(problems())
def test_optimal_classifier_errs_on_the_cover_only(problem):
    (X0, X1), weights, prior, eps, norm, _ = problem
    result = optimal_risk(X0, X1, eps, norm, weights0=weights[0], weights1=weights[1], prior0=prior)
    kept = result.survivors
    # The adversary's best moves are half-way to the other class, and none at all.
    for label, (mine, others) in enumerate(((X0, X1), (X1, X0))):
        for i in kept[label]:
            x = np.array(mine[i], float)
            moves = [x, *((x + np.array(z)) / 2 for z in others)]
            inside = [m for m in moves if cdist([m], [x], metric(norm))[0, 0] <= eps]
            assert (result.classifier(inside) == label).all()


def metric(norm):
    return {"l2": "euclidean", "linf": "chebyshev", "l1": "cityblock"}[norm]


@given(problems(), st.data())
def test_corrupted_proofs_are_caught(problem, data):
    (X0, X1), weights, prior, eps, norm, closed = problem
    result = optimal_risk(
        X0, X1, eps, norm, weights0=weights[0], weights1=weights[1], prior0=prior, closed=closed
    )
    total = result.weights.total
    for risk in (result.risk + Fraction(1, total), result.risk - Fraction(1, total)):
        assert not dataclasses.replace(result, risk=risk).verify()
    shares = list(result.weights.shares)
    shares[data.draw(st.integers(0, len(shares) - 1))] += 1
    worse = dataclasses.replace(result.weights, shares=tuple(shares))
    assert not dataclasses.replace(result, weights=worse).verify()
    if not len(result.matching):
        return
    k = data.draw(st.integers(0, len(result.matching) - 1))
    assert not dataclasses.replace(result, mass=np.delete(result.mass, k)).verify()
    dropped = dataclasses.replace(
        result, matching=np.delete(result.matching, k, 0), mass=np.delete(result.mass, k)
    )
    assert not dropped.verify()
    doubled = result.mass.copy()
    doubled[k] *= 2
    assert not dataclasses.replace(result, mass=doubled).verify()
    pairs = result.matching.copy()
    pairs[k] = len(X0), len(X1)
    assert not dataclasses.replace(result, matching=pairs).verify()
    for name in ("cover0", "cover1"):
        cover = getattr(result, name)
        heavy = [v for v in cover if result.weights.shares[v + (name == "cover1") * len(X0)]]
        if heavy:
            short = cover[cover != heavy[0]]
            assert not dataclasses.replace(result, **{name: short}).verify()
    # A distance: one matched point moved out of reach of everything.
    first, second = result.samples
    values = first.values.copy()
    values[result.matching[k, 0]] += 1000
    moved = (dataclasses.replace(first, values=values), second)
    assert not dataclasses.replace(result, samples=moved).verify()


def test_a_missed_conflict_is_caught():
    result = optimal_risk([[0], [10]], [[1], [30]], 1)
    first, second = result.samples
    nearer = dataclasses.replace(second, values=np.array([[1], [11]]))
    assert (
        "the cover misses a conflict"
        in dataclasses.replace(result, samples=(first, nearer)).problems()
    )


def test_a_curve_of_unequal_weights_ends_where_another_flow_does():
    # Classes of 300 and 307 points: everybody has a little left, and paths become long.
    draw = np.random.default_rng(1)
    X0, X1 = draw.normal(size=(300, 2)), draw.normal(size=(307, 2))
    curve = risk_curve(X0, X1, eps_max="0.2")
    assert len(curve.keys) > 300
    grid = [Fraction(k, 50) for k in range(11)]
    assert [curve(eps) for eps in grid] == list(optimal_risks(X0, X1, grid))
    assert all(a < b for a, b in zip(curve.risk, curve.risk[1:], strict=False))


@pytest.mark.parametrize("compiled", [True, False])
@given(data=st.data())
def test_flows_grow_as_whole_flows_do(compiled, data):
    draw = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    n, m = draw.integers(1, 8, 2)
    rows, columns = np.nonzero(draw.random((n, m)) < 0.5)
    order = draw.permutation(len(rows))
    rows, columns = rows[order], columns[order]
    left, right = draw.integers(0, 9, n).tolist(), draw.integers(0, 9, m).tolist()
    scale = 1 if compiled else 10**30
    gains, carried = matching.growing_flow(
        rows, columns, [x * scale for x in left], [x * scale for x in right]
    )
    for k in range(len(rows) + 1):
        whole = matching.maximum_flow(rows[:k], columns[:k], left, right).sum() if k else 0
        assert sum(gains[:k].tolist()) == int(whole) * scale
    assert sum(carried.tolist()) == sum(gains.tolist())


def test_without_numba_the_results_are_the_same(monkeypatch):
    draw = np.random.default_rng(3)
    X0, X1 = draw.integers(0, 30, (60, 2)), draw.integers(0, 30, (70, 2))
    prior = Fraction(60, 130)
    with_it = [risk_curve(X0, X1, eps_max=6, prior0=p) for p in (prior, "1/2")]
    monkeypatch.setattr(matching, "compile_if_possible", lambda function: None)
    for curve, p in zip(with_it, (prior, "1/2"), strict=True):
        plain = risk_curve(X0, X1, eps_max=6, prior0=p)
        assert plain.risk == curve.risk
        assert np.array_equal(plain.keys, curve.keys)


@pytest.mark.parametrize("compiled", [True, False])
def test_points_on_a_line_end_soon(monkeypatch, compiled):
    """Each point conflicts with a run of the sorted others; SciPy's matching does not end there."""
    if not compiled:
        monkeypatch.setattr(matching, "compile_if_possible", lambda function: None)
    rng = np.random.default_rng(0)
    X0, X1 = rng.random((2000, 1)), rng.random((2000, 1))
    eps = float(np.sort(np.abs(X0 - X1.T).ravel())[53_000]) / 2
    # On a line the greedy pairing of neighbours is a maximum matching.
    a, b = np.sort(X0.ravel()), np.sort(X1.ravel())
    i = j = pairs = 0
    while i < len(a) and j < len(b):
        if abs(Fraction(a[i]) - Fraction(b[j])) <= 2 * Fraction(repr(eps)):
            pairs, i, j = pairs + 1, i + 1, j + 1
        elif a[i] < b[j]:
            i += 1
        else:
            j += 1
    assert optimal_risk(X0, X1, eps, "linf").risk == Fraction(pairs, 4000)


def test_compiling_falls_back_where_nothing_can_be_kept(monkeypatch):
    numba = pytest.importorskip("numba")

    def njit(function=None, **options):
        if options:
            raise RuntimeError("cannot cache function: no locator available")
        return function

    monkeypatch.setattr(numba, "njit", njit)
    augmenting.compile_if_possible.cache_clear()
    assert augmenting.compile_if_possible(growing.grow) is growing.grow
    augmenting.compile_if_possible.cache_clear()


@pytest.mark.parametrize("n", [30, 120])
@pytest.mark.parametrize("seed", [0, 1])
def test_four_other_solvers_agree(n, seed):
    import ot

    draw = np.random.default_rng(seed)
    X0, X1 = draw.integers(0, 40, (n, 2)), draw.integers(4, 44, (n, 2))
    eps = 2
    near = cdist(X0, X1, "sqeuclidean") <= 4 * eps**2
    result = optimal_risk(X0, X1, eps)
    matched = int(2 * n * result.risk)
    i, j = linear_sum_assignment(~near)
    assert near[i, j].sum() == matched
    plan = ot.emd(np.full(n, 1 / n), np.full(n, 1 / n), (~near).astype(float))
    # Each of n equal masses is off by a few roundings.
    assert (plan * near).sum() == pytest.approx(matched / n, abs=n * 2**-50)
    rows, columns = np.nonzero(near)
    edges = np.arange(len(rows))
    table = np.zeros((2 * n, len(rows)))
    table[rows, edges] = table[n + columns, edges] = 1
    program = linprog(-np.ones(len(rows)), A_ub=table, b_ub=np.ones(2 * n), method="highs")
    # HiGHS's own tolerance of 1e-7 per constraint.
    assert -program.fun == pytest.approx(matched, abs=2 * n * 1e-7)


@pytest.mark.parametrize(("n0", "n1", "prior0"), [(9, 9, "1/2"), (7, 10, "1/2"), (10, 6, "3/10")])
def test_the_transport_program_agrees(n0, n1, prior0):
    import cvxpy

    draw = np.random.default_rng(n0)
    X0, X1 = draw.integers(0, 9, (n0, 2)), draw.integers(1, 10, (n1, 2))
    result = optimal_risk(X0, X1, 1, prior0=prior0)
    assert 0 < result.risk < Fraction(prior0)
    near = cdist(X0, X1, "sqeuclidean") <= 4
    p = float(Fraction(prior0))
    # Couple as much as possible of the two weighted laws at cost 0; the rest stays uncoupled.
    plan = cvxpy.Variable((n0, n1), nonneg=True)
    laws = [cvxpy.sum(plan, axis=1) <= p / n0, cvxpy.sum(plan, axis=0) <= (1 - p) / n1]
    most = cvxpy.Problem(cvxpy.Maximize(cvxpy.sum(cvxpy.multiply(near, plan))), laws).solve()
    # The solver's accuracy, some 1e-8, with room.
    assert most == pytest.approx(float(result.risk), abs=1e-6)
    if prior0 == "1/2":
        # The chapter's form: a full coupling of the two laws with the 0/1 cost, and (1 - D) / 2.
        full = [cvxpy.sum(plan, axis=1) == 1 / n0, cvxpy.sum(plan, axis=0) == 1 / n1]
        distance = cvxpy.Problem(
            cvxpy.Minimize(cvxpy.sum(cvxpy.multiply(~near, plan))), full
        ).solve()
        assert (1 - distance) / 2 == pytest.approx(float(result.risk), abs=1e-6)


def test_unequal_sizes_agree_with_transport():
    import ot

    draw = np.random.default_rng(5)
    X0, X1 = draw.integers(0, 30, (35, 2)), draw.integers(0, 30, (50, 2))
    far = (cdist(X0, X1, "sqeuclidean") > 4).astype(float)
    cost = ot.emd2(np.full(35, 1 / 35), np.full(50, 1 / 50), far)
    result = optimal_risk(X0, X1, 1)
    # emd2 adds 85 doubles or fewer.
    assert float(result.distance) == pytest.approx(cost, abs=2**-45)
    assert result.verify()


@pytest.mark.parametrize(
    ("arguments", "options", "risk"),
    [
        (([0.0], [0.2], 0.1), {}, Fraction(1, 2)),
        (([0.0], [0.2], 0.1), {"closed": False}, 0),
        (([[3, 4]], [[3, 4]], 0), {}, Fraction(1, 2)),
        (([[3, 4]] * 3, [[3, 4]] * 2, 0), {}, Fraction(1, 2)),
        (([[3, 4]] * 3, [[3, 4]] * 2, 0), {"prior0": "3/5"}, Fraction(2, 5)),
        (([0], [0], 1), {"prior0": 0.9}, Fraction(1, 10)),
        (([0, 10], [0, 10], 1), {"weights0": [9, 1], "weights1": [1, 9]}, Fraction(1, 10)),
        (([[3, 4]] * 3, [[3, 4]] * 2, 0), {"prior0": "sample"}, Fraction(2, 5)),
        (([], [[1], [2]], 1), {"prior0": 0}, 0),
        (([], [[1], [2]], 1), {"prior0": "sample"}, 0),
        (([0, 1], [5, 6], 2), {"prior0": 1}, 0),
        (([0], [1e9], "1e9"), {}, Fraction(1, 2)),
        (([0], [1], 10**400), {}, Fraction(1, 2)),
        ((np.zeros((2, 4), np.uint8), np.full((2, 4), 2, np.uint8), "1/255", "linf"),
         {"scale": 255}, Fraction(1, 2)),
    ],
)  # fmt: skip
def test_known_risks(arguments, options, risk):
    result = optimal_risk(*arguments, **options)
    assert result.risk == risk
    assert result.verify()


def test_reference_values_of_the_transport_distance(reference):
    # Points on the line with rational weights: D_N of the reference by an independent greedy.
    checked = 0
    for case in reference:
        if case["formula"] != "D_discrete":
            continue
        checked += 1
        laws = [case["params"][name] for name in ("P0", "P1")]
        points = [np.array([Fraction(x) for x, _ in law], object) for law in laws]
        masses = [[Fraction(mass) for _, mass in law] for law in laws]
        result = optimal_risk(
            *points, case["params"]["eps"], weights0=masses[0], weights1=masses[1]
        )
        assert float(result.distance) == float(case["value"])
    assert checked == 3


@pytest.fixture
def reference():
    import json
    from pathlib import Path

    path = Path(__file__).parent / "reference" / "gaussian.json"
    return json.loads(path.read_text(encoding="utf-8"))["values"]


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([[math.nan]], [[1]], 1), {}, "X0 must be finite"),
        (([], [[1]], 1), {}, "X0 must not be empty"),
        (([[1]], [], 1), {}, "X1 must not be empty"),
        (([[1]], [[1]], -1), {}, "eps must be at least 0"),
        (([[1]], [[1]], math.inf), {}, "eps must be a finite number"),
        (([[1]], [[1]], 1, "l3"), {}, "norm must be"),
        (([[1]], [[1]], 1), {"prior0": 1.5}, "prior0 must lie in"),
        (([[1]], [[1]], 1), {"weights0": [-1]}, "weights0 must be at least 0"),
        (([[1]], [[1]], 1), {"weights1": [0]}, "weights1 must have a positive sum"),
        (([[1]], [[1]], 1), {"weights1": [1, 2]}, "one number per point, 1, got 2"),
    ],
)
def test_wrong_arguments_are_refused(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        optimal_risk(*arguments, **options)


def test_overlapping_neighbourhoods_as_a_relation():
    # Fig. 17.3: two inputs of each class; the adversary reaches neighbours on a path of six.
    reach0 = [[1, 1, 0, 0, 0, 0], [0, 1, 1, 1, 0, 0]]
    reach1 = [[0, 0, 1, 1, 1, 0], [0, 0, 0, 0, 1, 1]]
    relation = common_inputs(reach0, reach1)
    assert relation.toarray().tolist() == [[False, False], [True, False]]
    result = optimal_risk_of_relation(relation)
    assert result.risk == Fraction(1, 4) == Fraction(conflict_risk([(1, 0)], 2, 2))
    assert result.verify()
    assert not dataclasses.replace(result, matching=np.array([[0, 0]])).verify()
    with pytest.raises(ValueError, match="a relation has no points"):
        result.classifier([[0]])
    with pytest.raises(ValueError, match="a column for each input"):
        common_inputs([[1, 0]], [[1]])


def test_curve_of_images_starts_where_the_first_pair_meets():
    curve = risk_curve([[0], [7]], [[3], [7]], eps_max=2, scale=2)
    assert curve.first_eps == 0
    assert curve.eps.tolist() == [0, 0.75]
    assert curve.risk == (Fraction(1, 4), Fraction(1, 2))
    assert curve(0.75) == Fraction(1, 2)
    assert curve([[0.5, "3/4"]]).tolist() == [[Fraction(1, 4), Fraction(1, 2)]]
    with pytest.raises(ValueError, match="at most eps_max"):
        curve(3)
    assert risk_curve([0], [5], eps_max=1).first_eps == math.inf
    axes = curve.plot()
    assert axes.get_xlabel() == "eps (l2)"


def test_an_open_ball_rises_behind_the_breakpoint():
    for data in ([0], [0.0]), ([0.1], [0.3]):
        curve = risk_curve(*data, eps_max=1, closed=False)
        assert curve(curve.eps[0]) == 0
        assert curve(curve.eps[0] + 0.01) == Fraction(1, 2)


def test_population_bound_is_below_the_sample_by_mcdiarmid_slack():
    result = optimal_risk([0] * 40, [0] * 25, 1)
    slack = math.sqrt((1 / 40 + 1 / 25) * math.log(20) / 8)
    assert population_lower_bound(result, 0.05) == pytest.approx(0.5 - slack, rel=1e-15)
    assert population_lower_bound(optimal_risk([0], [0], 1), "1/20") == 0.0
    with pytest.raises(ValueError, match="delta must lie strictly"):
        population_lower_bound(result, 0)
