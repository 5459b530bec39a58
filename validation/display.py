"""How text and numbers are shown to people: in the terminal, in HTML, in plots and in XML."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context
from typing import Any

# Control characters (they drive terminals and are forbidden in XML), lone surrogates (no UTF-8),
# non-characters, and the marks that reverse the direction of the text around them.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff"
    "\ufdd0-\ufdef\ufffe\uffff]"
)
_NUMERAL = re.compile(r"(\d+(?:\.\d+)?)")
_NORMS = {"l1": "ℓ₁", "l2": "ℓ₂", "linf": "ℓ∞"}


def clean(text: object, limit: int = 4000) -> str:
    """Return `text` without characters that would act instead of being shown, cut at `limit`."""
    shown = _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", str(text))
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def number(value: float | str | None, digits: int = 5, rounding: str = ROUND_HALF_EVEN) -> str:
    """Return a number of a report in at most `digits` significant digits; None is a dash."""
    if value is None:
        return "–"
    real = float(value)
    if not math.isfinite(real):
        return "∞" if real > 0 else "-∞"
    if real == int(real) and abs(real) < 1e7:
        return str(int(real))
    return f"{float(Context(prec=digits, rounding=rounding).create_decimal(repr(real))):.{digits}g}"


def cell_text(cell: float | str | None) -> str:
    """Return a table's cell: numbers in four significant digits, text as it is."""
    if isinstance(cell, str) and cell not in ("Infinity", "-Infinity"):
        return clean(cell)
    return number(cell, 4)


def band(lo: float | str | None, hi: float | str | None) -> str:
    """Return ``[lo, hi]`` rounded outwards, to a hundredth of its width; "" for one number."""
    if lo is None or hi is None:
        return ""
    low, high = float(lo), float(hi)
    size, width = max(abs(low), abs(high)), high - low
    if low == high or width <= 1e-9 * size < math.inf:
        return ""
    # 1 - log10 of the relative width is the place of the width's first digit.
    finite = math.isfinite(width)
    digits = min(12, max(3, math.ceil(math.log10(size / width)) + 2)) if finite else 4
    return f"[{number(low, digits, ROUND_FLOOR)}, {number(high, digits, ROUND_CEILING)}]"


def percent(share: float) -> str:
    """Return a probability in per cent, as in "1 %"."""
    return f"{100 * share:.3g} %"


def duration(seconds: float) -> str:
    """Return a time span in the two units that matter."""
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{seconds / 60:.1f} min" if minutes < 10 else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def axis(quantity: str, *details: str) -> str:
    """Return an axis label: the quantity, then unit and norm unless they are named already."""
    label, missing = quantity, []
    for detail in details:
        if detail and detail.lower() not in label.lower():
            missing.append(detail)
            label += " " + detail
    label = f"{quantity} ({', '.join(missing)})" if missing else quantity
    return re.sub(r"\b(l1|l2|linf)\b", lambda norm: _NORMS[norm[0]], label)


def settings(mapping: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return names and values of a JSON object, one line each, nested names joined by dots."""
    lines: list[tuple[str, str]] = []
    for name, value in mapping.items():
        if isinstance(value, Mapping):
            lines += [(f"{name}.{inner}", text) for inner, text in settings(value)]
        else:
            lines.append((str(name), _plain(value)))
    return lines


def _plain(value: Any) -> str:
    if isinstance(value, float) or value in ("Infinity", "-Infinity"):
        return number(value)
    if isinstance(value, list):
        head = ", ".join(_plain(item) for item in value[:12])
        return f"({head}, … {len(value)} in all)" if len(value) > 12 else f"({head})"
    return "–" if value is None else str(value)


def natural(text: str) -> tuple[Any, ...]:
    """Return a sorting key that puts the numbers inside names in the order of their size."""
    parts = _NUMERAL.split(text)
    return (*(float(part) if i % 2 else part for i, part in enumerate(parts)), text)


def counted(counts: Mapping[str, int], words: Iterable[str]) -> str:
    """Return "1 violated, 13 holds": the verdicts that occur, in the order of `words`."""
    return ", ".join(f"{counts[word]} {word}" for word in words if counts.get(word)) or "no rows"
