"""Shards compared with a query as one index: of each its nearest photos, and of these the nearest.

Below 200,000 photos in all, every photo is compared, and the answer is that of one index. Above, each shard has an
approximate index of its own; cosines are exact all the same.

Shape letters: Q queries, M numbers, E numbers of a row that is compared, N numbers of photos, T photos asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from photograft.retrieval.approximate import EXACT_ROWS, Approximate, open_approximate
from photograft.retrieval.chain import Chain
from photograft.retrieval.copies import Picture, find_copies, kind_order
from photograft.retrieval.directions import Compared, Directions, open_compared
from photograft.retrieval.exact import Vectors, nearest, unit_length
from photograft.retrieval.gathered import Gathered
from photograft.retrieval.store import Stored
from photograft.values import BoolArray, FloatArray, IntArray

_FEW = 10_000
"""Shards of so many photos need no approximate index, however many photos there are in all."""


@dataclass(frozen=True)
class ComparedShard:
    """A shard as its photos are compared, and the approximate index of them where they are many."""

    compared: Compared
    approximate: Approximate | None

    def nearest(self, query_1E: FloatArray, *, top: int, among_N: BoolArray | None) -> tuple[IntArray, FloatArray]:
        """Rows and cosines of the `top` nearest, best first; fewer where there are."""
        if self.approximate is not None:
            rows_1T, cosine_1T = self.approximate.nearest(query_1E, top=top, among_N=among_N)
        else:
            rows_1T, cosine_1T = nearest(self.compared.rows_NE, query_1E, top=top, among_N=among_N)
        found = rows_1T[0] >= 0
        return rows_1T[0][found], cosine_1T[0][found]


class Together:
    """The photos of shards as they are compared, along common directions. Many threads may ask at once."""

    def __init__(self, gathered: Gathered, directions: Directions, shards: Sequence[ComparedShard]) -> None:
        self.gathered, self._directions, self._shards = gathered, directions, tuple(shards)
        has_files_N = np.ones(gathered.n_numbers, bool)
        has_files_N[gathered.without_files_T] = False
        parts = np.split(has_files_N, gathered.starts[1:-1])
        self._has_files = [None if part.all() else part for part in parts]

    def nearest(
        self, embedding_D: FloatArray, *, top: int, among_N: BoolArray | None = None
    ) -> tuple[list[int], list[float]]:
        """Numbers and cosines of the `top` photos most like an embedding, best first, among those that are allowed."""
        query_1E = self._directions.along(embedding_D[None])
        starts = self.gathered.starts
        numbers, cosines = [np.zeros(0, np.int64)], [np.zeros(0, np.float32)]
        for shard, has_files, start, end in zip(self._shards, self._has_files, starts[:-1], starts[1:], strict=True):
            among = has_files if among_N is None else among_N[start:end]
            rows_M, cosine_M = shard.nearest(query_1E, top=top, among_N=among)
            numbers.append(rows_M + start)
            cosines.append(cosine_M)
        number_M, cosine_M = np.concatenate(numbers), np.concatenate(cosines)
        # A twin takes a place among the nearest of its shard, but so does its content in another: none is missed.
        own = self.gathered.are_told(number_M)
        number_M, cosine_M = number_M[own], cosine_M[own]
        best = np.lexsort((number_M, -cosine_M))[:top]
        return number_M[best].tolist(), cosine_M[best].tolist()

    def copies(
        self, picture: Picture, embedding_D: FloatArray, among_N: BoolArray, *, top: int
    ) -> list[tuple[int, float, str]]:
        """Numbers, cosines and kinds of the photos that show a picture, the nearest kind first."""
        found: list[tuple[int, str]] = []
        for k, start in enumerate(self.gathered.starts[:-1].tolist()):
            rows = self.gathered.first_rows(k)
            allowed = np.flatnonzero(among_N[start : start + len(rows)])
            some = [rows[n] for n in allowed]
            raw = partial(self._raw_of, k, allowed, embedding_D)
            found += [(start + int(allowed[n]), kind) for n, kind in find_copies(picture, some, raw)]
        best = sorted(found, key=lambda each: (kind_order(each[1]), each[0]))[:top]
        query_E = self._directions.along(embedding_D[None])[0]
        rows_ME = Chain([shard.compared.rows_NE for shard in self._shards])
        return [(n, float(np.asarray(rows_ME[np.array([n])][0], np.float32) @ query_E), kind) for n, kind in best]

    def raw(self, numbers: Sequence[int], embedding_D: FloatArray) -> FloatArray:
        """Cosines of the embeddings as the network gave them, for photos by their numbers (M,)."""
        return _raw(self.gathered.vectors(numbers), embedding_D)

    def _raw_of(self, shard: int, allowed: IntArray, embedding_D: FloatArray, some: IntArray) -> FloatArray:
        return _raw(self.gathered.shards[shard].vectors_ND[allowed[some]], embedding_D)


def open_together(
    gathered: Gathered, directions: Directions, folders: Sequence[Path], *, say: Callable[[str], None] = lambda _: None
) -> tuple[Together, Chain]:
    """Open what the shards are compared by, kept in a folder for each; what is missing there is made.

    Gives also the rows of all contents as they are compared, in order.
    """
    shards = [
        open_shard(stored, directions, folder, n_photos=gathered.n_numbers, say=say)
        for stored, folder in zip(gathered.shards, folders, strict=True)
    ]
    number_V = gathered.number_V if len(gathered.hidden_T) else None
    rows_VE = Chain([shard.compared.rows_NE for shard in shards], number_V)
    return Together(gathered, directions, shards), rows_VE


def open_shard(
    stored: Stored, directions: Directions, folder: Path, *, n_photos: int, say: Callable[[str], None] = lambda _: None
) -> ComparedShard:
    """Open what one shard is compared by; `n_photos` are those of all shards."""
    compared = open_compared(
        folder,
        directions,
        stored.checked_vectors,
        n=stored.info.n_vectors,
        vectors_sha256=stored.info.vectors.sha256,
    )
    exact_rows = EXACT_ROWS if n_photos <= EXACT_ROWS else _FEW
    approximate = open_approximate(compared.rows_NE, folder, key=compared.key, say=say, exact_rows=exact_rows)
    return ComparedShard(compared, approximate)


def _raw(vectors_MD: Vectors, embedding_D: FloatArray) -> FloatArray:
    return np.asarray(np.asarray(vectors_MD, np.float32) @ unit_length(embedding_D[None])[0])
