"""Logits to probabilities."""

from __future__ import annotations

import numpy as np

from photograft.values import DoubleArray, FloatArray


def softmax(logits_NK: FloatArray | DoubleArray, *, temperature: float = 1.0) -> DoubleArray:
    """Turn logits into probabilities: exp(logits / temperature), divided by the sum over the classes.

    A temperature above 1 makes the probabilities less sure, below 1 more sure; the order of the classes stays.
    Computed in float64 after subtracting each row's maximum, so that no logit overflows. A row with NaN stays NaN.

    Args:
        logits_NK: Any finite numbers, shape (N, K); a leading shape other than (N,) works too.
        temperature: Above 0.

    Returns:
        Probabilities in 0..1, float64, of the same shape; each row sums to 1.
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0, not {temperature}")
    scaled_NK = np.asarray(logits_NK, dtype=np.float64) / temperature
    power_NK = np.exp(scaled_NK - scaled_NK.max(axis=-1, keepdims=True))
    result: DoubleArray = power_NK / power_NK.sum(axis=-1, keepdims=True)
    return result
