"""Graft point `head`: multinomial logistic regression with L2 on frozen features.

Shape letters: N photos, D embedding size, R rank of the features, K classes, F folds (problems solved side by side).

All folds share one feature matrix, so they are solved together: one matrix product serves every fold. The features
are standardised and rotated into the eigenvectors of their Gram matrix once; there, Böhning's upper bound on the
softmax Hessian is diagonal, which makes it a preconditioner that costs nothing, for every penalty strength. What
remains is Nesterov's accelerated gradient with restarts: no line search, no tuning, the same result on every run.

Sources: D. Böhning, "Multinomial logistic regression algorithm", Ann. Inst. Stat. Math. 44 (1992); B. O'Donoghue and
E. Candès, "Adaptive restart for accelerated gradient schemes", Found. Comput. Math. 15 (2015).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from photograft.errors import TrainingError
from photograft.metrics.softmax import softmax
from photograft.values import BoolArray, DoubleArray, FloatArray, IntArray

STRENGTHS = (1.0, 0.3, 0.1, 0.03, 0.01)
"""Penalties that cross-validation tries first, strongest first; it goes on beyond either end while that helps."""

_STRENGTH_LIMITS = (1e-4, 100.0)
_WORTHWHILE = 0.02
_MAX_ITERATIONS = 500
_TOLERANCE = 2e-3
_RELATIVE_RANK = 1e-6


@dataclass(frozen=True)
class LinearHead:
    """A linear classifier on raw (not standardised) features: logits = features @ weight_DK + bias_K."""

    weight_DK: FloatArray
    bias_K: FloatArray

    def logits(self, features_ND: FloatArray) -> FloatArray:
        """Logits of shape (N, K)."""
        return np.asarray(features_ND @ self.weight_DK + self.bias_K, dtype=np.float32)


@dataclass(frozen=True)
class HeadFit:
    """A fitted head, and what cross-validation found on the way.

    `oof_logits_NK` are out-of-fold logits at the chosen strength. `honest_logits_NK` are the same, but each fold's
    strength was chosen without that fold's photos: the ones to report. `cv_loss` maps each strength to its log loss.
    """

    head: LinearHead
    strength: float
    cv_loss: dict[float, float]
    oof_logits_NK: FloatArray
    honest_logits_NK: FloatArray


def fit_head(
    features_ND: FloatArray,
    label_N: IntArray,
    fold_N: IntArray,
    *,
    n_classes: int,
    strength: float | None = None,
    balance: str = "none",
    fit_rows: BoolArray | None = None,
) -> HeadFit:
    """Choose the L2 strength by cross-validation over the given folds, then fit on all rows.

    `label_N` holds class indices 0..K-1 and `fold_N` fold numbers 0..F-1. The objective is the mean cross-entropy
    plus strength / 2 times the squared norm of the weights on standardised features; the bias is not penalised.
    With `balance` "balanced" each photo weighs N / (K x photos of its class). A given `strength` is used as it is.
    The head is fitted on `fit_rows` (mask of shape (N,)), by default on all. The scale of the features comes from all
    rows: it uses no labels.
    """
    if len(features_ND) != len(label_N) or len(features_ND) != len(fold_N):
        raise ValueError("features, labels and folds must have the same length")
    if len(np.unique(label_N)) < 2:
        raise TrainingError("Training needs photos of at least two classes.")
    if not np.isfinite(features_ND).all():
        raise TrainingError("The features hold values that are not finite: clear the cache (photograft cache clear).")
    weight_N = _class_weights(label_N, n_classes) if balance == "balanced" else np.ones(len(label_N), np.float32)
    basis = _Basis.of(features_ND, weight_N)
    n_folds = int(fold_N.max()) + 1
    train_FN = np.stack([fold_N != f for f in range(n_folds)])
    search = _StrengthSearch(basis, label_N, fold_N, _Problems(basis, label_N, weight_N, train_FN, n_classes), weight_N)
    search.run((strength,) if strength is not None else STRENGTHS, extend=strength is None)
    chosen = search.best()
    fitted_N = np.ones(len(label_N), bool) if fit_rows is None else fit_rows
    whole = _Problems(basis, label_N, weight_N, fitted_N[None], n_classes)
    start = search.solutions[chosen]
    head = whole.solve(
        chosen, start=_Solution(start.theta_RFK.mean(1, keepdims=True), start.bias_FK.mean(0, keepdims=True))
    )
    return HeadFit(
        head=basis.to_head(head),
        strength=chosen,
        cv_loss=dict(
            sorted(((s, float(loss.sum() / weight_N.sum())) for s, loss in search.loss_N.items()), reverse=True)
        ),
        oof_logits_NK=search.oof_NK[chosen],
        honest_logits_NK=search.honest_logits(),
    )


def _class_weights(label_N: IntArray, n_classes: int) -> FloatArray:
    counts_K = np.bincount(label_N, minlength=n_classes)
    present = max(int((counts_K > 0).sum()), 1)
    return (len(label_N) / (present * np.maximum(counts_K, 1)[label_N])).astype(np.float32)


@dataclass(frozen=True)
class _Basis:
    """Standardised features in the eigenvectors of their Gram matrix; directions without variance are dropped."""

    rotated_NR: FloatArray
    eigenvalue_R: FloatArray
    mean_D: FloatArray
    scale_D: FloatArray
    vectors_DR: FloatArray

    @classmethod
    def of(cls, features_ND: FloatArray, weight_N: FloatArray) -> _Basis:
        weight = (weight_N / weight_N.sum())[:, None]
        mean_D = (features_ND * weight).sum(0)
        centred_ND = features_ND - mean_D
        scale_D = np.sqrt((centred_ND**2 * weight).sum(0))
        # A feature that never varies, but for the rounding of its mean, says nothing: this makes it and its weight 0.
        scale_D = np.where(scale_D > 1e-6 + 1e-5 * np.abs(mean_D), scale_D, np.inf).astype(np.float32)
        standard_ND = (centred_ND / scale_D).astype(np.float32)
        root_ND = standard_ND * np.sqrt(weight).astype(np.float32)
        n, d = root_ND.shape
        if n < d:
            # Fewer photos than features: the (N, N) kernel has the same eigenvalues and is cheaper.
            value_R, left_NR = np.linalg.eigh(root_ND @ root_ND.T)
            keep = value_R > _RELATIVE_RANK * value_R[-1]
            vectors_DR = root_ND.T @ (left_NR[:, keep] / np.sqrt(value_R[keep]))
        else:
            value_R, all_DR = np.linalg.eigh(root_ND.T @ root_ND)
            keep = value_R > _RELATIVE_RANK * value_R[-1]
            vectors_DR = all_DR[:, keep]
        vectors_DR = np.ascontiguousarray(vectors_DR, dtype=np.float32)
        return cls(
            standard_ND @ vectors_DR, value_R[keep].astype(np.float32), mean_D.astype(np.float32), scale_D, vectors_DR
        )

    def to_head(self, solution: _Solution) -> LinearHead:
        """Undo rotation and standardisation, in double precision."""
        weight_DK = (self.vectors_DR.astype(np.float64) @ solution.theta_RFK[:, 0]) / self.scale_D[:, None]
        bias_K = solution.bias_FK[0] - self.mean_D.astype(np.float64) @ weight_DK
        # Softmax does not change when all classes shift together; centring keeps the numbers small.
        weight_DK = weight_DK - weight_DK.mean(1, keepdims=True)
        return LinearHead(weight_DK.astype(np.float32), (bias_K - bias_K.mean()).astype(np.float32))


@dataclass(frozen=True)
class _Solution:
    theta_RFK: FloatArray
    bias_FK: FloatArray


class _Problems:
    """F logistic regressions over the same features, each on its own rows, solved side by side."""

    def __init__(
        self, basis: _Basis, label_N: IntArray, weight_N: FloatArray, train_FN: np.ndarray, n_classes: int
    ) -> None:
        self.basis = basis
        self.shape = (train_FN.shape[0], n_classes)
        self.label_N = label_N
        masked_FN = train_FN * weight_N
        self.total_F = masked_FN.sum(1)
        self.weight_NF = np.ascontiguousarray((masked_FN / self.total_F[:, None]).T.astype(np.float32))
        # A fold's own Gram matrix is at most that of all rows times this.
        self.share_F = (weight_N.sum() / self.total_F).astype(np.float32)

    def solve(self, strength: float, *, start: _Solution | None = None) -> _Solution:
        """Minimise until the preconditioned gradient is `_TOLERANCE` times what it was at zero."""
        n_folds, n_classes = self.shape
        rank = len(self.basis.eigenvalue_R)
        theta = np.zeros((rank, n_folds, n_classes), np.float32) if start is None else start.theta_RFK.copy()
        bias = np.zeros((n_folds, n_classes), np.float32) if start is None else start.bias_FK.copy()
        bound_RF = 0.5 * self.basis.eigenvalue_R[:, None] * self.share_F + strength
        step_RF1 = (1.0 / bound_RF)[:, :, None]
        step_F1 = (1.0 / (0.5 * self.share_F))[:, None]
        reference_F = self._gradient_size(
            *self._gradient(np.zeros_like(theta), np.zeros_like(bias), 0.0), step_RF1, step_F1
        )
        previous, previous_bias = theta, bias
        momentum_F = np.ones(n_folds, np.float32)
        for _ in range(_MAX_ITERATIONS):
            following_F = (1 + np.sqrt(1 + 4 * momentum_F**2)) / 2
            push_F1 = ((momentum_F - 1) / following_F)[:, None]
            ahead = theta + push_F1 * (theta - previous)
            ahead_bias = bias + push_F1 * (bias - previous_bias)
            gradient, gradient_bias = self._gradient(ahead, ahead_bias, strength)
            size_F = self._gradient_size(gradient, gradient_bias, step_RF1, step_F1)
            previous, previous_bias = theta, bias
            theta = ahead - step_RF1 * gradient
            bias = ahead_bias - step_F1 * gradient_bias
            if np.all(size_F <= _TOLERANCE**2 * reference_F):
                break
            # Restart a problem's momentum when it points uphill.
            uphill_F = (gradient * (theta - previous)).sum((0, 2)) + (gradient_bias * (bias - previous_bias)).sum(1) > 0
            momentum_F = np.where(uphill_F, 1.0, following_F).astype(np.float32)
        return _Solution(theta, bias)

    def _gradient(self, theta_RFK: FloatArray, bias_FK: FloatArray, strength: float) -> tuple[FloatArray, FloatArray]:
        rank, n_folds, n_classes = theta_RFK.shape
        n = len(self.label_N)
        logits = (self.basis.rotated_NR @ theta_RFK.reshape(rank, n_folds * n_classes)).reshape(n, n_folds, n_classes)
        logits += bias_FK
        logits -= logits.max(2, keepdims=True)
        np.exp(logits, out=logits)
        logits /= logits.sum(2, keepdims=True)
        logits[np.arange(n), :, self.label_N] -= 1.0
        residual_NFK = logits
        residual_NFK *= self.weight_NF[:, :, None]
        gradient = (self.basis.rotated_NR.T @ residual_NFK.reshape(n, -1)).reshape(theta_RFK.shape)
        if strength:
            gradient += strength * theta_RFK
        return gradient, residual_NFK.sum(0)

    @staticmethod
    def _gradient_size(
        gradient: FloatArray, gradient_bias: FloatArray, step_RF1: FloatArray, step_F1: FloatArray
    ) -> FloatArray:
        """Squared norm of the gradient under the preconditioner, per problem."""
        return np.asarray((step_RF1 * gradient**2).sum((0, 2)) + (step_F1 * gradient_bias**2).sum(1))


class _StrengthSearch:
    """Out-of-fold logits and losses per strength, each warm-started from the nearest one solved before."""

    def __init__(
        self, basis: _Basis, label_N: IntArray, fold_N: IntArray, folds: _Problems, weight_N: FloatArray
    ) -> None:
        self.basis, self.label_N, self.fold_N, self.folds, self.weight_N = basis, label_N, fold_N, folds, weight_N
        self.solutions: dict[float, _Solution] = {}
        self.oof_NK: dict[float, FloatArray] = {}
        self.loss_N: dict[float, DoubleArray] = {}

    def run(self, strengths: tuple[float, ...], *, extend: bool) -> None:
        for strength in strengths:
            self._try(strength)
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
            if self.loss_N[following].sum() > (1 - _WORTHWHILE) * self.loss_N[best].sum():
                return

    def best(self, rows: np.ndarray | None = None) -> float:
        """The strength with the lowest loss over the given rows; the stronger penalty wins a tie."""
        where = slice(None) if rows is None else rows
        return min(sorted(self.loss_N, reverse=True), key=lambda s: float(self.loss_N[s][where].sum()))

    def honest_logits(self) -> FloatArray:
        """Out-of-fold logits where each fold's strength was chosen on the other folds' photos."""
        logits_NK = np.empty_like(next(iter(self.oof_NK.values())))
        for f in range(self.folds.shape[0]):
            held = self.fold_N == f
            logits_NK[held] = self.oof_NK[self.best(~held)][held]
        return logits_NK

    def _try(self, strength: float) -> None:
        nearest = min(self.solutions, key=lambda s: abs(np.log(s / strength)), default=None)
        solution = self.folds.solve(strength, start=None if nearest is None else self.solutions[nearest])
        logits_NK = np.empty((len(self.label_N), self.folds.shape[1]), np.float32)
        for f in range(self.folds.shape[0]):
            held = self.fold_N == f
            logits_NK[held] = self.basis.rotated_NR[held] @ solution.theta_RFK[:, f] + solution.bias_FK[f]
        chance_NK = softmax(logits_NK)
        own_N = chance_NK[np.arange(len(self.label_N)), self.label_N]
        self.solutions[strength] = solution
        self.oof_NK[strength] = logits_NK
        self.loss_N[strength] = -np.log(np.maximum(own_N, 1e-15)) * self.weight_N
