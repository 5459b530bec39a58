"""Mixed precision proposes, full precision decides; weights never leave single precision."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from empirical import adversarial, trades, train
from empirical.adversarial_loop import Budget
from empirical.attacks.steps import pgd
from empirical.data import load
from empirical.networks import build
from empirical.noise_training import train_on_changes
from empirical.precision import Mixed, compiled, for_device, in_full, mixed

torch.set_num_threads(1)
DIGITS = load("digits")
SMALL = replace(DIGITS, train=DIGITS.train[:400], test=DIGITS.test[:200])
EPS = 0.15


def images(n=20):
    return torch.from_numpy(SMALL.images[SMALL.test[:n]])


def test_logits_are_those_of_the_network_with_factors_of_eight_bits():
    network = build("strided", SMALL.shape, 10, 0).eval()
    fast = mixed(network)
    with torch.no_grad():
        full, rough = network(images()), fast(images())
    assert rough.dtype == torch.float32
    assert not torch.equal(full, rough)  # it does run in bfloat16
    # Four layers, whose inputs and results are rounded by 2^-9 each, the weights as well: the
    # relative error of sums of either sign is larger by how much cancels, here less than 10.
    assert float((full - rough).abs().max()) < 12 * 2**-9 * 10 * float(full.abs().max())
    assert next(iter(fast.parameters())) is next(network.parameters())
    assert len(list(fast.parameters())) == len(list(network.parameters()))


def test_the_network_decides_and_comes_back():
    network = build("linear", SMALL.shape, 10, 0)
    assert in_full(mixed(network)) is network is in_full(network)
    assert for_device(network, "cpu") is network
    assert isinstance(for_device(network, "cuda:0"), Mixed)
    with pytest.raises(ValueError, match="float32, got"):
        mixed(network.double())


TRAININGS = {
    "classifier": lambda n: train.train_classifier(n, SMALL, epochs=5),
    "noise": lambda n: train_on_changes(n, SMALL, lambda x, y, draws: x, epochs=5),
    "pgd": lambda n: adversarial.train_on_pgd(
        n, SMALL, EPS, Budget(8_000, rate=3e-3, batch=50), steps=3
    ),
    "trades": lambda n: trades.train_trades(
        n, SMALL, EPS, Budget(8_000, rate=3e-3, batch=50), steps=3, weight=1.0
    ),
}


@pytest.mark.parametrize("how", TRAININGS)
def test_training_in_mixed_precision_reaches_about_the_same_loss(how):
    records = []
    for wrap in (in_full, mixed):
        network = build("strided", SMALL.shape, 10, 0)
        before = [p.detach().clone() for p in network.parameters()]
        records.append(TRAININGS[how](wrap(network)))
        assert not network.training
        assert {p.dtype for p in network.parameters()} == {torch.float32}
        assert all(not torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))
        # What the record says is said of the network in full precision.
        assert records[-1].accuracy == train.accuracy(network, SMALL)
    full, rough = records
    assert rough.loss == pytest.approx(full.loss, rel=0.2)
    assert rough.loss != full.loss
    # Two standard errors of the difference of two accuracies of about 0.9 on 200 images: 0.06.
    assert rough.accuracy == pytest.approx(full.accuracy, abs=0.06)


def test_what_is_watched_is_the_network_itself():
    network = build("linear", SMALL.shape, 10, 0)
    seen = []
    adversarial.train_naturally(
        mixed(network), SMALL, Budget(400, looks=2), watch=lambda n: seen.append(n) or 0.0
    )
    assert seen == [network, network]


class Rounded(nn.Module):
    """Two classes, f = (0, 1.01 x - b): in bfloat16 the weight is 1.0078125."""

    def __init__(self, b):
        super().__init__()
        self.layer = nn.Linear(1, 2)
        with torch.no_grad():
            self.layer.weight.copy_(torch.tensor([[0.0], [1.01]]))
            self.layer.bias.copy_(torch.tensor([0.0, -b]))

    def forward(self, x):
        return self.layer(x.flatten(1))


def test_an_attack_is_believed_by_the_network_alone():
    # At x = 1/2 the second logit is 0.505 - b, and in bfloat16 about 0.504 less b rounded.
    x = np.full((1, 1, 1, 1), 0.5, dtype=np.float32)
    differ = 0
    for b in np.linspace(0.50, 0.51, 41):
        network = Rounded(float(b))
        with torch.no_grad():
            full, rough = (n(torch.from_numpy(x))[0, 1].item() for n in (network, mixed(network)))
        differ += (full > 0) != (rough > 0)
        for label in (0, 1):
            y = np.array([label])
            found = pgd(mixed(network), x, y, 0.001, steps=3)
            with torch.no_grad():
                logits = network(torch.from_numpy(found.images))[0]
            assert found.fooled.item() == (logits[1 - label] > logits[label]).item()
            # One pixel, so the slope has the right sign: it finds what there is.
            assert found.fooled.item() == pgd(network, x, y, 0.001, steps=3).fooled.item()
    assert differ > 5  # wrong answers that only bfloat16 gives do occur


def test_attacks_in_mixed_precision_find_about_as_much():
    network = build("strided", SMALL.shape, 10, 0)
    train.train_classifier(network, SMALL, epochs=5)
    x, y = SMALL.images[SMALL.test], SMALL.labels[SMALL.test]
    full, rough = (pgd(n, x, y, 0.05, steps=10) for n in (network, mixed(network)))
    with torch.no_grad():
        logits = network(torch.from_numpy(rough.images))
    # Ties apart, which do not occur here.
    assert (rough.fooled == (logits.argmax(1).numpy() != y)).all()
    assert np.abs(rough.images - x).max() <= 0.05 + 1e-6  # float32 images
    # Slopes of eight bits have other signs at few pixels: less than 3 % of the images differ.
    assert (rough.fooled != full.fooled).mean() < 0.03


class Normalised(nn.Module):
    """With a batch normalisation, whose statistics a forward pass in training mode changes."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(1)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
        self.head.eval()

    def forward(self, x):
        return self.head(self.norm(x))


def test_what_cannot_be_compiled_runs_as_it_is(monkeypatch):
    def broken(network):
        def run(x):
            raise RuntimeError("no compiler")

        return run

    network = Normalised()
    monkeypatch.setattr(torch, "compile", broken)
    assert compiled(network, images()) is network
    monkeypatch.setattr(torch, "compile", lambda network: lambda x: network(x.detach()).detach())
    assert compiled(network, images()) is network  # only the way back fails
    kept = lambda x: network(x)  # noqa: E731
    monkeypatch.setattr(torch, "compile", lambda network: kept)
    assert compiled(network, images()) is kept
    # The trial has changed neither modes nor statistics.
    assert [m.training for m in (network, network.norm, network.head)] == [True, True, False]
    assert int(network.norm.num_batches_tracked) == 0
    assert all(p.grad is None for p in network.parameters())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an accelerator")
def test_an_accelerator_trains_in_mixed_precision():
    network = build("strided", SMALL.shape, 10, 0)
    record = adversarial.train_on_pgd(
        mixed(network), SMALL, EPS, Budget(8_000, rate=3e-3, batch=50), steps=3, device="cuda"
    )
    assert np.isfinite(record.loss)
    assert record.accuracy > 0.5
