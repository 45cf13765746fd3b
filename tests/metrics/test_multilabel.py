from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from photograft.metrics.multilabel import (
    balanced_accuracy,
    log_loss,
    macro_f1,
    mean_average_precision,
    micro_f1,
    score_labels,
)
from photograft.values import BoolArray, ClassScores, DoubleArray

NAMES = ("보트", "sea", "dog", "never", "always")


def draw(seed: int, *, n: int = 200) -> tuple[BoolArray, BoolArray, DoubleArray, DoubleArray]:
    """Members, given labels, probabilities and thresholds; one label that no photo has, and one that all have."""
    rng = np.random.default_rng(seed)
    member_NK = rng.random((n, len(NAMES))) < [0.5, 0.2, 0.05, 0.0, 1.1]
    p_NK = np.round(np.clip(0.35 * member_NK + rng.random((n, len(NAMES))) * 0.65, 0, 1), 2)  # with ties
    threshold_K = np.array([0.5, 0.4, 0.3, 1.1, 0.5])  # "never" is never given either
    return member_NK, p_NK >= threshold_K, p_NK, threshold_K


def score(seed: int) -> tuple[ClassScores, ...]:
    member_NK, given_NK, p_NK, threshold_K = draw(seed)
    return score_labels(member_NK, given_NK, p_NK, names=NAMES, threshold_K=threshold_K)


@pytest.mark.parametrize("seed", range(3))
def test_scores_equal_scikit_learn(seed: int) -> None:
    member_NK, given_NK, p_NK, _ = draw(seed)
    per_label = score(seed)
    nan = np.nan
    assert macro_f1(per_label) == pytest.approx(
        reference.f1_score(member_NK, given_NK, average="macro", zero_division=nan)
    )
    assert micro_f1(per_label) == pytest.approx(reference.f1_score(member_NK, given_NK, average="micro"))
    known = member_NK.any(axis=0)
    assert mean_average_precision(per_label) == pytest.approx(
        reference.average_precision_score(member_NK[:, known], p_NK[:, known], average="macro")
    )
    assert log_loss(p_NK, member_NK) == pytest.approx(reference.log_loss(member_NK.ravel(), p_NK.ravel()))


def test_balanced_accuracy_equals_the_mean_of_scikit_learns() -> None:
    member_NK, given_NK, *_ = draw(0)
    both = [k for k in range(len(NAMES)) if 0 < member_NK[:, k].sum() < len(member_NK)]
    expected = [reference.balanced_accuracy_score(member_NK[:, k], given_NK[:, k]) for k in both]
    assert balanced_accuracy(member_NK[:, both], given_NK[:, both]) == pytest.approx(np.mean(expected))
    # "never" has only photos without it, all of them right; "always" only photos with it.
    alone = [1.0, given_NK[:, 4].mean()]
    assert balanced_accuracy(member_NK, given_NK) == pytest.approx(np.mean([*expected, *alone]))


@pytest.mark.parametrize("seed", range(3))
def test_each_label_equals_scikit_learn(seed: int) -> None:
    member_NK, given_NK, p_NK, threshold_K = draw(seed)
    for k, scores in enumerate(score(seed)[:3]):
        precision, recall, f1, support = (
            part[1] for part in reference.precision_recall_fscore_support(member_NK[:, k], given_NK[:, k])
        )
        assert (scores.precision, scores.recall, scores.f1) == pytest.approx((precision, recall, f1))
        assert scores.support == support
        assert scores.average_precision == pytest.approx(reference.average_precision_score(member_NK[:, k], p_NK[:, k]))
        assert scores.threshold == threshold_K[k]


def test_nothing_is_divided_by_zero() -> None:
    never, always = score(0)[3:]
    assert (never.support, never.predicted, never.correct) == (0, 0, 0)
    assert (never.precision, never.recall, never.f1, never.average_precision) == (None, None, None, None)
    assert always.average_precision == 1.0
    none_NK = np.zeros((2, 1), dtype=bool)
    empty = score_labels(none_NK, none_NK, np.zeros((2, 1)), names=("a",), threshold_K=np.array([0.5]))
    assert (macro_f1(empty), micro_f1(empty), mean_average_precision(empty)) == (None, None, None)
