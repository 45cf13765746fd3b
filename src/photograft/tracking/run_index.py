"""An index of the runs in a folder, so that thousands are listed at once: a cache in SQLite, nothing but a copy.

The folders are the truth. A run is read again when its folder or one of the files that its row comes from has changed
in time, size or inode. An index that is missing, damaged or of another version is made anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from photograft.tracking.cache import cache_folder
from photograft.tracking.run_folder import NOTES, STARTED
from photograft.tracking.run_places import run_folders
from photograft.tracking.run_row import RunRow, read_row

INDEX = ".index.sqlite"

_VERSION = 1
"""Of the table and of what `read_row` gives: raise it where either changes."""

_READ_FROM = ("report.json", "run.json", "config.resolved.yaml", "checksums.json", STARTED, NOTES)
_COMMIT_EVERY = 500
_TABLE = "CREATE TABLE runs (run BLOB PRIMARY KEY, seen TEXT, row TEXT, settings TEXT) WITHOUT ROWID"
_SEAL = 8
_Row = tuple[str, str, str]


def read_runs(runs_dir: Path, *, with_settings: bool = False) -> list[RunRow]:
    """Every run in a folder, those of studies in it too, in the order of their places.

    The index lies in the folder, or in the cache where the folder cannot be written; where neither can, all runs are
    read. Settings take time with thousands of runs and are left out unless they are asked for.
    """
    places = {"/".join(place): place for place in run_folders(runs_dir)}
    if not places:
        return []
    seen = {run: _signature(os.fspath(runs_dir.joinpath(*place))) for run, place in places.items()}
    with _opened(runs_dir) as index:
        known = _known(index, with_settings=with_settings)
        current = {run: row for run, row in known.items() if seen.get(run) == row[0]}
        changed = [run for run in places if run not in current]
        for start in range(0, len(changed), _COMMIT_EVERY):
            read = {run: _read(runs_dir, places[run], seen[run]) for run in changed[start : start + _COMMIT_EVERY]}
            _write(index, read)
            current |= read
        _forget(index, [run for run in known if run not in places])
    return [_row(current[run], with_settings=with_settings) for run in places]


def _signature(folder: str) -> str:
    """What of a run's folder tells that it has changed."""
    parts = []
    for name in ("", *_READ_FROM):
        try:
            status = os.stat(f"{folder}{os.sep}{name}")  # noqa: PTH116 - many thousand times
        except OSError:
            parts.append("-")
        else:
            parts.append(f"{status.st_mtime_ns}:{status.st_size}:{status.st_ino}")
    return " ".join(parts)


def _read(runs_dir: Path, place: tuple[str, ...], seen: str) -> _Row:
    row = read_row(runs_dir.joinpath(*place), place)
    # In ASCII: names that are not UTF-8 are no text for SQLite.
    return seen, _sealed(json.dumps(asdict(replace(row, settings=None)))), _sealed(json.dumps(row.settings))


def _row(stored: _Row, *, with_settings: bool) -> RunRow:
    values: dict[str, Any] = json.loads(stored[1][_SEAL:])
    values["tags"] = tuple(values["tags"])
    if with_settings:
        values["settings"] = json.loads(stored[2][_SEAL:])
    return RunRow(**values)


@contextmanager
def _opened(runs_dir: Path) -> Iterator[sqlite3.Connection]:
    """The index in the first place that can hold it; in memory at worst."""
    digest = hashlib.sha256(os.fsencode(runs_dir.resolve())).hexdigest()[:16]
    places = [runs_dir / INDEX] if os.access(runs_dir, os.W_OK) else []
    connection = None
    for place in (*places, cache_folder() / f"runs-{digest}.sqlite"):
        connection = _connect(place)
        if connection is not None:
            break
    connection = connection or _with_table(sqlite3.connect(":memory:", isolation_level=None))
    try:
        yield connection
    finally:
        connection.close()


def _connect(file: Path) -> sqlite3.Connection | None:
    """The index in this file, made anew where it is damaged or of another version; None where there can be none."""
    for _ in range(2):
        connection = None
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(file, timeout=5.0, isolation_level=None)
            return _with_table(connection)
        except (sqlite3.OperationalError, OSError):
            if connection is not None:
                connection.close()
            return None
        except sqlite3.DatabaseError:
            if connection is not None:
                connection.close()
            _remove(file)
    return None


def _with_table(connection: sqlite3.Connection) -> sqlite3.Connection:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != _VERSION:
        connection.executescript(f"DROP TABLE IF EXISTS runs; {_TABLE}; PRAGMA user_version = {_VERSION};")
    if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        raise sqlite3.DatabaseError("damaged")
    return connection


def _remove(file: Path) -> None:
    for name in (file.name, f"{file.name}-journal"):
        with suppress(OSError):
            (file.parent / name).unlink(missing_ok=True)


def _known(index: sqlite3.Connection, *, with_settings: bool) -> dict[str, _Row]:
    """Every run of the index that is whole; none where it cannot be read, so that all are read again."""
    settings = "settings" if with_settings else f"'{_sealed('')}'"
    try:
        rows = index.execute(f"SELECT run, seen, row, {settings} FROM runs").fetchall()
        whole = ((run, *rest) for run, *rest in rows if all(map(_is_whole, rest[1:])))
        return {os.fsdecode(run): (seen, row, given) for run, seen, row, given in whole}
    except sqlite3.DatabaseError:
        return {}


def _sealed(text: str) -> str:
    """The text behind its checksum: SQLite does not notice a byte that changed within a text."""
    return f"{zlib.crc32(text.encode()):0{_SEAL}x}{text}"


def _is_whole(sealed: str) -> bool:
    return sealed[:_SEAL] == f"{zlib.crc32(sealed[_SEAL:].encode()):0{_SEAL}x}"


def _write(index: sqlite3.Connection, rows: Mapping[str, _Row]) -> None:
    # An index that cannot be written costs the time to read these runs again, nothing else.
    with suppress(sqlite3.DatabaseError), index:
        index.execute("BEGIN IMMEDIATE")
        index.executemany(
            "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?)", [(os.fsencode(run), *row) for run, row in rows.items()]
        )


def _forget(index: sqlite3.Connection, runs: list[str]) -> None:
    if runs:
        with suppress(sqlite3.DatabaseError), index:
            index.execute("BEGIN IMMEDIATE")
            index.executemany("DELETE FROM runs WHERE run = ?", [(os.fsencode(run),) for run in runs])
