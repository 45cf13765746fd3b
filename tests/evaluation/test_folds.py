from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics as reference
from tests.reporting.composite_examples import FACTORS, predict_factors, predict_labels

from photograft.evaluation.evaluate import evaluate
from photograft.evaluation.folds import fold_scores, mean_and_spread


def test_each_fold_is_scored_as_if_it_were_alone() -> None:
    predictions, fold_N = predict_factors(90), np.arange(90) % 3 - 1  # a third has no fold
    folds = fold_scores(predictions, fold_N)
    assert [(fold.fold, fold.n) for fold in folds] == [(1, 30), (2, 30)]
    for fold in folds:
        own = predictions.take(np.flatnonzero(fold_N == fold.fold - 1))
        alone = evaluate(own, what="fold").scores
        assert (fold.accuracy, fold.macro_f1) == pytest.approx((alone["accuracy"], alone["macro_f1"]))
        assert fold.macro_f1 == pytest.approx(reference.f1_score(own.label_N, own.best_N, average="macro"))
        assert fold.factors == {name: alone["factors"][name]["accuracy"] for name in FACTORS}


def test_several_labels_have_folds_too() -> None:
    predictions = predict_labels(60)
    (fold,) = fold_scores(predictions, np.zeros(60, dtype=np.int64))
    alone = evaluate(predictions, what="fold").scores
    assert (fold.accuracy, fold.macro_f1, fold.factors) == (alone["accuracy"], alone["macro_f1"], {})


def test_photos_without_a_label_do_not_count() -> None:
    predictions = replace(predict_factors(4), label_N=np.array([0, -1, 1, -1]))
    assert [(fold.fold, fold.n) for fold in fold_scores(predictions, np.array([0, 0, 1, 2]))] == [(1, 1), (2, 1)]


def test_the_spread_is_that_of_a_sample() -> None:
    assert mean_and_spread([0.5, 0.7]) == pytest.approx((0.6, np.sqrt(0.02)))
    assert mean_and_spread([0.5]) == (0.5, 0.0)
