"""What changed from one run to another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from tests.workflow.finished import change_json, change_table, copy_run, make_wrong

import photograft
from photograft.data.edits import append_edit
from photograft.errors import ConfigError, ModelError
from photograft.schemas import load_schema
from photograft.workflow.run_diff import RunDiff, diff_runs
from photograft.workflow.train import TrainedRun


@pytest.fixture
def after(tiny_run: TrainedRun, tmp_path: Path) -> Path:
    """A copy of the shared run."""
    return copy_run(tiny_run.run, tmp_path / "2026-11-23-다음 run")


@pytest.fixture
def before(tiny_run: TrainedRun, tmp_path: Path) -> Path:
    return copy_run(tiny_run.run, tmp_path / "2026-11-22-before")


def told(before: Path, after: Path) -> tuple[RunDiff, str]:
    done = diff_runs(before, after)
    Draft202012Validator(load_schema("diff")).validate(done.to_json())
    return done, "\n".join(done.lines())


def test_runs_of_the_same_are_said_to_be_the_same(before: Path, after: Path) -> None:
    done, text = told(before, after)
    assert done.same
    assert "Model       the same\nParameters  the same\nData        the same 60 photos with the same labels\n" in text
    assert "Made with   the same versions and code" in text
    assert "the same photos are right" in text
    assert "Nothing changed that a model is made from" in text
    assert "Other answers" not in text
    make_wrong(after, {1, 2})
    done, text = told(before, after)
    assert done.same and text.endswith("Other answers come from what is not recorded, such as the number of threads.")


def test_model_parameters_and_code(before: Path, after: Path) -> None:
    def change(report: dict[str, Any]) -> None:
        report["settings"]["input"]["px"] = 96
        report["settings"]["cache"]["max_gb"] = 3.0
        report["settings"]["model"]["factors"] = {"나이. 세": {"graft": "head"}}
        report["model"]["px"] = 96
        report["reasons"]["input.px"] = "auto: because"

    change_json(after / "report.json", change)
    asked = (after / "config.yaml").read_text("utf-8")
    (after / "config.yaml").write_text(asked.replace("flip: auto", "flip: false"), encoding="utf-8")
    change_json(before / "run.json", lambda record: record.update(git={}))
    state = {"commit": "0123456789abcdef", "changed": "yes"}
    change_json(after / "run.json", lambda record: record.update(git=state) or record["versions"].update(numpy="9"))
    change_json(after / "model" / "bundle.json", lambda b: b["networks"][0]["source"].update(weights_sha256="f" * 64))
    done, text = told(before, after)
    assert not done.same
    rows = {row["name"]: row for row in done.document["settings"]}
    assert (rows["input.px"]["before"], rows["input.px"]["after"]) == (64, 96)
    assert (rows["input.px"]["asked_before"], rows["input.px"]["reason_after"]) == (64, "auto: because")
    assert [row["affects"] for row in rows.values()] == [True, True, False, True]
    assert rows['model.factors."나이. 세".graft']["before"] is None
    assert "px: 64 -> 96" in text and "-> ffffffffffff" in text
    assert "cache.max_gb: 10 -> 3 (not asked for); changes no model" in text
    assert "asked otherwise with the same outcome: input.flip" in text
    assert "git: none -> 0123456789ab with changes that were not committed" in text
    assert "numpy: " in text


def test_photos_and_split(before: Path, after: Path) -> None:
    def change(i: int, row: dict[str, str]) -> dict[str, str] | None:
        if i == 0:
            return None
        more = {
            1: {"sha256": "0" * 64},
            2: {"label": "노란 튤립"},
            3: {"path": "옮긴 사진.jpg"},
            4: {"excluded": "x:2"},
        }
        return row | more.get(i, {})

    def move(i: int, row: dict[str, str]) -> dict[str, str]:
        return row | ({"part": "test", "fold": ""} if i >= 50 else {})

    change_table(after / "manifest.csv", change)
    change_table(after / "splits.csv", move)
    for journal, value in ((before / "edits.csv", "a"), (after / "edits.csv", "b")):
        append_edit(journal, "relabel", "1" * 64, value=value)
        append_edit(journal, "exclude", "2" * 64)
    done, text = told(before, after)
    data = done.document["data"]
    assert (data["before"], data["after"], data["shared"]) == (60, 58, 57)
    assert [data[key]["n"] for key in ("added", "removed", "replaced", "renamed", "relabelled")] == [0, 2, 1, 1, 1]
    assert data["edits"] == {"before": 2, "after": 2, "added": {"relabel": 1}, "taken_back": {"relabel": 1}}
    assert data["test"] == {"before": 0, "after": 10, "shared": 0}
    assert {"before": "train", "after": "test", "n": 10} in data["moved"]
    assert "60 photos, now 58; 57 are the same" in text
    assert "1 photo with another content under the same name, such as" in text
    assert "1 photo moved or renamed, such as 옮긴 사진.jpg" in text
    assert "new corrections in the journal: 1 relabelled" in text


def test_what_it_did_to_the_classes(before: Path, after: Path) -> None:
    make_wrong(before, set(range(20)))
    make_wrong(after, set())
    done, text = told(before, after)
    assert "다음 run beats before by 33.3 points (" in text
    assert "right only now: 20 photos; right only before: 0 photos" in text
    clear = [row["name"] for row in done.document["results"]["comparison"]["classes"] if row["clear"]]
    assert clear
    assert f"gained: {clear[0]} F1 +" in text or f", {clear[0]} F1 +" in text


def test_what_can_be_told_without_the_same_photos_is_told(before: Path, after: Path) -> None:
    change_table(after / "predictions.csv", lambda i, row: row if i < 10 else None)
    done, text = told(before, after)
    results = done.document["results"]
    assert results["comparison"] is None
    assert "judged 10 of the same photos with the same labels, and fewer than 20 tell nothing" in results["refused"]
    assert {row["name"] for row in results["apart"]} == {"노란 튤립", "sun flower", "daisy"}
    assert "F1 of the classes, each run on its own photos" in text


def test_a_model_that_was_removed_is_no_change(before: Path, after: Path) -> None:
    (after / "model" / "bundle.json").unlink()
    (before / "config.yaml").unlink()
    done, _ = told(before, after)
    assert done.same


def test_other_folders_are_refused(before: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is given twice"):
        photograft.diff_runs(before, "before", runs_dir=tmp_path)
    (before / "manifest.csv").write_text("x\n1\n", encoding="utf-8")
    with pytest.raises(ModelError, match="its tables are damaged"):
        diff_runs(before, copy_run_of(before, tmp_path))


def copy_run_of(run: Path, tmp_path: Path) -> Path:
    (run / "checksums.json").write_text("{}", encoding="utf-8")
    return copy_run(run, tmp_path / "another")
