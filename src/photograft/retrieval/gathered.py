"""The photos of one index, or of several that are asked as one: each content once, with all of its files.

Photos have numbers: vector v of shard k is number v plus the vectors of the shards before it. A content that several
shards hold is known by the number in the first of them; its twins in the others are found, and never told.

Shape letters: N numbers, V contents (numbers without twins), T twins, M numbers asked for, D numbers per vector.
"""

from __future__ import annotations

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

_NONE_T2 = np.zeros((0, 2), np.int64)


class Gathered:
    """Shards as one index; an ordinary index is one shard.

    `twin_T2` has a row for each twin, in order: its number, and the number that its content is known by.
    """

    def __init__(self, shards: Sequence[Stored], sources: Sequence[SourceRow], twin_T2: IntArray = _NONE_T2) -> None:
        self.shards, self.sources = tuple(shards), tuple(sources)
        self.starts = starts_of(shard.info.n_vectors for shard in shards)
        self.twin_T2 = twin_T2
        self.hidden_T, self._known_T = twin_T2[:, 0], twin_T2[:, 1]
        self._by_known = np.argsort(self._known_T, kind="stable")
        number = {source.path: n for n, source in enumerate(sources)}
        self._sources_of = [[number[source.path] for source in shard.info.sources] for shard in shards]

    @property
    def n_numbers(self) -> int:
        """Numbers, also those of twins."""
        return int(self.starts[-1])

    @cached_property
    def number_V(self) -> IntArray:
        """The number of every content, in order."""
        return np.delete(np.arange(self.n_numbers), self.hidden_T)

    @property
    def vectors_VD(self) -> Chain:
        """The vector of every content as the network gave it, in order."""
        return Chain([shard.vectors_ND for shard in self.shards], self.number_V if len(self.hidden_T) else None)

    def vectors(self, number_M: Sequence[int] | IntArray) -> np.ndarray:
        """Vectors as the network gave them (M, D), by their numbers."""
        return np.asarray(Chain([shard.vectors_ND for shard in self.shards])[np.asarray(number_M, np.int64)])

    def files(self, number: int) -> list[IndexRow]:
        """The rows of a content, by source and path; `vector` is its number, `source` one of all sources, `id` one."""
        own = list(self._rows(number))
        found = {(row.source, row.path): row for each in self._twins(number) for row in self._rows(each)}
        found |= {(row.source, row.path): row for row in own}
        return [replace(found[place], vector=number, id=own[0].id) for place in sorted(found)]

    def without_vectors(self) -> list[IndexRow]:
        """The rows of files that cannot be used or were taken out, by source and path."""
        found: dict[tuple[int, str], IndexRow] = {}
        for k, shard in enumerate(self.shards):
            for n in range(shard.info.n_vectors, len(shard.rows)):
                row = shard.rows[n]
                if row.vector < 0:
                    row = replace(row, source=self._sources_of[k][row.source])
                    found.setdefault((row.source, row.path), row)
        return [found[place] for place in sorted(found)]

    def first_rows(self, shard: int) -> list[IndexRow]:
        """A row of every vector of a shard, as the shard states it."""
        rows = self.shards[shard].rows
        return [rows.of_vectors[n][0] for n in range(rows.n_vectors)]

    def among(self, passes: Callable[[IndexRow], bool]) -> BoolArray:
        """Of which contents a row passes (N,); never of a twin."""
        among_N = np.zeros(self.n_numbers, bool)
        for start, shard in zip(self.starts.tolist(), self.shards, strict=False):
            for vector, rows in shard.rows.of_vectors.items():
                among_N[start + vector] = any(passes(row) for row in rows)
        np.logical_or.at(among_N, self._known_T, among_N[self.hidden_T])
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
        k = self._shard_of(number)
        place = self.shards[k].rows[number - int(self.starts[k])].thumbnail
        return None if place is None else read_thumbnail(self.shards[k].folder, place)

    def without_twins(self, number_M: IntArray) -> BoolArray:
        """Which numbers are no twins' (M,)."""
        if not len(self.hidden_T):
            return np.ones(len(number_M), bool)
        return np.asarray(~np.isin(number_M, self.hidden_T))

    def _shard_of(self, number: int) -> int:
        return int(np.searchsorted(self.starts, number, side="right")) - 1

    def _twins(self, number: int) -> list[int]:
        first = np.searchsorted(self._known_T, number, side="left", sorter=self._by_known)
        end = np.searchsorted(self._known_T, number, side="right", sorter=self._by_known)
        return [int(n) for n in self.hidden_T[self._by_known[first:end]]]

    def _rows(self, number: int) -> Iterator[IndexRow]:
        k = self._shard_of(number)
        vector, shard = number - int(self.starts[k]), self.shards[k]
        for row in (shard.rows[vector], *shard.rows.further.get(vector, ())):
            yield replace(row, source=self._sources_of[k][row.source])


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


def content_key(sha256: str) -> npt.NDArray[np.uint64]:
    """The first half of a SHA-256 in hex, as two numbers: contents are told apart by it."""
    return np.frombuffer(bytes.fromhex(sha256[:32]), np.uint64)


def sources_of(shards: Sequence[Stored]) -> list[SourceRow]:
    """The sources of all shards, each once: of files of one folder that several name, those of all."""
    found: dict[str, SourceRow] = {}
    for source in (source for shard in shards for source in shard.info.sources):
        before = found.setdefault(source.path, source)
        files = None if before.files is None or source.files is None else (*before.files, *source.files)
        found[source.path] = replace(before, files=None if files is None else tuple(dict.fromkeys(files)))
    return list(found.values())
