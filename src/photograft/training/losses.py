"""The loss of a batch, by what the outputs of a head mean: `photograft.metrics.links`, in torch and for shares.

Shape letters: B photos of a batch, K classes of a target, M outputs of its head.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, logsigmoid, pad

from photograft.config.train import Balance
from photograft.training.balance import class_weights
from photograft.values import BoolArray, FloatArray, IntArray, Target


def batch_loss(logits_BM: Tensor, share_BK: Tensor, targets: tuple[Target, ...], weights: tuple[Tensor, ...]) -> Tensor:
    """Negative log likelihood of the targets' classes, summed over targets and photos; linear in the shares.

    Outputs and shares stand target after target. `weights` are those of `weights_of`, one per target.
    """
    logits = logits_BM.split([target.n_outputs for target in targets], dim=1)
    shares = share_BK.split([len(target.classes) for target in targets], dim=1)
    losses = [_loss(*each) for each in zip(targets, logits, shares, weights, strict=True)]
    return torch.stack(losses).sum() if len(losses) > 1 else losses[0]


def weights_of(target: Target, truth: IntArray | BoolArray, balance: Balance, *, beta: float) -> FloatArray:
    """How much the photos of each class count, shape (K,).

    Those with several labels count the same, whatever `balance` says, as in linear heads: a weight for one label would
    be one for the others that the photo has.
    """
    if target.kind == "sigmoid" or balance in ("none", "sampled"):
        return np.ones(len(target.classes), np.float32)
    count_K = np.bincount(truth, minlength=len(target.classes))
    return class_weights(count_K, balance, beta=beta).astype(np.float32)


def _loss(target: Target, logits_BM: Tensor, share_BK: Tensor, weight: Tensor) -> Tensor:
    if target.kind == "softmax":
        return cross_entropy(logits_BM, share_BK, weight=weight, reduction="sum")
    if target.kind == "sigmoid":
        return -(share_BK * logsigmoid(logits_BM) + (1 - share_BK) * logsigmoid(-logits_BM)).mean(dim=1).sum()
    # At or above each class: having passed every class below it; then not above it. Of two classes one question.
    passed_BK = pad(logsigmoid(logits_BM).cumsum(dim=1), (1, 0))
    stays_BK = pad(logsigmoid(-logits_BM), (0, 1))
    return -(weight * share_BK * (passed_BK + stays_BK)).sum()
