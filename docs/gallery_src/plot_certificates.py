"""
What five certificates prove
============================

Lower bounds of the margin of a random ReLU network over a ball that grows, and the least margin
among 20,000 points of the ball (dashed), which no bound may exceed. Where a curve crosses 0 is the
certified radius of its method. Interval arithmetic loses most in the second layer, where it
forgets that the units of the first move together.
"""

import matplotlib.pyplot as plt
import numpy as np

from robust_theory import margin_bounds, read_network

draw = np.random.default_rng(7)
layers = [
    (draw.normal(0, (2 / n) ** 0.5, (m, n)), draw.normal(0, 0.3, m))
    for n, m in ((4, 8), (8, 8), (8, 3))
]
network, point = read_network(layers), draw.normal(size=4)
label = int(network.logits(point[None])[0].argmax())
radii = np.linspace(0, 0.6, 13)
inside = draw.uniform(-1, 1, (20_000, 4))
inside[::2] = np.sign(inside[::2])  # corners

figure, panel = plt.subplots(figsize=(7, 4), layout="constrained")
for method in ("lipschitz", "interval", "linear", "polytope", "semidefinite"):
    bounds = [margin_bounds(layers, point, eps, label, method=method).min() for eps in radii]
    panel.plot(radii, bounds, label=method)
sampled = []
for eps in radii:
    logits = network.logits(point + eps * inside)
    sampled.append(np.delete(logits[:, [label]] - logits, label, axis=1).min())
panel.plot(radii, sampled, "k--", label="sampled")
panel.axhline(0, color="0.6", linewidth=0.8)
panel.set_ylim(-4, max(sampled) * 1.2)
panel.set_xlabel("radius (linf)")
panel.set_ylabel("margin")
panel.grid(alpha=0.3)
panel.legend()
plt.show()
