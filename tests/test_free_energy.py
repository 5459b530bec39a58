"""Limits, bounds and estimates of free energies: references, sharpness, levels in simulation."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transport_references import EXPECTED, agrees

from robust_theory.risks import adversarial_generalisation
from robust_theory.transport import (
    annealing,
    collisions,
    free_energy_bounds,
    free_energy_limits,
    linear_gibbs,
    ridge_oracle,
)
from robust_theory.transport.log_mean_exp import free_energy

gap_bound = free_energy_limits.free_energy_gap_bound


def test_references_of_the_rate():
    assert agrees("B01", gap_bound(1, 2, 0.3, 10))
    assert agrees("B02", gap_bound(3, 5, 0.1, 50))
    assert agrees("B03", gap_bound(784, 10, 0.3, 10))
    assert agrees("B04", gap_bound(3, 5, 0.1, 50, "simple"))
    assert gap_bound(3, 5, [[0.1, 0.2]], 50).shape == (1, 2)


@given(st.integers(1, 1000), st.floats(-9, 7))
def test_the_rate_is_between_its_simple_forms(d, exponent):
    k = 10.0**exponent
    bound = gap_bound(d, 1, 0.5, k)
    assert bound <= gap_bound(d, 1, 0.5, k, "simple") * (1 + 1e-12)
    assert bound <= d / (d + 1) * (1 + 1e-12)  # Jensen: at most the mean of k S
    assert bound >= gap_bound(d, 1, 0.5, 2 * k) * (1 - 1e-12)


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.sampled_from([1.0, 10.0, 100.0]))
def test_no_lipschitz_loss_is_farther_from_its_maximum(seed, lam):
    # Greatest of a few cones of slope L in linf; the corner cone attains the bound.
    draw = np.random.default_rng(seed)
    slope, eps, cells = 1 + 4 * draw.random(), 0.1 + draw.random(), 60
    tips = eps * (2 * draw.random((3, 2)) - 1)
    heights = draw.random(3) * (draw.random() < 0.8)
    line = (np.arange(cells) + 0.5) * 2 * eps / cells - eps
    u = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)

    def loss(x):
        away = np.abs(x[:, None] - tips).max(axis=2)
        return (heights - slope * away).max(axis=1)

    best = float(loss(tips).max())
    gap = best - free_energy(loss(u), lam)
    assert gap <= gap_bound(2, slope, eps, lam) + slope * eps / cells
    corner = -slope * np.abs(u - eps).max(axis=1)
    attained = -free_energy(corner, lam)
    assert attained == pytest.approx(gap_bound(2, slope, eps, lam), abs=slope * eps / cells)


def test_temperature_for_a_gap():
    lam = free_energy_limits.temperature_for_gap(784, 10, 0.3, 0.5)
    assert gap_bound(784, 10, 0.3, lam) <= 0.5 < gap_bound(784, 10, 0.3, lam * 0.999)
    # The loss varies by 2 eps lipschitz at most, so that every lam will do.
    assert free_energy_limits.temperature_for_gap(3, 0, 0.3, 0.1) == 0
    assert free_energy_limits.temperature_for_gap(3, 1, "0.3", 1) == 0
    for wrong in (-1, 0, 1e-320, math.nan):
        with pytest.raises(ValueError, match="gap must"):
            free_energy_limits.temperature_for_gap(3, 1, 0.3, wrong)


def test_oracle_against_references_and_the_linear_form():
    j = np.arange(784)
    slopes = np.where(j % 2, -1, 1) * (1 + j % 7) / 3136

    def softplus(s):
        return np.logaddexp(0, s)

    assert agrees("A12", ridge_oracle.ridge_free_energy(softplus, 4 * slopes, 0.5, 0.3, 10).value)
    assert agrees("A13", ridge_oracle.ridge_free_energy(softplus, 40 * slopes, 0.5, 0.3, 20).value)
    draw = np.random.default_rng(4)
    for d, lam in ((16, 1.0), (60, 100.0)):
        a = draw.normal(size=d) / math.sqrt(d)
        oracle = ridge_oracle.ridge_free_energy(lambda s: s, a, 0.25, 0.5, lam)
        box = [-0.5] * d, [0.5] * d
        exact = linear_gibbs.linear_free_energy(a, lam, *box) + 0.25
        # The density of a sum of d uniforms has d - 2 derivatives, which is what the grid asks for.
        assert oracle.value == pytest.approx(exact, abs=1e-10)
        mean = float(a @ linear_gibbs.linear_gibbs_mean(a, lam, *box)) + 0.25
        assert oracle.mean == pytest.approx(mean, abs=1e-9)
    with pytest.raises(ValueError, match="at least 8 entries other than 0, got 7"):
        ridge_oracle.ridge_free_energy(softplus, [1.0] * 7, 0, 1, 1)
    for wrong, message in ((lambda s: 1.0, "one loss per"), (lambda s: s * math.nan, "finite")):
        with pytest.raises(ValueError, match=message):
            ridge_oracle.ridge_free_energy(wrong, [1.0] * 8, 0, 1, 1)
    with pytest.raises(ValueError, match="1e-150 to 1e150"):
        ridge_oracle.ridge_free_energy(softplus, [1.0] * 8, 0, 1e-300, 1)


def test_references_of_the_limits():
    assert agrees("G01", -math.log(0.05) / (200 * 10))
    zeros = np.zeros((200, 3))
    slack = -free_energy_bounds.free_energy_lower_limit(zeros, 10, 0.05)
    assert agrees("G01", slack)
    # 2000 losses whose mean exponential is 2.5, for lam = 5.
    some = np.full(2000, math.log(2.5) / 5)
    assert agrees("G02", free_energy_bounds.free_energy_upper_limit(some, 5, 0.05, 1, "hoeffding"))


def test_limits_hold_at_their_level():
    # 1000 repetitions at delta = .1: more than 131 misses have probability below 1e-3.
    draw, d, lam = np.random.default_rng(1), 3, 5.0
    exact = linear_gibbs.linear_free_energy([1 / d] * d, lam, [0] * d, [1] * d)
    misses = dict.fromkeys(("below", "chernoff", "bernstein", "hoeffding"), 0)
    widths = dict.fromkeys(misses, 0.0)
    for _ in range(1000):
        losses = draw.random((200, d)).mean(axis=1)
        low = free_energy_bounds.free_energy_lower_limit(losses.reshape(40, 5), lam, 0.1)
        misses["below"] += low > exact
        for method in ("chernoff", "bernstein", "hoeffding"):
            high = free_energy_bounds.free_energy_upper_limit(losses, lam, 0.1, 1, method)
            misses[method] += high < exact
            widths[method] += high - exact
    assert max(misses.values()) <= 131
    assert widths["chernoff"] < widths["hoeffding"]


@pytest.mark.parametrize("method", ["chernoff", "bernstein", "hoeffding"])
@pytest.mark.parametrize(("lam", "top"), [(5e-324, 1.0), (1e-310, 0.5), (1e-300, 1e-300)])
def test_limit_from_above_where_products_are_subnormal(method, lam, top):
    # exp(lam l) is 1 + lam l far beyond double precision: the limit is that of the mean.
    losses = np.linspace(0, top, 50)
    tiny = free_energy_bounds.free_energy_upper_limit(losses, lam, 0.1, top, method)
    usual = free_energy_bounds.free_energy_upper_limit(losses / top, 1e-17, 0.1, 1, method)
    assert losses.mean() < tiny <= top
    assert tiny == pytest.approx(usual * top, rel=1e-13)


def test_limits_miss_as_often_as_their_level_where_they_are_sharp():
    # 1000 repetitions, misses of probability .1: outside of 70..131 with probability 2e-3 at most.
    draw, delta, m = np.random.default_rng(3), 0.1, 200
    # A loss of 1 so rare that m draws show none with probability delta: Chernoff's limit is just
    # what they then allow.
    rare = 1 - delta ** (1 / m) + 1e-9
    exact = free_energy([0, 1], 5, [1 - rare, rare])
    # Markov's inequality is an equality for estimates of Z that are 0 or Z / delta.
    lam, often = 50, delta
    single = free_energy([0, 1], lam, [1 - often, often])
    misses = dict.fromkeys(("below", "chernoff", "bernstein", "hoeffding"), 0)
    for _ in range(1000):
        losses = (draw.random(m) < rare).astype(float)
        for method in ("chernoff", "bernstein", "hoeffding"):
            high = free_energy_bounds.free_energy_upper_limit(losses, 5, delta, 1, method)
            misses[method] += high < exact
        one = (draw.random((1, 1)) < often).astype(float)
        misses["below"] += free_energy_bounds.free_energy_lower_limit(one, lam, 0.101) > single
    assert 70 <= misses["chernoff"] <= 131
    assert 70 <= misses["below"] <= 131
    assert max(misses.values()) <= 131


def test_a_limit_without_its_slack_would_miss():
    # So that the simulation above could have failed: one draw per point, and no slack.
    draw, lam = np.random.default_rng(2), 20.0
    exact = linear_gibbs.linear_free_energy([1], lam, [0], [1])
    misses = 0
    for _ in range(200):
        losses = draw.random((1, 20))
        low = free_energy_bounds.free_energy_lower_limit(losses, lam, 0.1) + math.log(10) / lam
        misses += low > exact
    assert misses > 40


def test_chernoff_limit_against_binomial_tails():
    for average, level in ((0.0, 0.01), (0.3, 0.002), (0.999, 0.0005), (1.0, 0.1)):
        q = free_energy_bounds.bernoulli_upper_limit(average, level)
        if average < 1:
            first = average * math.log(average / q) if average else 0.0
            kl = first + (1 - average) * math.log((1 - average) / (1 - q))
            # q is rounded up by roundings of kl, over its derivative.
            assert kl == pytest.approx(level, rel=1e-9)
        else:
            assert q == 1.0


def test_annealing_where_plain_sampling_fails():
    d, lam = 10, 100.0
    a = np.full(d, 10 / d)
    exact = linear_gibbs.linear_free_energy(a, lam, [-0.3] * d, [0.3] * d)
    found = annealing.annealed_free_energy(
        lambda x: x @ a, [-0.3] * d, [0.3] * d, lam, seed=5, particles=20, steps=1500
    )
    plain = np.random.default_rng(5).uniform(-0.3, 0.3, (found.evaluations, d)) @ a
    assert abs(found.value - exact) < 0.05
    assert free_energy(plain, lam) < exact - 0.15
    limit = free_energy_bounds.free_energy_limit_from_weights(found.log_weights[None], lam, 1e-6)
    assert limit <= exact
    assert limit == pytest.approx(found.value - math.log(1e6) / lam, abs=1e-12)
    assert (np.abs(found.points) <= 0.3).all()


def test_annealed_weights_are_unbiased():
    # lam = 4 on a line: 400 runs, whose mean weight must be exp(lam F) within 4.4 deviations.
    exact = linear_gibbs.linear_free_energy([1], 4, [-1], [1])
    found = annealing.annealed_free_energy(
        lambda x: x[:, 0], [-1], [1], 4, seed=3, particles=4000, steps=8
    )
    w = np.exp(found.log_weights - 4 * exact)
    assert abs(w.mean() - 1) <= 4.4 * w.std() / math.sqrt(len(w))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lam": 0}, "lam must be positive"),
        ({"upper": [-1.0]}, "ends of a box"),
        ({"lower": [], "upper": []}, "ends of a box"),
        ({"loss": lambda x: x}, "loss must return"),
        ({"loss": lambda x: x[:, 0] * math.nan}, "losses must be finite"),
    ],
)
def test_wrong_arguments_of_annealing(changes, message):
    arguments = {"loss": lambda x: x[:, 0], "lower": [0.0], "upper": [1.0], "lam": 1.0, **changes}
    with pytest.raises(ValueError, match=message):
        annealing.annealed_free_energy(**arguments, seed=0, steps=2)


def test_references_of_collisions():
    bound = collisions.collision_probability_bound
    assert agrees("E01", bound(2, 1, 0.3))
    assert agrees("E02", bound(2, 5, 0.2))
    assert agrees("E03", collisions.uniform_collision_probability(3, 0.1))
    assert agrees("E04", collisions.uniform_collision_probability(10, 0.01))
    assert agrees("E05", bound(3, 1, 0.1))
    log10 = math.log(10)
    assert agrees("E06", collisions.log_collision_bound(60000, 784, 0.6) / log10)
    assert agrees("E07", collisions.log_collision_bound(50000, 3072, "16/255") / log10)
    assert bound(60000, 784, 0.6) == pytest.approx(10**-50.109774460683155, rel=1e-10)
    assert 0 < bound(50000, 3072, "16/255") <= 1e-300


def test_collision_bound_holds_for_other_densities():
    # Two points of density 2x on [0, 1], so M = 2: P(|X - Y| <= r) by the midpoint rule.
    x = (np.arange(2000) + 0.5) / 2000
    for r in (0.05, 0.3, 0.8):
        below, above = np.clip(x - r, 0, 1), np.clip(x + r, 0, 1)
        exact = float((2 * x * (above**2 - below**2)).mean())
        bound = collisions.collision_probability_bound(2, 1, r, 2)
        assert exact <= bound + 1e-6
        assert bound <= 2 * min(1, 2 * r) * (1 + 1e-15)


def test_collision_edges():
    bound = collisions.collision_probability_bound
    assert bound(1, 3, 5) == bound(7, 3, 0) == 0.0
    assert bound(2, 3, 1) == bound(2, 3, math.inf) == 1.0
    assert collisions.log_collision_bound(2, 3, 0) == -math.inf
    assert bound(3, 1, [[0.1, 2.0]]).tolist() == [[bound(3, 1, 0.1), 1.0]]
    with pytest.raises(ValueError, match="radius must be at least 0"):
        collisions.uniform_collision_probability(3, -0.1)


def test_generalisation_reference_and_level():
    gap = adversarial_generalisation.adversarial_generalisation_gap
    assert agrees("G05", gap(0.1, 0.05, 0.8, 2, 10000, 0.05))
    # One classifier, 2000 samples of 100 at delta = .1: misses above 246 have probability < 1e-3.
    place = np.random.default_rng(0).random((2000, 100))
    risks = 0.7 * (place < 0.3).mean(axis=1) + (place < 0.6).mean(axis=1)
    assert (0.7 * 0.3 + 0.6 - risks > gap(0.7, 0, 0, 1, 100, 0.1)).sum() <= 246


def test_every_reference_is_used():
    here = Path(__file__).parent
    names = ("gibbs", "free_energy", "bottleneck", "internal", "samplers")
    text = "".join((here / f"test_{name}.py").read_text(encoding="utf-8") for name in names)
    assert not [
        key for key in EXPECTED if f'agrees("{key}"' not in text.replace("(\n        ", "(")
    ]
