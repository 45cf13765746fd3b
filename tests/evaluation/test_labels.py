from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from sklearn import metrics as reference
from tests.reporting.composite_examples import LABELS, predict_labels

from photograft.errors import DataError
from photograft.evaluation.evaluate import evaluate
from photograft.evaluation.label_errors import suspect_labels
from photograft.evaluation.slices import evaluate_slices
from photograft.metrics.intervals import wilson_interval
from photograft.reporting.composite import class_row
from photograft.schemas import load_schema
from photograft.values import Predictions


def predict(rows: list[list[float]], members: list[list[int]], *, threshold: float = 0.5) -> Predictions:
    n, names = len(rows), ("보트", "sea", "dog")
    return Predictions(
        tuple(f"{i}.jpg" for i in range(n)),
        names,
        np.array(rows, dtype=np.float64).reshape(n, 3),
        np.full(n, -1),
        tuple("rejected" if np.isnan(row).any() else "ok" for row in rows),
        ("",) * n,
        np.array(members, dtype=bool).reshape(n, 3),
        np.full(3, threshold),
    )


def test_scores_equal_scikit_learn_and_fit_the_schema() -> None:
    predictions = predict_labels(300)
    assert predictions.member_NK is not None
    evaluation = evaluate(predictions, what="test")
    scores, given_NK = evaluation.scores, predictions.given_NK
    member_NK, p_NK = predictions.member_NK, predictions.probabilities_NK
    assert scores["n"] == 300
    assert scores["accuracy"] == pytest.approx(reference.accuracy_score(member_NK, given_NK))
    correct = int((member_NK == given_NK).all(axis=1).sum())
    assert (scores["accuracy_low"], scores["accuracy_high"]) == pytest.approx(wilson_interval(correct, 300))
    assert scores["macro_f1"] == pytest.approx(reference.f1_score(member_NK, given_NK, average="macro"))
    assert scores["micro_f1"] == pytest.approx(reference.f1_score(member_NK, given_NK, average="micro"))
    assert scores["map"] == pytest.approx(reference.average_precision_score(member_NK, p_NK))
    assert scores["log_loss"] == pytest.approx(reference.log_loss(member_NK.ravel(), p_NK.ravel()))
    bins = evaluation.reliability
    assert sum(part.n for part in bins) == 300 * len(LABELS)
    gaps = sum(part.n * abs(part.accuracy - part.confidence) for part in bins) / (300 * len(LABELS))
    assert scores["ece"] == pytest.approx(gaps)
    assert 0 <= scores["ece_low"] <= scores["ece"] <= scores["ece_high"] <= 1
    assert evaluation.confusion_KK.shape == (0, 0)
    assert evaluation.confused_pairs == ()
    assert len(evaluation.mistakes) == 300 - correct
    value = {"test": scores, "per_class": [class_row(label) for label in evaluation.per_class]}
    assert all(row["threshold"] is not None for row in value["per_class"])
    Draft202012Validator(load_schema("evaluate")).validate(json.loads(json.dumps(value, allow_nan=False)))


def test_copies_of_photos_do_not_narrow_the_intervals() -> None:
    once = predict_labels(80)
    order_N = np.tile(np.arange(80), 4)
    grouped, expected = evaluate(once.take(order_N), what="test", group_N=order_N), evaluate(once, what="test")
    for key in ("accuracy_low", "accuracy_high", "ece", "ece_low", "ece_high", "map"):
        assert grouped.scores[key] == pytest.approx(expected.scores[key], abs=1e-9), key
    assert "320 photos are worth about 80 independent ones" in grouped.warnings[0]


def test_mistakes_name_all_labels_worst_first() -> None:
    rows = [[0.9, 0.8, 0.1], [0.1, 0.2, 0.1], [0.9, 0.1, 0.1], [0.9, 0.6, 0.7], [0.1, 0.1, 0.05]]
    members = [[1, 1, 0], [0, 0, 0], [1, 0, 0], [1, 0, 0], [0, 0, 1]]
    evaluation = evaluate(predict(rows, members), what="test")
    assert evaluation.scores["accuracy"] == pytest.approx(3 / 5)
    worst, other = evaluation.mistakes
    assert (worst.path, worst.label, worst.predicted) == ("4.jpg", "dog", "(none)")
    assert (worst.label_probability, worst.predicted_probability) == pytest.approx((0.05, 0.95))
    assert (other.label, other.predicted) == ("보트", "보트, sea, dog")
    assert other.label_probability == pytest.approx(0.3)  # of the label that is most wrong


def test_an_answer_below_one_half_may_be_a_mistake() -> None:
    (mistake,) = evaluate(predict([[0.3, 0.1, 0.9]], [[0, 0, 1]], threshold=0.2), what="test").mistakes
    assert (mistake.label_probability, mistake.predicted) == (pytest.approx(0.7), "보트, dog")


def test_rejected_photos_and_labels_without_photos_are_said() -> None:
    nan = float("nan")
    predictions = predict([[nan, nan, nan], [0.9, 0.1, 0.1], [0.1, 0.1, 0.1]], [[1, 1, 1], [1, 0, 0], [0, 0, 0]])
    evaluation = evaluate(predictions, what="test")
    assert evaluation.scores["n"] == 2
    assert evaluation.scores["accuracy"] == 1.0
    assert evaluation.warnings == (
        "1 photo could not be used and is left out of every score.",
        "No scored photo has the label sea, dog: nothing is known about how well that is recognised.",
    )


def test_photos_without_any_label_have_no_map() -> None:
    scores = evaluate(predict([[0.1, 0.1, 0.1]] * 3, [[0, 0, 0]] * 3), what="test").scores
    assert (scores["map"], scores["micro_f1"], scores["accuracy"]) == (None, 0.0, 1.0)


@pytest.mark.parametrize("row", [[1.2, 0.0, 0.0], [-0.1, 0.0, 0.0], [float("nan"), 0.0, 0.0]])
def test_damaged_probabilities_are_refused_by_name(row: list[float]) -> None:
    damaged = replace(predict([[0.1, 0.1, 0.1], row], [[0, 0, 0]] * 2), statuses=("ok", "ok"))
    with pytest.raises(DataError, match=r"1 photo do not lie between 0 and 1 \(first: 1.jpg\)"):
        evaluate(damaged, what="test")


def test_nothing_to_score() -> None:
    with pytest.raises(DataError, match="1 photo rejected"):
        evaluate(predict([[float("nan")] * 3], [[0, 0, 0]]), what="test")


def test_slices_count_photos_whose_labels_are_all_right() -> None:
    predictions = predict([[0.9, 0.1, 0.1], [0.9, 0.9, 0.1], [0.1, 0.1, 0.1]], [[1, 0, 0], [1, 0, 0], [0, 0, 0]])
    slices = evaluate_slices(predictions, {"camera": ["a", "a", "b"]})
    assert [(part.value, part.n, part.accuracy) for part in slices] == [("a", 2, 0.5), ("b", 1, 1.0)]


def test_a_missing_label_is_doubted() -> None:
    member_NK = np.tile([[True, False, True], [False, True, True]], (30, 1))
    p_NK = np.where(member_NK, 0.9, 0.1)
    p_NK[:, 2] = 0.8
    member_NK[0, 0] = False  # the model still says 0.9
    (issue,) = suspect_labels(predict(p_NK.tolist(), member_NK.astype(int).tolist()))
    assert issue.paths == ("0.jpg",)
    assert issue.message == (
        "1 photo has a label that the model doubts, for example 0.jpg: without 보트, or rather with it?"
    )
    member_NK[0, 0] = True
    assert suspect_labels(predict(p_NK.tolist(), member_NK.astype(int).tolist())) == ()
