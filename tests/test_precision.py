"""Mixed precision proposes, full precision decides; weights never leave single precision."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from empirical import adversarial, trades, train
from empirical.adversarial_loop import Budget
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
