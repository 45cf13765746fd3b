"""Graft point `head`: multinomial logistic regression with L2 on frozen features.

Shape letters: N photos, D embedding size, R rank of the features (in `repeats_RN` draws of the folds), K classes,
F folds (problems solved side by side), B photos of a block.

All folds share one feature matrix, so they are solved together (training/descent.py): one matrix product serves every
fold. The features are standardised and rotated into the eigenvectors of their Gram matrix once, which makes every
penalty cheap. No line of it is random or tuned: the same result on every run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from photograft.errors import TrainingError
from photograft.features.matrix import Scratch, block_bytes, resident_bytes, row_blocks
from photograft.metrics.softmax import softmax
from photograft.training.basis import Basis, make_basis
from photograft.training.descent import Problems, Solution
from photograft.values import BoolArray, DoubleArray, FloatArray, IntArray

STRENGTHS = (1.0, 0.3, 0.1, 0.03, 0.01)
"""Penalties that cross-validation tries first, strongest first; it goes on beyond either end while that helps."""

_STRENGTH_LIMITS = (1e-4, 100.0)
_WORTHWHILE = 0.02
_HEAVY_WORK = 1e9
"""Multiplications for one product of all problems above which strengths that cannot win are not tried."""
_TOLERANCE = 2e-3
_TYPICAL_PRODUCTS = 150
"""Products of all photos' features with all problems' weights in a fit, over all strengths: measured 70 to 160."""
_PROBE = 384
"""Rows and columns of the matrices that an estimate is timed on: some 10 ms each."""


@dataclass(frozen=True)
class LinearHead:
    """A linear classifier on raw (not standardised) features: logits = features @ weight_DK + bias_K."""

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
    `repeats` are out-of-fold logits at the chosen strength for each further draw of the folds.
    """

    head: LinearHead
    strength: float
    cv_loss: dict[float, float]
    oof_logits_NK: FloatArray
    honest_logits_NK: FloatArray
    repeats: tuple[FloatArray, ...] = ()


def fit_head(
    features_ND: FloatArray,
    label_N: IntArray,
    fold_N: IntArray,
    *,
    n_classes: int,
    strength: float | None = None,
    balance: str = "none",
    fit_rows: BoolArray | None = None,
    rows: IntArray | None = None,
    repeats_RN: IntArray | None = None,
    scratch: Scratch | None = None,
) -> HeadFit:
    """Choose the L2 strength by cross-validation over the given folds, then fit on all rows.

    `label_N` holds class indices 0..K-1 and `fold_N` fold numbers 0..F-1. The objective is the mean cross-entropy
    plus strength / 2 times the squared norm of the weights on standardised features; the bias is not penalised.
    With `balance` "balanced" each photo weighs N / (K x photos of its class). A given `strength` is used as it is.
    The head is fitted on `fit_rows` (mask of shape (N,)), by default on all. The scale of the features comes from all
    N photos: it uses no labels.

    With `rows` the N photos are these rows of the features, which are not copied; every other array is in the order of
    `rows`. `repeats_RN` holds further draws of the folds, numbered like `fold_N`: every draw is cross-validated at the
    chosen strength. What is too large for memory goes to `scratch`.
    """
    if len(label_N) != len(fold_N):
        raise ValueError("labels and folds must have the same length")
    _check(features_ND, rows, label_N)
    every_N = np.ones(len(label_N), bool)
    basis = make_basis(features_ND, _photo_weights(label_N, every_N, balance), rows=rows, scratch=scratch)
    search = _StrengthSearch(
        basis, label_N, fold_N, _fold_problems(basis, label_N, fold_N, n_classes, balance), balance
    )
    search.run((strength,) if strength is not None else STRENGTHS, extend=strength is None)
    chosen = search.best()
    start = search.solutions[chosen]
    mean = Solution(start.theta_FKR.mean(0, keepdims=True), start.bias_FK.mean(0, keepdims=True))
    fitted_N = every_N if fit_rows is None else fit_rows
    return HeadFit(
        head=_fit(basis, label_N, fitted_N, n_classes, balance, chosen, start=mean),
        strength=chosen,
        cv_loss={s: search.mean_loss(s, every_N) for s in sorted(search.loss_N, reverse=True)},
        oof_logits_NK=search.oof_NK[chosen],
        honest_logits_NK=search.honest_logits(),
        repeats=tuple(
            _cross_validate(basis, label_N, again_N, n_classes, balance, chosen)
            for again_N in (() if repeats_RN is None else repeats_RN)
        ),
    )


def fit_at(
    features_ND: FloatArray,
    label_N: IntArray,
    *,
    n_classes: int,
    strength: float,
    balance: str = "none",
    rows: IntArray | None = None,
    scratch: Scratch | None = None,
) -> LinearHead:
    """Fit one head on all N photos at a known strength, without folds; arguments and errors as `fit_head`."""
    _check(features_ND, rows, label_N)
    every_N = np.ones(len(label_N), bool)
    basis = make_basis(features_ND, _photo_weights(label_N, every_N, balance), rows=rows, scratch=scratch)
    return _fit(basis, label_N, every_N, n_classes, balance, strength)


def estimate_seconds(n_photos: int, n_features: int, n_classes: int, n_folds: int) -> float:
    """Seconds that `fit_head` will take with no strength given, from timing small products on this machine now."""
    rank, n_columns = min(n_photos, n_features), n_classes * n_folds
    probe = np.random.default_rng(0).normal(size=(_PROBE, _PROBE)).astype(np.float32)
    columns = np.resize(probe, (_PROBE, min(n_columns, _PROBE)))
    product_s = _seconds(lambda: probe @ columns) / columns.size / _PROBE
    square_s = _seconds(lambda: probe @ probe) / _PROBE**3
    axes_s = _seconds(lambda: np.linalg.eigh(probe @ probe.T)) / _PROBE**3
    rotate_s = 3 * square_s * n_photos * n_features * rank
    return rotate_s + axes_s * rank**3 + _TYPICAL_PRODUCTS * product_s * n_photos * rank * n_columns


def estimate_megabytes(n_photos: int, n_features: int, n_classes: int, n_folds: int) -> float:
    """Megabytes that the features and `fit_head` with a scratch folder take at once, at most."""
    rank = min(n_photos, n_features)
    matrices = resident_bytes(n_photos, n_features) + resident_bytes(n_photos, rank)
    # A block alone and in double precision; the Gram matrix, its eigenvectors and their workspace.
    steps = 3 * block_bytes(n_photos, n_features) + 8 * 4 * rank**2
    # Logits, residuals and their change for each fold, logits of each strength; weights, gradients and directions.
    solver = 4 * n_classes * ((4 * n_folds + 8) * n_photos + 6 * n_folds * rank)
    return (matrices + max(steps, solver)) / 1e6


def _seconds(work: Callable[[], object]) -> float:
    """The fastest of a few runs: the first also wakes threads up, and a busy machine stops some."""
    times_s = []
    for _ in range(5):
        started = time.perf_counter()
        work()
        times_s.append(time.perf_counter() - started)
    return min(times_s)


def _check(features_ND: FloatArray, rows: IntArray | None, label_N: IntArray) -> None:
    if len(features_ND if rows is None else rows) != len(label_N):
        raise ValueError("features and labels must have the same length")
    if len(np.unique(label_N)) < 2:
        raise TrainingError("Training needs photos of at least two classes.")


def _photo_weights(label_N: IntArray, rows_N: BoolArray, balance: str) -> FloatArray:
    """Weight of each photo, from the labels of the given rows alone; the other rows get 0."""
    if balance == "none":  # drawing classes equally often is the same here
        return rows_N.astype(np.float32)
    counts_K = np.bincount(label_N[rows_N], minlength=int(label_N.max()) + 1)
    share = rows_N.sum() / max(int((counts_K > 0).sum()), 1)
    return np.asarray(rows_N * share / np.maximum(counts_K, 1)[label_N], dtype=np.float32)


def _fold_problems(basis: Basis, label_N: IntArray, fold_N: IntArray, n_classes: int, balance: str) -> Problems:
    """One problem for each fold, on the photos outside of it."""
    train_FN = np.stack([fold_N != f for f in range(int(fold_N.max()) + 1)])
    return _problems(basis, label_N, train_FN, n_classes, balance)


def _problems(basis: Basis, label_N: IntArray, rows_FN: BoolArray, n_classes: int, balance: str) -> Problems:
    """One problem for each row of `rows_FN`, on the photos it marks."""
    weight_FN = np.stack([_photo_weights(label_N, rows_N, balance) for rows_N in rows_FN])
    return Problems(basis.rotated_NR, basis.eigenvalue_R, basis.weight_N, label_N, weight_FN, n_classes)


def _fit(
    basis: Basis,
    label_N: IntArray,
    rows_N: BoolArray,
    n_classes: int,
    balance: str,
    strength: float,
    *,
    start: Solution | None = None,
) -> LinearHead:
    """One head on the marked rows; rotation and standardisation are undone, in double precision."""
    problem = _problems(basis, label_N, rows_N[None], n_classes, balance)
    solution = problem.solve(strength, tolerance=_TOLERANCE, start=start)
    weight_DK = (basis.vectors_DR.astype(np.float64) @ solution.theta_FKR[0].T) / basis.scale_D[:, None]
    bias_K = solution.bias_FK[0] - basis.mean_D.astype(np.float64) @ weight_DK
    # Softmax does not change when all classes shift together; centring keeps the numbers small.
    weight_DK = weight_DK - weight_DK.mean(1, keepdims=True)
    return LinearHead(weight_DK.astype(np.float32), (bias_K - bias_K.mean()).astype(np.float32))


def _cross_validate(
    basis: Basis, label_N: IntArray, fold_N: IntArray, n_classes: int, balance: str, strength: float
) -> FloatArray:
    """Out-of-fold logits at one strength; the solver starts at zero, since other folds' weights know these photos."""
    folds = _fold_problems(basis, label_N, fold_N, n_classes, balance)
    return folds.logits_of_problem(folds.solve(strength, tolerance=_TOLERANCE), fold_N)


class _StrengthSearch:
    """Out-of-fold logits and losses per strength, each warm-started from the nearest one solved before."""

    def __init__(self, basis: Basis, label_N: IntArray, fold_N: IntArray, folds: Problems, balance: str) -> None:
        self.basis, self.label_N, self.fold_N, self.folds, self.balance = basis, label_N, fold_N, folds, balance
        self.solutions: dict[float, Solution] = {}
        self.oof_NK: dict[float, FloatArray] = {}
        self.loss_N: dict[float, DoubleArray] = {}

    def run(self, strengths: tuple[float, ...], *, extend: bool) -> None:
        if self._work() > _HEAVY_WORK:
            self._walk_down(strengths)
        else:
            for strength in strengths:
                self._try(strength)
        every_N = np.ones(len(self.label_N), bool)
        while extend:
            best = self.best()
            if best == min(self.loss_N) and best / 3 >= _STRENGTH_LIMITS[0]:
                following = float(f"{best / 3:.1g}")
            elif best == max(self.loss_N) and best * 3 <= _STRENGTH_LIMITS[1]:
                following = float(f"{best * 3:.1g}")
            else:
                return
            self._try(following)
            # Photos that are told apart perfectly gain a little from every weaker penalty, without end.
            if self.mean_loss(following, every_N) > (1 - _WORTHWHILE) * self.mean_loss(best, every_N):
                return

    def best(self, rows_N: BoolArray | None = None) -> float:
        """The strength with the lowest loss over the given rows; the stronger penalty wins a tie."""
        rows_N = np.ones(len(self.label_N), bool) if rows_N is None else rows_N
        return min(sorted(self.loss_N, reverse=True), key=lambda s: self.mean_loss(s, rows_N))

    def mean_loss(self, strength: float, rows_N: BoolArray) -> float:
        """Weighted mean of the out-of-fold log loss over the given rows, from their labels alone."""
        weight_N = _photo_weights(self.label_N, rows_N, self.balance)
        mean = np.average(self.loss_N[strength], weights=weight_N)
        return float(mean)

    def honest_logits(self) -> FloatArray:
        """Out-of-fold logits where each fold's strength was chosen on the other folds' photos."""
        logits_NK = np.empty_like(next(iter(self.oof_NK.values())))
        for f in range(len(self.folds.weight_FN)):
            held = self.fold_N == f
            logits_NK[held] = self.oof_NK[self.best(~held)][held]
        return logits_NK

    def _work(self) -> float:
        n, rank = self.basis.rotated_NR.shape
        return float(n * rank * len(self.folds.weight_FN) * self.folds.n_classes)

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

    def _try(self, strength: float) -> None:
        nearest = min(self.solutions, key=lambda s: abs(np.log(s / strength)), default=None)
        start = None if nearest is None else self.solutions[nearest]
        solution = self.folds.solve(strength, tolerance=_TOLERANCE, start=start)
        logits_NK = self.folds.logits_of_problem(solution, self.fold_N)
        chance_NK = softmax(logits_NK)
        own_N = chance_NK[np.arange(len(self.label_N)), self.label_N]
        self.solutions[strength] = solution
        self.oof_NK[strength] = logits_NK
        self.loss_N[strength] = -np.log(np.maximum(own_N, 1e-15))
