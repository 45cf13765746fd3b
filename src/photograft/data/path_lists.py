"""Lists of photos for `predict`: the paths in a text file, in a column of a CSV, or of Parquet tables; read in batches.

    @paths.txt                one path or URL per line, as after the command: relative to the working folder
    @labels.csv               the column that is called path, or as one of `columns.PATH_NAMES`
    photos.parquet            the same, without @: such a file is never a photo
    @tables/                  all Parquet files below a folder, sorted
    photos.parquet:image      another column

Paths of a table are relative to the folder that it lies in, as those of a table for `train`.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from photograft.data.columns import PATH_NAMES
from photograft.data.files import FolderFiles, PhotoFiles, printable
from photograft.data.parquet_tables import is_text, unreadable
from photograft.data.urls import is_url
from photograft.errors import DataError, MissingExtraError, PhotograftError

_TABLE = re.compile(r"(?P<name>.*(?:\.(?:parquet|csv|tsv)/?|/))(?::(?P<column>[^/\\:]+))?", re.IGNORECASE | re.DOTALL)
_BATCH = 8192


def is_list(given: str) -> bool:
    """Whether an input stands for the paths in it: `@FILE`, or a Parquet table with or without a column."""
    if given[:1] == "@":
        return len(given) > 1 and not os.path.lexists(given)
    match = _TABLE.fullmatch(given)
    return match is not None and match["name"].lower().rstrip("/").endswith(".parquet")


def read_list(given: str) -> Iterator[str]:
    """Yield the paths that a list names, in its order. None of them is opened.

    Raises:
        DataError: the list cannot be read, or has no column of paths.
        ConfigError: what opens it is not installed.
    """
    match = _TABLE.fullmatch(given.removeprefix("@"))
    name, column = (match["name"], match["column"]) if match else (given.removeprefix("@"), None)
    if name.lower().rstrip("/").endswith(".parquet") or _is_folder(name):
        yield from _parquet_lists(name, column)
    elif match:
        with _opened(name) as file:
            yield from (_below(_folder_of(name), path) for path in _csv_paths(file, name, column))
    else:
        with _opened(name) as file:
            yield from _lines(file, name)


def parquet_files(files: PhotoFiles) -> list[str]:
    """Paths of all Parquet files below a folder, sorted; those that begin with a dot or underscore are no tables."""
    found: list[str] = []
    waiting, seen = [""], set[object]()
    while waiting:
        folder = waiting.pop()
        for entry in files.entries(folder):
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.name.startswith((".", "_")) or (entry.identity and entry.identity in seen):
                continue
            if entry.is_folder:
                seen.add(entry.identity)
                waiting.append(path)
            elif entry.name.lower().endswith(".parquet"):
                found.append(path)
    return sorted(found)


def _parquet_lists(name: str, column: str | None) -> Iterator[str]:
    """The paths in one Parquet file, or in all that lie below a folder."""
    if not _is_folder(name):
        yield from _parquet_paths(name, _folder_of(name), column)
        return
    folder = name.rstrip("/")
    if is_url(name):
        from photograft.data.url_files import UrlFiles

        files: PhotoFiles = UrlFiles(folder)
    else:
        files = FolderFiles(Path(name))
    tables = parquet_files(files)
    if not tables:
        raise DataError(f"{printable(name)}: no Parquet files in this folder.")
    for table in tables:
        yield from _parquet_paths(f"{folder}/{table}", folder, column)


def _parquet_paths(name: str, folder: str, column: str | None) -> Iterator[str]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError(f"Reading {printable(name)}", "ray") from error
    with _opened(name) as file:
        try:
            table = pq.ParquetFile(file)
            schema = table.schema_arrow
            chosen = _choose(schema.names, column, name)
            kind = schema.field(chosen).type
            if pa.types.is_dictionary(kind):
                kind = kind.value_type
            is_bytes = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
            if not (is_text(kind) or is_bytes):
                raise DataError(f"{printable(name)}: the column {chosen!r} holds no text but {kind}; paths are needed.")
            n = 0
            for batch in table.iter_batches(batch_size=_BATCH, columns=[chosen]):
                for cell in batch.column(0).to_pylist():
                    n += 1
                    path = os.fsdecode(cell) if cell else ""
                    if not path:
                        raise DataError(f"{printable(name)}: row {n} has no path in the column {chosen!r}.")
                    yield _below(folder, path)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise unreadable(printable(name), error) from error


def _csv_paths(file: IO[bytes], name: str, column: str | None) -> Iterator[str]:
    """The cells of one column, that are not empty."""
    try:
        with io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
            first = text.readline()
            delimiter = max(",;\t", key=re.sub(r'"[^"]*"', "", first).count)
            header = next(csv.reader([first], delimiter=delimiter, strict=True), [])
            names = [cell.strip() for cell in header]
            place = names.index(_choose(names, column, name))
            rows = csv.reader(text, delimiter=delimiter, strict=True)
            for row in rows:
                if any(cell.strip() for cell in row):
                    path = row[place].strip() if place < len(row) else ""
                    if not path:
                        line = rows.line_num + 1
                        raise DataError(f"{printable(name)}:{line}: no path in the column {names[place]!r}.")
                    yield path
    except UnicodeDecodeError as error:
        raise DataError(f"{printable(name)} is not UTF-8: save it as CSV (UTF-8), or as Parquet.") from error
    except csv.Error as error:
        raise DataError(f"{printable(name)} cannot be read as a table: {error}.") from error


def _lines(file: IO[bytes], name: str) -> Iterator[str]:
    """The lines of a text, as `-` reads them."""
    for number, line in enumerate(file, start=1):
        line = (line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).rstrip(b"\r\n")
        if b"\0" in line:
            raise DataError(
                f"{printable(name)} is no text: give a text with one path per line, a CSV or a Parquet table."
            )
        if line.strip():
            yield os.fsdecode(line)


def _choose(names: Sequence[str], column: str | None, table: str) -> str:
    """The column of paths."""
    if column is not None and column in names:
        return column
    by_form = {name.casefold(): name for name in reversed(names)}
    found = next((by_form[name] for name in PATH_NAMES if name in by_form), None) if column is None else None
    if found is None:
        missing = "no column for paths" if column is None else f"no column {column!r}"
        raise DataError(
            f"{printable(table)} has {missing}: name one behind a colon, as in {printable(table)}:NAME. "
            f"Its columns are: {', '.join(names) or 'none'}."
        )
    return found


def _below(folder: str, path: str) -> str:
    """A path of a table as seen from the working folder."""
    if is_url(path) or os.path.isabs(path) or not folder:  # noqa: PTH117 - of very many
        return path
    return f"{folder}/{path}" if is_url(folder) else os.path.join(folder, *path.split("/"))  # noqa: PTH118


def _folder_of(table: str) -> str:
    return table.rpartition("/")[0] if is_url(table) else os.path.dirname(table)  # noqa: PTH120 - as given


def _is_folder(name: str) -> bool:
    if is_url(name):
        from photograft.data.url_files import kind_of

        return kind_of(name) == "folder"
    return os.path.isdir(name)  # noqa: PTH112 - the method of Path raises where a folder above cannot be read


@contextmanager
def _opened(name: str) -> Iterator[IO[bytes]]:
    """A list, opened for reading; what fails on the way is told with its name."""
    with _open(name) as file:
        try:
            yield file
        except PhotograftError:
            raise
        except Exception as error:  # the client of a store raises what it likes
            if is_url(name):
                from photograft.data.url_files import unreadable_object

                raise unreadable_object(name, error) from error
            if isinstance(error, OSError):
                raise DataError(f"{printable(name)} cannot be read: {error.strerror or error}.") from error
            raise


def _open(name: str) -> IO[bytes]:
    if is_url(name):
        from photograft.data.url_files import open_object

        return open_object(name)
    path = Path(name)
    try:
        if os.path.lexists(path) and not path.is_file():  # opening a pipe may block for ever
            raise DataError(f"{printable(name)} is neither a file nor a folder that holds Parquet files.")
        return path.open("rb")
    except OSError as error:
        raise DataError(f"{printable(name)} cannot be read: {error.strerror}.") from error
