"""Favouring small classes: no further than it helps, and honest about what it did."""

from __future__ import annotations

import time

import numpy as np
import pytest

from photograft.evaluation.adjustment import POWERS, _macro_f1, balance_effect, choose_power
from photograft.metrics import links
from photograft.metrics.confusion import confusion_matrix, macro_f1
from photograft.metrics.softmax import softmax
from photograft.values import DoubleArray, IntArray

SHARES = np.array([0.6, 0.25, 0.1, 0.05])


def draw(
    n: int, *, seed: int = 0, strength: float = 1.5, share_K: DoubleArray = SHARES
) -> tuple[DoubleArray, IntArray]:
    """True probabilities of classes of very different sizes, and labels."""
    rng = np.random.default_rng(seed)
    label_N = rng.choice(len(share_K), n, p=share_K)
    score_NK = rng.normal(size=(n, len(share_K))) + strength * np.eye(len(share_K))[label_N]
    return softmax(strength * score_NK + np.log(share_K)), label_N


def score(probability_NK: DoubleArray, label_N: IntArray, power: float, share_K: DoubleArray = SHARES) -> float:
    best_N = links.adjust(probability_NK, share_K, power=power).argmax(axis=1)
    return macro_f1(confusion_matrix(label_N, best_N, n_classes=probability_NK.shape[1]))


def test_the_power_is_the_smallest_within_noise_of_the_best() -> None:
    probability_NK, label_N = draw(4000, strength=0.7)
    found = choose_power([probability_NK], label_N, [SHARES])
    scores = [score(probability_NK, label_N, power) for power in POWERS]
    assert found in POWERS and 0.3 < found <= POWERS[int(np.argmax(scores))]
    assert score(probability_NK, label_N, found) > max(max(scores) - 0.015, scores[0] + 0.05)
    other_NK, other_N = draw(4000, seed=1, strength=0.7)
    assert score(other_NK, other_N, found) > score(other_NK, other_N, 0) + 0.05


def test_classes_of_one_size_and_photos_that_are_all_right_need_none() -> None:
    equal_K = np.full(4, 0.25)
    probability_NK, label_N = draw(1000, share_K=equal_K)
    assert choose_power([probability_NK], label_N, [equal_K]) == 0
    assert choose_power([np.eye(4)[label_N]], label_N, [SHARES]) == 0


def test_few_photos_choose_a_smaller_power() -> None:
    def chosen(n: int, seed: int = 0) -> float:
        probability_NK, label_N = draw(n, seed=seed, strength=0.7)
        return choose_power([probability_NK], label_N, [SHARES])

    assert np.mean([chosen(60, seed) for seed in range(30)]) < chosen(20_000) - 0.1


def test_it_takes_less_than_a_second() -> None:
    share_K = np.arange(1, 19) / np.arange(1, 19).sum()
    probability_NK, label_N = draw(5000, share_K=share_K)
    started = time.process_time()
    choose_power([probability_NK], label_N, [share_K])
    assert time.process_time() - started < 1


def test_one_power_for_all_factors_by_their_combinations() -> None:
    first_K = np.array([0.8, 0.2])
    (one_NK, one_N), (two_NK, two_N) = draw(3000, share_K=first_K), draw(3000, seed=1)
    joint_N, shares = one_N * 4 + two_N, [first_K, SHARES]
    found = choose_power([one_NK, two_NK], joint_N, shares)

    def joint_score(power: float) -> float:
        parts = [links.adjust(p, s, power=power) for p, s in zip((one_NK, two_NK), shares, strict=True)]
        return macro_f1(confusion_matrix(joint_N, links.product(parts).argmax(axis=1), n_classes=8))

    scores = [joint_score(power) for power in POWERS]
    assert 0 < found <= POWERS[int(np.argmax(scores))] and joint_score(found) > max(scores) - 0.02


def test_very_many_combinations_take_no_more_memory_than_their_number() -> None:
    rng = np.random.default_rng(0)
    parts = [softmax(rng.normal(size=(50, 40))) for _ in range(3)]
    joint_N = rng.integers(0, 40**3, 50)
    assert choose_power(parts, joint_N, [np.full(40, 1 / 40)] * 3) == 0


def test_the_influence_of_a_photo_is_what_leaving_it_out_changes() -> None:
    rng = np.random.default_rng(0)
    label_N = rng.integers(0, 4, 400)
    predicted_N = np.where(rng.random(400) < 0.6, label_N, rng.integers(0, 4, 400))
    value, influence_N = _macro_f1(label_N, predicted_N, 5)  # the fifth class does not occur
    assert value == pytest.approx(macro_f1(confusion_matrix(label_N, predicted_N, n_classes=5)))
    assert influence_N.sum() == pytest.approx(0, abs=1e-12)
    for i in range(20):
        rest = np.arange(400) != i
        without = macro_f1(confusion_matrix(label_N[rest], predicted_N[rest], n_classes=5))
        assert value - without == pytest.approx(influence_N[i], abs=3e-5)


def test_what_adjusting_did() -> None:
    probability_NK, label_N = draw(2000)
    adjusted_NK, group_N = links.adjust(probability_NK, SHARES, power=0.8), np.arange(2000) // 2
    found = balance_effect(probability_NK, adjusted_NK, label_N, group_N)
    metrics = pytest.importorskip("sklearn.metrics")
    for probabilities, accuracy, f1, recall in (
        (probability_NK, found.accuracy_before, found.macro_f1_before, found.small_recall_before),
        (adjusted_NK, found.accuracy_after, found.macro_f1_after, found.small_recall_after),
    ):
        best_N = probabilities.argmax(axis=1)
        assert accuracy == pytest.approx(metrics.accuracy_score(label_N, best_N))
        assert f1 == pytest.approx(metrics.f1_score(label_N, best_N, average="macro"))
        each = metrics.recall_score(label_N, best_N, average=None)
        assert recall == pytest.approx(each[2:].mean())
    assert found.small_classes == (3, 2)
    assert found.small_recall_after > found.small_recall_before + 0.1
    accuracy, f1 = (
        found.accuracy_after - found.accuracy_before,
        found.macro_f1_after - found.macro_f1_before,
    )
    assert found.accuracy_change_low < accuracy < found.accuracy_change_high < 0
    assert found.macro_f1_change_low < f1 < found.macro_f1_change_high < f1 + 0.1
    assert found == balance_effect(probability_NK, adjusted_NK, label_N, group_N)


def test_nothing_changed_and_one_photo() -> None:
    probability_NK, label_N = draw(100)
    found = balance_effect(probability_NK, probability_NK, label_N, np.arange(100))
    assert found.macro_f1_change_low == found.macro_f1_change_high == 0
    assert found.accuracy_change_low <= 0 <= found.accuracy_change_high
    alone = balance_effect(probability_NK[:1], probability_NK[:1], label_N[:1], np.array([-1]))
    assert alone.small_classes == (label_N[0],)


def test_classes_without_photos_are_not_the_small_ones() -> None:
    probability_NK, _ = draw(30)
    label_N = np.array([0] * 20 + [2] * 10)
    assert balance_effect(probability_NK, probability_NK, label_N, np.arange(30)).small_classes == (2,)
