from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from photograft.reporting.training import (
    records_from,
    summary_document,
    summary_from,
    training_document,
    training_sections,
)
from photograft.schemas import load_schema
from photograft.values import Summary

from .examples import make_report
from .training_examples import make_members, make_records, make_summary, make_training


def test_the_section_holds_all_that_the_report_was_told() -> None:
    training = make_training()
    section = json.loads(json.dumps(make_report(("a", "b"), 60, training=training)))["training"]
    assert summary_from(section["summary"]) == training.summary
    assert records_from(section) == tuple(training.records)
    assert (section["epoch"], section["seconds"]) == (3.0, 268.4)
    assert section["augment"]["flip"] == "horizontal"
    assert section["boundary"] == {"photos": 3670, "views": 6, "size_bytes": 1_120_000_000, "seconds": 71.0}
    assert section["linear"]["low"] == -0.001


def test_what_was_not_done_is_null() -> None:
    section = training_document(make_training(augment=None, boundary=None, linear=None))["training"]
    assert section["augment"] is section["boundary"] is section["linear"] is None


def test_a_run_whose_head_alone_was_trained_has_no_section() -> None:
    report = make_report(("a", "b"), 60)
    assert "training" not in report
    assert set(report["model"]) == {"backbone", "licence", "px", "views"}


def test_the_facts_of_the_model_say_what_trained() -> None:
    facts = make_report(("a", "b"), 60, training=make_training())["model"]
    assert facts["backbone"] == "efficientnet-lite0"
    assert facts["cut"] == "blocks.5"
    assert facts["trained"] == "162,517 of 238,709 parameters"
    assert (facts["batchnorm"], facts["best_epoch"]) == ("frozen", 3.0)


def test_a_loss_that_is_no_number_is_null_and_comes_back_as_none() -> None:
    broken = replace(make_records()[0], train_loss=float("nan"), val_loss=float("inf"))
    section = make_report(("a", "b"), 60, training=make_training(records=[broken]))["training"]
    assert section["records"][0]["train_loss"] is None
    (again,) = records_from(json.loads(json.dumps(section, allow_nan=False)))
    assert again.train_loss != again.train_loss
    assert again.val_loss is None


def check_schema(name: str, value: Mapping[str, Any]) -> None:
    """Fail where a value is not as the schema of that name says."""
    Draft202012Validator({**load_schema("train"), "$ref": f"#/$defs/{name}"}).validate(value)


@pytest.mark.parametrize(
    "changes",
    [{}, {"augment": None, "boundary": None, "linear": None}, {"records": [replace(make_records()[0], val_loss=None)]}],
    ids=["all", "least", "no validation"],
)
def test_the_section_is_as_the_schema_says(changes: dict[str, Any]) -> None:
    report = json.loads(json.dumps(make_report(("a", "b"), 60, training=make_training(**changes))))
    check_schema("training", report["training"])
    check_schema("layers", report["training"]["summary"])


def test_members_have_a_section_each_and_one_comparison() -> None:
    report = json.loads(json.dumps(make_report(("a", "b"), 60, training=make_members())))
    check_schema("trainings", report["trainings"])
    check_schema("linear", report["linear"])
    assert "training" not in report and "trained" not in report["model"]
    assert list(training_sections(report)) == list(report["trainings"]) == ["나이", "<b>gender</b>"]
    assert [section["linear"] for section in report["trainings"].values()] == [None, None]
    fits = [{record["fit"] for record in section["records"]} for section in report["trainings"].values()]
    assert fits == [{"train", "refit"}, {"fold 1", "fold 2"}]
    assert training_document({}) == training_document(None) == {}


def test_the_schema_refuses_what_it_does_not_know() -> None:
    section = training_document(make_training())["training"]
    with pytest.raises(ValidationError):
        check_schema("training", {**json.loads(json.dumps(section)), "colour": "red"})


def test_the_counts_of_a_summary_are_told_beside_its_layers() -> None:
    document = summary_document(make_summary())
    assert (document["parameters"], document["trainable"], document["statistics"]) == (238_709, 162_517, 1_408)
    assert document["with_statistics"] == 240_117
    assert summary_from(summary_document(Summary("all", "", "moved", ()))) == Summary("all", "", "moved", ())
