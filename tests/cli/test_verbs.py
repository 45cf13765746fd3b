"""The verbs as a user meets them: exit codes, what stands on stdout, and JSON that follows its schema."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import photograft
from photograft.cli.main import main
from photograft.schemas import load_schema
from photograft.workflow.train import TrainedRun

Capture = pytest.CaptureFixture[str]
TINY = ("--quality", "fast", "--set", "input.px=64")


def run_json(capsys: Capture, schema: str, *arguments: object, code: int = 0) -> Any:
    """Run a verb with --json; stdout must be one JSON value that follows the schema, and nothing else."""
    capsys.readouterr()
    assert main([*map(str, arguments), "--json"]) == code
    value = json.loads(capsys.readouterr().out)
    Draft202012Validator(load_schema(schema)).validate(value)
    return value


def run_text(capsys: Capture, *arguments: object, code: int = 0) -> tuple[str, str]:
    capsys.readouterr()
    assert main([*map(str, arguments)]) == code
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err
    return shown.out, shown.err


@pytest.fixture(scope="session")
def photos(photo_folder: Path) -> list[Path]:
    return sorted(photo_folder.rglob("*.png"))


def test_train(
    capsys: Capture, photo_folder: Path, tiny_config: photograft.Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    printed = run_json(capsys, "train", "train", photo_folder, *TINY, "--name", "나의 run")
    assert Path(printed["run"]).name.endswith("나의 run") and Path(printed["bundle"], "bundle.json").is_file()
    assert Path(printed["run"]).parent == Path("runs")
    out, err = run_text(capsys, "train", photo_folder, *TINY, "--runs-dir", tmp_path / "다른 곳")
    assert len(printed["folds"]) == 5 and "5 folds: accuracy 1.000 +- 0.000, macro-F1" in out
    assert "Accuracy" in out and "노란 튤립" in out and "Report" in out and "Estimate" in err


def test_dry_run(
    capsys: Capture, photo_folder: Path, tiny_config: photograft.Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_json(capsys, "plan", "train", photo_folder, *TINY, "--dry-run")["estimate"]["photos"] == 60
    assert run_text(capsys, "train", photo_folder, *TINY, "--dry-run")[0] == ""
    assert list(tmp_path.iterdir()) == []


def test_train_refuses_with_the_exit_code_of_the_reason(
    capsys: Capture, photo_folder: Path, make_photo_folder: Callable[..., Path], tmp_path: Path
) -> None:
    _, err = run_text(capsys, "train", tmp_path / "nothing", code=3)
    assert "does not exist" in err
    _, err = run_text(capsys, "train", make_photo_folder(tmp_path / "one", classes=("a",), n=2), code=3)
    assert "only 1 class folder" in err
    _, err = run_text(capsys, "train", photo_folder, "--set", "input.pixels=64", code=2)
    assert "input.p" in err
    _, err = run_text(capsys, "train", photo_folder, "--quality", "perfect", code=2)
    assert "fast" in err


def test_predict_checks_the_csv_file_before_it_predicts(capsys: Capture, tmp_path: Path) -> None:
    for file, words in ((tmp_path / "no" / "x.csv", "does not exist"), (tmp_path, "is a folder")):
        out, err = run_text(capsys, "predict", tmp_path / "no model", "a.jpg", "--csv", file, code=2)
        assert out == "" and "--csv" in err and words in err


@pytest.mark.skipif(sys.platform == "win32", reason="names hold no control characters there")
def test_predict_prints_one_line_per_photo_whatever_its_name(
    capsys: Capture, tiny_run: TrainedRun, photos: list[Path], tmp_path: Path
) -> None:
    odd = tmp_path / "a\nb\x1b[31m.png"
    odd.write_bytes(photos[0].read_bytes())
    (line,) = run_text(capsys, "predict", tiny_run.run, odd)[0].splitlines()
    assert "a\\nb\\x1b[31m.png\t" in line
    assert run_json(capsys, "predict", "predict", tiny_run.run, odd)[0]["path"] == str(odd)


def test_a_run_name_that_is_too_long_is_refused_first(capsys: Capture, photo_folder: Path, tmp_path: Path) -> None:
    _, err = run_text(capsys, "train", photo_folder, "--runs-dir", tmp_path / "runs", "--name", "x" * 300, code=2)
    assert "--name" in err and "--runs-dir" not in err


def test_predict_files_folders_and_patterns(
    capsys: Capture, tiny_run: TrainedRun, photo_folder: Path, photos: list[Path]
) -> None:
    inputs = [photos[0], photo_folder / "daisy", photo_folder / "sun flower" / "*.png"]
    rows = run_json(capsys, "predict", "predict", tiny_run.run, *inputs, "--top", 2)
    assert len(rows) == 1 + 20 + 4
    assert [r["path"] for r in rows[-4:]] == sorted(str(p) for p in (photo_folder / "sun flower").glob("*.png"))
    assert all(r["status"] == "ok" and len(r["top"]) == 2 and r["label"] == r["top"][0]["label"] for r in rows)
    out, _ = run_text(capsys, "predict", tiny_run.bundle, photos[0], photos[1])
    assert [line.split("\t")[0] for line in out.splitlines()] == [str(photos[0]), str(photos[1])]


def test_predict_a_list_on_stdin(
    capsys: Capture, tiny_run: TrainedRun, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = "".join(f"{p}\r\n" for p in photos[:3]).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(listed + b"\n")))
    rows = run_json(capsys, "predict", "predict", tiny_run.run, "-")
    assert [r["path"] for r in rows] == [str(p) for p in photos[:3]]


def test_predict_rejects_a_row_and_not_the_rest(
    capsys: Capture, tiny_run: TrainedRun, photos: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "깨진.jpg").write_bytes(photos[0].read_bytes()[:900])
    inputs = [tmp_path / "missing.jpg", photos[0], tmp_path / "깨진.jpg"]
    rows = run_json(capsys, "predict", "predict", tiny_run.run, *inputs, code=6)
    assert [r["status"] for r in rows] == ["rejected", "ok", "rejected"]
    out, err = run_text(capsys, "predict", tiny_run.run, *inputs, code=6)
    assert "rejected\tunreadable" in out.splitlines()[0] and "2 of 3 photos" in err


def test_predict_writes_csv(capsys: Capture, tiny_run: TrainedRun, photos: list[Path], tmp_path: Path) -> None:
    inputs = [photos[0], tmp_path / "missing.jpg"]
    out, _ = run_text(capsys, "predict", tiny_run.run, *inputs, "--top", 2, "--csv", tmp_path / "결과.csv", code=6)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "결과.csv").read_text("utf-8"), newline="")))
    assert out == "" and [r["status"] for r in rows] == ["ok", "rejected"]
    assert list(rows[0]) == ["path", "status", "label", "probability", "label_2", "probability_2", "reason"]
    assert rows[0]["label"] == photos[0].parent.name and float(rows[0]["probability"]) > float(rows[0]["probability_2"])
    assert rows[1]["label"] == "" and rows[1]["reason"].startswith("unreadable")
    out, _ = run_text(capsys, "predict", tiny_run.run, photos[0], "--csv", "-")
    assert out.startswith("path,status,label")
    run_text(capsys, "predict", tiny_run.run, photos[0], "--csv", "-", "--json", code=2)


def test_predict_refuses_typing_mistakes_and_models_that_are_none(
    capsys: Capture, tiny_run: TrainedRun, photos: list[Path], tmp_path: Path
) -> None:
    assert "no file matches" in run_text(capsys, "predict", tiny_run.run, tmp_path / "*.jpg", code=3)[1]
    assert "no photos in this folder" in run_text(capsys, "predict", tiny_run.run, tmp_path, code=3)[1]
    assert "neither a run nor a bundle" in run_text(capsys, "predict", tmp_path, photos[0], code=4)[1]
    run_text(capsys, "predict", tiny_run.run, photos[0], "--top", 0, code=2)
    run_text(capsys, "predict", tiny_run.run, code=2)


def test_check_says_what_must_be_fixed_and_exits_3(capsys: Capture, photo_folder: Path, tmp_path: Path) -> None:
    clean = run_json(capsys, "check", "check", photo_folder)
    assert clean["clean"] and clean["photos"]["usable"] == 60
    copied = Path(shutil.copytree(photo_folder, tmp_path / "copied"))
    shutil.copyfile(copied / "daisy/daisy 00.jpg", copied / "sun flower/wrong.jpg")
    (copied / "daisy/broken.jpg").write_bytes((copied / "daisy/daisy 01.jpg").read_bytes()[:700])
    found = run_json(capsys, "check", "check", copied, code=3)
    assert {issue["kind"] for issue in found["issues"] if issue["must_fix"]} == {"rejected", "label_conflict"}
    out, _ = run_text(capsys, "check", copied, "--classes", "daisy,노란 튤립", code=3)
    assert "broken.jpg" in out and "wrong.jpg" not in out


def test_split_writes_a_table_once_and_checks_an_edited_one(
    capsys: Capture, photo_folder: Path, tmp_path: Path
) -> None:
    table = tmp_path / "splits.csv"
    printed = run_json(capsys, "split", "split", photo_folder, "--out", table, "--set", "split.test=0.2")
    assert printed["photos"] == 60 and printed["parts"]["test"] == 12 and printed["folds"] == 5
    assert "--force" in run_text(capsys, "split", photo_folder, "--out", table, code=2)[1]
    assert run_json(capsys, "split", "split", photo_folder, "--check", table)["leaked"] == 0
    lines = table.read_text("utf-8").splitlines(keepends=True)
    table.write_text(
        "".join([*lines[:-1], lines[-1].replace(",test,", ",tset,").replace(",train,", ",tset,")]), "utf-8"
    )
    assert (
        f"splits.csv:{len(lines)}: part 'tset'" in run_text(capsys, "split", photo_folder, "--check", table, code=3)[1]
    )


def test_edits_are_added_listed_applied_and_undone(capsys: Capture, photo_folder: Path, tmp_path: Path) -> None:
    journal, photo = tmp_path / "edits.csv", photo_folder / "daisy/daisy 00.jpg"
    run_text(capsys, "edits", "add", journal, "exclude", photo, "--note", "흐림")
    run_text(capsys, "edits", "add", journal, "relabel", photo_folder / "daisy/daisy 01.jpg", "--value", "sun flower")
    checked = run_json(capsys, "check", "check", photo_folder, "--edits", journal)
    assert checked["photos"] == {"found": 60, "usable": 59, "rejected": 0, "excluded": 1}
    assert [c["photos"] for c in checked["classes"] if c["name"] == "sun flower"] == [21]
    run_text(capsys, "edits", "undo", journal, 2, 3)
    rows = run_json(capsys, "edits", "edits", "list", journal)
    assert [(row["action"], row["in_force"]) for row in rows] == [
        ("exclude", False),
        ("relabel", False),
        ("undo", True),
        ("undo", True),
    ]
    assert run_json(capsys, "check", "check", photo_folder, "--edits", journal)["photos"]["usable"] == 60
    run_text(capsys, "edits", "undo", journal, 99, code=3)
    run_text(capsys, "edits", "add", journal, "relabel", photo, code=2)


def test_evaluate(capsys: Capture, tiny_run: TrainedRun, photo_folder: Path) -> None:
    printed = run_json(capsys, "evaluate", "evaluate", tiny_run.run, photo_folder)
    assert printed["test"]["n"] == 60 and len(printed["per_class"]) == 3
    out, err = run_text(capsys, "evaluate", tiny_run.run, photo_folder)
    assert "Accuracy" in out and "was trained on" in err


def test_verify(capsys: Capture, tiny_run: TrainedRun, bundle_copy: Path) -> None:
    assert run_json(capsys, "verify", "verify", tiny_run.run)["ok"] is True
    assert "agree" in run_text(capsys, "verify", bundle_copy)[0]
    (bundle_copy / "README.md").write_text("changed")
    assert run_json(capsys, "verify", "verify", bundle_copy, code=4)["problems"]
    out, err = run_text(capsys, "verify", bundle_copy, code=4)
    assert out == "" and "README.md was changed" in err
    run_text(capsys, "verify", bundle_copy.parent / "nothing", code=4)


def test_report(capsys: Capture, tiny_run: TrainedRun, tmp_path: Path) -> None:
    assert run_text(capsys, "report", tiny_run.run)[0] == f"{tiny_run.run / 'report.html'}\n"
    run_text(capsys, "report", tmp_path, code=4)


def test_doctor(capsys: Capture) -> None:
    assert run_json(capsys, "doctor", "doctor")["versions"]["photograft"] == photograft.__version__
    assert "versions" in run_text(capsys, "doctor")[0]
    assert "together with PHOTOS" in run_text(capsys, "doctor", "--set", "input.px=64", code=2)[1]


def test_doctor_compares_normalisations(capsys: Capture, photo_folder: Path, tiny_config: object) -> None:
    arguments = ("doctor", photo_folder, "--set", "input.px=64")
    found = run_json(capsys, "doctor", *arguments)
    assert found["photos"] == 60 and found["candidates"][0]["name"] == "configured"
    out, _ = run_text(capsys, *arguments)
    assert "60 photos of 3 classes" in out and ("fits" in out or "warning: " in out)


def test_cache(capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOTOGRAFT_CACHE", str(tmp_path / "빈 cache"))
    assert run_json(capsys, "cache", "cache", "show")["features"] == 0
    assert str(tmp_path / "빈 cache") in run_text(capsys, "cache", "show")[0]
    run_text(capsys, "cache", "clear")
    own = tmp_path / "own cache"
    assert str(own) in run_text(capsys, "cache", "show", "--set", f"cache.dir={own}")[0]
    settings = tmp_path / "settings.yaml"
    settings.write_text(f"cache:\n  dir: {json.dumps(str(own))}\n", encoding="utf-8")
    assert f"{own} is empty" in run_text(capsys, "cache", "clear", "--config", str(settings))[0]
