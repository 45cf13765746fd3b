"""What a sample of the rows knows about all: where the minimum is about, and how the objective curves.

Shape letters: S rows of the sample, D features, X = D + 1 variables with the bias last, M outputs, G fits.

The sample is standardised by the scale of all rows and rotated into its own principal axes, where the diagonal of the
Hessian is a good scale (D. Böhning, "Multinomial logistic regression algorithm", Ann. Inst. Stat. Math. 44 (1992)).
Newton's equations are solved by conjugate gradients with products alone: J. Nocedal and S. Wright, "Numerical
Optimization" (2006), algorithm 5.3; that a sample's Hessian will do: R. Byrd et al., "On the use of stochastic Hessian
information in optimization methods for machine learning", SIAM J. Optimization 21 (2011).
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass

import numpy as np

from photograft.features.matrix import row_blocks
from photograft.metrics.links import Truth
from photograft.training.passes import Block, Fits, FoldArray, S, Scale, Work
from photograft.values import DoubleArray, FloatArray, HeadKind, IntArray

_MAX_PRODUCTS = 40
_RESIDUAL = 0.3
"""Part of a vector, measured by the diagonal, that the solution of Newton's equations may leave."""
_LEAST_SPREAD = 1e-2


@dataclass(frozen=True)
class Sample:
    """Rows on their principal axes (S, D), with truth and folds, and the way from the axes to all features."""

    rotated_SD: FloatArray
    value_D: DoubleArray
    axes_DD: DoubleArray
    truth: Truth
    draws_JS: FoldArray

    def sums(self, work: Work[S]) -> S:
        """The sums of the sample's rows."""
        return work(Block(slice(0, len(self.rotated_SD)), self.rotated_SD, self.truth, self.draws_JS))


def make_sample(
    features_SD: FloatArray, scale: Scale, weight_S: FloatArray, truth: Truth, draws_JS: FoldArray
) -> Sample:
    """The sample of these raw features, which are overwritten, on the axes of their Gram matrix under the weights."""
    n_columns = features_SD.shape[1]
    gram_DD = np.zeros((n_columns, n_columns))
    for place, block_BD in row_blocks(features_SD):
        root_BD = scale.apply(block_BD) * np.sqrt(weight_S[place] / weight_S.sum())[:, None]
        gram_DD += root_BD.T @ root_BD
    value_D, axes_DD = np.linalg.eigh(gram_DD)
    single_DD = axes_DD.astype(np.float32)
    for place, block_BD in row_blocks(features_SD):
        features_SD[place] = scale.apply(block_BD) @ single_DD
    return Sample(features_SD, np.maximum(value_D, 0), axes_DD, truth, draws_JS)


class Curvature:
    """The Hessians of G fits on the sample, each at its variables."""

    def __init__(
        self, sample: Sample, kind: HeadKind, fits: Fits, theta_GMX: DoubleArray, penalty_G: DoubleArray
    ) -> None:
        self.sample, self.kind, self.penalty_G11 = sample, kind, penalty_G[:, None, None]
        label_S = np.zeros(len(sample.truth), np.int64) if sample.truth.ndim == 2 else sample.truth
        self.weight_GMS = fits.weight_GML[:, :, label_S] * ~fits.held(sample.draws_JS)[:, None]
        self.chance_GMS = self._along(theta_GMX)
        if kind == "softmax":
            self.chance_GMS -= self.chance_GMS.max(1, keepdims=True)
            np.exp(self.chance_GMS, out=self.chance_GMS)
            self.chance_GMS /= self.chance_GMS.sum(1, keepdims=True)
        else:
            np.tanh(np.float32(0.5) * self.chance_GMS, out=self.chance_GMS)
            self.chance_GMS = np.float32(0.5) * self.chance_GMS + np.float32(0.5)
        spread_GM1 = (self.weight_GMS * self.chance_GMS * (1 - self.chance_GMS)).sum(2, dtype=np.float64)[..., None]
        spread_GM1 = np.maximum(spread_GM1, _LEAST_SPREAD / max(theta_GMX.shape[1] if kind == "softmax" else 2, 2))
        self.diagonal_GMX = np.concatenate([spread_GM1 * sample.value_D + self.penalty_G11, spread_GM1], axis=2)

    def solve(self, vector_GMX: DoubleArray) -> DoubleArray:
        """About the inverse Hessians times the vectors; fits that are solved leave the products to the others."""
        found_GMX, rest_GMX = np.zeros_like(vector_GMX), vector_GMX.copy()
        scaled_GMX = rest_GMX / self.diagonal_GMX
        direction_GMX, size = scaled_GMX.copy(), self._dot(rest_GMX, scaled_GMX)
        limit = _RESIDUAL**2 * size
        some = self
        for _ in range(_MAX_PRODUCTS):
            left = np.flatnonzero((size > limit).any(axis=(1, 2)))
            if not len(left):
                break
            if len(left) < len(some.penalty_G11):
                some = self.only(left)
            along_GMX = direction_GMX[left]
            product_GMX = some.times(along_GMX)
            curvature = np.maximum(self._dot(along_GMX, product_GMX), 1e-300)
            step = np.where(size[left] > limit[left], size[left] / curvature, 0)
            found_GMX[left] += step * along_GMX
            rest_GMX[left] -= step * product_GMX
            scaled_GMX = rest_GMX[left] / some.diagonal_GMX
            before, size[left] = size[left], self._dot(rest_GMX[left], scaled_GMX)
            direction_GMX[left] = scaled_GMX + size[left] / np.maximum(before, 1e-300) * along_GMX
        return found_GMX

    def only(self, chosen: IntArray) -> Curvature:
        """Of some of the fits."""
        some = copy(self)
        for name in ("penalty_G11", "weight_GMS", "chance_GMS", "diagonal_GMX"):
            setattr(some, name, getattr(self, name)[chosen])
        return some

    def times(self, vector_GMX: DoubleArray) -> DoubleArray:
        """The Hessians times the vectors."""
        along_GMS = self._along(vector_GMX)
        product_GMS = self.chance_GMS * along_GMS
        if self.kind == "softmax":
            product_GMS -= self.chance_GMS * product_GMS.sum(1, keepdims=True)
        else:
            product_GMS *= 1 - self.chance_GMS
        product_GMS *= self.weight_GMS
        n_fits, n_outputs, n_variables = vector_GMX.shape
        data_GMD = (product_GMS.reshape(-1, product_GMS.shape[2]) @ self.sample.rotated_SD).reshape(
            n_fits, n_outputs, n_variables - 1
        )
        return np.concatenate(
            [data_GMD + self.penalty_G11 * vector_GMX[..., :-1], product_GMS.sum(2)[..., None]],
            axis=2,
            dtype=np.float64,
        )

    def _along(self, vector_GMX: DoubleArray) -> FloatArray:
        n_fits, n_outputs, n_variables = vector_GMX.shape
        weight_QD = vector_GMX[..., :-1].reshape(-1, n_variables - 1).astype(np.float32)
        along_GMS = (weight_QD @ self.sample.rotated_SD.T).reshape(n_fits, n_outputs, -1)
        along_GMS += vector_GMX[..., -1:].astype(np.float32)
        return along_GMS

    def _dot(self, one_GMX: DoubleArray, other_GMX: DoubleArray) -> DoubleArray:
        """Of each function: a fit of a softmax, else a question."""
        product_GM = np.einsum("gmx,gmx->gm", one_GMX, other_GMX)
        return np.asarray((product_GM.sum(1, keepdims=True) if self.kind == "softmax" else product_GM)[..., None])
