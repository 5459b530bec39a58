"""Classifiers under random transformations, and attacks on their expectation."""

import math

import pytest
import torch
from torch.nn import functional

from empirical.attacks.expectation import Expected, turned_and_shifted
from empirical.attacks.steps import pgd
from tests.digit_networks import IMAGES, LABELS, trained


def noise(x, generator):
    return x + 0.3 * torch.randn(x.shape, generator=generator)


def test_expectations_without_chance_are_the_classifier():
    x = torch.from_numpy(IMAGES[:5])
    found = Expected(trained(), lambda x, generator: x, draws=3)(x)
    torch.testing.assert_close(found, functional.log_softmax(trained()(x), 1))


def test_expected_probabilities_and_jensen():
    x, y = torch.from_numpy(IMAGES), torch.from_numpy(LABELS)
    expected = Expected(trained(), noise, draws=8, seed=3)(x)
    torch.testing.assert_close(expected.exp().sum(1), torch.ones(len(x)))
    generator = torch.Generator().manual_seed(3)
    mean = sum(
        functional.cross_entropy(trained()(noise(x, generator)), y, reduction="none")
        for _ in range(8)
    )
    # 1e-5: single precision.
    assert (functional.cross_entropy(expected, y, reduction="none") <= mean / 8 + 1e-5).all()


def test_attacking_the_expectation_beats_attacking_single_draws():
    network = trained()
    judge = Expected(network, noise, draws=200, seed=9)

    def left(draws):
        model = Expected(network, noise, draws=draws, seed=1)
        # Whatever a single draw calls wrong ends an attack: take the loss's word, no early end.
        model_all = torch.from_numpy(IMAGES)
        x, y = model_all.clone(), torch.from_numpy(LABELS)
        for _ in range(15):
            x.requires_grad_()
            (slope,) = torch.autograd.grad(functional.cross_entropy(model(x), y), x)
            x = (x.detach() + 0.02 * slope.sign()).clamp(model_all - 0.1, model_all + 0.1)
            x = x.clamp(0, 1)
        with torch.no_grad():
            return float((judge(x).argmax(1) == y).double().mean())

    assert left(16) < left(1)
    assert pgd(Expected(network, noise, draws=4), IMAGES[:9], LABELS[:9], 0.1, steps=3).images.any()


def draws(seed=0):
    return torch.Generator().manual_seed(seed)


def test_turns_by_right_angles_and_whole_shifts_move_pixels():
    """The draws are known, so limits are taken under which they become a quarter and a pixel."""
    x = torch.rand((1, 2, 5, 5), generator=draws()).double()
    share = 2 * torch.rand((1, 3), generator=draws(7)) - 1
    quarter = turned_and_shifted(abs(90 / float(share[0, 0])), 0.0)(x, draws(7))
    turns = -1 if share[0, 0] > 0 else 1
    # Single precision draws: the angle is off by 1e-7, and so is each of 5 pixels.
    torch.testing.assert_close(quarter, torch.rot90(x, turns, (2, 3)), rtol=0, atol=1e-5)
    whole = turned_and_shifted(0.0, abs(1 / float(share[0, 1])))(x, draws(7))
    down = 1 if share[0, 1] > 0 else -1
    right = float(share[0, 2] / share[0, 1].abs())
    rows = (torch.arange(5) + down).clamp(0, 4)
    column = max(0.0, min(4.0, 2 + right))  # where the middle column comes from
    left = min(3, math.floor(column))
    expected = (1 - column + left) * x[:, :, rows, left] + (column - left) * x[:, :, rows, left + 1]
    torch.testing.assert_close(whole[:, :, :, 2], expected, rtol=0, atol=1e-5)


def test_transformed_images_are_differentiable_keep_the_range_and_nothing_is_the_identity():
    x = torch.rand((3, 1, 6, 4), generator=draws()).double().requires_grad_()
    transform = turned_and_shifted(20.0, 1.0)
    moved = transform(x, draws(1))
    assert moved.min() >= x.min()
    assert moved.max() <= x.max()
    assert not torch.equal(moved, transform(x, draws(2)))
    assert torch.autograd.gradcheck(lambda z: transform(z, draws(1)), (x,))
    torch.testing.assert_close(turned_and_shifted(0.0, 0.0)(x, draws()), x, rtol=0, atol=1e-12)


def test_attacks_through_the_expectation_reach_their_targets():
    """What is judged is the expectation itself, with draws that the attack has not seen."""
    targets = (LABELS + 1) % 10
    transform = turned_and_shifted(10.0, 0.5)
    model = Expected(trained(), transform, draws=8, seed=1)
    found = pgd(model, IMAGES, LABELS, 0.3, targets=targets, steps=15)
    judge = Expected(trained(), transform, draws=100, seed=2)
    with torch.no_grad():
        decided = judge(torch.from_numpy(found.images)).argmax(1).numpy()
        before = judge(torch.from_numpy(IMAGES)).argmax(1).numpy()
    assert (before == targets).mean() < 0.2
    assert (decided == targets)[found.fooled].mean() > 0.8
    assert found.fooled.mean() > 0.5
    any_class = pgd(model, IMAGES, LABELS, 0.3, steps=15)
    assert any_class.fooled.sum() >= found.fooled.sum()


def test_wrong_numbers_are_named():
    with pytest.raises(ValueError, match="draws must be"):
        Expected(trained(), noise, draws=0)
    with pytest.raises(ValueError, match="degrees must be at least 0 and finite, got -1"):
        turned_and_shifted(-1.0, 0.0)
    with pytest.raises(ValueError, match="pixels must be at least 0 and finite, got inf"):
        turned_and_shifted(1.0, math.inf)
    with pytest.raises(ValueError, match="targets must differ"):
        pgd(Expected(trained(), noise, draws=1), IMAGES, LABELS, 0.1, targets=LABELS)
