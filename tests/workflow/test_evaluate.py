from __future__ import annotations

import json
import os
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

import photograft
from photograft.errors import DataError
from photograft.schemas import load_schema
from photograft.workflow.train import TrainedRun

Draw = Callable[..., Path]


def test_tests_a_model_on_photos_it_never_saw(tiny_run: TrainedRun, make_photo_folder: Draw, tmp_path: Path) -> None:
    tested = photograft.evaluate(tiny_run.run, make_photo_folder(tmp_path / "새 사진", n=5, seed=9))
    Draft202012Validator(load_schema("evaluate")).validate(json.loads(json.dumps(tested.to_json())))
    assert tested.evaluation.scores["n"] == 15 and tested.rejected == ()
    assert not any("was trained on" in w for w in tested.warnings)
    assert [c.name for c in tested.evaluation.per_class] == list(tiny_run.classes)


def test_photos_of_the_training_run_are_counted(tiny_run: TrainedRun, photo_folder: Path, bundle_copy: Path) -> None:
    tested = photograft.evaluate(tiny_run.bundle, photo_folder)
    assert any("was trained on 60 of these 60 photos" in w for w in tested.warnings)
    (bundle_copy.parent / "manifest.csv").write_text("a table of somebody else")
    assert not any("was trained on" in w for w in photograft.evaluate(bundle_copy, photo_folder).warnings)


def test_the_runs_own_test_photos_may_be_tested_again(
    tiny_config: photograft.Config, make_photo_folder: Draw, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    make_photo_folder(folder / "train", n=6)
    make_photo_folder(folder / "test", n=3, seed=1)
    run = photograft.train(folder, config=tiny_config, runs_dir=tmp_path / "runs")
    assert not any("was trained on" in w for w in photograft.evaluate(run.run, folder / "test").warnings)
    assert any("18 of these 18" in w for w in photograft.evaluate(run.run, folder / "train").warnings)


def test_class_names_match_in_any_unicode_form_and_unknown_ones_are_named(
    tiny_run: TrainedRun, make_photo_folder: Draw, tmp_path: Path
) -> None:
    folder = make_photo_folder(tmp_path / "photos", classes=(unicodedata.normalize("NFD", "노란 튤립"), "장미"), n=4)
    tested = photograft.evaluate(tiny_run.run, folder)
    assert tested.evaluation.scores["n"] == 4
    assert any("장미" in w and "does not know" in w for w in tested.warnings)
    shutil.rmtree(next(p for p in folder.iterdir() if p.name != "장미"))
    with pytest.raises(DataError, match="none of its classes"):
        photograft.evaluate(tiny_run.run, folder)


def test_files_that_cannot_be_used_are_left_out_up_to_the_limit(
    tiny_run: TrainedRun, make_photo_folder: Draw, tmp_path: Path
) -> None:
    folder = make_photo_folder(tmp_path / "photos", n=4)
    bad = sorted((folder / "daisy").iterdir())
    for path in bad[:2]:
        path.write_bytes(b"no picture")
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "daisy" / "pipe.jpg")  # opening it would block for ever
    tested = photograft.evaluate(tiny_run.run, folder)
    assert tested.evaluation.scores["n"] == 10
    assert {p.verdict for p in tested.rejected} <= {"not_an_image", "unreadable"} and len(tested.rejected) >= 2
    for path in bad[2:]:
        path.write_bytes(b"")
    with pytest.raises(DataError, match="cannot be used"):
        photograft.evaluate(tiny_run.run, folder)


def test_no_usable_photo_at_all_is_an_error_in_words(
    tiny_run: TrainedRun, make_photo_folder: Draw, tmp_path: Path
) -> None:
    folder = make_photo_folder(tmp_path / "photos", classes=("daisy",), n=2)
    for path in (folder / "daisy").iterdir():
        path.write_bytes(b"no picture")
    with pytest.raises(DataError):
        photograft.evaluate(tiny_run.run, folder)
