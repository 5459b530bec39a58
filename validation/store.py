"""Finished units on disk: one SQLite file with a checksum on every row, arrays beside it.

A unit is acknowledged when its row is committed, and its arrays are on disk before that. So a
process may be killed at any moment: what is acknowledged is whole, what is not is done again. What
is read back is what was written, or it is not read at all.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import sqlite3
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from validation.experiment import Result, Unit

LARGEST = 4 * 2**30  # bytes of arrays that one unit may return
_TABLE = (
    "CREATE TABLE units (key TEXT PRIMARY KEY, digest TEXT NOT NULL, payload TEXT NOT NULL, "
    "artifact TEXT, artifact_sha256 TEXT, seconds REAL NOT NULL, finished REAL NOT NULL, "
    "checksum TEXT NOT NULL)"
)
_COLUMNS = "key, digest, payload, artifact, artifact_sha256, seconds, finished, checksum"


@dataclass(frozen=True)
class Finished:
    """The result of a unit, how long it took, and when it ended (seconds since the epoch)."""

    result: Result
    seconds: float
    finished: float


@dataclass(frozen=True)
class _Entry:
    digest: str
    payload: str
    artifact: str | None
    artifact_sha256: str | None
    seconds: float
    finished: float

    def checksum(self, key: str) -> str:
        fields = [key, self.digest, self.payload, self.artifact, self.artifact_sha256]
        times = [repr(self.seconds), repr(self.finished)]  # repr: every bit of a double
        return hashlib.sha256(json.dumps(fields + times).encode()).hexdigest()


def unit_digest(unit: Unit) -> str:
    """Return the SHA-256 of what the result depends on besides key and seed."""
    parts = [unit.function, unit.parameters, [need.key for need in unit.needs]]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, allow_nan=False).encode()).hexdigest()


def artifact_name(key: str) -> str:
    """Return a file name for the arrays of a unit: safe whatever the key, different for each."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", key).strip("-")[:60]
    return f"{readable}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz"


def write_atomically(path: Path, content: bytes) -> None:
    """Put `content` at `path`, on disk when this returns; at any moment the file is old or new."""
    part = path.with_name(f".{path.name}.part")
    with open(part, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the new name too
    finally:
        os.close(folder)


class Store:
    """The finished units of one run. One process at a time: the file is locked while open.

    Parameters
    ----------
    directory : Path
        Where ``units.sqlite`` and ``artifacts/`` are.
    create : bool
        Make them if they are missing; otherwise they must be there.

    Attributes
    ----------
    damaged : tuple of str
        One line for each row that was dropped on opening because it, or its file, is not what was
        written. Those units are done again.

    Raises
    ------
    ValueError
        In one line, if another process has it open, or the database as a whole is damaged.
    OSError
        If the place cannot be written.
    """

    def __init__(self, directory: Path, *, create: bool) -> None:
        self.directory = directory
        self._artifacts = directory / "artifacts"
        path = directory / "units.sqlite"
        if create:
            self._artifacts.mkdir(parents=True, exist_ok=True)
        elif not path.is_file():
            raise ValueError(f"{path} is missing")
        self._connection = sqlite3.connect(path, timeout=0, isolation_level=None)
        try:
            self._entries, self.damaged = self._open(create)
        except sqlite3.Error as error:
            self._connection.close()
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise ValueError(f"another process is using {directory}") from None
            if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
                raise OSError(f"cannot open {path}: {error}") from None
            raise ValueError(f"{path} is damaged: {error}") from None
        except BaseException:
            self._connection.close()
            raise
        for part in self._artifacts.glob(".*.part"):  # of a process that was killed while writing
            part.unlink()

    def _open(self, create: bool) -> tuple[dict[str, _Entry], tuple[str, ...]]:
        connection = self._connection
        connection.text_factory = bytes  # what is damaged need not be UTF-8
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("BEGIN EXCLUSIVE")  # kept until close, by the locking mode
        tables = [sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master") if sql]
        if create and not tables:
            connection.execute(_TABLE)
        elif tables != [_TABLE.encode()]:
            raise sqlite3.DatabaseError("it does not hold the table of units")
        connection.execute("COMMIT")
        report = [line for (line,) in connection.execute("PRAGMA integrity_check")]
        if report != [b"ok"]:
            first = report[0].decode(errors="replace").splitlines()[-1]
            raise sqlite3.DatabaseError(first)
        entries: dict[str, _Entry] = {}
        damaged: dict[int, str] = {}
        for rowid, *row in connection.execute(f"SELECT rowid, {_COLUMNS} FROM units"):
            try:
                key, entry = self._checked(row)
                entries[key] = entry
            except ValueError as error:
                damaged[rowid] = str(error)
        for rowid in damaged:
            connection.execute("DELETE FROM units WHERE rowid = ?", (rowid,))
        return entries, tuple(damaged.values())

    def _checked(self, row: list[Any]) -> tuple[str, _Entry]:
        texts: list[Any]
        try:
            texts = [None if text is None else text.decode() for text in row[:5]]
            key, digest, payload, artifact, sha256 = texts
            entry = _Entry(digest, payload, artifact, sha256, *row[5:7])
            whole = entry.checksum(key).encode() == row[7]
            whole = whole and artifact in (None, artifact_name(key))
        except (AttributeError, TypeError, UnicodeError):  # flipped bits may change a type
            whole = False
        if not whole:
            raise ValueError(f"a row of {self.directory / 'units.sqlite'} fails its checksum")
        if entry.artifact is not None:
            self._read(key, entry)
        return key, entry

    def _read(self, key: str, entry: _Entry) -> bytes:
        path = self._artifacts / artifact_name(key)
        try:
            if (size := path.stat().st_size) > LARGEST + 2**20:  # names and headers besides data
                raise ValueError(f"{path} has {size} bytes, too many")
            content = path.read_bytes()
        except OSError as error:
            raise ValueError(f"{path} cannot be read: {error.strerror}") from None
        if hashlib.sha256(content).hexdigest() != entry.artifact_sha256:
            raise ValueError(f"{path} fails its checksum")
        return content

    def __contains__(self, unit: Unit) -> bool:
        entry = self._entries.get(unit.key)
        return entry is not None and entry.digest == unit_digest(unit)

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, unit: Unit) -> Finished:
        """Return what was put for `unit`; KeyError if nothing was, ValueError if it is damaged."""
        if unit not in self:
            raise KeyError(unit.key)
        entry = self._entries[unit.key]
        arrays = {} if entry.artifact is None else _unpack(self._read(unit.key, entry), unit.key)
        return Finished(Result(json.loads(entry.payload), arrays), entry.seconds, entry.finished)

    def artifact(self, unit: Unit) -> str | None:
        """Return the file of the unit's arrays, below the run's directory, if there is one."""
        entry = self._entries.get(unit.key)
        return f"artifacts/{entry.artifact}" if entry and entry.artifact else None

    def seconds(self, unit: Unit) -> float:
        """Return how long the unit took; 0 if it is not here."""
        entry = self._entries.get(unit.key)
        return 0.0 if entry is None else entry.seconds

    def last_finished(self, default: float) -> float:
        """Return when the newest unit ended, in seconds since the epoch."""
        return max((entry.finished for entry in self._entries.values()), default=default)

    def put(self, unit: Unit, done: Finished) -> None:
        """Keep the result of `unit`, on disk when this returns.

        Raises
        ------
        OSError
            If the place cannot be written any more.
        """
        artifact = sha256 = None
        if done.result.arrays:
            content = _pack(done.result.arrays)
            artifact, sha256 = artifact_name(unit.key), hashlib.sha256(content).hexdigest()
            write_atomically(self._artifacts / artifact, content)
        payload = json.dumps(done.result.values, sort_keys=True, allow_nan=False)
        entry = _Entry(
            unit_digest(unit), payload, artifact, sha256, float(done.seconds), float(done.finished)
        )
        fields = (unit.key, entry.digest, payload, artifact, sha256, entry.seconds, entry.finished)
        try:
            self._connection.execute(
                f"INSERT OR REPLACE INTO units ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (*fields, entry.checksum(unit.key)),
            )
        except sqlite3.Error as error:
            raise OSError(f"cannot write {self.directory / 'units.sqlite'}: {error}") from None
        self._entries[unit.key] = entry

    def close(self) -> None:
        """Give up the lock."""
        with suppress(sqlite3.Error):  # everything is on disk already
            self._connection.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _pack(arrays: Mapping[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    ordered: dict[str, Any] = {name: arrays[name] for name in sorted(arrays)}
    np.savez(buffer, allow_pickle=False, **ordered)
    return buffer.getvalue()


def _unpack(content: bytes, key: str) -> dict[str, np.ndarray]:
    try:
        members = zipfile.ZipFile(io.BytesIO(content)).infolist()
        if sum(member.file_size for member in members) > len(content):  # we never compress
            raise ValueError("they would unpack to more than the file")
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, EOFError, MemoryError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"arrays of {key!r} cannot be read: {error}") from None
