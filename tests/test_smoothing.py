"""Certified radii: two roads to each number, the paper's numbers, and what no radius may exceed."""

import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate
from scipy.special import ndtri

from robust_theory import (
    certified_scale,
    covariance_distance,
    edge_variances,
    flow_distance,
    gaussian_smoothing_radius,
    holder_radius,
    optimal_covariance,
    smoothing_radius,
)
from robust_theory.wasserstein import cycles, plaquette
from robust_theory.wasserstein.resistance import laplacian
from validation.experiments import worst_cases

REFERENCE = Path(__file__).parent / "reference"
VALUES = json.loads((REFERENCE / "certificates.json").read_text())
LINES = json.loads((REFERENCE / "cycle_certificate.json").read_text())
LEVELS = (0.55, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999)
SCALE_ONE = {"sigma": math.sqrt(2)}  # Laplace noise of scale 1
ROUNDINGS = 1e-14  # of a printed number turned into a double, and of a dozen operations


def probabilities():
    awkward = [0.0, 0.5, 1.0, 1e-300, 1 - 2**-53, 0.5 + 2**-53, 0.75]
    return st.one_of(st.floats(0, 1), st.sampled_from(awkward))


# ------------------------------------------------------------- the paper's forms


def test_the_paper_conditions_hold_with_equality_at_the_radius():
    p, sigma = 0.93, 0.02
    rho = smoothing_radius(p, sigma, form="paper", ground="l1")
    assert p == pytest.approx(math.exp(2 * math.sqrt(2) * rho / sigma) * (1 - p), rel=1e-13)  # (18)
    rho = smoothing_radius(p, sigma, form="paper")
    assert p == pytest.approx(math.exp(4 * rho / sigma) * (1 - p), rel=1e-13)  # (20)
    rho = smoothing_radius(p, sigma, form="paper", noise="pixel")
    assert p == pytest.approx(math.exp(4 * math.sqrt(2) * rho / sigma) * (1 - p), rel=1e-13)  # (21)
    rho = smoothing_radius(p, sigma, p_other=0.02, form="paper", ground="l1")
    assert p == pytest.approx(math.exp(2 * math.sqrt(2) * rho / sigma) * 0.02, rel=1e-13)  # (9)


def test_the_sampling_ceiling_is_the_first_row_of_the_papers_table():
    ceiling = 0.05 ** (1 / 10_000)  # lower limit when all of 10,000 votes agree
    assert smoothing_radius(ceiling, 1, form="paper") == pytest.approx(2.02825, abs=5e-6)
    assert smoothing_radius(ceiling, 1, form="tight") == pytest.approx(3.71008, abs=5e-6)
    assert round(smoothing_radius(ceiling, 0.005, form="paper"), 4) == 0.0101  # Table 1


@pytest.mark.parametrize(
    ("sigma", "median", "tight"), [(0.005, 0.0101, 0.0185), (0.01, 0.0132, 0.023)]
)
def test_a_printed_median_gives_its_score_and_the_tight_radius(sigma, median, tight):
    # The median has four digits, so the tight one, less than twice as large, has a band.
    for near, side in ((median - 5e-5, -1), (median + 5e-5, 1)):
        p = 1 / (1 + math.exp(-4 * near / sigma))
        assert side * (smoothing_radius(p, sigma, form="tight") - tight) > -5e-5


# ----------------------------------------------------- cycles: tables and constants


@pytest.mark.parametrize("p", VALUES["psi_cyc"])
def test_the_cycle_aware_radius_is_the_reference_less_what_the_lines_lose(p):
    lower, upper = VALUES["psi_cyc"][p]
    mine = smoothing_radius(p, ground="l1", shape=(2, 2), **SCALE_ONE)
    assert mine <= upper
    assert mine >= lower - 1.1e-4  # 97 lines of the reference lose up to 1.1e-4, these less


@pytest.mark.parametrize("p", VALUES["rho2_l2aware_cyc"])
def test_the_l2_aware_radius_is_at_least_the_reference(p):
    # The reference sums a rate from above at right end points: up to 1 % too small near 1/2.
    lower = VALUES["rho2_l2aware_cyc"][p]
    mine = smoothing_radius(p, ground="l2", shape=(2, 2), **SCALE_ONE)
    assert lower * (1 - 1e-9) <= mine <= lower * 1.01
    assert mine <= smoothing_radius(p, ground="l1", shape=(2, 2), **SCALE_ONE)


def test_the_reference_lines_are_above_the_shipped_rate():
    """Two computations of the same upper bounds; theirs are on a coarser net of rectangles."""
    shipped = {s * cycles.UNIT: K * cycles.UNIT for s, K in cycles.constants()["edge_lines"]}
    reference = dict(zip(LINES["s"], map(float, LINES["K_up"]), strict=True))
    common = [(K, reference[round(s, 12)]) for s, K in shipped.items() if round(s, 12) in reference]
    assert len(common) > 40
    assert all(abs(K - other) < 5e-8 for K, other in common)


@pytest.mark.parametrize(("move", "top"), [("edge", 1.0), ("diagonal", 2.0)])
def test_shipped_lines_are_between_bounds_on_another_net(move, top):
    lines = cycles.constants()[f"{move}_lines"]
    chosen = [lines[k] for k in (0, 10, 50, 90)]
    s = np.array([a * cycles.UNIT for a, _ in chosen])
    K = np.array([b * cycles.UNIT for _, b in chosen])
    lower, upper = plaquette.excess_limits(s, move, 96)
    assert (lower <= K).all()
    assert (upper >= K).all()
    assert lines[-1] == [int(top / cycles.UNIT), 0]


def test_bounds_on_the_excess_hold_in_ball_arithmetic():
    """The same corner rule with balls for every operation, on a coarse net."""
    from flint import arb, ctx

    cells = 12
    with ctx.workprec(128):
        ends = [arb(k) / cells for k in range(cells + 1)]
        weights = [arb(0)] * (cells + 1)
        for k in range(cells):
            a, b = ends[k], ends[k + 1]
            share = ((a * a + a * b + b * b) / 3 - a * a) / (b * b - a * a) / cells
            weights[k + 1] += share
            weights[k] += arb(1) / cells - share
        for move in ("edge", "diagonal"):
            forms = plaquette.SCORES[move]
            for s in (0.0, 0.5, 0.875):
                total = arb(0)
                for one, on_a, on_c, on_g in forms:
                    slope = arb(on_g) - arb(s)
                    for i, u in enumerate(ends):
                        for j, v in enumerate(ends):
                            form = arb(one) - s + (arb(on_a) + arb(s) / 4) * u * u
                            form += (arb(on_c) + arb(s) / 4) * v * v
                            total += weights[i] * weights[j] * _mean(arb, form, slope)
                exact = float(total * 3 / (2 * len(forms)))
                _, upper = plaquette.excess_limits(np.array([s]), move, cells)
                assert exact - 1e-15 <= upper[0] <= exact * (1 + 1e-11) + 1e-11


def _mean(arb, form, slope):
    """Integral of exp(-2 g) (form + slope g)^+; the sign of a form near 0 does not matter."""
    value = form / 2 + slope / 4 if float(form) >= 0 else arb(0)
    if float(slope) * float(form) < 0:
        value += abs(slope) / 4 * (2 * form / slope).exp()
    return value if float(value) > 0 else arb(0)


def test_rates_are_above_the_lines_in_exact_arithmetic(monkeypatch):
    assert cycles.problems() == ()
    planted = {name: [*rows] for name, rows in cycles.constants().items()}
    q, v = planted["l2_nodes"][40]
    planted["l2_nodes"][40] = [q, v - 1000]  # 2e-13 too low
    monkeypatch.setattr(cycles, "constants", lambda: planted)
    assert len(cycles.problems()) == 2


@pytest.mark.parametrize("ground", ["l1", "l2"])
def test_the_sum_of_logarithms_is_the_integral(ground):
    rate = cycles.rate(ground)
    for t in (0.001, 0.1, 0.37):
        points = [q for q in rate.q if t < q < 0.5]
        found = sum(
            integrate.quad(lambda q: 1 / np.interp(q, rate.q, rate.v), a, b, epsrel=1e-12)[0]
            for a, b in zip([t, *points], [*points, 0.5], strict=True)
        )
        assert rate.integral(Fraction(t)) == pytest.approx(found, rel=1e-11)


def test_the_scores_of_a_plaquette_have_the_law_that_the_constants_assume():
    """E (S - s)^+ against posterior means of the sign, by quadrature of sampled noise."""
    rng = np.random.default_rng(3)
    noise = rng.laplace(size=(8_000, 4))
    grid = np.linspace(-25, 25, 2001)
    s = 0.5
    found = []
    for block in noise.reshape(80, 100, 4):
        logs = -np.abs(block[:, :, None] + grid).sum(axis=1)
        weight = np.exp(logs - logs.max(axis=1, keepdims=True))
        sign = (np.sign(block[:, 0, None] + grid) * weight).sum(axis=1) / weight.sum(axis=1)
        found.append(np.maximum(sign - s, 0))
    values = np.concatenate(found)
    _, upper = plaquette.excess_limits(np.array([s]), "edge", 256)
    # Five standard errors (one in 10^6), and the grid's step of 1/40 in a slope of at most 1/2.
    allowed = 5 * values.std() / math.sqrt(values.size) + 0.0125
    assert abs(values.mean() - upper[0]) < allowed


# ------------------------------------------------------------------ exact worst cases


@pytest.mark.parametrize("p", LEVELS)
def test_no_certificate_exceeds_the_exact_worst_case_of_an_edge(p):
    """On 2x2 an edge is the worst move; the cycle-aware radius is within 1.1 % of its limit."""
    _, box = worst_cases.worst_radius(
        worst_cases.LAPLACE_2X2, np.array([1.0, 0, 0, 0]), p, 5, 1e-6, 200_000
    )
    radii = [
        smoothing_radius(p, ground=ground, shape=(2, 2), form=form, **SCALE_ONE)
        for ground in ("l1", "l2")
        for form in ("paper", "tight", "sharp")
    ]
    assert max(radii) <= box.hi
    if p >= 0.7:  # a check with teeth: a certificate larger by a half would have been refuted
        assert box.hi < 1.5 * max(radii)
    assert box.lo > 0.85 * max(radii)


@pytest.mark.parametrize("p", LEVELS)
def test_no_certificate_exceeds_the_exact_worst_case_on_two_by_three(p):
    """Each density is a quadrature, so samples are few: only gross excess would be seen."""
    # In a corner, the edge in both cycles, and a diagonal move with its lengths in l1 and l2.
    for flow, lengths in (
        (np.eye(7)[0], (1, 1)),
        (np.eye(7)[3], (1, 1)),
        (np.eye(7)[0] + np.eye(7)[1], (2, math.sqrt(2))),
    ):
        _, box = worst_cases.worst_radius(worst_cases.LAPLACE_2X3, flow, p, 5, 1e-6, 4_000)
        for ground, length in zip(("l1", "l2"), lengths, strict=True):
            for form in ("paper", "tight", "sharp"):
                radius = smoothing_radius(p, ground=ground, shape=(2, 3), form=form, **SCALE_ONE)
                assert radius <= box.hi * length


def test_the_density_of_two_cycles_is_that_of_a_double_integral():
    flow = np.array([[0.3, -0.5, 1.2, 0.4, -0.7, 0.1, 0.9], np.zeros(7)])
    shift = np.array([0.5, 0, -0.2, 0.1, 0, 0, 0.3])
    grid = np.linspace(-12, 12, 1201)

    def direct(row):
        a, b = grid[:, None], grid[None, :]
        exponent = -sum(abs(x + a) for x in row[:3]) - sum(abs(x + b) for x in row[4:])
        return math.log(np.exp(exponent - abs(row[3] + a - b)).sum())

    for row in flow:
        found = worst_cases.two_cycles(np.stack([row, row + shift]))
        # The grid of step 1/50 is good to its square; only differences have a meaning.
        assert found[1] - found[0] == pytest.approx(direct(row + shift) - direct(row), abs=1e-3)


# --------------------------------------------------------------------- Gaussian noise


@pytest.mark.parametrize("shape", [(2, 2), (2, 3), (1, 6), (4, 4)])
@pytest.mark.parametrize("ground", ["l1", "l2"])
def test_gaussian_noise_of_flows_by_resistances_and_by_covariance(shape, ground):
    design = edge_variances(shape)
    S = laplacian(design.shape, design.variances).toarray()
    for p in LEVELS:
        flow = smoothing_radius(p, 0.3, noise="gaussian", shape=shape, ground=ground)
        other = gaussian_smoothing_radius(p, 0.09 * S, shape, ground=ground)
        assert flow == pytest.approx(other, rel=ROUNDINGS * 10)
        assert flow == pytest.approx(
            0.3 * ndtri(p) / math.sqrt(design.least_possible), rel=ROUNDINGS * 10
        )


def test_the_ball_is_inside_the_ellipsoid():
    rng = np.random.default_rng(0)
    design = edge_variances((5, 4))
    S = laplacian((5, 4), design.variances).toarray()
    for _ in range(20):
        s, t = rng.choice(20, 2, replace=False)
        y = np.zeros(20)
        y[s], y[t] = -1, 1
        distance = math.dist(divmod(s, 4), divmod(t, 4))
        found = flow_distance(y.reshape(5, 4), design)
        assert found == pytest.approx(covariance_distance(y, S, (5, 4)), rel=1e-9)
        assert found <= distance * math.sqrt(design.largest_resistance) * (1 + 1e-12)


@pytest.mark.parametrize("ground", ["l1", "l2"])
@pytest.mark.parametrize("power", [-2, -1, 0])
def test_the_best_covariance_proves_itself(ground, power):
    shape = (3, 3)
    L = laplacian(shape, np.ones(12)).toarray()
    values, vectors = np.linalg.eigh(L)
    W = vectors[:, 1:] * values[1:] ** power @ vectors[:, 1:].T
    best = optimal_covariance(W, shape, ground=ground)
    assert 0 <= best.excess < 2e-3
    assert certified_scale(best.covariance, shape, ground=ground) == pytest.approx(1, rel=1e-9)
    # Any other covariance, scaled to the same certificate, does at least the proved harm.
    for other in (L, np.eye(9) - 1 / 9, L @ L):
        scaled = other / certified_scale(other, shape, ground=ground) ** 2
        assert (W * scaled).sum() >= best.least_harm
    # Flow noise is best against W = 1/L, up to the weights of the edges.
    if power == -1:
        design = edge_variances(shape)
        flow = laplacian(shape, design.variances).toarray()
        flow /= certified_scale(flow, shape, ground=ground) ** 2
        assert (W * flow).sum() <= best.harm * 1.02


# -------------------------------------------------------------------- what must hold


@given(p=probabilities(), sigma=st.floats(1e-6, 1e3))
def test_sharper_forms_are_never_below(p, sigma):
    for ground in ("l1", "l2"):
        paper, tight, sharp = (
            smoothing_radius(p, sigma, form=form, ground=ground, shape=(3, 2))
            for form in ("paper", "tight", "sharp")
        )
        # All are rounded down by some 40 roundings.
        assert paper * (1 - 1e-14) <= tight
        assert tight * (1 - 1e-14) <= sharp


@given(pA=probabilities(), pB=probabilities())
def test_two_class_radii_are_half_the_sum_of_one_sided_ones(pA, pB):
    for noise in ("laplace", "gaussian"):
        arguments = {"sigma": 1, "noise": noise, "shape": (2, 3)}
        rho = smoothing_radius(pA, p_other=pB, **arguments)
        assert rho >= 0
        if pA <= min(pB, float(1 - Fraction(repr(pA)))):
            assert rho == 0
        if pA >= 0.5 >= pB and pB <= 1 - pA:
            other = smoothing_radius(float(1 - Fraction(repr(pB))), **arguments)
            expected = (smoothing_radius(pA, **arguments) + other) / 2
            # 1 - pB is rounded, which matters next to 0.
            if pB == 0 or pB > 1e-3:
                assert rho == pytest.approx(expected, rel=1e-12, abs=1e-15)
        rising = smoothing_radius(min(1.0, pA + 0.01), p_other=pB, **arguments)
        assert rising >= rho * (1 - 1e-14)


@pytest.mark.parametrize("key", VALUES["two_class"])
def test_two_class_reference_values(key):
    pairs = {"(.9,.05)": (0.9, 0.05), "(.45,.05)": (0.45, 0.05), "(.9,.8) unnormalised": (0.9, 0.8)}
    pA, pB = pairs[key]
    arguments = {"form": "tight", "ground": "l1", "normalised": "unnormalised" not in key}
    found = smoothing_radius(pA, p_other=pB, **arguments, **SCALE_ONE)
    assert found == pytest.approx(VALUES["two_class"][key], rel=1e-13)
    assert found <= VALUES["two_class"][key] * (1 + 1e-15)


def test_awkward_probabilities():
    kinds = [
        {"noise": "laplace", "form": "paper"},
        {"noise": "laplace", "form": "tight"},
        {"noise": "laplace", "shape": (2, 2)},
        {"noise": "laplace", "shape": (7,)},
        {"noise": "gaussian", "shape": (1, 7)},
        {"noise": "pixel"},
    ]
    for kind in kinds:
        assert smoothing_radius(0.5, 1, **kind) == 0
        assert smoothing_radius(0.2, 1, **kind) == 0
        assert smoothing_radius(1, 1, **kind) == math.inf
        assert smoothing_radius(0.3, 1, p_other=0, **kind) == math.inf
        assert 0 < smoothing_radius(1 - 2**-53, 1, **kind) < math.inf
        assert 0 < smoothing_radius(0.5 + 2**-53, 1, **kind) < 1e-15
    assert smoothing_radius(1, 1, noise="uniform", ground="l1") == pytest.approx(math.sqrt(3))
    assert smoothing_radius(0.5, 1, noise="uniform") == 0


def test_a_line_of_pixels_has_no_cycles_and_one_metric():
    tight = smoothing_radius(0.9, 1, form="tight", ground="l1")
    for shape in ((1, 5), (5, 1), (5,), (1, 5, 3)):
        for ground in ("l1", "l2"):
            assert smoothing_radius(0.9, 1, shape=shape, ground=ground) == tight
            assert smoothing_radius(0.9, 1, shape=shape, ground=ground, form="tight") == tight


def test_arrays_have_the_shape_of_their_scores():
    p = np.array([[0.4, 0.9], [0.99, 1.0]])
    found = smoothing_radius(p, 1, form="tight")
    assert found.shape == p.shape
    assert found[0, 1] == smoothing_radius(0.9, 1, form="tight")
    pairs = smoothing_radius([0.9, 0.8], 1, p_other=[[0.1], [0.05]], form="tight")
    assert pairs.shape == (2, 2)


def test_colour_does_not_change_the_radius():
    for noise in ("laplace", "gaussian"):
        grey = smoothing_radius(0.9, 1, noise=noise, shape=(4, 4))
        assert smoothing_radius(0.9, 1, noise=noise, shape=(4, 4, 3)) == grey


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"p": math.nan}, "p must be a finite number"),
        ({"p": 1.1}, r"p must lie in \[0, 1\]"),
        ({"sigma": 0}, "sigma must be above 0"),
        ({"noise": "normal"}, "noise must be one of"),
        ({"form": "loose"}, "form must be"),
        ({"noise": "gaussian", "form": "paper"}, "form must be 'sharp' for gaussian"),
        ({"ground": "linf"}, "ground must be"),
        ({"shape": None}, "shape must be given"),
        ({"shape": None, "noise": "gaussian"}, "shape must be given"),
        ({"shape": (1, 1)}, "at least two pixels"),
        ({"shape": (0, 5)}, "shape must be an integer of at least 1"),
        ({"shape": (2, 2, 2, 2)}, "shape must be"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    inside = {"p": 0.9, "sigma": 1, "shape": (2, 2)}
    with pytest.raises(ValueError, match=message):
        smoothing_radius(**{**inside, **arguments})


def test_covariances_that_are_none_are_refused():
    with pytest.raises(ValueError, match="sum to 0"):
        gaussian_smoothing_radius(0.9, np.eye(4), (2, 2))
    L = laplacian((2, 2), np.ones(4)).toarray()
    with pytest.raises(ValueError, match="positive definite"):
        gaussian_smoothing_radius(0.9, -L, (2, 2))
    with pytest.raises(ValueError, match="shape"):
        gaussian_smoothing_radius(0.9, L, (2, 3))
    with pytest.raises(ValueError, match="positive definite"):
        optimal_covariance(np.zeros((4, 4)), (2, 2))


@given(st.floats(1e-6, 1e3), st.floats(1, 4), st.floats(1e-3, 1e3))
def test_hoelder_radii_are_those_of_the_two_bounds(radius, order, mass):
    found = holder_radius(radius, order, mass)
    # The cost with the root of mass 1 is W_p: radius^p.
    assert found >= radius
    exact = max(radius, radius**order * mass ** (1 - order))
    assert found <= exact * (1 + 1e-15)
    assert found >= exact * (1 - 1e-12)
