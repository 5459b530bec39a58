"""
Attacks at equal internal distance
==================================

The internal Wasserstein distance compares the patches of two images, wherever they are. An attack
that knows it stays inside the exact ball and turns digits into others by few, local changes. The
second row is that attack; the third one is projected gradient ascent in the largest norm ball
whose image is as far away as that in the internal distance, which rarely changes the answer. The
last row is a shift by one pixel, at internal distance 0.
"""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import torch

from empirical.attacks.internal import internal_attack
from empirical.attacks.steps import pgd
from empirical.data import load
from empirical.networks import build
from empirical.train import train_classifier
from robust_theory import internal_wasserstein

torch.set_num_threads(1)
patch, count = 3, 6
digits = load("digits")
digits = replace(digits, images=np.pad(digits.images, ((0, 0), (0, 0), (3, 3), (3, 3))))
network = build("strided", digits.shape, digits.classes, seed=0)
train_classifier(network, digits, epochs=5)


def answers(images):
    with torch.no_grad():
        return network(torch.from_numpy(images)).argmax(1).numpy()


def distance(x, z):
    return internal_wasserstein(x[0], z[0], patch).value


x, y = digits.images[digits.test], digits.labels[digits.test]
right = answers(x) == y
x, y = x[right], y[right]
direct = internal_attack(network, x[:60], y[:60], 0.15, patch, shift=0)
chosen = np.flatnonzero(direct.fooled)[:count]
x, y, direct_images = x[chosen], y[chosen], direct.images[chosen]
distances = direct.distances[chosen]

# %%
# The radius of the norm ball is bisected for every image, until both attacks are equally far.

norm_images = x.copy()
for i in range(count):
    low, high = 0.0, 0.5
    for _ in range(10):
        eps = (low + high) / 2
        found = pgd(network, x[i : i + 1], y[i : i + 1], eps, steps=10, random_start=False)
        if distance(x[i], found.images[0]) <= distances[i]:
            low, norm_images[i] = eps, found.images[0]
        else:
            high = eps

# %%
# Of all shifts by one pixel, the one with the lowest score of the right class.

shifts = [np.roll(x, (a, b), axis=(2, 3)) for a in (-1, 0, 1) for b in (-1, 0, 1)]
with torch.no_grad():
    scores = [network(torch.from_numpy(z)).softmax(1).numpy()[np.arange(count), y] for z in shifts]
worst = np.argmin(scores, axis=0)
shifted = np.stack([shifts[k][i] for i, k in enumerate(worst)])

rows = {
    "original": x,
    "internal ball": direct_images,
    "norm ball,\nequally far": norm_images,
    "shifted\nby a pixel": shifted,
}
figure, panels = plt.subplots(len(rows), count, figsize=(1.5 * count, 7), layout="constrained")
for line, (name, images) in zip(panels, rows.items(), strict=True):
    for i, (panel, image, label) in enumerate(zip(line, images, answers(images), strict=True)):
        panel.imshow(image[0], cmap="gray_r", vmin=0, vmax=1)
        panel.set_xticks([])
        panel.set_yticks([])
        color = "black" if label == y[i] else "tab:red"
        panel.set_title(f"{label}, W = {distance(x[i], image):.2f}", color=color, fontsize=9)
    line[0].set_ylabel(name)
figure.suptitle("The classifier's answer (red: wrong) and the internal distance W")
plt.show()

# %%
# Wrong answers in each row, and the mean largest change of a pixel.

for name, images in rows.items():
    changed = np.abs(images - x).max(axis=(1, 2, 3)).mean()
    print(f"{' '.join(name.split())}: {(answers(images) != y).sum()} of {count}, {changed:.2f}")
