from __future__ import annotations

import json
import time
import unicodedata
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from sklearn import metrics as reference
from tests.reporting.composite_examples import FACTORS, predict_factors

from photograft.errors import ConfigError, DataError
from photograft.evaluation.evaluate import evaluate
from photograft.metrics.intervals import wilson_interval
from photograft.reporting.composite import class_row
from photograft.schemas import load_schema
from photograft.values import Predictions


def predict(
    rows: list[list[float] | None], labels: list[int], *, classes: tuple[str, ...] = ("민들레", "장미", "해바라기")
) -> Predictions:
    """Predictions from plain rows of probabilities; None is a rejected photo."""
    nan_K = [np.nan] * len(classes)
    return Predictions(
        paths=tuple(f"사진 {i}.jpg" for i in range(len(rows))),
        classes=classes,
        probabilities_NK=np.array([nan_K if row is None else row for row in rows], dtype=np.float64),
        label_N=np.array(labels, dtype=np.int64),
        statuses=tuple("rejected" if row is None else "ok" for row in rows),
        reasons=tuple("empty" if row is None else "" for row in rows),
    )


def draw(seed: int, *, n: int, k: int) -> Predictions:
    rng = np.random.default_rng(seed)
    label_N = rng.integers(0, k, n)
    probability_NK = rng.dirichlet(np.ones(k), size=n) + 0.1 * np.eye(k)[label_N]
    probability_NK /= probability_NK.sum(axis=1, keepdims=True)
    return predict(probability_NK.tolist(), label_N.tolist(), classes=tuple(f"class {i}" for i in range(k)))


def check_schema(scores: dict[str, Any]) -> None:
    """Plain numbers that JSON can hold, as the schema of `photograft train --json` wants them."""
    assert {type(v) for v in scores.values()} <= {int, float, str, type(None)}
    schema = {**load_schema("train"), "$ref": "#/$defs/scores"}
    Draft202012Validator(schema).validate(json.loads(json.dumps(scores, allow_nan=False)))


@pytest.mark.parametrize("k", [3, 10, 12])
def test_scores_equal_scikit_learn(k: int) -> None:
    predictions = draw(k, n=300, k=k)
    evaluation = evaluate(predictions, what="test")
    label_N, probability_NK = predictions.label_N, predictions.probabilities_NK
    best_N, scores = predictions.best_N, evaluation.scores
    check_schema(scores)
    assert evaluation.what == "test"
    assert scores["n"] == 300
    assert scores["accuracy"] == pytest.approx(reference.accuracy_score(label_N, best_N))
    correct = int((label_N == best_N).sum())
    assert (scores["accuracy_low"], scores["accuracy_high"]) == pytest.approx(wilson_interval(correct, 300))
    assert scores["balanced_accuracy"] == pytest.approx(reference.balanced_accuracy_score(label_N, best_N))
    assert scores["macro_f1"] == pytest.approx(reference.f1_score(label_N, best_N, average="macro"))
    assert scores["log_loss"] == pytest.approx(reference.log_loss(label_N, probability_NK))
    assert 0 <= scores["ece_low"] <= scores["ece"] <= scores["ece_high"] <= 1
    assert ("top5" in scores) == (k > 10)
    if k > 10:
        assert scores["top5"] == pytest.approx(reference.top_k_accuracy_score(label_N, probability_NK, k=5))
    assert not {"auroc", "average_precision", "positive"} & set(scores)
    np.testing.assert_array_equal(evaluation.confusion_KK, reference.confusion_matrix(label_N, best_N))
    assert len(evaluation.mistakes) == 300 - correct
    assert sum(b.n for b in evaluation.reliability) == 300
    assert sum(b.n * abs(b.accuracy - b.confidence) for b in evaluation.reliability) / 300 == pytest.approx(
        scores["ece"]
    )
    assert evaluation.warnings == ()


def test_per_class_scores_fit_the_schema() -> None:
    evaluation = evaluate(predict([[0.2, 0.8, 0.0]], [0]), what="test")
    value = {"test": evaluation.scores, "per_class": [class_row(c) for c in evaluation.per_class]}
    assert list(value["per_class"][0]) == ["name", "support", "predicted", "correct", "precision", "recall", "f1"]
    assert Draft202012Validator(load_schema("evaluate")).is_valid(value)


def test_factors_are_scored_on_the_photos_of_the_joint() -> None:
    predictions = replace_labels(predict_factors(200), unknown=(3, 7))
    group_N = np.arange(200) // 4
    evaluation = evaluate(predictions, what="test", group_N=group_N, duplicate_N=np.arange(200))
    Draft202012Validator(load_schema("evaluate")).validate(
        json.loads(json.dumps({"test": evaluation.scores, "per_class": [class_row(c) for c in evaluation.per_class]}))
    )
    assert list(evaluation.scores["factors"]) == list(FACTORS) == [name for name, _ in evaluation.factors]
    known_N = predictions.label_N >= 0
    for (name, factor), (_, part) in zip(evaluation.factors, predictions.factors, strict=True):
        label_N, best_N = part.label_N[known_N], part.best_N[known_N]
        assert evaluation.scores["factors"][name] == factor.scores
        assert factor.scores["n"] == 198
        assert factor.classes == FACTORS[name]
        assert factor.scores["accuracy"] == pytest.approx(reference.accuracy_score(label_N, best_N))
        assert factor.scores["macro_f1"] == pytest.approx(reference.f1_score(label_N, best_N, average="macro"))
        np.testing.assert_array_equal(factor.confusion_KK, reference.confusion_matrix(label_N, best_N))
        assert ("positive" in factor.scores) == (len(factor.classes) == 2)
        assert "ece_low" not in factor.scores
    alone = evaluate(predictions.factors[2][1].take(np.flatnonzero(known_N)), what="test").scores
    weak = evaluation.factors[2][1].scores
    assert (weak["log_loss"], weak["ece"]) == pytest.approx((alone["log_loss"], alone["ece"]))


def replace_labels(predictions: Predictions, *, unknown: tuple[int, ...]) -> Predictions:
    """The same predictions, but some photos are of a combination that no class is."""
    predictions.label_N[list(unknown)] = -1
    return predictions


def test_two_classes_are_ranked_for_the_smaller_one() -> None:
    predictions = draw(0, n=100, k=2)
    predictions.label_N[:40] = 0
    scores = evaluate(predictions, what="test").scores
    check_schema(scores)
    assert scores["positive"] == "class 1"
    for positive in (0, 1):
        scores = evaluate(predictions, what="test", positive=f"class {positive}").scores
        truth_N, score_N = predictions.label_N == positive, predictions.probabilities_NK[:, positive]
        assert scores["positive"] == f"class {positive}"
        assert scores["auroc"] == pytest.approx(reference.roc_auc_score(truth_N, score_N))
        assert scores["average_precision"] == pytest.approx(reference.average_precision_score(truth_N, score_N))


def test_of_two_equal_classes_the_second_is_positive() -> None:
    predictions = predict([[0.9, 0.1], [0.4, 0.6]], [0, 1], classes=("a", "b"))
    assert evaluate(predictions, what="test").scores["positive"] == "b"
    smaller = predict([[0.9, 0.1], [0.4, 0.6], [0.4, 0.6]], [0, 1, 1], classes=("a", "b"))
    assert evaluate(smaller, what="test").scores["positive"] == "a"


def test_the_positive_class_is_found_however_its_hangul_is_stored() -> None:
    composed, stored = "불량", unicodedata.normalize("NFD", "불량")
    assert composed != stored
    predictions = predict([[0.9, 0.1], [0.4, 0.6], [0.4, 0.6]], [0, 1, 1], classes=(stored, "정상"))
    assert evaluate(predictions, what="test", positive=composed).scores["positive"] == stored


def test_an_unknown_positive_class_is_refused_with_the_classes() -> None:
    with pytest.raises(ConfigError, match=r"'튤립'.*민들레, 장미, 해바라기"):
        evaluate(predict([[1.0, 0.0, 0.0]], [0]), what="test", positive="튤립")


def test_a_positive_class_among_three_has_no_effect_and_says_so() -> None:
    plain = predict([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], [0, 1, 2])
    evaluation = evaluate(plain, what="test", positive="장미")
    assert "positive" not in evaluation.scores
    assert evaluation.warnings == ("The positive class 장미 has no effect: there are 3 classes, not two.",)


def test_rejected_and_unlabelled_photos_are_left_out_and_counted() -> None:
    sound = predict([[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.5, 0.2, 0.3]], [0, 1, 2])
    mixed = predict(
        [None, [0.8, 0.1, 0.1], [0.0, 0.0, 1.0], [0.3, 0.6, 0.1], None, None, [0.5, 0.2, 0.3]],
        [0, 0, -1, 1, -1, 2, 2],
    )
    evaluation = evaluate(mixed, what="test", group_N=np.arange(7))
    assert evaluation.scores == evaluate(sound, what="test").scores
    assert evaluation.scores["n"] == 3
    assert evaluation.warnings == (
        "3 photos could not be used and are left out of every score.",
        "1 photo without a known label is left out of every score.",
    )
    assert [m.path for m in evaluation.mistakes] == ["사진 6.jpg"]


@pytest.mark.parametrize(
    ("rows", "labels", "counts"),
    [
        ([None, None], [0, 1], "2 photos rejected, 0 photos without a label among the classes 민들레"),
        ([[1.0, 0.0, 0.0], None], [-1, 0], "1 photo rejected, 1 photo without a label"),
        ([], [], "0 photos rejected, 0 photos without"),
    ],
)
def test_nothing_to_score(rows: list[list[float] | None], labels: list[int], counts: str) -> None:
    predictions = predict(rows, labels)
    if not rows:
        predictions = Predictions((), predictions.classes, np.empty((0, 3)), predictions.label_N, (), ())
    with pytest.raises(DataError, match=counts):
        evaluate(predictions, what="test")


@pytest.mark.parametrize("row", [[np.nan, 0.5, 0.5], [0.9, 0.9, 0.9], [1.5, -0.5, 0.0]])
def test_damaged_probabilities_are_refused_by_name(row: list[float]) -> None:
    with pytest.raises(DataError, match=r"1 photo do not add up to 1 \(first: 사진 1.jpg\)"):
        evaluate(predict([[1.0, 0.0, 0.0], row], [0, 1]), what="test")


def test_classes_without_photos_are_named_and_never_divided_by() -> None:
    evaluation = evaluate(predict([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0]], [0, 0]), what="test")
    check_schema(evaluation.scores)
    assert evaluation.scores["balanced_accuracy"] == 0.5
    assert evaluation.scores["macro_f1"] == pytest.approx((2 / 3 + 0) / 2)
    assert evaluation.per_class[1].recall is None
    assert evaluation.per_class[2].f1 is None
    assert evaluation.warnings == (
        "No scored photo is of 장미, 해바라기: nothing is known about how well that is recognised.",
    )


def test_two_classes_of_which_one_has_no_photo() -> None:
    evaluation = evaluate(predict([[0.9, 0.1], [0.6, 0.4]], [0, 0], classes=("정상", "불량")), what="test")
    check_schema(evaluation.scores)
    assert (evaluation.scores["auroc"], evaluation.scores["average_precision"]) == (None, None)
    assert evaluation.scores["positive"] == "불량"
    assert evaluation.scores["accuracy"] == 1.0
    assert evaluation.scores["accuracy_low"] < 0.5


def test_one_photo_and_one_class() -> None:
    evaluation = evaluate(predict([[1.0]], [0], classes=("하나",)), what="test")
    check_schema(evaluation.scores)
    assert evaluation.scores["accuracy"] == 1.0
    assert evaluation.scores["ece"] == 0.0
    assert evaluation.mistakes == ()
    assert evaluation.confused_pairs == ()


def test_all_wrong() -> None:
    rows = [[0.0, 0.9, 0.1], [0.0, 1.0, 0.0], [0.2, 0.8, 0.0], [0.7, 0.2, 0.1]]
    evaluation = evaluate(predict(rows, [0, 0, 0, 1]), what="test")
    check_schema(evaluation.scores)
    assert evaluation.scores["accuracy"] == evaluation.scores["accuracy_low"] == 0.0
    assert evaluation.scores["accuracy_high"] > 0.4
    assert evaluation.scores["macro_f1"] == 0.0
    assert evaluation.confused_pairs == (("민들레", "장미", 3), ("장미", "민들레", 1))
    # Lowest probability of the true class first; of equals the surest mistake.
    assert [m.path for m in evaluation.mistakes] == ["사진 1.jpg", "사진 0.jpg", "사진 2.jpg", "사진 3.jpg"]
    worst = evaluation.mistakes[0]
    assert (worst.label, worst.predicted) == ("민들레", "장미")
    assert (worst.label_probability, worst.predicted_probability) == (0.0, 1.0)
    assert type(worst.label_probability) is float


def test_at_most_ten_confused_pairs() -> None:
    pairs = evaluate(draw(1, n=400, k=8), what="test").confused_pairs
    assert len(pairs) == 10
    assert [count for *_, count in pairs] == sorted((count for *_, count in pairs), reverse=True)
    assert all(true != predicted and type(count) is int for true, predicted, count in pairs)


def test_copies_of_photos_do_not_narrow_the_intervals() -> None:
    once = draw(2, n=80, k=3)
    order_N = np.tile(np.arange(80), 4)
    copied = predict(once.probabilities_NK[order_N].tolist(), once.label_N[order_N].tolist(), classes=once.classes)
    expected = evaluate(once, what="test").scores
    grouped = evaluate(copied, what="test", group_N=order_N)
    naive = evaluate(copied, what="test").scores
    for key in ("accuracy", "accuracy_low", "accuracy_high", "ece", "ece_low", "ece_high", "log_loss"):
        assert grouped.scores[key] == pytest.approx(expected[key], abs=1e-9), key
    assert grouped.scores["n"] == 320
    assert "320 photos are worth about 80 independent ones" in grouped.warnings[0]
    assert naive["accuracy_low"] > expected["accuracy_low"]
    assert naive["ece_high"] - naive["ece_low"] < expected["ece_high"] - expected["ece_low"]


def test_photos_of_one_person_count_for_more_than_copies_and_less_than_strangers() -> None:
    rng = np.random.default_rng(5)
    person_N = np.repeat(np.arange(60), 5)
    hard_N = np.repeat(rng.random(60) < 0.3, 5)  # persons that are often mistaken
    right_N = rng.random(300) > np.where(hard_N, 0.6, 0.05)
    rows = [[0.9, 0.1, 0.0] if right else [0.1, 0.9, 0.0] for right in right_N]
    predictions = predict(rows, [0] * 300)
    copies = evaluate(predictions, what="test", group_N=person_N)
    persons = evaluate(predictions, what="test", group_N=person_N, duplicate_N=np.arange(300))
    strangers = evaluate(predictions, what="test")
    widths = [e.scores["accuracy_high"] - e.scores["accuracy_low"] for e in (copies, persons, strangers)]
    assert widths[0] > 1.2 * widths[1] > 1.2 * 1.2 * widths[2]
    assert "Some photos belong to one group, and fare alike: the 300 photos are worth about" in persons.warnings[0]
    assert persons.scores["ece_high"] == copies.scores["ece_high"] > strangers.scores["ece_high"]
    twins_N = np.arange(300) // 2 * 2
    alike = evaluate(predictions, what="test", group_N=twins_N, duplicate_N=twins_N)
    assert alike.scores == evaluate(predictions, what="test", group_N=twins_N).scores
    assert "are duplicates of each other" in alike.warnings[0]


def test_the_same_seed_gives_the_same_evaluation() -> None:
    predictions = draw(3, n=60, k=4)
    first, second, other = (evaluate(predictions, what="test", seed=seed).scores for seed in (1, 1, 2))
    assert first == second
    assert first["ece_high"] != other["ece_high"]


def test_a_hundred_thousand_photos_take_seconds() -> None:
    rng = np.random.default_rng(0)
    n, k = 100_000, 10
    predictions = Predictions(
        paths=tuple(map(str, range(n))),
        classes=tuple(map(str, range(k))),
        probabilities_NK=rng.dirichlet(np.ones(k), size=n),
        label_N=rng.integers(0, k, n),
        statuses=("ok",) * n,
        reasons=("",) * n,
    )
    start = time.process_time()
    evaluation = evaluate(predictions, what="test", group_N=np.arange(n) // 2)
    assert time.process_time() - start < 6  # 0.6 s on an idle core
    assert len(evaluation.mistakes) > 80_000
