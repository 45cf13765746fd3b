"""Features as the solver wants them: standardised, and rotated into the eigenvectors of their Gram matrix.

Shape letters: N photos, D embedding size, R rank of the features, B photos of a block.

Everything runs over blocks of photos, so that neither the features nor the rotated features need fit into memory.

Source of the combined variance: T. Chan, G. Golub and R. LeVeque, "Updating formulae and a pairwise algorithm for
computing sample variances", COMPSTAT (1982).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from photograft.errors import TrainingError
from photograft.features.matrix import Scratch, row_blocks, stack_rows
from photograft.values import DoubleArray, FloatArray, IntArray

_RELATIVE_RANK = 1e-6


@dataclass(frozen=True)
class Basis:
    """Standardised features in the eigenvectors of their Gram matrix; directions without variance are dropped.

    The scale uses no labels. Where the labels give the photos weights, the centre and the axes follow the weights:
    the bias and the rotation absorb both, so they move the solver's path, not the minimum it goes to.
    """

    rotated_NR: FloatArray
    eigenvalue_R: FloatArray
    weight_N: FloatArray
    mean_D: FloatArray
    scale_D: FloatArray
    vectors_DR: FloatArray


def make_basis(
    features_ND: FloatArray, weight_N: FloatArray, *, rows: IntArray | None = None, scratch: Scratch | None = None
) -> Basis:
    """The basis of the given rows of the features, under the weights of these N photos.

    Raises:
        TrainingError: A feature is not finite.
    """
    weight_N = np.asarray(weight_N / weight_N.sum(), dtype=np.float32)
    mean_D, scale_D = _mean_and_scale(features_ND, rows, weight_N)
    n, d = len(weight_N), features_ND.shape[1]

    def standard_blocks() -> Iterator[tuple[slice, FloatArray]]:
        for place, block_BD in row_blocks(features_ND, rows):
            standard_BD = np.asarray(block_BD - mean_D, dtype=np.float32)
            standard_BD /= scale_D
            yield place, standard_BD

    def root_blocks() -> Iterator[FloatArray]:
        for place, standard_BD in standard_blocks():
            standard_BD *= np.sqrt(weight_N[place])[:, None]
            yield standard_BD

    if n < d:  # The (N, N) kernel has the same eigenvalues and is cheaper.
        root_ND = np.concatenate(list(root_blocks()))
        value_R, all_R = np.linalg.eigh(root_ND @ root_ND.T)
    else:
        value_R, all_R = np.linalg.eigh(_gram(root_blocks(), d))
    keep = value_R > _RELATIVE_RANK * value_R[-1]
    vectors = root_ND.T @ (all_R[:, keep] / np.sqrt(value_R[keep])) if n < d else all_R[:, keep]
    vectors_DR = np.ascontiguousarray(vectors, dtype=np.float32)
    rotated_NR = stack_rows((block_BD @ vectors_DR for _, block_BD in standard_blocks()), n, scratch=scratch)
    return Basis(rotated_NR, value_R[keep].astype(np.float32), weight_N, mean_D, scale_D, vectors_DR)


def _mean_and_scale(
    features_ND: FloatArray, rows: IntArray | None, weight_N: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The weighted mean, and the standard deviation over all rows alike, each of shape (D,)."""
    centre_D, mean_D, square_D = np.zeros((3, features_ND.shape[1]))
    for place, block_BD in row_blocks(features_ND, rows):
        if not np.isfinite(block_BD).all():
            raise TrainingError(
                "The features hold values that are not finite: clear the cache (photograft cache clear)."
            )
        rest_BD = block_BD.astype(np.float64)
        centre_D += weight_N[place].astype(np.float64) @ rest_BD
        block_mean_D = rest_BD.mean(0)
        rest_BD -= block_mean_D
        n, before = len(rest_BD), place.start
        step_D = block_mean_D - mean_D
        square_D += np.einsum("bd,bd->d", rest_BD, rest_BD) + step_D**2 * (before * n / (before + n))
        mean_D += step_D * (n / (before + n))
    scale_D = np.sqrt(square_D / len(weight_N))
    # A feature that never varies, but for the rounding of its mean, says nothing: this makes it and its weight 0.
    scale_D = np.where(scale_D > 1e-6 + 1e-5 * np.abs(centre_D), scale_D, np.inf)
    return centre_D.astype(np.float32), scale_D.astype(np.float32)


def _gram(blocks: Iterator[FloatArray], d: int) -> FloatArray:
    """Sum of block.T @ block; products in single, their sum in double precision."""
    sum_DD: DoubleArray = np.zeros((d, d))
    for block_BD in blocks:
        sum_DD += block_BD.T @ block_BD
    return sum_DD.astype(np.float32)
