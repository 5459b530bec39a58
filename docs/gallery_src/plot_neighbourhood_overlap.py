"""
Overlapping neighbourhoods: who must be given up
================================================

Figure 17.3 of the chapter, computed. The adversary moves a point anywhere in its disk. Where disks
of different classes meet, one input belongs to both, and a classifier errs on one of the two. The
heaviest matching of such pairs (thick) is the least adversarial risk of any classifier: the
adversary sends both points of a pair to the cross between them. As heavy is the lightest cover
(ringed): give those points up, and no disks of different classes meet among the rest.

The chapter reads off such a picture that overlap makes the least risk positive. It does only if the
overlapping points carry mass: in the right panel the disks are the same, but the points in conflict
(hollow) have probability 0, and so has an error.
"""

import matplotlib.pyplot as plt
import numpy as np

from robust_theory import optimal_risk

X0 = np.array([[0.2, 3.2], [1.6, 4.3], [2.0, 2.6], [2.4, 0.9], [0.3, 1.2]])
X1 = np.array([[3.5, 3.3], [3.4, 1.8], [5.1, 3.4], [5.0, 1.6], [4.1, 0.2]])
eps = 0.9
equal = optimal_risk(X0, X1, eps)
assert equal.verify()

# Without mass on the points that some point of the other class can be confused with.
near = np.linalg.norm(X0[:, None] - X1[None], axis=2) <= 2 * eps
weights = [(~near.any(axis=1)).astype(int), (~near.any(axis=0)).astype(int)]
without = optimal_risk(X0, X1, eps, weights0=weights[0], weights1=weights[1])
assert without.risk == 0

figure, panels = plt.subplots(1, 2, figsize=(9, 4.6), sharey=True, layout="constrained")
cases = ((equal, [np.ones(5), np.ones(5)], "equal weights"), (without, weights, "no mass there"))
for panel, (result, masses, words) in zip(panels, cases, strict=True):
    for X, mass, colour in zip((X0, X1), masses, ("tab:blue", "tab:orange"), strict=True):
        for point in X:
            panel.add_patch(plt.Circle(point, eps, color=colour, alpha=0.15, linewidth=0))
        face = [colour if m else "white" for m in mass]
        panel.scatter(*X.T, s=30, c=face, edgecolors=colour, zorder=3)
    for i, j in np.argwhere(near):
        panel.plot(*np.array([X0[i], X1[j]]).T, color="0.6", linewidth=1, zorder=1)
    for i, j in result.matching:
        panel.plot(*np.array([X0[i], X1[j]]).T, color="black", linewidth=2.5, zorder=2)
    if len(result.matching):
        panel.scatter(*result.common_points.T, marker="x", color="tab:red", zorder=4)
        given_up = np.concatenate([X0[result.cover0], X1[result.cover1]])
        panel.scatter(*given_up.T, s=170, facecolors="none", edgecolors="black")
    panel.set_title(f"{words}: least risk {result.risk}")
    panel.set_aspect("equal")
    panel.set_axis_off()
plt.show()
