"""Graft point `head`: logistic regression with L2 on frozen features, for every kind of head.

Shape letters: N photos, D embedding size, R rank of the features (in `repeats_RN` draws of the folds), K outputs of the
head (of a softmax its classes; else `values.Target.n_outputs`), F folds, B photos of a block.

All folds and outputs share one feature matrix, so they are solved together (training/descent.py): one matrix product
serves them all. The features are standardised and rotated into the eigenvectors of their Gram matrix once, which makes
every penalty cheap. No line of it is random or tuned: the same result on every run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from photograft.config.train import Balance
from photograft.features.matrix import Scratch, block_bytes, resident_bytes, row_blocks
from photograft.metrics.links import Truth
from photograft.training.basis import Basis, make_basis
from photograft.training.descent import AT_ONCE, Problems, Solution
from photograft.training.objective import Objective
from photograft.training.strengths import STRENGTHS, StrengthSearch
from photograft.values import BoolArray, DoubleArray, FloatArray, HeadKind, IntArray

_HEAVY_WORK = 1e9
"""Multiplications for one product of all problems above which strengths that cannot win are not tried."""
_TOLERANCE = 2e-3
_TYPICAL_PRODUCTS = 150
"""Products of all photos' features with all problems' weights in a fit, over all strengths: measured 70 to 160."""
_PROBE = 384
"""Rows and columns of the matrices that an estimate is timed on: some 10 ms each."""


@dataclass(frozen=True)
class LinearHead:
    """A linear head on raw (not standardised) features: logits = features @ weight_DK + bias_K."""

    weight_DK: FloatArray
    bias_K: FloatArray

    def logits(self, features_ND: FloatArray) -> FloatArray:
        """Logits of shape (N, K)."""
        logits = [block_BD @ self.weight_DK + self.bias_K for _, block_BD in row_blocks(features_ND)]
        return np.concatenate(logits, dtype=np.float32)


@dataclass(frozen=True)
class HeadFit:
    """A fitted head, and what cross-validation found on the way.

    `oof_logits_NK` are out-of-fold logits at the chosen strength. `honest_logits_NK` are the same, but each fold's
    strength was chosen without that fold's photos: the ones to report. `cv_loss` maps each strength to its log loss.
    `repeats` are out-of-fold logits at the chosen strength for each further draw of the folds. `fold_heads` are the
    heads behind `oof_logits_NK`: that of fold f was fitted without the photos of fold f.
    """

    head: LinearHead
    strength: float
    cv_loss: dict[float, float]
    oof_logits_NK: FloatArray
    honest_logits_NK: FloatArray
    repeats: tuple[FloatArray, ...] = ()
    fold_heads: tuple[LinearHead, ...] = ()


def fit_head(
    features_ND: FloatArray,
    truth: Truth,
    fold_N: IntArray,
    *,
    n_classes: int,
    kind: HeadKind = "softmax",
    strength: float | None = None,
    balance: Balance = "none",
    beta: float = 0.99,
    fit_rows: BoolArray | None = None,
    rows: IntArray | None = None,
    repeats_RN: IntArray | None = None,
    scratch: Scratch | None = None,
) -> HeadFit:
    """Choose the L2 strength by cross-validation over the given folds, then fit on all rows.

    `truth` holds class indices 0..`n_classes` - 1 (N,) or, of kind `sigmoid`, which labels each photo has (N, K);
    `fold_N` holds fold numbers 0..F-1. The objective is the mean cross-entropy plus strength / 2 times the squared norm
    of the weights on standardised features; the bias is not penalised. Kinds other than `softmax` have one such
    objective per output: the mean is over the photos that its question is asked of, and its one vector costs
    strength / 4 times its squared norm, which makes `binary` the same model as a softmax of two classes. A question to
    which all photos give one answer gets a bias alone.

    All outputs have the same strength, that of the lowest out-of-fold loss of them all; a given `strength` is used as
    it is. With `balance` photos weigh by the size of their class (training/balance.py, with `beta`), for `sigmoid` all
    the same. The head is fitted on `fit_rows` (mask of shape (N,)), by default on all. The scale of the features comes
    from all N photos: it uses no labels.

    With `rows` the N photos are these rows of the features, which are not copied; every other array is in the order of
    `rows`. `repeats_RN` holds further draws of the folds, numbered like `fold_N`: every draw is cross-validated at the
    chosen strength. What is too large for memory goes to `scratch`.

    Raises:
        TrainingError: All photos are of one class or have the same labels, or a feature is not finite.
    """
    if len(truth) != len(fold_N):
        raise ValueError("labels and folds must have the same length")
    objective = Objective(truth, n_classes, kind, balance, beta)
    objective.check(len(features_ND if rows is None else rows))
    every_N = np.ones(len(truth), bool)
    basis = make_basis(features_ND, objective.photo_weights(every_N), rows=rows, scratch=scratch)
    folds = _Folds(basis, objective, fold_N)
    folds.run((strength,) if strength is not None else STRENGTHS, extend=strength is None)
    chosen = folds.search.best()
    start = folds.solutions[chosen]
    mean = Solution(start.theta_FKR.mean(0, keepdims=True), start.bias_FK.mean(0, keepdims=True))
    fitted_N = every_N if fit_rows is None else fit_rows
    return HeadFit(
        head=_fit(basis, objective, fitted_N, chosen, start=mean),
        strength=chosen,
        cv_loss={s: folds.search.mean_loss(s) for s in sorted(folds.search.loss_FL, reverse=True)},
        oof_logits_NK=folds.oof_NK[chosen],
        honest_logits_NK=folds.honest_logits(),
        repeats=tuple(
            _cross_validate(basis, objective, again_N, chosen) for again_N in (() if repeats_RN is None else repeats_RN)
        ),
        fold_heads=_heads(basis, start, kind),
    )


def fit_at(
    features_ND: FloatArray,
    truth: Truth,
    *,
    n_classes: int,
    strength: float,
    kind: HeadKind = "softmax",
    balance: Balance = "none",
    beta: float = 0.99,
    rows: IntArray | None = None,
    scratch: Scratch | None = None,
) -> LinearHead:
    """Fit one head on all N photos at a known strength, without folds; arguments and errors as `fit_head`."""
    objective = Objective(truth, n_classes, kind, balance, beta)
    objective.check(len(features_ND if rows is None else rows))
    every_N = np.ones(len(truth), bool)
    basis = make_basis(features_ND, objective.photo_weights(every_N), rows=rows, scratch=scratch)
    return _fit(basis, objective, every_N, strength)


def mean_head(heads: Sequence[LinearHead]) -> LinearHead:
    """The head whose logits are the mean of the heads' logits: several models at the cost of one."""
    weight_DK = np.asarray(np.mean([head.weight_DK for head in heads], axis=0, dtype=np.float64))
    bias_K = np.asarray(np.mean([head.bias_K for head in heads], axis=0, dtype=np.float64))
    return LinearHead(weight_DK.astype(np.float32), bias_K.astype(np.float32))


def estimate_seconds(n_photos: int, n_features: int, n_outputs: int, n_folds: int) -> float:
    """Seconds that `fit_head` will take with no strength given, from timing small products on this machine now."""
    rank, n_columns = min(n_photos, n_features), n_outputs * n_folds
    probe = np.random.default_rng(0).normal(size=(_PROBE, _PROBE)).astype(np.float32)
    columns = np.resize(probe, (_PROBE, min(n_columns, _PROBE)))
    product_s = _seconds(lambda: probe @ columns) / columns.size / _PROBE
    square_s = _seconds(lambda: probe @ probe) / _PROBE**3
    axes_s = _seconds(lambda: np.linalg.eigh(probe @ probe.T)) / _PROBE**3
    rotate_s = 3 * square_s * n_photos * n_features * rank
    return rotate_s + axes_s * rank**3 + _TYPICAL_PRODUCTS * product_s * n_photos * rank * n_columns


def estimate_megabytes(
    n_photos: int, n_features: int, n_outputs: int, n_folds: int, *, kind: HeadKind = "softmax"
) -> float:
    """Megabytes that the features and `fit_head` with a scratch folder take at once, at most."""
    rank = min(n_photos, n_features)
    matrices = resident_bytes(n_photos, n_features) + resident_bytes(n_photos, rank)
    # A block alone and in double precision; the Gram matrix, its eigenvectors and their workspace.
    steps = 3 * block_bytes(n_photos, n_features) + 8 * 4 * rank**2
    # Logits, residuals and their change for each fold, of questions as many as are solved at once; logits of each
    # strength; weights, gradients and directions.
    at_once = 4 * n_outputs * n_folds * n_photos
    at_once = at_once if kind == "softmax" else min(at_once, 5 * max(AT_ONCE, n_photos))
    solver = 4 * (at_once + n_outputs * (8 * n_photos + 6 * n_folds * rank))
    return (matrices + max(steps, solver)) / 1e6


def _seconds(work: Callable[[], object]) -> float:
    """The fastest of a few runs: the first also wakes threads up, and a busy machine stops some."""
    times_s = []
    for _ in range(5):
        started = time.perf_counter()
        work()
        times_s.append(time.perf_counter() - started)
    return min(times_s)


def _fit(
    basis: Basis, objective: Objective, rows_N: BoolArray, strength: float, *, start: Solution | None = None
) -> LinearHead:
    """One head on the marked rows."""
    solution = objective.problems(basis, rows_N[None]).solve(strength, tolerance=_TOLERANCE, start=start)
    return _heads(basis, solution, objective.kind)[0]


def _heads(basis: Basis, solution: Solution, kind: HeadKind) -> tuple[LinearHead, ...]:
    """The heads of a solution; rotation and standardisation are undone, in double precision."""
    vectors_DR = basis.vectors_DR.astype(np.float64)
    heads = []
    for theta_KR, bias_K in zip(solution.theta_FKR, solution.bias_FK, strict=True):
        weight_DK = (vectors_DR @ theta_KR.T) / basis.scale_D[:, None]
        raw_K = bias_K - basis.mean_D.astype(np.float64) @ weight_DK
        if kind == "softmax":  # It does not change when all classes shift together; centring keeps the numbers small.
            weight_DK = weight_DK - weight_DK.mean(1, keepdims=True)
            raw_K = raw_K - raw_K.mean()
        heads.append(LinearHead(weight_DK.astype(np.float32), raw_K.astype(np.float32)))
    return tuple(heads)


def _fold_problems(basis: Basis, objective: Objective, fold_N: IntArray) -> Problems:
    """The problems of each fold, on the photos outside of it."""
    return objective.problems(basis, np.stack([fold_N != f for f in range(int(fold_N.max()) + 1)]))


def _cross_validate(basis: Basis, objective: Objective, fold_N: IntArray, strength: float) -> FloatArray:
    """Out-of-fold logits at one strength; the solver starts at zero, since other folds' weights know these photos."""
    folds = _fold_problems(basis, objective, fold_N)
    return folds.logits_of_fold(folds.solve(strength, tolerance=_TOLERANCE), fold_N)


class _Folds:
    """The fits of all folds at the strengths that are tried, each warm-started from the nearest one solved before."""

    def __init__(self, basis: Basis, objective: Objective, fold_N: IntArray) -> None:
        self.objective, self.fold_N, self.n_folds = objective, fold_N, int(fold_N.max()) + 1
        self.folds = _fold_problems(basis, objective, fold_N)
        self.solutions: dict[float, Solution] = {}
        self.oof_NK: dict[float, FloatArray] = {}
        count_FK = np.stack([objective.counts(fold_N == f) for f in range(self.n_folds)])
        self.search = StrengthSearch(self._attempt, count_FK, objective.label_weights)

    def run(self, strengths: tuple[float, ...], *, extend: bool) -> None:
        self.search.run(strengths, extend=extend, frugal=self._work() > _HEAVY_WORK)

    def honest_logits(self) -> FloatArray:
        """Out-of-fold logits where each fold's strength was chosen on the other folds' photos."""
        logits_NK = np.empty_like(next(iter(self.oof_NK.values())))
        for f in range(self.n_folds):
            held = self.fold_N == f
            logits_NK[held] = self.oof_NK[self.search.best(without=f)][held]
        return logits_NK

    def _work(self) -> float:
        n_folds, n_problems, n = self.folds.weight_FQN.shape
        return float(n * len(self.folds.eigenvalue_R) * n_folds * n_problems * self.folds.n_outputs)

    def _attempt(self, strengths: tuple[float, ...]) -> list[DoubleArray]:
        return [self._losses(strength) for strength in strengths]

    def _losses(self, strength: float) -> DoubleArray:
        """Solve one strength; the out-of-fold losses of the photos of each fold and class, summed."""
        nearest = min(self.solutions, key=lambda s: abs(np.log(s / strength)), default=None)
        start = None if nearest is None else self.solutions[nearest]
        solution = self.folds.solve(strength, tolerance=_TOLERANCE, start=start)
        self.solutions[strength] = solution
        self.oof_NK[strength] = self.folds.logits_of_fold(solution, self.fold_N)
        loss_N, label_N = self.objective.losses(self.oof_NK[strength]), self.objective.label_N
        n_labels = len(self.objective.counts(np.zeros(len(label_N), bool)))
        held = (self.fold_N == f for f in range(self.n_folds))
        return np.stack([np.bincount(label_N[held_N], loss_N[held_N], minlength=n_labels) for held_N in held])
