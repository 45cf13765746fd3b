from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from photograft.errors import ConfigError
from photograft.schemas import VERBS, load_schema

SCORES: dict[str, Any] = {
    "n": 40,
    "accuracy": 0.9,
    "accuracy_low": 0.77,
    "accuracy_high": 0.96,
    "balanced_accuracy": 0.9,
    "macro_f1": 0.89,
    "log_loss": 0.31,
    "ece": 0.04,
}
TRAIN: dict[str, Any] = {
    "run": "runs/1",
    "bundle": "runs/1/model",
    "classes": ["민들레", "장미"],
    "test": SCORES,
    "oof": {**SCORES, "ece_low": 0.0, "ece_high": 0.1, "positive": "장미", "auroc": None, "average_precision": None},
    "seconds": {"scan": 1.5},
    "warnings": [],
}
CLASS = {"name": "장미", "support": 0, "predicted": 1, "correct": 0, "precision": 0.0, "recall": None, "f1": 0.0}
LABEL = {**CLASS, "average_precision": None, "threshold": 0.4}
EVALUATE: dict[str, Any] = {"test": {**SCORES, "top5": 1.0}, "per_class": [CLASS]}
SLICE = {
    "column": "camera",
    "value": "(none)",
    "n": 3,
    "accuracy": 0.5,
    "accuracy_low": 0.2,
    "accuracy_high": 0.8,
}
GAIN = {"difference": -0.01, "low": -0.05, "high": 0.03}
FINDING: dict[str, Any] = {
    "kind": "tiny",
    "title": "Tiny photos",
    "must_fix": False,
    "n": 1,
    "n_cases": 1,
    "cases": [{"message": "1 photo is small", "remedy": "", "paths": ["장미/1.jpg"], "n_paths": 1}],
}
CHECK: dict[str, Any] = {
    "source": "꽃",
    "language": "en",
    "photos": {"found": 3, "usable": 1, "rejected": 1, "excluded": 1},
    "verdicts": {"ok": 2, "empty": 1},
    "classes": [{"name": "장미", "photos": 1}, {"name": "x", "photos": 0, "groups": 0}],
    "parts": {},
    "duplicates": {"exact": 0, "near": 0},
    "issues": [FINDING],
    "rows": {"장미/1.jpg": {"label": "장미", "part": "", "width": 8, "height": 9}},
    "clean": True,
    "notes": [],
    "seconds": {"scan": 0.2},
}
SPLIT: dict[str, Any] = {
    "file": "splits.csv",
    "photos": 9,
    "parts": {"train": 8, "left out": 1},
    "folds": 5,
    "repeats": 1,
    "groups": 9,
    "leaked": 0,
    "statement": "",
    "issues": [{"kind": "leak", "message": "m", "remedy": "", "must_fix": True, "paths": ["a.jpg"]}],
}
EDIT = {
    "line": 2,
    "in_force": True,
    "action": "exclude",
    "sha256": "ab",
    "path": "a.jpg",
    "value": "",
    "note": "",
    "time": "2026",
}
RECONSTRUCTION = {"mse": 0.01, "mse_low": 0.009, "mse_high": 0.011, "psnr_db": 20.0}
PRETRAIN: dict[str, Any] = {
    "run": "runs/1",
    "backbone": "autoencoder:32x5",
    "photos": {"train": 9, "held_out": 1, "left_out": 0, "rejected": 0},
    "epochs": 2,
    "errors": dict.fromkeys(("model", "mean_colour", "quarter", "trained"), RECONSTRUCTION),
    "seconds": {"pretrain": 1.5},
    "warnings": [],
}
OK: dict[str, Any] = {
    "path": "사진/장미 1.jpg",
    "status": "ok",
    "label": "장미",
    "probability": 0.7,
    "top": [{"label": "장미", "probability": 0.7}],
}
FACTOR = {"label": "낀", "probability": 0.9, "top": [{"label": "낀", "probability": 0.9}]}
REJECTED: dict[str, Any] = {
    "path": "x.jpg",
    "status": "rejected",
    "label": None,
    "probability": None,
    "top": [],
    "reason": "empty: the file has no bytes",
}
VERIFY: dict[str, Any] = {
    "bundle": "model",
    "ok": True,
    "files": 6,
    "golden": {"n": 2, "max_difference": 1e-7},
    "problems": [],
}


def accepts(verb: str, value: Any) -> bool:
    return bool(Draft202012Validator(load_schema(verb)).is_valid(value))


@pytest.mark.parametrize("verb", VERBS)
def test_every_schema_is_valid_and_describes_its_verb(verb: str) -> None:
    schema = load_schema(verb)
    Draft202012Validator.check_schema(schema)
    assert schema["$ref"] == f"#/$defs/{verb}"
    assert verb in schema["$defs"]


@pytest.mark.parametrize(
    ("verb", "value"),
    [
        ("train", TRAIN),
        ("train", {k: v for k, v in TRAIN.items() if k not in ("test", "oof")}),
        ("train", {**TRAIN, "test": {**SCORES, "factors": {"mask": SCORES}}}),
        ("evaluate", EVALUATE),
        ("evaluate", {**EVALUATE, "warnings": ["1 photo could not be used and is left out of every score."]}),
        ("evaluate", {"test": {**SCORES, "micro_f1": 0.7, "map": None}, "per_class": [LABEL]}),
        ("evaluate", {**EVALUATE, "slices": [SLICE], "whole_photo": SCORES, "box_gain": GAIN}),
        ("train", {**TRAIN, "slices": [SLICE]}),
        ("check", CHECK),
        ("check", {**CHECK, "clean": False, "issues": [{**FINDING, "must_fix": True}, FINDING]}),
        ("check", {**CHECK, "issues": [], "rows": {}}),
        ("split", SPLIT),
        ("pretrain", PRETRAIN),
        ("edits", []),
        ("edits", [EDIT]),
        ("predict", []),
        ("predict", [OK, REJECTED, {**OK, "status": "unsure"}]),
        ("predict", [{**OK, "factors": {"마스크": FACTOR}}, {**OK, "labels": OK["top"]}, {**OK, "labels": []}]),
        ("verify", VERIFY),
        ("verify", {**VERIFY, "ok": False, "golden": {"n": 0, "max_difference": None}, "problems": ["changed"]}),
        ("doctor", {"photograft": "0.1.0", "threads": 2}),
        ("cache", {"path": "somewhere", "bytes": 0}),
        ("plan", {"plan": ["60 files"], "estimate": {"photos": 60, "new": 0, "seconds": 0.0, "peak_mb": 300}}),
    ],
)
def test_accepts(verb: str, value: Any) -> None:
    assert list(Draft202012Validator(load_schema(verb)).iter_errors(value)) == []


@pytest.mark.parametrize(
    ("verb", "value"),
    [
        ("train", {**TRAIN, "extra": 1}),
        ("train", {**TRAIN, "test": {**SCORES, "accuracy": None}}),
        ("train", {**TRAIN, "test": {**SCORES, "accuracy": 1.1}}),
        ("train", {**TRAIN, "test": {**SCORES, "n": 0}}),
        ("train", {**TRAIN, "test": {**SCORES, "recall": 0.5}}),
        ("train", {**TRAIN, "test": {**SCORES, "auroc": 0.5}}),
        ("train", {**TRAIN, "test": {k: v for k, v in SCORES.items() if k != "ece"}}),
        ("evaluate", {"test": SCORES}),
        ("evaluate", {"test": SCORES, "per_class": [{**CLASS, "support": None}]}),
        ("evaluate", {"test": {**SCORES, "map": 0.7}, "per_class": [LABEL]}),
        ("evaluate", {"test": SCORES, "per_class": [{**LABEL, "threshold": None}]}),
        ("evaluate", {**EVALUATE, "whole_photo": SCORES}),
        ("evaluate", {**EVALUATE, "slices": []}),
        ("train", {**TRAIN, "slices": [{**SLICE, "n": 0}]}),
        ("check", {**CHECK, "clean": False}),
        ("check", {**CHECK, "issues": [{**FINDING, "must_fix": True}]}),
        ("check", {**CHECK, "issues": [{**FINDING, "cases": []}]}),
        ("check", {**CHECK, "photos": {"found": 3}}),
        ("split", {**SPLIT, "repeats": 0}),
        ("pretrain", {**PRETRAIN, "epochs": 0}),
        ("pretrain", {**PRETRAIN, "errors": {"model": RECONSTRUCTION}}),
        ("edits", [{**EDIT, "line": 0}]),
        ("predict", OK),
        ("predict", [{**OK, "label": None}]),
        ("predict", [{**OK, "status": "maybe"}]),
        ("predict", [{**REJECTED, "label": "장미"}]),
        ("predict", [{**REJECTED, "labels": []}]),
        ("predict", [{**OK, "factors": {}}]),
        ("predict", [{**OK, "factors": {"마스크": {**FACTOR, "top": []}}}]),
        ("predict", [{**OK, "factors": {"마스크": {k: v for k, v in FACTOR.items() if k != "label"}}}]),
        ("predict", [{k: v for k, v in REJECTED.items() if k != "reason"}]),
        ("verify", {**VERIFY, "ok": False}),
        ("verify", {**VERIFY, "problems": ["changed"]}),
        ("doctor", {}),
        ("cache", []),
        ("plan", {"plan": ["60 files"]}),
        ("plan", {"plan": [], "estimate": {"photos": 60, "new": -1, "seconds": 0.0, "peak_mb": 300}}),
    ],
)
def test_refuses(verb: str, value: Any) -> None:
    assert not accepts(verb, value)


def test_an_unknown_verb_is_named_with_those_that_work() -> None:
    with pytest.raises(ConfigError, match=r"'serve'.*train, plan, pretrain, advise, check"):
        load_schema("serve")


def test_callers_do_not_share_a_schema() -> None:
    load_schema("train")["$defs"].clear()
    assert accepts("train", TRAIN)
