"""Graft point `head` from features that do not fit memory: the model of training/linear.py, in a few passes over them.

Shape letters: N rows, D features, K classes, M outputs of a head, F folds, J draws of the folds, G fits, X = D + 1
variables, R repeats, B rows of a block.

A pass gives loss and gradient of all folds and of several strengths (training/passes.py). A sample of the rows that
fits memory makes few passes do: the fits start where it leads and step by how it curves (training/sampled.py). It
moves the solver's path, not the minimum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from photograft.config.train import Balance
from photograft.features.matrix import Scratch, row_blocks
from photograft.metrics.links import Truth
from photograft.training.fold_rows import Asked, FoldRows
from photograft.training.fold_solver import COLUMNS, FoldSolver
from photograft.training.linear import HeadFit
from photograft.training.objective import Objective
from photograft.training.passes import Block, FoldArray, HeldLogits, Passes, S, Work
from photograft.training.strengths import STRENGTHS, StrengthSearch
from photograft.values import BoolArray, DoubleArray, FloatArray, HeadKind, IntArray


class RowBlocks(Protocol):
    """A feature table that is read in blocks of rows, again and again: float32 (B, D), with the place of each block."""

    @property
    def n_rows(self) -> int:
        """Of all blocks."""
        ...

    @property
    def n_columns(self) -> int:
        """Features of a row."""
        ...

    def blocks(self) -> Iterator[tuple[slice, FloatArray]]:
        """At least one block."""
        ...


class MatrixBlocks:
    """A matrix, or some rows of it, which may be mapped from a file."""

    def __init__(self, features_ND: FloatArray, rows: IntArray | None = None) -> None:
        self._features_ND, self._rows = features_ND, rows
        self.n_rows, self.n_columns = len(features_ND if rows is None else rows), features_ND.shape[1]

    def blocks(self) -> Iterator[tuple[slice, FloatArray]]:
        """See `RowBlocks`."""
        return row_blocks(self._features_ND, self._rows)


@dataclass(frozen=True)
class LocalPasses:
    """Passes over blocks that this process reads."""

    features: RowBlocks
    truth: Truth
    draws_JN: FoldArray

    @property
    def n_rows(self) -> int:
        """Of all blocks."""
        return self.features.n_rows

    @property
    def n_columns(self) -> int:
        """Features of a row."""
        return self.features.n_columns

    def sums(self, work: Work[S]) -> S:
        """Blocks are added up one after another."""
        blocks = self.blocks()
        total = work(next(blocks))
        for block in blocks:
            total = total + work(block)
        return total

    def logits(self, work: HeldLogits) -> Iterator[FloatArray]:
        """Of every block, in order."""
        return map(work, self.blocks())

    def blocks(self) -> Iterator[Block]:
        """The blocks with what is known of their rows."""
        for place, features_BD in self.features.blocks():
            yield Block(place, features_BD, self.truth[place], self.draws_JN[:, place])


def fit_streamed(
    features: RowBlocks,
    truth: Truth,
    fold_N: IntArray,
    *,
    n_classes: int,
    kind: HeadKind = "softmax",
    strength: float | None = None,
    balance: Balance = "none",
    beta: float = 0.99,
    fit_rows: BoolArray | None = None,
    repeats_RN: IntArray | None = None,
    scratch: Scratch | None = None,
) -> HeadFit:
    """What `training.linear.fit_head` finds, from features that are read in blocks; arguments and errors as there.

    Memory holds one block, a sample of 32 D rows (64 million numbers at most), some (D, D) matrices and twenty times
    the weights that are solved together, beside what each row has of its own: truth, folds and out-of-fold logits,
    which go to `scratch` where they are large.
    """
    return fit_in_passes(
        lambda draws_JN: LocalPasses(features, truth, draws_JN),
        Objective(truth, n_classes, kind, balance, beta),
        fold_N,
        strength=strength,
        fit_rows=fit_rows,
        repeats_RN=repeats_RN,
        scratch=scratch,
    )


def fit_in_passes(
    open_passes: Callable[[FoldArray], Passes],
    objective: Objective,
    fold_N: IntArray,
    *,
    strength: float | None = None,
    fit_rows: BoolArray | None = None,
    repeats_RN: IntArray | None = None,
    scratch: Scratch | None = None,
) -> HeadFit:
    """`fit_streamed` on rows that anybody holds: `open_passes` is given all rows' folds in each draw, (J, N)."""
    if len(objective.truth) != len(fold_N):
        raise ValueError("labels and folds must have the same length")
    repeats_RN = np.empty((0, len(fold_N)), np.int64) if repeats_RN is None else repeats_RN
    left_out_N = np.zeros(len(fold_N), bool) if fit_rows is None else ~fit_rows
    # The last draw has one fold to leave out, of rows that are not for fitting, and no fold 1.
    draws_JN = np.stack([fold_N, *repeats_RN, np.where(left_out_N, 0, 1)]).astype(np.int16)
    passes = open_passes(draws_JN)
    objective.check(passes.n_rows)
    rows = FoldRows(objective, draws_JN)
    solver = FoldSolver(passes, rows)
    n_folds = int(fold_N.max()) + 1
    tried: dict[float, DoubleArray] = {}

    def attempt(strengths: tuple[float, ...]) -> list[DoubleArray]:
        start = np.concatenate([_start(tried, s) for s in strengths]) if tried else None
        asked = [Asked(0, f, s) for s in strengths for f in range(n_folds)]
        theta_GMX, held_GL = solver.solve(asked, start)
        tried.update(zip(strengths, np.split(theta_GMX, len(strengths)), strict=True))
        return np.split(held_GL, len(strengths))

    search = StrengthSearch(
        attempt, np.stack([objective.counts(fold_N == f) for f in range(n_folds)]), objective.label_weights
    )
    strengths = STRENGTHS if strength is None else (strength,)
    search.run(strengths, extend=strength is None, frugal=len(strengths) * n_folds * rows.n_outputs > COLUMNS)
    chosen = search.best()
    mean_1MX = tried[chosen].mean(0, keepdims=True)
    head_1MX, _ = solver.solve([Asked(len(draws_JN) - 1, 0, chosen)], mean_1MX)
    # Other folds' weights know the rows of a new draw: its fits begin on the sample.
    again = [
        (j, solver.solve([Asked(j, f, chosen) for f in range(int(again_N.max()) + 1)])[0])
        for j, again_N in enumerate(repeats_RN, start=1)
    ]
    honest_FMX = np.stack([tried[search.best(without=f)][f] for f in range(n_folds)])
    oof, honest, *repeats = solver.logits([(0, tried[chosen]), (0, honest_FMX), *again], scratch)
    return HeadFit(
        head=solver.heads(head_1MX)[0],
        strength=chosen,
        cv_loss={s: search.mean_loss(s) for s in sorted(search.loss_FL, reverse=True)},
        oof_logits_NK=oof,
        honest_logits_NK=honest,
        repeats=tuple(repeats),
        fold_heads=solver.heads(tried[chosen]),
    )


def _start(tried: dict[float, DoubleArray], strength: float) -> DoubleArray:
    """Where the variables will be about: on the line through those at the two nearest strengths, over its logarithm."""
    one, *others = sorted(tried, key=lambda s: abs(np.log(s / strength)))
    if not others:
        return tried[one]
    share = np.log(strength / one) / np.log(one / others[0])
    return np.asarray(tried[one] + share * (tried[one] - tried[others[0]]))
