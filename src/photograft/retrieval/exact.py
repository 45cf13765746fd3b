"""The rows of a matrix that are nearest to a query, found by comparing with every row.

Shape letters: N rows, Q queries, D numbers per vector, T rows that are asked for, B rows of a block.

Rows have length 1 and are stored as float32. Half precision would save half of the disk, but NumPy takes ten times as
long to compare with it: 350 ms instead of 32 for 200,000 rows of 1,280. It is read all the same.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from photograft.values import BoolArray, DoubleArray, FloatArray, IntArray

STORED = np.float32
"""The number type of stored vectors."""

Vectors = npt.NDArray[np.float32] | npt.NDArray[np.float16]
"""Rows of length 1 (N, D), in memory or mapped."""

_BLOCK_BYTES = 32_000_000
_SCORES_BYTES = 64_000_000
_ROUNDING = 1e-5
"""More than sums of float32 products of two vectors of length 1 are ever off."""


def nearest(
    vectors_ND: Vectors, query_QD: FloatArray, *, top: int, among_N: BoolArray | None = None
) -> tuple[IntArray, FloatArray]:
    """Find for each query the `top` rows of highest cosine, among those that `among_N` allows.

    Gives row numbers (Q, T) and cosines (Q, T), best first, equal ones in the order of the rows; -1 and NaN where there
    are fewer rows. A query's answer does not depend on the other queries. Memory is bounded, whatever N and Q are.
    """
    query_QD = unit_length(query_QD)
    rows_QT = np.full((len(query_QD), top), -1, dtype=np.int64)
    cosine_QT = np.full((len(query_QD), top), np.nan, dtype=np.float32)
    rows_M = None if among_N is None else np.flatnonzero(among_N)
    n = len(vectors_ND) if rows_M is None else len(rows_M)
    if n == 0 or top < 1:
        return rows_QT, cosine_QT
    together = max(_SCORES_BYTES // (4 * n), 1)
    for first in range(0, len(query_QD), together):
        some_QD = query_QD[first : first + together]
        distance_QM = np.empty((len(some_QD), n), np.float32)
        for place, block_BD in _blocks(vectors_ND, rows_M):
            np.matmul(-some_QD, block_BD.T, out=distance_QM[:, place])
        for q, distance_M in enumerate(distance_QM, first):
            # NaN sorts last, so a damaged row never wins.
            limit = np.partition(distance_M, min(top, n) - 1)[min(top, n) - 1]
            found = np.flatnonzero(distance_M <= (np.inf if np.isnan(limit) else limit + _ROUNDING))
            rows, cosines = rank(vectors_ND, query_QD[q], found if rows_M is None else rows_M[found], top=top)
            rows_QT[q, : len(rows)], cosine_QT[q, : len(rows)] = rows, cosines
    return rows_QT, cosine_QT


def rank(vectors_ND: Vectors, query_D: FloatArray, rows_C: IntArray, *, top: int) -> tuple[IntArray, FloatArray]:
    """Of candidate rows those of highest cosine (at most `top`), best first, equal ones in the order of the rows.

    The cosine is summed row by row in double precision. What matrix products give depends in the last digits on where a
    row stands, which would order equal rows by chance.
    """
    exact_D = query_D.astype(np.float64)
    cosines = [np.empty(0)]
    for _, block_BD in _blocks(vectors_ND, rows_C):
        cosines.append(_cosines(block_BD, exact_D))
    cosine_C = np.minimum(np.concatenate(cosines), 1).astype(np.float32)
    best = np.lexsort((rows_C, -cosine_C))[:top]
    return rows_C[best], cosine_C[best]


def unit_length(embedding_ND: FloatArray) -> FloatArray:
    """Rows of length 1, as they are stored and compared (N, D); a row of zeros stays zero, and is like none."""
    embedding_ND = np.asarray(embedding_ND, np.float32)
    length_N1 = np.linalg.norm(embedding_ND, axis=1, keepdims=True)
    return np.asarray(embedding_ND / np.where(length_N1 > 0, length_N1, 1), np.float32)


def _cosines(block_BD: FloatArray, query_D: DoubleArray) -> DoubleArray:
    return np.asarray((block_BD * query_D).sum(axis=1))


def _blocks(vectors_ND: Vectors, rows_M: IntArray | None) -> Iterator[tuple[slice, FloatArray]]:
    """Every block of the rows, or of those chosen, as float32, with its place among them.

    Rows that need no copy are one block: threads of BLAS that wait for each other often lose much on a busy machine.
    """
    n, size = len(vectors_ND) if rows_M is None else len(rows_M), vectors_ND.shape[1]
    whole = rows_M is None and vectors_ND.dtype == np.float32
    height = n if whole else max(_BLOCK_BYTES // (4 * max(size, 1)), 1)
    for start in range(0, n, height):
        place = slice(start, min(start + height, n))
        yield place, np.asarray(vectors_ND[place if rows_M is None else rows_M[place]], np.float32)
