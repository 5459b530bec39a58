"""
How far certificates reach on MNIST
===================================

The share of 500 test images that a smoothed network classifies rightly and provably keeps so while
mass is moved up to a Wasserstein distance, from the committed run of the published table. Three
steps lie between the lowest and the highest curve: a better certificate from the same votes
(Laplace noise, paper to sharp), Gaussian noise of the same size, and a covariance fitted to the
network on training images.
"""

import json
from pathlib import Path

import matplotlib.pyplot as plt

report = Path("../runs/mnist-smoothing/report.json")  # seen from this script
tables = json.loads(report.read_text(encoding="utf-8"))["tables"]
(table,) = [table for table in tables if table["title"].startswith("Certified accuracy")]
radii = [0.0, *map(float, table["columns"][1:])]
accuracy = {row[0]: row[1:] for row in table["rows"]}
(results,) = [table for table in tables if table["title"].startswith("Table 1")]
clean = {row[0]: row[1] / 100 for row in results["rows"]}

figure, panel = plt.subplots(figsize=(7, 4), layout="constrained")
for noise, form, style in (
    ("laplace", "paper", "C7:"),
    ("laplace", "tight", "C0--"),
    ("laplace", "sharp", "C0-"),
    ("gaussian", "sharp", "C2-"),
    ("fitted", "sharp", "C3-"),
):
    name = f"{noise}, sigma 0.01, seed 0"
    shares = [clean[name], *accuracy[f"{name}: {form}"]]
    panel.plot(radii, shares, style, marker=".", label=f"{noise}, {form}")
panel.set_xlabel("Wasserstein distance (l2 ground metric, images of mass 1)")
panel.set_ylabel("certified accuracy")
panel.set_ylim(0, 1)
panel.legend()
panel.grid(alpha=0.3)
