"""Where the bytes of photos come from: a folder, or an archive that is read as if it were one.

Paths are relative to the root and have forward slashes; "" is the root itself. In a folder a path may also be absolute,
a URL or hold `..`, where a table gives it so. Nothing is ever written.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from photograft.data.urls import UrlPath, is_url, source_path
from photograft.errors import DataError, ImageRejected
from photograft.values import FileStatus


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a folder. `identity` tells folders apart that can be reached by links, else it is None."""

    name: str
    is_folder: bool
    hidden: bool = False
    identity: tuple[int, int] | str | None = None


class PhotoFiles(Protocol):
    """A folder or an archive with photos in it. `notes` are sentences on what of it will not be read."""

    @property
    def root(self) -> Path:
        """The folder or the archive; `open_files` can open it again."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out of an archive because it is not safe to read, in sentences."""

    def entries(self, folder: str) -> list[Entry]:
        """What lies directly in a folder, in no particular order. Raises OSError where it cannot be read."""

    def status(self, path: str, *, max_file_mb: int) -> FileStatus:
        """What tells that a file is unchanged, without opening it. Raises ImageRejected as `read` does."""

    def read(self, path: str, *, max_file_mb: int) -> tuple[bytes, FileStatus]:
        """The bytes of a file and its status. Raises ImageRejected: unreadable, empty, too_large_file, corrupt."""

    def position(self, path: str) -> int:
        """Where an archive holds a file: reading in this order takes one pass. 0 where the order does not matter."""


@contextmanager
def open_files(root: Path) -> Iterator[PhotoFiles]:
    """Open a folder, also at a URL (`photograft.data.urls`), or a zip or tar archive (also compressed), by content.

    Raises:
        DataError: `root` does not exist, is neither folder nor archive, or is an archive that is damaged or refused.
        ConfigError: what opens this kind of URL is not installed.
    """
    if os.path.isdir(root):  # noqa: PTH112 - the method of Path raises where a folder above cannot be read
        yield FolderFiles(root)
        return
    if not os.path.lexists(root):
        if isinstance(source := source_path(root), UrlPath):
            # Imported here and below, because URLs and archives are rare and their modules take a while to load.
            from photograft.data.url_files import open_folder

            yield open_folder(str(source))
            return
        raise DataError(f"{printable(root)} does not exist.")
    from photograft.data.archives import open_archive

    with open_archive(root) as files:
        yield files


def read_photo(path: Path, *, max_file_mb: int) -> tuple[bytes, FileStatus]:
    """The bytes of one file, and its status from before they were read.

    Raises:
        ImageRejected: ``unreadable``, ``empty`` or ``too_large_file``. Only a regular file is ever opened, since
            opening a pipe or device may block for ever.
    """
    try:
        status = _check_status(path.stat(), max_file_mb)
        with path.open("rb", buffering=0) as file:
            status = _check_status(os.fstat(file.fileno()), max_file_mb)
            size = status.size_bytes
            data = file.read(size) or b""
            while len(data) < size and (more := file.read(size - len(data))):
                data += more
    except (OSError, MemoryError, ValueError) as error:
        raise _unreadable(error) from error
    return data, status


def read_input(photo: str | os.PathLike[str], *, max_file_mb: int) -> tuple[bytes, FileStatus]:
    """As `read_photo`, of a path or of the URL of an object, unless a file has its name."""
    if not is_url(os.fspath(photo)) or os.path.lexists(photo):
        return read_photo(Path(photo), max_file_mb=max_file_mb)
    return _at_url(os.fspath(photo)).read("", max_file_mb=max_file_mb)


def photo_status(path: Path, *, max_file_mb: int) -> FileStatus:
    """The status of one file, which is not opened; raises ImageRejected as `read_photo` does."""
    try:
        return _check_status(path.stat(), max_file_mb)
    except (OSError, ValueError) as error:
        raise _unreadable(error) from error


def check_size(size_bytes: int, max_file_mb: int) -> None:
    """Raise ImageRejected where a file is empty or larger than the setting data.max_file_mb."""
    if size_bytes == 0:
        raise ImageRejected("empty", "the file has no bytes")
    if size_bytes > max_file_mb * 1_000_000:
        size = f"{size_bytes / 1e6:,.0f} MB"
        raise ImageRejected(
            "too_large_file", f"{size} are more than the setting data.max_file_mb allows ({max_file_mb})"
        )


def folder_identity(folder: Path) -> tuple[int, int] | str | None:
    """What is equal for two paths of one folder; None where the system does not tell."""
    try:
        status = folder.stat()
    except OSError:
        return None
    # Windows before Python 3.12 gives no file numbers through every file system; the real path does then.
    return (status.st_dev, status.st_ino) if status.st_ino else os.path.realpath(folder)


def printable(name: str | Path) -> str:
    """A file name that can be printed and written as UTF-8: bytes and control characters in it are shown as escapes."""
    text = os.fspath(name).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


@dataclass(frozen=True)
class FolderFiles:
    """A folder on disk. A path in it may be a URL, where a table gives it so."""

    root: Path
    notes: tuple[str, ...] = ()

    def entries(self, folder: str) -> list[Entry]:
        """What lies directly in a folder. Links are followed."""
        if is_url(folder):
            return _at_url(folder).entries("")
        with os.scandir(self.root / folder) as scan:
            return [_entry(entry) for entry in scan]

    def status(self, path: str, *, max_file_mb: int) -> FileStatus:
        """As `photo_status`."""
        if is_url(path):
            return _at_url(path).status("", max_file_mb=max_file_mb)
        return photo_status(self.root / path, max_file_mb=max_file_mb)

    def read(self, path: str, *, max_file_mb: int) -> tuple[bytes, FileStatus]:
        """As `read_photo`."""
        if is_url(path):
            return _at_url(path).read("", max_file_mb=max_file_mb)
        return read_photo(self.root / path, max_file_mb=max_file_mb)

    def position(self, path: str) -> int:
        """0: any order is as good."""
        return 0


def _at_url(url: str) -> PhotoFiles:
    from photograft.data.url_files import UrlFiles

    return UrlFiles(url)


def _entry(entry: os.DirEntry[str]) -> Entry:
    try:
        is_folder = entry.is_dir()
    except OSError:  # a link that leads to itself
        is_folder = False
    identity = folder_identity(Path(entry.path)) if is_folder else None
    return Entry(entry.name, is_folder, _is_hidden_on_windows(entry), identity)


def _is_hidden_on_windows(entry: os.DirEntry[str]) -> bool:
    if os.name != "nt":
        return False
    return bool(getattr(entry.stat(follow_symlinks=False), "st_file_attributes", 0) & stat.FILE_ATTRIBUTE_HIDDEN)


def _check_status(status: os.stat_result, max_file_mb: int) -> FileStatus:
    if not stat.S_ISREG(status.st_mode):
        raise ImageRejected("unreadable", f"it is {_kind(status.st_mode)}, not a regular file")
    check_size(status.st_size, max_file_mb)
    return FileStatus(status.st_size, status.st_mtime_ns, status.st_ino)


def _kind(mode: int) -> str:
    kinds = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket", stat.S_IFDIR: "a folder"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def _unreadable(error: Exception) -> ImageRejected:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return ImageRejected("unreadable", f"the system cannot read it: {reason}")
