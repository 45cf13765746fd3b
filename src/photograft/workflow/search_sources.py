"""Where the photos of an index come from: what was named on the command line as sources, and the files of each."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from photograft.config import Config, load_config
from photograft.data.files import PhotoFiles, open_files, printable
from photograft.data.folders import list_files
from photograft.data.listing import Found
from photograft.data.sources import is_table_file, list_source
from photograft.data.tables import TABLE_SUFFIXES
from photograft.data.urls import UrlPath, source_path
from photograft.errors import ConfigError, DataError
from photograft.retrieval.rows import IndexRow
from photograft.retrieval.store import SourceRow


@dataclass(frozen=True)
class Scope:
    """A source, and what of it is meant: all, or what lies at or below the paths `only`."""

    source: SourceRow
    only: tuple[str, ...] | None = None

    def holds(self, path: str) -> bool:
        """Whether a path of the source is meant."""
        return self.only is None or any(is_below(path, folder) for folder in self.only)


@dataclass(frozen=True)
class Listed:
    """The rows of a source, one per file, and the files behind them."""

    rows: tuple[Found, ...]
    files: PhotoFiles
    config: Config
    notes: tuple[str, ...]


def is_below(path: str, folder: str) -> bool:
    """Whether a path is the folder or file, or lies in the folder, in either form of Unicode."""
    path, folder = (unicodedata.normalize("NFC", each).replace(os.sep, "/") for each in (path, folder))
    folder = folder.removeprefix("./").rstrip("/")
    return bool(folder) and (path == folder or path.startswith(f"{folder}/"))


def name_sources(
    given: Sequence[str], known: Sequence[SourceRow] = (), *, labels: bool = True, settings: Sequence[str] = ()
) -> list[Scope]:
    """What was named as sources: folders, archives and tables each as one, files by the folder that holds them.

    What lies in a known folder belongs to that source. Symbolic links are kept as they were given.

    Raises:
        DataError: One of them is not there.
    """
    chosen: dict[str, Scope] = {}
    for each in given:
        path = _absolute(each)
        if not _is_there(path):
            raise DataError(f"{printable(each)} does not exist.")
        scope = _within(path, (*known, *(other.source for other in chosen.values())))
        if scope is None and path.is_file() and not _is_source(path):
            folder = SourceRow(str(path.parent), (path.name,), labels, tuple(settings))
            before = next((row for row in known if row.path == folder.path), None)
            scope = Scope(folder if before is None else _with_file(before, path.name), (path.name,))
        scope = scope or Scope(SourceRow(str(path), None, labels, tuple(settings)))
        chosen[scope.source.path] = _joined(chosen.get(scope.source.path), scope)
    scopes = list(chosen.values())
    return [scope for scope in scopes if not any(takes_over(other.source, scope.source) for other in scopes)]


def takes_over(source: SourceRow, other: SourceRow) -> bool:
    """Whether all of another source, a folder or files of one, lies in the folder of a source."""
    folder, inner = Path(source.path), Path(other.path)
    if source.files is not None or not folder.is_dir() or not inner.is_relative_to(folder):
        return False
    return other.files is not None or (inner != folder and inner.is_dir())


def source_named(given: str, sources: Sequence[SourceRow]) -> int | None:
    """The number of the source whose own path was given."""
    path = str(_absolute(given))
    return next((n for n, source in enumerate(sources) if source.path == path and source.files is None), None)


def is_named(row: IndexRow, given: str, sources: Sequence[SourceRow]) -> bool:
    """Whether a path, as the index names it or on the disk, is that of a row or of a folder that it lies in."""
    if is_below(row.path, given):
        return True
    source = Path(sources[row.source].path)
    root = source.parent if source.suffix.lower() in TABLE_SUFFIXES and not source.is_dir() else source
    return is_below(os.path.abspath(root / row.path), os.path.abspath(given))  # noqa: PTH100 - as above


@contextmanager
def open_listed(scope: Scope, limits: dict[str, Any]) -> Iterator[Listed]:
    """List the files of a source, each once, with its labels where it has any, and open what is behind them.

    A folder without class folders has photos without labels.

    Raises:
        DataError: The source is not there any more, or its table cannot be read.
    """
    source, path = scope.source, source_path(scope.source.path)
    if not _is_there(path):
        raise DataError(
            f"{printable(path)} is not there: connect the drive it is on, or take its photos out with "
            "`photograft search remove`."
        )
    config = load_config(None, source.settings, **{f"data.{key}": value for key, value in limits.items()})
    if config.data.boxes != "none":
        raise ConfigError("data.boxes: an index compares whole photos; leave data.boxes at none.")
    if source.files is not None:
        found = [Found(name) for name in source.files if os.path.lexists(path / name)]
        rows, root, notes = found, path, tuple[str, ...]()
    else:
        rows, root, notes = _list(path, config, labels=source.labels)
    with open_files(root) as files:
        yield Listed(tuple(row for row in _one_per_file(rows) if scope.holds(row.path)), files, config, notes)


def _list(path: Path, config: Config, *, labels: bool) -> tuple[list[Found], Path, tuple[str, ...]]:
    if is_table_file(path):
        listing = list_source(path, config.data, min_classes=1)
        rows = [row if labels else _unlabelled(row) for row in listing.files]
        return rows, listing.root, listing.notes
    with open_files(path) as files:
        every = list_files(files, config.data)
    if not labels:
        return list(every.files), path, every.notes
    try:
        listing = list_source(path, config.data, min_classes=1)
    except DataError:
        if config.data.labels.from_ != "auto" or config.data.labels.pattern is not None:
            raise
        return list(every.files), path, (*every.notes, f"{printable(path)} has no class folders: no labels")
    known = {row.path for row in listing.files}
    beside = [row for row in every.files if "/" not in row.path and row.path not in known]
    notes = tuple(note for note in listing.notes if not (beside and note.startswith("not read")))
    return [*listing.files, *beside], path, notes


def _absolute(given: str) -> Path:
    """The path that was given, made absolute; a URL stands for itself."""
    path = source_path(given)
    return path if isinstance(path, UrlPath) else Path(os.path.abspath(path))  # noqa: PTH100 - resolve follows links


def _is_there(path: Path) -> bool:
    """Whether a path is on the disk; of a URL its store says so when it is listed."""
    return isinstance(path, UrlPath) or os.path.lexists(path)


def _one_per_file(rows: Iterable[Found]) -> Iterator[Found]:
    """Every file once, with the labels of all its rows: a table may name a file several times."""
    labels: dict[str, dict[str, None]] = {}
    for row in rows:
        own = row.labels or (() if row.label is None else (row.label,))
        labels.setdefault(row.path, {}).update(dict.fromkeys(own))
    for path, names in labels.items():
        yield Found(path, labels=tuple(names))


def _unlabelled(row: Found) -> Found:
    return replace(row, label=None, labels=())


def _is_source(path: Path) -> bool:
    """Whether a file is a table or an archive rather than a photo."""
    return path.suffix.lower() in {*TABLE_SUFFIXES, ".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz"}


def _within(path: Path, known: Sequence[SourceRow]) -> Scope | None:
    """The scope of a path that lies in one of the known folders."""
    for row in known:
        root = source_path(row.path)
        if row.files is None and path == root:
            return Scope(row)
        if row.files is None and root.is_dir() and path.is_relative_to(root):
            return Scope(row, (PurePosixPath(path.relative_to(root).as_posix()).as_posix(),))
    return None


def _with_file(row: SourceRow, name: str) -> SourceRow:
    if row.files is None or name in row.files:
        return row
    return replace(row, files=(*row.files, name))


def _joined(before: Scope | None, scope: Scope) -> Scope:
    """Two scopes of one path as one; a whole folder holds whatever files of it were named."""
    if before is None or (before.source.files is not None and scope.source.files is None):
        return scope
    source = before.source
    for name in scope.source.files or ():
        source = _with_file(source, name)
    if before.only is None or scope.only is None:
        return Scope(source)
    return Scope(source, (*before.only, *scope.only))
