"""The cache: scan results and features by content hash, in one SQLite file that survives kill -9 and shared use.

A feature belongs to a space (contract, view, network, engine and number type) and a photo (SHA-256 of the file's
bytes, and its box where it has one). Losing the cache loses nothing but time: a damaged file is set aside and a new one
begun.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from photograft.errors import ConfigError
from photograft.tracking.boundary_files import remove_all, used_bytes
from photograft.values import FileStatus, FloatArray

_VERSION = 1
_COMMIT_EVERY = 256
_CHUNK = 500
_DAY_S = 86_400
# A file changed within this time of being read may change again without its time moving on.
_RACE_NS = 2_000_000_000
_LARGEST = 2**63 - 1

_TABLES = """
CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, inode INTEGER, sha256 TEXT);
CREATE TABLE IF NOT EXISTS scans (sha256 TEXT, decoder TEXT, entry TEXT, used INTEGER, PRIMARY KEY (sha256, decoder));
CREATE TABLE IF NOT EXISTS spaces (id INTEGER PRIMARY KEY, name TEXT UNIQUE);
CREATE TABLE IF NOT EXISTS features (
    id INTEGER PRIMARY KEY, space INTEGER, photo TEXT, used INTEGER, vector BLOB, UNIQUE (space, photo)
);
"""
_SPACE_ID = "SELECT id FROM spaces WHERE name = ?"
_INSERT_FEATURE = f"INSERT OR REPLACE INTO features (photo, used, vector, space) VALUES (?, ?, ?, ({_SPACE_ID}))"


def cache_folder(setting: Path | None = None) -> Path:
    """The cache folder: the setting `cache.dir`, else $PHOTOGRAFT_CACHE, else the system's user cache folder."""
    chosen = setting or os.environ.get("PHOTOGRAFT_CACHE") or platformdirs.user_cache_dir("photograft", appauthor=False)
    return Path(chosen).expanduser()


class Cache:
    """An open cache. Use it as a context manager; leaving it commits and applies the size limit.

    What is remembered waits in memory and is written in short transactions, so that two runs hardly wait for each
    other. A cache that cannot be written (a full disk, a read-only folder) never stops a run: `warning` then says why,
    and features stay in memory.
    """

    def __init__(self, folder: Path, *, max_bytes: int = 10 * 10**9, trust_mtime: bool = True) -> None:
        self.folder = folder
        self.path = folder / f"cache-v{_VERSION}.sqlite"
        self.warning = ""
        self._max_bytes = max_bytes
        self._trust_mtime = trust_mtime
        self._rows: list[tuple[str, tuple[Any, ...]]] = []
        self._features: dict[tuple[str, str], FloatArray] = {}
        self._writable = True
        self._now = int(time.time())
        self._connection = self._open()

    def __enter__(self) -> Cache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Commit, apply the size limit, close."""
        self.commit()
        if self._writable:
            with self._writing():
                self._evict(self._max_bytes)
        self._connection.close()

    # -- scan results -------------------------------------------------------------------------------------

    def find_file(self, path: Path, status: FileStatus) -> str | None:
        """SHA-256 of a file that has not changed since it was last read, by path, size, time and inode."""
        if not self._trust_mtime:
            return None
        statement = "SELECT sha256 FROM files WHERE path = ? AND size = ? AND mtime_ns = ? AND inode = ?"
        rows = self._query(statement, _file_key(path, status))
        return str(rows[0][0]) if rows else None

    def remember_file(self, path: Path, status: FileStatus, sha256: str) -> None:
        """Keep the hash of a file, unless it was changed so recently that it might change again unnoticed."""
        if time.time_ns() - status.mtime_ns < _RACE_NS:
            return
        self._write("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)", (*_file_key(path, status), sha256))

    def find_scan(self, sha256: str, decoder: str) -> dict[str, Any] | None:
        """What the decoder once said of this content."""
        rows = self._query("SELECT entry FROM scans WHERE sha256 = ? AND decoder = ?", (sha256, decoder))
        return dict(json.loads(rows[0][0])) if rows else None

    def remember_scan(self, sha256: str, decoder: str, entry: dict[str, Any]) -> None:
        """Keep what the decoder said of this content."""
        self._write("INSERT OR REPLACE INTO scans VALUES (?, ?, ?, ?)", (sha256, decoder, json.dumps(entry), self._now))

    # -- features -----------------------------------------------------------------------------------------

    def known_photos(self, space: str) -> set[str]:
        """Photos whose features are in a space."""
        rows = self._query(f"SELECT photo FROM features WHERE space = ({_SPACE_ID})", (space,))
        return {row[0] for row in rows} | {photo for name, photo in self._features if name == space}

    def remember_features(self, space: str, photos: Sequence[str], vectors_ND: FloatArray) -> None:
        """Keep one vector per photo."""
        for photo, vector_D in zip(photos, vectors_ND, strict=True):
            self._features[space, photo] = vector_D
        self._commit_when_due()

    def find_features(self, space: str, photos: Sequence[str]) -> Iterator[tuple[str, FloatArray]]:
        """Yield (photo, vector of shape (D,)) for those photos that are in the space, in no particular order."""
        in_memory = {p: self._features[space, p] for p in photos if (space, p) in self._features}
        yield from in_memory.items()
        for chunk in _chunks(sorted(set(photos) - set(in_memory)), _CHUNK):
            condition = f"space = ({_SPACE_ID}) AND photo IN ({','.join('?' * len(chunk))})"
            rows = self._query(f"SELECT photo, vector, used FROM features WHERE {condition}", (space, *chunk))
            yield from ((photo, np.frombuffer(blob, dtype="<f4")) for photo, blob, _ in rows)
            if any(used < self._now - _DAY_S for _, _, used in rows):
                self._write(f"UPDATE features SET used = ? WHERE {condition}", (self._now, space, *chunk))

    # -- housekeeping -------------------------------------------------------------------------------------

    def commit(self) -> None:
        """Make everything remembered so far durable."""
        if not self._writable or not (self._rows or self._features):
            return
        with self._writing():
            self._connection.execute("BEGIN IMMEDIATE")
            for statement, values in self._rows:
                self._connection.execute(statement, values)
            for space in {space for space, _ in self._features}:
                self._connection.execute("INSERT OR IGNORE INTO spaces (name) VALUES (?)", (space,))
            self._connection.executemany(_INSERT_FEATURE, self._feature_rows())
            self._connection.execute("COMMIT")
            self._rows.clear()
            self._features.clear()

    def sizes(self) -> dict[str, int]:
        """Number of entries and bytes on disk: files, scans, features, bytes, network_bytes, boundary_bytes."""
        self.commit()
        counts = {}
        for table in ("files", "scans", "features"):
            rows = self._query(f"SELECT count(*) FROM {table}")
            counts[table] = int(rows[0][0]) if rows else 0
        networks = sum(f.stat().st_size for f in (self.folder / "networks").glob("*.onnx"))
        return {
            **counts,
            "bytes": self._bytes_used(),
            "network_bytes": networks,
            "boundary_bytes": used_bytes(self.folder),
        }

    def clear(self) -> None:
        """Forget everything, and give the space back.

        Raises:
            ConfigError: The cache is in use by another run, or cannot be written.
        """
        self._rows.clear()
        self._features.clear()
        try:
            for table in ("files", "scans", "features", "spaces"):
                self._connection.execute(f"DELETE FROM {table}")
            self._connection.execute("VACUUM")
            networks = self.folder / "networks"
            for file in (*networks.glob("*.onnx*"), *networks.glob("*.facts.json")):  # with what is known of them
                file.unlink(missing_ok=True)
            remove_all(self.folder)
        except (sqlite3.OperationalError, OSError) as error:
            raise ConfigError(
                f"The cache {self.path} could not be cleared ({error}): is another run using it?"
            ) from error

    def _open(self) -> sqlite3.Connection:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            return self._connect(self.path)
        except (sqlite3.OperationalError, OSError) as error:
            return self._without_file(error)
        except sqlite3.DatabaseError:
            return self._start_anew()

    def _start_anew(self) -> sqlite3.Connection:
        """Set a damaged file aside, with its journal: replayed into a new file it would damage that one too."""
        damaged = self.path.with_suffix(f".damaged-{self._now}")
        try:
            for ending in ("-wal", "-shm"):
                self.path.with_name(self.path.name + ending).unlink(missing_ok=True)
            self.path.replace(damaged)
            connection = self._connect(self.path)
        except (sqlite3.DatabaseError, OSError) as error:
            return self._without_file(error)
        self.warning = f"The cache was damaged and has been started anew; the old file is {damaged}."
        return connection

    def _without_file(self, error: Exception) -> sqlite3.Connection:
        self.warning = (
            f"Nothing is cached: {self.folder} cannot be used ({error}). Set cache.dir to a folder that can be written."
        )
        return self._connect(Path(":memory:"))

    def _connect(self, path: Path) -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=60.0, isolation_level=None)
        try:
            if connection.execute("PRAGMA page_count").fetchone()[0] == 0:
                connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.executescript(_TABLES)
        except sqlite3.DatabaseError:
            connection.close()
            raise
        return connection

    def _query(self, statement: str, values: tuple[Any, ...] = ()) -> list[Any]:
        """All rows; none where the file turns out to be damaged."""
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            self._connection.close()
            self._connection = self._start_anew()
            return []

    def _write(self, statement: str, values: tuple[Any, ...]) -> None:
        if self._writable:
            self._rows.append((statement, values))
            self._commit_when_due()

    def _commit_when_due(self) -> None:
        if len(self._rows) + len(self._features) >= _COMMIT_EVERY:
            self.commit()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """A full disk or a locked file costs the cache, not the run: what could not be written stays in memory."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            self._writable = False
            self._rows.clear()
            self.warning = f"The cache could not be written ({error}): {self.path}"
            if self._connection.in_transaction:
                self._connection.rollback()

    def _feature_rows(self) -> Iterator[tuple[Any, ...]]:
        for (space, photo), vector_D in self._features.items():
            yield photo, self._now, np.ascontiguousarray(vector_D, dtype="<f4").tobytes(), space

    def _bytes_used(self) -> int:
        values = [self._query(f"PRAGMA {p}") for p in ("page_count", "freelist_count", "page_size")]
        pages, free, size = (int(rows[0][0]) if rows else 0 for rows in values)
        return (pages - free) * size

    def _evict(self, max_bytes: int) -> None:
        while (used := self._bytes_used()) > max_bytes:
            # The surplus at once, by the mean size: finding the oldest reads the whole table each time.
            surplus = "(SELECT max(1000, CAST(count(*) * ? AS INT)) FROM features)"
            oldest = f"SELECT id FROM features ORDER BY used, id LIMIT {surplus}"
            delete = f"DELETE FROM features WHERE id IN ({oldest})"
            if not self._connection.execute(delete, ((used - max_bytes) / used,)).rowcount:
                break
        # It frees one page per step, and only executescript steps to the end where there are no columns.
        self._connection.executescript("PRAGMA incremental_vacuum")


def _file_key(path: Path, status: FileStatus) -> tuple[str, int, int, int]:
    """Path, size, time and inode. Names that are not UTF-8 and inodes of 64 bits are made to fit SQLite."""
    name = os.fspath(path.absolute()).encode("utf-8", "backslashreplace").decode()
    return name, status.size_bytes, status.mtime_ns, status.inode & _LARGEST


def _chunks(items: Sequence[str], size: int) -> Iterable[Sequence[str]]:
    return (items[i : i + size] for i in range(0, len(items), size))
