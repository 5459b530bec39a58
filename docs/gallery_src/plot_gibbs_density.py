"""
Gibbs adversaries over a slice of a loss
========================================

What an entropic adversary does to one input, on a line through it: his law has the density
exp(lam (loss - F)) on the ball, with respect to the uniform one. Small lam leave noise, large lam
concentrate on the maximum, and the free energy F rises from the mean of the loss to it.

The second row shows the same slope in many dimensions, spread over the pixels: at one lam the law
of each pixel becomes flat, and the adversary gains less and less of what a sign step does.
"""

import matplotlib.pyplot as plt
import numpy as np

from robust_theory import free_energy, gained_fraction, gibbs_weights

eps = 0.3
u = np.linspace(-eps, eps, 4001)
loss = 1 + 1.5 * u - 5 * u**2 + 0.8 * np.cos(2 * np.pi * (u - 0.05) / eps)
rates = (1, 3, 10, 40)
colors = plt.cm.viridis(np.linspace(0.1, 0.85, len(rates)))

figure, panels = plt.subplots(2, 2, figsize=(10, 7), layout="constrained")
(slice_panel, density_panel), (curve_panel, share_panel) = panels

slice_panel.plot(u, loss, color="black", label="loss")
for lam, color in zip(rates, colors, strict=True):
    energy = free_energy(loss, lam)
    slice_panel.axhline(energy, color=color, linestyle="--")
    slice_panel.annotate(
        rf"$F_{{{lam}}}$", (eps, energy), color=color, xytext=(4, 0), va="center",
        textcoords="offset points",
    )  # fmt: skip
    density = gibbs_weights(loss, lam) / (u[1] - u[0])
    density_panel.plot(u, density, color=color, label=rf"$\lambda$ = {lam}")
slice_panel.set_title("A loss and its free energies")
slice_panel.set_ylabel("loss")
density_panel.set_title("Densities of the Gibbs laws")
density_panel.set_ylabel("density")
density_panel.legend()
for panel in (slice_panel, density_panel):
    panel.set_xlabel(r"displacement ($\ell_\infty$)")
    panel.set_xlim(-eps, eps)

lams = np.logspace(-2, 4, 121)
curve_panel.semilogx(lams, [free_energy(loss, lam) for lam in lams], color="black")
curve_panel.axhline(loss.mean(), color="grey", linestyle=":")
curve_panel.axhline(loss.max(), color="grey", linestyle=":")
curve_panel.annotate(
    "mean", (1e4, loss.mean()), ha="right", xytext=(0, 4), textcoords="offset points"
)
curve_panel.annotate(
    "maximum", (1e-2, loss.max()), va="top", xytext=(0, -4), textcoords="offset points"
)
curve_panel.set_title("Between mean and maximum")
curve_panel.set_xlabel(r"$\lambda$")
curve_panel.set_ylabel(r"$F_\lambda$")

dimensions = np.unique(np.logspace(0, 4, 81).astype(int))
for lam, color in zip((10, 100, 1000), colors[[0, 1, 3]], strict=True):
    shares = [gained_fraction(d, eps * 10, lam) for d in dimensions.tolist()]
    share_panel.loglog(dimensions, shares, color=color, label=rf"$\lambda$ = {lam}")
share_panel.axvline(784, color="grey", linestyle=":")
share_panel.annotate("MNIST", (784, 1.2e-3), rotation=90, ha="right", va="bottom", color="grey")
share_panel.set_title("Linear loss, gradient of l1 norm 10")
share_panel.set_xlabel("dimension")
share_panel.set_ylabel("share of the greatest gain")
share_panel.legend(loc="lower left")
for panel in panels.flat:
    panel.grid(alpha=0.3)
plt.show()

# %%
# The numbers at the paper's lam = 10: mean, free energy, and maximum of the slice.

print(f"{loss.mean():.3f} {free_energy(loss, 10):.3f} {loss.max():.3f}")
