from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from tests.tracking.run_examples import make_run, make_stopped

from photograft.tracking import run_index
from photograft.tracking.run_folder import RunFolder
from photograft.tracking.run_index import INDEX, read_runs
from photograft.tracking.run_notes import change_tags


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two runs, one of them in a study, and one that was stopped."""
    place = tmp_path / "나의 runs"
    make_run(place / "2026-11-22-꽃", "train.lr=0.01")
    make_run(place / "2026-11-21-study" / "2026-11-21-a", accuracy=0.9)
    make_stopped(place / "2026-11-23-stopped", "model.graft=all")
    return place


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs that were read from their folders, in order."""
    names: list[str] = []
    real = run_index.read_row

    def counted(folder: Path, place: tuple[str, ...]) -> object:
        names.append(place[-1])
        return real(folder, place)

    monkeypatch.setattr(run_index, "read_row", counted)
    return names


def test_rows_say_what_the_folders_hold(runs: Path) -> None:
    rows = {row.run: row for row in read_runs(runs, with_settings=True)}
    assert list(rows) == ["2026-11-21-study/2026-11-21-a", "2026-11-22-꽃", "2026-11-23-stopped"]
    trial, flower, stopped = rows.values()
    assert (trial.study, trial.accuracy, flower.study, flower.accuracy_low) == ("2026-11-21-study", 0.9, None, 0.7)
    assert (flower.data, flower.photos, flower.classes, flower.judged, flower.n) == ("꽃", 300, 2, "test", 50)
    assert flower.settings is not None
    assert flower.settings["train.lr"] == 0.01
    assert (stopped.status, stopped.graft, stopped.accuracy, stopped.data) == ("unfinished", "all", None, "꽃")
    assert "photograft train --resume" in stopped.problem


def test_only_runs_that_changed_are_read_again(runs: Path, read: list[str]) -> None:
    first = read_runs(runs)
    assert len(read) == 3
    assert read_runs(runs) == first
    assert len(read) == 3
    change_tags(runs / "2026-11-22-꽃", add=["keep"])
    make_run(runs / "2026-11-24-new")
    (runs / "2026-11-23-stopped" / "started.json").unlink()
    rows = {row.run: row for row in read_runs(runs)}
    assert sorted(read[3:]) == ["2026-11-22-꽃", "2026-11-23-stopped", "2026-11-24-new"]
    assert rows["2026-11-22-꽃"].tags == ("keep",)


def test_runs_that_are_gone_are_forgotten(runs: Path) -> None:
    read_runs(runs)
    (runs / "2026-11-22-꽃").rename(runs / "2026-11-22-다른 꽃")
    assert "2026-11-22-다른 꽃" in {row.run for row in read_runs(runs)}
    with sqlite3.connect(runs / INDEX) as index:
        assert index.execute("SELECT count(*) FROM runs").fetchone() == (3,)
    index.close()


@pytest.mark.parametrize("damage", ["empty", "text", "flipped", "version", "folder"])
def test_index_that_cannot_be_used_is_made_anew(runs: Path, read: list[str], damage: str) -> None:
    whole = read_runs(runs)
    file = runs / INDEX
    if damage == "empty":
        file.write_bytes(b"")
    elif damage == "text":
        file.write_bytes(b"no database" * 1000)
    elif damage == "flipped":
        file.write_bytes(file.read_bytes().replace(b"0.9", b"0.1"))
    elif damage == "version":
        with sqlite3.connect(file) as index:
            index.execute("PRAGMA user_version = 99")
        index.close()
    else:
        file.unlink()
        file.mkdir()
    assert read_runs(runs) == whole
    assert len(read) > 3
    known = len(read)
    assert read_runs(runs) == whole
    assert len(read) == known, "the new index serves the next list"


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs POSIX")
def test_index_of_a_folder_that_cannot_be_written_lies_in_the_cache(
    runs: Path, read: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root writes everywhere
    monkeypatch.setenv("PHOTOGRAFT_CACHE", str(tmp_path / "cache"))
    assert read_runs(runs) == read_runs(runs)
    assert (len(read), (runs / INDEX).exists()) == (3, False)
    assert list((tmp_path / "cache").glob("runs-*.sqlite"))


@pytest.mark.parametrize("file", ["report.json", "run.json", "config.resolved.yaml"])
def test_changed_numbers_are_not_shown(runs: Path, file: str) -> None:
    run = runs / "2026-11-22-꽃"
    (run / file).write_text((run / file).read_text("utf-8").replace("0.", "1.") + " ", "utf-8")
    row = next(row for row in read_runs(runs) if row.run == run.name)
    assert (row.status, row.accuracy) == ("damaged", None)
    assert f"{file} was changed" in row.problem


def test_report_that_is_no_report_is_named(runs: Path) -> None:
    run = RunFolder(runs / "2026-11-22-꽃")
    run.write("report.json", "[]")
    run.seal()
    (runs / "2026-11-21-study" / "2026-11-21-a" / "report.json").unlink()
    rows = {row.run: row for row in read_runs(runs)}
    assert "is damaged" in rows["2026-11-22-꽃"].problem
    assert "report.json is missing" in rows["2026-11-21-study/2026-11-21-a"].problem


def test_run_killed_at_birth_and_names_that_are_no_text_are_listed(tmp_path: Path) -> None:
    (tmp_path / "2026-11-22-born").mkdir()
    (tmp_path / "2026-11-22-born" / ".lock").touch()
    assert [(row.run, row.status) for row in read_runs(tmp_path)] == [("2026-11-22-born", "unfinished")]
    if os.name == "posix":
        strange = os.fsdecode(b"2026-\xff\xfe")
        try:
            make_run(tmp_path / strange)
        except OSError:
            pytest.skip("this file system takes UTF-8 names only")
        assert strange in {row.run for row in read_runs(tmp_path)} & {row.run for row in read_runs(tmp_path)}
