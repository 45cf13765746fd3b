"""Scores of an order of photos, for two classes: how far the positive photos come first."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from photograft.values import DoubleArray


def auroc(score_N: DoubleArray, positive_N: npt.NDArray[np.bool_]) -> float | None:
    """Chance that a positive photo scores higher than a negative one, ties counting half; 0..1, a coin gives 0.5.

    The area under the ROC curve by the Mann-Whitney U statistic with mean ranks for ties (Hanley and McNeil 1982).
    Equal to scikit-learn's `roc_auc_score`. None where only one of the two classes has photos.

    Args:
        score_N: Higher means more likely positive; any finite numbers.
        positive_N: Which photos are positive.
    """
    n_positive = int(positive_N.sum())
    n_negative = len(positive_N) - n_positive
    if n_positive == 0 or n_negative == 0:
        return None
    _, value_N, count_V = np.unique(score_N, return_inverse=True, return_counts=True)
    mean_rank_V = np.cumsum(count_V) - (count_V - 1) / 2
    rank_sum = float(mean_rank_V[value_N][positive_N].sum())
    return (rank_sum - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative)


def average_precision(score_N: DoubleArray, positive_N: npt.NDArray[np.bool_]) -> float | None:
    """Precision averaged over the steps in which recall grows, 0..1; a coin gives the share of positives.

    The sum over distinct scores, highest first, of (recall - recall before) * precision, without interpolation.
    Equal to scikit-learn's `average_precision_score`. None where there is no positive photo.

    Args:
        score_N: Higher means more likely positive; any finite numbers.
        positive_N: Which photos are positive.
    """
    n_positive = int(positive_N.sum())
    if n_positive == 0:
        return None
    order_N = np.argsort(-score_N, kind="stable")
    found_N = np.cumsum(positive_N[order_N])
    # Equal scores are one step: only the last of them is a point of the curve.
    last_P = np.append(np.flatnonzero(np.diff(score_N[order_N])), len(score_N) - 1)
    precision_P = found_N[last_P] / (last_P + 1)
    return float(np.sum(np.diff(found_N[last_P], prepend=0) / n_positive * precision_P))
