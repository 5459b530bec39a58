"""Labelled images with a fixed split, from files at hand. Nothing is fetched from a network."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from empirical.readers import (
    Labelled,
    read_cifar_binary,
    read_idx_pair,
    read_mat,
    read_npz,
    read_parquet,
)

TEST_SHARE = 0.25  # of every class, where the source has no split of its own
SPLIT_SEED = 20180223
MAX_CLASSES = 10_000

_IDX = (
    "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, "
    "t10k-labels-idx1-ubyte, each with or without .gz"
)
FILES = {
    "mnist": _IDX,
    "fashion-mnist": _IDX,
    "svhn": "train_32x32.mat, test_32x32.mat",
    "cifar10": "data_batch_1.bin .. data_batch_5.bin, test_batch.bin; or one Parquet file of PNG "
    "pictures each with train and test in its name",
    "cifar10-jpeg": "one Parquet file of JPEG pictures each with train and test in its name",
}


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
        Files in `data_dir`, with a split and ten classes of their own:
        ``"mnist"``, ``"fashion-mnist"``: the four IDX files, with or without ``.gz``.
        ``"svhn"``: ``train_32x32.mat`` and ``test_32x32.mat``.
        ``"cifar10"``: the six files of the binary version; or Parquet files of PNG pictures, one
        with ``train`` and one with ``test`` in its name, columns ``img`` and ``label``.
        ``"cifar10-jpeg"``: such Parquet files of JPEG pictures, whose pixels are not the original.
        A path ending in ``.npz``: arrays ``X``, shape (n, h, w) or (n, c, h, w) with c = 1 or 3,
        and ``y``, shape (n,), integers from 0. Bytes are divided by 255; floats must lie in [0, 1].
    data_dir : str, optional
        Folder of these files.

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
    if name in FILES:
        return _with_own_split(name, data_dir)
    if name.endswith(".npz"):
        return _npz(Path(name))
    names = ", ".join(repr(known) for known in ("digits", *FILES))
    raise ValueError(f"data must be {names} or a path ending in .npz, got {name!r}")


def _digits() -> Dataset:
    from sklearn.datasets import load_digits

    bundle = load_digits()
    images = (bundle.images / 16.0).astype(np.float32)[:, None]
    return _with_split("digits", images, bundle.target.astype(np.int64), 10)


def _with_own_split(name: str, data_dir: str | None) -> Dataset:
    if data_dir is None:
        raise ValueError(f"data {name!r} needs data_dir, the folder with {FILES[name]}")
    folder = Path(data_dir)
    train, test = (read_part(name, folder, part) for part in ("train", "test"))
    images, labels = (np.concatenate(both) for both in zip(train, test, strict=True))
    if labels.max() > 9:
        raise ValueError(f"{folder}: labels of {name} must be 0..9, got {labels.max()}")
    n = len(train[1])
    scaled = images.astype(np.float32) / 255
    return Dataset(name, scaled, labels, 10, np.arange(n), np.arange(n, len(labels)))


def read_part(name: str, folder: Path, part: str) -> Labelled:
    """Return bytes and labels of one part, "train" or "test", of a data set of `FILES`."""
    if name == "svhn":
        return read_mat(_find(folder, f"{part}_32x32.mat"))
    if name == "cifar10" and any(folder.glob("*_batch*.bin")):
        batches = [f"data_batch_{i}.bin" for i in range(1, 6)] if part == "train" else []
        records = [read_cifar_binary(_find(folder, b)) for b in batches or ["test_batch.bin"]]
        images, labels = (np.concatenate(column) for column in zip(*records, strict=True))
        return images, labels
    if name in ("cifar10", "cifar10-jpeg"):
        found = sorted(folder.glob(f"*{part}*.parquet"))
        if len(found) != 1:
            raise FileNotFoundError(f"{folder} must contain {FILES[name]}")
        return read_parquet(found[0], "PNG" if name == "cifar10" else "JPEG")
    prefix = "train" if part == "train" else "t10k"
    files = (f"{prefix}-{kind}-ubyte" for kind in ("images-idx3", "labels-idx1"))
    images_file, labels_file = (_find(folder, file, f"{file}.gz") for file in files)
    return read_idx_pair(images_file, labels_file)


def _find(folder: Path, *names: str) -> Path:
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"{folder} must contain {' or '.join(names)}")


def _npz(path: Path) -> Dataset:
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}")
    X, y = read_npz(path)
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
