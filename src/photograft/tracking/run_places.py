"""Where runs are in a runs folder: directly in it, and one level down in the folders of studies."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from photograft.tracking.run_folder import STARTED

_SIGNS = ("config.resolved.yaml", STARTED, "run.json", "report.json")
"""Files that only the folder of a run has. Damage may have taken any of them."""

LOCK = ".lock"


def is_run(folder: Path) -> bool:
    """Whether the folder is one of a run, finished or not, or of one that was stopped before it wrote anything."""
    names = _names(os.fspath(folder))
    return _has_sign(names) or _stopped_at_once(names)


def run_folders(runs_dir: Path) -> Iterator[tuple[str, ...]]:
    """Every run in a folder as the names that lead to it, ("run",) or ("study", "run"); in order of their names.

    Links to folders are followed; hidden folders are none of runs.
    """
    for name in _folders(os.fspath(runs_dir)):
        path = f"{runs_dir}{os.sep}{name}"
        names = _names(path)
        if _has_sign(names):
            yield (name,)
            continue
        inner = [each for each in _folders(path) if _has_sign(_names(f"{path}{os.sep}{each}"))]
        yield from ((name, each) for each in inner)
        if not inner and _stopped_at_once(names):
            yield (name,)


def is_held(folder: Path) -> bool:
    """Whether a process is writing the folder of a run or study; not known, and so no, where locks cannot be taken."""
    return _is_taken(folder / LOCK)


def is_at_work(study: Path) -> bool:
    """Whether any process holds any lock in the folder of a study: a search has one for each trial."""
    return any(_is_taken(lock) for lock in study.glob(".*lock"))


def _is_taken(lock: Path) -> bool:
    if not lock.is_file():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False


def _has_sign(names: Collection[str]) -> bool:
    return any(name in names for name in _SIGNS)


def _stopped_at_once(names: Collection[str]) -> bool:
    """Whether there is a lock, and beside it nothing but hidden files: what a run leaves that was killed at birth."""
    return LOCK in names and all(name.startswith(".") for name in names)


def _names(path: str) -> set[str]:
    try:
        with os.scandir(path) as entries:
            return {each.name for each in entries}
    except OSError:
        return set()


def _folders(path: str) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return sorted(each.name for each in entries if not each.name.startswith(".") and each.is_dir())
    except OSError:
        return []
