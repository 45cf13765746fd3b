"""Tar archives, also compressed ones: which members there are, and the bytes of one."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable
from contextlib import ExitStack
from typing import IO, cast

from photograft.data.members import SPECIAL, Member, Members, decode_name

_OPENERS: dict[bytes, Callable[[IO[bytes]], IO[bytes]]] = {
    b"\x1f\x8b": lambda file: cast("IO[bytes]", gzip.GzipFile(fileobj=file)),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
_MAX_HEADER_BYTES = 1_000_000  # what one header, with a long name or attributes, may take


def index_tar(file: IO[bytes], members: Members, stack: ExitStack) -> Callable[[Member], bytes]:
    """Take the members of a tar archive in, in one pass, and give the function that reads one.

    In a compressed archive, reading in the order of `Member.position` takes one pass more.

    Raises:
        DataError: it is no archive, or expands too far.
        tarfile.TarError: it is damaged; other errors of tarfile and of the compression may say so too.
    """
    file.seek(0)
    start = file.read(tarfile.BLOCKSIZE)
    file.seek(0)
    opener = next((opener for magic, opener in _OPENERS.items() if start.startswith(magic)), None)
    if opener is None and not _is_header(start):
        raise members.refuse()
    stream = _Stream(stack.enter_context(opener(file)) if opener else file, members)
    with tarfile.TarFile(fileobj=stream, mode="r", encoding="utf-8", errors="surrogateescape") as archive:
        while (info := archive.next()) is not None:
            archive.members = []  # type: ignore[attr-defined]  # it would keep them all
            name = decode_name(info.name.encode("utf-8", "surrogateescape"))
            members.add(name, _kind(info), Member(info.offset_data, info.size))
        # It takes a damaged header for the end: after that there may only be zeros, or nothing.
        stream.seek(archive.offset)
        if stream.read(tarfile.BLOCKSIZE).strip(b"\0"):
            raise tarfile.ReadError(f"no member begins at byte {archive.offset:,}, where one should")
    stream.is_indexed = True

    def content(member: Member) -> bytes:
        stream.seek(member.position)
        return stream.read(member.size_bytes)

    return content


def _kind(info: tarfile.TarInfo) -> str:
    if info.isdir():
        return "folder"
    return "file" if info.isreg() and not info.issparse() else SPECIAL


def _is_header(block: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


class _Stream(io.RawIOBase):
    """The expanded bytes of an archive, never read beyond what it may expand to; headers in it have to be small."""

    def __init__(self, file: IO[bytes], members: Members) -> None:
        self.is_indexed = False
        self._file = file
        self._members = members

    def read(self, size: int = -1, /) -> bytes:
        if not self.is_indexed and not 0 <= size <= _MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        self._members.require_size(self._file.tell() + size)
        return self._file.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._members.require_size(offset)
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()
