"""The folder of kept outputs of frozen parts: one folder per space, a size limit over all of them, a lock for each.

A space is in use while its lock is held. Its lock lies beside it and stays when it goes: a lock that is deleted while
somebody waits for it locks nothing.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from photograft.errors import ConfigError

ABOUT = "about.json"
"""The file of a space whose time says when the space was last used."""


def boundary_folder(cache: Path) -> Path:
    """Where a cache folder keeps outputs of frozen parts."""
    return cache / "boundaries"


def used_bytes(cache: Path, *, without: str = "") -> int:
    """Bytes on disk of all spaces, save the one named."""
    return sum(_size(space) for space in _spaces(cache) if space.name != without)


def make_room(cache: Path, space: str, *, space_bytes: int, budget_bytes: int) -> None:
    """Delete other spaces, those used longest ago first, until `space` may take `space_bytes` in all.

    Spaces that another run writes stay. Nothing is deleted where it would not be enough.

    Raises:
        ConfigError: The space would be larger than the budget, or than the disk.
    """
    if space_bytes > budget_bytes:
        raise ConfigError(
            f"The outputs of the frozen part take {space_bytes / 1e9:.1f} GB, more than train.boundary_gb "
            f"({budget_bytes / 1e9:g}). Raise it, lower augment.views or input.px, or set train.boundary: off."
        )
    folder = boundary_folder(cache)
    folder.mkdir(parents=True, exist_ok=True)
    new_bytes = space_bytes - space_size(cache, space)
    most_bytes = shutil.disk_usage(folder).free + used_bytes(cache, without=space)
    if new_bytes > most_bytes:
        raise ConfigError(
            f"The outputs of the frozen part need {new_bytes / 1e9:.1f} GB more in {folder}, where at most "
            f"{most_bytes / 1e9:.1f} GB can be free. Set cache.dir to a folder on a larger disk, lower augment.views, "
            "or set train.boundary: off."
        )
    for other in sorted(_spaces(cache), key=_last_use):
        enough = used_bytes(cache, without=space) + space_bytes <= budget_bytes
        if enough and new_bytes <= shutil.disk_usage(folder).free:
            break
        if other.name != space:
            _remove(other)


def space_size(cache: Path, space: str) -> int:
    """Bytes on disk of one space."""
    return _size(boundary_folder(cache) / space)


def remove_space(cache: Path, space: str) -> None:
    """Delete a space, unless another run writes it."""
    _remove(boundary_folder(cache) / space)


def remove_all(cache: Path) -> None:
    """Delete every space.

    Raises:
        ConfigError: Another run writes one of them.
    """
    busy = [space for space in _spaces(cache) if not _remove(space)]
    if busy:
        raise ConfigError(f"{busy[0]} could not be deleted: is another run using it?")


@contextmanager
def locked(folder: Path, *, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock of a space's folder; `waiting` is called where another process holds it, which is waited for."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = _lock(folder)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        waiting()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def mark_used(folder: Path) -> None:
    """Note that a space is used now."""
    with suppress(OSError):
        os.utime(folder / ABOUT, (time.time(),) * 2)


def _lock(folder: Path) -> FileLock:
    return FileLock(folder.with_name(f"{folder.name}.lock"))


def _spaces(cache: Path) -> list[Path]:
    folder = boundary_folder(cache)
    return [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []


def _last_use(space: Path) -> float:
    try:
        return (space / ABOUT).stat().st_mtime
    except OSError:
        return 0.0


def _size(space: Path) -> int:
    total = 0
    with suppress(OSError):  # another process may delete it meanwhile
        for path in space.iterdir():
            total += path.stat().st_size
    return total


def _remove(space: Path) -> bool:
    """Delete a space unless it is written; whether it is gone."""
    try:
        with _lock(space).acquire(timeout=0):
            shutil.rmtree(space, ignore_errors=True)  # Windows keeps files that are being read
    except Timeout:
        return False
    return not space.exists()
