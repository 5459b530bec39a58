"""Certificate <= exact radius <= attack on networks small enough for all three."""

import itertools

import numpy as np
import pytest

from empirical.attacks.minimal import minimal_perturbation
from empirical.exact_layers import logits, torch_function
from robust_theory.networks.propagation import certified_radius
from validation.experiments import small_networks
from validation.experiments.network_certificates import RESOLUTION
from validation.experiments.small_networks import (
    DIGITS,
    FULL,
    FULL_DIGITS,
    QUICK,
    attack_radius,
    bracketed_radius,
    exact_radius,
    networks,
)

RANDOM = {**FULL, "networks": 4}
TRAINED = {**FULL, **DIGITS, "networks": 1}


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("parameters", [RANDOM, TRAINED], ids=["random", "trained"])
def test_certificates_exact_radii_and_attacks_are_in_order(norm, parameters):
    for network in networks(parameters, 1):
        certified = certified_radius(
            network.layers, network.point, network.label, norm, "linear", RESOLUTION
        )
        exact, attacked = exact_radius(network, norm), attack_radius(network, norm)
        assert 0 <= certified <= exact.hi
        assert exact.lo <= attacked
        # Attacks that do not search would be right too.
        assert attacked <= 3 * exact.hi


def test_an_attack_inside_the_exact_radius_is_an_error(monkeypatch):
    (network,) = networks({**QUICK, "networks": 1}, 0)
    exact, attacked = exact_radius(network, "l2"), attack_radius(network, "l2")
    found = bracketed_radius(network, "l2")
    assert (found.lo, found.hi) == (exact.lo, min(exact.hi, attacked))
    monkeypatch.setattr(small_networks, "attack_radius", lambda *_: exact.lo * (1 - 1e-9))
    with pytest.raises(ValueError, match="an attack must not be nearer than the exact radius"):
        bracketed_radius(network, "l2")


def test_the_full_suite_has_two_hundred_random_networks_and_twenty_trained_ones():
    assert FULL["networks"] == 200
    assert FULL["widths"][0] <= 8
    assert sum(FULL["widths"][1:-1]) <= 24
    assert FULL_DIGITS["trainings"] == 20
    first, second = networks({**TRAINED, "networks": 2, "trainings": 2}, 0)
    assert first.layers != second.layers
    for network in (first, second):
        value = logits(network.records(), np.array([network.point]))[0]
        assert value.argmax() == network.label


def test_random_points_find_what_descents_miss_in_few_dimensions():
    """The mean ratio to exact radii; nothing is below one."""
    ratios = []
    for network in itertools.islice(networks({**FULL, "networks": 34}, 5), 18, 34):
        exact = exact_radius(network, "l2")
        point = np.array([network.point])
        found = [
            minimal_perturbation(torch_function(network.records()), point, restarts=k).radius[0]
            for k in (0, 1)
        ]
        assert exact.lo <= found[1] <= found[0]
        ratios.append(np.array(found) / exact.hi)
    without, with_points = np.mean(ratios, axis=0)
    assert with_points < 1.03 < without
