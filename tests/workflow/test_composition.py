"""The second half of `train`: which photos choose what others are judged by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import photograft
from photograft.data.targets import find_targets
from photograft.features.matrix import Scratch
from photograft.values import IntArray, Manifest, Photo, Predictions, Splits
from photograft.workflow.composition import Judged, cross_compose, judging_folds
from photograft.workflow.members import Learnt


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


@pytest.mark.parametrize("several", [False, True])
def test_what_is_true_of_a_folds_photos_chooses_nothing_for_them(several: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    fold_N, classes = np.arange(200) % 5, ("a", "b", "c")
    label_N = rng.choice(3, 200, p=[0.7, 0.2, 0.1])
    logits = tuple(
        (scale * rng.normal(size=(200, 3)) + 2 * np.eye(3)[label_N]).astype(np.float32) for scale in (1.0, 2.0)
    )
    settings = [] if several else ["train.logit_adjustment=auto"]

    def judged_with(truth_N: IntArray) -> Predictions:
        names = [classes[k] for k in truth_N]
        photos = tuple(
            Photo(f"{i}.jpg", None if several else name, labels=(name,) if several else ())
            for i, name in enumerate(names)
        )
        config = photograft.load_config(None, settings)
        targets = find_targets(classes, config, several=several)
        splits = _splits(fold_N, np.arange(200))
        learnt = Learnt(Manifest(tmp_path, photos), (), splits, np.arange(200), targets, Scratch(tmp_path))
        return cross_compose(Judged(learnt.rows, {"label": logits}), learnt, config)

    held = fold_N == 2
    one, other = judged_with(label_N), judged_with(np.where(held, 2 - label_N, label_N))
    assert np.array_equal(one.probabilities_NK[held], other.probabilities_NK[held])
    assert not several or np.array_equal(one.given_NK[held], other.given_NK[held])
    assert not np.allclose(one.probabilities_NK[~held], other.probabilities_NK[~held], rtol=0, atol=1e-3)
