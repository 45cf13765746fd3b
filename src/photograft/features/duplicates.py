"""Which photos are the same picture: equal bytes, equal pixels, or nearly equal pictures that the network confirms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from photograft.data.hashing import near_pairs
from photograft.values import FloatArray, IntArray, Issue, Photo

MIRROR_BITS = 20
"""Bits that a mirrored copy may differ in beside those of any copy, because its hash is derived and not computed."""

_NAMED = 3
_BLOCK_COLUMNS = 2048


@dataclass(frozen=True)
class Duplicates:
    """Groups of photos that show the same picture.

    `n_exact` photos are equal to an earlier one, and `n_near` further ones joined a group as nearly equal.
    `group_N` numbers the groups from 0 in order of their first photo; a photo without duplicates is a group of one.
    """

    group_N: IntArray
    n_exact: int
    n_near: int
    issues: tuple[Issue, ...]


def find_duplicates(
    photos: Sequence[Photo], embedding_ND: FloatArray, *, max_bits: int, min_similarity: float
) -> Duplicates:
    """Group N photos by SHA-256, by pixel hash, and by near-duplicate pairs.

    A near pair differs in at most `max_bits` of the 256 bits of its perceptual hashes, and its embeddings have a
    cosine of at least `min_similarity`: the hash alone is fooled by flat pictures, the network alone by look-alikes.
    So are mirrored copies, whose hash is derived and may differ in `MIRROR_BITS` more.
    """
    exact = _Unions(len(photos))
    exact.join_equal(p.sha256 for p in photos)
    exact.join_equal(p.pixel_sha256 for p in photos)
    first_N = exact.labels()
    # One photo stands for each exact group: hundreds of copies of a picture would make tens of thousands of pairs.
    representatives = np.unique(first_N)
    hashes = [photos[i].perceptual_hash for i in representatives]
    near = _Unions(len(photos))
    for i, first in enumerate(first_N):
        near.join(i, int(first))
    for block_P2 in near_pairs(hashes, max_bits=max_bits):
        _join_confirmed(near, embedding_ND, representatives[block_P2], min_similarity)
    for block_P2 in near_pairs(hashes, max_bits=max_bits + MIRROR_BITS, mirrored=True):
        _join_confirmed(near, embedding_ND, representatives[block_P2], min_similarity)
    _, group_N = np.unique(near.labels(), return_inverse=True)
    group_N = group_N.astype(np.int64)
    n_exact = int(len(photos) - len(representatives))
    n_groups = int(group_N.max()) + 1 if len(group_N) else 0
    return Duplicates(group_N, n_exact, len(representatives) - n_groups, tuple(_describe(photos, group_N, first_N)))


def _join_confirmed(unions: _Unions, embedding_ND: FloatArray, pairs_P2: IntArray, min_similarity: float) -> None:
    """Join the pairs whose embeddings agree, in bounded memory; pairs that are joined already are not compared.

    Each block of columns is one product of matrices: thousands of blank pictures, whose hashes are all equal, are
    compared in a second, and copies of one picture once.
    """
    columns = np.unique(pairs_P2[:, 1])
    for start in range(0, len(columns), _BLOCK_COLUMNS):
        some = columns[start : start + _BLOCK_COLUMNS]
        label_N = unions.labels()
        i, j = pairs_P2[(pairs_P2[:, 1] >= some[0]) & (pairs_P2[:, 1] <= some[-1])].T
        apart = label_N[i] != label_N[j]
        if not apart.any():
            continue
        rows, row_P = np.unique(i[apart], return_inverse=True)
        some, column_P = np.unique(j[apart], return_inverse=True)
        cosine_RC = _normalised(embedding_ND[rows]) @ _normalised(embedding_ND[some]).T
        confirmed_P = cosine_RC[row_P, column_P] >= min_similarity
        for a, b in zip(i[apart][confirmed_P].tolist(), j[apart][confirmed_P].tolist(), strict=True):
            unions.join(a, b)


def _normalised(rows_ND: FloatArray) -> FloatArray:
    return np.asarray(rows_ND / np.maximum(np.linalg.norm(rows_ND, axis=1, keepdims=True), 1e-12))


def _describe(photos: Sequence[Photo], group_N: IntArray, first_N: IntArray) -> Iterable[Issue]:
    members: dict[int, list[int]] = defaultdict(list)
    for i, group in enumerate(group_N):
        members[int(group)].append(i)
    several = [rows for rows in members.values() if len(rows) > 1]
    for rows in sorted(several, key=lambda rows: photos[rows[0]].path):
        paths = tuple(photos[i].path for i in rows)
        exact = len({int(first_N[i]) for i in rows}) == 1
        kind = "the same picture" if exact else "nearly the same picture"
        named = ", ".join(paths[:_NAMED]) + (f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else "")
        labels = sorted({str(photos[i].label) for i in rows})
        if len(labels) > 1:
            message = f"{named}: {kind} under different labels ({', '.join(labels)})"
            yield Issue(
                "label_conflict", paths, message, "Decide which label is right and remove or move the other copies."
            )
        else:
            message = f"{named}: {kind} ({len(paths)} copies)"
            yield Issue(
                "exact_duplicate" if exact else "near_duplicate",
                paths,
                message,
                "Keep one; they are kept in one part of the split.",
            )


class _Unions:
    """Union-find over N items; the smallest row number stands for its set."""

    def __init__(self, n: int) -> None:
        self._parent = list(range(n))

    def join(self, i: int, j: int) -> None:
        a, b = self._root(i), self._root(j)
        self._parent[max(a, b)] = min(a, b)

    def join_equal(self, keys: Iterable[Hashable]) -> None:
        seen: dict[Hashable, int] = {}
        for i, key in enumerate(keys):
            if key:
                self.join(seen.setdefault(key, i), i)

    def labels(self) -> IntArray:
        return np.array([self._root(i) for i in range(len(self._parent))], dtype=np.int64)

    def _root(self, i: int) -> int:
        while self._parent[i] != i:
            self._parent[i] = self._parent[self._parent[i]]
            i = self._parent[i]
        return i
