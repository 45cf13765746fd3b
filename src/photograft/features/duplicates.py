"""Which photos are the same picture: what hashes suspect, the network confirms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from photograft.data import duplicates
from photograft.data.duplicates import Duplicates
from photograft.data.hashing import Symmetry
from photograft.values import BoolArray, FloatArray, IntArray, Photo

_ROWS = 4096  # embeddings on either side of the pairs that are compared at once


def find_duplicates(
    photos: Sequence[Photo], embedding_ND: FloatArray, *, max_bits: int, min_similarity: float
) -> Duplicates:
    """Group N rows as `photograft.data.duplicates` does, where near pairs need a network's word.

    The embeddings of a near pair have a cosine of at least `min_similarity`: the hash alone is fooled by pictures that
    agree in coarse light and dark only, the network alone by look-alikes. A network sees a mirrored photo as the same,
    but not one that is rotated or upside down: these need no more than hashes that agree nearly exactly.
    `embedding_ND` may be mapped from a file; a few thousand of its rows are read at a time.
    """

    def confirm(pairs_P2: IntArray, symmetry: Symmetry) -> BoolArray:
        if symmetry not in ("same", "mirrored"):
            return np.ones(len(pairs_P2), dtype=bool)
        return _cosine(embedding_ND, pairs_P2) >= min_similarity

    return duplicates.find_duplicates(photos, max_bits=max_bits, confirm=confirm)


def _cosine(embedding_ND: FloatArray, pairs_P2: IntArray) -> FloatArray:
    """Cosine of the embeddings of each pair, shape (P,), in bounded memory.

    Where few photos make many pairs, as pictures of one hash do, one product of matrices has them all.
    """
    left, left_P = np.unique(pairs_P2[:, 0], return_inverse=True)
    right, right_P = np.unique(pairs_P2[:, 1], return_inverse=True)
    if len(left) * len(right) <= 4 * len(pairs_P2) and len(left) + len(right) <= 2 * _ROWS:
        cosine_LR = _normalised(embedding_ND[left]) @ _normalised(embedding_ND[right]).T
        return np.asarray(cosine_LR[left_P, right_P])
    cosine_P = np.empty(len(pairs_P2), dtype=np.float32)
    for start in range(0, len(pairs_P2), _ROWS):
        some = slice(start, start + _ROWS)
        i, j = pairs_P2[some].T
        cosine_P[some] = np.einsum("pd,pd->p", _normalised(embedding_ND[i]), _normalised(embedding_ND[j]))
    return cosine_P


def _normalised(rows_ND: FloatArray) -> FloatArray:
    return np.asarray(rows_ND / np.maximum(np.linalg.norm(rows_ND, axis=1, keepdims=True), 1e-12))
