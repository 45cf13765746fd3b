"""The number of epochs that folds choose together. Shape letters: N photos, M outputs of all targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from photograft.metrics.links import Truth
from photograft.training.judging import judge
from photograft.values import BoolArray, FloatArray, IntArray, Target


@dataclass(frozen=True)
class EpochChoice:
    """Every fold's photos, judged after each epoch by the model that has not seen them.

    `judged` holds for each fold the logits (n, M) of its photos by epoch, counted from 1; a fold that ended early is
    taken as it ended. `fold_N` says which photos these are, in their order, and `truth` what is true of all N, an array
    per target. With `last_only` the last epoch is the only one to choose.
    """

    judged: Sequence[dict[int, FloatArray]]
    fold_N: IntArray
    truth: Sequence[Truth]
    targets: Sequence[Target]
    last_only: bool = False

    def of_all(self) -> tuple[FloatArray, int]:
        """Logits (N, M) after the epoch with the lowest calibrated loss over all photos, and the epoch."""
        epoch = self._best(np.ones(len(self.fold_N), bool))
        return self._logits(epoch), epoch

    def honest(self) -> FloatArray:
        """Logits (N, M) of each fold after the epoch that the other folds' photos chose."""
        honest_NM = self._logits(self._epochs[-1])
        for fold in range(len(self.judged)):
            held = self.fold_N == fold
            honest_NM[held] = self._logits(self._best(~held))[held]
        return honest_NM

    @property
    def _epochs(self) -> list[int]:
        found = sorted({epoch for judged in self.judged for epoch in judged})
        return found[-1:] if self.last_only else found

    def _best(self, chosen: BoolArray) -> int:
        """The epoch with the lowest calibrated loss over the chosen photos; of equals the first."""
        truth = [each[chosen] for each in self.truth]
        return min(self._epochs, key=lambda epoch: judge(self._logits(epoch)[chosen], truth, self.targets)[2])

    def _logits(self, epoch: int) -> FloatArray:
        logits_NM = np.empty((len(self.fold_N), sum(target.n_outputs for target in self.targets)), np.float32)
        for fold, judged in enumerate(self.judged):
            logits_NM[self.fold_N == fold] = judged[min(epoch, max(judged))]
        return logits_NM
