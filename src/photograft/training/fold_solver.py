"""Fits of all folds and several strengths at once, in a few passes over rows that anybody holds.

Shape letters: N rows, D features, X = D + 1 variables with the bias last, M outputs of a head, G fits solved together,
F folds, T tables of logits, L labels; P, A and C as in training/lbfgs.py: of a softmax the functions are the fits
(C = M), else their questions (C = 1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from photograft.features.matrix import Scratch, stack_rows
from photograft.training.fold_rows import Asked, FoldRows
from photograft.training.lbfgs import minimise
from photograft.training.linear import LinearHead
from photograft.training.passes import HeldLogits, Losses, LossSums, Moments, Passes, Scale
from photograft.training.sampled import Curvature, make_sample
from photograft.values import BoolArray, DoubleArray, FloatArray, IntArray

COLUMNS = 512
"""Outputs of fits that are solved together at most: the solver remembers some twenty numbers per output and feature."""
_TOLERANCE = 3e-6
"""Of the objective, as the Hessian on the sample judges it."""
_SAMPLE_TOLERANCE = 1e-4
_SAMPLE = 32
"""Rows of the sample per feature: with 8 it takes some four times as many passes."""
_SAMPLE_NUMBERS = 64_000_000
"""In the sample at most: a quarter of a gigabyte."""
_NO_FOLD = -1


class FoldSolver:
    """Solves fits on all rows, from where a sample of them leads."""

    def __init__(self, passes: Passes, rows: FoldRows) -> None:
        self.passes, self.rows = passes, rows
        chosen = rows.sample(min(_SAMPLE * passes.n_columns, _SAMPLE_NUMBERS // passes.n_columns))
        every_L = rows.objective.counts(np.ones(passes.n_rows, bool))
        moments = passes.sums(Moments(rows.objective.label_weights(every_L), chosen))
        self.scale, self.sample_rows = moments.scale(), rows.only(chosen)
        truth = self.sample_rows.objective.truth
        weight_L = self.sample_rows.fits([Asked(0, _NO_FOLD, 1.0)], whole=rows).weight_GML[0, 0]
        weight_S = weight_L[self.sample_rows.objective.label_N]
        sample_SD = _together(moments.sample, passes.n_columns)
        self.sample = make_sample(sample_SD, self.scale, weight_S, truth, self.sample_rows.draws_JN)

    def solve(self, asked: Sequence[Asked], start_GMX: DoubleArray | None = None) -> tuple[DoubleArray, DoubleArray]:
        """The variables of each fit, (G, M, X), and the losses of the rows it leaves out, (G, L), summed.

        Without a start the fits begin at their own solutions on the sample.
        """
        size = max(COLUMNS // self.rows.n_outputs, 1)
        found = []
        for i in range(0, len(asked), size):
            part = asked[i : i + size]
            begun_GMX = self._on_sample(part) if start_GMX is None else start_GMX[i : i + size]
            functions = _Functions(self, part, self.rows, self.passes.sums, self.scale, self.sample.axes_DD)
            found.append((functions.minimise(begun_GMX, tolerance=_TOLERANCE), functions.held_GL))
        return np.concatenate([theta_GMX for theta_GMX, _ in found]), np.concatenate([held for _, held in found])

    def logits(self, tables: Sequence[tuple[int, DoubleArray]], scratch: Scratch | None) -> list[FloatArray]:
        """For each draw and the fits of its folds the logits (N, M), each row's from the fit that left it out."""
        n_folds = max(len(theta_FMX) for _, theta_FMX in tables)
        weight_TFMD = np.zeros((len(tables), n_folds, self.rows.n_outputs, self.passes.n_columns), np.float32)
        bias_TFM = np.zeros(weight_TFMD.shape[:3], np.float32)
        for t, (_, theta_FMX) in enumerate(tables):
            weight_TFMD[t, : len(theta_FMX)] = theta_FMX[..., :-1] @ self.sample.axes_DD.T
            bias_TFM[t, : len(theta_FMX)] = theta_FMX[..., -1]
        work = HeldLogits(self.scale, weight_TFMD, bias_TFM, np.array([draw for draw, _ in tables]))
        every_N = stack_rows(self.passes.logits(work), self.passes.n_rows, scratch=scratch)
        return np.split(every_N, len(tables), axis=1)

    def heads(self, theta_GMX: DoubleArray) -> tuple[LinearHead, ...]:
        """The heads on raw features."""
        heads = []
        for theta_MX in theta_GMX:
            weight_DM = (self.sample.axes_DD @ theta_MX[:, :-1].T) / self.scale.scale_D[:, None]
            bias_M = theta_MX[:, -1] - self.scale.mean_D.astype(np.float64) @ weight_DM
            if self.rows.objective.kind == "softmax":  # as training/linear.py
                weight_DM = weight_DM - weight_DM.mean(1, keepdims=True)
                bias_M = bias_M - bias_M.mean()
            heads.append(LinearHead(weight_DM.astype(np.float32), bias_M.astype(np.float32)))
        return tuple(heads)

    def _on_sample(self, asked: Sequence[Asked]) -> DoubleArray:
        identity = Scale(np.zeros(1, np.float32), np.ones(1, np.float32))
        functions = _Functions(self, asked, self.sample_rows, self.sample.sums, identity, None)
        start_GMX = np.zeros((len(asked), self.rows.n_outputs, self.passes.n_columns + 1))
        return functions.minimise(start_GMX, tolerance=_SAMPLE_TOLERANCE)


def _together(parts: list[FloatArray], n_columns: int) -> FloatArray:
    """One matrix of the parts, which are let go one by one: a sample is the largest that is in memory."""
    left = sum(map(len, parts))
    every_SD = np.empty((left, n_columns), np.float32)
    while parts:
        part_BD = parts.pop()
        every_SD[left - len(part_BD) : left] = part_BD
        left -= len(part_BD)
    return every_SD


class _Functions:
    """The objectives of some fits as functions of their variables; remembers the losses of the rows left out."""

    def __init__(
        self,
        solver: FoldSolver,
        asked: Sequence[Asked],
        rows: FoldRows,
        sums: Callable[[Losses], LossSums],
        scale: Scale,
        axes_DD: DoubleArray | None,
    ) -> None:
        self.asked, self.rows, self.sums, self.scale, self.axes_DD = asked, rows, sums, scale, axes_DD
        self.kind, self.n_questions = rows.objective.kind, rows.n_questions
        # The one vector of a question costs half as much: training/descent.py.
        self.penalty_G = np.array([one.strength for one in asked]) * (1 if self.kind == "softmax" else 0.5)
        self.sample = solver.sample
        self.fits = rows.fits(asked, whole=solver.rows)
        self.sample_fits = solver.sample_rows.fits(asked, whole=solver.rows)
        self.held_GL = np.zeros((len(asked), self.fits.weight_GML.shape[2]))

    def minimise(self, start_GMX: DoubleArray, *, tolerance: float) -> DoubleArray:
        """The variables at the minima, (G, M, X)."""
        self.here_GMX = start_GMX.copy()
        solved_P = self._settle_alike()
        start_PCX = self.here_GMX.reshape(len(solved_P), -1, start_GMX.shape[2])
        return minimise(self, start_PCX, solved_P, tolerance=tolerance).reshape(start_GMX.shape)

    def evaluate(self, theta_ACX: DoubleArray, number_A: IntArray) -> tuple[DoubleArray, DoubleArray]:
        """See training/lbfgs.py: a pass over all rows."""
        chosen, place = self._groups(theta_ACX, number_A)
        theta_GMX, penalty_G1 = self.here_GMX[chosen], self.penalty_G[chosen, None]
        weight_GMD = theta_GMX[..., :-1] if self.axes_DD is None else theta_GMX[..., :-1] @ self.axes_DD.T
        work = Losses(
            self.kind,
            self.scale,
            self.fits.only(chosen),
            weight_GMD.astype(np.float32),
            theta_GMX[..., -1].astype(np.float32),
        )
        sums = self.sums(work)
        self.held_GL[chosen] = sums.held_GL
        gradient_GMD = sums.gradient_GMD if self.axes_DD is None else sums.gradient_GMD @ self.axes_DD
        gradient_GMD = gradient_GMD + penalty_G1[..., None] * theta_GMX[..., :-1]
        gradient_GMX = np.concatenate([gradient_GMD, sums.gradient_GM[..., None]], axis=2)
        square_GM = (theta_GMX[..., :-1] ** 2).sum(2).reshape(len(chosen), self.n_questions, -1).sum(2)
        loss_GM = sums.loss_GM + penalty_G1 / 2 * square_GM
        return loss_GM.reshape(-1)[place], gradient_GMX.reshape(-1, *theta_ACX.shape[1:])[place]

    def inverse_times(self, vector_ACX: DoubleArray, theta_ACX: DoubleArray, number_A: IntArray) -> DoubleArray:
        """See training/lbfgs.py: by the Hessian on the sample."""
        chosen, place = self._groups(theta_ACX, number_A)
        curvature = Curvature(
            self.sample, self.kind, self.sample_fits.only(chosen), self.here_GMX[chosen], self.penalty_G[chosen]
        )
        vector_PCX = np.zeros((len(chosen) * self.n_questions, *vector_ACX.shape[1:]))
        vector_PCX[place] = vector_ACX
        solved_GMX = curvature.solve(vector_PCX.reshape(self.here_GMX[chosen].shape))
        return solved_GMX.reshape(vector_PCX.shape)[place]

    def _groups(self, theta_ACX: DoubleArray, number_A: IntArray) -> tuple[IntArray, IntArray]:
        """The fits that the functions belong to, now with these variables, and the functions' places in them."""
        self.here_GMX.reshape(-1, *theta_ACX.shape[1:])[number_A] = theta_ACX
        chosen, group_A = np.unique(number_A // self.n_questions, return_inverse=True)
        return chosen, group_A * self.n_questions + number_A % self.n_questions

    def _settle_alike(self) -> BoolArray:
        """Questions that all rows answer alike get a bias alone: it says how sure they make of the answer."""
        if self.kind == "softmax":
            return np.zeros(len(self.asked), bool)
        asked_GM, yes_GM = self.rows.answers(self.asked)
        alike_GM = (yes_GM == 0) | (yes_GM == asked_GM)
        self.here_GMX[alike_GM] = 0
        # Half a row more of each answer: no weights and no bias would be large enough.
        self.here_GMX[alike_GM, -1] = np.log((yes_GM + 0.5) / (asked_GM - yes_GM + 0.5))[alike_GM]
        return np.asarray(alike_GM.reshape(-1))
