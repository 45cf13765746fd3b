"""What runs are called side by side: as short as tells them apart."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from photograft.reporting.clean import clean_text

_DATE = re.compile(r"^\d{4}-\d\d-\d\d-")


def name_runs(paths: Sequence[Path]) -> list[str]:
    """Folder names without their dates where these differ, else whole names, else paths, else numbered paths."""
    ways: tuple[Callable[[Path], str], ...] = (lambda path: _DATE.sub("", path.name), lambda path: path.name, str)
    for way in ways:
        names = [clean_text(way(path)) for path in paths]
        if len(set(names)) == len(names) and all(names):
            return names
    seen: Counter[str] = Counter()
    numbered = []
    for name in names:
        seen[name] += 1
        numbered.append(f"{name} ({seen[name]})")
    return numbered
