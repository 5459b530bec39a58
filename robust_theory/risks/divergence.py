"""The Kullback-Leibler divergence of two softmax outputs, and its gradients by both arguments.

With p = softmax(a) and q = softmax(b), D(a, b) = sum p_k (log p_k - log q_k). As functions of the
logits,

    grad_b D = q - p,        grad_a D = p (log p - log q - D).

TRADES ascends D(f(x), f(x')) in x', so it needs the first of these, carried back through f at x';
the gradient by the clean point is another vector, and at linear logits it points the other way
(`ascent_slopes`). Its parameter update needs both, since both outputs depend on the parameters.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from robust_theory.arguments import Floats

_WIDEST = 1e300  # differences of such logits, and of their differences, are finite


class Gradients(NamedTuple):
    """Gradients of D by the logits of its first and of its second argument, (..., K) each."""

    first: Floats
    second: Floats


def kl_divergence(first: Any, second: Any) -> Any:
    """D(a, b) of logits (..., K), at least 0; not symmetric."""
    log_p, log_q = _logs(first, second)
    divergence = np.maximum((np.exp(log_p) * (log_p - log_q)).sum(axis=-1), 0.0)
    return divergence if divergence.ndim else float(divergence)


def kl_gradients(first: Any, second: Any) -> Gradients:
    """Gradients of D(a, b) by a and by b; both are 0 where the outputs are equal.

    So an ascent that starts at the clean point itself never moves: TRADES starts with noise.
    """
    log_p, log_q = _logs(first, second)
    p, q = np.exp(log_p), np.exp(log_q)
    ratio = log_p - log_q
    divergence = (p * ratio).sum(axis=-1, keepdims=True)
    return Gradients(p * (ratio - divergence), q - p)


def ascent_slopes(first: Any, second: Any, jacobian: Any, step: Any) -> tuple[float, float]:
    """Derivatives of D(f(x), f(x')) along a step at x' of x', and of x, for one Jacobian of both.

    For linear logits, f(x) = A x + c, and step = x' - x, the first is at least D >= 0 and the
    second at most 0: the gradient by the clean point leads back towards it.

    Parameters
    ----------
    first, second : array (K,)
        Logits at x and at x'.
    jacobian : array (K, d)
        Of the logits by the input.
    step : array (d,)
        The direction.
    """
    A, u = np.asarray(jacobian, np.float64), np.asarray(step, np.float64)
    gradients = kl_gradients(first, second)
    if A.shape != (len(gradients.second), u.size):
        raise ValueError(f"jacobian must have shape (K, d), got {A.shape}")
    if not (np.isfinite(A).all() and np.isfinite(u).all()):
        raise ValueError("jacobian and step must be finite")
    move = A @ u
    return float(gradients.second @ move), float(gradients.first @ move)


def trades_gradient(
    first: Any, second: Any, jacobian_first: Any, jacobian_second: Any
) -> tuple[Floats, Floats]:
    """Gradient of D(f(x), f(x')) by the parameters, and what detaching f(x) makes of it.

    Parameters
    ----------
    first, second : array (K,)
        Logits at x and at x'.
    jacobian_first, jacobian_second : array (K, p)
        Of the logits at x and at x', by the parameters.

    Returns
    -------
    whole, detached : array (p,)
        Through both arguments, and through the second only; they may have opposite signs.
    """
    gradients = kl_gradients(first, second)
    J, J2 = (np.asarray(jacobian, np.float64) for jacobian in (jacobian_first, jacobian_second))
    if J.ndim != 2 or J.shape != J2.shape or len(J) != len(gradients.first):
        raise ValueError(f"jacobians must have the same shape (K, p), got {J.shape} and {J2.shape}")
    if not (np.isfinite(J).all() and np.isfinite(J2).all()):
        raise ValueError("jacobians must be finite")
    detached = gradients.second @ J2
    return np.asarray(gradients.first @ J + detached), np.asarray(detached)


def _logs(first: Any, second: Any) -> tuple[Floats, Floats]:
    logs = []
    for name, logits in (("first", first), ("second", second)):
        a = np.asarray(logits, np.float64)
        if a.ndim == 0 or a.shape[-1] < 2 or not np.isfinite(a).all():
            raise ValueError(f"{name} must be finite logits (..., K), K >= 2, got shape {a.shape}")
        with np.errstate(over="ignore"):
            shifted = a - a.max(axis=-1, keepdims=True)
        if not (shifted >= -_WIDEST).all():
            raise ValueError(f"{name} must be logits that differ by at most {_WIDEST:g}")
        logs.append(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))
    if logs[0].shape != logs[1].shape:
        raise ValueError(
            f"first and second must have the same shape, got {logs[0].shape} and {logs[1].shape}"
        )
    return logs[0], logs[1]


def logistic_logits(score: Any) -> Floats:
    """Logits (0, s) of the logistic model with score s, shape (..., 2)."""
    s = np.asarray(score, np.float64)
    if not np.isfinite(s).all():
        raise ValueError("score must be finite" if s.ndim else f"score must be finite, got {s}")
    return np.stack([np.zeros_like(s), s], axis=-1)
