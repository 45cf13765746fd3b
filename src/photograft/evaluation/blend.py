"""Average two models of the same photos, by shares that photos chose which neither has seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from photograft.evaluation.calibration import calibrate
from photograft.metrics.softmax import softmax
from photograft.values import DoubleArray, FloatArray, IntArray

_SHARES = np.linspace(0, 1, 21)
"""Finer steps would fit the noise of some hundred photos."""
_ENOUGH = 1_000_000
"""Logits that shares are chosen on: more photos of many classes take minutes, and choose the same shares."""


@dataclass(frozen=True)
class Blend:
    """Factors of the logits of the linear head and of the tuned network; `share` is that of the tuned one, 0 to 1."""

    linear: float
    tuned: float
    share: float

    def logits(self, linear_NK: FloatArray, tuned_NK: FloatArray) -> FloatArray:
        """Blended logits (N, K)."""
        return np.asarray(self.linear * linear_NK + self.tuned * tuned_NK, dtype=np.float32)


def blend(linear_NK: FloatArray, tuned_NK: FloatArray, label_N: IntArray) -> Blend:
    """The blend of two models' logits for these photos, each at a temperature of its own.

    Of all shares whose log loss is within one standard error of the lowest, the one nearest to one half is taken: some
    dozen photos cannot tell more, and equal shares are the best guess before any photo was seen. `label_N` holds the
    true class indices. Both models must not have been trained on the photos. Of one photo and of
    none equal shares come.
    """
    if len(label_N) < 2:
        return Blend(0.5, 0.5, 0.5)
    by_linear, by_tuned = (1 / calibrate(logits_NK, label_N) for logits_NK in (linear_NK, tuned_NK))
    candidates = [Blend(float((1 - s) * by_linear), float(s * by_tuned), float(s)) for s in _SHARES]
    every = -(-linear_NK.size // _ENOUGH)
    linear_NK, tuned_NK, label_N = linear_NK[::every], tuned_NK[::every], label_N[::every]
    loss_CN = np.stack([_log_loss(each.logits(linear_NK, tuned_NK), label_N) for each in candidates])
    worse_CN = loss_CN - loss_CN[loss_CN.mean(axis=1).argmin()]
    error_C = worse_CN.std(axis=1) / np.sqrt(len(label_N))
    as_good = [each for each, ok in zip(candidates, worse_CN.mean(axis=1) <= error_C, strict=True) if ok]
    return min(as_good, key=lambda each: abs(each.share - 0.5))


def _log_loss(logits_NK: FloatArray, label_N: IntArray) -> DoubleArray:
    """Negative log likelihood of each photo at the temperature that fits best: a blend is softer than its parts."""
    probability_NK: DoubleArray = softmax(logits_NK, temperature=calibrate(logits_NK, label_N))
    own_N = probability_NK[np.arange(len(label_N)), label_N]
    return np.asarray(-np.log(np.maximum(own_N, np.finfo(np.float64).tiny)))
