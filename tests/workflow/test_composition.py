"""The second half of `train`: which photos choose what others are judged by."""

from __future__ import annotations

import numpy as np

from photograft.values import IntArray, Splits
from photograft.workflow.composition import judging_folds


def _splits(fold_N: IntArray, group_N: IntArray) -> Splits:
    n = len(fold_N)
    part_N, leaked_N = np.full(n, "val", dtype="<U5"), np.zeros(n, bool)
    return Splits(part_N, fold_N, group_N, leaked_N, 5, "", group_N, repeats_RN=np.empty((0, n), np.int64))


def test_photos_are_judged_by_what_other_folds_chose() -> None:
    fold_N = np.array([0, 3, 3, 1])
    assert judging_folds(_splits(fold_N, np.arange(4)), np.array([1, 3])).tolist() == [3, 1]


def test_photos_of_a_single_fold_are_divided_by_groups() -> None:
    group_N = np.array([7, 7, 2, 9, 2, 4])
    found = judging_folds(_splits(np.full(6, 2), group_N), np.arange(6))
    assert set(found.tolist()) == {0, 1}
    assert found[0] == found[1] and found[2] == found[4]


def test_photos_of_a_single_group_stay_together() -> None:
    assert set(judging_folds(_splits(np.full(3, 2), np.full(3, 5)), np.arange(3)).tolist()) == {0}
