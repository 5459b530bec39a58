"""
The least risk over the size of the perturbation
================================================

Left, the exact curve for the images of two digits: a step at each distance that matters, and no
classifier below. Its first step is half the distance of the two closest images.

Right, samples of N(-1, 1) against N(1, 1), where the least risk of the population is known
(dashed). Samples understate it on average, more so if they are small, and by no more than a slack
that shrinks with their size: the dotted lines are below the dashed one with 95 % confidence at any
one eps, whatever the classifier was trained on.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from robust_theory import gaussian_optimal_risk, optimal_risk, population_lower_bound, risk_curve

X, y = load_digits(return_X_y=True)
curve = risk_curve(X[y == 3], X[y == 9], eps_max="1.4", scale=16, prior0="sample")

figure, panels = plt.subplots(1, 2, figsize=(9, 4), sharey=True, layout="constrained")
curve.plot(panels[0])
panels[0].axvline(curve.first_eps, color="0.6", linestyle=":", label="first step")
panels[0].set_title("digits 3 and 9")
panels[0].legend(loc="upper left")

draw = np.random.default_rng(0)
fine = np.linspace(0, 1, 200)
coarse = np.linspace(0, 1, 11).round(1)
for n, colour in ((50, "tab:blue"), (400, "tab:green")):
    samples = draw.normal(-1, 1, n), draw.normal(1, 1, n)
    steps = risk_curve(*samples, eps_max=1)
    panels[1].plot(fine, steps(fine).astype(float), color=colour, label=f"{n} points per class")
    limits = [population_lower_bound(optimal_risk(*samples, eps), 0.05) for eps in coarse]
    panels[1].plot(coarse, limits, ":", color=colour)
panels[1].plot(fine, gaussian_optimal_risk(-1, 1, 1, fine), "k--", label="population")
panels[1].set_title("two Gaussian classes")
panels[1].set_xlabel("eps")
panels[1].legend(loc="lower right")
for panel in panels:
    panel.grid(alpha=0.3)
plt.show()
