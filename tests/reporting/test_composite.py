from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from photograft.evaluation.evaluate import evaluate
from photograft.reporting.composite import class_row
from photograft.reporting.composite_section import say_balance, say_gain, say_weak_factor
from photograft.reporting.page import render_html
from photograft.schemas import load_schema

from .composite_examples import (
    FACTORS,
    make_balance,
    make_ensemble,
    make_factor_report,
    make_labels_report,
    predict_factors,
)
from .examples import make_report
from .pages import HOSTILE, Page, check_self_contained

ORDER = (
    *("use", "basis", "reliability", "fails", "factors", "classes", "confusion", "mistakes"),
    *("do", "next", "data", "made", "folds", "balance", "members", "details"),
)


def check_schema(name: str, value: Any) -> None:
    Draft202012Validator({**load_schema("train"), "$ref": f"#/$defs/{name}"}).validate(value)


def test_an_ordinary_run_has_none_of_it() -> None:
    report = make_report(("a", "b", "c"), 120)
    assert not {"folds", "ensemble", "balance"} & set(report)
    (evaluation,) = report["evaluations"]
    assert "factors" not in evaluation
    assert "factors" not in evaluation["scores"]
    assert set(evaluation["per_class"][0]) == {"name", "support", "predicted", "correct", "precision", "recall", "f1"}
    assert Page(render_html(report, thumbnails={})).ids == [
        *("use", "basis", "reliability", "fails", "classes", "confusion", "mistakes"),
        *("do", "next", "data", "made", "details"),
    ]


def test_the_sections_are_as_the_schema_says() -> None:
    report = json.loads(json.dumps(make_factor_report(), allow_nan=False))
    for name in ("folds", "ensemble", "balance"):
        check_schema(name, report[name])
    (evaluation,) = report["evaluations"]
    check_schema("scores", evaluation["scores"])
    assert [factor["name"] for factor in evaluation["factors"]] == list(FACTORS)
    for factor in evaluation["factors"]:
        check_schema("factor", factor)
    own = make_factor_report(ensemble=replace(make_ensemble(), gain=None))["ensemble"]
    check_schema("ensemble", own)
    check_schema("scores", make_labels_report()["evaluations"][0]["scores"])


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_section_is_there_in_order(language: str) -> None:
    html = render_html(make_factor_report(language=language), thumbnails={})
    check_self_contained(html)
    page = Page(html)
    assert page.open == []
    assert page.ids == list(ORDER)
    assert html.count('class="pg-figure"') == len(FACTORS) + 2
    assert not [text for text in ("{n", "{share", "None", "nan", "Undefined") if text in page.text]
    again = json.loads(json.dumps(make_factor_report(language=language)))
    assert render_html(again, thumbnails={}) == html


def test_the_share_of_mistakes_counts_photos_with_a_wrong_class() -> None:
    predictions = predict_factors(300)
    joint_N = predictions.best_N != predictions.label_N
    (evaluation,) = make_factor_report(300)["evaluations"]
    for factor, (_, part) in zip(evaluation["factors"], predictions.factors, strict=True):
        wrong_N = part.best_N != part.label_N
        assert factor["share_of_mistakes"] == pytest.approx((wrong_N & joint_N).sum() / joint_N.sum())


def test_the_weak_factor_is_named_where_it_is_clearly_one() -> None:
    report = make_factor_report()
    (evaluation,) = report["evaluations"]
    weak = evaluation["factors"][2]
    said = report["summary"][2]
    assert said.startswith("Its weak factor is “나이”: right for ")
    assert f"wrong in {100 * weak['share_of_mistakes']:.0f}\u00a0%" in said
    alike = evaluation | {"factors": [weak, weak | {"name": "b"}]}
    assert str(say_weak_factor(alike, "en")).startswith("No factor is clearly the weakest; “나이” is lowest")
    assert say_weak_factor(evaluation | {"mistakes": []}, "en") is None
    assert str(say_weak_factor(evaluation, "ko")).startswith("약한 요소는 ‘나이’")


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (
            0.003,
            0.025,
            "61.5 %, 1.4 points more than “first” alone (0.3 to 2.5 with 95 % confidence; 600 photos, cross-",
        ),
        (-0.01, 0.03, "61.5 %, “first” alone for 60.1 % (+1.4 points, -1.0 to 3.0 with 95 % confidence; 600 photos"),
    ],
)
def test_gain_and_cost_are_said_in_words(low: float, high: float, said: str) -> None:
    gain = make_factor_report(ensemble=make_ensemble(low=low, high=high))["ensemble"]["gain"]
    first, second = (text.replace("\u00a0", " ") for text in say_gain(gain))
    assert said in first
    assert "for 2.6 times the time (52 against 20 ms per photo)" in first
    assert second == "The log loss is 0.970 against 1.020."
    assert "times the time" not in say_gain({**gain, "ms_per_photo": None})[0]
    (alone,) = say_gain({**gain, "ms_per_photo": 20.0})
    assert "has all the weight" in alone


def test_members_that_do_worse_together_are_not_praised() -> None:
    gain = make_factor_report()["ensemble"]["gain"]
    worse = {**gain, "accuracy": 0.58, "low": -0.03, "high": -0.012}
    first = say_gain(worse)[0]
    assert "2.1 points less than “first” alone (1.2 to 3.0 with" in first
    assert "that one alone would do better" in first


def test_a_model_per_factor_has_no_single_one_to_compare_with() -> None:
    members = tuple(
        replace(member, targets=(name,), weights={name: 1.0})
        for member, name in zip(make_ensemble().members, FACTORS, strict=False)
    )
    page = Page(
        render_html(make_factor_report(ensemble=replace(make_ensemble(), members=members, gain=None)), thumbnails={})
    )
    assert "Each of these models predicts a part of what is asked" in page.text
    assert "Predicts" in page.text
    assert "Weight" not in page.text


def test_what_small_classes_gained_and_cost_is_said() -> None:
    balance = make_factor_report()["balance"]
    base = {**balance, "power": 0.6, "macro_f1_change_low": 0.01, "macro_f1_change_high": 0.05}
    said = say_balance({**base, "accuracy_change_low": -0.03, "accuracy_change_high": -0.01})
    assert said.startswith("With logit adjustment (power 0.6), ")
    assert "(by +0.010 to +0.050 with" in said
    assert said.endswith("Macro-F1 gains more than chance explains. It costs accuracy.")
    unsure = say_balance({**base, "balance": "sqrt", "macro_f1_change_low": -0.01, "accuracy_change_high": 0.0})
    assert unsure.startswith("With weights (sqrt) and logit adjustment (power 0.6), ")
    assert unsure.endswith("Whether macro-F1 gains these photos cannot tell.")


def test_small_classes_show_their_recall_without_and_with() -> None:
    predictions = predict_factors(600)
    facts = make_balance(predictions)
    assert [row.support for row in facts.small] == sorted(row.support for row in facts.small)
    assert np.mean([row.recall_before for row in facts.small]) == pytest.approx(facts.effect.small_recall_before)
    assert np.mean([row.recall_after for row in facts.small]) == pytest.approx(facts.effect.small_recall_after)
    unused = make_factor_report(balance=make_balance(predictions, power=0.0))
    page = Page(render_html(unused, thumbnails={}))
    assert "was tried, and no power of it did better" in page.text
    assert "Recall without" not in page.text


@pytest.mark.parametrize(
    ("train", "said"),
    [
        ({"refit": "folds"}, "is made of those of the folds"),
        ({"refit": "train_val", "on_all": True}, "again on all photos"),
        ({"refit": "none"}, "on the training part alone"),
        ({}, "on the training and validation photos together"),
    ],
)
def test_how_the_shipped_model_was_made_is_said(train: dict[str, Any], said: str) -> None:
    page = Page(render_html(make_factor_report(settings={"train": train}), thumbnails={}))
    assert said in page.text
    assert "Standard deviation" in page.text


def test_the_spread_of_folds_is_set_against_chance() -> None:
    report = make_factor_report()
    scores = report["evaluations"][0]["scores"]
    n, share = scores["n"] / 5, scores["accuracy"]
    chance = f"{100 * (share * (1 - share) / n) ** 0.5:.1f}"  # photos are independent here
    assert f"Chance alone gives about {chance} points" in Page(render_html(report, thumbnails={})).text
    other = make_factor_report(evaluations=[evaluate(predict_factors(60), what="test")])
    assert "Chance alone" not in Page(render_html(other, thumbnails={})).text


def test_several_labels_have_a_table_of_labels_and_no_confusion() -> None:
    report = make_labels_report()
    first, second, third = report["summary"]
    assert "this model gave exactly the right labels to " in first
    assert second.startswith("Label by label, mAP is 0.")
    assert third.startswith("It is weakest at “")
    page = Page(render_html(report, thumbnails={}))
    assert "confusion" not in page.ids
    for text in ("Label by label", "AP", "Threshold", "with all labels right", "share that has the label", "mAP (mean"):
        assert text in page.text
    assert "Always answering" not in page.text
    assert {row["name"]: row["photos"] for row in report["classes"]} == {
        row["name"]: row["support"] for row in report["evaluations"][0]["per_class"]
    }


def test_few_photos_with_labels_are_counted() -> None:
    report = make_labels_report(12)
    correct = 12 - len(report["evaluations"][0]["mistakes"])
    assert report["summary"][0] == (
        f"Of only 12 photos it had never seen, this model gave exactly the right labels to {correct}."
    )


def test_hostile_names_of_factors_labels_and_members_are_text() -> None:
    factors = {name: tuple(HOSTILE) for name in HOSTILE[:2]}
    predictions = predict_factors(300, factors=factors)
    members = tuple(
        replace(m, name=name, targets=HOSTILE[:1]) for m, name in zip(make_ensemble().members, HOSTILE[:2], strict=True)
    )
    report = make_factor_report(
        300,
        evaluations=[evaluate(predictions, what="test")],
        ensemble=replace(make_ensemble(), members=members),
        temperature={HOSTILE[0]: 1.0},
    )
    for document in (report, make_labels_report(labels=HOSTILE)):
        page = Page(render_html(document, thumbnails={}))
        page.check_harmless()
        assert HOSTILE[0] in page.text


def test_each_factor_has_its_own_temperature() -> None:
    page = Page(render_html(make_factor_report(), thumbnails={}))
    assert "temperature 마스크 1.10, gender 0.93, 나이 1.30, fitted on out-of-fold predictions" in page.text


def test_class_rows_have_what_their_kind_needs() -> None:
    label = make_labels_report()["evaluations"][0]["per_class"][0]
    assert {"average_precision", "threshold"} < set(label)
    scores = evaluate(predict_factors(20), what="test").per_class[0]
    assert not {"average_precision", "threshold"} & set(class_row(scores))
    assert class_row(replace(scores, threshold=0.5))["average_precision"] is None
