import gzip
import io
import struct
import zipfile

import numpy as np
import pytest

from empirical import data, readers


def idx(array):
    """The bytes of an IDX file."""
    header = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture
def folder(tmp_path):
    """Six training and four test images of 3x2 pixels, half of the files compressed."""
    generator = np.random.default_rng(0)
    for part, n in (("train", 6), ("t10k", 4)):
        images = generator.integers(0, 256, (n, 3, 2))
        labels = np.arange(n) % 3
        (tmp_path / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))
    return tmp_path


def save(tmp_path, **arrays):
    path = tmp_path / "mine.npz"
    np.savez_compressed(path, **arrays)
    return path


def test_digits():
    digits = data.load("digits")
    assert digits.images.shape == (1797, 1, 8, 8)
    assert digits.images.dtype == np.float32
    assert (digits.images.min(), digits.images.max()) == (0, 1)
    assert digits.labels.dtype == np.int64
    assert digits.classes == 10
    assert digits.shape == (1, 8, 8)


def test_split_is_stratified_fixed_and_complete():
    digits, again = data.load("digits"), data.load("digits")
    assert (digits.test == again.test).all()
    assert (np.sort(np.concatenate([digits.train, digits.test])) == np.arange(1797)).all()
    all_of = np.bincount(digits.labels)
    # A quarter of each class, to the nearest image.
    assert (np.abs(np.bincount(digits.labels[digits.test]) - all_of / 4) <= 0.5).all()


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_idx(folder, name):
    found = data.load(name, str(folder))
    assert found.images.shape == (10, 1, 3, 2)
    assert found.images.dtype == np.float32
    assert found.train.tolist() == [0, 1, 2, 3, 4, 5]
    assert found.test.tolist() == [6, 7, 8, 9]
    assert found.labels.tolist() == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0]
    first = np.random.default_rng(0).integers(0, 256, (6, 3, 2))
    assert (found.images[:6, 0] == np.float32(first) / np.float32(255)).all()


def test_absent_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="must contain train-images-idx3-ubyte"):
        data.load("mnist", str(tmp_path))
    with pytest.raises(ValueError, match="needs data_dir"):
        data.load("mnist")
    with pytest.raises(FileNotFoundError, match="no such file"):
        data.load(tmp_path / "absent.npz")
    with pytest.raises(ValueError, match="data must be 'digits'"):
        data.load("cifar")


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", "must be an IDX file"),
        (b"\0\0\x08\x01\0\0\0\x06", "must be an IDX file"),  # rank 1
        (b"\0\0\x0d\x03" + b"\0\0\0\x01" * 3 + b"\0" * 4, "must be an IDX file"),  # floats
        (idx(np.zeros((6, 3, 2)))[:-1], "must hold 36 bytes"),
        (idx(np.zeros((6, 3, 2))) + b"\0", "must hold 36 bytes"),
        (idx(np.zeros((5, 3, 2))), "equally many"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "more than the"),
    ],
)
def test_damaged_idx_files_are_refused(folder, content, rule):
    (folder / "train-images-idx3-ubyte.gz").unlink()
    (folder / "train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(ValueError, match=rule):
        data.load("mnist", str(folder))


def test_damaged_compression_is_refused(folder):
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(ValueError, match="cannot be read"):
        data.load("mnist", str(folder))
    path.write_bytes(b"not gzip at all")
    with pytest.raises(ValueError, match="cannot be read"):
        data.load("mnist", str(folder))


def test_labels_beyond_nine_are_refused(folder):
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx(np.array([1, 2, 3, 10])))
    with pytest.raises(ValueError, match=r"labels of mnist must be 0\.\.9"):
        data.load("mnist", str(folder))


def test_npz(tmp_path):
    generator = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [8, 4, 2])
    for X in (
        generator.integers(0, 256, (14, 5, 4), dtype=np.uint8),
        generator.random((14, 3, 5, 4)),
    ):
        found = data.load(save(tmp_path, X=X, y=y))
        assert found.classes == 3
        assert found.images.shape == (14, 1 if X.ndim == 3 else 3, 5, 4)
        assert np.bincount(found.labels[found.test]).tolist() == [2, 1, 1]
        scale = 255 if X.dtype == np.uint8 else 1
        np.testing.assert_allclose(found.images.reshape(X.shape), X / scale, rtol=2**-23)


X = np.zeros((4, 2, 2), np.uint8)
y = np.array([0, 0, 1, 1])


@pytest.mark.parametrize(
    ("arrays", "rule"),
    [
        ({"X": X}, "lacks the array y"),
        ({"y": y}, "lacks the array X"),
        ({"X": X[:, 0], "y": y}, "X must have shape"),
        ({"X": X[:, :, :, None], "y": y}, "X must have shape"),  # channels last
        ({"X": X[:0], "y": y[:0]}, "X must have shape"),
        ({"X": X.astype(np.int64), "y": y}, "X must hold bytes"),
        ({"X": X + 1.5, "y": y}, r"floats in X must lie in \[0, 1\]"),
        ({"X": X * np.nan, "y": y}, r"floats in X must lie in \[0, 1\]"),
        ({"X": X, "y": y[:3]}, "y must hold 4 integers"),
        ({"X": X, "y": y.astype(float)}, "y must hold 4 integers"),
        ({"X": X, "y": y - 1}, "at least two classes"),
        ({"X": X, "y": y * 0}, "at least two classes"),
        ({"X": X, "y": y * 10**9}, "at least two classes"),
        ({"X": X, "y": np.array([0, 0, 0, 1])}, "class 1 must have no image or at least two"),
        ({"X": np.array([{}, {}, {}, {}]), "y": y}, "must be a .npz file"),  # would need pickle
    ],
)
def test_npz_that_break_the_rules_are_refused(tmp_path, arrays, rule):
    with pytest.raises(ValueError, match=rule) as refusal:
        data.load(save(tmp_path, **arrays))
    assert "\n" not in str(refusal.value)


def test_what_is_no_archive_is_refused(tmp_path):
    path = tmp_path / "mine.npz"
    path.write_bytes(b"PK but no archive")
    with pytest.raises(ValueError, match=r"must be a \.npz file"):
        data.load(path)
    whole = io.BytesIO()
    np.savez(whole, X=X, y=y)
    path.write_bytes(whole.getvalue()[:-60])
    with pytest.raises(ValueError, match=r"must be a \.npz file"):
        data.load(path)
    damaged = bytearray(whole.getvalue())
    damaged[140] ^= 1  # in the data of X: the archive's checksum tells
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match=r"must be a \.npz file"):
        data.load(path)


def test_archives_that_unpack_to_too_much_are_refused(tmp_path, monkeypatch):
    path = save(tmp_path, X=np.zeros((10, 100, 100), np.uint8), y=np.arange(10) // 5)
    assert path.stat().st_size < 5000
    monkeypatch.setattr(readers, "MAX_BYTES", 50_000)
    with pytest.raises(ValueError, match="unpacks to"):
        data.load(path)


def test_sizes_that_an_array_claims_are_checked_too(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (2**40, 1, 1)}
    )
    path = tmp_path / "mine.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X.npy", header.getvalue())
        archive.writestr("y.npy", header.getvalue())
    with pytest.raises(ValueError, match=r"must be a \.npz file"):
        data.load(path)
