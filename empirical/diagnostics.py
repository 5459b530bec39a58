"""What two networks compute alike: centred kernel alignment of their layers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from robust_theory.networks.similarity import cka_map


@dataclass(frozen=True, eq=False)
class SimilarityMap:
    """CKA of each layer of one network with each layer of another.

    Parameters
    ----------
    rows, columns : tuple of str
        Names of the layers of the first and of the second network, in the order they are run.
    values : ndarray
        Shape (rows, columns); 1 for features that agree up to rotation, scale and offset, 0 for
        constant ones.
    inputs : int
        On how many inputs they were compared.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: np.ndarray
    inputs: int


def similarity_map(
    first: nn.Module,
    second: nn.Module,
    inputs: torch.Tensor | np.ndarray,
    *,
    unbiased: bool = True,
    kinds: tuple[type[nn.Module], ...] | None = None,
    batch: int = 500,
    device: str = "cpu",
    progress: Callable[[float, str], None] | None = None,
) -> SimilarityMap:
    """Return the CKA map of two networks on the same inputs, in double precision.

    Parameters
    ----------
    first, second : Module
        Copied in evaluation mode.
    inputs : tensor or ndarray
        Shape (n, ...), n >= 4 (biased: 2). The biased version is near 1 for any two layers wider
        than n, so the unbiased one is the default.
    unbiased : bool
        Which version.
    kinds : tuple of types, optional
        Modules whose outputs are compared; by default all that have no modules inside.
    batch, device, progress
        Inputs run at once; where; called with the fraction done and words.

    Raises
    ------
    ValueError
        If a network has no such layer, runs one twice, or the inputs are too few or not finite.
    """
    features = []
    for k, module in enumerate((first, second)):
        features.append(layer_features(module, inputs, kinds=kinds, batch=batch, device=device))
        if progress is not None:
            progress((k + 1) / 2, f"features of {k + 1} of 2 networks")
    rows, columns = (tuple(layers) for layers in features)
    values = cka_map(
        [*features[0].values()], [*features[1].values()], unbiased=unbiased
    )  # in the order of the names
    return SimilarityMap(rows, columns, values, len(inputs))


def layer_features(
    module: nn.Module,
    inputs: torch.Tensor | np.ndarray,
    *,
    kinds: tuple[type[nn.Module], ...] | None = None,
    batch: int = 500,
    device: str = "cpu",
) -> Mapping[str, np.ndarray]:
    """Return the outputs of the layers, shape (n, width) each in float64, by name.

    Arguments and errors as for `similarity_map`.
    """
    if batch < 1:
        raise ValueError(f"batch must be at least 1, got {batch}")
    network = copy.deepcopy(module).to(device).double().eval()
    x = torch.as_tensor(inputs).to(device=device, dtype=torch.float64)
    if x.ndim == 0 or not len(x) or not torch.isfinite(x).all():
        raise ValueError(f"inputs must be finite, of shape (n, ...), got shape {tuple(x.shape)}")
    chosen = {
        name or "network": part
        for name, part in network.named_modules()
        if (isinstance(part, kinds) if kinds else not any(part.children()))
    }
    found: dict[str, list[np.ndarray]] = {}
    handles = [part.register_forward_hook(_keep(found, name)) for name, part in chosen.items()]
    try:
        with torch.no_grad():
            for number, start in enumerate(range(0, len(x), batch), start=1):
                network(x[start : start + batch])
                again = [name for name, parts in found.items() if len(parts) != number]
                if again:
                    raise ValueError(f"layers must run once for each input, got {again[0]!r} more")
    finally:
        for handle in handles:
            handle.remove()
    if not found:
        raise ValueError(f"the network must have a layer to compare, got {module}")
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _keep(found: dict[str, list[np.ndarray]], name: str) -> Callable[..., None]:
    def hook(_: nn.Module, __: object, output: torch.Tensor) -> None:
        # A copy: an activation that works in place would change it afterwards.
        value = output.detach().flatten(1).cpu().numpy().copy()
        found.setdefault(name, []).append(value)

    return hook


def draw(found: SimilarityMap, axes: Any = None) -> Any:
    """Draw the map as the chapter's figure 17.2 does, and return the axes."""
    from matplotlib import pyplot

    plotted = pyplot.figure().add_subplot() if axes is None else axes
    image = plotted.imshow(found.values, origin="lower", vmin=0.0, vmax=1.0, cmap="magma")
    plotted.set_xticks(range(len(found.columns)), found.columns, rotation=90)
    plotted.set_yticks(range(len(found.rows)), found.rows)
    plotted.figure.colorbar(image, ax=plotted, label="CKA")
    return plotted
