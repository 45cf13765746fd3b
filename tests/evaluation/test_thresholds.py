"""Thresholds per label: the best F1 where there are photos enough to tell, else those of all labels."""

from __future__ import annotations

import numpy as np
import pytest

from photograft.evaluation.thresholds import _Curve, choose_thresholds
from photograft.values import BoolArray, DoubleArray


def draw(n: int, frequencies: tuple[float, ...], *, seed: int = 0) -> tuple[DoubleArray, BoolArray]:
    """True probabilities of labels of these frequencies (about), and who has them."""
    rng = np.random.default_rng(seed)
    logits_NK = 2 * rng.normal(size=(n, len(frequencies))) + np.log(np.array(frequencies)) * 1.3
    probability_NK = 1 / (1 + np.exp(-logits_NK))
    return probability_NK, rng.random(probability_NK.shape) < probability_NK


def f1(probability_N: DoubleArray, member_N: BoolArray, threshold: float) -> float:
    given_N = probability_N >= threshold
    return float(2 * (given_N & member_N).sum() / max(given_N.sum() + member_N.sum(), 1))


def test_thresholds_are_near_the_best_and_better_than_a_half() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    probability_NK, member_NK = draw(3000, (0.5, 0.3, 0.1, 0.05))
    threshold_K = choose_thresholds(probability_NK, member_NK)
    assert threshold_K.shape == (4,) and ((threshold_K > 0) & (threshold_K < 1)).all()
    for k in range(4):
        precision, recall, _ = metrics.precision_recall_curve(member_NK[:, k], probability_NK[:, k])
        best = float((2 * precision * recall / np.maximum(precision + recall, 1e-12)).max())
        found = f1(probability_NK[:, k], member_NK[:, k], threshold_K[k])
        assert best - 0.03 < found <= best + 1e-12
        assert found == pytest.approx(
            metrics.f1_score(member_NK[:, k], probability_NK[:, k] >= threshold_K[k], zero_division=0)
        )
    other_NK, others_NK = draw(3000, (0.5, 0.3, 0.1, 0.05), seed=1)
    mean = [
        np.mean([f1(other_NK[:, k], others_NK[:, k], thresholds[k]) for k in range(4)])
        for thresholds in (threshold_K, np.full(4, 0.5))
    ]
    assert mean[0] > mean[1] + 0.02


def test_a_label_on_a_scale_of_its_own_gets_its_own_threshold() -> None:
    probability_NK, member_NK = draw(2000, (0.4, 0.4, 0.4))
    probability_NK[:, 2] /= 50
    threshold_K = choose_thresholds(probability_NK, member_NK)
    assert threshold_K[2] < 0.02 < threshold_K[0]
    assert f1(probability_NK[:, 2], member_NK[:, 2], threshold_K[2]) > 0.6


def test_rare_labels_take_the_threshold_of_all() -> None:
    probability_NK, member_NK = draw(400, (0.4, 0.4, 0.4, 0.4))
    member_NK[:, 1] = False
    member_NK[:7, 1] = True  # as good as random: its best F1 would be luck
    member_NK[:, 2], member_NK[:, 3] = False, True
    threshold_K = choose_thresholds(probability_NK, member_NK)
    pooled = threshold_K[1]
    assert threshold_K[2] == threshold_K[3] == pooled and 0.01 < pooled < 0.9
    curve = _Curve.of(probability_NK.ravel(), member_NK.ravel())
    assert f1(probability_NK.ravel(), member_NK.ravel(), pooled) == pytest.approx(curve.f1_C.max())


def test_without_any_label_thresholds_are_a_half() -> None:
    probability_NK, member_NK = draw(50, (0.3, 0.3))
    assert choose_thresholds(probability_NK, np.zeros_like(member_NK)).tolist() == [0.5, 0.5]
    assert np.isfinite(choose_thresholds(probability_NK, np.ones_like(member_NK))).all()
    same = choose_thresholds(np.full((50, 2), 0.3), member_NK)
    assert (same <= 0.3).all() and (same > 0).all()


def test_the_curve_counts_what_each_threshold_gives_with_equal_probabilities_as_one() -> None:
    probability_N = np.array([0.9, 0.9, 0.5, 0.2, 0.2, 0.2])
    member_N = np.array([True, False, True, False, True, False])
    curve = _Curve.of(probability_N, member_N)
    assert curve.threshold_C.tolist() == pytest.approx([0.7, 0.35, 0.1])
    assert curve.given_C.tolist() == [2, 3, 6] and curve.right_C.tolist() == [1, 2, 3]
    wanted = [f1(probability_N, member_N, threshold) for threshold in curve.threshold_C]
    assert curve.f1_C.tolist() == pytest.approx(wanted)


def test_errors_are_those_of_the_bootstrap() -> None:
    probability_NK, member_NK = draw(500, (0.3,))
    probability_N, member_N = probability_NK[:, 0], member_NK[:, 0]
    curve = _Curve.of(probability_N, member_N)
    best = int(curve.f1_C.argmax())
    rng = np.random.default_rng(0)
    for other in (best // 3, best + (len(curve.f1_C) - best) // 3):
        differences = []
        for _ in range(500):
            drawn = rng.integers(0, 500, 500)
            both = [f1(probability_N[drawn], member_N[drawn], curve.threshold_C[c]) for c in (best, other)]
            differences.append(both[0] - both[1])
        assert curve.errors(best)[other] == pytest.approx(np.std(differences), rel=0.15)
    assert curve.errors(best)[best] == 0


def test_the_same_photos_in_another_order_give_the_same() -> None:
    probability_NK, member_NK = draw(300, (0.4, 0.1))
    order = np.random.default_rng(1).permutation(300)
    found = choose_thresholds(probability_NK[order], member_NK[order])
    assert np.array_equal(found, choose_thresholds(probability_NK, member_NK))
