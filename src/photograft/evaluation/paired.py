"""Two models compared on the same photos: which is better, by how much, and whether that is more than chance.

Shape letters: N photos that both judged, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np

from photograft.data.files import printable
from photograft.errors import DataError
from photograft.metrics.confusion import confusion_matrix, macro_f1
from photograft.metrics.intervals import bootstrap_interval, paired_difference
from photograft.values import IntArray

FEWEST = 20
"""Shared photos below which nothing is compared."""


@dataclass(frozen=True)
class Judged:
    """What a model, called `name`, said of photos that it had not seen.

    Per photo: `keys` says which photo it is, by content and not by path, `labels` what it shows, `predicted` what it
    was named, and `group_N` which photos are not independent of each other. `classes` are those it can answer. `sure`
    is how probable the name was held to be; empty where that is not asked.
    """

    name: str
    classes: tuple[str, ...]
    keys: tuple[str, ...]
    labels: tuple[str, ...]
    predicted: tuple[str, ...]
    group_N: IntArray
    sure: tuple[float, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """How much better `a` is than `b` on `n` photos that both judged; differences are a minus b, with 95 % intervals.

    `p` is that of McNemar's exact test, for which photos count as independent. `same_classes` is false where one
    could answer classes that the other did not know.
    """

    a: str
    b: str
    n: int
    accuracy_a: float
    accuracy_b: float
    difference: float
    low: float
    high: float
    macro_f1_difference: float
    macro_f1_low: float
    macro_f1_high: float
    only_a: int
    only_b: int
    p: float
    same_classes: bool

    @property
    def sentence(self) -> str:
        """The comparison in words."""
        if self.low <= 0 <= self.high:
            limits = f"{_points(self.low)} to {_points(self.high)}"
            what = f"(difference {_points(self.difference)} points, {limits}, n = {self.n:,})"
            return f"{self.a} and {self.b} are not distinguishable {what}"
        better, worse = (self.a, self.b) if self.difference > 0 else (self.b, self.a)
        low, high = sorted((abs(self.low), abs(self.high)))
        by = f"{_points(abs(self.difference))} points ({_points(low)} to {_points(high)})"
        return f"{better} beats {worse} by {by}, n = {self.n:,}"


def compare(a: Judged, b: Judged) -> Comparison:
    """Compare two models on the photos that both judged.

    Accuracy has the interval of `paired_difference`, macro-F1 that of the bootstrap; both draw or weigh whole groups.

    Raises:
        DataError: They share too few photos, or disagree on what these show.
    """
    rows_a, rows_b = shared_rows(a, b)
    label_N = np.array(a.labels)[rows_a]
    named_a_N, named_b_N = np.array(a.predicted)[rows_a], np.array(b.predicted)[rows_b]
    names, number = np.unique(np.concatenate([label_N, named_a_N, named_b_N]), return_inverse=True)
    true_N, number_a_N, number_b_N = np.split(number, 3)
    group_N = join_groups(a.group_N[rows_a], b.group_N[rows_b])
    right_a_N, right_b_N = number_a_N == true_N, number_b_N == true_N

    def f1_difference(rows: IntArray) -> float:
        count_a_KK, count_b_KK = (
            confusion_matrix(true_N[rows], each_N[rows], n_classes=len(names)) for each_N in (number_a_N, number_b_N)
        )
        return macro_f1(count_a_KK) - macro_f1(count_b_KK)

    difference, low, high = paired_difference(right_a_N, right_b_N, group_N)
    f1_low, f1_high = bootstrap_interval(f1_difference, group_N, limits=(-1.0, 1.0))
    only_a, only_b = int(np.sum(right_a_N & ~right_b_N)), int(np.sum(right_b_N & ~right_a_N))
    return Comparison(
        a=a.name,
        b=b.name,
        n=len(label_N),
        accuracy_a=float(right_a_N.mean()),
        accuracy_b=float(right_b_N.mean()),
        difference=difference,
        low=low,
        high=high,
        macro_f1_difference=f1_difference(np.arange(len(label_N))),
        macro_f1_low=f1_low,
        macro_f1_high=f1_high,
        only_a=only_a,
        only_b=only_b,
        p=mcnemar_p(only_a, only_b),
        same_classes=set(a.classes) == set(b.classes),
    )


def mcnemar_p(only_a: int, only_b: int) -> float:
    """Two-sided p of McNemar's exact test: how likely chance shares the photos that one alone has right so unevenly.

    The binomial test of `only_a` against `only_b` at one half. Source: Agresti, "Categorical Data Analysis" (2002),
    section 10.1.4.

    >>> round(mcnemar_p(1, 8), 6)
    0.039062
    """
    n = only_a + only_b
    tail = sum(comb(n, k) for k in range(min(only_a, only_b) + 1))
    return float(min(1.0, 2 * tail / 2**n))  # whole numbers, so that n may be large


def shared_rows(a: Judged, b: Judged) -> tuple[IntArray, IntArray]:
    """Rows of a and of b with the same photo, in the order of a.

    Raises:
        DataError: They share too few photos, or disagree on what these show.
    """
    row_of = {key: row for row, key in enumerate(b.keys)}
    pairs = [(row, row_of[key]) for row, key in enumerate(a.keys) if key in row_of]
    both = f"{printable(a.name)} and {printable(b.name)}"
    if len(pairs) < FEWEST:
        raise DataError(
            f"{both} judged {len(pairs)} of the same photos, and fewer than {FEWEST} tell nothing: "
            "take more photos, or the same split for both (split.file)."
        )
    other = [(a.labels[i], b.labels[j]) for i, j in pairs if a.labels[i] != b.labels[j]]
    if other:
        one, two = map(printable, other[0])
        raise DataError(
            f"{both} cannot be compared: {len(other)} of {len(pairs)} photos have other labels, such as {one!r} here "
            f"and {two!r} there."
        )
    rows_a, rows_b = np.array(pairs, dtype=np.int64).T
    return rows_a, rows_b


def join_groups(group_a_N: IntArray, group_b_N: IntArray) -> IntArray:
    """Groups in which photos stand that either side takes for related; negative numbers are no group."""
    n = len(group_a_N)
    parent = list(range(n))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for group_N in (group_a_N, group_b_N):
        first: dict[int, int] = {}
        for row, group in enumerate(group_N.tolist()):
            if group >= 0:
                parent[root(row)] = root(first.setdefault(group, row))
    return np.array([root(row) for row in range(n)], dtype=np.int64)


def _points(difference: float) -> str:
    return f"{100 * difference:.1f}".replace("-0.0", "0.0")
