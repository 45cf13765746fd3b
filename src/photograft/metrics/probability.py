"""Scores of the probabilities themselves: sure where they are right, and as sure as they are right.

Shape letters: N photos, K classes, B bins.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from photograft.values import DoubleArray, IntArray, ReliabilityBin

ECE_BINS = 15
"""Equal-width bins of the expected calibration error, as in Guo et al. (2017)."""


def log_loss(probability_NK: DoubleArray, label_N: IntArray) -> float:
    """Mean of -log(probability of the true class), 0 (best) to 36.04; at least one photo.

    Probabilities are clipped to [eps, 1 - eps] with the float64 eps of 2.2e-16, so that a class given
    probability 0 costs much but not infinitely much. Equal to scikit-learn's `log_loss`.

    Args:
        probability_NK: Probabilities, each row summing to 1.
        label_N: True class indices in 0..K-1.
    """
    eps = float(np.finfo(np.float64).eps)
    true_N = probability_NK[np.arange(len(label_N)), label_N].astype(np.float64)
    return float(-np.log(np.clip(true_N, eps, 1 - eps)).mean())


def top_k_accuracy(probability_NK: DoubleArray, label_N: IntArray, *, k: int) -> float:
    """Share of photos whose true class is among the k most probable ones, 0..1; at least one photo.

    Of equally probable classes the first counts as more probable, as in argmax, so k = 1 is the accuracy.
    Without such ties it equals scikit-learn's `top_k_accuracy_score`, which prefers the last.
    """
    true_N1 = probability_NK[np.arange(len(label_N)), label_N][:, None]
    earlier_NK = np.arange(probability_NK.shape[1])[None, :] < label_N[:, None]
    ahead_N = ((probability_NK > true_N1) | ((probability_NK == true_N1) & earlier_NK)).sum(axis=1)
    return float(np.mean(ahead_N < k))


def expected_calibration_error(confidence_N: DoubleArray, correct_N: npt.NDArray[np.bool_]) -> float:
    """Mean gap between how sure the predictions are and how often they are right, 0 (best) to 1.

    Photos are put into 15 equal-width bins by the probability of the predicted class; the result is the mean over
    photos of each bin's |accuracy - mean probability|. With few photos chance alone makes it larger than 0.
    Source: Guo et al., "On Calibration of Modern Neural Networks" (2017), equation 5; bins are closed below, [a, b).

    Args:
        confidence_N: Probability of the predicted class, 0..1; at least one.
        correct_N: Whether the prediction is right.
    """
    return ece_of_gaps(correct_N - confidence_N, assign_bins(confidence_N))


def ece_of_gaps(gap_N: DoubleArray, bin_N: IntArray) -> float:
    """The expected calibration error from `gap_N` (correct, 0 or 1, minus confidence) and the photos' bins.

    Apart from `expected_calibration_error` so that a bootstrap finds gaps and bins once, not in each resample.
    """
    return float(np.abs(np.bincount(bin_N, weights=gap_N, minlength=ECE_BINS)).sum() / len(gap_N))


def assign_bins(confidence_N: DoubleArray) -> IntArray:
    """The bin 0..14 of each confidence, shape (N,); a confidence of exactly 1 belongs to the last bin."""
    # Looked up among the edges themselves: int(confidence * 15) puts some edges into the bin below.
    bin_N = np.searchsorted(_edges(), confidence_N, side="right") - 1
    return np.clip(bin_N, 0, ECE_BINS - 1).astype(np.int64)


def reliability_bins(confidence_N: DoubleArray, correct_N: npt.NDArray[np.bool_]) -> tuple[ReliabilityBin, ...]:
    """The bins behind `expected_calibration_error`, lowest first; bins without photos are left out."""
    bin_N, edge_B = assign_bins(confidence_N), _edges().tolist()
    count_B = np.bincount(bin_N, minlength=ECE_BINS).tolist()
    confidence_B = np.bincount(bin_N, weights=confidence_N, minlength=ECE_BINS).tolist()
    correct_B = np.bincount(bin_N, weights=correct_N.astype(np.float64), minlength=ECE_BINS).tolist()
    return tuple(
        ReliabilityBin(edge_B[b], edge_B[b + 1], n, confidence=confidence_B[b] / n, accuracy=correct_B[b] / n)
        for b, n in enumerate(count_B)
        if n
    )


def _edges() -> DoubleArray:
    return np.arange(ECE_BINS + 1) / ECE_BINS
