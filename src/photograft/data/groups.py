"""What must stay together in a split, and what does not."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

from photograft.data.assign import number_groups
from photograft.values import BoolArray, IntArray, Manifest


def join_groups(manifest: Manifest, duplicate_N: IntArray) -> IntArray:
    """Number what must stay together, shape (N,): duplicates, rows of one user's group, and rows of one file."""
    above = list(range(len(manifest.photos)))  # a forest: each row leads to an earlier row of its group

    def first(row: int) -> int:
        while above[row] != row:
            above[row] = above[above[row]]
            row = above[row]
        return row

    keys: tuple[Sequence[Hashable], ...] = (
        duplicate_N.tolist(),
        [photo.group or row for row, photo in enumerate(manifest.photos)],
        [photo.path for photo in manifest.photos],
    )
    for key_N in keys:
        seen: dict[Hashable, int] = {}
        for row, key in enumerate(key_N):
            one, other = first(seen.setdefault(key, row)), first(row)
            above[max(one, other)] = min(one, other)
    return number_groups(np.array([first(row) for row in range(len(above))], dtype=np.int64))


def number_copies(manifest: Manifest, duplicate_N: IntArray) -> IntArray:
    """Number the rows that show the same, shape (N,): of duplicate files, those with the same number of object."""
    object_N = np.array([photo.object for photo in manifest.photos], dtype=np.int64)
    return number_groups(duplicate_N * (object_N.max(initial=0) + 1) + object_N)


def leaks(part_N: npt.NDArray[np.str_], group_N: IntArray) -> BoolArray:
    """Rows whose group stands on both sides of the test boundary, shape (N,); rows that are left out do not count."""
    is_test_N = part_N == "test"
    is_other_N = (part_N == "train") | (part_N == "val")
    crosses_G = (np.bincount(group_N, weights=is_test_N) > 0) & (np.bincount(group_N, weights=is_other_N) > 0)
    return np.asarray(crosses_G[group_N] & (part_N != ""))


def fold_leaks(folds_RN: IntArray, group_N: IntArray) -> BoolArray:
    """Rows whose group stands in several folds of one draw, shape (N,)."""
    leaked_N = np.zeros(len(group_N), dtype=bool)
    n_groups = int(group_N.max(initial=-1)) + 1
    for fold_N in folds_RN:
        in_N = fold_N >= 0
        low_G, high_G = np.full(n_groups, np.iinfo(np.int64).max), np.full(n_groups, -1)
        np.minimum.at(low_G, group_N[in_N], fold_N[in_N])
        np.maximum.at(high_G, group_N[in_N], fold_N[in_N])
        leaked_N |= in_N & (low_G < high_G)[group_N]
    return leaked_N
