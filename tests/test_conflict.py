"""Distances decided exactly: against rationals pair by pair, at ties, for every kind of data."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robust_theory.risks.conflict import (
    are_conflicts,
    find_conflicts,
    find_conflicts_among,
    still_conflict,
    threshold,
)
from robust_theory.risks.samples import exact_key, exact_row, read_samples

NORMS = ["l2", "linf", "l1"]
KINDS = {
    "uint8": lambda draw, n: draw.integers(0, 256, (n, 5)).astype(np.uint8),
    "uint32 near its end": lambda draw, n: draw.integers(2**32 - 9, 2**32, (n, 3), np.uint32),
    "wide integers": lambda draw, n: draw.integers(-(2**40), 2**40, (n, 3)),
    "decimals": lambda draw, n: np.round(draw.normal(size=(n, 2)), 1),
    "sixteenths": lambda draw, n: draw.integers(0, 17, (n, 4)) / 16,
    "doubles": lambda draw, n: draw.normal(size=(n, 4)),
    "single precision": lambda draw, n: draw.normal(size=(n, 4)).astype(np.float32),
    "huge": lambda draw, n: draw.normal(size=(n, 3)) * 1e200,
    "tiny": lambda draw, n: draw.normal(size=(n, 3)) * 1e-200,
    "far from 0": lambda draw, n: 1e8 + draw.normal(size=(n, 3)),
    "fractions": lambda draw, n: np.array(
        [[Fraction(int(k), 7) for k in row] for row in draw.integers(0, 9, (n, 2))], object
    ),
}


def half_root(key, norm, unit):
    """An eps whose threshold is the key: exactly, or for l2 to 400 digits."""
    if norm == "l2":
        digits = 10**400
        root = math.isqrt(key.numerator * key.denominator * digits**2)
        key = Fraction(root, key.denominator * digits)
    return key / 2 / unit


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_conflicts_are_those_of_rational_arithmetic(kind, norm, closed):
    draw = np.random.default_rng(7)
    a, b = read_samples({"X0": KINDS[kind](draw, 40), "X1": KINDS[kind](draw, 33)})
    rows, columns = [exact_row(r) for r in a.values], [exact_row(r) for r in b.values]
    keys = [[exact_key(x, z, norm) for z in columns] for x in rows]
    # A distance that occurs: a tie wherever the norm allows one.
    eps = half_root(sorted(key for row in keys for key in row)[300], norm, a.unit)
    limit = threshold(norm, eps, a.unit)
    expected = {
        (i, j)
        for i, row in enumerate(keys)
        for j, key in enumerate(row)
        if key < limit or (closed and key == limit)
    }
    found = find_conflicts(a, b, norm, eps, closed=closed)
    assert set(zip(found.rows.tolist(), found.columns.tolist(), strict=True)) == expected
    assert len(found) == len(expected)
    assert are_conflicts(a, b, found.rows, found.columns, norm, eps, closed=closed).all()
    everything = find_conflicts(a, b, norm, eps * 3, closed=closed)
    kept = next(still_conflict(a, b, everything, norm, [eps], closed=closed))
    assert kept.sum() == len(expected)


@pytest.mark.parametrize("k", [1, 2, 4, 8, 16])
def test_eight_bit_images_conflict_at_exactly_two_eps(k):
    # In doubles, |x/255 - z/255| > 2k/255 for a quarter of such pixel pairs.
    x = np.arange(256 - 2 * k, dtype=np.uint8)[:, None]
    (a, b) = read_samples({"X0": x, "X1": x + 2 * k}, 255)
    pair = np.arange(len(x))
    assert are_conflicts(a, b, pair, pair, "linf", f"{k}/255").all()
    assert not are_conflicts(a, b, pair, pair, "linf", f"{k}/255", closed=False).any()


@pytest.mark.parametrize("norm", NORMS)
def test_blocks_leave_nothing_out(norm):
    # More rows and columns than a block of distances has.
    draw = np.random.default_rng(1)
    X, Z = draw.integers(0, 64, (1100, 3)), draw.integers(0, 64, (2100, 3))
    gap = np.abs(X[:, None] - Z[None])
    size = {"l2": (gap**2).sum(-1), "l1": gap.sum(-1), "linf": gap.max(-1)}[norm]
    a, b = read_samples({"X0": X, "X1": Z})
    found = find_conflicts(a, b, norm, 2)
    expected = np.nonzero(size <= (16 if norm == "l2" else 4))
    assert np.array_equal(found.rows, expected[0])
    assert np.array_equal(found.columns, expected[1])
    assert np.array_equal(found.keys, size[expected])


def test_colour_images_are_added_in_chunks():
    # 3072 coordinates exceed what one product in single precision adds exactly.
    draw = np.random.default_rng(2)
    X = draw.choice([0, 255], (30, 32, 32, 3)).astype(np.uint8)
    a, b = read_samples({"X0": X[:15], "X1": X[15:]}, 255)
    flat = X.reshape(30, -1).astype(np.int64)
    expected = ((flat[:15, None] - flat[None, 15:]) ** 2).sum(-1)
    found = find_conflicts(a, b, "l2", 100)
    assert np.array_equal(found.keys.reshape(15, 15), expected)


def test_only_different_labels_conflict():
    (sample,) = read_samples({"X": [0, 0, 0, 1, 1]})
    found = find_conflicts_among(sample, np.array([2, 0, 0, 1, 2]), "l2", 0)
    assert list(zip(found.rows, found.columns, strict=True)) == [(1, 0), (2, 0), (3, 4)]


@given(st.floats(0.001, 1000), st.floats(-1e6, 1e6))
def test_a_float_means_its_printed_decimal(eps, start):
    end = float(Fraction(repr(start)) + 2 * Fraction(repr(eps)))
    a, b = read_samples({"X0": [start], "X1": [end]})
    distance = abs(Fraction(repr(end)) - Fraction(repr(start)))
    for norm in NORMS:
        for closed in (True, False):
            expected = distance < 2 * Fraction(repr(eps)) or (
                closed and distance == 2 * Fraction(repr(eps))
            )
            assert len(find_conflicts(a, b, norm, eps, closed=closed)) == expected


@pytest.mark.parametrize(
    ("arrays", "scale", "message"),
    [
        ({"X": [[math.nan]]}, None, "NaN or infinity in row 0"),
        ({"X": [[1.0], [math.inf]]}, None, "row 1"),
        ({"X": [[1, 2]], "Z": [[1]]}, None, "same dimension"),
        ({"X": [[1, 2], [3]]}, None, "one dimension"),
        ({"X": 3}, None, "single number"),
        ({"X": [["a"]]}, None, "must hold numbers"),
        ({"X": [1]}, 0, "scale must be positive"),
        ({"X": [1]}, "x", "scale must be a finite number"),
    ],
)
def test_wrong_arrays_are_refused(arrays, scale, message):
    with pytest.raises(ValueError, match=message):
        read_samples(arrays, scale)
