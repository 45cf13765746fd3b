"""Rows become the index: vectors, thumbnails and rows beside the old ones, then `index.json` in place of the old."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

import photograft
from photograft.data.images import DECODER_VERSION
from photograft.features.extract import FeatureStore
from photograft.retrieval.approximate import open_approximate
from photograft.retrieval.calibration import calibrate
from photograft.retrieval.directions import Compared, Directions, directions_of, follow, open_compared, still_hold
from photograft.retrieval.exact import Vectors, unit_length
from photograft.retrieval.rows import IndexRow, Place, in_order, opaque_id, write_rows
from photograft.retrieval.store import (
    DERIVED,
    DirectionsOfIndex,
    IndexInfo,
    NetworkOfIndex,
    SourceRow,
    Stored,
    StoredFile,
    remove_leftovers,
    write_info,
)
from photograft.retrieval.thumbnails import ThumbnailWriter, is_full_of, read_thumbnail
from photograft.retrieval.vectors import BLOCK, HALF, open_vectors, rows_in_blocks, write_vectors
from photograft.tracking.atomic import write_atomically
from photograft.workflow.narrator import Narrator

_GENERATION = re.compile(r"(?:rows|vectors|directions|twins)-(\d+)\.")


def publish(
    folder: Path,
    network: NetworkOfIndex,
    known: Stored | None,
    sources: Sequence[SourceRow],
    rows: Sequence[IndexRow],
    *,
    places: Mapping[str, Place],
    store: FeatureStore,
    narrator: Narrator,
) -> IndexInfo:
    """Write the index of these rows and make it the one that counts.

    Vectors come from the index as it was where it knows the content, else from `store`; `places` says where thumbnails
    are, by content.
    """
    generation = next_generation(folder)
    salt = secrets.token_hex(16) if known is None else known.info.salt
    contents = _contents_in_order(known, rows)
    vectors, vectors_ND = _write_vectors(folder, generation, network, known, contents, store)
    places = _compact(folder, {content: places[content] for content in contents if content in places})
    number = {content: n for n, content in enumerate(contents)}
    rows = [_placed(row, number, places, salt) for row in rows]
    labels: list[tuple[str, ...]] = [()] * len(contents)
    for row in rows:
        if row.vector >= 0:
            labels[row.vector] = tuple(dict.fromkeys((*labels[row.vector], *row.labels)))
    stated, directions = _directions(folder, generation, known, contents, vectors_ND)
    compared = _compare(folder, known, contents, directions, vectors_ND, vectors.sha256)
    # For very many photos also the index that finds them quickly, so that no query makes it.
    open_approximate(compared.rows_NE, folder / DERIVED, key=compared.key, say=narrator.say)
    lines = write_rows(in_order(rows, len(contents)))
    file = f"rows-{generation:06d}.jsonl"
    write_atomically(folder / file, lines)
    info = IndexInfo(
        generation=generation,
        salt=salt,
        version=photograft.__version__,
        decoder=DECODER_VERSION,
        network=network,
        sources=tuple(sources),
        rows=StoredFile(file, hashlib.sha256(lines).hexdigest()),
        vectors=vectors,
        n_rows=len(rows),
        n_vectors=len(contents),
        classes=tuple(sorted({label for some in labels for label in some})),
        same=calibrate(compared.rows_NE, labels),
        directions=stated,
    )
    write_info(folder, info)
    remove_leftovers(folder, info, {place.file for place in places.values()})
    return info


def next_generation(folder: Path) -> int:
    """A number that no file has, also none of a writer that was killed."""
    numbers = (_GENERATION.match(file.name) for file in folder.iterdir())
    return max((int(match[1]) for match in numbers if match), default=0) + 1


def _contents_in_order(known: Stored | None, rows: Sequence[IndexRow]) -> list[str]:
    """Every content once: those that have a vector in its order, then new ones as they come."""
    wanted = dict.fromkeys(row.sha256 for row in rows if row.verdict == "ok")
    old = [] if known is None else [known.rows[n].sha256 for n in range(known.info.n_vectors)]
    kept = dict.fromkeys(content for content in old if content in wanted)
    return [*kept, *(content for content in wanted if content not in kept)]


def _write_vectors(
    folder: Path,
    generation: int,
    network: NetworkOfIndex,
    known: Stored | None,
    contents: Sequence[str],
    store: FeatureStore,
) -> tuple[StoredFile, Vectors]:
    old = {} if known is None else {known.rows[n].sha256: n for n in range(known.info.n_vectors)}
    if known is not None and list(old) == list(contents):
        return known.info.vectors, known.checked_vectors()
    kept = np.array([old[content] for content in contents if content in old], dtype=np.int64)
    new = contents[len(kept) :]

    def blocks() -> Iterator[Vectors]:
        if known is not None:
            yield from rows_in_blocks(known.checked_vectors(), kept)
        for start in range(0, len(new), BLOCK):
            yield unit_length(store.table(new[start : start + BLOCK]).embedding_ND)

    file, n = f"vectors-{generation:06d}.npy", len(contents)
    sha256 = write_vectors(folder / file, blocks(), n=n, size=network.size, kind=HALF)
    return StoredFile(file, sha256), open_vectors(folder / file, n=n, size=network.size, kind=HALF)


def _directions(
    folder: Path, generation: int, known: Stored | None, contents: Sequence[str], vectors_ND: Vectors
) -> tuple[DirectionsOfIndex, Directions]:
    """What the photos are compared along: as before, or found anew where too many photos came or went since."""
    if known is not None and known.info.directions is not None and known.kept_directions is not None:
        stated, before = known.info.directions, {known.rows[n].sha256 for n in range(known.info.n_vectors)}
        stated = replace(stated, changed=stated.changed + len(before.symmetric_difference(contents)))
        if still_hold(stated.n, stated.changed):
            return stated, known.kept_directions
    directions, content = directions_of(vectors_ND)
    file = f"directions-{generation:06d}.safetensors"
    write_atomically(folder / file, content)
    return DirectionsOfIndex(file, directions.sha256, n=len(contents)), directions


def _compare(
    folder: Path,
    known: Stored | None,
    contents: Sequence[str],
    directions: Directions,
    vectors_ND: Vectors,
    vectors_sha256: str,
) -> Compared:
    derived, n = folder / DERIVED, len(contents)
    if known is None or known.info.vectors.sha256 == vectors_sha256 or known.kept_directions is not directions:
        return open_compared(derived, directions, lambda: vectors_ND, n=n, vectors_sha256=vectors_sha256)
    info, old = known.info, {known.rows[i].sha256: i for i in range(known.info.n_vectors)}
    sha256 = info.vectors.sha256
    before = open_compared(derived, directions, known.checked_vectors, n=info.n_vectors, vectors_sha256=sha256)
    kept = np.array([old[content] for content in contents if content in old], dtype=np.int64)
    return follow(before, kept, vectors_ND, derived, vectors_sha256=vectors_sha256)


def _compact(folder: Path, places: dict[str, Place]) -> dict[str, Place]:
    """The same thumbnails in files that hold no others: those of photos that were taken out really go."""
    of_file: dict[str, dict[str, Place]] = defaultdict(dict)
    for content, place in places.items():
        of_file[place.file][content] = place
    found = dict(places)
    with ThumbnailWriter(folder) as writer:
        for file, some in of_file.items():
            if is_full_of(folder, file, some.values()):
                continue
            for content, place in some.items():
                jpeg = read_thumbnail(folder, place)
                if jpeg is None:
                    del found[content]
                else:
                    found[content] = writer.add(content, jpeg)
    return found


def _placed(row: IndexRow, number: Mapping[str, int], places: Mapping[str, Place], salt: str) -> IndexRow:
    if row.verdict != "ok":
        return row
    return replace(row, vector=number[row.sha256], id=opaque_id(salt, row.sha256), thumbnail=places.get(row.sha256))
