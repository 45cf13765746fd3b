"""Predictions of several labels per photo to every score. Shape letters: N photos, K labels, B bins."""

from __future__ import annotations

from typing import Any

import numpy as np

from photograft.errors import DataError
from photograft.evaluation.warnings import count_photos, warn_groups, warn_left_out
from photograft.metrics.intervals import bootstrap_interval, clustered_n, wilson_interval
from photograft.metrics.multilabel import (
    balanced_accuracy,
    log_loss,
    macro_f1,
    mean_average_precision,
    micro_f1,
    score_labels,
)
from photograft.metrics.probability import ECE_BINS, assign_bins, reliability_bins
from photograft.values import BoolArray, ClassScores, DoubleArray, Evaluation, IntArray, Mistake, Predictions

NO_LABEL = "(none)"


def evaluate_labels(
    predictions: Predictions,
    *,
    what: str,
    group_N: IntArray | None = None,
    duplicate_N: IntArray | None = None,
    seed: int = 0,
) -> Evaluation:
    """Score predictions where a photo may have several labels; arguments as in `photograft.evaluation.evaluate`.

    A photo without any label is scored too: it should be given none. `scores` holds

    - ``n``, ``accuracy``: the share of photos whose labels are all right, with ``accuracy_low`` and ``accuracy_high``,
    - ``macro_f1``, ``micro_f1``, ``map``, ``balanced_accuracy``, ``log_loss`` as in `photograft.metrics.multilabel`;
      ``map`` is None where no photo has a label; the two F1 are 0 where in addition none was given,
    - ``ece`` with its interval: of all decisions, a photo and a label each, how far the stated probability lies from
      the share that truly has the label. ``reliability`` holds the bins.

    Raises:
        DataError: No photo has a prediction, or a probability is damaged.
    """
    assert predictions.member_NK is not None and predictions.threshold_K is not None
    row_N = _scored_rows(predictions)
    probability_NK, member_NK = predictions.probabilities_NK[row_N], predictions.member_NK[row_N]
    given_NK = predictions.given_NK[row_N]
    correct_N = (member_NK == given_NK).all(axis=1)
    group_N = np.arange(len(row_N)) if group_N is None else np.asarray(group_N)[row_N]
    duplicate_N = None if duplicate_N is None else np.asarray(duplicate_N)[row_N]
    per_label = score_labels(
        member_NK, given_NK, probability_NK, names=predictions.classes, threshold_K=predictions.threshold_K
    )
    n_independent = clustered_n(correct_N, group_N, duplicate_N)
    low, high = wilson_interval(float(correct_N.mean()) * n_independent, n_independent)
    scores: dict[str, Any] = {
        "n": len(row_N),
        "accuracy": float(correct_N.mean()),
        "accuracy_low": low,
        "accuracy_high": high,
        "balanced_accuracy": balanced_accuracy(member_NK, given_NK),
        "macro_f1": macro_f1(per_label) or 0.0,
        "micro_f1": micro_f1(per_label) or 0.0,
        "map": mean_average_precision(per_label),
        "log_loss": log_loss(probability_NK, member_NK),
    }
    return Evaluation(
        what=what,
        classes=predictions.classes,
        scores=scores | _calibration_scores(probability_NK, member_NK, group_N, seed=seed),
        per_class=per_label,
        confusion_KK=np.zeros((0, 0), dtype=np.int64),
        confused_pairs=(),
        reliability=reliability_bins(probability_NK.ravel(), member_NK.ravel()),
        mistakes=_mistakes(predictions, row_N[~correct_N]),
        warnings=(
            *warn_left_out(int((~predictions.ok_N).sum()), 0),
            *warn_groups(len(row_N), n_independent, duplicate_N),
            *_warn_labels(per_label),
        ),
    )


def join_labels(predictions: Predictions, has_K: BoolArray) -> str:
    """Name the labels of a photo: "boat, sea", or `NO_LABEL`."""
    return ", ".join(name for name, has in zip(predictions.classes, has_K, strict=True) if has) or NO_LABEL


def _scored_rows(predictions: Predictions) -> IntArray:
    row_N = np.flatnonzero(predictions.ok_N).astype(np.int64)
    if len(row_N) == 0:
        raise DataError(
            f"There is nothing to score: {count_photos(len(predictions.paths))} rejected. Give readable photos."
        )
    probability_NK = predictions.probabilities_NK[row_N]
    # NaN fails both comparisons, so it counts as damaged too.
    sound_N = ((probability_NK >= 0) & (probability_NK <= 1)).all(axis=1)
    if not sound_N.all():
        path = predictions.paths[row_N[np.argmin(sound_N)]]
        raise DataError(
            f"The probabilities of {count_photos(int((~sound_N).sum()))} do not lie between 0 and 1 (first: {path}): "
            "the predictions are damaged and have to be made again."
        )
    return row_N


def _calibration_scores(
    probability_NK: DoubleArray, member_NK: BoolArray, group_N: IntArray, *, seed: int
) -> dict[str, float]:
    """The calibration error of all decisions, with an interval that draws whole groups of photos."""
    n, n_labels = probability_NK.shape
    cell_NK = assign_bins(probability_NK.ravel()).reshape(n, n_labels) + ECE_BINS * np.arange(n)[:, None]
    gap_NK = member_NK - probability_NK
    gap_NB = np.bincount(cell_NK.ravel(), gap_NK.ravel(), minlength=n * ECE_BINS).reshape(n, ECE_BINS)

    def error(row_N: IntArray) -> float:
        return float(np.abs(gap_NB[row_N].sum(axis=0)).sum() / (len(row_N) * n_labels))

    low, high = bootstrap_interval(error, group_N, seed=seed)
    return {"ece": error(np.arange(n)), "ece_low": low, "ece_high": high}


def _warn_labels(per_label: tuple[ClassScores, ...]) -> list[str]:
    missing = [scores.name for scores in per_label if not scores.support]
    if not missing:
        return []
    names = ", ".join(missing)
    return [f"No scored photo has the label {names}: nothing is known about how well that is recognised."]


def _mistakes(predictions: Predictions, row_M: IntArray) -> tuple[Mistake, ...]:
    """The M photos with a wrong label, worst first: those whose most wrong label has the least probable truth.

    `Mistake.label_probability` is that probability, `predicted_probability` that of the answer.
    """
    assert predictions.member_NK is not None
    probability_MK, member_MK = predictions.probabilities_NK[row_M], predictions.member_NK[row_M]
    given_MK = predictions.given_NK[row_M]
    true_MK = np.where(member_MK, probability_MK, 1 - probability_MK)
    worst_M = np.where(member_MK != given_MK, true_MK, np.inf).min(axis=1)
    return tuple(
        Mistake(
            predictions.paths[row_M[m]],
            join_labels(predictions, member_MK[m]),
            join_labels(predictions, given_MK[m]),
            float(worst_M[m]),
            float(1 - worst_M[m]),
        )
        for m in np.argsort(worst_M, kind="stable").tolist()
    )
