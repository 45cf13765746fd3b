"""The cache: scan results and features by content hash, in one SQLite file that survives kill -9 and shared use.

A feature belongs to a space (contract, view, network, engine and number type) and a photo (SHA-256 of the file's
bytes, and its box where it has one). Losing the cache loses nothing but time: a damaged file is set aside and a new one begun.
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

from photograft.values import FloatArray

_VERSION = 1
_COMMIT_EVERY = 256
_CHUNK = 500
_DAY_S = 86_400
# A file changed within this time of being read may change again without its time moving on.
_RACE_NS = 2_000_000_000

_TABLES = """
CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, inode INTEGER, sha256 TEXT);
CREATE TABLE IF NOT EXISTS scans (sha256 TEXT, decoder TEXT, entry TEXT, used INTEGER, PRIMARY KEY (sha256, decoder));
CREATE TABLE IF NOT EXISTS spaces (id INTEGER PRIMARY KEY, name TEXT UNIQUE);
CREATE TABLE IF NOT EXISTS features (
    id INTEGER PRIMARY KEY, space INTEGER, photo TEXT, used INTEGER, vector BLOB, UNIQUE (space, photo)
);
"""


def cache_folder(setting: Path | None = None) -> Path:
    """The cache folder: the setting `cache.dir`, else $PHOTOGRAFT_CACHE, else the system's user cache folder."""
    chosen = setting or os.environ.get("PHOTOGRAFT_CACHE") or platformdirs.user_cache_dir("photograft", appauthor=False)
    return Path(chosen).expanduser()


class Cache:
    """An open cache. Use it as a context manager; leaving it commits and applies the size limit.

    A cache that cannot be written (a full disk, a read-only folder) never stops a run: `warning` then says why, and
    features stay in memory.
    """

    def __init__(self, folder: Path, *, max_bytes: int = 10 * 10**9, trust_mtime: bool = True) -> None:
        self.folder = folder
        self.path = folder / f"cache-v{_VERSION}.sqlite"
        self.warning = ""
        self._max_bytes = max_bytes
        self._trust_mtime = trust_mtime
        self._spilled: dict[tuple[str, str], FloatArray] = {}
        self._pending = 0
        self._now = int(time.time())
        self._connection = self._open()

    def __enter__(self) -> Cache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Commit, apply the size limit, close."""
        self.commit()
        with self._writing():
            self._evict(self._max_bytes)
        self._connection.close()

    # -- scan results -------------------------------------------------------------------------------------

    def find_file(self, path: Path, status: os.stat_result) -> str | None:
        """SHA-256 of a file that has not changed since it was last read, by path, size, time and inode."""
        if not self._trust_mtime:
            return None
        row = self._connection.execute(
            "SELECT sha256 FROM files WHERE path = ? AND size = ? AND mtime_ns = ? AND inode = ?",
            (_path_key(path), status.st_size, status.st_mtime_ns, status.st_ino),
        ).fetchone()
        return None if row is None else str(row[0])

    def remember_file(self, path: Path, status: os.stat_result, sha256: str) -> None:
        """Keep the hash of a file, unless it was changed so recently that it might change again unnoticed."""
        if time.time_ns() - status.st_mtime_ns < _RACE_NS:
            return
        row = (_path_key(path), status.st_size, status.st_mtime_ns, status.st_ino, sha256)
        self._write("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)", row)

    def find_scan(self, sha256: str, decoder: str) -> dict[str, Any] | None:
        """What the decoder once said of this content."""
        row = self._connection.execute(
            "SELECT entry FROM scans WHERE sha256 = ? AND decoder = ?", (sha256, decoder)
        ).fetchone()
        return None if row is None else dict(json.loads(row[0]))

    def remember_scan(self, sha256: str, decoder: str, entry: dict[str, Any]) -> None:
        """Keep what the decoder said of this content."""
        self._write("INSERT OR REPLACE INTO scans VALUES (?, ?, ?, ?)", (sha256, decoder, json.dumps(entry), self._now))

    # -- features -----------------------------------------------------------------------------------------

    def known_photos(self, space: str) -> set[str]:
        """Photos whose features are in a space."""
        rows = self._connection.execute("SELECT photo FROM features WHERE space = ?", (self._space_id(space),))
        return {row[0] for row in rows}

    def remember_features(self, space: str, photos: Sequence[str], vectors_ND: FloatArray) -> None:
        """Keep one vector per photo."""
        space_id = self._space_id(space)
        for photo, vector_D in zip(photos, vectors_ND, strict=True):
            row = (space_id, photo, self._now, np.ascontiguousarray(vector_D, dtype="<f4").tobytes())
            if not self._write("INSERT OR REPLACE INTO features (space, photo, used, vector) VALUES (?, ?, ?, ?)", row):
                self._spilled[space, photo] = vector_D

    def find_features(self, space: str, photos: Sequence[str]) -> Iterator[tuple[str, FloatArray]]:
        """Yield (photo, vector of shape (D,)) for those photos that are in the space, in no particular order."""
        space_id = self._space_id(space)
        in_memory = ((p, self._spilled.get((space, p))) for p in set(photos))
        yield from ((p, vector_D) for p, vector_D in in_memory if vector_D is not None)
        wanted = {p for p in photos if (space, p) not in self._spilled}
        for chunk in _chunks(sorted(wanted), _CHUNK):
            marks = ",".join("?" * len(chunk))
            condition = f"space = ? AND photo IN ({marks})"
            for photo, blob in self._connection.execute(
                f"SELECT photo, vector FROM features WHERE {condition}", (space_id, *chunk)
            ):
                yield photo, np.frombuffer(blob, dtype="<f4")
            old = self._now - _DAY_S
            if self._connection.execute(
                f"SELECT 1 FROM features WHERE {condition} AND used < ? LIMIT 1", (space_id, *chunk, old)
            ).fetchone():
                self._write(f"UPDATE features SET used = ? WHERE {condition}", (self._now, space_id, *chunk))

    # -- housekeeping -------------------------------------------------------------------------------------

    def commit(self) -> None:
        """Make everything remembered so far durable."""
        self._pending = 0
        with self._writing():
            self._connection.commit()

    def sizes(self) -> dict[str, int]:
        """Number of entries and bytes on disk: files, scans, features, bytes, network_bytes."""
        counts = {
            t: int(self._connection.execute(f"SELECT count(*) FROM {t}").fetchone()[0])
            for t in ("files", "scans", "features")
        }
        networks = sum(f.stat().st_size for f in (self.folder / "networks").glob("*.onnx"))
        return {**counts, "bytes": self._bytes_used(), "network_bytes": networks}

    def clear(self) -> None:
        """Forget everything, and give the space back."""
        for table in ("files", "scans", "features", "spaces"):
            self._connection.execute(f"DELETE FROM {table}")
        self._connection.commit()
        self._connection.execute("VACUUM")
        for network in (self.folder / "networks").glob("*.onnx"):
            network.unlink(missing_ok=True)

    def _open(self) -> sqlite3.Connection:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            return self._connect(self.path)
        except sqlite3.OperationalError as error:
            return self._without_file(error)
        except sqlite3.DatabaseError:
            damaged = self.path.with_suffix(f".damaged-{self._now}")
            self.path.replace(damaged)
            self.warning = f"The cache was damaged and has been started anew; the old file is {damaged}."
            return self._connect(self.path)
        except OSError as error:
            return self._without_file(error)

    def _without_file(self, error: Exception) -> sqlite3.Connection:
        self.warning = (
            f"Nothing is cached: {self.folder} cannot be used ({error}). Set cache.dir to a folder that can be written."
        )
        return self._connect(Path(":memory:"))

    def _connect(self, path: Path) -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=60.0)
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

    def _write(self, statement: str, values: tuple[Any, ...]) -> bool:
        done = False
        with self._writing():
            self._connection.execute(statement, values)
            done = True
        self._pending += 1
        if self._pending >= _COMMIT_EVERY:
            self.commit()
        return done

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """A full disk or a locked file costs the cache, not the run."""
        try:
            yield
        except sqlite3.OperationalError as error:
            self.warning = f"The cache could not be written ({error}): {self.path}"

    def _space_id(self, name: str) -> int:
        with self._writing():
            self._connection.execute("INSERT OR IGNORE INTO spaces (name) VALUES (?)", (name,))
        row = self._connection.execute("SELECT id FROM spaces WHERE name = ?", (name,)).fetchone()
        return -1 if row is None else int(row[0])

    def _bytes_used(self) -> int:
        pages, free, size = (
            self._connection.execute(f"PRAGMA {p}").fetchone()[0] for p in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def _evict(self, max_bytes: int) -> None:
        while self._bytes_used() > max_bytes:
            oldest = "SELECT id FROM features ORDER BY used, id LIMIT 1000"
            gone = self._connection.execute(f"DELETE FROM features WHERE id IN ({oldest})").rowcount
            self._connection.commit()
            if not gone:
                break
        self._connection.execute("PRAGMA incremental_vacuum")
        self._connection.commit()


def _path_key(path: Path) -> str:
    # Names that are not UTF-8 hold lone surrogates, which SQLite does not take.
    return os.fspath(path.absolute()).encode("utf-8", "backslashreplace").decode()


def _chunks(items: Sequence[str], size: int) -> Iterable[Sequence[str]]:
    return (items[i : i + size] for i in range(0, len(items), size))
