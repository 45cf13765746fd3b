"""How far to favour small classes, and what that did. Shape letters: N photos, K classes, P powers.

Everything here needs photos that the model has not seen. Scores are those of `photograft.metrics.confusion`, from
counts per class: combinations of several factors can be thousands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from photograft.metrics import links
from photograft.metrics.intervals import bootstrap_interval, paired_difference
from photograft.values import DoubleArray, IntArray

POWERS = tuple(i / 10 for i in range(21))


@dataclass(frozen=True)
class BalanceEffect:
    """What weights of classes or an adjusted prediction did to the scores of the same photos.

    `small_recall` is the mean recall of `small_classes`, the smaller half of the classes that have photos. The limits
    are those of 95 % intervals of the change.
    """

    accuracy_before: float
    accuracy_after: float
    accuracy_change_low: float
    accuracy_change_high: float
    macro_f1_before: float
    macro_f1_after: float
    macro_f1_change_low: float
    macro_f1_change_high: float
    small_classes: tuple[int, ...]
    small_recall_before: float
    small_recall_after: float


def choose_power(parts: Sequence[DoubleArray], label_N: IntArray, shares: Sequence[DoubleArray]) -> float:
    """The power of `links.adjust`, 0 to 2, with the best macro-F1 on these photos: the smallest one within noise.

    The smallest whose macro-F1 is within one standard error of the best one's, since every further step costs large
    classes some photos. Several factors have one power, by the macro-F1 of their combinations.

    Args:
        parts: Probabilities of each factor (N, K_f).
        label_N: True combinations, numbered as those of `links.product`.
        shares: Shares of the training photos of each factor's classes (K_f,).
    """
    sizes = [len(share_K) for share_K in shares]
    score_P, influence_PN = np.empty(len(POWERS)), np.empty((len(POWERS), len(label_N)))
    for p, power in enumerate(POWERS):
        # The best combination of independent factors is that of their best classes.
        best = [
            links.adjust(part, share, power=power).argmax(axis=1) for part, share in zip(parts, shares, strict=True)
        ]
        predicted_N = np.ravel_multi_index(best, sizes).astype(np.int64)
        score_P[p], influence_PN[p] = _macro_f1(label_N, predicted_N, int(np.prod(sizes)))
    best_p = int(score_P.argmax())
    error_P = np.sqrt(((influence_PN - influence_PN[best_p]) ** 2).sum(axis=1))
    return POWERS[int(np.argmax(score_P >= score_P[best_p] - error_P))]


def balance_effect(
    before_NK: DoubleArray, after_NK: DoubleArray, label_N: IntArray, group_N: IntArray
) -> BalanceEffect:
    """Compare the probabilities of the same photos without and with what is to help small classes.

    Args:
        before_NK: Probabilities without it.
        after_NK: Probabilities with it.
        label_N: True class indices; at least one photo.
        group_N: Group number per photo, of persons or duplicates; a negative number means a photo of its own.
    """
    before_N, after_N = (each.argmax(axis=1).astype(np.int64) for each in (before_NK, after_NK))
    before, after = (_Counts.of(label_N, each, before_NK.shape[1]) for each in (before_N, after_N))

    def change(row_S: IntArray) -> float:
        drawn = (_Counts.of(label_N[row_S], each[row_S], before_NK.shape[1]).macro_f1 for each in (after_N, before_N))
        return next(drawn) - next(drawn)

    _, accuracy_low, accuracy_high = paired_difference(after_N == label_N, before_N == label_N, group_N)
    f1_low, f1_high = bootstrap_interval(change, group_N, limits=(-1.0, 1.0))
    small = _small_classes(before.true_K)
    return BalanceEffect(
        accuracy_before=float(np.mean(before_N == label_N)),
        accuracy_after=float(np.mean(after_N == label_N)),
        accuracy_change_low=accuracy_low,
        accuracy_change_high=accuracy_high,
        macro_f1_before=before.macro_f1,
        macro_f1_after=after.macro_f1,
        macro_f1_change_low=f1_low,
        macro_f1_change_high=f1_high,
        small_classes=tuple(small.tolist()),
        small_recall_before=float(np.mean(before.right_K[small] / before.true_K[small])),
        small_recall_after=float(np.mean(after.right_K[small] / after.true_K[small])),
    )


@dataclass(frozen=True)
class _Counts:
    """Photos of each class: those that are right, those truly of it, and these with those predicted to be."""

    right_K: IntArray
    true_K: IntArray
    size_K: IntArray

    @classmethod
    def of(cls, label_N: IntArray, predicted_N: IntArray, n_classes: int) -> Self:
        right_K, true_K, predicted_K = (
            np.bincount(each, minlength=n_classes) for each in (label_N[label_N == predicted_N], label_N, predicted_N)
        )
        return cls(right_K, true_K, true_K + predicted_K)

    @property
    def macro_f1(self) -> float:
        occurring_K = self.size_K > 0
        return float(np.mean(2 * self.right_K[occurring_K] / self.size_K[occurring_K]))


def _macro_f1(label_N: IntArray, predicted_N: IntArray, n_classes: int) -> tuple[float, DoubleArray]:
    """Macro-F1, and how much each photo moves it, shape (N,): their squares sum to the square of its standard error.

    The infinitesimal jackknife: the derivative by the photo's weight. F1 of a class is twice its right photos over its
    true and its predicted ones. Source: B. Efron, "The Jackknife, the Bootstrap and Other Resampling Plans" (1982),
    section 6.2.
    """
    counts = _Counts.of(label_N, predicted_N, n_classes)
    size_K = np.maximum(counts.size_K, 1)
    own_K = 2 * counts.right_K / size_K**2
    gain_N = np.where(label_N == predicted_N, 2 / size_K[label_N], 0.0)
    occurring = int((counts.size_K > 0).sum())
    return counts.macro_f1, np.asarray((gain_N - own_K[label_N] - own_K[predicted_N]) / occurring)


def _small_classes(support_K: IntArray) -> IntArray:
    """The smaller half of the classes that have photos, the smallest first; at least one."""
    present = np.flatnonzero(support_K)
    order = present[np.argsort(support_K[present], kind="stable")]
    return np.asarray(order[: max(len(order) // 2, 1)])
