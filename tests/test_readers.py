import io

import numpy as np
import pyarrow
import pytest
from PIL import Image
from pyarrow import parquet
from scipy.io import savemat

from empirical import data, readers

RNG = np.random.default_rng(0)


def svhn(folder, n=5, **changes):
    """Files like SVHN's, smaller; returns the pixels of the training file."""
    X = RNG.integers(0, 256, (4, 3, 3, n), dtype=np.uint8)
    for part in ("train", "test"):
        y = (np.arange(n) % 10 + 1).astype(np.uint8)[:, None]
        savemat(folder / f"{part}_32x32.mat", {"X": X, "y": y, **changes}, do_compression=True)
    return X


def test_svhn(tmp_path):
    X = svhn(tmp_path, 11)
    found = data.load("svhn", str(tmp_path))
    assert found.images.shape == (22, 3, 4, 3)
    assert found.labels[:11].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]  # 10 is the digit 0
    assert found.images[7, 2, 3, 1] == np.float32(X[3, 1, 2, 7]) / np.float32(255)
    assert found.train.tolist() == list(range(11))
    assert found.test.tolist() == list(range(11, 22))


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"X": np.zeros((4, 3, 3, 5))}, "X must hold bytes"),
        ({"X": np.zeros((4, 3, 2, 5), np.uint8)}, "X must hold bytes"),
        ({"X": np.zeros((4, 3), np.uint8)}, "X must hold bytes"),
        ({"y": np.arange(4)}, "y must hold 5 labels"),
        ({"y": np.arange(5) + 7}, "y must hold 5 labels"),
        ({"y": np.arange(5) - 1}, "y must hold 5 labels"),
        ({"y": np.arange(5) + 0.5}, "y must hold 5 labels"),
        ({"y": np.full(5, np.nan)}, "y must hold 5 labels"),
        ({"y": "abcde"}, "y must hold 5 labels"),
        ({"X": {"a": 1}}, "X must hold bytes"),
    ],
)
def test_matlab_files_that_break_the_rules_are_refused(tmp_path, changes, rule):
    svhn(tmp_path, **changes)
    with pytest.raises(ValueError, match=rule) as refusal:
        data.load("svhn", str(tmp_path))
    assert "\n" not in str(refusal.value)


def test_damaged_matlab_files_are_refused(tmp_path, monkeypatch):
    svhn(tmp_path)
    path = tmp_path / "train_32x32.mat"
    whole = path.read_bytes()
    hdf5 = b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM"
    damaged = [b"", b"junk", whole[:-30], whole[:140], hdf5]
    for content in [*damaged, whole[:200] + b"\xff" * 40 + whole[240:]]:
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"train_32x32\.mat") as refusal:
            data.load("svhn", str(tmp_path))
        assert "\n" not in str(refusal.value)
    savemat(path, {"X": np.zeros((4, 3, 3, 5), np.uint8)})
    with pytest.raises(ValueError, match="lacks 'y'"):
        data.load("svhn", str(tmp_path))
    path.write_bytes(whole)
    monkeypatch.setattr(readers, "MAX_BYTES", 1000)
    with pytest.raises(ValueError, match="more than the 1000 allowed"):
        data.load("svhn", str(tmp_path))
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"must contain train_32x32\.mat"):
        data.load("svhn", str(tmp_path))


def cifar(folder, n=2):
    """Files of CIFAR-10's binary version with n records each; returns them."""
    names = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
    records = RNG.integers(0, 256, (6, n, 3073), dtype=np.uint8)
    records[:, :, 0] %= 10
    for name, some in zip(names, records, strict=True):
        (folder / name).write_bytes(some.tobytes())
    return records.reshape(-1, 3073)


def test_cifar_binary(tmp_path):
    records = cifar(tmp_path)
    found = data.load("cifar10", str(tmp_path))
    assert found.images.shape == (12, 3, 32, 32)
    assert found.labels.tolist() == records[:, 0].tolist()
    assert found.test.tolist() == [10, 11]
    # Row 5, column 7 of the green plane of the third record.
    assert found.images[2, 1, 5, 7] == np.float32(records[2, 1 + 1024 + 5 * 32 + 7]) / np.float32(
        255
    )


def test_damaged_cifar_files_are_refused(tmp_path):
    records = cifar(tmp_path)
    path = tmp_path / "data_batch_3.bin"
    for content in (b"", records[0].tobytes()[:-1]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="must hold records of 3073 bytes"):
            data.load("cifar10", str(tmp_path))
    path.write_bytes(b"\x0a" + records[0, 1:].tobytes())
    with pytest.raises(ValueError, match=r"labels must be 0\.\.9, got 10"):
        data.load("cifar10", str(tmp_path))
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"must contain data_batch_3\.bin"):
        data.load("cifar10", str(tmp_path))


def encoded(pixels, encoding="PNG"):
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, encoding)
    return content.getvalue()


def write_parquet(path, images, labels, column="img"):
    if images and isinstance(images[0], bytes):
        images = [{"bytes": image, "path": "a"} for image in images]
    parquet.write_table(pyarrow.table({column: images, "label": labels}), path)


def test_parquet(tmp_path):
    pixels = RNG.integers(0, 256, (6, 5, 4, 3), dtype=np.uint8)
    for part, rows in (("train", slice(0, 4)), ("test", slice(4, 6))):
        images = [encoded(p) for p in pixels[rows]]
        write_parquet(
            tmp_path / f"{part}-00000-of-00001.parquet", images, [9, 0, 1, 2][: len(images)]
        )
    found = data.load("cifar10", str(tmp_path))
    assert (found.images == np.float32(pixels.transpose(0, 3, 1, 2)) / np.float32(255)).all()
    assert found.labels.tolist() == [9, 0, 1, 2, 9, 0]
    assert found.train.tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="encoded as JPEG, not PNG"):
        data.load("cifar10-jpeg", str(tmp_path))


def test_jpeg_is_never_taken_for_the_original(tmp_path):
    pixels = np.full((2, 8, 8, 3), 200, np.uint8)
    for part in ("train", "test"):
        write_parquet(tmp_path / f"{part}.parquet", [encoded(p, "JPEG") for p in pixels], [0, 1])
    found = data.load("cifar10-jpeg", str(tmp_path))
    assert found.name == "cifar10-jpeg"
    assert np.abs(found.images * 255 - 200).max() <= 2  # a flat picture survives, to rounding
    with pytest.raises(ValueError, match="encoded as PNG, not JPEG"):
        data.load("cifar10", str(tmp_path))


PICTURE = encoded(np.zeros((5, 4, 3), np.uint8))


@pytest.mark.parametrize(
    ("images", "labels", "column", "rule"),
    [
        ([PICTURE], [0], "picture", "needs columns img and label"),
        ([PICTURE], [0.5], "img", "label must hold integers"),
        ([PICTURE], [-1], "img", "label must hold integers"),
        ([], [], "img", "label must hold integers"),
        ([PICTURE, None], [0, 1], "img", "row 1: img must hold an encoded picture"),
        ([1, 2], [0, 1], "img", "row 0: img must hold an encoded picture"),
        ([PICTURE, PICTURE[:-30]], [0, 1], "img", "row 1"),
        ([b"no picture"], [0], "img", "row 0"),
        ([PICTURE, encoded(np.zeros((4, 5, 3), np.uint8))], [0, 1], "img", "row 1: all pictures"),
        ([encoded(np.zeros((1025, 1024, 3), np.uint8))], [0], "img", "pixels are more than"),
        ([PICTURE, PICTURE], [0, 10], "img", r"labels of cifar10 must be 0\.\.9, got 10"),
    ],
)
def test_parquet_files_that_break_the_rules_are_refused(tmp_path, images, labels, column, rule):
    for part in ("train", "test"):
        if None in images:
            rows = [None if i is None else {"bytes": i, "path": "a"} for i in images]
            write_parquet(tmp_path / f"{part}.parquet", rows, labels, column)
        else:
            write_parquet(tmp_path / f"{part}.parquet", images, labels, column)
    with pytest.raises(ValueError, match=rule) as refusal:
        data.load("cifar10", str(tmp_path))
    assert "\n" not in str(refusal.value)


def test_damaged_parquet_files_are_refused(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="must contain one Parquet file"):
        data.load("cifar10-jpeg", str(tmp_path))
    for part in ("train", "test"):
        write_parquet(tmp_path / f"{part}.parquet", [PICTURE], [0])
    whole = (tmp_path / "train.parquet").read_bytes()
    for content in (b"", b"junk", whole[:-20], whole[:8] + b"\xff" * 30 + whole[38:]):
        (tmp_path / "train.parquet").write_bytes(content)
        with pytest.raises(ValueError, match=r"train\.parquet") as refusal:
            data.load("cifar10", str(tmp_path))
        assert "\n" not in str(refusal.value)
    (tmp_path / "train.parquet").write_bytes(whole)
    monkeypatch.setattr(readers, "MAX_BYTES", 50)
    with pytest.raises(ValueError, match="more than the 50 allowed"):
        data.load("cifar10", str(tmp_path))
