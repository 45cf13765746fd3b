"""How much every row counts in every fit, from labels and folds alone, and which rows stand for all of them.

Shape letters: N rows, K classes, M outputs of a head, F folds, J draws of the folds, G fits, L labels that weights are
kept by (K classes; 1 of kind `sigmoid`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from photograft.training.objective import Objective
from photograft.training.passes import Fits, FoldArray, asked_of, yes_of
from photograft.values import DoubleArray, IntArray


@dataclass(frozen=True)
class Asked:
    """One fit: on the rows that a draw does not put into a fold, at a strength."""

    draw: int
    fold: int
    strength: float


@dataclass(frozen=True)
class FoldRows:
    """The objective on some rows, whose fold in each draw `draws_JN` holds."""

    objective: Objective
    draws_JN: FoldArray

    @property
    def n_outputs(self) -> int:
        """Outputs of a head."""
        return self.objective.n_classes - (self.objective.kind in ("binary", "ordinal"))

    @property
    def n_questions(self) -> int:
        """Independent functions of one fit: a softmax is one."""
        return 1 if self.objective.kind == "softmax" else self.n_outputs

    def only(self, rows: IntArray) -> FoldRows:
        """The same on some of the rows."""
        return FoldRows(replace(self.objective, truth=self.objective.truth[rows]), self.draws_JN[:, rows])

    def fits(self, asked: Sequence[Asked], *, whole: FoldRows | None = None) -> Fits:
        """The fits on these rows; with each label weighing as much as in the `whole` of which they are a sample."""
        label_L = np.arange(len(self.objective.counts(np.zeros(len(self.draws_JN[0]), bool))))
        weight_GML = np.zeros((len(asked), self.n_questions, len(label_L)))
        for g, one in enumerate(asked):
            count_L = self.objective.counts(self.draws_JN[one.draw] != one.fold)
            wanted_L = count_L if whole is None else whole.objective.counts(whole.draws_JN[one.draw] != one.fold)
            weight_GML[g] = self.objective.label_weights(wanted_L) * wanted_L / np.maximum(count_L, 1)
            if self.objective.kind in ("binary", "ordinal"):
                weight_GML[g] *= asked_of(label_L, self.n_questions)
            weight_GML[g] /= np.maximum(weight_GML[g] @ count_L, 1e-30)[:, None]
        draw_G, fold_G = np.array([one.draw for one in asked]), np.array([one.fold for one in asked])
        return Fits(draw_G, fold_G, weight_GML.astype(np.float32))

    def answers(self, asked: Sequence[Asked]) -> tuple[DoubleArray, DoubleArray]:
        """How many rows each question of a fit is asked of, and how many of them say yes: (G, M) each."""
        numbers = np.zeros((2, len(asked), self.n_questions))
        for g, one in enumerate(asked):
            in_N = self.draws_JN[one.draw] != one.fold
            count_L = self.objective.counts(in_N)
            if self.objective.kind == "sigmoid":
                numbers[0, g], numbers[1, g] = count_L[0], self.objective.truth[in_N].sum(0)
            else:
                label_L = np.arange(len(count_L))
                numbers[0, g] = asked_of(label_L, self.n_questions) @ count_L
                numbers[1, g] = yes_of(label_L, self.n_questions) @ count_L
        return numbers[0], numbers[1]

    def sample(self, size: int) -> IntArray:
        """About `size` of the rows, ascending, the same on every run: of each class its share, or enough to know it."""
        n, rng = len(self.draws_JN[0]), np.random.default_rng(0)
        if n <= size:
            return np.arange(n)
        if self.objective.kind == "sigmoid":
            return np.sort(rng.choice(n, size, replace=False))
        chosen = []
        for label in range(self.objective.n_classes):
            of_label = np.flatnonzero(self.objective.truth == label)
            wanted = max(size * len(of_label) // n, size // (4 * self.objective.n_classes))
            chosen.append(rng.choice(of_label, min(wanted, len(of_label)), replace=False))
        return np.sort(np.concatenate(chosen))
