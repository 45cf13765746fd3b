"""How well frozen features already tell the classes apart, and whether more photos would still help.

Shape letters: N photos, M those of a half, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from photograft.data.assign import assign_groups
from photograft.metrics.intervals import bootstrap_interval, clustered_n, paired_difference, wilson_interval
from photograft.values import BoolArray, IntArray

_LEAST_PER_CLASS = 4
"""Photos of every class in a half below which a curve through two points says nothing."""


@dataclass(frozen=True)
class Separability:
    """Accuracy of photos judged by heads that had not seen them, and the same corrected for chance.

    `kappa` is 0 where chance alone would do as well, and 1 where all are right. Intervals are at 95 %.
    """

    n: int
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    kappa: float
    kappa_low: float
    kappa_high: float


@dataclass(frozen=True)
class MorePhotos:
    """Accuracy of the same `n` photos by heads that learned from half of the photos and from all, with the gain."""

    n: int
    half: float
    all: float
    gain: float
    low: float
    high: float

    @property
    def helps(self) -> bool:
        """Whether doubling the photos clearly helped."""
        return self.low > 0


def measure_separability(
    predicted_N: IntArray, label_N: IntArray, group_N: IntArray, duplicate_N: IntArray
) -> Separability:
    """Score N photos that were judged out of fold.

    `group_N` numbers what belongs together (persons, videos, duplicates), `duplicate_N` the duplicates alone. The
    interval of kappa draws whole groups.
    """
    correct_N = predicted_N == label_N
    n = clustered_n(correct_N, group_N, duplicate_N)
    accuracy = float(correct_N.mean())
    low, high = wilson_interval(accuracy * n, n)
    kappa_low, kappa_high = bootstrap_interval(
        lambda row_S: kappa(predicted_N[row_S], label_N[row_S]), group_N, limits=(-1.0, 1.0)
    )
    return Separability(len(label_N), accuracy, low, high, kappa(predicted_N, label_N), kappa_low, kappa_high)


def kappa(predicted_N: IntArray, label_N: IntArray) -> float:
    """Agreement beyond chance, -1 to 1; 0 where all photos are of one class and named so.

    Chance is what drawing names at the rates at which they were predicted would agree. Source: Cohen, "A coefficient of
    agreement for nominal scales" (1960).

    >>> kappa(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0]))
    0.5
    """
    k = int(max(predicted_N.max(), label_N.max())) + 1
    n = len(label_N)
    chance = float(np.bincount(predicted_N, minlength=k) @ np.bincount(label_N, minlength=k)) / n**2
    return 0.0 if chance >= 1 else (float(np.mean(predicted_N == label_N)) - chance) / (1 - chance)


def half_of_photos(label_N: IntArray, group_N: IntArray, fold_N: IntArray, *, seed: int) -> BoolArray | None:
    """Half of the photos of every class and fold, whole groups only, as a mask (N,); None where that is too few."""
    member_NK = label_N[:, None] == np.arange(int(label_N.max()) + 1)
    chosen_N = np.zeros(len(label_N), bool)
    rng = np.random.default_rng(seed)
    for fold in np.unique(fold_N):
        rows = np.flatnonzero(fold_N == fold)
        chosen_N[rows] = assign_groups(member_NK[rows], group_N[rows], np.array([0.5, 0.5]), rng=rng) == 0
    counts_K = np.bincount(label_N[chosen_N], minlength=member_NK.shape[1])[np.bincount(label_N) > 0]
    all_folds = len(np.unique(fold_N[chosen_N])) == len(np.unique(fold_N))
    return chosen_N if all_folds and counts_K.min() >= _LEAST_PER_CLASS else None


def compare_halves(correct_all_M: BoolArray, correct_half_M: BoolArray, group_M: IntArray) -> MorePhotos:
    """What twice the photos brought, on the M photos of the half, judged both ways by heads that had not seen them."""
    gain, low, high = paired_difference(correct_all_M, correct_half_M, group_M)
    return MorePhotos(len(group_M), float(correct_half_M.mean()), float(correct_all_M.mean()), gain, low, high)
