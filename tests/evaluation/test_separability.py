from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from photograft.evaluation.separability import compare_halves, half_of_photos, kappa, measure_separability


def test_kappa_is_that_of_cohen() -> None:
    rng = np.random.default_rng(0)
    label_N, predicted_N = rng.integers(0, 4, 200), rng.integers(0, 4, 200)
    assert kappa(predicted_N, label_N) == pytest.approx(cohen_kappa_score(label_N, predicted_N))
    assert kappa(label_N, label_N) == 1.0
    assert kappa(np.zeros(10, np.int64), np.zeros(10, np.int64)) == 0.0


def test_naming_the_largest_class_separates_nothing() -> None:
    label_N, alone_N = np.repeat([0, 1], [90, 10]), np.arange(100)
    found = measure_separability(np.zeros(100, np.int64), label_N, alone_N, alone_N)
    assert found.accuracy == pytest.approx(0.9) and found.kappa == 0.0
    assert found.accuracy_low < 0.9 < found.accuracy_high


def test_groups_widen_the_interval() -> None:
    rng = np.random.default_rng(1)
    person_N = np.repeat(np.arange(20), 10)
    label_N = np.tile([0, 1], 100)
    predicted_N = np.where(
        rng.random(20)[person_N] < 0.7, label_N, 1 - label_N
    )  # a person is right or wrong as a whole
    alone_N = np.arange(200)
    alone, grouped = (measure_separability(predicted_N, label_N, g_N, alone_N) for g_N in (alone_N, person_N))
    assert grouped.kappa == alone.kappa and grouped.n == 200
    assert grouped.kappa_high - grouped.kappa_low > 2 * (alone.kappa_high - alone.kappa_low)
    assert grouped.accuracy_high - grouped.accuracy_low > 2 * (alone.accuracy_high - alone.accuracy_low)


def test_half_takes_whole_groups_of_every_class_and_fold() -> None:
    label_N = np.repeat([0, 1, 2], 40)
    group_N, fold_N = np.arange(120) // 2, (np.arange(120) // 2) % 5
    half_N = half_of_photos(label_N, group_N, fold_N, seed=0)
    assert half_N is not None
    assert np.array_equal(half_N[::2], half_N[1::2])
    assert np.bincount(label_N[half_N]).tolist() == pytest.approx([20, 20, 20], abs=4)
    assert set(fold_N[half_N].tolist()) == set(range(5))
    assert np.array_equal(half_N, half_of_photos(label_N, group_N, fold_N, seed=0))


def test_a_handful_of_photos_has_no_half() -> None:
    label_N = np.repeat([0, 1], 6)
    assert half_of_photos(label_N, np.arange(12), np.arange(12) % 3, seed=0) is None


def test_more_photos_help_where_the_interval_leaves_out_zero() -> None:
    alone_M, all_M = np.arange(200), np.arange(200) % 10 != 0
    found = compare_halves(all_M, np.arange(200) % 5 != 0, alone_M)
    assert found.helps and found.gain == pytest.approx(0.1) and found.low < 0.1 < found.high
    assert not compare_halves(all_M, all_M, alone_M).helps
