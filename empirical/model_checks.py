"""What must be right about a classifier and its inputs before an attack on it says anything.

The classifier is looked at as it is, in the mode that it is in; a copy is run.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import nn

from empirical.attacks.losses import loss_values
from empirical.attacks.projections import Box
from empirical.attacks.steps import random_point
from empirical.checks import Check, judged, not_applicable, read_images, read_labels

CONSTANT = 0.99  # share of images with one label from which on a classifier is constant
FLAT = 0.05  # share of images without a slope that is put up with
_NOISE = nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd
_NEAR = 1e-3  # relative difference of logits that rounding does not explain


def box_check(images: np.ndarray, box: Box = (0.0, 1.0)) -> Check:
    """Fail where images have pixels outside the box, or NaN; the number is their share."""
    if not box[0] < box[1]:
        raise ValueError(f"box must be a pair (low, high) with low < high, got {box}")
    x = read_images(images)
    inside = ((x >= box[0]) & (x <= box[1])).reshape(len(x), -1).all(1)
    share = float(1 - inside.mean())
    return judged("inputs in the box", share > 0, share, f"share of images outside {box}")


def mode_check(network: nn.Module) -> Check:
    """Fail where a batch normalisation or dropout layer is in training mode.

    Source: carlini2019, section 3; pintor2022, section 3.
    """
    layers = [part for part in network.modules() if isinstance(part, _NOISE)]
    name = "evaluation mode"
    if not layers:
        return not_applicable(name, "no batch normalisation and no dropout")
    on = [part for part in layers if part.training]
    kinds = ", ".join(sorted({type(part).__name__ for part in on})) or "none"
    return judged(name, bool(on), len(on), f"layers in training mode: {kinds}")


def finite_check(network: nn.Module, images: np.ndarray) -> Check:
    """Fail where logits are NaN or infinite; the number is the share of images with such."""
    bad = 1 - float(torch.isfinite(_logits(network, images)).all(1).double().mean())
    return judged("finite logits", bad > 0, bad, "share of images with NaN or infinite logits")


def nearby_check(
    network: nn.Module,
    images: np.ndarray,
    eps: float,
    norm: str = "linf",
    *,
    seed: int = 0,
    box: Box = (0.0, 1.0),
) -> Check:
    """Fail where logits are NaN or infinite at random points of the balls, one for each image.

    An attack takes such a point for one that is classified rightly.
    """
    draws = torch.Generator().manual_seed(seed)
    x = random_point(_tensor(network, images), eps, norm, draws, box)
    bad = 1 - float(torch.isfinite(_logits(network, x)).all(1).double().mean())
    meaning = "share of images with NaN or infinite logits at a random point of the ball"
    return judged("finite logits in the ball", bad > 0, bad, meaning)


def logits_check(network: nn.Module, images: np.ndarray) -> Check:
    """Fail where the outputs look like probabilities: a second softmax flattens the loss.

    Source: carlini2019, section 4; croce2020, checks of the published code.
    """
    z = _logits(network, images)
    likely = (z >= 0).all(1) & ((z.sum(1) - 1).abs() < 1e-4)
    share = float(likely.double().mean())
    meaning = "share of outputs that are nonnegative and sum to 1"
    return judged("logits, not probabilities", share > 0.5, share, meaning)


def repeat_check(network: nn.Module, images: np.ndarray) -> Check:
    """Fail where two runs on the same images differ: then attacks must average (EOT).

    Source: croce2020, checks of the published code; pintor2022, "unstable predictions".
    """
    running = copy.deepcopy(network)
    one, two = _run(running, images), _run(running, images)
    size = _difference(one, two)
    return judged("no randomness", size > _NEAR, size, "largest relative change between two runs")


def batch_check(network: nn.Module, images: np.ndarray) -> Check:
    """Fail where an image's logits depend on the other images of its batch."""
    name = "images judged alone"
    if len(images) < 2:
        return not_applicable(name, "needs two images")
    some = images[:8]
    try:
        alone = torch.cat([_logits(network, some[k : k + 1]) for k in range(len(some))])
    except ValueError as error:  # batch normalisation of one value, in training mode
        return judged(name, True, float("inf"), f"a single image cannot be run: {error}")
    size = _difference(_logits(network, some), alone)
    return judged(name, size > _NEAR, size, "largest relative change of logits with the batch")


def slope_check(
    network: nn.Module, images: np.ndarray, labels: np.ndarray, loss: str = "margin"
) -> Check:
    """Fail where a loss has no usable slope at more than `FLAT` of the images.

    With the margin, the classifier itself hides its slope; with the cross-entropy, it may be that
    it is only so sure of itself that the loss rounds to 0: then attack the margin or DLR.

    Parameters
    ----------
    network, images, labels
        As for an attack.
    loss : {"margin", "cross-entropy"}
        Whose slope.

    Source: athalye2018, section 3.1; pintor2022, "unavailable gradients".
    """
    name = f"slope of the {loss}"
    running = copy.deepcopy(network)
    x = _tensor(running, images).requires_grad_()
    y = torch.from_numpy(read_labels(labels, len(x)))
    K = _logits(network, images).shape[1]
    if not (y.min() >= 0 and y.max() < K):
        raise ValueError(f"labels must lie in 0..{K - 1}, got {int(y.min())}..{int(y.max())}")
    try:
        (slope,) = torch.autograd.grad(loss_values(running(x), y, loss).sum(), x)
    except RuntimeError as error:
        return judged(name, True, 1.0, f"no slope at all: {str(error).splitlines()[0]}")
    flat = slope.flatten(1)
    useful = torch.isfinite(flat).all(1) & (flat != 0).any(1)
    share = 1 - float(useful.double().mean())
    return judged(name, share > FLAT, share, "share of images where it is 0 or not finite")


def inference_check(network: nn.Module, images: np.ndarray) -> Check:
    """Fail where a run changes the network's state, or differentiates: it adapts to the attack.

    The number counts changed tensors; it is infinite where the network cannot run without
    gradients.

    Source: croce2020, checks of the published code.
    """
    running = copy.deepcopy(network)
    before = {key: value.clone() for key, value in running.state_dict().items()}
    name = "no optimisation at inference"
    try:
        with torch.inference_mode():
            running(_tensor(running, images))
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        return judged(name, True, float("inf"), f"does not run without gradients: {reason}")
    after = running.state_dict()
    changed = sum(not torch.equal(before[key], after[key]) for key in before)
    return judged(name, changed > 0, changed, "parameters and buffers that one run changed")


def classes_check(network: nn.Module, images: np.ndarray, labels: np.ndarray) -> Check:
    """Fail where labels exceed the logits; not applicable below the three that DLR needs."""
    logits = _logits(network, images)
    K, y = logits.shape[1], read_labels(labels, len(logits))
    name = "number of classes"
    if not (y.min() >= 0 and y.max() < K):
        return judged(name, True, K, f"logits; labels go from {y.min()} to {y.max()}")
    if K < 3:
        return not_applicable(name, f"the DLR loss needs 3 classes, there are {K}")
    return judged(name, False, K, "logits, enough for the DLR loss and for targets")


def constant_check(network: nn.Module, images: np.ndarray) -> Check:
    """Fail where nearly all images get one label: robust to everything, and worthless."""
    counts = np.bincount(_logits(network, images).argmax(1).numpy())
    share = counts.max() / counts.sum()
    meaning = f"share of images that are called {counts.argmax()}"
    return judged("not constant", share >= CONSTANT, share, meaning)


def accuracy_check(network: nn.Module, images: np.ndarray, labels: np.ndarray) -> Check:
    """Fail where unchanged images are classified no better than by the commonest label.

    Source: carlini2019, section 3.
    """
    decided = _logits(network, images).argmax(1).numpy()
    y = read_labels(labels, len(decided))
    right = float((decided == y).mean())
    common = float(np.unique(y, return_counts=True)[1].max() / len(y))
    meaning = f"accuracy on unchanged images; the commonest label alone has {common:.3g}"
    return judged("accuracy without an attack", right <= common, right, meaning)


def _logits(network: nn.Module, images: np.ndarray | torch.Tensor) -> torch.Tensor:
    """Of a copy: batch normalisation in training mode would change the original."""
    return _run(copy.deepcopy(network), images)


def _run(network: nn.Module, images: np.ndarray | torch.Tensor) -> torch.Tensor:
    x = images if isinstance(images, torch.Tensor) else _tensor(network, images)
    with torch.no_grad():
        logits = network(x)
    if not isinstance(logits, torch.Tensor):
        raise ValueError(f"network must return one tensor of logits, got {type(logits).__name__}")
    if logits.ndim != 2 or len(logits) != len(x):
        raise ValueError(
            f"network must take images to logits (m, K), got {tuple(logits.shape)} "
            f"for {len(x)} images"
        )
    return logits.double()


def _tensor(network: nn.Module, images: np.ndarray) -> torch.Tensor:
    dtype = next((p.dtype for p in network.parameters()), torch.float32)
    return torch.tensor(read_images(images), dtype=dtype)


def _difference(one: torch.Tensor, two: torch.Tensor) -> float:
    finite = torch.isfinite(one) & torch.isfinite(two)
    size = float(one[finite].abs().max()) if bool(finite.any()) else 0.0
    gap = float((one[finite] - two[finite]).abs().max()) if bool(finite.any()) else 0.0
    return gap / size if size > 0 else gap
