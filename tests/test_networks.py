import numpy as np
import pytest
import torch

from empirical import generators, networks, resnets

NAMES = ["linear", "mlp", "cnn", "lenet", "strided", "architecture-b", "vae", "dcgan"]


@pytest.mark.parametrize("name", ["linear", "mlp", "cnn"])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 7, 5), (1, 1, 1)])
def test_classifiers_take_images_to_logits(name, shape):
    module = networks.build(name, shape, 4, seed=0)
    assert module(torch.rand(2, *shape)).shape == (2, 4)


def test_autoencoder():
    module = generators.vae((3, 7, 5), 6)
    mean, log_variance = module.encode(torch.rand(2, 3, 7, 5))
    assert mean.shape == log_variance.shape == (2, 6)
    images = module.decoder(100 * torch.randn(9, 6))
    assert images.shape == (9, 3, 7, 5)
    assert ((images >= 0) & (images <= 1)).all()
    assert module.latent_dimension == 6


@pytest.mark.parametrize(
    "name", ["lenet", "strided", "architecture-a", "architecture-b", "resnet18"]
)
@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 5, 14)])
def test_deeper_classifiers_take_images_to_logits(name, shape):
    module = networks.build(name, shape, 4, seed=0).eval()
    with torch.no_grad():
        assert module(torch.rand(2, *shape)).shape == (2, 4)


def test_sizes_of_the_published_networks():
    def size(module):
        return sum(weight.numel() for weight in module.parameters())

    # LeNet-5: 156 + 2416 + 48120 + 10164 + 850. ResNets for CIFAR-10: counted by hand, with
    # c weights per convolution and channel pair and two per normalised channel.
    assert size(networks.build("lenet", (1, 28, 28), 10, 0)) == 61_706
    # 272 + 8224 + 156900 + 1010
    assert size(networks.build("strided", (1, 28, 28), 10, 0)) == 166_406
    assert size(networks.build("resnet18", (3, 32, 32), 10, 0)) == 11_173_962
    # 1664 + 102464 + (64 * 20 * 20 * 128 + 128) + 1290
    assert size(networks.build("architecture-a", (1, 28, 28), 10, 0)) == 3_382_346
    # 320 + 18496 + 2 * 36928 + (7 * 7 * 64 * 100 + 100) + 1010
    assert size(networks.build("architecture-b", (1, 28, 28), 10, 0)) == 407_382
    module = networks.build("resnet101", (3, 32, 32), 10, 0).eval()
    assert size(module) == 42_512_970
    assert sum(isinstance(layer, torch.nn.Conv2d) for layer in module.modules()) == 100 + 4
    with torch.no_grad():
        assert module(torch.rand(1, 3, 8, 8)).shape == (1, 10)


def test_wide_residual_networks():
    with torch.device("meta"):  # shapes without weights: 46 million of them
        module = resnets.wide_resnet((3, 32, 32), 10)
    # The size that is published for WRN-34-10.
    assert sum(weight.numel() for weight in module.parameters()) == 46_160_474
    convolutions = [m for m in module.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(convolutions) == 1 + 3 * 5 * 2 + 3  # the last three are shortcuts
    small = resnets.wide_resnet((1, 8, 8), 4, depth=10, widening=1).eval()
    with torch.no_grad():
        assert small(torch.rand(2, 1, 8, 8)).shape == (2, 4)
    with pytest.raises(ValueError, match="depth must be 10, 16, 22"):
        resnets.wide_resnet((1, 8, 8), 4, depth=20)


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (2, 6, 10)])
def test_dcgan(shape):
    module = generators.dcgan(shape, 5, 4).eval()
    with torch.no_grad():
        images = module.decoder(100 * torch.randn(9, 5))
        assert images.shape == (9, *shape)
        assert ((images >= 0) & (images <= 1)).all()
        assert module.discriminator(images).shape == (9, 1)


@pytest.mark.parametrize(("name", "usual"), [("vae", 16), ("dcgan", 100)])
def test_latent_dimension(name, usual):
    assert networks.build(name, (1, 4, 4), 3, 0).latent_dimension == usual
    module = networks.build(name, (1, 4, 4), 3, 0, latent_dimension=7).eval()
    assert module.latent_dimension == 7
    assert module.decoder(torch.randn(2, 7)).shape == (2, 1, 4, 4)


@pytest.mark.parametrize("name", NAMES)
def test_weights_depend_on_the_seed_alone(name):
    first = networks.to_arrays(networks.build(name, (1, 4, 4), 3, seed=5))
    state = torch.get_rng_state()
    again = networks.to_arrays(networks.build(name, (1, 4, 4), 3, seed=5))
    assert torch.equal(state, torch.get_rng_state())
    other = networks.to_arrays(networks.build(name, (1, 4, 4), 3, seed=6))
    assert all((first[k] == again[k]).all() for k in first)
    assert any((first[k] != other[k]).any() for k in first)


@pytest.mark.parametrize("name", NAMES)
def test_arrays_go_both_ways_through_a_file(name, tmp_path):
    module = networks.build(name, (1, 4, 4), 3, seed=5)
    np.savez(tmp_path / "weights.npz", **networks.to_arrays(module))
    copy = networks.build(name, (1, 4, 4), 3, seed=6)
    with np.load(tmp_path / "weights.npz", allow_pickle=False) as arrays:
        assert networks.from_arrays(copy, dict(arrays)) is copy
    for a, b in zip(module.parameters(), copy.parameters(), strict=True):
        assert torch.equal(a, b)


def test_arrays_are_copies():
    module = networks.linear((1, 2, 2), 3)
    arrays = networks.to_arrays(module)
    arrays["1.weight"][:] = 7
    assert not (module[1].weight == 7).any()
    networks.from_arrays(module, arrays)
    arrays["1.weight"][:] = 8
    assert (module[1].weight == 7).all()


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="name must be one of"):
        networks.build("resnet", (1, 8, 8), 10, 0)
    with pytest.raises(ValueError, match="latent_dimension must be at least 1, and a generator's"):
        networks.build("cnn", (1, 8, 8), 10, 0, latent_dimension=5)
    with pytest.raises(ValueError, match="latent_dimension must be at least 1"):
        networks.build("vae", (1, 8, 8), 10, 0, latent_dimension=0)
    with pytest.raises(ValueError, match="must be even, got"):
        networks.build("dcgan", (1, 7, 8), 10, 0)
    with pytest.raises(ValueError, match="at least 4x4 pixels, got 3x8"):
        networks.build("lenet", (1, 3, 8), 10, 0)
    module = networks.linear((1, 2, 2), 3)
    arrays = networks.to_arrays(module)
    with pytest.raises(ValueError, match=r"not \['1.bias'\]"):
        networks.from_arrays(module, {"1.weight": arrays["1.weight"]})
    with pytest.raises(ValueError, match=r"array '1.weight' must have shape \(3, 4\)"):
        networks.from_arrays(module, {**arrays, "1.weight": arrays["1.weight"].T})
