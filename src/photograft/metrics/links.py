"""What the outputs of a head mean: from logits to probabilities, and how likely they make the truth.

Shape letters: N photos, K classes, M outputs of the head. `truth` holds class indices (N,), or, of kind ``sigmoid``,
which labels each photo has (N, K).

- ``softmax``: M = K, one class per photo.
- ``binary``: M = 1, the log odds of the second of two classes.
- ``ordinal``: M = K - 1; output k is the log odds of lying above class k, for photos that lie at it or above. This is
  the continuation-ratio model (A. Agresti, "Categorical Data Analysis" (2013), section 8.3; as a network's head,
  X. Shi, W. Cao and S. Raschka, "Deep neural networks for rank-consistent ordinal regression based on conditional
  probabilities" (2021)): its likelihood is that of K - 1 independent yes-or-no questions.
- ``sigmoid``: M = K, independent labels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from photograft.metrics.softmax import softmax
from photograft.values import BoolArray, DoubleArray, FloatArray, HeadKind, IntArray

Truth = IntArray | BoolArray

_SMALLEST = np.finfo(np.float64).tiny


def probabilities(kind: HeadKind, logits_NM: FloatArray | DoubleArray, *, temperature: float = 1.0) -> DoubleArray:
    """Probabilities (N, K), float64; rows sum to 1 except for ``sigmoid``. A row with NaN stays NaN.

    Logits are divided by `temperature`, which must be above 0.
    """
    if kind == "softmax":
        return softmax(logits_NM, temperature=temperature)
    above_NM = _sigmoid(np.asarray(logits_NM, dtype=np.float64) / temperature)
    if kind == "sigmoid":
        return above_NM
    # At or above each class: the product of having passed every class below it; then not above it.
    passed_NK = np.cumprod(np.concatenate([np.ones((len(above_NM), 1)), above_NM], axis=1), axis=1)
    stays_NK = np.concatenate([1 - above_NM, np.ones((len(above_NM), 1))], axis=1)
    return np.asarray(passed_NK * stays_NK)


def losses(kind: HeadKind, probabilities_NK: DoubleArray, truth: Truth) -> DoubleArray:
    """Negative log likelihood of each photo, shape (N,); of ``sigmoid`` the mean over the labels."""
    if kind == "sigmoid":
        own_NK = np.where(truth, probabilities_NK, 1 - probabilities_NK)
        return np.asarray(-np.log(np.maximum(own_NK, _SMALLEST)).mean(axis=1))
    own_N = probabilities_NK[np.arange(len(truth)), truth]
    return np.asarray(-np.log(np.maximum(own_N, _SMALLEST)))


def as_softmax(kind: HeadKind, logits_NM: FloatArray | DoubleArray, truth: Truth) -> tuple[DoubleArray, IntArray]:
    """The same likelihood as a softmax's: logits (R, C) and class indices (R,), a row per question that is asked.

    Of ``softmax`` these are the photos; of the other kinds rows of two logits, the first of them 0: one per photo, per
    class that the photo lies at or above, or per photo and label.
    """
    logits_NM = np.asarray(logits_NM, dtype=np.float64)
    if kind == "softmax":
        return logits_NM, np.asarray(truth, dtype=np.int64)
    if kind == "sigmoid":
        asked_NM, above_NM = np.ones(logits_NM.shape, bool), np.asarray(truth, dtype=bool)
    else:
        label_N1 = np.asarray(truth, dtype=np.int64)[:, None]
        class_M = np.arange(logits_NM.shape[1])
        asked_NM, above_NM = label_N1 >= class_M, label_N1 > class_M
    logit_R = logits_NM[asked_NM]
    return np.stack([np.zeros_like(logit_R), logit_R], axis=1), above_NM[asked_NM].astype(np.int64)


def adjust(probabilities_NK: DoubleArray, share_K: DoubleArray, *, power: float) -> DoubleArray:
    """Probabilities divided by the classes' shares of the training photos to a power, each row to sum 1 again.

    Logit adjustment (A. Menon et al., "Long-tail learning via logit adjustment" (2021), section 4.2): with `power` 1
    the best class is that of the lowest balanced error. A class without a photo is divided by what the rarest one is.
    """
    if not power:
        return probabilities_NK
    known_K = np.maximum(share_K, share_K[share_K > 0].min())
    weighed_NK = probabilities_NK / known_K**power
    return np.asarray(weighed_NK / weighed_NK.sum(axis=1, keepdims=True))


def product(parts: Sequence[DoubleArray]) -> DoubleArray:
    """Probabilities of all combinations of independent factors, (N, K1 x K2 x ...): the last factor changes fastest."""
    joint_NK = parts[0]
    for part_NF in parts[1:]:
        joint_NK = (joint_NK[:, :, None] * part_NF[:, None, :]).reshape(
            len(joint_NK), joint_NK.shape[1] * part_NF.shape[1]
        )
    return joint_NK


def marginals(joint_NK: DoubleArray, value_K: IntArray, n_values: int) -> DoubleArray:
    """Probabilities of a factor's values (N, `n_values`), from those of classes of which `value_K` has the value."""
    value_NF = np.zeros((len(joint_NK), n_values))
    np.add.at(value_NF.T, value_K, joint_NK.T)
    return value_NF


def _sigmoid(logits: DoubleArray) -> DoubleArray:
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + np.exp(-logits)))
