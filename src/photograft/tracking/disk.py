"""What folders take on disk, and what would be free without them: files may be linked from elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DiskUse:
    """Bytes of files: in `total`, each once however many links it has here, and those that removing them frees."""

    total: int
    freed: int


def disk_use(paths: Iterable[Path]) -> DiskUse:
    """What files, and folders with all in them, take. A file with a link that is not among them frees nothing."""
    links: dict[tuple[int, int], int] = {}
    status: dict[tuple[int, int], os.stat_result] = {}
    for path in paths:
        for each in _statuses(path):
            key = (each.st_dev, each.st_ino)
            links[key] = links.get(key, 0) + 1
            status[key] = each
    freed = sum(each.st_size for key, each in status.items() if links[key] >= each.st_nlink)
    return DiskUse(sum(each.st_size for each in status.values()), freed)


def _statuses(path: Path) -> Iterator[os.stat_result]:
    """The status of a file, or of every file in a folder; what is gone meanwhile is left out."""
    files = (Path(folder) / name for folder, _, names in os.walk(path) for name in names) if path.is_dir() else [path]
    for file in files:
        try:
            yield file.lstat()
        except OSError:
            continue
