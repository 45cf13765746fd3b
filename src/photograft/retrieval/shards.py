"""The folder of an index in shards: `shards.json` names index folders, and holds what they have in common.

It is replaced last, in one step, as `index.json` is. Shards are ordinary index folders of one network. What photos are
compared along, the curve of "same class", and which contents stand in several shards were found on all of them
together; so a shard that was changed since is refused.
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from photograft.data.hashing import hash_bytes
from photograft.errors import IntegrityError, ModelError
from photograft.retrieval.calibration import SameClass
from photograft.retrieval.directions import Directions, read_directions
from photograft.retrieval.gathered import NO_TWINS, NONE_OUTDATED, Gathered
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
    while_replaced,
)

FORMAT = 1
_OURS = re.compile(r"(directions|twins)-\d+\.safetensors")


@dataclass(frozen=True)
class ShardRow:
    """A shard: its folder, relative to that of `shards.json` where it can be, and what tells its photos."""

    folder: str
    rows_sha256: str
    vectors_sha256: str


@dataclass(frozen=True)
class ShardsInfo:
    """The content of shards.json; names as in `IndexInfo`. `twins` says what several shards hold, if anything."""

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


def read_index(folder: Path) -> Stored | StoredShards:
    """Read an index, an ordinary one or one in shards, also while another process puts one in the place of another.

    Raises:
        ModelError: There is no index, it is of a newer release, or a shard is not as it was.
        IntegrityError: A file is missing or damaged; the message names it.
    """
    return while_replaced(folder, lambda: _read_shards(folder) if is_sharded(folder) else read_stored(folder))


def _read_shards(folder: Path) -> StoredShards:
    info = read_shards_info(folder)
    shards = [_read_shard(folder, row) for row in info.shards]
    directions = read_directions(_checked(folder, info.directions))
    twin_T2, outdated_S2 = NO_TWINS, NONE_OUTDATED
    if info.twins is not None:
        tensors = load_tensors(_checked(folder, info.twins))
        twin_T2, outdated_S2 = tensors["twins"], tensors["outdated"]
    return StoredShards(folder, info, Gathered(shards, info.sources, twin_T2, outdated_S2), directions)


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
    unnamed = [file for file in folder.iterdir() if _OURS.fullmatch(file.name) and file.name not in _named(info)]
    unnamed += [file for place in (folder, *_folders_in(folder / DERIVED)) for file in place.glob(".*.tmp")]
    for file in unnamed:
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
    remove_files_of_index(folder, keep=_named(info))


def drop_shards(folder: Path) -> None:
    """Make the ordinary index in a folder the one that counts, where there was one in shards.

    What `shards.json` names must be there until it is gone.
    """
    (folder / SHARDS).unlink(missing_ok=True)
    gone = folder / f".{SHARD_FOLDERS}.tmp"
    shutil.rmtree(gone, ignore_errors=True)
    with suppress(OSError):  # there are none, or on Windows somebody reads one
        (folder / SHARD_FOLDERS).rename(gone)  # in one step, so that nobody goes on with what is left of a shard
    for place in (gone, folder / SHARD_FOLDERS, *_folders_in(folder / DERIVED)):
        shutil.rmtree(place, ignore_errors=True)


def shard_row(folder: Path, shard: Stored) -> ShardRow:
    """A shard as `shards.json` in `folder` states it."""
    try:
        name = os.path.relpath(shard.folder, folder).replace(os.sep, "/")
    except ValueError:  # another drive of Windows
        name = str(shard.folder.absolute())
    return ShardRow(name, shard.info.rows.sha256, shard.info.vectors.sha256)


def twins_file(gathered: Gathered) -> bytes | None:
    """What several shards hold, as it is written; None where that is nothing."""
    if not len(gathered.twin_T2) and not len(gathered.outdated_S2):
        return None
    return save_tensors({"twins": gathered.twin_T2, "outdated": gathered.outdated_S2})


def _named(info: ShardsInfo) -> set[str]:
    return {info.directions.file, "" if info.twins is None else info.twins.file}


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
