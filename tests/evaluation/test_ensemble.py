"""Weights of members: found well, moved toward equal ones within noise, honest when they are reported."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from photograft.evaluation.calibration import calibrate
from photograft.evaluation.ensemble import _best_weights, weigh_members
from photograft.metrics import links
from photograft.values import FloatArray, HeadKind

KINDS: tuple[HeadKind, ...] = ("softmax", "binary", "ordinal", "sigmoid")


def draw(kind: HeadKind, strengths: tuple[float, ...], *, n: int = 400, seed: int = 0) -> tuple[list[FloatArray], Any]:
    """Logits of members that know the truth as well as `strengths` say, each at a scale of its own; the truth."""
    rng = np.random.default_rng(seed)
    k = 2 if kind == "binary" else 4
    truth = rng.random((n, k)) < 0.3 if kind == "sigmoid" else rng.integers(0, k, n)
    if kind == "softmax":
        right_NM = np.eye(k)[truth]
    elif kind == "sigmoid":
        right_NM = truth - 0.5
    else:
        right_NM = (truth[:, None] > np.arange(k - 1)) - 0.5
    scales = rng.uniform(0.3, 5, len(strengths))
    return [
        (scale * (rng.normal(size=right_NM.shape) + strength * right_NM)).astype(np.float32)
        for scale, strength in zip(scales, strengths, strict=True)
    ], truth


def loss(kind: HeadKind, logits_NM: Any, truth: Any) -> float:
    temperature = calibrate(logits_NM, truth, kind)
    return float(links.losses(kind, links.probabilities(kind, logits_NM, temperature=temperature), truth).mean())


def summed(weights: Any, logits: list[FloatArray]) -> Any:
    return np.tensordot(np.array(weights), logits, axes=1)


@pytest.mark.parametrize("kind", KINDS)
def test_the_sum_beats_every_member_on_other_photos_and_is_as_sure_as_it_should_be(kind: HeadKind) -> None:
    strengths = (2.0, 1.5, 1.5)
    logits, truth = draw(kind, strengths, n=1000)
    weights = weigh_members([logits_NM[:500] for logits_NM in logits], truth[:500], kind=kind)
    assert min(weights) >= 0
    others, sum_NM = [logits_NM[500:] for logits_NM in logits], summed(weights, [each[500:] for each in logits])
    assert loss(kind, sum_NM, truth[500:]) < 0.95 * min(loss(kind, each, truth[500:]) for each in others)
    assert calibrate(summed(weights, [each[:500] for each in logits]), truth[:500], kind) == pytest.approx(1, abs=0.01)
    assert calibrate(sum_NM, truth[500:], kind) == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize("kind", KINDS)
def test_no_weights_on_a_grid_are_better_than_the_best(kind: HeadKind) -> None:
    logits, truth = draw(kind, (2.0, 1.0, 0.3))
    scaled = [np.float32(1 / calibrate(each, truth, kind)) * each for each in logits]
    found = loss(kind, summed(_best_weights(scaled, truth, kind), scaled), truth)
    grid = [(a, b, 10 - a - b) for a in range(11) for b in range(11 - a)]
    assert found <= min(loss(kind, summed(np.array(w) / 10, scaled), truth) for w in grid) + 1e-9


def test_the_best_weights_are_those_of_a_regression_on_the_logits() -> None:
    """Of one output, weights of members are the logistic regression's of the truth on their logits."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    logits, truth = draw("binary", (1.5, 1.0, 0.5))
    peer = linear_model.LogisticRegression(C=1e9, fit_intercept=False, tol=1e-10)
    wanted_E = peer.fit(np.concatenate(logits, axis=1), truth).coef_[0]
    assert (wanted_E > 0).all()
    assert np.allclose(_best_weights(logits, truth, "binary"), wanted_E / wanted_E.sum(), atol=1e-4)


def test_a_member_that_misleads_gets_nothing() -> None:
    logits, truth = draw("softmax", (2.0, 2.0), n=2000)
    weights = weigh_members([*logits, -logits[0]], truth, kind="softmax")
    assert abs(weights[2]) * np.abs(logits[0]).max() < 0.25 * weights[0] * np.abs(logits[0]).max()
    assert _best_weights([*logits, -logits[0]], truth, "softmax")[2] == 0


def test_members_that_are_equally_good_count_the_same_and_equal_always_does() -> None:
    logits, truth = draw("softmax", (1.5, 1.5, 1.5))
    temperatures = [calibrate(each, truth) for each in logits]
    shares_E = np.array(weigh_members(logits, truth, kind="softmax")) * temperatures
    assert shares_E == pytest.approx(np.full(3, shares_E[0]))
    assert weigh_members([logits[0]] * 3, truth, kind="softmax") == pytest.approx([1 / 3 / temperatures[0]] * 3)
    # A copy with noise says nothing that the first does not say.
    logits[1] = logits[0] + np.float32(2 * logits[0].std()) * draw("softmax", (0.0,), seed=1)[0][0]
    logits = logits[:2]
    temperatures = [calibrate(each, truth) for each in logits]
    equal_E = np.array(weigh_members(logits, truth, kind="softmax", equal=True)) * temperatures
    chosen_E = np.array(weigh_members(logits, truth, kind="softmax")) * temperatures
    assert equal_E == pytest.approx(np.full(2, equal_E[0])) and chosen_E[0] > 1.5 * chosen_E[1]


@pytest.mark.parametrize("scale", [0.2, 5])
def test_the_scale_of_a_member_changes_nothing_but_its_factor(scale: float) -> None:
    logits, truth = draw("softmax", (2.0, 1.0))
    plain = weigh_members(logits, truth, kind="softmax")
    scaled = weigh_members([logits[0], np.float32(scale) * logits[1]], truth, kind="softmax")
    assert scaled[0] == pytest.approx(plain[0], rel=1e-3) and scaled[1] * scale == pytest.approx(plain[1], rel=1e-3)


def test_one_member_few_photos_and_photos_that_are_all_right() -> None:
    logits, truth = draw("softmax", (2.0, 1.0))
    assert weigh_members(logits[:1], truth, kind="softmax") == (1.0,)
    assert weigh_members([each[:1] for each in logits], truth[:1], kind="softmax") == (0.5, 0.5)
    assert weigh_members([each[:0] for each in logits], truth[:0], kind="softmax") == (0.5, 0.5)
    for kind in KINDS:
        sure, truth = draw(kind, (1000.0, 500.0, 900.0), n=30)
        weights = weigh_members(sure, truth, kind=kind)
        assert np.isfinite(weights).all() and min(weights) >= 0 and max(weights) > 0
        wrong = [-each for each in sure]
        assert np.isfinite(weigh_members(wrong, truth, kind=kind)).all()


def test_very_many_logits_choose_the_same_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, truth = draw("softmax", (2.0, 1.0), n=3000)
    every = weigh_members(logits, truth, kind="softmax")
    monkeypatch.setattr("photograft.evaluation.ensemble._ENOUGH", logits[0].size // 3)
    assert weigh_members(logits, truth, kind="softmax") == pytest.approx(every, rel=0.3)
