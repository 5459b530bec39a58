"""
Layers of a standard and of an adversarially trained network
============================================================

Unbiased centred kernel alignment between the layers of two networks for the digits, one trained as
usual and one on perturbed digits (linf, 0.15 of the range of a pixel, five gradient steps): each
with itself, and with the other, as in the chapter's figure 17.2. Neither network is large, so
differences are modest: read the picture as what the tool shows, not as a finding.
"""

import matplotlib.pyplot as plt
import torch
from sklearn.datasets import load_digits
from torch import nn

from empirical.diagnostics import draw, similarity_map

images, targets = (torch.tensor(a) for a in load_digits(return_X_y=True))
images = images.float() / 16
train, held_out = slice(0, 1300), slice(1300, None)
loss = nn.functional.cross_entropy


def fit(eps):
    torch.manual_seed(0)
    parts = []
    for inputs in (64, 48, 48):
        parts += [nn.Linear(inputs, 48), nn.ReLU()]
    network = nn.Sequential(*parts, nn.Linear(48, 10))
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(100):
        x = images[train]
        u = (2 * torch.rand_like(x) - 1) * eps
        for _ in range(5 if eps else 0):
            u.requires_grad_()
            (slope,) = torch.autograd.grad(loss(network(x + u), targets[train]), u)
            u = (u.detach() + eps / 2 * slope.sign()).clamp(-eps, eps)
            u = (x + u).clamp(0, 1) - x
        optimiser.zero_grad()
        loss(network(x + u), targets[train]).backward()
        optimiser.step()
    return network


standard, robust = fit(0.0), fit(0.15)
figure, panels = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
for panel, first, second, title in (
    (panels[0], standard, standard, "standard"),
    (panels[1], robust, robust, "adversarially trained"),
    (panels[2], standard, robust, "standard (rows) and the other"),
):
    draw(similarity_map(first, second, images[held_out]), panel)
    panel.set_title(title)
plt.show()
