"""
A masked gradient in slices of the loss
=======================================

The margin of a digit's label (the greatest wrong logit minus the right one) on two-dimensional
slices around the digit. Left: a network, with the slope of its margin as the first direction.
Middle: the same network behind a quantiser of the pixels, which decides nearly the same and has no
slope anywhere, on the same slice. White lines are where the decision changes. Right: what accuracy
attacks leave in a ball; those that need gradients fail on the quantised network, the one that needs
none does not, and the checks of ``empirical.masking`` say so.
"""

import matplotlib.pyplot as plt
import torch
from torch import nn

from empirical import data, networks, train
from empirical.attacks.adaptive import apgd
from empirical.attacks.square import square_attack
from empirical.attacks.steps import fgsm, pgd
from empirical.checks import failures
from empirical.loss_slices import draw_slice, loss_slice
from empirical.masking import masking_checks

digits = data.load("digits")
network = networks.build("cnn", digits.shape, digits.classes, seed=0)
train.train_classifier(network, digits, epochs=6)


class Quantiser(nn.Module):
    def forward(self, x):
        return torch.round(8 * x) / 8


quantised = nn.Sequential(Quantiser(), network)


images, labels = digits.images[digits.test][:60], digits.labels[digits.test][:60]
plain = loss_slice(network, images[0], int(labels[0]), loss="margin", points=61)
first, second = plain.directions
label = int(labels[0])
masked = loss_slice(quantised, images[0], label, first, second, loss="margin", points=61)

figure, panels = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
for panel, found, title in (
    (panels[0], plain, "network"),
    (panels[1], masked, "behind a quantiser"),
):
    draw_slice(found, panel)
    panel.set_title(f"{title}: slope {found.slope[0]:.2g}")
    panel.set_xlabel("first direction (l2)")
    panel.set_ylabel("second direction (l2)")

attacks = {
    "FGSM": lambda f: fgsm(f, images, labels, 0.1),
    "PGD": lambda f: pgd(f, images, labels, 0.1),
    "APGD, DLR": lambda f: apgd(f, images, labels, 0.1, loss="dlr", steps=40),
    "Square": lambda f: square_attack(f, images, labels, 0.1, queries=500),
}
for offset, (name, model) in enumerate((("network", network), ("quantised", quantised))):
    left = [float((~attack(model).fooled).mean()) for attack in attacks.values()]
    places = [k + 0.4 * offset for k in range(len(attacks))]
    panels[2].bar(places, left, 0.4, label=name)
panels[2].set_xticks([k + 0.2 for k in range(len(attacks))], attacks)
panels[2].set_ylabel("accuracy left, linf 0.1")
panels[2].set_ylim(0, 1.2)
panels[2].legend()
plt.show()

for name, model in (("network", network), ("quantised", quantised)):
    failed = failures(masking_checks(model, images, labels, 0.1))
    print(f"{name}: {len(failed)} checks fail")
    for check in failed:
        print(f"  {check.name}: {check.number:.3g}, {check.meaning}")
