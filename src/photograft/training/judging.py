"""How good a fit is on validation photos, over all its targets. Shape letters: N photos, M outputs of all targets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from photograft.metrics import links
from photograft.metrics.temperature import fit_temperature
from photograft.values import BoolArray, DoubleArray, FloatArray, IntArray, Target

_EPS = float(np.finfo(np.float64).eps)


def split_outputs(output_NM: FloatArray, targets: Sequence[Target]) -> list[FloatArray]:
    """The part of each target of what stands target after target: logits, weights (D, M) or biases (M,) of a head."""
    return np.split(output_NM, np.cumsum([target.n_outputs for target in targets])[:-1], axis=-1)


def judge(
    logits_NM: FloatArray, truth: Sequence[IntArray | BoolArray], targets: Sequence[Target]
) -> tuple[float, float, float]:
    """Loss, accuracy, and the loss with each target at the temperature that fits it best.

    Losses are mean negative log likelihoods, added over targets. A photo is right where every target is: of kind
    ``sigmoid`` where every label is, given from a probability of 0.5 on.
    """
    loss, calibrated, right_N = 0.0, 0.0, np.ones(len(logits_NM), bool)
    for target, own_NM, own in zip(targets, split_outputs(logits_NM, targets), truth, strict=True):
        probability_NK = links.probabilities(target.kind, own_NM)
        temperature = fit_temperature(*links.as_softmax(target.kind, own_NM, own))
        loss += _mean_loss(target, probability_NK, own)
        calibrated += _mean_loss(target, links.probabilities(target.kind, own_NM, temperature=temperature), own)
        right_N &= _right(target, probability_NK, own)
    return loss, float(right_N.mean()), calibrated


def _mean_loss(target: Target, probability_NK: DoubleArray, truth: IntArray | BoolArray) -> float:
    loss_N = links.losses(target.kind, probability_NK, truth)
    # The limits of `photograft.metrics.probability.log_loss`.
    return float(np.clip(loss_N, -np.log(1 - _EPS), -np.log(_EPS)).mean())


def _right(target: Target, probability_NK: DoubleArray, truth: IntArray | BoolArray) -> BoolArray:
    if target.kind == "sigmoid":
        return np.asarray(((probability_NK >= 0.5) == truth).all(axis=1))
    return np.asarray(probability_NK.argmax(axis=1) == truth)
