"""How much a photo of each class counts in training. Shape letters: K classes."""

from __future__ import annotations

import numpy as np

from photograft.config.train import Balance
from photograft.values import DoubleArray, IntArray


def class_weights(count_K: IntArray, balance: Balance, *, beta: float = 0.99) -> DoubleArray:
    """Weight of a photo of each class, shape (K,); their mean over all photos is 1, classes without one have 0.

    ``balanced`` weighs by the inverse of the class's size, ``sqrt`` by its inverse square root, ``effective`` by the
    inverse of (1 - beta^n) / (1 - beta): Y. Cui et al., "Class-balanced loss based on effective number of samples"
    (2019), equation 2. ``none`` and ``sampled`` (where the drawing does it) weigh all photos alike.
    """
    count_K = np.asarray(count_K, dtype=np.float64)
    weight_K = np.zeros(len(count_K))
    present = count_K > 0
    size = count_K[present]
    effective = (1 - beta**size) / (1 - beta)
    weight_K[present] = {"balanced": 1 / size, "sqrt": size**-0.5, "effective": 1 / effective}.get(
        balance, np.ones(len(size))
    )
    return np.asarray(weight_K * (count_K.sum() / (weight_K * count_K).sum()))
