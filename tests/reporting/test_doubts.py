from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.reporting.composite_examples import predict_labels

from photograft.errors import IntegrityError, ModelError
from photograft.evaluation.label_errors import RankedLabel, rank_labels
from photograft.reporting.doubts import DOUBTS, Doubt, doubts_csv, gather_doubts, read_doubts
from photograft.tracking.run_folder import RunFolder
from photograft.workflow.train import TrainedRun

HOSTILE = '=나의 사진/a,"b"\n\udcff.jpg'


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A folder that has what reading needs, and is not sealed."""
    folder = RunFolder(tmp_path / "나의 run")
    folder.path.mkdir()
    folder.write("config.resolved.yaml", "")
    return folder


def test_rows_are_read_back_as_they_were(run: RunFolder) -> None:
    doubts = [
        Doubt(HOSTILE, "-튤립", "@b", 0.987654, "train", True),
        Doubt("b.jpg", "@b", "-튤립", 0.25, "test", False),
    ]
    content = doubts_csv(doubts)
    assert content.splitlines()[0] == "path,label,suggested,score,part,doubted"
    run.write(DOUBTS, content)
    assert read_doubts(run.path) == doubts


def test_a_changed_file_is_refused(run: RunFolder) -> None:
    run.write(DOUBTS, doubts_csv([Doubt("a.jpg", "a", "b", 0.5, "val", False)]))
    run.seal()
    run.write(DOUBTS, doubts_csv([Doubt("a.jpg", "a", "b", 0.6, "val", False)]))
    with pytest.raises(IntegrityError, match=DOUBTS):
        read_doubts(run.path)


def test_a_damaged_file_is_refused_in_words(run: RunFolder) -> None:
    run.write(DOUBTS, "path,label\na.jpg,a\n")
    with pytest.raises(ModelError, match="its tables are damaged"):
        read_doubts(run.path)


def test_a_run_without_the_file_is_judged_by_its_predictions(tiny_run: TrainedRun, tmp_path: Path) -> None:
    new = read_doubts(tiny_run.run)
    assert [each.score for each in new] == sorted((each.score for each in new), reverse=True)
    old = tmp_path / "old"
    shutil.copytree(tiny_run.run, old, ignore=shutil.ignore_patterns(DOUBTS, "model", "checksums.json"))
    assert {(each.path, each.label, each.part) for each in read_doubts(old)} == {
        (each.path, each.label, each.part) for each in new
    }


def test_several_labels_are_lists(run: RunFolder) -> None:
    predictions = predict_labels(40)
    doubts = gather_doubts(rank_labels(predictions), part_of=dict.fromkeys(predictions.paths, "train"))
    assert {name for each in doubts for name in json.loads(each.label)} <= set(predictions.classes)
    assert all(each.label != each.suggested for each in doubts)
    run.write(DOUBTS, doubts_csv(doubts))
    assert [each.label for each in read_doubts(run.path)] == [each.label for each in doubts]


def test_rankings_are_merged_by_score() -> None:
    folds = [RankedLabel("a.jpg", "a", "b", 0.9, True), RankedLabel("b.jpg", "a", "b", 0.1, False)]
    test = [RankedLabel("c.jpg", "b", "a", 0.5, True)]
    assert gather_doubts(folds, test, part_of={"a.jpg": "val", "b.jpg": "train", "c.jpg": "test"}) == [
        Doubt("a.jpg", "a", "b", 0.9, "val", True),
        Doubt("c.jpg", "b", "a", 0.5, "test", True),
        Doubt("b.jpg", "a", "b", 0.1, "train", False),
    ]
