"""Noise, votes and chance shifts of images with several channels."""

import numpy as np
import pytest
import torch

from empirical import data, networks, noise, noise_training, smoothing, train
from robust_theory.wasserstein.resistance import laplacian

SHAPE = (3, 2)


def colours(m, seed=0):
    """Images of three channels with uneven totals, the second channel of the first one black."""
    drawn = np.random.default_rng(seed).uniform(0.1, 1, (m, 3, *SHAPE)).astype(np.float32)
    drawn[0, 1] = 0
    return drawn


def test_each_channel_gets_noise_of_its_own_in_units_of_the_whole_mass():
    """Corollary 2 of levine2020: no mass leaves its channel, and the image has mass 1 in all."""
    n, sigma = 40_000, 0.1
    image = torch.from_numpy(colours(1))
    law = noise.laplace_flow(SHAPE, sigma)
    generator = torch.Generator().manual_seed(3)
    change = (smoothing.noised(image.expand(n, -1, -1, -1), law, generator) - image).double()
    total = float(image.sum())
    flat = (change / total).numpy().reshape(n, 3, -1)
    # Six pixels, each off by some roundings of numbers of size 1.
    assert np.abs(flat.sum(2)).max() < 1e-5
    expected = sigma**2 * laplacian(SHAPE, np.ones(7)).toarray()
    for a in range(3):
        for b in range(3):
            moment = flat[:, a].T @ flat[:, b] / n
            # Entries of size up to .04; Laplace has kurtosis 6. Six standard errors.
            error = 6 * 0.04 * np.sqrt(6 / n)
            np.testing.assert_allclose(moment, expected if a == b else 0, atol=error)


def test_votes_on_colours_are_those_of_noised_colours():
    blocks = []

    class Recording(torch.nn.Module):
        def forward(self, x):
            blocks.append(x.clone())
            return torch.zeros(len(x), 2)

    image = colours(1)
    smoothing.count_votes(Recording(), noise.laplace_flow(SHAPE, 0.2), image, 500, 2, seed=1)
    seen = torch.cat(blocks)
    assert seen.shape == (500, 3, *SHAPE)
    # Every channel keeps its own mass, the black one too.
    sums, own = seen.double().sum((2, 3)).numpy(), image[0].sum((1, 2))
    np.testing.assert_allclose(sums, np.broadcast_to(own, sums.shape), atol=1e-4)
    assert (seen.numpy()[:, 1].std(0) > 0).all()


def test_shares_of_right_draws_and_their_mean():
    images = colours(30)
    labels = np.arange(30) % 2

    class Chance(torch.nn.Module):
        def forward(self, x):
            return torch.stack([x[:, 0, 0, 0], x[:, 0, 1, 1]], 1)

    law = noise.laplace_flow(SHAPE, 0.05)
    shares = smoothing.correct_shares(Chance(), law, images, labels, draws=4, seed=2)
    assert shares.shape == (30,)
    assert set(np.unique(4 * shares)) <= {0, 1, 2, 3, 4}
    assert 0 < shares.mean() < 1
    mean = smoothing.base_accuracy(Chance(), law, images, labels, draws=4, seed=2)
    assert mean == shares.mean()
    first = smoothing.correct_shares(Chance(), law, images, labels, draws=1, seed=2)
    assert (np.abs(4 * shares - first) <= 3).all()  # the first draw is among the four


def test_shifts_and_mirrors_take_every_place_equally_often():
    image = torch.arange(1.0, 1 + 2 * 3 * 4).reshape(1, 2, 3, 4)
    m = 20_000
    generator = torch.Generator().manual_seed(4)
    found = noise_training.shifted_and_mirrored(image.expand(m, -1, -1, -1), generator, most=1)
    assert found.shape == (m, 2, 3, 4)
    padded = torch.nn.functional.pad(image[0], (1, 1, 1, 1))
    places = {}
    for i in range(3):
        for j in range(3):
            window = padded[:, i : i + 3, j : j + 4]
            for flip in (False, True):
                kept = window.flip(2) if flip else window
                places[i, j, flip] = float((found == kept).all(3).all(2).all(1).float().mean())
    assert abs(sum(places.values()) - 1) < 1e-6  # single precision
    # Eighteen places of probability 1/18 each: six standard errors.
    assert all(abs(share - 1 / 18) < 6 * np.sqrt(1 / 18 / m) for share in places.values())


def test_the_first_layer_takes_over_the_scale_of_training():
    rng = np.random.default_rng(6)
    labels = np.arange(400) % 2
    images = rng.uniform(0.2, 0.4, (400, 1, 4, 4)).astype(np.float32)
    images[labels == 1, :, :2] += 0.5
    whole = data.Dataset("halves", images, labels, 2, np.arange(300), np.arange(300, 400))
    law = noise.laplace_flow((4, 4), 0.02)
    for scale in (1.0, 1e-3):
        network = networks.build("mlp", (1, 4, 4), 2, 0)
        before = network[1].weight.detach().clone()
        record = noise_training.train_with_noise(
            network, whole, law, epochs=1, batch=300, rate=1e-9, seed=1, scale=scale
        )
        # A step of next to nothing: what is left of the change is the factor.
        torch.testing.assert_close(network[1].weight.detach(), scale * before, atol=1e-8, rtol=0)
        assert train.accuracy(network, whole) == record.accuracy
    network = networks.build("strided", (1, 4, 4), 2, 0)
    record = noise_training.train_with_noise(
        network, whole, law, epochs=20, batch=50, seed=1, scale=0.5
    )
    assert record.accuracy == train.accuracy(network, whole) > 0.9
    with pytest.raises(ValueError, match="scale must be positive"):
        noise_training.train_with_noise(network, whole, law, scale=0.0)
