import math
from fractions import Fraction

import numpy as np
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st
from references import above, close, encloses, measures_of, values
from scipy import integrate, special

from robust_theory.vulnerability import (
    image_quantiles,
    image_radii,
    images,
    models,
    nearest_neighbour,
    real_data,
    stieltjes,
)
from robust_theory.vulnerability.latent import (
    expected_radius,
    fooling_probability,
    fooling_quantile,
)

TENTHS = [Fraction(1, 10)] * 10
HALVES = [0.5, 0.5]
fooled = images.image_fooling_probability
mean = image_radii.image_expected_radius
IDENTITY = (1, 1)


# Theorem 4


def test_a_linear_generator_scales_the_budget():
    eps = np.linspace(0, 8, 50)
    expected = fooling_probability(TENTHS, eps / 2)
    assert fooled(TENTHS, eps, (2, 1)) == pytest.approx(expected, rel=2e-14)
    assert (fooled(TENTHS, eps, lambda e: e / 2) == expected).all()


@given(
    measures=strategies.rational_measures(),
    eps=strategies.budgets(),
    L=st.floats(0.1, 10),
    alpha=st.sampled_from([0.5, 1, 1.5]),
    failure=st.floats(0, 0.5),
)
@settings(max_examples=60)
def test_image_bounds_lie_on_their_side_of_the_balls(measures, eps, L, alpha, failure):
    for claim in (images.IMAGE_FOOLING_PROBABILITY, images.IMAGE_FOOLING_PROBABILITY_INSIDE):
        value = claim.value(measures, eps, (L, alpha), failure)
        box = claim.enclosure(measures, eps, (L, alpha), failure)
        assert box.lo - 1e-13 <= value <= box.hi, claim.name


def test_failure_and_infinite_reach():
    assert fooled(TENTHS, 1, lambda e: math.inf * (e > 0), 0.2) == pytest.approx(0.8, abs=1e-15)
    assert fooled(TENTHS, 1, lambda e: math.inf * (e > 0), 0.2) <= 0.8
    assert fooled(TENTHS, [0, 1], (1, 1), 1).tolist() == [0, 0]
    inside = images.image_fooling_probability_inside
    assert inside(TENTHS, 1, (1, 1), 0) == pytest.approx(fooled(TENTHS, 1, (1, 1)), rel=2e-14)
    assert inside(TENTHS, 1, (1, 1), 0.05) <= fooled(TENTHS, 1, (1, 1), 0.0)


def test_linear_generators_attain_theorem_4_in_every_norm():
    # g(z) = A z, half-space with the normal at which the norm of A u is greatest; here linf.
    rng = np.random.default_rng(0)
    A = rng.standard_normal((4, 3))
    longest = A[np.argmax((A**2).sum(axis=1))]
    L = float(np.linalg.norm(longest))
    z = rng.standard_normal((200_000, 3))
    # The least linf norm of A v over v that cross {longest . z = 0} is |longest . z|.
    radii = np.abs(z @ longest)
    eps = 1.0
    # Six standard deviations of a share of 200,000.
    assert (radii <= eps).mean() == pytest.approx(fooled(HALVES, eps, (L, 1)), abs=6 * 0.5 / 447)


# Quantiles


@pytest.mark.parametrize(("params", "exact"), values("footnote6"))
def test_quantile_with_failure_against_reference(params, exact):
    arguments = measures_of(params), params["q"], IDENTITY, params["eta"]
    value = image_quantiles.image_fooling_quantile(*arguments)
    assert close(value, exact)
    assert above(value, exact)
    assert encloses(image_quantiles.IMAGE_FOOLING_QUANTILE.enclosure(*arguments), exact)


def test_the_best_failure_probability():
    def modulus(t, failure):
        return t * (1 + 1e-3 / math.sqrt(failure + 1e-9))

    best = image_quantiles.best_image_fooling_quantile(TENTHS, 0.25, modulus)
    for failure in np.linspace(0, 0.7, 300):
        t = fooling_quantile(TENTHS, Fraction(1, 4) + Fraction(float(failure)))
        # The grid around the best is 2 % wide, and the bound smooth there.
        assert modulus(t, failure) >= best.radius * (1 - 1e-3)
    assert best.radius == modulus(best.latent_radius, best.failure)


# Theorem 5


@pytest.mark.parametrize(("params", "exact"), values("thm5_power_tail"))
def test_tail_integral_against_reference(params, exact):
    arguments = measures_of(params), (params["L"], params["alpha"])
    assert close(mean(*arguments), exact)
    assert above(mean(*arguments), exact)
    assert encloses(image_radii.IMAGE_EXPECTED_RADIUS.enclosure(*arguments), exact)
    value, box = mean(measures_of(params), np.sqrt), None
    box = image_radii.image_radius_enclosure(measures_of(params), np.sqrt)
    assert above(value, exact)
    assert encloses(box, exact)
    assert value == box.hi <= float(exact) * (1 + 1e-5)


@pytest.mark.parametrize(("params", "exact"), values("thm5_power_jensen"))
def test_jensen_against_reference(params, exact):
    arguments = measures_of(params), (params["L"], params["alpha"])
    assert close(mean(*arguments, form="paper"), exact)
    assert above(mean(*arguments, form="paper"), exact)
    assert encloses(image_radii.IMAGE_EXPECTED_RADIUS_PAPER.enclosure(*arguments), exact)


@given(
    measures=strategies.rational_measures(max_classes=4),
    alpha=st.sampled_from([0.01, 0.3, 0.5, 1, 2, 5.5]),
    shift=st.floats(0, 3, allow_subnormal=False),
)
@settings(max_examples=40)
def test_power_moduli_against_balls(measures, alpha, shift):
    value, box = mean(measures, (2, alpha), shift), None
    box = image_radii.image_radius_enclosure(measures, (2, alpha), shift)
    assert box.lo <= value <= box.hi * (1 + 2e-14)
    if alpha <= 1:
        assert value <= mean(measures, (2, alpha), shift, "paper") * (1 + 2e-14)


MODULI = {
    "linear": lambda t: 2 * t,
    "root": np.sqrt,
    "saturating": lambda t: np.minimum(t, 0.5),
    "steps": lambda t: np.floor(10 * t) / 10 + 0.1,
    "constant": lambda t: np.full_like(t, 3.0),
    "convex": np.expm1,
    "late jump": lambda t: t + 5 * (t > 2.0001),
    "cantor-like": lambda t: np.floor(1000 * np.sin(np.minimum(t, 1.5))) / 1000,
}


@pytest.mark.parametrize("name", MODULI)
@pytest.mark.parametrize("measures", [HALVES, TENTHS, [0.1, 0.2, 0.7], [0.001, 0.999]])
def test_any_nondecreasing_modulus_is_bounded_from_above(name, measures):
    modulus = MODULI[name]
    c = np.array(measures, float)
    a = special.ndtri(1 - c)
    value = mean(measures, modulus)
    box = image_radii.image_radius_enclosure(measures, modulus)
    # E omega(R) for R with the survival function T, by quantiles of R on a fine grid.
    grid = np.linspace(0, 30, 600_001)
    survival = special.ndtr(-(a[:, None] + grid)).sum(axis=0)
    omega = modulus(grid)
    lower = omega[0] + (survival[1:] * np.diff(omega)).sum()
    upper = omega[0] + (survival[:-1] * np.diff(omega)).sum()
    assert lower <= value * (1 + 1e-10)
    assert box.lo <= upper * (1 + 1e-10)
    assert value <= upper * (1 + 2e-5)


def test_the_tail_integral_of_a_smooth_modulus():
    def integrand(t):
        return 2 * special.ndtr(-t) / (1 + t) ** 2

    exact = integrate.quad(integrand, 0, 30, epsabs=1e-14)[0]
    value = mean(HALVES, lambda t: t / (1 + t))
    assert exact <= value <= exact * (1 + 1e-5)
    assert value < mean(HALVES, lambda t: t / (1 + t), form="paper")


def test_many_distinct_classes():
    measures = np.random.default_rng(0).dirichlet(np.ones(300))
    assert mean(measures / measures.sum(), np.sqrt) == pytest.approx(
        mean(measures / measures.sum(), (1, 0.5)), rel=1e-3
    )


def test_the_distance_from_the_data_is_added():
    for form in ("sharp", "paper"):
        for modulus in (IDENTITY, lambda t: t):
            added = mean(TENTHS, modulus, 0.25, form)
            assert added == pytest.approx(mean(TENTHS, modulus, 0, form) + 0.25, rel=1e-13)
            assert added >= expected_radius(TENTHS) + 0.25 - 1e-14
    assert mean([1.0], np.sqrt) == math.inf
    assert mean(HALVES, (1, 1)) == pytest.approx(expected_radius(HALVES), rel=2e-14)


def test_moved_data_attain_the_wasserstein_bound():
    # f = 1 where x > 0, mu the law of x + delta sign x: E r* = E |x| + delta and W_1 = delta.
    x = np.random.default_rng(1).standard_normal(400_000)
    delta = 0.3
    radii = np.abs(x + delta * np.sign(x))
    # Six standard deviations (0.6 each) of a mean of 400,000.
    assert radii.mean() == pytest.approx(mean(HALVES, IDENTITY, delta), abs=6 * 0.6 / 632)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mean(HALVES, lambda t: -t), "modulus must be at least 0"),
        (lambda: mean(HALVES, lambda t: 1 / (1 + t)), "modulus must not decrease"),
        (lambda: mean(HALVES, lambda t: 1.0), "modulus must keep the shape"),
        (lambda: mean(HALVES, lambda t: t * np.nan), "modulus must be at least 0, got nan"),
        (lambda: mean(HALVES, (1, 2), form="paper"), "needs a concave modulus"),
        (lambda: mean(HALVES, lambda t: t**2, form="paper"), "needs a concave modulus"),
        (lambda: mean(HALVES, (0, 1)), "must be positive"),
        (lambda: mean(HALVES, 3), "modulus must be a callable or a pair"),
        (lambda: mean(HALVES, (1, 1), -1), "wasserstein must be at least 0"),
        (lambda: mean(HALVES, (1, 1), form="best"), "form must be"),
        (lambda: fooled(HALVES, 1, lambda e: -e), "inverse_modulus must be at least 0"),
        (lambda: fooled(HALVES, [1, 2], lambda e: 1.0), "inverse_modulus must keep the shape"),
        (lambda: fooled(HALVES, 1, (1, 1), 2), "failure must lie in"),
        (lambda: image_quantiles.image_fooling_quantile(HALVES, 0.5, (1, 1), 0.5), "below 1"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("modulus", [np.sqrt, np.log1p, lambda t: np.minimum(t, 2), (3, 0.2)])
def test_concave_moduli_are_accepted(modulus):
    stieltjes.require_concave(modulus)
    assert mean(TENTHS, modulus, form="sharp") <= mean(TENTHS, modulus, form="paper") * (1 + 1e-5)


# Real data


@pytest.mark.parametrize("order", ["inf", 1, 2, 5])
@pytest.mark.parametrize("eps", [0, 0.05, 0.1, 0.5, 2])
def test_real_data_against_balls(order, eps):
    arguments = TENTHS, eps, (1, 1), 0.1, order
    value = real_data.real_data_fooling_probability(*arguments)
    box = real_data.REAL_DATA_FOOLING_PROBABILITY.enclosure(*arguments)
    assert box.lo - 1e-12 <= value <= box.hi
    assert value <= fooling_probability(TENTHS, eps)


def test_real_data_at_distance_zero_is_theorem_4():
    for order in ("inf", 2):
        bound = real_data.real_data_fooling_probability(TENTHS, 1, (1, 1), 0, order)
        assert bound == pytest.approx(fooled(TENTHS, 1, (1, 1)), rel=2e-14)


# Theorem 6


def sign_of_first(x):
    return (x[:, 0] > 0).astype(int)


def test_the_constant_one_half_is_attained():
    # g = f = sign: every generated image is 1 or -1, r_X = 2 and r* = 1.
    robust = nearest_neighbour.NearestNeighbourClassifier(
        sign_of_first, nearest_neighbour.finite_projector(np.sign, [[-1.0], [1.0]])
    )
    assert robust([[1.0], [1e-9], [-1e-9], [-1.0]]).tolist() == [1, 1, 0, 0]
    assert robust.project([[0.25]]).residuals.tolist() == [0.75]
    assert nearest_neighbour.nearest_neighbour_radius(2) == 1
    # A larger constant would be refuted here.
    assert 0.55 * 2 > 1


@pytest.mark.parametrize("norm", ["l2", "l1", "linf"])
def test_no_perturbation_below_half_the_radius_changes_the_label(norm):
    rng = np.random.default_rng(7)
    latents = rng.standard_normal((40, 2))
    generator = lambda z: np.hstack([z, z**2])  # noqa: E731
    classifier = lambda x: (x.sum(axis=1) > 1).astype(int)  # noqa: E731
    robust = nearest_neighbour.NearestNeighbourClassifier(
        classifier, nearest_neighbour.finite_projector(generator, latents, norm)
    )
    x = generator(latents)
    labels = classifier(x)
    assert (robust(x) == labels).all()
    gaps = nearest_neighbour.distances(x[:, None], x[None], norm)
    radii = np.where(labels[:, None] != labels, gaps, np.inf).min(axis=1)
    for _ in range(50):
        v = rng.standard_normal(x.shape)
        v /= nearest_neighbour.distances(v, np.zeros_like(v), norm)[:, None]
        assert (robust(x + v * (radii * 0.499)[:, None]) == labels).all()


def test_linear_projection_is_nearest():
    rng = np.random.default_rng(2)
    A, b = rng.standard_normal((6, 3)), rng.standard_normal(6)
    project = nearest_neighbour.linear_projector(A, b)
    x = rng.standard_normal((10, 6))
    exact = project(x)
    assert exact.exact
    found = nearest_neighbour.search_projector(lambda z: z @ A.T + b, 3)(x)
    assert not found.exact
    # Least squares stops at a relative change of 1e-8 of a quadratic, hence 1e-8 here.
    assert found.residuals == pytest.approx(exact.residuals, rel=1e-8)
    assert np.abs((x - exact.images) @ A).max() < 1e-12


def test_search_finds_generated_images():
    rng = np.random.default_rng(3)
    A = rng.standard_normal((5, 2))
    generator = lambda z: np.tanh(z @ A.T)  # noqa: E731
    jacobian = lambda z: (1 - np.tanh(A @ z) ** 2)[:, None] * A  # noqa: E731
    x = generator(rng.standard_normal((8, 2)))
    for slope in (None, jacobian):
        project = nearest_neighbour.search_projector(generator, 2, jacobian=slope)
        assert project(x).residuals.max() < 1e-7


def test_approximate_projection_costs_its_slack():
    value = nearest_neighbour.nearest_neighbour_radius(1, "1/2")
    assert Fraction(value) <= Fraction(2, 5)
    assert value == pytest.approx(0.4)
    box = nearest_neighbour.NEAREST_NEIGHBOUR_RADIUS.enclosure(1, "1/2")
    assert Fraction(box.lo) <= Fraction(2, 5) <= Fraction(box.hi)
    with pytest.raises(ValueError, match="slack must be at least 0"):
        nearest_neighbour.nearest_neighbour_radius(1, -1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nearest_neighbour.finite_projector(np.sign, [1.0, 2.0]), "latents must be rows"),
        (lambda: nearest_neighbour.finite_projector(np.sign, [[1.0]])(np.ones((1, 2))), "images"),
        (lambda: nearest_neighbour.finite_projector(lambda z: z[:1], [[1.0], [2]]), "rows"),
        (lambda: nearest_neighbour.linear_projector([[np.nan]]), "matrix must be finite"),
        (lambda: nearest_neighbour.search_projector(np.sign, 0), "dimension must be"),
        (lambda: nearest_neighbour.distances(np.ones(2), np.ones(2), "l3"), "norm must be"),
    ],
)
def test_wrong_projectors_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_exact_model_through_a_linear_generator():
    # The simplex classifier behind g(z) = 3 z: every radius triples, and the bounds with it.
    model = models.simplex(3)
    assert 3 * model.mean_radius <= mean(model.measures, (3, 1))
    eps = np.linspace(0.1, 6, 20)
    assert (1 - model.survival(eps / 3) >= fooled(model.measures, eps, (3, 1))).all()
