from __future__ import annotations

import numpy as np
from tests.reporting.composite_examples import FACTORS, predict_factors, predict_labels

from photograft.cli.scores import class_table, factor_table, fold_line, headline
from photograft.evaluation.evaluate import evaluate
from photograft.evaluation.folds import FoldScores
from photograft.reporting.columns import count_columns


def test_factors_have_a_line_each_under_the_joint_score() -> None:
    evaluation = evaluate(predict_factors(200), what="out-of-fold")
    accuracy = evaluation.scores["accuracy"]
    assert headline(evaluation).startswith(f"Accuracy {accuracy:.3f} (95 % interval ")
    blank, head, *lines = factor_table(evaluation)
    assert (blank, head) == ("", "factor  accuracy  95 % interval   macro-F1")
    assert [line.split()[0] for line in lines] == list(FACTORS)
    for line, (name, factor) in zip(lines, evaluation.factors, strict=True):
        assert line.split()[1] == f"{evaluation.scores['factors'][name]['accuracy']:.3f}"
        assert line.split()[-1] == f"{factor.scores['macro_f1']:.3f}"
    assert {count_columns(line) for line in lines} == {count_columns(head)}


def test_without_factors_there_is_no_table() -> None:
    assert factor_table(evaluate(predict_factors(20).factors[0][1], what="test")) == []


def test_several_labels_are_told_by_map_and_f1() -> None:
    predictions = predict_labels(50)
    evaluation = evaluate(predictions, what="test")
    s = evaluation.scores
    assert headline(evaluation) == (
        f"mAP {s['map']:.3f}, micro-F1 {s['micro_f1']:.3f}, macro-F1 {s['macro_f1']:.3f}, all labels right in "
        f"{s['accuracy']:.3f} (95 % interval {s['accuracy_low']:.3f} to {s['accuracy_high']:.3f}) of 50 photos never "
        "trained on"
    )
    head, *lines = class_table(evaluation)
    assert head.split() == ["label", "photos", "AP", "threshold", "precision", "recall", "F1"]
    assert {count_columns(line) for line in lines} == {count_columns(head)}
    assert lines[0].split()[3] == "0.500"


def test_a_label_that_no_photo_has_is_a_dash() -> None:
    predictions = predict_labels(6)
    assert predictions.member_NK is not None
    predictions.member_NK[:] = False
    evaluation = evaluate(predictions, what="test")
    assert headline(evaluation).startswith("mAP -, micro-F1 0.000")
    assert class_table(evaluation)[1].split()[2] == "-"


def test_folds_have_one_line() -> None:
    folds = [FoldScores(i + 1, 100, 0.5 + 0.1 * i, 0.4) for i in range(3)]
    assert fold_line(folds) == ["3 folds: accuracy 0.600 +- 0.100, macro-F1 0.400 +- 0.000"]
    assert fold_line(()) == []
    assert np.std([0.5, 0.6, 0.7], ddof=1).round(3) == 0.1
