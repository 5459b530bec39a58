"""The plots of a report: theory against experiment, as curves or row by row."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from validation.display import axis, band, clean, number
from validation.experiment import Json
from validation.svg import GRID, MUTED, OBSERVED, PAPER, THEORY, VIOLATED, inline_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Row = Mapping[str, Json]

_CURVE_WIDTH, _INTERVAL_WIDTH = 340.0, 400.0  # of a panel, in the units of its coordinates
_LEFT = 34.0  # margin of a curve's panel for the numbers of its vertical axis
_PITCH = 38.0  # height of a row of the interval plot
_BAR: dict[str, Any] = {"linewidth": 6, "alpha": 0.3, "solid_capstyle": "butt"}
_TICK: dict[str, Any] = {"markersize": 12, "markeredgewidth": 2, "clip_on": False}
LINES = ("theory", "observed", "lo", "hi")
_POINTS = 240  # a curve is thinned to this many points


@dataclass(frozen=True)
class Panel:
    """One plot and the rows it shows; `svg` is safe to put into HTML as it is."""

    svg: str
    rows: tuple[Row, ...]
    label: str = ""


def curves(rows: Sequence[Row], most: int) -> list[Panel]:
    """Return one panel per distinct curve among `rows`, at most `most` of them, on equal axes."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if row["curve"] and row["curve"]["x"]:
            groups.setdefault(repr(sorted(row["curve"].items())), []).append(row)
    shown = list(groups.values())[:most]
    if not shown:
        return []
    data = [_thinned(group[0]["curve"]) for group in shown]
    x_limits = _common([curve["x"] for curve in data])
    y_limits = _common([np.concatenate([curve[n] for n in LINES]) for curve in data])
    panels = []
    for group, curve in zip(shown, data, strict=True):
        row = group[0]
        x_label, y_label = axis(row["x_label"], row["norm"]), axis(row["quantity"], row["unit"])
        x_lines, y_lines = _wrapped(x_label, 52), _wrapped(y_label, 60)
        refuted = any(r["verdict"] == "violated" for r in group)
        draw = partial(
            _draw_curve,
            curve=curve,
            limits=(x_limits, y_limits),
            labels=(x_lines, y_lines),
            colour=VIOLATED if refuted else OBSERVED,
            relation=row["relation"],
        )
        words = f"Theory against observation for {', '.join(r['seed_key'] for r in group)}: "
        words += f"{y_label} over {x_label}; {', '.join(r['verdict'] for r in group)}."
        bottom, top = (24 + 14 * lines.count("\n") for lines in ("\n" + x_lines, y_lines))
        svg = inline_svg(
            draw, (_CURVE_WIDTH, 166.0 + bottom + top), (_LEFT, 10, bottom, top), words
        )
        panels.append(Panel(svg, tuple(group), row["curve"]["label"]))
    return panels


def _thinned(curve: Mapping[str, Json]) -> dict[str, np.ndarray]:
    n = len(curve["x"])
    kept = np.unique(np.linspace(0, n - 1, min(n, _POINTS)).round().astype(int))
    return {name: np.array([float(v) for v in curve[name]])[kept] for name in ("x", *LINES)}


def _common(samples: Sequence[np.ndarray]) -> tuple[float, float]:
    """Limits that hold the finite values of all samples, with a margin."""
    values = np.concatenate(samples)
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0
    lo, hi = float(values.min()), float(values.max())
    margin = 0.04 * (hi - lo) or 0.04 * abs(hi) or 0.5
    return lo - margin, hi + margin


def _draw_curve(
    axes: Axes,
    curve: Mapping[str, np.ndarray],
    limits: tuple[tuple[float, float], tuple[float, float]],
    labels: tuple[str, str],
    colour: str,
    relation: str,
) -> None:
    x, (bottom, top) = curve["x"], limits[1]
    theory, observed, lo, hi = (  # infinite values leave the picture through its edge
        np.clip(curve[name], 2 * bottom - top, 2 * top - bottom) for name in LINES
    )
    marker = "o" if len(x) <= 12 else None
    if relation in ("<=", ">="):  # the side that the claim forbids
        edge = bottom if relation == ">=" else top
        axes.fill_between(x, theory, edge, color=VIOLATED, alpha=0.1, linewidth=0)
    axes.fill_between(x, lo, hi, color=colour, alpha=0.22, linewidth=0)
    axes.plot(x, observed, color=colour, linewidth=1.6, marker=marker, markersize=3.5)
    axes.plot(x, theory, color=THEORY, linewidth=1.6, dashes=(4, 2), marker=marker, markersize=3)
    axes.set_xlim(*limits[0])
    axes.set_ylim(bottom, top)
    axes.locator_params(nbins=6)
    axes.set_xlabel(labels[0])
    # The label of the vertical axis, set level above it, from the edge of the panel.
    axes.set_title(labels[1], x=-_LEFT / (_CURVE_WIDTH - _LEFT - 10), pad=9)


def intervals(rows: Sequence[Row], most: int) -> list[Panel]:
    """Return two panels for the measured rows without a curve, at most `most` of them.

    The first shows theory and observation of each row, the second their difference with its band,
    where a point on the shaded side contradicts the claim.
    """
    shown = [
        row
        for row in rows
        if not (row["curve"] and row["curve"]["x"])
        and row["observed"]["value"] is not None
        and row["theory"]["value"] is not None
    ][:most]
    if not shown:
        return []
    details = shown[0]["unit"], shown[0]["norm"]
    label, difference = axis(shown[0]["quantity"], *details), axis("observed − theory", *details)
    size, margins = (_INTERVAL_WIDTH, _PITCH * len(shown) + 58), (10, 10, 40, 6)
    lines = [
        f"{row['seed_key']}: {row['verdict']}, theory {row['relation']} "
        f"{number(row['theory']['value'])}, observed {number(row['observed']['value'])} "
        f"{band(row['observed']['lo'], row['observed']['hi'])}".rstrip()
        for row in shown
    ]
    words = f"Theory and observed {label} of each row. " + "; ".join(lines) + "."
    rest = f"Observed minus theory, {label}, for the same rows."
    return [
        Panel(inline_svg(draw, size, margins, text), tuple(shown))
        for draw, text in (
            (partial(_draw_values, rows=shown, label=_wrapped(label, 56)), words),
            (partial(_draw_differences, rows=shown, label=_wrapped(difference, 56)), rest),
        )
    ]


def _draw_values(axes: Axes, rows: Sequence[Row], label: str) -> None:
    numbers = [_both(row) for row in rows]
    _axis_of_rows(axes, rows, [n for row in numbers for n in row], label)
    left, right = axes.get_xlim()
    for y, (row, (t, t_lo, t_hi, *observed)) in enumerate(zip(rows, numbers, strict=True)):
        shape = ">" if t > right else "<" if t < left else "|"
        axes.plot(np.clip([t_lo, t_hi], left, right), [y, y], color=THEORY, **_BAR)
        axes.plot(np.clip(t, left, right), y, shape, color=THEORY, **_TICK)
        _mark(axes, y, row, *observed)


def _draw_differences(axes: Axes, rows: Sequence[Row], label: str) -> None:
    differences = [_difference(row) for row in rows]
    ends = [end for difference in differences if difference for end in difference]
    reach = max([abs(end) for end in ends if np.isfinite(end)] or [0.0]) or 1.0
    _axis_of_rows(axes, rows, [*ends, -0.25 * reach, 0.25 * reach], label)
    left, right = axes.get_xlim()
    wrong = {"<=": (0.0, right), ">=": (left, 0.0)}.get(rows[0]["relation"])
    if wrong:
        axes.axvspan(*wrong, color=VIOLATED, alpha=0.1, linewidth=0)
    axes.axvline(0, color=THEORY, linewidth=1.6, dashes=(4, 2))
    for y, (row, difference) in enumerate(zip(rows, differences, strict=True)):
        if difference:
            _mark(axes, y, row, *difference)


def _both(row: Row) -> tuple[float, ...]:
    theory, observed = row["theory"], row["observed"]
    return tuple(float(part[name]) for part in (theory, observed) for name in ("value", "lo", "hi"))


def _difference(row: Row) -> tuple[float, float, float] | None:
    """Value and limits of observed minus theory; None where the theory is infinite."""
    t, t_lo, t_hi, value, lo, hi = _both(row)
    return (value - t, lo - t_hi, hi - t_lo) if np.isfinite([t, t_lo, t_hi]).all() else None


def _axis_of_rows(axes: Axes, rows: Sequence[Row], values: Iterable[float], label: str) -> None:
    finite = np.array([v for v in values if np.isfinite(v)])
    if finite.size and finite.min() > 0 and finite.max() >= 100 * finite.min():
        from matplotlib.ticker import FuncFormatter, NullFormatter

        axes.set_xscale("log")
        axes.set_xlim(finite.min() / 1.5, finite.max() * 1.5)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_xlim(*_common([finite]))
        axes.locator_params(axis="x", nbins=6)
    axes.set_ylim(len(rows) - 0.5, -0.9)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(label)
    for y, row in enumerate(rows):
        axes.axhline(y, color=GRID, linewidth=0.8, zorder=0)
        axes.text(
            0.0,
            y - 0.36,
            textwrap.shorten(clean(row["instance"]), 50, placeholder="…"),
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize=9.5,
            color=VIOLATED if row["verdict"] == "violated" else MUTED,
        )


def _mark(axes: Axes, y: float, row: Row, value: float, lo: float, hi: float) -> None:
    """An observed value with its band; what lies outside the axis is an arrow at its edge."""
    left, right = axes.get_xlim()
    refuted = row["verdict"] == "violated"
    colour = VIOLATED if refuted else OBSERVED
    axes.plot(np.clip([lo, hi], left, right), [y, y], color=colour, linewidth=2.4, alpha=0.55)
    shape = "X" if refuted else ">" if value > right else "<" if value < left else "o"
    axes.plot(
        np.clip(value, left, right),
        y,
        shape,
        color=colour,
        markersize=7 if refuted else 6,
        markerfacecolor=colour if row["verdict"] in ("holds", "violated") else PAPER,
        markeredgewidth=1.4,
        clip_on=False,
    )


def _wrapped(label: str, width: int) -> str:
    """A label on at most two lines, without characters that SVG cannot hold."""
    return "\n".join(textwrap.wrap(clean(label), width, max_lines=2, placeholder="…"))
