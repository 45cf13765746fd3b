"""Scores that follow from counting: true class against predicted class.

Shape letters: N photos, K classes. `confusion_KK` holds counts, row = true class, column = predicted class.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from photograft.values import ClassScores, IntArray


def confusion_matrix(label_N: IntArray, predicted_N: IntArray, *, n_classes: int) -> IntArray:
    """Count photos per true and predicted class.

    Args:
        label_N: True class indices in 0..K-1.
        predicted_N: Predicted class indices in 0..K-1.
        n_classes: K, so that classes without a photo keep their row and column.

    Returns:
        Counts of shape (K, K), row = true class, column = predicted class.
    """
    cell_N = label_N.astype(np.int64) * n_classes + predicted_N
    return np.bincount(cell_N, minlength=n_classes * n_classes).reshape(n_classes, n_classes).astype(np.int64)


def accuracy(confusion_KK: IntArray) -> float:
    """Share of photos whose class was predicted, 0..1; there must be at least one photo."""
    return float(np.trace(confusion_KK) / confusion_KK.sum())


def balanced_accuracy(confusion_KK: IntArray) -> float:
    """Mean recall over the classes that have photos, 0..1: chance is 1 / K however unequal the classes are.

    Equal to scikit-learn's `balanced_accuracy_score`, which also leaves out classes without true photos.
    There must be at least one photo.
    """
    support_K = confusion_KK.sum(axis=1)
    has_photos_K = support_K > 0
    return float(np.mean(np.diag(confusion_KK)[has_photos_K] / support_K[has_photos_K]))


def macro_f1(confusion_KK: IntArray) -> float:
    """Mean F1 over the classes that occur, 0..1; there must be at least one photo.

    Equal to scikit-learn's `f1_score(average="macro")`: a class that was predicted but has no true photo counts
    as 0, a class that is neither true nor predicted for any photo is left out.
    """
    occurs_K = confusion_KK.sum(axis=1) + confusion_KK.sum(axis=0)
    return float(np.mean(2 * np.diag(confusion_KK)[occurs_K > 0] / occurs_K[occurs_K > 0]))


def score_classes(confusion_KK: IntArray, names: Sequence[str]) -> tuple[ClassScores, ...]:
    """Score each class on its own.

    Precision is None where the class was never predicted, recall where it has no true photo, F1 where neither
    occurs. A class that was predicted but has no true photo has F1 0, as in `macro_f1`. Everywhere else the
    numbers equal scikit-learn's `precision_recall_fscore_support`.

    Args:
        confusion_KK: Counts, row = true class, column = predicted class.
        names: The K class names.
    """
    support_K, predicted_K = confusion_KK.sum(axis=1).tolist(), confusion_KK.sum(axis=0).tolist()
    correct_K = np.diag(confusion_KK).tolist()
    return tuple(
        ClassScores(
            name=name,
            support=support,
            predicted=predicted,
            correct=correct,
            precision=_ratio(correct, predicted),
            recall=_ratio(correct, support),
            f1=_ratio(2 * correct, support + predicted),
        )
        for name, support, predicted, correct in zip(names, support_K, predicted_K, correct_K, strict=True)
    )


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
