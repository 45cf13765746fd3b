"""The limited-memory BFGS method for many smooth convex functions at once: every evaluation is of all of them.

Shape letters: P functions, A of them not yet solved, C x X variables of each, H remembered steps.

Written for functions whose evaluation is a pass over more data than fits memory: an iteration is one evaluation, of
loss and gradient at the trial points of all functions, each of which takes its step or shortens it by itself.

Source: J. Nocedal and S. Wright, "Numerical Optimization" (2006), algorithms 7.4 and 3.5 (its interpolation).
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from photograft.values import BoolArray, DoubleArray, IntArray

_MAX_EVALUATIONS = 300
_REMEMBERED = 8
_DECREASE = 1e-4
_ROUNDING = 1e-8
"""Of a loss: it may rise by this part, which is what sums of numbers in single precision are off by."""


class Functions(Protocol):
    """Convex functions with an approximation of the inverse of their Hessians."""

    def evaluate(self, theta_ACX: DoubleArray, number_A: IntArray) -> tuple[DoubleArray, DoubleArray]:
        """Losses (A,) and gradients (A, C, X) of the functions `number_A` at these points."""
        ...

    def inverse_times(self, vector_ACX: DoubleArray, theta_ACX: DoubleArray, number_A: IntArray) -> DoubleArray:
        """The approximate inverse Hessians at these points times a vector each."""
        ...


def minimise(functions: Functions, start_PCX: DoubleArray, solved_P: BoolArray, *, tolerance: float) -> DoubleArray:
    """Where each function is within about `tolerance` of its minimum; those that are `solved_P` stay at their start.

    That is judged by the decrease that the approximate Hessian promises from the gradient.
    """
    walk = _Walk(functions, start_PCX, solved_P, tolerance)
    for _ in range(_MAX_EVALUATIONS):
        if walk.solved_P.all():
            break
        walk.turn()
    return walk.here_PCX


class _Walk:
    """The functions on their way; where each of them is, and the point that it tries next."""

    def __init__(self, functions: Functions, start_PCX: DoubleArray, solved_P: BoolArray, tolerance: float) -> None:
        self.functions, self.tolerance, self.solved_P = functions, tolerance, solved_P.copy()
        self.here_PCX, self.trial_PCX = start_PCX.copy(), start_PCX.copy()
        self.loss_P, self.gradient_PCX = functions.evaluate(start_PCX, np.arange(len(start_PCX)))
        self.direction_PCX, self.slope_P = np.zeros_like(start_PCX), np.zeros(len(start_PCX))
        self.step_P = np.ones(len(start_PCX))
        self.moved_HPCX = np.zeros((_REMEMBERED, *start_PCX.shape))
        self.change_HPCX = np.zeros_like(self.moved_HPCX)
        self.inverse_HP = np.zeros((_REMEMBERED, len(start_PCX)))
        self._aim(np.flatnonzero(~self.solved_P))

    def turn(self) -> None:
        """Take the trial points that are lower than where the functions were; shorten the way to the others."""
        number_A = np.flatnonzero(~self.solved_P)
        loss_A, gradient_ACX = self.functions.evaluate(self.trial_PCX[number_A], number_A)
        before_A, promised_A = self.loss_P[number_A], self.step_P[number_A] * self.slope_P[number_A]
        low_A = loss_A <= before_A + _DECREASE * promised_A + _ROUNDING * np.abs(before_A)
        # The parabola through both losses and the slope; a rise beyond all bounds shortens tenfold.
        shorter_A = -0.5 * promised_A[~low_A] / (loss_A - before_A - promised_A)[~low_A]
        self.step_P[number_A[~low_A]] *= np.clip(np.nan_to_num(shorter_A, nan=0.1), 0.1, 0.5)
        self._try(number_A[~low_A])
        self._take(number_A[low_A], loss_A[low_A], gradient_ACX[low_A])

    def _take(self, number_A: IntArray, loss_A: DoubleArray, gradient_ACX: DoubleArray) -> None:
        """Go to the trial points, remember the steps, and find the next directions."""
        moved_ACX = self.trial_PCX[number_A] - self.here_PCX[number_A]
        change_ACX = gradient_ACX - self.gradient_PCX[number_A]
        product_A = _dot(moved_ACX, change_ACX)
        inverse_A = np.where(product_A > 0, 1 / np.where(product_A > 0, product_A, 1), 0)
        for kept, new in (
            (self.moved_HPCX, moved_ACX),
            (self.change_HPCX, change_ACX),
            (self.inverse_HP, inverse_A),
        ):
            kept[1:, number_A] = kept[:-1, number_A]
            kept[0, number_A] = new
        self.here_PCX[number_A] = self.trial_PCX[number_A]
        self.loss_P[number_A], self.gradient_PCX[number_A], self.step_P[number_A] = loss_A, gradient_ACX, 1.0
        self._aim(number_A)

    def _aim(self, number_A: IntArray) -> None:
        """The next direction: the two loops of algorithm 7.4, whose first matrix is the approximate inverse."""
        if not len(number_A):
            return
        gradient_ACX = self.gradient_PCX[number_A]
        result_ACX = gradient_ACX.copy()
        share_HA = np.zeros((_REMEMBERED, len(number_A)))
        for h in range(_REMEMBERED):
            share_HA[h] = self.inverse_HP[h, number_A] * _dot(self.moved_HPCX[h, number_A], result_ACX)
            result_ACX -= share_HA[h][:, None, None] * self.change_HPCX[h, number_A]
        result_ACX = self.functions.inverse_times(result_ACX, self.here_PCX[number_A], number_A)
        for h in reversed(range(_REMEMBERED)):
            back_A = self.inverse_HP[h, number_A] * _dot(self.change_HPCX[h, number_A], result_ACX)
            result_ACX += (share_HA[h] - back_A)[:, None, None] * self.moved_HPCX[h, number_A]
        self.direction_PCX[number_A], self.slope_P[number_A] = -result_ACX, -_dot(result_ACX, gradient_ACX)
        self.solved_P[number_A] = -0.5 * self.slope_P[number_A] <= self.tolerance
        self._try(number_A)

    def _try(self, number_A: IntArray) -> None:
        step_A11 = self.step_P[number_A][:, None, None]
        self.trial_PCX[number_A] = self.here_PCX[number_A] + step_A11 * self.direction_PCX[number_A]


def _dot(one_ACX: DoubleArray, other_ACX: DoubleArray) -> DoubleArray:
    return np.asarray(np.einsum("acx,acx->a", one_ACX, other_ACX))
