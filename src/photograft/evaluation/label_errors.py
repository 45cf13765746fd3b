"""Photos whose label a model that had not seen them doubts. Shape letters: N photos, M scored ones, K classes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from photograft.data.rows import FACTOR_SEPARATOR
from photograft.values import BoolArray, DoubleArray, IntArray, Issue, Predictions

_MIN_PER_CLASS = 5
_TIE = 1e-6
"""Probabilities this close are the same, as in cleanlab: a mean of equal numbers is not quite that number."""


@dataclass(frozen=True, slots=True)
class RankedLabel:
    """A photo, its label, and the label that fits best of all others.

    `score` goes from 0 to 1, where 1 is most doubtful. `doubted` says that confident learning takes the label for
    wrong. Where photos may have several labels, `label` and `suggested` are JSON lists.
    """

    path: str
    label: str
    suggested: str
    score: float
    doubted: bool


def rank_labels(predictions: Predictions) -> tuple[RankedLabel, ...]:
    """Every photo with a label and a prediction, the most doubtful label first.

    The predictions must be of models that had not seen the photo. The score is the probability of the most probable
    other class as a share of it and the label's own: 0.5 where both are as probable. On flipped labels of four sets of
    photos it found more than the scores of cleanlab, the margin and the label's own probability among them
    (docs/guides/labels.md).

    Which labels are doubted follows Northcutt, Jiang and Chuang 2021, "Confident Learning: Estimating Uncertainty in
    Dataset Labels", equations 1 and 2, as cleanlab 2 counts them (`find_label_issues` with
    ``filter_by="confident_learning"``): a class's threshold is the mean probability that photos of its label get for
    it, and a label is doubted where another class is more probable and another class reaches its threshold. Unlike
    there, classes of fewer than five photos have no threshold, and no photo is taken to belong to them.

    Where classes are made of factors, each factor is judged on its own: its values have more photos than the
    combinations. Where a photo may have several labels, each label is a question with two answers. The score of the
    photo is that of its most doubtful factor or label.
    """
    if predictions.member_NK is not None:
        ranked = _rank_several(predictions.take(np.flatnonzero(predictions.ok_N)))
    else:
        labelled = predictions.take(np.flatnonzero(predictions.ok_N & (predictions.label_N >= 0)))
        factors = [factor for _, factor in labelled.factors]
        ranked = _rank_factors(factors) if factors else _rank_classes(labelled)
    return tuple(sorted(ranked, key=lambda each: -each.score))


def suspect_labels(predictions: Predictions) -> tuple[Issue, ...]:
    """The doubted photos, most doubtful first, as one issue; none where nothing is doubted.

    Each factor has an issue of its own. `rank_labels` says what is doubted.
    """
    if not predictions.factors or predictions.member_NK is not None:
        return _issues(predictions, of="")
    return tuple(issue for name, factor in predictions.factors for issue in _issues(factor, of=f" of {name}"))


def _issues(predictions: Predictions, *, of: str) -> tuple[Issue, ...]:
    doubted = [each for each in rank_labels(predictions) if each.doubted]
    if not doubted:
        return ()
    first, n = doubted[0], len(doubted)
    message = (
        f"{n} {f'photo has a label{of}' if n == 1 else f'photos have labels{of}'} that the model doubts, "
        f"for example {first.path}: {_example(predictions, first)}?"
    )
    remedy = "Look at them, worst first, and correct wrong labels: photograft review RUN."
    return (Issue("suspect_label", tuple(each.path for each in doubted), message, remedy),)


def _example(predictions: Predictions, first: RankedLabel) -> str:
    if predictions.member_NK is None:
        return f"{first.label}, or rather {first.suggested}"
    has, rather = set(json.loads(first.label)), set(json.loads(first.suggested))
    label = next(name for name in predictions.classes if name in has ^ rather)
    return f"{'with' if label in has else 'without'} {label}, or rather {'without' if label in has else 'with'} it"


def _rank_classes(predictions: Predictions) -> list[RankedLabel]:
    """In the order of the photos, all of which have a label and a prediction."""
    score_M, best_M, doubted_M = _doubt(predictions.probabilities_NK, predictions.label_N)
    names = predictions.classes
    return [
        RankedLabel(path, names[label], names[best], score, doubted)
        for path, label, best, score, doubted in zip(
            predictions.paths,
            predictions.label_N.tolist(),
            best_M.tolist(),
            score_M.tolist(),
            doubted_M.tolist(),
            strict=True,
        )
    ]


def _rank_factors(factors: Sequence[Predictions]) -> list[RankedLabel]:
    """Photos by their most doubtful factor; suggested is the label with another value of each doubted factor."""
    ranked = []
    for values in zip(*(_rank_classes(factor) for factor in factors), strict=True):
        worst = max(values, key=lambda value: value.score)
        wrong = [value for value in values if value.doubted] or [worst]
        label, suggested = (
            FACTOR_SEPARATOR.join(names)
            for names in (
                [value.label for value in values],
                [value.suggested if value in wrong else value.label for value in values],
            )
        )
        ranked.append(replace(worst, label=label, suggested=suggested, doubted=any(value.doubted for value in values)))
    return ranked


def _rank_several(predictions: Predictions) -> list[RankedLabel]:
    """Photos by their most doubtful label; suggested are the labels with each doubted one turned around."""
    member_NK, p_NK = predictions.member_NK, predictions.probabilities_NK
    assert member_NK is not None
    score_NK, doubted_NK = np.zeros(p_NK.shape), np.zeros(p_NK.shape, dtype=bool)
    for k in range(p_NK.shape[1]):
        answers_N2 = np.stack([1 - p_NK[:, k], p_NK[:, k]], axis=1)
        score_NK[:, k], _, doubted_NK[:, k] = _doubt(answers_N2, member_NK[:, k].astype(np.int64))
    ranked = []
    for row, path in enumerate(predictions.paths):
        wrong_K = doubted_NK[row] if doubted_NK[row].any() else score_NK[row] == score_NK[row].max()
        label, suggested = (_list(predictions.classes, has_K) for has_K in (member_NK[row], member_NK[row] ^ wrong_K))
        score = float(score_NK[row].max())
        ranked.append(RankedLabel(path, label, suggested, score, bool(doubted_NK[row].any())))
    return ranked


def _list(classes: Sequence[str], has_K: BoolArray) -> str:
    return json.dumps([classes[k] for k in np.flatnonzero(has_K).tolist()], ensure_ascii=False)


def _doubt(probability_MK: DoubleArray, label_M: IntArray) -> tuple[DoubleArray, IntArray, BoolArray]:
    """How doubtful each label is, 0 to 1, the class that fits best of the others, and whether it is doubted."""
    n, n_classes = probability_MK.shape
    photos_M = np.arange(n)
    own_M = probability_MK[photos_M, label_M]
    count_K = np.bincount(label_M, minlength=n_classes)
    mean_K = np.bincount(label_M, own_M, minlength=n_classes) / np.maximum(count_K, 1)
    known_K = count_K >= _MIN_PER_CLASS
    threshold_K = np.where(known_K, np.maximum(mean_K, 2 * _TIE), np.inf)
    other_MK = probability_MK.copy()
    other_MK[photos_M, label_M] = -np.inf
    known_MK = np.where(known_K, other_MK, -np.inf)
    doubted_M = (known_MK.max(axis=1) > own_M + _TIE) & (other_MK >= threshold_K - _TIE).any(axis=1)
    best_M = np.where(doubted_M, known_MK.argmax(axis=1), other_MK.argmax(axis=1))
    most_M = np.maximum(other_MK.max(axis=1), 0.0)
    score_M = most_M / np.maximum(most_M + own_M, np.finfo(np.float64).tiny)
    return score_M, best_M.astype(np.int64), doubted_M
