"""What is claimed of smoothed classifiers: for no image and no classifier is a radius too large.

The measured quantity is the exact worst case: the smallest mass, times distance, by which some
transport between two pixels lets some classifier with the given scores lose its class.
"""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from robust_theory.arguments import broken, probability
from robust_theory.claim import A_DISTANCE, Claim, Interval
from robust_theory.wasserstein.covariance import (
    checked_inverse,
    gaussian_smoothing_radius,
    pixel_pairs,
)
from robust_theory.wasserstein.resistance import edge_variances, grid_shape, laplacian
from robust_theory.wasserstein.score_scales import GAUSSIAN
from robust_theory.wasserstein.smoothing import (
    Certificate,
    Ground,
    check_ground,
    flow_certificate,
    positive,
    smoothing_radius,
)

ADDED = "added"
_BY_RATIONALS = 64  # pixels


def _scores(p: Any, p_other: Any) -> tuple[Fraction, Fraction]:
    pA = probability(p, "p")
    pB = 1 - pA if p_other is None else min(probability(p_other, "p_other"), 1 - pA)
    return pA, pB


def _enclosure(
    p: Any,
    sigma: Any,
    *,
    p_other: Any = None,
    noise: str,
    form: str = "sharp",
    ground: str = "l2",
    shape: Any = None,
) -> Interval:
    certificate = flow_certificate(noise, form, ground, shape)
    return certificate.enclosure(positive(sigma, "sigma"), *_scores(p, p_other))


def _broken(
    p: Any,
    sigma: Any,
    *,
    p_other: Any = None,
    noise: str,
    form: str = "sharp",
    ground: str = "l2",
    shape: Any = None,
) -> tuple[str, ...]:
    def check_shape() -> None:
        if shape is not None:
            grid_shape(shape)
        elif noise == "gaussian" or (noise == "laplace" and form == "sharp"):
            raise ValueError("shape must be given")

    return broken(
        lambda: _scores(p, p_other),
        lambda: positive(sigma, "sigma"),
        lambda: check_ground(ground),
        check_shape,
    )


def _gaussian_flow_enclosure(
    p: Any, sigma: Any, *, p_other: Any = None, ground: str = "l2", shape: Any
) -> Interval:
    """With the exact largest resistance of the variances, from rational linear algebra."""
    check_ground(ground)
    size, scores = grid_shape(shape), _scores(p, p_other)
    design = edge_variances(size)
    if size[0] * size[1] > _BY_RATIONALS:
        ends = (Fraction(design.largest_resistance), design.least_possible)
        low, high = (
            Certificate(GAUSSIAN, 1 / (4 * R)).enclosure(positive(sigma, "sigma"), *scores)
            for R in ends
        )
        return Interval(low.lo, high.hi)
    largest = worst_square(laplacian(size, design.variances).toarray(), size, ground)
    return Certificate(GAUSSIAN, 1 / (4 * largest)).enclosure(positive(sigma, "sigma"), *scores)


def _covariance_enclosure(
    p: Any, covariance: Any, shape: Any, *, p_other: Any = None, ground: str = "l2"
) -> Interval:
    check_ground(ground)
    size = grid_shape(shape)
    checked_inverse(covariance, size)
    largest = worst_square(np.asarray(covariance, np.float64), size, ground)
    return Certificate(GAUSSIAN, 1 / (4 * largest)).enclosure(Fraction(1), *_scores(p, p_other))


def worst_square(covariance: Any, shape: tuple[int, int], ground: str) -> Fraction:
    """Largest ``y' S^+ y`` over the squared distance, for unit transports y, in rationals."""
    from flint import fmpq, fmpq_mat

    N = len(covariance)
    exact = [[fmpq(*value.as_integer_ratio()) for value in row] for row in covariance.tolist()]
    matrix = fmpq_mat([[(exact[i][j] + exact[j][i]) / 2 for j in range(N)] for i in range(N)])
    mean = fmpq_mat([[fmpq(1, N)] * N for _ in range(N)])
    identity = fmpq_mat([[fmpq(int(i == j)) for j in range(N)] for i in range(N)])
    X = ((identity - mean) * matrix * (identity - mean) + mean).inv()
    squares = (
        (X[s, s] + X[t, t] - X[s, t] - X[t, s]) / square
        for s, t, square in pixel_pairs(shape, ground)
    )
    largest = max(squares)
    return Fraction(int(largest.p), int(largest.q))


def _covariance_broken(
    p: Any, covariance: Any, shape: Any, *, p_other: Any = None, ground: str = "l2"
) -> tuple[str, ...]:
    return broken(
        lambda: _scores(p, p_other),
        lambda: check_ground(ground),
        lambda: checked_inverse(covariance, grid_shape(shape)),
    )


def uniform_flow_radius(
    p: Any,
    sigma: Any,
    *,
    p_other: Any = None,
    ground: Ground = "l2",
    shape: Any = None,
    representation: str = ADDED,
) -> float:
    """Radius of uniform flow noise that is added; noise that splits a flow has none."""
    _require_added(representation)
    return float(
        smoothing_radius(
            p,
            sigma,
            p_other=p_other,
            noise="uniform",
            ground=ground,
            shape=shape,
        )
    )


def _uniform_enclosure(
    p: Any, sigma: Any, *, representation: str = ADDED, **others: Any
) -> Interval:
    _require_added(representation)
    return _enclosure(p, sigma, noise="uniform", **others)


def _uniform_broken(
    p: Any, sigma: Any, *, representation: str = ADDED, **others: Any
) -> tuple[str, ...]:
    return (
        *_broken(p, sigma, noise="uniform", **others),
        *broken(lambda: _require_added(representation)),
    )


def _require_added(representation: str) -> None:
    if representation != ADDED:
        raise ValueError(
            f"representation must be 'added': no flow stands for an image, got {representation!r}"
        )


_SCALED = r"\frac{\sigma}{2\sqrt{2}}\,"
_SCORES = r"(\psi(p_A) - \psi(p_B)),"
_LAPLACE = r"\qquad \psi(p) = -\psi(1-p) = \log(2p),\ p \le \tfrac{1}{2}"
_NEAR = r"\qquad \psi(p) = -\psi(1-p) = \int_{1/2}^p \frac{dq}"


def _laplace_claim(name: str, source: str, radius: str, **noise: Any) -> Claim:
    """The claim that `radius` is none too large, for one noise and form of `smoothing_radius`."""
    return Claim(
        name=name,
        source=source,
        formula=lambda: r"\rho \ge " + radius,
        relation=">=",
        value=partial(smoothing_radius, **noise),
        enclosure=partial(_enclosure, **noise),
        broken_hypotheses=partial(_broken, **noise),
        possible=A_DISTANCE,
    )


LAPLACE_PAPER_RADIUS = _laplace_claim(
    "laplace-flow-radius-paper",
    "levine2020, Theorem 1, eqs. (9), (18) and (20)",
    _SCALED + r"\log\frac{p_A}{p_B}",
    noise="laplace",
    form="paper",
)
LAPLACE_RADIUS = _laplace_claim(
    "laplace-flow-radius",
    "levine2020, Theorem 1, with the exact worst case of Laplace noise",
    _SCALED + _SCORES + _LAPLACE,
    noise="laplace",
    form="tight",
)
CYCLE_AWARE_RADIUS = _laplace_claim(
    "cycle-aware-flow-radius",
    "levine2020, Theorem 1, with what cycles hide",
    _SCALED + _SCORES + _NEAR + r"{\Phi_c(q)}",
    noise="laplace",
    form="sharp",
    ground="l1",
)
L2_AWARE_RADIUS = _laplace_claim(
    "l2-aware-flow-radius",
    "levine2020, Theorem 1 and eq. (19), with what cycles hide",
    _SCALED + _SCORES + _NEAR + r"{\lambda(q)}",
    noise="laplace",
    form="sharp",
    ground="l2",
)
PIXEL_RADIUS = _laplace_claim(
    "pixel-laplace-radius",
    "levine2020, Corollary 1 and eq. (21)",
    r"\frac{\sigma}{4\sqrt{2}}\," + _SCORES + _LAPLACE,
    noise="pixel",
    form="tight",
)
UNIFORM_RADIUS = Claim(
    name="uniform-flow-radius",
    source="levine2020, Lemma 1, for uniform noise",
    formula=lambda: (
        r"\rho_1 \ge \sqrt{3}\,\sigma\,(p_A - p_B),"
        r"\qquad \rho_2 \ge \sqrt{\tfrac{3}{2}}\,\sigma\,(p_A - p_B)"
    ),
    relation=">=",
    value=uniform_flow_radius,
    enclosure=_uniform_enclosure,
    broken_hypotheses=_uniform_broken,
    possible=A_DISTANCE,
)
GAUSSIAN_FLOW_RADIUS = Claim(
    name="gaussian-flow-radius",
    source="cohen2019, Theorem 1, with levine2020, Lemma 1",
    formula=lambda: (
        r"\rho = \frac{\sigma}{2\sqrt{R_{\max}}}\,\bigl(\Phi^{-1}(p_A) - \Phi^{-1}(p_B)\bigr)"
    ),
    relation="==",
    value=partial(smoothing_radius, noise="gaussian"),
    enclosure=_gaussian_flow_enclosure,
    broken_hypotheses=partial(_broken, noise="gaussian"),
    possible=A_DISTANCE,
)
GAUSSIAN_RADIUS = Claim(
    name="gaussian-image-radius",
    source="cohen2019, Theorem 1, with levine2020, Lemma 1",
    formula=lambda: (
        r"\rho = \min_{s \ne t} \frac{d(s,t)}"
        r"{2\sqrt{(e_t - e_s)^T \Sigma^{+} (e_t - e_s)}}"
        r"\,\bigl(\Phi^{-1}(p_A) - \Phi^{-1}(p_B)\bigr)"
    ),
    relation="==",
    value=gaussian_smoothing_radius,
    enclosure=_covariance_enclosure,
    broken_hypotheses=_covariance_broken,
    possible=A_DISTANCE,
)
