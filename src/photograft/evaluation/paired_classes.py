"""What a change of model did to each class, on the same photos, and which of it is more than chance.

Shape letters: N photos that both judged, K classes, G groups of photos, R draws.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from photograft.evaluation.multiplicity import LEVEL, holm
from photograft.evaluation.paired import Judged, join_groups, shared_rows
from photograft.metrics.intervals import paired_difference
from photograft.values import DoubleArray, IntArray

_RESAMPLES = 300
_FEWEST_SWAPS, _SWAPS_PER_CLASS, _MOST_SWAPS = 2_000, 40, 20_000
"""Draws of the test: the smallest p of K classes, corrected by K, has to reach half of `LEVEL`."""


@dataclass(frozen=True)
class ClassChange:
    """One class by `a` and by `b` on its `n` photos among those that both judged; differences are a minus b.

    Intervals are at 95 %, each on its own. `p` is corrected for the number of classes; `clear` says that the
    difference in F1 is more than chance. Recall is None where no photo is of the class.
    """

    name: str
    n: int
    recall_a: float | None
    recall_b: float | None
    recall_difference: float | None
    recall_low: float | None
    recall_high: float | None
    f1_a: float
    f1_b: float
    f1_difference: float
    f1_low: float
    f1_high: float
    p: float

    @property
    def clear(self) -> bool:
        """Whether the class gained or lost by more than chance."""
        return self.p < LEVEL


@dataclass(frozen=True)
class _Pair:
    """Photos as numbers: class, what either named, and group 0..G-1."""

    true_N: IntArray
    a_N: IntArray
    b_N: IntArray
    group_N: IntArray
    n_classes: int


def compare_classes(a: Judged, b: Judged, *, seed: int = 0) -> tuple[ClassChange, ...]:
    """Compare two models class by class on the photos that both judged, classes in the order of their names.

    Recall has the interval of `photograft.metrics.intervals.paired_difference`. F1, which also counts photos wrongly
    given the name, has that of a basic bootstrap of whole groups, and is tested: were the models alike, what they say
    of a group could be swapped, so p is the share of random swaps that give a difference as large (Good, "Permutation,
    Parametric, and Bootstrap Tests of Hypotheses", 2005, section 3.2), corrected by Holm's method.

    Raises:
        DataError: They share too few photos, or disagree on what these show.
    """
    rows_a, rows_b = shared_rows(a, b)
    labels, by_a, by_b = (np.array(each) for each in (a.labels, a.predicted, b.predicted))
    names, number = np.unique(np.concatenate([labels[rows_a], by_a[rows_a], by_b[rows_b]]), return_inverse=True)
    true_N, a_N, b_N = np.split(number.astype(np.int64), 3)
    group_N = np.unique(join_groups(a.group_N[rows_a], b.group_N[rows_b]), return_inverse=True)[1].astype(np.int64)
    pair = _Pair(true_N, a_N, b_N, group_N, len(names))

    even_N = np.ones(len(true_N))
    f1_a_K, f1_b_K = _f1(pair, a_N, even_N), _f1(pair, b_N, even_N)
    low_K, high_K = _f1_intervals(pair, f1_a_K - f1_b_K, np.random.default_rng(seed))
    p_K = holm(_swap_p(pair, f1_a_K - f1_b_K, np.random.default_rng(seed)).tolist())
    return tuple(
        ClassChange(
            str(name), *_recall(pair, k),
            float(f1_a_K[k]), float(f1_b_K[k]), float(f1_a_K[k] - f1_b_K[k]), float(low_K[k]), float(high_K[k]), p_K[k],
        )
        for k, name in enumerate(names)
    )  # fmt: skip


def _recall(pair: _Pair, k: int) -> tuple[int, float | None, float | None, float | None, float | None, float | None]:
    """Photos of the class, recall of either, and the difference with its interval."""
    rows = np.flatnonzero(pair.true_N == k)
    if not len(rows):
        return 0, None, None, None, None, None
    right_a_N, right_b_N = pair.a_N[rows] == k, pair.b_N[rows] == k
    difference, low, high = paired_difference(right_a_N, right_b_N, pair.group_N[rows])
    return len(rows), float(right_a_N.mean()), float(right_b_N.mean()), difference, low, high


def _f1(pair: _Pair, named_N: IntArray, weight_N: DoubleArray) -> DoubleArray:
    """F1 of each class, shape (K,), photos weighed; 0 where the class does not occur."""
    k = pair.n_classes
    right_N = named_N == pair.true_N
    correct_K = np.bincount(pair.true_N[right_N], weight_N[right_N], minlength=k)
    occurs_K = np.bincount(pair.true_N, weight_N, minlength=k) + np.bincount(named_N, weight_N, minlength=k)
    return np.asarray(2 * correct_K / np.maximum(occurs_K, 1))


def _f1_intervals(pair: _Pair, difference_K: DoubleArray, rng: np.random.Generator) -> tuple[DoubleArray, DoubleArray]:
    n_groups = int(pair.group_N.max()) + 1
    drawn_RK = np.empty((_RESAMPLES, pair.n_classes))
    for r in range(_RESAMPLES):
        times_G = np.bincount(rng.integers(0, n_groups, n_groups), minlength=n_groups)
        weight_N = times_G[pair.group_N].astype(np.float64)
        drawn_RK[r] = _f1(pair, pair.a_N, weight_N) - _f1(pair, pair.b_N, weight_N)
    low_K, high_K = np.quantile(drawn_RK, [0.025, 0.975], axis=0)
    low_K, high_K = 2 * difference_K - high_K, 2 * difference_K - low_K
    return np.clip(np.minimum(low_K, difference_K), -1, 1), np.clip(np.maximum(high_K, difference_K), -1, 1)


def _swap_p(pair: _Pair, difference_K: DoubleArray, rng: np.random.Generator) -> DoubleArray:
    """How often swapping what a and b said of random groups gives each class a difference as large, shape (K,)."""
    k = pair.n_classes
    rows = np.flatnonzero(pair.a_N != pair.b_N)
    if not len(rows):
        return np.ones(k)
    group_N = np.unique(pair.group_N[rows], return_inverse=True)[1]
    true_N, a_N, b_N = pair.true_N[rows], pair.a_N[rows], pair.b_N[rows]
    # What a swap adds to the counts of a, and takes from those of b: photos rightly named, and photos named.
    gain_N = (b_N == true_N).astype(np.float64) - (a_N == true_N)
    counts = (_occurs(pair, each_N) for each_N in (pair.a_N, pair.b_N))
    (correct_a_K, occurs_a_K), (correct_b_K, occurs_b_K) = counts
    n_swaps = min(_MOST_SWAPS, max(_FEWEST_SWAPS, _SWAPS_PER_CLASS * k))
    as_large_K = np.zeros(k)
    for _ in range(n_swaps):
        swapped_N = rng.integers(0, 2, int(group_N.max()) + 1)[group_N].astype(np.float64)
        correct_K = np.bincount(true_N, swapped_N * gain_N, minlength=k)
        named_K = np.bincount(b_N, swapped_N, minlength=k) - np.bincount(a_N, swapped_N, minlength=k)
        f1_a_K = 2 * (correct_a_K + correct_K) / np.maximum(occurs_a_K + named_K, 1)
        f1_b_K = 2 * (correct_b_K - correct_K) / np.maximum(occurs_b_K - named_K, 1)
        as_large_K += np.abs(f1_a_K - f1_b_K) >= np.abs(difference_K) - 1e-9
    return (1 + as_large_K) / (1 + n_swaps)


def _occurs(pair: _Pair, named_N: IntArray) -> tuple[IntArray, IntArray]:
    """Per class the photos rightly named so, and those of the class together with those named so."""
    k = pair.n_classes
    correct_K = np.bincount(pair.true_N[named_N == pair.true_N], minlength=k)
    return correct_K, np.bincount(pair.true_N, minlength=k) + np.bincount(named_N, minlength=k)
