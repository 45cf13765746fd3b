"""Zip and tar archives, read member by member as if they were folders. Nothing is ever extracted to disk.

What could lead out of the archive or hide something is left out and noted: absolute names, `..`, drive letters, links,
devices, encrypted members, names that come twice. An archive that would expand far beyond its own size is refused.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast

from photograft.data.files import Entry, PhotoFiles, check_size, printable
from photograft.errors import DataError, ImageRejected
from photograft.values import FileStatus

MAX_RATIO: Final = 100
MAX_EXTRA_BYTES: Final = 100_000_000
"""An archive of S bytes may expand to 100 S + 100 MB. Photos hardly compress; this much only bombs need."""

MAX_MEMBERS: Final = 5_000_000


@contextmanager
def open_archive(root: Path) -> Iterator[PhotoFiles]:
    """Open a zip or tar archive, judged by content; a tar may be compressed with gzip, bzip2 or xz.

    Raises:
        DataError: the file is no archive, is damaged, or expands too far.
    """
    with ExitStack() as stack:
        try:
            files = _open(root, stack)
        except _DAMAGES as error:
            raise DataError(
                f"{printable(root)} cannot be read as an archive, it seems damaged ({error}): pack or get it again."
            ) from error
        yield files


_DAMAGES = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError),
    *(NotImplementedError, struct.error, gzip.BadGzipFile),
)
_OPENERS: dict[bytes, Callable[[IO[bytes]], IO[bytes]]] = {
    b"\x1f\x8b": lambda file: cast("IO[bytes]", gzip.GzipFile(fileobj=file)),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
_MAX_NAME, _MAX_DEPTH = 4096, 64
_MAX_HEADER_BYTES = 1_000_000  # what one header of a tar, with a long name or attributes, may take
_PIECE_BYTES = 1_000_000


def _open(root: Path, stack: ExitStack) -> PhotoFiles:
    if not root.is_file():  # opening a pipe or device may block for ever
        raise DataError(f"{printable(root)} is neither a folder nor a regular file.")
    try:
        file = stack.enter_context(root.open("rb"))
        start = file.read(6)
    except OSError as error:
        raise DataError(f"{printable(root)} cannot be read: {error.strerror}") from error
    return _open_zip(root, file, stack) if start.startswith(b"PK") else _open_tar(root, file, start, stack)


@dataclass(frozen=True, slots=True)
class _Member:
    """A file in an archive: where its data (tar) or header (zip) begins, its size, and why it cannot be read."""

    position: int
    size_bytes: int
    number: int
    problem: str = ""


class _ArchiveFiles:
    """What zip and tar have in common: names, folders, and what is said of members that are left out."""

    def __init__(self, root: Path) -> None:
        status = root.stat()
        self.root = root
        self.max_bytes = MAX_RATIO * status.st_size + MAX_EXTRA_BYTES
        self._mtime_ns, self._inode = status.st_mtime_ns, status.st_ino
        self._left_out: Counter[str] = Counter()
        self._examples: dict[str, str] = {}
        self._members: dict[str, _Member] = {}
        self._folders: dict[str, dict[str, bool]] = {"": {}}
        self._n_seen = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each reason to leave members out."""
        return tuple(
            f"left out of the archive: {n} {reason} ({printable(self._examples[reason])}{', ...' if n > 1 else ''})"
            for reason, n in sorted(self._left_out.items())
        )

    def entries(self, folder: str) -> list[Entry]:
        """What lies directly in a folder."""
        try:
            children = self._folders[folder]
        except KeyError:
            raise FileNotFoundError(2, "it is not in the archive", folder) from None
        return [Entry(name, is_folder) for name, is_folder in children.items()]

    def status(self, path: str, *, max_file_mb: int) -> FileStatus:
        """Size of the member; time and number of the archive, with which every member changes."""
        member = self._members.get(path)
        if member is None:
            what = "it is a folder, not a regular file" if path in self._folders else "it is not in the archive"
            raise ImageRejected("unreadable", what)
        check_size(member.size_bytes, max_file_mb)
        return FileStatus(member.size_bytes, self._mtime_ns, self._inode)

    def position(self, path: str) -> int:
        """Where the archive holds a member."""
        member = self._members.get(path)
        return member.position if member else 0

    def add(self, raw_name: str, kind: str, member: _Member) -> None:
        """Take a member in: a ``file`` or ``folder`` under its safe name; of any other kind it is only counted."""
        self._n_seen += 1
        if self._n_seen > MAX_MEMBERS:
            raise DataError(
                f"{printable(self.root)} has more than {MAX_MEMBERS:,} members: unpack what you need, or divide it."
            )
        name = _safe_name(raw_name)
        if name is None:
            kind = "members whose names lead out of the archive or are not usable"
        elif kind == "file" and (name in self._members or name in self._folders):
            kind = "members whose names come twice"
        if kind not in ("file", "folder"):
            self._left_out[kind] += 1
            self._examples.setdefault(kind, raw_name[:200])
        elif name and self._add_folders(name if kind == "folder" else name.rpartition("/")[0]) and kind == "file":
            parent, _, own = name.rpartition("/")
            self._folders[parent][own] = False
            self._members[name] = member

    def _add_folders(self, folder: str) -> bool:
        """Make the folder and those above it known; False where one of these names is a file."""
        made = folder
        while made not in self._folders:
            if made in self._members:
                self._left_out["members inside of what is a file"] += 1
                self._examples.setdefault("members inside of what is a file", folder)
                return False
            made = made.rpartition("/")[0]
        while made != folder:
            name = folder[len(made) + 1 if made else 0 :].partition("/")[0]
            self._folders[made][name] = True
            made = f"{made}/{name}" if made else name
            self._folders[made] = {}
        return True


def _safe_name(raw_name: str) -> str | None:
    """The name with single forward slashes; None where it is absolute, leads upwards, or no name at all.

    A backslash is what some Windows programs write instead of a slash.
    """
    name = raw_name.replace("\\", "/")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    unsafe = name.startswith("/") or ".." in parts or "\0" in name or re.match(r"[A-Za-z]:", name)
    if unsafe or len(name) > _MAX_NAME or len(parts) > _MAX_DEPTH:
        return None
    return "/".join(parts)


def _refuse_bomb(root: Path, expanded_bytes: int, max_bytes: int) -> DataError:
    return DataError(
        f"{printable(root)} is refused: its {root.stat().st_size:,} bytes expand to {expanded_bytes:,} or more, and "
        f"{max_bytes:,} are allowed. If you trust it, unpack it and give the folder."
    )


# -- zip --------------------------------------------------------------------------------------------------


class _ZipFiles(_ArchiveFiles):
    def __init__(self, root: Path, archive: zipfile.ZipFile) -> None:
        super().__init__(root)
        self._archive = archive
        self._infos = archive.infolist()
        declared = sum(info.file_size for info in self._infos)
        if declared > self.max_bytes:
            raise _refuse_bomb(root, declared, self.max_bytes)
        overlapping = _overlapping(self._infos)
        for number, info in enumerate(self._infos):
            problem = "it shares bytes with another member" if number in overlapping else ""
            self.add(_zip_name(info), _zip_kind(info), _Member(info.header_offset, info.file_size, number, problem))

    def read(self, path: str, *, max_file_mb: int) -> tuple[bytes, FileStatus]:
        """The bytes of a member, never more than it declares."""
        status = self.status(path, max_file_mb=max_file_mb)
        member = self._members[path]
        info = self._infos[member.number]
        if member.problem:
            raise ImageRejected("corrupt", member.problem)
        # The other methods of zipfile expand a piece at once, however large it gets.
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ImageRejected("unreadable", "it is compressed by a method that ordinary zip files do not use")
        try:
            data = bytearray()
            with self._archive.open(info) as file:
                while piece := file.read(_PIECE_BYTES):
                    data += piece
        except (*_DAMAGES, OSError, RuntimeError, ValueError) as error:
            raise ImageRejected("corrupt", f"the archive is damaged here: {error}") from error
        if len(data) != status.size_bytes:
            raise ImageRejected("corrupt", f"it has {len(data)} bytes, and declares {status.size_bytes}")
        return bytes(data), status


def _open_zip(root: Path, file: IO[bytes], stack: ExitStack) -> PhotoFiles:
    try:
        return _ZipFiles(root, stack.enter_context(zipfile.ZipFile(file)))
    except (OSError, ValueError, OverflowError) as error:
        raise zipfile.BadZipFile(str(error)) from error


def _zip_kind(info: zipfile.ZipInfo) -> str:
    mode = stat.S_IFMT(info.external_attr >> 16)
    if info.flag_bits & 0x1:
        return "encrypted members"
    if mode and mode not in (stat.S_IFREG, stat.S_IFDIR):
        return "links and special files"
    return "folder" if info.orig_filename.endswith(("/", "\\")) or mode == stat.S_IFDIR else "file"


def _zip_name(info: zipfile.ZipInfo) -> str:
    """The name as it was meant: Windows programs write that of the local code page and do not say which."""
    if info.flag_bits & 0x800 or info.orig_filename.isascii():
        return info.orig_filename
    return _decode(info.orig_filename.encode("cp437"))


def _decode(raw: bytes) -> str:
    for encoding in ("utf-8", "cp949"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("cp437")


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


# -- tar --------------------------------------------------------------------------------------------------


class _TarFiles(_ArchiveFiles):
    def __init__(self, root: Path, stream: _Stream) -> None:
        super().__init__(root)
        self._stream = stream
        stream.limit = self.max_bytes
        with tarfile.TarFile(fileobj=stream, mode="r", encoding="utf-8", errors="surrogateescape") as archive:
            while (info := archive.next()) is not None:
                archive.members = []  # type: ignore[attr-defined]  # it would keep them all
                self.add(_tar_name(info), _tar_kind(info), _Member(info.offset_data, info.size, 0))
            # It takes a damaged header for the end: after that there may only be zeros, or nothing.
            stream.seek(archive.offset)
            if stream.read(tarfile.BLOCKSIZE).strip(b"\0"):
                raise tarfile.ReadError(f"no member begins at byte {archive.offset:,}, where one should")
        stream.is_indexed = True

    def read(self, path: str, *, max_file_mb: int) -> tuple[bytes, FileStatus]:
        """The bytes of a member. In a compressed archive, reading in the order of `position` takes one pass."""
        status = self.status(path, max_file_mb=max_file_mb)
        try:
            self._stream.seek(self._members[path].position)
            data = self._stream.read(status.size_bytes)
        except (*_DAMAGES, OSError, ValueError) as error:
            raise ImageRejected("corrupt", f"the archive is damaged here: {error}") from error
        if len(data) != status.size_bytes:
            raise ImageRejected("corrupt", f"it has {len(data)} bytes, and declares {status.size_bytes}")
        return data, status


class _Stream(io.RawIOBase):
    """The expanded bytes of an archive, never read beyond `limit`; the headers in it have to be small."""

    def __init__(self, root: Path, file: IO[bytes]) -> None:
        self.limit = 0
        self.is_indexed = False
        self._root = root
        self._file = file

    def read(self, size: int = -1, /) -> bytes:
        if not self.is_indexed and not 0 <= size <= _MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        self._check(self._file.tell() + size)
        return self._file.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._check(offset)
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def _check(self, position: int) -> None:
        if position > self.limit:
            raise _refuse_bomb(self._root, position, self.limit)


def _open_tar(root: Path, file: IO[bytes], start: bytes, stack: ExitStack) -> PhotoFiles:
    file.seek(0)
    opener = next((opener for magic, opener in _OPENERS.items() if start.startswith(magic)), None)
    if opener is None and not _is_tar(file):
        raise DataError(
            f"{printable(root)} is a file, neither a folder nor an archive (.zip, .tar, .tar.gz, .tar.bz2, .tar.xz) nor "
            "a table (.csv, .tsv, .jsonl, .json)."
        )
    try:
        expanded = stack.enter_context(opener(file)) if opener else file
        return _TarFiles(root, _Stream(root, expanded))
    except (OSError, ValueError, OverflowError, IndexError, RecursionError) as error:
        raise tarfile.ReadError(str(error)) from error


def _is_tar(file: IO[bytes]) -> bool:
    start = file.read(tarfile.BLOCKSIZE)
    file.seek(0)
    try:
        tarfile.TarInfo.frombuf(start, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _tar_kind(info: tarfile.TarInfo) -> str:
    if info.isdir():
        return "folder"
    return "file" if info.isreg() and not info.issparse() else "links and special files"


def _tar_name(info: tarfile.TarInfo) -> str:
    raw = info.name.encode("utf-8", "surrogateescape")
    return _decode(raw)
