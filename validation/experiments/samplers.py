"""Exact radii of sampled points, by name: the cases in which geometry gives them in closed form.

Each sampler takes a random generator, a number of points and its own parameters, and returns the
exact distance of each point to the nearest one of another class, in the norm and space that its
line says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from robust_theory.vulnerability import (
    checkerboards,
    models,
    orthant_models,
    parallel,
    strip_models,
)
from validation.experiment import Json

Floats = NDArray[np.float64]
Sampler = Callable[..., Floats]
_BLOCK = 2_000_000  # random numbers at once


def sample(law: Mapping[str, Json], n: int, seed: int) -> Floats:
    """Radii of `n` points under the law that ``law["name"]`` names, with its other entries."""
    parameters = {name: value for name, value in law.items() if name != "name"}
    if law["name"] not in SAMPLERS:
        raise ValueError(f"law must be one of {sorted(SAMPLERS)}, got {law['name']!r}")
    rng = np.random.default_rng(seed)
    width = max(1, int(parameters.get("dimension", 10)))
    block = max(1, _BLOCK // width)
    parts = [
        SAMPLERS[law["name"]](rng, min(block, n - start), **parameters)
        for start in range(0, n, block)
    ]
    return np.concatenate(parts)


def _gaussian(model: Callable[..., models.ExactModel]) -> Sampler:
    """L2 distance in latent space of one of the exact models."""

    def radii(rng: np.random.Generator, n: int, **parameters: Json) -> Floats:
        built = model(**parameters)
        return np.asarray(built.radius(rng.standard_normal((n, built.dimension))))

    return radii


def _gap(z: Floats) -> Floats:
    """(z(1) - z(2)) / sqrt 2, the distance to the boundary of the argmax of the coordinates."""
    top = np.partition(z, -2, axis=1)[:, -2:]
    return np.asarray((top[:, 1] - top[:, 0]) / np.sqrt(2))


def simplex_over_norm(rng: np.random.Generator, n: int, classes: int, dimension: int) -> Floats:
    """Radius of the argmax of the first coordinates, divided by the norm of the whole vector."""
    z = rng.standard_normal((n, dimension))
    return np.asarray(_gap(z[:, :classes]) / np.linalg.norm(z, axis=1))


def simplex_over_root(rng: np.random.Generator, n: int, classes: int, dimension: int) -> Floats:
    """Radius of the argmax of the first coordinates, divided by the root of the dimension."""
    return np.asarray(_gap(rng.standard_normal((n, classes))) / np.sqrt(dimension))


def half_space_over_norm(rng: np.random.Generator, n: int, dimension: int) -> Floats:
    """Radius of a half-space through the origin, divided by the norm of the vector."""
    z = rng.standard_normal((n, dimension))
    return np.asarray(np.abs(z[:, 0]) / np.linalg.norm(z, axis=1))


def crossing_half_spaces(rng: np.random.Generator, n: int, angle: float) -> Floats:
    """Least L2 perturbation that changes both of two half-spaces whose normals form an angle.

    With a and b the distances to the two edges and rho the cosine between the normals that point
    to the sample, both are changed in a cone; its nearest point lies on one edge or at the apex.
    """
    z = rng.standard_normal((n, 2))
    first, second = z[:, 0], z[:, 0] * np.cos(angle) + z[:, 1] * np.sin(angle)
    a, b = np.abs(first), np.abs(second)
    rho = np.cos(angle) * np.sign(first) * np.sign(second)
    apex = np.sqrt(np.maximum(a * a + b * b - 2 * rho * a * b, 0) / (1 - np.cos(angle) ** 2))
    return np.where(b <= a * rho, a, np.where(a <= b * rho, b, apex))


def parallel_half_spaces(rng: np.random.Generator, n: int, offset: float) -> Floats:
    """Least L2 perturbation that changes both of two parallel half-spaces."""
    return parallel.parallel_transfer_radius(rng.standard_normal((n, 2)), offset)


def distance_to_outside_of_slab(rng: np.random.Generator, n: int, half_width: float) -> Floats:
    """L2 distance to the set where the first coordinate is at least `half_width` in size."""
    return np.maximum(half_width - np.abs(rng.standard_normal(n)), 0)


def half_cube(rng: np.random.Generator, n: int, dimension: int, side: float) -> Floats:
    """L2 distance inside a cube centred at 0, cut in half across an axis."""
    return np.abs(rng.uniform(-side / 2, side / 2, (n, dimension))[:, 0])


def half_ball(rng: np.random.Generator, n: int, dimension: int, radius: float) -> Floats:
    """L2 distance inside a ball centred at 0, cut in half."""
    z = rng.standard_normal((n, dimension))
    lengths = radius * rng.random(n) ** (1 / dimension)
    return np.asarray(np.abs(z[:, 0]) / np.linalg.norm(z, axis=1) * lengths)


def sphere_simplex(
    rng: np.random.Generator, n: int, classes: int, dimension: int, radius: float
) -> Floats:
    """Geodesic distance on a sphere to the boundary of the argmax of the first coordinates."""
    z = rng.standard_normal((n, dimension))
    return np.asarray(radius * np.arcsin(_gap(z[:, :classes]) / np.linalg.norm(z, axis=1)))


def scaled_simplex(rng: np.random.Generator, n: int, classes: int, scale: float) -> Floats:
    """L2 distance to the boundary of the argmax of `scale` times standard normal coordinates."""
    return scale * _gap(rng.standard_normal((n, classes)))


def stretched_half_space(
    rng: np.random.Generator, n: int, deviations: Json, norm: str, axis: int
) -> Floats:
    """Distance, in an l_p norm, to a coordinate hyperplane; the coordinates have `deviations`.

    The nearest point differs in that coordinate alone, whatever the norm.
    """
    return np.asarray(np.abs(deviations[axis] * rng.standard_normal((n, len(deviations)))[:, axis]))


def laplace_slab(rng: np.random.Generator, n: int, half_width: float) -> Floats:
    """Distance on the line, under the Laplace law, to the ends of an interval around 0."""
    return np.abs(np.abs(rng.laplace(size=n)) - half_width)


def root_half_line(rng: np.random.Generator, n: int) -> Floats:
    """Image distance of g(z) = sign(z) sqrt(|z|) on the line to the images of the other sign."""
    return np.sqrt(np.abs(rng.standard_normal(n)))


def broken_half_line(rng: np.random.Generator, n: int, limit: float) -> Floats:
    """The same for a g that is the identity up to `limit` and jumps far away beyond."""
    z = np.abs(rng.standard_normal(n))
    return np.where(z <= limit, z, 100 * limit)


def moved_half_line(rng: np.random.Generator, n: int, shift: float) -> Floats:
    """Unconstrained distance to 0 of data that lie `shift` further out than generated ones."""
    return np.abs(rng.standard_normal(n)) + shift


def labelled_generators(
    rng: np.random.Generator, n: int, scales: Json, thresholds: Json, priors: Json
) -> Floats:
    """Least move that makes an example wrong: 0 if it is; label y has images scales[y] z.

    Label y is recognised where scales[y] z is below thresholds[y], or, from -thresholds[y] on,
    above the negative one, so that the mistaken part is larger than a half-space.
    """
    y = rng.choice(len(priors), size=n, p=priors)
    x = np.asarray(scales)[y] * rng.standard_normal(n)
    return np.asarray(np.maximum(np.asarray(thresholds)[y] - np.abs(x), 0))


SAMPLERS: dict[str, Sampler] = {
    "half-space": _gaussian(models.half_space),
    "simplex": _gaussian(models.simplex),
    "checkerboard": _gaussian(checkerboards.checkerboard),
    "orthants": _gaussian(orthant_models.orthants),
    "strips": _gaussian(strip_models.strips),
    "simplex over norm": simplex_over_norm,
    "simplex over root": simplex_over_root,
    "half-space over norm": half_space_over_norm,
    "crossing half-spaces": crossing_half_spaces,
    "parallel half-spaces": parallel_half_spaces,
    "outside of a slab": distance_to_outside_of_slab,
    "half cube": half_cube,
    "half ball": half_ball,
    "sphere simplex": sphere_simplex,
    "scaled simplex": scaled_simplex,
    "stretched half-space": stretched_half_space,
    "Laplace slab": laplace_slab,
    "root half-line": root_half_line,
    "broken half-line": broken_half_line,
    "moved half-line": moved_half_line,
    "labelled generators": labelled_generators,
}
