"""
A fragile partition: the checkerboard
=====================================

Figure 1b of the paper with one curve added. A half-space and a checkerboard both split Gaussian
vectors into two classes of measure one half. Theorem 1 holds for both and is an equality for the
half-space. The checkerboard is far more fragile, even more than the paper's bound for it says: its
radius is the distance of some coordinate to the nearest integer, so its law is exact.
"""

import matplotlib.pyplot as plt
import numpy as np

from robust_theory import checkerboard_fooling_probability, fooling_probability

eps = np.linspace(0, 1, 201)
figure, panels = plt.subplots(1, 2, figsize=(9, 4), sharey=True, layout="constrained")
for d, panel in zip((2, 10), panels, strict=True):
    panel.plot(eps, checkerboard_fooling_probability(d, eps), label="checkerboard, exact")
    paper = checkerboard_fooling_probability(d, eps, form="paper")
    panel.plot(eps, paper, "--", label="checkerboard, at least (paper, eq. 4)")
    bound = fooling_probability([0.5, 0.5], eps)
    panel.plot(eps, bound, ":", label="every classifier, at least (Theorem 1)")
    panel.set_title(f"d = {d}")
    panel.grid(alpha=0.3)
panels[1].legend(loc="lower right", bbox_to_anchor=(1, 0.1))
figure.supxlabel(r"$\varepsilon$ ($\ell_2$ distance in latent space)")
figure.supylabel(r"$P(r_Z \leq \varepsilon)$")
plt.show()
