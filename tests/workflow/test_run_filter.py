from __future__ import annotations

import pytest

from photograft.errors import ConfigError
from photograft.tracking.run_row import RunRow
from photograft.workflow.run_filter import read_conditions, read_key, require_known, sorted_by

ROW = RunRow(
    run="2026-11-22-꽃",
    status="finished",
    created="2026-11-22T10:00:00+00:00",
    data="Flowers",
    accuracy=0.91,
    n=50,
    px="224",
    tags=("keep", "발표용"),
    settings={
        "model.backbone": "timm:resnet50",
        "train.lr": 0.001,
        "input.flip": True,
        "train.time_limit": None,
        "data.classes": ["장미", "튤립"],
        'model.factors."no. of people".graft': "all",
    },
)


@pytest.mark.parametrize(
    "text",
    [
        "accuracy>0.9",
        "accuracy >= 91%",
        "accuracy<1",
        "n=50",
        "n==50",
        "n!=51",
        "data=flowers",
        "data=F*s",
        "data~low",
        "data!=dogs",
        "name~꽃",
        "model.backbone=timm:*",
        "model.backbone=timm:resnet50",
        "train.lr=1e-3",
        "train.lr<=0.001",
        "px>=200",
        "input.flip=true",
        "train.time_limit=none",
        "data.classes=장미",
        "data.classes!=daisy",
        "tag=keep",
        "tag=발표*",
        "tags!=other",
        "date>2026-11-20",
        "created<2026-12",
        "macro-f1!=0.5",
        'model.factors."no. of people".graft=all',
    ],
)
def test_holds(text: str) -> None:
    (condition,) = read_conditions([text])
    require_known([condition.key], [ROW])
    assert condition.holds(ROW)


@pytest.mark.parametrize(
    "text",
    [
        "accuracy>0.91",
        "accuracy!=0.91",
        "macro_f1>0",
        "macro_f1<1",
        "data=flower",
        "tag=kee",
        "tag!=keep",
        "data.classes=rose",
        "input.flip=false",
        "train.time_limit=5",
        "model.graft=head",
        "date<2026-11-22",
    ],
)
def test_does_not_hold(text: str) -> None:
    (condition,) = read_conditions([text])
    assert not condition.holds(ROW)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("acuracy", "did you mean `accuracy`"),
        ("epochs", r"or `train\.epochs`"),
        ("train.ephocs", r"did you mean `train\.epochs`"),
        ("nothing", "There are run, status, kind"),
    ],
)
def test_unknown_keys_are_named_with_what_was_meant(key: str, words: str) -> None:
    with pytest.raises(ConfigError, match=f"runs have no {key}.*{words}"):
        require_known([key], [ROW])


def test_every_text_that_is_no_filter_is_named() -> None:
    with pytest.raises(ConfigError, match=r"(?s)--filter accuracy: write it as.*--filter >3: write it as"):
        read_conditions(["accuracy", "n>3", ">3"])


@pytest.mark.parametrize(
    ("text", "words"),
    [("accuracy>high", "accuracy is a number: compare it with one"), ("date<yesterday", r"'created>2026-11-22'")],
)
def test_what_cannot_be_compared_is_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read_conditions([text])


def test_sorts_numbers_down_texts_up_and_what_is_missing_last() -> None:
    rows = [
        RunRow(run=name, status="finished", accuracy=score) for name, score in (("b", 0.5), ("a", None), ("c", 0.9))
    ]
    assert [row.run for row in sorted_by(rows, "accuracy")] == ["c", "b", "a"]
    assert [row.run for row in sorted_by(rows, "accuracy", reverse=True)] == ["b", "c", "a"]
    assert [row.run for row in sorted_by(rows, read_key("name"))] == ["a", "b", "c"]
    assert [row.run for row in sorted_by(rows, "train.lr")] == ["b", "a", "c"]
