"""A table with boxes, persons, parts and corrections goes through train, predict and evaluate."""

from __future__ import annotations

import csv
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import photograft
from photograft.data.boxes import Boxed, settled_annotation
from photograft.data.csv_text import read_table
from photograft.data.files import FolderFiles
from photograft.data.hashing import hash_file
from photograft.inference.classifier import Prediction
from photograft.inference.verify import verify
from photograft.reporting.records import read_manifest
from photograft.values import Manifest
from photograft.workflow import train as training
from photograft.workflow.edits import add_edits
from photograft.workflow.finish import finish_run
from photograft.workflow.train import TrainedRun, plan

COLUMNS = ("path", "label", "part", "person", "camera", "box")
RELABELLED, LEFT_OUT, WITHOUT_BOX, OUTSIDE = "daisy/daisy 00.jpg", "daisy/daisy 01.jpg", "daisy 02.jpg", "daisy 03.jpg"


@pytest.fixture(scope="module")
def table(make_photo_folder: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Persons of two photos each, every fourth person in the test part."""
    root = make_photo_folder(tmp_path_factory.mktemp("tables") / "사진")
    rows = []
    for i, photo in enumerate(sorted(path.relative_to(root).as_posix() for path in root.rglob("*.*"))):
        box = "" if photo.endswith(WITHOUT_BOX) else "900,900,990,990" if photo.endswith(OUTSIDE) else "12,8,52,40"
        part = "test" if i // 2 % 4 == 0 else "train"
        rows.append((photo, photo.split("/")[0], part, f"p{i // 2}", f"camera {i % 2}", box))
    with (root / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    add_edits(root.parent / "edits.csv", "relabel", [root / RELABELLED], value="sun flower")
    add_edits(root.parent / "edits.csv", "exclude", [root / LEFT_OUT], note="blurred")
    return root / "labels.csv"


@pytest.fixture(scope="module")
def config(table: Path, tiny_config: photograft.Config) -> photograft.Config:
    assignments = [
        *("input.px=64", "data.boxes=csv", "data.margin=0.1", "report.slices=[camera]"),
        *("data.labels.part=part", "data.labels.group=person", f"data.edits={table.parent.parent / 'edits.csv'}"),
    ]
    return photograft.load_config(None, assignments, quality="fast")


@pytest.fixture(scope="module")
def run(table: Path, config: photograft.Config, tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    return photograft.train(table, config=config, runs_dir=tmp_path_factory.mktemp("runs"))


def manifest_of(run: TrainedRun, table: Path) -> Manifest:
    return read_manifest((run.run / "manifest.csv").read_bytes(), table.parent)


def probabilities_of_test(run: TrainedRun) -> dict[str, list[float]]:
    """Probabilities of each photo of the test part, in the order of the classes."""
    rows = [row for row in read_table((run.run / "predictions.csv").read_bytes()) if row["part"] == "test"]
    return {row["path"]: [float(row[f"p_{name}"]) for name in run.classes] for row in rows}


def finish_from_photos(folder: Any, trained: Any, *more: Any) -> Any:
    """As after a GPU: the test part is predicted from the photos, by the bundle."""
    members = tuple(replace(member, exact_features=False) for member in trained.members)
    return finish_run(folder, replace(trained, members=members), *more)


def test_boxes_persons_and_corrections_reach_the_run(run: TrainedRun, table: Path) -> None:
    photos = {photo.path: photo for photo in manifest_of(run, table).photos}
    assert len(photos) == 60
    assert photos[RELABELLED].label == "sun flower" and "edits.csv:2" in photos[RELABELLED].edited
    assert photos[LEFT_OUT].excluded.endswith(": blurred") and photos[LEFT_OUT].verdict == "ok"
    whole = {path for path, photo in photos.items() if photo.box is None}
    assert whole == {path for path in photos if path.endswith((WITHOUT_BOX, OUTSIDE))}
    assert {photo.box for path, photo in photos.items() if path not in whole} == {(8, 4, 56, 44)}  # with its margin
    assert "labels.csv:5: no box lies inside" in photos["daisy/daisy 03.jpg"].box_problem
    assert {photo.group for photo in photos.values()} == {f"p{i}" for i in range(30)}
    parts: dict[str, set[str]] = {}
    splits = read_table((run.run / "splits.csv").read_bytes())
    assert LEFT_OUT not in {row["path"] for row in splits} and len(splits) == 59
    for row in splits:
        parts.setdefault(photos[row["path"]].group, set()).add(row["part"])
    assert all(len(found) == 1 for found in parts.values())
    assert run.test is not None and {part.value for part in run.test.slices} == {"camera 0", "camera 1"}


@pytest.mark.parametrize("exact", [True, False])
def test_the_bundle_gives_the_probabilities_of_the_run_also_where_features_come_from_elsewhere(
    run: TrainedRun,
    table: Path,
    config: photograft.Config,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    exact: bool,
) -> None:
    if not exact:
        monkeypatch.setattr(training, "finish_run", finish_from_photos)
        run = photograft.train(table, config=config, runs_dir=tmp_path)
    expected = probabilities_of_test(run)
    photos = {photo.path: photo for photo in manifest_of(run, table).photos}
    assert len(expected) == 15 and RELABELLED in expected and LEFT_OUT not in expected
    with photograft.load(run.run) as model:
        for path, probability_K in expected.items():
            data, box = (table.parent / path).read_bytes(), photos[path].box
            predicted = model.predict(Boxed(data, settled_annotation(box)) if box else data)
            assert isinstance(predicted, Prediction)
            top = dict(predicted.top)
            assert np.allclose([top[name] for name in run.classes], probability_K, rtol=0, atol=1e-4)
    assert verify(run.run).ok
    assert "cropped to annotated boxes" in (run.bundle / "README.md").read_text("utf-8")


def test_photos_of_an_archive_are_read_in_its_order_and_keep_their_own_predictions(
    photo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = sorted(path for path in photo_folder.rglob("*") if path.is_file())
    with tarfile.open(tmp_path / "사진.tar.gz", "w:gz") as archive:
        for photo in reversed(photos):
            archive.add(photo, photo.relative_to(photo_folder).as_posix())
    config = photograft.load_config(None, ["input.px=64", "split.test=0.25"], quality="fast")
    monkeypatch.setattr(training, "finish_run", finish_from_photos)
    run = photograft.train(tmp_path / "사진.tar.gz", config=config, runs_dir=tmp_path / "runs")
    expected = probabilities_of_test(run)
    with photograft.load(run.run) as model:
        predictions = model.predict([photo_folder / path for path in expected])
    assert isinstance(predictions, list) and len(predictions) == 15
    for predicted, probability_K in zip(predictions, expected.values(), strict=True):
        top = dict(predicted.top)
        assert np.allclose([top[name] for name in run.classes], probability_K, rtol=0, atol=1e-4)


def test_evaluate_reads_the_table_as_train_did(run: TrainedRun, table: Path, config: photograft.Config) -> None:
    tested = photograft.evaluate(run.run, table, settings=["report.slices=[camera]", f"data.edits={config.data.edits}"])
    assert run.test is not None and tested.whole is not None and tested.box_gain is not None
    for name in ("n", "accuracy", "accuracy_low", "accuracy_high", "log_loss"):
        assert tested.evaluation.scores[name] == pytest.approx(run.test.scores[name], abs=1e-4), name
    assert tested.evaluation.slices == run.test.slices
    assert tested.whole.scores["log_loss"] != tested.evaluation.scores["log_loss"]
    low, difference, high = (tested.box_gain[i] for i in (1, 0, 2))
    assert low <= difference <= high
    assert not any("trained on" in warning for warning in tested.warnings)


def test_a_second_run_opens_no_photo_and_expects_none_to_be_new(
    run: TrainedRun, table: Path, config: photograft.Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FolderFiles, "read", lambda *_, **__: pytest.fail("a photo was opened"))
    assert plan(table, config=config).estimate.n_new == 0
    again = photograft.train(table, config=config, runs_dir=tmp_path)
    for name in ("manifest.csv", "splits.csv", "issues.csv", "predictions.csv"):
        assert (again.run / name).read_bytes() == (run.run / name).read_bytes()


def test_photos_stay_as_they_are(run: TrainedRun, table: Path) -> None:
    assert {path.name for path in table.parent.iterdir()} == {"daisy", "sun flower", "노란 튤립", "labels.csv"}
    for photo in manifest_of(run, table).usable.photos:
        assert hash_file(table.parent / photo.path) == photo.sha256
