"""Photos whose label a model that had not seen them doubts."""

from __future__ import annotations

import numpy as np

from photograft.values import Issue, Predictions

_MIN_PER_CLASS = 5


def suspect_labels(predictions: Predictions) -> tuple[Issue, ...]:
    """Photos that are probably wrongly labelled, most doubtful first, as one issue; none where nothing is doubted.

    A class's threshold is the mean probability that photos of its label get for it. A photo is doubted where another
    class reaches its own threshold and beats the photo's label: confident learning (Northcutt, Jiang and Chuang 2021,
    "Confident Learning: Estimating Uncertainty in Dataset Labels", equations 1 and 2). The predictions must be of
    models that had not seen the photo, out-of-fold ones. Classes of fewer than five photos have no threshold.
    """
    rows = np.flatnonzero(predictions.ok_N & (predictions.label_N >= 0))
    probability_MK, label_M = predictions.probabilities_NK[rows], predictions.label_N[rows]
    n_classes = len(predictions.classes)
    own_M = probability_MK[np.arange(len(rows)), label_M]
    count_K = np.bincount(label_M, minlength=n_classes)
    sum_K = np.bincount(label_M, own_M, minlength=n_classes)
    threshold_K = np.where(count_K >= _MIN_PER_CLASS, sum_K / np.maximum(count_K, 1), np.inf)
    confident_MK = np.where(probability_MK >= threshold_K, probability_MK, 0.0)
    best_M = confident_MK.argmax(axis=1)
    gap_M = confident_MK[np.arange(len(rows)), best_M] - own_M
    doubted = np.flatnonzero((best_M != label_M) & (gap_M > 0))
    if not len(doubted):
        return ()
    doubted = doubted[np.argsort(-gap_M[doubted], kind="stable")]
    first = doubted[0]
    given, likely = predictions.classes[label_M[first]], predictions.classes[best_M[first]]
    paths = tuple(predictions.paths[rows[i]] for i in doubted)
    message = (
        f"{len(doubted)} {'photo has a label' if len(doubted) == 1 else 'photos have labels'} that the model doubts, "
        f"for example {paths[0]}: {given}, or rather {likely}?"
    )
    remedy = "Look at them, worst first; correct wrong labels in a journal of edits (photograft edits add)."
    return (Issue("suspect_label", paths, message, remedy),)
