"""Networks run in mixed precision, for training and attacks on an accelerator.

Only what proposes runs so: slopes, and the losses that are descended. Weights, their updates and
every decision about a classifier stay in its own precision: a wrong answer that only bfloat16 gives
is no adversarial example. So `mixed` wraps a network for the time of a training or an attack, and
`in_full` gives back what decides.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn


class Mixed(nn.Module):
    """A network whose forward and backward passes multiply in bfloat16; made by `mixed`.

    Images of shape (m, c, h, w) are laid out with their channels last, and the logits come back in
    single precision, so that losses are taken there. The weights are the network's own.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        # In a list, so that it is no module of this one: its weights would be listed twice.
        self._run: list[Callable[[torch.Tensor], torch.Tensor]] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of the images, float32."""
        if x.ndim == 4:
            x = x.contiguous(memory_format=torch.channels_last)
        if not self._run:
            self._run.append(compiled(self.network, x) if x.is_cuda else self.network)
        with torch.autocast(x.device.type, torch.bfloat16):
            logits = self._run[0](x)
        return logits.float()


def mixed(network: nn.Module) -> Mixed:
    """Return `network` as it is to be trained or attacked in mixed precision.

    It is compiled at its first images on an accelerator, if it can be. Training functions and
    `empirical.attacks.steps.pgd` look at the network inside before they say what is right or
    wrong; give other attacks the network itself.

    Parameters
    ----------
    network : Module
        In single precision; takes (m, c, h, w) to (m, K). Training the result trains it.

    Raises
    ------
    ValueError
        Weights of another precision: autocast would leave them as they are.
    """
    other = {p.dtype for p in network.parameters()} - {torch.float32}
    if other:
        raise ValueError(f"network must have weights of type float32, got {other.pop()}")
    return Mixed(network)


def for_device(network: nn.Module, device: str) -> nn.Module:
    """Return the network itself on the CPU, and `mixed` on an accelerator.

    To be called once for a network: each result is compiled anew.
    """
    return network if torch.device(device).type == "cpu" else mixed(network)


def in_full(network: nn.Module) -> nn.Module:
    """Return the network that decides: the one inside `mixed`, or `network` itself."""
    return network.network if isinstance(network, Mixed) else network


def compiled(network: nn.Module, x: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return `network` compiled, or itself where a forward and backward pass at `x` fails so.

    The trial runs in evaluation mode, so that it leaves batch normalisation as it is.
    """
    torch.compiler.reset()  # what other networks have compiled counts towards a small limit
    attempt: Callable[[torch.Tensor], torch.Tensor] = torch.compile(network)
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        z = x.detach().clone().requires_grad_()
        with torch.enable_grad(), torch.autocast(x.device.type, torch.bfloat16):
            logits = attempt(z)
        torch.autograd.grad(logits.float().sum(), [z, *network.parameters()], allow_unused=True)
    except Exception:  # whatever the compiler lacks; an error of the network's own comes again
        return network
    finally:
        for module, training in modes:
            module.training = training
    return attempt
