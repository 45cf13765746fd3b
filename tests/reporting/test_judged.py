"""What a run judged, read back from its tables."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from photograft.errors import IntegrityError, ModelError
from photograft.evaluation.paired import compare
from photograft.reporting.judged import read_judged
from photograft.workflow.train import TrainedRun


def test_reads_the_photos_of_the_headline(tiny_run: TrainedRun) -> None:
    read = read_judged(tiny_run.run)
    scores = tiny_run.headline.scores
    right_N = np.array(read.labels) == np.array(read.predicted)
    assert (read.name, read.classes) == (tiny_run.run.name, tiny_run.classes)
    assert (len(right_N), right_N.mean()) == (scores["n"], pytest.approx(scores["accuracy"]))
    assert len(set(read.keys)) == len(read.keys)
    assert "노란 튤립" in read.labels
    assert compare(read, read_judged(tiny_run.run, name="again")).n == scores["n"]


def test_damaged_tables_and_other_folders_are_refused(tiny_run: TrainedRun, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not a photograft run"):
        read_judged(tmp_path)
    copy = Path(shutil.copytree(tiny_run.run, tmp_path / "a run"))
    (copy / "predictions.csv").write_text("path,part\n", encoding="utf-8")
    with pytest.raises(IntegrityError, match=r"predictions\.csv was changed"):
        read_judged(copy)
    (copy / "checksums.json").unlink()
    (copy / "splits.csv").unlink()
    with pytest.raises(ModelError, match="its tables are damaged"):
        read_judged(copy)
