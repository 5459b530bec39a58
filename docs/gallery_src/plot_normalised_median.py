"""
The median radius, relative to the length of the latent vector
==============================================================

Figure 2a of the paper with the best classifier that we know. A latent vector in d dimensions has a
length of about the square root of d, and half of all vectors are fooled within a distance that does
not depend on d: relative to the length, robustness vanishes in high dimension. The dashed curves
belong to the classifier by the largest of K coordinates, whose quantiles are exact; no bound
can come below them.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import brentq

from robust_theory import normalised_fooling_quantile, simplex_fooling_probability

K = np.unique(np.geomspace(2, 1000, 25).astype(int))


def reached(K):
    """The median radius of the largest of K coordinates."""
    return brentq(lambda eps: simplex_fooling_probability(K, eps) - 0.5, 0, 2)


medians = np.array([reached(int(k)) for k in K])
figure, panel = plt.subplots(figsize=(9, 4.5), layout="constrained")
for d, color in ((10, "C0"), (100, "C1"), (1000, "C2")):
    bound = [normalised_fooling_quantile([1 / k] * k, 0.5, d) for k in K]
    panel.loglog(K, bound, color=color, label=f"d = {d}: every classifier, at most")
    possible = d >= K - 1  # after a rotation the classifier ignores one of its K coordinates
    panel.loglog(
        K[possible],
        medians[possible] / np.sqrt(d),
        "--",
        color=color,
        label=f"d = {d}: largest of K coordinates, exact",
    )
panel.set_xlabel("number of equally likely classes K")
panel.set_ylabel(r"median of $r_Z / \sqrt{d}$ ($\ell_2$)")
panel.grid(alpha=0.3, which="both")
panel.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
plt.show()

# %%
# The numbers behind the curves, at d = 100:

for k in (2, 5, 10, 100, 1000):
    print(f"K = {k:4}: at most {normalised_fooling_quantile([1 / k] * k, 0.5, 100):.5f}")
