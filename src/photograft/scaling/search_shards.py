"""The parts of a job become shards: which photo goes into which, and the task that writes one.

Photos are numbered as a plain build numbers them: each content where it stands first in the catalogue. A shard takes
the next `SHARD_PHOTOS` of these numbers, all files of their contents, and files between them that cannot be used.

Shape letters: R rows of the catalogue, S rows of a shard.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

import photograft
from photograft.data.images import DECODER_VERSION
from photograft.retrieval.exact import Vectors
from photograft.retrieval.gathered import content_key, first_equal
from photograft.retrieval.rows import IndexRow, in_order, opaque_id, write_rows
from photograft.retrieval.store import IndexInfo, NetworkOfIndex, SourceRow, StoredFile, write_info
from photograft.retrieval.thumbnails import ThumbnailWriter
from photograft.retrieval.vectors import HALF, write_vectors
from photograft.scaling.catalogue import read_block
from photograft.scaling.jobs import Job
from photograft.scaling.search_work import LIGHT, index_rows
from photograft.tracking.atomic import write_atomically
from photograft.values import IntArray

SHARD_PHOTOS: Final = 48 * 4096
"""Photos of a shard: few enough to compare with every one, and whole blocks of `retrieval.vectors`."""


@dataclass(frozen=True)
class ShardPlan:
    """The rows of a shard (S,), by their numbers in the catalogue, and the vector of each in the shard; -1: none.

    `block_B1` are the numbers of the first row of every block of the catalogue, and behind them that of all rows.
    """

    row_S: IntArray
    vector_S: IntArray
    block_B1: IntArray

    @property
    def n_vectors(self) -> int:
        """Photos of the shard."""
        return int(self.vector_S.max(initial=-1)) + 1


@dataclass(frozen=True)
class ShardTask:
    """What the task that writes a shard is told beside its plan."""

    job: Job
    folder: Path
    salt: str
    network: NetworkOfIndex
    sources: tuple[SourceRow, ...]


def plan_shards(job: Job, *, photos: int = SHARD_PHOTOS) -> list[ShardPlan]:
    """Which rows go into which shard: at least one shard. Some 50 bytes of memory a row."""
    contents, sizes = [], []
    for number in range(job.n_blocks):
        found = job.part(number, ("verdict", "sha256")).to_pylist()
        sizes.append(len(found))
        keys = [content_key(each["sha256"]) if each["verdict"] == "ok" else _UNUSABLE for each in found]
        contents.append(np.array(keys, np.uint64).reshape(-1, 2))
    content_R2 = np.concatenate(contents)
    usable_R = content_R2.any(axis=1)
    first_R = first_equal(content_R2)
    is_first_R = usable_R & (first_R == np.arange(len(first_R)))
    number_R = np.maximum(np.cumsum(is_first_R) - 1, 0)  # of a row that cannot be used that of the photo before it
    number_R[usable_R] = number_R[first_R[usable_R]]
    shard_R, vector_R = np.divmod(number_R, photos)
    vector_R[~usable_R] = -1
    block_B1 = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    chosen = [np.flatnonzero(shard_R == shard) for shard in range(int(shard_R.max(initial=0)) + 1)]
    return [ShardPlan(rows, vector_R[rows], block_B1) for rows in chosen]


def write_shard(plan: ShardPlan, task: ShardTask, network: bytes) -> None:
    """Write an index of the photos of a plan; one that is there is finished, since it was put there as a whole."""
    if task.folder.is_dir():
        return
    unfinished = task.folder.with_name(f".{task.folder.name}-{secrets.token_hex(4)}")
    unfinished.mkdir(parents=True)
    _write(unfinished, plan, task, network)
    try:
        unfinished.rename(task.folder)
    except OSError:  # the same task, started again where its worker seemed to be lost, was faster
        shutil.rmtree(unfinished, ignore_errors=True)
        if not task.folder.is_dir():
            raise


def _write(folder: Path, plan: ShardPlan, task: ShardTask, network: bytes) -> None:
    n = plan.n_vectors
    write_atomically(folder / task.network.file.file, network)
    rows: list[IndexRow] = []
    with ThumbnailWriter(folder) as thumbnails:
        vectors = (block_BD for block_BD in _blocks(plan, task, rows, thumbnails) if len(block_BD))
        sha256 = write_vectors(folder / _VECTORS, vectors, n=n, size=task.network.size, kind=HALF)
    first = {row.sha256: row.thumbnail for row in rows if row.thumbnail is not None}
    rows = [replace(row, thumbnail=first.get(row.sha256)) if row.vector >= 0 else row for row in rows]
    lines = write_rows(in_order(rows, n))
    write_atomically(folder / _ROWS, lines)
    info = IndexInfo(
        generation=1,
        salt=task.salt,
        version=photograft.__version__,
        decoder=DECODER_VERSION,
        network=task.network,
        sources=task.sources,
        rows=StoredFile(_ROWS, hashlib.sha256(lines).hexdigest()),
        vectors=StoredFile(_VECTORS, sha256),
        n_rows=len(rows),
        n_vectors=n,
        classes=tuple(sorted({label for row in rows if row.vector >= 0 for label in row.labels})),
    )
    write_info(folder, info)


_UNUSABLE = np.zeros(2, np.uint64)
_ROWS, _VECTORS = "rows-000001.jsonl", "vectors-000001.npy"


def _blocks(plan: ShardPlan, task: ShardTask, rows: list[IndexRow], thumbnails: ThumbnailWriter) -> Iterator[Vectors]:
    """Read every block that has rows of the shard: rows and thumbnails are kept, vectors are given in order."""
    block_S = np.searchsorted(plan.block_B1, plan.row_S, side="right") - 1
    n_vectors = 0
    for number in np.unique(block_S).tolist():
        here = np.flatnonzero(block_S == number)
        within, vectors = plan.row_S[here] - plan.block_B1[number], plan.vector_S[here]
        # A vector is new where it is higher than all before it: photos are numbered in the order of the catalogue.
        highest = np.maximum.accumulate(np.concatenate([[n_vectors - 1], vectors]))
        is_new = vectors > highest[:-1]
        part = task.job.part(number, LIGHT + (("embedding", "thumbnail") if is_new.any() else ()))
        found = list(index_rows(read_block(task.job.place, number), part))
        jpegs = part.column("thumbnail").take(within[is_new]).to_pylist() if is_new.any() else []
        new = iter(jpegs)
        for row, vector, first in zip((found[n] for n in within), vectors.tolist(), is_new.tolist(), strict=True):
            if vector < 0:
                rows.append(row)
                continue
            jpeg = next(new) if first else None
            place = None if jpeg is None else thumbnails.add(row.sha256, jpeg)
            rows.append(replace(row, vector=vector, id=opaque_id(task.salt, row.sha256), thumbnail=place))
        n_vectors += int(is_new.sum())
        if is_new.any():
            chosen = part.column("embedding").take(within[is_new]).combine_chunks()
            yield chosen.flatten().to_numpy(zero_copy_only=False).reshape(-1, task.network.size)
