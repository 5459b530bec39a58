"""
The mean radius and the number of classes
=========================================

Figure 2b of the paper with two curves added. Theorem 2 bounds the mean distance to another class;
with more classes it falls, but slowly, like one over the square root of log K. The paper's explicit
formula is true and far away; a sharper one is close. Below the bound no classifier has to go much:
the one that takes the largest of K coordinates has the mean radius drawn at the bottom, exactly.
"""

import matplotlib.pyplot as plt
import numpy as np

from robust_theory import equiprobable_expected_radius, expected_radius, simplex_expected_radius

K = np.unique(np.geomspace(2, 1e6, 37).astype(int)).tolist()
five = [k for k in K if k >= 5]
figure, panel = plt.subplots(figsize=(7, 4.5), layout="constrained")
explicit = [equiprobable_expected_radius(k, "paper") for k in five]
panel.semilogx(five, explicit, ":", label="explicit formula of the paper")
explicit = [equiprobable_expected_radius(k) for k in five]
panel.semilogx(five, explicit, "-.", label="explicit formula, sharper")
bound = [expected_radius([1 / k] * k) for k in K]
panel.semilogx(K, bound, label="every classifier, at most (Theorem 2)")
reached = [simplex_expected_radius(k) for k in K]
panel.semilogx(K, reached, "--", label="largest of K coordinates, exact")
panel.set_xlabel("number of equally likely classes K")
panel.set_ylabel(r"$E\, r_Z$ ($\ell_2$ distance in latent space)")
panel.set_ylim(bottom=0)
panel.grid(alpha=0.3)
panel.legend()
plt.show()

# %%
# The numbers, and how much a better bound could still win:

for k in (2, 10, 100, 1000, 10**6):
    most, least = expected_radius([1 / k] * k), simplex_expected_radius(k)
    print(f"K = {k:7}: at most {most:.6f}, reached {least:.6f}, ratio {most / least:.4f}")
