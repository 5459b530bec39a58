"""The nearest-neighbour classifier of Theorem 6: classify the nearest image that is generated.

It agrees with the classifier it is built from on every generated image, and no perturbation of a
generated image smaller than half its in-distribution radius changes its label. Generators map rows
of latent vectors (n, d) to rows of images (n, m); classifiers map rows of images to labels (n,).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from robust_theory.arguments import Floats, broken, exact_rational, positive_integer
from robust_theory.arithmetic import enclose, statement
from robust_theory.claim import A_DISTANCE, Claim, Interval

Norm = Literal["l2", "l1", "linf"]
Generator: TypeAlias = Callable[[Floats], Floats]
Classifier: TypeAlias = Callable[[Floats], NDArray[Any]]

_BLOCK = 1 << 22


@dataclass(frozen=True)
class Projection:
    """Generated images close to given ones.

    Parameters
    ----------
    latents : array (n, d)
        Latent vectors found.
    images : array (n, m)
        What the generator makes of them.
    residuals : array (n,)
        Distances from the given images to these, in the norm of the projector.
    exact : bool
        Whether they are nearest, up to rounding; otherwise they are the nearest that were found.
    """

    latents: Floats
    images: Floats
    residuals: Floats
    exact: bool


Projector: TypeAlias = Callable[[Floats], Projection]


@dataclass(frozen=True)
class NearestNeighbourClassifier:
    """Gives an image the label of the nearest generated one.

    Parameters
    ----------
    classifier : callable
        Rows of images to labels; only ever called on generated images.
    projector : callable
        Rows of images to their `Projection`: a `finite_projector`, `linear_projector` or
        `search_projector`.
    """

    classifier: Classifier
    projector: Projector

    def __call__(self, images: Any) -> NDArray[Any]:
        """Labels (n,) of rows of images (n, m)."""
        return self.classifier(self.projector(_rows(images, "images")).images)

    def project(self, images: Any) -> Projection:
        """The generated images whose labels the rows get, with their distances."""
        return self.projector(_rows(images, "images"))


def finite_projector(generator: Generator, latents: Any, norm: Norm = "l2") -> Projector:
    """Exact projection when only the given latent vectors occur; of equally near ones, the first.

    Parameters
    ----------
    generator : callable
        Rows of latent vectors to rows of images.
    latents : array (N, d)
        All latent vectors.
    norm : {"l2", "l1", "linf"}
        Norm of the image space.
    """
    points = _rows(latents, "latents")
    generated = _rows(generator(points), "generated images")
    if generated.shape[0] != points.shape[0]:
        raise ValueError(
            f"generator must keep the number of rows {len(points)}, got {len(generated)}"
        )

    def project(images: Floats) -> Projection:
        _same_length(images, generated)
        nearest = np.empty(len(images), np.int64)
        step = max(1, _BLOCK // generated.size)
        for start in range(0, len(images), step):
            block = slice(start, start + step)
            gaps = distances(images[block, None, :], generated[None], norm)
            nearest[block] = gaps.argmin(axis=1)
        found = generated[nearest]
        return Projection(points[nearest], found, distances(images, found, norm), exact=True)

    return project


def linear_projector(matrix: Any, offset: Any = 0.0) -> Projector:
    """Exact L2 projection on the image of z -> matrix z + offset.

    Parameters
    ----------
    matrix : array (m, d)
        Of any rank; of all nearest latent vectors the shortest is taken.
    offset : array (m,) or number
        The image of 0.
    """
    A = _rows(matrix, "matrix")
    inverse = np.linalg.pinv(A)

    def project(images: Floats) -> Projection:
        if images.shape[1] != A.shape[0]:
            raise ValueError(f"images must have shape (n, {A.shape[0]}), got {images.shape}")
        z = (images - offset) @ inverse.T
        found = z @ A.T + offset
        return Projection(z, found, distances(images, found, "l2"), exact=True)

    return project


def search_projector(
    generator: Generator,
    dimension: int,
    *,
    starts: int = 8,
    candidates: int = 512,
    seed: int = 0,
    jacobian: Callable[[Floats], Floats] | None = None,
) -> Projector:
    """L2 projection by least squares from several starts; the residuals tell how near it came.

    Parameters
    ----------
    generator : callable
        Rows of latent vectors to rows of images.
    dimension : int
        Length of the latent vectors.
    starts : int
        Least-squares searches for each image, from the nearest candidates.
    candidates : int
        Standard normal latent vectors, the same for all images.
    seed : int
        Of the candidates.
    jacobian : callable, optional
        Latent vector (d,) to the derivative (m, d) of its image; differences when left out.
    """
    d = positive_integer(dimension, "dimension")
    starts = min(positive_integer(starts, "starts"), positive_integer(candidates, "candidates"))
    drawn = np.random.default_rng(seed).standard_normal((candidates, d))
    generated = _rows(generator(drawn), "generated images")

    def nearest(image: Floats) -> Floats:
        def gap(z: Floats) -> Floats:
            return np.asarray(generator(z[None])[0] - image, np.float64)

        order = np.argsort(distances(generated, image, "l2"), kind="stable")[:starts]
        slope: Any = "2-point" if jacobian is None else jacobian
        found = [optimize.least_squares(gap, drawn[i], jac=slope).x for i in order]
        return np.asarray(min([*found, drawn[order[0]]], key=lambda z: float(gap(z) @ gap(z))))

    def project(images: Floats) -> Projection:
        _same_length(images, generated)
        z = np.array([nearest(image) for image in images]).reshape(-1, d)
        found = _rows(generator(z), "generated images")
        return Projection(z, found, distances(images, found, "l2"), exact=False)

    return project


def distances(x: Floats, y: Floats, norm: Norm) -> Floats:
    """Distances along the last axis."""
    if norm not in ("l2", "l1", "linf"):
        raise ValueError(f"norm must be 'l2', 'l1' or 'linf', got {norm!r}")
    order = {"l2": 2, "l1": 1, "linf": np.inf}[norm]
    return np.asarray(np.linalg.norm(x - y, ord=order, axis=-1))


def nearest_neighbour_radius(in_distribution: Any, slack: Any = 0) -> float:
    """Lower bound on the unconstrained radius of the nearest-neighbour classifier.

    r* >= r_X / (2 + slack), for each image and so for the means.

    Parameters
    ----------
    in_distribution : number
        r_X of the classifier that it is built from, or its mean.
    slack : number
        0 for exact projections; s when each projection is within 1 + s times the least distance.

    Returns
    -------
    float
        Distance in image space, rounded down.

    Raises
    ------
    ValueError
        If an argument is negative.

    Notes
    -----
    Source: fawzi2018, Theorem 6, eq. (7); the constant 1/2 is attained by g = f = sign.
    """
    radius, s = _arguments(in_distribution, slack)
    value = float(radius / (2 + s))
    return value if Fraction(value) <= radius / (2 + s) else float(np.nextafter(value, 0))


def _arguments(in_distribution: Any, slack: Any) -> tuple[Fraction, Fraction]:
    radius, s = exact_rational(in_distribution, "in_distribution"), exact_rational(slack, "slack")
    for name, value in (("in_distribution", radius), ("slack", s)):
        if value < 0:
            raise ValueError(f"{name} must be at least 0, got {float(value)}")
    return radius, s


def _rows(rows: Any, name: str) -> Floats:
    array = np.asarray(rows, np.float64)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"{name} must be rows of shape (n, k), got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got {array[~np.isfinite(array)][0]}")
    return array


def _same_length(images: Floats, generated: Floats) -> None:
    if images.shape[1] != generated.shape[1]:
        raise ValueError(f"images must have shape (n, {generated.shape[1]}), got {images.shape}")


def _share(m: Any, radius: Any, slack: Any) -> Any:
    return m.number(radius) / (2 + m.number(slack))


def _enclosure(in_distribution: Any, slack: Any = 0) -> Interval:
    radius, s = _arguments(in_distribution, slack)
    return enclose(_share, radius, s) if radius else Interval(0.0, 0.0)


NEAREST_NEIGHBOUR_RADIUS = Claim(
    name="nearest-neighbour-radius",
    source="fawzi2018, Theorem 6, eq. (7)",
    formula=lambda: statement(r"\mathbb{E}\, r^* \ge", _share, r"\mathbb{E}\,r_X", r"\eta"),
    relation=">=",
    value=nearest_neighbour_radius,
    enclosure=_enclosure,
    broken_hypotheses=lambda in_distribution, slack=0: broken(
        lambda: _arguments(in_distribution, slack)
    ),
    possible=A_DISTANCE,
)
