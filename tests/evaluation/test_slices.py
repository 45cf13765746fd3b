from __future__ import annotations

import unicodedata
from typing import Any

import numpy as np
import pytest

from photograft.evaluation.evaluate import evaluate
from photograft.evaluation.slices import MOST_VALUES, NONE, OTHER, evaluate_slices
from photograft.values import IntArray, Predictions


def predict(correct: list[bool], *, rejected: int = 0, unlabelled: int = 0) -> Predictions:
    """Predictions of two classes that are right where `correct` says so; rejected and unlabelled photos come last."""
    n = len(correct)
    p_NK = np.array([[0.9, 0.1] if right else [0.2, 0.8] for right in correct] + [[np.nan] * 2] * rejected)
    p_NK = np.vstack([p_NK, np.full((unlabelled, 2), 0.5)])
    total = n + rejected + unlabelled
    return Predictions(
        paths=tuple(f"{i}.jpg" for i in range(total)),
        classes=("a", "b"),
        probabilities_NK=p_NK,
        label_N=np.array([0] * (n + rejected) + [-1] * unlabelled, dtype=np.int64),
        statuses=("ok",) * n + ("rejected",) * rejected + ("ok",) * unlabelled,
        reasons=("",) * total,
    )


def test_each_value_is_scored_on_its_own_and_the_worst_comes_first() -> None:
    predictions = predict([True] * 8 + [True, False, False, False], rejected=1, unlabelled=1)
    found = evaluate_slices(predictions, {"camera": ["old"] * 4 + ["new"] * 4 + ["phone"] * 6, "place": ["Seoul"] * 14})
    assert [(s.column, s.value, s.n, s.accuracy) for s in found] == [
        ("camera", "phone", 4, 0.25),
        ("camera", "new", 4, 1.0),
        ("camera", "old", 4, 1.0),
        ("place", "Seoul", 12, 0.75),
    ]
    assert all(s.low <= s.accuracy <= s.high for s in found)


@pytest.mark.parametrize("duplicates", [None, np.array([0, 0, 1, 1, 1, *range(2, 39)])], ids=["copies", "persons"])
def test_a_slice_of_all_photos_is_the_headline(duplicates: IntArray | None) -> None:
    predictions = predict([True] * 30 + [False] * 10, rejected=2)
    group_N = np.array([0] * 5 + [1] * 5 + [-1] * 32)
    groups: dict[str, Any] = {"group_N": group_N, "duplicate_N": duplicates}
    scores = evaluate(predictions, what="test", **groups).scores
    (whole,) = evaluate_slices(predictions, {"x": ["same"] * 42}, **groups)
    assert (whole.n, whole.accuracy) == (scores["n"], scores["accuracy"])
    assert (whole.low, whole.high) == pytest.approx((scores["accuracy_low"], scores["accuracy_high"]))


def test_groups_widen_the_interval() -> None:
    predictions = predict([True] * 20 + [False] * 20)
    (alone,) = evaluate_slices(predictions, {"x": ["v"] * 40})
    (paired,) = evaluate_slices(predictions, {"x": ["v"] * 40}, group_N=np.arange(40) // 2)
    assert paired.low < alone.low
    assert alone.high < paired.high


def test_empty_cells_and_two_forms_of_a_name() -> None:
    twice = [unicodedata.normalize(form, "서울") for form in ("NFC", "NFD")]
    found = evaluate_slices(predict([True] * 4), {"place": [*twice, "", "  "]})
    assert sorted((s.value, s.n) for s in found) == [(NONE, 2), (unicodedata.normalize("NFC", "서울"), 2)]


def test_rare_values_are_gathered() -> None:
    cells = [f"place {i}" for i in range(MOST_VALUES) for _ in range(2)] + ["rare 1", "rare 2", "other"]
    found = evaluate_slices(predict([True] * len(cells)), {"place": cells})
    assert len(found) == MOST_VALUES + 1
    assert {s.value: s.n for s in found}[OTHER] == 3


def test_many_numbers_are_cut_into_quartiles() -> None:
    cells = [str(year) for year in range(1901, 2001)] + [""]
    found = evaluate_slices(predict([True] * 101), {"year": cells})
    assert {s.value: s.n for s in found} == {
        "1901 to 1925": 25,
        "1926 to 1950": 25,
        "1951 to 1975": 25,
        "1976 to 2000": 25,
        NONE: 1,
    }


def test_numbers_that_repeat_and_numbers_that_are_close() -> None:
    mostly_zero = evaluate_slices(predict([True] * 130), {"x": ["0"] * 100 + [str(i) for i in range(1, 31)]})
    assert {s.value: s.n for s in mostly_zero} == {"0": 100, "1 to 30": 30}
    times = [str(1_700_000_000 + i) for i in range(40)]
    assert {s.n for s in evaluate_slices(predict([True] * 40), {"time": times})} == {10}


def test_few_numbers_and_infinity_stay_as_they_are() -> None:
    few = evaluate_slices(predict([True] * 40), {"stars": [str(i % 5) for i in range(40)]})
    assert sorted(s.value for s in few) == ["0", "1", "2", "3", "4"]
    mixed = [str(i) for i in range(30)] + ["inf"]
    assert OTHER in {s.value for s in evaluate_slices(predict([True] * 31), {"x": mixed})}


def test_nothing_to_score_and_a_column_of_the_wrong_length() -> None:
    assert evaluate_slices(predict([], rejected=2), {"x": ["a", "b"]}) == ()
    with pytest.raises(ValueError, match="column x: 1 values for 2 photos"):
        evaluate_slices(predict([True, True]), {"x": ["a"]})
