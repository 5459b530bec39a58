"""Labelled images with a fixed split, from files at hand. Nothing is fetched from a network."""

from __future__ import annotations

import gzip
import math
import os
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

TEST_SHARE = 0.25  # of every class, where the source has no split of its own
SPLIT_SEED = 20180223
MAX_BYTES = 8 * 2**30  # an array that would unpack to more is refused before it is read
MAX_CLASSES = 10_000

_IDX_NAMES = {
    "mnist": "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, "
    "t10k-labels-idx1-ubyte, each with or without .gz",
}
_IDX_NAMES["fashion-mnist"] = _IDX_NAMES["mnist"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images with labels and a split.

    Parameters
    ----------
    name : str
        How the user named it.
    images : ndarray
        Shape (n, c, h, w), float32, every value in [0, 1].
    labels : ndarray
        Shape (n,), int64, every value in 0..classes-1.
    classes : int
        Number of classes, at least 2.
    train, test : ndarray
        Disjoint int64 indices into `images`, neither empty.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    classes: int
    train: np.ndarray
    test: np.ndarray

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (c, h, w) of one image."""
        _, c, h, w = self.images.shape
        return c, h, w


def load(name_or_file: str | os.PathLike[str], data_dir: str | None = None) -> Dataset:
    """Return the data set of that name, or the one in that ``.npz`` file.

    Parameters
    ----------
    name_or_file : str or path
        ``"digits"``: the 1,797 images of 8x8 pixels that scikit-learn bundles, divided by 16.
        ``"mnist"``, ``"fashion-mnist"``: the four IDX files of that data set, with or without
        ``.gz``, in `data_dir`; their own split.
        A path ending in ``.npz``: arrays ``X``, shape (n, h, w) or (n, c, h, w) with c = 1 or 3,
        and ``y``, shape (n,), integers from 0. Bytes are divided by 255; floats must lie in [0, 1].
    data_dir : str, optional
        Folder of the IDX files.

    Returns
    -------
    Dataset
        Without a split of its own, a quarter of every class (rounded, at least one image) is the
        test set, drawn with a fixed seed: the split depends on the labels alone.

    Raises
    ------
    FileNotFoundError
        A file is missing.
    ValueError
        An unknown name, a damaged file, or values that break the rules above. One line.
    """
    name = os.fspath(name_or_file)
    if name == "digits":
        return _digits()
    if name in _IDX_NAMES:
        return _idx_dataset(name, data_dir)
    if name.endswith(".npz"):
        return _npz(Path(name))
    raise ValueError(
        f"data must be 'digits', 'mnist', 'fashion-mnist' or a path ending in .npz, got {name!r}"
    )


def _digits() -> Dataset:
    from sklearn.datasets import load_digits

    bundle = load_digits()
    images = (bundle.images / 16.0).astype(np.float32)[:, None]
    return _with_split("digits", images, bundle.target.astype(np.int64), 10)


def _idx_dataset(name: str, data_dir: str | None) -> Dataset:
    if data_dir is None:
        raise ValueError(f"data {name!r} needs data_dir, the folder with {_IDX_NAMES[name]}")
    folder = Path(data_dir)
    parts = []
    for part in ("train", "t10k"):
        images = _read_idx(_find(folder, f"{part}-images-idx3-ubyte"), 3)
        labels = _read_idx(_find(folder, f"{part}-labels-idx1-ubyte"), 1)
        if len(images) != len(labels) or len(images) == 0:
            raise ValueError(
                f"{folder}: {part} files must hold equally many images and labels, and some; "
                f"got {len(images)} and {len(labels)}"
            )
        parts.append((images, labels))
    images = np.concatenate([parts[0][0], parts[1][0]])[:, None].astype(np.float32) / 255
    labels = np.concatenate([parts[0][1], parts[1][1]]).astype(np.int64)
    if labels.max() > 9:
        raise ValueError(f"{folder}: labels of {name} must be 0..9, got {labels.max()}")
    n = len(parts[0][1])
    return Dataset(name, images, labels, 10, np.arange(n), np.arange(n, len(labels)))


def _find(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise FileNotFoundError(f"{folder} must contain {name} or {name}.gz")


def _read_idx(path: Path, dimensions: int) -> np.ndarray:
    """Return the bytes of an IDX file: two zeros, type 8, rank, big-endian sizes, data."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            header = file.read(4 + 4 * dimensions)
            if len(header) < 4 + 4 * dimensions or header[:4] != bytes((0, 0, 8, dimensions)):
                raise ValueError(f"{path} must be an IDX file of bytes with {dimensions} axes")
            shape = struct.unpack(f">{dimensions}I", header[4:])
            size = math.prod(shape)
            _guard(path, size)
            content = file.read(size + 1)
    except (EOFError, OSError) as damage:
        raise ValueError(f"{path} cannot be read: {damage}") from None
    if len(content) != size:
        raise ValueError(f"{path} must hold {size} bytes after its header, as that header says")
    return np.frombuffer(content, np.uint8).reshape(shape)


def _npz(path: Path) -> Dataset:
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}")
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                _guard(path, entry.file_size)
        with np.load(path, allow_pickle=False) as arrays:
            missing = {"X", "y"} - set(arrays.files)
            if missing:
                raise ValueError(f"it lacks the array {min(missing)}")
            X, y = arrays["X"], arrays["y"]
    except (ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as damage:
        raise ValueError(f"{path} must be a .npz file with arrays X and y: {damage}") from None
    if X.ndim == 3:
        X = X[:, None]
    if X.ndim != 4 or X.shape[1] not in (1, 3) or 0 in X.shape:
        raise ValueError(
            f"{path}: X must have shape (n, h, w) or (n, c, h, w) with c = 1 or 3, got {X.shape}"
        )
    if y.shape != (len(X),) or y.dtype.kind not in "iu":
        raise ValueError(f"{path}: y must hold {len(X)} integers, got shape {y.shape} of {y.dtype}")
    if X.dtype == np.uint8:
        images = X.astype(np.float32) / 255
    elif X.dtype.kind == "f":
        images = X.astype(np.float32)
        if not (images.min() >= 0 and images.max() <= 1):
            raise ValueError(
                f"{path}: floats in X must lie in [0, 1], got [{images.min()}, {images.max()}]"
            )
    else:
        raise ValueError(f"{path}: X must hold bytes (uint8) or floats, got {X.dtype}")
    if y.min() < 0 or y.max() >= MAX_CLASSES or y.max() < 1:
        raise ValueError(
            f"{path}: y must hold at least two classes out of 0..{MAX_CLASSES - 1}, "
            f"got {y.min()}..{y.max()}"
        )
    return _with_split(str(path), images, y.astype(np.int64), int(y.max()) + 1)


def _guard(path: Path, size: int) -> None:
    if size > MAX_BYTES:
        raise ValueError(f"{path} unpacks to {size} bytes, more than the {MAX_BYTES} allowed")


def _with_split(name: str, images: np.ndarray, labels: np.ndarray, classes: int) -> Dataset:
    generator = np.random.default_rng(SPLIT_SEED)
    test = []
    for k in range(classes):
        members = generator.permutation(np.flatnonzero(labels == k))
        if len(members) == 1:
            raise ValueError(f"{name}: class {k} must have no image or at least two, got 1")
        if len(members):
            test.append(members[: max(1, round(TEST_SHARE * len(members)))])
    chosen = np.sort(np.concatenate(test))
    rest = np.setdiff1d(np.arange(len(labels)), chosen)
    return Dataset(name, images, labels, classes, rest, chosen)
