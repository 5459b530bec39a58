"""One matplotlib drawing as an SVG element that follows the page's fonts and colours."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

from validation.display import clean

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Stand-ins that matplotlib draws with; in the page they become the variables of its style sheet.
INK, MUTED, GRID, THEORY, OBSERVED, VIOLATED, PAPER = (f"#0102{i:02x}" for i in range(7))
_VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    GRID: "var(--grid)",
    THEORY: "var(--theory)",
    OBSERVED: "var(--observed)",
    VIOLATED: "var(--violated)",
    PAPER: "var(--card)",
}
_SETTINGS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "robust-theory",
    "text.parse_math": False,  # names may hold dollar signs
    "font.size": 10.5,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": False,
    "axes.titlesize": 10.5,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
}
_SVG = "{http://www.w3.org/2000/svg}"
_HREF = "{http://www.w3.org/1999/xlink}href"


def inline_svg(
    draw: Callable[[Axes], None],
    size: tuple[float, float],
    margins: tuple[float, float, float, float],
    description: str,
) -> str:
    """Return what `draw` draws as an SVG element that is safe to put into HTML as it is.

    Parameters
    ----------
    draw : callable
        Draws on the axes it is given, with the colours of this module.
    size : (float, float)
        Width and height, in the units of the drawing's own coordinates (points of its text).
    margins : (float, float, float, float)
        Left, right, bottom and top, between axes and edge, in the same units.
    description : str
        Read aloud in place of the plot.
    """
    import matplotlib
    from matplotlib.figure import Figure

    width, height = size
    left, right, bottom, top = margins
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        figure = Figure(figsize=(width / 72, height / 72))
        figure.patch.set_visible(False)
        axes = figure.add_axes(
            (
                left / width,
                bottom / height,
                1 - (left + right) / width,
                1 - (bottom + top) / height,
            )
        )
        axes.patch.set_visible(False)
        axes.tick_params(length=0)
        draw(axes)
        image = BytesIO()
        with np.errstate(all="ignore"):  # axes up to the largest double
            figure.savefig(image, format="svg", metadata={"Date": None})
    return _inline(image.getvalue(), description)


def _inline(drawing: bytes, description: str) -> str:
    """The drawing as part of an HTML page, with nothing that reaches beyond itself."""
    source = ElementTree.fromstring(drawing)
    prefix = hashlib.sha256(drawing + clean(description).encode()).hexdigest()[:8]
    used = {
        _name(reference)
        for element in source.iter()
        for reference in (element.get("clip-path"), element.get(_HREF))
        if reference
    }
    names = {name: f"p{prefix}-{i}" for i, name in enumerate(sorted(used))}
    root = ElementTree.Element("svg", {"class": "plot", "role": "img"})
    root.set("viewBox", source.get("viewBox", ""))
    root.set("aria-label", clean(description))
    _copy(source, root, names)
    return ElementTree.tostring(root, encoding="unicode")


def _name(reference: str) -> str:
    """The id in "#id" and in "url(#id)"."""
    return reference.rpartition("#")[2].rstrip(")")


def _copy(
    source: ElementTree.Element, target: ElementTree.Element, names: Mapping[str, str]
) -> None:
    """Copy what is drawn: no metadata, no style sheet (it would hold for the page), no idle ids."""
    for child in source:
        tag = child.tag.removeprefix(_SVG)
        if tag in ("metadata", "style"):
            continue
        attributes: dict[str, str] = {}
        for name, value in child.items():
            if name == "id" and value in names:
                attributes["id"] = names[value]
            elif name == _HREF:
                attributes["href"] = "#" + names[_name(value)]
            elif name == "clip-path":
                attributes[name] = f"url(#{names[_name(value)]})"
            elif name == "style":
                style = re.sub(r"font-family:[^;]*;? ?", "", value)
                attributes[name] = re.sub("#0102[0-9a-f]{2}", lambda m: _VARIABLES[m[0]], style)
            elif name == "d":
                attributes[name] = re.sub(r"\d+\.\d+", lambda m: f"{float(m[0]):.2f}", value)
                attributes[name] = " ".join(attributes[name].split())
            elif name != "id":
                attributes[name] = value
        copied = target
        if attributes or tag != "g":
            copied = ElementTree.SubElement(target, tag, attributes)
            copied.text = child.text if tag == "text" else None
        _copy(child, copied, names)
