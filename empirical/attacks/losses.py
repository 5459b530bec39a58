"""What an attack within a ball makes rise, and when it has won.

Cross-entropy vanishes, in floating point, where logits are large; a difference of logits over a
spread of logits (DLR) is the same for logits that are shifted or multiplied by a positive number.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional


@dataclass(frozen=True, eq=False)
class Goal:
    """What is wanted of each image.

    Parameters
    ----------
    labels : Tensor
        Shape (m,): the right classes.
    targets : Tensor, optional
        Shape (m,): the classes that the losses rise towards; without them, away from the label.
    wanted : bool
        Whether only the target's logit above all others is a success. Otherwise the targets only
        guide, and any wrong logit above the label's is one.
    """

    labels: torch.Tensor
    targets: torch.Tensor | None = None
    wanted: bool = True

    def at(self, rows: torch.Tensor) -> Goal:
        """The goal of some of the images."""
        targets = None if self.targets is None else self.targets[rows]
        return Goal(self.labels[rows], targets, self.wanted)

    def values(self, logits: torch.Tensor, loss: str) -> torch.Tensor:
        """Loss of each image, shape (m,): greater is nearer to success."""
        if loss == "targeted dlr":
            if self.targets is None:
                raise ValueError("loss 'targeted dlr' must have targets, got none")
            return targeted_dlr_loss(logits, self.labels, self.targets)
        if loss == "dlr":
            return dlr_loss(logits, self.labels)
        if self.targets is None:
            return loss_values(logits, self.labels, loss)
        return -loss_values(logits, self.targets, loss)

    def reached(self, logits: torch.Tensor) -> torch.Tensor:
        """Whether each is a success, shape (m,); a tie is none, whatever argmax makes of it."""
        if self.targets is None or not self.wanted:
            return loss_values(logits, self.labels, "margin") > 0
        return loss_values(logits, self.targets, "margin") < 0


def rising(
    network: nn.Module, z: torch.Tensor, goal: Goal, loss: str
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the loss of each image, its slope there, and whether the goal is reached."""
    z = z.detach().requires_grad_()
    logits = network(z)
    value = goal.values(logits, loss)
    (slope,) = torch.autograd.grad(value.sum(), z)
    return value.detach(), slope, goal.reached(logits.detach())


def loss_values(logits: torch.Tensor, y: torch.Tensor, loss: str) -> torch.Tensor:
    """Loss of each image, shape (m,); the margin is the greatest wrong logit less the right one."""
    if loss == "cross-entropy":
        return functional.cross_entropy(logits, y, reduction="none")
    own = logits.gather(1, y[:, None])
    return logits.scatter(1, y[:, None], -torch.inf).amax(1) - own.squeeze(1)


def dlr_loss(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return ``-(z_y - max_{i != y} z_i) / (z_(1) - z_(3))``, shape (m,); positive where wrong.

    ``z_(k)`` are the logits in falling order. It is at most 1 in absolute value where the label
    is among the first three, and does not change when logits are shifted or scaled. Where the
    first three logits are equal it is 0.

    Raises
    ------
    ValueError
        Fewer than three classes.

    Source: croce2020, eq. (6).
    """
    if logits.shape[1] < 3:
        raise ValueError(f"the DLR loss needs at least 3 classes, got {logits.shape[1]}")
    first = logits.topk(3, dim=1).values
    spread = first[:, 0] - first[:, 2]
    return loss_values(logits, y, "margin") / spread.clamp(min=torch.finfo(logits.dtype).tiny)


def targeted_dlr_loss(logits: torch.Tensor, y: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return ``-(z_y - z_t) / (z_(1) - (z_(3) + z_(4)) / 2)``, shape (m,), t the target: positive
    where it is ahead of the label.

    ``z_(k)`` are the logits in falling order. It does not change when logits are shifted or scaled.
    Where the first four logits are equal it is 0.

    Raises
    ------
    ValueError
        Fewer than four classes.

    Source: croce2020, eq. (7).
    """
    if logits.shape[1] < 4:
        raise ValueError(f"the targeted DLR loss needs at least 4 classes, got {logits.shape[1]}")
    first = logits.topk(4, dim=1).values
    spread = first[:, 0] - (first[:, 2] + first[:, 3]) / 2
    lead = logits.gather(1, targets[:, None]) - logits.gather(1, y[:, None])
    return lead.squeeze(1) / spread.clamp(min=torch.finfo(logits.dtype).tiny)
