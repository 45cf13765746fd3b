"""The folder of an index in shards: `shards.json` names index folders, and holds what they have in common.

It is replaced last, in one step, as `index.json` is. Shards are ordinary index folders of one network. What photos are
compared along, the curve of "same class", and which contents stand in several shards were found on all of them
together; so a shard that was changed since is refused.
"""

from __future__ import annotations

import io
import os
import re
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from photograft.data.hashing import hash_bytes
from photograft.errors import IntegrityError, ModelError
from photograft.retrieval.calibration import SameClass
from photograft.retrieval.directions import Directions, read_directions
from photograft.retrieval.gathered import Gathered
from photograft.retrieval.sealed import NEWER, REMEDY, damaged, read_sealed, write_sealed
from photograft.retrieval.store import (
    DERIVED,
    INDEX,
    SHARD_FOLDERS,
    SHARDS,
    DirectionsOfIndex,
    NetworkOfIndex,
    SourceRow,
    Stored,
    StoredFile,
    network_json,
    network_of,
    read_stored,
    remove_files_of_index,
    source_of,
)
from photograft.values import IntArray

FORMAT = 1
_OURS = re.compile(r"(directions-\d+\.safetensors|twins-\d+\.npy)")


@dataclass(frozen=True)
class ShardRow:
    """A shard: its folder, relative to that of `shards.json` where it can be, and what tells its photos."""

    folder: str
    rows_sha256: str
    vectors_sha256: str


@dataclass(frozen=True)
class ShardsInfo:
    """The content of shards.json; names as in `IndexInfo`. `twins` are contents that several shards hold, if any."""

    generation: int
    version: str
    network: NetworkOfIndex
    sources: tuple[SourceRow, ...]
    shards: tuple[ShardRow, ...]
    n_rows: int
    n_vectors: int
    directions: DirectionsOfIndex
    twins: StoredFile | None = None
    classes: tuple[str, ...] = ()
    same: SameClass | None = None


@dataclass(frozen=True)
class StoredShards:
    """An index in shards on the disk."""

    folder: Path
    info: ShardsInfo
    gathered: Gathered
    directions: Directions

    @property
    def derived(self) -> list[Path]:
        """The folder of each shard for what follows from its files."""
        return derived_folders(self.folder, len(self.info.shards))

    def checked_network(self) -> Path:
        """The network's file after comparing it with its checksum."""
        return self.gathered.shards[0].checked_network()


def derived_folders(folder: Path, n: int) -> list[Path]:
    """Where an index of `n` shards keeps what is derived from each."""
    return [folder / DERIVED / f"{number:05d}" for number in range(n)]


def is_sharded(folder: Path) -> bool:
    """Whether there is a finished index in shards in the folder."""
    return (folder / SHARDS).is_file()


def read_shards(folder: Path) -> StoredShards:
    """Read an index in shards.

    Raises:
        ModelError: A shard is not as it was, or `shards.json` is of a newer release.
        IntegrityError: A file is missing or damaged; the message names it.
    """
    info = read_shards_info(folder)
    shards = [_read_shard(folder, row) for row in info.shards]
    directions = read_directions(_checked(folder, info.directions))
    twins = np.zeros((0, 2), np.int64)
    if info.twins is not None:
        twins = np.load(io.BytesIO(_checked(folder, info.twins)), allow_pickle=False)
    return StoredShards(folder, info, Gathered(shards, info.sources, twins), directions)


def read_shards_info(folder: Path) -> ShardsInfo:
    """Read shards.json alone."""
    file = folder / SHARDS
    stated = read_sealed(file, "shards", number=FORMAT)
    try:
        same, twins = stated["same"], stated["twins"]
        parsed: dict[str, Any] = {
            "network": network_of(stated["network"]),
            "sources": tuple(source_of(each) for each in stated["sources"]),
            "shards": tuple(ShardRow(**each) for each in stated["shards"]),
            "directions": DirectionsOfIndex(**stated["directions"]),
            "twins": None if twins is None else StoredFile(**twins),
            "classes": tuple(stated["classes"]),
            "same": None if same is None else SameClass(**same),
        }
        return ShardsInfo(**{**stated, **parsed})
    except (KeyError, TypeError, ValidationError) as error:
        raise ModelError(f"{file} may come from a newer release ({error}): {NEWER}") from error


def write_shards_info(folder: Path, info: ShardsInfo) -> None:
    """Make these shards the index, and remove files of the index in this folder that were of another."""
    write_sealed(folder / SHARDS, "shards", {**asdict(info), "network": network_json(info.network)}, number=FORMAT)
    named = {info.directions.file, "" if info.twins is None else info.twins.file}
    for file in folder.iterdir():
        if _OURS.fullmatch(file.name) and file.name not in named:
            with suppress(OSError):  # on Windows a file that somebody reads stays until the next time
                file.unlink()


def drop_ordinary(folder: Path, info: ShardsInfo) -> None:
    """Remove the ordinary index that an index in shards took the place of, and shards of one that it replaced."""
    (folder / INDEX).unlink(missing_ok=True)
    named = {row.folder.partition("/")[2] for row in info.shards}
    for place in _folders_in(folder / SHARD_FOLDERS):
        if place.name not in named:
            shutil.rmtree(place, ignore_errors=True)
    for place in _folders_in(folder / DERIVED):
        if place not in derived_folders(folder, len(info.shards)):
            shutil.rmtree(place, ignore_errors=True)
    remove_files_of_index(folder, keep={info.directions.file})


def drop_shards(folder: Path) -> None:
    """Remove the index in shards that an ordinary index in the same folder takes the place of."""
    (folder / SHARDS).unlink(missing_ok=True)
    for place in (folder / SHARD_FOLDERS, *_folders_in(folder / DERIVED)):
        shutil.rmtree(place, ignore_errors=True)
    for file in folder.glob("twins-*.npy"):
        file.unlink(missing_ok=True)


def shard_row(folder: Path, shard: Stored) -> ShardRow:
    """A shard as `shards.json` in `folder` states it."""
    try:
        name = os.path.relpath(shard.folder, folder).replace(os.sep, "/")
    except ValueError:  # another drive of Windows
        name = str(shard.folder.absolute())
    return ShardRow(name, shard.info.rows.sha256, shard.info.vectors.sha256)


def twins_file(twin_T2: IntArray) -> bytes:
    """The twins as they are written."""
    buffer = io.BytesIO()
    np.save(buffer, twin_T2, allow_pickle=False)
    return buffer.getvalue()


def _folders_in(folder: Path) -> list[Path]:
    return [place for place in folder.iterdir() if place.is_dir()] if folder.is_dir() else []


def _read_shard(folder: Path, row: ShardRow) -> Stored:
    place = Path(os.path.normpath(folder / row.folder))
    if not place.is_dir():
        raise IntegrityError(f"{place}, a shard of {folder}, is missing: {REMEDY}")
    stored = read_stored(place)
    if (stored.info.rows.sha256, stored.info.vectors.sha256) != (row.rows_sha256, row.vectors_sha256):
        raise ModelError(
            f"{place} was changed after it became a shard of {folder}: put the shards together again with the command "
            "that made this index."
        )
    return stored


def _checked(folder: Path, stored: StoredFile | DirectionsOfIndex) -> bytes:
    file = folder / stored.file
    try:
        content = file.read_bytes()
    except FileNotFoundError as error:
        raise IntegrityError(f"{file} is missing: {REMEDY}") from error
    if hash_bytes(content) != stored.sha256:
        raise damaged(file)
    return content
