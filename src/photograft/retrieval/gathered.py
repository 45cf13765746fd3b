"""The photos of one index, or of several that are asked as one: each content once, with all of its files.

Photos have numbers: vector v of shard k is number v plus the vectors of the shards before it. A content that several
shards hold is known by the number in the first of them; its twins in the others are found, and never told. Of a file
that several shards know, what the last of them says counts: its row in the others is outdated, and a content that no
other file has is never told either.

Shape letters: N numbers, V contents (numbers that are told), T numbers that are not, S outdated rows, R rows, M numbers
asked for, D numbers per vector.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from photograft.retrieval.chain import Chain, starts_of
from photograft.retrieval.rows import IndexRow
from photograft.retrieval.store import SourceRow, Stored
from photograft.retrieval.thumbnails import read_thumbnail
from photograft.values import BoolArray, IntArray

Keys = npt.NDArray[np.uint64]

NO_TWINS: IntArray = np.zeros((0, 2), np.int64)
NONE_OUTDATED: Keys = np.zeros((0, 2), np.uint64)


class Gathered:
    """Shards as one index; an ordinary index is one shard.

    `twin_T2` has a row for each number that is not told, in order: the number, and the number that its content is known
    by; -1 where all files of the content are outdated. `outdated_S2` has a row for each outdated file: the shard, and
    the `place_key` of the file.
    """

    def __init__(
        self,
        shards: Sequence[Stored],
        sources: Sequence[SourceRow],
        twin_T2: IntArray = NO_TWINS,
        outdated_S2: Keys = NONE_OUTDATED,
    ) -> None:
        self.shards, self.sources = tuple(shards), tuple(sources)
        self.starts = starts_of(shard.info.n_vectors for shard in shards)
        self.twin_T2, self.outdated_S2 = twin_T2, outdated_S2
        self.hidden_T, self._known_T = twin_T2[:, 0], twin_T2[:, 1]
        self._by_known = np.argsort(self._known_T, kind="stable")
        number = {source.path: n for n, source in enumerate(sources)}
        self._sources_of = [[number[source.path] for source in shard.info.sources] for shard in shards]
        self._outdated = [np.sort(outdated_S2[outdated_S2[:, 0] == k, 1]) for k in range(len(shards))]

    @property
    def n_numbers(self) -> int:
        """Numbers, also those that are not told."""
        return int(self.starts[-1])

    @cached_property
    def number_V(self) -> IntArray:
        """The number of every content, in order."""
        return np.delete(np.arange(self.n_numbers), self.hidden_T)

    @property
    def without_files_T(self) -> IntArray:
        """The numbers of contents whose files are all outdated, and of their twins."""
        is_gone_T = self._known_T < 0
        return self.hidden_T[is_gone_T | np.isin(self._known_T, self.hidden_T[is_gone_T])]

    @property
    def vectors_VD(self) -> Chain:
        """The vector of every content as the network gave it, in order."""
        return Chain([shard.vectors_ND for shard in self.shards], self.number_V if len(self.hidden_T) else None)

    def vectors(self, number_M: Sequence[int] | IntArray) -> np.ndarray:
        """Vectors as the network gave them (M, D), by their numbers."""
        return np.asarray(Chain([shard.vectors_ND for shard in self.shards])[np.asarray(number_M, np.int64)])

    def files(self, number: int) -> list[IndexRow]:
        """The rows of a content, by source and path; `vector` is its number, `source` one of all sources, `id` one."""
        found = {(row.source, row.path): row for each in self._twins(number) for row in self._rows(each)}
        found |= {(row.source, row.path): row for row in self._rows(number)}
        id = self._first_row(number).id
        return [replace(found[place], vector=number, id=id) for place in sorted(found)]

    def without_vectors(self) -> list[IndexRow]:
        """The rows of files that cannot be used or were taken out, by source and path."""
        found: dict[tuple[int, str], IndexRow] = {}
        for k, shard in enumerate(self.shards):
            for n in range(shard.info.n_vectors, len(shard.rows)):
                row = shard.rows[n]
                if row.vector < 0:
                    row = replace(row, source=self._sources_of[k][row.source])
                    found[row.source, row.path] = row  # what the last shard says of a file counts
        return [found[place] for place in sorted(found)]

    def first_rows(self, shard: int) -> list[IndexRow]:
        """A row of every vector of a shard, as the shard states it."""
        rows = self.shards[shard].rows
        return [rows.of_vectors[n][0] for n in range(rows.n_vectors)]

    def among(self, passes: Callable[[IndexRow], bool]) -> BoolArray:
        """Of which contents a row passes (N,); never of a number that is not told."""
        among_N = np.zeros(self.n_numbers, bool)
        for k, shard in enumerate(self.shards):
            start = int(self.starts[k])
            for vector, rows in shard.rows.of_vectors.items():
                among_N[start + vector] = any(passes(row) and not self._is_outdated(k, row) for row in rows)
        is_twin_T = self._known_T >= 0
        np.logical_or.at(among_N, self._known_T[is_twin_T], among_N[self.hidden_T[is_twin_T]])
        among_N[self.hidden_T] = False
        return among_N

    def top_folders(self) -> list[str]:
        """The folders at the top of the sources, as the index names them."""
        rows = (row for shard in self.shards for some in shard.rows.of_vectors.values() for row in some)
        return sorted({row.path.split("/")[0] for row in rows if "/" in row.path})

    def thumbnail(self, id: str) -> bytes | None:
        """The JPEG of a content by its id; None where there is none, or it is damaged."""
        for shard in self.shards:
            row = shard.rows.find(id)
            if row is not None:
                return None if row.thumbnail is None else read_thumbnail(shard.folder, row.thumbnail)
        return None

    def thumbnail_of(self, number: int) -> bytes | None:
        """The JPEG of a content by its number; None where there is none, or it is damaged."""
        place = self._first_row(number).thumbnail
        return None if place is None else read_thumbnail(self.shards[self._shard_of(number)].folder, place)

    def are_told(self, number_M: IntArray) -> BoolArray:
        """Which numbers are told (M,)."""
        if not len(self.hidden_T):
            return np.ones(len(number_M), bool)
        return np.asarray(~np.isin(number_M, self.hidden_T))

    def _shard_of(self, number: int) -> int:
        return int(np.searchsorted(self.starts, number, side="right")) - 1

    def _twins(self, number: int) -> list[int]:
        first = np.searchsorted(self._known_T, number, side="left", sorter=self._by_known)
        end = np.searchsorted(self._known_T, number, side="right", sorter=self._by_known)
        return [int(n) for n in self.hidden_T[self._by_known[first:end]]]

    def _first_row(self, number: int) -> IndexRow:
        k = self._shard_of(number)
        return self.shards[k].rows[number - int(self.starts[k])]

    def _rows(self, number: int) -> Iterator[IndexRow]:
        """The rows of a number that are not outdated, with their source among all sources."""
        k = self._shard_of(number)
        vector, shard = number - int(self.starts[k]), self.shards[k]
        for row in (shard.rows[vector], *shard.rows.further.get(vector, ())):
            if not self._is_outdated(k, row):
                yield replace(row, source=self._sources_of[k][row.source])

    def _is_outdated(self, shard: int, row: IndexRow) -> bool:
        """Whether a later shard says something else of the file of a row, as its shard states it."""
        key_S = self._outdated[shard]
        if not len(key_S):
            return False
        key = place_key(self.shards[shard].info.sources[row.source].path, row.path)
        at = int(np.searchsorted(key_S, key))
        return at < len(key_S) and bool(key_S[at] == key)


def gather(shards: Sequence[Stored]) -> Gathered:
    """Shards as one index, after looking for what several of them hold. Takes some 60 bytes of memory a file."""
    gathered = Gathered(shards, sources_of(shards), find_twins(shards))
    if sum(len(shard.info.sources) for shard in shards) == len(gathered.sources):
        return gathered  # no two of them have a source in common, so no file either
    return _without_outdated(gathered)


def _without_outdated(gathered: Gathered) -> Gathered:
    """The same shards, where a file of several has the content and the labels that the last of them states."""
    known_N = np.arange(gathered.n_numbers)
    known_N[gathered.hidden_T] = gathered.twin_T2[:, 1]
    n_rows, n = sum(len(shard.rows) for shard in gathered.shards), 0
    place_R, state_R = np.empty(n_rows, np.uint64), np.empty(n_rows, np.int64)
    shard_R, number_R = np.empty(n_rows, np.int32), np.empty(n_rows, np.int64)
    for k, shard in enumerate(gathered.shards):
        for row in shard.rows:
            number = int(known_N[gathered.starts[k] + row.vector]) if row.vector >= 0 else -1
            place_R[n] = place_key(shard.info.sources[row.source].path, row.path)
            state_R[n], shard_R[n], number_R[n] = hash((number, row.labels)), k, number
            n += 1
    # Of equal places the last is that of the last shard; in it, a photo comes after one that was taken out from there.
    order = np.lexsort((number_R >= 0, shard_R, place_R))
    is_last = np.ones(n, bool)
    is_last[:-1] = place_R[order][1:] != place_R[order][:-1]
    last = np.flatnonzero(is_last)
    counts = order[np.repeat(last, np.diff(last, prepend=-1))]
    is_outdated_R = np.zeros(n, bool)
    is_outdated_R[order] = state_R[order] != state_R[counts]
    is_outdated_R &= number_R >= 0  # of files without a vector `without_vectors` gives the last row
    outdated_S2 = np.stack([shard_R[is_outdated_R].astype(np.uint64), place_R[is_outdated_R]], axis=1)
    has_file_N = np.zeros(gathered.n_numbers, bool)
    has_file_N[number_R[~is_outdated_R & (number_R >= 0)]] = True
    gone = gathered.number_V[~has_file_N[gathered.number_V]]
    hidden_T2 = np.concatenate([gathered.twin_T2, np.stack([gone, np.full(len(gone), -1)], axis=1)])
    hidden_T2 = hidden_T2[np.argsort(hidden_T2[:, 0])]
    return Gathered(gathered.shards, gathered.sources, hidden_T2, outdated_S2)


def find_twins(shards: Sequence[Stored]) -> IntArray:
    """The twins among the photos of shards (T, 2), as `Gathered` takes them; 16 bytes of memory a photo."""
    content_N2 = np.empty((sum(shard.info.n_vectors for shard in shards), 2), np.uint64)
    number = 0
    for shard in shards:
        for vector in range(shard.info.n_vectors):
            content_N2[number] = content_key(shard.rows[vector].sha256)
            number += 1
    known_N = first_equal(content_N2)
    twins = np.flatnonzero(known_N != np.arange(len(known_N)))
    return np.stack([twins, known_N[twins]], axis=1)


def first_equal(content_N2: npt.NDArray[np.uint64]) -> IntArray:
    """For each row the number of the first row that equals it (N,)."""
    order = np.lexsort((content_N2[:, 0], content_N2[:, 1]))  # equal rows stay in order
    again = np.zeros(len(order), bool)
    again[1:] = (content_N2[order[1:]] == content_N2[order[:-1]]).all(axis=1)
    first = np.maximum.accumulate(np.where(again, 0, np.arange(len(order))))
    known_N = np.empty(len(order), np.int64)
    known_N[order] = order[first]
    return known_N


def content_key(sha256: str) -> Keys:
    """The first half of a SHA-256 in hex, as two numbers: contents are told apart by it."""
    return np.frombuffer(bytes.fromhex(sha256[:32]), np.uint64)


def place_key(source: str, path: str) -> np.uint64:
    """What tells a file by the path of its source and its path in it: the first 8 bytes of a SHA-256."""
    digest = hashlib.sha256(f"{source}\0{path}".encode("utf-8", "surrogatepass")).digest()
    return np.uint64(int.from_bytes(digest[:8], "little"))


def sources_of(shards: Sequence[Stored]) -> list[SourceRow]:
    """The sources of all shards, each once: of files of one folder that several name, those of all."""
    found: dict[str, SourceRow] = {}
    for source in (source for shard in shards for source in shard.info.sources):
        before = found.setdefault(source.path, source)
        files = None if before.files is None or source.files is None else (*before.files, *source.files)
        found[source.path] = replace(before, files=None if files is None else tuple(dict.fromkeys(files)))
    return list(found.values())
