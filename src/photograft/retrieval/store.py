"""The folder of an index: what is in it, how it is read, and how it is replaced as a whole.

`index.json` alone says which other files are the index, each with its SHA-256. A writer puts new files beside the old
ones and replaces `index.json` last; what nothing names any more is removed by the next writer. So a writer that is
killed leaves the old index or the new one. Where `shards.json` lies beside it, that is the index, and `index.json` is
one that takes its place or gave it up.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout
from pydantic import ValidationError

from photograft.contract import Contract, canonical_json
from photograft.errors import ConfigError, IntegrityError, ModelError, PhotograftError
from photograft.retrieval.calibration import SameClass
from photograft.retrieval.directions import Directions, derived_names, directions_of, read_directions
from photograft.retrieval.exact import Vectors
from photograft.retrieval.rows import Rows
from photograft.retrieval.sealed import NEWER, REMEDY, damaged, read_sealed, write_sealed
from photograft.retrieval.thumbnails import FOLDER as THUMBNAILS
from photograft.retrieval.thumbnails import thumbnail_files
from photograft.retrieval.vectors import HALF, digest_of, open_vectors

FORMAT = 1
INDEX = "index.json"
SHARDS = "shards.json"
"""The file that names the shards of an index that is kept in several folders."""
SHARD_FOLDERS = "shards"
"""Where it keeps those that were made for it."""
DERIVED = "derived"
"""The folder in an index of what follows from its other files and may be deleted at any time."""

_LOCK = ".lock"
_OURS = re.compile(r"(rows-\d+\.jsonl|vectors-\d+\.npy|(directions|twins)-\d+\.safetensors|network-[0-9a-f]+\.onnx)")
_TRIES = 20

_T = TypeVar("_T")


@dataclass(frozen=True)
class StoredFile:
    """A file of the index by its name in the folder."""

    file: str
    sha256: str


@dataclass(frozen=True)
class DirectionsOfIndex:
    """What photos are compared along: the file, how many photos it was found on, and how many came or went since."""

    file: str
    sha256: str
    n: int
    changed: int = 0


@dataclass(frozen=True)
class SourceRow:
    """Where photos come from: the absolute `path` of a folder, an archive or a table, or of the folder of `files`.

    `labels` says whether labels are read, `settings` how, as `--set` takes them.
    """

    path: str
    files: tuple[str, ...] | None = None
    labels: bool = True
    settings: tuple[str, ...] = ()


@dataclass(frozen=True)
class NetworkOfIndex:
    """What embeds: the network's file in the index, what tells its features in the cache, and how photos reach it.

    `model` names where it came from, for people. `tuned` says that it was fine-tuned on photos of its own. `limits` are
    those of reading a file, as in a bundle.
    """

    file: StoredFile
    id: str
    model: str
    size: int
    contract: Contract
    views: tuple[str, ...]
    tuned: bool
    limits: dict[str, Any]

    @property
    def key(self) -> str:
        """What every vector depends on beside the photo: network, contract and views."""
        parts = {"network": self.file.sha256, "contract": self.contract.id, "views": self.views}
        return hashlib.sha256(canonical_json(parts)).hexdigest()


@dataclass(frozen=True)
class IndexInfo:
    """The content of index.json.

    `n_vectors` contents have a vector each, `n_rows` files a row. Without `directions`, as indexes were once written,
    they follow from the vectors. `salt` makes ids opaque. `version` is that of the
    program that wrote it, `decoder` that of its decoder.
    """

    generation: int
    salt: str
    version: str
    decoder: str
    network: NetworkOfIndex
    sources: tuple[SourceRow, ...]
    rows: StoredFile
    vectors: StoredFile
    n_rows: int
    n_vectors: int
    classes: tuple[str, ...] = ()
    same: SameClass | None = None
    directions: DirectionsOfIndex | None = None


@dataclass(frozen=True)
class Stored:
    """An index that was read: rows and directions were compared with their checksums, vectors, mapped, were not yet."""

    folder: Path
    info: IndexInfo
    rows: Rows
    vectors_ND: Vectors
    kept_directions: Directions | None = None

    def directions(self) -> Directions:
        """What its photos are compared along."""
        return self.kept_directions or directions_of(self.checked_vectors())[0]

    def checked_vectors(self) -> Vectors:
        """The vectors after comparing their file with its checksum, which reads all of it."""
        check_file(self.folder, self.info.vectors)
        return self.vectors_ND

    def checked_network(self) -> Path:
        """The network's file after comparing it with its checksum."""
        return check_file(self.folder, self.info.network.file)


def is_index(folder: Path) -> bool:
    """Whether there is a finished index in the folder, and not one in shards."""
    return (folder / INDEX).is_file() and not (folder / SHARDS).exists()


def read_stored(folder: Path) -> Stored:
    """Read an index, also while another process replaces it.

    Raises:
        ModelError: There is no index, or it is of a newer release.
        IntegrityError: One of its files is missing or damaged; the message names it.
    """

    def read() -> Stored:
        info = read_info(folder)
        rows = Rows(_checked(folder, info.rows), n_vectors=info.n_vectors)
        vectors_ND = open_vectors(folder / info.vectors.file, n=info.n_vectors, size=info.network.size, kind=HALF)
        kept = None if info.directions is None else read_directions(_checked(folder, info.directions))
        return Stored(folder, info, rows, vectors_ND, kept)

    return while_replaced(folder, read)


def read_info(folder: Path) -> IndexInfo:
    """Read index.json alone."""
    file = folder / INDEX
    if (folder / SHARDS).exists():
        raise ModelError(_no_index(folder))
    try:
        stated = read_sealed(file, "index", number=FORMAT)
    except FileNotFoundError as error:
        raise ModelError(_no_index(folder)) from error
    try:
        return _parse(stated)
    except (KeyError, TypeError, ValidationError) as error:
        raise ModelError(f"{file} may come from a newer release ({error}): {NEWER}") from error


def write_info(folder: Path, info: IndexInfo) -> None:
    """Make these files the index."""
    write_sealed(folder / INDEX, "index", {**asdict(info), "network": network_json(info.network)}, number=FORMAT)


def remove_leftovers(folder: Path, info: IndexInfo, thumbnails: set[str]) -> None:
    """Remove the files of an index that it does not name, of the kinds that are written here alone."""
    named = {each.file for each in (info.rows, info.vectors, info.network.file, info.directions) if each is not None}
    unnamed = [file for file in folder.iterdir() if _OURS.fullmatch(file.name) and file.name not in named]
    unnamed += [file for file in thumbnail_files(folder) if file.name not in thumbnails]
    unnamed += [file for file in (folder / DERIVED).glob("compared-*") if not _is_derived(file, info)]
    unnamed += [file for place in (folder, folder / DERIVED) for file in place.glob(".*.tmp")]
    for file in unnamed:
        with suppress(OSError):  # on Windows a file that somebody reads stays until the next time
            file.unlink()


def remove_files_of_index(folder: Path, *, keep: set[str]) -> None:
    """Remove all files of an ordinary index from a folder that is none any more, save those to `keep`."""
    gone = [file for file in folder.iterdir() if _OURS.fullmatch(file.name) and file.name not in keep]
    gone += [*thumbnail_files(folder), *(file for file in (folder / DERIVED).glob("*") if file.is_file())]
    for file in gone:
        with suppress(OSError):  # as above
            file.unlink()
    with suppress(OSError):
        (folder / THUMBNAILS).rmdir()


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Hold the index against other writers; the lock of a process that died frees itself.

    Raises:
        ConfigError: Another process is writing it, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / _LOCK, timeout=0)
        lock.acquire()
    except Timeout as error:
        raise ConfigError(f"Another process is writing the index {folder}; wait for it.") from error
    except OSError as error:
        raise ConfigError(f"The index {folder} cannot be written ({error}); choose another folder.") from error
    try:
        yield
    finally:
        lock.release()


def refuse_shard(folder: Path) -> None:
    """Raise ConfigError where the folder is a shard that was made for an index in shards: it has but a part of it."""
    whole = folder.absolute().parent.parent
    if folder.absolute().parent.name == SHARD_FOLDERS and (whole / SHARDS).exists():
        raise ConfigError(f"{folder} holds a part of an index. {_no_index(whole)}")


def refuse_other_folder(folder: Path) -> None:
    """Raise ConfigError where the folder holds anything that is no index, finished or not."""
    if folder.is_file():
        raise ConfigError(f"--index: {folder} is a file; give a folder.")
    if (folder / SHARDS).exists():
        raise ConfigError(f"--index: {folder} is an index in shards; choose another folder, or delete it first.")
    if not folder.is_dir() or is_index(folder):
        return
    known = {_LOCK, THUMBNAILS, DERIVED}
    others = [name for name in os.listdir(folder) if name not in known and not _OURS.fullmatch(name)]  # noqa: PTH208
    others = [name for name in others if not name.endswith(".tmp")]
    if others:
        raise ConfigError(
            f"--index: {folder} holds other files ({', '.join(sorted(others)[:3])}); choose an empty or a new folder."
        )


def while_replaced(folder: Path, read: Callable[[], _T]) -> _T:
    """What `read` gives of an index, tried again where it fails since the index was replaced meanwhile.

    Raises:
        IntegrityError: A file is missing, or the index is replaced again and again.
    """
    for _ in range(_TRIES):
        before = _named_last(folder)
        try:
            return read()
        except (FileNotFoundError, PhotograftError) as error:
            if _named_last(folder) != before:
                continue
            if isinstance(error, FileNotFoundError):
                raise IntegrityError(f"{error.filename} is missing: {REMEDY}") from error
            raise
    raise IntegrityError(f"{folder} is replaced again and again; try again later.")


def _named_last(folder: Path) -> list[bytes]:
    """The files that say which index it is; of one that is not there, or went this moment, nothing."""
    found = []
    for name in (INDEX, SHARDS):
        try:
            found.append((folder / name).read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            found.append(b"")
    return found


def check_file(folder: Path, stored: StoredFile) -> Path:
    """A file of the index after comparing it with its checksum; raises IntegrityError."""
    try:
        if digest_of(folder / stored.file) == stored.sha256:
            return folder / stored.file
    except FileNotFoundError as error:
        raise IntegrityError(f"{folder / stored.file} is missing: {REMEDY}") from error
    raise damaged(folder / stored.file)


def _checked(folder: Path, stored: StoredFile | DirectionsOfIndex) -> bytes:
    content = (folder / stored.file).read_bytes()
    if hashlib.sha256(content).hexdigest() != stored.sha256:
        raise damaged(folder / stored.file)
    return content


def _no_index(folder: Path) -> str:
    if (folder / SHARDS).exists():
        return (
            f"{folder} is an index in shards, which this command does not change: run the command that made it again "
            "(`search merge --apart` or `search build --on`), or make one index of it that can be changed: "
            f"`photograft search merge {folder} --index DIR`."
        )
    if (folder / _LOCK).exists():
        return f"{folder} holds no finished index: its build was stopped; run `photograft search build` again."
    why = "it holds no index.json" if folder.is_dir() else "there is no such folder"
    return f"{folder} is no index ({why}); `photograft search build MODEL PHOTOS --index DIR` makes one."


def _is_derived(file: Path, info: IndexInfo) -> bool:
    return info.directions is not None and file.name in derived_names(info.vectors.sha256, info.directions.sha256)


def _parse(stated: dict[str, Any]) -> IndexInfo:
    same, directions = stated["same"], stated.get("directions")
    return IndexInfo(
        **{
            **stated,
            "network": network_of(stated["network"]),
            "sources": tuple(source_of(each) for each in stated["sources"]),
            "rows": StoredFile(**stated["rows"]),
            "vectors": StoredFile(**stated["vectors"]),
            "classes": tuple(stated["classes"]),
            "same": None if same is None else SameClass(**same),
            "directions": None if directions is None else DirectionsOfIndex(**directions),
        }
    )


def network_json(network: NetworkOfIndex) -> dict[str, Any]:
    """A network as index.json states it."""
    return {**asdict(network), "contract": network.contract.model_dump()}


def network_of(raw: dict[str, Any]) -> NetworkOfIndex:
    """A network as it was stated."""
    stated = {
        "file": StoredFile(**raw["file"]),
        "contract": Contract.model_validate_json(json.dumps(raw["contract"])),
        "views": tuple(raw["views"]),
    }
    return NetworkOfIndex(**{**raw, **stated})


def source_of(raw: dict[str, Any]) -> SourceRow:
    """A source as it was stated."""
    files = raw["files"]
    return SourceRow(raw["path"], None if files is None else tuple(files), raw["labels"], tuple(raw["settings"]))
