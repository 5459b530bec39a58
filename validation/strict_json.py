"""JSON as the standard says: no NaN, no infinities, the same bytes for the same content."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from validation.experiment import Json, json_number


def strict(value: Any) -> Json:
    """Return `value` as `decode` gives it back: sorted, lists for tuples, strings for infinities.

    Raises
    ------
    ValueError
        If a number in it is NaN.
    """
    if isinstance(value, Mapping):
        return {name: strict(value[name]) for name in sorted(value)}
    if isinstance(value, (list, tuple)):
        return [strict(item) for item in value]
    return json_number(value) if isinstance(value, float) else value


def encode(value: Json) -> bytes:
    """Return `value` as sorted, indented ASCII; lists of plain numbers are one line each."""
    text = json.dumps(value, indent=1, sort_keys=True, allow_nan=False)
    return _NUMBERS.sub(_on_one_line, text).encode("ascii") + b"\n"


def decode(content: bytes) -> Json:
    """Return the value in `content`.

    Raises
    ------
    ValueError
        If it is not JSON, or holds a number beyond double precision's range.
    RecursionError
        If it is nested deeper than Python's stack.
    """
    return json.loads(content, parse_constant=_refuse, parse_float=_real, parse_int=_whole)


# Strings hold no line breaks, so that only a list can match.
_NUMBERS = re.compile(r'\[\n([^"\[\]{}]*)\n *\]')


def _on_one_line(found: re.Match[str]) -> str:
    return f"[{' '.join(found[1].split())}]"


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _real(text: str) -> float:
    if math.isinf(value := float(text)):  # 1e999 is JSON, and no double
        raise ValueError("a number is too large")
    return value


def _whole(text: str) -> int:
    _real(text)
    return int(text)
