"""What indexes of photos hold, for tests."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from photograft.retrieval.shards import drop_ordinary, read_shards_info
from photograft.retrieval.store import SHARD_FOLDERS, Stored, read_stored, writing
from photograft.workflow.narrator import Silent
from photograft.workflow.search import PhotoIndex
from photograft.workflow.search_merge import copy_into, put_together


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


def make_ordinary(folder: Path, parts: Sequence[Path]) -> None:
    """Put an ordinary index of the photos of others in a folder, as `search build --on` does at its end."""
    with writing(folder):
        copy_into(folder, _placed(folder, parts), narrator=Silent(), started=time.perf_counter())


def make_sharded(folder: Path, parts: Sequence[Path]) -> None:
    """Put an index in shards in a folder, with copies of others as its own, as `search build --on` does at its end."""
    with writing(folder):
        put_together(folder, _placed(folder, parts), narrator=Silent(), started=time.perf_counter())
        drop_ordinary(folder, read_shards_info(folder))


def _placed(folder: Path, parts: Sequence[Path]) -> list[Stored]:
    """Copies of indexes as shards in the folder of an index; one that is there is finished."""
    places = [folder / SHARD_FOLDERS / f"{parts[0].name}-{part.name}" for part in parts]
    for part, place in zip(parts, places, strict=True):
        if not place.is_dir():
            shutil.copytree(part, place)
    return [read_stored(place) for place in places]
