"""Rows of several matrices by their numbers, those of the first matrix first, as if they were one.

Shape letters: N rows, M rows that are asked for, D numbers per row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np

from photograft.retrieval.exact import Vectors
from photograft.values import IntArray


class ByNumber(Protocol):
    """A matrix, or what gives rows as one does."""

    def __len__(self) -> int: ...
    def __getitem__(self, rows_M: IntArray, /) -> Vectors: ...


class Chain:
    """Rows of matrices in a row; with `numbers_N` only those, in that order."""

    def __init__(self, parts: Sequence[Vectors], numbers_N: IntArray | None = None) -> None:
        self._parts = tuple(parts)
        self._starts = starts_of(len(part) for part in parts)
        self._numbers_N = numbers_N

    def __len__(self) -> int:
        return int(self._starts[-1]) if self._numbers_N is None else len(self._numbers_N)

    def __getitem__(self, rows_M: IntArray, /) -> Vectors:
        number_M = rows_M if self._numbers_N is None else self._numbers_N[rows_M]
        part_M = np.searchsorted(self._starts, number_M, side="right") - 1
        first = self._parts[0]
        found_MD = np.empty((len(number_M), first.shape[1]), first.dtype)
        for part in np.unique(part_M).tolist():
            here = part_M == part
            found_MD[here] = self._parts[part][number_M[here] - self._starts[part]]
        return found_MD


def starts_of(sizes: Iterable[int]) -> IntArray:
    """The number of the first row of each matrix, and behind them that of all rows."""
    return np.concatenate([[0], np.cumsum(list(sizes), dtype=np.int64)]).astype(np.int64)
