from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import log_loss as reference_log_loss

from photograft.evaluation.calibration import calibrate
from photograft.metrics import links
from photograft.metrics.probability import expected_calibration_error, log_loss
from photograft.metrics.softmax import softmax
from photograft.metrics.temperature import fit_temperature
from photograft.values import DoubleArray, HeadKind, IntArray


def draw(seed: int, *, n: int = 4000, k: int = 5) -> tuple[DoubleArray, IntArray]:
    """Logits that are calibrated as they are, with labels drawn from their own probabilities."""
    rng = np.random.default_rng(seed)
    logits_NK = rng.normal(size=(n, k)) * 2
    label_N = (softmax(logits_NK).cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    return logits_NK, label_N


@pytest.mark.parametrize("temperature", [0.2, 0.7, 1.0, 3.0, 12.0])
def test_recovers_a_known_temperature(temperature: float) -> None:
    logits_NK, label_N = draw(0)
    found = fit_temperature(logits_NK * temperature, label_N)
    assert found == pytest.approx(temperature, rel=0.05)
    assert found == pytest.approx(fit_temperature(logits_NK, label_N) * temperature, rel=1e-9)
    before, after = softmax(logits_NK * temperature), softmax(logits_NK * temperature, temperature=found)
    assert reference_log_loss(label_N, after) <= reference_log_loss(label_N, before)
    if temperature != 1.0:
        errors = [expected_calibration_error(p.max(axis=1), p.argmax(axis=1) == label_N) for p in (before, after)]
        assert errors[1] < errors[0]


@pytest.mark.parametrize("seed", range(8))
def test_no_temperature_on_a_grid_is_better(seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits_NK = rng.normal(size=(12, 3)) * 10.0 ** rng.uniform(-2, 2)
    label_N = rng.integers(0, 3, 12)
    found = fit_temperature(logits_NK, label_N)
    assert 0.05 <= found <= 20

    # Without clipping, which flattens the loss where it is largest.
    def loss(temperature: float) -> float:
        scaled_NK = logits_NK / temperature
        scaled_NK = scaled_NK - scaled_NK.max(axis=1, keepdims=True)
        return float(np.mean(np.log(np.exp(scaled_NK).sum(axis=1)) - scaled_NK[np.arange(12), label_N]))

    best = min(loss(t) for t in np.geomspace(0.05, 20, 400))
    assert loss(found) <= best + 1e-12


def test_a_head_without_mistakes_is_not_made_surer() -> None:
    label_N = np.arange(40) % 2
    right_NK = np.where(label_N[:, None] == np.arange(2), 2.0, 0.0)
    assert fit_temperature(right_NK, label_N) == 0.05
    assert calibrate(right_NK, label_N) == 1.0
    # Too sure with few mistakes: made less sure all the same.
    wrong_NK = right_NK * 20
    wrong_NK[:5] = wrong_NK[:5, ::-1]
    assert calibrate(wrong_NK, label_N) == fit_temperature(wrong_NK, label_N) > 1.0


@pytest.mark.parametrize("kind", ["binary", "ordinal", "sigmoid"])
def test_other_kinds_of_heads_have_one_temperature_as_well(kind: HeadKind) -> None:
    rng = np.random.default_rng(0)
    logits_NM = rng.normal(size=(4000, 1 if kind == "binary" else 4)) * 2
    drawn_NM = links.probabilities("sigmoid", logits_NM) > rng.random(logits_NM.shape)
    truth = {"binary": drawn_NM[:, 0] * 1, "ordinal": np.cumprod(drawn_NM, axis=1).sum(axis=1), "sigmoid": drawn_NM}[
        kind
    ]

    def loss(temperature: float) -> float:
        probability_NK = links.probabilities(kind, 3 * logits_NM, temperature=temperature)
        return float(links.losses(kind, probability_NK, truth).mean())

    found = calibrate(3 * logits_NM, truth, kind)
    assert found == pytest.approx(3, rel=0.05)
    assert loss(found) <= min(loss(temperature) for temperature in np.geomspace(1, 10, 100))
    # Five wrong answers of thousands do not speak for surer ones.
    sure_NM = np.where(drawn_NM, 1.0, -1.0)
    sure_NM[:5, 0] *= -1
    assert calibrate(sure_NM, truth, kind) == 1.0


def test_binary_has_the_temperature_of_the_same_softmax() -> None:
    logits_NK, label_N = draw(1, k=2)
    assert calibrate(logits_NK[:, 1:] - logits_NK[:, :1], label_N, "binary") == pytest.approx(
        calibrate(logits_NK, label_N)
    )


def test_limits() -> None:
    logits_NK = np.array([[3.0, 0.0], [0.0, 2.0]])
    assert fit_temperature(logits_NK, np.array([0, 1])) == 0.05  # all right: never sure enough
    assert fit_temperature(logits_NK, np.array([1, 0])) == 20.0  # all wrong: never unsure enough
    assert fit_temperature(np.zeros((4, 3)), np.array([0, 1, 2, 0])) == 1.0  # nothing to scale
    assert fit_temperature(logits_NK * 1e4, np.array([0, 0])) == 20.0
    assert fit_temperature(np.array([[1.0], [2.0]]), np.array([0, 0])) == 1.0  # one class


def test_is_the_same_every_time_and_in_float32() -> None:
    logits_NK, label_N = draw(5, n=300)
    found = fit_temperature(logits_NK * 2, label_N)
    assert type(found) is float
    assert found == fit_temperature(logits_NK * 2, label_N)
    assert fit_temperature((logits_NK * 2).astype(np.float32), label_N) == pytest.approx(found, rel=1e-5)
    assert log_loss(softmax(logits_NK * 2, temperature=found), label_N) < log_loss(softmax(logits_NK * 2), label_N)


@pytest.mark.parametrize("logits_NK", [np.zeros((0, 3)), np.array([[np.nan, 0.0, 1.0]])])
def test_refuses_rows_without_a_prediction(logits_NK: DoubleArray) -> None:
    with pytest.raises(ValueError, match="finite logits of at least one photo"):
        fit_temperature(logits_NK, np.zeros(len(logits_NK), dtype=np.int64))
