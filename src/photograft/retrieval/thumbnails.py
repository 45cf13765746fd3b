"""The thumbnails of an index: JPEG files one behind the other in files of some megabytes, each with its checksum.

An entry says itself what it is (mark, SHA-256 of the content, length, CRC-32), so that the thumbnails of a build that
was killed are found again. A file is only ever added to while it is made; to take a thumbnail out, those beside it are
written to another file.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from photograft.retrieval.rows import Place

FOLDER = "thumbnails"
_MARK = b"PGT1"
_HEAD = struct.Struct("<4s32sII")
_FULL_BYTES = 64_000_000


def read_thumbnail(folder: Path, place: Place) -> bytes | None:
    """The JPEG at a place of the index in `folder`; None where it is gone or damaged."""
    try:
        with (folder / FOLDER / place.file).open("rb") as file:
            file.seek(place.offset)
            jpeg = file.read(place.length)
    except OSError:
        return None
    return jpeg if len(jpeg) == place.length and zlib.crc32(jpeg) == place.crc32 else None


def find_thumbnails(file: Path) -> dict[str, Place]:
    """The whole entries of a file by the SHA-256 of their contents, up to the first that is damaged or cut short."""
    found: dict[str, Place] = {}
    with file.open("rb") as opened:
        while len(head := opened.read(_HEAD.size)) == _HEAD.size:
            mark, content, length, crc32 = _HEAD.unpack(head)
            jpeg = opened.read(length) if mark == _MARK else b""
            if mark != _MARK or len(jpeg) < length or zlib.crc32(jpeg) != crc32:
                break
            found[content.hex()] = Place(file.name, opened.tell() - length, length, crc32)
    return found


def is_full_of(folder: Path, file: str, places: Iterable[Place]) -> bool:
    """Whether a file of the index in `folder` holds these thumbnails and nothing else."""
    n_bytes = sum(_HEAD.size + place.length for place in places)
    return (folder / FOLDER / file).stat().st_size == n_bytes


class ThumbnailWriter:
    """Adds thumbnails to new files of an index; `close` makes them durable."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER
        self._file: BinaryIO | None = None

    def add(self, sha256: str, jpeg: bytes) -> Place:
        """Write the thumbnail of a content."""
        file = self._open()
        crc32 = zlib.crc32(jpeg)
        file.write(_HEAD.pack(_MARK, bytes.fromhex(sha256), len(jpeg), crc32))
        offset = file.tell()
        file.write(jpeg)
        return Place(Path(file.name).name, offset, len(jpeg), crc32)

    def close(self) -> None:
        """Write what is buffered, and wait until it is on the disk."""
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._file = None

    def __enter__(self) -> ThumbnailWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> BinaryIO:
        if self._file is not None and self._file.tell() > _FULL_BYTES:
            self.close()
        if self._file is None:
            self._folder.mkdir(exist_ok=True)
            number = max((_number(file) for file in thumbnail_files(self._folder.parent)), default=0) + 1
            self._file = (self._folder / f"{number:06d}.pack").open("xb")
        return self._file


def thumbnail_files(folder: Path) -> Iterator[Path]:
    """The files of thumbnails of an index, also those that no row names."""
    return (file for file in (folder / FOLDER).glob("*.pack") if file.stem.isdigit())


def _number(file: Path) -> int:
    return int(file.stem)
