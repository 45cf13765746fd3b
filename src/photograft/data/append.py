"""Rows added to a CSV file of the user's, each whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from photograft.data.csv_text import find_delimiter, guard_cell, write_cells
from photograft.data.files import printable
from photograft.errors import DataError


def append_row(path: Path, columns: Sequence[str], cells: Mapping[str, str], *, required: Sequence[str]) -> None:
    """Add a row; a file that is not there, or empty, is made with these columns.

    A file that is there keeps its own columns and separators. Several writers may add rows at once.

    Raises:
        DataError: The file cannot be written, or lacks one of the required columns.
    """
    try:
        if not path.exists() and _create(path, columns, cells):
            return
        _append(path, columns, cells, required)
    except OSError as error:
        raise DataError(f"{printable(path)} cannot be written: {error.strerror or error}.") from error


def _create(path: Path, columns: Sequence[str], cells: Mapping[str, str]) -> bool:
    """Make the file with its first row; False if somebody else made it meanwhile."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(write_cells([columns]).encode() + _row(cells, columns, ","))
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        try:
            os.link(name, path)
        except FileExistsError:
            return False
        except OSError:  # a file system without links
            Path(name).replace(path)
        return True
    finally:
        Path(name).unlink(missing_ok=True)


def _append(path: Path, columns: Sequence[str], cells: Mapping[str, str], required: Sequence[str]) -> None:
    """Add one row in a single write."""
    with path.open("rb") as file:
        first_line = file.readline().decode("utf-8", "surrogateescape").removeprefix("\ufeff")
        file.seek(max(0, path.stat().st_size - 1))
        end = file.read()
    start = "\n" if end and not end.endswith(b"\n") else ""  # the last row may lack its end
    if not first_line:
        first_line = start = write_cells([columns])
    delimiter = find_delimiter(first_line)
    header = [name.strip().strip('"').lower() for name in first_line.split(delimiter)]
    if not set(required) <= set(header):
        raise DataError(f"{printable(path)} has no columns {', '.join(required)}, so nothing is written into it.")
    row = start.encode() + _row(cells, header, delimiter)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0))
    try:
        size = os.fstat(descriptor).st_size
        if os.write(descriptor, row) < len(row):
            os.ftruncate(descriptor, size)  # a full disk: half a row would be no row
            raise OSError("there is no space left")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _row(cells: Mapping[str, str], header: Sequence[str], delimiter: str) -> bytes:
    row = [guard_cell(cells.get(name, "")) for name in header]
    return write_cells([row], delimiter=delimiter).encode("utf-8", "surrogateescape")
