"""Noise in the flow domain, votes, training with noise, and the defences compared with."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from empirical import data, defences, networks, noise, noise_training, smoothing
from empirical.noise import edge_count, moved
from robust_theory import apply_flow, edge_variances
from robust_theory.wasserstein.resistance import laplacian

SHAPES = [(1, 1), (1, 6), (5, 1), (2, 2), (3, 4)]
MAKERS = {
    "laplace": noise.laplace_flow,
    "uniform": noise.uniform_flow,
    "gaussian": noise.gaussian_flow,
}
N = 40_000


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def flat(change):
    return change.double().numpy().reshape(len(change), -1)


@given(st.tuples(st.integers(1, 5), st.integers(1, 5)), st.integers(0, 2**31))
def test_flows_change_images_as_the_theory_says(shape, seed):
    flows = torch.randn(3, edge_count(shape), generator=generator(seed), dtype=torch.float64)
    h, w = shape
    zeros = np.zeros(shape)
    for flow, change in zip(flows.numpy(), moved(flows, shape).numpy(), strict=True):
        parts = flow[: (h - 1) * w].reshape(h - 1, w), flow[(h - 1) * w :].reshape(h, w - 1)
        # Four terms a pixel, each of a few units: some roundings.
        np.testing.assert_allclose(change, apply_flow(zeros, parts), atol=1e-14)


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("shape", SHAPES)
def test_mass_is_kept_and_the_covariance_is_the_laplacian(kind, shape):
    change = flat(MAKERS[kind](shape, 0.3).draw(N, generator(1)))
    assert change.shape == (N, shape[0] * shape[1])
    assert np.abs(change.sum(1)).max() < 1e-5  # some thirty roundings of single precision
    if change.shape[1] == 1:
        assert not change.any()
        return
    expected = 0.09 * laplacian(shape, np.ones(edge_count(shape))).toarray()
    # Entries of size up to .36; Laplace has kurtosis 6. Six standard errors.
    np.testing.assert_allclose(change.T @ change / N, expected, atol=6 * 0.36 * math.sqrt(6 / N))


def test_gaussian_flows_of_other_variances():
    design = edge_variances((3, 4))
    change = flat(noise.gaussian_flow((3, 4), 0.2, design.variances).draw(N, generator(2)))
    expected = 0.04 * laplacian((3, 4), design.variances).toarray()
    np.testing.assert_allclose(change.T @ change / N, expected, atol=6 * 0.2 * math.sqrt(2 / N))


def test_gaussian_noise_of_any_covariance():
    root = np.random.default_rng(3).normal(size=(6, 6))
    root -= root.mean(0)
    covariance = root @ root.T
    covariance -= covariance.mean(1, keepdims=True)
    covariance = (covariance + covariance.T) / 2
    change = flat(noise.gaussian_noise((2, 3), covariance).draw(N, generator(3)))
    size = covariance.diagonal().max()
    np.testing.assert_allclose(change.T @ change / N, covariance, atol=6 * size * math.sqrt(2 / N))
    assert np.abs(change.sum(1)).max() < 1e-4


@pytest.mark.parametrize(
    ("kind", "distribution"),
    [
        ("laplace", lambda x: np.where(x < 0, np.exp(x) / 2, 1 - np.exp(-np.abs(x)) / 2)),
        ("uniform", lambda x: np.clip((x / math.sqrt(6) + 1) / 2, 0, 1)),
    ],
)
def test_the_law_of_one_flow(kind, distribution):
    # Scale 1 is standard deviation sqrt(2). The second pixel of two gets the flow itself.
    flow = np.sort(flat(MAKERS[kind]((1, 2), math.sqrt(2)).draw(N, generator(4)))[:, 1])
    empirical = np.arange(1, N + 1) / N
    # Dvoretzky-Kiefer-Wolfowitz: exceeded with probability 2 exp(-2 N t^2) < 1e-6.
    assert np.abs(empirical - distribution(flow)).max() < 0.014


def test_extreme_uniform_draws_give_finite_laplace_variables(monkeypatch):
    extreme = torch.tensor([[0.0, 2.0**-24, 0.5, 1 - 2.0**-24]])
    monkeypatch.setattr(noise, "_uniform", lambda size, generator: extreme.clone())
    drawn = noise._laplace((1, 4), generator())
    assert torch.isfinite(drawn).all()
    # log(2 * 2^-25) = -24 log 2 at both ends
    assert drawn[0, 0] == pytest.approx(-24 * math.log(2), rel=1e-5)
    assert drawn[0, 3] == pytest.approx(23 * math.log(2), rel=1e-5)


def test_pixel_noise_is_independent():
    change = flat(noise.laplace_pixels((2, 2), 0.5).draw(N, generator(5)))
    np.testing.assert_allclose(change.T @ change / N, np.eye(4) / 4, atol=1.5 * math.sqrt(6 / N))


class Recording(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, images):
        self.seen.append(images.clone())
        return images.flatten(1)


IMAGES = np.array([[[[0.5, 0.1], [0.1, 0.1]]], [[[0.2, 0.2], [0.9, 0.1]]]], np.float32)


def test_votes_do_not_depend_on_how_images_and_draws_are_cut():
    law, network = noise.laplace_flow((2, 2), 0.2), Recording()
    whole = smoothing.count_votes(network, law, IMAGES, 700, 4, seed=3)
    parts = [
        smoothing.count_votes(network, law, IMAGES[i : i + 1], 700, 4, seed=3, first=i)
        for i in range(2)
    ]
    np.testing.assert_array_equal(whole, np.concatenate(parts))
    assert (whole.sum(1) == 700).all()
    fewer = smoothing.count_votes(network, law, IMAGES, 300, 4, seed=3)
    assert (fewer <= whole).all()
    assert (smoothing.count_votes(network, law, IMAGES, 700, 4, seed=4) != whole).any()
    both = smoothing.certification_votes(network, law, IMAGES, 4, pilot=700, votes=700, seed=3)
    np.testing.assert_array_equal(both.votes, whole)
    assert (both.pilot != both.votes).any()


def test_the_votes_of_a_known_classifier_have_their_probability():
    # Pixel 0 of (a, b) wins if its flow to pixel 1 is below (a - b) / 2, in units of the total.
    image = np.array([[[[0.6, 0.2]]]], np.float32)
    law = noise.laplace_flow((1, 2), 0.3)
    n = 20_000
    counts = smoothing.count_votes(Recording(), law, image, n, 2, seed=0)
    p = 1 - math.exp(-(0.25 / 0.3) * math.sqrt(2)) / 2  # 0.2 / 0.8 = .25 of the mass
    assert abs(counts[0, 0] / n - p) < 5 * math.sqrt(p * (1 - p) / n)


def test_noise_is_scaled_by_the_total_and_keeps_it():
    network = Recording()
    law = noise.gaussian_flow((2, 2), 0.1)
    smoothing.count_votes(network, law, IMAGES, 1, 4, seed=0)
    first, second = network.seen
    change = [(first.numpy() - IMAGES[0]) / 0.8, (second.numpy() - IMAGES[1]) / 1.4]
    for index, c in enumerate(change):
        drawn = law.draw(250, generator(smoothing._seed_of(0, index, "votes")))
        np.testing.assert_allclose(c[:, 0], drawn.numpy(), atol=1e-6, rtol=1e-5)


def test_wrong_images_and_numbers_are_named():
    law = noise.laplace_flow((2, 2), 0.1)
    with pytest.raises(ValueError, match="every image must have a positive"):
        smoothing.count_votes(Recording(), law, np.zeros((1, 1, 2, 2), np.float32), 5, 4, seed=0)
    with pytest.raises(ValueError, match="n must be at least 1"):
        smoothing.count_votes(Recording(), law, IMAGES, 0, 4, seed=0)
    with pytest.raises(ValueError, match=r"images must have shape \(m, c, 2, 2\)"):
        smoothing.count_votes(Recording(), law, np.ones((1, 1, 3, 2), np.float32), 5, 4, seed=0)
    for sigma in (0, -1, math.nan, math.inf):
        with pytest.raises(ValueError, match="sigma must be positive"):
            noise.laplace_flow((2, 2), sigma)
    with pytest.raises(ValueError, match="sides of at least 1"):
        noise.laplace_flow((0, 2), 1)
    with pytest.raises(ValueError, match="variances must be 4 positive"):
        noise.gaussian_flow((2, 2), 1, [1, 1, 1])
    with pytest.raises(ValueError, match="covariance must have shape"):
        noise.gaussian_noise((2, 2), np.eye(3))
    with pytest.raises(ValueError, match="rows of sum 0"):
        noise.gaussian_noise((2, 2), np.eye(4))
    with pytest.raises(ValueError, match="positive semidefinite"):
        noise.gaussian_noise((1, 2), [[-1, 1], [1, -1]])


@pytest.fixture(scope="module")
def dataset():
    digits = data.load("digits")
    return data.Dataset(
        "few", digits.images, digits.labels, 10, digits.train[:600], digits.test[:200]
    )


def test_training_with_noise_helps_under_noise_and_repeats_itself(dataset):
    law = noise.gaussian_flow((8, 8), 0.01)
    trained, told = [], []
    for _ in range(2):
        network = networks.build("strided", dataset.shape, 10, 0)
        record = noise_training.train_with_noise(
            network, dataset, law, epochs=15, progress=lambda f, w: told.append((f, w))
        )
        trained.append(networks.to_arrays(network))
        assert told[-1][0] == 1.0
    assert all((trained[0][k] == trained[1][k]).all() for k in trained[0])
    assert record.accuracy > 0.8
    images, labels = dataset.images[dataset.test], dataset.labels[dataset.test]
    assert smoothing.base_accuracy(network, law, images, labels, draws=2, seed=1) > 0.6


def test_margin_sensitivity_is_the_second_moment_of_relative_slopes(dataset):
    # A linear classifier has one gradient per pair of classes, whatever the noise.
    network = networks.linear((1, 8, 8), 2)
    images = dataset.images[:50]
    labels = np.zeros(50, np.int64)
    law = noise.gaussian_flow((8, 8), 1e-9)
    found = noise_training.margin_sensitivity(network, law, images, labels, floor=1e6, ridge=1e-3)
    weight = network[1].weight.detach().double().numpy()
    totals = images.astype(float).sum((1, 2, 3))
    moment = (totals**2).mean() / 1e12 * np.outer(weight[0] - weight[1], weight[0] - weight[1])
    expected = moment + 1e-3 * np.trace(moment) / 64 * np.eye(64)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * moment.max())
    # Three channels of a third each: a ninth of the slopes' squares, three times, and totals.
    colour = networks.linear((3, 8, 8), 2)
    with torch.no_grad():
        colour[1].weight.copy_(network[1].weight.repeat(1, 3) / 3)
    again = noise_training.margin_sensitivity(
        colour, law, images.repeat(3, axis=1), labels, floor=1e6, ridge=1e-3
    )
    np.testing.assert_allclose(again, 3 * found, rtol=1e-5, atol=1e-6 * moment.max())
    with pytest.raises(ValueError, match="floor must be positive"):
        noise_training.margin_sensitivity(network, law, images, labels, floor=0)
    with pytest.raises(ValueError, match="epochs must be at least 1"):
        noise_training.train_with_noise(network, dataset, law, epochs=0)


def test_defences_stay_in_their_balls(dataset):
    network = networks.build("strided", dataset.shape, 10, 0)
    x = torch.from_numpy(dataset.images[:20])
    y = torch.from_numpy(dataset.labels[:20])
    near = defences.linf_change(network, 0.1)(x, y, generator())
    assert (near - x).abs().max() <= 0.1 + 1e-6
    assert near.min() >= 0
    assert near.max() <= 1
    moved_ = defences.wasserstein_change(network, 0.3)(x, y, generator())
    assert (moved_ - x).abs().max() > 0
    assert moved_.min() >= 0
    torch.testing.assert_close(moved_.sum((1, 2, 3)), x.sum((1, 2, 3)))
    assert torch.equal(defences.unchanged(x, y, generator()), x)

    def loss(z):
        return torch.nn.functional.cross_entropy(network(z), y).item()

    assert loss(near) > loss(x)
    assert loss(moved_) > loss(x)


def test_binarised_networks_see_two_values_and_pass_slopes():
    inner = Recording()
    x = torch.tensor([[[[0.2, 0.5], [0.51, 1.0]]]], requires_grad=True)
    logits = defences.Binarised(inner)(x)
    torch.testing.assert_close(inner.seen[0], torch.tensor([[[[0.0, 0.0], [1.0, 1.0]]]]))
    logits[0, 2].backward()
    assert x.grad[0, 0, 1, 0] == 1
