import numpy as np
import pytest
import torch
from torch import nn

from empirical import generators, networks
from empirical.attacks.images import image_radii, images_with_jacobian
from empirical.attacks.latent import latent_radius

Z = np.random.default_rng(0).standard_normal((30, 4))


def affine(weight, bias):
    weight, bias = torch.as_tensor(weight), torch.as_tensor(bias)
    module = nn.Linear(weight.shape[1], weight.shape[0]).double()
    with torch.no_grad():
        module.weight.copy_(weight)
        module.bias.copy_(bias)
    return module


def nets():
    """A generator of 3x2 images from R^4, and a classifier of them, of random weights."""
    torch.manual_seed(0)
    generator = nn.Sequential(nn.Linear(4, 20), nn.ReLU(), nn.Linear(20, 6), nn.Sigmoid())
    classifier = nn.Sequential(nn.Flatten(), nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
    for layer in (generator[0], generator[2], classifier[1], classifier[3]):
        nn.init.normal_(layer.weight, 0, 2 * layer.in_features**-0.5)
        nn.init.normal_(layer.bias, 0, 0.3)
    classifier[3].bias.data -= classifier(generator(torch.zeros(1, 4))).detach()[0]
    return nn.Sequential(*generator, nn.Unflatten(1, (1, 3, 2))), classifier


def test_linear_generator_and_classifier():
    """g(z) = A z, f = 1[w.x > b]. In the image space the boundary is |w.A z - b| / |w| away; inside
    the image of g only the part P w of w in the range of A counts: |w.A z - b| / |P w|.
    """
    random = np.random.default_rng(1)
    A, w, b = random.standard_normal((7, 4)), random.standard_normal(7), 0.3
    f = affine(np.stack([0 * w, w]), np.array([0.0, -b]))
    found = image_radii(f, affine(A, np.zeros(7)), Z)
    gap = np.abs(Z @ A.T @ w - b)
    inside = np.linalg.norm(A @ np.linalg.lstsq(A, w)[0])
    # The points lie beyond the boundary by the pushes, at most 1e-8 relative, and the bisection.
    np.testing.assert_allclose(found.in_distribution, gap / inside, rtol=1e-6)
    np.testing.assert_allclose(found.unconstrained, gap / np.linalg.norm(w), rtol=1e-6)
    assert (found.in_distribution >= gap / inside * (1 - 1e-14)).all()
    assert (found.unconstrained >= gap / np.linalg.norm(w) * (1 - 1e-14)).all()


def test_degenerate_generator():
    """g ignores all but z_1, so z_2 and the rest are free: r_X = |z_1|, and r* likewise."""
    A = np.zeros((3, 4))
    A[0, 0] = 2.0
    f = affine(np.array([[0.0, 0, 0], [1, 0, 0]]), np.zeros(2))
    found = image_radii(f, affine(A, np.zeros(3)), Z)
    np.testing.assert_allclose(found.in_distribution, 2 * np.abs(Z[:, 0]), rtol=1e-6)
    np.testing.assert_allclose(found.unconstrained, 2 * np.abs(Z[:, 0]), rtol=1e-6)


def test_points_and_labels_are_what_they_say():
    generator, classifier = nets()
    found = image_radii(classifier, generator, Z)
    g, f = generator.double(), classifier.double()
    x = g(torch.from_numpy(Z)).detach()
    assert len(set(found.label.tolist())) > 1
    assert np.isfinite(found.in_distribution).all()
    assert (found.unconstrained <= found.in_distribution).all()
    for i in range(len(Z)):  # one by one
        moved = g(torch.from_numpy(found.latent[i : i + 1])).detach()
        assert int(f(x[i : i + 1]).argmax()) == found.label[i]
        assert int(f(moved).argmax()) == found.in_distribution_label[i] != found.label[i]
        image = torch.from_numpy(found.image[i : i + 1])
        assert int(f(image).argmax()) == found.unconstrained_label[i] != found.label[i]
        # 1e-12: the allowance for rounding inside the generator.
        for radius, point in ((found.in_distribution, moved), (found.unconstrained, image)):
            assert 0 <= radius[i] - float((point - x[i]).norm()) < 1e-12


def test_in_distribution_radii_are_least_along_the_image():
    """Against random latents, near and far."""
    generator, classifier = nets()
    found = image_radii(classifier, generator, Z, restarts=2)
    g, f = generator.double(), classifier.double()
    random = np.random.default_rng(2)
    for i in range(len(Z)):
        around = found.latent[i] + 0.2 * random.standard_normal((5000, 4))
        points = torch.from_numpy(np.concatenate([around, 2 * random.standard_normal((5000, 4))]))
        with torch.no_grad():
            images = g(points)
            other = (f(images).argmax(1) != int(found.label[i])).numpy()
            x = g(torch.from_numpy(Z[i : i + 1]))
            distance = (images - x).flatten(1).norm(dim=1).numpy()
        # 3 %: what a kink of the network may hide from the search.
        assert distance[other].min() >= 0.97 * found.in_distribution[i]


def test_nearer_than_the_latent_attack():
    generator, classifier = nets()
    latent = latent_radius(classifier, generator, Z)
    found = image_radii(classifier, generator, Z, latent=latent)
    g = generator.double()
    with torch.no_grad():
        change = (g(torch.from_numpy(latent.point)) - g(torch.from_numpy(Z))).flatten(1).norm(dim=1)
    # The latent attack is a start; 1e-6: pushes and roundings.
    assert (found.in_distribution <= change.numpy() * (1 + 1e-6)).all()
    assert (found.in_distribution < 0.999 * change.numpy()).any()


def test_bounds_hold_for_the_unconstrained_point():
    generator, classifier = nets()
    found = image_radii(classifier, generator, Z, bounds=(0.0, 1.0))
    assert (found.image >= 0).all()
    assert (found.image <= 1).all()
    free = image_radii(classifier, generator, Z)
    # A smaller set to search; 1 %: neither search is exact.
    assert (found.unconstrained >= 0.99 * free.unconstrained).all()


def test_batches_and_runs_agree():
    generator, classifier = nets()
    whole = image_radii(classifier, generator, Z[:8])
    again = image_radii(classifier, generator, Z[:8])
    assert (whole.in_distribution == again.in_distribution).all()
    assert (whole.unconstrained == again.unconstrained).all()
    parts = image_radii(classifier, generator, Z[:8], batch=3)
    # Rounding differs between batches, and with it the last decision of the bisection.
    np.testing.assert_allclose(parts.in_distribution, whole.in_distribution, rtol=1e-6)
    np.testing.assert_allclose(parts.unconstrained, whole.unconstrained, rtol=1e-6)


def test_convolutional_generator_with_normalisation():
    gan = generators.dcgan((1, 8, 8), 4, 4).eval()
    for layer in gan.decoder:
        if isinstance(layer, nn.Linear | nn.ConvTranspose2d):
            layer.weight.data *= 20  # images that differ
    classifier = networks.build("linear", (1, 8, 8), 3, 1)
    found = image_radii(classifier, gan.decoder, Z[:4], steps=4)
    assert found.image.shape == (4, 1, 8, 8)
    assert (found.unconstrained <= found.in_distribution).all()
    assert np.isfinite(found.unconstrained).all()


def test_jacobian_against_differences():
    generator, _ = nets()
    g, z = generator.double(), torch.from_numpy(Z)
    images, jacobian = images_with_jacobian(g, z)
    step = 1e-6
    for k in range(4):
        move = step * torch.eye(4, dtype=torch.float64)[k]
        difference = (g(z + move) - g(z - move)).detach().flatten(1) / (2 * step)
        # Errors: the square of the step times a third derivative, and rounding over the step.
        np.testing.assert_allclose(jacobian[:, :, k], difference, atol=1e-8)
    # Some ulp of sums of 20 terms, of images below 1.
    np.testing.assert_allclose(images, g(z).detach().flatten(1), rtol=0, atol=1e-14)


def test_nothing_to_find_is_infinite():
    generator, _ = nets()
    constant = nn.Sequential(nn.Flatten(), affine(np.zeros((2, 6)), np.array([1.0, 0.0])))
    found = image_radii(constant, generator, Z)
    assert (found.in_distribution == np.inf).all()
    assert (found.unconstrained == np.inf).all()
    assert (found.latent == Z).all()
    assert (found.in_distribution_label == found.label).all()
    assert (found.unconstrained_label == found.label).all()


def test_images_that_never_change_their_label_may_still_be_perturbed():
    """g maps to one side of the boundary: r_X is infinite, r* is not."""
    generator = nn.Sequential(affine(np.eye(4), np.zeros(4)), nn.Sigmoid())
    w = np.ones(4)
    f = affine(np.stack([0 * w, w]), np.array([0.0, -5.0]))
    found = image_radii(f, generator, Z)
    x = torch.sigmoid(torch.from_numpy(Z)).numpy()
    assert (found.in_distribution == np.inf).all()
    np.testing.assert_allclose(found.unconstrained, (5 - x.sum(1)) / 2, rtol=1e-7)


def test_empty_and_wrong_arguments():
    generator, classifier = nets()
    found = image_radii(classifier, generator, Z[:0])
    assert found.image.shape == (0, 1, 3, 2)
    assert found.in_distribution.shape == (0,)
    with pytest.raises(ValueError, match="z must"):
        image_radii(classifier, generator, Z[0])
    with pytest.raises(ValueError, match="must be finite"):
        image_radii(classifier, generator, Z * np.nan)
    with pytest.raises(ValueError, match="batch must be at least 1, got 0"):
        image_radii(classifier, generator, Z, batch=0)
    latent = latent_radius(classifier, generator, Z[:3])
    with pytest.raises(ValueError, match="latent must belong to z"):
        image_radii(classifier, generator, Z, latent=latent)
    with pytest.raises(ValueError, match="x must lie within the bounds"):
        image_radii(classifier, generator, Z, bounds=(0.4, 0.5))


def test_progress_is_reported():
    generator, classifier = nets()
    seen = []
    image_radii(classifier, generator, Z[:3], batch=2, progress=lambda a, b: seen.append((a, b)))
    assert seen == [(2 / 3, "2 of 3 images attacked"), (1.0, "3 of 3 images attacked")]
