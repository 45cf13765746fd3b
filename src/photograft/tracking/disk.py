"""What folders take on disk, and what would be free without them: files may be linked from elsewhere."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Link:
    """One name of a file: which file it is, its bytes, and how many names it has in all."""

    file: tuple[int, int]
    bytes: int
    names: int


@dataclass(frozen=True)
class DiskUse:
    """Bytes of files: in `total` each once, in `freed` those of which no name is left when these are removed."""

    total: int
    freed: int


def disk_use(paths: Iterable[Path]) -> DiskUse:
    """What files, and folders with all in them, take."""
    return use_of(link for path in paths for link in links_in(path))


def links_in(path: Path) -> Iterator[Link]:
    """A file, or every file in a folder; what is gone meanwhile is left out."""
    files = (Path(folder) / name for folder, _, names in os.walk(path) for name in names) if path.is_dir() else [path]
    for file in files:
        try:
            status = file.lstat()
        except OSError:
            continue
        yield Link((status.st_dev, status.st_ino), status.st_size, status.st_nlink)


def use_of(links: Iterable[Link]) -> DiskUse:
    """What the files behind these names take. A file with a name that is not among them frees nothing."""
    counts = Counter(links)
    files = {link.file: link for link in counts}
    freed = sum(link.bytes for link in files.values() if counts[link] >= link.names)
    return DiskUse(sum(link.bytes for link in files.values()), freed)
