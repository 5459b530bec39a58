"""Limits from votes: coverage from the law itself, abstention, early stopping, whole test sets."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from robust_theory import (
    certified_accuracy,
    certify,
    certify_sequentially,
    predict,
    smoothing_radius,
)
from robust_theory.wasserstein.sequential import least_score, log_evidence
from robust_theory.wasserstein.votes import lower_limit, upper_limit
from validation.experiments.votes import binomial, multinomial

MNIST = {"noise": "gaussian", "shape": (28, 28)}


# ------------------------------------------------------------------------------ limits


@given(st.integers(1, 60), st.sampled_from([0.3, 0.05, 0.001]), st.floats(0, 1))
def test_limits_cover_every_score(n, alpha, p):
    law = binomial(n, p)
    low = [lower_limit(k, n, alpha) for k in range(n + 1)]
    high = [upper_limit(k, n, alpha) for k in range(n + 1)]
    # The law sums to 1 within some 60 roundings.
    assert law @ (np.array(low) <= p) >= 1 - alpha - 1e-12
    assert law @ (np.array(high) >= p) >= 1 - alpha - 1e-12
    assert low == sorted(low)
    assert high == sorted(high)


@given(st.integers(1, 10_000), st.floats(0, 1), st.sampled_from([0.05, 1e-6]))
def test_limits_are_where_the_tail_is_alpha(n, share, alpha):
    k = round(share * n)
    low, high = lower_limit(k, n, alpha), upper_limit(k, n, alpha)
    assert low <= k / n <= high
    # A limit moves by 1e-12; the tail is no steeper than n per unit of p, relatively.
    if k > 0:
        assert stats.binom.sf(k - 1, n, low) == pytest.approx(alpha, rel=1e-6)
    if k < n:
        assert stats.binom.cdf(k, n, high) == pytest.approx(alpha, rel=1e-6)


def test_limits_at_no_success_and_at_nothing_else():
    n, alpha = 10_000, 0.05
    assert lower_limit(0, n, alpha) == 0
    assert upper_limit(n, n, alpha) == 1
    assert lower_limit(n, n, alpha) == pytest.approx(alpha ** (1 / n), rel=1e-11)
    assert lower_limit(n, n, alpha) <= alpha ** (1 / n)
    assert upper_limit(0, n, alpha) == pytest.approx(1 - alpha ** (1 / n), rel=1e-9)


# -------------------------------------------------------------------------- certificates


def test_a_certificate_is_the_radius_of_its_limits():
    votes, pilot = [9_700, 250, 50], [90, 8, 2]
    one = certify(votes, pilot, 0.01, alpha=0.05, **MNIST)
    assert one.label == 0
    assert not one.abstain
    assert one.lower == lower_limit(9_700, 10_000, 0.05)
    assert one.radius == smoothing_radius(one.lower, 0.01, **MNIST)
    several = certify(votes, pilot, 0.01, alpha=0.05, rivals=True, **MNIST)
    assert several.lower == lower_limit(9_700, 10_000, 0.05 / 3)
    assert several.upper == upper_limit(250, 10_000, 0.05 / 3)
    assert several.radius == smoothing_radius(several.lower, 0.01, p_other=several.upper, **MNIST)


def test_the_pilot_chooses_and_the_votes_decide():
    found = certify([100, 900], [8, 2], 0.01, alpha=0.05, **MNIST)
    assert (found.label, found.radius, found.abstain) == (0, 0.0, True)
    found = certify([0, 1000], [0, 3], 0.01, alpha=0.05, **MNIST)
    assert (found.label, found.abstain) == (1, False)
    assert found.radius == smoothing_radius(lower_limit(1000, 1000, 0.05), 0.01, **MNIST)


def test_the_highest_rival_counts_not_the_pilots_runner_up():
    pilot = [50, 30, 20]  # the second class of the pilot is not that of the votes
    one = certify([600, 100, 300], pilot, 1, alpha=0.01, form="tight", rivals=True)
    assert one.upper == upper_limit(300, 1000, 0.01 / 3)


@pytest.mark.parametrize(
    ("votes", "pilot", "message"),
    [
        ([5], [5], "two classes or more"),
        ([0, 0], [1, 0], "not all 0"),
        ([1, -1], [1, 0], "at least 0"),
        ([1.5, 2], [1, 0], "whole numbers"),
        ([1, 2, 3], [1, 2], "as many classes"),
        ([math.nan, 1.0], [1, 2], "whole numbers"),
    ],
)
def test_counts_that_are_none_are_refused(votes, pilot, message):
    with pytest.raises(ValueError, match=message):
        certify(votes, pilot, 0.01, alpha=0.05, **MNIST)


def test_other_wrong_arguments():
    for alpha in (0, 1, math.nan, -1):
        with pytest.raises(ValueError, match="alpha must"):
            certify([5, 5], [5, 5], 0.01, alpha=alpha, **MNIST)
    with pytest.raises(ValueError, match="shape must be given"):
        certify([5, 5], [5, 5], 0.01, alpha=0.05)


def test_predictions_abstain_at_a_tie_and_err_seldom():
    assert predict([5, 5], alpha=0.05).abstain
    assert not predict([60, 30, 0], alpha=0.05).abstain
    assert predict([60, 30], alpha=0.05).level == pytest.approx(
        stats.binomtest(60, 90).pvalue, rel=1e-9
    )
    # The answer other than the likeliest class, by the law of the votes.
    for p in ([0.5, 0.3, 0.2], [0.34, 0.33, 0.33]):
        wrong = sum(
            mass
            for counts, mass in multinomial(40, p).items()
            if not (found := predict(counts, alpha=0.05)).abstain and found.label != 0
        )
        assert wrong <= 0.05


# -------------------------------------------------------------------------- early stopping


@given(st.integers(0, 50), st.floats(0.05, 0.95))
def test_evidence_has_mean_one_at_most_under_the_bound(n, p0):
    """At p0 itself, and under every smaller score, whatever the number of votes."""
    values = np.exp([log_evidence(k, n, p0) for k in range(n + 1)])
    for p in (p0, p0 / 2, 0.9 * p0):
        assert binomial(n, p) @ values <= 1 + 1e-9
    assert binomial(n, p0) @ values >= 1 - 1e-5  # nothing is given away but the rounding


@given(st.integers(0, 40), st.floats(0.05, 0.95))
def test_evidence_does_not_grow_on_average(successes, p0):
    """The next vote multiplies it by 1 on average: the property that lets one stop at any time."""
    n = 40
    now = math.exp(log_evidence(successes, n, p0))
    more, less = (math.exp(log_evidence(successes + k, n + 1, p0)) for k in (1, 0))
    assert p0 * more + (1 - p0) * less <= now * (1 + 1e-9)


def test_evidence_at_the_ends():
    assert log_evidence(1, 5, 0.0) == math.inf
    assert log_evidence(0, 5, 0.0) == 0
    assert log_evidence(5, 5, 1.0) == -math.inf
    assert log_evidence(10_000, 10_000, 0.999) > 5


def test_the_least_score_certifies_and_no_smaller_one_does():
    for radius in (0.001, 0.02, 0.04):
        score = least_score(radius, 0.01, **MNIST)
        assert smoothing_radius(score, 0.01, **MNIST) >= radius
        assert smoothing_radius(score * (1 - 1e-12), 0.01, **MNIST) < radius


def _voter(p, seed):
    rng = np.random.default_rng(seed)

    def draw(n):
        k = int(rng.binomial(n, p))
        return [k, n - k]

    return draw


def test_sequences_stop_early_with_the_radii_that_all_votes_would_give():
    radii = [0.005, 0.01, 0.015, 0.02, 0.03]
    used, found, fixed = [], [], []
    for seed, p in enumerate([0.55, 0.8, 0.9, 0.97, 0.995, 0.999, 1.0] * 6):
        one = certify_sequentially(_voter(p, seed), [3, 1], 0.01, radii, alpha=0.05, **MNIST)
        all_votes = certify(_voter(p, 99 + seed)(10_000), [3, 1], 0.01, alpha=0.05, **MNIST)
        used.append(one.samples)
        found.append(one.radius)
        fixed.append(max([0.0, *(r for r in radii if r <= all_votes.radius)]))
        assert one.abstain == (one.radius == 0)
    assert np.mean(used) < 10_000 / 3
    assert np.mean(found) > 0.95 * np.mean(fixed)


def test_sequences_refuse_what_has_no_meaning():
    arguments = {"alpha": 0.05, "form": "tight"}
    for radii in ([], [0.02, 0.01], [0.0, 0.1], [math.inf]):
        with pytest.raises(ValueError, match="radii must"):
            certify_sequentially(_voter(0.9, 0), [3, 1], 1, radii, **arguments)
    with pytest.raises(ValueError, match="draw must return 64 votes"):
        certify_sequentially(lambda n: [1, 1], [3, 1], 1, [0.1], **arguments)


# ------------------------------------------------------------------------- whole test sets


def test_the_curve_counts_images_and_its_limits_are_ordered():
    radii = np.array([0.3, 0.0, 0.2, 0.2, 0.5])
    right = np.array([True, False, True, False, True])
    curve = certified_accuracy(radii, right, alpha=0.05, delta=0.1, grid=[0, 0.2, 0.25, 0.5, 0.6])
    assert curve.share.tolist() == [0.6, 0.6, 0.4, 0.2, 0.0]
    assert curve.median == 0.2
    assert (curve.population <= curve.share).all()
    assert (curve.on_test_set <= curve.share).all()
    # P(Bin(5, .05) > 1) = .0226 is below .1, P(> 0) = .226 is not: one certificate may be false.
    assert curve.on_test_set.tolist() == pytest.approx([0.4, 0.4, 0.2, 0, 0])
    assert math.isnan(certified_accuracy([0.1], np.array([False]), alpha=0.05, delta=0.1).median)


def test_the_bands_hold_for_all_radii_at_once():
    """Radii of a known law, a share of them certified falsely; both bands miss seldom enough."""
    rng = np.random.default_rng(1)
    N, alpha, delta, runs = 200, 0.05, 0.2, 300
    missed_set = missed_population = 0
    grid = np.linspace(0, 2, 41)
    for _ in range(runs):
        true = rng.uniform(0, 1, N)
        false = rng.random(N) < alpha
        claimed = np.where(false, true + 1, true)
        curve = certified_accuracy(claimed, np.ones(N, bool), alpha=alpha, delta=delta, grid=grid)
        held = (true[:, None] >= grid).mean(axis=0)
        missed_set += bool((curve.on_test_set > held).any())
        missed_population += bool((curve.population > np.clip(1 - grid, 0, 1)).any())
    # Five standard deviations of a count at the level delta: false alarm below 1e-6.
    allowed = runs * delta + 5 * math.sqrt(runs * delta * (1 - delta))
    assert missed_set <= allowed
    assert missed_population <= allowed
    assert missed_set > 0  # the limit for the test set is not far from the truth


@pytest.mark.parametrize(
    ("radii", "right"),
    [([-1.0], [True]), ([math.nan], [True]), ([1.0], [1]), ([], []), ([1.0], [])],
)
def test_curves_of_nothing_are_refused(radii, right):
    with pytest.raises(ValueError, match="radii"):
        certified_accuracy(radii, np.array(right), alpha=0.05, delta=0.05)
