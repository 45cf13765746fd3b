"""Blocks of a job that was begun before whose photos changed since: they are done again."""

from __future__ import annotations

from pathlib import Path

from photograft.data.files import read_photo
from photograft.data.urls import is_url
from photograft.errors import ImageRejected
from photograft.scaling.catalogue import photos_of, statuses_of
from photograft.scaling.jobs import BEGAN, FILES, Job, files_sha256
from photograft.workflow.narrator import Narrator

_RACE_MS = 2_000
"""A file changed within this time before it was read may have changed again without its time moving on."""


def forget_changed(job: Job, narrator: Narrator, *, max_file_mb: int) -> None:
    """Forget what became of blocks that hold photos which changed since, or could not be read then and can be now.

    Only files on a disk are looked at, by size and time, as the cache does: objects of a store are taken for unchanged.
    """
    missing, n_changed = set(job.missing()), 0
    for number in range(job.n_blocks if len(missing) < job.n_blocks else 0):
        if number not in missing and _has_changed(job, number, max_file_mb):
            job.forget(number)
            n_changed += 1
    if n_changed:
        narrator.say(f"{n_changed} of {job.n_blocks} blocks hold photos that changed since, and are read again.")


def _has_changed(job: Job, number: int, max_file_mb: int) -> bool:
    rows = job.rows(number)
    photos = photos_of(rows)
    if all(map(is_url, photos)):
        return False
    part = job.part(number, ("verdict", "reason"))  # predictions have only the latter, which begins with the former
    stamped, statuses = part.schema.metadata or {}, statuses_of(rows)
    newest_ms = max((status[1] for status in statuses if status is not None), default=0)
    if stamped.get(FILES) != files_sha256(statuses).encode() or newest_ms > int(stamped[BEGAN]) // 10**6 - _RACE_MS:
        return True
    verdicts = (said.partition(":")[0] for said in part[part.column_names[0]].to_pylist())
    unreadable = (photo for photo, verdict in zip(photos, verdicts, strict=True) if verdict == "unreadable")
    return any(_is_readable(photo, max_file_mb) for photo in unreadable if not is_url(photo))


def _is_readable(photo: str, max_file_mb: int) -> bool:
    try:
        read_photo(Path(photo), max_file_mb=max_file_mb)
    except ImageRejected as rejected:
        return rejected.verdict != "unreadable"
    return True
