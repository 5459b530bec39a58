import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize

from robust_theory import affine_rise
from robust_theory.networks.affine_margin import AFFINE_RISE
from validation.experiments import diagnostics

PROBLEMS = st.integers(1, 5).flatmap(
    lambda d: st.tuples(
        st.lists(st.integers(-4, 4), min_size=d, max_size=d),
        st.lists(st.integers(0, 8).map(lambda k: k / 8), min_size=d, max_size=d),
        st.sampled_from([0.0, 0.125, 0.5, 1.0, 3.0]),
    )
)


@given(PROBLEMS, st.sampled_from(["linf", "l1"]))
def test_linear_programs_say_the_same(problem, norm):
    w, x, eps = (np.array(part, dtype=float) for part in problem)
    d = len(w)
    # z = x + p - q with p, q >= 0.
    A = np.vstack([np.hstack([np.eye(d), np.eye(d)]), np.ones((1, 2 * d))])
    b = np.full(d, eps) if norm == "linf" else np.full(1, eps)
    rows = A[:d] if norm == "linf" else A[d:]
    bounds = [(0, 1 - v) for v in x] + [(0, v) for v in x]
    solved = linprog(-np.r_[w, -w], A_ub=rows, b_ub=b, bounds=bounds)
    # 1e-7: the tolerance of HiGHS.
    assert affine_rise(w, x, float(eps), norm) == pytest.approx(-solved.fun, abs=1e-6)


@given(PROBLEMS)
def test_a_convex_solver_says_the_same(problem):
    w, x, eps = (np.array(part, dtype=float) for part in problem)
    solved = minimize(
        lambda u: -(w @ u),
        np.zeros_like(x),
        jac=lambda u: -w,
        bounds=list(zip(-x, 1 - x, strict=True)),
        constraints={"type": "ineq", "fun": lambda u: eps**2 - u @ u, "jac": lambda u: -2 * u},
        method="SLSQP",
    )
    found = affine_rise(w, x, float(eps), "l2")
    if np.linalg.norm(solved.x) <= eps + 1e-6:
        assert -solved.fun <= found + 1e-4 * (1 + np.abs(w).sum())
    # The solver starts where its constraint has no slope, and may stay: then nothing follows.
    if solved.success and solved.x.any() and eps:
        assert found == pytest.approx(-solved.fun, abs=1e-4 * (1 + np.abs(w).sum()))


@given(PROBLEMS, st.sampled_from(["linf", "l2", "l1"]), st.integers(0, 2**31))
def test_no_point_of_ball_and_box_rises_further(problem, norm, seed):
    w, x, eps = (np.array(part, dtype=float) for part in problem)
    u = np.random.default_rng(seed).standard_normal((200, len(x)))
    size = np.linalg.norm(u, {"linf": np.inf, "l2": 2, "l1": 1}[norm], axis=1, keepdims=True)
    # Scaling towards x keeps a point of the ball in it, clipping as well.
    moved = np.clip(x + eps * u / size, 0, 1) - x
    assert ((moved @ w) <= affine_rise(w, x, float(eps), norm) + 1e-12).all()


def test_without_a_box_it_is_the_dual_norm():
    w = [3.0, -4.0]
    rises = [affine_rise(w, [0, 0], 2, norm, None) for norm in ("linf", "l2", "l1")]
    assert rises == [14.0, 10.0, 8.0]


def test_projecting_on_the_ball_and_then_on_the_box_falls_short():
    """From (.9, .5) towards (1, 1), radius .5: the box stops the first coordinate at 1, and
    the second may use the rest, sqrt(.25 - .01); clipping the ball's point leaves .5 / sqrt 2.
    """
    rise = affine_rise([1, 1], [0.9, 0.5], 0.5, "l2")
    assert rise == pytest.approx(0.1 + 0.24**0.5, rel=1e-15)
    assert rise > 0.1 + 0.5 / 2**0.5 + 0.03


def test_attacks_outside_ball_or_box_are_errors_not_measurements(monkeypatch):
    row = {"attack": "pgd", "norm": "linf", "eps": 0.125}
    assert diagnostics._reached(row, {}, 3, 0.01).evidence.side == "exact"
    for move in (0.2, -0.2, 2.0):
        monkeypatch.setattr(diagnostics, "_attack", lambda name, f, x, *rest, m=move: x + m)
        with pytest.raises(ValueError, match="must stay in the linf ball"):
            diagnostics._reached(row, {}, 3, 0.01)
    assert AFFINE_RISE.relation == "<="
