"""Make probabilities as sure as they are right. Shape letters: N photos, K classes."""

from __future__ import annotations

import numpy as np

from photograft.metrics.temperature import fit_temperature
from photograft.values import DoubleArray, FloatArray, IntArray

_MISTAKES_TO_SHARPEN = 10


def calibrate(logits_NK: FloatArray | DoubleArray, label_N: IntArray) -> float:
    """The temperature to ship: the fitted one, but below 1 only where enough mistakes speak for it.

    With hardly a mistake among the photos, the fit would make every probability 1.
    """
    temperature = fit_temperature(logits_NK, label_N)
    n_mistakes = int((np.argmax(logits_NK, axis=1) != label_N).sum())
    return temperature if n_mistakes >= _MISTAKES_TO_SHARPEN else max(temperature, 1.0)
