"""All checks of one classifier in one ball: is its robust accuracy to be believed?"""

from __future__ import annotations

import copy
import numbers
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from empirical.attack_checks import (
    black_box_check,
    budget_check,
    loss_check,
    one_step_check,
    one_step_robustness_check,
    optimisation_check,
    restarts_check,
    sampling_check,
    silent_check,
    steps_check,
    transfer_check,
    unbounded_check,
    worst_case_check,
)
from empirical.attacks.adaptive import apgd
from empirical.attacks.arguments import check_precision
from empirical.attacks.losses import loss_values
from empirical.attacks.projections import Box
from empirical.attacks.square import square_attack
from empirical.attacks.steps import Attacked, fgsm, pgd, random_point
from empirical.checks import Check, not_applicable, read_images, read_labels
from empirical.model_checks import (
    accuracy_check,
    batch_check,
    box_check,
    classes_check,
    constant_check,
    finite_check,
    inference_check,
    logits_check,
    mode_check,
    nearby_check,
    repeat_check,
    slope_check,
)
from empirical.strength_checks import double_check, inside_check, planted_check
from empirical.traces import Trace, trace

Progress = Callable[[float, str], None]

_SHARES = (0.25, 0.5, 1.0, 2.0)  # of eps: the balls in which more and more must be fooled
_ALLOWANCE = 0.1  # by which one run of PGD may miss what all attacks together find
_PLANTED = 10  # images on which examples are planted
_TRACED = 10  # images that are attacked one by one, with notes


def model_checks(
    network: nn.Module, images: np.ndarray, labels: np.ndarray, *, box: Box = (0.0, 1.0)
) -> tuple[Check, ...]:
    """Return what can be said without an attack: mode, inputs, logits, slopes, labels.

    Where inputs, logits or labels are not what an attack can use, only these three are returned.

    Parameters
    ----------
    network : Module
        On the CPU, in the mode in which it is used; not changed.
    images, labels : ndarray
        Shapes (m, c, h, w), m >= 2, and (m,).
    box : pair of float
        Ends of the pixels' values.

    Raises
    ------
    ValueError
        Images or labels that are not numbers of these shapes, a box that is empty, or a network
        that does not return logits (m, K), or whose weights are of a type that numpy lacks.
    """
    images, labels = _read(network, images, labels)
    boxed, finite = box_check(images, box), finite_check(network, images)
    classes = classes_check(network, images, labels)
    first = (boxed, finite, classes)
    if any(check.verdict == "fail" for check in first):
        return first
    return (
        *first,
        mode_check(network),
        logits_check(network, images),
        repeat_check(network, images),
        batch_check(network, images),
        slope_check(network, images, labels, "margin"),
        slope_check(network, images, labels, "cross-entropy"),
        inference_check(network, images),
        constant_check(network, images),
        accuracy_check(network, images, labels),
    )


def masking_checks(
    network: nn.Module,
    images: np.ndarray,
    labels: np.ndarray,
    eps: float,
    norm: str = "linf",
    *,
    surrogate: nn.Module | None = None,
    features: nn.Module | None = None,
    steps: int = 40,
    queries: int = 300,
    samples: int = 50,
    seed: int = 0,
    box: Box = (0.0, 1.0),
    progress: Progress | None = None,
) -> tuple[Check, ...]:
    """Return `model_checks` and, where these leave something to attack, those of attacks.

    The attack under scrutiny is PGD on the cross-entropy, as in most evaluations.

    Parameters
    ----------
    network : Module
        On the CPU, in the mode in which it is used; not changed. Attacked in evaluation mode.
    images, labels : ndarray
        Shapes (m, c, h, w), m >= 2, and (m,). Some fifty images are needed for the sign tests to
        see anything; five that only the weaker attack fools are the least that fail.
    eps : float
        Positive radius.
    norm : {"linf", "l2"}
        Of the ball.
    surrogate : Module, optional
        Another classifier, whose adversarial examples are tried.
    features : Module, optional
        The network without its last layer, for planted examples; by default its logits.
    steps, queries, samples : int
        Of PGD; of Square; random points per image.
    seed : int
        Of everything random.
    box : pair of float
        Ends of the pixels' values.
    progress : callable, optional
        Called with the fraction done and words.

    Raises
    ------
    ValueError
        Arguments outside these ranges.
    """
    _check_eps(eps)
    if samples < 1:
        raise ValueError(f"samples must be at least 1, got {samples}")
    if norm not in ("linf", "l2"):
        raise ValueError(f"norm must be 'linf' or 'l2', got {norm!r}")
    say = progress or (lambda fraction, words: None)
    checks = list(model_checks(network, images, labels, box=box))
    if len(checks) == 3:
        return tuple(checks)
    images, labels = _read(network, images, labels)
    checks.append(nearby_check(network, images, eps, norm, seed=seed, box=box))
    if not _has_slope(network, images, labels):
        return tuple(checks)
    f = copy.deepcopy(network).eval()
    say(0.1, "one step and many")
    one = fgsm(f, images, labels, eps, norm, box=box).fooled

    def white(radius: float, count: int = steps, restarts: int = 1) -> np.ndarray:
        return pgd(
            f, images, labels, radius, norm, steps=count, restarts=restarts, seed=seed, box=box
        ).fooled

    def again(g: nn.Module, x: np.ndarray, y: np.ndarray) -> Attacked:
        return pgd(g, x, y, eps, norm, steps=steps, seed=seed, box=box)

    many = again(f, images, labels)
    say(0.3, "more steps, restarts and balls")
    longer, several = white(eps, 3 * steps), white(eps, restarts=3)
    curve = [many.fooled if share == 1 else white(share * eps) for share in _SHARES]
    pixels = float(np.prod(images.shape[1:]))
    whole = (box[1] - box[0]) * (pixels**0.5 if norm == "l2" else 1.0)
    say(0.6, "without gradients, other losses")
    free = square_attack(f, images, labels, eps, norm, queries=queries, seed=seed, box=box).fooled
    sampled = _sampled(f, images, labels, eps, norm, samples, seed, box)
    checks += [
        one_step_check(one, many.fooled),
        one_step_robustness_check(one, many.fooled),
        black_box_check(many.fooled, free),
        sampling_check(many.fooled, sampled),
        unbounded_check(white(whole)),
        budget_check(np.array(_SHARES) * eps, np.stack(curve)),
        steps_check(many.fooled, longer),
        restarts_check(many.fooled, several),
    ]
    tried = [one, many.fooled, longer, several, free, sampled]
    if any(check.name == "number of classes" and check.verdict == "pass" for check in checks):
        usual, other = (
            apgd(f, images, labels, eps, norm, loss=loss, steps=steps, seed=seed, box=box).fooled
            for loss in ("cross-entropy", "dlr")
        )
        checks.append(loss_check(usual, other))
        tried += [usual, other]
    if surrogate is None:
        checks.append(not_applicable("examples of another model", "no other model was given"))
    else:
        other_model = copy.deepcopy(surrogate).eval()
        if classes_check(other_model, images, labels).verdict == "fail":
            raise ValueError("surrogate must have a logit for each of the labels")
        made = again(other_model, images, labels).images
        transferred = _wrong(f, made, labels)
        checks.append(transfer_check(many.fooled, transferred))
        tried.append(transferred)
    checks += [
        worst_case_check(float((~many.fooled).mean()), np.stack(tried), allowance=_ALLOWANCE),
        inside_check(images, many.images, eps, norm, box),
        double_check(f, many, labels),
    ]
    say(0.8, "on the way, and planted examples")
    way = trace(f, images[:_TRACED], labels[:_TRACED], again)
    checks += [silent_check(way.on_the_way, way.returned), _at_rest(way)]
    checks.append(
        planted_check(
            f if features is None else features,
            images[:_PLANTED],
            again,
            eps,
            norm,
            seed=seed,
            box=box,
        )
    )
    return tuple(checks)


def _check_eps(eps: Any) -> None:
    if not isinstance(eps, numbers.Real) or not 0 < float(eps) < float("inf"):
        raise ValueError(f"eps must be a positive finite number, got {eps!r}")


def _read(
    network: nn.Module, images: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    x = read_images(images)
    if x.ndim != 4:
        raise ValueError(f"images must have shape (m, c, h, w), got {x.shape}")
    check_precision(network)
    return x, read_labels(labels, len(x))


def _at_rest(way: Trace) -> Check:
    """Of the images that were not fooled: the others' attacks had no reason to go on."""
    left, name = way.margins[:, ~way.on_the_way], "loss has come to rest"
    if left.shape[1] == 0:
        return not_applicable(name, "everything that was looked at is fooled")
    if len(left) < 10 or not np.isfinite(left).all():
        return not_applicable(name, "needs ten steps and finite margins")
    return optimisation_check(left)


def _has_slope(network: nn.Module, images: np.ndarray, labels: np.ndarray) -> bool:
    """Whether attacks with gradients run at all, be it in vain."""
    check = slope_check(network, images, labels)
    return not check.meaning.startswith("no slope at all")


def _sampled(
    f: nn.Module,
    images: np.ndarray,
    labels: np.ndarray,
    eps: float,
    norm: str,
    samples: int,
    seed: int,
    box: Box,
) -> np.ndarray:
    draws = torch.Generator().manual_seed(seed)
    fooled = _wrong(f, images, labels)
    x = torch.from_numpy(images)
    for _ in range(samples):
        fooled |= _wrong(f, random_point(x, eps, norm, draws, box).numpy(), labels)
    return fooled


def _wrong(f: nn.Module, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    dtype = next((p.dtype for p in f.parameters()), torch.float32)
    with torch.no_grad():
        logits = f(torch.from_numpy(images).to(dtype))
    margin = loss_values(logits, torch.from_numpy(labels.astype(np.int64)), "margin")
    return (margin > 0).numpy()
