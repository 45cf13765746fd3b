"""From a path as a table gives it to the file that it means."""

from __future__ import annotations

import os
import posixpath
import unicodedata
from collections.abc import Sequence
from pathlib import PureWindowsPath

from photograft.data.files import PhotoFiles
from photograft.data.urls import is_url, refuse_password

_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif")
"""What a path without an extension may lack, in the order of preference."""

_MAX_PATH = 2000


class Locator:
    """Finds files by the paths of a table. `bases` are the folders that paths may be relative to, tried in order.

    A folder is listed once, however many paths lie in it.
    """

    def __init__(self, files: PhotoFiles, bases: Sequence[str] = ("",)) -> None:
        self._files = files
        self._bases = bases
        self._folders: dict[str, _Folder | None] = {}

    def find(self, given: str) -> str | None:
        """The path of the file, None where there is none.

        Backslashes may stand for slashes, names may be in another Unicode form or case, and the extension may be left
        out.

        Raises:
            ConfigError: it is a URL that holds a password or token.
        """
        refuse_password(given)
        if len(given) > _MAX_PATH:
            return None
        for path in dict.fromkeys((given, given.replace("\\", "/"))):
            for base in self._bases:
                found = self._find(path if is_absolute(path) else tidy(f"{base}/{path}" if base else path))
                if found is not None:
                    return found
        return None

    def _find(self, path: str) -> str | None:
        parent, _, name = path.rpartition("/")
        folder = self._folder(parent or ("/" if path.startswith("/") else ""))
        if folder is None:
            return None
        own = folder.file(name)
        return None if own is None else _join(folder.path, own)

    def _folder(self, path: str) -> _Folder | None:
        if path not in self._folders:
            self._folders[path] = self._list(path)
        return self._folders[path]

    def _list(self, path: str) -> _Folder | None:
        try:
            return _Folder(path, self._files)
        except (OSError, ValueError):
            pass
        # Perhaps a folder above has its name in another Unicode form.
        parent, _, name = path.rpartition("/")
        above = self._folder(parent or ("/" if path.startswith("/") else "")) if name else None
        own = above.folder(name) if above is not None else None
        if above is None or own is None or own == name:
            return None
        return self._folder(_join(above.path, own))


def tidy(path: str) -> str:
    """A path without `.`, empty and needless `..` segments."""
    return "" if (tidied := posixpath.normpath(path)) == "." else tidied


def is_absolute(path: str) -> bool:
    """Whether a path means the same from every folder, on this system. A URL does."""
    absolute = PureWindowsPath(path).is_absolute() if os.name == "nt" else path.startswith("/")
    return absolute or is_url(path)


class _Folder:
    """The names in a folder, by what is the same in every Unicode form and case."""

    def __init__(self, path: str, files: PhotoFiles) -> None:
        self.path = path
        self._files: dict[str, list[str]] = {}
        self._folders: dict[str, list[str]] = {}
        self._stems: dict[str, list[str]] = {}
        for entry in files.entries(path):
            (self._folders if entry.is_folder else self._files).setdefault(_form(entry.name), []).append(entry.name)
            stem, ending = os.path.splitext(entry.name)  # noqa: PTH122 - many names, and Path is slow
            if not entry.is_folder and ending.lower() in _ENDINGS:
                self._stems.setdefault(_form(stem), []).append(entry.name)

    def file(self, name: str) -> str | None:
        found = _closest(name, self._files.get(_form(name), []))
        if found is not None:
            return found
        return min(
            self._stems.get(_form(name), []),
            key=lambda own: (_ENDINGS.index(os.path.splitext(own)[1].lower()), own),  # noqa: PTH122
            default=None,
        )

    def folder(self, name: str) -> str | None:
        return _closest(name, self._folders.get(_form(name), []))


def _closest(name: str, names: list[str]) -> str | None:
    """The name itself, else that in another Unicode form, else the only one in another case."""
    if name in names:
        return name
    form = unicodedata.normalize("NFC", name)
    same = [own for own in names if unicodedata.normalize("NFC", own) == form] or names
    return same[0] if len(same) == 1 else None


def _form(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _join(folder: str, name: str) -> str:
    return name if not folder else f"{folder.rstrip('/')}/{name}"
