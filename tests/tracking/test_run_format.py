"""A run of format 1 opens in this release, whatever has come since.

`run_format_1` is a run on 72 drawn photos in three classes, timm's test_resnet with random weights fine-tuned at 64 px,
then made light, and without network, golden pictures and page, which would weigh more than all the rest. Paths and the
name of the system are made up. It is never made again: a format that changes gets a folder of its own.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from photograft.cli.main import main
from photograft.evaluation.paired import compare
from photograft.reporting.judged import read_judged
from photograft.tracking.run_folder import RunFolder, open_run

FORMAT_1 = Path(__file__).parent / "run_format_1"
NAME = "2026-11-22-꽃"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A runs folder that holds it."""
    shutil.copytree(FORMAT_1, tmp_path / "나의 runs" / NAME)
    return tmp_path / "나의 runs"


def shown(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    capsys.readouterr()
    assert main([*map(str, arguments)]) == 0
    return capsys.readouterr().out


def test_nothing_of_it_was_changed() -> None:
    RunFolder(FORMAT_1).check()
    assert json.loads((FORMAT_1 / "run.json").read_bytes())["format"] == 1


def test_is_listed_and_shown(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = json.loads(shown(capsys, "runs", "list", "--runs-dir", runs, "--json"))
    report = json.loads((FORMAT_1 / "report.json").read_bytes())
    scores = report["evaluations"][0]["scores"]
    assert (row["run"], row["status"], row["kind"], row["classes"]) == (NAME, "finished", "train", 3)
    assert (row["judged"], row["n"], row["accuracy"]) == ("test", scores["n"], scores["accuracy"])
    assert (row["backbone"], row["graft"], row["data"]) == ("timm:test_resnet", "blocks:1", "나의 사진")
    text = shown(capsys, "runs", "show", "꽃", "--runs-dir", runs)
    assert all(words in text for words in (*report["summary"], "model.graft: blocks:1"))


def test_what_it_judged_is_read_and_compared(runs: Path) -> None:
    judged = read_judged(runs / NAME)
    assert judged.classes == ("daisy", "노란 튤립", "해바라기")
    assert compare(judged, read_judged(FORMAT_1, name="again")).n == len(judged.keys)


def test_report_is_drawn_again(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = Path(shown(capsys, "report", runs / NAME).strip())
    assert page == runs / NAME / "report.html"
    assert "해바라기" in page.read_text(encoding="utf-8")
    open_run(runs / NAME).check()


def test_its_settings_are_read(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "blocks:1" in shown(capsys, "config", "show", "--config", runs / NAME / "config.resolved.yaml")
