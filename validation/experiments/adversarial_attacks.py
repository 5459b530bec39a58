"""The attacks of the tables of adversarial training, by name, and what networks keep of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import nn

# Steps, step as a share of eps, restarts, loss.
PGD: Mapping[str, tuple[int, float, int, str]] = {
    "PGD-40": (40, 1 / 30, 1, "cross-entropy"),
    "PGD-100, once": (100, 1 / 30, 1, "cross-entropy"),
    "PGD-100": (100, 1 / 30, 3, "cross-entropy"),
    "PGD-100, margin": (100, 1 / 30, 3, "margin"),
    "PGD-40, long steps": (40, 1 / 3, 3, "margin"),
    "margin": (20, 0.1, 2, "margin"),
}
APGD: Mapping[str, str] = {"APGD, cross-entropy": "cross-entropy", "APGD, DLR": "dlr"}
ADAPTIVE_STEPS = 100
QUERIES = 500  # of Square
# Ten runs that look from different starts, with different losses and steps.
TEN = ("PGD-40", "PGD-100", "PGD-100, margin", "PGD-40, long steps")
# Steps that nobody has to choose, a loss that scale cannot hide, and no gradient at all.
AUTOMATIC = ("APGD, cross-entropy", "APGD, DLR", "Square")
WORST_OF_TEN = "worst of ten"
WORST_AUTOMATIC = "worst of APGD and Square"
WORST = "worst of all"
# Gradients that cost an image as much as each attack, where it is never fooled.
GRADIENTS = {
    **{name: steps * restarts for name, (steps, _, restarts, _) in PGD.items()},
    **dict.fromkeys(APGD, 1.1 * ADAPTIVE_STEPS),
    "Square": 0.3 * QUERIES,
}


def kept_under(
    network: nn.Module,
    x: np.ndarray,
    y: np.ndarray,
    eps: float,
    attacks: Iterable[str],
    *,
    seed: int,
    device: str,
    progress: Callable[[str], None] = lambda name: None,
) -> dict[str, np.ndarray]:
    """Which images keep their right label: as they are, under FGSM, under each attack, in linf.

    "worst of ten" stands behind the ten runs of `TEN` and "worst of APGD and Square" behind the
    attacks of `AUTOMATIC`, where all of them are asked for, and "worst of all" at the end: those
    that are kept under everything before.
    """
    from empirical.attacks.steps import fgsm

    kept = {"clean": ~fgsm(network, x, y, 0.0, device=device).fooled}
    kept["FGSM"] = ~fgsm(network, x, y, eps, device=device).fooled
    for name in attacks:
        progress(name)
        kept[name] = ~fooled_by(name, network, x, y, eps, seed=seed, device=device)
        for title, members in ((WORST_OF_TEN, TEN), (WORST_AUTOMATIC, AUTOMATIC)):
            if name == members[-1] and kept.keys() >= set(members):
                kept[title] = np.logical_and.reduce([kept[member] for member in members])
    kept[WORST] = np.logical_and.reduce(list(kept.values()))
    return kept


def fooled_by(
    name: str,
    network: nn.Module,
    x: np.ndarray,
    y: np.ndarray,
    eps: float,
    *,
    seed: int,
    device: str,
) -> np.ndarray:
    """Which images the attack of that name makes wrong; those that are wrong by themselves too."""
    from empirical.attacks.adaptive import apgd
    from empirical.attacks.square import square_attack
    from empirical.attacks.steps import pgd

    same: dict[str, Any] = {"seed": seed, "device": device}
    if name == "Square":
        return square_attack(network, x, y, eps, queries=QUERIES, **same).fooled
    if name in APGD:
        return apgd(network, x, y, eps, loss=APGD[name], steps=ADAPTIVE_STEPS, **same).fooled
    steps, share, restarts, loss = PGD[name]
    return pgd(
        network, x, y, eps, steps=steps, step=share * eps, restarts=restarts, loss=loss, **same
    ).fooled
