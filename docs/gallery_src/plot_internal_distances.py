"""
How far attacked images are
===========================

Of the images on which an attack succeeds, the distances from their originals in three measures: the
published comparison of attacks on internal distances. Each row is a histogram, with the share of
its images in each cell. Attacks have the intensities that the first table of the same report says,
and only the direct one has a radius, so that the rows compare intensities as well as attacks. From
a committed run.
"""

import json
import re
from pathlib import Path

import matplotlib.pyplot as plt

METRICS = ("l2", "linf", "internal")
tables = {}
for report in sorted(Path("../runs").glob("*/report.json")):  # seen from this script
    for table in json.loads(report.read_text(encoding="utf-8"))["tables"]:
        title = r"Figure 6 of li2021, on (.+): (\w+) distance of attacked images"
        if match := re.fullmatch(title, table["title"]):
            tables.setdefault(match[1], {})[match[2]] = table
data = "mnist" if "mnist" in tables else min(tables, default=None)

figure, panels = plt.subplots(1, 3, figsize=(11, 4.2), sharey=True, layout="constrained")
for panel, metric in zip(panels, METRICS, strict=True):
    panel.set_xlabel(f"{metric} distance")
    table = tables.get(data, {}).get(metric)
    if table is None:
        panel.set_title("in no committed run yet")
        continue
    first = 1 + table["columns"].index("upper quartile")
    cells, rows = table["columns"][first:], table["rows"][::-1]
    for i, row in enumerate(rows):
        shares = [count / max(1, row[1]) for count in row[first:]]
        panel.bar(range(len(cells)), [0.9 * s for s in shares], 1, i, align="edge", ec="white")
    edges = [cell.removeprefix("from ").split(" to ")[0] for cell in cells]
    panel.set_xticks(range(len(cells)), edges, rotation=60, fontsize="small")
    panel.set_yticks(range(len(rows)), [f"{row[0]} ({row[1]})" for row in rows], fontsize="small")
    panel.set_ylim(0, len(rows))
    panel.grid(axis="y", alpha=0.3)
if data:
    figure.suptitle(f"Successful attacks on {data} (number of images); last cells are open")
plt.show()
