from __future__ import annotations

import numpy as np
import pytest

from photograft.metrics.softmax import softmax


def test_equals_the_formula() -> None:
    logits_NK = np.random.default_rng(0).normal(size=(20, 5))
    expected_NK = np.exp(logits_NK / 1.7) / np.exp(logits_NK / 1.7).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(softmax(logits_NK, temperature=1.7), expected_NK, rtol=1e-13)


def test_huge_logits_neither_overflow_nor_warn() -> None:
    np.testing.assert_array_equal(softmax(np.array([[1e30, -1e30, 0.0], [-1e30, -1e30, -1e30]]))[0], [1, 0, 0])
    np.testing.assert_allclose(softmax(np.full((1, 4), -1e30)), 0.25)


def test_float32_logits_give_float64_rows_that_sum_to_one() -> None:
    probability_NK = softmax(np.random.default_rng(1).normal(size=(50, 100)).astype(np.float32) * 30)
    assert probability_NK.dtype == np.float64
    np.testing.assert_allclose(probability_NK.sum(axis=1), 1, atol=1e-14)


def test_a_row_alone_equals_itself_in_a_batch() -> None:
    logits_NK = np.random.default_rng(2).normal(size=(8, 17))
    np.testing.assert_array_equal(softmax(logits_NK[3:4])[0], softmax(logits_NK)[3])


def test_rows_without_a_prediction_stay_nan_and_do_not_spread() -> None:
    probability_NK = softmax(np.array([[np.nan, np.nan], [0.0, 0.0]]))
    assert np.isnan(probability_NK[0]).all()
    np.testing.assert_array_equal(probability_NK[1], [0.5, 0.5])


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_a_temperature_is_above_zero(temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature must be above 0"):
        softmax(np.zeros((1, 2)), temperature=temperature)
