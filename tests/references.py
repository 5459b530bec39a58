"""Reading tests/reference/gaussian.json: independent values with 30 digits."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

_VALUES = json.loads((Path(__file__).parent / "reference/gaussian.json").read_text())["values"]


def values(*formulas):
    found = [
        pytest.param(entry["params"], Fraction(entry["value"]), id=entry["id"])
        for entry in _VALUES
        if entry["formula"] in formulas
    ]
    assert found, formulas
    return found


def measures_of(params):
    if "K" in params:
        return np.ones(params["K"], int)
    return params.get("counts") or params["classes"]


def encloses(interval, exact):
    """Whether the interval holds a value that was printed with 30 digits."""
    rounding = abs(exact) * Fraction(1, 10**29)
    return Fraction(interval.lo) - rounding <= exact <= Fraction(interval.hi) + rounding


def close(number, exact, accuracy=Fraction(1, 10**14)):
    return abs(Fraction(number) - exact) <= abs(exact) * accuracy


def below(number, exact):
    return Fraction(number) <= exact


def above(number, exact):
    return Fraction(number) >= exact
