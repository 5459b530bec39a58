"""Classifiers of the digits for tests of attacks and checks: sound ones, and ones that hide."""

import copy
import functools

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from empirical import data, networks, train
from empirical.adversarial_loop import Budget, train_against
from empirical.attacks.projections import project

DIGITS = data.load("digits")
IMAGES = DIGITS.images[DIGITS.test][:60]
LABELS = DIGITS.labels[DIGITS.test][:60]


@functools.cache
def trained(name="cnn", epochs=6):
    """A classifier of about 94 % accuracy; copy it before changing it."""
    network = networks.build(name, DIGITS.shape, DIGITS.classes, 0)
    train.train_classifier(network, DIGITS, epochs=epochs)
    return network


@functools.cache
def trained_on_one_step():
    """Single-step training without random starts, which fails: see the attack."""
    torch.manual_seed(0)
    network = networks.cnn(DIGITS.shape, DIGITS.classes, 16)

    def attack(indices, x, y, eps, draws):
        z = x.clone().requires_grad_()
        loss = functional.cross_entropy(network(z), y, reduction="sum")
        (slope,) = torch.autograd.grad(loss, z)
        return project(x + eps * slope.sign(), x, eps, "linf"), 1

    budget = Budget(gradients=20 * 2 * len(DIGITS.train), rate=1e-2, ramp=0.5)
    train_against(network, DIGITS, 0.3, attack, budget)
    return network


class Changed(nn.Module):
    """A network with something before or behind it."""

    def __init__(self, network, before=None, behind=None):
        super().__init__()
        self.network = copy.deepcopy(network)
        self.before = before or (lambda x: x)
        self.behind = behind or (lambda z: z)

    def forward(self, x):
        return self.behind(self.network(self.before(x)))


def quantised(network):
    """Nearly the same decisions, and no slope anywhere."""
    return Changed(network, before=lambda x: (8 * x).round() / 8)


def scaled(network, factor=1e4):
    """Exactly the same decisions, and a cross-entropy that is 0 in single precision."""
    return Changed(network, behind=lambda z: factor * z)


def affine(weight, bias):
    """An affine classifier in double precision."""
    layer = nn.Linear(len(weight[0]), len(weight)).double()
    with torch.no_grad():
        layer.weight.copy_(torch.as_tensor(np.array(weight)))
        layer.bias.copy_(torch.as_tensor(bias))
    return nn.Sequential(nn.Flatten(), layer)
