"""What one pass over a feature table sums up, block by block: the seam between the solver and whoever holds the rows.

Shape letters: N rows, D features, K classes, B rows of a block, J draws of the folds, G fits that are solved together,
M outputs of one fit, L labels that weights are kept by (K classes; 1 of kind `sigmoid`).

A work is a small picklable value that makes the sums of one block; sums of blocks are added up in the order of the
rows. So a pass gives the same numbers wherever the blocks are, and only sums travel: (G, M, D) numbers at most.

Source of the combined variance: T. Chan, G. Golub and R. LeVeque, "Updating formulae and a pairwise algorithm for
computing sample variances", COMPSTAT (1982).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

from photograft.errors import TrainingError
from photograft.metrics.links import Truth
from photograft.values import BoolArray, DoubleArray, FloatArray, HeadKind, IntArray

FoldArray = npt.NDArray[np.int16]
"""Fold numbers of many rows, which live as long as a fit."""

_LARGEST_LOSS = -np.log(1e-15)
"""Of one row, as in training/objective.py."""
_AT_ONCE = 1_000_000
"""Logits that are worked on together: some megabytes, whatever the size of a block."""


@dataclass(frozen=True)
class Block:
    """Some consecutive rows: their place among all, raw features, truth, and fold number in every draw."""

    place: slice
    features_BD: FloatArray
    truth: Truth
    draws_JB: FoldArray


class Sum(Protocol):
    """Sums of some rows."""

    def __add__(self, other: Self) -> Self: ...


S = TypeVar("S", bound=Sum)
S_co = TypeVar("S_co", bound=Sum, covariant=True)


class Work(Protocol[S_co]):
    """Makes the sums of one block; pickles."""

    def __call__(self, block: Block) -> S_co:
        """The sums of a block."""
        ...


class Passes(Protocol):
    """Reads all rows once per call, in blocks, and adds up what a work makes of them."""

    @property
    def n_rows(self) -> int:
        """Of all blocks."""
        ...

    @property
    def n_columns(self) -> int:
        """Features of a row."""
        ...

    def sums(self, work: Work[S]) -> S:
        """The sums of all rows."""
        ...

    def logits(self, work: HeldLogits) -> Iterator[FloatArray]:
        """The work's logits of every block, in the order of the rows."""
        ...


@dataclass(frozen=True)
class Scale:
    """What standardises the features; a feature that never varies becomes 0."""

    mean_D: FloatArray
    scale_D: FloatArray

    def apply(self, features_BD: FloatArray) -> FloatArray:
        """The features standardised."""
        standard_BD = np.asarray(features_BD - self.mean_D, dtype=np.float32)
        standard_BD /= self.scale_D
        return standard_BD


@dataclass(frozen=True)
class MomentSums:
    """Count, mean and squared deviations of the rows, their sum under the weights, and the sampled rows of them."""

    n: int
    mean_D: DoubleArray
    square_D: DoubleArray
    centre_D: DoubleArray
    weight: float
    sample: list[FloatArray]

    def __add__(self, other: MomentSums) -> MomentSums:
        n = self.n + other.n
        step_D = other.mean_D - self.mean_D
        return MomentSums(
            n,
            self.mean_D + step_D * (other.n / n),
            self.square_D + other.square_D + step_D**2 * (self.n * other.n / n),
            self.centre_D + other.centre_D,
            self.weight + other.weight,
            self.sample + other.sample,
        )

    def scale(self) -> Scale:
        """The weighted mean, and the standard deviation over all rows alike, as training/basis.py has them."""
        centre_D = self.centre_D / self.weight
        scale_D = np.sqrt(self.square_D / self.n)
        scale_D = np.where(scale_D > 1e-6 + 1e-5 * np.abs(centre_D), scale_D, np.inf)
        return Scale(centre_D.astype(np.float32), scale_D.astype(np.float32))


@dataclass(frozen=True)
class Moments:
    """Sums the moments of the features; `weight_L` weighs rows by label, `sample_rows` (ascending) are kept.

    Raises:
        TrainingError: A feature is not finite.
    """

    weight_L: DoubleArray
    sample_rows: IntArray

    def __call__(self, block: Block) -> MomentSums:
        """The moments of a block."""
        if not np.isfinite(block.features_BD).all():
            raise TrainingError("The features hold values that are not finite: make them again.")
        weight_B = self.weight_L[_label(block.truth)]
        rest_BD = block.features_BD.astype(np.float64)
        centre_D, mean_D = weight_B @ rest_BD, rest_BD.mean(0)
        rest_BD -= mean_D
        square_D = np.einsum("bd,bd->d", rest_BD, rest_BD)
        first, last = np.searchsorted(self.sample_rows, [block.place.start, block.place.stop])
        sample_BD = block.features_BD[self.sample_rows[first:last] - block.place.start]
        return MomentSums(len(rest_BD), mean_D, square_D, centre_D, float(weight_B.sum()), [sample_BD])


@dataclass(frozen=True)
class Fits:
    """G fits, each without the rows that draw `draw_G` puts into fold `fold_G`.

    `weight_GML` is what a row of each label weighs in each output of a fit (of a softmax M = 1: in all of them); it is
    0 where the row is not asked, and sums to 1 over the rows of a fit.
    """

    draw_G: IntArray
    fold_G: IntArray
    weight_GML: FloatArray

    def only(self, chosen: IntArray) -> Fits:
        """Some of the fits."""
        return Fits(self.draw_G[chosen], self.fold_G[chosen], self.weight_GML[chosen])

    def held(self, draws_JB: FoldArray) -> BoolArray:
        """The rows that each fit leaves out, (G, B)."""
        return np.asarray(draws_JB[self.draw_G] == self.fold_G[:, None])


@dataclass(frozen=True)
class LossSums:
    """Loss (G, M; of a softmax M = 1), its gradients, and the losses of the rows left out."""

    loss_GM: DoubleArray
    gradient_GMD: DoubleArray
    gradient_GM: DoubleArray
    held_GL: DoubleArray

    def __add__(self, other: LossSums) -> LossSums:
        return LossSums(
            self.loss_GM + other.loss_GM,
            self.gradient_GMD + other.gradient_GMD,
            self.gradient_GM + other.gradient_GM,
            self.held_GL + other.held_GL,
        )


@dataclass(frozen=True)
class Losses:
    """Sums loss and gradient of all fits at their weights on standardised features."""

    kind: HeadKind
    scale: Scale
    fits: Fits
    weight_GMD: FloatArray
    bias_GM: FloatArray

    def __call__(self, block: Block) -> LossSums:
        """The losses of a block, a part at a time."""
        n_fits, n_outputs, _ = self.weight_GMD.shape
        size = max(_AT_ONCE // (n_fits * n_outputs), 64)
        starts = range(0, len(block.features_BD), size)
        parts = (self._sums(block, slice(i, min(i + size, len(block.features_BD)))) for i in starts)
        total = next(parts)
        for part in parts:
            total = total + part
        return total

    def _sums(self, block: Block, part: slice) -> LossSums:
        standard_BD = self.scale.apply(block.features_BD[part])
        n_fits, n_outputs, d = self.weight_GMD.shape
        logits_GMB = (self.weight_GMD.reshape(-1, d) @ standard_BD.T).reshape(n_fits, n_outputs, -1)
        logits_GMB += self.bias_GM[:, :, None]
        truth, held_GB = block.truth[part], self.fits.held(block.draws_JB[:, part])
        weight_GMB = self.fits.weight_GML[:, :, _label(truth)] * ~held_GB[:, None]
        if self.kind == "softmax":
            chance_GMB, yes_MB, loss_GMB = _softmax_losses(logits_GMB, truth)
        else:
            chance_GMB, yes_MB, loss_GMB = _question_losses(self.kind, logits_GMB, truth)
        chance_GMB -= yes_MB
        chance_GMB *= weight_GMB
        return LossSums(
            _total(weight_GMB * loss_GMB),
            (chance_GMB.reshape(-1, len(standard_BD)) @ standard_BD).reshape(n_fits, n_outputs, d).astype(np.float64),
            _total(chance_GMB),
            self._held(loss_GMB, truth, held_GB),
        )

    def _held(self, loss_GMB: FloatArray, truth: Truth, held_GB: BoolArray) -> DoubleArray:
        """Negative log likelihood of the rows left out, by label; metrics/links.py has what it is for each kind."""
        label_B, n_labels = _label(truth), self.fits.weight_GML.shape[2]
        asked_MB = 1 if self.kind == "softmax" else _asked(self.kind, truth, loss_GMB.shape[1])
        loss_GB = (loss_GMB * asked_MB).sum(1)
        loss_GB = np.minimum(loss_GB / loss_GMB.shape[1] if self.kind == "sigmoid" else loss_GB, _LARGEST_LOSS)
        return np.stack(
            [
                np.bincount(label_B[held_B], loss_B[held_B], minlength=n_labels)
                for loss_B, held_B in zip(loss_GB, held_GB, strict=True)
            ]
        )


@dataclass(frozen=True)
class HeldLogits:
    """Makes the logits of every row by T tables: in each the fit that a draw and a fold of it name.

    `weight_TFMD` is on standardised features; `draw_T` is the draw whose folds choose among the F fits.
    """

    scale: Scale
    weight_TFMD: FloatArray
    bias_TFM: FloatArray
    draw_T: IntArray

    def __call__(self, block: Block) -> FloatArray:
        """Logits (B, T x M)."""
        n_tables, n_folds, n_outputs, _ = self.weight_TFMD.shape
        standard_BD = self.scale.apply(block.features_BD)
        logits_TBM = np.empty((n_tables, len(block.features_BD), n_outputs), np.float32)
        for t in range(n_tables):
            for f in range(n_folds):
                held = np.flatnonzero(block.draws_JB[self.draw_T[t]] == f)
                logits_TBM[t, held] = standard_BD[held] @ self.weight_TFMD[t, f].T + self.bias_TFM[t, f]
        return np.ascontiguousarray(logits_TBM.transpose(1, 0, 2)).reshape(len(block.features_BD), -1)


def yes_of(label: IntArray, n_outputs: int) -> BoolArray:
    """The answer to each question, (M, ...), for rows of these classes."""
    return np.asarray(label > np.arange(n_outputs).reshape(-1, *[1] * label.ndim))


def asked_of(label: IntArray, n_outputs: int) -> BoolArray:
    """Whether each question is asked, (M, ...), of rows of these classes."""
    return np.asarray(label >= np.arange(n_outputs).reshape(-1, *[1] * label.ndim))


def _label(truth: Truth) -> IntArray:
    """What a row's weight is looked up by: its class; photos with several labels weigh the same."""
    return np.zeros(len(truth), np.int64) if truth.ndim == 2 else truth.astype(np.int64)


def _asked(kind: HeadKind, truth: Truth, n_outputs: int) -> BoolArray:
    return np.ones((n_outputs, len(truth)), bool) if kind == "sigmoid" else asked_of(_label(truth), n_outputs)


def _softmax_losses(logits_GMB: FloatArray, truth: Truth) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Probabilities, one-hot labels, and the loss (G, 1, B), from logits that are overwritten."""
    label_B = _label(truth)
    logits_GMB -= logits_GMB.max(1, keepdims=True)
    own_GB = logits_GMB[:, label_B, np.arange(len(label_B))]
    np.exp(logits_GMB, out=logits_GMB)
    sum_G1B = logits_GMB.sum(1, keepdims=True)
    logits_GMB /= sum_G1B
    yes_MB = (label_B == np.arange(logits_GMB.shape[1])[:, None]).astype(np.float32)
    return logits_GMB, yes_MB, np.log(sum_G1B) - own_GB[:, None]


def _question_losses(kind: HeadKind, logits_GMB: FloatArray, truth: Truth) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Probabilities of yes, the answers, and the loss of each question, (G, M, B)."""
    n_outputs = logits_GMB.shape[1]
    yes_MB = truth.T if kind == "sigmoid" else yes_of(_label(truth), n_outputs)
    wrong_GMB = np.where(yes_MB, -logits_GMB, logits_GMB)
    loss_GMB = np.maximum(wrong_GMB, 0) + np.log1p(np.exp(-np.abs(wrong_GMB)))
    # The logistic function in a form that does not overflow.
    chance_GMB = np.float32(0.5) * np.tanh(np.float32(0.5) * logits_GMB) + np.float32(0.5)
    return chance_GMB, yes_MB.astype(np.float32), loss_GMB


def _total(numbers_GMB: FloatArray) -> DoubleArray:
    return np.asarray(numbers_GMB.sum(2, dtype=np.float64))
