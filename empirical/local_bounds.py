"""Proved bounds of how far a network moves its output when its input moves within a ball."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from empirical.layers import Layer
from empirical.spectral import UNIT
from robust_theory.networks.operator_norms import spectral_norm_above

ALLOWANCE = 1e-9  # relative; sums of at most 10^5 terms in double precision err by less


def move_above(layers: list[Layer], z: np.ndarray, t: float) -> np.ndarray:
    """Return upper bounds of M_t at the rows of z; see `modulus.local_modulus_from_above`."""
    n, d = z.shape
    value, value_error = z, np.zeros_like(z)
    center = _Product(np.broadcast_to(np.eye(d), (n, d, d)), np.zeros(n))
    carried: list[tuple[_Product, np.ndarray]] = []  # C W ... C W and the R_k a_k it acts on
    moved = np.full((n, d), t)
    for layer in layers:
        absolute = np.abs(layer.weight)
        gamma = 2 * (layer.weight.shape[1] + 8) * UNIT
        value_error = (value_error + gamma * np.abs(value)) @ absolute.T * (1 + ALLOWANCE)
        value_error += gamma * np.abs(layer.bias)
        value = value @ layer.weight.T + layer.bias
        center = center.after(layer)
        carried = [(Q.after(layer), s) for Q, s in carried]
        # The move of a unit: from the product, or from the moves of the units before.
        rows = t * (np.linalg.norm(center.matrix, axis=2) + center.error[:, None])
        reach = np.minimum(rows + _deviation(carried, rows), moved @ absolute.T) * (1 + ALLOWANCE)
        low, high, moved = layer.secants(value, reach, value_error)
        C, R = (low + high) / 2, (high - low) / 2 * (1 + ALLOWANCE) + 4 * UNIT * high
        value = layer.apply(value)
        value_error += 8 * UNIT * np.abs(value)
        if layer.activation != "identity":
            center = center.scaled(C)
            carried = [(Q.scaled(C), s) for Q, s in carried]
            identity = np.broadcast_to(np.eye(len(layer.bias)), (n, *absolute.shape[:1] * 2))
            carried.append((_Product(identity, np.zeros(n)), R * reach))
    straight = t * (spectral_norm_above(center.matrix) + center.error)
    bound = straight + _length(_deviation(carried, moved))
    return np.minimum(bound, _length(moved)) * (1 + 4 * ALLOWANCE)


@dataclass
class _Product:
    """Matrices (n, m, k) with a bound (n,) of the Frobenius norm of their rounding errors."""

    matrix: np.ndarray
    error: np.ndarray

    def after(self, layer: Layer) -> _Product:
        W = np.linalg.norm(layer.weight) * (1 + ALLOWANCE)
        gamma = 2 * (layer.weight.shape[1] + 8) * UNIT
        size = np.linalg.norm(self.matrix, axis=(1, 2))
        return _Product(layer.weight @ self.matrix, W * (self.error + gamma * size))

    def scaled(self, C: np.ndarray) -> _Product:
        matrix = C[:, :, None] * self.matrix
        rounding = 4 * UNIT * np.linalg.norm(matrix, axis=(1, 2))
        return _Product(matrix, np.abs(C).max(1) * self.error * (1 + ALLOWANCE) + rounding)


def _deviation(carried: list[tuple[_Product, np.ndarray]], like: np.ndarray) -> np.ndarray:
    """Return bounds (n, m) of what the deviations of all layers move each unit by."""
    total = np.zeros_like(like)
    for Q, s in carried:
        total += (np.abs(Q.matrix) @ s[:, :, None])[:, :, 0]
        total += (Q.error * _length(s))[:, None]
    return total


def _length(x: np.ndarray) -> np.ndarray:
    """Return the norms of the rows; no square underflows."""
    scale = np.abs(x).max(axis=1, initial=0.0)
    unit = np.where(scale > 0, scale, 1.0)
    return scale * np.linalg.norm(x / unit[:, None], axis=1)
