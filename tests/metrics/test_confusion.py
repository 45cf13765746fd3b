from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from photograft.metrics.confusion import accuracy, balanced_accuracy, confusion_matrix, macro_f1, score_classes

# Few photos over up to six classes: classes without photos, and never predicted ones, come up all the time.
PHOTOS = st.integers(1, 6).flatmap(
    lambda k: st.tuples(
        st.just(k), st.lists(st.tuples(st.integers(0, k - 1), st.integers(0, k - 1)), min_size=1, max_size=30)
    )
)


@settings(max_examples=100, deadline=None)
@given(PHOTOS)
def test_all_scores_equal_scikit_learn(photos: tuple[int, list[tuple[int, int]]]) -> None:
    n_classes, pairs = photos
    label_N, predicted_N = (np.array(column) for column in zip(*pairs, strict=True))
    confusion_KK = confusion_matrix(label_N, predicted_N, n_classes=n_classes)
    every = list(range(n_classes))
    with warnings.catch_warnings():  # scikit-learn warns of classes without photos; here they are the point
        warnings.simplefilter("ignore")
        expected_KK = reference.confusion_matrix(label_N, predicted_N, labels=every)
        expected_accuracy = reference.accuracy_score(label_N, predicted_N)
        expected_balanced = reference.balanced_accuracy_score(label_N, predicted_N)
        expected_f1 = reference.f1_score(label_N, predicted_N, average="macro")
        expected_classes = reference.precision_recall_fscore_support(
            label_N, predicted_N, labels=every, zero_division=np.nan
        )
    np.testing.assert_array_equal(confusion_KK, expected_KK)
    assert confusion_KK.dtype == np.int64
    assert accuracy(confusion_KK) == pytest.approx(expected_accuracy, abs=1e-12)
    assert balanced_accuracy(confusion_KK) == pytest.approx(expected_balanced, abs=1e-12)
    assert macro_f1(confusion_KK) == pytest.approx(expected_f1, abs=1e-12)
    classes = score_classes(confusion_KK, [f"품종 {k}" for k in every])
    for column, field in enumerate(("precision", "recall", "f1")):
        ours = [np.nan if getattr(c, field) is None else getattr(c, field) for c in classes]
        np.testing.assert_allclose(ours, expected_classes[column], atol=1e-12)
    assert [c.support for c in classes] == expected_classes[3].tolist()


def test_an_empty_class_is_reported_and_never_divided_by() -> None:
    # Two true classes, one that is only predicted, one that does not occur.
    confusion_KK = confusion_matrix(np.array([0, 0, 1]), np.array([0, 2, 1]), n_classes=4)
    a, b, only_predicted, absent = score_classes(confusion_KK, ["정상", "불량", "얼룩", "없음"])
    assert (a.name, a.support, a.predicted, a.correct) == ("정상", 2, 1, 1)
    assert (a.precision, a.recall, a.f1) == (1.0, 0.5, pytest.approx(2 / 3))
    assert (b.precision, b.recall, b.f1) == (1.0, 1.0, 1.0)
    assert (only_predicted.precision, only_predicted.recall, only_predicted.f1) == (0.0, None, 0.0)
    assert (absent.precision, absent.recall, absent.f1) == (None, None, None)
    assert balanced_accuracy(confusion_KK) == 0.75
    assert macro_f1(confusion_KK) == pytest.approx((2 / 3 + 1 + 0) / 3)


def test_names_and_classes_must_match() -> None:
    with pytest.raises(ValueError, match="zip"):
        score_classes(np.eye(3, dtype=np.int64), ["a", "b"])
