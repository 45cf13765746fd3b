"""Groups of photos to bins (parts or folds), so that every class is divided by the bins' shares.

Shape letters: N rows, G groups, K classes, B bins, E entries (a group and a class that it has rows of).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from photograft.values import BoolArray, DoubleArray, IntArray

_MOVES_TRIED = 256
_MOVES = 5000


@dataclass(frozen=True)
class Groups:
    """G groups of rows, numbered as they first appear, and how many rows of each class every group has.

    Entry e says that group `group_E[e]` has `count_E[e]` rows of class `class_E[e]`; entries are sorted by group.
    """

    group_N: IntArray
    group_E: IntArray
    class_E: IntArray
    count_E: IntArray
    n_groups: int
    n_classes: int

    @cached_property
    def start_G(self) -> IntArray:
        """Where the entries of each group start, and behind the last one where they end, shape (G + 1,)."""
        return np.searchsorted(self.group_E, np.arange(self.n_groups + 1)).astype(np.int64)

    @cached_property
    def size_G(self) -> IntArray:
        """Number of rows per group; a row of several classes counts once for each."""
        return np.bincount(self.group_E, weights=self.count_E, minlength=self.n_groups).astype(np.int64)

    @cached_property
    def of_class(self) -> list[IntArray]:
        """The groups of each class."""
        order_E = np.argsort(self.class_E, kind="stable")
        ends_K = np.cumsum(np.bincount(self.class_E, minlength=self.n_classes))
        return np.split(self.group_E[order_E], ends_K[:-1])

    def entries(self, group: int) -> tuple[IntArray, IntArray]:
        """The classes of one group, and its number of rows of each."""
        span = slice(int(self.start_G[group]), int(self.start_G[group + 1]))
        return self.class_E[span], self.count_E[span]

    def count(self, bin_G: IntArray, n_bins: int) -> DoubleArray:
        """Rows per bin and class, shape (B, K)."""
        cell_E = bin_G[self.group_E] * self.n_classes + self.class_E
        counts = np.bincount(cell_E, weights=self.count_E, minlength=n_bins * self.n_classes)
        return counts.reshape(n_bins, self.n_classes).astype(np.float64)

    def count_groups(self, bin_G: IntArray, n_bins: int) -> IntArray:
        """Groups per bin and class, shape (B, K)."""
        cell_E = bin_G[self.group_E] * self.n_classes + self.class_E
        return np.bincount(cell_E, minlength=n_bins * self.n_classes).reshape(n_bins, self.n_classes).astype(np.int64)


def assign_groups(
    member_NK: BoolArray, group_N: IntArray, share_B: DoubleArray, *, rng: np.random.Generator
) -> IntArray:
    """Give each group to one of B bins so that every class is divided by the shares; returns the bin of each row.

    `member_NK` says which row has which classes. Large groups go first, to the bin that lacks most rows of the
    group's classes; single rows of one class then fill each class exactly, up to rounding. Where groups of mixed
    classes leave a class further from its share than its largest group, groups are moved as long as that helps.
    Groups are shuffled by `rng` before; their numbers do not matter.
    """
    groups = count_groups(member_NK, group_N)
    bin_G = assign_counted(groups, share_B, rng=rng)
    return np.asarray(bin_G[groups.group_N], dtype=np.int64)


def count_groups(member_NK: BoolArray, group_N: IntArray) -> Groups:
    """The groups of the rows, with their rows per class. A row without a class counts as one of a class of its own."""
    group_N = number_groups(group_N)
    n_groups = int(group_N.max(initial=-1)) + 1
    without_N = ~member_NK.any(axis=1)
    n_classes = member_NK.shape[1] + int(without_N.any())
    row_M, class_M = np.nonzero(member_NK)
    if without_N.any():
        row_M = np.concatenate([row_M, np.flatnonzero(without_N)])
        class_M = np.concatenate([class_M, np.full(int(without_N.sum()), n_classes - 1)])
    cell_E, count_E = np.unique(group_N[row_M] * n_classes + class_M, return_counts=True)
    return Groups(group_N, cell_E // n_classes, cell_E % n_classes, count_E.astype(np.int64), n_groups, n_classes)


def number_groups(group_N: IntArray) -> IntArray:
    """The same groups numbered 0..G-1 in the order of their first rows."""
    _, first_G, inverse_N = np.unique(group_N, return_index=True, return_inverse=True)
    rank_G = np.empty(len(first_G), dtype=np.int64)
    rank_G[np.argsort(first_G)] = np.arange(len(first_G))
    return np.asarray(rank_G[inverse_N], dtype=np.int64)


def assign_counted(groups: Groups, share_B: DoubleArray, *, rng: np.random.Generator) -> IntArray:
    """As `assign_groups`, from counted groups; returns the bin of each group."""
    wanted_BK = share_B[:, None] * groups.count(np.zeros(groups.n_groups, dtype=np.int64), 1)
    missing_BK = wanted_BK.copy()
    bin_G = np.full(groups.n_groups, -1, dtype=np.int64)
    order_G = rng.permutation(groups.n_groups)
    nonzero_share_B = np.maximum(share_B, 1e-9)
    large = order_G[groups.size_G[order_G] > 1]
    for g in large[np.argsort(-groups.size_G[large], kind="stable")].tolist():
        class_, count = groups.entries(g)
        bin_G[g] = int(np.argmax(missing_BK[:, class_].sum(axis=1) / nonzero_share_B))
        missing_BK[bin_G[g], class_] -= count
    single_G = order_G[groups.size_G[order_G] == 1]
    class_of_single_G = groups.class_E[groups.start_G[single_G]]
    by_class = np.argsort(class_of_single_G, kind="stable")
    n_single_K = np.bincount(class_of_single_G, minlength=groups.n_classes)
    for k, singles in enumerate(np.split(single_G[by_class], np.cumsum(n_single_K)[:-1])):
        bin_G[singles] = _fill(len(singles), missing_BK[:, k], rng)
    return _improve(bin_G, groups, wanted_BK)


def _fill(n: int, missing_B: DoubleArray, rng: np.random.Generator) -> IntArray:
    """Numbers of bins for n rows of one class, as near to the missing counts as whole rows can be."""
    want_B = np.maximum(missing_B, 0)
    if n == 0:
        return np.zeros(0, dtype=np.int64)
    want_B = want_B * (n / want_B.sum()) if want_B.sum() > 0 else np.full(len(missing_B), n / len(missing_B))
    count_B = np.floor(want_B + 1e-9).astype(np.int64)
    # Largest remainders get the rest; ties are broken at random so that the first bin is not always the fullest.
    by_remainder = np.lexsort((rng.random(len(want_B)), -(want_B - count_B).round(9)))
    count_B[by_remainder[: n - int(count_B.sum())]] += 1
    return np.repeat(np.arange(len(count_B)), count_B)


def _improve(bin_G: IntArray, groups: Groups, wanted_BK: DoubleArray) -> IntArray:
    """Move groups, one at a time, until no class of any bin is further from its share than one group.

    Each move lessens the sum of squared deviations, in units of the largest group of the class, so that this ends. Of
    groups of one class each, a move helps as long as there is such a class; mixed ones may leave some.
    """
    largest_K = np.ones(groups.n_classes)
    np.maximum.at(largest_K, groups.class_E, groups.count_E)
    deviation_BK = (groups.count(bin_G, len(wanted_BK)) - wanted_BK) / largest_K
    stuck_BK = np.zeros(deviation_BK.shape, dtype=bool)
    for _ in range(_MOVES):
        too_far_BK = np.where(stuck_BK, 0, np.abs(deviation_BK))
        bin_, class_ = divmod(int(np.argmax(too_far_BK)), groups.n_classes)
        if too_far_BK[bin_, class_] <= 1 + 1e-9:
            break
        move = _best_move(bin_G, groups, deviation_BK, largest_K, bin_, class_)
        if move is None:
            stuck_BK[bin_, class_] = True
            continue
        group, to = move
        classes, count = groups.entries(group)
        deviation_BK[bin_G[group], classes] -= count / largest_K[classes]
        deviation_BK[to, classes] += count / largest_K[classes]
        bin_G[group] = to
        stuck_BK[:] = False
    return bin_G


def _best_move(
    bin_G: IntArray, groups: Groups, deviation_BK: DoubleArray, largest_K: DoubleArray, bin_: int, class_: int
) -> tuple[int, int] | None:
    """The (group, new bin) that lessens the squared deviations most, of moves that bring this bin nearer its share."""
    outwards = deviation_BK[bin_, class_] > 0
    of_class = groups.of_class[class_]
    candidates = of_class[(bin_G[of_class] == bin_) == outwards][:_MOVES_TRIED]
    best, chosen = -1e-9, None
    for group in candidates.tolist():
        classes, count = groups.entries(group)
        weight = count / largest_K[classes]
        change_B = 2 * (deviation_BK[:, classes] - deviation_BK[bin_G[group], classes] + weight) @ weight
        change_B[bin_G[group]] = 0
        to = int(np.argmin(change_B)) if outwards else bin_
        if change_B[to] < best:
            best, chosen = float(change_B[to]), (group, to)
    return chosen
