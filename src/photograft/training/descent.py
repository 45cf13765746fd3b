"""Several logistic regressions over one feature matrix, solved side by side.

Shape letters: N photos, R rank of the features, F folds, Q problems of each fold, C outputs of one problem, K outputs
of all problems of a fold (Q x C), A problems not yet solved.

A problem is a softmax over C classes, or a yes-or-no question (C = 1, the log odds of yes). A fold has one problem over
its classes, or any number of questions.

The features come rotated into the eigenvectors of their Gram matrix (training/basis.py). There the Hessian is nearly
diagonal, class by class: a preconditioner that costs nothing, for every penalty. What remains is the nonlinear
conjugate gradient of Polak and Ribière. Logits are linear in the weights, so those along a direction are computed once
(one matrix product) and the line search needs no further product. Every problem stops by itself when it is solved, so
that its answer does not depend on the others. The features are read in blocks: they may be in a file.

Arrays are laid out (A, C, N): sums over classes then run over whole rows of photos, a block of which stays in cache.

Sources: D. Böhning, "Multinomial logistic regression algorithm", Ann. Inst. Stat. Math. 44 (1992); J. Nocedal and
S. Wright, "Numerical Optimization" (2006), section 5.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from photograft.features.matrix import row_blocks
from photograft.metrics.links import Truth
from photograft.values import FloatArray, IntArray

_MAX_ITERATIONS = 500
_MAX_SHORTENINGS = 8
_OVERSHOOT = 0.5
"""A step is shortened where the slope behind it is steeper than this part of the slope before it."""
_REFRESH = 5
_LEAST_SPREAD = 1e-2
_BLOCK = 65_536
"""Numbers in a block of logits: a quarter of a megabyte, so that it stays in the second-level cache."""
AT_ONCE = 4_000_000
"""Logits of the questions that are solved side by side: more take turns, as each needs several arrays of that size."""


@dataclass(frozen=True)
class Solution:
    """Weights on the rotated features, and biases, for F folds."""

    theta_FKR: FloatArray
    bias_FK: FloatArray


class Problems:
    """Logistic regressions over the same features, each with its own weights of the photos (0 leaves one out).

    `rotated_NR` has the Gram matrix diag(eigenvalue_R) under the photo weights `reference_N`, which sum to 1.
    `label_QN` holds the classes 0..C-1 of each problem, the same in every fold, and `weight_FQN` the weights.
    """

    def __init__(
        self,
        rotated_NR: FloatArray,
        eigenvalue_R: FloatArray,
        reference_N: FloatArray,
        label_QN: Truth,
        weight_FQN: FloatArray,
        n_outputs: int,
    ) -> None:
        self.rotated_NR, self.eigenvalue_R, self.reference_N = rotated_NR, eigenvalue_R, reference_N
        self.label_QN, self.weight_FQN, self.n_outputs = label_QN, weight_FQN, n_outputs

    def solve(self, strength: float, *, tolerance: float, start: Solution | None = None) -> Solution:
        """Minimise mean cross-entropy + strength / 2 |theta|^2 of each problem; the bias is not penalised.

        The one vector of a question costs strength / 4 |theta|^2: a question is the softmax of two classes whose
        vectors are opposite halves of it. A problem is solved when its preconditioned gradient is `tolerance` times
        what it is at zero.
        """
        n_folds, n_each, n = self.weight_FQN.shape
        shape = (n_folds * n_each, self.n_outputs, len(self.eigenvalue_R))
        if start is None:
            theta, bias = np.zeros(shape, np.float32), np.zeros(shape[:2], np.float32)
        else:
            theta, bias = start.theta_FKR.reshape(shape).copy(), start.bias_FK.reshape(shape[:2]).copy()
        kind = _Path if self.n_outputs > 1 else _Question
        together = shape[0] if self.n_outputs > 1 else max(AT_ONCE // n, 1)
        for first in range(0, shape[0], together):
            numbers = [divmod(i, n_each) for i in range(first, min(first + together, shape[0]))]
            paths = [kind(self, f, q, strength, theta[i], bias[i]) for i, (f, q) in enumerate(numbers, start=first)]
            self._walk(paths, tolerance)
        shape = (n_folds, n_each * self.n_outputs, shape[2])
        return Solution(theta.reshape(shape), bias.reshape(shape[:2]))

    def logits_of_fold(self, solution: Solution, fold_N: IntArray) -> FloatArray:
        """Logits (N, K) where each photo's come from the one fold that `fold_N` names: fitted without its photos."""
        logits_NK = np.empty((len(fold_N), solution.bias_FK.shape[1]), np.float32)
        for place, block_BR in row_blocks(self.rotated_NR):
            for f in range(len(self.weight_FQN)):
                held = np.flatnonzero(fold_N[place] == f)
                logits_NK[place.start + held] = block_BR[held] @ solution.theta_FKR[f].T + solution.bias_FK[f]
        return logits_NK

    def _walk(self, paths: list[_Path], tolerance: float) -> None:
        """Take each path to its end; its weights change in place."""
        for path, logits_CN in zip(paths, self._products([p.theta_CR for p in paths]), strict=True):
            path.begin(logits_CN, limit=tolerance**2)
        for path, gradient_CR in zip(paths, self._gradients(paths, at_zero=True), strict=True):
            path.measure_zero(gradient_CR)
        active = [path for path in paths if not path.solved]
        for _ in range(_MAX_ITERATIONS):
            if not active:
                break
            for path, gradient_CR in zip(active, self._gradients(active), strict=True):
                path.turn(gradient_CR)
            active = [path for path in active if not path.solved]
            if not active:
                break
            for path, along_CN in zip(active, self._products([p.direction_CR for p in active]), strict=True):
                path.advance(along_CN)

    def _products(self, theta: list[FloatArray]) -> FloatArray:
        """Theta of A problems times all photos' features: shape (A, C, N)."""
        stacked = np.concatenate(theta)
        product = np.empty((len(stacked), len(self.rotated_NR)), np.float32)
        for place, block_BR in row_blocks(self.rotated_NR):
            product[:, place] = stacked @ block_BR.T
        return product.reshape(len(theta), self.n_outputs, -1)

    def _gradients(self, paths: list[_Path], *, at_zero: bool = False) -> FloatArray:
        """Residuals of A problems times the features: shape (A, C, R)."""
        residuals = [p.zero_residual() if at_zero else p.residual_CN for p in paths]
        product = np.zeros((len(paths) * self.n_outputs, len(self.eigenvalue_R)), np.float32)
        for place, block_BR in row_blocks(self.rotated_NR):
            product += np.concatenate([residual_CN[:, place] for residual_CN in residuals]) @ block_BR
        return product.reshape(len(paths), self.n_outputs, -1)


class _Path:
    """One softmax on its way to the minimum; `theta_CR` and `bias_C` are where it is."""

    BOUND = 0.5

    def __init__(
        self, problems: Problems, fold: int, number: int, strength: float, theta_CR: FloatArray, bias_C: FloatArray
    ) -> None:
        weight_N = problems.weight_FQN[fold, number]
        self.label_N = problems.label_QN[number]
        self.weight_N = np.asarray(weight_N / max(weight_N.sum(), np.float32(1e-30)), dtype=np.float32)
        self.strength, self.theta_CR, self.bias_C = np.float32(strength), theta_CR, bias_C
        self.eigenvalue_R = problems.eigenvalue_R
        self.gradient_CR: FloatArray
        self.gradient_C: FloatArray
        self.direction_CR, self.direction_C = np.zeros_like(theta_CR), np.zeros_like(bias_C)
        # Böhning's bound on the Hessian is the same at every point: a fixed measure of how far there is to go.
        # A problem's own Gram matrix is at most the given one times the largest ratio of the weights.
        share = np.float32(self.BOUND) * max((self.weight_N / problems.reference_N).max(), np.float32(1e-30))
        self.bound_R = 1 / (share * problems.eigenvalue_R + self.strength)
        self.bound = 1 / share
        self.solved, self.size, self.turns = False, 0.0, 0
        n = len(self.label_N)
        width = max(_BLOCK // problems.n_outputs, 16)
        self.blocks = [slice(i, min(i + width, n)) for i in range(0, n, width)]

    def begin(self, logits_CN: FloatArray, *, limit: float) -> None:
        self.limit = limit
        self.logits_CN = logits_CN + self.bias_C[:, None]
        self.residual_CN = np.empty_like(self.logits_CN)
        for block in self.blocks:
            self._residual(block)

    def zero_residual(self) -> FloatArray:
        """Residuals at zero weights, where every class is as likely."""
        residual_CN = np.array(np.broadcast_to(self.weight_N / len(self.bias_C), self.logits_CN.shape), np.float32)
        residual_CN[self.label_N, np.arange(len(self.label_N))] -= self.weight_N
        self.zero_bias_C = residual_CN.sum(1)
        return residual_CN

    def measure_zero(self, gradient_CR: FloatArray) -> None:
        self.limit *= self._distance(gradient_CR, self.zero_bias_C)

    def turn(self, data_gradient_CR: FloatArray) -> None:
        """Take the gradient here; the problem is solved, or has a new direction."""
        gradient_CR = data_gradient_CR + self.strength * self.theta_CR
        gradient_C = self.residual_CN.sum(1)
        if self._distance(gradient_CR, gradient_C) <= self.limit:
            self.solved = True
            return
        if self.turns % _REFRESH == 0:
            self._estimate_hessian()
        self.turns += 1
        steepest_CR, steepest_C = self.step_CR * gradient_CR, self.step_C * gradient_C
        before, self.size = self.size, _dot(steepest_CR, gradient_CR) + _dot(steepest_C, gradient_C)
        if before:
            change = _dot(steepest_CR, self.gradient_CR) + _dot(steepest_C, self.gradient_C)
            keep = np.float32(max(0.0, (self.size - change) / before))
            self.direction_CR *= keep
            self.direction_CR -= steepest_CR
            self.direction_C = keep * self.direction_C - steepest_C
        slope = _dot(self.direction_CR, gradient_CR) + _dot(self.direction_C, gradient_C) if before else 0.0
        if slope >= 0:
            self.direction_CR, self.direction_C = -steepest_CR, -steepest_C
            slope = -self.size
        self.slope, self.gradient_CR, self.gradient_C = slope, gradient_CR, gradient_C

    def advance(self, along_CN: FloatArray) -> None:
        """Go along the direction to where the slope has become flat; `along_CN` is what it adds to the logits."""
        along_CN += self.direction_C[:, None]
        length_squared = _dot(self.direction_CR, self.direction_CR)
        penalty_slope = float(self.strength) * _dot(self.theta_CR, self.direction_CR)
        curvature = sum(self._curvature(block, along_CN) for block in self.blocks)
        curvature += float(self.strength) * length_squared
        step = -self.slope / max(curvature, 1e-30)
        moved = 0.0
        for _ in range(_MAX_SHORTENINGS):
            slope = penalty_slope + step * float(self.strength) * length_squared
            for block in self.blocks:
                self.logits_CN[:, block] += np.float32(step - moved) * along_CN[:, block]
                self._residual(block)
                slope += float(np.einsum("cn,cn->", self.residual_CN[:, block], along_CN[:, block]))
            moved = step
            if slope <= -_OVERSHOOT * self.slope:
                break
            # Too far: the slope is uphill. Where it was linear in between, this is where it is flat.
            step *= self.slope / (self.slope - slope)
        self.theta_CR += np.float32(moved) * self.direction_CR
        self.bias_C += np.float32(moved) * self.direction_C

    def _distance(self, gradient_CR: FloatArray, gradient_C: FloatArray) -> float:
        """Squared norm of a gradient under Böhning's bound."""
        return float((gradient_CR**2).sum(0) @ self.bound_R) + float(self.bound) * _dot(gradient_C, gradient_C)

    def _estimate_hessian(self) -> None:
        """Per class the mean of p (1 - p), times the eigenvalues: the Hessian if p and features were independent."""
        positive_N = np.maximum(self.weight_N, np.float32(1e-30))
        own_N = self.residual_CN[self.label_N, np.arange(len(self.label_N))]
        own_C = np.bincount(self.label_N, own_N, minlength=len(self.bias_C))
        square_C = np.einsum("cn,cn,n->c", self.residual_CN, self.residual_CN, 1 / positive_N)
        spread = np.maximum(self.residual_CN.sum(1) - square_C - 2 * own_C, _LEAST_SPREAD / len(self.bias_C))
        spread_C = spread.astype(np.float32)
        self.step_CR = 1 / (spread_C[:, None] * self.eigenvalue_R + self.strength)
        self.step_C = 1 / spread_C

    def _residual(self, block: slice) -> None:
        """Weight times (probability - one-hot label) of a block of photos, from their logits."""
        chance = self.residual_CN[:, block]
        np.subtract(self.logits_CN[:, block], self.logits_CN[:, block].max(0), out=chance)
        np.exp(chance, out=chance)
        weight_N = self.weight_N[block]
        chance *= weight_N / chance.sum(0)
        chance[self.label_N[block], np.arange(len(weight_N))] -= weight_N

    def _curvature(self, block: slice, along_CN: FloatArray) -> float:
        """Second derivative of the block's loss along the direction: its logits' variance under the probabilities."""
        along, weight_N = along_CN[:, block], self.weight_N[block]
        own_N = along[self.label_N[block], np.arange(len(weight_N))]
        product = self.residual_CN[:, block] * along
        mean_N = product.sum(0) + weight_N * own_N
        square_N = np.einsum("cn,cn->n", product, along) + weight_N * own_N**2
        return float(square_N.sum() - (mean_N**2 / np.maximum(weight_N, 1e-30)).sum())


class _Question(_Path):
    """One yes-or-no question; where the photos give one answer alone, the bias says how sure they make of it."""

    BOUND = 0.25

    def __init__(
        self, problems: Problems, fold: int, number: int, strength: float, theta_CR: FloatArray, bias_C: FloatArray
    ) -> None:
        super().__init__(problems, fold, number, strength / 2, theta_CR, bias_C)
        asked_N = self.weight_N > 0
        n_asked, n_yes = int(asked_N.sum()), int(self.label_N[asked_N].sum())
        if n_yes in (0, n_asked):
            self.theta_CR[:], self.solved = 0, True
            # Half a photo more of each answer: no weights and no bias would be large enough.
            self.bias_C[:] = np.log((n_yes + 0.5) / (n_asked - n_yes + 0.5))

    def zero_residual(self) -> FloatArray:
        residual_CN = np.asarray((self.weight_N * (np.float32(0.5) - self.label_N))[None], dtype=np.float32)
        self.zero_bias_C = residual_CN.sum(1)
        return residual_CN

    def _estimate_hessian(self) -> None:
        spread = max(sum(float(self._spread(block).sum()) for block in self.blocks), _LEAST_SPREAD / 2)
        self.step_CR = (1 / (np.float32(spread) * self.eigenvalue_R + self.strength))[None]
        self.step_C = np.full(1, 1 / spread, np.float32)

    def _residual(self, block: slice) -> None:
        chance = self.residual_CN[0, block]
        # The logistic function in a form that does not overflow.
        np.tanh(np.float32(0.5) * self.logits_CN[0, block], out=chance)
        chance *= np.float32(0.5)
        chance += np.float32(0.5)
        chance -= self.label_N[block]
        chance *= self.weight_N[block]

    def _curvature(self, block: slice, along_CN: FloatArray) -> float:
        return float(np.einsum("n,n,n->", self._spread(block), along_CN[0, block], along_CN[0, block]))

    def _spread(self, block: slice) -> FloatArray:
        """Weight times p (1 - p), from the residuals: weight times p where the answer is no, p - 1 where it is yes."""
        size_N = np.abs(self.residual_CN[0, block])
        return np.asarray(size_N - size_N**2 / np.maximum(self.weight_N[block], np.float32(1e-30)), dtype=np.float32)


def _dot(one: FloatArray, other: FloatArray) -> float:
    return float(np.vdot(one, other))
