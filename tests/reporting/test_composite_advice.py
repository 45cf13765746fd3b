from __future__ import annotations

from typing import Any

import pytest

from photograft.reporting.advice import advise
from photograft.reporting.composite_advice import advise_on_factors, advise_on_values, recall_by_size

from .composite_examples import make_factor_report, make_labels_report
from .examples import make_report


def rows(*classes: tuple[int, float | None]) -> list[dict[str, Any]]:
    return [{"support": support, "recall": recall} for support, recall in classes]


def advise_with(settings: dict[str, Any], *, weak: bool = True) -> list[str]:
    """What is said of a run in which small values of one factor, and small classes, are found less."""
    report = make_factor_report(settings=settings, folds=(), ensemble=None, balance=None)
    (evaluation,) = report["evaluations"]
    lacking = rows((300, 0.95), (200, 0.9), (100, 0.4 if weak else 0.9))
    evaluation["factors"][2]["per_class"] = evaluation["per_class"] = lacking
    return list(advise_on_factors(report))


def test_flat_classes_with_few_photos_are_told_of_heads() -> None:
    (heads,) = advise_with({"model": {"labels": "flat"}}, weak=False)
    assert heads.startswith("Try model.labels=heads: 14 combinations have fewer than 50 photos")
    assert advise_with({"model": {"labels": "heads"}}, weak=False) == []


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"labels": "heads"}, "Try model.factors.나이.balance=balanced: of the smaller half of its values 40"),
        ({"labels": "flat"}, "Try train.logit_adjustment=auto: of the smaller half of the classes 40"),
    ],
)
def test_small_classes_that_are_found_less_are_told_of_balance(model: dict[str, Any], said: str) -> None:
    assert advise_with({"model": model})[-1].startswith(said)
    for train in ({"balance": "sqrt"}, {"logit_adjustment": "auto"}):
        assert not [step for step in advise_with({"model": model, "train": train}) if "smaller half" in step]


def test_a_factor_with_weights_of_its_own_is_left_alone() -> None:
    model = {"labels": "heads", "factors": {"나이": {"balance": "effective"}}}
    assert advise_with({"model": model}) == []


def test_other_runs_are_told_nothing_of_it() -> None:
    for report in (make_report(("a", "b"), 90), make_labels_report()):
        assert list(advise_on_factors(report)) == []
        assert not [step for step in advise(report) if "Try " in step]


def test_values_that_are_seldom_found_are_named_rather_than_combinations() -> None:
    report = make_factor_report()
    said = [step for step in advise(report) if "recall below 80" in step]
    assert len(said) == 1 and said[0].startswith("Look at the 2 values with recall below 80\u00a0%, first “나이: ")
    report["evaluations"][0]["factors"][2]["per_class"] = rows((300, 0.95), (20, 0.1))
    assert list(advise_on_values(report)) == []
    report["evaluations"][0]["factors"][2]["per_class"] = [{"name": "60+", "support": 30, "recall": 0.1}]
    (one,) = advise_on_values(report)
    assert one.startswith("Look at “나이: 60+”, found in fewer than 80\u00a0% of its photos")


def test_halves_need_photos() -> None:
    assert recall_by_size(rows((100, 0.9), (50, 0.5), (40, 0.3))) == pytest.approx((0.3, 0.7))
    assert recall_by_size(rows((100, 0.9), (29, 0.5))) is None
    assert recall_by_size(rows((100, 0.9), (0, None))) is None
