"""Validation over several targets."""

from __future__ import annotations

import numpy as np
import pytest

from photograft.metrics.probability import log_loss
from photograft.metrics.softmax import softmax
from photograft.metrics.temperature import fit_temperature
from photograft.training.judging import judge, split_outputs
from photograft.values import Target

RANDOM = np.random.default_rng(0)
MASK = Target("mask", ("worn", "wrong", "none"))
GENDER = Target("gender", ("male", "female"), "binary")
AGE = Target("age", ("<30", "30-60", ">60"), "ordinal")
TAGS = Target("tags", ("hat", "glasses"), "sigmoid")


def test_outputs_are_cut_target_after_target() -> None:
    parts = split_outputs(np.arange(24, dtype=np.float32).reshape(3, 8), (MASK, GENDER, AGE, TAGS))
    assert [part[0].tolist() for part in parts] == [[0, 1, 2], [3], [4, 5], [6, 7]]
    biases = split_outputs(np.arange(8, dtype=np.float32), (MASK, GENDER, AGE, TAGS))
    assert [part.tolist() for part in biases] == [[0, 1, 2], [3], [4, 5], [6, 7]]


def test_one_softmax_is_judged_to_the_bit_as_log_loss_does() -> None:
    label_N = RANDOM.integers(0, 3, 50)
    for scale in (1, 60):  # sure ones reach the limits of the log loss
        logits_NK = (scale * RANDOM.normal(size=(50, 3))).astype(np.float32)
        loss, accuracy, calibrated = judge(logits_NK, (label_N,), (MASK,))
        assert loss == log_loss(softmax(logits_NK), label_N)
        temperature = fit_temperature(logits_NK, label_N)
        assert calibrated == log_loss(softmax(logits_NK, temperature=temperature), label_N)
        assert accuracy == (logits_NK.argmax(axis=1) == label_N).mean()


def test_losses_add_up_each_target_at_its_own_temperature_and_all_must_be_right() -> None:
    targets = (MASK, GENDER, AGE, TAGS)
    truth = (
        RANDOM.integers(0, 3, 60),
        RANDOM.integers(0, 2, 60),
        RANDOM.integers(0, 3, 60),
        RANDOM.random((60, 2)) < 0.5,
    )
    # The second target's logits are far too sure, the first one's are not.
    logits_NM = RANDOM.normal(size=(60, 8)).astype(np.float32) * np.array([1, 1, 1, 30, 1, 1, 1, 1], np.float32)
    loss, accuracy, calibrated = judge(logits_NM, truth, targets)
    alone = [
        judge(part, (own,), (target,))
        for part, own, target in zip(split_outputs(logits_NM, targets), truth, targets, strict=True)
    ]
    assert loss == pytest.approx(sum(each[0] for each in alone))
    assert calibrated == pytest.approx(sum(each[2] for each in alone))
    assert calibrated < loss - 1
    assert accuracy <= min(each[1] for each in alone)


def test_who_is_right_by_hand() -> None:
    targets = (GENDER, AGE, TAGS)
    # female; between 30 and 60, since passing the first is likely and the second is not; a hat and no glasses
    logits_NM = np.repeat(np.array([[1, 3, -2, 0.5, -0.5]], np.float32), 5, axis=0)
    truth = (
        np.array([1, 0, 1, 1, 1]),
        np.array([1, 1, 2, 1, 1]),
        np.array([[True, False]] * 3 + [[True, True], [False, False]]),
    )
    assert judge(logits_NM, truth, targets)[1] == pytest.approx(1 / 5)
    probability = 1 / (1 + np.exp(-1)), 1 / (1 + np.exp(-3)) / (1 + np.exp(-2)), 1 / (1 + np.exp(-0.5))
    first = judge(logits_NM[:1], tuple(own[:1] for own in truth), targets)
    assert first[0] == pytest.approx(-np.log(probability).sum(), rel=1e-5)
