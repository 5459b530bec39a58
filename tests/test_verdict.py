"""The verdict's whole logic: every relation, side and position of the band, and false alarms."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from robust_theory.claim import Claim, Interval
from validation.verdict import WORDS, Evidence, decide


def claim(relation, value, *, possible=None, broken=()):
    return Claim(
        name="a-claim",
        source="nobody2026, Theorem 0",
        formula=lambda: "x",
        relation=relation,
        value=lambda: value,
        enclosure=lambda: Interval(value, value),
        broken_hypotheses=lambda: tuple(broken),
        possible=possible or Interval(-math.inf, math.inf),
    )


def evidence(lo, hi, side):
    return Evidence(value=(lo + hi) / 2, lo=lo, hi=hi, side=side, method="test", n=10, alpha=0.01)


# claim "t >= 1" or "t <= 1" or "t == 1"; band below, around, above; what each side may conclude
TABLE = [
    (">=", (1.5, 2.0), {"exact": "holds", "lower": "holds", "upper": "undecided"}),
    (">=", (0.5, 2.0), {"exact": "undecided", "lower": "undecided", "upper": "undecided"}),
    (">=", (0.2, 0.5), {"exact": "violated", "lower": "undecided", "upper": "violated"}),
    ("<=", (1.5, 2.0), {"exact": "violated", "lower": "violated", "upper": "undecided"}),
    ("<=", (0.5, 2.0), {"exact": "undecided", "lower": "undecided", "upper": "undecided"}),
    ("<=", (0.2, 0.5), {"exact": "holds", "lower": "undecided", "upper": "holds"}),
    ("==", (1.5, 2.0), {"exact": "violated", "lower": "undecided", "upper": "undecided"}),
    ("==", (0.5, 2.0), {"exact": "holds", "lower": "undecided", "upper": "undecided"}),
    ("==", (0.2, 0.5), {"exact": "violated", "lower": "undecided", "upper": "undecided"}),
]


@pytest.mark.parametrize(
    ("relation", "band", "side", "word"),
    [(r, band, side, word) for r, band, words in TABLE for side, word in words.items()],
)
def test_what_confirms_and_what_refutes(relation, band, side, word):
    assert decide(claim(relation, 1.0), {}, evidence(*band, side)).word == word


def test_a_weak_attack_is_named_and_never_refutes():
    verdict = decide(claim("<=", 1.0), {}, evidence(1.5, 2.0, "upper"))
    assert verdict.word == "undecided"
    assert "attack too weak" in verdict.reason
    assert verdict.detectable is None


def test_infinite_radii_of_a_failed_attack_leave_the_claim_undecided():
    failed = Evidence(math.inf, 0.5, math.inf, "upper", "attack", n=10, censored=8, alpha=0.01)
    assert decide(claim("<=", 1.0), {}, failed).word == "undecided"


@pytest.mark.parametrize(
    ("relation", "value"), [(">=", 0.0), (">=", -0.3), ("<=", 1.0), ("<=", 2.0)]
)
def test_a_claim_true_of_any_number_is_vacuous(relation, value):
    possible = Interval(0.0, 1.0)
    verdict = decide(claim(relation, value, possible=possible), {}, evidence(0.4, 0.6, "exact"))
    assert verdict.word == "vacuous"


def test_broken_hypotheses_come_before_everything():
    verdict = decide(claim(">=", 0.0, broken=("K < 5",)), {}, evidence(0.4, 0.6, "exact"))
    assert verdict.word == "not applicable"
    assert verdict.reason == "K < 5"


def test_an_equality_with_a_band_wider_than_its_resolution_is_undecided():
    seen = evidence(0.5, 1.5, "exact")
    assert decide(claim("==", 1.0), {}, seen, resolution=0.4).word == "undecided"
    assert decide(claim("==", 1.0), {}, seen, resolution=0.6).word == "holds"


def test_an_estimated_bound_is_judged_at_its_worst_end():
    seen = evidence(0.5, 0.7, "exact")
    for theory, word in [
        ((0.1, 0.4), "holds"),
        ((0.1, 0.6), "undecided"),
        ((0.8, 0.9), "violated"),
    ]:
        assert decide(claim(">=", 0.0), {}, seen, theory=Interval(*theory)).word == word


def test_detectable_is_the_longer_arm_of_the_band_and_the_width_of_the_theory():
    seen = Evidence(0.5, 0.4, 0.7, "exact", "sample", n=10, alpha=0.01)
    assert decide(claim(">=", 1.0), {}, seen).detectable == pytest.approx(0.2)
    assert decide(claim("<=", 1.0), {}, seen).detectable == pytest.approx(0.2)
    theory = Interval(0.9, 1.0)
    assert decide(claim("<=", 1.0), {}, seen, theory=theory).detectable == pytest.approx(0.3)


def test_a_band_at_the_end_of_the_line_has_an_infinite_arm():
    seen = Evidence(-math.inf, -math.inf, -9.0, "exact", "log of an empty share", n=10, alpha=0.01)
    assert decide(claim("<=", -1.0), {}, seen).detectable == math.inf


@pytest.mark.parametrize("bad", [(math.nan, 1.0), (0.0, math.nan), (1.0, 0.0)])
def test_evidence_refuses_bands_that_are_none(bad):
    with pytest.raises(ValueError, match="evidence needs lo <= hi"):
        Evidence(0.5, *bad, "exact", "test")


def test_evidence_refuses_an_unknown_side():
    with pytest.raises(ValueError, match="side must be"):
        Evidence(0.5, 0.4, 0.6, "above", "test")


@given(
    st.sampled_from(["<=", ">=", "=="]),
    st.floats(-5, 5),
    st.tuples(st.floats(-5, 5), st.floats(-5, 5)).map(sorted),
    st.sampled_from(["exact", "lower", "upper"]),
)
def test_one_word_always_and_never_a_contradiction(relation, value, band, side):
    seen = evidence(*band, side)
    word = decide(claim(relation, value), {}, seen).word
    assert word in WORDS
    opposite = {"<=": ">=", ">=": "<="}.get(relation)
    if opposite and word == "violated":
        assert decide(claim(opposite, value), {}, seen).word != "violated"


@given(st.floats(-5, 5), st.tuples(st.floats(-5, 5), st.floats(-5, 5)).map(sorted))
def test_the_two_inequalities_mirror_each_other(value, band):
    lo, hi = band
    for side, mirrored in [("exact", "exact"), ("lower", "upper"), ("upper", "lower")]:
        at_most = decide(claim("<=", value), {}, evidence(lo, hi, side))
        at_least = decide(claim(">=", -value), {}, evidence(-hi, -lo, mirrored))
        assert at_most == at_least


ROWS, ALPHA, SAMPLES = 40, 0.01, 1000


def chance_of_violated(relation, truth, claimed):
    """Exact binomial probability that one row of ROWS says "violated"."""
    counts = np.arange(SAMPLES + 1)
    tail = ALPHA / ROWS / 2
    lo = np.nan_to_num(stats.beta.ppf(tail, counts, SAMPLES - counts + 1), nan=0.0)
    hi = np.nan_to_num(stats.beta.ppf(1 - tail, counts + 1, SAMPLES - counts), nan=1.0)
    words = [
        decide(
            claim(relation, claimed), {}, Evidence(k / SAMPLES, a, b, "exact", "count", SAMPLES)
        ).word
        for k, a, b in zip(counts, lo, hi, strict=True)
    ]
    return stats.binom.pmf(counts[np.array(words) == "violated"], SAMPLES, truth).sum()


@pytest.mark.parametrize("truth", [0.02, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("relation", [">=", "<=", "=="])
def test_a_report_of_forty_tight_true_claims_is_rarely_a_false_alarm(relation, truth):
    # The rows are independent and each true claim holds with equality, which is the worst case.
    # The chance is computed from the binomial law, not simulated: no tolerance is needed.
    assert 1 - (1 - chance_of_violated(relation, truth, claimed=truth)) ** ROWS <= ALPHA


@pytest.mark.parametrize(("relation", "claimed"), [(">=", 0.6), ("<=", 0.4), ("==", 0.6)])
def test_a_false_claim_is_seen_in_the_same_report(relation, claimed):
    assert chance_of_violated(relation, 0.5, claimed) > 0.98
