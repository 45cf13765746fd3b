"""Blocks of a job that was begun before whose photos changed since: they are done again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from photograft.data.files import photo_status, read_photo
from photograft.data.urls import is_url
from photograft.errors import ImageRejected
from photograft.scaling.catalogue import photos_of
from photograft.scaling.jobs import BEGAN, Job
from photograft.workflow.narrator import Narrator

if TYPE_CHECKING:
    import pyarrow

_RACE_NS = 2_000_000_000
"""A file changed within this time before it was read may have changed again without its time moving on."""


def forget_changed(job: Job, narrator: Narrator, *, max_file_mb: int) -> None:
    """Forget what became of blocks that hold photos which changed since, or could not be read then and can be now.

    Only files on a disk are looked at, by time and, where the parts tell it, size, as the cache does: objects of a
    store are taken for unchanged.
    """
    missing, n_changed = set(job.missing()), 0
    for number in range(job.n_blocks if len(missing) < job.n_blocks else 0):
        if number not in missing and _has_changed(job.rows(number), job.part(number), max_file_mb):
            job.forget(number)
            n_changed += 1
    if n_changed:
        narrator.say(f"{n_changed} of {job.n_blocks} blocks hold photos that changed since, and are read again.")


def _has_changed(rows: pyarrow.Table, part: pyarrow.Table, max_file_mb: int) -> bool:
    began_ns = int(part.schema.metadata[BEGAN])
    sizes = part["size_bytes"].to_pylist() if "size_bytes" in part.column_names else [None] * part.num_rows
    for photo, verdict, size_bytes in zip(photos_of(rows), _verdicts(part), sizes, strict=True):
        if is_url(photo):
            continue
        try:
            status = photo_status(Path(photo), max_file_mb=max_file_mb)
            if verdict == "unreadable":
                read_photo(Path(photo), max_file_mb=max_file_mb)
                return True
        except ImageRejected as rejected:
            if rejected.verdict != verdict:
                return True
            continue
        if status.mtime_ns > began_ns - _RACE_NS or (size_bytes is not None and status.size_bytes != size_bytes):
            return True
    return False


def _verdicts(part: pyarrow.Table) -> list[str]:
    """What was said of each file; the reason of a prediction begins with it."""
    if "verdict" in part.column_names:
        verdicts: list[str] = part["verdict"].to_pylist()
        return verdicts
    return [reason.partition(":")[0] or "ok" for reason in part["reason"].to_pylist()]
