"""What a change did to each class: numbers by hand, and how often chance is taken for more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from photograft.errors import DataError
from photograft.evaluation.paired import Judged
from photograft.evaluation.paired_classes import compare_classes
from photograft.metrics.intervals import paired_difference

NAMES = ("daisy", "rose", "노란 튤립")


def judged(name: str, label_N: np.ndarray, named_N: np.ndarray, group_N: np.ndarray | None = None) -> Judged:
    keys = tuple(f"sha{i}" for i in range(len(label_N)))
    labels, predicted = (tuple(NAMES[i] for i in each) for each in (label_N, named_N))
    return Judged(name, NAMES, keys, labels, predicted, np.arange(len(label_N)) if group_N is None else group_N)


def drawn(share: float, seed: int, label_N: np.ndarray) -> np.ndarray:
    """Answers that are right for this share of photos, else another class."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(len(label_N)) < share, label_N, (label_N + rng.integers(1, 3, len(label_N))) % 3)


LABEL_N = np.arange(300) % 3


def test_numbers_of_each_class_done_by_hand() -> None:
    a_N, b_N = drawn(0.9, 1, LABEL_N), drawn(0.7, 2, LABEL_N)
    changes = compare_classes(judged("a", LABEL_N, a_N), judged("b", LABEL_N, b_N))
    assert [(change.name, change.n) for change in changes] == [(name, 100) for name in NAMES]
    for k, change in enumerate(changes):
        rows = np.arange(k, 300, 3)
        numbers = paired_difference(a_N[rows] == k, b_N[rows] == k, rows)
        assert (change.recall_difference, change.recall_low, change.recall_high) == pytest.approx(numbers)
        f1_a, f1_b = (2 * np.sum(x_N[rows] == k) / (100 + np.sum(x_N == k)) for x_N in (a_N, b_N))
        assert (change.f1_a, change.f1_b, change.f1_difference) == pytest.approx((f1_a, f1_b, f1_a - f1_b))
        assert change.f1_low < change.f1_difference < change.f1_high
        assert change.clear


def test_interval_of_f1_is_a_bootstrap_of_whole_groups_done_by_hand() -> None:
    group_N = np.arange(300) // 2
    a_N, b_N = drawn(0.85, 3, LABEL_N), drawn(0.7, 4, LABEL_N)
    change = compare_classes(judged("a", LABEL_N, a_N, group_N), judged("b", LABEL_N, b_N))[1]

    def difference(rows: np.ndarray) -> float:
        true_N = LABEL_N[rows] == 1
        each = (x_N[rows] == 1 for x_N in (a_N, b_N))
        f1_a, f1_b = (2 * np.sum(true_N & named_N) / (true_N.sum() + named_N.sum()) for named_N in each)
        return float(f1_a - f1_b)

    draws = (np.random.default_rng(seed).integers(0, 150, 150) for seed in range(2000))
    values = [difference(np.concatenate([2 * groups, 2 * groups + 1])) for groups in draws]
    low, high = 2 * change.f1_difference - np.quantile(values, [0.975, 0.025])
    assert (change.f1_low, change.f1_high) == pytest.approx((low, high), abs=0.03)


def test_one_class_that_gained_is_the_only_one_named() -> None:
    a_N, b_N = LABEL_N.copy(), LABEL_N.copy()
    rows = np.arange(2, 300, 3)
    b_N[rows[:15]] = 1
    a_N[rows[15:17]] = b_N[rows[17:20]] = 0
    changes = {change.name: change for change in compare_classes(judged("a", LABEL_N, a_N), judged("b", LABEL_N, b_N))}
    assert changes["노란 튤립"].clear
    assert changes["노란 튤립"].recall_difference == pytest.approx(0.16)
    assert not changes["daisy"].clear
    # The photos that b took for roses are no roses: their F1 falls, though every rose is found by both.
    assert changes["rose"].clear
    assert changes["rose"].recall_difference == 0.0


def test_chance_alone_names_a_class_no_oftener_than_one_time_in_twenty() -> None:
    named = 0
    for seed in range(60):
        group_N = np.arange(150) // 3
        label_N = group_N % 3
        a_N, b_N = (np.repeat(drawn(0.8, 2 * seed + i, label_N[::3]), 3) for i in range(2))
        changes = compare_classes(judged("a", label_N, a_N, group_N), judged("b", label_N, b_N), seed=seed)
        named += any(change.clear for change in changes)
    assert named <= 6  # of 60; 3 are expected at most, and above 6 come once in thirty such tests


def test_the_same_answers_differ_in_nothing() -> None:
    a = judged("a", LABEL_N, drawn(0.8, 5, LABEL_N))
    for change in compare_classes(a, replace(a, name="b")):
        assert (change.f1_difference, change.f1_low, change.f1_high, change.p) == (0.0, 0.0, 0.0, 1.0)
        assert change.recall_low is not None and change.recall_low < 0 < (change.recall_high or 0)


def test_a_class_that_no_photo_shows_has_no_recall() -> None:
    label_N = np.arange(60) % 2
    b_N = label_N.copy()
    b_N[0] = 2
    change = compare_classes(judged("a", label_N, label_N), judged("b", label_N, b_N))[2]
    assert (change.n, change.recall_a, change.recall_low, change.f1_a, change.f1_b) == (0, None, None, 0.0, 0.0)


def test_turning_the_pair_around_turns_the_differences_around() -> None:
    a, b = (judged(name, LABEL_N, drawn(0.8, seed, LABEL_N)) for name, seed in (("a", 6), ("b", 7)))
    for there, back in zip(compare_classes(a, b), compare_classes(b, a), strict=True):
        assert (back.f1_difference, back.f1_low, back.f1_high) == pytest.approx(
            (-there.f1_difference, -there.f1_high, -there.f1_low)
        )
        assert back.p == pytest.approx(there.p, abs=0.03)


def test_too_few_shared_photos_are_refused() -> None:
    a = judged("a", LABEL_N, LABEL_N)
    with pytest.raises(DataError, match="judged 0 of the same photos"):
        compare_classes(a, replace(a, keys=tuple(f"x{i}" for i in range(300))))
