"""Images and labels out of files: IDX, MATLAB, CIFAR's binary records, Parquet, npz.

Every reader checks sizes before it unpacks anything, and says in one line what is wrong.
"""

from __future__ import annotations

import gzip
import io
import math
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np

MAX_BYTES = 8 * 2**30  # an array that would unpack to more is refused before it is read
MAX_PIXELS = 2**20  # of one encoded picture
CIFAR_SHAPE = (3, 32, 32)

Labelled = tuple[np.ndarray, np.ndarray]  # bytes (n, c, h, w) and labels (n,) int64


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """Return the bytes of an IDX file: two zeros, type 8, rank, big-endian sizes, data.

    A name that ends in ``.gz`` is unpacked. ValueError if the file is damaged.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            header = file.read(4 + 4 * dimensions)
            if len(header) < 4 + 4 * dimensions or header[:4] != bytes((0, 0, 8, dimensions)):
                raise ValueError(f"{path} must be an IDX file of bytes with {dimensions} axes")
            shape = struct.unpack(f">{dimensions}I", header[4:])
            size = math.prod(shape)
            guard(path, size)
            content = file.read(size + 1)
    except (EOFError, OSError, zlib.error) as damage:
        raise ValueError(f"{path} cannot be read: {damage}") from None
    if len(content) != size:
        raise ValueError(f"{path} must hold {size} bytes after its header, as that header says")
    return np.frombuffer(content, np.uint8).reshape(shape)


def read_idx_pair(images: Path, labels: Path) -> Labelled:
    """Return the images and the labels of two IDX files, of equally many entries, at least one."""
    X, y = read_idx(images, 3), read_idx(labels, 1)
    if len(X) != len(y) or len(y) == 0:
        raise ValueError(
            f"{images.parent}: {images.name} and {labels.name} must hold equally many images and "
            f"labels, and some; got {len(X)} and {len(y)}"
        )
    return X[:, None], y.astype(np.int64)


def read_mat(path: Path) -> Labelled:
    """Return the arrays X (h, w, c, n) of bytes and y (n, 1) of a MATLAB file, as SVHN has them.

    The label 10 stands for the digit 0. ValueError if the file is anything else.
    """
    from scipy.io import matlab as mat

    unreadable = (mat.MatReadError, NotImplementedError, TypeError, ValueError, zlib.error)
    try:
        described = {name: shape for name, shape, _ in mat.whosmat(path)}
        guard(path, sum(8 * math.prod(shape) for shape in described.values()))
        arrays = mat.loadmat(path, variable_names=("X", "y"))
        X, y = np.asarray(arrays["X"]), np.asarray(arrays["y"])
    except KeyError as missing:
        raise ValueError(f"{path} must hold the arrays X and y, lacks {missing}") from None
    except (*unreadable, OSError, EOFError, MemoryError) as damage:
        raise ValueError(f"{path} must be a MATLAB file up to version 7: {_line(damage)}") from None
    if X.ndim != 4 or X.shape[2] not in (1, 3) or 0 in X.shape or X.dtype != np.uint8:
        raise ValueError(f"{path}: X must hold bytes (h, w, c, n), got {X.dtype} of {X.shape}")
    y = y.ravel()
    whole = y.dtype.kind in "iuf" and bool((y == np.round(y)).all())
    if y.size != X.shape[3] or not whole or y.min() < 0 or y.max() > 10:
        raise ValueError(
            f"{path}: y must hold {X.shape[3]} labels 1..10, got {y.size} of {y.dtype}"
        )
    return np.ascontiguousarray(X.transpose(3, 2, 0, 1)), y.astype(np.int64) % 10


def read_cifar_binary(path: Path) -> Labelled:
    """Return the records of CIFAR-10's binary version: one byte of label, 3072 of red, green, blue.

    ValueError unless the file is whole records with labels 0..9.
    """
    record = 1 + math.prod(CIFAR_SHAPE)
    size = path.stat().st_size
    guard(path, size)
    if size == 0 or size % record:
        raise ValueError(f"{path} must hold records of {record} bytes, and some; got {size} bytes")
    records = np.frombuffer(path.read_bytes(), np.uint8).reshape(-1, record)
    labels = records[:, 0].astype(np.int64)
    if labels.max() > 9:
        raise ValueError(f"{path}: labels must be 0..9, got {labels.max()}")
    return records[:, 1:].reshape(-1, *CIFAR_SHAPE), labels


def read_parquet(path: Path, encoding: str) -> Labelled:
    """Return the pictures of a Parquet file with columns ``img`` and ``label``.

    `img` holds encoded pictures (``bytes`` of a record, or plain binary), all of one size and of
    the given encoding, ``"PNG"`` or ``"JPEG"``: pixels of the second are not the original ones.
    ValueError otherwise.
    """
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            groups = (file.metadata.row_group(i) for i in range(file.metadata.num_row_groups))
            guard(path, sum(group.total_byte_size for group in groups))
            if not {"img", "label"} <= set(file.schema_arrow.names):
                raise ValueError(f"it needs columns img and label, has {file.schema_arrow.names}")
            table = file.read(columns=["img", "label"])
        cells, labels = table["img"].to_pylist(), table["label"].to_numpy()
    except (pyarrow.ArrowException, ValueError, OSError, MemoryError) as damage:
        raise ValueError(f"{path} cannot be read: {_line(damage)}") from None
    if not len(labels) or labels.dtype.kind not in "iu" or labels.min() < 0:
        raise ValueError(f"{path}: label must hold integers from 0, and some; got {labels.dtype}")
    pictures = []
    for row, cell in enumerate(cells):
        content = cell.get("bytes") if isinstance(cell, dict) else cell
        if not isinstance(content, bytes):
            raise ValueError(f"{path}, row {row}: img must hold an encoded picture")
        pictures.append(_decode(path, row, content, encoding))
        if pictures[-1].shape != pictures[0].shape:
            raise ValueError(f"{path}, row {row}: all pictures must have one size")
        if row == 0:
            guard(path, len(cells) * pictures[0].size)
    return np.stack(pictures), labels.astype(np.int64)


def _decode(path: Path, row: int, content: bytes, encoding: str) -> np.ndarray:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)) as picture:
            if picture.format != encoding:
                raise ValueError(f"it must be encoded as {encoding}, not {picture.format}")
            if math.prod(picture.size) > MAX_PIXELS:
                raise ValueError(f"{picture.size} pixels are more than the {MAX_PIXELS} allowed")
            pixels = np.asarray(picture.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as damage:
        raise ValueError(f"{path}, row {row}: {_line(damage)}") from None
    return pixels.transpose(2, 0, 1)


def read_npz(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the arrays X and y of a ``.npz`` file, as they are. ValueError if it is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                guard(path, entry.file_size)
        with np.load(path, allow_pickle=False) as arrays:
            missing = {"X", "y"} - set(arrays.files)
            if missing:
                raise ValueError(f"it lacks the array {min(missing)}")
            return arrays["X"], arrays["y"]
    except (ValueError, EOFError, OSError, MemoryError, zipfile.BadZipFile, zlib.error) as damage:
        raise ValueError(f"{path} must be a .npz file with arrays X and y: {damage}") from None


def guard(path: Path, size: int) -> None:
    """Raise ValueError if `size` bytes are too many to unpack."""
    if size > MAX_BYTES:
        raise ValueError(f"{path} unpacks to {size} bytes, more than the {MAX_BYTES} allowed")


def _line(damage: Exception) -> str:
    return " ".join(str(damage).split()) or type(damage).__name__
