"""Every class in every drawn part, and in more than one fold: what balancing alone does not promise.

Rounding, and groups that hold most of a class, would otherwise leave a part without a class, or a fold's head without
photos of it. Shape letters as in `photograft.data.assign`.
"""

from __future__ import annotations

import numpy as np

from photograft.data.assign import Groups
from photograft.values import IntArray

GROUPS_TO_FOLD = 2
"""Independent groups that a class needs for cross-validation: one to be judged, and one to learn from."""


def cover_parts(bin_G: IntArray, groups: Groups, names: list[str], *, n_classes: int, n_folds: int) -> IntArray:
    """Move groups so that every part has every class, and the folds two groups of it and `n_folds` in all.

    `names` are the parts that `bin_G` numbers, train first; a class of rows without a class comes behind `n_classes`.
    """
    parts = _Bins(bin_G, groups, len(names), n_classes)
    test = names.index("test") if "test" in names else -1
    for k in range(n_classes):
        for part in range(len(names)):
            if not parts.groups_BK[part, k]:
                parts.move_spare(groups.of_class[k], part, k)
        if test >= 0 and parts.groups_BK[:, k].sum() - parts.groups_BK[test, k] < GROUPS_TO_FOLD:
            parts.move_spare(groups.of_class[k], 0, k, only_from=test)
    everything = np.arange(groups.n_groups)
    while test >= 0 and (parts.bin_G != test).sum() < n_folds and parts.move_spare(everything, 0, 0, only_from=test):
        pass
    return parts.bin_G


def cover_folds(fold_G: IntArray, groups: Groups, *, n_folds: int, n_classes: int) -> IntArray:
    """Move groups so that no fold is empty and no class is in one fold alone, where there are groups enough."""
    folds = _Bins(fold_G, groups, n_folds, n_classes)
    for fold in range(n_folds):
        if not folds.n_B[fold]:
            fullest = int(np.argmax(folds.n_B))
            if folds.n_B[fullest] > 1:
                inside = np.flatnonzero(folds.bin_G == fullest)
                folds.move(int(inside[np.argmin(groups.size_G[inside])]), fold)
    for k in range(n_classes):
        if len(groups.of_class[k]) >= GROUPS_TO_FOLD and (folds.groups_BK[:, k] > 0).sum() == 1:
            folds.spread(k)
    return folds.bin_G


class _Bins:
    """Which bin each group is in, with the groups per bin (B,) and per bin and class (B, K)."""

    def __init__(self, bin_G: IntArray, groups: Groups, n_bins: int, n_classes: int) -> None:
        self.bin_G, self.groups, self.n_classes = bin_G.copy(), groups, n_classes
        self.groups_BK = groups.count_groups(bin_G, n_bins)
        self.n_B = np.bincount(bin_G, minlength=n_bins)

    def move(self, group: int, to: int) -> None:
        classes, _ = self.groups.entries(group)
        for bin_, change in ((self.bin_G[group], -1), (to, 1)):
            self.groups_BK[bin_, classes] += change
            self.n_B[bin_] += change
        self.bin_G[group] = to

    def move_spare(self, among: IntArray, to: int, k: int, *, only_from: int | None = None) -> bool:
        """Move the smallest group that is not in the bin and whose own keeps each of its classes; whether there is one.

        Of equal sizes, the one from the bin that has most groups of class k.
        """
        spare = []
        for group in among[self.bin_G[among] != to].tolist():
            bin_ = self.bin_G[group]
            classes, _ = self.groups.entries(group)
            if only_from in (None, bin_) and (self.groups_BK[bin_, classes[classes < self.n_classes]] > 1).all():
                spare.append((int(self.groups.size_G[group]), -int(self.groups_BK[bin_, k]), group))
        if spare:
            self.move(min(spare)[2], to)
        return bool(spare)

    def spread(self, k: int) -> None:
        """Move the smallest group of class k to the bin with fewest groups that leaves none of its classes alone."""
        of_class = self.groups.of_class[k]
        n_K = self.groups_BK.sum(axis=0)
        for group in of_class[np.argsort(self.groups.size_G[of_class], kind="stable")].tolist():
            classes, _ = self.groups.entries(group)
            shared = classes[n_K[classes] >= GROUPS_TO_FOLD]
            for bin_ in np.argsort(self.n_B, kind="stable").tolist():
                if bin_ != self.bin_G[group] and (n_K[shared] - self.groups_BK[bin_, shared] > 1).all():
                    return self.move(group, bin_)
        return None
