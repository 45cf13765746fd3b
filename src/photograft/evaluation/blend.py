"""Average two models of the same photos, by shares that photos chose which neither has seen.

Shape letters: N photos, M outputs of the head, C candidates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from photograft.evaluation.calibration import calibrate
from photograft.metrics import links
from photograft.values import DoubleArray, FloatArray, HeadKind

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

    def logits(self, linear_NM: FloatArray, tuned_NM: FloatArray) -> FloatArray:
        """Blended logits (N, M)."""
        return np.asarray(self.linear * linear_NM + self.tuned * tuned_NM, dtype=np.float32)


def blend(linear_NM: FloatArray, tuned_NM: FloatArray, truth: links.Truth, *, kind: HeadKind = "softmax") -> Blend:
    """The blend of two models' logits for these photos, each at a temperature of its own.

    Of all shares whose log loss is within one standard error of the lowest, the one nearest to one half is taken: some
    dozen photos cannot tell more, and equal shares are the best guess before any photo was seen. `truth` is that of
    `photograft.metrics.links`. Both models must not have been trained on the photos. Of one photo and of none equal
    shares come.
    """
    if len(truth) < 2:
        return Blend(0.5, 0.5, 0.5)
    by_linear, by_tuned = (1 / calibrate(logits_NM, truth, kind) for logits_NM in (linear_NM, tuned_NM))
    candidates = [Blend(float((1 - s) * by_linear), float(s * by_tuned), float(s)) for s in _SHARES]
    every = -(-linear_NM.size // _ENOUGH)
    linear_NM, tuned_NM, truth = linear_NM[::every], tuned_NM[::every], truth[::every]
    loss_CN = np.stack([_log_loss(each.logits(linear_NM, tuned_NM), truth, kind) for each in candidates])
    worse_CN = loss_CN - loss_CN[loss_CN.mean(axis=1).argmin()]
    error_C = worse_CN.std(axis=1) / np.sqrt(len(truth))
    as_good = [each for each, ok in zip(candidates, worse_CN.mean(axis=1) <= error_C, strict=True) if ok]
    return min(as_good, key=lambda each: abs(each.share - 0.5))


def _log_loss(logits_NM: FloatArray, truth: links.Truth, kind: HeadKind) -> DoubleArray:
    """Negative log likelihood of each photo at the temperature that fits best: a blend is softer than its parts."""
    temperature = calibrate(logits_NM, truth, kind)
    return links.losses(kind, links.probabilities(kind, logits_NM, temperature=temperature), truth)
