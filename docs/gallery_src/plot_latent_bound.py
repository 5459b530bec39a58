"""
The bound of Theorem 1 against the best classifier we know
==========================================================

For equal classes, the most robust classifier of Gaussian vectors that we know takes the index of
the largest of K coordinates. Its law is exact, so the gap between the two curves is what a better
bound or a better classifier could still win. With two classes there is none: the classifier is a
half-space, and Theorem 1 is an equality.
"""

import matplotlib.pyplot as plt
import numpy as np

from robust_theory import (
    expected_radius,
    fooling_probability,
    simplex_expected_radius,
    simplex_fooling_probability,
)

eps = np.linspace(0, 2, 201)
figure, panels = plt.subplots(2, 2, figsize=(8, 6), sharex=True, sharey=True, layout="constrained")
for K, panel in zip((2, 3, 10, 100), panels.flat, strict=True):
    panel.plot(eps, simplex_fooling_probability(K, eps), label="largest of K coordinates, exact")
    panel.plot(eps, fooling_probability([1 / K] * K, eps), "--", label="every classifier, at least")
    panel.set_title(f"K = {K}")
    panel.grid(alpha=0.3)
panels[0, 0].legend(loc="lower right")
figure.supxlabel(r"$\varepsilon$ ($\ell_2$ distance in latent space)")
figure.supylabel(r"$P(r_Z \leq \varepsilon)$")
plt.show()

# %%
# The same in one number: the largest mean radius that Theorem 2 allows, and the one that the
# classifier has.

for K in (2, 3, 10, 100):
    bound, reached = expected_radius([1 / K] * K), simplex_expected_radius(K)
    print(f"K = {K:3}: bound {bound:.4f}, reached {reached:.4f}, ratio {bound / reached:.3f}")
