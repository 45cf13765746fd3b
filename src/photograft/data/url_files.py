"""Photos at URLs: folders and objects of a store that fsspec opens, read like a folder on a disk. Nothing is written.

Each kind of store needs its own client (s3fs, gcsfs, adlfs, huggingface_hub), which finds credentials as it always
does. Listings are never kept. A store is opened in the process that uses it, so that everything here can be pickled,
and used by threads and after a fork.
"""

from __future__ import annotations

import errno
import hashlib
import posixpath
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any, Final

from photograft.data.files import Entry, check_size
from photograft.data.urls import UrlPath, is_url, split_url
from photograft.errors import ConfigError, DataError, ImageRejected, MissingExtraError
from photograft.values import FileStatus

CLIENTS: Final = {
    **dict.fromkeys(("s3", "s3a"), "s3fs"),
    **dict.fromkeys(("gs", "gcs"), "gcsfs"),
    **dict.fromkeys(("abfs", "abfss", "az", "adl"), "adlfs"),
    **dict.fromkeys(("http", "https"), "aiohttp"),
    "hf": "huggingface_hub",
}
"""The package that opens each kind of URL, beside fsspec."""

_WEB = ("http", "https")
_OF_THIS_MACHINE = ("file", "local", "memory")


@dataclass(frozen=True)
class UrlFiles:
    """A folder at a URL, as `photograft.data.files.PhotoFiles`. A path below it may also be a URL itself."""

    url: str
    notes: tuple[str, ...] = ()

    @property
    def root(self) -> UrlPath:
        """The URL, as a path that joins and prints."""
        return UrlPath(self.url)

    def entries(self, folder: str) -> list[Entry]:
        """What lies directly in a folder.

        Raises:
            OSError: it is not there.
            DataError: the store does not answer, or refuses. Going on would leave photos out.
        """
        store, path = open_url(self._url(folder))
        try:
            rows = store.ls(path, detail=True)
            store.invalidate_cache()  # some clients keep listings whatever they are told
        except FileNotFoundError as error:
            raise FileNotFoundError(errno.ENOENT, "it is not in the store", folder) from error
        except Exception as error:
            raise DataError(f"{self._url(folder)} cannot be listed: {_said(error)}.") from error
        own = path.strip("/")
        found = [(str(row["name"]).strip("/"), row["type"] == "directory") for row in rows]
        # A store may keep an empty object that stands for the folder itself.
        return [Entry(name.rpartition("/")[2], is_folder) for name, is_folder in found if name != own]

    def status(self, path: str, *, max_file_mb: int) -> FileStatus:
        """Size, time and tag of an object."""
        try:
            store, full = open_url(self._url(path))
            return _check(store.info(full), max_file_mb)
        except (ConfigError, DataError):
            raise
        except Exception as error:
            raise _unreadable(error) from error

    def read(self, path: str, *, max_file_mb: int) -> tuple[bytes, FileStatus]:
        """The bytes of an object, whose size is asked for first; of a web server at most one byte more is taken."""
        status = self.status(path, max_file_mb=max_file_mb)
        size, url = status.size_bytes, self._url(path)
        store, full = open_url(url)
        try:
            data = _of_web(store, full, size) if _kind(url) in _WEB else bytes(store.cat_file(full, start=0, end=size))
        except Exception as error:
            raise _unreadable(error) from error
        if len(data) != size:
            has = f"more than {size}" if len(data) > size else str(len(data))
            raise ImageRejected("unreadable", f"it has {has} bytes, and the store said {size}")
        return data, status

    def position(self, path: str) -> int:
        """0: any order is as good."""
        return 0

    def _url(self, path: str) -> str:
        if not path:
            return self.url
        if is_url(path):
            if _kind(path) in _OF_THIS_MACHINE and _kind(path) != _kind(self.url):
                raise FileNotFoundError(errno.ENOENT, "a URL of this machine is not below one of a store", path)
            return path
        if path.startswith("/"):
            raise FileNotFoundError(errno.ENOENT, "a path from the root of a disk is not below a URL", path)
        store, folder = split_url(self.url)
        inside = f"{folder.rstrip('/')}/{path}" if folder else path
        if ".." in path.split("/"):
            inside = posixpath.normpath(inside)
        return f"{store}/{inside}"


def open_folder(url: str) -> UrlFiles:
    """The folder at a URL.

    Raises:
        DataError: there is none, or the store does not answer.
        ConfigError: as `open_url`.
    """
    kind = kind_of(url)
    if kind is None:
        raise DataError(f"{url} does not exist, or nothing is in it.")
    if kind == "file":
        raise DataError(f"{url} is an object, not a folder; archives are read from a disk: download it first.")
    return UrlFiles(url)


def open_object(url: str) -> IO[bytes]:
    """An object, to be read in parts; raises DataError where it cannot be."""
    store, path = open_url(url)
    try:
        opened: IO[bytes] = store.open(path, "rb")
    except Exception as error:
        raise unreadable_object(url, error) from error
    return opened


def unreadable_object(url: str, error: Exception) -> DataError:
    """What to tell of an object where the client of its store raised an error."""
    return DataError(f"{url} cannot be read: {_said(error)}.")


def kind_of(url: str) -> str | None:
    """What is at a URL: "folder", "file" or None.

    Raises:
        DataError: the store does not answer, or refuses.
    """
    store, path = open_url(url)
    try:
        kind = store.info(path)["type"]
    except FileNotFoundError:
        return None
    except Exception as error:
        raise DataError(f"{url} cannot be opened: {_said(error)}.") from error
    finally:
        store.invalidate_cache()
    return "folder" if kind == "directory" else "file"


def match_url(url: str) -> list[str]:
    """URLs of the objects that match a pattern, sorted; raises DataError as `kind_of` does."""
    store, path = open_url(url)
    root = open_url(split_url(url)[0])[1]
    try:
        found = store.glob(path, detail=True)
    except Exception as error:
        raise DataError(f"{url} cannot be listed: {_said(error)}.") from error
    finally:
        store.invalidate_cache()
    names = sorted(name for name, row in found.items() if row["type"] != "directory")
    return [f"{split_url(url)[0]}/{name.removeprefix(root).lstrip('/')}" for name in names]


def open_url(url: str) -> tuple[Any, str]:
    """The store of fsspec and the path in it. fsspec keeps one open store per thread and process.

    Raises:
        MissingExtraError: fsspec is not installed.
        ConfigError: the client of the store is not installed, or there is no such kind.
    """
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise MissingExtraError(f"Reading {url}", "ray") from error
    place, path = split_url(url)
    kind = _kind(url)
    try:
        # The path is not parsed: names of photos may hold what fsspec reads as a chain of stores.
        store, root = url_to_fs(f"{place}/", use_listings_cache=False)
    except ImportError as error:
        client = CLIENTS.get(kind)
        what = f"the package {client}: pip install {client}" if client else f"a package that is missing: {error}"
        raise ConfigError(f"{kind}:// needs {what}") from error
    except ValueError as error:
        raise ConfigError(f"{url}: no kind of store is called {kind}:// ({error}).") from error
    except Exception as error:
        raise DataError(f"{place} cannot be opened: {_said(error)}.") from error
    return store, f"{root.rstrip('/')}/{path}".rstrip("/") if root or path else root


def _kind(url: str) -> str:
    return url.partition("://")[0].lower()


def _of_web(store: Any, path: str, size: int) -> bytes:
    """What a web server sends, to one byte more than it said: it may send all where a part is asked for."""
    data = bytearray()
    with store.open(path, block_size=0, size=size) as stream:  # no blocks: whatever comes, as it comes
        while len(data) <= size and (more := stream.read(size + 1 - len(data))):
            data += more
    return bytes(data)


def _check(info: Mapping[str, Any], max_file_mb: int) -> FileStatus:
    if info["type"] != "file":
        what = "a folder" if info["type"] == "directory" else f"a {info['type']}"
        raise ImageRejected("unreadable", f"it is {what}, not a regular file")
    if info.get("size") is None:
        raise ImageRejected("unreadable", "the store does not say how large it is")
    check_size(int(info["size"]), max_file_mb)
    return FileStatus(int(info["size"]), _mtime_ns(info), _tag(info))


_TAGS = ("ETag", "etag", "md5Hash", "blob_id", "checksum", "ino")
_TIMES = ("LastModified", "last_modified", "updated", "mtime", "created")


def _tag(info: Mapping[str, Any]) -> int:
    """A number for the content, from what the store calls it by; 0 where it does not."""
    tags = [f"{name}={info[name]}" for name in _TAGS if info.get(name)]
    return int.from_bytes(hashlib.sha256(";".join(tags).encode()).digest()[:7]) if tags else 0


def _mtime_ns(info: Mapping[str, Any]) -> int:
    """The time of the last change. Where the store gives neither that nor a tag it is now, which no cache trusts."""
    for name in _TIMES:
        value = info.get(name)
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                continue
        if isinstance(value, datetime):
            return int(value.timestamp() * 1e9)
        if isinstance(value, int | float):
            return int(value * 1e9)
    return 0 if _tag(info) else time.time_ns()


def _unreadable(error: Exception) -> ImageRejected:
    if isinstance(error, FileNotFoundError):
        return ImageRejected("unreadable", "the system cannot read it: No such file or directory")
    return ImageRejected("unreadable", f"the store cannot read it: {_said(error)}")


def _said(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return text.strip().rstrip(".")
