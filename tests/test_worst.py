"""The worst of several attacks: verified, never weaker than its parts, blind to nothing planted."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from empirical.attacks.adaptive import apgd
from empirical.attacks.minimal import minimal_perturbation
from empirical.attacks.square import square_attack
from empirical.attacks.steps import Attacked, pgd
from empirical.attacks.worst import worst_case
from empirical.strength_checks import planted_check
from tests import digit_networks
from tests.digit_networks import affine, quantised, scaled, trained

IMAGES, LABELS = digit_networks.IMAGES[:30], digit_networks.LABELS[:30]

BALLS = pytest.mark.parametrize(("norm", "eps"), [("linf", 0.1), ("l2", 0.5)])
ORDERS = {"linf": np.inf, "l2": 2, "l1": 1}


def length(moved, norm):
    move = (moved.astype(float) - IMAGES.astype(float)).reshape(len(moved), -1)
    return np.linalg.norm(move, ORDERS[norm], axis=1)


def decided(network, images):
    with torch.no_grad():
        return network(torch.from_numpy(images)).argmax(1).numpy()


@BALLS
def test_what_is_broken_is_wrong_and_inside_and_said_by_whom(norm, eps):
    network = copy.deepcopy(trained())
    found = worst_case(network, IMAGES, LABELS, eps, norm)
    assert (found.fooled == (decided(network, found.images) != LABELS)).all()
    # Pixels up to 1, and their differences, are rounded by 2^-24; in l2, 64 of them add up.
    assert (length(found.images, norm) <= eps + 8 * 2.0**-23).all()
    assert found.images.min() >= 0
    assert found.images.max() <= 1
    assert (found.images[~found.fooled] == IMAGES[~found.fooled]).all()
    clean = decided(network, IMAGES) != LABELS
    assert ((found.broken_by == "no attack") == clean).all()
    assert set(found.broken_by) <= {"", "no attack", *found.attacks}
    assert found.robust_share == 1 - (found.broken_by != "").mean()
    assert 0 < found.robust_share < 0.9


@pytest.mark.parametrize(
    ("norm", "eps", "kind"),
    [
        ("linf", 0.1, "sound"),
        ("l2", 0.5, "sound"),
        ("l2", 0.5, "scaled"),
        ("linf", 0.1, "quantised"),
    ],
)
def test_it_keeps_no_more_images_than_any_of_its_members(norm, eps, kind):
    """On the same seeds; on networks that hide it is what the member that sees through leaves."""
    hide = {"sound": copy.deepcopy, "scaled": scaled, "quantised": quantised}[kind]
    network = hide(trained())
    members = [
        apgd(network, IMAGES, LABELS, eps, norm, steps=50).fooled,
        apgd(network, IMAGES, LABELS, eps, norm, loss="targeted dlr", steps=50, restarts=4).fooled,
        square_attack(network, IMAGES, LABELS, eps, norm, queries=500).fooled,
    ]
    if norm == "l2" and kind != "quantised":
        double = copy.deepcopy(network).double()
        near = minimal_perturbation(double, IMAGES.astype(float), bounds=(0.0, 1.0))
        members.append((near.radius <= eps) | (near.label != LABELS))
    kept = (~worst_case(network, IMAGES, LABELS, eps, norm).fooled).sum()
    assert all(kept <= (~fooled).sum() for fooled in members)
    assert all(kept < (~fooled).sum() - 3 for fooled in members[: {"sound": 0}.get(kind, 1)])


def test_each_attack_gets_what_is_left():
    for network, first in (
        (scaled(trained()), "APGD, targeted DLR"),
        (quantised(trained()), "Square"),
    ):
        found = worst_case(network, IMAGES, LABELS, 0.1)
        assert (found.broken_by == first).sum() > 3
    assert found.attacks == ("APGD, cross-entropy", "APGD, targeted DLR", "Square")
    told = []
    found = worst_case(
        trained(), IMAGES, LABELS, 0.5, progress=lambda done, words: told.append(words)
    )
    assert found.robust_share == 0
    assert told[-1] == "Square on 0 images"


@BALLS
def test_planted_examples_are_found(norm, eps):
    """A head on the features is told apart from 200 points of the ball at one other point of it."""

    def attack(network, images, labels):
        found = worst_case(network, images, labels, eps, norm)
        return Attacked(found.images, found.fooled, 0)

    check = planted_check(trained()[:-1], IMAGES[:6], attack, eps, norm)
    assert check.verdict == "pass"
    assert check.number >= 0.95


def test_few_classes():
    for classes, attacks in ((2, {"APGD, cross-entropy", "Square"}),
                             (3, {"APGD, cross-entropy", "APGD, DLR", "Square"})):  # fmt: skip
        network = nn.Sequential(nn.Flatten(), nn.Linear(64, classes))
        found = worst_case(network, IMAGES, LABELS % classes, 0.2)
        assert set(found.attacks) == attacks
        assert found.robust_share < 0.2


def test_affine_classifiers_are_broken_where_the_exact_margin_says_so():
    """Logits (0, w.x + b), the box out of reach: broken iff w.x + b + eps |w|_* > 0."""
    random = np.random.default_rng(0)
    w = random.standard_normal(12)
    x = random.uniform(-1, 1, (200, 1, 3, 4))
    flat, eps = x.reshape(200, -1), 0.1
    for norm, dual in (("linf", 1), ("l2", 2)):
        rise = eps * np.linalg.norm(w, dual)
        bias = -np.median(flat @ w) - rise  # half of the margins stay negative
        network = affine([0 * w, w], [0, bias])
        margin = flat @ w + bias + rise
        near = np.abs(margin) < 1e-3 * rise  # too near for steps of finite length
        assert near.mean() < 0.05
        found = worst_case(network, x, np.zeros(200, dtype=int), eps, norm, box=(-9.0, 9.0))
        assert (found.fooled == (margin > 0))[~near].all()
        assert 0.3 < found.robust_share < 0.7


def test_no_images_and_no_radius():
    found = worst_case(trained(), IMAGES[:0], LABELS[:0], 0.1)
    assert found.images.shape == (0, 1, 8, 8)
    found = worst_case(trained(), IMAGES[:5], LABELS[:5], 0.0, "l2")
    assert set(found.broken_by) == {"", "no attack"}


def test_it_is_repeatable_and_pgd_is_no_better():
    found, again = (worst_case(trained(), IMAGES, LABELS, 0.1) for _ in range(2))
    assert (again.images == found.images).all()
    assert found.robust_share <= (~pgd(trained(), IMAGES, LABELS, 0.1, steps=100).fooled).mean()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"norm": "l3"}, "norm must be"),
        ({"eps": -1.0}, "eps must be at least 0"),
        ({"images": IMAGES + 0.5}, "lie in the box"),
        ({"labels": LABELS + 1}, "labels must lie in 0..9"),
    ],
)
def test_wrong_arguments(change, message):
    arguments = {"network": trained(), "images": IMAGES, "labels": LABELS, "eps": 0.1} | change
    with pytest.raises(ValueError, match=message):
        worst_case(**arguments)


def test_images_that_are_skipped_stay_and_change_no_others():
    skip = np.arange(30) % 3 == 0
    for attack in (apgd, square_attack):
        options = {"steps": 20} if attack is apgd else {"queries": 50}
        whole = attack(trained(), IMAGES, LABELS, 0.1, **options)
        part = attack(trained(), IMAGES, LABELS, 0.1, skip=skip, **options)
        assert (part.images[skip] == IMAGES[skip]).all()
        # The same random numbers; sums over other batches are rounded differently.
        np.testing.assert_array_equal(part.fooled[~skip], whole.fooled[~skip])
        for wrong in (skip[:3], skip.astype(int)):
            with pytest.raises(ValueError, match="skip must be 30 truth values"):
                attack(trained(), IMAGES, LABELS, 0.1, skip=wrong)
