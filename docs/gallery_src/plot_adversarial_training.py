"""
Training on stored attacks, and on new ones
===========================================

Left: the error under one step of FGSM while networks are trained, against the gradients spent, the
published comparison of Langevin training and PGD. It flatters whoever learns that one step, so it
must be read beside the accuracies under many steps in the same report. Middle and right: accuracy
under PGD-40 after a part of that budget, by the noise and by the step of stored attacks, as shares
of the radius, with limits over the test images. All from committed runs.
"""

import json
import re
from pathlib import Path

import matplotlib.pyplot as plt

tables = {}
for report in sorted(Path("../runs").glob("*/report.json")):  # seen from this script
    for table in json.loads(report.read_text(encoding="utf-8"))["tables"]:
        if match := re.match(r"(Figure \d) of anonymous2022, on mnist", table["title"]):
            tables[match[1]] = table

figure, panels = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
for panel, name, label in zip(
    panels,
    ("Figure 1", "Figure 3", "Figure 4"),
    ("gradients", "noise / radius", "step / radius"),
    strict=True,
):
    panel.set_xlabel(label)
    panel.grid(alpha=0.3)
    if name not in tables:
        panel.set_title("in no committed run yet")
        continue
    places = [float(head) for head in tables[name]["columns"][1:]]
    rows = {row[0]: row[1:] for row in tables[name]["rows"]}
    if name == "Figure 1":
        for method, errors in rows.items():
            panel.plot(places, [100 * e if e is not None else None for e in errors], label=method)
        panel.set_ylabel("error under FGSM, %")
        panel.set_ylim(0, 100)
        panel.legend(fontsize="x-small")
    else:
        cells = [re.findall(r"\d+\.\d", cell) for cell in rows["PGD-40"]]
        mean, low, high = (list(map(float, column)) for column in zip(*cells, strict=True))
        arms = [
            [m - lo for m, lo in zip(mean, low, strict=True)],
            [hi - m for m, hi in zip(mean, high, strict=True)],
        ]
        panel.errorbar(places, mean, arms, marker="o", capsize=3)
        panel.set_ylabel("accuracy under PGD-40, %")
        panel.set_ylim(0, 100)
