"""Predictions to every score, with intervals. Shape letters: N photos (all, then only the scored ones), K classes."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from photograft.errors import ConfigError, DataError
from photograft.evaluation.labels import evaluate_labels
from photograft.evaluation.warnings import count_photos, warn_groups, warn_left_out
from photograft.metrics.confusion import accuracy, balanced_accuracy, confusion_matrix, macro_f1, score_classes
from photograft.metrics.intervals import bootstrap_interval, clustered_n, wilson_interval
from photograft.metrics.probability import assign_bins, ece_of_gaps, log_loss, reliability_bins, top_k_accuracy
from photograft.metrics.ranking import auroc, average_precision
from photograft.values import DoubleArray, Evaluation, IntArray, Mistake, Predictions

N_CONFUSED_PAIRS = 10
N_RESAMPLES = 300


def evaluate(
    predictions: Predictions,
    *,
    what: str,
    group_N: IntArray | None = None,
    duplicate_N: IntArray | None = None,
    positive: str | None = None,
    seed: int = 0,
) -> Evaluation:
    """Score predictions against the true labels.

    Every photo with a prediction and a known label is scored; the others are counted in `warnings`. `scores` holds

    - ``n``, ``accuracy``, ``balanced_accuracy``, ``macro_f1``, ``log_loss``, ``ece``,
    - ``accuracy_low``, ``accuracy_high``: Wilson interval at 95 %, where groups hold several photos on the number of
      independent photos they are worth (`photograft.metrics.intervals.clustered_n`); a warning says so,
    - ``ece_low``, ``ece_high``: bootstrap interval at 95 % that draws whole groups,
    - ``top5`` with more than ten classes,
    - ``positive``, ``auroc``, ``average_precision`` with exactly two classes; the last two are None where one of
      the classes has no photo,
    - ``factors`` where classes are made of factors: the same scores of each, without ``ece_low`` and ``ece_high``.
      `Evaluation.factors` holds the rest. A factor is judged on the photos whose class is known.

    Where a photo may have several labels, they are those of `photograft.evaluation.labels`.

    Args:
        predictions: Probabilities and true labels of N photos.
        what: Which photos these are, for example "test"; kept as it is.
        group_N: Group per photo, shape (N,); a negative number means a photo of its own. None: all are independent.
        duplicate_N: Group of duplicates per photo, shape (N,), where `group_N` holds more. None: groups are copies.
        positive: Of two classes, the one that AUROC is about. By default that with fewer photos, of equals the second.
        seed: Of the bootstrap.

    Raises:
        DataError: No photo has both a prediction and a known label, or a probability is damaged.
        ConfigError: `positive` is not one of the classes.
    """
    if predictions.member_NK is not None:
        return evaluate_labels(predictions, what=what, group_N=group_N, duplicate_N=duplicate_N, seed=seed)
    row_N = _scored_rows(predictions)
    group_N = np.arange(len(row_N)) if group_N is None else np.asarray(group_N)[row_N]
    duplicate_N = None if duplicate_N is None else np.asarray(duplicate_N)[row_N]
    scored = _evaluate(
        predictions, row_N, what=what, group_N=group_N, duplicate_N=duplicate_N, positive=positive, seed=seed
    )
    rejected, unlabelled = int((~predictions.ok_N).sum()), int((predictions.ok_N & (predictions.label_N < 0)).sum())
    scored = replace(scored, warnings=(*warn_left_out(rejected, unlabelled), *scored.warnings))
    factors = tuple(
        (name, _evaluate(factor, row_N, what=what, group_N=group_N, duplicate_N=duplicate_N))
        for name, factor in predictions.factors
    )
    if not factors:
        return scored
    of_factors = {name: factor.scores for name, factor in factors}
    return replace(scored, scores=scored.scores | {"factors": of_factors}, factors=factors)


def _evaluate(
    predictions: Predictions,
    row_N: IntArray,
    *,
    what: str,
    group_N: IntArray,
    duplicate_N: IntArray | None,
    positive: str | None = None,
    seed: int | None = None,
) -> Evaluation:
    """Score the photos `row_N`, whose groups are given; without a seed there is no interval by resampling."""
    classes = predictions.classes
    probability_NK, label_N = predictions.probabilities_NK[row_N], predictions.label_N[row_N]
    best_N = np.argmax(probability_NK, axis=1).astype(np.int64)
    confidence_N, correct_N = probability_NK.max(axis=1), best_N == label_N
    confusion_KK = confusion_matrix(label_N, best_N, n_classes=len(classes))
    n_independent = clustered_n(correct_N, group_N, duplicate_N)
    positive_index = _positive_index(classes, positive, confusion_KK.sum(axis=1))

    scores = _count_scores(confusion_KK, n_independent)
    scores |= _probability_scores(probability_NK, label_N, group_N, seed=seed)
    if len(classes) == 2:
        scores |= _two_class_scores(probability_NK, label_N, classes, positive_index)
    about_groups = warn_groups(len(row_N), n_independent, duplicate_N)
    return Evaluation(
        what=what,
        classes=classes,
        scores=scores,
        per_class=score_classes(confusion_KK, classes),
        confusion_KK=confusion_KK,
        confused_pairs=_confused_pairs(confusion_KK, classes),
        reliability=reliability_bins(confidence_N, correct_N),
        mistakes=_mistakes(predictions, row_N[~correct_N]),
        warnings=(*about_groups, *_warn_classes(confusion_KK, classes, positive)),
    )


def _scored_rows(predictions: Predictions) -> IntArray:
    """Row numbers of the photos with a prediction and a known label; at least one."""
    row_N = np.flatnonzero(predictions.ok_N & (predictions.label_N >= 0)).astype(np.int64)
    if len(row_N) == 0:
        rejected = int((~predictions.ok_N).sum())
        rest = count_photos(len(predictions.paths) - rejected)
        raise DataError(
            f"There is nothing to score: {count_photos(rejected)} rejected, {rest} "
            f"without a label among the classes {', '.join(predictions.classes)}. "
            "Put readable photos into one folder per class, named like the classes."
        )
    probability_NK = predictions.probabilities_NK[row_N]
    # NaN fails both comparisons, so it counts as damaged too.
    sound_N = (probability_NK >= 0).all(axis=1) & (np.abs(probability_NK.sum(axis=1) - 1) < 1e-3)
    if not sound_N.all():
        path = predictions.paths[row_N[np.argmin(sound_N)]]
        raise DataError(
            f"The probabilities of {count_photos(int((~sound_N).sum()))} do not add up to 1 (first: {path}): the "
            "predictions are damaged and have to be made again."
        )
    return row_N


def _positive_index(classes: tuple[str, ...], positive: str | None, support_K: IntArray) -> int:
    if positive is None:
        return int(len(classes) == 2 and support_K[1] <= support_K[0])
    # Some systems store Hangul folder names decomposed, while a keyboard types them composed.
    names = [unicodedata.normalize("NFC", name) for name in classes]
    wanted = unicodedata.normalize("NFC", positive)
    if wanted not in names:
        raise ConfigError(f"The positive class {positive!r} is not one of the classes: {', '.join(classes)}.")
    return names.index(wanted)


def _count_scores(confusion_KK: IntArray, n_independent: float) -> dict[str, Any]:
    share = accuracy(confusion_KK)
    low, high = wilson_interval(share * n_independent, n_independent)
    return {
        "n": int(confusion_KK.sum()),
        "accuracy": share,
        "accuracy_low": low,
        "accuracy_high": high,
        "balanced_accuracy": balanced_accuracy(confusion_KK),
        "macro_f1": macro_f1(confusion_KK),
    }


def _probability_scores(
    probability_NK: DoubleArray, label_N: IntArray, group_N: IntArray, *, seed: int | None
) -> dict[str, Any]:
    confidence_N = probability_NK.max(axis=1)
    gap_N = (probability_NK.argmax(axis=1) == label_N) - confidence_N
    bin_N = assign_bins(confidence_N)
    scores = {"log_loss": log_loss(probability_NK, label_N), "ece": ece_of_gaps(gap_N, bin_N)}
    if seed is not None:
        scores["ece_low"], scores["ece_high"] = bootstrap_interval(
            lambda row_N: ece_of_gaps(gap_N[row_N], bin_N[row_N]), group_N, n_resamples=N_RESAMPLES, seed=seed
        )
    if probability_NK.shape[1] > 10:
        scores["top5"] = top_k_accuracy(probability_NK, label_N, k=5)
    return scores


def _two_class_scores(
    probability_NK: DoubleArray, label_N: IntArray, classes: tuple[str, ...], positive: int
) -> dict[str, Any]:
    score_N, positive_N = probability_NK[:, positive], label_N == positive
    both = bool(positive_N.any() and not positive_N.all())
    return {
        "positive": classes[positive],
        "auroc": auroc(score_N, positive_N) if both else None,
        "average_precision": average_precision(score_N, positive_N) if both else None,
    }


def _confused_pairs(confusion_KK: IntArray, classes: Sequence[str]) -> tuple[tuple[str, str, int], ...]:
    """(true, predicted, count), most frequent first, of equals in the order of the classes."""
    wrong_KK = confusion_KK - np.diag(np.diag(confusion_KK))
    order = np.argsort(-wrong_KK, axis=None, kind="stable")[:N_CONFUSED_PAIRS].tolist()
    pairs = ((cell // len(classes), cell % len(classes)) for cell in order)
    return tuple((classes[i], classes[j], int(wrong_KK[i, j])) for i, j in pairs if wrong_KK[i, j] > 0)


def _mistakes(predictions: Predictions, row_M: IntArray) -> tuple[Mistake, ...]:
    """The M wrong photos: lowest probability of the true class first, then highest of the predicted one."""
    probability_MK, label_M = predictions.probabilities_NK[row_M], predictions.label_N[row_M]
    best_M = np.argmax(probability_MK, axis=1)
    true_M, wrong_M = (probability_MK[np.arange(len(row_M)), column_M] for column_M in (label_M, best_M))
    order_M = np.lexsort((-wrong_M, true_M))
    columns = (a[order_M].tolist() for a in (row_M, label_M, best_M, true_M, wrong_M))
    return tuple(
        Mistake(predictions.paths[row], predictions.classes[label], predictions.classes[best], true, wrong)
        for row, label, best, true, wrong in zip(*columns, strict=True)
    )


def _warn_classes(confusion_KK: IntArray, classes: tuple[str, ...], positive: str | None) -> list[str]:
    empty = [name for name, support in zip(classes, confusion_KK.sum(axis=1), strict=True) if support == 0]
    warnings = []
    if empty:
        warnings.append(
            f"No scored photo is of {', '.join(empty)}: nothing is known about how well that is recognised."
        )
    if positive is not None and len(classes) != 2:
        warnings.append(f"The positive class {positive} has no effect: there are {len(classes)} classes, not two.")
    return warnings
