"""What is read back from a store is what was written, or it is not read at all."""

from __future__ import annotations

import hashlib
import json
import random
import re
import shutil
import sqlite3
import zipfile

import numpy as np
import pytest

from validation.experiment import Result, Unit
from validation.store import Finished, Store, artifact_name, unit_digest, write_atomically

ARRAYS = {
    "numbers": np.array([[0.1, -0.0], [np.inf, 5e-324]]),
    "whole": np.arange(6, dtype=np.uint8).reshape(2, 3),
    "zero-dimensional": np.array(3.5),
    "empty": np.zeros((0, 4), np.float32),
    "text": np.array(["a", "\N{GREEK SMALL LETTER ALPHA}"]),
}


def unit(key, **parameters):
    return Unit(key, "toy:draw", parameters)


def done(value=1.0, arrays=None):
    return Finished(Result({"value": value}, arrays or {}), 0.1 + value, 1e9 + value)


def same(a: Finished, b: Finished) -> bool:
    names = set(a.result.arrays)
    return (
        a.result.values == b.result.values
        and (a.seconds, a.finished) == (b.seconds, b.finished)
        and names == set(b.result.arrays)
        and all(
            a.result.arrays[n].dtype == b.result.arrays[n].dtype
            and a.result.arrays[n].shape == b.result.arrays[n].shape
            and a.result.arrays[n].tobytes() == b.result.arrays[n].tobytes()
            for n in names
        )
    )


KEYS = ("plain", "../../etc/passwd", "new\nline", "nul\x00", "<script>", "", "x" * 5000, "ü\u202e")


@pytest.fixture
def filled(tmp_path):
    """A closed store with units of every kind, and what it holds."""
    place = tmp_path / "run"
    held = {}
    with Store(place, create=True) as store:
        for i, key in enumerate(KEYS):
            held[key] = done(i / 3, ARRAYS if i % 2 else None)
            store.put(unit(key), held[key])
    return place, held


def read(place, held):
    """Everything that can be read, after checking that nothing else was."""
    with Store(place, create=False) as store:
        found = {key for key in held if unit(key) in store}
        assert len(found) + len(store.damaged) <= len(held)
        assert all(same(store.get(unit(key)), held[key]) for key in found)
        return found, store.damaged


def test_what_was_written_is_read_back(filled):
    place, held = filled
    found, damaged = read(place, held)
    assert found == set(KEYS)
    assert damaged == ()


def test_a_unit_with_other_parameters_or_needs_is_not_the_same(filled):
    place, _ = filled
    with Store(place, create=False) as store:
        assert unit("plain") in store
        assert unit("plain", n=1) not in store
        assert Unit("plain", "toy:fail", {}) not in store
        assert Unit("plain", "toy:draw", {}, (unit("other"),)) not in store
        with pytest.raises(KeyError):
            store.get(unit("plain", n=1))


def test_a_unit_can_be_done_again(filled):
    place, _ = filled
    with Store(place, create=False) as store:
        store.put(unit("plain"), done(9.0, ARRAYS))
        assert same(store.get(unit("plain")), done(9.0, ARRAYS))
    with Store(place, create=False) as store:
        assert same(store.get(unit("plain")), done(9.0, ARRAYS))


def test_artifacts_stay_in_their_folder_and_have_different_names(filled):
    place, _ = filled
    names = {artifact_name(key) for key in KEYS}
    assert len(names) == len(KEYS)
    assert all(len(name) < 100 and name.isascii() and "/" not in name for name in names)
    on_disk = {path.name for path in (place / "artifacts").iterdir()}
    assert on_disk == {artifact_name(key) for i, key in enumerate(KEYS) if i % 2}
    assert sorted(p.name for p in place.iterdir()) == ["artifacts", "units.sqlite"]


def test_the_same_arrays_give_the_same_bytes(tmp_path):
    digests = set()
    for name in ("a", "b"):
        arrays = dict(reversed(ARRAYS.items())) if name == "b" else ARRAYS
        with Store(tmp_path / name, create=True) as store:
            store.put(unit("k"), done(1.0, arrays))
        content = (tmp_path / name / "artifacts" / artifact_name("k")).read_bytes()
        digests.add(hashlib.sha256(content).digest())
    assert len(digests) == 1


def test_only_one_process_at_a_time(filled):
    place, held = filled
    with Store(place, create=False), pytest.raises(ValueError, match="another process is using"):
        Store(place, create=False)
    read(place, held)


def test_no_store(tmp_path):
    with pytest.raises(ValueError, match=r"units\.sqlite is missing"):
        Store(tmp_path, create=False)
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="Not a directory"):
        Store(tmp_path / "file" / "run", create=True)


def test_flipped_bits_never_give_a_wrong_value(filled):
    place, held = filled
    database = place / "units.sqlite"
    whole = database.read_bytes()
    rng = random.Random(20180223)
    lost, messages = 0, []
    for _ in range(600):
        damaged = bytearray(whole)
        bit = rng.randrange(8 * len(whole))
        damaged[bit // 8] ^= 1 << bit % 8
        database.write_bytes(damaged)
        try:
            found, _ = read(place, held)
            lost += len(found) < len(held)
        except ValueError as error:
            messages.append(str(error))
        for extra in place.glob("units.sqlite-*"):
            extra.unlink()
    assert lost > 20  # the flips did hit rows (most of the file is free space)
    assert len(messages) > 5  # and structure
    assert all(re.fullmatch(r".*units\.sqlite is damaged: .*", line) for line in messages)


def test_a_truncated_store_never_gives_a_wrong_value(filled):
    place, held = filled
    database = place / "units.sqlite"
    whole = database.read_bytes()
    for size in (0, 1, 99, 100, 512, 4096, 4097, 8192, len(whole) // 2):
        database.write_bytes(whole[:size])
        with pytest.raises(ValueError, match="damaged"):
            Store(place, create=False)
    database.write_bytes(whole[:-1])  # SQLite reads a zero there: one row is not what it was
    found, damaged = read(place, held)
    assert len(found) == len(held) - 1
    assert len(damaged) == 1
    database.write_bytes(whole)
    assert read(place, held)[0] == set(KEYS)


def test_a_damaged_artifact_is_done_again(filled):
    place, held = filled
    files = sorted((place / "artifacts").iterdir())
    flipped = bytearray(files[0].read_bytes())
    flipped[len(flipped) // 2] ^= 1
    files[0].write_bytes(flipped)
    files[1].write_bytes(files[1].read_bytes()[:-1])
    files[2].unlink()
    found, damaged = read(place, held)
    assert len(damaged) == 3
    assert len(found) == len(held) - 3
    assert read(place, held)[1] == ()  # dropped once, then simply to be done


def test_an_artifact_that_changes_while_it_is_in_use_is_refused(filled):
    place, _ = filled
    with Store(place, create=False) as store:
        path = place / "artifacts" / artifact_name(KEYS[1])
        path.write_bytes(b"something else")
        with pytest.raises(ValueError, match="fails its checksum"):
            store.get(unit(KEYS[1]))


def _forge(place, key, content, name=None):
    """Put a file in place of the arrays of `key`, with checksums that agree."""
    name = name or artifact_name(key)
    (place / "artifacts" / name).write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    fields = [key, unit_digest(unit(key)), "{}", name, sha256]
    checksum = hashlib.sha256(json.dumps([*fields, "1.0", "1.0"]).encode()).hexdigest()
    connection = sqlite3.connect(place / "units.sqlite")
    values = (*fields, 1.0, 1.0, checksum)
    connection.execute("INSERT OR REPLACE INTO units VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
    connection.commit()
    connection.close()


def test_a_forged_artifact_is_not_unpickled_nor_unpacked_without_end(filled, tmp_path):
    place, _ = filled
    objects = tmp_path / "objects.npz"
    np.savez(objects, x=np.array([{}], dtype=object))
    bomb = tmp_path / "bomb.npz"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", b"0" * 10_000_000)
    for path in (objects, bomb):
        _forge(place, "plain", path.read_bytes())
        with Store(place, create=False) as store, pytest.raises(ValueError, match="cannot be read"):
            store.get(unit("plain"))
    _forge(place, "plain", b"", name="../elsewhere")
    with Store(place, create=False) as store:
        assert len(store.damaged) == 1


def test_files_are_replaced_whole(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"


def test_remains_of_a_killed_process_are_removed(filled):
    place, held = filled
    (place / "artifacts" / ".half-written.npz.part").write_bytes(b"half")
    (place / "artifacts" / "of-an-uncommitted-unit.npz").write_bytes(b"whole")
    assert read(place, held)[0] == set(KEYS)
    assert not list((place / "artifacts").glob(".*"))


def test_a_copy_of_the_files_is_a_store(filled, tmp_path):
    place, held = filled
    shutil.copytree(place, tmp_path / "copy")
    assert read(tmp_path / "copy", held)[0] == set(KEYS)


def test_the_expected_cost_does_not_tell_units_apart(tmp_path):
    cheap, dear = Unit("key", "toy:draw", {}), Unit("key", "toy:draw", {}, cost=60.0)
    assert cheap == dear
    assert unit_digest(cheap) == unit_digest(dear)
    with Store(tmp_path, create=True) as store:
        store.put(cheap, done())
        assert dear in store
        assert same(store.get(dear), done())
    for bad in (-1.0, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="cost must be finite and at least 0, got"):
            Unit("key", "toy:draw", {}, cost=bad)
