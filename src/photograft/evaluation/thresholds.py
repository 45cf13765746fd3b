"""From which probability on each of several labels is given. Shape letters: N photos, K labels, C candidates.

Everything here needs photos that the model has not seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from photograft.values import BoolArray, DoubleArray, IntArray

_FEWEST = 10
"""Photos with and without a label below which it takes the threshold of all labels: fewer do not even tell how sure
the best F1 is."""


def choose_thresholds(probabilities_NK: DoubleArray, member_NK: BoolArray) -> DoubleArray:
    """For each label the threshold with the best F1 on these photos, shape (K,).

    Where few photos have the label, its best F1 is luck. So of all thresholds whose F1 is within one standard error of
    the best, the one nearest (in log odds) to the best threshold of all labels together is taken. A label with fewer
    than ten photos, and one that all but a few photos have, takes that one. `member_NK` says which photo has which
    label; a label is given from the threshold on. Without any label thresholds are 0.5.
    """
    every = _Curve.of(probabilities_NK.ravel(), member_NK.ravel())
    pooled = float(every.threshold_C[every.f1_C.argmax()]) if member_NK.any() else 0.5
    threshold_K = np.full(member_NK.shape[1], pooled)
    for k in range(member_NK.shape[1]):
        if _FEWEST <= member_NK[:, k].sum() <= len(member_NK) - _FEWEST:
            threshold_K[k] = _nearest_good(pooled, probabilities_NK[:, k], member_NK[:, k])
    return threshold_K


@dataclass(frozen=True)
class _Curve:
    """What each threshold does, the highest first: photos it gives the label to, and those of them that have it."""

    threshold_C: DoubleArray
    given_C: IntArray
    right_C: IntArray
    n_having: int
    n_photos: int

    @classmethod
    def of(cls, probability_N: DoubleArray, member_N: BoolArray) -> Self:
        """Every threshold that tells photos apart, halfway between neighbouring probabilities."""
        order_N = np.argsort(-probability_N, kind="stable")
        sorted_N = probability_N[order_N]
        # Equal probabilities are given the label together.
        last_C = np.append(np.flatnonzero(np.diff(sorted_N)), len(sorted_N) - 1)
        below_C = np.append(sorted_N[last_C[:-1] + 1], 0.0)
        right_C = np.cumsum(member_N[order_N])[last_C]
        return cls((sorted_N[last_C] + below_C) / 2, last_C + 1, right_C, int(member_N.sum()), len(member_N))

    @property
    def size_C(self) -> IntArray:
        return self.given_C + self.n_having

    @property
    def f1_C(self) -> DoubleArray:
        return np.asarray(2 * self.right_C / self.size_C)

    def errors(self, best: int) -> DoubleArray:
        """Standard error of the F1 of each threshold minus that of the best one, by the infinitesimal jackknife.

        A photo moves F1 by (2 given has - F1 (given + has)) / size. Which photos two thresholds give the label to is
        nested, so counts are enough.
        """
        slope_C = self.f1_C / self.size_C
        wrong_C = self.given_C - self.right_C
        variance_C = np.zeros(len(slope_C))
        for has, n_all, n_C in ((1, self.n_having, self.right_C), (0, self.n_photos - self.n_having, wrong_C)):
            given_C, not_C = 2 * has / self.size_C - slope_C * (1 + has), -slope_C * has
            both_C, either_C = np.minimum(n_C, n_C[best]), np.maximum(n_C, n_C[best])
            variance_C += both_C * (given_C - given_C[best]) ** 2 + (n_all - either_C) * (not_C - not_C[best]) ** 2
            variance_C += (n_C - both_C) * (given_C - not_C[best]) ** 2
            variance_C += (n_C[best] - both_C) * (not_C - given_C[best]) ** 2
        return np.sqrt(variance_C)


def _nearest_good(pooled: float, probability_N: DoubleArray, member_N: BoolArray) -> float:
    """`pooled`, or the threshold next to it whose F1 is within noise of the best."""
    curve = _Curve.of(probability_N, member_N)
    best = int(curve.f1_C.argmax())
    good_C = curve.f1_C >= curve.f1_C[best] - curve.errors(best)
    # Thresholds between the same two probabilities do the same.
    n_given = int((probability_N >= pooled).sum())
    if n_given in curve.given_C[good_C]:
        return pooled
    threshold_C = curve.threshold_C[good_C]
    return float(threshold_C[np.abs(_log_odds(threshold_C) - _log_odds(np.array(pooled))).argmin()])


def _log_odds(probability: DoubleArray) -> DoubleArray:
    clipped = np.clip(probability, 1e-12, 1 - 1e-12)
    return np.asarray(np.log(clipped / (1 - clipped)))
