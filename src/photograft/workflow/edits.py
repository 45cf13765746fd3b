"""`edits`: rows of the journal that corrects labels, choice and boxes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from photograft.data.edits import append_edit, read_edits, undo_edit
from photograft.data.files import photo_status, printable
from photograft.data.hashing import hash_file
from photograft.errors import ConfigError, DataError, ImageRejected

_MAX_FILE_MB = 2000
"""What data.max_file_mb may be at most: a larger file is never a photo."""


def add_edits(
    journal: Path,
    action: str,
    photos: Sequence[str | os.PathLike[str]],
    *,
    value: str = "",
    note: str = "",
    number: int = 0,
) -> int:
    """Add one row per photo, known by its content; gives their number. All photos are read before the first row.

    Raises:
        ConfigError: The action needs a value or takes none, or the journal would lie beside the photos.
        DataError: A photo cannot be read, or the journal has problems or cannot be written.
    """
    if not journal.parent.is_dir():
        raise ConfigError(f"{journal}: the folder {journal.parent} does not exist; make it first.")
    if journal.exists() and (not journal.is_file() or journal.stat().st_size):
        read_edits(journal)  # a row must not be added to a file that is refused when it is applied
    hashes = {}
    for photo in map(Path, photos):
        if _is_among_photos(journal, photo):
            raise ConfigError(f"{journal} would lie among the photos, where nothing is written; put it elsewhere.")
        hashes[photo] = _hash(photo)
    for photo, sha256 in hashes.items():
        append_edit(journal, action, sha256, path=str(photo), value=value, note=note, number=number)
    return len(hashes)


def _hash(photo: Path) -> str:
    """SHA-256 of a photo. Anything but a regular file is refused before it is opened, since reading it may not end."""
    try:
        photo_status(photo, max_file_mb=_MAX_FILE_MB)
        return hash_file(photo)
    except ImageRejected as rejected:
        reason = rejected.reason.removeprefix("the system cannot read it: ")
        raise DataError(f"{printable(photo)} cannot be read: {reason}.") from rejected
    except OSError as error:
        raise DataError(f"{printable(photo)} cannot be read: {error.strerror}.") from error


def _is_among_photos(journal: Path, photo: Path) -> bool:
    """Whether the journal would lie beside the photo, or in a class folder beside that of the photo."""
    folder, beside = photo.resolve().parent, journal.resolve().parent
    return beside == folder or (beside.parent == folder.parent and any(map(_is_photo, beside.iterdir())))


def _is_photo(path: Path) -> bool:
    return path.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")


def list_edits(journal: Path) -> list[dict[str, Any]]:
    """Every row of the journal in order, with its line and whether it is in force."""
    return [asdict(row) for row in read_edits(journal).rows]


def undo_edits(journal: Path, lines: Sequence[int]) -> None:
    """Undo the rows on the given lines. Raises DataError where one of them is no row, before any is undone."""
    known = {row.line for row in read_edits(journal).rows}
    wrong = [str(line) for line in lines if line not in known]
    if wrong:
        raise DataError(
            f"{journal} has no row on line {', '.join(wrong)}: `photograft edits list {journal}` shows them."
        )
    for line in lines:
        undo_edit(journal, line)
