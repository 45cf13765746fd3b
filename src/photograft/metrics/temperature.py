"""The temperature of a softmax that fits best. Shape letters: N photos, K classes."""

from __future__ import annotations

import numpy as np

from photograft.values import DoubleArray, FloatArray, IntArray

TEMPERATURE_LIMITS = (0.05, 20.0)


def fit_temperature(logits_NK: FloatArray | DoubleArray, label_N: IntArray) -> float:
    """Find the temperature that gives `softmax(logits, temperature=...)` the lowest log loss.

    Use logits of photos that the head was not trained on (out-of-fold), or the result is too sure. Above 1 the
    logits were too sure, below 1 not sure enough. Where every photo's true class already has the highest logit, no
    temperature is low enough, and the lower limit comes back: such rows are too few or too easy to calibrate on.
    Source: Guo et al., "On Calibration of Modern Neural Networks" (2017), section 4.2. In 1 / temperature the log
    loss is convex, so Newton steps kept within a shrinking bracket always find the one minimum.

    Args:
        logits_NK: Finite numbers of at least one photo.
        label_N: True class indices in 0..K-1.

    Returns:
        The temperature, 0.05 to 20; 1.0 where the logits say nothing at all.
    """
    if len(label_N) == 0 or not np.isfinite(logits_NK).all():
        raise ValueError("a temperature needs finite logits of at least one photo with a known label")
    logits_NK = np.asarray(logits_NK, dtype=np.float64)
    # Relative to the true class, the log loss of a row is log(sum(exp(inverse * ahead))).
    ahead_NK = logits_NK - logits_NK[np.arange(len(label_N)), label_N][:, None]
    low, high = 1 / TEMPERATURE_LIMITS[1], 1 / TEMPERATURE_LIMITS[0]
    if not ahead_NK.any():
        return 1.0
    if _slope(ahead_NK, low)[0] >= 0:
        return TEMPERATURE_LIMITS[1]
    if _slope(ahead_NK, high)[0] <= 0:
        return TEMPERATURE_LIMITS[0]

    inverse = 1.0
    for _ in range(100):
        slope, curvature = _slope(ahead_NK, inverse)
        if slope == 0:
            break
        low, high = (inverse, high) if slope < 0 else (low, inverse)
        following = inverse - slope / curvature if curvature > 0 else low
        if not low < following < high:
            following = (low * high) ** 0.5
        if abs(following - inverse) <= 1e-12 * inverse:
            break
        inverse = following
    return 1 / inverse


def _slope(ahead_NK: DoubleArray, inverse: float) -> tuple[float, float]:
    """First and second derivative of the log loss in 1 / temperature: mean and variance of `ahead_NK`."""
    scaled_NK = inverse * ahead_NK
    power_NK = np.exp(scaled_NK - scaled_NK.max(axis=1, keepdims=True))
    probability_NK = power_NK / power_NK.sum(axis=1, keepdims=True)
    mean_N = np.sum(probability_NK * ahead_NK, axis=1)
    variance_N = np.sum(probability_NK * (ahead_NK - mean_N[:, None]) ** 2, axis=1)
    return float(mean_N.mean()), float(variance_N.mean())
