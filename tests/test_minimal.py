"""Radii against closed forms, against a certificate by integer programming, and on awkward input.

Radii are bisected to a bracket of relative width 1e-11 and may then be pushed out, by 1e-10 where
rounding asks for it: EXACT below is ten times that.
"""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import Bounds, LinearConstraint, milp
from torch import nn

from empirical.attacks.minimal import minimal_perturbation
from robust_theory.vulnerability.models import simplex

EXACT = 1e-9
COORDINATES = st.floats(-8, 8, width=16)  # with many ties and zeros


def half_space(w, b):
    """Class 1 where w.x + b > 0."""
    w = torch.as_tensor(w, dtype=torch.float64)

    def logits(x):
        value = x.flatten(1) @ w + b
        return torch.stack([torch.zeros_like(value), value], dim=1)

    return logits


def decisions(function, point):
    with torch.no_grad():
        return function(torch.from_numpy(point)).argmax(1).numpy()


def network(seed, *widths):
    generator = torch.Generator().manual_seed(seed)
    layers = []
    for m, n in pairwise(widths):
        layer = nn.Linear(m, n).double()
        with torch.no_grad():
            layer.weight.normal_(0, math.sqrt(2 / m), generator=generator)
            layer.bias.normal_(0, 0.3, generator=generator)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1]).requires_grad_(False)


def normal(seed, n, d):
    return torch.randn(n, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=40)
@given(
    arrays(float, 4, elements=COORDINATES),
    st.floats(-8, 8, width=16),
    arrays(float, (5, 4), elements=COORDINATES),
)
def test_half_spaces_are_exact_and_never_undercut(w, b, x):
    found = minimal_perturbation(half_space(w, b), x)
    if not w.any():
        assert np.isinf(found.radius).all()
        return
    exact = np.abs(x @ w + b) / np.linalg.norm(w)
    # Two dot products of 4 terms, values up to 4 * 64 + 8, each with 5 roundings of 2^-53.
    rounding = 10 * 264 * 2.0**-53 / np.linalg.norm(w)
    assert (found.radius >= exact - rounding).all()
    # Rounded logits leave a band of no decision, which the verdict of the attack keeps clear of.
    assert (found.radius <= exact * (1 + EXACT) + 100 * rounding + 1e-12).all()
    assert (decisions(half_space(w, b), found.point) != found.label).all()


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_simplex_is_exact(classes):
    z = normal(0, 200, classes)
    exact = simplex(classes).radius(z.numpy())
    found = minimal_perturbation(lambda x: x * 1.0, z)
    assert (found.radius >= exact * (1 - 1e-14)).all()  # difference and norm: a few roundings
    np.testing.assert_allclose(found.radius, exact, rtol=EXACT, atol=0)


@pytest.mark.parametrize("classes", [2, 5])
def test_spheres_are_exact_although_bent(classes):
    """Class k where |x| is between k and k+1, logits the signed distances: the radius is known."""
    edges = torch.arange(1, classes, dtype=torch.float64)

    def shells(x):
        size = x.norm(dim=1, keepdim=True)
        below = torch.cat([torch.zeros_like(size), size - edges], dim=1)
        return below.cumsum(1)

    x = normal(1, 100, 3)
    x = x / x.norm(dim=1, keepdim=True) * torch.linspace(0.3, classes, 100)[:, None]
    exact = (x.norm(dim=1, keepdim=True) - edges).abs().min(1).values.numpy()
    found = minimal_perturbation(shells, x)
    np.testing.assert_allclose(found.radius, exact, rtol=EXACT, atol=1e-12)


def composite_parts(modules):
    """Weights of a ReLU network, neighbouring affine layers merged."""
    parts = []
    relu_between = True
    for module in modules:
        if isinstance(module, nn.ReLU):
            relu_between = True
            continue
        W, b = module.weight.numpy(), module.bias.numpy()
        if relu_between:
            parts.append((W, b))
        else:
            V, c = parts.pop()
            parts.append((W @ V, W @ c + b))
        relu_between = False
    return parts


def nothing_within(parts, x, label, radius):
    """Whether no delta with |delta|_2 <= radius makes another logit reach the label's.

    Big-M over the box |delta|_inf <= radius, the ball by tangent planes that are added where a
    solution leaves it. HiGHS's tolerance of 1e-6 is on the safe side.
    """
    W, b = parts[-1]
    return all(
        target == label
        or _target_is_out_of_reach(parts, x, W[target] - W[label], b[target] - b[label], radius)
        for target in range(len(b))
    )


def _target_is_out_of_reach(parts, x, slope, offset, radius):
    d = len(x)
    hidden = [len(b) for _, b in parts[:-1]]
    total = d + 2 * sum(hidden)  # delta, then for each unit its output and its switch
    rows, lo, hi = [], [], []
    lower, upper = np.full(total, 0.0), np.full(total, 1.0)
    lower[:d], upper[:d] = -radius, radius
    whole = np.zeros(total)
    inputs, base, start = slice(0, d), x, d
    box = (-np.full(d, radius), np.full(d, radius))
    for (W, b), n in zip(parts[:-1], hidden, strict=True):
        constant = W @ base + b
        centre, half = (box[0] + box[1]) / 2, (box[1] - box[0]) / 2
        least = constant + W @ centre - np.abs(W) @ half - 1e-9
        most = constant + W @ centre + np.abs(W) @ half + 1e-9
        for i in range(n):
            out, switch = start + i, start + n + i
            whole[switch] = 1
            lower[out], upper[out] = 0, max(most[i], 0)

            def row(out_at=out, switch_at=switch, i=i, inputs=inputs, W=W, switch_weight=0.0):
                line = np.zeros(total)
                line[inputs] = -W[i]
                line[out_at] = 1
                line[switch_at] = switch_weight
                return line

            if least[i] >= 0 or most[i] <= 0:
                lower[switch] = upper[switch] = float(least[i] >= 0)
            # out >= pre; out <= pre - least (1 - switch); out <= most switch
            rows.append(row())
            lo.append(constant[i])
            hi.append(np.inf)
            rows.append(row(switch_weight=-min(least[i], 0)))
            lo.append(-np.inf)
            hi.append(constant[i] - min(least[i], 0))
            line = np.zeros(total)
            line[out], line[switch] = 1, -max(most[i], 0)
            rows.append(line)
            lo.append(-np.inf)
            hi.append(0.0)
        inputs, base = slice(start, start + n), np.zeros(n)
        box = (np.maximum(least, 0), np.maximum(most, 0))
        start += 2 * n
    cost = np.zeros(total)
    cost[inputs] = -slope
    line = np.zeros(total)
    line[inputs] = slope
    rows.append(line)  # the target's logit reaches the label's, HiGHS's tolerance of 1e-6 allowed
    lo.append(-offset - 1e-6)
    hi.append(np.inf)
    # Planes around the ball to begin with; more are added where a solution leaves it.
    directions = np.random.default_rng(0).standard_normal((30 * d, d))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    for _ in range(60):
        around = np.hstack([directions, np.zeros((len(directions), total - d))])
        result = milp(
            cost,
            integrality=whole,
            bounds=Bounds(lower, upper),
            constraints=LinearConstraint(
                np.vstack([*rows, around]),
                [*lo, *[-np.inf] * len(directions)],
                [*hi, *[radius] * len(directions)],
            ),
        )
        if result.status == 2:  # infeasible
            return True
        assert result.success, result.message
        delta = result.x[:d]
        size = np.linalg.norm(delta)
        if size <= radius * (1 + 1e-6):
            return False
        directions = np.vstack([directions, delta / size])
    return False


@pytest.mark.parametrize(
    ("seed", "widths", "points"), [(5, (8, 32, 64, 24, 10), 1), (7, (6, 20, 40, 16, 5), 2)]
)
def test_small_composites_are_within_one_percent_of_the_exact_minimum(seed, widths, points):
    """At the points with the least radii: the integer program grows quickly with the radius."""
    g, f = network(seed, *widths[:3]), network(seed + 1, *widths[2:])
    z = normal(5, 30, widths[0])
    found = minimal_perturbation(nn.Sequential(g, f), z, restarts=3)
    parts = composite_parts([*g, *f])
    for i in np.argsort(found.radius)[: 3 * points : 3]:
        where = parts, z[i].numpy(), found.label[i]
        assert nothing_within(*where, 0.99 * found.radius[i])
        # The certificate could have failed: in a slightly larger ball there is something.
        assert not nothing_within(*where, 1.01 * found.radius[i])


@pytest.mark.parametrize("power", [-10, -3, 1, 4, 20])
def test_radii_scale_with_the_space(power):
    f = network(7, 6, 20, 5)
    x, c = normal(8, 20, 6), 2.0**power
    small = minimal_perturbation(f, x).radius
    large = minimal_perturbation(lambda y: f(y / c), x * c).radius
    # Powers of two scale floats without rounding, and no step has a length of its own.
    assert (large == small * c).all()


@pytest.mark.parametrize("restarts", [0, 1])
def test_results_do_not_depend_on_batches_or_order(restarts):
    f = network(7, 6, 20, 5)
    x = normal(9, 37, 6)
    order = torch.randperm(37, generator=torch.Generator().manual_seed(1))
    whole = minimal_perturbation(f, x, restarts=restarts, seed=3)
    pieces = minimal_perturbation(f, x, restarts=restarts, seed=3, batch=5)
    mixed = minimal_perturbation(f, x[order], restarts=restarts, seed=3, batch=8)
    assert (pieces.radius == whole.radius).all()
    assert (mixed.radius == whole.radius[order]).all()
    assert (mixed.point == whole.point[order]).all()
    assert (mixed.adversarial_label == whole.adversarial_label[order]).all()


def test_reported_points_are_verified_at_any_batch_size():
    f = network(7, 6, 20, 5)
    x = normal(10, 50, 6)
    found = minimal_perturbation(f, x)
    assert np.isfinite(found.radius).all()
    one_by_one = np.concatenate([decisions(f, p[None]) for p in found.point])
    assert (one_by_one == found.adversarial_label).all()
    assert (one_by_one != found.label).all()
    assert (decisions(f, x.numpy()) == found.label).all()
    distance = np.linalg.norm(found.point - x.numpy(), axis=1)
    assert (found.radius >= distance).all()
    np.testing.assert_allclose(found.radius, distance, rtol=1e-14)  # d + 4 roundings up


def test_restarts_never_do_harm():
    f, x = network(11, 5, 30, 30, 6), normal(12, 40, 5)
    once = minimal_perturbation(f, x).radius
    again = minimal_perturbation(f, x, restarts=3).radius
    assert (again <= once).all()


def test_a_box_is_respected_and_its_half_spaces_are_exact():
    w, b = np.array([1.0, 3.0, -2.0]), -2.5
    x = np.random.default_rng(0).uniform(size=(50, 3))
    found = minimal_perturbation(half_space(w, b), x, bounds=(0.0, 1.0))
    assert (found.point >= 0).all()
    assert (found.point <= 1).all()
    for i in range(len(x)):  # the nearest point is cut(x + t w): bisect for t
        sign = 1.0 if x[i] @ w + b < 0 else -1.0
        low, high = 0.0, 2.0
        for _ in range(100):
            t = (low + high) / 2
            beyond = sign * (np.clip(x[i] + sign * t * w, 0, 1) @ w + b) > 0
            low, high = (low, t) if beyond else (t, high)
        exact = np.linalg.norm(np.clip(x[i] + sign * high * w, 0, 1) - x[i])
        assert found.radius[i] == pytest.approx(exact, rel=1e-6, abs=1e-12)
        assert found.radius[i] >= exact * (1 - 1e-12)


def test_nothing_to_find_is_infinite():
    x = normal(0, 4, 3)
    never = {
        "one class": lambda y: y[:, :1],
        "constant": lambda y: y[:, :2] * 0,
        "steps without slope": lambda y: torch.stack([y[:, 0] * 0, y[:, 0].sign() * 0 - 1], 1),
        "approached, never reached": lambda y: torch.stack([y[:, 0] * 0, -y[:, 0].exp() - 1], 1),
    }
    for name, function in never.items():
        found = minimal_perturbation(function, x, restarts=1)
        assert np.isinf(found.radius).all(), name
        assert (found.point == x.numpy()).all(), name
        assert (found.adversarial_label == found.label).all(), name
    boxed = minimal_perturbation(half_space([1.0, 1.0], -3.0), [[0.5, 0.5]], bounds=(0, 1))
    assert np.isinf(boxed.radius).all()


def test_undefined_logits_are_no_decision():
    def undefined_beyond_one(y):
        value = y[:, 0]
        return torch.stack([torch.zeros_like(value), (1 - value).log() * 0 + value - 2], dim=1)

    found = minimal_perturbation(undefined_beyond_one, [[0.0]])
    assert np.isinf(found.radius).all()


def test_equal_logits_are_decided_by_the_least_index():
    tie = half_space([1.0], 0.0)
    found = minimal_perturbation(tie, [[0.0]])
    assert found.label[0] == 0
    assert found.adversarial_label[0] == 1
    assert 0 < found.radius[0] < 1e-8
    dead = nn.Sequential(nn.Linear(1, 2), nn.ReLU()).double()  # equal logits left of 0: class 0
    with torch.no_grad():
        dead[0].weight.copy_(torch.tensor([[0.0], [1.0]]))
        dead[0].bias.zero_()
    found = minimal_perturbation(dead, [[3.0]])
    assert found.label[0] == 1
    assert found.radius[0] == pytest.approx(3, rel=1e-6)


def test_shapes():
    images = torch.rand(3, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    found = minimal_perturbation(half_space(np.ones(4), -2.0), images)
    assert found.point.shape == (3, 1, 2, 2)
    assert found.radius.dtype == np.float64
    assert minimal_perturbation(half_space(np.ones(4), 0.0), np.zeros((0, 4))).radius.shape == (0,)


def test_progress_is_reported():
    seen = []
    minimal_perturbation(
        half_space([1.0], 0.0), np.ones((5, 1)), batch=2, progress=lambda f, w: seen.append((f, w))
    )
    assert [f for f, _ in seen] == [0.4, 0.8, 1.0]
    assert seen[-1][1] == "5 of 5 points attacked"


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"x": [1.0]}, "x must be finite"),
        ({"x": [[math.nan]]}, "x must be finite"),
        ({"x": [[math.inf]]}, "x must be finite"),
        ({"bounds": (0.0, 0.5)}, "x must lie within the bounds"),
        ({"steps": -1}, "steps must be at least 0"),
        ({"restarts": -1}, "restarts must be at least 0"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"batch": 0}, "batch must be at least 1"),
        ({"function": lambda x: x.float()}, "float64 logits"),
        ({"function": lambda x: x[:, 0]}, "float64 logits"),
        ({"function": lambda x: x[:0]}, "float64 logits"),
        ({"function": lambda x: x / 0}, "finite logits"),
    ],
)
def test_wrong_arguments_are_named(changes, rule):
    arguments = {"function": half_space([1.0], 0.0), "x": [[1.0]]} | changes
    with pytest.raises(ValueError, match=rule):
        minimal_perturbation(**arguments)
