"""Reading tests/reference/transport.json: independent values, each with its absolute tolerance."""

import json
from pathlib import Path

_ENTRIES = json.loads(
    (Path(__file__).parent / "reference" / "transport.json").read_text(encoding="utf-8")
)["values"]
EXPECTED = {entry["id"].partition("_")[0]: entry for entry in _ENTRIES}


def agrees(key, value):
    """Whether the value is the reference's, up to its tolerance and one rounding."""
    entry = EXPECTED[key]
    slack = entry["tol"] + 2.0**-52 * abs(entry["expected"])
    return abs(value - entry["expected"]) <= slack
