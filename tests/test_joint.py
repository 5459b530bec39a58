import numpy as np
import pytest
import torch
from torch import nn

from empirical.attacks.joint import joint_radius
from empirical.attacks.latent import latent_function, latent_radius

Z = np.random.default_rng(0).standard_normal((40, 5))


def affine(weight, bias):
    weight, bias = torch.as_tensor(weight), torch.as_tensor(bias)
    module = nn.Linear(weight.shape[1], weight.shape[0]).double()
    with torch.no_grad():
        module.weight.copy_(weight)
        module.bias.copy_(bias)
    return module


def half_space(normal, offset):
    """1 where normal . z > offset."""
    normal = np.asarray(normal, dtype=float)
    return affine(np.stack([0 * normal, normal]), np.array([0.0, -offset]))


def nets(count):
    """A generator and classifiers of random weights, with kinks, that know four classes."""
    torch.manual_seed(0)
    generator = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 12))
    classifiers = [
        nn.Sequential(nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, 4)) for _ in range(count)
    ]
    for module in (generator, *classifiers):
        for layer in module[::2]:
            nn.init.normal_(layer.weight, 0, layer.in_features**-0.5)
            nn.init.normal_(layer.bias, 0, 0.1)
    return generator, classifiers


@pytest.mark.parametrize("s", [0.0, 0.3, 2.0])
def test_parallel_half_spaces(s):
    """1[z_1 > 0] and 1[z_1 > s] both change at the farther of the two boundaries, outside the
    slab; between them one would have to go up and the other down.
    """
    e = np.eye(5)[0]
    found = joint_radius([half_space(e, 0.0), half_space(e, s)], nn.Identity(), Z)
    z = Z[:, 0]
    outside = (z <= 0) | (z > s)
    exact = np.where(z > s, z, s - z)[outside]
    # The points lie beyond the boundary by the pushes, at most 1e-8 relative, and the bisection.
    np.testing.assert_allclose(found.radius[outside], exact, rtol=1e-7)
    assert (found.radius[outside] >= exact).all()
    assert (found.radius[~outside] == np.inf).all()
    assert (found.point[~outside] == Z[~outside]).all()
    assert (found.adversarial_label[~outside] == found.label[~outside]).all()


def test_orthogonal_half_spaces():
    """Both change at the corner."""
    e = np.eye(5)
    found = joint_radius([half_space(e[0], 0.0), half_space(e[1], 0.0)], nn.Identity(), Z)
    np.testing.assert_allclose(found.radius, np.hypot(Z[:, 0], Z[:, 1]), rtol=1e-7)


@pytest.mark.parametrize("angle", [0.01, 0.5, 2.0, 3.1])
def test_three_half_spaces_at_an_angle(angle):
    """Against the exact projection onto the intersection, by enumerating the active boundaries."""
    normals = np.array(
        [[1, 0, 0, 0, 0], [np.cos(angle), np.sin(angle), 0, 0, 0], [0, 0.6, 0.8, 0, 0]]
    )
    found = joint_radius([half_space(n, 0.1) for n in normals], nn.Identity(), Z)
    for z, radius in zip(Z, found.radius, strict=True):
        value = normals @ z - 0.1
        outwards = -np.sign(value)[:, None] * normals  # h must have outwards . h >= |value|
        need = np.abs(value)
        best = np.inf
        for active in ([0], [1], [2], [0, 1], [0, 2], [1, 2], [0, 1, 2]):
            h = np.linalg.pinv(outwards[active]) @ need[active]
            if (outwards @ h >= need * (1 - 1e-9)).all():
                best = min(best, np.linalg.norm(h))
        # 1e-7: the pushes.
        assert best * (1 - 1e-9) <= radius <= best * (1 + 1e-7)


def test_one_model_agrees_with_the_least_perturbation():
    generator, (classifier,) = nets(1)
    joint = joint_radius([classifier], generator, Z)
    single = latent_radius(classifier, generator, Z, restarts=1)
    assert (joint.label[:, 0] == single.label).all()
    # Two searches of the same least norm, neither exact: kinks of the network hide some points.
    assert np.median(joint.radius / single.radius) == pytest.approx(1, abs=1e-6)
    assert (joint.radius <= 1.1 * single.radius).all()


def test_copies_of_a_model_change_nothing():
    generator, (classifier,) = nets(1)
    one = joint_radius([classifier], generator, Z)
    two = joint_radius([classifier, classifier], generator, Z)
    finite = np.isfinite(one.radius)
    assert (np.isfinite(two.radius) == finite).all()
    assert np.median(np.abs(two.radius / one.radius - 1)[finite]) < 1e-4


def test_every_label_changes_and_norms_are_true():
    generator, classifiers = nets(3)
    found = joint_radius(classifiers, generator, Z)
    reached = np.isfinite(found.radius)
    assert reached.mean() > 0.5
    for k, f in enumerate(classifiers):
        function = latent_function(f, generator)
        for i, point in enumerate(found.point):  # one by one
            label = int(function(torch.from_numpy(point[None])).argmax())
            assert label == found.adversarial_label[i, k]
            assert (label != found.label[i, k]) == reached[i]
    distance = np.linalg.norm(found.point - Z, axis=1)
    assert (found.radius[reached] >= distance[reached]).all()
    np.testing.assert_allclose(found.radius[reached], distance[reached], rtol=1e-14)


def test_random_search_finds_nothing_nearer():
    generator, classifiers = nets(2)
    found = joint_radius(classifiers, generator, Z[:10], restarts=1)
    functions = [latent_function(f, generator) for f in classifiers]
    directions = np.random.default_rng(1).standard_normal((20_000, 5))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    for i in range(10):
        if np.isfinite(found.radius[i]):
            inside = torch.from_numpy(Z[i] + 0.98 * found.radius[i] * directions)
            changed = [
                (f(inside).argmax(1) != int(found.label[i, k])).numpy()
                for k, f in enumerate(functions)
            ]
            assert not np.all(changed, axis=0).any()


def test_known_perturbations_of_single_models_are_starts():
    generator, classifiers = nets(2)
    latent = [latent_radius(f, generator, Z) for f in classifiers]
    found = joint_radius(classifiers, generator, Z, latent=latent)
    assert np.isfinite(found.radius).all()
    for f in (latent[:1], [latent_radius(classifiers[0], generator, Z[:3])] * 2):
        with pytest.raises(ValueError, match="latent must have one result per classifier"):
            joint_radius(classifiers, generator, Z, latent=f)


def test_batches_and_runs_agree():
    generator, classifiers = nets(2)
    whole = joint_radius(classifiers, generator, Z[:20])
    again = joint_radius(classifiers, generator, Z[:20])
    assert (whole.radius == again.radius).all()
    parts = joint_radius(classifiers, generator, Z[:20], batch=3)
    # Rounding differs between batches, and with it the last decision of the bisection.
    np.testing.assert_allclose(parts.radius, whole.radius, rtol=1e-6)


def test_nothing_to_find_is_infinite():
    constant = affine(np.zeros((2, 5)), np.array([1.0, 0.0]))
    moving = half_space(np.eye(5)[0], 0.0)
    found = joint_radius([moving, constant], nn.Identity(), Z)
    assert (found.radius == np.inf).all()
    assert (found.point == Z).all()
    one_class = affine(np.zeros((1, 5)), np.zeros(1))
    assert (joint_radius([one_class], nn.Identity(), Z).radius == np.inf).all()


def test_empty_and_wrong_arguments():
    f = half_space(np.eye(5)[0], 0.0)
    found = joint_radius([f, f], nn.Identity(), Z[:0])
    assert found.radius.shape == (0,)
    assert found.label.shape == (0, 2)
    with pytest.raises(ValueError, match="classifiers must be at least one"):
        joint_radius([], nn.Identity(), Z)
    with pytest.raises(ValueError, match="z must"):
        joint_radius([f], nn.Identity(), Z[0])
    with pytest.raises(ValueError, match="must be finite"):
        joint_radius([f], nn.Identity(), Z * np.nan)
    with pytest.raises(ValueError, match="steps must be at least 0, got -1"):
        joint_radius([f], nn.Identity(), Z, steps=-1)


def test_progress_is_reported():
    seen = []
    f = half_space(np.eye(5)[0], 0.0)
    joint_radius([f], nn.Identity(), Z[:5], batch=2, progress=lambda a, b: seen.append((a, b)))
    assert [a for a, _ in seen] == [0.4, 0.8, 1.0]
    assert seen[-1][1] == "5 of 5 points attacked jointly"
