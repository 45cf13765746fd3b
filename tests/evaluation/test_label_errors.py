from __future__ import annotations

from dataclasses import replace

import numpy as np

from photograft.evaluation.label_errors import rank_labels, suspect_labels
from photograft.values import Predictions

CLASSES = ("개", "cat", "rare")


def predict(probabilities_NK: np.ndarray, label_N: np.ndarray) -> Predictions:
    n = len(label_N)
    paths = tuple(f"{i}.jpg" for i in range(n))
    return Predictions(paths, CLASSES, probabilities_NK, label_N, ("ok",) * n, ("",) * n)


def test_flipped_labels_are_found_worst_first() -> None:
    rng = np.random.default_rng(0)
    true_N = np.repeat([0, 1], 200)
    probability_NK = np.full((400, 3), 0.02)
    probability_NK[np.arange(400), true_N] = rng.uniform(0.7, 0.96, 400)
    probability_NK[np.arange(400), 1 - true_N] = 0.98 - probability_NK[np.arange(400), true_N]
    label_N, flipped = true_N.copy(), rng.choice(400, 20, replace=False)
    label_N[flipped] = 1 - label_N[flipped]
    (issue,) = suspect_labels(predict(probability_NK, label_N))
    found = [int(path.removesuffix(".jpg")) for path in issue.paths]
    assert issue.kind == "suspect_label" and not issue.must_fix
    assert set(found) <= set(flipped.tolist()) and len(found) >= 8  # half of them: the threshold is a mean
    other_N, own_N = (probability_NK[np.arange(400), classes_N] for classes_N in (1 - label_N, label_N))
    score_N = other_N / (other_N + own_N)
    assert score_N[found].tolist() == sorted(score_N[found], reverse=True)
    ranked = rank_labels(predict(probability_NK, label_N))
    assert len(ranked) == 400 and {int(each.path.removesuffix(".jpg")) for each in ranked[:20]} == set(flipped.tolist())
    np.testing.assert_allclose([each.score for each in ranked], sorted(score_N, reverse=True))
    assert {(each.label, each.suggested) for each in ranked} == {("개", "cat"), ("cat", "개")}


def test_nothing_is_doubted_where_the_model_agrees() -> None:
    label_N = np.repeat([0, 1], 50)
    probability_NK = np.full((100, 3), 0.1)
    probability_NK[np.arange(100), label_N] = 0.8
    assert suspect_labels(predict(probability_NK, label_N)) == ()


def test_classes_of_a_few_photos_and_photos_without_a_label_are_no_evidence() -> None:
    label_N = np.array([0] * 20 + [2] * 3 + [-1])
    probability_NK = np.tile([0.9, 0.05, 0.05], (24, 1))
    probability_NK[0] = [0.1, 0.1, 0.8]  # would be rare, of which too few are known
    assert {path for issue in suspect_labels(predict(probability_NK, label_N)) for path in issue.paths} == {
        "20.jpg",
        "21.jpg",
        "22.jpg",
    }


def test_photos_without_a_label_or_a_prediction_are_not_ranked() -> None:
    label_N = np.array([0, 1, -1, 0])
    predictions = predict(np.array([[0.9, 0.1, 0.0], [0.4, 0.6, 0.0], [0.9, 0.1, 0.0], [np.nan] * 3]), label_N)
    predictions = replace(predictions, statuses=("ok", "ok", "ok", "rejected"))
    assert [(each.path, each.doubted) for each in rank_labels(predictions)] == [("1.jpg", False), ("0.jpg", False)]
    assert rank_labels(predictions.take(np.array([], dtype=np.int64))) == ()


def test_each_factor_is_doubted_on_its_own() -> None:
    label_N = np.arange(60) % 3
    p_NK = np.where(np.eye(3)[label_N] > 0, 0.8, 0.1)
    p_NK[4] = [0.05, 0.05, 0.9]
    paths, ok, reasons = tuple(f"{i}.jpg" for i in range(60)), ("ok",) * 60, ("",) * 60
    sure = Predictions(paths, ("m", "f"), np.tile([0.7, 0.3], (60, 1)), np.zeros(60, dtype=np.int64), ok, reasons)
    weak = Predictions(paths, ("<30", "30-60", ">=60"), p_NK, label_N, ok, reasons)
    joint = replace(weak, factors=(("성별", sure), ("나이", weak)))
    (issue,) = suspect_labels(joint)
    assert issue.paths == ("4.jpg",)
    assert issue.message == (
        "1 photo has a label of 나이 that the model doubts, for example 4.jpg: 30-60, or rather >=60?"
    )
    worst, *rest = rank_labels(joint)
    assert (worst.path, worst.label, worst.suggested) == ("4.jpg", "m | 30-60", "m | >=60") and worst.doubted
    assert not any(each.doubted for each in rest)
    # Where no factor is doubted, the value that is least sure would change.
    assert rest[-1].suggested.startswith("f | ")
