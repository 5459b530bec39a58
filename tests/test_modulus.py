import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from empirical import generators, networks, printed_networks, resnets
from empirical.layers import dense_layers
from empirical.modulus import lipschitz_from_above, local_modulus_from_above, modulus_from_below
from empirical.spectral import convolution_norm_above
from robust_theory.networks.operator_norms import spectral_norm_above

RNG = np.random.default_rng(0)
Z = RNG.standard_normal((6, 4))


def mlp(activation=nn.ReLU, last=nn.Sigmoid, scale=1.5):
    torch.manual_seed(0)
    layers = [nn.Linear(4, 12), activation(), nn.Linear(12, 10), activation(), nn.Linear(10, 6)]
    for layer in layers[::2]:
        nn.init.normal_(layer.weight, 0, scale * layer.in_features**-0.5)
        nn.init.normal_(layer.bias, 0, 0.5)
    return nn.Sequential(*layers, last(), nn.Unflatten(1, (1, 3, 2)))


def dense_norm(module, *shape):
    """The largest singular value of a linear module, from its matrix."""
    n = math.prod(shape)
    with torch.no_grad():
        zero = module(torch.zeros(1, *shape, dtype=torch.float64))
        columns = (module(torch.eye(n, dtype=torch.float64).reshape(n, *shape)) - zero).reshape(
            n, -1
        )
    return float(np.linalg.svd(columns.numpy(), compute_uv=False)[0])


@given(
    st.integers(1, 7), st.integers(1, 7), st.integers(0, 2**31), st.sampled_from([1e-200, 1, 1e150])
)
def test_spectral_norm(m, n, seed, scale):
    random = np.random.default_rng(seed)
    for A in (
        random.standard_normal((m, n)),
        random.integers(-1, 2, (m, n)).astype(float),  # ties and rank deficiency
        random.standard_normal((m, n)) + 1j * random.standard_normal((m, n)),
    ):
        exact = np.linalg.svd(A, compute_uv=False)[0] * scale
        bound = spectral_norm_above(A * scale)
        # Singular values of small matrices are good to some 1e-15; the bound exceeds by 1e-9.
        assert exact * (1 - 1e-14) <= bound <= exact * (1 + 2e-9) + 1e-12 * scale


def test_spectral_norm_of_a_known_matrix_is_not_below():
    """[[1, 2], [2, 4]] has norm 5, and ones of shape (m, n) sqrt(m n): exact numbers."""
    assert 5 <= spectral_norm_above(np.array([[1.0, 2], [2, 4]])) < 5.00000001
    assert 6 <= spectral_norm_above(np.ones((4, 9))) < 6.00000001
    assert spectral_norm_above(np.zeros((3, 2))) == 0
    assert spectral_norm_above(np.ones((2, 5, 3, 3))).shape == (2, 5)
    with pytest.raises(ValueError, match="weights must be finite"):
        spectral_norm_above(np.array([[np.nan]]))


CONVOLUTIONS = [
    nn.Conv2d(2, 3, 3, padding=1),
    nn.Conv2d(2, 3, 3, stride=2, padding=1),
    nn.Conv2d(2, 3, (5, 2)),
    nn.Conv2d(2, 4, 4, stride=2, padding=1),
    nn.Conv2d(2, 4, 3, stride=(2, 3)),
    nn.Conv2d(4, 4, 3, padding=1, groups=2),
    nn.Conv2d(2, 3, 3, padding=2, dilation=2),
    nn.Conv2d(2, 3, 1),
    nn.Conv2d(1, 1, 7, padding=3),
    nn.ConvTranspose2d(3, 2, 4, stride=2, padding=1),
    nn.ConvTranspose2d(3, 2, 3, stride=2, padding=1, output_padding=1),
    nn.ConvTranspose2d(4, 4, 3, groups=4),
    nn.ConvTranspose2d(3, 2, 5, padding=2),
]


@pytest.mark.parametrize("layer", CONVOLUTIONS, ids=str)
def test_convolutions_against_their_matrices(layer):
    torch.manual_seed(0)
    layer = layer.double()
    nn.init.normal_(layer.weight)
    bound = lipschitz_from_above(layer)
    assert bound.side == "upper"
    exact = dense_norm(layer, layer.in_channels, 16, 16)
    assert exact <= bound.value
    # On 16x16 pixels the borders still count: for the smoothest vectors, of relative length
    # pi k / 16, the norm falls short by its square over 2; and 3.5 % for the grid of frequencies.
    assert bound.value <= 1.25 * exact


def test_convolution_that_is_tight():
    """An average of 3x3 pixels has norm 1 on Z^2, reached at frequency 0, which is on the grid."""
    bound = convolution_norm_above(np.full((1, 1, 3, 3), 1 / 9))
    assert 1 <= bound <= 1 / math.cos(math.pi / 24) ** 2 * (1 + 1e-8)


def test_lipschitz_of_networks_against_slopes():
    for module, shape in (
        (mlp(), (4,)),
        (generators.dcgan((1, 8, 8), 4, 4).decoder, (4,)),
        (networks.cnn((1, 8, 8), 3), (1, 8, 8)),
        (printed_networks.lenet((1, 8, 8), 3), (1, 8, 8)),
        (resnets.resnet18((1, 8, 8), 3, width=4), (1, 8, 8)),
        (resnets.resnet101((1, 8, 8), 3, width=1), (1, 8, 8)),
    ):
        module = module.double().eval()
        x = torch.randn(50, *shape, dtype=torch.float64)
        y = x + 0.1 * torch.randn(50, *shape, dtype=torch.float64)
        with torch.no_grad():
            change = (module(x) - module(y)).flatten(1).norm(dim=1)
        bound = lipschitz_from_above(module).value
        assert math.isfinite(bound)
        assert (change <= bound * (x - y).flatten(1).norm(dim=1)).all()


def test_normalisation_counts_in_evaluation_mode():
    layer = nn.BatchNorm2d(2)
    layer.running_var[:] = torch.tensor([0.25, 4.0])
    layer.weight.data[:] = torch.tensor([-3.0, 1.0])
    assert lipschitz_from_above(layer).value == pytest.approx(3 / math.sqrt(0.25 + 1e-5))
    assert lipschitz_from_above(nn.Sigmoid()).value == 0.25
    assert lipschitz_from_above(nn.LeakyReLU(2.0)).value == 2.0
    assert lipschitz_from_above(nn.Sequential()).value == 1.0


@pytest.mark.parametrize(
    ("layer", "rule"),
    [
        (nn.GELU(), "no Lipschitz constant is known"),
        (nn.MaxPool2d(3, 2), "no Lipschitz constant is known"),  # overlapping windows
        (nn.BatchNorm1d(2, track_running_stats=False), "must keep running statistics"),
        (nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"), "must pad with zeros"),
    ],
)
def test_unknown_layers_are_refused(layer, rule):
    with pytest.raises(ValueError, match=rule):
        lipschitz_from_above(nn.Sequential(layer))
    broken = nn.Linear(2, 2)
    broken.weight.data[0, 0] = math.nan
    with pytest.raises(ValueError, match="weights must be finite"):
        lipschitz_from_above(broken)


def test_linear_generator_has_all_three_equal():
    """M_t(z) = t |A|."""
    A = RNG.standard_normal((7, 4))
    generator = nn.Linear(4, 7).double()
    generator.weight.data = torch.from_numpy(A)
    exact = 0.3 * np.linalg.svd(A, compute_uv=False)[0]
    below = modulus_from_below(generator, Z, 0.3)
    above = local_modulus_from_above(generator, Z, 0.3)
    assert (below.side, above.side) == ("lower", "upper")
    assert (below.t, above.t) == (0.3, 0.3)
    # 1e-8: allowances of 1e-9 each.
    assert (exact * (1 - 1e-8) <= below.value).all()
    assert (below.value <= exact).all()
    assert (above.value >= exact).all()
    assert (above.value <= exact * (1 + 1e-8)).all()
    assert lipschitz_from_above(generator).value * 0.3 == pytest.approx(exact, rel=1e-8)


ACTIVATIONS = [nn.ReLU, nn.Tanh, nn.Sigmoid, lambda: nn.LeakyReLU(0.1)]


@pytest.mark.parametrize("t", [1e-7, 0.01, 0.3, 2.0, 50.0])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("last", [nn.Sigmoid, nn.Identity, nn.Tanh])
def test_below_and_above_in_order(t, activation, last):
    generator = mlp(activation, last)
    below = modulus_from_below(generator, Z, t)
    above = local_modulus_from_above(generator, Z, t)
    assert (below.value <= above.value).all()
    assert (above.value <= t * lipschitz_from_above(generator).value).all()
    # No random move goes farther than the upper bound, none much farther than the lower.
    h = RNG.standard_normal((2000, 4))
    h *= t / np.linalg.norm(h, axis=1)[:, None] * RNG.random((2000, 1)) ** 0.25
    g = generator.double()
    with torch.no_grad():
        for i, z in enumerate(Z):
            moved = g(torch.from_numpy(z + h)) - g(torch.from_numpy(z[None]))
            farthest = float(moved.flatten(1).norm(dim=1).max())
            assert farthest <= above.value[i]
            if t <= 2:
                # 10 %: local maxima of the ascent; 1e-12: its allowance for rounding.
                assert farthest <= 1.1 * below.value[i] + 1e-12


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_upper_bound_is_tight_for_small_balls(activation):
    generator = mlp(activation)
    above = local_modulus_from_above(generator, Z, 1e-6).value
    below = modulus_from_below(generator, Z, 1e-6).value
    # The deviations grow with t^2, times curvatures of some units; 1e-3 includes no kink within
    # 1e-6 of these latents. The lower bound loses 1e-9 to the rounding of the images.
    assert (above <= below * (1 + 1e-3)).all()


def test_output_range_caps_large_balls():
    """Images in [0, 1]^6 move by at most sqrt(6)."""
    assert (local_modulus_from_above(mlp(), Z, 1e6).value <= math.sqrt(6) * (1 + 1e-8)).all()


def test_kinks_at_the_latent_itself():
    """ReLU(z_1) at z = 0, where the unit is neither on nor off: M_t = t."""
    generator = nn.Sequential(nn.Linear(2, 1, bias=False), nn.ReLU()).double()
    generator[0].weight.data = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    zero = np.zeros((1, 2))
    for t in (0.0, 1e-300, 1e-12, 1.0):
        value = local_modulus_from_above(generator, zero, t).value[0]
        assert t <= value <= t * (1 + 1e-6) + 1e-17
    dead = np.array([[-1.0, 0.0]])
    assert local_modulus_from_above(generator, dead, 0.999).value[0] <= 1e-15
    value = local_modulus_from_above(generator, dead, 3.0).value[0]
    assert 2 <= value <= 2 * (1 + 1e-8)


def test_convolutional_generator():
    gan = generators.dcgan((1, 8, 8), 4, 4).eval()
    with torch.no_grad():
        for layer in gan.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.running_mean.normal_()
                layer.running_var.uniform_(0.1, 2)
                layer.weight.normal_()
            if isinstance(layer, nn.Linear | nn.ConvTranspose2d):
                layer.weight *= 10
    below = modulus_from_below(gan.decoder, Z, 0.1).value
    above = local_modulus_from_above(gan.decoder, Z, 0.1).value
    assert (below > 0).all()
    assert (below <= above).all()
    assert (above <= 0.1 * lipschitz_from_above(gan.decoder).value).all()


def test_matrices_of_layers_are_those_of_the_modules():
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Unflatten(1, (1, 4, 4)),
        nn.Conv2d(1, 3, 3, stride=2, padding=1),
        nn.BatchNorm2d(3),
        nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(3, 2, 4, 2, 1),
        nn.Tanh(),
        nn.Sequential(nn.Flatten(), nn.Linear(32, 5)),
    )
    module[2].running_var.uniform_(0.5, 2)
    module[2].running_mean.normal_()
    module = module.double().eval()
    x = torch.randn(7, 16, dtype=torch.float64)
    value = x.numpy()
    for layer in dense_layers(module, 16, 100):
        value = layer.apply(value @ layer.weight.T + layer.bias)
    # Sums of at most 32 terms of order 1.
    np.testing.assert_allclose(value, module(x).detach(), rtol=0, atol=1e-13)
    with pytest.raises(ValueError, match="at most 20 units"):
        dense_layers(module, 16, 20)
    with pytest.raises(ValueError, match="must be affine or an activation"):
        dense_layers(nn.Sequential(nn.Linear(4, 4), nn.GELU()), 4, 100)
    with pytest.raises(ValueError, match=r"slopes must lie in \[0, 1\]"):
        dense_layers(nn.Sequential(nn.Linear(4, 4), nn.LeakyReLU(2.0)), 4, 100)


def test_an_activation_first_gets_the_identity():
    below = modulus_from_below(nn.Sequential(nn.ReLU()), Z, 0.1).value
    above = local_modulus_from_above(nn.Sequential(nn.ReLU()), Z, 0.1).value
    assert (below <= above).all()
    assert (above <= 0.1 * (1 + 1e-8)).all()


def test_batches_and_runs_agree():
    generator = mlp()
    for bound in (modulus_from_below, local_modulus_from_above):
        whole = bound(generator, Z, 0.2).value
        assert (whole == bound(generator, Z, 0.2).value).all()
        # Rounding differs between batches.
        np.testing.assert_allclose(bound(generator, Z, 0.2, batch=4).value, whole, rtol=1e-9)


def test_empty_wrong_arguments_and_progress():
    for bound in (modulus_from_below, local_modulus_from_above):
        assert bound(mlp(), Z[:0], 0.1).value.shape == (0,)
        for t in (-1.0, math.nan, math.inf):
            with pytest.raises(ValueError, match="t must be finite and at least 0"):
                bound(mlp(), Z, t)
        with pytest.raises(ValueError, match="batch"):
            bound(mlp(), Z, 0.1, batch=0)
        for z in (Z[0], Z * math.nan):
            with pytest.raises(ValueError, match="z must be finite"):
                bound(mlp(), z, 0.1)
        seen: list[tuple[float, str]] = []
        bound(mlp(), Z, 0.1, batch=4, progress=lambda a, b: seen.append((a, b)))  # noqa: B023
        assert [a for a, _ in seen] == [4 / 6, 1.0]
        assert (bound(mlp(), Z, 0.0).value <= 1e-15).all()
