"""How often a test part has been opened: a test set that is looked at again and again becomes a training set."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from filelock import FileLock

from photograft.tracking.atomic import write_atomically

_FILE = "test-openings.json"
SEARCH = "search.json"
"""What tells the folder of a search from one of runs."""


def count_opening(runs_dir: Path, photos: Iterable[str], *, run: str) -> int:
    """Note that `run` opened the test part made of these photos (SHA-256 each); gives how often it was opened.

    A run in the folder of a search counts with the runs that lie beside this folder.
    """
    if (runs_dir / SEARCH).is_file():
        runs_dir, run = runs_dir.parent, f"{runs_dir.name}/{run}"
    digest = hashlib.sha256("\n".join(sorted(photos)).encode()).hexdigest()
    path = runs_dir / _FILE
    with FileLock(runs_dir / f".{_FILE}.lock"):
        openings = _read(path)
        openings.setdefault(digest, []).append(run)
        write_atomically(path, json.dumps(openings, ensure_ascii=False, indent=1) + "\n")
    return len(openings[digest])


def _read(path: Path) -> dict[str, list[str]]:
    try:
        openings = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return openings if isinstance(openings, dict) else {}
