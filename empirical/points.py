"""Labelled points of any kind, for distances: numbers as they are stored, with their scale."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from empirical.data import FILES, read_part
from empirical.readers import read_idx_pair, read_npz, read_parquet

_IMAGES, _LABELS = "images-idx3-ubyte", "labels-idx1-ubyte"


@dataclass(frozen=True, eq=False)
class LabelledPoints:
    """Point i is ``X[i] / scale`` and has the label ``y[i]``.

    Parameters
    ----------
    X : ndarray
        Shape (n, ...), integers or finite floats.
    y : ndarray
        Shape (n,), integers or text, of at least two kinds.
    scale : int
        What the stored numbers are divided by: 255 for bytes, which are images.
    what : str
        What was read, in words.
    """

    X: np.ndarray
    y: np.ndarray
    scale: int
    what: str


def load_points(
    name_or_file: str | os.PathLike[str], data_dir: str | None = None
) -> LabelledPoints:
    """Return labelled points, each number as it is in the file.

    Parameters
    ----------
    name_or_file : str or path
        ``"digits"``: all images that scikit-learn bundles, 0..16 with scale 16. A name that
        `empirical.data.load` knows, with `data_dir`: its training images. A path ending in
        ``.npz``: arrays ``X``, shape (n, ...), and ``y``, shape (n,); one ending in
        ``.parquet``: columns ``img``, PNG pictures, and ``label``; the IDX file of images
        (``...images-idx3-ubyte``, with or without ``.gz``), beside that of its labels.
    data_dir : str, optional
        Folder of a named data set.

    Returns
    -------
    LabelledPoints
        Bytes have the scale 255. So have floats that are all k/255 to their own precision, which
        is what images become when they are divided by 255.

    Raises
    ------
    FileNotFoundError
        A file is missing.
    ValueError
        An unknown name, a damaged file, or arrays that are no labelled points. One line.
    """
    name = os.fspath(name_or_file)
    path = Path(name)
    if name == "digits":
        from sklearn.datasets import load_digits

        bundle = load_digits()
        return LabelledPoints(
            bundle.images.astype(np.uint8), bundle.target.astype(np.int64), 16, "all images"
        )
    if name in FILES:
        if data_dir is None:
            raise ValueError(f"data {name!r} needs data_dir, the folder with {FILES[name]}")
        return _points(data_dir, *read_part(name, Path(data_dir), "train"), "training images")
    if not name.endswith((".npz", ".parquet")) and _IMAGES not in path.name:
        names = ", ".join(map(repr, ("digits", *FILES)))
        raise ValueError(
            f"data must be {names}, or a path to a .npz, .parquet or {_IMAGES} file, got {name!r}"
        )
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}")
    if name.endswith(".npz"):
        return _points(name, *read_npz(path), "all points")
    if name.endswith(".parquet"):
        return _points(name, *read_parquet(path, "PNG"), "all images")
    stem = path.name.removesuffix(".gz").replace(_IMAGES, _LABELS)
    found = [path.with_name(each) for each in (stem, f"{stem}.gz")]
    labels = next((each for each in found if each.is_file()), None)
    if labels is None:
        raise FileNotFoundError(f"{path.parent} must contain {found[0].name} or {found[1].name}")
    return _points(name, *read_idx_pair(path, labels), "all images")


def _points(name: str, X: np.ndarray, y: np.ndarray, what: str) -> LabelledPoints:
    if X.dtype.kind not in "uif":
        raise ValueError(f"{name}: X must hold integers or floats, got {X.dtype}")
    if X.ndim == 0 or X.size == 0:
        raise ValueError(f"{name}: X must have shape (n, ...), and no axis of 0, got {X.shape}")
    if y.shape != (len(X),):
        raise ValueError(
            f"{name}: y must hold one label for each of the {len(X)} points of X, "
            f"got shape {y.shape}"
        )
    if y.dtype.kind == "f" and np.isfinite(y).all() and (y == np.rint(y)).all():
        y = y.astype(np.int64)
    if y.dtype.kind not in "iubU":
        got = "fractions or NaN" if y.dtype.kind == "f" else y.dtype
        raise ValueError(f"{name}: y must hold integers or text, got {got}")
    if (y == y[0]).all():
        raise ValueError(f"{name}: y must hold at least two different labels, got {y[0]} only")
    if X.dtype == np.uint8:
        return LabelledPoints(X, y, 255, what)
    if X.dtype.kind == "f":
        wrong = ~np.isfinite(X.reshape(len(X), -1)).all(axis=1)
        if wrong.any():
            raise ValueError(
                f"{name}: X must be finite, got NaN or infinity in row {np.flatnonzero(wrong)[0]}"
            )
        if X.min() >= 0 and X.max() <= 1:
            bytes_ = np.rint(X * 255)
            if (bytes_ / X.dtype.type(255) == X).all():
                return LabelledPoints(
                    bytes_.astype(np.uint8), y, 255, f"{what}, multiples of 1/255"
                )
    return LabelledPoints(X, y, 1, what)
