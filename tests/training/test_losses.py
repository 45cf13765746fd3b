"""The loss of a batch against the likelihoods of NumPy, for every kind of head."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch

from photograft.metrics import links
from photograft.training.losses import batch_loss, weights_of
from photograft.values import FloatArray, HeadKind, Target

KINDS: tuple[HeadKind, ...] = get_args(HeadKind)
N = 12
RANDOM = np.random.default_rng(0)


def make_target(kind: HeadKind) -> Target:
    return Target(kind, ("a", "b") if kind == "binary" else ("a", "b", "c", "d"), kind)


def draw(target: Target, *, scale: float = 2.0) -> tuple[FloatArray, links.Truth, FloatArray]:
    """Logits, what is true, and the same as shares of the classes."""
    n_classes = len(target.classes)
    logits_BM = (scale * RANDOM.normal(size=(N, target.n_outputs))).astype(np.float32)
    if target.kind == "sigmoid":
        member_NK = RANDOM.random((N, n_classes)) < 0.4
        return logits_BM, member_NK, member_NK.astype(np.float32)
    label_N = RANDOM.permutation(np.arange(N) % n_classes)
    return logits_BM, label_N, np.eye(n_classes, dtype=np.float32)[label_N]


def loss(
    logits_BM: FloatArray, share_BK: FloatArray, *targets: Target, weights: list[FloatArray] | None = None
) -> float:
    weights = weights or [np.ones(len(target.classes), np.float32) for target in targets]
    tensors = tuple(map(torch.from_numpy, weights))
    return float(batch_loss(torch.from_numpy(logits_BM), torch.from_numpy(share_BK), targets, tensors))


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_likelihood_of_the_classes(kind: HeadKind) -> None:
    target = make_target(kind)
    logits_BM, truth, share_BK = draw(target)
    expected = links.losses(kind, links.probabilities(kind, logits_BM), truth).sum()
    assert loss(logits_BM, share_BK, target) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_linear_in_shares(kind: HeadKind) -> None:
    target = make_target(kind)
    logits_BM, _, one_BK = draw(target)
    other_BK = one_BK[RANDOM.permutation(N)]
    mixed = loss(logits_BM, (0.3 * one_BK + 0.7 * other_BK).astype(np.float32), target)
    apart = 0.3 * loss(logits_BM, one_BK, target) + 0.7 * loss(logits_BM, other_BK, target)
    assert mixed == pytest.approx(apart, rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sign", [1, -1])
def test_it_and_its_gradient_stay_finite_for_logits_that_are_sure(kind: HeadKind, sign: int) -> None:
    target = make_target(kind)
    _, _, share_BK = draw(target)
    logits_BM = torch.full((N, target.n_outputs), sign * 500.0)
    logits_BM[:, 0] *= -1
    logits_BM.requires_grad_()
    weights = (torch.ones(len(target.classes)),)
    value = batch_loss(logits_BM, torch.from_numpy(share_BK), (target,), weights)
    value.backward()
    assert torch.isfinite(value) and value > 100
    assert logits_BM.grad is not None and torch.isfinite(logits_BM.grad).all()


@pytest.mark.parametrize("kind", ["softmax", "binary", "ordinal"])
@pytest.mark.parametrize("balance", ["balanced", "sqrt", "effective"])
def test_classes_weigh_by_their_size(kind: HeadKind, balance: str) -> None:
    target = make_target(kind)
    logits_BM, _, _ = draw(target)
    label_N = np.array([0] * 9 + [1] * 3)
    share_BK = np.eye(len(target.classes), dtype=np.float32)[label_N]
    weight_K = weights_of(target, label_N, balance, beta=0.9)
    assert weight_K[label_N].mean() == pytest.approx(1)
    assert weight_K[1] > weight_K[0] > 0 and not weight_K[2:].any()
    each_N = links.losses(kind, links.probabilities(kind, logits_BM), label_N)
    expected = (weight_K[label_N] * each_N).sum()
    assert loss(logits_BM, share_BK, target, weights=[weight_K]) == pytest.approx(expected, rel=1e-5)


def test_nothing_weighs_more_without_balance_by_weights_or_with_several_labels() -> None:
    label_N, member_NK = np.array([0, 0, 1]), np.array([[True, False, False, True]] * 3)
    for balance in ("none", "sampled"):
        assert weights_of(make_target("softmax"), label_N, balance, beta=0.9).tolist() == [1, 1, 1, 1]
    assert weights_of(make_target("sigmoid"), member_NK, "balanced", beta=0.9).tolist() == [1, 1, 1, 1]


def test_several_targets_are_the_sum_of_each() -> None:
    targets = tuple(map(make_target, KINDS))
    drawn = [draw(target) for target in targets]
    logits_BM = np.concatenate([logits for logits, _, _ in drawn], axis=1)
    share_BK = np.concatenate([share for _, _, share in drawn], axis=1)
    weights = [RANDOM.uniform(0.5, 2, len(target.classes)).astype(np.float32) for target in targets]
    alone = [
        loss(logits, share, target, weights=[weight_K])
        for target, (logits, _, share), weight_K in zip(targets, drawn, weights, strict=True)
    ]
    assert loss(logits_BM, share_BK, *targets, weights=weights) == pytest.approx(sum(alone), rel=1e-5)
