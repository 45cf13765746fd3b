"""Averaging two models: never worse than either on the photos that chose the shares."""

from __future__ import annotations

import numpy as np
import pytest

from photograft.evaluation.blend import Blend, blend
from photograft.metrics.softmax import softmax
from photograft.values import FloatArray, IntArray


def draw(n: int, *, seed: int = 0) -> tuple[IntArray, np.random.Generator]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 3, n), rng


def logits_of(label_N: IntArray, rng: np.random.Generator, *, strength: float, scale: float = 1.0) -> FloatArray:
    """Logits that know the class as well as `strength` says, in units of their own."""
    noise_NK = rng.normal(size=(len(label_N), 3))
    return (scale * (noise_NK + strength * np.eye(3)[label_N])).astype(np.float32)


def log_loss(logits_NK: FloatArray, label_N: IntArray) -> float:
    return float(-np.log(softmax(logits_NK)[np.arange(len(label_N)), label_N]).mean())


def test_a_model_that_knows_nothing_gets_no_share_whatever_its_scale() -> None:
    label_N, rng = draw(300)
    good_NK = logits_of(label_N, rng, strength=3)
    noise_NK = logits_of(label_N, rng, strength=0, scale=100)
    assert blend(good_NK, noise_NK, label_N).share == 0
    assert blend(noise_NK, good_NK, label_N).share == 1


def test_equal_models_with_noise_of_their_own_share_and_beat_either() -> None:
    label_N, rng = draw(400)
    linear_NK, tuned_NK = (logits_of(label_N, rng, strength=1.5, scale=scale) for scale in (1, 20))
    found = blend(linear_NK, tuned_NK, label_N)
    assert 0.3 <= found.share <= 0.7 and found.linear > 5 * found.tuned  # the scale is taken out
    other_N, rng = draw(2000, seed=1)
    ones_NK, others_NK = (logits_of(other_N, rng, strength=1.5, scale=scale) for scale in (1, 20))
    both = (found.logits(ones_NK, others_NK).argmax(axis=1) == other_N).mean()
    assert both > max((each.argmax(axis=1) == other_N).mean() for each in (ones_NK, others_NK)) + 0.03


@pytest.mark.parametrize("scale", [0.2, 5])
def test_the_scale_of_a_model_changes_nothing_but_its_factor(scale: float) -> None:
    label_N, rng = draw(200)
    linear_NK, tuned_NK = (logits_of(label_N, rng, strength=2) for _ in range(2))
    plain, scaled = blend(linear_NK, tuned_NK, label_N), blend(linear_NK, np.float32(scale) * tuned_NK, label_N)
    assert scaled.share == plain.share and scaled.linear == pytest.approx(plain.linear)
    assert scaled.tuned * scale == pytest.approx(plain.tuned, rel=0.02)


def test_one_photo_and_sure_models_give_finite_logits() -> None:
    sure_NK = np.array([[1000.0, -1000.0, 0.0]], dtype=np.float32)
    for label in (0, 1):
        found = blend(sure_NK, sure_NK, np.array([label]))
        logits_NK = found.logits(sure_NK, sure_NK)
        assert np.isfinite(logits_NK).all() and logits_NK.dtype == np.float32


def test_logits_are_the_weighted_sum() -> None:
    ones_NK = np.ones((2, 3), np.float32)
    found = Blend(linear=2, tuned=0.5, share=0.5).logits(ones_NK, 4 * ones_NK)
    assert np.array_equal(found, 4 * ones_NK)
    assert log_loss(found, np.array([0, 1])) == pytest.approx(np.log(3))


def test_without_photos_shares_are_equal() -> None:
    nothing_NK = np.empty((0, 3), np.float32)
    assert blend(nothing_NK, nothing_NK, np.empty(0, np.int64)) == Blend(0.5, 0.5, 0.5)


def test_of_very_many_logits_some_choose_the_share_and_all_the_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    label_N, rng = draw(900)
    linear_NK, tuned_NK = (logits_of(label_N, rng, strength=2) for _ in range(2))
    every = blend(linear_NK, tuned_NK, label_N)
    monkeypatch.setattr("photograft.evaluation.blend._ENOUGH", linear_NK.size // 3)
    some = blend(linear_NK, tuned_NK, label_N)
    assert some.share == pytest.approx(every.share, abs=0.2)
    assert some.tuned / some.share == pytest.approx(every.tuned / every.share)


def test_of_two_classes_one_output_gives_the_shares_that_two_give() -> None:
    rng = np.random.default_rng(0)
    label_N = rng.integers(0, 2, 300)
    ones_N, others_N = ((scale * (rng.normal(size=300) + 2 * label_N - 1)).astype(np.float32) for scale in (1, 9))
    binary = blend(ones_N[:, None], others_N[:, None], label_N, kind="binary")
    two = [np.stack([np.zeros_like(each_N), each_N], axis=1) for each_N in (ones_N, others_N)]
    wanted = blend(*two, label_N)
    assert binary.share == wanted.share and binary.tuned == pytest.approx(wanted.tuned)


def test_shares_for_several_labels_per_photo() -> None:
    rng = np.random.default_rng(0)
    member_NK = rng.random((300, 4)) < 0.3
    good_NK = (rng.normal(size=(300, 4)) + 4 * member_NK - 2).astype(np.float32)
    worse_NK = (good_NK + 3 * rng.normal(size=(300, 4))).astype(np.float32)
    assert blend(good_NK, worse_NK, member_NK, kind="sigmoid").share < 0.2
    other_NK = (5 * (rng.normal(size=(300, 4)) + 4 * member_NK - 2)).astype(np.float32)
    assert 0.3 <= blend(good_NK, other_NK, member_NK, kind="sigmoid").share <= 0.7
