"""Zip and tar archives, read member by member as if they were folders. Nothing is ever extracted to disk.

What could lead out of the archive or hide something is left out and noted: absolute names, `..`, drive letters, links,
devices, encrypted members, names that come twice. An archive that would expand far beyond its own size is refused.
"""

from __future__ import annotations

import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from photograft.data.files import Entry, PhotoFiles, check_size, printable
from photograft.data.members import Member, Members
from photograft.data.tar_members import index_tar
from photograft.data.zip_members import index_zip
from photograft.errors import DataError, ImageRejected
from photograft.values import FileStatus


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
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error, OSError, EOFError, ValueError),
    *(OverflowError, IndexError, RecursionError, RuntimeError, NotImplementedError),
)


def _open(root: Path, stack: ExitStack) -> PhotoFiles:
    if not root.is_file():  # opening a pipe or device may block for ever
        raise DataError(f"{printable(root)} is neither a folder nor a regular file.")
    try:
        file = stack.enter_context(root.open("rb"))
    except OSError as error:
        raise DataError(f"{printable(root)} cannot be read: {error.strerror}") from error
    members = Members(root)
    is_zip = file.read(2) == b"PK"
    content = index_zip(file, members, stack) if is_zip else index_tar(file, members, stack)
    status = root.stat()
    return _ArchiveFiles(root, members, content, status.st_mtime_ns, status.st_ino)


@dataclass(frozen=True)
class _ArchiveFiles:
    """The members of an archive, as `PhotoFiles`. `content` gives the bytes of one."""

    root: Path
    members: Members
    content: Callable[[Member], bytes]
    mtime_ns: int
    inode: int

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out, a sentence for each reason."""
        return self.members.notes

    def entries(self, folder: str) -> list[Entry]:
        """What lies directly in a folder."""
        try:
            children = self.members.folders[folder]
        except KeyError:
            raise FileNotFoundError(2, "it is not in the archive", folder) from None
        return [Entry(name, is_folder) for name, is_folder in children.items()]

    def status(self, path: str, *, max_file_mb: int) -> FileStatus:
        """Size of the member; time and number of the archive, with which every member changes."""
        member = self.members.files.get(path)
        if member is None:
            what = "it is a folder, not a regular file" if path in self.members.folders else "it is not in the archive"
            raise ImageRejected("unreadable", what)
        check_size(member.size_bytes, max_file_mb)
        return FileStatus(member.size_bytes, self.mtime_ns, self.inode)

    def read(self, path: str, *, max_file_mb: int) -> tuple[bytes, FileStatus]:
        """The bytes of a member, never more than it declares."""
        status = self.status(path, max_file_mb=max_file_mb)
        try:
            data = self.content(self.members.files[path])
        except ImageRejected:
            raise
        except _DAMAGES as error:
            raise ImageRejected("corrupt", f"the archive is damaged here: {error}") from error
        if len(data) != status.size_bytes:
            raise ImageRejected("corrupt", f"it has {len(data)} bytes, and declares {status.size_bytes}")
        return data, status

    def position(self, path: str) -> int:
        """Where the archive holds a member."""
        member = self.members.files.get(path)
        return member.position if member else 0
