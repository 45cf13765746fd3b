"""URLs of folders and photos: what is one, and how it stands where code asks for a path."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from photograft.errors import ConfigError

if TYPE_CHECKING or sys.platform != "win32":
    from pathlib import PosixPath as _SystemPath
else:
    from pathlib import WindowsPath as _SystemPath

# One letter before the colon is a drive of Windows.
_URL = re.compile(r"([a-z][a-z0-9+.-]+)://([^/]*)/*", re.IGNORECASE)
_SECRETS = (
    # Of these kinds, what stands before an @ is a name, a token or a password, and never part of the place.
    re.compile(r"(?:https?|ftp)://[^/?#]*@", re.IGNORECASE),
    # Of all kinds a password, which may hold slashes; a number behind the colon is a port, and brackets an address.
    re.compile(r"[a-z][a-z0-9+.-]+://(?!\[)[^/@?#]*:(?!\d*(?:[/?#]|$))[^@?#]+@", re.IGNORECASE),
)
_SQUEEZED = re.compile(r"([a-z][a-z0-9+.-]+):[/\\]+(?=[^/\\])", re.IGNORECASE)


class UrlPath(_SystemPath):
    """A URL where code asks for a path: it joins and prints like one. The system has no such file; nothing is opened.

    >>> str(UrlPath("s3://photos/2026") / "a.jpg")
    's3://photos/2026/a.jpg'
    """

    __slots__ = ()

    def __str__(self) -> str:
        return _restored(super().__str__().replace("\\", "/"))

    def __fspath__(self) -> str:
        return str(self)

    def is_dir(self, *_: object, **__: object) -> bool:
        """True: only a folder is opened as a root."""
        return True

    def absolute(self) -> UrlPath:
        """Itself: a URL depends on no working folder."""
        return self

    def resolve(self, strict: bool = False) -> UrlPath:
        """Itself: the system knows no links to it."""
        return self


def is_url(text: str) -> bool:
    """Whether a text is the URL of a store, as in ``s3://bucket/folder``. ``file://`` is one too."""
    return _URL.match(text) is not None


def source_path(photos: str | os.PathLike[str]) -> Path:
    """The path that a user means: `UrlPath` for a URL, also one that went through Path; ``file://`` is a plain path.

    Raises:
        ConfigError: the URL holds a password or token.
    """
    text = os.fspath(photos)
    if not is_url(text):
        if isinstance(photos, str) or os.path.lexists(text) or not _SQUEEZED.match(text):
            return Path(photos)
        text = _restored(text)
    if (local := local_path(text)) is not None:
        return Path(local)
    split_url(text)
    return UrlPath(text)


def local_path(url: str) -> str | None:
    """The path that a URL of ``file://`` means; None of any other."""
    if not url.lower().startswith("file://"):
        return None
    path = url[len("file://") :]
    return path[1:] if sys.platform == "win32" and re.match(r"/[a-z]:", path, re.IGNORECASE) else path


def split_url(url: str) -> tuple[str, str]:
    """The store and the path in it: ``s3://bucket/a/b.jpg`` gives ``s3://bucket`` and ``a/b.jpg``.

    Raises:
        ConfigError: it holds a password or token, which results would repeat.
    """
    match = _URL.match(url)
    assert match is not None
    kind = match[1].lower()
    secret = next(filter(None, (each.match(url) for each in _SECRETS)), None)
    if secret is not None:
        host = re.split(r"[/?#]", url[secret.end() :], maxsplit=1)[0]
        raise ConfigError(
            f"A URL of {kind}://{host} holds a password or token before the @: take it out, since results name photos "
            "by their URLs, and give it to the store's client by its environment or settings."
        )
    return f"{kind}://{match[2]}", url[match.end() :]


def refuse_password(path: str) -> None:
    """Raise ConfigError where a path is a URL that holds a password or token."""
    if "@" in path and is_url(path):
        split_url(path)


def _restored(squeezed: str) -> str:
    """The URL that a path was made of, which keeps one slash of several."""
    match = _SQUEEZED.match(squeezed)
    if match is None:
        return squeezed
    slashes = ":///" if match[1].lower() in ("file", "local") else "://"
    return f"{match[1]}{slashes}{squeezed[match.end() :]}"
