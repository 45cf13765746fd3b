"""Several multinomial logistic regressions over one feature matrix, solved side by side.

Shape letters: N photos, R rank of the features, K classes, F problems (folds), A problems not yet solved.

The features come rotated into the eigenvectors of their Gram matrix (training/basis.py). There the Hessian is nearly
diagonal, class by class: a preconditioner that costs nothing, for every penalty. What remains is the nonlinear
conjugate gradient of Polak and Ribière. Logits are linear in the weights, so those along a direction are computed once
(one matrix product) and the line search needs no further product. Every problem stops by itself when it is solved, so
that its answer does not depend on the others. The features are read in blocks: they may be in a file.

Arrays are laid out (F, K, N): sums over classes then run over whole rows of photos, a block of which stays in cache.

Sources: D. Böhning, "Multinomial logistic regression algorithm", Ann. Inst. Stat. Math. 44 (1992); J. Nocedal and
S. Wright, "Numerical Optimization" (2006), section 5.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from photograft.features.matrix import row_blocks
from photograft.values import FloatArray, IntArray

_MAX_ITERATIONS = 500
_MAX_SHORTENINGS = 8
_OVERSHOOT = 0.5
"""A step is shortened where the slope behind it is steeper than this part of the slope before it."""
_REFRESH = 5
_LEAST_SPREAD = 1e-2
_BLOCK = 65_536
"""Numbers in a block of logits: a quarter of a megabyte, so that it stays in the second-level cache."""


@dataclass(frozen=True)
class Solution:
    """Weights on the rotated features, and biases, of F problems."""

    theta_FKR: FloatArray
    bias_FK: FloatArray


class Problems:
    """F logistic regressions over the same features, each with its own weights of the photos (0 leaves one out).

    `rotated_NR` has the Gram matrix diag(eigenvalue_R) under the photo weights `reference_N`, which sum to 1.
    """

    def __init__(
        self,
        rotated_NR: FloatArray,
        eigenvalue_R: FloatArray,
        reference_N: FloatArray,
        label_N: IntArray,
        weight_FN: FloatArray,
        n_classes: int,
    ) -> None:
        self.rotated_NR, self.eigenvalue_R, self.label_N, self.n_classes = rotated_NR, eigenvalue_R, label_N, n_classes
        self.weight_FN = np.ascontiguousarray(weight_FN / weight_FN.sum(1, keepdims=True), dtype=np.float32)
        # A problem's own Gram matrix is at most the given one times the largest ratio of the weights.
        self.share_F = (self.weight_FN / reference_N).max(1).astype(np.float32)

    def solve(self, strength: float, *, tolerance: float, start: Solution | None = None) -> Solution:
        """Minimise mean cross-entropy + strength / 2 |theta|^2 of each problem; the bias is not penalised.

        A problem is solved when its preconditioned gradient is `tolerance` times what it is at zero.
        """
        shape = (len(self.weight_FN), self.n_classes, len(self.eigenvalue_R))
        start = start or Solution(np.zeros(shape, np.float32), np.zeros(shape[:2], np.float32))
        paths = [_Path(self, f, strength, start.theta_FKR[f].copy(), start.bias_FK[f].copy()) for f in range(shape[0])]
        for path, logits_KN in zip(paths, self._products([p.theta_KR for p in paths]), strict=True):
            path.begin(logits_KN, limit=tolerance**2)
        for path, gradient_KR in zip(paths, self._gradients(paths, at_zero=True), strict=True):
            path.measure_zero(gradient_KR)
        active = paths
        for _ in range(_MAX_ITERATIONS):
            for path, gradient_KR in zip(active, self._gradients(active), strict=True):
                path.turn(gradient_KR)
            active = [path for path in active if not path.solved]
            if not active:
                break
            for path, along_KN in zip(active, self._products([p.direction_KR for p in active]), strict=True):
                path.advance(along_KN)
        return Solution(np.stack([p.theta_KR for p in paths]), np.stack([p.bias_K for p in paths]))

    def logits_of_problem(self, solution: Solution, problem_N: IntArray) -> FloatArray:
        """Logits (N, K) where each photo's come from the one problem that `problem_N` names: that without its fold."""
        logits_NK = np.empty((len(problem_N), self.n_classes), np.float32)
        for place, block_BR in row_blocks(self.rotated_NR):
            for f in range(len(self.weight_FN)):
                held = np.flatnonzero(problem_N[place] == f)
                logits_NK[place.start + held] = block_BR[held] @ solution.theta_FKR[f].T + solution.bias_FK[f]
        return logits_NK

    def _products(self, theta: list[FloatArray]) -> FloatArray:
        """Theta of A problems times all photos' features: shape (A, K, N)."""
        stacked = np.concatenate(theta)
        product = np.empty((len(stacked), len(self.label_N)), np.float32)
        for place, block_BR in row_blocks(self.rotated_NR):
            product[:, place] = stacked @ block_BR.T
        return product.reshape(len(theta), self.n_classes, -1)

    def _gradients(self, paths: list[_Path], *, at_zero: bool = False) -> FloatArray:
        """Residuals of A problems times the features: shape (A, K, R)."""
        residuals = [p.zero_residual() if at_zero else p.residual_KN for p in paths]
        product = np.zeros((len(paths) * self.n_classes, len(self.eigenvalue_R)), np.float32)
        for place, block_BR in row_blocks(self.rotated_NR):
            product += np.concatenate([residual_KN[:, place] for residual_KN in residuals]) @ block_BR
        return product.reshape(len(paths), self.n_classes, -1)


class _Path:
    """One problem on its way to the minimum."""

    def __init__(self, problems: Problems, f: int, strength: float, theta_KR: FloatArray, bias_K: FloatArray) -> None:
        self.label_N, self.weight_N = problems.label_N, problems.weight_FN[f]
        self.strength, self.theta_KR, self.bias_K = np.float32(strength), theta_KR, bias_K
        self.eigenvalue_R = problems.eigenvalue_R
        self.gradient_KR: FloatArray
        self.gradient_K: FloatArray
        self.direction_KR, self.direction_K = np.zeros_like(theta_KR), np.zeros_like(bias_K)
        # Böhning's bound on the Hessian is the same at every point: a fixed measure of how far there is to go.
        self.bound_R = 1 / (0.5 * problems.share_F[f] * problems.eigenvalue_R + self.strength)
        self.bound = 1 / (np.float32(0.5) * problems.share_F[f])
        self.solved, self.size, self.turns = False, 0.0, 0
        n = len(self.label_N)
        width = max(_BLOCK // problems.n_classes, 16)
        self.blocks = [slice(i, min(i + width, n)) for i in range(0, n, width)]

    def begin(self, logits_KN: FloatArray, *, limit: float) -> None:
        self.limit = limit
        self.logits_KN = logits_KN + self.bias_K[:, None]
        self.residual_KN = np.empty_like(self.logits_KN)
        for block in self.blocks:
            self._residual(block)

    def zero_residual(self) -> FloatArray:
        """Residuals at zero weights, where every class is as likely."""
        residual_KN = np.broadcast_to(self.weight_N / len(self.bias_K), self.logits_KN.shape).copy()
        residual_KN[self.label_N, np.arange(len(self.label_N))] -= self.weight_N
        self.zero_bias_K = residual_KN.sum(1)
        return residual_KN

    def measure_zero(self, gradient_KR: FloatArray) -> None:
        self.limit *= self._distance(gradient_KR, self.zero_bias_K)

    def turn(self, data_gradient_KR: FloatArray) -> None:
        """Take the gradient here; the problem is solved, or has a new direction."""
        gradient_KR = data_gradient_KR + self.strength * self.theta_KR
        gradient_K = self.residual_KN.sum(1)
        if self._distance(gradient_KR, gradient_K) <= self.limit:
            self.solved = True
            return
        if self.turns % _REFRESH == 0:
            self._estimate_hessian()
        self.turns += 1
        steepest_KR, steepest_K = self.step_KR * gradient_KR, self.step_K * gradient_K
        before, self.size = self.size, _dot(steepest_KR, gradient_KR) + _dot(steepest_K, gradient_K)
        if before:
            change = _dot(steepest_KR, self.gradient_KR) + _dot(steepest_K, self.gradient_K)
            keep = np.float32(max(0.0, (self.size - change) / before))
            self.direction_KR *= keep
            self.direction_KR -= steepest_KR
            self.direction_K = keep * self.direction_K - steepest_K
        slope = _dot(self.direction_KR, gradient_KR) + _dot(self.direction_K, gradient_K) if before else 0.0
        if slope >= 0:
            self.direction_KR, self.direction_K = -steepest_KR, -steepest_K
            slope = -self.size
        self.slope, self.gradient_KR, self.gradient_K = slope, gradient_KR, gradient_K

    def advance(self, along_KN: FloatArray) -> None:
        """Go along the direction to where the slope has become flat; `along_KN` is what it adds to the logits."""
        along_KN += self.direction_K[:, None]
        length_squared = _dot(self.direction_KR, self.direction_KR)
        penalty_slope = float(self.strength) * _dot(self.theta_KR, self.direction_KR)
        curvature = sum(self._curvature(block, along_KN) for block in self.blocks)
        curvature += float(self.strength) * length_squared
        step = -self.slope / max(curvature, 1e-30)
        moved = 0.0
        for _ in range(_MAX_SHORTENINGS):
            slope = penalty_slope + step * float(self.strength) * length_squared
            for block in self.blocks:
                self.logits_KN[:, block] += np.float32(step - moved) * along_KN[:, block]
                self._residual(block)
                slope += float(np.einsum("kn,kn->", self.residual_KN[:, block], along_KN[:, block]))
            moved = step
            if slope <= -_OVERSHOOT * self.slope:
                break
            # Too far: the slope is uphill. Where it was linear in between, this is where it is flat.
            step *= self.slope / (self.slope - slope)
        self.theta_KR += np.float32(moved) * self.direction_KR
        self.bias_K += np.float32(moved) * self.direction_K

    def _distance(self, gradient_KR: FloatArray, gradient_K: FloatArray) -> float:
        """Squared norm of a gradient under Böhning's bound."""
        return float((gradient_KR**2).sum(0) @ self.bound_R) + float(self.bound) * _dot(gradient_K, gradient_K)

    def _estimate_hessian(self) -> None:
        """Per class the mean of p (1 - p), times the eigenvalues: the Hessian if p and features were independent."""
        positive_N = np.maximum(self.weight_N, np.float32(1e-30))
        own_N = self.residual_KN[self.label_N, np.arange(len(self.label_N))]
        own_K = np.bincount(self.label_N, own_N, minlength=len(self.bias_K))
        square_K = np.einsum("kn,kn,n->k", self.residual_KN, self.residual_KN, 1 / positive_N)
        spread = np.maximum(self.residual_KN.sum(1) - square_K - 2 * own_K, _LEAST_SPREAD / len(self.bias_K))
        spread_K = spread.astype(np.float32)
        self.step_KR = 1 / (spread_K[:, None] * self.eigenvalue_R + self.strength)
        self.step_K = 1 / spread_K

    def _residual(self, block: slice) -> None:
        """Weight times (probability - one-hot label) of a block of photos, from their logits."""
        chance = self.residual_KN[:, block]
        np.subtract(self.logits_KN[:, block], self.logits_KN[:, block].max(0), out=chance)
        np.exp(chance, out=chance)
        weight_N = self.weight_N[block]
        chance *= weight_N / chance.sum(0)
        chance[self.label_N[block], np.arange(len(weight_N))] -= weight_N

    def _curvature(self, block: slice, along_KN: FloatArray) -> float:
        """Second derivative of the block's loss along the direction: its logits' variance under the probabilities."""
        along, weight_N = along_KN[:, block], self.weight_N[block]
        own_N = along[self.label_N[block], np.arange(len(weight_N))]
        product = self.residual_KN[:, block] * along
        mean_N = product.sum(0) + weight_N * own_N
        square_N = np.einsum("kn,kn->n", product, along) + weight_N * own_N**2
        return float(square_N.sum() - (mean_N**2 / np.maximum(weight_N, 1e-30)).sum())


def _dot(one: FloatArray, other: FloatArray) -> float:
    return float(np.vdot(one, other))
