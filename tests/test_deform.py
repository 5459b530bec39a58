"""Deformations: what fields do to images, and what the attacks find."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from empirical.attacks.deform import adef, stadv
from empirical.attacks.fields import longest, smooth, variation, warp
from tests.digit_networks import IMAGES, LABELS, trained

SEEDS = st.integers(0, 2**31)
ATTACKS = {"adef": adef, "stadv": lambda *a, **k: stadv(*a, steps=100, **k)}


def draw(seed, shape, size=1.0):
    return size * torch.randn(shape, generator=torch.Generator().manual_seed(seed)).double()


@given(SEEDS, st.integers(-2, 2), st.integers(-2, 2))
def test_whole_displacements_move_pixels_exactly(seed, down, right):
    x = draw(seed, (2, 3, 5, 6))
    field = torch.tensor([down, right]).double().reshape(1, 2, 1, 1).expand(2, 2, 5, 6)
    rows = (torch.arange(5) + down).clamp(0, 4)
    columns = (torch.arange(6) + right).clamp(0, 5)
    assert torch.equal(warp(x, field), x[:, :, rows][:, :, :, columns])


@given(SEEDS, st.sampled_from([0.1, 1.0, 30.0]))
def test_deformed_images_stay_in_the_range_and_ramps_move_by_the_field(seed, size):
    field = draw(seed, (2, 2, 5, 6), size)
    x = draw(seed + 1, (2, 3, 5, 6))
    moved = warp(x, field)
    # Rounding of a convex combination.
    assert moved.min() >= x.min() - 1e-12
    assert moved.max() <= x.max() + 1e-12
    ramp = torch.arange(5).double()[:, None].expand(2, 1, 5, 6)
    where = (torch.arange(5).double()[:, None] + field[:, 0]).clamp(0, 4)
    torch.testing.assert_close(warp(ramp, field)[:, 0], where, rtol=0, atol=1e-12)


def test_slopes_of_warp_and_variation_are_those_of_differences():
    x, field = draw(0, (1, 2, 4, 5)), draw(1, (1, 2, 4, 5), 0.3)
    x.requires_grad_()
    field.requires_grad_()
    assert torch.autograd.gradcheck(warp, (x, field))
    assert torch.autograd.gradcheck(variation, (field,))


def test_variation_is_the_sum_over_neighbours():
    field = draw(2, (1, 2, 3, 4))
    u = field[0].permute(1, 2, 0).numpy()
    by_hand = sum(
        np.linalg.norm(u[i, j] - u[k, l])
        for i in range(3)
        for j in range(4)
        for k, l in ((i + 1, j), (i, j + 1))
        if k < 3 and l < 4
    )
    # Each of 17 roots is raised by at most 1e-6.
    assert float(variation(field)[0]) == pytest.approx(by_hand, abs=17e-6)
    assert float(variation(torch.ones(1, 2, 3, 4))[0]) <= 17.1e-6
    assert float(longest(field)[0]) == pytest.approx(np.linalg.norm(u, axis=2).max())


def test_the_filter_is_symmetric_and_keeps_constants_inside():
    a, b = draw(3, (1, 2, 9, 9)), draw(4, (1, 2, 9, 9))
    assert float((smooth(a, 1.0) * b).sum()) == pytest.approx(float((a * smooth(b, 1.0)).sum()))
    middle = smooth(torch.ones(1, 2, 9, 9).double(), 1.0)[0, :, 4, 4]
    torch.testing.assert_close(middle, torch.ones(2).double())
    assert smooth(a, 0.0) is a


@pytest.mark.parametrize("name", ATTACKS)
def test_deformations_are_what_they_are_said_to_be(name):
    network = trained()
    found = ATTACKS[name](network, IMAGES, LABELS, limit=1.0)
    x = torch.from_numpy(IMAGES)
    with torch.no_grad():
        decided = network(torch.from_numpy(found.images)).argmax(1).numpy()
        already = network(x).argmax(1).numpy() != LABELS
    assert (found.fooled == (decided != LABELS)).all()
    assert found.fooled.mean() > 0.5
    field = torch.from_numpy(found.fields)
    assert (warp(x, field).numpy() == found.images).all()
    assert (found.size[found.fooled] <= 1.0).all()
    assert np.isinf(found.size[~found.fooled]).all()
    assert np.isinf(found.variation[~found.fooled]).all()
    assert (found.size[already] == 0).all()
    assert (found.images[already] == IMAGES[already]).all()
    sized = found.fooled & ~already
    assert (longest(field).numpy()[sized] == found.size[sized]).all()
    assert found.images.min() >= 0
    assert found.images.max() <= 1
    tight = ATTACKS[name](network, IMAGES, LABELS, limit=0.25)
    assert tight.fooled.sum() < found.fooled.sum()


def test_least_variation_is_what_stadv_looks_for():
    smooth_one, least = (attack(trained(), IMAGES, LABELS) for attack in ATTACKS.values())
    both = smooth_one.fooled & least.fooled
    assert np.median(least.variation[both]) < np.median(smooth_one.variation[both])


def test_stadv_finds_deformations_where_logits_are_small():
    class Hushed(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = trained()

        def forward(self, x):
            return self.network(x) / 100

    loud, quiet = (ATTACKS["stadv"](n, IMAGES, LABELS).fooled for n in (trained(), Hushed()))
    # The same decisions, and a weight that is heavier by 100: it has come down by 4^9 in the end.
    assert quiet.mean() > loud.mean() - 0.2


TARGETS = (LABELS + 1) % 10


@pytest.mark.parametrize("name", ATTACKS)
def test_deformed_images_are_the_class_that_was_wanted(name):
    network = trained()
    found = ATTACKS[name](network, IMAGES, LABELS, limit=1.5, targets=TARGETS)
    with torch.no_grad():
        decided = network(torch.from_numpy(found.images)).argmax(1).numpy()
        before = network(torch.from_numpy(IMAGES)).argmax(1).numpy()
    assert (found.fooled == (decided == TARGETS)).all()
    assert (found.fooled & (before == LABELS)).sum() > 10
    assert (found.images[before == TARGETS] == IMAGES[before == TARGETS]).all()
    assert (found.size[found.fooled] <= 1.5).all()
    assert (found.images[~found.fooled] == IMAGES[~found.fooled]).all()
    any_class = ATTACKS[name](network, IMAGES, LABELS, limit=1.5)
    assert any_class.fooled.sum() >= found.fooled.sum()


@pytest.mark.parametrize("name", ATTACKS)
def test_with_two_classes_the_target_is_any_wrong_class(name):
    """Both attacks then take the same steps, and find the same deformations."""
    source = trained()

    class Two(torch.nn.Module):
        def forward(self, x):
            z = source(x)
            return torch.stack([z[:, :5].logsumexp(1), z[:, 5:].logsumexp(1)], 1)

    labels = LABELS // 5
    wanted = ATTACKS[name](Two(), IMAGES[:20], labels[:20], targets=1 - labels[:20])
    wrong = ATTACKS[name](Two(), IMAGES[:20], labels[:20])
    assert (wanted.fooled == wrong.fooled).all()
    assert wrong.fooled.sum() > 0
    # The same formula in another order: the last bits of a step differ.
    np.testing.assert_allclose(wanted.fields, wrong.fields, atol=1e-3)


@pytest.mark.parametrize("name", ATTACKS)
def test_no_images_and_wrong_arguments(name):
    attack = {"adef": adef, "stadv": stadv}[name]
    assert attack(trained(), IMAGES[:0], LABELS[:0]).fields.shape == (0, 2, 8, 8)
    for options, message in (
        ({"steps": 0}, "steps must be at least 1"),
        ({"limit": -1.0}, "limit must be at least 0"),
        ({"limit": np.nan}, "limit must be at least 0"),
    ):
        with pytest.raises(ValueError, match=message):
            attack(trained(), IMAGES, LABELS, **options)
    with pytest.raises(ValueError, match="lie in the box"):
        attack(trained(), 2 + IMAGES, LABELS)
    with pytest.raises(ValueError, match="targets must differ from the labels"):
        attack(trained(), IMAGES, LABELS, targets=LABELS)
    with pytest.raises(ValueError, match=r"targets must lie in 0..9, got 10"):
        attack(trained(), IMAGES, LABELS, targets=LABELS + 10)
