"""Scores where a photo may have several labels, or none.

Shape letters: N photos, K labels. `member_NK` says which labels each photo has, `given_NK` which it was given.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from photograft.metrics.ranking import average_precision
from photograft.values import BoolArray, ClassScores, DoubleArray


def score_labels(
    member_NK: BoolArray,
    given_NK: BoolArray,
    probability_NK: DoubleArray,
    *,
    names: Sequence[str],
    threshold_K: DoubleArray,
) -> tuple[ClassScores, ...]:
    """Score each label on its own.

    `ClassScores.predicted` counts the photos that were given the label. Precision, recall and F1 are None where they
    would divide by zero, the average precision where no photo has the label. Everywhere else the numbers equal
    scikit-learn's `precision_recall_fscore_support` and `average_precision_score`.
    """
    support_K, predicted_K = member_NK.sum(axis=0).tolist(), given_NK.sum(axis=0).tolist()
    correct_K = (member_NK & given_NK).sum(axis=0).tolist()
    return tuple(
        ClassScores(
            name=name,
            support=support_K[k],
            predicted=predicted_K[k],
            correct=correct_K[k],
            precision=_ratio(correct_K[k], predicted_K[k]),
            recall=_ratio(correct_K[k], support_K[k]),
            f1=_ratio(2 * correct_K[k], support_K[k] + predicted_K[k]),
            average_precision=average_precision(probability_NK[:, k], member_NK[:, k]),
            threshold=float(threshold_K[k]),
        )
        for k, name in enumerate(names)
    )


def macro_f1(per_label: Sequence[ClassScores]) -> float | None:
    """Mean F1 over the labels that occur, in truth or in answers, 0..1; None where none does.

    Equal to scikit-learn's `f1_score(average="macro", zero_division=numpy.nan)`.
    """
    return _mean([scores.f1 for scores in per_label])


def micro_f1(per_label: Sequence[ClassScores]) -> float | None:
    """F1 of all decisions together, 0..1, in which frequent labels count more; None where no label occurs.

    Equal to scikit-learn's `f1_score(average="micro")`.
    """
    correct = sum(scores.correct for scores in per_label)
    return _ratio(2 * correct, sum(scores.support + scores.predicted for scores in per_label))


def mean_average_precision(per_label: Sequence[ClassScores]) -> float | None:
    """Mean average precision (mAP) over the labels that a photo has, 0..1; None where none is.

    Equal to scikit-learn's `average_precision_score(average="macro")` on those labels. It asks for the order of the
    photos alone, so that no threshold matters.
    """
    return _mean([scores.average_precision for scores in per_label])


def balanced_accuracy(member_NK: BoolArray, given_NK: BoolArray) -> float:
    """Mean over the labels of (recall + specificity) / 2, 0..1: a coin gives 0.5 however rare labels are.

    Of a label that all photos have, or none, the one of the two that is known counts: equal to the mean of
    scikit-learn's `balanced_accuracy_score` of each label. At least one photo and one label.
    """
    right_NK = member_NK == given_NK
    with np.errstate(invalid="ignore"):
        recall_K = (right_NK & member_NK).sum(axis=0) / member_NK.sum(axis=0)
        specificity_K = (right_NK & ~member_NK).sum(axis=0) / (~member_NK).sum(axis=0)
    return float(np.mean(np.nanmean([recall_K, specificity_K], axis=0)))


def log_loss(probability_NK: DoubleArray, member_NK: BoolArray) -> float:
    """Mean of -log(probability of the truth) over all N x K decisions, clipped as in `photograft.metrics.probability`.

    Equal to scikit-learn's `log_loss` of all decisions.
    """
    eps = float(np.finfo(np.float64).eps)
    own_NK = np.where(member_NK, probability_NK, 1 - probability_NK)
    return float(-np.log(np.clip(own_NK, eps, 1 - eps)).mean())


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
