"""How each fold did. Shape letters: N photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from photograft.metrics import multilabel
from photograft.metrics.confusion import accuracy, confusion_matrix, macro_f1
from photograft.values import IntArray, Predictions


@dataclass(frozen=True)
class FoldScores:
    """Scores of the `n` photos of one fold, which a model judged that was trained on the others.

    `fold` counts from 1. `factors` holds the accuracy of each factor, where there are several. Where a photo may have
    several labels, `accuracy` is the share of photos whose labels are all right.
    """

    fold: int
    n: int
    accuracy: float
    macro_f1: float
    factors: dict[str, float] = field(default_factory=dict)


def fold_scores(predictions: Predictions, fold_N: IntArray) -> tuple[FoldScores, ...]:
    """Score each fold on its own, in order.

    `fold_N` is the fold of each photo, -1 for none. Photos without a prediction or a known label do not count; a fold
    of such alone is left out.
    """
    usable_N = predictions.ok_N & ((predictions.label_N >= 0) | (predictions.member_NK is not None))
    scored = []
    for fold in np.unique(fold_N[usable_N & (fold_N >= 0)]).tolist():
        own = predictions.take(np.flatnonzero(usable_N & (fold_N == fold)).astype(np.int64))
        factors = {name: _score(factor)[0] for name, factor in own.factors}
        scored.append(FoldScores(int(fold) + 1, len(own.paths), *_score(own), factors))
    return tuple(scored)


def mean_and_spread(values: Sequence[float]) -> tuple[float, float]:
    """Mean over folds and standard deviation between them (of a sample, n - 1), 0 for a single one."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def _score(predictions: Predictions) -> tuple[float, float]:
    """Accuracy and macro-F1."""
    if predictions.member_NK is None:
        confusion_KK = confusion_matrix(predictions.label_N, predictions.best_N, n_classes=len(predictions.classes))
        return accuracy(confusion_KK), macro_f1(confusion_KK)
    assert predictions.threshold_K is not None
    per_label = multilabel.score_labels(
        predictions.member_NK,
        predictions.given_NK,
        predictions.probabilities_NK,
        names=predictions.classes,
        threshold_K=predictions.threshold_K,
    )
    right_N = (predictions.member_NK == predictions.given_NK).all(axis=1)
    return float(right_N.mean()), multilabel.macro_f1(per_label) or 0.0
