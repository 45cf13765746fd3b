from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from photograft.errors import ModelError
from photograft.reporting.training_records import read_records, records_jsonl

from .training_examples import make_records, make_refit


def test_records_read_back_as_they_were() -> None:
    records = (*make_records(), *make_refit(), replace(make_records()[0], fit="fold 1", epoch=0.1 + 0.2, lr=1 / 3))
    text = records_jsonl(records)
    assert len(text.splitlines()) == len(records)
    assert read_records(text) == records


def test_a_loss_that_is_no_number_is_null_in_the_file() -> None:
    text = records_jsonl([replace(make_records()[0], train_loss=math.inf, val_loss=math.nan)])
    assert json.loads(text)["train_loss"] is None
    (again,) = read_records(text)
    assert math.isnan(again.train_loss)
    assert again.val_loss is None


def test_lines_of_the_linear_head_are_passed_over() -> None:
    linear = '{"strength": 0.1, "oof_log_loss": 0.25}\n'
    assert read_records(linear + records_jsonl(make_records())) == tuple(make_records())


def test_a_line_that_a_kill_cut_off_is_left_out() -> None:
    text = records_jsonl(make_records())
    assert read_records(text[:-1]) == read_records(text[:-40]) == tuple(make_records()[:-1])
    assert read_records("") == ()


@pytest.mark.parametrize("damage", ['{"fit": "train"}', "[]", "3", "{", "\x00"])
def test_a_damaged_line_is_named(damage: str) -> None:
    with pytest.raises(ModelError, match=r"records\.jsonl, line 2, is damaged"):
        read_records(records_jsonl(make_records()[:1]) + damage + "\n" + records_jsonl(make_refit()))
