import math
from fractions import Fraction

import numpy as np
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st
from references import above, below, close, encloses, measures_of, values
from scipy import stats

from robust_theory.vulnerability import balls, cheeger, conditional, latents, norms, spheres
from robust_theory.vulnerability.latent import fooling_probability

HALVES = [0.5, 0.5]
TENTHS = [Fraction(1, 10)] * 10
SOME = [HALVES, TENTHS, [0.1, 0.9], [0.2, 0.3, 0.5], [1.0]]


@pytest.mark.parametrize(("params", "exact"), values("cube_bound"))
def test_cube_against_reference(params, exact):
    arguments = measures_of(params), params["eps"], params["side"]
    assert close(latents.cube_fooling_probability(*arguments), exact)
    assert below(latents.cube_fooling_probability(*arguments), exact)
    assert encloses(latents.CUBE_FOOLING_PROBABILITY.enclosure(*arguments), exact)


@pytest.mark.parametrize(("params", "exact"), values("ball_lipschitz"))
def test_ball_constant_against_reference(params, exact):
    assert close(balls.ball_lipschitz_constant(params["d"]), exact)
    assert above(balls.ball_lipschitz_constant(params["d"]), exact)
    assert encloses(balls.ball_lipschitz_enclosure(params["d"]), exact)


@pytest.mark.parametrize(("params", "exact"), values("sphere_bound_equal"))
def test_sphere_against_reference(params, exact):
    arguments = [Fraction(1, params["K"])] * params["K"], params["eps"], params["d"]
    bound = spheres.sphere_fooling_probability(*arguments)
    # The density at the edge of a cap magnifies the rounding of its angle by d.
    assert close(bound, exact, Fraction(1, 10**15) * (20 + params["d"]))
    assert below(bound, exact)
    assert encloses(spheres.SPHERE_FOOLING_PROBABILITY.enclosure(*arguments), exact)


@pytest.mark.parametrize(("params", "exact"), values("eq2_sharp"))
def test_cheeger_bound_of_balanced_classes(params, exact):
    # 1 - exp(-h eps), whatever the classes, as long as none exceeds 1/2.
    eps = params["eps"]
    for measures in (HALVES, TENTHS, [0.2, 0.3, 0.5]):
        value = cheeger.cheeger_fooling_probability(measures, eps, 2)
        assert value == pytest.approx(-math.expm1(-2 * Fraction(eps)), rel=1e-14)


STRETCHED = [
    (latents.CUBE_FOOLING_PROBABILITY, (3,)),
    (balls.BALL_FOOLING_PROBABILITY, (10, "1/2")),
    (latents.LOG_CONCAVE_FOOLING_PROBABILITY, (0.3,)),
    (latents.INRADIUS_FOOLING_PROBABILITY, (0.7,)),
    (cheeger.CHEEGER_FOOLING_PROBABILITY, (1.7,)),
]


@given(measures=strategies.rational_measures(), eps=strategies.budgets())
@settings(max_examples=40)
def test_bounds_lie_on_their_side_of_the_balls(measures, eps):
    for claim, rest in STRETCHED:
        value, box = claim.value(measures, eps, *rest), claim.enclosure(measures, eps, *rest)
        # A class next to 1 magnifies the rounding of eps by up to 600, as its exponent does.
        # Among subnormal doubles there is no relative accuracy.
        assert box.lo * (1 - 4e-13) - 1e-320 <= value <= box.hi, claim.name


@pytest.mark.parametrize("d", [2, 3, 20, 100])
@pytest.mark.parametrize("distance", ["geodesic", "chord"])
@pytest.mark.parametrize(
    "measures", [HALVES, ["0.1", "0.9"], [0.2, 0.3, 0.5], ["1e-6", Fraction(999999, 10**6)]]
)
def test_sphere_against_balls(d, distance, measures):
    for eps in (1e-8, 0.03, 0.5, 1.5):
        value = spheres.sphere_fooling_probability(measures, eps, d, distance=distance)
        box = spheres.SPHERE_FOOLING_PROBABILITY.enclosure(measures, eps, d, distance=distance)
        small = "1e-6" in measures
        assert box.lo * (1 - (1e-11 if small else 2e-15 * (20 + d))) <= value <= box.hi


def test_whole_spheres():
    sphere = spheres.sphere_fooling_probability
    assert sphere(HALVES, [0, math.pi, math.inf], 5).tolist() == pytest.approx([0, 1, 1])
    assert sphere(HALVES, 2, 5, distance="chord") == pytest.approx(1)
    assert sphere([1.0], 1, 5) == 0
    # On a large sphere in many dimensions, caps are half-spaces.
    large = sphere([0.3, 0.7], 0.5, 4000, math.sqrt(4000))
    assert large == pytest.approx(fooling_probability([0.3, 0.7], 0.5), rel=1e-3)


def test_two_caps_attain_the_sphere_bound():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200_000, 4))
    x /= np.linalg.norm(x, axis=1)[:, None]
    height = 0.3
    angle = np.arccos(x[:, 0])
    share = (x[:, 0] > height).mean()
    share = 0.5 - 0.5 * math.copysign(1, height) * stats.beta.cdf(height**2, 0.5, 1.5)
    radii = np.abs(angle - math.acos(height))
    for eps in (0.1, 0.5):
        bound = spheres.sphere_fooling_probability([share, 1 - share], eps, 4)
        # Six standard deviations of a share of 200,000.
        assert (radii <= eps).mean() == pytest.approx(bound, abs=6 * 0.5 / 447)


@pytest.mark.parametrize("d", [2, 10])
def test_cube_and_ball_bounds_hold_for_axis_cuts(d):
    rng = np.random.default_rng(1)
    cube = rng.uniform(0, 1, (100_000, d))
    y = rng.standard_normal((100_000, d))
    ball = y / np.linalg.norm(y, axis=1)[:, None] * rng.uniform(0, 1, (100_000, 1)) ** (1 / d)
    for eps in (0.02, 0.1, 0.2):
        in_cube = (np.abs(cube[:, 0] - 0.5) <= eps).mean()
        in_ball = (np.abs(ball[:, 0]) <= eps).mean()
        # Four standard deviations of a share of 100,000.
        assert in_cube >= latents.cube_fooling_probability(HALVES, eps, 1) - 4 * 0.5 / 316
        assert in_ball >= balls.ball_fooling_probability(HALVES, eps, d) - 4 * 0.5 / 316


def test_ball_map_stretches_most_at_the_centre():
    for d in (1, 2, 10, 40):
        r = np.linspace(0.05, 8, 4000)
        h = np.exp(stats.chi.logcdf(r, d) / d)
        k = balls.ball_lipschitz_constant(d)
        # Tangential slope h / r and radial slope, from differences.
        assert (h / r).max() <= k
        assert (np.diff(h) / np.diff(r)).max() <= k * (1 + 1e-6)


def test_laplace_attains_the_cheeger_bound():
    x = np.random.default_rng(2).laplace(size=400_000)
    for cut in (0.0, 1.0):
        c = stats.laplace.sf(cut)
        for eps in (0.2, 1.5):
            bound = cheeger.cheeger_fooling_probability([c, 1 - c], eps, 1)
            exact = stats.laplace.cdf(cut + eps) - stats.laplace.cdf(cut - eps)
            one_sided = cheeger.cheeger_fooling_probability([c, 1 - c], eps, 1)
            assert bound == one_sided <= exact + 1e-15
            assert (np.abs(x - cut) <= eps).mean() == pytest.approx(exact, abs=6 * 0.5 / 632)
    assert cheeger.cheeger_fooling_probability(HALVES, 0.7, 1) == pytest.approx(
        stats.laplace.cdf(0.7) - stats.laplace.cdf(-0.7), rel=1e-14
    )


NORMS = ["l1", "l2", "linf", 1.5, 3, "inf"]
RNG = np.random.default_rng(4)
FACTOR = RNG.standard_normal((4, 3))
COVARIANCES = [FACTOR @ FACTOR.T, np.eye(4), np.diag([1.0, 4, 9, 0.25]), [[2.0]]]


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("covariance", COVARIANCES)
def test_inradius_is_no_more_than_any_direction_shows(norm, covariance):
    S = np.asarray(covariance)
    rho = norms.gaussian_inradius(S, norm)
    w, V = np.linalg.eigh(S)
    root = V * np.sqrt(np.maximum(w, 0))
    u = RNG.standard_normal((100_000, len(S)))
    u /= np.linalg.norm(u, axis=1)[:, None]
    p = {"l1": 1, "l2": 2, "linf": np.inf, "inf": np.inf}.get(norm, norm)
    seen = 1 / np.linalg.norm(u @ root.T, ord=p, axis=1).max()
    assert rho <= seen
    diagonal = np.count_nonzero(S - np.diag(np.diag(S))) == 0
    if diagonal or norm in ("l1", "l2", "linf", "inf"):
        assert seen <= rho * 1.01  # tight; the directions are dense to 1 %
    value = norms.gaussian_fooling_probability([0.3, 0.7], 1, S, norm)
    box = norms.GAUSSIAN_FOOLING_PROBABILITY.enclosure([0.3, 0.7], 1, S, norm)
    assert box.lo * (1 - 2e-13) <= value <= box.hi


def test_gaussian_bound_is_attained_by_a_half_space():
    # Distances to {theta . y = 0} in the norm: the dual norm of the normal divides |theta . y|.
    S = COVARIANCES[0]
    z = RNG.multivariate_normal(np.zeros(4), S, 200_000, method="eigh")
    j = int(np.argmax(np.diag(S)))
    bound = norms.gaussian_fooling_probability(HALVES, 0.8, S, "linf")
    assert (np.abs(z[:, j]) <= 0.8).mean() == pytest.approx(bound, abs=6 * 0.5 / 447)


def test_many_dimensions():
    B = RNG.standard_normal((30, 30))
    S = B @ B.T
    for norm in ("l1", "l2", "linf"):
        value = norms.gaussian_fooling_probability(HALVES, 5, S, norm)
        box = norms.GAUSSIAN_FOOLING_PROBABILITY.enclosure(HALVES, 5, S, norm)
        assert box.lo * (1 - 2e-13) <= value <= box.hi
    assert norms.gaussian_inradius(np.eye(50), 1) == pytest.approx(1 / math.sqrt(50), rel=1e-12)


# A generator for each label


def test_conditional_risk_is_attained_by_half_spaces():
    priors, errors, scales = [0.2, 0.3, 0.5], [0.1, 0.05, 0.0], [1, 2, 3]
    rng = np.random.default_rng(8)
    z = rng.standard_normal(300_000)
    label = rng.choice(3, p=priors, size=z.size)
    # Label y is mistaken where z exceeds its threshold; an image step of eps is eps / L_y in z.
    wrong = stats.norm.isf(np.array(errors))
    for eps in (0.0, 0.5, 2.0):
        reached = (z + eps / np.array(scales)[label] >= wrong[label]).mean()
        bound = conditional.conditional_adversarial_risk(priors, errors, scales, eps)
        assert reached == pytest.approx(bound, abs=6 * 0.5 / 547)
        box = conditional.CONDITIONAL_ADVERSARIAL_RISK.enclosure(priors, errors, scales, eps)
        assert box.lo - 1e-14 <= bound <= box.hi


@given(error=st.fractions(0, 1, max_denominator=100), eps=st.floats(0, 4))
@settings(max_examples=30)
def test_least_conditional_risk_is_least(error, eps):
    priors, scales = [Fraction(1, 5), Fraction(3, 10), Fraction(1, 2)], [1, 2, 3]
    least = conditional.least_conditional_adversarial_risk(priors, error, scales, eps)
    same = conditional.conditional_adversarial_risk(priors, [error] * 3, scales, eps)
    assert float(error) - 1e-14 <= least <= same + 1e-14
    # Mixtures of errors with this average.
    for share in (Fraction(1, 3), Fraction(2, 3)):
        first = min(1, error * share / priors[0])
        rest = (error - first * priors[0]) / (1 - priors[0])
        other = conditional.conditional_adversarial_risk(priors, [first, rest, rest], scales, eps)
        assert least <= other + 1e-14


@pytest.mark.parametrize("measures", SOME)
def test_no_budget_and_every_budget(measures):
    eps = np.array([0.0, np.inf])
    expected = [0.0, float(measures != [1.0])]
    for function in (
        lambda e: latents.cube_fooling_probability(measures, e, 2),
        lambda e: balls.ball_fooling_probability(measures, e, 3),
        lambda e: spheres.sphere_fooling_probability(measures, e, 3),
        lambda e: cheeger.cheeger_fooling_probability(measures, e, 1),
        lambda e: norms.gaussian_fooling_probability(measures, e, np.eye(3), "l1"),
    ):
        # Measures that were rounded sum to 1 within a few roundings.
        assert function(eps) == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: latents.cube_fooling_probability(HALVES, 1, 0), "side must be positive"),
        (lambda: latents.cube_fooling_probability(HALVES, -1, 1), "eps must be at least 0"),
        (lambda: latents.cube_fooling_probability([0.5], 1, 1), "must sum to 1"),
        (lambda: balls.ball_fooling_probability(HALVES, 1, 0), "d must be an integer"),
        (lambda: balls.ball_fooling_probability(HALVES, 1, 3, -1), "radius must be positive"),
        (lambda: latents.log_concave_fooling_probability(HALVES, 1, "x"), "curvature must be"),
        (lambda: latents.inradius_fooling_probability(HALVES, 1, math.nan), "inradius must be"),
        (lambda: spheres.sphere_fooling_probability(HALVES, 1, 1), "d must be an integer of"),
        (
            lambda: spheres.sphere_fooling_probability(HALVES, 1, 3, distance="l2"),
            "distance must be 'geodesic' or 'chord'",
        ),
        (lambda: cheeger.cheeger_fooling_probability(HALVES, 1, -2), "h must be positive"),
        (lambda: norms.gaussian_inradius([[1, 2]]), "covariance must have shape"),
        (lambda: norms.gaussian_inradius([[1, 2], [0, 1]]), "covariance must be symmetric"),
        (lambda: norms.gaussian_inradius([[1, 2], [2, 1]]), "positive semidefinite"),
        (lambda: norms.gaussian_inradius([[math.nan]]), "covariance must be finite"),
        (lambda: norms.gaussian_inradius([[0.0]]), "not 0"),
        (lambda: norms.gaussian_inradius([[1.0]], 0.5), "norm must be"),
        (
            lambda: conditional.conditional_adversarial_risk([1.0], [0.1, 0.2], [1], 1),
            "one number per label",
        ),
        (lambda: conditional.conditional_adversarial_risk([1.0], [0.1], [0], 1), "lipschitz must"),
        (lambda: conditional.conditional_adversarial_risk([1.0], [2], [1], 1), "errors must lie"),
        (
            lambda: conditional.least_conditional_adversarial_risk([1] * 15, 0.1, [1] * 15, 1),
            "at most 14 labels",
        ),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
