"""What a linear head of each kind is fitted to. Shape letters: N photos, K outputs of the head, F folds, Q problems.

A `softmax` is one problem. The other kinds ask yes-or-no questions (metrics/links.py), each a problem of its own:
`binary` one, `ordinal` one per class but the highest, of the photos that lie at it or above, `sigmoid` one per label.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from photograft.config.train import Balance
from photograft.errors import TrainingError
from photograft.metrics import links
from photograft.training.balance import class_weights
from photograft.training.basis import Basis
from photograft.training.descent import Problems
from photograft.values import BoolArray, DoubleArray, FloatArray, HeadKind, IntArray

_LARGEST_LOSS = -np.log(1e-15)
"""Of one photo: else a single one that is off without bounds would choose the penalty."""


@dataclass(frozen=True)
class Objective:
    """The truth about N photos, the kind of head that learns it, and how much each photo counts.

    `truth` holds class indices (N,), or, of kind `sigmoid`, which labels each photo has (N, K).
    """

    truth: links.Truth
    n_classes: int
    kind: HeadKind = "softmax"
    balance: Balance = "none"
    beta: float = 0.99

    def check(self, n_photos: int) -> None:
        """Refuse a truth that nothing can be learned from.

        Raises:
            TrainingError: All photos are the same.
        """
        if len(self.truth) != n_photos:
            raise ValueError("features and labels must have the same length")
        if self.kind == "sigmoid":
            if not np.any(self.truth.any(axis=0) & ~self.truth.all(axis=0)):
                raise TrainingError("Training needs a label that some photos have and others have not.")
        elif len(np.unique(self.truth)) < 2:
            raise TrainingError("Training needs photos of at least two classes.")

    @property
    def label_N(self) -> IntArray:
        """What a photo's weight depends on: its class; 0 of photos with several labels."""
        return np.zeros(len(self.truth), np.int64) if self.kind == "sigmoid" else self.truth.astype(np.int64)

    def counts(self, rows_N: BoolArray) -> IntArray:
        """Photos of each class among the given rows, (K,); of kind `sigmoid` how many there are, (1,)."""
        return np.bincount(self.label_N[rows_N], minlength=1 if self.kind == "sigmoid" else self.n_classes)

    def label_weights(self, count_K: IntArray) -> DoubleArray:
        """What a photo of each class weighs among photos of these counts.

        Photos with several labels weigh the same, whatever `balance` says: a weight for one label would be one for
        the others that the photo has.
        """
        if self.kind == "sigmoid" or self.balance == "none":
            return np.ones(len(count_K))
        # All photos are looked at in each step: drawing classes equally often is weighing them.
        balance: Balance = "balanced" if self.balance == "sampled" else self.balance
        return class_weights(count_K, balance, beta=self.beta)

    def photo_weights(self, rows_N: BoolArray) -> FloatArray:
        """Weight of each photo, from the labels of the given rows alone; the other rows get 0."""
        weight_K = self.label_weights(self.counts(rows_N))
        return np.asarray(rows_N * weight_K[self.label_N], dtype=np.float32)

    def losses(self, logits_NK: FloatArray) -> DoubleArray:
        """Negative log likelihood of each photo, shape (N,)."""
        probability_NK = links.probabilities(self.kind, logits_NK)
        loss_N = links.losses(self.kind, probability_NK, self.truth)
        return np.asarray(np.minimum(loss_N, _LARGEST_LOSS))

    def problems(self, basis: Basis, rows_FN: BoolArray) -> Problems:
        """One problem, or one per question, for each row of `rows_FN`, on the photos that it marks."""
        weight_FN = np.stack([self.photo_weights(rows_N) for rows_N in rows_FN])
        label_QN, asked_QN = self._asked()
        weight_FQN = np.broadcast_to(weight_FN[:, None], (len(rows_FN), *label_QN.shape))
        return Problems(
            basis.rotated_NR,
            basis.eigenvalue_R,
            basis.weight_N,
            label_QN,
            weight_FQN if asked_QN is None else weight_FQN * asked_QN,
            n_outputs=self.n_classes if self.kind == "softmax" else 1,
        )

    def _asked(self) -> tuple[links.Truth, BoolArray | None]:
        """The classes of each problem (Q, N), and the photos that it asks where that is not all of them."""
        if self.kind == "softmax":
            return self.truth[None], None
        if self.kind == "sigmoid":
            return np.ascontiguousarray(self.truth.T, dtype=bool), None
        class_Q1 = np.arange(self.n_classes - 1)[:, None]
        return self.truth > class_Q1, self.truth >= class_Q1
