"""Photos whose label a model that had not seen them doubts. Shape letters: N photos, M scored ones, K classes."""

from __future__ import annotations

import numpy as np

from photograft.values import BoolArray, DoubleArray, IntArray, Issue, Predictions

_MIN_PER_CLASS = 5


def suspect_labels(predictions: Predictions) -> tuple[Issue, ...]:
    """Photos that are probably wrongly labelled, most doubtful first, as one issue; none where nothing is doubted.

    A class's threshold is the mean probability that photos of its label get for it. A photo is doubted where another
    class reaches its own threshold and beats the photo's label: confident learning (Northcutt, Jiang and Chuang 2021,
    "Confident Learning: Estimating Uncertainty in Dataset Labels", equations 1 and 2). The predictions must be of
    models that had not seen the photo, out-of-fold ones. Classes of fewer than five photos have no threshold.

    Where classes are made of factors, each factor is doubted on its own, with an issue of its own: its values have more
    photos than the combinations. Where a photo may have several labels, each label is a question with two answers.
    """
    if predictions.member_NK is not None:
        return _doubt_labels(predictions, predictions.member_NK)
    if predictions.factors:
        return tuple(
            issue for name, factor in predictions.factors for issue in _doubt_classes(factor, of=f" of {name}")
        )
    return _doubt_classes(predictions, of="")


def _doubt_classes(predictions: Predictions, *, of: str) -> tuple[Issue, ...]:
    rows = np.flatnonzero(predictions.ok_N & (predictions.label_N >= 0))
    label_M = predictions.label_N[rows]
    gap_M, best_M = _doubt(predictions.probabilities_NK[rows], label_M)
    doubted = np.flatnonzero(gap_M > 0)
    if not len(doubted):
        return ()
    doubted = doubted[np.argsort(-gap_M[doubted], kind="stable")]
    first = doubted[0]
    given, likely = predictions.classes[label_M[first]], predictions.classes[best_M[first]]
    paths = tuple(predictions.paths[rows[i]] for i in doubted)
    return (_issue(paths, of, f"{given}, or rather {likely}"),)


def _doubt_labels(predictions: Predictions, member_NK: BoolArray) -> tuple[Issue, ...]:
    """The issue of photos with a doubtful label, each by its most doubtful one."""
    rows = np.flatnonzero(predictions.ok_N)
    worst_M, label_M = np.zeros(len(rows)), np.zeros(len(rows), dtype=np.int64)
    for k in range(len(predictions.classes)):
        has_M = predictions.probabilities_NK[rows, k]
        gap_M, _ = _doubt(np.stack([1 - has_M, has_M], axis=1), member_NK[rows, k].astype(np.int64))
        label_M = np.where(gap_M > worst_M, k, label_M)
        worst_M = np.maximum(gap_M, worst_M)
    doubted = np.flatnonzero(worst_M > 0)
    if not len(doubted):
        return ()
    doubted = doubted[np.argsort(-worst_M[doubted], kind="stable")]
    first = doubted[0]
    label, has = predictions.classes[label_M[first]], member_NK[rows[first], label_M[first]]
    paths = tuple(predictions.paths[rows[i]] for i in doubted)
    return (_issue(paths, "", f"{'with' if has else 'without'} {label}, or rather {'without' if has else 'with'} it"),)


def _doubt(probability_MK: DoubleArray, label_M: IntArray) -> tuple[DoubleArray, IntArray]:
    """How far a confident class lies above that of the label, shape (M,), 0 where no other one does; and which."""
    n, n_classes = probability_MK.shape
    own_M = probability_MK[np.arange(n), label_M]
    count_K = np.bincount(label_M, minlength=n_classes)
    sum_K = np.bincount(label_M, own_M, minlength=n_classes)
    threshold_K = np.where(count_K >= _MIN_PER_CLASS, sum_K / np.maximum(count_K, 1), np.inf)
    confident_MK = np.where(probability_MK >= threshold_K, probability_MK, 0.0)
    best_M = confident_MK.argmax(axis=1)
    gap_M = confident_MK[np.arange(n), best_M] - own_M
    return np.where(best_M == label_M, 0.0, np.maximum(gap_M, 0.0)), best_M.astype(np.int64)


def _issue(paths: tuple[str, ...], of: str, example: str) -> Issue:
    n = len(paths)
    message = (
        f"{n} {f'photo has a label{of}' if n == 1 else f'photos have labels{of}'} that the model doubts, "
        f"for example {paths[0]}: {example}?"
    )
    remedy = "Look at them, worst first; correct wrong labels in a journal of edits (photograft edits add)."
    return Issue("suspect_label", paths, message, remedy)
