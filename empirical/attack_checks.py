"""Whether the results of several attacks on the same images fit together.

Every function takes truth values, one for each image: whether the attack fooled the classifier
there, images that are wrong by themselves included.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import ArrayLike

from empirical.checks import (
    LEVEL,
    Check,
    judged,
    never_beaten,
    not_applicable,
    read_fooled,
    sign_test,
)

KINDS = ("gradient", "gradient-free", "transfer", "targeted", "untargeted")
SETTINGS = ("eps", "norm", "steps", "step", "restarts", "loss")
GAIN = 0.02  # share of images that more effort may still fool
_RISE = 0.05  # share of the whole rise of a loss that its last tenth may still bring


def one_step_check(one_step: ArrayLike, iterative: ArrayLike) -> Check:
    """Fail where one step fools more than many. Source: athalye2018, section 3.1."""
    meaning = "share that one step fools beyond many steps; positive: the steps are lost"
    return never_beaten("one step against many", iterative, one_step, meaning)


def one_step_robustness_check(one_step: ArrayLike, iterative: ArrayLike) -> Check:
    """Fail where less than half of the accuracy under one step is left under many.

    So it is with single-step training that has failed: accuracy under one step is then worthless.
    The number is the share that is left.

    Source: wong2020, section 5.4.
    """
    one, many = read_fooled(one_step, "one_step"), read_fooled(iterative, "iterative")
    name = "accuracy under one step"
    if one.all():
        return not_applicable(name, "one step fools everything")
    left = float((~many).sum() / (~one).sum())
    meaning = f"share left under many steps of the accuracy {1 - one.mean():.3g} under one step"
    return judged(name, left < 0.5, left, meaning)


def black_box_check(white_box: ArrayLike, black_box: ArrayLike) -> Check:
    """Fail where an attack without gradients fools more than one with them.

    Source: athalye2018, section 3.1; croce2020, checks of the published code.
    """
    meaning = "share that an attack without gradients fools beyond one with them"
    return never_beaten("without gradients", white_box, black_box, meaning)


def transfer_check(white_box: ArrayLike, transferred: ArrayLike) -> Check:
    """Fail where examples made for another model fool more. Source: pintor2022, section 3."""
    meaning = "share that examples for another model fool beyond an attack on this one"
    return never_beaten("examples of another model", white_box, transferred, meaning)


def sampling_check(white_box: ArrayLike, sampled: ArrayLike) -> Check:
    """Fail where random points of the ball fool what gradients do not.

    Source: athalye2018, section 3.1.
    """
    meaning = "share that random points of the ball fool beyond an attack with gradients"
    return never_beaten("random points", white_box, sampled, meaning)


def loss_check(usual: ArrayLike, other: ArrayLike) -> Check:
    """Fail where the same attack on a loss that no scaling changes fools more.

    Source: croce2020, section 4.
    """
    meaning = "share that the DLR loss fools beyond the cross-entropy; positive: scaled logits"
    return never_beaten("loss that ignores scale", usual, other, meaning)


def unbounded_check(fooled: ArrayLike) -> Check:
    """Fail where an attack that may go anywhere in the box does not fool everything.

    Source: athalye2018, section 3.1; pintor2022, "unconstrained attack failure".
    """
    left = float((~read_fooled(fooled, "fooled")).mean())
    meaning = "share not fooled although the whole box is allowed"
    return judged("unbounded attack", left > 0, left, meaning)


def budget_check(eps: ArrayLike, fooled: ArrayLike) -> Check:
    """Fail where a larger ball lets the attack fool significantly fewer images.

    Parameters
    ----------
    eps : array_like
        Shape (k,), strictly increasing, k >= 2.
    fooled : array_like
        Shape (k, m), the same images in each row. The number is the largest fall of their share.

    Source: athalye2018, section 3.1; carlini2019, section 5.
    """
    radii, rows = np.asarray(eps, dtype=float), np.asarray(fooled)
    if radii.ndim != 1 or len(radii) < 2 or not (np.diff(radii) > 0).all():
        raise ValueError(f"eps must hold two or more increasing radii, got {eps!r}")
    if rows.ndim != 2 or len(rows) != len(radii):
        raise ValueError(f"fooled must have shape ({len(radii)}, m), got {rows.shape}")
    flags = [read_fooled(row, "fooled") for row in rows]
    falls, worst = [], 0.0
    for small, large in itertools.pairwise(flags):
        lost, won = int((small & ~large).sum()), int((large & ~small).sum())
        # One test for each pair, all at LEVEL together.
        falls.append(sign_test(lost, won) <= LEVEL / (len(radii) - 1))
        worst = max(worst, (lost - won) / rows.shape[1])
    return judged("more in larger balls", any(falls), worst, "largest fall of the share fooled")


def steps_check(fewer: ArrayLike, more: ArrayLike) -> Check:
    """Fail where more steps fool significantly more than a share of `GAIN` in addition.

    Source: carlini2019, section 5.
    """
    return _gain("enough steps", fewer, more, "share that more steps fool in addition")


def restarts_check(one: ArrayLike, several: ArrayLike) -> Check:
    """Fail where restarts fool significantly more than a share of `GAIN` in addition.

    Source: carlini2019, section 5.
    """
    return _gain("enough restarts", one, several, "share that more restarts fool in addition")


def optimisation_check(losses: ArrayLike) -> Check:
    """Fail where the loss still rises at the end of an attack.

    Parameters
    ----------
    losses : array_like
        Shape (steps, m), best so far, at least ten steps. The number is the part of the whole
        rise that came in the last tenth, summed over images.

    Source: pintor2022, "incomplete optimization".
    """
    rows = np.asarray(losses, dtype=float)
    if rows.ndim != 2 or len(rows) < 10 or not np.isfinite(rows).all():
        raise ValueError(f"losses must be finite, of shape (10 or more, m), got {rows.shape}")
    best = np.maximum.accumulate(rows, axis=0)
    whole = float((best[-1] - best[0]).sum())
    name = "loss has come to rest"
    if whole == 0:
        return judged(name, True, 0.0, "the loss never rose")
    late = float((best[-1] - best[-1 - len(rows) // 10]).sum()) / whole
    return judged(name, late > _RISE, late, "part of the rise that came in the last tenth")


def silent_check(on_the_way: ArrayLike, returned: ArrayLike) -> Check:
    """Fail where an attack passed through examples that it does not return.

    Source: pintor2022, "silent success".
    """
    seen, kept = read_fooled(on_the_way, "on_the_way"), read_fooled(returned, "returned")
    lost = float((seen & ~kept).mean())
    return judged(
        "nothing found is lost", lost > 0, lost, "share fooled on the way, not at the end"
    )


def undefended_check(fooled: ArrayLike, least: float = 0.95) -> Check:
    """Fail where the attack does not work on a model without any defence, in a ball that is large
    enough. Source: carlini2019, section 4.
    """
    share = float(read_fooled(fooled, "fooled").mean())
    meaning = f"share of images of an undefended model that are fooled; {least:g} is expected"
    return judged("works on an undefended model", share < least, share, meaning)


def worst_case_check(reported: float, fooled: ArrayLike, *, allowance: float = 0.0) -> Check:
    """Fail where a reported robust accuracy exceeds that under the best attack on each image.

    Parameters
    ----------
    reported : float
        Robust accuracy, in [0, 1].
    fooled : array_like
        Shape (attacks, m). The number is the excess.
    allowance : float
        How large it may be.

    Source: carlini2019, section 4, "per-example worst case".
    """
    if not 0 <= reported <= 1:
        raise ValueError(f"reported must lie in [0, 1], got {reported!r}")
    rows = [read_fooled(row, "fooled") for row in np.atleast_2d(np.asarray(fooled))]
    left = float((~np.any(rows, axis=0)).mean())
    meaning = f"reported accuracy beyond {left:.4g}, what the best attack on each image leaves"
    return judged(
        "worst case of each image", reported > left + allowance + 1e-12, reported - left, meaning
    )


def variety_check(kinds: Iterable[str]) -> Check:
    """Fail where one of the kinds of attack was not tried: the names in `KINDS`.

    Source: carlini2019, section 4.
    """
    tried = set(kinds)
    unknown = tried - set(KINDS)
    if unknown:
        raise ValueError(f"kinds must be of {KINDS}, got {sorted(unknown)}")
    missing = [kind for kind in KINDS if kind not in tried]
    meaning = f"kinds not tried: {', '.join(missing) or 'none'}"
    return judged("variety of attacks", bool(missing), len(missing), meaning)


def settings_check(settings: Mapping[str, object]) -> Check:
    """Fail where a setting in `SETTINGS` is not reported. Source: carlini2019, section 4."""
    missing = [name for name in SETTINGS if settings.get(name) is None]
    meaning = f"settings not reported: {', '.join(missing) or 'none'}"
    return judged("settings reported", bool(missing), len(missing), meaning)


def _gain(name: str, less: ArrayLike, more: ArrayLike, meaning: str) -> Check:
    a, b = read_fooled(less, "less"), read_fooled(more, "more")
    if a.shape != b.shape:
        raise ValueError(f"both attacks must be run on the same images, got {len(a)} and {len(b)}")
    further = int(b.sum()) - int(a.sum())
    return judged(name, _at_least(further, len(a), GAIN) <= LEVEL, further / len(a), meaning)


def _at_least(k: int, n: int, p: float) -> float:
    """P(Bin(n, p) >= k)."""
    return 1 - math.fsum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k))
