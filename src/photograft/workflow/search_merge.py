"""Several indexes made one: copied into an ordinary index, or left where they are and asked together.

Both answer as an index would that was made of all their photos. Memory is bounded: vectors, thumbnails and rows pass
through in blocks; of each photo there stay some tens of bytes, and the rows of files that have no vector of their own.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

import photograft
from photograft.data.files import printable
from photograft.data.images import DECODER_VERSION
from photograft.errors import ConfigError, ModelError
from photograft.retrieval.approximate import open_approximate
from photograft.retrieval.calibration import calibrate
from photograft.retrieval.directions import Directions, directions_of, open_compared
from photograft.retrieval.exact import Vectors
from photograft.retrieval.gathered import Gathered, gather
from photograft.retrieval.rows import IndexRow, opaque_id, write_rows
from photograft.retrieval.shards import (
    ShardsInfo,
    StoredShards,
    derived_folders,
    drop_shards,
    is_sharded,
    read_index,
    shard_row,
    twins_file,
    write_shards_info,
)
from photograft.retrieval.store import (
    DERIVED,
    DirectionsOfIndex,
    IndexInfo,
    SourceRow,
    Stored,
    StoredFile,
    is_index,
    refuse_other_folder,
    refuse_shard,
    remove_leftovers,
    write_info,
    writing,
)
from photograft.retrieval.thumbnails import ThumbnailWriter
from photograft.retrieval.together import open_together
from photograft.retrieval.vectors import BLOCK, HALF, open_vectors, write_vectors
from photograft.tracking.atomic import link_or_copy, replacing, write_atomically
from photograft.workflow.narrator import Narrator, Silent
from photograft.workflow.search_change import Change, change_of_whole
from photograft.workflow.search_publish import next_generation

AnyPath = str | os.PathLike[str]

Derive = Callable[[Directions, Sequence[Path], int], None]
"""Makes what shards are compared by, in a folder for each: directions, folders, photos of all shards."""


def merge_indexes(
    indexes: Sequence[AnyPath], index: AnyPath, *, apart: bool = False, narrator: Narrator | None = None
) -> Change:
    """Make one index of several that embed alike; it answers as if it had been made of all their photos.

    Args:
        indexes: Folders of indexes, also of such in shards. A photo that several hold is in the new one once; of a
            file that changed between them, the last of them counts.
        index: The folder of the new index, which is made; an index in it is replaced when the new one is whole.
        apart: Copy nothing: the new folder names the indexes, which stay where they are and are asked together.
        narrator: Told what happens; nobody by default.

    Raises:
        ModelError: One of them is no index, or embeds otherwise than the first.
        IntegrityError: A file of one of them is missing or damaged.
        ConfigError: The folder holds something else, or is one of the indexes, or two of them read one source in
            different ways.
    """
    started = time.perf_counter()
    narrator, folder = narrator or Silent(), Path(index)
    shards = [shard for each in indexes for shard in _shards_of(Path(each))]
    _refuse(folder, shards, apart=apart)
    with writing(folder):
        if apart:
            return put_together(folder, shards, narrator=narrator, started=started)
        return copy_into(folder, shards, narrator=narrator, started=started)


def put_together(
    folder: Path,
    shards: Sequence[Stored],
    *,
    narrator: Narrator,
    started: float,
    n_computed: int = 0,
    derive: Derive | None = None,
) -> Change:
    """Make the shards the index of a folder that the caller holds against other writers.

    What follows from the vectors of each is made by `derive` where it is given, else here.
    """
    gathered = _gather(shards, narrator)
    generation = next_generation(folder)
    directions, stated = _directions(folder, generation, gathered)
    twins, content = None, twins_file(gathered)
    if content is not None:
        twins = StoredFile(f"twins-{generation:06d}.safetensors", hashlib.sha256(content).hexdigest())
        write_atomically(folder / twins.file, content)
    derived = derived_folders(folder, len(shards))
    for each in derived:
        each.mkdir(parents=True, exist_ok=True)
    narrator.say(f"Comparing {len(gathered.vectors_VD):,} photos of {len(shards)} indexes along common directions.")
    if derive is not None:
        derive(directions, derived, gathered.n_numbers)
    _, rows_VE = open_together(gathered, directions, derived, say=narrator.say)
    surveyed = _survey(gathered)
    for number in gathered.number_V.tolist():
        surveyed.add(gathered.files(number))
    info = ShardsInfo(
        generation=generation,
        version=photograft.__version__,
        network=shards[0].info.network,
        sources=gathered.sources,
        shards=tuple(shard_row(folder, shard) for shard in shards),
        n_rows=surveyed.n_files + len(surveyed.others),
        n_vectors=len(gathered.vectors_VD),
        directions=stated,
        twins=twins,
        classes=surveyed.classes,
        same=calibrate(rows_VE, surveyed.labels_V),
    )
    write_shards_info(folder, info)
    return change_of_whole(
        info, surveyed.others, folder=folder, n_files=surveyed.n_files, n_labelled=surveyed.n_labelled,
        n_computed=n_computed, seconds=time.perf_counter() - started,
    )  # fmt: skip


@dataclass
class _Surveyed:
    """What all rows come to: labels of every content, files, labelled files, and the rows of files without a vector."""

    _others: dict[tuple[int, str], IndexRow]
    labels_V: list[tuple[str, ...]] = field(default_factory=list)
    n_files: int = 0
    n_labelled: int = 0
    _known: dict[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)

    def add(self, rows: Sequence[IndexRow]) -> None:
        """Count the files of the next content; where an index could not use one of them, a later one could."""
        labels = tuple(dict.fromkeys(label for row in rows for label in row.labels))
        self.labels_V.append(self._known.setdefault(labels, labels))  # equal ones are one, so that they take little
        self.n_files += len(rows)
        self.n_labelled += sum(bool(row.labels) for row in rows)
        for row in rows:
            self._others.pop((row.source, row.path), None)

    @property
    def others(self) -> list[IndexRow]:
        """Rows of files without a vector, by source and path; known when all contents were added."""
        return list(self._others.values())

    @property
    def classes(self) -> tuple[str, ...]:
        """All labels, sorted."""
        return tuple(sorted({label for some in self._known for label in some}))


def _survey(gathered: Gathered) -> _Surveyed:
    return _Surveyed({(row.source, row.path): row for row in gathered.without_vectors()})


# ------------------------------------------------------------------ one ordinary index


def copy_into(
    folder: Path, shards: Sequence[Stored], *, narrator: Narrator, started: float, n_computed: int = 0
) -> Change:
    """Make the photos of shards one ordinary index in a folder that the caller holds against other writers."""
    gathered = _gather(shards, narrator)
    first = gathered.shards[0]
    generation, network, n = next_generation(folder), first.info.network, len(gathered.vectors_VD)
    if not (folder / network.file.file).exists():
        link_or_copy(first.checked_network(), folder / network.file.file)
    for shard in gathered.shards:
        shard.checked_vectors()
    vectors = StoredFile(
        f"vectors-{generation:06d}.npy",
        write_vectors(folder / f"vectors-{generation:06d}.npy", _blocks(gathered), n=n, size=network.size, kind=HALF),
    )
    vectors_ND = open_vectors(folder / vectors.file, n=n, size=network.size, kind=HALF)
    directions, stated = _directions(folder, generation, gathered)
    salt = first.info.salt
    rows, surveyed, packs = _write_rows(folder, f"rows-{generation:06d}.jsonl", gathered, salt, narrator)
    info = IndexInfo(
        generation=generation,
        salt=salt,
        version=photograft.__version__,
        decoder=DECODER_VERSION,
        network=network,
        sources=gathered.sources,
        rows=rows,
        vectors=vectors,
        n_rows=surveyed.n_files + len(surveyed.others),
        n_vectors=n,
        classes=surveyed.classes,
        directions=stated,
    )
    compared = open_compared(folder / DERIVED, directions, lambda: vectors_ND, n=n, vectors_sha256=vectors.sha256)
    open_approximate(compared.rows_NE, folder / DERIVED, key=compared.key, say=narrator.say)
    info = replace(info, same=calibrate(compared.rows_NE, surveyed.labels_V))
    write_info(folder, info)
    drop_shards(folder)
    remove_leftovers(folder, info, packs)
    return change_of_whole(
        info, surveyed.others, folder=folder, n_files=surveyed.n_files, n_labelled=surveyed.n_labelled,
        n_computed=n_computed, seconds=time.perf_counter() - started,
    )  # fmt: skip


def _blocks(gathered: Gathered) -> Iterator[Vectors]:
    vectors_VD = gathered.vectors_VD
    for start in range(0, len(vectors_VD), BLOCK):
        yield vectors_VD[np.arange(start, min(start + BLOCK, len(vectors_VD)))]


def _write_rows(
    folder: Path, name: str, gathered: Gathered, salt: str, narrator: Narrator
) -> tuple[StoredFile, _Surveyed, set[str]]:
    """Rows and thumbnails of every content in order, then the rows of its further files and of files without one."""
    surveyed, further, packs = _survey(gathered), list[IndexRow](), set[str]()
    digest = hashlib.sha256()
    with (
        ThumbnailWriter(folder) as thumbnails,
        replacing(folder / name) as temporary,
        temporary.open("wb") as opened,
        narrator.progress(len(gathered.number_V), "Merging") as progress,
    ):

        def write(rows: Sequence[IndexRow]) -> None:
            lines = write_rows(rows)
            opened.write(lines)
            digest.update(lines)

        for vector, number in enumerate(gathered.number_V.tolist()):
            rows, jpeg = gathered.files(number), gathered.thumbnail_of(number)
            place = None if jpeg is None else thumbnails.add(rows[0].sha256, jpeg)
            if place is not None:
                packs.add(place.file)
            id = opaque_id(salt, rows[0].sha256)
            rows = [replace(row, vector=vector, id=id, thumbnail=place) for row in rows]
            write(rows[:1])
            further += rows[1:]
            surveyed.add(rows)
            progress.advance()
        write(sorted([*further, *surveyed.others], key=lambda row: (row.source, row.path)))
    return StoredFile(name, digest.hexdigest()), surveyed, packs


# ------------------------------------------------------------------ both


def _gather(shards: Sequence[Stored], narrator: Narrator) -> Gathered:
    if len(shards) > 1:
        narrator.say(f"Looking for photos that several of {len(shards)} indexes hold.")
    gathered = gather(shards)
    if n := len(gathered.outdated_S2):
        narrator.say(f"{n:,} file{' has' if n == 1 else 's have'} changed between the indexes: the later one counts.")
    return gathered


def _directions(folder: Path, generation: int, gathered: Gathered) -> tuple[Directions, DirectionsOfIndex]:
    directions, content = directions_of(gathered.vectors_VD)
    file = f"directions-{generation:06d}.safetensors"
    write_atomically(folder / file, content)
    return directions, DirectionsOfIndex(file, directions.sha256, n=len(gathered.vectors_VD))


def _shards_of(folder: Path) -> list[Stored]:
    stored = read_index(folder)
    return list(stored.gathered.shards) if isinstance(stored, StoredShards) else [stored]


def _refuse(folder: Path, shards: Sequence[Stored], *, apart: bool) -> None:
    """Raise where the shards do not fit together, or the folder is not one for their index."""
    places = [shard.folder.resolve() for shard in shards]
    for n, (place, shard) in enumerate(zip(places, shards, strict=True)):
        if place in places[:n]:
            raise ConfigError(f"{printable(shard.folder)} was named twice; name every index once.")
        if place == folder.resolve():
            raise ConfigError(f"--index: {printable(folder)} is one of the indexes; choose another folder.")
        if shard.info.network.key != shards[0].info.network.key:
            raise ModelError(
                f"{printable(shard.folder)} was made with another network, contract or views "
                f"({shard.info.network.model}) than {printable(shards[0].folder)} ({shards[0].info.network.model}): "
                "only indexes of one network can be compared; build one of them again."
            )
    _refuse_two_ways(shards)
    refuse_shard(folder)
    if apart and is_index(folder):
        raise ConfigError(f"--index: {printable(folder)} is an index; choose another folder.")
    if not (apart and is_sharded(folder)):
        refuse_other_folder(folder)


def _refuse_two_ways(shards: Sequence[Stored]) -> None:
    """Raise where two shards read one source with other labels or settings: an update could only go one way."""
    known: dict[str, tuple[SourceRow, Path]] = {}
    for shard in shards:
        for source in shard.info.sources:
            before, folder = known.setdefault(source.path, (source, shard.folder))
            if (before.labels, before.settings) != (source.labels, source.settings):
                raise ConfigError(
                    f"{printable(source.path)} is read {_way(before)} by {printable(folder)}, and {_way(source)} by "
                    f"{printable(shard.folder)}: build one of them again in the way of the other."
                )


def _way(source: SourceRow) -> str:
    settings = "".join(f" --set {each}" for each in source.settings)
    return f"with{'' if source.labels else 'out'} labels" + (f" and `{settings.strip()}`" if settings else "")
