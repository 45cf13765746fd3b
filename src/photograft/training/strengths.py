"""Which L2 strengths cross-validation tries, and which it chooses.

Shape letters: F folds, L labels that weights are kept by (the classes; 1 of kind `sigmoid`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from photograft.values import DoubleArray, IntArray

STRENGTHS = (1.0, 0.3, 0.1, 0.03, 0.01)
"""Penalties that cross-validation tries first, strongest first; it goes on beyond either end while that helps."""

_STRENGTH_LIMITS = (1e-4, 100.0)
_WORTHWHILE = 0.02


class StrengthSearch:
    """Losses of the rows of each fold and label, summed, out of fold, at every strength that was tried.

    `attempt` solves some strengths and returns these sums (F, L) of each; `count_FL` counts the rows, and `weigh` says
    what a row of each label weighs among rows of these counts.
    """

    def __init__(
        self,
        attempt: Callable[[tuple[float, ...]], list[DoubleArray]],
        count_FL: IntArray,
        weigh: Callable[[IntArray], DoubleArray],
    ) -> None:
        self._attempt, self._count_FL, self._weigh = attempt, count_FL, weigh
        self.loss_FL: dict[float, DoubleArray] = {}

    def run(self, strengths: tuple[float, ...], *, extend: bool, frugal: bool) -> None:
        """Try the strengths: all at once, or, where `frugal`, one by one without those that cannot win."""
        if frugal:
            self._walk_down(strengths)
        else:
            self._try(*strengths)
        while extend:
            best = self.best()
            if best == min(self.loss_FL) and best / 3 >= _STRENGTH_LIMITS[0]:
                following = float(f"{best / 3:.1g}")
            elif best == max(self.loss_FL) and best * 3 <= _STRENGTH_LIMITS[1]:
                following = float(f"{best * 3:.1g}")
            else:
                return
            self._try(following)
            # Photos that are told apart perfectly gain a little from every weaker penalty, without end.
            if self.mean_loss(following) > (1 - _WORTHWHILE) * self.mean_loss(best):
                return

    def best(self, *, without: int | None = None) -> float:
        """The strength with the lowest loss, of all folds or all but one; the stronger penalty wins a tie."""
        return min(sorted(self.loss_FL, reverse=True), key=lambda s: self.mean_loss(s, without=without))

    def mean_loss(self, strength: float, *, without: int | None = None) -> float:
        """Weighted mean of the out-of-fold log loss, over all folds or all but one, from their labels alone."""
        folds_F = np.arange(len(self._count_FL)) != without
        count_L = self._count_FL[folds_F].sum(0)
        weight_L = self._weigh(count_L)
        return float(self.loss_FL[strength][folds_F].sum(0) @ weight_L / (count_L @ weight_L))

    def _walk_down(self, strengths: tuple[float, ...]) -> None:
        """From the middle to weaker penalties, then to stronger ones, as long as the loss falls: it has one valley."""
        middle = len(strengths) // 2
        self._try(strengths[middle])
        for way in (strengths[middle + 1 :], strengths[:middle][::-1]):
            for strength in way:
                best = self.best()
                self._try(strength)
                if self.best() == best:
                    break
            if self.best() != strengths[middle]:
                return

    def _try(self, *strengths: float) -> None:
        self.loss_FL.update(zip(strengths, self._attempt(strengths), strict=True))
