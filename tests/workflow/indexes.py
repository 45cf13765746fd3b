"""What indexes of photos hold, for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from photograft.retrieval.store import read_stored
from photograft.workflow.narrator import Silent
from photograft.workflow.search import PhotoIndex


def state(index: Path) -> dict[str, str]:
    """What an index holds, after looking at all of it: content by path of every photo."""
    stored = read_stored(index)
    stored.checked_vectors()
    stored.checked_network()
    with PhotoIndex(stored, Silent()) as opened:
        for row in stored.rows:
            if row.vector >= 0:
                assert opened.thumbnail(row.id), row.path
                assert opened.nearest(np.asarray(stored.vectors_ND[row.vector], np.float32), top=1)[0].id == row.id
    return {row.path: row.sha256 for row in stored.rows if row.verdict == "ok"}


def files_of(index: Path) -> set[str]:
    return {path.relative_to(index).as_posix() for path in index.rglob("*") if path.is_file()}
