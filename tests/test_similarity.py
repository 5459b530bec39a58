"""HSIC and CKA against their definitions, invariances, reference values; maps of two networks."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from empirical.diagnostics import draw, layer_features, similarity_map
from robust_theory.networks.similarity import UNBIASED_HSIC, cka, cka_map, hsic
from tests import references


def by_definition(X, Y, centred):
    """tr(K H L H) / (n - 1)^2, with H written out."""
    X, Y = np.asarray(X, float), np.asarray(Y, float)
    n = len(X)
    H = np.eye(n) - np.ones((n, n)) / n if centred else np.eye(n)
    return np.trace(X @ X.T @ H @ Y @ Y.T @ H) / (n - 1) ** 2


def over_quadruples(X, Y):
    """The U-statistic of k_12 (l_12 + l_34 - 2 l_13), term by term."""
    K, L = np.asarray(X) @ np.asarray(X).T, np.asarray(Y) @ np.asarray(Y).T
    terms = [
        K[i, j] * (L[i, j] + L[q, r] - 2 * L[i, q])
        for i, j, q, r in itertools.permutations(range(len(K)), 4)
    ]
    return sum(terms) / len(terms)


entries = st.integers(-4, 4)


@st.composite
def pairs(draw, least=4):
    n = draw(st.integers(least, 6))
    widths = draw(st.tuples(st.integers(1, 9), st.integers(1, 4)))
    return [
        np.array(draw(st.lists(entries, min_size=n * d, max_size=n * d))).reshape(n, d)
        for d in widths
    ]


@given(pairs())
@settings(max_examples=50)
def test_against_the_definitions(pair):
    X, Y = pair
    # Integers up to 4, sums of at most 54 products of size 256: exact but for a few divisions.
    size = 1e-14 * (1 + abs(by_definition(X, X, False)) + abs(by_definition(Y, Y, False))) * 100
    assert hsic(X, Y) == pytest.approx(by_definition(X, Y, True), abs=size)
    assert hsic(X, Y, centred=False) == pytest.approx(by_definition(X, Y, False), abs=size)
    exact = over_quadruples(X, Y)
    assert hsic(X, Y, unbiased=True) == pytest.approx(exact, abs=size)
    assert UNBIASED_HSIC.enclosure(X.tolist(), Y.tolist()).contains(exact, relative=1e-12)


@given(pairs(), st.integers(0, 2**31), st.sampled_from([1e-3, 1.0, 1e6]))
def test_rotation_scale_and_offset_change_nothing(pair, seed, scale):
    X, Y = (np.asarray(Z, float) for Z in pair)
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.standard_normal((X.shape[1],) * 2))[0]
    moved = scale * (X @ Q) + rng.integers(-5, 5, X.shape[1]) * scale
    for unbiased in (False, True):
        before, after = (cka(Z, Y, unbiased=unbiased) for Z in (X, moved))
        own = hsic(X, X, unbiased=unbiased)
        if own > 1e-6:  # else 0/0 but for rounding
            assert after == pytest.approx(before, abs=1e-9)
            assert cka(X, moved, unbiased=unbiased) == pytest.approx(1.0, abs=1e-9)
        assert cka(Y, X, unbiased=unbiased) == pytest.approx(before, abs=1e-12)
        assert before <= 1
        if not unbiased:
            assert before >= 0


@pytest.mark.parametrize(("params", "exact"), references.values("cka_centered"))
def test_reference_values(params, exact):
    # Integers; a dozen roundings in a quotient and a root.
    assert cka(params["X"], params["Y"]) == pytest.approx(float(exact), rel=1e-14, abs=1e-15)


@pytest.mark.parametrize(("params", "exact"), references.values("cka_uncentered"))
def test_reference_values_without_centring(params, exact):
    value = cka(params["X"], params["Y"], centred=False)
    assert value == pytest.approx(float(exact), rel=1e-14)


@pytest.mark.parametrize(("params", "exact"), references.values("cka_unbiased"))
def test_reference_values_without_bias(params, exact):
    value = cka(params["X"], params["Y"], unbiased=True)
    assert value == pytest.approx(float(exact), rel=1e-14)


def test_what_goes_wrong_without_centring():
    first, second = [1, 2, 3, 4], [1, -1, -1, 1]
    assert cka(first, second) == 0.0
    far = [np.add(z, 10) for z in (first, second)]
    assert cka(*far, centred=False) == pytest.approx(0.98224, abs=5e-6)
    assert cka(*far) == 0.0


@given(st.integers(1, 50), st.integers(1, 50), st.integers(0, 2**31))
def test_two_inputs_are_always_alike_in_the_biased_version(d, width, seed):
    rng = np.random.default_rng(seed)
    value = cka(rng.standard_normal((2, d)), rng.standard_normal((2, width)))
    assert value == pytest.approx(1.0, rel=1e-12)


def test_wide_independent_features_look_alike_to_the_biased_version_only():
    rng = np.random.default_rng(0)
    biased, unbiased = [], []
    for _ in range(30):
        X, Y = rng.standard_normal((2, 20, 1000))
        biased.append(cka(X, Y))
        unbiased.append(cka(X, Y, unbiased=True))
    assert min(biased) > 0.95
    # Mean 0 in HSIC; spread .07 as measured for these sizes, so 5 spreads of the mean of 30.
    assert abs(np.mean(unbiased)) < 0.065


def test_constant_features_are_like_nothing():
    varied = np.arange(8.0).reshape(4, 2)
    for constant in (np.full((4, 3), 0.1), np.full((4, 1), 1e300), np.zeros((4, 2))):
        for unbiased in (False, True):
            assert cka(constant, varied, unbiased=unbiased) == 0.0
            assert cka(constant, constant, unbiased=unbiased) == 0.0
    # Large and small numbers neither overflow nor vanish.
    assert cka(1e200 * varied, 1e-200 * varied) == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: cka([[1.0]], [[1.0]]), "at least 2"),
        (lambda: hsic([1.0] * 3, [1.0] * 3, unbiased=True), "at least 4"),
        (lambda: cka([1.0, 2.0], [1.0, 2.0, 3.0]), "the same inputs"),
        (lambda: cka([1.0, math.nan], [1.0, 2.0]), "first must be finite"),
        (lambda: cka([1.0, 2.0], 3.0), "second must have shape"),
        (lambda: cka("ab", [1.0, 2.0]), "first must be an array"),
    ],
)
def test_wrong_features_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


# ------------------------------------------------------------------------ two networks


def network(seed, width=6):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(32, width),
        nn.Dropout(),
        nn.Linear(width, 3),
    )


X = torch.randn(40, 1, 4, 4, generator=torch.Generator().manual_seed(0))


def test_layer_features_are_what_the_layers_put_out():
    module = network(0)
    found = layer_features(module, X, batch=7)
    assert list(found) == ["0", "1", "2", "3", "4", "5"]
    module = module.double().eval()
    with torch.no_grad():
        first = module[0](X.double())
        last = module(X.double())
    np.testing.assert_array_equal(found["0"], first.flatten(1).numpy())  # before the ReLU in place
    np.testing.assert_allclose(found["5"], last.numpy(), rtol=1e-13)
    np.testing.assert_array_equal(found["1"], np.maximum(found["0"], 0))
    assert list(layer_features(module, X, kinds=(nn.Linear,))) == ["3", "5"]


def test_maps_of_networks():
    module = network(0)
    own = similarity_map(module, module, X)
    assert own.values.shape == (6, 6)
    np.testing.assert_allclose(np.diag(own.values), 1.0, rtol=1e-12)
    np.testing.assert_allclose(own.values, own.values.T, atol=1e-12)
    seen: list[float] = []
    other = similarity_map(
        module,
        network(1, width=9),
        X,
        kinds=(nn.Linear,),
        progress=lambda done, _: seen.append(done),
    )
    assert (other.rows, other.columns, other.inputs) == (("3", "5"), ("3", "5"), 40)
    features = [layer_features(m, X, kinds=(nn.Linear,)) for m in (module, network(1, width=9))]
    direct = cka_map([*features[0].values()], [*features[1].values()], unbiased=True)
    np.testing.assert_array_equal(other.values, direct)
    assert seen == [0.5, 1.0]
    assert draw(other).get_ylabel() == ""
    # Scaling a network's layers changes nothing.
    with torch.no_grad():
        scaled = network(0)
        scaled[5].weight *= 3
        scaled[5].bias *= 3
    np.testing.assert_allclose(similarity_map(module, scaled, X).values, own.values, atol=1e-9)


def test_a_collapsed_layer_is_like_nothing():
    collapsed = network(0)
    with torch.no_grad():
        collapsed[3].weight.zero_()
    values = similarity_map(network(0), collapsed, X).values
    assert not values[:, 3:].any()


def test_networks_that_cannot_be_compared():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(16, 16)

        def forward(self, x):
            return self.layer(self.layer(x.flatten(1)))

    with pytest.raises(ValueError, match="must run once"):
        layer_features(Twice(), X)
    with pytest.raises(ValueError, match="must have a layer"):
        layer_features(nn.Flatten(), X, kinds=(nn.Linear,))
    with pytest.raises(ValueError, match="inputs must be finite"):
        layer_features(network(0), X * math.nan)
    with pytest.raises(ValueError, match="batch"):
        layer_features(network(0), X, batch=0)
