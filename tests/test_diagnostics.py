import copy
import functools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from empirical import attack_checks, model_checks, strength_checks
from empirical.adversarial_loop import Budget
from empirical.attacks.minimal import minimal_perturbation
from empirical.attacks.steps import Attacked, fgsm, pgd
from empirical.checks import failures, never_beaten, sign_test, table
from empirical.exact import linear_radius
from empirical.exact_layers import torch_function
from empirical.exact_milp import milp_radius
from empirical.loss_slices import draw_slice, loss_slice
from empirical.masking import masking_checks
from empirical.masking import model_checks as all_model_checks
from empirical.traces import trace
from empirical.trades import most_divergent, trades_loss, train_trades
from robust_theory.risks.divergence import kl_gradients
from tests.digit_networks import (
    DIGITS,
    IMAGES,
    LABELS,
    Changed,
    affine,
    quantised,
    scaled,
    trained,
    trained_on_one_step,
)
from validation.experiments.small_networks import networks


@functools.cache
def checked(kind):
    network = trained()
    made = {"sound": network, "scaled": scaled(network), "quantised": quantised(network)}[kind]
    features = {"quantised": quantised(network[:-1])}.get(kind, network[:-1])
    return masking_checks(made, IMAGES, LABELS, 0.1, surrogate=trained("mlp"), features=features)


def names(checks):
    return {check.name for check in checks}


def test_a_sound_network_passes_every_check():
    checks = checked("sound")
    assert failures(checks) == ()
    assert len(names(checks)) == len(checks) == 29
    # It has neither dropout nor batch normalisation; all else applies.
    assert {c.name for c in checks if c.verdict == "not applicable"} == {"evaluation mode"}
    lines = table(checks).splitlines()
    assert len(lines) == 29
    assert lines[-1].startswith("not applicable")


def test_masked_networks_are_flagged():
    found = names(failures(checked("scaled")))
    assert {"slope of the cross-entropy", "without gradients", "loss that ignores scale"} <= found
    assert "unbounded attack" in found
    assert "slope of the margin" not in found
    found = names(failures(checked("quantised")))
    assert {"slope of the margin", "without gradients", "planted examples"} <= found


def test_single_step_training_that_fails_is_flagged():
    network = trained_on_one_step()
    one = fgsm(network, IMAGES, LABELS, 0.3).fooled
    many = pgd(network, IMAGES, LABELS, 0.3, steps=20).fooled
    assert one.mean() < 0.5  # under one step it looks robust
    found = attack_checks.one_step_robustness_check(one, many)
    assert found.verdict == "fail"
    assert found.number == (~many).sum() / (~one).sum()
    sound = [attack(trained(), IMAGES, LABELS, 0.1).fooled for attack in (fgsm, pgd)]
    assert attack_checks.one_step_robustness_check(*sound).verdict == "pass"
    everything = np.ones(3, dtype=bool)
    assert (
        attack_checks.one_step_robustness_check(everything, everything).verdict == "not applicable"
    )


def test_a_constant_classifier_is_flagged():
    constant = Changed(trained(), behind=lambda z: z * 0 + torch.arange(10.0))
    found = names(failures(masking_checks(constant, IMAGES, LABELS, 0.1)))
    assert {"not constant", "slope of the margin", "unbounded attack"} <= found
    assert "accuracy without an attack" in found


def noisy(kind):
    torch.manual_seed(0)
    layer = {"dropout": nn.Dropout(0.5), "batch": nn.BatchNorm1d(64)}[kind]
    return nn.Sequential(nn.Flatten(), layer, nn.Linear(64, 10))


def test_training_mode_is_flagged():
    for kind, others in (
        ("dropout", {"no randomness"}),
        ("batch", {"images judged alone", "no optimisation at inference"}),
    ):
        network = noisy(kind).train()
        before = copy.deepcopy(network.state_dict())
        found = names(failures(all_model_checks(network, IMAGES, LABELS)))
        assert {"evaluation mode"} | others <= found
        assert network.training
        assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())
        calm = names(failures(all_model_checks(network.eval(), IMAGES, LABELS)))
        assert not calm & ({"evaluation mode"} | others)


def test_inputs_and_logits_that_no_attack_can_use_are_flagged_alone():
    checks = masking_checks(trained(), IMAGES + 0.5, LABELS, 0.1)
    assert names(failures(checks)) == {"inputs in the box"}
    assert len(checks) == 3
    broken = Changed(trained(), behind=lambda z: z.where(z < 5, math.nan))
    assert names(failures(masking_checks(broken, IMAGES, LABELS, 0.1))) == {"finite logits"}
    assert model_checks.box_check(IMAGES * np.nan).verdict == "fail"
    checks = masking_checks(trained(), IMAGES, LABELS + 1, 0.1)
    assert names(failures(checks)) == {"number of classes"}
    assert len(checks) == 3


def test_logits_that_are_finite_at_the_images_only_are_flagged():
    """The digits' pixels are sixteenths. PGD fools nothing more: NaN is not above any logit."""

    def sixteenths(x):
        return x.where(16 * x == (16 * x).round(), math.nan)

    hidden = Changed(trained(), before=sixteenths)
    assert model_checks.finite_check(hidden, IMAGES).verdict == "pass"
    assert (pgd(hidden, IMAGES, LABELS, 0.3).fooled == model_wrong(hidden)).all()
    found = {c.name: c for c in masking_checks(hidden, IMAGES, LABELS, 0.3, steps=10, queries=20)}
    assert found["finite logits in the ball"].verdict == "fail"
    assert found["finite logits in the ball"].number == 1
    assert model_checks.nearby_check(trained(), IMAGES, 0.3).verdict == "pass"


def model_wrong(network):
    with torch.no_grad():
        return (network(torch.from_numpy(IMAGES)).argmax(1) != torch.from_numpy(LABELS)).numpy()


LOGIT = nn.Sequential(nn.Flatten(), nn.Linear(64, 1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"eps": math.nan}, "eps must be a positive finite number, got nan"),
        ({"eps": -0.1}, "eps must be a positive finite number"),
        ({"eps": "8/255"}, "eps must be a positive finite number, got '8/255'"),
        ({"samples": 0}, "samples must be at least 1"),
        ({"box": (1.0, 0.0)}, "box must be a pair"),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, "images must be numbers of shape"),
        ({"images": IMAGES.reshape(60, -1)}, "images must have shape"),
        ({"labels": LABELS[:5]}, "labels must be 60 whole numbers"),
        ({"labels": LABELS.astype(float)}, "labels must be 60 whole numbers"),
        ({"network": copy.deepcopy(trained()).bfloat16()}, "weights of type"),
        ({"network": Changed(trained(), behind=lambda z: (z, z))}, "one tensor of logits"),
        ({"network": Changed(trained(), behind=lambda z: z[:, 0])}, "to logits"),
        ({"surrogate": LOGIT, "steps": 1, "queries": 1, "samples": 1}, "surrogate must have"),
    ],
)
def test_wrong_classifiers_and_inputs(change, message):
    arguments = {"network": trained(), "images": IMAGES, "labels": LABELS, "eps": 0.1} | change
    with pytest.raises(ValueError, match=message):
        masking_checks(**arguments)


def test_arrays_of_any_layout_and_precision_give_the_same():
    few, right = IMAGES[:8], LABELS[:8]

    def verdicts(images, labels):
        return [c.verdict for c in masking_checks(trained(), images, labels, 0.1, steps=10,
                                                  queries=20)]  # fmt: skip

    expected = verdicts(few, right)
    for images in (few[::-1][::-1], np.asfortranarray(few), few.astype(np.float64)):
        assert verdicts(images, right) == expected
    assert verdicts(torch.from_numpy(few), right.tolist()) == expected


def test_what_an_attack_does_on_its_way_is_noted():
    """PGD keeps what it finds and comes to rest; an attack that returns its last point, and one
    of short steps, do not.
    """

    def patient(network, images, labels):
        return pgd(network, images, labels, 0.1, steps=40)

    def short(network, images, labels):
        return pgd(network, images, labels, 0.1, steps=40, step=1e-4, random_start=False)

    def forgetful(network, images, labels):
        pgd(network, images, labels, 0.3, steps=10)
        return Attacked(images, np.ones(len(images), dtype=bool), 10)

    few, right = IMAGES[:6], LABELS[:6]
    way = trace(trained(), few, right, patient)
    assert way.margins.shape[1] == 6
    left = ~way.on_the_way
    assert left.any()
    assert len(way.margins) == 40 + 3  # the image twice, 40 slopes, the end
    assert attack_checks.silent_check(way.on_the_way, way.returned).verdict == "pass"
    assert attack_checks.optimisation_check(way.margins[:, left]).verdict == "pass"
    slow = trace(trained(), few, right, short)
    assert attack_checks.optimisation_check(slow.margins[:, ~slow.on_the_way]).verdict == "fail"
    lost = trace(trained(), few, right, forgetful)
    found = attack_checks.silent_check(lost.on_the_way, lost.returned)
    hidden = lost.on_the_way & ~model_wrong(trained())[:6]
    assert (found.verdict, found.number) == ("fail", hidden.mean())
    with pytest.raises(ValueError, match="attack must run"):
        trace(trained(), few, right, lambda network, x, y: Attacked(x, y > 10, 0))


def test_what_else_can_be_wrong_with_a_model():
    soft = Changed(trained(), behind=lambda z: z.softmax(1))
    assert model_checks.logits_check(soft, IMAGES).verdict == "fail"
    assert model_checks.logits_check(trained(), IMAGES).verdict == "pass"

    class Adapting(nn.Module):
        def forward(self, x):
            with torch.enable_grad():
                z = x.clone().requires_grad_()
                (slope,) = torch.autograd.grad(trained()(z).sum(), z)
            return trained()(x - 0.1 * slope)

    assert model_checks.inference_check(Adapting(), IMAGES).number == math.inf
    detached = Changed(trained(), before=lambda x: x.detach())
    found = model_checks.slope_check(Changed(nn.Flatten(), behind=lambda z: z.detach()), IMAGES,
                                     LABELS)  # fmt: skip
    assert found.verdict == "fail"
    assert found.number == 1
    stopped = masking_checks(Changed(trained(), behind=lambda z: z.detach()), IMAGES, LABELS, 0.1)
    assert "slope of the margin" in names(failures(stopped))
    assert model_checks.slope_check(detached, IMAGES, LABELS).verdict == "fail"
    assert model_checks.classes_check(trained(), IMAGES, LABELS + 1).verdict == "fail"
    two = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    assert model_checks.classes_check(two, IMAGES, LABELS % 2).verdict == "not applicable"


@given(st.integers(0, 30), st.integers(0, 30))
def test_the_sign_test_is_the_binomial_tail(more, less):
    from scipy.stats import binom

    expected = binom.sf(more - 1, more + less, 0.5)
    assert sign_test(more, less) == pytest.approx(expected, rel=1e-12)


def test_comparisons_count_what_one_attack_alone_fools():
    weak = np.array([True] * 5 + [False] * 5)
    strong = np.zeros(10, dtype=bool)
    beaten = never_beaten("name", strong, weak, "")
    assert (beaten.verdict, beaten.number) == ("fail", 0.5)  # 2^-5 < 5 %
    weak[4] = False
    assert never_beaten("name", strong, weak, "").verdict == "pass"  # 2^-4 > 5 %
    assert never_beaten("name", weak, weak, "").number == 0
    for bad in (np.zeros(10), np.zeros((2, 5), dtype=bool), np.zeros(0, dtype=bool)):
        with pytest.raises(ValueError, match="one truth value for each image"):
            never_beaten("name", bad, weak, "")
    with pytest.raises(ValueError, match="same images"):
        never_beaten("name", strong[:3], weak, "")


NONE, HALF, ALL = (np.arange(60) < k for k in (0, 30, 60))


@pytest.mark.parametrize(
    ("check", "number", "passes"),
    [
        (attack_checks.one_step_check(HALF, ALL), -0.5, True),
        (attack_checks.one_step_check(HALF, NONE), 0.5, False),
        (attack_checks.black_box_check(ALL, HALF), -0.5, True),
        (attack_checks.black_box_check(NONE, HALF), 0.5, False),
        (attack_checks.transfer_check(NONE, HALF), 0.5, False),
        (attack_checks.sampling_check(NONE, HALF), 0.5, False),
        (attack_checks.loss_check(NONE, HALF), 0.5, False),
        (attack_checks.unbounded_check(ALL), 0, True),
        (attack_checks.unbounded_check(HALF), 0.5, False),
        (attack_checks.budget_check([1, 2, 3], [NONE, HALF, ALL]), 0, True),
        (attack_checks.budget_check([1, 2, 3], [NONE, ALL, HALF]), 0.5, False),
        (attack_checks.steps_check(HALF, np.arange(60) < 31), 1 / 60, True),
        (attack_checks.steps_check(HALF, ALL), 0.5, False),
        (attack_checks.restarts_check(HALF, HALF), 0, True),
        (attack_checks.restarts_check(HALF, np.arange(60) < 34), 4 / 60, False),
        (attack_checks.optimisation_check(np.r_[np.arange(11.0), [10.0] * 9][:, None]), 0, True),
        (attack_checks.optimisation_check(np.arange(20.0)[:, None]), 2 / 19, False),
        (attack_checks.optimisation_check(np.ones((20, 3))), 0, False),
        (attack_checks.silent_check(HALF, HALF), 0, True),
        (attack_checks.silent_check(ALL, HALF), 0.5, False),
        (attack_checks.undefended_check(ALL), 1, True),
        (attack_checks.undefended_check(HALF), 0.5, False),
        (attack_checks.worst_case_check(0.5, [HALF, NONE]), 0, True),
        (attack_checks.worst_case_check(0.5, [HALF, ~HALF]), 0.5, False),
        (attack_checks.worst_case_check(0.5, [HALF, ~HALF], allowance=0.5), 0.5, True),
        (attack_checks.variety_check(attack_checks.KINDS), 0, True),
        (attack_checks.variety_check(["gradient"]), 4, False),
        (attack_checks.settings_check(dict.fromkeys(attack_checks.SETTINGS, 1)), 0, True),
        (attack_checks.settings_check({"eps": 0.1}), 5, False),
    ],
)
def test_checks_of_results(check, number, passes):
    assert check.verdict == ("pass" if passes else "fail")
    assert check.number == pytest.approx(number)
    assert check.meaning


def test_wrong_results():
    with pytest.raises(ValueError, match="increasing radii"):
        attack_checks.budget_check([1, 1], [HALF, HALF])
    with pytest.raises(ValueError, match="fooled must have shape"):
        attack_checks.budget_check([1, 2], [HALF])
    with pytest.raises(ValueError, match="10 or more"):
        attack_checks.optimisation_check(np.zeros((3, 2)))
    with pytest.raises(ValueError, match="reported must"):
        attack_checks.worst_case_check(1.5, [HALF])
    with pytest.raises(ValueError, match="kinds must be of"):
        attack_checks.variety_check(["magic"])
    for eps, norm in ((0.0, "linf"), (0.1, "l1")):
        with pytest.raises(ValueError, match="must be"):
            masking_checks(trained(), IMAGES, LABELS, eps, norm)


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_examples_outside_ball_or_box_are_flagged(norm):
    x = np.full((2, 1, 2, 2), 0.5)
    unit = {"linf": 1.0, "l2": 0.5, "l1": 0.25}[norm]
    check = strength_checks.inside_check
    assert check(x, x + 0.1 * unit, 0.1, norm).verdict == "pass"
    found = check(x, x + 0.2 * unit, 0.1, norm)
    assert (found.verdict, found.number) == ("fail", pytest.approx(0.1))
    assert check(x, x + 0.1 * unit, 0.1, norm, (0.0, 0.5)).verdict == "fail"
    assert check(x, x - 0.1 * unit, 0.1, norm, (0.5, 1.0)).verdict == "fail"
    assert check(x, x * np.nan, 0.1, norm).number == math.inf


def test_examples_of_single_precision_only_are_flagged():
    """1 + 2^-30 rounds to 1 in single precision, so that the first logit ties, or loses."""

    class Close(nn.Module):
        def __init__(self):
            super().__init__()
            self.one = nn.Parameter(torch.tensor(1.0))

        def forward(self, x):
            a = self.one + 2.0**-30
            return torch.stack([(a - 1).expand(len(x)), x.flatten(1)[:, 0] * 2.0**-40], 1)

    x, y = np.ones((3, 1, 1, 1), dtype=np.float32), np.zeros(3, dtype=np.int64)
    claimed = Attacked(x, np.array([True, True, False]), 1)
    assert Close()(torch.from_numpy(x)).argmax(1).tolist() == [1, 1, 1]
    found = strength_checks.double_check(Close(), claimed, y)
    assert (found.verdict, found.number) == ("fail", 1.0)
    nothing = Attacked(x, np.zeros(3, dtype=bool), 1)
    assert strength_checks.double_check(Close(), nothing, y).verdict == "not applicable"


def test_theory_knows_how_strong_an_attack_must_be():
    """A half-space through 0 in R^20: the radius is |z_1|, and the theorem is an equation."""
    radii = np.abs(np.random.default_rng(0).standard_normal(2000))
    found = strength_checks.oracle_check(radii, [0.5, 0.5])
    assert found.verdict == "pass"
    assert abs(found.number) < 0.05  # four standard errors
    for weak in (2 * radii, np.where(np.arange(2000) % 2, radii, np.inf)):
        found = strength_checks.oracle_check(weak, [0.5, 0.5])
        assert found.verdict == "fail"
        assert found.number > 0.1
    with pytest.raises(ValueError, match="no NaN"):
        strength_checks.oracle_check([math.nan], [0.5, 0.5])


def test_attack_radii_against_exact_ones():
    random = np.random.default_rng(0)
    W, b, z = random.standard_normal((4, 6)), random.standard_normal(4), random.random((20, 6))
    exact = linear_radius(W, b, z)
    module = nn.Linear(6, 4).double()
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(W))
        module.bias.copy_(torch.from_numpy(b))
    attacked = minimal_perturbation(module, z)
    check = strength_checks.exact_check
    assert check(attacked.radius, exact.lower, exact.upper).verdict == "pass"
    assert check(1.2 * attacked.radius, exact.lower, exact.upper).verdict == "fail"
    impossible = check(0.9 * attacked.radius, exact.lower, exact.upper)
    assert "one is wrong" in impossible.meaning
    assert impossible.verdict == "fail"
    nowhere = np.full(20, np.inf)
    assert check(nowhere, nowhere, nowhere).verdict == "not applicable"
    assert check(nowhere, exact.lower, exact.upper).number == math.inf


def test_exact_programs_tell_a_least_perturbation_from_another():
    """Random networks of 14 hidden units: at some points the attack finds the least perturbation,
    at others, far from every boundary, a mixed-integer program proves that it does not.
    """
    verdicts = []
    for network in networks({"widths": [3, 8, 6, 3], "networks": 4}, 0):
        point = np.array([network.point])
        exact = milp_radius(network.records(), point)
        radius = minimal_perturbation(torch_function(network.records()), point).radius
        found = strength_checks.exact_check(radius, exact.lower, exact.upper)
        assert found.number >= 1 - 1e-12
        assert found.verdict == ("fail" if radius[0] > 1.05 * exact.upper[0] else "pass")
        verdicts.append(found.verdict)
    assert set(verdicts) == {"pass", "fail"}


def test_planted_examples_exist_and_are_found_by_who_looks():
    """With the identity as features the head is affine, and the planted point is in the ball."""
    x = 0.5 + 0.3 * (IMAGES[:5] - 0.5)
    for norm, eps in (("linf", 0.1), ("l2", 0.5)):

        def attack(network, images, labels, norm=norm, eps=eps):
            return pgd(network, images, labels, eps, norm, steps=10)

        def lazy(network, images, labels):
            return Attacked(images, np.zeros(len(images), dtype=bool), 0)

        found = strength_checks.planted_check(nn.Identity(), x, attack, eps, norm)
        assert (found.verdict, found.number) == ("pass", 1.0)
        found = strength_checks.planted_check(nn.Identity(), x, lazy, eps, norm)
        assert (found.verdict, found.number) == ("fail", 0.0)
    flat = Changed(nn.Identity(), before=lambda x: 0 * x)
    assert strength_checks.planted_check(flat, x, lazy, 0.1).verdict == "not applicable"


def test_slices_of_an_affine_margin_are_planes():
    random = np.random.default_rng(1)
    w = random.standard_normal((2, 9))
    image = random.random((1, 3, 3))
    network = affine(w, [0.1, 0.0])
    label = int(w[1] @ image.ravel() > w[0] @ image.ravel() + 0.1)
    found = loss_slice(network, image, label, loss="margin", extent=2.0, points=11)
    u, v = found.directions.reshape(2, -1)
    # A few roundings of sums of nine numbers of size 1.
    np.testing.assert_allclose([u @ u, v @ v, u @ v], [1, 1, 0], atol=1e-14)
    normal = (w[1 - label] - w[label]) / np.linalg.norm(w[1] - w[0])
    np.testing.assert_allclose(u, normal, atol=1e-14)
    assert found.slope == pytest.approx((np.linalg.norm(w[1] - w[0]), 0), abs=1e-13)
    assert found.unpredicted < 1e-13
    a = found.offsets[:, None] * np.linalg.norm(w[1] - w[0])
    margin = float((w[1 - label] - w[label]) @ image.ravel()) + (0.1 if label else -0.1)
    np.testing.assert_allclose(found.losses, np.broadcast_to(margin + a, (11, 11)), atol=1e-13)
    assert (found.wrong == (found.losses > 0)).all()


def test_slices_show_what_a_slope_hides():
    sound, hidden = (
        loss_slice(f, IMAGES[0], int(LABELS[0]), loss="margin", extent=0.1, points=9)
        for f in (trained(), quantised(trained()))
    )
    assert hidden.slope == (0.0, 0.0)
    assert np.ptp(hidden.losses) > 0
    assert hidden.unpredicted >= 0.5
    assert sound.unpredicted < 0.1
    import matplotlib as mpl

    mpl.use("Agg")
    assert draw_slice(sound).collections


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"extent": 0.0}, "extent must be"),
        ({"points": 4}, "points must be odd"),
        ({"loss": "hinge"}, "loss must be"),
        ({"label": 10}, "label must be"),
        ({"image": IMAGES[:1]}, "image must be"),
        ({"first": np.zeros((1, 8, 8))}, "must not be 0"),
        ({"first": IMAGES[0], "second": -IMAGES[0]}, "must not be parallel"),
        ({"first": np.ones(3)}, "first must be"),
    ],
)
def test_wrong_slices(change, message):
    arguments = {"network": trained(), "image": IMAGES[0], "label": 0} | change
    with pytest.raises(ValueError, match=message):
        loss_slice(**arguments)


def test_trades_loss_and_its_slopes_are_those_of_the_theory():
    torch.manual_seed(0)
    a, b = (torch.randn(1, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    y = torch.tensor([2])
    plain = nn.functional.cross_entropy(a, y)
    assert float(trades_loss(a, a, y, 6.0).detach()) == pytest.approx(float(plain.detach()))
    divergence = trades_loss(a, b, y, 1.0) - plain
    slopes = torch.autograd.grad(divergence, (a, b))
    theory = kl_gradients(a.detach().numpy(), b.detach().numpy())
    np.testing.assert_allclose(slopes[0].numpy(), theory.first, atol=1e-14)
    np.testing.assert_allclose(slopes[1].numpy(), theory.second, atol=1e-14)


def test_trades_climbs_the_divergence_inside_ball_and_box():
    x = torch.from_numpy(IMAGES[:20])
    y = torch.from_numpy(LABELS[:20])
    network = trained()

    def divergence(z):
        with torch.no_grad():
            return float(trades_loss(network(x), network(z), y, 1.0) - trades_loss(
                network(x), network(x), y, 1.0))  # fmt: skip

    ends = []
    for steps in (1, 10):
        draws = torch.Generator().manual_seed(0)
        ends.append(most_divergent(network, x, 0.2, "linf", steps, 0.05, draws))
        assert float((ends[-1] - x).abs().max()) <= 0.2 + 1e-6
        assert 0 <= float(ends[-1].min()) <= float(ends[-1].max()) <= 1
    assert 0 < divergence(ends[0]) < divergence(ends[1])


def test_trades_training_is_more_robust_than_none():
    network = copy.deepcopy(trained())
    budget = Budget(gradients=len(DIGITS.train) * 5 * 8, looks=2)
    record = train_trades(network, DIGITS, 0.15, budget, steps=3, watch=lambda f: 0.5)
    assert not record.collapsed
    assert record.accuracy > 0.9
    assert [seen for _, seen in record.history] == [0.5, 0.5]
    left = [float((~pgd(f, IMAGES, LABELS, 0.1).fooled).mean()) for f in (trained(), network)]
    assert left[1] > left[0] + 0.05
    for options, message in (
        ({"weight": -1.0}, "weight must be"),
        ({"eps": np.inf}, "eps must be"),
        ({"steps": 0}, "steps must be"),
        ({"norm": "l3"}, "norm must be"),
    ):
        with pytest.raises(ValueError, match=message):
            train_trades(network, DIGITS, **({"eps": 0.1, "budget": budget} | options))
