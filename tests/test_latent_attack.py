import numpy as np
import pytest
import torch
from torch import nn

from empirical import networks
from empirical.attacks.latent import latent_function, latent_radius


@pytest.fixture
def pipeline():
    vae = networks.build("vae", (1, 4, 4), 3, seed=0)
    classifier = networks.build("cnn", (1, 4, 4), 3, seed=1)
    with torch.no_grad():
        for weight in vae.decoder.parameters():
            weight.mul_(4)
        # Untrained networks give one label to everything unless their mean logits are equal.
        z = torch.randn(500, 16, generator=torch.Generator().manual_seed(1))
        classifier[-1].bias -= classifier(vae.decoder(z)).mean(0)
    return classifier, vae.decoder


def test_linear_composites_are_exact():
    """f and g affine: the nearest of the hyperplanes between the label and another class."""
    torch.manual_seed(0)
    f, g = nn.Linear(7, 4), nn.Linear(3, 7)
    z = np.random.default_rng(0).standard_normal((60, 3))
    A = f.weight.detach().double().numpy() @ g.weight.detach().double().numpy()
    b = (f.weight.detach().double() @ g.bias.detach().double() + f.bias.detach()).numpy()
    logits = z @ A.T + b
    label = logits.argmax(1)
    slopes = np.linalg.norm(A[label][:, None] - A, axis=2)
    gaps = logits.max(1, keepdims=True) - logits
    with np.errstate(invalid="ignore"):
        exact = np.nanmin(gaps / slopes, axis=1)  # 0/0 for the label itself
    found = latent_radius(f, g, z)
    assert (found.label == label).all()
    # Composing the matrices before or after rounds by a few 1e-16 of logits of size 1.
    np.testing.assert_allclose(found.radius, exact, rtol=1e-8, atol=1e-13)


def test_points_are_verified_through_both_networks(pipeline):
    f, g = pipeline
    z = torch.randn(40, 16, generator=torch.Generator().manual_seed(0))
    found = latent_radius(f, g, z)
    assert np.isfinite(found.radius).all()
    composite = latent_function(f, g)
    assert (composite(torch.from_numpy(found.point)).argmax(1).numpy() != found.label).all()
    assert (composite(z.double()).argmax(1).numpy() == found.label).all()
    distance = np.linalg.norm(found.point - z.double().numpy(), axis=1)
    np.testing.assert_allclose(found.radius, distance, rtol=1e-14)


def test_modules_are_left_alone(pipeline):
    f, g = pipeline
    f.train()
    latent_radius(f, g, torch.zeros(1, 16))
    assert f.training
    assert all(p.dtype == torch.float32 and p.requires_grad for p in f.parameters())


def test_dropout_is_switched_off():
    f = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.9))
    composite = latent_function(f, nn.Identity())
    z = torch.randn(5, 3, dtype=torch.float64)
    assert torch.equal(composite(z), composite(z))


def test_a_classifier_of_one_decision_has_infinite_radius(pipeline):
    _, g = pipeline
    with torch.no_grad():
        f = networks.linear((1, 4, 4), 2)
        f[1].weight.zero_()
        f[1].bias.copy_(torch.tensor([0.0, 1.0]))
    found = latent_radius(f, g, torch.zeros(3, 16))
    assert np.isinf(found.radius).all()
    assert (found.label == 1).all()
