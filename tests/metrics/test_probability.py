from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from photograft.metrics.probability import (
    assign_bins,
    expected_calibration_error,
    log_loss,
    reliability_bins,
    top_k_accuracy,
)
from photograft.values import DoubleArray, IntArray


def draw(seed: int, *, n: int = 60, k: int = 12, decimals: int | None = None) -> tuple[DoubleArray, IntArray]:
    rng = np.random.default_rng(seed)
    probability_NK = rng.dirichlet(np.full(k, 0.3), size=n)
    if decimals is not None:  # equal probabilities, many of them 0
        probability_NK = np.round(probability_NK, decimals)
        probability_NK[:, 0] += 1 - probability_NK.sum(axis=1)
    return probability_NK, rng.integers(0, k, n)


@pytest.mark.parametrize("seed", range(20))
def test_log_loss_equals_scikit_learn(seed: int) -> None:
    probability_NK, label_N = draw(seed, k=2 + seed % 5)
    probability_NK[0] = 0.0
    probability_NK[0, 1] = 1.0  # a certain row: right or wrong, it is clipped
    label_N[0] = seed % 2
    expected = reference.log_loss(label_N, probability_NK, labels=range(probability_NK.shape[1]))
    assert log_loss(probability_NK, label_N) == pytest.approx(expected, rel=1e-12)


def test_log_loss_of_certain_mistakes_is_finite() -> None:
    assert log_loss(np.array([[1.0, 0.0]]), np.array([1])) == pytest.approx(36.0437, abs=1e-4)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("k", [1, 3, 5])
def test_top_k_equals_scikit_learn(seed: int, k: int) -> None:
    probability_NK, label_N = draw(seed)
    expected = reference.top_k_accuracy_score(label_N, probability_NK, k=k, labels=range(12))
    assert top_k_accuracy(probability_NK, label_N, k=k) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("k", [1, 3, 5])
def test_top_k_with_ties_prefers_the_first_class(seed: int, k: int) -> None:
    probability_NK, label_N = draw(seed, decimals=1)
    # scikit-learn prefers the last of equals: with the classes turned round it is the same rule.
    expected = reference.top_k_accuracy_score(11 - label_N, probability_NK[:, ::-1], k=k, labels=range(12))
    assert top_k_accuracy(probability_NK, label_N, k=k) == pytest.approx(expected, abs=1e-12)
    if k == 1:
        assert top_k_accuracy(probability_NK, label_N, k=1) == np.mean(probability_NK.argmax(axis=1) == label_N)


@pytest.mark.parametrize("seed", range(10))
def test_calibration_error_equals_a_plain_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    confidence_N = np.concatenate([rng.random(50), np.arange(16) / 15])  # with every edge
    correct_N = rng.random(len(confidence_N)) < confidence_N
    expected, filled = 0.0, 0
    for b in range(15):
        low, high = b / 15, (b + 1) / 15
        inside = [i for i, c in enumerate(confidence_N) if low <= c < high or (b == 14 and c == 1)]
        if inside:
            filled += 1
            gap = np.mean(correct_N[inside]) - np.mean(confidence_N[inside])
            expected += len(inside) / len(confidence_N) * abs(gap)
    assert expected_calibration_error(confidence_N, correct_N) == pytest.approx(expected, abs=1e-12)

    bins = reliability_bins(confidence_N, correct_N)
    assert len(bins) == filled
    assert sum(b.n for b in bins) == len(confidence_N)
    assert sum(b.n * abs(b.accuracy - b.confidence) for b in bins) / 66 == pytest.approx(expected, abs=1e-12)
    assert all(b.low <= b.confidence <= b.high for b in bins)


def test_bins_are_closed_below_and_hold_one() -> None:
    np.testing.assert_array_equal(assign_bins(np.arange(16) / 15), [*range(15), 14])
    np.testing.assert_array_equal(assign_bins(np.array([0.0, np.nextafter(1 / 15, 0), 1 + 1e-12])), [0, 0, 14])


def test_bins_without_photos_are_left_out() -> None:
    (only,) = reliability_bins(np.array([0.5]), np.array([False]))
    assert (only.low, only.high, only.n, only.confidence, only.accuracy) == (7 / 15, 8 / 15, 1, 0.5, 0.0)
    assert expected_calibration_error(np.array([0.5]), np.array([False])) == 0.5
