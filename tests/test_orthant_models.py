import math

import numpy as np
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st
from references import close, encloses, values
from scipy import special, stats

from robust_theory.vulnerability import orthant_models, parallel, strip_models
from robust_theory.vulnerability.latent import expected_radius, fooling_probability

MODELS = [
    orthant_models.orthants(1),
    orthant_models.orthants(3),
    strip_models.strips(2, [-0.43, 0.43]),
    strip_models.strips(1, [-1, 0.2, 0.9, 2]),
    strip_models.slab(3, 0.5),
]
THRESHOLDS = [[0], [-0.43, 0.43], [-1, 0.2, 0.9, 2], [-8, 3, 9.5]]


@pytest.mark.parametrize(("params", "exact"), values("orthant_mean"))
def test_orthant_mean_against_reference(params, exact):
    assert close(orthant_models.orthant_expected_radius(params["k"]), exact)
    assert encloses(orthant_models.ORTHANT_EXPECTED_RADIUS.enclosure(params["k"]), exact)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_models_match_samples(model):
    n = 200_000
    z = np.random.default_rng(11).standard_normal((n, model.dimension))
    radii, labels = model.radius(z), model.label(z)
    shares = np.bincount(labels, minlength=len(model.measures)) / n
    # Six standard deviations; the radii have a standard deviation below 1.
    assert shares == pytest.approx(np.array(model.measures), abs=6 * 0.5 / math.sqrt(n))
    assert radii.mean() == pytest.approx(model.mean_radius, abs=6 / math.sqrt(n))
    eps = np.array([0.05, 0.3, 0.6, 2])
    survival = (radii[:, None] > eps).mean(axis=0)
    assert survival == pytest.approx(model.survival(eps), abs=6 * 0.5 / math.sqrt(n))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_radii_are_distances_to_another_class(model):
    rng = np.random.default_rng(12)
    z = rng.standard_normal((300, model.dimension))
    radii, labels = model.radius(z), model.label(z)
    v = rng.standard_normal((200, 300, model.dimension))
    v /= np.linalg.norm(v, axis=-1)[..., None]
    # No direction reaches another class before the radius, and an axis does just after it.
    inside = z + v * (radii * 0.999)[:, None]
    assert all((model.label(moved) == labels).all() for moved in inside)
    axes = [s * np.eye(model.dimension)[i] for s in (1, -1) for i in range(model.dimension)]
    step = (radii * (1 + 1e-9) + 1e-12)[:, None]
    changed = [model.label(z + step * axis) != labels for axis in axes]
    assert np.any(changed, axis=0).all()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_bounds_hold_on_the_models(model):
    eps = np.linspace(0.01, 4, 100)
    fooled = 1 - np.asarray(model.survival(eps))
    assert (fooled >= np.asarray(fooling_probability(model.measures, eps)) - 1e-14).all()
    assert model.mean_radius <= expected_radius(model.measures) + 1e-14


@given(k=st.one_of(st.integers(1, 60), st.just(10**6)), eps=strategies.budgets(38.0))
@settings(max_examples=40)
def test_orthant_law_against_balls(k, eps):
    value, box = orthant_models.orthant_fooling_probability(k, eps), None
    box = orthant_models.ORTHANT_LAW.enclosure(k, eps)
    assert box.contains(value, relative=1e-14)


@pytest.mark.parametrize("thresholds", THRESHOLDS)
@pytest.mark.parametrize("eps", [0, 1e-8, 0.1, 0.43, 0.7, 5, 40, math.inf])
def test_strips_against_balls(thresholds, eps):
    value = strip_models.strips_fooling_probability(thresholds, eps)
    assert strip_models.STRIPS_LAW.enclosure(thresholds, eps).contains(value, relative=1e-14)
    mean = strip_models.strips_expected_radius(thresholds)
    box = strip_models.STRIPS_EXPECTED_RADIUS.enclosure(thresholds)
    assert box.contains(mean, relative=1e-14)


@pytest.mark.parametrize("k", [1, 5, 10**6])
def test_orthant_mean_against_balls(k):
    box = orthant_models.ORTHANT_EXPECTED_RADIUS.enclosure(k)
    assert box.contains(orthant_models.orthant_expected_radius(k), relative=1e-14)


def test_three_equal_strips_refute_equality_for_three_linear_classes():
    # Remark 4 says equality for linear classifiers; three strips of mass 1/3 at 0.3: .431 > .303.
    t = stats.norm.isf(1 / 3)
    exact = strip_models.strips_fooling_probability([-t, t], 0.3)
    formula = 2 * (1 / 3 - special.ndtr(-t - 0.3)) + 2 * (special.ndtr(t) - special.ndtr(t - 0.3))
    assert exact == pytest.approx(formula, rel=1e-13)
    assert exact == pytest.approx(0.431045, abs=1e-6)
    assert fooling_probability([1, 1, 1], 0.3) == pytest.approx(0.302581, abs=1e-6)


@pytest.mark.parametrize("s", ["3/10", 0, 2.5])
@pytest.mark.parametrize("eps", ["3/10", 0.30001, 1, 9, 2000, math.inf])
def test_parallel_law_against_balls(s, eps):
    value = parallel.parallel_transfer_probability(s, eps)
    assert parallel.PARALLEL_TRANSFER_LAW.enclosure(s, eps).contains(value, relative=2e-14)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: orthant_models.orthants(17), "k must be at most 16"),
        (lambda: orthant_models.orthant_fooling_probability(0, 1), "k must be an integer"),
        (lambda: strip_models.strips(1, []), "thresholds must be increasing, at least one"),
        (lambda: strip_models.strips(1, [1, 1]), "thresholds must be increasing"),
        (lambda: strip_models.strips_expected_radius([0, math.nan]), "thresholds must be a finite"),
        (lambda: strip_models.slab(1, 0), "thresholds must be increasing"),
        (lambda: strip_models.slab(2, 1).radius(np.ones((3, 1))), "z must have shape"),
        (lambda: parallel.parallel_transfer_probability(-1, 1), "offset must be at least 0"),
        (lambda: parallel.parallel_transfer_probability([1, 2], 1), "offset must be one finite"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
