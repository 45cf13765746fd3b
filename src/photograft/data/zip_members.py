"""Zip archives: which members there are, and the bytes of one."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from typing import IO

from photograft.data.members import SPECIAL, Member, Members, decode_name
from photograft.errors import ImageRejected

_PIECE_BYTES = 1_000_000


def index_zip(file: IO[bytes], members: Members, stack: ExitStack) -> Callable[[Member], bytes]:
    """Take the members of a zip archive in, and give the function that reads one, never beyond what it declares.

    Raises:
        DataError: it declares to expand too far.
        zipfile.BadZipFile: it is damaged; other errors of zipfile and zlib may say so too.
    """
    archive = stack.enter_context(zipfile.ZipFile(file))
    infos = archive.infolist()
    members.require_size(sum(info.file_size for info in infos))
    overlapping = _overlapping(infos)
    for number, info in enumerate(infos):
        problem = "it shares bytes with another member" if number in overlapping else ""
        members.add(_name(info), _kind(info), Member(info.header_offset, info.file_size, number, problem))

    def content(member: Member) -> bytes:
        info = infos[member.number]
        if member.problem:
            raise ImageRejected("corrupt", member.problem)
        # The other methods of zipfile expand a piece at once, however large it gets.
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ImageRejected("unreadable", "it is compressed by a method that ordinary zip files do not use")
        data = bytearray()
        with archive.open(info) as opened:
            while piece := opened.read(_PIECE_BYTES):
                data += piece
        return bytes(data)

    return content


def _kind(info: zipfile.ZipInfo) -> str:
    mode = stat.S_IFMT(info.external_attr >> 16)
    if info.flag_bits & 0x1:
        return "encrypted members"
    if mode and mode not in (stat.S_IFREG, stat.S_IFDIR):
        return SPECIAL
    return "folder" if info.orig_filename.endswith(("/", "\\")) or mode == stat.S_IFDIR else "file"


def _name(info: zipfile.ZipInfo) -> str:
    is_known = info.flag_bits & 0x800 or info.orig_filename.isascii()
    return info.orig_filename if is_known else decode_name(info.orig_filename.encode("cp437"))


def _overlapping(infos: list[zipfile.ZipInfo]) -> set[int]:
    """Numbers of the members that begin inside of another one, and of that other: a way to make bombs and to hide."""
    found: set[int] = set()
    end, last = 0, -1
    for number in sorted(range(len(infos)), key=lambda i: infos[i].header_offset):
        info = infos[number]
        if info.header_offset < end:
            found |= {last, number}
        # A header has 30 bytes and the name, whose length in bytes is at least that of the text.
        own_end = info.header_offset + 30 + len(info.orig_filename) + info.compress_size
        if own_end > end:
            end, last = own_end, number
    return found
